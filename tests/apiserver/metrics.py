"""metrics.k8s.io for `kubectl top`: what metrics-server makes of the kubelets' /metrics/resource."""
import asyncio
import re
import time

from .errors import ApiError
from .resources import of
from .store import now

GROUP, VERSION = 'metrics.k8s.io', 'v1beta1'
PREFIX = f'/apis/{GROUP}/{VERSION}'
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
BETWEEN_SECONDS = 2


def discovery():
    """GET /apis/metrics.k8s.io/v1beta1."""
    return {'kind': 'APIResourceList', 'apiVersion': 'v1', 'groupVersion': f'{GROUP}/{VERSION}', 'resources': [
        {'name': 'nodes', 'singularName': '', 'namespaced': False, 'kind': 'NodeMetrics', 'verbs': ['get', 'list']},
        {'name': 'pods', 'singularName': '', 'namespaced': True, 'kind': 'PodMetrics', 'verbs': ['get', 'list']}]}


def parse(text):
    """{(metric, namespace, pod, container): (value, milliseconds)} of Prometheus' text format."""
    found = {}
    for line in text.splitlines():
        sample = SAMPLE.match(line)
        if sample:
            labels = dict(LABEL.findall(sample[2] or ''))
            key = sample[1], labels.get('namespace', ''), labels.get('pod', ''), labels.get('container', '')
            found[key] = float(sample[3]), int(sample[4] or time.time() * 1000)
    return found


def usage(first, second, prefix, *labels):
    """{'cpu', 'memory'} between two scrapes, or None when one of them lacks it."""
    cpu, memory = (f'{prefix}_cpu_usage_seconds_total', *labels), (f'{prefix}_memory_working_set_bytes', *labels)
    if cpu not in first or cpu not in second or memory not in second:
        return None
    seconds = (second[cpu][1] - first[cpu][1]) / 1000
    if seconds <= 0:
        return None
    cores = (second[cpu][0] - first[cpu][0]) / seconds
    return {'cpu': f'{max(0, round(cores * 1e9))}n', 'memory': f'{round(second[memory][0] / 1024)}Ki'}


class Metrics:
    """Scrapes the nodes when somebody asks."""

    def __init__(self, store, proxy):
        self.store, self.proxy = store, proxy

    async def answer(self, path):
        """The object for a path below PREFIX."""
        words = path[len(PREFIX):].strip('/').split('/')
        namespace = None
        if words[0] == 'namespaces' and len(words) > 2:
            namespace, words = words[1], words[2:]
        if words[0] not in ('nodes', 'pods'):
            raise ApiError(404, 'the server could not find the requested resource')
        rows = await (self._nodes() if words[0] == 'nodes' else self._pods(namespace))
        kind = 'NodeMetrics' if words[0] == 'nodes' else 'PodMetrics'
        if len(words) == 1:
            return {'kind': kind + 'List', 'apiVersion': f'{GROUP}/{VERSION}', 'metadata': {}, 'items': rows}
        for row in rows:
            if row['metadata']['name'] == words[1]:
                return {'kind': kind, 'apiVersion': f'{GROUP}/{VERSION}', **row}
        raise ApiError(404, f'{words[0]}.{GROUP} "{words[1]}" not found')

    async def _scrapes(self):
        """[(node, first scrape, second scrape)]: a rate needs two samples."""
        names = [node['metadata']['name'] for node in self.store.objects[of('nodes')].values()]
        first = [parse(await self.proxy.fetch(name, '/metrics/resource')) for name in names]
        second = first
        for _ in range(20):  # the kubelet may answer with the same sample for a while
            await asyncio.sleep(BETWEEN_SECONDS)
            second = [parse(await self.proxy.fetch(name, '/metrics/resource')) for name in names]
            if all(usage(one, other, 'node', '', '', '') for one, other in zip(first, second)):
                break
        return zip(names, first, second)

    async def _nodes(self):
        rows = [(name, usage(first, second, 'node', '', '', '')) for name, first, second in await self._scrapes()]
        return [{'metadata': {'name': name}, 'timestamp': now(), 'window': f'{BETWEEN_SECONDS}s', 'usage': used}
                for name, used in rows if used]

    async def _pods(self, namespace):
        found = {name: (first, second) for name, first, second in await self._scrapes()}
        rows = []
        for pod in self.store.objects[of('pods')].values():
            meta, node = pod['metadata'], pod['spec'].get('nodeName')
            if node not in found or (namespace and meta['namespace'] != namespace):
                continue
            containers = [(item['name'], usage(*found[node], 'container', meta['namespace'], meta['name'], item['name']))
                          for item in pod['spec']['containers']]
            if any(used for _, used in containers):
                rows.append({'metadata': {'name': meta['name'], 'namespace': meta['namespace']}, 'timestamp': now(),
                             'window': f'{BETWEEN_SECONDS}s',
                             'containers': [{'name': name, 'usage': used} for name, used in containers if used]})
        return rows
