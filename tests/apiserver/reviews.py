"""TokenRequest, TokenReview, SubjectAccessReview and their like: answered, not stored."""
import datetime

from . import auth
from .errors import ApiError, invalid
from .resources import of
from .store import stamp
from .tokens import ISSUER


class Reviews:
    """Answers reviews for a server."""

    def __init__(self, server):
        self.server = server

    async def answer(self, resource, user, body):
        """The object that a POST of a review gets back."""
        body = body if isinstance(body, dict) else {}
        spec = body.get('spec') or {}
        shown = {'kind': resource.kind, 'apiVersion': resource.api_version, 'metadata': {'creationTimestamp': None}}
        if resource.kind == 'SelfSubjectReview':
            return {**shown, 'status': {'userInfo': user.info()}}
        if resource.kind == 'TokenReview':
            return {**shown, 'spec': spec, 'status': self._token(spec)}
        if resource.kind == 'SubjectAccessReview':
            user = auth.User(spec.get('user', ''), tuple(spec.get('groups') or ()))
        allowed, reason = self.server.authorizer.decide(user, self._attributes(spec))
        return {**shown, 'spec': spec, 'status': {'allowed': allowed, **({'reason': reason} if reason else {})}}

    def _token(self, spec):
        audiences = spec.get('audiences') or []
        user = self.server.authenticator.of_token(spec.get('token', ''), audiences or (ISSUER,))
        if user is None:
            return {'user': {}, 'error': 'invalid bearer token'}
        return {'authenticated': True, 'user': user.info(), 'audiences': audiences or [ISSUER]}

    @staticmethod
    def _attributes(spec):
        wanted = spec.get('resourceAttributes')
        if wanted:
            return auth.Attributes(wanted.get('verb', ''), wanted.get('group', ''), wanted.get('resource', ''),
                                   wanted.get('subresource', ''), wanted.get('namespace', ''), wanted.get('name', ''))
        wanted = spec.get('nonResourceAttributes') or {}
        return auth.Attributes(wanted.get('verb', ''), path=wanted.get('path', '/'))

    async def token_request(self, user, target, body):
        """A token for a service account; a node gets only those of its pods."""
        account = self.server.store.get(of('serviceaccounts'), target.namespace, target.name)
        spec = body.get('spec') or {}
        seconds = spec.get('expirationSeconds') or 3600
        if seconds < 600:
            raise invalid(target.resource, '', 'spec.expirationSeconds',
                          f'Invalid value: {seconds}: may not specify a duration less than 10 minutes')
        bound = self._bound(user, target, spec.get('boundObjectRef'))
        if self.server.token_seconds:
            seconds = self.server.token_seconds
        token, end = await self.server.in_thread(self.server.issuer.issue, account, spec.get('audiences') or [ISSUER],
                                                 seconds, bound)
        when = datetime.datetime.fromtimestamp(end, datetime.timezone.utc)
        return {'kind': 'TokenRequest', 'apiVersion': 'authentication.k8s.io/v1',
                'metadata': {'name': target.name, 'namespace': target.namespace},
                'spec': {'audiences': spec.get('audiences') or [ISSUER], 'expirationSeconds': seconds,
                         'boundObjectRef': spec.get('boundObjectRef')},
                'status': {'token': token, 'expirationTimestamp': stamp(when)}}

    def _bound(self, user, target, reference):
        if user.node is not None and (not reference or reference.get('kind') != 'Pod'):
            raise ApiError(403, f'serviceaccounts "{target.name}" is forbidden: node requested token not bound to a pod')
        if not reference:
            return None
        resource = {'Pod': of('pods'), 'Secret': of('secrets')}.get(reference.get('kind'))
        if resource is None:
            raise ApiError(400, f'cannot bind token for serviceaccount {target.name} to type '
                           f'{reference.get("kind")} object')
        found = self.server.store.get(resource, target.namespace, reference.get('name'))
        if reference.get('uid', found['metadata']['uid']) != found['metadata']['uid']:
            raise ApiError(409, f'the UID in the bound object reference ({reference["uid"]}) does not match the UID in '
                           f'record. The object might have been deleted and then recreated')
        if resource is of('pods') and found['spec'].get('serviceAccountName') != target.name:
            raise ApiError(400, f'cannot bind token for serviceaccount {target.name} to pod running with different '
                           'serviceaccount name')
        if user.node is not None and found['spec'].get('nodeName') != user.node:
            raise ApiError(403, f'serviceaccounts "{target.name}" is forbidden: node requested token bound to a pod '
                           'scheduled on a different node')
        return found
