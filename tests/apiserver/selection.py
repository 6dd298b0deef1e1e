"""Label and field selectors."""
import re

from .errors import ApiError

# every resource has metadata.name and metadata.namespace; these have more
FIELDS = {
    'pods': ('spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'spec.hostNetwork',
             'status.phase', 'status.podIP', 'status.nominatedNodeName'),
    'nodes': ('spec.unschedulable',),
    'namespaces': ('status.phase',),
    'services': ('spec.clusterIP', 'spec.type'),
    'secrets': ('type',),
    'events': ('involvedObject.kind', 'involvedObject.namespace', 'involvedObject.name', 'involvedObject.uid',
               'involvedObject.apiVersion', 'involvedObject.resourceVersion', 'involvedObject.fieldPath', 'reason',
               'reportingComponent', 'source', 'type'),
    'resourceslices.resource.k8s.io': ('spec.nodeName', 'spec.driver'),
    'certificatesigningrequests.certificates.k8s.io': ('spec.signerName',),
}

TERM = re.compile(r'\s*(?:(?P<not>!)\s*)?(?P<key>[A-Za-z0-9./_-]+)\s*'
                  r'(?:(?P<op>==|=|!=)\s*(?P<value>[A-Za-z0-9._-]*)'
                  r'|(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?\s*(?:,|$)')


def label_terms(text):
    """[(key, operator, values)] of a label selector; operators: in, notin, exists, missing."""
    terms, place = [], 0
    while place < len(text):
        found = TERM.match(text, place)
        if not found or found.end() == place:
            raise ApiError(400, f'unable to parse requirement: {text[place:]!r}')
        place = found.end()
        if found['op']:
            terms.append((found['key'], 'notin' if found['op'] == '!=' else 'in', {found['value']}))
        elif found['set']:
            terms.append((found['key'], found['set'], {word.strip() for word in found['values'].split(',')}))
        else:
            terms.append((found['key'], 'missing' if found['not'] else 'exists', set()))
    return terms


def field_terms(resource, text):
    """[(path, is_equal, value)] of a field selector."""
    terms = []
    for part in filter(None, text.split(',')):
        path, operator, value = (part.partition('!=') if '!=' in part else part.partition('='))
        value = value.removeprefix('=')
        if not operator:
            raise ApiError(400, f"invalid selector: '{text}'; can't understand '{part}'")
        if path not in ('metadata.name', 'metadata.namespace') + FIELDS.get(resource.full, ()):
            raise ApiError(400, f'field label not supported: {path}')
        terms.append((path, operator != '!=', value))
    return terms


def field(item, path):
    """The text of a field; absent fields are empty, as upstream has it."""
    if path == 'source':
        return item.get('source', {}).get('component', '')
    value = item
    for word in path.split('.'):
        value = value.get(word) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if value is None:
        return 'false' if path in ('spec.unschedulable', 'spec.hostNetwork') else ''
    return str(value)


def matcher(resource, query):
    """A function that tells whether an object is selected by a request's query."""
    labels = label_terms(query.get('labelSelector', ''))
    fields = field_terms(resource, query.get('fieldSelector', ''))

    def matches(item):
        have = item['metadata'].get('labels') or {}
        for key, operator, values in labels:
            if {'in': lambda: have.get(key) not in values or key not in have,
                    'notin': lambda: key in have and have[key] in values,
                    'exists': lambda: key not in have, 'missing': lambda: key in have}[operator]():  # noqa: B023
                return False
        return all((field(item, path) == value) == is_equal for path, is_equal, value in fields)
    return matches


def wanted_field(query, path):
    """The value that a field selector demands of a field, or None."""
    for part in query.get('fieldSelector', '').split(','):
        key, _, value = part.partition('=')
        if key == path:
            return value.removeprefix('=')
    return None
