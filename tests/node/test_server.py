"""The node's own API on a real runtime: logs, exec, attach, port-forward and the rest."""
import contextlib
import json
import os
import pathlib
import shutil
import stat
import sys
import threading
import time
import unittest
import urllib.parse

from lab import pods
from lab.agent import NODE
from lab.case import AgentCase
from lab.node_api import NodeApi

COUNT = 'i=0; while [ $i -lt 10 ]; do i=$((i+1)); echo line $i; done; sleep 0.5; echo oops >&2; ' + pods.FOREVER


class ServerCase(AgentCase):
    """An agent with short ways to its API."""

    def setUp(self):
        super().setUp()
        self.api = NodeApi(self.agent)
        self.tls = NodeApi(self.agent, tls=True)

    def start_pod(self, name, script=COUNT, **options):
        """A pod that is ready; the path of its container behind an endpoint."""
        self.agent.write_manifest(name, pods.pod(name, script, **options))
        self.agent.wait_ready_pod(name)
        return f'default/{name}-{NODE}/main'


class Logs(ServerCase):
    """/containerLogs with all its options."""

    config = {'authentication': {'anonymous': {'enabled': True}, 'webhook': {'enabled': False}},
              'featureGates': {'PodLogsQuerySplitStreams': True}}

    def test_options(self):
        path = '/containerLogs/' + self.start_pod('logs')
        lines = ''.join(f'line {i}\n' for i in range(1, 11))
        self.agent.wait('the log is written', lambda: 'oops' in self.api.text(path))
        for api in (self.api, self.tls):
            self.assertEqual(api.text(path), lines + 'oops\n')
            self.assertEqual(api.text(path + '?tailLines=3'), 'line 9\nline 10\noops\n')
            self.assertEqual(api.text(path + '?tailLines=0'), '')
            self.assertEqual(api.text(path + '?limitBytes=9'), 'line 1\nli')
            self.assertEqual(api.text(path + '?stream=Stderr'), 'oops\n')
            self.assertEqual(api.text(path + '?sinceTime=2100-01-01T00:00:00Z'), '')
            self.assertEqual(api.text(path + '?sinceSeconds=3600'), lines + 'oops\n')
            self.assertRegex(api.text(path + '?timestamps=true&tailLines=1'),
                             r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) oops\n$')
        self.assertEqual(self.api.get(path + '?tailLines=-1'), (422, '{"message": "Invalid request."}'))
        self.assertEqual(self.api.get(path + '?tailLines=x'), (400, '{"message": "Unable to decode query."}'))
        self.assertEqual(self.api.get(path + '?previous=true'), (
            400, f'previous terminated container "main" in pod "logs-{NODE}" not found'))
        self.assertEqual(self.api.get('/containerLogs/default/nope/main'), (404, 'pod "nope" does not exist'))
        self.assertEqual(self.api.get(path[:-4] + 'other'), (
            404, f'container "other" not found in pod "logs-{NODE}"'))

    def test_follow_to_the_end(self):
        self.agent.write_manifest('follow', pods.pod('follow', 'for i in 1 2 3 4; do echo $i; sleep 1; done', restartPolicy='Never'))
        self.agent.wait_pod('follow', 'runs', pods.running)
        for api in (self.api, self.tls):
            process = api.follow(f'/containerLogs/default/follow-{NODE}/main?follow=true')
            self.assertEqual(process.communicate(timeout=60)[0], '1\n2\n3\n4\n')

    def test_previous_and_waiting(self):
        self.agent.write_manifest('crash', pods.pod('crash', 'echo run; exit 1'))
        self.agent.wait_pod('crash', 'ran twice', lambda pod: (pods.container(pod).get('restartCount') or 0) >= 1
                            and pods.waiting(pod) == 'CrashLoopBackOff')
        path = f'/containerLogs/default/crash-{NODE}/main'
        self.assertEqual(self.api.text(path), 'run\n')
        self.assertEqual(self.api.text(path + '?previous=true'), 'run\n')
        self.agent.write_manifest('absent', pods.pod('absent', image='nope.local/x:1', container={'imagePullPolicy': 'Never'}))
        self.agent.wait_pod('absent', 'waits', lambda pod: pods.waiting(pod) == 'ErrImageNeverPull')
        self.assertEqual(self.api.get(f'/containerLogs/default/absent-{NODE}/main'), (
            400, f'container "main" in pod "absent-{NODE}" is waiting to start: ErrImageNeverPull'))

    def test_follow_over_a_rotation(self):
        path = self.start_pod('rotate', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done')
        process = self.api.follow(f'/containerLogs/{path}?follow=true')
        file = next(self.agent.logs.glob('*_rotate-*/main/0.log'))
        container = pods.container(self.agent.pod('rotate'))['containerID'].partition('://')[2]
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(process.stdout))
        reader.start()
        for _ in range(3):
            time.sleep(0.5)
            os.rename(file, f'{file}.{time.time_ns()}')
            self.containerd.runtime.reopen_log(container)
        self.agent.wait('it went on', lambda: len(seen) > 60)
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()
        numbers = [int(line) for line in seen if line.endswith('\n')]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))


