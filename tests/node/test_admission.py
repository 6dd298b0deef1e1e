"""Pods that the node does not take show Failed, with upstream's reasons; nothing of them runs.

Static pods are critical, so that where only resources are missing upstream tries to make room first, and says so."""
import os
import unittest

from lab import pods
from lab.case import AgentCase


def port(number, **more):
    """The one container, with a host port."""
    return {'ports': [{'containerPort': 80, 'hostPort': number, **more}]}


def requests(**resources):
    """The one container, with requests."""
    return {'resources': {'requests': resources}}


class Admission(AgentCase):
    """What is refused, and why."""

    arguments = ('--node-labels', 'zone=a')
    config = {'maxPods': 3, 'allowedUnsafeSysctls': ['kernel.msg*']}

    def refused(self, name, reason, message, **pod):
        """Write the manifest and expect the refusal: status, event, and no sandbox."""
        self.agent.write_manifest(name, pods.pod(name, **pod))
        status = self.agent.wait(f'{name} is refused', lambda: self.failed(name))
        self.assertEqual(status['reason'], reason)
        self.assertEqual(status['message'], f'Pod was rejected: {message}')
        self.assertNotIn('containerStatuses', status)
        self.assertIn(reason, self.agent.log.read_text())
        shown = self.agent.pod(name)['metadata']
        self.assertNotIn(shown['uid'], str(self.containerd.runtime.sandboxes()))

    def failed(self, name):
        """The status of a pod that is there and Failed."""
        pod = self.agent.pod(name)
        return pod['status'] if pods.phase(pod) == 'Failed' else None

    def test_more_than_the_node_has(self):
        self.agent.write_manifest('big', pods.pod('big', container=requests(cpu='64000')))
        status = self.agent.wait('big is refused', lambda: self.failed('big'))
        self.assertEqual(status['reason'], 'UnexpectedAdmissionError')
        self.assertRegex(status['message'], r'^Pod was rejected: Unexpected error while attempting to recover from '
                         r'admission failure: preemption: error finding a set of pods to preempt: no set of running '
                         r'pods found to reclaim resources: \[\(res: cpu, q: \d+\), \]$')
        self.agent.remove_manifest('big')
        self.agent.wait('big is forgotten', lambda: self.agent.pods() == [])

    def test_more_pods_than_max_pods(self):
        for number in range(3):
            self.agent.write_manifest(f'pod-{number}', pods.pod(f'pod-{number}', grace=1))
            self.agent.wait_ready_pod(f'pod-{number}')
        self.refused('one-more', 'UnexpectedAdmissionError',
                     'Unexpected error while attempting to recover from admission failure: preemption: error finding '
                     'a set of pods to preempt: no set of running pods found to reclaim resources: '
                     '[(res: pods, q: 1), ]')
        for number in range(3):
            self.assertTrue(pods.ready(self.agent.pod(f'pod-{number}')))

    def test_a_higher_priority_makes_room(self):
        cores = os.cpu_count()
        self.agent.write_manifest('low', pods.pod('low', priority=1, grace=1,
                                                  container=requests(cpu=f'{cores * 1000 - 100}m')))
        self.agent.wait_ready_pod('low')
        self.agent.write_manifest('high', pods.pod('high', priority=2, container=requests(cpu='200m')))
        self.agent.wait_ready_pod('high')
        status = self.agent.pod('low')['status']
        self.assertEqual((status['phase'], status['reason'], status['message']),
                         ('Failed', 'Preempting', 'Preempted in order to admit critical pod'))
        target = next(row for row in status['conditions'] if row['type'] == 'DisruptionTarget')
        self.assertEqual((target['status'], target['reason'], target['message']),
                         ('True', 'TerminationByKubelet',
                          'Pod was preempted by Kubelet to accommodate a critical pod.'))

    def test_a_host_port_that_is_taken(self):
        self.agent.write_manifest('first', pods.pod('first', container=port(18080), grace=1))
        self.agent.wait_ready_pod('first')
        self.refused('second', 'NodePorts',
                     "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
                     container=port(18080, hostIP='127.0.0.1'))
        self.agent.write_manifest('udp', pods.pod('udp', container=port(18080, protocol='UDP'), grace=1))
        self.agent.wait_ready_pod('udp')

    def test_the_wrong_node(self):
        self.agent.write_manifest('right', pods.pod('right', nodeSelector={'zone': 'a', 'kubernetes.io/os': 'linux'}))
        self.agent.wait_ready_pod('right')
        self.refused('wrong', 'NodeAffinity',
                     "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
                     nodeSelector={'zone': 'b'})
        self.refused('windows', 'PodOSNotSupported', 'Failed to admit pod as the OS field doesn\'t match node OS',
                     os={'name': 'windows'})

    def test_sysctls(self):
        def sysctls(**values):
            return {'sysctls': [{'name': name.replace('_', '.'), 'value': value} for name, value in values.items()]}
        self.agent.write_manifest('allowed', pods.pod('allowed', securityContext=sysctls(kernel_msgmax='16384')))
        self.agent.wait_ready_pod('allowed')
        self.refused('forbidden', 'SysctlForbidden', 'forbidden sysctl: "net.core.somaxconn" not allowlisted',
                     securityContext=sysctls(net_core_somaxconn='512'))

    def test_containers_of_a_pod_that_is_refused_after_a_restart_are_stopped(self):
        self.agent.write_manifest('changed', pods.pod('changed', grace=1, nodeSelector={'zone': 'a'}))
        self.agent.wait_ready_pod('changed')
        self.agent.stop()
        self.agent.arguments = ['--node-labels', 'zone=b']
        self.agent.start()
        status = self.agent.wait('the pod is refused', lambda: self.failed('changed'))
        self.assertEqual(status['reason'], 'NodeAffinity')
        self.agent.wait('nothing of it is left', lambda: not self.containerd.runtime.sandboxes())


if __name__ == '__main__':
    unittest.main()
