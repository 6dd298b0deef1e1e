"""The API's verbs: what a request for a resource does to the store and what it answers."""
import asyncio
import base64
import copy
import json
import time
import urllib.parse

from . import auth, cluster, defaults, errors, merge_keys, patch, pods, proxy, protobuf, selection, signing, tables
from .errors import ApiError
from .resources import BY_PATH, of
from .store import key_of, now
from .wire import encode

VERBS = {'POST': 'create', 'PUT': 'update', 'PATCH': 'patch', 'DELETE': 'delete', 'GET': 'get'}
PROXIED = ('log', 'exec', 'attach', 'portforward', 'proxy')
BOOKMARK_SECONDS = 10
SAFE_IN_PATH = "/:@!$&'()*+,;=~"


class Target:
    """What a path names: resource, namespace, name, subresource."""

    def __init__(self, path, query, method):
        words = path.strip('/').split('/')
        if words[0] == 'api' and len(words) > 2:
            group, version, words = '', words[1], words[2:]
        elif words[0] == 'apis' and len(words) > 3:
            group, version, words = words[1], words[2], words[3:]
        else:
            raise ApiError(404, 'the server could not find the requested resource')
        self.namespace = None
        if words[0] == 'namespaces' and len(words) > 2 and not (group == '' and words[2] in ('status', 'finalize')
                                                                and len(words) == 3):
            self.namespace, words = words[1], words[2:]
        self.resource = BY_PATH.get((group, version, words[0]))
        if self.resource is None or (self.namespace and not self.resource.namespaced):
            raise ApiError(404, 'the server could not find the requested resource')
        self.name = words[1] if len(words) > 1 else None
        self.subresource = words[2] if len(words) > 2 else ''
        if self.subresource and self.subresource not in self.resource.subresources:
            raise ApiError(404, 'the server could not find the requested resource')
        self.verb = VERBS.get(method, method.lower())
        if self.verb == 'get' and self.name is None:
            self.verb = 'watch' if query.get('watch') in ('true', '1') else 'list'
        elif self.verb == 'delete' and self.name is None:
            self.verb = 'deletecollection'
        if self.subresource in ('exec', 'attach', 'portforward'):
            self.verb = 'create'

    def attributes(self, query, body):
        """For the authorizer. A list of one name counts as a request for that name."""
        name = self.name or ''
        if not name and self.verb in ('list', 'watch'):
            name = selection.wanted_field(query, 'metadata.name') or ''
        return auth.Attributes(self.verb, self.resource.group, self.resource.plural, self.subresource,
                               self.namespace or '', name, '', query, body)


def read_body(request):
    """A request's body as an object, or None."""
    if request.headers.get('content-type', '').startswith(protobuf.CONTENT_TYPE) and request.body:
        return protobuf.decode(request.body)
    return request.json()


