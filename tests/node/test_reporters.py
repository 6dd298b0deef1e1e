"""Those who tell the API server are killed while there is something to tell."""
import unittest

from lab import pods as shapes
from lab.agent import NODE
from lab.case import JoinedCase

REPORTERS = ('status-reporter', 'node-reporter', 'event-recorder', 'lease-keeper', 'api-client')


def sleeper(name):
    """A Pod of the API server that ends quickly when asked to."""
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name, 'namespace': 'default'}, 'spec': {
        'nodeName': NODE, 'automountServiceAccountToken': False, 'terminationGracePeriodSeconds': 1,
        'containers': [{'name': 'main', 'image': shapes.BUSYBOX, 'command': ['sleep', '1000']}]}}


class Killed(JoinedCase):
    """Each of them, at the start and at the end of a pod."""

    arguments = ['--enable-fault-injection']

    def test_reporters(self):
        """Statuses and deletions arrive, and the Node is still the same."""
        uid = self.cluster.node_object()['metadata']['uid']
        for reporter in REPORTERS:
            with self.subTest(reporter):
                name = f'p-{reporter}'
                self.cluster.create(sleeper(name))
                self.agent.fault('kill', reporter)
                self.agent.wait_api_ready(name, deadline=60)
                self.cluster.delete('pods', name)
                self.agent.fault('kill', reporter)
                self.agent.wait_api_gone(name, deadline=60)
        self.agent.wait_node()
        self.assertEqual(self.cluster.node_object()['metadata']['uid'], uid)

    def test_events_that_wait(self):
        """Events that the API server does not take for a while are there in the end, whoever was killed meanwhile."""
        self.server.fail(verb='create', path='/events', count=-1, code=503)
        self.cluster.create(sleeper('told'))
        self.agent.wait_api_ready('told')
        self.agent.fault('kill', 'event-recorder')
        self.server.clear_faults()
        for reason in ('Pulled', 'Created', 'Started'):
            self.assertEqual(self.agent.wait_event('told', reason, deadline=120)['count'], 1)


if __name__ == '__main__':
    unittest.main()
