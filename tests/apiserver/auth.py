"""Who asks, and what they may do."""
import dataclasses
import hashlib

from . import node_rules
from .errors import ApiError

NODE = 'system:node:'
MASTERS = 'system:masters'
BOOTSTRAP_GROUP = 'system:bootstrappers'


@dataclasses.dataclass(frozen=True)
class User:
    """An authenticated user."""

    name: str
    groups: tuple = ()
    uid: str = ''
    extra: tuple = ()

    @property
    def node(self):
        """The name of the node that this is, or None."""
        if self.name.startswith(NODE) and 'system:nodes' in self.groups:
            return self.name[len(NODE):]
        return None

    def info(self):
        """As a TokenReview shows it."""
        shown = {'username': self.name, 'groups': list(self.groups)}
        if self.uid:
            shown['uid'] = self.uid
        if self.extra:
            shown['extra'] = {key: list(values) for key, values in self.extra}
        return shown


ANONYMOUS = User('system:anonymous', ('system:unauthenticated',))


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What somebody wants to do."""

    verb: str
    group: str = ''
    resource: str = ''
    subresource: str = ''
    namespace: str = ''
    name: str = ''
    path: str = ''
    query: dict = dataclasses.field(default_factory=dict)
    body: object = None


class Authenticator:
    """Client certificates, tokens of the table, and service account tokens."""

    def __init__(self, issuer, store_get):
        self.issuer, self._get = issuer, store_get
        self.tokens = {}  # token: User, filled by tests

    def of_certificate(self, tls):
        """The user of a verified client certificate, or None."""
        shown = tls.getpeercert() if tls else None
        if not shown:
            return None
        names = [(key, value) for part in shown.get('subject', ()) for key, value in part]
        common = next((value for key, value in names if key == 'commonName'), '')
        groups = tuple(value for key, value in names if key == 'organizationName')
        digest = hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()
        return User(common, groups + ('system:authenticated',), '',
                    (('authentication.kubernetes.io/credential-id', (f'X509SHA256={digest}',)),))

    def of_token(self, token, audiences=()):
        """The user of a bearer token, or None."""
        if token in self.tokens:
            return self.tokens[token]
        claims = self.issuer.claims(token)
        if claims is None or (audiences and not set(audiences) & set(claims['aud'])):
            return None
        private = claims['kubernetes.io']
        namespace, name = private['namespace'], private['serviceaccount']['name']
        account = self._get('serviceaccounts', namespace, name)
        if not account or account['metadata']['uid'] != private['serviceaccount']['uid']:
            return None
        pod = private.get('pod')
        if pod:
            found = self._get('pods', namespace, pod['name'])
            if not found or found['metadata']['uid'] != pod['uid']:
                return None
        return User(claims['sub'], ('system:serviceaccounts', f'system:serviceaccounts:{namespace}',
                                    'system:authenticated'), account['metadata']['uid'])

    def of_request(self, request):
        """The user of a request; 401 for credentials that are not good."""
        user = self.of_certificate(request.connection.tls)
        if user:
            return user
        header = request.headers.get('authorization', '')
        if not header:
            return ANONYMOUS
        scheme, _, token = header.partition(' ')
        user = self.of_token(token.strip()) if scheme.lower() == 'bearer' else None
        if user is None:
            raise ApiError(401, 'Unauthorized')
        return user


DISCOVERY = ('/api', '/apis', '/version', '/openapi', '/healthz', '/livez', '/readyz')


class Authorizer:
    """Administrators may do all, nodes what node_rules say, others what tests granted."""

    def __init__(self, store):
        self.store = store
        self.grants = []  # (user or group, verb, resource[/subresource]), '*' for any

    def decide(self, user, wanted):
        """(is allowed, reason)."""
        if MASTERS in user.groups:
            return True, ''
        if wanted.path:
            return any(wanted.path == path or wanted.path.startswith(path + '/') for path in DISCOVERY), ''
        if user.node is not None:
            return node_rules.decide(self.store, user.node, wanted)
        if BOOTSTRAP_GROUP in user.groups and wanted.resource == 'certificatesigningrequests':
            return wanted.verb in ('create', 'get', 'list', 'watch'), ''
        if wanted.resource in ('selfsubjectreviews', 'selfsubjectaccessreviews'):
            return True, ''
        full = f'{wanted.resource}/{wanted.subresource}' if wanted.subresource else wanted.resource
        return any(who in (user.name, *user.groups) and verb in (wanted.verb, '*') and what in (full, '*')
                   for who, verb, what in self.grants), ''

    def check(self, user, wanted):
        """403 when it is not allowed."""
        allowed, reason = self.decide(user, wanted)
        if allowed:
            return
        if wanted.path:
            raise ApiError(403, f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"')
        full = f'{wanted.resource}.{wanted.group}' if wanted.group else wanted.resource
        what = f'{wanted.resource}/{wanted.subresource}' if wanted.subresource else wanted.resource
        place = f'in the namespace "{wanted.namespace}"' if wanted.namespace else 'at the cluster scope'
        text = (f'{full} {chr(34) + wanted.name + chr(34) + " " if wanted.name else ""}is forbidden: User "{user.name}" '
                f'cannot {wanted.verb} resource "{what}" in API group "{wanted.group}" {place}')
        details = {'name': wanted.name, 'group': wanted.group, 'kind': wanted.resource}
        raise ApiError(403, f'{text}: {reason}' if reason else text,
                       details={key: value for key, value in details.items() if value})
