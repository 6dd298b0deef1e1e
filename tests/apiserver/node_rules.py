"""The Node authorizer and the NodeRestriction admission: what a node may read and write."""
from .errors import ApiError
from .resources import of
from .selection import wanted_field

NO_RELATION = "no relationship found between node '{node}' and this object"

# (resource, subresource): verbs that every node may use on any object
ANY = {
    ('services', ''): {'get', 'list', 'watch'},
    ('runtimeclasses', ''): {'get', 'list', 'watch'},
    ('csidrivers', ''): {'get', 'list', 'watch'},
    ('events', ''): {'create', 'patch', 'update'},
    ('certificatesigningrequests', ''): {'create', 'get', 'list', 'watch'},
    ('tokenreviews', ''): {'create'},
    ('subjectaccessreviews', ''): {'create'},
    ('selfsubjectreviews', ''): {'create'},
    ('selfsubjectaccessreviews', ''): {'create'},
    ('nodes', ''): {'create'},
    ('pods', ''): {'create'},
    ('csinodes', ''): {'create'},
    ('leases', ''): {'create'},
    ('resourceslices', ''): {'create', 'list', 'watch', 'deletecollection'},
}

# objects of the node's own name
OWN = {
    ('nodes', ''): {'get', 'list', 'watch', 'update', 'patch'},
    ('nodes', 'status'): {'update', 'patch'},
    ('csinodes', ''): {'get', 'update', 'patch', 'delete'},
    ('leases', ''): {'get', 'update', 'patch', 'delete'},
}

READS = {'get', 'list', 'watch'}


def references(pod):
    """{(resource, name)}: the objects in a pod's namespace that its specification names."""
    spec, found = pod['spec'], set()

    def add(resource, name):
        if name:
            found.add((resource, name))
    for secret in spec.get('imagePullSecrets') or []:
        add('secrets', secret.get('name'))
    for container in [item for kind in ('containers', 'initContainers', 'ephemeralContainers')
                      for item in spec.get(kind) or []]:
        for source in container.get('envFrom') or []:
            add('configmaps', source.get('configMapRef', {}).get('name'))
            add('secrets', source.get('secretRef', {}).get('name'))
        for variable in container.get('env') or []:
            source = variable.get('valueFrom') or {}
            add('configmaps', source.get('configMapKeyRef', {}).get('name'))
            add('secrets', source.get('secretKeyRef', {}).get('name'))
    for volume in spec.get('volumes') or []:
        for source in [volume, *volume.get('projected', {}).get('sources', [])]:
            secret = source.get('secret') or {}
            add('secrets', secret.get('secretName') or secret.get('name'))
            add('configmaps', (source.get('configMap') or {}).get('name'))
        claim = volume.get('persistentVolumeClaim') or {}
        add('persistentvolumeclaims', claim.get('claimName'))
        if 'ephemeral' in volume:
            add('persistentvolumeclaims', f'{pod["metadata"]["name"]}-{volume["name"]}')
        for driver in ('csi', 'flexVolume'):
            reference = volume.get(driver, {}).get('nodePublishSecretRef') or volume.get(driver, {}).get('secretRef')
            add('secrets', (reference or {}).get('name'))
    for claim in spec.get('resourceClaims') or []:
        add('resourceclaims', claim.get('resourceClaimName'))
    add('serviceaccounts', spec.get('serviceAccountName'))
    return found


def pods_of(store, node, namespace=None):
    """The pods that are bound to a node."""
    return [pod for pod in store.objects[of('pods')].values() if pod['spec'].get('nodeName') == node
            and (namespace is None or pod['metadata']['namespace'] == namespace)]


def _is_related(store, node, wanted):
    if wanted.resource == 'persistentvolumes':
        for pod in pods_of(store, node):
            for resource, name in references(pod):
                claim = store.find(of('persistentvolumeclaims'), pod['metadata']['namespace'], name)
                if resource == 'persistentvolumeclaims' and claim \
                        and claim['spec'].get('volumeName') == wanted.name:
                    return True
        return False
    return any((wanted.resource, wanted.name) in references(pod) for pod in pods_of(store, node, wanted.namespace))


def _decide_pods(store, node, wanted):
    if wanted.subresource in ('', 'status', 'eviction'):
        if wanted.verb in ('list', 'watch'):
            return wanted_field(wanted.query, 'spec.nodeName') == node, \
                'can only list/watch pods with spec.nodeName field selector'
        found = store.find(of('pods'), wanted.namespace, wanted.name)
        allowed = {'': {'get', 'delete'}, 'status': {'patch', 'update'}, 'eviction': {'create'}}[wanted.subresource]
        if wanted.verb in allowed:
            return found is None or found['spec'].get('nodeName') == node, NO_RELATION.format(node=node)
    return False, ''


