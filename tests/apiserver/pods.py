"""What is special about Pods: admission, what an update may change, deletion with grace, binding, and the rest."""
import copy
import datetime

from . import defaults, errors
from .errors import ApiError
from .resources import of
from .store import now, stamp

PODS = of('pods')
DEFAULT_GRACE = 30


def condition(pod, kind):
    """A condition of a pod, or None."""
    return next((row for row in pod.get('status', {}).get('conditions') or [] if row['type'] == kind), None)


def admit(store, pod):
    """Default and complete a new pod, in place."""
    name, spec = pod['metadata'].get('name'), pod.setdefault('spec', {})
    if not spec.get('containers'):
        raise errors.invalid(PODS, name, 'spec.containers', 'Required value')
    for place, container in enumerate(spec['containers']):
        if not container.get('name'):
            raise errors.invalid(PODS, name, f'spec.containers[{place}].name', 'Required value')
    names = [item.get('name') for kind in ('containers', 'initContainers') for item in spec.get(kind) or []]
    if len(set(names)) != len(names):
        raise errors.invalid(PODS, name, 'spec.containers', f'Duplicate value: {names}')
    defaults.default_pod(pod)
    if defaults.MIRROR not in (pod['metadata'].get('annotations') or {}):
        _service_account(store, pod)
    _priority(store, pod)
    _runtime_class(store, pod)
    defaults.add_tolerations(spec)
    pod['metadata']['generation'] = 1
    pod['status'] = {'phase': 'Pending', 'qosClass': defaults.qos_class(spec)}


def _service_account(store, pod):
    spec, namespace = pod['spec'], pod['metadata']['namespace']
    name = spec.setdefault('serviceAccountName', 'default')
    spec['serviceAccount'] = name
    account = store.find(of('serviceaccounts'), namespace, name)
    if account is None:
        raise ApiError(403, f'pods "{pod["metadata"]["name"]}" is forbidden: error looking up service account '
                       f'{namespace}/{name}: serviceaccount "{name}" not found',
                       details=errors.details_of(PODS, pod['metadata']['name']))
    if account.get('imagePullSecrets') and not spec.get('imagePullSecrets'):
        spec['imagePullSecrets'] = copy.deepcopy(account['imagePullSecrets'])
    if spec.get('automountServiceAccountToken', account.get('automountServiceAccountToken', True)):
        defaults.add_token_volume(spec)


def _priority(store, pod):
    spec, name = pod['spec'], pod['spec'].get('priorityClassName')
    if name:
        found = store.find(of('priorityclasses.scheduling.k8s.io'), None, name)
        if not found:
            raise ApiError(403, f'pods "{pod["metadata"]["name"]}" is forbidden: no PriorityClass with name {name} was '
                           'found', details=errors.details_of(PODS, pod['metadata']['name']))
        spec['priority'] = found['value']
        spec.setdefault('preemptionPolicy', found.get('preemptionPolicy', 'PreemptLowerPriority'))
    spec.setdefault('priority', 0)
    spec.setdefault('preemptionPolicy', 'PreemptLowerPriority')


def _runtime_class(store, pod):
    name = pod['spec'].get('runtimeClassName')
    if not name:
        return
    found = store.find(of('runtimeclasses.node.k8s.io'), None, name)
    if found is None:
        raise ApiError(403, f'pods "{pod["metadata"]["name"]}" is forbidden: pod rejected: RuntimeClass "{name}" not '
                       'found', details=errors.details_of(PODS, pod['metadata']['name']))
    if 'overhead' in found and 'overhead' not in pod['spec']:
        pod['spec']['overhead'] = copy.deepcopy(found['overhead'].get('podFixed', {}))


def _mutable_part_removed(spec):
    """A specification without what an update may change."""
    spec = copy.deepcopy(spec)
    for key in ('activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds', 'schedulingGates'):
        spec.pop(key, None)
    for kind in ('containers', 'initContainers'):
        for container in spec.get(kind) or []:
            container.pop('image', None)
    return spec


def check_update(old, new):
    """Finish an ordinary update in place: what may not change is refused, and the generation counts."""
    default_again(new)
    new['status'] = old.get('status', {})
    if _mutable_part_removed(new['spec']) != _mutable_part_removed(old['spec']):
        raise errors.invalid(PODS, old['metadata']['name'], 'spec',
                             'Forbidden: pod updates may not change fields other than `spec.containers[*].image`,'
                             '`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only '
                             'additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be '
                             'set to 1 if it was previously negative)')
    count_generation(old, new)


def default_again(new):
    """The defaults of the type on an updated object."""
    defaults.default_pod(new)