class Api:
    """Answers requests. `server` holds the parts: store, cluster, authorizer, issuer, proxy, authority, settings."""

    def __init__(self, server):
        self.server, self.store = server, server.store

    async def handle(self, request, target):
        """(code, object) of a request; watches and proxied requests answer themselves and return (code, None)."""
        body = read_body(request)
        self.server.authorizer.check(request.user, target.attributes(request.query, body))
        if target.subresource in PROXIED:
            return await self._proxy(request, target), None
        if target.verb == 'watch':
            return await self._watch(request, target), None
        if target.subresource in ('binding', 'eviction', 'token'):
            return await getattr(self, '_' + target.subresource)(request, target, body)
        action = {'get': self._get, 'list': self._list, 'create': self._create, 'update': self._update,
                  'patch': self._patch, 'delete': self._delete, 'deletecollection': self._delete_collection}
        if target.verb not in action:
            raise ApiError(405, 'the server does not allow this method on the requested resource')
        return await action[target.verb](request, target, body)

    # --- reading

    def _shown(self, target):
        return self.store.shown(target.resource)

    async def _get(self, request, target, _body):
        found = self._shown(target)[1].get((target.namespace or '', target.name))
        if found is None:
            raise errors.not_found(target.resource, target.name)
        if tables.wants_table(request):
            return 200, tables.table(target.resource, [found], {'resourceVersion': found['metadata']['resourceVersion']})
        return 200, found

    async def _list(self, request, target, _body):
        query = request.query
        self._check_options(query, is_watch=False)
        version, objects = self._shown(target)
        after = None
        if query.get('continue'):
            try:
                version, after = json.loads(base64.b64decode(query['continue']))
            except ValueError:
                raise ApiError(400, 'continue key is not valid') from None
            if version < self.store.oldest:
                raise ApiError(410, 'The provided continue parameter is too old to display a consistent list result. '
                               'You can start a new list without the continue parameter, or use the continue token in '
                               'this response to retrieve the remainder of the results.')
        matches = selection.matcher(target.resource, query)
        items = [item for key, item in sorted(objects.items()) if (not target.namespace or key[0] == target.namespace)
                 and (after is None or list(key) > after) and matches(item)]
        metadata = {'resourceVersion': str(version)}
        limit = int(query.get('limit') or 0)
        if self.server.page_limit and (not limit or limit > self.server.page_limit):
            limit = self.server.page_limit
        if limit and len(items) > limit:
            metadata['remainingItemCount'] = len(items) - limit
            items = items[:limit]
            metadata['continue'] = base64.b64encode(json.dumps([version, list(key_of(items[-1]))]).encode()).decode()
        if tables.wants_table(request):
            return 200, tables.table(target.resource, items, metadata, query.get('includeObject', 'Metadata'))
        plain = [{key: value for key, value in item.items() if key not in ('kind', 'apiVersion')} for item in items]
        return 200, {'kind': target.resource.kind + 'List', 'apiVersion': target.resource.api_version,
                     'metadata': metadata, 'items': plain}

    def _check_options(self, query, is_watch):
        """What upstream's validation of ListOptions says about streamed lists."""
        initial, match = 'sendInitialEvents' in query, query.get('resourceVersionMatch', '')
        rules = (
            (is_watch and initial and match != 'NotOlderThan', 'resourceVersionMatch',
             'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'),
            (is_watch and initial and not self.server.watch_list, 'sendInitialEvents',
             'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled'),
            (is_watch and match and not initial, 'resourceVersionMatch',
             'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
            (not is_watch and initial, 'sendInitialEvents', 'sendInitialEvents is forbidden for list'),
        )
        wrong = [f'{field}: Forbidden: {text}' for is_wrong, field, text in rules if is_wrong]
        if wrong:
            text = wrong[0] if len(wrong) == 1 else f'[{", ".join(wrong)}]'
            raise ApiError(422, f'ListOptions.meta.k8s.io "" is invalid: {text}')

    async def _watch(self, request, target):
        query = request.query
        self._check_options(query, is_watch=True)
        text = query.get('resourceVersion', '')
        initial = request.flag('sendInitialEvents')
        since = None if text in ('', '0') or initial else int(text)
        if since is not None and since > self.store.version:
            raise ApiError(504, f'Too large resource version: {since}, current: {self.store.version}', 'Timeout')
        if target.name:
            query = {**query, 'fieldSelector': f'metadata.name={target.name}'}
        watch = self.store.watch(target.resource, target.namespace, selection.matcher(target.resource, query), since)
        connection = request.connection
        end = time.monotonic() + float(query.get('timeoutSeconds') or 1800)
        try:
            connection.watches += 1
            await connection.start_chunks()
            await self._stream(request, target, watch, end, initial)
            await connection.send_chunk(b'')
        finally:
            connection.watches -= 1
            watch.close()
        return 200

    async def _stream(self, request, target, watch, end, initial):
        bookmarks, is_table = request.flag('allowWatchBookmarks'), tables.wants_table(request)
        next_bookmark = time.monotonic() + self.server.bookmark_seconds
        while time.monotonic() < end:
            await self.server.not_hanging()
            while watch.queue:
                kind, item = watch.queue.popleft()
                if is_table:
                    item = tables.table(target.resource, [item], {
                        'resourceVersion': item['metadata']['resourceVersion']}, request.query.get('includeObject', ''))
                await request.connection.send_chunk(encode({'type': kind, 'object': item}))
            if watch.error:
                await request.connection.send_chunk(encode({'type': 'ERROR', 'object': watch.error.body}))
                return
            if initial or (bookmarks and time.monotonic() >= next_bookmark):
                metadata = {'resourceVersion': str(self._shown(target)[0]), 'creationTimestamp': None}
                if initial:
                    metadata['annotations'] = {'k8s.io/initial-events-end': 'true'}
                await request.connection.send_chunk(encode({'type': 'BOOKMARK', 'object': {
                    'kind': target.resource.kind, 'apiVersion': target.resource.api_version, 'metadata': metadata}}))
                initial, next_bookmark = False, time.monotonic() + self.server.bookmark_seconds
                continue
            if request.connection.is_gone:
                raise ConnectionResetError
            await watch.wait(max(0.0, min(next_bookmark, end, time.monotonic() + 5) - time.monotonic()))

    # --- writing

    def _read_body(self, target, body):
        if not isinstance(body, dict):
            raise ApiError(400, 'the body is no JSON object')
        item = copy.deepcopy(body)
        metadata = item.get('metadata')
        if metadata is None:
            metadata = item['metadata'] = {}
        if not isinstance(metadata, dict):
            raise ApiError(400, 'metadata is no object')
        kind = item.get('kind') or target.resource.kind
        if kind != target.resource.kind:
            raise ApiError(400, f'{kind} in version "{item.get("apiVersion")}" cannot be handled as a '
                           f'{target.resource.kind}: no kind "{kind}" is registered')
        item = {'kind': kind, 'apiVersion': item.get('apiVersion') or target.resource.api_version, **{
            key: value for key, value in item.items() if key not in ('kind', 'apiVersion')}}
        if target.resource.namespaced:
            namespace = target.namespace or 'default'
            if metadata.setdefault('namespace', namespace) != namespace:
                raise ApiError(400, 'the namespace of the provided object does not match the namespace sent on the '
                               'request')
        else:
            metadata.pop('namespace', None)
        if target.name and metadata.setdefault('name', target.name) != target.name:
            raise ApiError(400, f'the name of the object ({metadata["name"]}) does not match the name on the URL '
                           f'({target.name})')
        metadata.pop('managedFields', None)
        return item

    async def _create(self, request, target, body):
        if not target.resource.is_stored:
            return 201, await self.server.reviews.answer(target.resource, request.user, body)
        if target.name:
            raise ApiError(405, 'the server does not allow this method on the requested resource')
        return await self._create_named(request, target, self._read_body(target, body))

    async def _create_named(self, request, target, item):
        metadata = item['metadata']
        for key in ('uid', 'resourceVersion', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink'):
            metadata.pop(key, None)
        if not metadata.get('name'):
            if not metadata.get('generateName'):
                raise errors.invalid(target.resource, '', 'metadata.name', 'Required value: name or generateName is '
                                     'required')
            metadata['name'] = metadata['generateName'] + defaults.suffix()
        if self.store.find(target.resource, *key_of(item)):
            raise errors.already_exists(target.resource, metadata['name'])
        if target.resource.kind == 'CertificateSigningRequest':
            signing.admit(item, request.user)
        self.server.cluster.admit(target.resource, item, None, request.user)
        if request.query.get('dryRun'):
            return 201, item
        created = self.store.create(target.resource, item)
        if target.resource.kind == 'CertificateSigningRequest':
            await self.server.sign(created)
        return 201, created

    async def _update(self, request, target, body):
        old = self.store.find(target.resource, target.namespace, target.name)
        item = self._read_body(target, body)
        if old is None:
            if item['metadata'].get('uid'):
                raise errors.uid_conflict(target.resource, target.namespace, target.name, item['metadata']['uid'], '')
            raise errors.not_found(target.resource, target.name)
        return 200, await self._store_update(request, target, old, item)

    async def _patch(self, request, target, body):
        kind = request.headers.get('content-type', '').partition(';')[0].strip()
        if kind == 'application/apply-patch+yaml':
            return await self._apply(request, target, body)
        old = self.store.get(target.resource, target.namespace, target.name)
        if body is None:
            raise ApiError(400, 'the patch is no JSON')
        wanted = patch.apply(kind, old, body, merge_keys.schema_of(target.resource))
        if not isinstance(wanted, dict):
            raise ApiError(422, 'the patch makes no object', 'Invalid')
        return 200, await self._store_update(request, target, old, self._read_body(target, wanted))

    async def _apply(self, request, target, body):
        """Server-side apply, without ownership of fields: fields that are no longer applied stay."""
        if body is None:
            raise ApiError(415, 'server-side apply is taken as JSON only here')
        if not request.query.get('fieldManager'):
            raise ApiError(400, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for '
                           'apply patch')
        old = self.store.find(target.resource, target.namespace, target.name)
        if old is None:
            return await self._create_named(request, target, self._read_body(target, body))
        wanted = patch.strategic_merge(old, body, merge_keys.schema_of(target.resource))
        return 200, await self._store_update(request, target, old, self._read_body(target, wanted))

    async def _store_update(self, request, target, old, item):
        metadata, before = item['metadata'], old['metadata']
        if metadata.get('uid', before['uid']) != before['uid']:
            raise errors.uid_conflict(target.resource, target.namespace, target.name, metadata['uid'], before['uid'])
        if metadata.get('resourceVersion', before['resourceVersion']) != before['resourceVersion']:
            raise errors.conflict(target.resource, target.name)
        for key in ('uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation',
                    'resourceVersion'):
            metadata.pop(key, None)
            if key in before:
                metadata[key] = before[key]
        if metadata.get('annotations') in (None, {}):
            metadata.pop('annotations', None)
        if 'deletionTimestamp' in before and set(metadata.get('finalizers') or []) - set(before.get('finalizers') or []):
            raise errors.invalid(target.resource, target.name, 'metadata.finalizers',
                                 'Forbidden: no new finalizers can be added if the object is being deleted')
        self._subresource(target, old, item, request.user)
        if request.query.get('dryRun'):
            return item
        return await self._finish_update(target, old, item)

    def _subresource(self, target, old, item, user):
        """Finish an update in place: each subresource changes its own part of the object only."""
        kind = target.resource.full if target.resource.full == 'pods' else ''
        special = {('pods', 'status'): pods.check_status, ('pods', 'resize'): pods.resize,
                   ('pods', 'ephemeralcontainers'): pods.ephemeral}.get((kind, target.subresource))
        if special:
            special(old, item)
        elif target.subresource in ('status', 'approval'):
            self._only_status(target, old, item)
        elif target.subresource == 'finalize':
            item['status'] = old.get('status', {})
        else:
            if 'status' in target.resource.subresources:
                item.pop('status', None)
                if 'status' in old:
                    item['status'] = old['status']
            self.server.cluster.admit(target.resource, item, old, user)

    @staticmethod
    def _only_status(target, old, item):
        """Everything but the status is as before; of a Node, which is written whole, the metadata is taken too."""
        status, metadata = item.get('status'), item['metadata']
        item.clear()
        item.update({key: value for key, value in old.items() if key != 'status'})
        if target.resource.full == 'nodes':
            item['metadata'] = {**old['metadata'], **metadata}
        if status is not None:
            item['status'] = status

    async def _finish_update(self, target, old, item):
        stored = self.finish_update(target.resource, old, item)
        if target.resource.kind == 'CertificateSigningRequest' and signing.is_approved(stored):
            stored = await self.server.sign(stored)
        return stored

    def finish_update(self, resource, old, item):
        """Store an updated object; one that is deleted and lost its last finalizer goes."""
        stored = self.store.replace(resource, old, item)
        if 'deletionTimestamp' in stored['metadata'] and not stored['metadata'].get('finalizers') \
                and old['metadata'].get('finalizers') and stored['metadata'].get('deletionGracePeriodSeconds', 0) == 0:
            self.store.remove(resource, stored)
        return stored

    # --- deleting

    async def _delete(self, request, target, body):
        old = self.store.get(target.resource, target.namespace, target.name)
        options = dict(body) if isinstance(body, dict) else {}
        if 'gracePeriodSeconds' in request.query:
            options['gracePeriodSeconds'] = int(request.query['gracePeriodSeconds'])
        wanted = options.get('preconditions') or {}
        if wanted.get('uid', old['metadata']['uid']) != old['metadata']['uid']:
            raise errors.conflict(target.resource, target.name, f'the UID in the precondition ({wanted["uid"]}) does not '
                                  f'match the UID in record ({old["metadata"]["uid"]}). The object might have been '
                                  'deleted and then recreated')
        if wanted.get('resourceVersion', old['metadata']['resourceVersion']) != old['metadata']['resourceVersion']:
            raise errors.conflict(target.resource, target.name, 'the ResourceVersion in the precondition does not match')
        if options.get('dryRun') or request.query.get('dryRun'):
            return 200, old
        shown = self.delete(target.resource, old, options)
        if target.resource.full in ('pods', 'namespaces'):
            return 200, shown
        return 200, {'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Success', 'details': {
            **errors.details_of(target.resource, target.name), 'uid': old['metadata']['uid']}}

    def delete(self, resource, old, options):
        """Delete an object, or begin to; returns what is answered."""
        if resource.full == 'namespaces':
            return self._delete_namespace(old)
        if resource.full == 'pods':
            grace = pods.grace_of(old, options)
            marked = pods.mark_deleted(old, grace)
            if marked is None:
                return old
            if grace > 0 or marked['metadata'].get('finalizers'):
                return self.store.replace(resource, old, marked)
            return self.store.remove(resource, old, marked)
        if old['metadata'].get('finalizers'):
            if 'deletionTimestamp' in old['metadata']:
                return old
            marked = copy.deepcopy(old)
            marked['metadata'].update(deletionTimestamp=now(), deletionGracePeriodSeconds=0)
            return self.store.replace(resource, old, marked)
        return self.store.remove(resource, old)

    def _delete_namespace(self, old):
        name = old['metadata']['name']
        if name in cluster.NAMESPACES:
            raise ApiError(403, f'namespaces "{name}" is forbidden: this namespace may not be deleted')
        if 'deletionTimestamp' in old['metadata']:
            return old
        marked = self.store.replace(of('namespaces'), old, cluster.terminating(old))
        for resource in BY_PATH.values():
            for key, item in list(self.store.objects[resource].items()):
                if resource.namespaced and key[0] == name and self.store.find(resource, *key) is item:
                    self.delete(resource, item, {})
        self.server.cluster.finish_namespace(name)
        return marked

    async def _delete_collection(self, request, target, body):
        _, answer = await self._list(request, target, None)
        matches = selection.matcher(target.resource, request.query)
        for key, item in list(self.store.objects[target.resource].items()):
            if (not target.namespace or key[0] == target.namespace) and matches(item):
                self.delete(target.resource, item, body if isinstance(body, dict) else {})
        return 200, answer

    # --- pods and accounts

    async def _binding(self, _request, target, body):
        pod = self.store.get(target.resource, target.namespace, target.name)
        node = ((body or {}).get('target') or {}).get('name')
        if not node:
            raise ApiError(400, 'a Binding needs a target')
        self.store.replace(target.resource, pod, pods.bind(pod, node))
        return 201, {'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Success', 'code': 201}

    async def _eviction(self, _request, target, body):
        pod = self.store.get(target.resource, target.namespace, target.name)
        self.delete(target.resource, pod, (body or {}).get('deleteOptions') or {})
        return 201, {'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Success', 'code': 201}

    async def _token(self, request, target, body):
        return 201, await self.server.reviews.token_request(request.user, target, body or {})

    async def _proxy(self, request, target):
        if target.resource.full == 'nodes':
            prefix = f'/api/v1/nodes/{target.name}/proxy'
            path = urllib.parse.quote(request.path[len(prefix):] or '/', SAFE_IN_PATH)
            query = f'?{request.raw_query}' if request.raw_query else ''
            return await self.server.proxy.run(request, target.name, path + query, prefix)
        pod = self.store.get(target.resource, target.namespace, target.name)
        node = pod['spec'].get('nodeName')
        if not node:
            raise ApiError(400, f'pod {target.name} does not have a host assigned')
        path = proxy.pod_target(pod, target.subresource, request)
        pass_on = self.server.proxy.log if target.subresource == 'log' else self.server.proxy.run
        return await pass_on(request, node, path)


async def in_thread(function, *arguments):
    """Run what takes long (openssl) beside the event loop."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

