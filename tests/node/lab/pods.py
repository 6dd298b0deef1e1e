"""Pod manifests for the tests, and short ways to read a status."""
import json

from .images import NAMES

BUSYBOX = NAMES['busybox'][0]
NGINX = 'nginx:latest'

# ends at once when asked to, unlike a plain `sleep` that runs as process 1
FOREVER = 'trap "exit 0" TERM; while :; do sleep 0.2; done'


def pod(name, script=FOREVER, image=BUSYBOX, grace=5, container=None, **spec):
    """A Pod with one busybox container named `main` that runs a shell script."""
    main = {'name': 'main', 'image': image, 'imagePullPolicy': 'IfNotPresent'}
    if script is not None:
        main['command'] = ['sh', '-c', script]
    main.update(container or {})
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name, 'labels': {'app': name}},
            'spec': {'terminationGracePeriodSeconds': grace, 'containers': [main], **spec}}


def phase(item):
    """The phase of a Pod, or None while there is no Pod."""
    return item['status'].get('phase') if item else None


def condition(item, kind):
    """Whether a condition of a Pod is True."""
    rows = item['status'].get('conditions') or [] if item else []
    return any(row['type'] == kind and row['status'] == 'True' for row in rows)


def ready(item):
    """Whether a Pod is Running and Ready."""
    return phase(item) == 'Running' and condition(item, 'Ready')


def container(item, name='main'):
    """The status of a container, init containers included; {} while there is none."""
    status = item['status'] if item else {}
    for row in (status.get('initContainerStatuses') or []) + (status.get('containerStatuses') or []):
        if row['name'] == name:
            return row
    return {}


def waiting(item, name='main'):
    """The reason a container waits for, or None."""
    return (container(item, name).get('state') or {}).get('waiting', {}).get('reason')


def running(item, name='main'):
    """The running state of a container, or None."""
    return (container(item, name).get('state') or {}).get('running')


def to_yaml(value, indent=0):
    """Block-style YAML of a JSON-like value; scalars in JSON's notation, which YAML shares."""
    pad = '  ' * indent
    if isinstance(value, dict) and value:
        return ''.join(f'{pad}{key}:' + nested(item, indent + 1) for key, item in value.items())
    if isinstance(value, list) and value:
        return ''.join(f'{pad}-' + nested(item, indent + 1) for item in value)
    return pad + json.dumps(value) + '\n'


def nested(value, indent):
    """The part of a line after `key:` or `-`, with the lines below it."""
    if isinstance(value, (dict, list)) and value:
        return '\n' + to_yaml(value, indent)
    return ' ' + to_yaml(value)
