"""kubelet-tap --web: the page in a real browser, and whom its port answers."""
import http.client
import json
import socket
import tempfile
import unittest
import urllib.parse

from lab import pods, system
from lab.browser import Browser
from lab.case import AgentCase

SECRET = 'topsecret'
RULE = ['delay', '--type', 'probe.result', '--ms', '30']


class WebTap:
    """A running kubelet-tap --web."""

    def __init__(self, case, *words):
        place = tempfile.mkdtemp(prefix='cubelet-tap-')
        case.addCleanup(lambda: system.run('rm', '-r', place))
        self.log = f'{place}/log'
        self.process = system.spawn([system.BUILD / 'kubelet-tap', '--socket-dir', case.agent.place / 'run', '--web=0',
                                     *words], self.log)
        case.addCleanup(self.end)
        system.wait_for('the tap prints its address and is attached',
                        lambda: 'http://' in self.said() and 'attached to' in self.said(), explain=self.said)
        self.url = next(line for line in self.said().splitlines() if line.startswith('http://'))

    def said(self):
        """What it has printed."""
        return system.tail(self.log)

    def end(self):
        """End it; its exit code."""
        return system.end(self.process)


class Page(AgentCase):
    """What the page shows."""

    arguments = ['--enable-fault-injection']

    def wait(self, browser, what, look):
        """Wait until something is true of the page; a failure shows its texts."""
        system.wait_for(what, look, explain=lambda: '\n'.join(browser.texts('main')) + str(browser.complaints()))

    def wait_text(self, browser, selector, *words):
        """Wait until the texts of a selector's elements contain all these words."""
        def look():
            text = ' '.join(browser.texts(selector))
            return all(word in text for word in words)
        self.wait(browser, f'{selector} shows {words}', look)

    def test_page(self):
        tap, browser = WebTap(self), Browser()
        self.addCleanup(browser.close)
        browser.open(tap.url)
        self.wait_text(browser, '#agent', 'Attached')
        self.wait_text(browser, '#faults-text', 'None')
        self.wait_text(browser, '#no-pods', 'No pod')
        number = self.agent.fault(*RULE)['id']
        self.agent.write_manifest('shown', pods.pod('shown', container={
            'env': [{'name': 'PASSWORD', 'value': SECRET}],
            'readinessProbe': {'exec': {'command': ['true']}, 'periodSeconds': 1}}))
        self.agent.wait_ready_pod('shown')

        # the picture and the table: the node's actors and the pod's worker
        self.wait_text(browser, '#picture .node title', 'pod-manager: up', 'runtime: up', 'pod default/shown-lab-node Running: up')
        self.wait_text(browser, '#actors td', 'supervisor', 'runtime-watcher', 'pod default/shown-lab-node')
        # the timeline
        row = 'details[data-pod="default/shown-lab-node"]'
        self.wait_text(browser, f'{row} summary', 'Running', 'from pod.sync to Running in')
        self.wait_text(browser, f'{row} h3', 'Start at')
        self.wait_text(browser, f'{row} svg', 'RunPodSandbox', 'CreateContainer main', 'StartContainer main', 'volume.setup',
                       'Running')
        self.assertGreaterEqual(len(browser.texts(f'{row} .bar.runtime')), 3)
        # the fault rule, and the messages it changes
        self.wait_text(browser, '#faults td', str(number), 'delay by 30 ms', 'messages: type probe.result')
        self.wait_text(browser, '#messages .is-bad', 'probe.result', 'delayed')
        # the filter, by keyboard
        browser.press('#filter', 'cri.RunPodSandbox -runtime-watcher')
        self.wait(browser, 'only such messages are shown', lambda: browser.texts('#messages .type') == [
            'answer cri.RunPodSandbox', 'cri.RunPodSandbox'])
        self.assertNotIn(SECRET, browser.run('return document.documentElement.outerHTML'))

        # who comes later sees the same pod; the rule is gone, then the agent
        self.agent.fault('remove', str(number))
        browser.open(tap.url)
        self.wait_text(browser, f'{row} summary', 'from pod.sync to Running in')
        self.wait_text(browser, '#faults-text', 'None. kubelet-fault')
        self.agent.fault('kill', 'image-puller')
        self.wait_text(browser, '#picture [data-actor="image-puller"] title', 'image-puller: up', 'restarted: 1')
        self.agent.stop()
        self.wait_text(browser, '#agent', 'The agent is gone')
        self.assertEqual(browser.complaints(), [])
        self.assertEqual(tap.end(), 0, tap.said())


class Port(AgentCase):
    """Whom the port answers."""

    def ask(self, url, method='GET', path=None, host=None):
        """One request; the answer, read."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request(method, path or parts.path, headers={'Host': host or parts.netloc})
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        return answer

    def test_port(self):
        tap = WebTap(self)
        parts = urllib.parse.urlsplit(tap.url)
        answer = self.ask(tap.url)
        self.assertEqual((answer.status, answer.getheader('Content-Type')), (200, 'text/html; charset=utf-8'))
        self.assertIn("default-src 'none'", answer.getheader('Content-Security-Policy'))
        self.assertEqual(answer.getheader('X-Content-Type-Options'), 'nosniff')
        self.assertNotRegex(answer.text, r'(?:src|href)="(?:https?:|//)')
        self.assertEqual(self.ask(tap.url, host=f'localhost:{parts.port}').status, 200)
        for host in ('evil.example', f'evil.example:{parts.port}', '127.0.0.1', f'127.0.0.1:{parts.port + 1}'):
            with self.subTest(host=host):
                self.assertEqual(self.ask(tap.url, host=host).status, 403)
        for path in ('/', '/events', '/0123456789abcdef0123456789abcdef/', f'{parts.path}../main.c', f'{parts.path}nothing'):
            with self.subTest(path=path):
                self.assertEqual(self.ask(tap.url, path=path).status, 404)
        for method in ('POST', 'PUT', 'DELETE'):
            with self.subTest(method=method):
                self.assertIn(self.ask(tap.url, method).status, (405, 501))
        with socket.socket() as other:  # another address of this machine
            self.assertNotEqual(other.connect_ex(('127.0.0.2', parts.port)), 0)

    def test_events(self):
        tap = WebTap(self, '--type', 'pod.*')
        parts = urllib.parse.urlsplit(tap.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as stream:
            stream.sendall(f'GET {parts.path}events HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n'.encode())
            with stream.makefile(encoding='utf-8') as lines:
                self.assertIn('200 OK', lines.readline())
                self.agent.write_manifest('seen', pods.pod('seen'))
                name, seen = None, {}
                while 'Running' not in str(seen.get('message')) or not {'actors', 'faults'} <= set(seen):
                    line = lines.readline()
                    self.assertTrue(line, seen)
                    if line.startswith('event: '):
                        name = line[len('event: '):].strip()
                    elif line.startswith('data: '):
                        seen[name] = json.loads(line[len('data: '):])
        self.assertEqual(seen['agent'], {'there': True})
        self.assertEqual(seen['faults'], {'enabled': False})
        self.assertIn('pod-manager', [row['name'] for row in seen['actors']['actors']])
        self.assertTrue(all(row['type'].startswith('pod.') for row in seen['message']))
        self.assertEqual(tap.end(), 0)

    def test_wrong_words(self):
        for words in (['--web=x'], ['--web=70000'], ['--web', '--json'], ['--web', '--sequence', 'pod']):
            with self.subTest(words=words):
                done = self.agent.tool('kubelet-tap', *words, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, ''))
                self.assertIn('--web', done.stderr)


if __name__ == '__main__':
    unittest.main()
