"""The API server of the tests, asked by the real kubectl and over plain HTTPS: what the joined tests rely on."""
import base64
import contextlib
import copy
import glob
import http.client
import json
import pathlib
import random
import socket
import ssl
import threading
import time
import unittest

from lab import pods as shapes
from lab import system
from lab.cluster import Cluster
from lab.kubectl import Kubectl
from lab.node_api import Refused
from traces import compare

from apiserver import cluster as controllers  # lab.cluster makes tests/ importable
from apiserver import certs, http2, patch, pods, store
from apiserver.merge_keys import schema_of
from apiserver.resources import BY_KIND, of

TRACES = pathlib.Path(__file__).resolve().parent / 'traces'
STRATEGIC = 'application/strategic-merge-patch+json'
MERGE = 'application/merge-patch+json'


class Client:
    """HTTPS with a user's client certificate, or without one."""

    def __init__(self, server, name='admin', *groups):
        self.port, self.context = server.port, ssl.create_default_context(cafile=server.authority.certificate)
        if name:
            key, certificate = server.as_user(name, *(groups or ('system:masters',)))
            self.context.load_cert_chain(certificate, key)

    def open(self, method, path, body=None, kind='application/json', token=None):
        """The response, not read yet."""
        connection = http.client.HTTPSConnection('127.0.0.1', self.port, context=self.context, timeout=30)
        connection.request(method, path, None if body is None else json.dumps(body),
                           {
            'Content-Type': kind, 'Connection': 'close', **({'Authorization': f'Bearer {token}'} if token else {})})
        return connection.getresponse()

    def __call__(self, method, path, body=None, **options):
        """(code, object)."""
        with self.open(method, path, body, **options) as answer:
            return answer.status, json.loads(answer.read())

    def watch(self, path):
        """A watch's events, one by one."""
        answer = self.open('GET', path)
        if answer.status != 200:
            raise AssertionError(f'{path}: {answer.status} {answer.read()}')
        for line in answer:
            yield json.loads(line)


class ServerCase(unittest.TestCase):
    """A test with a server of its own."""

    options = {}

    def setUp(self):
        self.cluster = Cluster(**self.options)
        self.addCleanup(self.cluster.close)
        self.server, self.admin = self.cluster.server, Client(self.cluster.server)

    def node(self, name='lab-node'):
        """A node's client."""
        return Client(self.server, f'system:node:{name}', 'system:nodes')


class Defaults(unittest.TestCase):
    """Objects as the recordings have them."""

    def test_recorded_pods(self):
        """Each recording's objects become the Pod that a real API server served."""
        for path in sorted(glob.glob(str(TRACES / '*.json'))):
            recorded = json.loads(pathlib.Path(path).read_text())
            if 'pod' not in recorded:
                continue
            with self.subTest(recorded['scenario']):
                namespace, kept = recorded['pod']['metadata']['namespace'], store.Store()
                admission = controllers.Cluster(kept, 'root')
                admission.create_namespace(namespace)
                for item in copy.deepcopy(recorded['objects']):
                    resource = BY_KIND[(item['apiVersion'], item['kind'])]
                    if resource.namespaced:
                        item['metadata']['namespace'] = namespace
                    admission.admit(resource, item, None, None)
                    stored = kept.create(resource, item)
                    made = stored if item['kind'] == 'Pod' else None
                self.assertEqual(list(compare.diff(self.plain(recorded['pod']), self.plain(made))), [])

    @staticmethod
    def plain(pod):
        """Without what differs from run to run, and without kubectl's note."""
        pod = compare.norm(pod)
        notes = pod['metadata'].get('annotations', {})
        notes.pop('kubectl.kubernetes.io/last-applied-configuration', None)
        if not notes:
            pod['metadata'].pop('annotations', None)
        for key in ('uid', 'resourceVersion', 'creationTimestamp'):
            pod['metadata'].pop(key)
        return pod


