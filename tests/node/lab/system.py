"""Small tools every part of the lab uses: waiting, running, ports, directories and the cgroup tree."""
import atexit
import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get('CUBELET_BUILD') or REPOSITORY / 'build')
CGROUPS = pathlib.Path('/sys/fs/cgroup')

# A deadline only says when to give up. Sanitizers and a busy machine make everything slower.
DEADLINE = float(os.environ.get('CUBELET_DEADLINE', '60'))


class LabError(RuntimeError):
    """The lab itself does not work; this is not a failure of what is tested."""


def wait_for(what, look, deadline=None, explain=lambda: '', interval=0.05):
    """Return the first true result of `look()`; after `deadline` seconds fail, saying what was awaited."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        result = look()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f'not within {deadline or DEADLINE:g} s: {what}\n{explain()}'.rstrip())
        time.sleep(interval)


def run(*command, check=True, **options):
    """Run a program and return what it printed; a failure shows its error output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if check and done.returncode:
        raise LabError(f'{" ".join(map(str, command))} ended with {done.returncode}:\n{done.stderr or done.stdout}')
    return done.stdout


def spawn(command, log, env=None):
    """Start a daemon that ends with this process, in a session of its own so that Ctrl-C is ours to handle."""
    prctl = ctypes.CDLL(None).prctl

    def child():
        prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    with open(log, 'ab') as output:
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                start_new_session=True, preexec_fn=child, env={**os.environ, **(env or {})})


def end(process, number=signal.SIGTERM, deadline=20):
    """Send a signal and wait; SIGKILL when that does not help. Returns the exit code."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def tail(path, lines=40):
    """The last lines of a file, for a failure's text."""
    try:
        text = pathlib.Path(path).read_text(errors='replace').splitlines()
    except OSError as error:
        return str(error)
    return f'--- end of {path} ---\n' + '\n'.join(text[-lines:])


GIVEN_PORTS = set()


def free_port():
    """A TCP port of 127.0.0.1 nobody listens on, outside the range the kernel gives to outgoing connections; a new one
    each time, since who got one before may not listen yet."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        if port in GIVEN_PORTS:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
                GIVEN_PORTS.add(port)
                return port
            except OSError:
                continue
    raise LabError('no free TCP port between 20000 and 32000')


def cgroup_trees():
    """The root of each cgroup hierarchy that holds containers: one in v2, one per controller in v1."""
    if (CGROUPS / 'cgroup.controllers').exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def cgroups_named(text):
    """Every cgroup directory whose name contains `text`."""
    return [path for tree in cgroup_trees() for path in map(pathlib.Path, walk(tree)) if text in path.name]


def walk(top):
    """The directories below `top`, deepest first, whatever disappears meanwhile."""
    for path, _, _ in os.walk(top, topdown=False):
        yield path


def remove_cgroup(name):
    """Kill what still runs below a cgroup and remove it from every hierarchy."""
    for tree in cgroup_trees():
        for path in walk(tree / name):
            for pid in read_pids(path):
                kill(pid)
    for tree in cgroup_trees():
        for path in walk(tree / name):
            for _ in range(100):
                try:
                    os.rmdir(path)
                except FileNotFoundError:
                    pass
                except OSError:
                    time.sleep(0.02)  # the kernel lets go of killed processes a little later
                    continue
                break


def read_pids(cgroup):
    """The processes in one cgroup."""
    try:
        return [int(word) for word in (pathlib.Path(cgroup) / 'cgroup.procs').read_text().split()]
    except OSError:
        return []


def make_cgroup(name):
    """Create a cgroup in every hierarchy, usable for containers (v1 cpusets start out empty)."""
    for tree in cgroup_trees():
        path = tree / name
        path.mkdir(parents=True, exist_ok=True)
        for setting in ('cpuset.cpus', 'cpuset.mems'):
            if (path / setting).exists() and (path / setting).read_text().strip() == '':
                (path / setting).write_text((path.parent / setting).read_text())


def kill(pid, number=signal.SIGKILL):
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def alive(pid):
    """Whether a process exists and is more than a zombie."""
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except (OSError, IndexError):
        return False


def unmount_below(top):
    """Unmount everything below a directory, last mount first."""
    points = [line.split()[4].encode().decode('unicode_escape') 
              for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines()]
    for point in reversed(points):
        if point.startswith(str(top) + '/'):
            run('umount', '-l', point, check=False)


def at_exit(function):
    """Have `function` called when Python ends, also after Ctrl-C and SIGTERM."""
    atexit.register(function)


def _leave(number, _frame):
    raise SystemExit(128 + number)


signal.signal(signal.SIGTERM, _leave)