class Streams(ServerCase):
    """/exec, /attach, /portForward, /run."""

    config = {'authentication': {'anonymous': {'enabled': True}, 'webhook': {'enabled': False}}}

    def test_exec(self):
        path = '/exec/' + self.start_pod('exec')
        uid = self.agent.pod('exec')['metadata']['uid']
        for api in (self.api, self.tls):
            out, err, status = api.exec(path, 'sh', '-c', 'echo out; echo err >&2; exit 3')
            self.assertEqual((out, err), ('out\n', 'err\n'))
            self.assertIn('"reason":"NonZeroExitCode"', status.replace(' ', ''))
            self.assertEqual(api.exec(path.replace('/main', f'/{uid}/main'), 'echo', 'a b')[0], 'a b\n')
            self.assertEqual(api.exec(path, 'head', '-c', '300000', stdin=b'x' * 300000)[0], 'x' * 300000)
            self.assertEqual(api.exec(path, 'sh', '-c', 'test -t 1 && echo yes', tty=True, stdin=b'')[0].strip(), 'yes')
        self.assertEqual(self.api.get(path + '?command=ls'), (400, 'you must specify at least 1 of stdin, stdout, stderr'))
        self.assertEqual(self.api.get(path + '?command=ls&output=1'), (500, 'Upgrade request required\n'))
        self.assertEqual(self.api.get('/exec/default/nope/main?output=1'), (404, 'pod does not exist'))
        self.assertEqual(self.api.get(path[:-4] + 'other?output=1'), (500, 'container not found ("other")'))

    def test_run(self):
        path = '/run/' + self.start_pod('run')
        self.assertEqual(self.api.get(path + '?cmd=echo%20a%20b', '-XPOST'), (200, 'a b\n'))
        self.assertEqual(self.tls.get(path, '-d', 'cmd=echo a'), (200, 'a\n'))
        status, body = self.api.get(path + '?cmd=ls%20/nope', '-XPOST')
        self.assertEqual(status, 500)
        self.assertIn("command 'ls /nope' exited with 1", body)