class Patches(unittest.TestCase):
    """The patch kinds, as tables."""

    POD = {'metadata': {'name': 'a', 'labels': {'x': '1', 'y': '2'}, 'finalizers': ['f/a', 'f/b']},
           'spec': {'containers': [{'name': 'one', 'image': 'i', 'args': ['1', '2'], 'env': [{'name': 'E', 'value': 'v'}]},
                                   {'name': 'two', 'image': 'j'}],
                    'volumes': [{'name': 'v', 'emptyDir': {}}], 'tolerations': [{'key': 'a'}]},
           'status': {'conditions': [{'type': 'Ready', 'status': 'True'}, {'type': 'Other', 'status': 'True'}],
                      'containerStatuses': [{'name': 'one', 'ready': True}]}}

    STRATEGIC_TABLE = (
        ('a list with a key merges', {'spec': {'containers': [{'name': 'one', 'image': 'k'}]}},
         lambda pod: [(row['name'], row['image']) for row in pod['spec']['containers']], [('one', 'k'), ('two', 'j')]),
        ('a list without is replaced', {'spec': {'containers': [{'name': 'one', 'args': ['3']}]}},
         lambda pod: pod['spec']['containers'][0]['args'], ['3']),
        ('null removes', {'metadata': {'labels': {'x': None}}}, lambda pod: pod['metadata']['labels'], {'y': '2'}),
        ('$patch delete removes an item', {'spec': {'containers': [{'name': 'one', '$patch': 'delete'}]}},
         lambda pod: [row['name'] for row in pod['spec']['containers']], ['two']),
        ('$patch replace of a map', {'metadata': {'labels': {'$patch': 'replace', 'z': '3'}}},
         lambda pod: pod['metadata']['labels'], {'z': '3'}),
        ('$patch replace of a list', {'spec': {'containers': [{'$patch': 'replace'}, {'name': 'new'}]}},
         lambda pod: pod['spec']['containers'], [{'name': 'new'}]),
        ('$setElementOrder orders and new items are placed', {'status': {
            '$setElementOrder/conditions': [{'type': 'New'}, {'type': 'Ready'}],
            'conditions': [{'type': 'New', 'status': 'False'}]}},
         lambda pod: [row['type'] for row in pod['status']['conditions']], ['New', 'Other', 'Ready']),
        ('conditions of others are kept', {'status': {'conditions': [{'type': 'Ready', 'status': 'False'}]}},
         lambda pod: [row['status'] for row in pod['status']['conditions']], ['False', 'True']),
        ('container statuses are replaced', {'status': {'containerStatuses': [{'name': 'two'}]}},
         lambda pod: pod['status']['containerStatuses'], [{'name': 'two'}]),
        ('$retainKeys clears the rest of a volume', {'spec': {'volumes': [
            {'name': 'v', '$retainKeys': ['name', 'hostPath'], 'hostPath': {'path': '/x'}}]}},
         lambda pod: pod['spec']['volumes'], [{'name': 'v', 'hostPath': {'path': '/x'}}]),
        ('$deleteFromPrimitiveList', {'metadata': {'$deleteFromPrimitiveList/finalizers': ['f/a']}},
         lambda pod: pod['metadata']['finalizers'], ['f/b']),
        ('primitive lists merge', {'metadata': {'finalizers': ['f/c']}},
         lambda pod: pod['metadata']['finalizers'], ['f/a', 'f/b', 'f/c']),
    )

    def test_strategic(self):
        """Strategic merge patches of a Pod."""
        for name, change, look, expected in self.STRATEGIC_TABLE:
            with self.subTest(name):
                before = copy.deepcopy(self.POD)
                made = patch.strategic_merge(self.POD, change, schema_of(of('pods')))
                self.assertEqual(look(made), expected)
                self.assertEqual(self.POD, before, 'the object itself was changed')

    def test_recorded(self):
        """The patches of an upstream kubelet make what a real API server made of them."""
        known, compared = {}, 0
        for line in (system.REPOSITORY / 'tests/samples/api-requests.jsonl').read_text().splitlines():
            row = json.loads(line)
            path, answer = row['uri'].split('?')[0].removesuffix('/status'), row['response']
            if not isinstance(answer, dict) or 'uid' not in answer.get('metadata', {}):
                continue
            if row['verb'] == 'patch' and path in known:
                resource = BY_KIND[(answer['apiVersion'], answer['kind'])]
                made = patch.strategic_merge(known[path], row['request'], schema_of(resource))
                made['metadata']['resourceVersion'] = answer['metadata']['resourceVersion']
                if answer['kind'] == 'Pod':
                    pods.check_status(known[path], made)
                self.assertEqual(made, answer)
                compared += 1
            known[path + (f'/{answer["metadata"]["name"]}' if row['verb'] == 'create' else '')] = answer
        self.assertGreater(compared, 10)

    def test_json_patch(self):
        """Each operation, and steps that cannot be done."""
        made = patch.json_patch({'a': [1, 2], 'b': {'c/d': 1}}, [
            {'op': 'test', 'path': '/a/0', 'value': 1}, {'op': 'add', 'path': '/a/-', 'value': 3},
            {'op': 'remove', 'path': '/a/0'}, {'op': 'replace', 'path': '/b/c~1d', 'value': 2},
            {'op': 'copy', 'from': '/b', 'path': '/e'}, {'op': 'move', 'from': '/b/c~1d', 'path': '/f'}])
        self.assertEqual(made, {'a': [2, 3], 'b': {}, 'e': {'c/d': 2}, 'f': 2})
        for step in ({'op': 'remove', 'path': '/x'}, {'op': 'test', 'path': '/a', 'value': 2}, {'op': 'add', 'path': '/a'}):
            with self.assertRaises(patch.ApiError):
                patch.json_patch({'a': 1}, [step])

    def test_merge_patch(self):
        """The example of RFC 7386."""
        self.assertEqual(patch.merge_patch({'title': 'Goodbye!', 'author': {'givenName': 'John', 'familyName': 'Doe'},
                                            'tags': ['example'], 'content': 'x'},
                                           {'title': 'Hello!', 'author': {'familyName': None}, 'tags': ['sample']}),
                         {'title': 'Hello!', 'author': {'givenName': 'John'}, 'tags': ['sample'], 'content': 'x'})


