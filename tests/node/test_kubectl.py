"""kubectl against a joined node: logs, exec, attach, cp and port-forward, through an API server."""
import base64
import hashlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import unittest

from lab import pods, system
from lab.case import LabCase
from lab.cluster import Cluster, JoinedAgent
from lab.kubectl import Kubectl, debian_program
from lab.system import LabError

READ_A_LINE = 'read line; echo got $line; ' + pods.FOREVER
WEB = {'name': 'web', 'image': pods.NGINX, 'imagePullPolicy': 'Never'}
LINES = 'for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2; ' + pods.FOREVER


class KubectlCase(LabCase):
    """A cluster with one node, and kubectl as its administrator."""

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.agent = JoinedAgent(self.containerd, self.cluster)
        self.addCleanup(self._clean_up)
        self.agent.start()
        self.kubectl = self.cluster.kubectl

    def _clean_up(self):
        try:
            if self.agent.running():
                self.agent.stop()
        finally:
            self.agent.remove()
            self.containerd.runtime.purge()

    def start_pod(self, name, script=LINES, **options):
        """A pod that is ready."""
        self.cluster.create(pods.pod(name, script, nodeName=self.cluster.node, automountServiceAccountToken=False, **options))
        self.agent.wait_api_ready(name)

    # what every kubectl must be able to do; `words` choose the container

    def check_exec(self, pod, *words):
        """exec with stdin, both outputs and the exit code."""
        exec_in = ('exec', pod, *words)
        self.assertEqual(self.kubectl(*exec_in, '--', 'echo', 'a  b'), 'a  b\n')
        self.assertEqual(self.kubectl(*exec_in, '-i', '--', 'cat', stdin='hello\nworld\n'), 'hello\nworld\n')
        done = self.kubectl.run(*exec_in, '--', 'sh', '-c', 'echo out; echo err >&2; exit 7')
        self.assertEqual((done.returncode, done.stdout), (7, 'out\n'))
        self.assertIn('err\n', done.stderr)

    def check_attach(self, pod, *words):
        """attach to a container that runs READ_A_LINE."""
        process = subprocess.Popen(self.kubectl.command('attach', '-i', pod, *words), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.kubectl.environment(), text=True)
        self.addCleanup(process.stdout.close)
        process.stdin.write('hello\n')
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), 'got hello\n')
        process.stdin.close()
        process.kill()
        process.wait()

    def check_copy(self, pod, mebibytes, *words):
        """cp of a file there and back."""
        place = pathlib.Path(tempfile.mkdtemp(prefix='cubelet-cp-', dir='/tmp'))
        self.addCleanup(system.run, 'rm', '-rf', place)
        content = os.urandom(1 << 20) * mebibytes
        (place / 'there').write_bytes(content)
        self.kubectl('cp', *words, place / 'there', f'{pod}:/tmp/file', timeout=300)
        self.kubectl('cp', *words, f'{pod}:/tmp/file', place / 'back', timeout=300)
        self.assertEqual(hashlib.sha256((place / 'back').read_bytes()).hexdigest(), hashlib.sha256(content).hexdigest())

    def check_forward(self, pod, count):
        """port-forward of so many connections at once to nginx."""
        process = subprocess.Popen(self.kubectl.command('port-forward', pod, ':80'), stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.STDOUT, env=self.kubectl.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        port = int(re.search(r'127\.0\.0\.1:(\d+)', process.stdout.readline())[1])
        threading.Thread(target=process.stdout.read, daemon=True).start()
        results = []

        def fetch():
            with socket.create_connection(('127.0.0.1', port), 30) as connection:
                connection.settimeout(60)
                connection.sendall(b'GET / HTTP/1.0\r\n\r\n')
                answer = b''
                while got := connection.recv(65536):
                    answer += got
            results.append(b'Welcome to nginx' in answer)
        threads = [threading.Thread(target=fetch) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [True] * count)


class Logs(KubectlCase):
    """kubectl logs."""

    def test_options(self):
        self.start_pod('logs')
        self.agent.wait('the log is written', lambda: 'oops' in self.kubectl('logs', 'logs'))
        self.assertEqual(sorted(self.kubectl('logs', 'logs').splitlines()),
                         sorted([f'line {i}' for i in range(1, 6)] + ['oops']))
        self.assertEqual(len(self.kubectl('logs', 'logs', '--tail=2').splitlines()), 2)
        self.assertEqual(len(self.kubectl('logs', 'logs', '--limit-bytes=10')), 10)
        self.assertEqual(self.kubectl('logs', 'logs', '--since-time=2100-01-01T00:00:00Z'), '')
        self.assertEqual(len(self.kubectl('logs', 'logs', '--since=1h').splitlines()), 6)
        self.assertRegex(self.kubectl('logs', 'logs', '--timestamps', '--tail=1'), r'^\d{4}-\d\d-\d\dT[\d:.]+\S* ')
        self.assertIn('previous terminated container "main" in pod "logs" not found',
                      self.kubectl.fails('logs', 'logs', '--previous'))

    def test_follow_a_container_to_its_end(self):
        self.start_pod('follow', 'for i in 1 2 3 4 5 6; do echo $i; sleep 1; done', restartPolicy='Never')
        self.assertEqual(self.kubectl('logs', '-f', 'follow'), '1\n2\n3\n4\n5\n6\n')


class Exec(KubectlCase):
    """kubectl exec, attach, cp."""

    def test_exec(self):
        self.start_pod('exec')
        self.check_exec('exec')

    def test_exec_with_a_terminal(self):
        self.start_pod('tty')
        words = ' '.join(self.kubectl.command('exec', '-it', 'tty', '--', 'sh', '-c', "'for i in 1 2 3 4 5; do sleep 0.3; stty size; done; test -t 0 && echo yes'"))
        done = subprocess.run(['script', '-qec', f'stty rows 33 cols 77; {words}', '/dev/null'], capture_output=True, text=True,
                              timeout=60, env=self.kubectl.environment(), stdin=subprocess.DEVNULL, check=False)
        self.assertIn('yes', done.stdout)
        self.assertIn('33 77', done.stdout)  # the window's size has come through

    def test_attach(self):
        self.start_pod('attach', READ_A_LINE, container={'stdin': True})
        self.check_attach('attach')

    def descriptors(self):
        """How many files and sockets the agent has open."""
        return len(os.listdir(f'/proc/{self.agent.process.pid}/fd'))

    def test_a_kubectl_that_is_killed_leaves_nothing(self):
        self.start_pod('gone')
        self.kubectl('exec', 'gone', '--', 'true')
        self.kubectl('logs', 'gone')
        before = self.descriptors()
        for words in (('exec', '-i', 'gone', '--', 'cat'), ('logs', '-f', 'gone'), ('port-forward', 'gone', ':80')):
            processes = [subprocess.Popen(self.kubectl.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL, env=self.kubectl.environment()) for _ in range(5)]
            self.agent.wait(f'{words[0]} has connected', lambda: self.descriptors() >= before + 5)
            for process in processes:
                process.kill()
                process.communicate()
            self.agent.wait(f'nothing is left of {words[0]}', lambda: self.descriptors() <= before)

    def test_copy_100_mib_both_ways(self):
        self.start_pod('copy')
        before = self.agent.rss_kib()
        self.check_copy('copy', 100)
        self.assertLess(self.agent.grown_kib(before), 8192)


class Forward(KubectlCase):
    """kubectl port-forward."""

    def test_many_connections(self):
        self.start_pod('web', None, image=pods.NGINX)
        self.check_forward('web', 50)


class Direct(KubectlCase):
    """What upstream's conformance tests ask of the API without kubectl, in their words."""

    def test_conformance_requests(self):
        pod = pods.pod('direct', 'echo container is alive; ' + pods.FOREVER, nodeName=self.cluster.node,
                       automountServiceAccountToken=False)
        pod['spec']['containers'].append(WEB)
        self.cluster.create(pod)
        self.agent.wait_api_ready('direct')
        with self.subTest('should support retrieving logs from the container over websockets'):
            self.agent.wait('the log is written', lambda: self.log('binary.k8s.io') == b'container is alive\n')
            self.assertEqual(base64.b64decode(self.log('base64.binary.k8s.io')), b'container is alive\n')
        with self.subTest('should support remote command execution over websockets'):
            query = 'stderr=1&stdout=1&container=main&command=echo&command=remote+execution+test'
            for protocol, status in (('channel.k8s.io', None), ('v4.channel.k8s.io', b'"status":"Success"')):
                said = [message for message in self.stream('exec?' + query, protocol) if len(message) > 1]
                self.assertEqual(b''.join(message[1:] for message in said if message[0] == 1), b'remote execution test\n')
                # upstream's test takes anything on another channel for a failure
                self.assertEqual([message[0] for message in said if message[0] != 1], [3] if status else [])
                self.assertTrue(status is None or status in said[-1])
            coded = self.stream('exec?' + query, 'base64.channel.k8s.io')
            self.assertIn('1' + base64.b64encode(b'remote execution test\n').decode(), [text.decode() for text in coded])
        with self.subTest('should support forwarding over websockets'):
            path = '/api/v1/namespaces/default/pods/direct/portforward?ports=80'
            with self.cluster.websocket(path, 'v4.channel.k8s.io') as stream:
                self.assertEqual([stream.receive(), stream.receive()], [b'\0P\0', b'\1P\0'])  # each channel says its port, 80
                stream.send(b'\0GET / HTTP/1.0\r\n\r\n')
                answer = b''
                while b'</html>' not in answer:
                    channel, *data = stream.receive()
                    self.assertEqual(channel, 0)
                    answer += bytes(data)
                self.assertIn(b'Welcome to nginx', answer)
        for name in (self.cluster.node, f'{self.cluster.node}:{self.agent.tls_port}'):
            with self.subTest('should proxy logs on node', node=name):
                self.assertIn('<a href=', self.kubectl('get', '--raw', f'/api/v1/nodes/{name}/proxy/logs/'))
                for path in ('logs', 'runningpods', 'runningpods/', 'pods', 'configz', 'healthz', 'stats/summary', 'metrics'):
                    self.assertTrue(self.kubectl('get', '--raw', f'/api/v1/nodes/{name}/proxy/{path}'), path)
        with self.subTest('should be submitted and removed'):  # asks the kubelet itself until the pod is gone
            listed = json.loads(self.kubectl('get', '--raw', f'/api/v1/nodes/{self.cluster.node}:{self.agent.tls_port}/proxy/pods'))
            self.assertEqual([item['metadata']['name'] for item in listed['items']], ['direct'])

    def stream(self, rest, protocol):
        """The messages of a WebSocket to its end."""
        with self.cluster.websocket('/api/v1/namespaces/default/pods/direct/' + rest, protocol) as stream:
            return list(stream)

    def log(self, protocol):
        """The log over a WebSocket."""
        return b''.join(self.stream('log?container=main', protocol))


class Debian(KubectlCase):
    """The kubectl of Debian's package, 1.20: it speaks SPDY where younger ones speak WebSocket."""

    def test_streams(self):
        try:
            self.kubectl = Kubectl(self.cluster.admin, debian_program())
        except LabError as error:
            self.skipTest(f"Debian's kubectl cannot be had here: {error}")
        self.assertIn('1.20.', self.kubectl('version', '--client', '--short'))
        pod = pods.pod('old', 'for i in 1 2 3 4 5; do echo line $i; done; ' + READ_A_LINE, container={'stdin': True},
                       nodeName=self.cluster.node, automountServiceAccountToken=False)
        pod['spec']['containers'].append(WEB)
        self.cluster.create(pod)
        self.agent.wait_api_ready('old')
        self.assertEqual(self.kubectl('logs', 'old', '-c', 'main', '--tail=2'), 'line 4\nline 5\n')
        self.check_exec('old', '-c', 'main')
        self.check_copy('old', 2, '-c', 'main')
        self.check_forward('old', 10)
        self.check_attach('old', '-c', 'main')


if __name__ == '__main__':
    unittest.main()
