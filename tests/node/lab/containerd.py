"""A containerd of the lab's own: its directories, socket, network and images are nobody else's."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from . import images, network, system
from .cri import Runtime
from .system import LabError, run, wait_for

PREFIX = 'cubelet-lab-'

CONFIG = """\
version = 2
root = "{place}/root"
state = "{place}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{place}/c.sock"
[ttrpc]
  address = "{place}/c.sock.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{place}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # without CAP_SYS_RESOURCE the kernel refuses the scores that the agent asks for
  restrict_oom_score_adj = true
  # leftovers of killed pods are then all below one directory
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{place}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{place}/runc"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{place}/certs.d"
"""


class Containerd:
    """start, stop, crash; import images; look inside. One instance is one node's runtime."""

    def __init__(self):
        sweep()
        self.place = tempfile.mkdtemp(prefix=PREFIX, dir='/tmp')
        self.name = os.path.basename(self.place)
        self.socket = f'{self.place}/c.sock'
        self.log = f'{self.place}/containerd.log'
        self.bridge = 'cbl' + self.name[len(PREFIX):].replace('_', '-')[:11]
        self.cgroup = self.name
        self.runtime = Runtime(self.socket)
        self.process = None
        self.subnet = None
        # what is needed to clean up after this process if it is killed
        note = {'pid': os.getpid(), 'started': process_start(os.getpid()), 'name': self.name, 'bridge': self.bridge}
        pathlib.Path(self.place, 'lab.json').write_text(json.dumps(note))
        system.at_exit(self.remove)

    def create(self, *names):
        """Set everything up, start, and import these images (and the pause image)."""
        os.chmod(self.place, 0o755)  # containers that run as a user bind files from here
        for part in ('cni', 'certs.d'):
            os.mkdir(f'{self.place}/{part}')
        pathlib.Path(self.place, 'config.toml').write_text(
            CONFIG.format(place=self.place, pause=images.NAMES['pause'][0]))
        self.subnet = network.create(self.bridge)
        pathlib.Path(self.place, 'cni/10-lab.conflist').write_text(
            json.dumps(network.conflist(self.name, self.bridge, self.subnet, f'{self.place}/ipam')))
        system.make_cgroup(self.cgroup)
        self.start()
        for name in ('pause',) + names:
            self.import_image(images.cached(name, str(system.BUILD / 'lab-images')))
        return self

    def start(self):
        """Start the daemon and wait until its CRI service says that runtime and network are ready."""
        self.process = system.spawn(['containerd', '--config', f'{self.place}/config.toml'], self.log)
        try:
            wait_for('containerd answers with its network ready', self.ready, explain=lambda: system.tail(self.log))
        except AssertionError as error:
            raise LabError(str(error)) from None

    def ready(self):
        """Whether the CRI service answers and reports both conditions true."""
        if self.process.poll() is not None:
            raise LabError(f'containerd ended with {self.process.returncode}\n{system.tail(self.log)}')
        try:
            status = self.runtime.call('Runtime', 'Status')
        except LabError:
            return False
        from .cri import fields
        conditions = [fields(item) for item in fields(fields(status)[1][0])[1]]
        return len(conditions) >= 2 and all(condition.get(2, [0])[0] for condition in conditions)

    def stop(self):
        """Stop the daemon as a service manager does; containers run on."""
        system.end(self.process, signal.SIGTERM)

    def crash(self):
        """Kill the daemon; containers run on."""
        system.end(self.process, signal.SIGKILL)

    def restart(self):
        """Stop and start."""
        self.stop()
        self.start()

    def ctr(self, *arguments):
        """Run containerd's own client in the namespace of CRI."""
        return run('ctr', '--address', self.socket, '--namespace', 'k8s.io', *arguments)

    def import_image(self, archive):
        """Import an archive and wait until CRI knows the names in it."""
        names = self.ctr('images', 'import', archive)
        wanted = [word for word in names.split() if ':' in word and '/' in word]
        wait_for(f'{wanted} known to CRI', lambda: set(wanted) <= set(self.runtime.images()))

    def mirror(self, host, address):
        """Have containerd fetch the images of `host` from `address` over plain HTTP."""
        place = pathlib.Path(self.place, 'certs.d', host)
        place.mkdir(exist_ok=True)
        (place / 'hosts.toml').write_text(
            f'server = "{address}"\n[host."{address}"]\n  capabilities = ["pull", "resolve"]\n')

    def remove(self):
        """Stop everything and leave nothing behind. Safe to call twice."""
        if self.process:
            try:
                if self.process.poll() is None:
                    self.runtime.purge()  # orderly, where it works: plugins then undo what they did
            except Exception:  # pylint: disable=broad-except
                pass
            system.end(self.process, signal.SIGTERM)
        remove_place(self.place, self.name, self.bridge)


def process_start(pid):
    """When a process started, in the kernel's ticks: tells a process from a later one with its number."""
    try:
        return int(pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[19])
    except (OSError, IndexError):
        return 0


def processes_of(place):
    """(pid, command line) of every process that names this lab's directory: the daemon and its shims."""
    for path in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            command = (path / 'cmdline').read_bytes().replace(b'\0', b' ').decode(errors='replace')
        except OSError:
            continue
        if f'{place}/' in command and int(path.name) != os.getpid():
            yield int(path.name), command


def remove_place(place, name, bridge):
    """Kill, unmount and delete all that belongs to a lab directory."""
    if not os.path.isdir(place):
        return
    addresses = [path.read_text() for path in pathlib.Path(place).glob('state/*/*/*/address')]
    pids = [int(path.read_text() or 0) for path in pathlib.Path(place).glob('state/*/*/*/init.pid')]
    daemons = [pid for pid, command in processes_of(place)
               if command.split()[0].rsplit('/', 1)[-1] in
               ('containerd', 'containerd-shim-runc-v2', 'kubelet', 'docker-registry', 'cri-recorder')]
    for pid in daemons + pids:
        if pid > 1:
            system.kill(pid)
    end = time.monotonic() + 10
    while any(map(system.alive, daemons + pids)) and time.monotonic() < end:
        time.sleep(0.02)
    system.remove_cgroup(name)
    for address in addresses:
        pathlib.Path(address.replace('unix://', '')).unlink(missing_ok=True)
    network.delete(name, bridge)
    system.unmount_below(place)
    shutil.rmtree(place, ignore_errors=True)


def sweep():
    """Clean up after labs whose process was killed before it could do so itself."""
    for path in pathlib.Path('/tmp').glob(PREFIX + '*/lab.json'):
        try:
            note = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if process_start(note['pid']) != note['started']:
            remove_place(str(path.parent), note['name'], note['bridge'])
