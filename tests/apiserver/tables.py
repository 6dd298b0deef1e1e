"""Server-side printing: the tables that `kubectl get` shows."""
import datetime

PODS = ('Name', 'Ready', 'Status', 'Restarts', 'Age', 'IP', 'Node', 'Nominated Node', 'Readiness Gates')


def age(item):
    """How old an object is, in kubectl's short form."""
    created = item['metadata'].get('creationTimestamp')
    if not created:
        return '<unknown>'
    then = datetime.datetime.strptime(created, '%Y-%m-%dT%H:%M:%SZ').replace(tzinfo=datetime.timezone.utc)
    seconds = max(0, int((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()))
    for limit, unit, name in ((120, 1, 's'), (7200, 60, 'm'), (172800, 3600, 'h')):
        if seconds < limit:
            return f'{seconds // unit}{name}'
    return f'{seconds // 86400}d'


def _statuses(pod, kind):
    return pod.get('status', {}).get(kind) or []


def pod_reason(pod):
    """The STATUS column."""
    status = pod.get('status', {})
    reason = status.get('reason') or status.get('phase', '')
    rows = _statuses(pod, 'containerStatuses')
    for index, row in enumerate(_statuses(pod, 'initContainerStatuses')):
        ended = row.get('state', {}).get('terminated')
        if ended and ended.get('exitCode') == 0 or row.get('started'):
            continue
        waiting = row.get('state', {}).get('waiting', {}).get('reason')
        if ended:
            reason = 'Init:' + (ended.get('reason') or f'ExitCode:{ended.get("exitCode")}')
        elif waiting and waiting != 'PodInitializing':
            reason = f'Init:{waiting}'
        else:
            reason = f'Init:{index}/{len(pod["spec"].get("initContainers", []))}'
        rows = []
        break
    for row in reversed(rows):
        state = row.get('state', {})
        if state.get('waiting', {}).get('reason'):
            reason = state['waiting']['reason']
        elif 'terminated' in state:
            ended = state['terminated']
            reason = ended.get('reason') or f'ExitCode:{ended.get("exitCode")}'
    if any('running' in row.get('state', {}) for row in rows) and reason == 'Completed':
        reason = 'Running'
    return 'Terminating' if 'deletionTimestamp' in pod['metadata'] else reason


def pod_row(pod):
    """One line of `kubectl get pods -o wide`."""
    rows = _statuses(pod, 'containerStatuses')
    status = pod.get('status', {})
    return [pod['metadata']['name'], f'{sum(bool(row.get("ready")) for row in rows)}/{len(pod["spec"]["containers"])}',
            pod_reason(pod), str(sum(row.get('restartCount', 0) for row in rows)), age(pod),
            status.get('podIP') or '<none>', pod['spec'].get('nodeName') or '<none>', '<none>', '<none>']


def node_row(node):
    """One line of `kubectl get nodes`."""
    ready = next((row['status'] for row in node.get('status', {}).get('conditions') or [] if row['type'] == 'Ready'), '')
    shown = {'True': 'Ready', 'False': 'NotReady'}.get(ready, 'Unknown')
    if node['spec'].get('unschedulable'):
        shown += ',SchedulingDisabled'
    return [node['metadata']['name'], shown, '<none>', age(node),
            node.get('status', {}).get('nodeInfo', {}).get('kubeletVersion', '')]


def event_row(event):
    """One line of `kubectl get events`."""
    about = event.get('involvedObject', {})
    return [event.get('lastTimestamp') or '', event.get('type', ''), event.get('reason', ''),
            f'{about.get("kind", "").lower()}/{about.get("name", "")}', event.get('message', '')]


def service_row(service):
    """One line of `kubectl get services`."""
    spec = service['spec']
    ports = ','.join(f'{port["port"]}/{port["protocol"]}' for port in spec.get('ports') or [])
    return [service['metadata']['name'], spec['type'], spec.get('clusterIP') or '<none>', '<none>', ports or '<none>',
            age(service)]


def named(*columns):
    """A row of the name, some fields, and the age."""
    def row(item):
        shown = [item['metadata']['name']]
        for path in columns:
            value = item
            for word in path.split('.'):
                value = value.get(word) if isinstance(value, dict) else None
            shown.append(str(len(value)) if isinstance(value, (dict, list)) else str(value if value is not None else ''))
        return shown + [age(item)]
    return row


TABLES = {
    'pods': (PODS, pod_row),
    'nodes': (('Name', 'Status', 'Roles', 'Age', 'Version'), node_row),
    'events': (('Last Seen', 'Type', 'Reason', 'Object', 'Message'), event_row),
    'services': (('Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age'), service_row),
    'namespaces': (('Name', 'Status', 'Age'), named('status.phase')),
    'configmaps': (('Name', 'Data', 'Age'), named('data')),
    'secrets': (('Name', 'Type', 'Data', 'Age'), named('type', 'data')),
    'persistentvolumeclaims': (('Name', 'Status', 'Volume', 'Age'), named('status.phase', 'spec.volumeName')),
    'persistentvolumes': (('Name', 'Status', 'Claim', 'Age'), named('status.phase', 'spec.claimRef.name')),
    'leases.coordination.k8s.io': (('Name', 'Holder', 'Age'), named('spec.holderIdentity')),
    'runtimeclasses.node.k8s.io': (('Name', 'Handler', 'Age'), named('handler')),
}


def wants_table(request):
    """Whether a client asks for a table."""
    return 'as=Table' in request.headers.get('accept', '')


def table(resource, items, metadata, include='Metadata'):
    """The Table object for some objects. Columns after the sixth are of low priority: only `-o wide` shows them."""
    names, row = TABLES.get(resource.full, (('Name', 'Age'), named()))
    columns = [{'name': name, 'type': 'string', 'format': 'name' if name == 'Name' else '', 'description': '',
                'priority': 1 if resource.full == 'pods' and place > 4 else 0} for place, name in enumerate(names)]
    rows = []
    for item in items:
        cells = {'cells': row(item)}
        if include == 'Object':
            cells['object'] = item
        elif include != 'None':
            cells['object'] = {'kind': 'PartialObjectMetadata', 'apiVersion': 'meta.k8s.io/v1',
                               'metadata': item['metadata']}
        rows.append(cells)
    return {'kind': 'Table', 'apiVersion': 'meta.k8s.io/v1', 'metadata': metadata, 'columnDefinitions': columns,
            'rows': rows}
