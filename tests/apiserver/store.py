"""The objects, their versions, and what happened to them: the part of etcd and the watch cache.

All of it runs in the server's event loop, so there are no locks. An object that was handed out or stored is never
changed afterwards; every change stores another one.
"""
import asyncio
import collections
import copy
import datetime
import uuid

from . import errors
from .resources import TABLE

KEPT_EVENTS = 5000

Change = collections.namedtuple('Change', 'version kind resource old new')


def now():
    """The time as objects carry it."""
    return stamp(datetime.datetime.now(datetime.timezone.utc))


def stamp(when):
    """A time as objects carry it."""
    return when.strftime('%Y-%m-%dT%H:%M:%SZ')


def key_of(item):
    """Where an object is kept below its resource."""
    return item['metadata'].get('namespace', ''), item['metadata']['name']


def version_of(item):
    """An object's resourceVersion as a number."""
    return int(item['metadata']['resourceVersion'])


class Store:
    """Objects by resource, namespace and name."""

    def __init__(self):
        self.version = 1000
        self.objects = {resource: {} for resource in TABLE}
        self.changes = collections.deque()
        self.oldest = self.version
        self.listeners = []
        self.watches = set()
        self._stale = None

    # --- reading

    def freeze(self, is_frozen):
        """Whether reads show the objects of this moment however they change, and watches say nothing new."""
        self._stale = (self.version, {key: dict(value) for key, value in self.objects.items()}) if is_frozen else None
        if not is_frozen:
            for watch in self.watches:
                watch.release()

    @property
    def is_frozen(self):
        """Whether old data is shown."""
        return self._stale is not None

    def shown(self, resource):
        """(version, objects by key) as readers see them."""
        if self._stale:
            return self._stale[0], self._stale[1][resource]
        return self.version, self.objects[resource]

    def find(self, resource, namespace, name):
        """The stored object, or None."""
        return self.objects[resource].get((namespace or '', name))

    def get(self, resource, namespace, name):
        """The stored object, or 404."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise errors.not_found(resource, name)
        return found

    # --- changing

    def create(self, resource, item):
        """Store a new object; returns it with its identity filled in."""
        if key_of(item) in self.objects[resource]:
            raise errors.already_exists(resource, item['metadata']['name'])
        item = copy.deepcopy(item)
        item['metadata'].update(uid=str(uuid.uuid4()), creationTimestamp=now())
        return self._commit('ADDED', resource, None, item)

    def replace(self, resource, old, item):
        """Store a changed object; one that is equal is not stored again and keeps its version."""
        item = copy.deepcopy(item)
        item['metadata']['resourceVersion'] = old['metadata']['resourceVersion']
        if item == old:
            return old
        return self._commit('MODIFIED', resource, old, item)

    def remove(self, resource, old, last=None):
        """Forget an object; `last` is what the watchers see of it."""
        return self._commit('DELETED', resource, old, copy.deepcopy(last or old))

    def _commit(self, kind, resource, old, item):
        self.version += 1
        item['metadata']['resourceVersion'] = str(self.version)
        if kind == 'DELETED':
            del self.objects[resource][key_of(item)]
        else:
            self.objects[resource][key_of(item)] = item
        change = Change(self.version, kind, resource, old, item)
        self.changes.append(change)
        while len(self.changes) > KEPT_EVENTS:
            self.oldest = self.changes.popleft().version
        for watch in self.watches:
            watch.push(change)
        for listener in self.listeners:
            listener(change)
        return item

    def compact(self):
        """Forget what happened: a watch from an older version is answered with 410."""
        self.changes.clear()
        self.oldest = self.version

    # --- watching

    def watch(self, resource, namespace, matches, since):
        """A watch from a version on; `since` is None for one that begins with all objects as ADDED."""
        watch = Watch(self, resource, namespace, matches)
        if since is None:
            for item in sorted(self.shown(resource)[1].values(), key=key_of):
                if watch.concerns(item):
                    watch.queue.append(('ADDED', item))
        else:
            if since < self.oldest:
                raise errors.expired(since, self.oldest)
            for change in self.changes:
                if change.version > since:
                    watch.push(change)
        self.watches.add(watch)
        return watch


class Watch:
    """What one watcher has not seen yet."""

    def __init__(self, store, resource, namespace, matches):
        self.store, self.resource, self.namespace, self.matches = store, resource, namespace, matches
        self.queue, self._held = collections.deque(), []
        self._arrived = asyncio.Event()
        self.error = None

    def concerns(self, item):
        """Whether the watch's namespace and selectors take an object."""
        return (not self.namespace or item['metadata'].get('namespace') == self.namespace) and self.matches(item)

    def push(self, change):
        """Hear of a change. An object that enters or leaves the selection is added or deleted for this watcher."""
        if change.resource is not self.resource:
            return
        if self.store.is_frozen:
            self._held.append(change)
            return
        before = change.old is not None and self.concerns(change.old)
        after = change.kind != 'DELETED' and self.concerns(change.new)
        if change.kind == 'DELETED' and before:
            self.queue.append(('DELETED', change.new))
        elif before and not after:
            gone = copy.deepcopy(change.old)
            gone['metadata']['resourceVersion'] = str(change.version)
            self.queue.append(('DELETED', gone))
        elif after:
            self.queue.append(('MODIFIED' if before else 'ADDED', change.new))
        self._arrived.set()

    def release(self):
        """Old data is over: hear of what was held back."""
        held, self._held = self._held, []
        for change in held:
            self.push(change)

    def fail(self, error):
        """End the watch with an ERROR event (an ApiError)."""
        self.error = error
        self._arrived.set()

    def close(self):
        """The watcher has gone."""
        self.store.watches.discard(self)

    async def wait(self, seconds):
        """Wait until there is something, or for this long."""
        if self.queue or self.error:
            return
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except asyncio.TimeoutError:
            pass
