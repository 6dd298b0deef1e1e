"""kubelet-tap: what it shows of a pod's start, what it hides, and whom it lets in."""
import json
import os
import re
import stat
import subprocess
import tempfile
import unittest

from lab import pods, system
from lab.case import AgentCase

SECRET = 'topsecret'
LINE = re.compile(r'^\d\d:\d\d:\d\d\.\d{6} (\S+) +-> (\S+) +(ok |FAULT )?([a-z]+\.[A-Za-z.]+) +(\[\w+\] )?[{A-Z].*\S$')


class Tap:
    """A running kubelet-tap."""

    def __init__(self, case, *words):
        place = tempfile.mkdtemp(prefix='cubelet-tap-')
        case.addCleanup(lambda: system.run('rm', '-r', place))
        self.case, self.out, self.errors = case, f'{place}/out', f'{place}/errors'
        command = [system.BUILD / 'kubelet-tap', '--socket-dir', case.agent.place / 'run', *words]
        with open(self.out, 'wb') as out, open(self.errors, 'wb') as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        case.addCleanup(lambda: system.end(self.process))
        self.wait_said('attached to')

    def text(self):
        """What it has printed."""
        with open(self.out, encoding='utf-8') as file:
            return file.read()

    def said(self):
        """What it has said of itself."""
        with open(self.errors, encoding='utf-8') as file:
            return file.read()

    def wait_said(self, words, count=1):
        """Wait until it has said something of itself."""
        self.case.agent.wait(f'the tap says "{words}"', lambda: self.said().count(words) >= count)

    def wait(self, words):
        """Wait until this is in its output."""
        self.case.agent.wait(f'the tap shows "{words}"', lambda: words in self.text())

    def end(self):
        """End it as Ctrl-C does; what it printed."""
        self.case.assertEqual(system.end(self.process), 0, self.said())
        return self.text()


class Views(AgentCase):
    """What a tap shows."""

    def start_pod(self, name='shown'):
        """A pod with an environment that is nobody's business."""
        env = [{'name': 'PASSWORD', 'value': SECRET}]
        applied = json.dumps({'spec': {'containers': [{'name': 'main', 'env': env}]}})
        manifest = pods.pod(name, container={'env': env, 'readinessProbe': {
            'exec': {'command': ['true']}, 'periodSeconds': 1}})
        manifest['metadata']['annotations'] = {'kubectl.kubernetes.io/last-applied-configuration': applied}
        self.agent.write_manifest(name, manifest)
        return self.agent.wait_ready_pod(name)

    def test_lines(self):
        tap = Tap(self)
        self.start_pod()
        tap.wait('probe.result')
        text = tap.end()
        for line in text.splitlines():
            self.assertRegex(line, LINE)
        self.assertRegex(text, r' pod-manager +-> pod-worker/default_shown-lab-node +pod\.sync ')
        self.assertRegex(text, r' runtime +-> pod-worker/default_shown-lab-node +ok cri\.StartContainer ')
        self.assertNotRegex(text, '[0-9a-f]{32}')

    def test_json(self):
        tap = Tap(self, '--json')
        self.start_pod()
        tap.wait('"probe.result"')
        rows = [json.loads(line) for line in tap.end().splitlines()]
        for row in rows:
            self.assertLessEqual({'from', 'to', 'type', 'id', 're', 'sent', 'now', 'outcome', 'body'}, set(row))
        asked = next(row for row in rows if row['type'] == 'cri.RunPodSandbox' and not row['re'])
        answer = next(row for row in rows if row['re'] == asked['id'] and row['to'] == asked['from'])
        self.assertGreater(answer['sent'], asked['sent'])
        self.assertEqual(answer['outcome'], 'delivered')
        self.assertIn('pod_sandbox_id', answer['body'])

    def test_filters(self):
        taps = [Tap(self, '--json', *words) for words in (
            ['--type', 'cri.*'], ['--actor', 'pod-worker/*'], ['--type', 'cri.*', '--actor', 'pod-worker/*shown*'])]
        self.start_pod()
        for tap in taps:
            tap.wait('"cri.StartContainer"')
        by_type, by_actor, by_both = [[json.loads(line) for line in tap.end().splitlines()] for tap in taps]
        self.assertTrue(all(row['type'].startswith('cri.') for row in by_type + by_both))
        self.assertIn('runtime-watcher', {row['from'] for row in by_type})
        for row in by_actor + by_both:
            self.assertIn('pod-worker/', row['from'] + row['to'])
        self.assertIn('pod.sync', {row['type'] for row in by_actor})

    def test_count_and_seconds_end_it(self):
        for words in (['--seconds', '1'], ['--count', '2']):
            with self.subTest(words=words):
                tap = Tap(self, *words)
                self.agent.wait('the tap ends', lambda tap=tap: self.agent.pods() == []
                                and tap.process.poll() is not None)
                self.assertEqual(tap.process.returncode, 0)
        self.assertEqual(len(tap.text().splitlines()), 2)

    def test_statistics(self):
        tap, ready = Tap(self, '--stats'), Tap(self)
        self.start_pod()
        ready.wait('probe.result')
        table = [line.split() for line in tap.end().splitlines()]
        self.assertEqual(table[0], ['type', 'messages', 'per', 's', 'faults', 'mean', 'ms', 'max', 'ms'])
        rows = {row[0]: row[1:] for row in table[1:]}
        self.assertEqual(len(rows), len(table) - 1)
        self.assertGreaterEqual(int(rows['pod.sync'][0]), 1)
        messages, _rate, faults, mean, longest = rows['cri.RunPodSandbox']
        self.assertEqual((messages, faults), ('1', '0'))
        self.assertGreater(float(mean), 0)
        self.assertLessEqual(float(mean), float(longest))

    def test_sequence(self):
        tap = Tap(self, '--sequence', 'shown')
        self.start_pod()
        self.start_pod('other')
        tap.wait('probe.result')
        heads, *lines = tap.end().splitlines()
        self.assertRegex(heads, r'^ +seconds pod-manager +pod-worker +volume-manager .*event-recorder +others$')
        shown = '\n'.join(lines)
        self.assertEqual(shown, '\n'.join(line.rstrip() for line in lines))
        steps = [r'\|-pod\.sync-+>\|', r'\|-cri\.RunPodSandbox-+>\|', r'\|<ok cri\.RunPodSandbox-+\|',
                 r'\|-cri\.CreateContainer-+>\|', r'\|-cri\.StartContainer-+>\|', r'\|<ok cri\.StartContainer-+\|',
                 r'\|<probe\.result-+\|']
        self.assertRegex(shown, re.compile('.*'.join(steps), re.DOTALL))
        self.assertEqual(shown.count('-cri.RunPodSandbox-'), 1)
        places = {heads.index(name) for name in ('pod-manager', 'pod-worker', 'runtime ', 'probe-manager', 'others')}
        self.assertTrue(all(line[place] in '|' for line in lines for place in (min(places), max(places))))

    def test_secrets_are_masked(self):
        taps = [Tap(self, *words) for words in ([], ['--json'], ['--sequence', 'shown'], ['--stats'])]
        self.start_pod()
        taps[1].wait('"probe.result"')
        shown = [tap.end() for tap in taps]
        for text in shown:
            self.assertNotIn(SECRET, text)
        rows = [json.loads(line) for line in shown[1].splitlines()]
        pod = next(row for row in rows if row['type'] == 'pod.sync')['body']['pod']
        self.assertEqual(pod['spec']['containers'][0]['env'], [{'name': 'PASSWORD', 'value': '***'}])
        created = next(row for row in rows if row['type'] == 'cri.CreateContainer' and not row['re'])['body']
        masked = [item for item in created['config']['envs'] if item['key'] == 'PASSWORD']
        self.assertEqual(masked, [{'key': 'PASSWORD', 'value': '***'}])
        self.assertTrue(all(item['value'] == '***' for item in created['config']['envs']))