class Versions(ServerCase):
    """resourceVersions, conflicts, watches, pages."""

    PODS = '/api/v1/namespaces/default/pods'

    def create(self, name='a', **spec):
        """Create a pod."""
        code, pod = self.admin('POST', self.PODS, shapes.pod(name, **spec))
        self.assertEqual(code, 201, pod)
        return pod

    def test_conflicts(self):
        """A stale version and a foreign UID are refused; an update without a version is taken."""
        pod = self.create()
        self.assertEqual(self.admin('PATCH', f'{self.PODS}/a', {'metadata': {'labels': {'x': 'y'}}}, kind=MERGE)[0], 200)
        pod['metadata']['labels'] = {'z': '1'}
        code, status = self.admin('PUT', f'{self.PODS}/a', pod)
        self.assertEqual((code, status['reason']), (409, 'Conflict'))
        uid = {'metadata': {'uid': 'other'}, 'status': {'phase': 'Running'}}
        self.assertEqual(self.admin('PATCH', f'{self.PODS}/a/status', uid, kind=STRATEGIC)[0], 409)
        self.assertEqual(self.admin('DELETE', f'{self.PODS}/a', {'preconditions': {'uid': 'other'}})[0], 409)
        del pod['metadata']['resourceVersion']
        self.assertEqual(self.admin('PUT', f'{self.PODS}/a', pod)[0], 200)
        self.assertEqual(self.admin('POST', self.PODS, shapes.pod('a'))[1]['reason'], 'AlreadyExists')

    def test_status_is_apart(self):
        """The status changes only through its subresource, the specification only without it."""
        pod = self.create()
        pod['status']['phase'] = 'Failed'
        code, updated = self.admin('PUT', f'{self.PODS}/a', pod)
        self.assertEqual((code, updated['status']['phase']), (200, 'Pending'))
        self.assertEqual(updated['metadata']['resourceVersion'], pod['metadata']['resourceVersion'], 'nothing changed')
        pod['spec']['activeDeadlineSeconds'] = 5
        code, updated = self.admin('PUT', f'{self.PODS}/a/status', pod)
        self.assertEqual((code, updated['status']['phase']), (200, 'Failed'))
        self.assertNotIn('activeDeadlineSeconds', updated['spec'])
        pod['spec']['hostNetwork'] = True
        del pod['metadata']['resourceVersion']
        self.assertEqual(self.admin('PUT', f'{self.PODS}/a', pod)[0], 422)

    def test_watch_resumes(self):
        """A watch goes on from a version; objects that leave the selection are deleted; old versions are gone."""
        version = self.create()['metadata']['resourceVersion']
        self.create('b', nodeName='n1')
        self.admin('POST', f'{self.PODS}/a/binding', {'kind': 'Binding', 'apiVersion': 'v1', 'metadata': {'name': 'a'},
                                                      'target': {'kind': 'Node', 'name': 'n1'}})
        self.cluster.edit('pods', 'b', lambda pod: pod['spec'].update(nodeName='n2'))
        events = self.admin.watch(f'/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1&resourceVersion={version}')
        seen = [(row['type'], row['object']['metadata']['name']) for row in (next(events) for _ in range(3))]
        self.assertEqual(seen, [('ADDED', 'b'), ('ADDED', 'a'), ('DELETED', 'b')])
        events = self.admin.watch('/api/v1/pods?watch=1&resourceVersion=0')
        self.assertEqual([next(events)['type'] for _ in range(2)], ['ADDED', 'ADDED'])
        self.server.expire_watches()
        self.assertEqual(next(events)['object']['code'], 410)
        self.assertEqual(self.admin('GET', f'/api/v1/pods?watch=1&resourceVersion={version}')[0], 410)

    def test_bookmarks(self):
        """Bookmarks say how far a watch is, and that the first objects are over."""
        self.server.bookmark_seconds = 0.1
        pod = self.create()
        events = self.admin.watch('/api/v1/pods?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&'
                                  'resourceVersionMatch=NotOlderThan')
        rows = [next(events) for _ in range(3)]
        self.assertEqual([row['type'] for row in rows], ['ADDED', 'BOOKMARK', 'BOOKMARK'])
        self.assertEqual(rows[1]['object']['metadata']['annotations'], {'k8s.io/initial-events-end': 'true'})
        self.assertEqual(rows[2]['object']['metadata']['resourceVersion'], pod['metadata']['resourceVersion'])

    def test_streamed_lists(self):
        """A list is streamed when that is on and asked for as it must be; otherwise it is refused as upstream does."""
        streamed = f'{self.PODS}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true'
        for on, query, text in (
                (False, '&resourceVersionMatch=NotOlderThan', 'unless the WatchList feature gate is enabled'),
                (True, '', 'requires setting resourceVersionMatch to NotOlderThan')):
            self.server.watch_list = on
            code, status = self.admin('GET', streamed + query)
            self.assertEqual((code, status['reason']), (422, 'Invalid'))
            self.assertIn(text, status['message'])
        self.assertEqual(self.admin('GET', f'{self.PODS}?sendInitialEvents=true')[0], 422)
        pod = self.create()
        version = pod['metadata']['resourceVersion']
        rows = self.admin.watch(f'{streamed}&resourceVersionMatch=NotOlderThan&resourceVersion={version}')
        self.assertEqual([next(rows)['type'] for _ in range(2)], ['ADDED', 'BOOKMARK'])

    def test_pages(self):
        """A long list comes in pages."""
        for name in 'abcde':
            self.create(name)
        names, more = [], ''
        while True:
            page = self.admin('GET', f'{self.PODS}?limit=2&continue={more}')[1]
            names += [row['metadata']['name'] for row in page['items']]
            more = page['metadata'].get('continue')
            if not more:
                break
        self.assertEqual(names, list('abcde'))

    def test_selectors(self):
        """Labels and fields select; unknown fields are refused."""
        self.create('a', nodeName='n1')
        self.create('b')
        for query, expected in (('labelSelector=app%3Da', ['a']), ('labelSelector=app+in+(a,b),app!%3Da', ['b']),
                                ('labelSelector=!app', []), ('labelSelector=app', ['a', 'b']),
                                ('fieldSelector=spec.nodeName%3D', ['b']), ('fieldSelector=spec.nodeName!%3D', ['a'])):
            with self.subTest(query):
                rows = self.admin('GET', f'{self.PODS}?{query}')[1]['items']
                self.assertEqual([row['metadata']['name'] for row in rows], expected)
        self.assertEqual(self.admin('GET', f'{self.PODS}?fieldSelector=spec.nonsense%3D1')[0], 400)

    def test_deletion(self):
        """Grace, a shortened grace, the end with 0, pods without a node, pods with finalizers."""
        self.create('loose')
        self.admin('DELETE', f'{self.PODS}/loose')
        self.assertIsNone(self.cluster.pod('loose'))
        self.create('a', nodeName='n1', grace=30)
        code, pod = self.admin('DELETE', f'{self.PODS}/a')
        self.assertEqual((code, pod['metadata']['deletionGracePeriodSeconds'], pod['metadata']['generation']), (200, 30, 2))
        first = pod['metadata']['deletionTimestamp']
        pod = self.admin('DELETE', f'{self.PODS}/a', {'gracePeriodSeconds': 60})[1]
        self.assertEqual(pod['metadata']['deletionTimestamp'], first, 'a longer grace changes nothing')
        pod = self.admin('DELETE', f'{self.PODS}/a', {'gracePeriodSeconds': 2})[1]
        self.assertEqual(pod['metadata']['deletionGracePeriodSeconds'], 2)
        self.assertLess(pod['metadata']['deletionTimestamp'], first)
        self.admin('DELETE', f'{self.PODS}/a', {'gracePeriodSeconds': 0})
        self.assertIsNone(self.cluster.pod('a'))
        self.create('f', nodeName='n1')
        self.cluster.edit('pods', 'f', lambda pod: pod['metadata'].update(finalizers=['lab/keep']))
        self.admin('DELETE', f'{self.PODS}/f', {'gracePeriodSeconds': 0})
        self.assertIn('deletionTimestamp', self.cluster.pod('f')['metadata'])
        self.admin('PATCH', f'{self.PODS}/f', {'metadata': {'finalizers': None}}, kind=MERGE)
        self.assertIsNone(self.cluster.pod('f'))