def decide(store, node, wanted):
    """(is allowed, reason) for a node's request."""
    key = wanted.resource, wanted.subresource
    if wanted.verb in ANY.get(key, ()):
        return True, ''
    if wanted.resource == 'pods':
        return _decide_pods(store, node, wanted)
    if wanted.verb in OWN.get(key, ()):
        name = wanted.name or wanted_field(wanted.query, 'metadata.name')
        if name == node and (wanted.resource != 'leases' or wanted.namespace == 'kube-node-lease'):
            return True, ''
        return False, f'node \'{node}\' cannot read \'{name}\', only its own Node object' \
            if wanted.resource == 'nodes' else 'can only access node lease with the same name as the requesting node'
    if key == ('persistentvolumeclaims', 'status') and wanted.verb in ('update', 'patch'):
        return _is_related(store, node, wanted), NO_RELATION.format(node=node)
    if key == ('serviceaccounts', 'token') and wanted.verb == 'create' or (
            wanted.subresource == '' and wanted.verb == 'get' and wanted.resource in
            ('persistentvolumeclaims', 'persistentvolumes', 'resourceclaims', 'serviceaccounts')):
        return _is_related(store, node, wanted), NO_RELATION.format(node=node)
    if wanted.resource in ('secrets', 'configmaps') and wanted.verb in READS and not wanted.subresource:
        if not wanted.name:
            return False, "No Object name found"
        return _is_related(store, node, wanted), NO_RELATION.format(node=node)
    return wanted.resource == 'volumeattachments' and wanted.verb in ('get', 'list', 'watch'), ''


OWN_LABELS = ('kubernetes.io/hostname', 'kubernetes.io/arch', 'kubernetes.io/os', 'beta.kubernetes.io/arch',
              'beta.kubernetes.io/os', 'beta.kubernetes.io/instance-type', 'node.kubernetes.io/instance-type',
              'failure-domain.beta.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/region',
              'topology.kubernetes.io/zone', 'topology.kubernetes.io/region')


def _refuse(resource, name, text):
    raise ApiError(403, f'{resource.full} "{name}" is forbidden: {text}',
                   details={'name': name, 'kind': resource.plural})


def restrict_pod_create(resource, node, pod):
    """A node creates nothing but mirror pods bound to itself that use no API objects."""
    name, notes = pod['metadata'].get('name'), pod['metadata'].get('annotations') or {}
    if 'kubernetes.io/config.mirror' not in notes:
        _refuse(resource, name, f'pod does not have "kubernetes.io/config.mirror" annotation, node "{node}" can only '
                'create mirror pods')
    if pod['spec'].get('nodeName') != node:
        _refuse(resource, name, f'node "{node}" can only create pods with spec.nodeName set to itself')
    owners = pod['metadata'].get('ownerReferences') or []
    if len(owners) != 1 or owners[0].get('kind') != 'Node' or owners[0].get('name') != node:
        _refuse(resource, name, f'node "{node}" can only create pods with an owner reference set to itself')
    if references({**pod, 'spec': {**pod['spec'], 'serviceAccountName': None}}):
        _refuse(resource, name, f'node "{node}" can not create pods that reference API objects')


def restrict_node(resource, node, old, new):
    """A node writes its own Node only, no foreign kubernetes.io labels, and no taints once it exists."""
    name = new['metadata'].get('name')
    if name != node:
        _refuse(resource, name, f'node "{node}" is not allowed to modify node "{name}"')
    before = (old or {}).get('metadata', {}).get('labels') or {}
    after = new['metadata'].get('labels') or {}
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    for key in sorted(changed):
        domain = key.partition('/')[0] if '/' in key else ''
        if domain in ('kubelet.kubernetes.io', 'node.kubernetes.io') or domain.endswith('.kubelet.kubernetes.io') \
                or domain.endswith('.node.kubernetes.io') or key in OWN_LABELS:
            continue
        if domain in ('kubernetes.io', 'k8s.io') or domain.endswith(('.kubernetes.io', '.k8s.io')):
            _refuse(resource, name, f'is not allowed to modify labels: {key}')
    if old is not None and (old['spec'].get('taints') or []) != (new['spec'].get('taints') or []):
        _refuse(resource, name, f'node "{node}" is not allowed to modify taints')
