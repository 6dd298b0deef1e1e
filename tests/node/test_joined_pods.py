"""Pods of the API server on a joined node."""
import unittest

from lab import metrics
from lab import pods as shapes
from lab.agent import NODE
from lab.case import JoinedCase

ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'


def pod(name, script=shapes.FOREVER, **spec):
    """A pod bound to the node, without a token unless asked for."""
    return shapes.pod(name, script, **{'nodeName': NODE, 'automountServiceAccountToken': False, **spec})


class Pods(JoinedCase):
    """Their lives, as kubectl shows them."""

    def test_life(self):
        """Created, Ready, with events, changed, deleted; nothing is left."""
        kubectl = self.cluster.kubectl
        kubectl.apply(pod('a'))
        kubectl('wait', '--for=condition=Ready', 'pod/a', '--timeout=60s')
        shown = self.cluster.pod('a')
        self.assertEqual(shown['status']['hostIP'], self.agent.address)
        for family, labels in (('kubelet_pod_start_sli_duration_seconds_count', {}),
                               ('kubelet_pod_status_sync_duration_seconds_count', {}),
                               ('rest_client_request_duration_seconds_count', {'verb': 'PATCH'}),
                               ('rest_client_requests_total', {'code': '200', 'method': 'GET'})):
            self.agent.wait(f'{family} counts', lambda family=family, labels=labels: metrics.value(
                self.agent.get('/metrics')[1], family, **labels))
        for reason in ('Pulled', 'Created', 'Started'):
            self.agent.wait_event('a', reason)
        self.assertRegex(kubectl('get', 'pods', '-o', 'wide'), r'a\s+1/1\s+Running\s+0')
        changed = pod('a')
        changed['metadata']['labels']['more'] = 'yes'
        changed['spec']['activeDeadlineSeconds'] = 3600
        kubectl.apply(changed)
        self.agent.wait_api_pod('a', 'observed its second generation', lambda item: item['status'].get(
            'observedGeneration', 2) == 2)
        self.assertEqual(shapes.container(self.cluster.pod('a'))['restartCount'], 0)
        kubectl('delete', 'pod', 'a', '--timeout=60s')
        self.agent.wait_event('a', 'Killing')
        self.agent.wait_no_traces(shown['metadata']['uid'])

    def test_ends(self):
        """Pods that end by themselves are Succeeded or Failed and stay until they are deleted."""
        self.cluster.create(pod('good', 'exit 0', restartPolicy='Never'))
        self.cluster.create(pod('bad', 'exit 3', restartPolicy='Never'))
        self.agent.wait_api_pod('good', 'Succeeded', lambda item: shapes.phase(item) == 'Succeeded')
        ended = self.agent.wait_api_pod('bad', 'Failed', lambda item: shapes.phase(item) == 'Failed')
        self.assertEqual(shapes.container(ended)['state']['terminated']['exitCode'], 3)
        self.cluster.delete('pods', 'good')
        self.assertIsNone(self.cluster.pod('good'))

    def test_same_name_again(self):
        """A pod deleted by force and created again under its name is another pod, and does not wait for the first."""
        self.cluster.create(pod('a', 'trap "" TERM; while :; do sleep 0.2; done', grace=600))
        first = self.agent.wait_api_ready('a')
        self.cluster.delete('pods', 'a', gracePeriodSeconds=0)
        self.cluster.create(pod('a'))
        second = self.agent.wait_api_ready('a')
        self.assertNotEqual(first['metadata']['uid'], second['metadata']['uid'])
        running = [row['id'] for row in self.containerd.runtime.containers() if row['state'] == 'running']
        self.assertIn(shapes.container(first)['containerID'].split('//')[1], running)

    def test_shorter_grace(self):
        """A second deletion with a shorter grace ends a slow pod sooner."""
        self.cluster.create(pod('slow', 'trap "" TERM; while :; do sleep 0.2; done', grace=600))
        self.agent.wait_api_ready('slow')
        self.cluster.delete('pods', 'slow')
        self.agent.wait_event('slow', 'Killing')
        self.cluster.delete('pods', 'slow', gracePeriodSeconds=1)
        self.agent.wait_api_gone('slow')

    def test_finalizers(self):
        """A pod with a finalizer is finished on the node and stays in the API server."""
        item = pod('kept', grace=1)
        item['metadata']['finalizers'] = ['lab/keep']
        uid = self.cluster.create(item)['metadata']['uid']
        self.agent.wait_api_ready('kept')
        self.cluster.delete('pods', 'kept')
        self.agent.wait_no_traces(uid)
        self.assertIsNotNone(self.cluster.pod('kept'))
        self.cluster.edit('pods', 'kept', lambda one: one['metadata'].pop('finalizers'))
        self.agent.wait_api_gone('kept')

    def test_conditions_of_others(self):
        """A readiness gate waits for its condition, which the agent never removes."""
        self.cluster.create(pod('gate', readinessGates=[{'conditionType': 'lab/gate'}]))
        self.agent.wait_api_pod('gate', 'runs', lambda item: shapes.condition(item, 'ContainersReady'))
        self.assertFalse(shapes.condition(self.cluster.pod('gate'), 'Ready'))
        self.cluster.edit('pods', 'gate', lambda item: item['status']['conditions'].append(
            {'type': 'lab/gate', 'status': 'True', 'lastProbeTime': None, 'lastTransitionTime': None}))
        self.agent.wait_api_ready('gate')
        self.assertTrue(shapes.condition(self.cluster.pod('gate'), 'lab/gate'))

    def test_scheduled(self):
        """A pod without a node runs where it is bound to, with the scheduler's condition kept."""
        self.server.cluster.bind_pods = True
        item = pod('free')
        del item['spec']['nodeName']
        self.cluster.kubectl.apply(item)
        self.agent.wait_api_ready('free')
        self.assertTrue(shapes.condition(self.cluster.pod('free'), 'PodScheduled'))


