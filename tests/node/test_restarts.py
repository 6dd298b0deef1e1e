"""Containers that end are started again, or not, as the Pod says."""
import pathlib
import tempfile
import unittest

from lab import pods
from lab.case import AgentCase


class Restarts(AgentCase):
    """What happens after a container ends."""

    def test_a_crashing_container_backs_off(self):
        self.agent.write_manifest('crash', pods.pod('crash', 'echo dying; exit 3'))
        pod = self.agent.wait_pod('crash', 'in CrashLoopBackOff after a restart', lambda pod: pods.waiting(pod)
                                  == 'CrashLoopBackOff' and pods.container(pod)['restartCount'] >= 1)
        status = pods.container(pod)
        self.assertEqual(pods.phase(pod), 'Running')
        self.assertFalse(pods.condition(pod, 'Ready'))
        self.assertEqual(status['lastState']['terminated']['exitCode'], 3)
        self.assertEqual(status['lastState']['terminated']['reason'], 'Error')
        self.assertRegex(status['state']['waiting']['message'], r'^back-off \d+s restarting failed container=main pod=crash')

    def test_a_container_killed_from_outside_comes_back(self):
        self.agent.write_manifest('victim', pods.pod('victim'))
        pod = self.agent.wait_ready_pod('victim')
        before = pods.container(pod)['containerID'].split('//')[1]
        self.containerd.ctr('tasks', 'kill', '--signal', 'SIGKILL', before)
        pod = self.agent.wait_pod('victim', 'restarted once', lambda pod: pods.ready(pod)
                                  and pods.container(pod)['restartCount'] == 1)
        status = pods.container(pod)
        self.assertNotIn(before, status['containerID'])
        self.assertEqual(status['lastState']['terminated']['exitCode'], 137)

    def test_never_restart(self):
        for name, script, phase in (('good', 'exit 0', 'Succeeded'), ('bad', 'exit 7', 'Failed')):
            with self.subTest(name):
                self.agent.write_manifest(name, pods.pod(name, script, restartPolicy='Never'))
                pod = self.agent.wait_pod(name, phase, lambda pod, phase=phase: pods.phase(pod) == phase)
                self.assertEqual(pods.container(pod)['restartCount'], 0)

    def test_a_pod_that_is_over_keeps_its_log_and_loses_its_volumes(self):
        self.agent.write_manifest('over', pods.pod(
            'over', 'echo well done > /dev/termination-log; echo bye; echo x > /m/x', restartPolicy='Never',
            container={'volumeMounts': [{'name': 'm', 'mountPath': '/m'}]},
            volumes=[{'name': 'm', 'emptyDir': {'medium': 'Memory'}}]))
        pod = self.agent.wait_pod('over', 'Succeeded', lambda pod: pods.phase(pod) == 'Succeeded')
        place = self.agent.root / 'pods' / pod['metadata']['uid']
        self.agent.wait('the volumes are gone', lambda: not (place / 'volumes').exists())
        self.agent.stop()
        self.agent.start()
        pod = self.agent.wait_pod('over', 'Succeeded again', lambda pod: pods.phase(pod) == 'Succeeded')
        self.assertEqual(pods.container(pod)['state']['terminated']['message'], 'well done\n')
        self.agent.wait('the volumes are gone', lambda: not (place / 'volumes').exists())
        self.agent.remove_manifest('over')
        self.agent.wait_no_traces(pod['metadata']['uid'])

    def test_on_failure_restarts_until_success(self):
        with tempfile.TemporaryDirectory() as place:
            self.agent.write_manifest('second-try', pods.pod(
                'second-try', '[ -e /d/once ] || { touch /d/once; exit 1; }', restartPolicy='OnFailure',
                container={'volumeMounts': [{'name': 'd', 'mountPath': '/d'}]},
                volumes=[{'name': 'd', 'hostPath': {'path': place}}]))
            pod = self.agent.wait_pod('second-try', 'Succeeded', lambda pod: pods.phase(pod) == 'Succeeded')
            self.assertEqual(pods.container(pod)['restartCount'], 1)
            self.assertTrue(pathlib.Path(place, 'once').exists())


if __name__ == '__main__':
    unittest.main()
