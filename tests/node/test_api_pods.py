"""Pods of an API server: run, refused, deleted, resized; static pods and their mirrors."""
import json
import os
import pathlib
import unittest

from lab import pods
from lab.agent import NODE
from lab.case import LabCase
from lab.cluster import Cluster, JoinedAgent


def bound(name, script=pods.FOREVER, namespace='default', **options):
    """A Pod that is bound to the lab's node."""
    pod = pods.pod(name, script, **options)
    pod['metadata']['namespace'] = namespace
    pod['spec'].update(nodeName=NODE, automountServiceAccountToken=False)
    return pod


class ApiPods(LabCase):
    """An agent that is joined to a small cluster."""

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.agent = JoinedAgent(self.containerd, self.cluster, arguments=['--enable-fault-injection'])
        self.addCleanup(self.agent.remove)
        self.addCleanup(self.containerd.runtime.purge)
        self.agent.start()
        self.addCleanup(lambda: self.agent.running() and self.agent.stop())

    def sandboxes(self):
        """What the runtime has, as text."""
        return str(self.containerd.runtime.sandboxes())

    def test_a_pod_runs_and_is_deleted(self):
        self.cluster.create(bound('web', grace=1))
        pod = self.agent.wait_api_ready('web')
        self.assertEqual(pod['status']['observedGeneration'], 1)
        self.cluster.delete('pods', 'web')
        self.agent.wait_api_gone('web')
        self.agent.wait_no_traces(pod['metadata']['uid'])

    def test_a_deletion_by_force_leaves_nothing(self):
        self.cluster.create(bound('web', grace=1))
        uid = self.agent.wait_api_ready('web')['metadata']['uid']
        self.cluster.delete('pods', 'web', gracePeriodSeconds=0)
        self.agent.wait_no_traces(uid)
        self.agent.wait('it is off the list', lambda: not self.agent.pods())

    def test_a_shorter_grace_period_counts(self):
        self.cluster.create(bound('stubborn', 'trap "" TERM; while :; do sleep 0.2; done', grace=600))
        self.agent.wait_api_ready('stubborn')
        self.cluster.delete('pods', 'stubborn')
        self.agent.wait_api_pod('stubborn', 'is being deleted', lambda pod: 'deletionTimestamp' in pod['metadata'])
        self.cluster.delete('pods', 'stubborn', gracePeriodSeconds=1)
        self.agent.wait_api_gone('stubborn')

    def test_a_pod_that_does_not_fit_is_refused_and_can_be_deleted(self):
        self.cluster.create(bound('big', container={'resources': {'requests': {'cpu': '6400'}}}))
        status = self.agent.wait_api_pod('big', 'Failed', lambda pod: pods.phase(pod) == 'Failed')['status']
        self.assertEqual(status['reason'], 'OutOfcpu')
        self.assertRegex(status['message'], r"^Pod was rejected: Node didn't have enough resource: cpu, requested: "
                         r'6400000, used: 0, capacity: \d+$')
        self.assertNotIn('conditions', status)
        self.agent.wait_event('big', 'OutOfcpu')
        self.cluster.delete('pods', 'big')
        self.agent.wait_api_gone('big')

    def test_a_finished_pod_is_not_run_again_by_another_agent(self):
        self.cluster.create(bound('once', 'echo ran', restartPolicy='Never'))
        before = self.agent.wait_api_pod('once', 'Succeeded', lambda pod: pods.phase(pod) == 'Succeeded')
        self.agent.stop()
        self.agent.start()
        self.agent.wait('the agent lists it', lambda: self.agent.pods())
        self.cluster.create(bound('other', grace=1))
        self.agent.wait_api_ready('other')
        after = self.cluster.pod('once')
        self.assertEqual(pods.container(before), pods.container(after))
        self.cluster.delete('pods', 'once')
        self.agent.wait_api_gone('once')

    def test_a_readiness_gate_opens(self):
        self.cluster.create(bound('gated', grace=1, readinessGates=[{'conditionType': 'example.com/open'}]))
        self.agent.wait_api_pod('gated', 'up but not Ready', lambda pod: pods.condition(pod, 'ContainersReady')
                                and not pods.condition(pod, 'Ready'))

        def open_gate(pod):
            pod['status']['conditions'].append({'type': 'example.com/open', 'status': 'True'})
        self.cluster.edit('pods', 'gated', open_gate)
        self.agent.wait_api_ready('gated')

    def test_a_pod_is_resized_in_place(self):
        self.cluster.create(bound('sized', grace=1, container={'resources': {
            'requests': {'cpu': '100m', 'memory': '32Mi'}, 'limits': {'cpu': '200m', 'memory': '64Mi'}}}))
        pod = self.agent.wait_api_ready('sized')
        uid = pod['metadata']['uid']

        def resize(cpu):
            def change(item):
                item['spec']['containers'][0]['resources']['limits']['cpu'] = cpu
                item['spec']['containers'][0]['resources']['requests']['cpu'] = cpu
            self.cluster.edit('pods', 'sized', change)
        resize('300m')
        self.agent.wait_api_pod('sized', 'resized', lambda pod: not pods.condition(pod, 'PodResizeInProgress')
                                and pods.container(pod).get('resources', {}).get('limits', {}).get('cpu') == '300m')
        resize('1000')
        pod = self.agent.wait_api_pod('sized', 'asking for too much', lambda pod: pods.condition(
            pod, 'PodResizePending'))
        row = next(row for row in pod['status']['conditions'] if row['type'] == 'PodResizePending')
        self.assertEqual(row['reason'], 'Infeasible')
        self.assertRegex(row['message'], r"^Node didn't have enough capacity: cpu, requested: 1000000, capacity: \d+$")
        resize('250m')
        pod = self.agent.wait_api_pod('sized', 'resized again', lambda pod: not pods.condition(
            pod, 'PodResizePending') and not pods.condition(pod, 'PodResizeInProgress')
            and pods.container(pod).get('resources', {}).get('limits', {}).get('cpu') == '250m')
        self.assertEqual(pods.container(pod)['restartCount'], 0)
        container = pods.container(pod)['containerID'].split('//')[1]
        self.assertEqual(self.cpu_quota(container), 25000)

        self.agent.stop()  # a resize of this time is found and carried out after the restart
        for name in 'allocated_pods_state', 'actuated_pods_state':
            state = json.loads(json.loads((self.agent.root / name).read_text())['data'])
            self.assertEqual(state['entries'][uid]['ContainerResources']['main']['limits']['cpu'], '250m')
        resize('150m')
        self.agent.start()
        pod = self.agent.wait_api_pod('sized', 'resized after the restart', lambda pod: not pods.condition(
            pod, 'PodResizeInProgress') and pods.container(pod)['resources']['limits']['cpu'] == '150m')
        self.assertEqual(pods.container(pod)['restartCount'], 0)
        self.agent.wait('the new quota', lambda: self.cpu_quota(container) == 15000)

    def cpu_quota(self, container):
        """The CPU quota of a container in microseconds of 100 ms, from its cgroup."""
        tasks = [line.split() for line in self.containerd.ctr('tasks', 'list').splitlines()]
        pid = next(row[1] for row in tasks if row[0] == container)
        for line in pathlib.Path(f'/proc/{pid}/cgroup').read_text().splitlines():
            _, controllers, path = line.split(':', 2)
            if 'cpu' in controllers.split(','):
                place = pathlib.Path('/proc/mounts').read_text().splitlines()
                mount = next(row.split()[1] for row in place if row.split()[2] == 'cgroup'
                             and 'cpu' in row.split()[3].split(','))
                return int(pathlib.Path(mount + path, 'cpu.cfs_quota_us').read_text())
            if not controllers and pathlib.Path(f'/sys/fs/cgroup{path}/cpu.max').exists():
                return int(pathlib.Path(f'/sys/fs/cgroup{path}/cpu.max').read_text().split()[0])
        return None

    def test_a_resize_may_need_a_restart(self):
        self.cluster.create(bound('sized', grace=1, container={
            'resources': {'requests': {'memory': '32Mi', 'cpu': '100m'}, 'limits': {'memory': '64Mi', 'cpu': '200m'}},
            'resizePolicy': [{'resourceName': 'cpu', 'restartPolicy': 'NotRequired'},
                             {'resourceName': 'memory', 'restartPolicy': 'RestartContainer'}]}))
        self.agent.wait_api_ready('sized')

        def change(item):
            limits = item['spec']['containers'][0]['resources']['limits']
            limits.update(memory='96Mi', cpu='300m')  # more than the pod's cgroup had
        self.cluster.edit('pods', 'sized', change)
        pod = self.agent.wait_api_pod('sized', 'restarted', lambda pod: pods.ready(pod)
                                      and pods.container(pod)['restartCount'] == 1)
        self.assertEqual(pods.container(pod)['resources']['limits']['memory'], '96Mi')
        self.assertEqual(self.agent.wait_event('sized', 'Killing')['message'], 'Container main resize requires restart')
        self.assertEqual(self.agent.wait_event('sized', 'ResizeCompleted')['message'], 'Pod resize completed: {"containers":'
                         '[{"name":"main","resources":{"limits":{"memory":"96Mi","cpu":"300m"},"requests":{"memory":"32Mi",'
                         '"cpu":"100m"}}}],"generation":2}')

    def test_a_pod_that_never_started_can_be_deleted(self):
        self.cluster.create(bound('lost', image='nowhere.example/none:1', grace=30))
        self.agent.wait_api_pod('lost', 'waiting for its image', lambda pod: pods.waiting(pod) in (
            'ErrImagePull', 'ImagePullBackOff'))
        self.cluster.delete('pods', 'lost')
        self.agent.wait_api_gone('lost')

    def test_pods_come_and_go(self):
        names = [f'many-{number}' for number in range(12)]
        scripts = [pods.FOREVER, 'exit 0', 'exit 1']
        for number, name in enumerate(names):
            self.cluster.create(bound(name, scripts[number % 3], grace=1, restartPolicy=['Always', 'Never'][number % 2]))
            if number % 4 == 3:  # before it has started, most likely
                self.cluster.delete('pods', name, gracePeriodSeconds=number % 8 // 4)
        for name in (name for number, name in enumerate(names) if number % 3 == 0 and number % 4 != 3):
            self.agent.wait_api_ready(name)
        for number, name in enumerate(names):
            if number % 4 != 3:
                self.cluster.delete('pods', name, gracePeriodSeconds=number % 2)
        for name in names:
            self.agent.wait_api_gone(name)
        self.agent.wait('nothing is left', lambda: not self.containerd.runtime.sandboxes() and not self.agent.pods())
        self.agent.wait('no directory is left', lambda: not list((self.agent.root / 'pods').iterdir()))

    def test_a_critical_pod_makes_room(self):
        self.cluster.create(bound('small', grace=1, container={'resources': {'requests': {
            'cpu': f'{os.cpu_count() * 1000 - 100}m'}}}))
        self.agent.wait_api_ready('small')
        self.agent.write_manifest('vital', pods.pod('vital', grace=1, container={'resources': {'requests': {
            'cpu': '200m'}}}))
        self.agent.wait_api_ready(f'vital-{NODE}')
        status = self.agent.wait_api_pod('small', 'Failed', lambda pod: pods.phase(pod) == 'Failed')['status']
        self.assertEqual(status['reason'], 'Preempting')
        self.assertTrue(pods.condition({'status': status}, 'DisruptionTarget'))
        self.agent.wait_event('small', 'Preempting')
        self.cluster.delete('pods', 'small')
        self.agent.wait_api_gone('small')

    def test_pods_survive_their_manager(self):
        self.cluster.create(bound('web', grace=1))
        before = self.agent.wait_api_ready('web')
        self.agent.fault('kill', 'pod-manager')
        self.cluster.create(bound('later', grace=1))
        self.agent.wait_api_ready('later')
        self.assertEqual(pods.container(self.cluster.pod('web')), pods.container(before))
        self.cluster.delete('pods', 'web')
        self.agent.fault('kill', 'pod-manager')
        self.agent.wait_api_gone('web')
        self.agent.wait_no_traces(before['metadata']['uid'])

    def test_a_pod_deleted_while_the_agent_is_away_is_gone_afterwards(self):
        self.cluster.create(bound('web', grace=1))
        self.cluster.create(bound('forced', grace=1))
        web = self.agent.wait_api_ready('web')['metadata']['uid']
        forced = self.agent.wait_api_ready('forced')['metadata']['uid']
        self.agent.kill()
        self.cluster.delete('pods', 'web')
        self.cluster.delete('pods', 'forced', gracePeriodSeconds=0)
        self.agent.start()
        self.agent.wait_api_gone('web')
        self.agent.wait_no_traces(web)
        self.agent.wait_no_traces(forced)

    def test_a_static_pod_has_a_mirror(self):
        self.agent.write_manifest('static', pods.pod('static', grace=1))
        name = f'static-{NODE}'
        mirror = self.agent.wait_api_ready(name)
        container = pods.container(mirror)['containerID']
        self.cluster.delete('pods', name, gracePeriodSeconds=0)
        again = self.agent.wait_api_pod(name, 'there again', lambda pod: pods.ready(pod)
                                        and pod['metadata']['uid'] != mirror['metadata']['uid'])
        self.assertEqual(pods.container(again)['containerID'], container)
        self.agent.remove_manifest('static')
        self.agent.wait_api_gone(name)


if __name__ == '__main__':
    unittest.main()
