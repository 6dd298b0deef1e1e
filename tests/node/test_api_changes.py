"""Running pods that are changed in the API server: ephemeral containers, other images, other deadlines."""
import unittest

from lab import images, pods
from lab.agent import NODE
from lab.case import LabCase
from lab.cluster import Cluster, JoinedAgent


class Changes(LabCase):
    """One joined agent each."""

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.agent = JoinedAgent(self.containerd, self.cluster)
        self.addCleanup(self.agent.remove)
        self.addCleanup(self.containerd.runtime.purge)
        self.agent.start()
        self.addCleanup(lambda: self.agent.running() and self.agent.stop())

    @staticmethod
    def bound(name, **options):
        """A Pod that is bound to the lab's node."""
        pod = pods.pod(name, **options)
        pod['spec'].update(nodeName=NODE, automountServiceAccountToken=False)
        return pod

    def create(self, name, **options):
        """The same in the API server, as soon as it is ready."""
        self.cluster.create(self.bound(name, **options))
        return self.agent.wait_api_ready(name)

    def add_ephemeral(self, name, script, **more):
        """What `kubectl debug` does."""
        def change(pod):
            pod['spec'].setdefault('ephemeralContainers', []).append({
                'name': 'debugger', 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent', 'terminationMessagePath': '/dev/termination-log',
                'terminationMessagePolicy': 'File', 'command': ['sh', '-c', script], **more})
        self.cluster.edit('pods', name, change)

    @staticmethod
    def ephemeral(pod):
        """The state of the ephemeral container, {} while there is none."""
        rows = pod['status'].get('ephemeralContainerStatuses') or [{}]
        return rows[0].get('state') or {}

    def test_an_ephemeral_container_sees_its_target(self):
        self.create('debugged', script='exec sleep 1234')
        self.add_ephemeral('debugged', 'ps; exec sleep 600', targetContainerName='main')
        pod = self.agent.wait_api_pod('debugged', 'is debugged', lambda item: 'running' in self.ephemeral(item))
        self.assertEqual(pods.container(pod)['restartCount'], 0)
        log = next(self.agent.logs.glob('*_debugged_*/debugger/0.log'))
        self.agent.wait('it sees the target', lambda: 'sleep 1234' in log.read_text())
        self.assertTrue(pods.ready(pod))
        self.cluster.delete('pods', 'debugged', gracePeriodSeconds=1)
        self.agent.wait_api_gone('debugged')
        self.agent.wait_no_traces(pod['metadata']['uid'])

    def test_an_ephemeral_container_is_not_restarted(self):
        self.create('debugged')
        self.add_ephemeral('debugged', 'exit 3')
        pod = self.agent.wait_api_pod('debugged', 'was debugged', lambda item: 'terminated' in self.ephemeral(item))
        self.assertEqual(self.ephemeral(pod)['terminated']['exitCode'], 3)
        self.assertTrue(pods.ready(pod))
        # a restart of the agent does not run it again
        self.agent.kill()
        self.agent.start()
        self.add_label('debugged')
        pod = self.agent.wait_api_pod('debugged', 'was seen again',
                                      lambda item: item['status'].get('observedGeneration') and pods.ready(item))
        rows = [row for row in self.containerd.runtime.containers() if row['name'] == 'debugger']
        self.assertEqual([row['state'] for row in rows], ['exited'])

    def add_label(self, name):
        """Some change that restarts nothing."""
        self.cluster.edit('pods', name, lambda pod: pod['metadata'].setdefault('labels', {}).update(seen='again'))

    def test_an_unknown_target_is_an_error(self):
        self.create('debugged')
        self.add_ephemeral('debugged', 'true', targetContainerName='nobody')
        pod = self.agent.wait_api_pod('debugged', 'says so', lambda item: 'reason' in (
            self.ephemeral(item).get('waiting') or {}) and self.ephemeral(item)['waiting']['reason'] == 'CreateContainerConfigError')
        self.assertEqual(self.ephemeral(pod)['waiting']['message'], 'unable to find target container nobody')

    def test_another_image_restarts_just_that_container(self):
        other = {'name': 'other', 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent', 'command': ['sh', '-c', pods.FOREVER]}
        pod = self.bound('changed')
        pod['spec']['containers'].append(other)
        self.cluster.create(pod)
        before = self.agent.wait_api_ready('changed')

        def change(item):
            item['spec']['containers'][0]['image'] = images.NAMES['busybox'][1]
        self.cluster.edit('pods', 'changed', change)
        after = self.agent.wait_api_pod('changed', 'runs the other image', lambda item: pods.ready(item) and
                                        pods.container(item)['restartCount'] == 1)
        self.assertEqual(pods.container(after, 'other')['containerID'], pods.container(before, 'other')['containerID'])
        self.assertEqual(after['status']['podIP'], before['status']['podIP'])
        killing = self.agent.wait_event('changed', 'Killing')
        self.assertEqual(killing['message'], 'Container main definition changed, will be restarted')

    def test_a_restart_of_the_agent_changes_nothing_in_a_status(self):
        self.create('probed', container={'readinessProbe': {'exec': {'command': ['true']}, 'periodSeconds': 1}})
        first = {'name': 'first', 'image': pods.BUSYBOX, 'command': ['true'], 'imagePullPolicy': 'IfNotPresent'}
        self.cluster.create(self.bound('crashed', script='sleep 1; exit 1', initContainers=[first]))
        self.agent.wait_api_pod('crashed', 'was restarted', lambda item: pods.container(item).get('restartCount'))
        before = self.agent.wait_api_pod('crashed', 'has crashed again', lambda item: pods.waiting(item) == 'CrashLoopBackOff'
                                         or 'terminated' in pods.container(item)['state'])
        probed = self.cluster.pod('probed')
        self.agent.kill()
        self.agent.start()
        self.add_label('probed')  # the answer to it comes after all that a restart could say
        self.agent.wait('both are listed', lambda: len(self.agent.pods()) == 2)
        self.agent.wait('both are looked at', lambda: all(item['status'].get('containerStatuses') for item in self.agent.pods()))
        after = self.cluster.pod('probed')['status']
        self.assertEqual(after, probed['status'])
        again = self.cluster.pod('crashed')['status']
        self.assertEqual(again['startTime'], before['status']['startTime'])
        self.assertGreaterEqual(pods.container({'status': again})['restartCount'], pods.container(before)['restartCount'])
        times = {row['type']: row['lastTransitionTime'] for row in before['status']['conditions']}
        for row in again['conditions']:
            if row['type'] in ('Initialized', 'PodScheduled', 'PodReadyToStartContainers'):
                self.assertEqual(row['lastTransitionTime'], times[row['type']], row['type'])

    def test_a_deadline_that_is_set_later_counts_from_the_start(self):
        self.create('late', grace=1)
        self.cluster.edit('pods', 'late', lambda pod: pod['spec'].update(activeDeadlineSeconds=1))
        pod = self.agent.wait_api_pod('late', 'Failed', lambda item: pods.phase(item) == 'Failed')
        self.assertEqual(pod['status']['reason'], 'DeadlineExceeded')
        self.agent.wait_event('late', 'DeadlineExceeded')


if __name__ == '__main__':
    unittest.main()
