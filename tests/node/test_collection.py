"""What is kept small and what is cleared away: container logs, and leftovers of pods that nobody knows."""
import gzip
import os
import pathlib
import unittest

from lab import pods, system
from lab.case import AgentCase

WRITER = 'i=0; while :; do i=$((i+1)); echo "line $i ........................................"; sleep 0.002; done'


class Rotation(AgentCase):
    """Logs of running containers."""

    config = {'containerLogMaxSize': '20Ki', 'containerLogMaxFiles': 3, 'containerLogMonitorInterval': '3s'}

    def files(self):
        """The log files of the one container."""
        return sorted(path.name for path in self.agent.logs.glob('*_writer-*/main/*'))

    def content(self):
        """All lines that are still there, oldest first."""
        lines = []
        for path in sorted(self.agent.logs.glob('*_writer-*/main/0.log.*')) + list(
                self.agent.logs.glob('*_writer-*/main/0.log')):
            data = path.read_bytes()
            text = gzip.decompress(data).decode() if path.suffix == '.gz' else data.decode()
            lines += [int(line.split()[4]) for line in text.splitlines() if len(line.split()) > 5]
        return lines

    def test_a_log_is_rotated_and_nothing_of_it_is_lost(self):
        self.agent.write_manifest('writer', pods.pod('writer', script=WRITER))
        self.agent.wait_ready_pod('writer')
        self.agent.wait('an older part is compressed', lambda: any(name.endswith('.gz') for name in self.files()))
        lines = self.content()
        self.assertEqual(lines, list(range(lines[0], lines[-1] + 1)))
        older = {name for name in self.files() if name.endswith('.gz')}
        self.agent.wait('an old part makes room', lambda: not older & set(self.files()))
        self.assertLessEqual(len(self.files()), 3)
        uid = self.agent.pod('writer')['metadata']['uid']
        self.agent.remove_manifest('writer')
        self.agent.wait_no_traces(uid)

    def test_a_log_that_vanished_is_begun_again(self):
        self.agent.write_manifest('writer', pods.pod('writer', script=WRITER))
        self.agent.wait_ready_pod('writer')
        self.agent.wait('there is a log', self.files)
        next(iter(self.agent.logs.glob('*_writer-*/main/0.log'))).unlink()
        self.agent.wait('there is a log again', lambda: '0.log' in self.files())


class Leftovers(AgentCase):
    """Of pods that are not there any more."""

    uid = '5f8a2b7e-0d0e-4a51-9c1b-aaaaaaaaaaaa'

    def setUp(self):
        super().setUp()
        self.agent.write_manifest('kept', pods.pod('kept'))
        self.kept = self.agent.wait_ready_pod('kept')['metadata']['uid']

    def leave(self):
        """What an agent that was killed at the wrong moment could leave."""
        place = self.agent.root / 'pods' / self.uid
        volume = place / 'volumes/kubernetes.io~empty-dir/m'
        volume.mkdir(parents=True)
        (place / 'containers/main').mkdir(parents=True)
        (place / 'etc-hosts').write_text('')
        system.run('mount', '-t', 'tmpfs', 'tmpfs', volume)
        logs = self.agent.logs / f'default_lost_{self.uid}' / 'main'
        logs.mkdir(parents=True)
        (logs / '0.log').write_text('')
        link = pathlib.Path('/var/log/containers') / f'lost_default_main-{os.getpid()}.log'
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(logs / '0.log')
        self.addCleanup(link.unlink, missing_ok=True)
        for tree in system.cgroup_trees():
            parent = tree / self.agent.cgroup / 'kubepods/burstable'
            if parent.is_dir():
                (parent / f'pod{self.uid}').mkdir()
        return link

    def test_leftovers_of_unknown_pods_are_removed(self):
        self.agent.kill()
        link = self.leave()
        self.assertGreater(len(self.agent.traces_of(self.uid)), 4)
        self.agent.start()
        self.agent.wait_no_traces(self.uid)
        self.agent.wait('the link is gone', lambda: not link.is_symlink())
        kept = self.agent.traces_of(self.kept)
        for part in ('container ', 'sandbox ', str(self.agent.root), str(self.agent.logs), '/sys/fs/cgroup'):
            self.assertTrue(any(trace.startswith(part) for trace in kept), f'{part} of the pod that is there: {kept}')

    def test_what_is_mounted_by_others_stays(self):
        foreign = self.agent.root / 'pods' / self.uid / 'foreign'
        foreign.mkdir(parents=True)
        system.run('mount', '-t', 'tmpfs', 'tmpfs', foreign)
        (foreign / 'precious').write_text('')
        self.agent.wait('the collector has seen it', lambda: f'podUID={self.uid}' in self.agent.text(),
                        2 * system.DEADLINE)
        self.agent.wait('it says that it leaves it', lambda: 'still mounted' in self.agent.text())
        self.assertTrue((foreign / 'precious').exists())
        system.run('umount', foreign)


if __name__ == '__main__':
    unittest.main()