class Nodes(ServerCase):
    """What a node may do."""

    def test_secrets(self):
        """A node reads the secrets of its pods, one by one."""
        for name in ('used', 'other'):
            self.cluster.create({'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': name}, 'stringData': {'k': name}})
        self.cluster.create(shapes.pod('a', nodeName='lab-node', volumes=[{'name': 's', 'secret': {'secretName': 'used'}}]))
        base, mine, foreign = '/api/v1/namespaces/default/secrets', self.node(), self.node('other')
        for client, path, expected in (
                (mine, f'{base}/used', 200), (mine, f'{base}/other', 403), (mine, base, 403), (foreign, f'{base}/used', 403),
                (mine, f'{base}?fieldSelector=metadata.name%3Dused', 200), (mine, '/api/v1/secrets', 403),
                (mine, f'{base}?fieldSelector=metadata.name%3Dother', 403),
                (mine, '/api/v1/namespaces/default/configmaps/kube-root-ca.crt', 200),
                (mine, '/api/v1/pods', 403), (mine, '/api/v1/pods?fieldSelector=spec.nodeName%3Dlab-node', 200),
                (mine, '/api/v1/namespaces/default/pods/a', 200), (foreign, '/api/v1/namespaces/default/pods/a', 403),
                (mine, '/api/v1/services', 200), (mine, '/api/v1/nodes/other', 403)):
            with self.subTest(path):
                self.assertEqual(client('GET', path)[0], expected)

    def test_writes(self):
        """A node creates its Node, its lease and its mirror pods only."""
        mine, nodes = self.node(), '/api/v1/nodes'
        self.assertEqual(mine('POST', nodes, {'metadata': {'name': 'other'}})[0], 403)
        self.assertEqual(mine('POST', nodes, {'metadata': {'name': 'lab-node', 'labels': {
            'node-restriction.kubernetes.io/x': '1'}}})[0], 403)
        code, node = mine('POST', nodes, {'metadata': {'name': 'lab-node'}})
        self.assertEqual((code, node['spec']['taints'][0]['key']), (201, 'node.kubernetes.io/not-ready'))
        ready = {'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}
        self.assertEqual(mine('PATCH', f'{nodes}/lab-node/status', ready, kind=STRATEGIC)[0], 200)
        self.assertNotIn('taints', self.cluster.node_object()['spec'])
        leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
        self.assertEqual(mine('POST', leases, {'metadata': {'name': 'lab-node'}})[0], 201)
        self.assertEqual(mine('GET', f'{leases}/other')[0], 403)
        pod = shapes.pod('m', nodeName='lab-node')
        self.assertEqual(mine('POST', '/api/v1/namespaces/default/pods', pod)[0], 403)
        pod['metadata'].update(annotations={'kubernetes.io/config.mirror': 'x'}, ownerReferences=[
            {'apiVersion': 'v1', 'kind': 'Node', 'name': 'lab-node', 'uid': node['metadata']['uid']}])
        code, made = mine('POST', '/api/v1/namespaces/default/pods', pod)
        self.assertEqual((code, 'serviceAccountName' in made.get('spec', {})), (201, False), made)

    def test_tokens(self):
        """A node gets tokens of its pods; TokenReview knows them; they end with the pod."""
        pod = self.cluster.create(shapes.pod('a', nodeName='lab-node'))
        path = '/api/v1/namespaces/default/serviceaccounts/default/token'
        bound = {'kind': 'Pod', 'apiVersion': 'v1', 'name': 'a', 'uid': pod['metadata']['uid']}
        wanted = {'spec': {'audiences': ['lab'], 'expirationSeconds': 600, 'boundObjectRef': bound}}
        mine = self.node()
        self.assertEqual(mine('POST', path, {'spec': {'audiences': ['lab']}})[0], 403)
        self.assertEqual(self.node('other')('POST', path, wanted)[0], 403)
        code, answer = mine('POST', path, wanted)
        self.assertEqual(code, 201, answer)
        token = answer['status']['token']

        def review(text):
            body = {'spec': {'token': text, 'audiences': ['lab']}}
            return self.admin('POST', '/apis/authentication.k8s.io/v1/tokenreviews', body)[1]['status']
        self.assertEqual(review(token)['user']['username'], 'system:serviceaccount:default:default')
        self.assertNotIn('authenticated', review(token[:-4] + 'AAAA'))
        self.cluster.delete('pods', 'a', gracePeriodSeconds=0)
        self.assertNotIn('authenticated', review(token))

    def test_certificate_request(self):
        """A bootstrap token gets a client certificate, with which the node is known."""
        key = self.cluster.place / 'new.key'
        certs.openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key)
        request = certs.openssl('req', '-new', '-key', key, '-subj', '/O=system:nodes/CN=system:node:new')
        self.server.bootstrap_kubeconfig(self.cluster.place / 'bootstrap')
        self.server.certificate_seconds = 60
        code, made = Client(self.server, None)('POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests', {
            'metadata': {'generateName': 'csr-'}, 'spec': {
                'request': base64.b64encode(request).decode(), 'usages': ['digital signature', 'client auth'],
                'signerName': 'kubernetes.io/kube-apiserver-client-kubelet'}}, token='abcdef.0123456789abcdef')
        self.assertEqual(code, 201, made)
        stored = self.server.get('certificatesigningrequests.certificates.k8s.io', made['metadata']['name'])
        certificate = self.cluster.place / 'new.crt'
        certificate.write_bytes(base64.b64decode(stored['status']['certificate']))
        client = Client(self.server, None)
        self.assertEqual(client('GET', '/api/v1/services')[0], 403, 'nobody')
        client.context.load_cert_chain(certificate, key)
        self.assertEqual(client('GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dnew')[0], 200)


