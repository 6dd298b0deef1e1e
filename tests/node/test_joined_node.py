"""A node in a cluster: what the API server holds of it."""
import json
import pathlib
import unittest

from lab import pods as shapes
from lab.agent import NODE
from lab.case import JoinedCase

CONDITIONS = {'MemoryPressure': ('False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
              'DiskPressure': ('False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
              'PIDPressure': ('False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
              'Ready': ('True', 'KubeletReady', 'kubelet is posting ready status')}


def lease(cluster):
    """The node's lease, or None."""
    return cluster.server.get('leases.coordination.k8s.io', NODE, 'kube-node-lease')


class Node(JoinedCase):
    """Registration, status, lease, events about the node."""

    config = {'nodeLeaseDurationSeconds': 4, 'nodeStatusUpdateFrequency': '1s', 'nodeStatusReportFrequency': '2s'}

    def test_registered(self):
        """The Node has upstream's labels, annotations, conditions, sizes and facts; the lease is renewed."""
        node = self.cluster.node_object()
        self.assertEqual(node['metadata']['labels'], {
            'beta.kubernetes.io/arch': 'amd64', 'beta.kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64',
            'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': NODE})
        self.assertEqual(node['metadata']['annotations'].get('volumes.kubernetes.io/controller-managed-attach-detach'),
                         'true')
        status = node['status']
        self.assertEqual({row['type']: (row['status'], row['reason'], row['message']) for row in status['conditions']},
                         CONDITIONS)
        self.assertEqual(status['addresses'], [{'type': 'InternalIP', 'address': self.agent.address},
                                               {'type': 'Hostname', 'address': NODE}])
        self.assertEqual(status['daemonEndpoints']['kubeletEndpoint']['Port'], self.agent.tls_port)
        self.assertEqual(set(status['capacity']), {'cpu', 'memory', 'pods', 'ephemeral-storage', 'hugepages-1Gi',
                                                   'hugepages-2Mi'} & set(status['capacity']) | {
                                                       'cpu', 'memory', 'pods', 'ephemeral-storage'})
        info = status['nodeInfo']
        self.assertEqual(info['bootID'], pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip())
        self.assertTrue(info['containerRuntimeVersion'].startswith('containerd://'))
        first = self.agent.wait_value('a lease', lambda: lease(self.cluster))
        self.assertEqual((first['spec']['holderIdentity'], first['spec']['leaseDurationSeconds']), (NODE, 4))
        self.assertEqual(first['metadata']['ownerReferences'][0]['uid'], node['metadata']['uid'])
        self.agent.wait('the lease is renewed', lambda: lease(self.cluster)['spec']['renewTime']
                        != first['spec']['renewTime'])
        heard = {row['type']: row['lastHeartbeatTime'] for row in status['conditions']}
        self.agent.wait('the status is reported again', lambda: any(
            heard[row['type']] != row['lastHeartbeatTime'] for row in self.cluster.node_object()['status']['conditions']))
        for reason in ('Starting', 'NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID',
                       'NodeAllocatableEnforced'):
            self.agent.wait_event(NODE, reason)

    def test_comes_back(self):
        """A Node that somebody deleted is there again after a restart, with a lease; labels of others stay."""
        uid = self.cluster.node_object()['metadata']['uid']
        self.agent.stop()
        self.cluster.delete('nodes', NODE, None)
        self.assertIsNone(lease(self.cluster), 'the lease goes with its owner')
        self.agent.start()
        self.assertNotEqual(self.cluster.node_object()['metadata']['uid'], uid)
        self.cluster.edit('nodes', NODE, lambda node: node['metadata']['labels'].update(zone='a'), None)
        self.agent.wait('a lease of the new node', lambda: lease(self.cluster) and lease(self.cluster)['metadata'][
            'ownerReferences'][0]['uid'] == self.cluster.node_object()['metadata']['uid'])
        self.agent.stop()
        self.agent.start()
        self.assertEqual(self.cluster.node_object()['metadata']['labels'].get('zone'), 'a')

    def test_runtime_away(self):
        """A runtime that is away makes the node NotReady, and Ready again when it is back."""
        self.containerd.stop()
        self.agent.wait('the node is NotReady', lambda: not self.cluster.node_is_ready(), 120)
        row = next(row for row in self.cluster.node_object()['status']['conditions'] if row['type'] == 'Ready')
        self.assertEqual(row['reason'], 'KubeletNotReady')
        self.containerd.start()
        self.agent.wait('the node is Ready', self.cluster.node_is_ready, 120)

    def test_registers_with(self):
        """Labels and taints of the command line and the configuration."""
        self.agent.stop()
        self.cluster.delete('nodes', NODE, None)
        agent = self.new_agent(arguments=['--node-labels', 'lab=yes,node.kubernetes.io/role=x', '--register-with-taints',
                                          'key=value:NoSchedule'])
        self.agent = agent
        agent.launch()
        node = agent.wait_value('the node', self.cluster.node_object)
        self.assertEqual((node['metadata']['labels']['lab'], node['metadata']['labels']['node.kubernetes.io/role']),
                         ('yes', 'x'))
        self.assertIn({'key': 'key', 'value': 'value', 'effect': 'NoSchedule'}, node['spec']['taints'])


class Bootstrap(JoinedCase):
    """TLS bootstrap: a first certificate for a token, then rotation."""

    start = False
    config = {'rotateCertificates': True}

    def test_first_certificate(self):
        """With a bootstrap kubeconfig and no other, the agent asks for a certificate and becomes a node."""
        bootstrap = self.server.bootstrap_kubeconfig(self.cluster.place / 'bootstrap.kubeconfig')
        own = self.cluster.place / 'own.kubeconfig'
        self.agent = self.new_agent(kubeconfig=own, bootstrap=bootstrap)
        self.agent.start()
        requests = self.server.objects('certificatesigningrequests.certificates.k8s.io')
        self.assertEqual([row['spec']['username'] for row in requests
                          if row['spec']['signerName'].endswith('client-kubelet')], ['system:bootstrap:abcdef'])
        self.assertTrue(own.exists())
        self.assertFalse('abcdef' in own.read_text(), 'the bootstrap token is not the node\'s')
        self.cluster.create(shapes.pod('a', nodeName=NODE))
        self.agent.wait_api_ready('a')

    def test_rotation(self):
        """A certificate of a short life is replaced before it ends, and the node stays."""
        self.server.certificate_seconds = 30
        bootstrap = self.server.bootstrap_kubeconfig(self.cluster.place / 'bootstrap.kubeconfig')
        self.agent = self.new_agent(kubeconfig=self.cluster.place / 'own.kubeconfig', bootstrap=bootstrap)
        self.agent.start()

        def by_node():
            return [row for row in self.server.objects('certificatesigningrequests.certificates.k8s.io')
                    if row['spec']['username'] == f'system:node:{NODE}'
                    and row['spec']['signerName'].endswith('client-kubelet')]
        self.agent.wait('the node asks for a new certificate with its old one', by_node, 120)
        self.cluster.create(shapes.pod('a', nodeName=NODE))
        self.agent.wait_api_ready('a')


class Served(JoinedCase):
    """What the real kubectl shows of the node."""

    def test_kubectl(self):
        """get and describe."""
        self.assertRegex(self.cluster.kubectl('get', 'nodes'), rf'{NODE}\s+Ready')
        described = self.cluster.kubectl('describe', 'node', NODE)
        self.assertIn('KubeletReady', described)
        self.assertEqual(json.loads(self.cluster.kubectl('get', 'node', NODE, '-o', 'json'))['metadata']['name'], NODE)


if __name__ == '__main__':
    unittest.main()
