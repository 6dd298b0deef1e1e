"""Recorded scenarios run on a standalone agent, and what was seen of them in the recordings' shape.

Recordings were made one pod at a time, most of them with an API server. Here many run at once in one agent, each in
the namespace and with the UID that its recording has, so that names need no translation but the one that every static
pod has: its name ends with that of the node.
"""
import concurrent.futures
import json
import subprocess
import threading
import time

from . import system
from .agent import NODE

MUTATING = ('RunPodSandbox', 'StopPodSandbox', 'RemovePodSandbox', 'CreateContainer', 'StartContainer', 'StopContainer',
            'RemoveContainer', 'PullImage', 'ExecSync')

# how many ExecSync calls a recording keeps
EXEC_KEPT = 6

# as many pods as start at the same time without disturbing each other's clocks
AT_ONCE = 8

# what only an API server's admission or the recording's own tools put into a pod
API_FIELDS = ('nodeName', 'serviceAccountName')
API_KNOWLEDGE = ('hostIP', 'hostIPs', 'observedGeneration')
SERVICE = 'KUBERNETES_'
FILE_ANNOTATIONS = ('kubernetes.io/config.hash', 'kubernetes.io/config.mirror')


def manifests(recorded):
    """The objects of a recording as files for a manifest directory: {file name: object}."""
    metadata = recorded['pod']['metadata']
    found = {}
    for index, item in enumerate(recorded['objects']):
        item = json.loads(json.dumps(item))
        item['metadata'].setdefault('namespace', metadata['namespace'])
        if item['kind'] == 'Pod':
            item['metadata'].update({key: metadata[key] for key in ('uid', 'generation') if key in metadata})
            for field in API_FIELDS:
                item['spec'].pop(field, None)
        found[f'{recorded["scenario"].replace("/", "-")}-{index}.json'] = item
    # the pod comes last, as it was applied
    return dict(sorted(found.items(), key=lambda row: row[1]['kind'] == 'Pod'))


