#!/usr/bin/env python3
"""Container images made from Debian packages, because no image registry may be reachable.

usage: images.py busybox|nginx|pause|pull|agnhost OUT.tar [NAME:TAG...]

Each image is one layer in a `docker save` archive, which containerd and skopeo both read. The
quickstart calls this file as a program; the lab calls `cached`, which builds an image again only when
this file or something that goes into the image changed.
"""
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent / 'images'
PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

NAMES = {
    'busybox': ['registry.k8s.io/e2e-test-images/busybox:1.37.0-1', 'docker.io/library/busybox:latest'],
    'nginx': ['docker.io/library/nginx:latest'],
    'pause': ['registry.k8s.io/pause:3.10'],
    'pull': ['lab/busybox:pull'],
    'agnhost': ['registry.k8s.io/e2e-test-images/agnhost:2.56'],
}

# Like the official image: log to the container's own output, one plain server on port 80.
NGINX_CONF = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 256; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    sendfile on;
    server {
        listen 80;
        listen [::]:80;
        root /usr/share/nginx/html;
        index index.html;
    }
}
"""


class Layer:
    """The one layer of an image, built in memory; the same input gives the same bytes."""

    def __init__(self):
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode='w', format=tarfile.GNU_FORMAT)
        self._seen = set()

    def _add(self, path, kind, mode, data=b'', target=''):
        info = tarfile.TarInfo(path.lstrip('/'))
        if info.name in self._seen:
            return
        self._seen.add(info.name)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), target
        self._tar.addfile(info, io.BytesIO(data))

    def directory(self, path, mode=0o755):
        """Add a directory and those above it."""
        above = os.path.dirname(path.rstrip('/'))
        if above not in ('', '/'):
            self.directory(above)
        self._add(path, tarfile.DIRTYPE, mode)

    def file(self, path, data, mode=0o644):
        """Add a file with these bytes (or text)."""
        self.directory(os.path.dirname(path))
        self._add(path, tarfile.REGTYPE, mode, data.encode() if isinstance(data, str) else data)

    def copy(self, path, mode=0o644, to=None):
        """Add a copy of a file of this machine, links followed."""
        self.file(to or str(path), pathlib.Path(path).read_bytes(), mode)

    def link(self, path, target):
        """Add a symbolic link."""
        self.directory(os.path.dirname(path))
        self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def accounts(self):
        """Add the users a container may run as, and the directories every program expects."""
        self.file('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/sh\n'
                  'nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n')
        self.file('/etc/group', 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n')
        self.directory('/root', 0o700)
        self.directory('/tmp', 0o1777)
        for path in ('/proc', '/sys', '/dev', '/run', '/var/log'):
            self.directory(path)

    def busybox(self):
        """Add Debian's busybox with a link for each of its applets."""
        program = shutil.which('busybox', path='/usr/bin:/bin')
        self.copy(program, 0o755, to='/bin/busybox')
        for library in libraries_of(program):  # none when it is the static one
            self.copy(library, 0o755)
        for applet in subprocess.check_output(['busybox', '--list'], text=True).split():
            if applet != 'busybox':
                self.link('/bin/' + applet, 'busybox')

    def bytes(self):
        """The finished layer."""
        self._tar.close()
        return self._buffer.getvalue()


def archive(out, layer, names, config):
    """Write a `docker save` archive of one layer, under a temporary name first."""
    data = layer.bytes()
    body = json.dumps({'architecture': machine(), 'os': 'linux', 'created': '2024-01-01T00:00:00Z',
                       'config': config, 'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + sha256(data)]},
                       'history': [{'created': '2024-01-01T00:00:00Z', 'created_by': 'cubelet lab'}]}).encode()
    manifest = json.dumps([{'Config': sha256(body) + '.json', 'RepoTags': names, 'Layers': ['layer.tar']}])
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(out)), delete=False) as file:
        with tarfile.open(fileobj=file, mode='w') as tar:
            for name, content in (('layer.tar', data), (sha256(body) + '.json', body),
                                  ('manifest.json', manifest.encode())):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    os.chmod(file.name, 0o644)
    os.replace(file.name, out)


def sha256(data):
    """Hex digest, as image identifiers use it."""
    return hashlib.sha256(data).hexdigest()


def machine():
    """This machine's architecture in Go's words."""
    return {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)


def compile_static(source, *libraries):
    """The bytes of a static program compiled from one C file beside the tests."""
    with tempfile.TemporaryDirectory() as place:
        out = os.path.join(place, 'program')
        subprocess.run(['gcc', '-std=c11', '-D_GNU_SOURCE', '-Os', '-s', '-static', '-Wall', '-Wextra', '-o', out,
                        str(SOURCES / source), *libraries], check=True)
        return pathlib.Path(out).read_bytes()


