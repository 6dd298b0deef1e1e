"""Pods that take more local storage than they may, or that a node which runs short cannot keep."""
import unittest

from lab import pods
from lab.case import AgentCase
from lab.cluster import Cluster, JoinedAgent

FILL = 'head -c 8388608 /dev/zero > /scratch/file; ' + pods.FOREVER


def scratch(name, limit=None, script=FILL, **container):
    """A pod that writes 8 MiB into a volume."""
    return pods.pod(name, script=script, container={'volumeMounts': [{'name': 'scratch', 'mountPath': '/scratch'}], **container},
                    volumes=[{'name': 'scratch', 'emptyDir': {'sizeLimit': limit} if limit else {}}])


class EvictionCase(AgentCase):
    """A joined agent: static pods are never evicted."""

    def new_agent(self, **options):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        agent = JoinedAgent(self.containerd, self.cluster, **{'config': self.config, **options})
        self.addCleanup(agent.remove)
        return agent

    def create(self, pod):
        """Create a pod bound to this node."""
        pod['spec']['nodeName'] = self.cluster.node
        return self.cluster.create(pod)

    def evicted(self, name, deadline=90):
        """Wait until the pod is Failed as Evicted, with all that goes with it; its message."""
        pod = self.agent.wait_api_pod(name, 'Evicted', lambda pod: pod['status'].get('reason') == 'Evicted'
                                      and not any((row.get('state') or {}).get('running')
                                                  for row in pod['status'].get('containerStatuses', [])), deadline=deadline)
        status = pod['status']
        self.assertEqual(status['phase'], 'Failed')
        target = [row for row in status['conditions'] if row['type'] == 'DisruptionTarget']
        self.assertEqual([(row['status'], row['reason'], row['message']) for row in target],
                         [('True', 'TerminationByKubelet', status['message'])])
        event = self.agent.wait('there is an event', lambda: [item for item in self.cluster.events(name)
                                                              if item['reason'] == 'Evicted'])[0]
        self.assertEqual(event['message'], status['message'])
        self.assertEqual(event['type'], 'Warning')
        return status['message']


class StorageLimits(EvictionCase):
    """sizeLimit and ephemeral-storage."""

    def test_a_volume_over_its_limit(self):
        self.create(scratch('full', limit='4Mi'))
        self.create(scratch('fits', limit='64Mi'))
        self.assertEqual(self.evicted('full'), 'Usage of EmptyDir volume "scratch" exceeds the limit "4Mi". ')
        self.agent.wait_api_ready('fits')

    def test_a_pod_and_a_container_over_their_limits(self):
        self.create(scratch('pod', resources={'limits': {'ephemeral-storage': '4Mi'}}))
        root = 'head -c 8388608 /dev/zero > /written; ' + pods.FOREVER
        many = pods.pod('one', script=root, container={'resources': {'limits': {'ephemeral-storage': '4Mi'}}})
        many['spec']['containers'].append({**many['spec']['containers'][0], 'name': 'other', 'command': [
            'sh', '-c', pods.FOREVER], 'resources': {'limits': {'ephemeral-storage': '64Mi'}}})
        self.create(many)
        self.assertEqual(self.evicted('pod'), 'Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ')
        self.assertEqual(self.evicted('one'), 'Container main exceeded its local ephemeral storage limit "4Mi". ')


class Pressure(EvictionCase):
    """A node that always is short of memory, as far as it knows."""

    config = {'evictionHard': {'memory.available': '99.9%'}, 'evictionPressureTransitionPeriod': '0s'}

    def test_the_node_says_so_and_pods_go(self):
        def conditions():
            node = self.cluster.node_object() or {}
            return {row['type']: row for row in node.get('status', {}).get('conditions', [])}
        self.agent.wait('the node has memory pressure',
                        lambda: conditions().get('MemoryPressure', {}).get('status') == 'True', deadline=90)
        self.assertEqual(conditions()['MemoryPressure']['reason'], 'KubeletHasInsufficientMemory')
        # a Burstable pod is admitted under memory pressure, and is the only one that can go
        self.create(pods.pod('burst', container={'resources': {'requests': {'memory': '1Mi'}}}))
        message = self.evicted('burst')
        self.assertRegex(message, r'^The node was low on resource: memory\. Threshold quantity: \S+, available: \S+\. ')
        self.agent.wait('the node says what it does', lambda: [
            item for item in self.cluster.events(self.cluster.node)
            if (item['reason'], item['message']) == ('EvictionThresholdMet', 'Attempting to reclaim memory')])


if __name__ == '__main__':
    unittest.main()
