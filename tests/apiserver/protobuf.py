"""Kubernetes' protobuf bodies of the few kinds that kubectl's typed commands send (create namespace, auth can-i ...).

A message is described by {field number: (name, kind)}; a kind is 'string', 'bytes', 'int', 'bool', another message, or
one of these in a list (repeated) or in a tuple ('map', kind of the value).
"""
import base64

from .errors import ApiError

MAGIC = b'k8s\x00'
CONTENT_TYPE = 'application/vnd.kubernetes.protobuf'

META = {1: ('name', 'string'), 2: ('generateName', 'string'), 3: ('namespace', 'string'), 5: ('uid', 'string'),
        6: ('resourceVersion', 'string'), 11: ('labels', ('map', 'string')), 12: ('annotations', ('map', 'string')),
        14: ('finalizers', ['string'])}
DELETE_OPTIONS = {1: ('gracePeriodSeconds', 'int'),
                  2: ('preconditions', {1: ('uid', 'string'), 2: ('resourceVersion', 'string')}),
                  4: ('propagationPolicy', 'string'), 5: ('dryRun', ['string'])}
ACCESS = {1: ('metadata', META), 2: ('spec', {
    1: ('resourceAttributes', {1: ('namespace', 'string'), 2: ('verb', 'string'), 3: ('group', 'string'),
                               4: ('version', 'string'), 5: ('resource', 'string'), 6: ('subresource', 'string'),
                               7: ('name', 'string')}),
    2: ('nonResourceAttributes', {1: ('path', 'string'), 2: ('verb', 'string')})})}

KINDS = {
    'Namespace': {1: ('metadata', META)},
    'ConfigMap': {1: ('metadata', META), 2: ('data', ('map', 'string')), 3: ('binaryData', ('map', 'bytes')),
                  4: ('immutable', 'bool')},
    'Secret': {1: ('metadata', META), 2: ('data', ('map', 'bytes')), 3: ('type', 'string'),
               4: ('stringData', ('map', 'string')), 5: ('immutable', 'bool')},
    'ServiceAccount': {1: ('metadata', META), 3: ('imagePullSecrets', [{1: ('name', 'string')}]),
                       4: ('automountServiceAccountToken', 'bool')},
    'DeleteOptions': DELETE_OPTIONS,
    'Eviction': {1: ('metadata', META), 2: ('deleteOptions', DELETE_OPTIONS)},
    'TokenRequest': {1: ('metadata', META), 2: ('spec', {
        1: ('audiences', ['string']), 4: ('expirationSeconds', 'int'),
        3: ('boundObjectRef', {1: ('kind', 'string'), 2: ('apiVersion', 'string'), 3: ('name', 'string'),
                               4: ('uid', 'string')})})},
    'SelfSubjectAccessReview': ACCESS,
    'SelfSubjectReview': {1: ('metadata', META)},
}

ENVELOPE = {1: ('type', {1: ('apiVersion', 'string'), 2: ('kind', 'string')}), 2: ('raw', 'raw')}


def _varint(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            return value, place


def _fields(data):
    """(number, value) of each field: an int or bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        if key & 7 == 0:
            value, place = _varint(data, place)
        elif key & 7 == 2:
            length, place = _varint(data, place)
            value, place = data[place:place + length], place + length
        else:
            width = {1: 8, 5: 4}[key & 7]
            value, place = data[place:place + width], place + width
        yield key >> 3, value


def _value(kind, value):
    if isinstance(kind, dict):
        return _message(kind, value)
    if kind == 'string':
        return value.decode()
    if kind == 'bytes':
        return base64.b64encode(value).decode()
    if kind == 'bool':
        return bool(value)
    return value


def _message(description, data):
    result = {}
    for number, value in _fields(data):
        if number not in description:
            continue
        name, kind = description[number]
        if isinstance(kind, list):
            result.setdefault(name, []).append(_value(kind[0], value))
        elif isinstance(kind, tuple):
            entry = dict(_fields(value))
            result.setdefault(name, {})[entry.get(1, b'').decode()] = _value(kind[1], entry.get(2, b''))
        elif not (kind == 'string' and value == b''):
            result[name] = _value(kind, value)
    return result


def decode(data):
    """The object that a protobuf body holds; 415 for kinds that are not in the table."""
    try:
        if not data.startswith(MAGIC):
            raise ValueError('no magic number')
        envelope = _message(ENVELOPE, data[len(MAGIC):])
        kind = envelope['type']['kind']
        if kind not in KINDS:
            raise ApiError(415, f'the test API server reads no {kind} as protobuf')
        return {'kind': kind, 'apiVersion': envelope['type']['apiVersion'],
                **_message(KINDS[kind], envelope.get('raw', b''))}
    except (ValueError, KeyError, IndexError, UnicodeDecodeError, TypeError) as error:
        raise ApiError(400, f'the protobuf body cannot be read: {error!r}') from None
