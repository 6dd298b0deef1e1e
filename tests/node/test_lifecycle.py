"""The life of single pods beyond the recordings: hooks, probes, termination, lost sandboxes, last words."""
import json
import os
import pathlib
import signal
import time
import unittest
import urllib.request

from lab import images, pods, system
from lab.case import AgentCase

AGNHOST = images.NAMES['agnhost'][0]


def ended(item, name='main'):
    """How a container ended: its terminated state, or that of its last run."""
    row = pods.container(item, name)
    return (row.get('state') or {}).get('terminated') or (row.get('lastState') or {}).get('terminated') or {}


class Lifecycle(AgentCase):
    """One pod each."""

    def events(self, reason):
        """The messages of all Events with this reason."""
        found = []
        for line in self.agent.text().splitlines():
            if 'Event occurred' in line and f'reason="{reason}"' in line:
                found.append(json.loads(line[line.index('message=') + len('message='):]))
        return found

    def run_pod(self, name, **options):
        """A pod, as soon as it is listed."""
        self.agent.write_manifest(name, pods.pod(name, **options))
        return self.agent.wait_pod(name, 'is listed', bool)

    def container_id(self, name='main'):
        """The runtime's id of the newest container of that name."""
        rows = [row for row in self.agent.containerd.runtime.containers() if row['name'] == name]
        return max(rows, key=lambda row: row['attempt'])['id']

    def task_pid(self, identifier):
        """The first process of a container or sandbox."""
        for line in self.agent.containerd.ctr('tasks', 'ls').splitlines():
            words = line.split()
            if words and words[0] == identifier:
                return int(words[1])
        return None

    # ---- ends ----

    def test_exit_by_signal_is_128_and_more(self):
        self.run_pod('signalled', restartPolicy='Never')
        self.agent.wait_ready_pod('signalled')
        os.kill(self.task_pid(self.container_id()), signal.SIGKILL)
        item = self.agent.wait_pod('signalled', 'Failed', lambda pod: pods.phase(pod) == 'Failed')
        self.assertEqual((ended(item)['exitCode'], ended(item)['reason']), (137, 'Error'))

    def test_last_words_come_from_the_file_or_the_log(self):
        for name, script, policy, expected in (
                ('said', 'echo -n bye > /dev/termination-log; exit 1', 'File', 'bye'),
                ('logged', 'echo to the log; exit 1', 'FallbackToLogsOnError', 'to the log\n'),
                ('no-newline', 'echo -n DONE; exit 1', 'FallbackToLogsOnError', 'DONE'),
                ('file-first', 'echo log; echo -n file > /dev/termination-log; exit 1', 'FallbackToLogsOnError', 'file'),
                ('good', 'echo to the log; exit 0', 'FallbackToLogsOnError', None),
                ('silent', 'echo to the log; exit 1', 'File', None)):
            with self.subTest(name):
                self.run_pod(name, script=script, container={'terminationMessagePolicy': policy}, restartPolicy='Never')
                item = self.agent.wait_pod(name, 'is over', lambda pod: pods.phase(pod) in ('Failed', 'Succeeded'))
                self.assertEqual(ended(item).get('message'), expected)

    def test_a_killed_sandbox_is_made_again(self):
        item = self.run_pod('lost', initContainers=[{
            'name': 'first', 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent', 'command': ['true']}])
        item = self.agent.wait_ready_pod('lost')
        address = item['status']['podIP']
        sandbox = next(row for row in self.agent.containerd.runtime.sandboxes() if row['uid'] == item['metadata']['uid'])
        os.kill(self.task_pid(sandbox['id']), signal.SIGKILL)
        item = self.agent.wait_pod('lost', 'runs in a new sandbox', lambda pod: pods.ready(pod)
                                   and pods.container(pod).get('restartCount') == 1)
        self.assertEqual(self.events('SandboxChanged'), ['Pod sandbox changed, it will be killed and re-created.'])
        self.assertEqual(pods.container(item, 'first')['state']['terminated']['exitCode'], 0)
        self.assertTrue(address and item['status']['podIP'])

    def test_without_a_network_only_pods_of_the_hosts_start(self):
        network = pathlib.Path(self.agent.containerd.place, 'cni/10-lab.conflist')
        away = network.with_suffix('.away')
        self.addCleanup(lambda: away.exists() and away.rename(network))
        self.agent.stop()
        network.rename(away)
        system.wait_for('the runtime has no network', lambda: not self.agent.containerd.ready())
        self.agent.start()
        self.run_pod('inside')
        self.run_pod('outside', hostNetwork=True)
        self.agent.wait_ready_pod('outside')
        self.agent.wait('an Event says so', lambda: self.events('NetworkNotReady'))
        self.assertRegex(self.events('NetworkNotReady')[0],
                         '^network is not ready: container runtime network not ready: NetworkReady=false ')
        self.assertEqual(pods.phase(self.agent.pod('inside')), 'Pending')
        away.rename(network)
        self.agent.wait_ready_pod('inside')

    # ---- hooks ----

    def test_a_failing_post_start_hook_kills_its_container(self):
        self.run_pod('hooked', container={'lifecycle': {'postStart': {'exec': {'command': ['sh', '-c', 'echo no; exit 3']}}}})
        item = self.agent.wait_pod('hooked', 'waits for its hook', lambda pod: pods.waiting(pod) in (
            'PostStartHookError', 'CrashLoopBackOff'))
        self.assertIn('PostStartHook failed', self.events('FailedPostStartHook'))
        self.assertIn('FailedPostStartHook', self.events('Killing'))
        self.assertNotEqual(ended(item), {})

    def test_a_hanging_post_start_hook_does_not_hold_up_the_end(self):
        item = self.run_pod('hanging', grace=2, container={'lifecycle': {'postStart': {'exec': {'command': ['sleep', '600']}}}})
        uid = item['metadata']['uid']
        self.agent.wait('the hook runs', lambda: 'Started container main' in self.agent.text())
        self.agent.remove_manifest('hanging')
        self.agent.wait_no_traces(uid)

    def test_a_pre_stop_hook_gets_no_more_than_the_grace_period(self):
        item = self.run_pod('slow', grace=3, container={'lifecycle': {'preStop': {'exec': {'command': ['sleep', '600']}}}})
        self.agent.wait_ready_pod('slow')
        began = time.monotonic()
        self.agent.remove_manifest('slow')
        self.agent.wait_no_traces(item['metadata']['uid'])
        self.assertGreater(time.monotonic() - began, 2.5)
        self.assertEqual(self.events('FailedPreStopHook'), ['PreStopHook failed'])

    def test_a_failing_pre_stop_hook_is_reported_and_the_pod_stops(self):
        item = self.run_pod('failing', container={'lifecycle': {'preStop': {'exec': {'command': ['false']}}}})
        self.agent.wait_ready_pod('failing')
        self.agent.remove_manifest('failing')
        self.agent.wait_no_traces(item['metadata']['uid'])
        self.assertEqual(self.events('FailedPreStopHook'), ['PreStopHook failed'])

    # ---- probes ----

    def test_a_startup_probe_holds_back_the_others(self):
        script = 'sleep 3; touch /up; ' + pods.FOREVER
        probe = {'exec': {'command': ['test', '-e', '/up']}, 'periodSeconds': 1}
        self.run_pod('starting', script=script, container={
            'startupProbe': {**probe, 'failureThreshold': 30}, 'livenessProbe': {**probe, 'failureThreshold': 1}})
        item = self.agent.wait_pod('starting', 'runs', pods.running)
        self.assertFalse(pods.container(item)['started'])
        item = self.agent.wait_ready_pod('starting')
        self.assertEqual((pods.container(item)['started'], pods.container(item)['restartCount']), (True, 0))

    def test_a_failing_startup_probe_restarts_its_container(self):
        self.run_pod('never-up', grace=1, container={'startupProbe': {
            'exec': {'command': ['false']}, 'periodSeconds': 1, 'failureThreshold': 2}})
        self.agent.wait_pod('never-up', 'is restarted', lambda pod: pods.container(pod).get('restartCount', 0) > 0)
        self.assertIn('Container main failed startup probe, will be restarted', self.events('Killing'))

    def test_grpc_probes(self):
        self.run_pod('healthy', script=None, image=AGNHOST, container={
            'args': ['grpc-health-checking'], 'readinessProbe': {'grpc': {'port': 5000}, 'periodSeconds': 1},
            'ports': [{'containerPort': 8080, 'name': 'http'}]})
        item = self.agent.wait_ready_pod('healthy')
        urllib.request.urlopen(f'http://{item["status"]["podIP"]}:8080/make-not-serving', timeout=10).close()
        self.agent.wait_pod('healthy', 'is not ready', lambda pod: not pods.condition(pod, 'Ready'))
        self.assertIn('Readiness probe failed: service unhealthy (responded with "NOT_SERVING")', self.events('Unhealthy'))

    def test_probes_end_when_the_pod_does(self):
        probe = {'exec': {'command': ['test', '!', '-e', '/ending']}, 'periodSeconds': 1, 'failureThreshold': 1}
        item = self.run_pod('ending', grace=5, script='trap "touch /ending; sleep 3; exit 0" TERM; while :; do sleep 0.2; done',
                            container={'livenessProbe': probe})
        self.agent.wait_ready_pod('ending')
        self.agent.remove_manifest('ending')
        self.agent.wait_no_traces(item['metadata']['uid'])
        self.assertEqual(self.events('Unhealthy'), [])

    # ---- deadlines and sidecars ----

    def test_a_deadline_counts_from_the_start_of_init_containers(self):
        self.run_pod('late', activeDeadlineSeconds=2, restartPolicy='Never', initContainers=[{
            'name': 'first', 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent', 'command': ['sleep', '600']}], grace=1)
        item = self.agent.wait_pod('late', 'Failed', lambda pod: pods.phase(pod) == 'Failed')
        self.assertEqual(item['status']['reason'], 'DeadlineExceeded')
        self.assertEqual(pods.waiting(item), 'PodInitializing')
        self.agent.wait_pod('late', 'has stopped', lambda pod: ended(pod, 'first').get('exitCode') == 137)

    def test_sidecars_end_with_the_work_and_are_restarted_before(self):
        side = {'name': 'side', 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent', 'restartPolicy': 'Always',
                'command': ['sh', '-c', 'sleep 1; exit 1']}
        self.run_pod('job', script='sleep 4', restartPolicy='Never', initContainers=[side])
        self.agent.wait_pod('job', 'has restarted its sidecar', lambda pod: pods.container(pod, 'side').get('restartCount', 0) > 0)
        item = self.agent.wait_pod('job', 'Succeeded', lambda pod: pods.phase(pod) == 'Succeeded')
        self.assertEqual(ended(item)['exitCode'], 0)


if __name__ == '__main__':
    unittest.main()