class Protocol(ServerCase):
    """HTTP/2, which the agent and kubectl speak when they can."""

    def curl(self, *words):
        """What curl says, as an administrator."""
        key, certificate = self.server.as_user('admin', 'system:masters')
        return system.run('curl', '-sS', '--cacert', self.server.authority.certificate, '--cert', certificate, '--key', key,
                          *words, check=False)

    def test_versions(self):
        """Both versions; large answers pass the flow control."""
        for number in range(40):
            self.cluster.create({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': f'c{number}'},
                                 'data': {'text': 'x' * 20000}})
        url = f'{self.server.url}/api/v1/configmaps'
        for version in ('1.1', '2') if http2.IS_THERE else ('1.1',):
            text = self.curl(f'--http{version}', '-w', '%{http_version}', url)
            self.assertTrue(text.endswith(version), text[-100:])
            self.assertEqual(len(json.loads(text[:-len(version)])['items']), 44)

    @unittest.skipUnless(http2.IS_THERE, 'python3-h2 is not installed')
    def test_ends_of_streams(self):
        """A watch's stream is reset, and a connection is told to go away, while others go on."""
        words = ('--http2', '--max-time', '10', f'{self.server.url}/api/v1/pods?watch=1')
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.curl(*words, '-w', '%{errormsg}')))
        thread.start()
        self.server.wait_request('watch', '/pods')
        system.wait_for('the watch', lambda: self.server.reset_streams() == 1)
        thread.join(30)
        self.assertIn('HTTP/2 stream', answers[0])
        self.assertEqual(self.server.go_away(), [])


