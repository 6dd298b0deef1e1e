"""Certificate signing requests: the two kubelet signers, approved when told."""
import base64
import copy
import re

from . import certs
from .store import now

SIGNERS = {'kubernetes.io/kube-apiserver-client-kubelet': 'client', 'kubernetes.io/kubelet-serving': 'server',
           'kubernetes.io/kube-apiserver-client': 'client'}


def admit(item, user):
    """Complete a new request in place."""
    spec = item.setdefault('spec', {})
    spec.update(username=user.name, groups=list(user.groups))
    if user.uid:
        spec['uid'] = user.uid
    item['status'] = {}


def approve(item):
    """The request approved, as kube-controller-manager does it."""
    item = copy.deepcopy(item)
    item.setdefault('status', {}).setdefault('conditions', []).append({
        'type': 'Approved', 'status': 'True', 'reason': 'AutoApproved', 'lastUpdateTime': now(),
        'lastTransitionTime': now(), 'message': 'Auto approving kubelet certificate after SubjectAccessReview.'})
    return item


def is_approved(item):
    """Whether somebody approved a request and nobody has signed it."""
    status = item.get('status', {})
    return not status.get('certificate') and any(row['type'] == 'Approved' for row in status.get('conditions') or [])


def alternatives(request):
    """The subject alternative names that a PEM request asks for, as openssl's configuration wants them."""
    text = certs.openssl('req', '-noout', '-text', stdin=request).decode()
    found = re.search(r'Subject Alternative Name:.*\n\s*(.*)', text)
    return found[1].replace('IP Address:', 'IP:').replace(' ', '') if found else ''


def sign(authority, item, seconds=None):
    """The request with its certificate; unchanged when its signer is not ours. `seconds` overrules what it asks for."""
    kind = SIGNERS.get(item['spec'].get('signerName'))
    if kind is None:
        return item
    request = base64.b64decode(item['spec']['request'])
    names = alternatives(request) if kind == 'server' else ''
    item = copy.deepcopy(item)
    certificate = authority.sign(request, kind, names, seconds=seconds or item['spec'].get('expirationSeconds') or 86400)
    item['status']['certificate'] = base64.b64encode(certificate).decode()
    return item
