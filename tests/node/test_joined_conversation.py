"""What the agent asks of the API server, held against an upstream kubelet's recorded conversation."""
import json
import pathlib
import re
import unittest
import urllib.parse

from lab import system
from lab.agent import NODE
from lab.case import JoinedCase

SAMPLE = system.REPOSITORY / 'tests/samples/api-requests.jsonl'
TRACES = pathlib.Path(__file__).resolve().parent / 'traces'
SCENARIOS = ('nginx-defaults', 'config-env', 'config-volumes')

# kinds of requests that only one side makes, each with its reason
ONLY_UPSTREAM = {
    'deletecollection /apis/resource.k8s.io/v1/resourceslices': 'dynamic resource allocation is not there',
    'list /apis/storage.k8s.io/v1/csidrivers': 'CSIDrivers are read when a pod has a CSI volume',
    'watch /apis/storage.k8s.io/v1/csidrivers': 'CSIDrivers are read when a pod has a CSI volume',
    'create /apis/authorization.k8s.io/v1/subjectaccessreviews': 'the recording had a client of the node\'s own API',
    'patch /api/v1/namespaces/NAMESPACE/events/NAME': 'upstream says some events about the node again when it starts',
    'create /apis/certificates.k8s.io/v1/certificatesigningrequests': 'certificates are part of another test',
}
ONLY_OURS = {
    'get /api/v1/nodes/NAME': 'the owner of the lease is read from the API server',
    'create /apis/storage.k8s.io/v1/csinodes': 'the recorded node had one already',
}


def shape(row):
    """A request without names: `patch /api/v1/namespaces/NAMESPACE/pods/NAME/status`."""
    path = urllib.parse.urlsplit(row['uri']).path
    path = re.sub(r'/namespaces/[^/]+', '/namespaces/NAMESPACE', path)
    path = re.sub(r'(/(?:pods|nodes|leases|events|csinodes|serviceaccounts|configmaps|secrets|certificatesigningrequests))'
                  r'/[^/]+', r'\1/NAME', path)
    return f'{row["verb"]} {path}'


def parameters(row):
    """The query's names, and the values of selectors and limits without the names in them."""
    found = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(row['uri']).query))
    selector = re.sub(r'=(?!None)[^,]*$', '=X', found.get('fieldSelector', ''))
    # the client's own time limit is an option of upstream's client library, not of the API
    return tuple(sorted(set(found) - {'timeout', 'resourceVersion'})), selector, found.get('limit')


class Conversation(JoinedCase):
    """Three recorded scenarios on a node that is new to its cluster."""

    config = {'nodeLeaseDurationSeconds': 4, 'nodeStatusUpdateFrequency': '1s', 'nodeStatusReportFrequency': '2s'}

    def test_conversation(self):
        """Every kind of request that upstream makes is made, with the same parameters, and no other."""
        for name in SCENARIOS:
            recorded = json.loads((TRACES / f'{name}.json').read_text())
            self.server.call(self.server.cluster.create_namespace, f's-{name}')
            for item in recorded['objects']:
                self.cluster.create(item, f's-{name}')
        pods = [(pod['metadata']['name'], pod['metadata']['namespace']) for pod in self.server.objects('pods')]
        for pod in pods:
            self.agent.wait_api_ready(*pod)
        for verb, path in (('update', '/leases/'), ('patch', f'/nodes/{NODE}/status')):
            self.agent.wait(f'{verb} {path}', lambda: self.server.requests(verb, path))  # noqa: B023 (waited for here)
        for name, namespace in pods:
            self.cluster.delete('pods', name, namespace)
        for pod in pods:
            self.agent.wait_api_gone(*pod)
        mine = [row for row in self.server.requests() if row['user'] == f'system:node:{NODE}']
        theirs = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
        ours, upstream = self.kinds(mine), self.kinds(theirs)
        self.assertEqual(sorted(set(upstream) - set(ours) - set(ONLY_UPSTREAM)), [], 'what only upstream asks')
        self.assertEqual(sorted(set(ours) - set(upstream) - set(ONLY_OURS)), [], 'what only we ask')
        for kind in sorted(set(ours) & set(upstream)):
            with self.subTest(kind):
                self.assertLessEqual(ours[kind], upstream[kind])
        self.assertEqual([row['uri'] for row in mine if row['code'] == 403], [], 'what the node may not')

    @staticmethod
    def kinds(rows):
        """{shape: the parameters it is asked with}."""
        found = {}
        for row in rows:
            found.setdefault(shape(row), set()).add(parameters(row))
        return found


if __name__ == '__main__':
    unittest.main()
