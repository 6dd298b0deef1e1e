"""Keys and certificates, made with the openssl program, and kubeconfigs that hold them."""
import base64
import json
import pathlib
import subprocess

CA_CONFIG = """\
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,digitalSignature,keyEncipherment,keyCertSign
[server]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = ${ENV::ALT}
[client]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = clientAuth
"""


def openssl(*words, stdin=None, names=''):
    """Run openssl; its output."""
    done = subprocess.run(['openssl', *map(str, words)], input=stdin, capture_output=True,
                          env={'PATH': '/usr/bin:/bin', 'ALT': names or 'DNS:none'}, check=False)
    if done.returncode:
        raise RuntimeError(f'openssl {words[0]} failed: {done.stderr.decode(errors="replace")}')
    return done.stdout


class Authority:
    """A certificate authority whose files are below one directory."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        self.config = self.place / 'openssl.cnf'
        self.certificate, self.key = self.place / 'ca.crt', self.place / 'ca.key'
        self.config.write_text(CA_CONFIG)
        if not self.certificate.exists():
            self._new_key(self.key)
            openssl('req', '-x509', '-new', '-key', self.key, '-subj', '/CN=kubernetes', '-days', 30, '-config',
                    self.config, '-extensions', 'ca', '-out', self.certificate)

    @staticmethod
    def _new_key(path):
        openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', path)
        path.chmod(0o600)

    def issue(self, name, subject, kind='client', alternatives='', days=30):
        """Make a key and a certificate NAME.key and NAME.crt; returns both paths."""
        key, certificate = self.place / f'{name}.key', self.place / f'{name}.crt'
        if not certificate.exists():
            self._new_key(key)
            request = openssl('req', '-new', '-key', key, '-subj', subject, '-config', self.config)
            certificate.write_bytes(self.sign(request, kind, alternatives, days=days))
        return key, certificate

    def sign(self, request, kind, alternatives='', days=None, seconds=None):
        """The certificate for a PEM request, valid for days or for seconds from a little before now."""
        path = self.place / 'request.csr'
        path.write_bytes(request)
        if seconds is None:
            return openssl('x509', '-req', '-in', path, '-CA', self.certificate, '-CAkey', self.key, '-CAcreateserial',
                           '-days', days or 30, '-extfile', self.config, '-extensions', kind, names=alternatives)
        return self._sign_short(path, kind, alternatives, seconds)

    def _sign_short(self, path, kind, alternatives, seconds):
        """`openssl x509` only counts days; `openssl ca` takes the end to the second."""
        import datetime
        import secrets
        import tempfile
        now = datetime.datetime.now(datetime.timezone.utc)
        with tempfile.TemporaryDirectory(dir=self.place) as place:
            base = pathlib.Path(place)
            (base / 'index').touch()
            (base / 'serial').write_text(f'{secrets.randbits(64) | 1 << 63:x}\n')
            config = base / 'ca.cnf'
            config.write_text(CA_CONFIG + f'[sign]\ndatabase={base}/index\nserial={base}/serial\nnew_certs_dir={base}\n'
                              'default_md=sha256\npolicy=any\nunique_subject=no\n'
                              '[any]\norganizationName=optional\ncommonName=supplied\n')
            return openssl('ca', '-batch', '-notext', '-config', config, '-name', 'sign', '-in', path, '-cert',
                           self.certificate, '-keyfile', self.key, '-extensions', kind, '-preserveDN',
                           '-startdate', f'{now - datetime.timedelta(seconds=5):%Y%m%d%H%M%SZ}',
                           '-enddate', f'{now + datetime.timedelta(seconds=seconds):%Y%m%d%H%M%SZ}', names=alternatives)


def base64_of(path):
    """A file's content in base64."""
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


def kubeconfig(path, url, authority, user):
    """Write a kubeconfig; `user` is its `user` object. JSON is YAML too, so every reader takes it."""
    document = {
        'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'lab',
        'clusters': [{'name': 'lab', 'cluster': {'server': url,
                                                 'certificate-authority-data': base64_of(authority.certificate)}}],
        'users': [{'name': 'lab', 'user': user}],
        'contexts': [{'name': 'lab', 'context': {'cluster': 'lab', 'user': 'lab'}}]}
    path = pathlib.Path(path)
    path.write_text(json.dumps(document, indent=1))
    path.chmod(0o600)
    return path


def certificate_user(key, certificate):
    """A kubeconfig's user with a client certificate."""
    return {'client-certificate-data': base64_of(certificate), 'client-key-data': base64_of(key)}
