"""What controllers and admission do with the other kinds: namespaces, services, volumes, nodes, garbage."""
import copy
import ipaddress

from . import node_rules, pods
from .errors import ApiError, invalid
from .resources import TABLE, of
from .store import key_of, now

NAMESPACES = ('default', 'kube-system', 'kube-public', 'kube-node-lease')
NOT_READY = {'effect': 'NoSchedule', 'key': 'node.kubernetes.io/not-ready'}
SERVICE_RANGE = ipaddress.ip_network('10.96.0.0/16')
PRIORITIES = (('system-cluster-critical', 2000000000), ('system-node-critical', 2000001000))


class Cluster:
    """Admission and the little controllers, on one store."""

    def __init__(self, store, root_certificate, bind_pods=False):
        self.store, self.root_certificate, self.bind_pods = store, root_certificate, bind_pods
        store.listeners.append(self.react)
        for name in NAMESPACES:
            self.create_namespace(name)
        for name, value in PRIORITIES:
            store.create(of('priorityclasses.scheduling.k8s.io'), {
                'kind': 'PriorityClass', 'apiVersion': 'scheduling.k8s.io/v1', 'metadata': {'name': name},
                'value': value, 'preemptionPolicy': 'PreemptLowerPriority'})
        store.create(of('services'), self._service({
            'kind': 'Service', 'apiVersion': 'v1', 'metadata': {
                'name': 'kubernetes', 'namespace': 'default',
                'labels': {'component': 'apiserver', 'provider': 'kubernetes'}},
            'spec': {'ports': [{'name': 'https', 'port': 443, 'targetPort': 6443}], 'clusterIP': '10.96.0.1'}}))

    def create_namespace(self, name):
        """A namespace with what every namespace has."""
        if not self.store.find(of('namespaces'), None, name):
            item = {'kind': 'Namespace', 'apiVersion': 'v1', 'metadata': {'name': name}}
            self.admit(of('namespaces'), item, None, None)
            self.store.create(of('namespaces'), item)

    # --- admission

    def admit(self, resource, item, old, user):
        """Complete a new or changed object in place, and refuse what is not allowed."""
        node = user.node if user else None
        name = resource.full
        if name == 'nodes':
            if node is not None:
                node_rules.restrict_node(resource, node, old, item)
            self._node(item, old)
        elif name == 'pods' and old is None:
            self._check_namespace(item)
            if node is not None:
                node_rules.restrict_pod_create(resource, node, item)
            pods.admit(self.store, item)
        elif name == 'pods':
            pods.check_update(old, item)
        elif old is None and resource.namespaced:
            self._check_namespace(item)
        ADMISSION.get(name, lambda *_: None)(self, item, old)

    def _check_namespace(self, item):
        found = self.store.find(of('namespaces'), None, item['metadata']['namespace'])
        if found is None:
            raise ApiError(404, f'namespaces "{item["metadata"]["namespace"]}" not found',
                           details={'name': item['metadata']['namespace'], 'kind': 'namespaces'})
        if 'deletionTimestamp' in found['metadata']:
            raise ApiError(403, f'{item["metadata"]["name"]} is forbidden: unable to create new content in namespace '
                           f'{found["metadata"]["name"]} because it is being terminated')

    @staticmethod
    def _node(item, old):
        item.setdefault('spec', {})
        item.setdefault('status', {})
        if old is None:
            taints = item['spec'].setdefault('taints', [])
            if not any(row['key'] == NOT_READY['key'] for row in taints):
                taints.append(dict(NOT_READY))

    def _namespace(self, item, _old):
        item['metadata'].setdefault('labels', {})['kubernetes.io/metadata.name'] = item['metadata']['name']
        item.setdefault('spec', {}).setdefault('finalizers', ['kubernetes'])
        item.setdefault('status', {}).setdefault('phase', 'Active')

    def _secret(self, item, old):
        import base64
        for key, value in (item.pop('stringData', None) or {}).items():
            item.setdefault('data', {})[key] = base64.b64encode(value.encode()).decode()
        item.setdefault('type', 'Opaque')
        self._immutable(of('secrets'), item, old)

    def _config_map(self, item, old):
        self._immutable(of('configmaps'), item, old)

    @staticmethod
    def _immutable(resource, item, old):
        if old and old.get('immutable'):
            for key in ('data', 'binaryData', 'immutable'):
                if old.get(key) != item.get(key):
                    raise invalid(resource, item['metadata']['name'], key,
                                  'Forbidden: field is immutable when `immutable` is set')

    def _service(self, item, _old=None):
        spec = item.setdefault('spec', {})
        spec.setdefault('type', 'ClusterIP')
        spec.setdefault('sessionAffinity', 'None')
        for port in spec.get('ports') or []:
            port.setdefault('protocol', 'TCP')
            port.setdefault('targetPort', port['port'])
        if spec['type'] != 'ExternalName':
            if not spec.get('clusterIP'):
                used = {row['spec'].get('clusterIP') for row in self.store.objects[of('services')].values()}
                spec['clusterIP'] = next(str(address) for address in list(SERVICE_RANGE.hosts())[19:]
                                         if str(address) not in used)
            spec['clusterIPs'] = [spec['clusterIP']]
            spec.setdefault('internalTrafficPolicy', 'Cluster')
            spec.setdefault('ipFamilies', ['IPv4'])
            spec.setdefault('ipFamilyPolicy', 'SingleStack')
        item.setdefault('status', {'loadBalancer': {}})
        return item

    def _claim(self, item, _old):
        item.setdefault('spec', {}).setdefault('volumeMode', 'Filesystem')
        item.setdefault('status', {}).setdefault('phase', 'Pending')

    def _volume(self, item, _old):
        spec = item.setdefault('spec', {})
        spec.setdefault('volumeMode', 'Filesystem')
        spec.setdefault('persistentVolumeReclaimPolicy', 'Retain')
        if 'hostPath' in spec:
            spec['hostPath'].setdefault('type', '')
        item.setdefault('status', {}).setdefault('phase', 'Available')

    # --- controllers

    def react(self, change):
        """Do what the controllers of a cluster would do about a change."""
        name, item = change.resource.full, change.new
        if change.kind == 'DELETED':
            self._collect(item)
            if change.resource.namespaced:
                self.finish_namespace(item['metadata']['namespace'])
        elif name == 'namespaces' and change.kind == 'ADDED':
            self._fill_namespace(item['metadata']['name'])
        elif name == 'nodes':
            self._taint(item)
            self._bind_all()
        elif name == 'pods' and change.kind == 'ADDED':
            self._bind_all()
        elif name in ('persistentvolumeclaims', 'persistentvolumes'):
            self._bind_claims()

    def _fill_namespace(self, name):
        self.store.create(of('configmaps'), {
            'kind': 'ConfigMap', 'apiVersion': 'v1', 'metadata': {'name': 'kube-root-ca.crt', 'namespace': name},
            'data': {'ca.crt': self.root_certificate}})
        self.store.create(of('serviceaccounts'), {
            'kind': 'ServiceAccount', 'apiVersion': 'v1', 'metadata': {'name': 'default', 'namespace': name}})

    def _collect(self, owner):
        """Objects whose owners are all gone go too."""
        gone = owner['metadata']['uid']
        for resource in TABLE:
            for item in list(self.store.objects[resource].values()):
                owners = item['metadata'].get('ownerReferences') or []
                if owners and all(row['uid'] == gone for row in owners) \
                        and self.store.find(resource, *key_of(item)) is item:
                    self.store.remove(resource, item)

    def finish_namespace(self, name):
        """A namespace that is being deleted goes when nothing is left in it."""
        found = self.store.find(of('namespaces'), None, name)
        if found and 'deletionTimestamp' in found['metadata'] and not any(
                key[0] == name for resource in TABLE if resource.namespaced for key in self.store.objects[resource]):
            self.store.remove(of('namespaces'), found)

    def _taint(self, node):
        """The node lifecycle controller: a node that is Ready loses its not-ready taint."""
        is_ready = any(row['type'] == 'Ready' and row['status'] == 'True'
                       for row in node.get('status', {}).get('conditions') or [])
        taints = node['spec'].get('taints') or []
        left = [row for row in taints if row['key'] != NOT_READY['key']]
        if is_ready and left != taints:
            node = copy.deepcopy(node)
            node['spec']['taints'] = left
            if not left:
                del node['spec']['taints']
            self.store.replace(of('nodes'), self.store.get(of('nodes'), None, node['metadata']['name']), node)

    def _bind_all(self):
        """The scheduler, when it is asked for: pods go to the first node that takes them."""
        if not self.bind_pods:
            return
        free = [node['metadata']['name'] for node in self.store.objects[of('nodes')].values()
                if not node['spec'].get('unschedulable') and not any(
                    row['effect'] in ('NoSchedule', 'NoExecute') for row in node['spec'].get('taints') or [])]
        if not free:
            return
        for pod in list(self.store.objects[of('pods')].values()):
            if not pod['spec'].get('nodeName') and not pod['spec'].get('schedulingGates') \
                    and 'deletionTimestamp' not in pod['metadata']:
                self.store.replace(of('pods'), pod, pods.bind(pod, free[0]))

    def _bind_claims(self):
        """The volume controller: a claim that names its volume is bound to it."""
        for claim in list(self.store.objects[of('persistentvolumeclaims')].values()):
            volume = self.store.find(of('persistentvolumes'), None, claim['spec'].get('volumeName') or '')
            if volume is None or claim['status'].get('phase') == 'Bound' or volume['status'].get('phase') == 'Bound':
                continue
            bound = copy.deepcopy(volume)
            bound['spec']['claimRef'] = {'kind': 'PersistentVolumeClaim', 'apiVersion': 'v1', **{
                key: claim['metadata'][key] for key in ('name', 'namespace', 'uid', 'resourceVersion')}}
            bound['status']['phase'] = 'Bound'
            taken = copy.deepcopy(claim)
            taken['metadata'].setdefault('annotations', {})['pv.kubernetes.io/bind-completed'] = 'yes'
            taken['status'] = {'phase': 'Bound', 'accessModes': volume['spec'].get('accessModes', []),
                               'capacity': volume['spec'].get('capacity', {})}
            self.store.replace(of('persistentvolumeclaims'), claim, taken)
            self.store.replace(of('persistentvolumes'), volume, bound)


def terminating(namespace):
    """A namespace object at the start of its deletion."""
    item = copy.deepcopy(namespace)
    item['metadata']['deletionTimestamp'] = now()
    item['status'] = {**item.get('status', {}), 'phase': 'Terminating'}
    return item


ADMISSION = {
    'namespaces': Cluster._namespace, 'secrets': Cluster._secret, 'configmaps': Cluster._config_map,
    'services': Cluster._service, 'persistentvolumeclaims': Cluster._claim, 'persistentvolumes': Cluster._volume,
}