class Failing(ServerCase):
    """Faults on order."""

    PATH = '/api/v1/namespaces/default/pods'

    def test_codes(self):
        """The next N matching requests fail, others do not."""
        rule = self.server.fail(verb='list', path='/pods', count=2, code=429, retry_after=3)
        self.assertEqual(self.admin('GET', '/api/v1/nodes')[0], 200)
        answer = self.admin.open('GET', self.PATH)
        self.assertEqual((answer.status, answer.getheader('Retry-After')), (429, '3'))
        self.assertEqual([self.admin('GET', self.PATH)[0] for _ in range(2)], [429, 200])
        self.assertEqual(rule.hits, 2)

    def test_connections(self):
        """Refused, reset, lost after it was done, hung; everything is there again afterwards."""
        self.server.fail(action='reset')
        with self.assertRaises(OSError):
            self.admin('GET', self.PATH)
        self.server.fail(verb='create', action='lost')
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.admin('POST', self.PATH, shapes.pod('a'))
        self.assertIsNotNone(self.cluster.pod('a'))
        self.server.stop()
        with self.assertRaises(OSError):
            self.admin('GET', self.PATH)
        self.server.start()
        self.server.hang()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.admin('GET', f'{self.PATH}/a')[0]))
        thread.start()
        self.server.wait_request('get', f'{self.PATH}/a')
        self.assertEqual(answers, [])
        self.server.hang(False)
        thread.join(30)
        self.assertEqual(answers, [200])

    def test_watches_are_reset(self):
        """A watch that is reset ends."""
        self.cluster.create(shapes.pod('a'))
        events = self.admin.watch(f'{self.PATH}?watch=1')
        next(events)
        self.assertEqual(self.server.reset_watches(), 1)
        with contextlib.suppress(OSError, http.client.HTTPException):  # how a reader sees it is the reader's matter
            self.assertEqual(list(events), [])

    def test_old_data(self):
        """Reads show what was, until told otherwise; a watch then hears what it missed."""
        self.cluster.create(shapes.pod('a'))
        events = self.admin.watch(f'{self.PATH}?watch=1')
        next(events)
        self.server.serve_old()
        self.cluster.create(shapes.pod('b'))
        self.assertEqual(len(self.admin('GET', self.PATH)[1]['items']), 1)
        self.server.serve_old(False)
        self.assertEqual(next(events)['object']['metadata']['name'], 'b')
        self.assertEqual(len(self.admin('GET', self.PATH)[1]['items']), 2)