class Access(AgentCase):
    """Who may attach, and what happens when the agent goes."""

    def test_only_root(self):
        place = self.agent.place / 'run'
        self.assertEqual(stat.S_IMODE(os.stat(place).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(place / 'tap.sock').st_mode), 0o600)
        nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
        with tempfile.TemporaryDirectory() as copy:  # the build may be where nobody can go
            os.chmod(copy, 0o755)
            system.run('cp', system.BUILD / 'kubelet-tap', copy)
            done = subprocess.run([*nobody, f'{copy}/kubelet-tap', '--socket-dir', place],
                                  capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('Permission denied', done.stderr)
        self.assertIn('are you root?', done.stderr)

    def test_no_agent(self):
        done = subprocess.run([system.BUILD / 'kubelet-tap', '--socket-dir', '/nowhere'], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('Is the kubelet running here', done.stderr)

    def test_wrong_words(self):
        for words in (['--count', '0'], ['--seconds', 'x'], ['--nothing'], ['word']):
            with self.subTest(words=words):
                done = self.agent.tool('kubelet-tap', *words, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, ''))
                self.assertIn('kubelet-tap', done.stderr)
        for name in ('kubelet-tap', 'kubelet-fault'):
            text = self.agent.tool(name, '--help').stdout
            self.assertLessEqual(max(map(len, text.splitlines())), 100)
            self.assertIn('--socket-dir DIR', text)

    def test_it_outlives_the_agent(self):
        tap = Tap(self)
        self.agent.stop()
        system.wait_for('the tap says that the agent is gone', lambda: 'the agent is gone' in tap.said())
        self.agent.start()
        tap.wait_said('attached to', 2)
        self.agent.write_manifest('again', pods.pod('again'))
        tap.wait('pod-worker/default_again-lab-node')
        self.agent.kill()
        system.wait_for('the tap says it again', lambda: tap.said().count('the agent is gone') == 2)
        self.agent.start()
        tap.wait_said('attached to', 3)
        tap.end()


if __name__ == '__main__':
    unittest.main()