def libraries_of(program):
    """The shared libraries a program needs, with the loader."""
    found = subprocess.run(['ldd', program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return sorted(set(re.findall(r'(/\S+\.so\S*)', found.stdout)))


def nginx_package(place):
    """Where nginx's files are: `/` when it is installed, else Debian's packages unpacked in `place`.

    Installing nginx only to copy it would start a server on port 80 of the operator's machine.
    """
    if os.path.exists('/usr/sbin/nginx'):
        return ''
    # apt downloads as its own user, who must be able to write here
    os.chmod(place, 0o777)
    subprocess.run(['apt-get', 'download', '-q', 'nginx', 'nginx-common'], cwd=place, check=True,
                   stdout=subprocess.DEVNULL)
    for package in pathlib.Path(place).glob('*.deb'):
        subprocess.run(['dpkg-deb', '-x', str(package), place + '/root'], check=True)
    return place + '/root'


def busybox(out, names, purpose='tests'):
    """Busybox: the shell and tools that most test pods run."""
    layer = Layer()
    layer.accounts()
    layer.busybox()
    layer.link('/usr/bin/env', '../../bin/env')
    archive(out, layer, names, {'Env': [PATH], 'Cmd': ['sh'], 'Labels': {'purpose': purpose}})


def pull(out, names):
    """Busybox for the lab's registry, with an identifier of its own: removing it leaves the other alone."""
    busybox(out, names, 'to be pulled')


def nginx(out, names):
    """Debian's nginx with its welcome page, and a shell for `kubectl exec`."""
    layer = Layer()
    layer.accounts()
    with tempfile.TemporaryDirectory() as place:
        root = nginx_package(place)
        layer.copy(root + '/usr/sbin/nginx', 0o755, to='/usr/sbin/nginx')
        for library in libraries_of(root + '/usr/sbin/nginx'):
            layer.copy(library, 0o755)
        layer.copy(root + '/etc/nginx/mime.types', to='/etc/nginx/mime.types')
        layer.copy(root + '/usr/share/nginx/html/index.html', to='/usr/share/nginx/html/index.html')
    layer.file('/etc/nginx/nginx.conf', NGINX_CONF)
    for path in ('/var/log/nginx', '/var/lib/nginx', '/usr/share/nginx'):
        layer.directory(path)
    if shutil.which('busybox'):
        layer.busybox()
    archive(out, layer, names, {'Env': [PATH, 'NGINX_VERSION=debian'], 'Cmd': ['nginx', '-g', 'daemon off;'],
                                'ExposedPorts': {'80/tcp': {}}, 'StopSignal': 'SIGQUIT'})


def pause(out, names):
    """The process of a sandbox."""
    layer = Layer()
    layer.file('/pause', compile_static('pause.c'), 0o755)
    archive(out, layer, names, {'Env': [PATH], 'Entrypoint': ['/pause'], 'User': '65535:65535'})


def agnhost(out, names):
    """The test server of the upstream end-to-end tests, as far as the scenarios use it."""
    layer = Layer()
    layer.accounts()
    layer.busybox()
    layer.file('/agnhost', compile_static('agnhost.c', '-lnghttp2'), 0o755)
    archive(out, layer, names, {'Env': [PATH], 'Entrypoint': ['/agnhost'], 'Cmd': ['pause']})


BUILDERS = {'busybox': busybox, 'nginx': nginx, 'pause': pause, 'pull': pull, 'agnhost': agnhost}


def cached(name, directory):
    """The archive of an image, built unless an earlier run left the same one in `directory`."""
    digest = hashlib.sha256()
    for path in (__file__, SOURCES / 'pause.c', SOURCES / 'agnhost.c', shutil.which('busybox'),
                 '/usr/sbin/nginx'):
        if path and os.path.exists(path):
            digest.update(pathlib.Path(path).read_bytes())
    os.makedirs(directory, exist_ok=True)
    out = os.path.join(directory, f'{name}-{digest.hexdigest()[:16]}.tar')
    if not os.path.exists(out):
        BUILDERS[name](out, NAMES[name])
    return out


def main(arguments):
    """The program: see the head of this file."""
    if len(arguments) < 2 or arguments[0] not in BUILDERS:
        print(__doc__, file=sys.stderr)
        return 2
    BUILDERS[arguments[0]](arguments[1], arguments[2:] or NAMES[arguments[0]])
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
