"""The container runtime goes away and comes back: the agent waits, says so, and catches up."""
import re
import unittest

from lab import pods, system
from lab.case import AgentCase


class RuntimeOutage(AgentCase):
    """containerd stopped, killed, started late."""

    def outage(self, end):
        """Take the runtime away with `end` and bring it back; pods survive and new ones start."""
        self.agent.write_manifest('steady', pods.pod('steady'))
        before = self.agent.wait_ready_pod('steady')
        process, said = self.agent.process, len(self.agent.text())
        end()
        self.agent.wait('the log tells that the runtime is away', lambda: re.search(
            r'(?i)runtime.*(unavailable|down|lost|gone|not |cannot|connect|refused|clos)', self.agent.text()[said:]))
        self.agent.write_manifest('meanwhile', pods.pod('meanwhile'))
        self.agent.wait('the agent still answers', lambda: self.agent.pods() is not None)
        self.containerd.start()
        self.agent.wait_ready_pod('meanwhile')
        after = self.agent.wait_ready_pod('steady')
        self.assertIs(self.agent.process, process)
        self.assertTrue(self.agent.running())
        for key in ('containerID', 'restartCount'):
            self.assertEqual(pods.container(before)[key], pods.container(after)[key])

    def test_stopped_and_started(self):
        self.outage(self.containerd.stop)

    def test_killed_and_started(self):
        self.outage(self.containerd.crash)

    def test_manifest_removed_during_the_outage(self):
        self.agent.write_manifest('leaving', pods.pod('leaving'))
        self.agent.wait_ready_pod('leaving')
        self.containerd.stop()
        self.agent.remove_manifest('leaving')
        self.containerd.start()
        self.agent.wait_gone('leaving')
        self.agent.wait('its container does not run', lambda: not any(
            row['state'] == 'running' for row in self.containerd.runtime.containers()))

    def test_agent_started_before_the_runtime(self):
        self.agent.write_manifest('early', pods.pod('early'))
        before = self.agent.wait_ready_pod('early')
        self.agent.kill()
        self.containerd.stop()
        self.agent.launch()
        # upstream ends at once without a runtime, for the service manager to start it again; waiting is as good
        system.wait_for('the agent ends or says that the runtime is away', lambda: not self.agent.running()
                        or re.search('(?i)runtime', self.agent.text()), explain=self.agent.explain)
        self.containerd.start()
        if not self.agent.running():
            self.agent.launch()
        self.agent.wait_ready()
        after = self.agent.wait_ready_pod('early')
        self.assertEqual(pods.container(before)['containerID'], pods.container(after)['containerID'])


if __name__ == '__main__':
    unittest.main()