class FakeKubelet:
    """A TLS server in a kubelet's place: it answers GET with what was asked, and echoes after an upgrade."""

    def __init__(self, server):
        key, certificate = server.authority.issue('fake-kubelet', '/CN=fake', 'server', 'IP:127.0.0.1')
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(server.authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(socket.create_server(('127.0.0.1', 0)), server_side=True)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        """Serve one connection after the other."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client, contextlib.suppress(OSError):
                    self.serve(client)

    @staticmethod
    def serve(client):
        """Answer one request."""
        head = b''
        while b'\r\n\r\n' not in head:
            head += client.recv(4096)
        asked = head.split(b'\r\n')[0]
        name = dict(part[0] for part in client.getpeercert()['subject'])['commonName']
        if b'/metrics/resource' in asked:
            now = time.time()
            client.sendall('HTTP/1.0 200 OK\r\n\r\n'.encode() + ''.join(
                f'{name}_cpu_usage_seconds_total{labels} {now / 4} {round(now * 1000)}\n'
                f'{name}_memory_working_set_bytes{labels} {2.0e6} {round(now * 1000)}\n' for name, labels in (
                    ('node', ''), ('container', '{container="main",namespace="default",pod="a"}'))).encode())
            return
        if b'Upgrade: lab' not in head:
            text = asked + b' ' + name.encode() + b'\n'
            client.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n'
                           + f'{len(text):x}\r\n'.encode() + text + b'\r\n0\r\n\r\n')
            return
        client.sendall(b'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lab\r\n\r\n')
        while True:
            data = client.recv(65536)
            if not data:
                return
            client.sendall(data)


class Proxied(ServerCase):
    """Requests that go on to the node's kubelet."""

    def setUp(self):
        super().setUp()
        kubelet = self.kubelet = FakeKubelet(self.server)
        self.addCleanup(kubelet.socket.close)
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'lab-node'}, 'status': {
            'addresses': [{'type': 'InternalIP', 'address': '127.0.0.1'}],
            'daemonEndpoints': {'kubeletEndpoint': {'Port': kubelet.port}}}})
        self.cluster.create(shapes.pod('a', nodeName='lab-node'))

    def test_requests(self):
        """Logs and any path of the node, with the API server's own certificate."""
        kubectl = self.cluster.kubectl
        self.assertEqual(kubectl('logs', 'a', '--tail=3'),
                         'GET /containerLogs/default/a/main?tailLines=3 HTTP/1.1 kube-apiserver-kubelet-client\n')
        self.assertEqual(kubectl('get', '--raw', '/api/v1/nodes/lab-node/proxy/stats/summary?only_cpu_and_memory=true'),
                         'GET /stats/summary?only_cpu_and_memory=true HTTP/1.1 kube-apiserver-kubelet-client\n')
        for name in ('lab-node', f'lab-node:{self.kubelet.port}', f'https:lab-node:{self.kubelet.port}'):
            self.assertEqual(kubectl('get', '--raw', f'/api/v1/nodes/{name}/proxy/logs/a%20b/'),
                             'GET /logs/a%20b/ HTTP/1.1 kube-apiserver-kubelet-client\n')
        self.assertIn('error dialing backend', kubectl.fails('get', '--raw', '/api/v1/nodes/lab-node:1/proxy/pods'))
        self.assertIn('not valid', kubectl.fails('logs', 'a', '-c', 'other'))
        self.assertIn('forbidden', json.dumps(self.node()('GET', '/api/v1/nodes/lab-node/proxy/pods')[1]))

    def test_logs_over_websockets(self):
        """In the protocols that a kube-apiserver has for them; others are refused."""
        text = b'GET /containerLogs/default/a/main HTTP/1.1 kube-apiserver-kubelet-client\n'
        for protocol, expected in (('binary.k8s.io', text), ('base64.binary.k8s.io', base64.b64encode(text)),
                                   ('other, binary.k8s.io', text)):
            with self.cluster.websocket('/api/v1/namespaces/default/pods/a/log?container=main', protocol) as stream:
                self.assertIn(f'Sec-WebSocket-Protocol: {protocol.split()[-1]}', stream.head.decode())
                self.assertEqual(b''.join(stream), expected)
        for path, protocol, code in (('a/log', 'channel.k8s.io', '403'), ('b/log', 'binary.k8s.io', '404'),
                                     ('a/log?container=x', 'binary.k8s.io', '400')):
            with self.assertRaisesRegex(Refused, f'HTTP/1.1 {code} '):
                self.cluster.websocket('/api/v1/namespaces/default/pods/' + path, protocol)

    def test_top(self):
        """`kubectl top` shows what the node's metrics say."""
        self.assertRegex(self.cluster.kubectl('top', 'pods'), r'a\s+25\dm\s+1Mi')
        self.assertRegex(self.cluster.kubectl('top', 'nodes'), r'lab-node\s+25\dm')

    def test_upgrade(self):
        """After an upgrade bytes go both ways unchanged."""
        key, certificate = self.server.as_user('admin', 'system:masters')
        context = ssl.create_default_context(cafile=self.server.authority.certificate)
        context.load_cert_chain(certificate, key)
        with context.wrap_socket(socket.create_connection(('127.0.0.1', self.server.port), 30),
                                 server_hostname='localhost') as client:
            client.sendall(b'POST /api/v1/namespaces/default/pods/a/exec?command=cat&stdin=true&container=main HTTP/1.1\r\n'
                           b'Host: x\r\nConnection: Upgrade\r\nUpgrade: lab\r\n\r\n')
            stream = client.makefile('rb')
            self.assertIn(b'101', stream.readline())
            while stream.readline() != b'\r\n':
                pass
            dice = random.Random(1)
            for _ in range(50):  # small enough for the buffers on the way: nobody reads while we write
                sent = dice.randbytes(60_000)
                client.sendall(sent)
                self.assertEqual(stream.read(len(sent)), sent)


