"""A manifest that changes or goes away: what it started stops well, and leaves nothing."""
import pathlib
import tempfile
import unittest

from lab import pods
from lab.case import AgentCase


class Removal(AgentCase):
    """Changing and removing manifests."""

    def test_removed_manifest_stops_the_pod_gracefully_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as place:
            self.agent.write_manifest('goner', pods.pod(
                'goner', 'trap "echo asked to stop > /d/end; exit 0" TERM; while :; do sleep 0.2; done', grace=30,
                container={'volumeMounts': [{'name': 'd', 'mountPath': '/d'}, {'name': 'e', 'mountPath': '/e'},
                                            {'name': 'm', 'mountPath': '/m'}]},
                volumes=[{'name': 'd', 'hostPath': {'path': place}}, {'name': 'e', 'emptyDir': {}},
                         {'name': 'm', 'emptyDir': {'medium': 'Memory'}}]))
            uid = self.agent.wait_ready_pod('goner')['metadata']['uid']
            self.assertTrue(self.agent.traces_of(uid))
            self.agent.remove_manifest('goner')
            self.agent.wait_gone('goner')
            # as upstream, the pod is out of the list at once and stops after that
            self.agent.wait_no_traces(uid)
            self.assertEqual(pathlib.Path(place, 'end').read_text(), 'asked to stop\n')

    def test_changed_manifest_replaces_the_pod(self):
        self.agent.write_manifest('changing', pods.pod('changing', 'echo one; ' + pods.FOREVER))
        old = self.agent.wait_ready_pod('changing')
        self.agent.write_manifest('changing', pods.pod('changing', 'echo two; ' + pods.FOREVER))
        new = self.agent.wait_pod('changing', 'Ready under a new UID', lambda pod: pods.ready(pod)
                                  and pod['metadata']['uid'] != old['metadata']['uid'])
        self.assertNotEqual(pods.container(old)['containerID'], pods.container(new)['containerID'])
        running = [row['labels']['io.kubernetes.pod.uid'] for row in self.containerd.runtime.containers()
                   if row['state'] == 'running']
        self.assertEqual(running, [new['metadata']['uid']])
        self.agent.wait_no_traces(old['metadata']['uid'])

    def test_same_manifest_written_again_changes_nothing(self):
        manifest = pods.pod('same')
        self.agent.write_manifest('same', manifest)
        before = self.agent.wait_ready_pod('same')
        self.agent.write_manifest('same', manifest)
        # a pod that is added later and Ready shows that the directory was read again
        self.agent.write_manifest('later', pods.pod('later'))
        self.agent.wait_ready_pod('later')
        after = self.agent.pod('same')
        self.assertEqual(before['metadata']['uid'], after['metadata']['uid'])
        self.assertEqual(pods.container(before)['containerID'], pods.container(after)['containerID'])

    def test_a_container_that_ignores_term_is_killed_after_its_grace_period(self):
        self.agent.write_manifest('stubborn', pods.pod('stubborn', 'trap "" TERM; while :; do sleep 0.2; done', grace=2))
        uid = self.agent.wait_ready_pod('stubborn')['metadata']['uid']
        self.agent.remove_manifest('stubborn')
        self.agent.wait_gone('stubborn')
        self.agent.wait_no_traces(uid)

    def test_a_pod_removed_while_the_agent_is_down_is_removed_when_it_is_back(self):
        self.agent.write_manifest('orphan', pods.pod('orphan'))
        self.agent.write_manifest('stays', pods.pod('stays'))
        uid = self.agent.wait_ready_pod('orphan')['metadata']['uid']
        kept = pods.container(self.agent.wait_ready_pod('stays'))['containerID']
        self.agent.kill()
        self.agent.remove_manifest('orphan')
        self.agent.start()
        self.agent.wait_no_traces(uid)
        self.assertEqual(pods.container(self.agent.wait_ready_pod('stays'))['containerID'], kept)


if __name__ == '__main__':
    unittest.main()