class Objects(JoinedCase):
    """ConfigMaps, Secrets, tokens, claims and services in pods."""

    config = {'syncFrequency': '2s'}

    def result(self, item):
        """Run a pod to its end and return what it wrote as its termination message."""
        self.cluster.create(item)
        ended = self.agent.wait_api_pod(item['metadata']['name'], 'ended', lambda one: shapes.phase(one) in (
            'Succeeded', 'Failed'))
        state = shapes.container(ended)['state']['terminated']
        self.assertEqual(state['exitCode'], 0, state)
        return state.get('message', '')

    def once(self, name, script, **spec):
        """A pod that writes the output of a script as its termination message."""
        return pod(name, f'set -e; ( {script} ) > /dev/termination-log', restartPolicy='Never', **spec)

    def setUp(self):
        super().setUp()
        self.cluster.create({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'conf'}, 'data': {'a': '1'}})
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'cred'},
                             'stringData': {'k': 'hidden-text'}})

    def test_environment(self):
        """Variables from ConfigMaps, Secrets and Services."""
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'web-app'},
                             'spec': {'clusterIP': '10.96.7.7', 'ports': [{'port': 80}]}})
        self.assertEqual(self.result(self.once(
            'env', 'echo $A $K $P_a $WEB_APP_SERVICE_HOST $KUBERNETES_SERVICE_PORT', container={
                'env': [{'name': 'A', 'valueFrom': {'configMapKeyRef': {'name': 'conf', 'key': 'a'}}},
                        {'name': 'K', 'valueFrom': {'secretKeyRef': {'name': 'cred', 'key': 'k'}}}],
                'envFrom': [{'prefix': 'P_', 'configMapRef': {'name': 'conf'}}]})).split(),
            ['1', 'hidden-text', '1', '10.96.7.7', '443'])

    def test_volumes(self):
        """ConfigMap, Secret and token volumes; the token is one that the API server knows."""
        item = self.once('vols', f'cat /c/a /s/k {ACCOUNT}/namespace {ACCOUNT}/token; test -s {ACCOUNT}/ca.crt',
                         automountServiceAccountToken=True,
                         container={'volumeMounts': [{'name': 'c', 'mountPath': '/c'}, {'name': 's', 'mountPath': '/s'}]},
                         volumes=[{'name': 'c', 'configMap': {'name': 'conf'}},
                                  {'name': 's', 'secret': {'secretName': 'cred'}}])
        text = self.result(item)
        self.assertTrue(text.startswith('1hidden-textdefault'), text)
        claims = self.server.issuer.claims(text.removeprefix('1hidden-textdefault'))
        self.assertEqual(claims['kubernetes.io']['pod']['uid'], self.cluster.pod('vols')['metadata']['uid'])
        self.assertNotIn('hidden-text', self.agent.text(), 'a secret is in the log')

    def test_updates(self):
        """A running pod sees a changed ConfigMap; a missing one keeps a pod waiting until it is there."""
        self.cluster.create(pod('watcher', 'until [ "$(cat /c/a)" = 2 ]; do sleep 0.2; done', restartPolicy='Never',
                                container={'volumeMounts': [{'name': 'c', 'mountPath': '/c'}]},
                                volumes=[{'name': 'c', 'configMap': {'name': 'conf'}}]))
        self.agent.wait_api_pod('watcher', 'runs', lambda item: shapes.phase(item) == 'Running')
        self.cluster.edit('configmaps', 'conf', lambda item: item['data'].update(a='2'))
        self.agent.wait_api_pod('watcher', 'saw the change', lambda item: shapes.phase(item) == 'Succeeded',
                                deadline=120)
        self.cluster.create(pod('early', container={'envFrom': [{'configMapRef': {'name': 'late'}}]}))
        self.agent.wait_api_pod('early', 'waits', lambda item: shapes.waiting(item) == 'CreateContainerConfigError')
        self.cluster.create({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'late'}, 'data': {'x': 'y'}})
        self.agent.wait_api_ready('early', deadline=120)

    def test_optional(self):
        """Objects that are optional and do not exist are no hindrance."""
        self.cluster.create(pod('optional', container={
            'envFrom': [{'secretRef': {'name': 'none', 'optional': True}}],
            'volumeMounts': [{'name': 'c', 'mountPath': '/c'}]},
            volumes=[{'name': 'c', 'configMap': {'name': 'none', 'optional': True}}]))
        self.agent.wait_api_ready('optional')

    def test_claims(self):
        """A claim bound to a hostPath volume is mounted."""
        place = self.agent.place / 'volume'
        place.mkdir()
        (place / 'file').write_text('from the volume')
        self.cluster.create({'apiVersion': 'v1', 'kind': 'PersistentVolume', 'metadata': {'name': 'pv'}, 'spec': {
            'capacity': {'storage': '1Gi'}, 'accessModes': ['ReadWriteOnce'], 'hostPath': {'path': str(place)}}})
        self.cluster.create({'apiVersion': 'v1', 'kind': 'PersistentVolumeClaim', 'metadata': {'name': 'pvc'}, 'spec': {
            'accessModes': ['ReadWriteOnce'], 'volumeName': 'pv', 'resources': {'requests': {'storage': '1Gi'}}}})
        self.assertEqual(self.result(self.once(
            'claim', 'cat /v/file', container={'volumeMounts': [{'name': 'v', 'mountPath': '/v'}]},
            volumes=[{'name': 'v', 'persistentVolumeClaim': {'claimName': 'pvc'}}])), 'from the volume')

    def test_released(self):
        """Objects are watched one by one while a pod uses them, and no longer."""
        self.cluster.create(pod('user', grace=1, container={'volumeMounts': [{'name': 's', 'mountPath': '/s'}]},
                                volumes=[{'name': 's', 'secret': {'secretName': 'cred'}}]))
        self.agent.wait_api_ready('user')

        def watched():
            return self.server.call(lambda: any(watch.resource.plural == 'secrets' for watch in self.server.store.watches))
        self.agent.wait('the secret is watched', watched)
        self.cluster.delete('pods', 'user')
        self.agent.wait_api_gone('user')
        self.agent.wait('the secret is no longer watched', lambda: not watched())
        self.assertEqual([row['uri'] for row in self.server.requests(path='/secrets') if row['code'] == 403
                          and 'metadata.name' not in row['uri']], [])