class WithKubectl(ServerCase):
    """The real kubectl."""

    options = {'bind_pods': True}

    def test_life_of_objects(self):
        """create, get, apply, patch, label, describe, wait, delete."""
        kubectl = self.cluster.kubectl
        kubectl('create', 'namespace', 'app')
        kubectl('create', 'configmap', 'conf', '-n', 'app', '--from-literal=a=b')
        kubectl('create', 'secret', 'generic', 'cred', '-n', 'app', '--from-literal=k=v')
        self.assertEqual(kubectl.get('cm', 'conf', '-n', 'app')['data'], {'a': 'b'})
        self.assertEqual(kubectl.get('secret', 'cred', '-n', 'app')['data'], {'k': 'dg=='})
        pod = shapes.pod('web', nodeName='lab-node')
        self.assertIn('created', kubectl.apply(pod, namespace='app'))
        self.assertIn('unchanged', kubectl.apply(pod, namespace='app'))
        pod['metadata']['labels']['more'] = 'yes'
        pod['spec']['containers'][0]['image'] = 'other:1'
        self.assertIn('configured', kubectl.apply(pod, namespace='app'))
        shown = kubectl.get('po', 'web', '-n', 'app')
        self.assertEqual((shown['metadata']['labels']['more'], shown['spec']['containers'][0]['image'],
                          shown['metadata']['generation']), ('yes', 'other:1', 2))
        kubectl('patch', 'pod', 'web', '-n', 'app', '--type=json', '-p',
                '[{"op": "remove", "path": "/metadata/labels/more"}]')
        kubectl('label', 'pod', 'web', '-n', 'app', 'x=y')
        kubectl('annotate', 'pod', 'web', '-n', 'app', 'note=text')
        self.assertIn('web', kubectl('get', 'pods', '-n', 'app', '-l', 'x=y', '-o', 'wide'))
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': 'e', 'namespace': 'app'},
                             'involvedObject': {'kind': 'Pod', 'namespace': 'app', 'name': 'web',
                                                'uid': shown['metadata']['uid']}, 'count': 1, 'type': 'Normal',
                             'reason': 'Pulled', 'message': 'the image is there'}, 'app')
        described = kubectl('describe', 'pod', 'web', '-n', 'app')
        self.assertRegex(described, r'Pulled.*the image is there')
        waiting = threading.Timer(0.5, lambda: self.admin(
            'PATCH', '/api/v1/namespaces/app/pods/web/status',
            {'status': {'phase': 'Running', 'conditions': [{'type': 'Ready', 'status': 'True'}]}}, kind=STRATEGIC))
        waiting.start()
        kubectl('wait', '--for=condition=Ready', 'pod/web', '-n', 'app', '--timeout=30s')
        self.assertIn('Running', kubectl('get', 'pods', '-A'))
        kubectl('delete', 'pod', 'web', '-n', 'app', '--wait=false', '--grace-period=30')
        self.assertIn('Terminating', kubectl('get', 'pods', '-n', 'app'))
        kubectl('delete', 'pod', 'web', '-n', 'app', '--force', '--grace-period=0')
        self.assertEqual(kubectl.get('pods', '-n', 'app')['items'], [])
        kubectl('delete', 'namespace', 'app', '--timeout=30s')
        self.assertIn('NotFound', kubectl.fails('get', 'namespace', 'app'))

    def test_binding_and_nodes(self):
        """A pod waits for a node that is Ready; cordoned nodes get none."""
        kubectl, mine = self.cluster.kubectl, self.node()
        kubectl.apply(shapes.pod('a'))
        self.assertNotIn('nodeName', self.cluster.pod('a')['spec'])
        mine('POST', '/api/v1/nodes', {'metadata': {'name': 'lab-node'}})
        mine('PATCH', '/api/v1/nodes/lab-node/status',
             {'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}, kind=STRATEGIC)
        self.assertEqual(self.cluster.pod('a')['spec']['nodeName'], 'lab-node')
        self.assertIn('Ready', kubectl('get', 'nodes'))
        kubectl('cordon', 'lab-node')
        self.assertIn('SchedulingDisabled', kubectl('get', 'nodes'))
        kubectl.apply(shapes.pod('b'))
        self.assertNotIn('nodeName', self.cluster.pod('b')['spec'])
        self.assertIn('lab-node', kubectl('describe', 'node', 'lab-node'))

    def test_server_side(self):
        """Server-side apply creates and merges; a dry run changes nothing; who one is and may do."""
        kubectl = self.cluster.kubectl
        kubectl.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c'}, 'data': {'a': '1'}},
                      words=('--server-side',))
        kubectl.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c'}, 'data': {'b': '2'}},
                      words=('--dry-run=server',))
        self.assertEqual(kubectl.get('cm', 'c')['data'], {'a': '1'})
        self.assertEqual(kubectl('auth', 'can-i', 'delete', 'nodes').strip(), 'yes')
        self.assertIn('eyJ', kubectl('create', 'token', 'default'))
        self.server.add_token('secret-token', 'reader')
        reader = Kubectl(self.server.token_kubeconfig(self.cluster.place / 'reader', 'secret-token'))
        self.assertIn('Forbidden', reader.fails('get', 'pods'))
        self.server.authorizer.grants.append(('reader', 'list', 'pods'))
        reader('get', 'pods')

    def test_watching(self):
        """`kubectl get --watch` sees changes; `delete` waits until a pod is gone."""
        kubectl = self.cluster.kubectl
        self.cluster.create(shapes.pod('a', nodeName='lab-node', grace=30))

        def finish():
            self.server.wait_request('delete', '/pods/a')
            time.sleep(0.3)  # kubectl begins to wait
            self.cluster.delete('pods', 'a', gracePeriodSeconds=0)
        thread = threading.Thread(target=finish)
        thread.start()
        kubectl('delete', 'pod', 'a', '--timeout=30s')
        thread.join(30)
        self.assertIsNone(self.cluster.pod('a'))


if __name__ == '__main__':
    unittest.main()
