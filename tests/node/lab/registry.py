"""An image registry on the loopback address, so that pulls can be tested without the internet."""
import crypt
import os
import pathlib
import shutil
import signal
import tempfile
import urllib.error
import urllib.request

from . import images, system
from .system import LabError, wait_for

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {place}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


AUTH = """\
auth: {{htpasswd: {{realm: lab, path: {place}/htpasswd}}}}
"""


class Registry:
    """docker-registry with one image in it: 127.0.0.1:PORT/busybox:pull; with `user` and `password` it is private."""

    def __init__(self, user=None, password=None):
        self.user, self.password = user, password
        self.place = tempfile.mkdtemp(prefix='cubelet-registry-', dir='/tmp')
        self.port = system.free_port()
        self.host = f'127.0.0.1:{self.port}'
        self.image = f'{self.host}/busybox:pull'
        self.log = f'{self.place}/log'
        config = CONFIG + AUTH if user else CONFIG
        pathlib.Path(self.place, 'config.yml').write_text(config.format(place=self.place, port=self.port))
        if user:
            word = crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
            pathlib.Path(self.place, 'htpasswd').write_text(f'{user}:{word}\n')
        self.process = system.spawn(['docker-registry', 'serve', f'{self.place}/config.yml'], self.log)
        system.at_exit(self.remove)

    def start(self):
        """Wait until it answers, then push the image."""
        try:
            wait_for('the registry answers', self._answers, explain=lambda: system.tail(self.log))
        except AssertionError as error:
            raise LabError(str(error)) from None
        archive = images.cached('pull', str(system.BUILD / 'lab-images'))
        who = ['--dest-creds', f'{self.user}:{self.password}'] if self.user else []
        system.run('skopeo', 'copy', '--quiet', '--dest-tls-verify=false', '--insecure-policy', *who,
                   f'docker-archive:{archive}', f'docker://{self.image}')
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise LabError(f'docker-registry ended with {self.process.returncode}\n{system.tail(self.log)}')
        try:
            with urllib.request.urlopen(f'http://{self.host}/v2/', timeout=5) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False

    def remove(self):
        """Stop it and delete its data."""
        system.end(self.process, signal.SIGTERM)
        if os.path.isdir(self.place):
            shutil.rmtree(self.place, ignore_errors=True)