class Watch:
    """Polls GET /pods for all scenarios and keeps each pod's distinct statuses."""

    def __init__(self, agent):
        self.agent, self.rows, self.start, self.last = agent, {}, {}, {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.wait(0.05):
            items = self.agent.pods()
            if items is None:
                continue
            now, shown = time.monotonic(), {item['metadata']['uid']: item for item in items}
            for uid, item in shown.items():
                rows = self.rows.setdefault(uid, [])
                if not rows or rows[-1]['status'] != item['status']:
                    rows.append({'at': round(now - self.start.get(uid, now), 2), 'type': 'MODIFIED',
                                 'status': item['status'], 'pod': item})
            self.last = shown

    def end(self):
        """Stop polling."""
        self.ended.set()
        self.thread.join()


class Scenarios:
    """Runs recordings on one agent, many at once."""

    def __init__(self, agent):
        self.agent = agent
        self.tap = agent.place / 'events.json'

    def run(self, recordings):
        """Run them all: {scenario: what was seen, or the exception that ended it}."""
        tap = self.start_tap()
        watch, seen = Watch(self.agent), {}
        try:
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                # the longest first, so that none is left over alone at the end
                order = sorted(recordings, key=lambda recorded: -recorded['deleted_after'])
                futures = {recorded['scenario']: pool.submit(self.one, recorded, watch) for recorded in order}
            for name, future in futures.items():
                seen[name] = future.exception() or future.result()
        finally:
            watch.end()
            system.end(tap)
        events = [json.loads(line) for line in self.tap.read_text().splitlines()]
        calls = self.calls()
        for recorded in recordings:
            actual = seen[recorded['scenario']]
            if isinstance(actual, dict):
                actual['events'] = as_recorded(events_of(recorded, events), recorded)
                if calls is not None:
                    actual['cri'] = as_recorded(calls_of(recorded, calls), recorded)
        return seen

    def start_tap(self):
        """Have every Event written down."""
        said = self.tap.with_suffix('.said')
        with open(self.tap, 'wb') as out, open(said, 'wb') as errors:
            tap = subprocess.Popen(
                [system.BUILD / 'kubelet-tap', '--socket-dir', self.agent.place / 'run', '--json', '--type',
                 'event.record'], stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        self.agent.wait('the tap is attached', lambda: 'attached to' in said.read_text())
        return tap

    def one(self, recorded, watch):
        """Write the manifests, watch as long as the recording did, take them away, watch until the pod is gone."""
        uid = recorded['pod']['metadata']['uid']
        files = manifests(recorded)
        watch.start[uid] = time.monotonic()
        for name, item in files.items():
            self.agent.write_manifest(name, json.dumps(item))
        # the recording watched for this long before the pod was deleted, so this is part of the scenario
        time.sleep(recorded['deleted_after'])
        logs = {item['name']: self.log_of(recorded, item['name']) for kind in ('initContainers', 'containers')
                for item in recorded['pod']['spec'].get(kind) or []}
        before = len(watch.rows.get(uid, []))
        for name in reversed(files):
            self.agent.remove_manifest(name)
        self.agent.wait(f'{recorded["scenario"]} is gone', lambda: uid not in watch.last)
        rows = watch.rows.get(uid, [])
        for row in rows[before:]:
            row['type'] = 'DELETED'
        pod = rows[0]['pod'] if rows else None
        statuses = [{key: value for key, value in row.items() if key != 'pod'} for row in rows]
        return as_recorded({
            'scenario': recorded['scenario'], 'runs': 1, 'objects': list(files.values()), 'pod': pod,
            'deleted_after': recorded['deleted_after'], 'logs': logs, 'events': [],
            'statuses': statuses if is_static(recorded) else withheld(statuses)}, recorded)

    def log_of(self, recorded, container):
        """What `kubectl logs` would show: the content of the newest log file; None without one."""
        metadata = recorded['pod']['metadata']
        name = metadata['name'] if is_static(recorded) else f'{metadata["name"]}-{NODE}'
        return self.log_at(f'{metadata["namespace"]}_{name}_{metadata["uid"]}', container)

    def log_at(self, directory, container):
        """The same for the log directory of a pod."""
        place = self.agent.logs / directory / container
        found = sorted(place.glob('*.log'), key=lambda path: int(path.stem))
        if not found:
            return None
        lines = found[-1].read_text(errors='replace').splitlines(keepends=True)
        return ''.join(line.split(' ', 3)[3] for line in lines)

    def calls(self):
        """All runtime calls that were recorded, with the paths of a usual node; None without a recorder."""
        if not self.agent.recorder:
            return None
        text = self.agent.calls.read_text().replace(str(self.agent.logs), '/var/log/pods').replace(
            f'"/{self.agent.cgroup}/kubepods', '"/kubepods')
        return [(line, json.loads(line)) for line in text.splitlines()]


class JoinedScenarios(Scenarios):
    """Runs recordings on an agent that is joined to a cluster, as they were made."""

    def run(self, recordings):
        """Run them all: {scenario: what was seen, or the exception that ended it}."""
        seen, rows = {}, {}

        def hear(change):
            """In the server's loop, for each version of an object: what a watch would show."""
            if change.new['kind'] == 'Pod':
                metadata = change.new['metadata']
                rows.setdefault(metadata['namespace'], []).append(json.dumps({
                    'type': change.kind, 'deletionGracePeriodSeconds': metadata.get('deletionGracePeriodSeconds'),
                    'status': change.new.get('status')}))
        server = self.agent.cluster.server
        server.call(server.store.listeners.append, hear)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            order = sorted(recordings, key=lambda recorded: -recorded['deleted_after'])
            futures = {recorded['scenario']: pool.submit(self.one, recorded) for recorded in order}
        server.call(server.store.listeners.remove, hear)
        calls = self.calls()
        for recorded in recordings:
            future = futures[recorded['scenario']]
            actual = seen[recorded['scenario']] = future.exception() or future.result()
            if isinstance(actual, dict):
                actual['statuses'] = list(map(json.loads, rows[recorded['pod']['metadata']['namespace']]))
                if calls is not None:
                    actual['cri'] = calls_of(actual, calls)
        return seen

    def one(self, recorded, watch=None):
        """Create the objects, wait as long as the recording did, delete the pod, wait until it is gone."""
        del watch
        cluster, metadata = self.agent.cluster, recorded['pod']['metadata']
        name, namespace = metadata['name'], metadata['namespace']
        cluster.create({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': namespace}}, None)
        for item in json.loads(json.dumps(recorded['objects'])):
            cluster.create(item, namespace)
        pod = cluster.pod(name, namespace)
        # the recording watched for this long before the pod was deleted, so this is part of the scenario
        time.sleep(recorded['deleted_after'])
        logs = {item['name']: self.log_at(f'{namespace}_{name}_{pod["metadata"]["uid"]}', item['name'])
                for kind in ('initContainers', 'containers') for item in recorded['pod']['spec'].get(kind) or []}
        cluster.delete('pods', name, namespace)
        self.agent.wait_api_gone(name, namespace)
        return {'scenario': recorded['scenario'], 'runs': 1, 'objects': recorded['objects'], 'pod': pod,
                'deleted_after': recorded['deleted_after'], 'logs': logs,
                'events': [{key: item.get(key) for key in ('type', 'reason', 'message', 'count', 'involvedObject')}
                           for item in cluster.events(name, namespace)]}


def withheld(rows):
    """Statuses as an API server gets them: a terminal phase is not announced while something of the pod still runs.

    GET /pods shows the node's own view, upstream as here; what shows an end there is that the sandbox is not usable.
    """
    shown, before = [], {}
    for row in rows:
        status = dict(row['status'])
        ready = {item['type']: item['status'] for item in status.get('conditions') or []}
        if status.get('phase') in ('Succeeded', 'Failed') and ready.get('PodReadyToStartContainers') == 'True':
            for key in ('phase', 'reason', 'message'):
                status.pop(key, None)
                status.update({key: before[key]} if key in before else {})
        before = status
        shown.append({**row, 'status': status})
    return shown


def is_static(recorded):
    """Whether the recording is one of a static pod."""
    return 'kubernetes.io/config.hash' in (recorded['pod']['metadata'].get('annotations') or {})


def as_recorded(value, recorded):
    """Without what tells a static pod from one of the API: the node's name in its own, and its annotations."""
    metadata = recorded['pod']['metadata']
    if is_static(recorded):
        return value
    text = json.dumps(value).replace(f'{metadata["name"]}-{NODE}', metadata['name'])
    value = json.loads(text.replace('"kubernetes.io/config.source": "file"', '"kubernetes.io/config.source": "api"'))

    return without(value, FILE_ANNOTATIONS)


def without(value, keys):
    """A value without these keys, at any depth."""
    if isinstance(value, list):
        return [without(item, keys) for item in value]
    if isinstance(value, dict):
        return {key: without(item, keys) for key, item in value.items() if key not in keys}
    return value


def as_standalone(recorded):
    """A recording without what a node cannot know that has no API server: its addresses (those of the Node object), the
    generation of a pod, and the variables of the `kubernetes` Service."""
    if is_static(recorded):
        return recorded
    recorded = without(recorded, API_KNOWLEDGE)
    for call in recorded['cri']:
        config = (call['req'] or {}).get('config') or {}
        if 'envs' in config:
            config['envs'] = [item for item in config['envs'] if not item['key'].startswith(SERVICE)]
    recorded['logs'] = {name: ''.join(line for line in text.splitlines(keepends=True) if not line.startswith(SERVICE))
                        for name, text in recorded['logs'].items()}
    return recorded


def events_of(recorded, events):
    """The Events of a scenario's pod out of what the tap showed; none for a recording without."""
    if not recorded['events']:
        return []
    uid = recorded['pod']['metadata']['uid']
    return [{'type': body['type'], 'reason': body['reason'], 'message': body['message'], 'involvedObject': body['object']}
            for body in (row['body'] for row in events) if body['object'].get('uid') == uid]


def calls_of(recorded, calls):
    """The mutating runtime calls of a scenario's pod."""
    known, found = {recorded['pod']['metadata']['uid']}, []
    for line, call in calls:
        if call['method'] not in MUTATING or not any(word in line for word in known):
            continue
        answer = call.get('resp')
        if isinstance(answer, dict):
            known |= {answer[key] for key in ('pod_sandbox_id', 'container_id') if answer.get(key)}
        if call['method'] != 'ExecSync' or sum(row['method'] == 'ExecSync' for row in found) < EXEC_KEPT:
            found.append(call)
        for item in ((call['req'] or {}).get('config') or {}).get('envs') or []:
            item.setdefault('value', '')
    return found
