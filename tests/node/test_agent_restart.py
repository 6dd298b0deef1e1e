"""The agent ends, well or badly, and comes back: what it runs does not notice."""
import unittest

from lab import pods, system
from lab.case import AgentCase


class AgentRestart(AgentCase):
    """Containers outlive the agent."""

    def running(self):
        """{id: (name, attempt)} of every running container."""
        return {row['id']: (row['name'], row['attempt']) for row in self.containerd.runtime.containers()
                if row['state'] == 'running'}

    def start_some(self):
        """Three pods, one of them restarted once; returns their statuses by name."""
        for name in ('one', 'two', 'restarted'):
            self.agent.write_manifest(name, pods.pod(name))
        shown = {name: self.agent.wait_ready_pod(name) for name in ('one', 'two', 'restarted')}
        victim = pods.container(shown['restarted'])['containerID'].split('//')[1]
        self.containerd.ctr('tasks', 'kill', '--signal', 'SIGKILL', victim)
        shown['restarted'] = self.agent.wait_pod('restarted', 'restarted once', lambda pod: pods.ready(pod)
                                                 and pods.container(pod)['restartCount'] == 1)
        return shown

    def check_same(self, before):
        """Every pod is Ready again with the same container, address and number of restarts."""
        for name, old in before.items():
            new = self.agent.wait_ready_pod(name)
            self.assertEqual(old['metadata']['uid'], new['metadata']['uid'])
            self.assertEqual(old['status']['podIP'], new['status']['podIP'])
            for key in ('containerID', 'restartCount'):
                self.assertEqual(pods.container(old)[key], pods.container(new)[key], f'{name}: {key}')
            self.assertEqual(pods.running(old)['startedAt'], pods.running(new)['startedAt'])

    def test_an_agent_ends_when_another_wants_its_lock_file(self):
        self.agent.stop()
        lock = self.agent.place / 'lock'
        self.agent.arguments += ['--lock-file', lock, '--exit-on-lock-contention']
        self.agent.start()
        lock.open().close()
        self.assertEqual(self.agent.process.wait(system.DEADLINE), 0)

    def test_killed_agent_adopts_its_containers(self):
        before, running = self.start_some(), self.running()
        self.agent.kill()
        self.assertEqual(self.running(), running)
        self.agent.start()
        self.check_same(before)
        self.assertEqual(self.running(), running)
        # it still looks after them: one that dies is started again
        self.containerd.ctr('tasks', 'kill', '--signal', 'SIGKILL',
                            pods.container(before['one'])['containerID'].split('//')[1])
        self.agent.wait_pod('one', 'restarted by the new agent', lambda pod: pods.ready(pod)
                            and pods.container(pod)['restartCount'] == 1)

    def test_stopped_agent_leaves_its_containers(self):
        before, running = self.start_some(), self.running()
        self.agent.stop()
        self.assertEqual(self.running(), running)
        self.agent.start()
        self.check_same(before)
        self.assertEqual(self.running(), running)

    def test_killed_ten_times_while_pods_start(self):
        names = [f'stormy-{number}' for number in range(4)]
        for name in names:
            self.agent.write_manifest(name, pods.pod(name))
        for _ in range(10):
            self.agent.kill()
            self.agent.start()
        for name in names:
            self.agent.wait_ready_pod(name)
        self.agent.wait('exactly one running container each',
                        lambda: sorted(row['labels']['io.kubernetes.pod.name'] for row in
                                       self.containerd.runtime.containers() if row['state'] == 'running')
                        == sorted(f'{name}-lab-node' for name in names))


if __name__ == '__main__':
    unittest.main()
