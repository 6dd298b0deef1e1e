"""Service account tokens: JWTs signed with RS256, as TokenRequest gives them and TokenReview checks them."""
import base64
import json
import subprocess
import time
import uuid

from . import certs

ISSUER = 'https://kubernetes.default.svc.cluster.local'


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def _decode(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


class Issuer:
    """Signs and checks tokens with a key of its own."""

    def __init__(self, place):
        self.key, self.public = place / 'sa.key', place / 'sa.pub'
        if not self.key.exists():
            certs.openssl('genrsa', '-out', self.key, 2048)
        self.public.write_bytes(certs.openssl('rsa', '-in', self.key, '-pubout'))
        self._checked = {}

    def issue(self, account, audiences, seconds, bound=None):
        """(token, end as a POSIX time) for a ServiceAccount object; `bound` is the object it is bound to."""
        now = int(time.time())
        private = {'namespace': account['metadata']['namespace'], 'serviceaccount': {
            'name': account['metadata']['name'], 'uid': account['metadata']['uid']}}
        if bound:
            private[bound['kind'].lower()] = {'name': bound['metadata']['name'], 'uid': bound['metadata']['uid']}
            if bound['kind'] == 'Pod' and seconds == 3607:
                private['warnafter'] = now + 3607
        claims = {'aud': audiences, 'exp': now + seconds, 'iat': now, 'iss': ISSUER, 'jti': str(uuid.uuid4()),
                  'kubernetes.io': private, 'nbf': now,
                  'sub': f'system:serviceaccount:{private["namespace"]}:{private["serviceaccount"]["name"]}'}
        text = '.'.join(_encode(json.dumps(part, separators=(',', ':')).encode())
                        for part in ({'alg': 'RS256', 'kid': 'lab'}, claims))
        signature = certs.openssl('dgst', '-sha256', '-sign', self.key, stdin=text.encode())
        token = f'{text}.{_encode(signature)}'
        self._checked[token] = True
        return token, claims['exp']

    def claims(self, token):
        """The claims of a token that we signed and that is not over; None for any other text."""
        try:
            head, body, signature = token.split('.')
            claims = json.loads(_decode(body))
            if claims['iss'] != ISSUER or claims['exp'] <= time.time():
                return None
            if token not in self._checked:
                self._checked[token] = self._verify(f'{head}.{body}', _decode(signature))
        except (ValueError, KeyError, TypeError):
            return None
        return claims if self._checked[token] else None

    def _verify(self, text, signature):
        path = self.key.with_name('signature')
        path.write_bytes(signature)
        return subprocess.run(['openssl', 'dgst', '-sha256', '-verify', self.public, '-signature', path],
                              input=text.encode(), capture_output=True, check=False).returncode == 0