class Crowds(ServerCase):
    """Many clients at once, and clients that behave badly."""

    config = {'authentication': {'anonymous': {'enabled': True}, 'webhook': {'enabled': False}},
              'containerLogMaxSize': '1Gi'}

    def descriptors(self):
        """How many files and sockets the agent has open."""
        return len(os.listdir(f'/proc/{self.agent.process.pid}/fd'))

    def open(self, api, text):
        """A connection on which a request has been sent."""
        connection = api.connect()
        self.addCleanup(connection.close)
        connection.sendall(text.encode())
        return connection

    def test_200_followers_and_200_streams(self):
        path = self.start_pod('crowd', 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done')
        self.assertEqual(self.tls.get('/healthz/ping'), (200, 'ok'))
        memory, files = self.agent.rss_kib(), self.descriptors()
        followers = [self.open(self.tls, f'GET /containerLogs/{path}?follow=true&tailLines=1 HTTP/1.1\r\nHost: x\r\n\r\n')
                     for _ in range(200)]
        query = urllib.parse.urlencode([('command', word) for word in ('sh', '-c', 'echo x; sleep 1000')] + [('output', 1)])
        streams = [self.api.websocket(f'/exec/{path}?{query}') for _ in range(20)]
        waiting = [self.open(self.api, f'GET /containerLogs/{path}?follow=true HTTP/1.1\r\nHost: x\r\n\r\n')
                   for _ in range(180)]
        for connection in followers + waiting:
            seen = b''
            while seen.count(b'line ') < 3:
                got = connection.recv(65536)
                self.assertTrue(got)
                seen += got
        for stream in streams:
            while b'x\n' not in stream.receive():
                pass
        grown = self.agent.grown_kib(memory)
        print(f'200 followers over TLS, 180 without, 20 streams: {grown} KiB more', file=sys.stderr)
        self.assertLess(grown, 40 * 1024)
        for connection in followers + waiting + [stream.connection for stream in streams]:
            connection.close()
        self.agent.wait('every connection is given back', lambda: self.descriptors() <= files + 4)
        self.assertEqual(self.tls.get('/healthz/ping'), (200, 'ok'))

    def test_a_client_that_reads_nothing(self):
        path = self.start_pod('flood', 'yes 0123456789012345678901234567890123456789 | head -c 61500000; echo end; ' + pods.FOREVER)
        self.assertEqual(self.tls.get('/healthz/ping'), (200, 'ok'))
        memory = self.agent.rss_kib()
        for api in (self.api, self.tls):
            for _ in range(30):
                self.open(api, f'GET /containerLogs/{path}?follow=true HTTP/1.1\r\nHost: x\r\n\r\n')
        for _ in range(10):
            self.assertEqual(self.tls.get('/healthz/ping'), (200, 'ok'))
        grown = self.agent.grown_kib(memory)
        print(f'60 clients that read nothing: {grown} KiB more', file=sys.stderr)
        self.assertLess(grown, 16 * 1024)
        # the size of the file says nothing: the runtime adds to each line, and may be far from the end
        self.agent.wait('the log is written', lambda: self.tls.text(f'/containerLogs/{path}?tailLines=1') == 'end\n')
        self.assertEqual(len(self.tls.text('/containerLogs/' + path)), 61500000 + len('end\n'))

    def test_requests_that_are_no_requests(self):
        path = self.start_pod('odd')
        for api in (self.api, self.tls):
            for text in ('', 'GET', '\x00' * 100, 'GET / HTTP/1.1\r\n' + 'a: b\r\n' * 20000, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
                         f'GET /exec/{path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n',
                         f'GET /exec/{path}?output=1&command=%00 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
                         f'POST /exec/{path}?output=1&command=ls HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n',
                         'POST /run/a/b/c HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n'):
                with contextlib.suppress(OSError):
                    self.open(api, text).close()
        self.assertEqual(self.tls.get('/healthz/ping'), (200, 'ok'))

    def test_spdy_upgrade(self):
        path = self.start_pod('spdy')
        for length in ('Content-Length: 0\r\n', ''):
            for api in (self.api, self.tls):
                connection = self.open(api, f'POST /exec/{path}?output=1&command=ls HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n'
                                       f'Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n{length}\r\n')
                answer = connection.recv(65536).decode()
                self.assertTrue(answer.startswith('HTTP/1.1 101 '), answer)
                self.assertIn('X-Stream-Protocol-Version: v4.channel.k8s.io', answer)

    def test_an_end_passes_over_tls(self):
        path = self.start_pod('half')
        connection = self.open(self.tls, f'POST /exec/{path}?input=1&output=1&command=cat HTTP/1.1\r\nHost: x\r\n'
                               'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n')
        self.assertTrue(connection.recv(65536).startswith(b'HTTP/1.1 101 '))
        connection.unwrap()  # says the end, and waits until the other side has said it too

    def test_the_container_restarts_meanwhile(self):
        path = self.start_pod('again', 'trap "exit 0" TERM; for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.3; done', restartPolicy='Always')
        for _ in range(8):
            status, body = self.tls.get('/containerLogs/' + path + '?follow=true')
            self.assertEqual(status, 200)
            self.assertEqual(body, ''.join(f'{i}\n' for i in range(1, 10))[:len(body)])
            time.sleep(0.5)


class Killed(ServerCase):
    """The server's actor ends in the middle of its work."""

    config = Crowds.config
    arguments = ('--enable-fault-injection',)

    def test_streams_end_and_others_begin(self):
        path = self.start_pod('killed')
        query = urllib.parse.urlencode([('command', word) for word in ('sleep', '1000')] + [('output', 1)])
        for _ in range(3):
            streams = [api.websocket(f'/exec/{path}?{query}') for api in (self.api, self.tls) for _ in range(5)]
            followers = [api.follow(f'/containerLogs/{path}?follow=true') for api in (self.api, self.tls) for _ in range(5)]
            for process in followers:
                self.assertEqual(process.stdout.readline(), 'line 1\n')
            self.agent.fault('kill', 'server')
            for stream in streams:
                with stream:
                    self.assertTrue(all(message[1:] == b'' for message in stream))
            for process in followers:
                process.communicate(timeout=60)
            self.agent.wait('the server is there again', self.answers)

    def answers(self):
        """Whether both ways to the API work."""
        try:
            return self.tls.get('/healthz/ping') == self.api.get('/healthz/ping') == (200, 'ok')
        except AssertionError:
            return False

    def test_a_command_may_take_its_time(self):
        path = self.start_pod('slow')
        self.assertEqual(self.tls.get('/run/' + path + '?cmd=sleep%20100', '-XPOST', timeout=150), (200, ''))


class Endpoints(ServerCase):
    """The rest of the API."""

    config = {'authentication': {'anonymous': {'enabled': True}, 'webhook': {'enabled': False}},
              'featureGates': {'ComponentStatusz': True, 'ComponentFlagz': True}}

    def test_pods_and_running_pods(self):
        self.start_pod('list')
        uid = self.agent.pod('list')['metadata']['uid']
        for api in (self.api, self.tls):
            self.assertEqual(json.loads(api.text('/pods'))['items'][0]['metadata']['uid'], uid)
            running = json.loads(api.text('/runningpods/'))
            self.assertEqual(running['kind'], 'PodList')
            row = running['items'][0]
            self.assertEqual(row['metadata'], {'name': f'list-{NODE}', 'namespace': 'default', 'uid': uid})
            self.assertEqual([(item['name'], item['resources']) for item in row['spec']['containers']], [('main', {})])
            self.assertEqual(row['status'], {})

    def test_what_it_says_of_itself(self):
        config = json.loads(self.tls.text('/configz'))['kubeletconfig']
        self.assertEqual(config['port'], self.agent.tls_port)
        self.assertEqual(config['authentication']['anonymous'], {'enabled': True})
        self.assertTrue(self.tls.text('/healthz?verbose').endswith('healthz check passed\n'))
        self.assertIn('kubelet statusz', self.tls.text('/statusz'))
        self.assertIn(f'hostname-override={NODE}', self.tls.text('/flagz'))
        self.assertEqual(self.tls.get('/debug/flags/v', '-XPUT', '-d', '4'), (
            200, 'successfully set klog.logging.verbosity to 4'))
        self.assertEqual(self.tls.get('/debug/flags/v', '-XPUT', '-d', 'x')[0], 400)
        self.assertEqual(self.tls.get('/debug/pprof/heap')[0], 501)
        process = pathlib.Path('/proc', str(self.agent.process.pid))
        self.assertEqual((process / 'comm').read_text(), 'kubelet\n')
        self.assertIn('tcache_count=0', (process / 'environ').read_text())  # process_forgo_thread_caches
        self.assertEqual(self.tls.get('/nope'), (404, '404 page not found\n'))
        self.assertEqual(self.tls.get('/configz', '-XPOST')[0], 405)

    def test_system_logs(self):
        place = pathlib.Path('/var/log', f'cubelet-{os.getpid()}')
        place.mkdir()
        self.addCleanup(shutil.rmtree, place)
        (place / 'a <b>').write_text('x' * 200000)
        (place / 'deep').mkdir()
        (place / 'out').symlink_to('/etc/passwd')
        for api in (self.api, self.tls):
            self.assertEqual(api.text(f'/logs/{place.name}/a%20%3Cb%3E'), 'x' * 200000)
            page = api.text(f'/logs/{place.name}/')
            self.assertIn('<a href="a%20%3Cb%3E">a &lt;b&gt;</a>', page)
            self.assertIn('<a href="deep/">deep/</a>', page)
            self.assertEqual(api.get(f'/logs/{place.name}')[0], 301)
            for path in ('out', 'nope', '../../etc/passwd', '%2e%2e/%2e%2e/etc/passwd'):
                self.assertIn(api.get(f'/logs/{place.name}/{path}', '--path-as-is')[0], (400, 404), path)

    def test_checkpoint(self):
        path = '/checkpoint/' + self.start_pod('checkpoint')
        status, body = self.tls.get(path, '-XPOST')  # containerd 1.6 cannot
        self.assertEqual(status, 500)
        self.assertTrue(body.startswith(f'checkpointing of default/checkpoint-{NODE}/main failed ('), body)
        self.assertEqual(self.tls.get('/checkpoint/default/nope/main', '-XPOST'), (404, 'pod does not exist'))
        self.assertEqual(self.tls.get(path[:-4] + 'other', '-XPOST'), (404, 'container other does not exist'))

    def test_only_root_may_use_the_socket(self):
        self.assertEqual(stat.S_IMODE(self.api.socket.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE((self.agent.root / 'pki/kubelet.key').stat().st_mode), 0o600)


class Disabled(ServerCase):
    """Without debugging handlers."""

    config = {**Endpoints.config, 'enableDebuggingHandlers': False}

    def test_debugging_handlers(self):
        for path in ('/exec/a/b/c', '/containerLogs/a/b/c', '/runningpods/', '/logs/', '/run/a/b/c', '/debug/pprof/'):
            self.assertEqual(self.tls.get(path), (405, 'Debug endpoints are disabled.\n'), path)
        self.assertEqual(self.tls.get('/configz')[0], 404)
        self.assertEqual(self.tls.get('/pods')[0], 200)


if __name__ == '__main__':
    unittest.main()
