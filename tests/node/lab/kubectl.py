"""kubectl, as a user calls it."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from . import system
from .system import LabError


def program():
    """The kubectl of this machine, or else Debian's, unpacked beside the build (its package may clash with others)."""
    return shutil.which('kubectl') or debian_program()


def debian_program():
    """The kubectl of Debian's package kubernetes-client, not installed but unpacked: /usr/bin/kubectl stays what it is."""
    place = system.BUILD / 'kubectl-debian'
    found = place / 'usr/bin/kubectl'
    if not found.exists():
        with tempfile.TemporaryDirectory(dir=system.BUILD) as fresh:
            _download(fresh)
            for package in pathlib.Path(fresh).glob('*.deb'):
                system.run('dpkg', '-x', package, pathlib.Path(fresh, 'unpacked'))
            with contextlib.suppress(OSError):  # another test was faster
                os.rename(pathlib.Path(fresh, 'unpacked'), place)
    if not found.exists():
        raise LabError('the package kubernetes-client has no usr/bin/kubectl')
    return str(found)


def _download(place):
    try:
        system.run('apt-get', 'download', 'kubernetes-client', cwd=place)
    except LabError:  # the lists are not there, or older than the package
        system.run('apt-get', 'update', '-qq')
        system.run('apt-get', 'download', 'kubernetes-client', cwd=place)


class Kubectl:
    """kubectl with one kubeconfig."""

    def __init__(self, kubeconfig, binary=None):
        self.kubeconfig, self.binary = str(kubeconfig), binary or program()

    def command(self, *words):
        """The words of a command."""
        return [self.binary, '--kubeconfig', self.kubeconfig, *map(str, words)]

    def environment(self):
        """Its environment: a home of its own, so that no cache of another server is read."""
        return {**os.environ, 'HOME': os.path.dirname(self.kubeconfig), 'KUBECONFIG': self.kubeconfig}

    def run(self, *words, stdin=None, timeout=None):
        """Run it; the finished process with its outputs as text."""
        return subprocess.run(self.command(*words), input=stdin, capture_output=True, text=True, check=False,
                              env=self.environment(), timeout=timeout or system.DEADLINE)

    def __call__(self, *words, **options):
        """Run it; it must succeed. What it printed."""
        done = self.run(*words, **options)
        if done.returncode:
            raise AssertionError(f'kubectl {" ".join(map(str, words))} ended with {done.returncode}:\n{done.stdout}'
                                 f'{done.stderr}')
        return done.stdout

    def fails(self, *words, **options):
        """Run it; it must fail. Its error output."""
        done = self.run(*words, **options)
        if done.returncode == 0:
            raise AssertionError(f'kubectl {" ".join(map(str, words))} did not fail:\n{done.stdout}')
        return done.stderr

    def get(self, *words):
        """`kubectl get ... -o json` as an object."""
        return json.loads(self('get', *words, '-o', 'json'))

    def apply(self, *objects, namespace='default', words=()):
        """`kubectl apply` of objects."""
        document = '\n---\n'.join(json.dumps(item) for item in objects)
        return self('apply', '-n', namespace, '-f', '-', *words, stdin=document)