def count_generation(old, new):
    """metadata.generation grows with each change of the specification."""
    new['metadata']['generation'] = old['metadata'].get('generation', 1) + (old['spec'] != new['spec'])


def check_status(old, new):
    """Finish an update of the status subresource in place."""
    for key in ('deletionTimestamp', 'deletionGracePeriodSeconds', 'ownerReferences', 'generation'):
        if key in old['metadata']:
            new['metadata'][key] = old['metadata'][key]
        else:
            new['metadata'].pop(key, None)
    new['spec'] = old['spec']
    for row in new.setdefault('status', {}).get('conditions') or []:
        row.setdefault('lastProbeTime', None)  # a field that is never left out
    new['status']['qosClass'] = old.get('status', {}).get('qosClass') or defaults.qos_class(old['spec'])


def resize(old, new):
    """Finish an update of the resize subresource in place: only resources change."""
    stripped = []
    for pod in (old, new):
        spec = copy.deepcopy(pod['spec'])
        for kind in ('containers', 'initContainers'):
            for container in spec.get(kind) or []:
                container['resources'] = {}
        stripped.append(spec)
    default_again(new)
    if stripped[0] != stripped[1] and stripped[0] != _without_resources(new):
        raise errors.invalid(PODS, old['metadata']['name'], 'spec',
                             'Forbidden: only cpu and memory resources for containers are mutable')
    if defaults.qos_class(new['spec']) != defaults.qos_class(old['spec']):
        raise errors.invalid(PODS, old['metadata']['name'], 'metadata',
                             'Invalid value: Pod QOS Class may not change as a result of resizing')
    new['status'] = old.get('status', {})
    count_generation(old, new)


def _without_resources(pod):
    spec = copy.deepcopy(pod['spec'])
    for kind in ('containers', 'initContainers'):
        for container in spec.get(kind) or []:
            container['resources'] = {}
    return spec


def ephemeral(old, new):
    """Finish an update of the ephemeralcontainers subresource in place: containers are only added."""
    before = old['spec'].get('ephemeralContainers') or []
    after = new['spec'].get('ephemeralContainers') or []
    for container in after:
        defaults.default_container(container, False)
    if [item for item in after if item['name'] in {row['name'] for row in before}] != before:
        raise errors.invalid(PODS, old['metadata']['name'], 'spec.ephemeralContainers',
                             'Forbidden: existing ephemeral containers may not be changed or removed')
    new['spec'] = {**old['spec'], 'ephemeralContainers': after}
    new['status'] = old.get('status', {})
    count_generation(old, new)


def grace_of(pod, options):
    """The grace period in seconds that a deletion with these options gives."""
    if not pod['spec'].get('nodeName') or pod.get('status', {}).get('phase') in ('Succeeded', 'Failed'):
        return 0
    asked = options.get('gracePeriodSeconds')
    grace = asked if asked is not None else pod['spec'].get('terminationGracePeriodSeconds', DEFAULT_GRACE)
    return max(grace, 1) if grace != 0 else 0


def mark_deleted(pod, grace):
    """The pod with its deletion noted; None when an earlier deletion ends no later."""
    old = pod['metadata'].get('deletionGracePeriodSeconds')
    is_marked = 'deletionTimestamp' in pod['metadata']
    if is_marked and grace >= (old or 0) and grace > 0:
        return None
    pod = copy.deepcopy(pod)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=grace)
    if is_marked:
        first = datetime.datetime.strptime(pod['metadata']['deletionTimestamp'], '%Y-%m-%dT%H:%M:%SZ')
        end = first - datetime.timedelta(seconds=(old or 0) - grace)
    else:
        pod['metadata']['generation'] = pod['metadata'].get('generation', 1) + 1
    pod['metadata'].update(deletionTimestamp=stamp(end), deletionGracePeriodSeconds=grace)
    return pod


def bind(pod, node):
    """The pod bound to a node, as the scheduler has it."""
    if pod['spec'].get('nodeName'):
        raise errors.conflict(PODS, pod['metadata']['name'],
                              f'pod {pod["metadata"]["name"]} is already assigned to node "{pod["spec"]["nodeName"]}"')
    pod = copy.deepcopy(pod)
    pod['spec']['nodeName'] = node
    rows = [row for row in pod['status'].get('conditions') or [] if row['type'] != 'PodScheduled']
    rows.append({'type': 'PodScheduled', 'status': 'True', 'lastProbeTime': None, 'lastTransitionTime': now(),
                 'observedGeneration': pod['metadata'].get('generation', 1)})
    pod['status']['conditions'] = rows
    return pod
