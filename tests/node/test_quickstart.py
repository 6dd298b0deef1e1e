"""tools/quickstart.sh from start to end: what a newcomer tries first must work, and leave nothing behind."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from lab import system


class Quickstart(unittest.TestCase):
    """The script with paths of its own, so that it disturbs no quickstart that runs on this machine."""

    def setUp(self):
        if not (system.BUILD / 'kubelet').exists():
            self.fail(f'there is no {system.BUILD}/kubelet: build it, or set CUBELET_BUILD')
        place = tempfile.mkdtemp(prefix='cubelet-quickstart-', dir='/tmp')
        self.name = os.path.basename(place)
        os.rmdir(place)
        self.place, self.store = pathlib.Path(place), pathlib.Path(place + '-lib')
        self.environment = {**os.environ, 'CUBELET_QUICKSTART_RUN': place, 'CUBELET_QUICKSTART_LIB': str(self.store)}
        self.addCleanup(subprocess.run, self.command('--stop'), env=self.environment, check=False,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.bridges = self.links()

    @staticmethod
    def command(*options):
        """The script's command line."""
        return [str(system.REPOSITORY / 'tools/quickstart.sh'), '--build-dir', str(system.BUILD), *options]

    @staticmethod
    def links():
        """The bridges of the quickstart on this machine."""
        return {row['ifname'] for row in json.loads(system.run('ip', '-json', 'link')) if row['ifname'].startswith('cqs')}

    def check_nothing_left(self):
        """No directory, mount, cgroup, bridge, packet filter rule or process remains."""
        self.assertFalse(self.place.exists())
        self.assertFalse(self.store.exists())
        self.assertNotIn(self.name, pathlib.Path('/proc/self/mountinfo').read_text())
        self.assertEqual(system.cgroups_named(self.name), [])
        self.assertEqual(self.links(), self.bridges)
        self.assertNotIn(self.name, system.run('iptables-save', check=False))
        for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
            try:
                self.assertNotIn(self.name.encode(), path.read_bytes())
            except OSError:
                pass  # it ended meanwhile

    def test_offline_once(self):
        done = subprocess.run(self.command('--offline', '--once', '--no-install'), env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r'nginx-pod +ready +Running')
        self.assertIn('Welcome to nginx!', done.stdout)
        self.assertIn('REMOVED', done.stdout)
        self.check_nothing_left()

    def test_stays_until_ctrl_c(self):
        with tempfile.TemporaryFile('w+') as output:
            with subprocess.Popen(self.command('--offline', '--no-install'), env=self.environment, stdout=output,
                                  stderr=output, start_new_session=True,
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
                def text():
                    output.seek(0)
                    return output.read()
                system.wait_for('the quickstart says how to stop it', lambda: 'Ctrl-C' in text()
                                or process.poll() is not None, 180, explain=text)
                self.assertIsNone(process.poll(), text())
                os.killpg(process.pid, signal.SIGINT)
                self.assertEqual(process.wait(120), 130, text())
        self.check_nothing_left()


if __name__ == '__main__':
    unittest.main()
