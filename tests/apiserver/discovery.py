"""What the server says of itself: groups, resources, version, and as much OpenAPI as kubectl asks for."""
from . import metrics
from .resources import TABLE

VERSION = {'major': '1', 'minor': '34', 'gitVersion': 'v1.34.0', 'gitCommit': '0' * 40, 'gitTreeState': 'clean',
           'buildDate': '2025-08-27T10:09:04Z', 'goVersion': 'go1.24.6', 'compiler': 'gc', 'platform': 'linux/amd64'}

SUB_KINDS = {'binding': ('', 'v1', 'Binding', ('create',)), 'eviction': ('policy', 'v1', 'Eviction', ('create',)),
             'token': ('authentication.k8s.io', 'v1', 'TokenRequest', ('create',)),
             'log': ('', '', 'Pod', ('get',)), 'exec': ('', '', 'PodExecOptions', ('create', 'get')),
             'attach': ('', '', 'PodAttachOptions', ('create', 'get')),
             'portforward': ('', '', 'PodPortForwardOptions', ('create', 'get')),
             'proxy': ('', '', 'NodeProxyOptions', ('create', 'delete', 'get', 'patch', 'update'))}


def groups():
    """GET /apis."""
    rows = []
    for group in dict.fromkeys(resource.group for resource in TABLE if resource.group):
        rows.append(_group(group))
    rows.append(_group(metrics.GROUP, metrics.VERSION))
    return {'kind': 'APIGroupList', 'apiVersion': 'v1', 'groups': rows}


def _group(group, name='v1'):
    version = {'groupVersion': f'{group}/{name}', 'version': name}
    return {'name': group, 'versions': [version], 'preferredVersion': version}


def resource_list(group, version):
    """GET /api/v1 and /apis/GROUP/VERSION; None for a group that is not served."""
    found = [resource for resource in TABLE if (resource.group, resource.version) == (group, version)]
    if not found:
        return None
    rows = []
    for resource in found:
        row = {'name': resource.plural, 'singularName': resource.kind.lower(), 'namespaced': resource.namespaced,
               'kind': resource.kind, 'verbs': list(resource.verbs)}
        if resource.short:
            row['shortNames'] = list(resource.short)
        if resource.categories:
            row['categories'] = list(resource.categories)
        rows.append(row)
        for name in resource.subresources:
            sub_group, sub_version, kind, verbs = SUB_KINDS.get(name, ('', '', resource.kind,
                                                                       ('get', 'patch', 'update')))
            row = {'name': f'{resource.plural}/{name}', 'singularName': '', 'namespaced': resource.namespaced,
                   'kind': kind, 'verbs': list(verbs)}
            if sub_version:
                row.update(group=sub_group, version=sub_version)
            rows.append(row)
    return {'kind': 'APIResourceList', 'apiVersion': 'v1',
            'groupVersion': f'{group}/{version}' if group else version, 'resources': rows}


def openapi_index():
    """GET /openapi/v3."""
    names = ['api/v1'] + [f'apis/{group}/v1' for group in
                          dict.fromkeys(resource.group for resource in TABLE if resource.group)]
    return {'paths': {name: {'serverRelativeURL': f'/openapi/v3/{name}?hash=0'} for name in names}}


FIELD_VALIDATION = {'name': 'fieldValidation', 'in': 'query', 'schema': {'type': 'string', 'uniqueItems': True}}


def openapi(name):
    """GET /openapi/v3/NAME: no schemas, only that the server validates fields itself, which is what kubectl looks for."""
    words = name.split('/')
    group, version = ('', words[1]) if words[0] == 'api' else (words[1], words[2])
    paths = {}
    for resource in TABLE:
        if (resource.group, resource.version) != (group, version) or not resource.is_stored:
            continue
        place = f'/{name}/namespaces/{{namespace}}' if resource.namespaced else f'/{name}'
        action = {'parameters': [FIELD_VALIDATION], 'responses': {'200': {'description': 'OK'}},
                  'x-kubernetes-group-version-kind': {'group': group, 'version': version, 'kind': resource.kind}}
        paths[f'{place}/{resource.plural}/{{name}}'] = {'patch': action}
        paths[f'{place}/{resource.plural}'] = {'post': action}
    return {'openapi': '3.0.0', 'info': {'title': 'Kubernetes', 'version': VERSION['gitVersion']}, 'paths': paths,
            'components': {'schemas': {}}}


def answer(path):
    """The document for a path, or None when the path is no discovery."""
    words = path.strip('/').split('/')
    if path in ('/healthz', '/livez', '/readyz'):
        return 'ok'
    if path == '/version':
        return VERSION
    if path == '/api':
        return {'kind': 'APIVersions', 'versions': ['v1'], 'serverAddressByClientCIDRs': []}
    if path == '/apis':
        return groups()
    if path == '/openapi/v3':
        return openapi_index()
    if words[:2] == ['openapi', 'v3'] and len(words) > 3:
        return openapi('/'.join(words[2:]))
    if words == ['api', 'v1']:
        return resource_list('', 'v1')
    if words[0] == 'apis' and len(words) == 2:
        found = _group(words[1]) if any(resource.group == words[1] for resource in TABLE) else None
        return found and {'kind': 'APIGroup', 'apiVersion': 'v1', **found}
    if path == metrics.PREFIX:
        return metrics.discovery()
    if words[0] == 'apis' and len(words) == 3:
        return resource_list(words[1], words[2])
    return None
