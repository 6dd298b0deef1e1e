"""The agent as its users see it: a program, a directory of manifests, its ports and its log."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from . import pods as shapes
from . import system
from .system import wait_for

NODE = 'lab-node'

# dead containers and sandboxes may wait for a garbage collection, which runs every minute
COLLECTED = 2 * system.DEADLINE

# what the sanitizers print; a run that shows one of these is a failed run
SANITIZER = re.compile(r'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: .*|SUMMARY: \w+Sanitizer')

SANITIZER_OPTIONS = {
    'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=0:exitcode=99',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'TSAN_OPTIONS': 'exitcode=99',
}


class Agent:
    """One agent on one containerd; its directories are below the containerd's."""

    count = 0

    def __init__(self, containerd, config=None, arguments=(), record=False):
        Agent.count += 1
        self.containerd = containerd
        self.place = pathlib.Path(containerd.place, f'agent-{Agent.count}')
        self.manifests, self.logs = self.place / 'manifests', self.place / 'pod-logs'
        self.root, self.log = self.place / 'root', self.place / 'kubelet.log'
        self.port, self.health_port, self.tls_port = system.free_port(), system.free_port(), system.free_port()
        self.arguments, self.changes = list(arguments), config or {}
        self.cgroup = containerd.cgroup
        self.process = self.recorder = None
        self.endpoint, self.calls = containerd.socket, self.place / 'cri.log'
        for path in (self.manifests, self.logs, self.root):
            path.mkdir(parents=True)
        if record:
            self._start_recorder()

    @property
    def program(self):
        """The binary that is tested."""
        return system.BUILD / 'kubelet'

    @staticmethod
    def has_recorder():
        """Whether runtime calls can be recorded."""
        return (system.BUILD / 'cri-recorder').exists()

    def _start_recorder(self):
        """Put a proxy that writes down every call between the agent and the runtime."""
        self.endpoint = f'{self.place}/cri.sock'
        self.recorder = system.spawn([system.BUILD / 'cri-recorder', '--listen', self.endpoint, '--upstream',
                                      self.containerd.socket, '--log', self.calls], f'{self.place}/recorder.log')
        wait_for('the recorder listens', lambda: os.path.exists(self.endpoint),
                 explain=lambda: system.tail(f'{self.place}/recorder.log'))

    def configuration(self):
        """The KubeletConfiguration: what a standalone node needs, with this lab's paths and ports."""
        return {
            'apiVersion': 'kubelet.config.k8s.io/v1beta1', 'kind': 'KubeletConfiguration',
            'staticPodPath': str(self.manifests), 'podLogsDir': str(self.logs),
            'containerRuntimeEndpoint': f'unix://{self.endpoint}',
            'enableServer': True, 'address': '127.0.0.1', 'port': self.tls_port,
            'readOnlyPort': self.port, 'healthzPort': self.health_port, 'healthzBindAddress': '127.0.0.1',
            'authentication': {'anonymous': {'enabled': False}, 'webhook': {'enabled': False}},
            'authorization': {'mode': 'AlwaysAllow'},
            'clusterDNS': ['10.96.0.10'], 'clusterDomain': 'cluster.local',
            'cgroupDriver': 'cgroupfs', 'cgroupRoot': f'/{self.cgroup}', 'failSwapOn': False,
            'evictionHard': {'memory.available': '50Mi', 'nodefs.available': '1%', 'nodefs.inodesFree': '1%',
                             'imagefs.available': '1%'},
            **self.changes}

    def start(self):
        """Start the program and wait until it answers."""
        self.launch()
        self.wait_ready()
        return self

    def launch(self):
        """Start the program."""
        path = self.place / 'config.yaml'
        path.write_text(shapes.to_yaml(self.configuration()))
        self.process = system.spawn(
            [self.program, '--config', path, '--root-dir', self.root, '--cert-dir', self.root / 'pki',
             '--hostname-override', NODE, '--socket-dir', self.place / 'run', *self.arguments],
            self.log, env=SANITIZER_OPTIONS)

    def wait_ready(self):
        """Wait until the health port says ok and the read-only port lists pods."""
        self.wait('the agent answers on its health and read-only ports',
                  lambda: self.health() == 200 and self.pods() is not None)

    def running(self):
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def stop(self, deadline=20):
        """End the agent as a service manager does; it must go by itself, with 0."""
        if not self.running():
            raise AssertionError(f'the agent was gone before it was stopped\n{self.explain()}')
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'the agent was still there {deadline} s after SIGTERM\n{self.explain()}') from None
        if code:
            raise AssertionError(f'the agent ended with {code} after SIGTERM\n{self.explain()}')
        self.check_log()

    def kill(self):
        """Kill the agent as a crash or the kernel would."""
        if self.process:
            system.end(self.process, signal.SIGKILL)

    def remove(self):
        """End it however it is, and delete what it left (the pods are the runtime's to remove)."""
        self.kill()
        if self.recorder:
            system.end(self.recorder, signal.SIGTERM)
        system.unmount_below(self.place)
        shutil.rmtree(self.place, ignore_errors=True)

    def check_log(self):
        """Fail when a sanitizer reported something."""
        found = SANITIZER.search(self.text())
        if found:
            raise AssertionError(f'sanitizer report: {found[0]}\n{system.tail(self.log, 120)}')

    def text(self):
        """The log so far."""
        return self.log.read_text(errors='replace') if self.log.exists() else ''

    def get(self, path, port=None):
        """GET from the read-only port: (status, body)."""
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{port or self.port}{path}', timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors='replace')

    def health(self):
        """The status of /healthz, or None while nothing answers."""
        try:
            return self.get('/healthz', self.health_port)[0]
        except OSError:
            return None

    def pods(self):
        """The Pods that the agent shows, or None while it does not answer."""
        try:
            status, body = self.get('/pods')
        except OSError:
            return None
        return json.loads(body).get('items') or [] if status == 200 else None

    def pod(self, name):
        """The static Pod whose manifest says this name, or None."""
        return next((item for item in self.pods() or [] if item['metadata']['name'] == f'{name}-{NODE}'), None)

    def wait(self, what, look, deadline=None):
        """Wait for a condition; a failure shows the pods and the end of the log."""
        def checked():
            if not self.running():
                raise AssertionError(f'the agent ended with {self.process and self.process.returncode}'
                                     f' while waiting for: {what}\n{self.explain()}')
            return look()
        return wait_for(what, checked, deadline, explain=self.explain)

    def wait_value(self, what, look, deadline=None):
        """Wait until `look()` is true of something and return what it is."""
        self.wait(what, look, deadline)
        return look()

    def wait_pod(self, name, what, predicate, deadline=None):
        """Wait until `predicate` is true of a Pod and return that Pod."""
        last = []

        def look():
            last[:] = [self.pod(name)]
            return last[0] is not None and predicate(last[0])
        self.wait(f'pod {name} {what}', look, deadline)
        return last[0]

    def wait_ready_pod(self, name, deadline=None):
        """Wait until a Pod is Running and Ready."""
        return self.wait_pod(name, 'Running and Ready', shapes.ready, deadline)

    def wait_gone(self, name, deadline=None):
        """Wait until a Pod is no longer listed."""
        self.wait(f'pod {name} is gone', lambda: self.pods() is not None and self.pod(name) is None, deadline)

    def traces_of(self, uid):
        """Everything on this machine that belongs to a Pod of this UID."""
        runtime = self.containerd.runtime
        found = [f'container {row["id"]} {row["state"]}' for row in runtime.containers()
                 if row['labels'].get('io.kubernetes.pod.uid') == uid]
        found += [f'sandbox {row["id"]}' for row in runtime.sandboxes() if row['uid'] == uid]
        found += [str(path) for path in system.cgroups_named(uid)]
        found += [str(path) for path in self.logs.glob(f'*{uid}*')]
        found += [str(path) for path in (self.root / 'pods').glob(uid)]
        found += [line.split()[4] for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines()
                  if uid in line]
        links = pathlib.Path('/var/log/containers')
        return found + [str(path) for path in links.glob('*.log') if path.is_symlink() and uid in str(path.readlink())]

    def wait_no_traces(self, uid):
        """Wait until nothing of a Pod is left."""
        left = []

        def look():
            left[:] = self.traces_of(uid)
            return not left
        try:
            self.wait(f'nothing is left of pod {uid}', look, COLLECTED)
        except AssertionError as error:
            raise AssertionError('\n'.join(['left behind:', *left, str(error)])) from None

    def tool(self, name, *words, check=True):
        """Run kubelet-tap or kubelet-fault against this agent; with `check` it must succeed."""
        command = [system.BUILD / name, '--socket-dir', self.place / 'run', *words]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
        if check and (done.returncode or done.stderr):
            raise AssertionError(f'{name} {" ".join(map(str, words))} ended with {done.returncode}:\n{done.stderr}')
        return done

    def fault(self, *words):
        """Run kubelet-fault; what it answers."""
        return json.loads(self.tool('kubelet-fault', *words).stdout)

    def explain(self):
        """What a failure's text should show: the pods' state and the end of the log."""
        shown = []
        for item in (self.pods() if self.running() else None) or []:
            status = item['status']
            shown.append(f'{item["metadata"]["name"]}: {status.get("phase")} {status.get("reason", "")} ' + json.dumps(
                {row['name']: [row.get('state'), row.get('restartCount')] for row in
                 (status.get('initContainerStatuses') or []) + (status.get('containerStatuses') or [])}))
        return '\n'.join(shown[:20] + [system.tail(self.log)])

    def write_manifest(self, name, content):
        """Put a manifest (an object, text or bytes) into the directory in one step, as an operator should."""
        if isinstance(content, dict):
            content = shapes.to_yaml(content)
        if isinstance(content, str):
            content = content.encode()
        path = self.manifests / (name if '.' in name else name + '.yaml')
        temporary = self.place / (path.name + '.new')
        temporary.write_bytes(content)
        os.rename(temporary, path)
        return path

    def remove_manifest(self, name):
        """Take a manifest away."""
        (self.manifests / (name if '.' in name else name + '.yaml')).unlink()

    def grown_kib(self, before):
        """By how much its memory has grown since it was `before`; 0 with a sanitizer, whose memory says nothing."""
        cache = system.BUILD / 'CMakeCache.txt'
        is_sanitized = cache.exists() and re.search(r'^CUBELET_SANITIZE:\w+=\w', cache.read_text(), re.MULTILINE)
        return 0 if is_sanitized else self.rss_kib() - before

    def rss_kib(self):
        """The resident memory of the agent."""
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', status)[1])