class Mirrors(JoinedCase):
    """Static pods and their mirrors."""

    def test_mirror(self):
        """A static pod has a mirror pod with its status; the mirror comes back and goes with the file."""
        name = f'static-{NODE}'
        self.agent.write_manifest('static', shapes.pod('static'))
        mirror = self.agent.wait_api_ready(name)
        self.assertEqual(mirror['metadata']['ownerReferences'][0]['uid'], self.cluster.node_object()['metadata']['uid'])
        notes = mirror['metadata']['annotations']
        self.assertEqual(notes['kubernetes.io/config.mirror'], notes['kubernetes.io/config.hash'])
        started = shapes.running(mirror)['startedAt']
        # kubectl waits in vain now and then for a pod that is there again at once, with a real kubelet too
        self.cluster.kubectl('delete', 'pod', name, '--wait=false')
        again = self.agent.wait_api_pod(name, 'another mirror', lambda item: item['metadata']['uid']
                                        != mirror['metadata']['uid'] and shapes.ready(item))
        self.assertEqual(shapes.running(again)['startedAt'], started, 'the static pod itself runs on')
        changed = shapes.pod('static', container={'env': [{'name': 'NEW', 'value': '1'}]}, grace=1)
        self.agent.write_manifest('static', changed)
        self.agent.wait_api_pod(name, 'the mirror of the changed pod', lambda item: shapes.ready(item) and item[
            'metadata']['annotations']['kubernetes.io/config.hash'] != notes['kubernetes.io/config.hash'])
        self.agent.remove_manifest('static')
        self.agent.wait_api_gone(name)

    def test_not_confused(self):
        """A pod of the API server that only looks like a mirror pod is removed, and no static pod is touched."""
        self.agent.write_manifest('static', shapes.pod('static'))
        self.agent.wait_api_ready(f'static-{NODE}')
        fake = pod('fake')
        fake['metadata']['annotations'] = {'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.source': 'api'}
        self.cluster.create(fake)
        self.agent.wait_api_gone('fake')
        self.assertTrue(shapes.ready(self.cluster.pod(f'static-{NODE}')))


if __name__ == '__main__':
    unittest.main()
