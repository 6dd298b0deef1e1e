"""Defaults of Pods, as API machinery and admission fill them in. The recordings' `pod` key is the oracle."""
import random
import re

POD = {'restartPolicy': 'Always', 'terminationGracePeriodSeconds': 30, 'dnsPolicy': 'ClusterFirst',
       'schedulerName': 'default-scheduler', 'enableServiceLinks': True}
CONTAINER = {'terminationMessagePath': '/dev/termination-log', 'terminationMessagePolicy': 'File'}
PROBE = {'timeoutSeconds': 1, 'periodSeconds': 10, 'successThreshold': 1, 'failureThreshold': 3}
CONTAINERS = ('containers', 'initContainers', 'ephemeralContainers')
TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
MIRROR = 'kubernetes.io/config.mirror'
NOT_TOLERATED = ('node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable')
LETTERS = 'bcdfghjklmnpqrstvwxz2456789'


def suffix(length=5):
    """Random letters as generated names end with."""
    return ''.join(random.choice(LETTERS) for _ in range(length))


def _fill(target, defaults):
    for key, value in defaults.items():
        target.setdefault(key, value)


def _image_policy(image):
    name = image.rpartition('/')[2]
    return 'Always' if '@' not in image and (':' not in name or name.endswith(':latest')) else 'IfNotPresent'


def _handler(handler):
    http = handler.get('httpGet')
    if http is not None:
        _fill(http, {'path': '/', 'scheme': 'HTTP'})
    grpc = handler.get('grpc')
    if grpc is not None:
        grpc.setdefault('service', '')


def _field_references(value):
    """apiVersion v1 for every fieldRef below, and divisor 0 for every resourceFieldRef."""
    if isinstance(value, dict):
        reference = value.get('fieldRef')
        if isinstance(reference, dict):
            reference.setdefault('apiVersion', 'v1')
        reference = value.get('resourceFieldRef')
        if isinstance(reference, dict):
            reference.setdefault('divisor', '0')
        for item in value.values():
            _field_references(item)
    elif isinstance(value, list):
        for item in value:
            _field_references(item)


def default_container(container, host_network):
    """One container, in place."""
    _fill(container, CONTAINER)
    container.setdefault('imagePullPolicy', _image_policy(container.get('image', '')))
    resources = container.setdefault('resources', {})
    for name, value in (resources.get('limits') or {}).items():
        resources.setdefault('requests', {}).setdefault(name, value)
    for port in container.get('ports') or []:
        port.setdefault('protocol', 'TCP')
        if host_network:
            port.setdefault('hostPort', port['containerPort'])
    for kind in ('livenessProbe', 'readinessProbe', 'startupProbe'):
        probe = container.get(kind)
        if probe is not None:
            _fill(probe, PROBE)
            _handler(probe)
    for handler in (container.get('lifecycle') or {}).values():
        if isinstance(handler, dict):
            _handler(handler)
    _field_references(container.get('env') or [])


def default_volume(volume):
    """One volume, in place."""
    if set(volume) == {'name'}:
        volume['emptyDir'] = {}
    for kind in ('secret', 'configMap', 'downwardAPI', 'projected'):
        if volume.get(kind) is not None:
            volume[kind].setdefault('defaultMode', 420)
    if volume.get('hostPath') is not None:
        volume['hostPath'].setdefault('type', '')
    for source in (volume.get('projected') or {}).get('sources') or []:
        if source.get('serviceAccountToken') is not None:
            source['serviceAccountToken'].setdefault('expirationSeconds', 3600)
    if volume.get('image') is not None:
        volume['image'].setdefault('pullPolicy', _image_policy(volume['image'].get('reference', '')))
    _field_references(volume)


def default_pod(pod):
    """The defaults of the type, in place. No priority, account or tolerations: those are admission's."""
    spec = pod.setdefault('spec', {})
    _fill(spec, POD)
    spec.setdefault('securityContext', {})
    for kind in CONTAINERS:
        for container in spec.get(kind) or []:
            default_container(container, spec.get('hostNetwork', False))
    for volume in spec.get('volumes') or []:
        default_volume(volume)
    if 'serviceAccountName' in spec:
        spec.setdefault('serviceAccount', spec['serviceAccountName'])
    elif 'serviceAccount' in spec:
        spec['serviceAccountName'] = spec['serviceAccount']
    for kind in ('hostNetwork', 'hostPID', 'hostIPC'):  # false is not written
        if spec.get(kind) is False:
            del spec[kind]
    pod_requests(spec)


def pod_requests(spec):
    """Pod-level resources: requests from limits."""
    resources = spec.get('resources')
    for name, value in ((resources or {}).get('limits') or {}).items():
        resources.setdefault('requests', {}).setdefault(name, value)


def add_tolerations(spec):
    """DefaultTolerationSeconds."""
    for key in NOT_TOLERATED:
        if any((row.get('key') in (key, None, '')) and row.get('effect') in ('NoExecute', None, '')
               and (row.get('key') or row.get('operator') == 'Exists') for row in spec.get('tolerations') or []):
            continue
        spec.setdefault('tolerations', []).append(
            {'effect': 'NoExecute', 'key': key, 'operator': 'Exists', 'tolerationSeconds': 300})


def add_token_volume(spec):
    """ServiceAccount admission: the projected volume with a token, the root certificate and the namespace."""
    containers = [item for kind in ('containers', 'initContainers') for item in spec.get(kind) or []]
    mounting = [item for item in containers
                if not any(mount['mountPath'] == TOKEN_PATH for mount in item.get('volumeMounts') or [])]
    existing = next((volume['name'] for volume in spec.get('volumes') or []
                     if volume['name'].startswith('kube-api-access-')), None)
    name = existing or 'kube-api-access-' + suffix()
    for container in mounting:
        container.setdefault('volumeMounts', []).append({'mountPath': TOKEN_PATH, 'name': name, 'readOnly': True})
    if mounting and not existing:
        spec.setdefault('volumes', []).append({'name': name, 'projected': {'defaultMode': 420, 'sources': [
            {'serviceAccountToken': {'expirationSeconds': 3607, 'path': 'token'}},
            {'configMap': {'items': [{'key': 'ca.crt', 'path': 'ca.crt'}], 'name': 'kube-root-ca.crt'}},
            {'downwardAPI': {'items': [{'fieldRef': {'apiVersion': 'v1', 'fieldPath': 'metadata.namespace'},
                                        'path': 'namespace'}]}}]}})


UNITS = {'': 1, 'n': 1e-9, 'u': 1e-6, 'm': 1e-3, 'k': 1e3, 'M': 1e6, 'G': 1e9, 'T': 1e12, 'P': 1e15, 'E': 1e18,
         'Ki': 2**10, 'Mi': 2**20, 'Gi': 2**30, 'Ti': 2**40, 'Pi': 2**50, 'Ei': 2**60}


def quantity(text):
    """A quantity as a number."""
    found = re.fullmatch(r'([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)', str(text))
    if not found or found[2] not in UNITS:
        raise ValueError(f'not a quantity: {text!r}')
    return float(found[1]) * UNITS[found[2]]


def qos_class(spec):
    """Guaranteed, Burstable or BestEffort."""
    if spec.get('resources'):
        sets = [spec['resources']]
    else:
        sets = [item.get('resources') or {} for kind in ('containers', 'initContainers') for item in spec.get(kind) or []]
    counted = [{kind: {name: quantity(value) for name, value in (row.get(kind) or {}).items()
                       if name in ('cpu', 'memory') and quantity(value) > 0} for kind in ('requests', 'limits')}
               for row in sets]
    if not any(row['requests'] or row['limits'] for row in counted):
        return 'BestEffort'
    if all(set(row['limits']) == {'cpu', 'memory'} and row['requests'] == row['limits'] for row in counted):
        return 'Guaranteed'
    return 'Burstable'
