"""ConfigMaps, Secrets, tokens, Services and claims of a cluster, as pods of a joined node see them."""
import pathlib
import tempfile
import unittest

from lab import pods
from lab.case import JoinedCase


def config_map(name, **data):
    """A ConfigMap."""
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name}, 'data': data}


class ObjectCase(JoinedCase):
    """Pods that use objects."""

    config = {'syncFrequency': '1s'}

    def create_pod(self, name, *words, **spec):
        """A Pod bound to the node."""
        item = pods.pod(name, *words, nodeName=self.cluster.node, **spec)
        return self.cluster.create(item)

    def wait_log(self, name, text):
        """Wait until the container has written a text."""
        def look():
            pod = self.cluster.pod(name)
            path = self.agent.logs / f'default_{name}_{pod["metadata"]["uid"]}' / 'main' / '0.log'
            return path.exists() and text in path.read_text()
        self.agent.wait(f'the log of {name} says {text}', look)

    def change_config_map(self):
        """A pod that uses a ConfigMap in its environment and in a volume, and sees it change there."""
        self.cluster.create(config_map('conf', a='old'))
        self.create_pod('user', 'echo $A; ' + 'trap "exit 0" TERM; while :; do echo $(cat /c/*); sleep 0.2; done',
                        container={'env': [{'name': 'A', 'valueFrom': {'configMapKeyRef': {'name': 'conf', 'key': 'a'}}}],
                                   'volumeMounts': [{'name': 'c', 'mountPath': '/c'}]},
                        volumes=[{'name': 'c', 'configMap': {'name': 'conf'}}])
        self.agent.wait_api_ready('user')
        self.wait_log('user', 'old')
        self.cluster.edit('configmaps', 'conf', lambda item: item['data'].update(a='new'))
        self.wait_log('user', 'new')


class ReadObjects(ObjectCase):
    """Objects that are not watched."""

    config = {'syncFrequency': '1s', 'configMapAndSecretChangeDetectionStrategy': 'Get'}

    def test_objects_are_read_with_each_sync(self):
        self.change_config_map()
        asked = [(row['verb'], row['uri']) for row in self.server.requests(path='/configmaps')]
        self.assertIn(('get', '/api/v1/namespaces/default/configmaps/conf'), asked)
        self.assertEqual({verb for verb, _ in asked}, {'get'}, asked)


class JoinedObjects(ObjectCase):
    """What pods get from the API server."""

    def test_objects_and_their_changes(self):
        self.change_config_map()

    def test_what_is_missing_is_waited_for(self):
        self.create_pod('early', container={'volumeMounts': [{'name': 'v', 'mountPath': '/v'}]},
                        volumes=[{'name': 'v', 'configMap': {'name': 'absent'}}])
        event = self.agent.wait_event('early', 'FailedMount')
        self.assertEqual(event['message'], 'MountVolume.SetUp failed for volume "v" : configmap "absent" not found')
        self.cluster.create(config_map('absent', a='1'))
        self.agent.wait_api_ready('early')

    def test_tokens_and_services(self):
        self.create_pod('user', 'env | grep KUBERNETES_SERVICE; echo token $(wc -c < /t/token); ' + pods.FOREVER,
                        container={'volumeMounts': [{'name': 't', 'mountPath': '/t'}]}, serviceAccountName='default',
                        volumes=[{'name': 't', 'projected': {'sources': [
                            {'serviceAccountToken': {'path': 'token', 'audience': 'lab', 'expirationSeconds': 600}}]}}])
        self.agent.wait_api_ready('user')
        self.wait_log('user', 'KUBERNETES_SERVICE_HOST=')
        self.wait_log('user', 'token ')

    def test_a_local_volume(self):
        with tempfile.TemporaryDirectory() as place:
            pathlib.Path(place, 'file').write_text('kept')
            claim = self.cluster.create({
                'apiVersion': 'v1', 'kind': 'PersistentVolumeClaim', 'metadata': {'name': 'data'},
                'spec': {'accessModes': ['ReadWriteOnce'], 'volumeName': 'disk', 'storageClassName': '',
                         'resources': {'requests': {'storage': '1Gi'}}}})
            self.cluster.create({
                'apiVersion': 'v1', 'kind': 'PersistentVolume', 'metadata': {'name': 'disk'},
                'spec': {'capacity': {'storage': '1Gi'}, 'accessModes': ['ReadWriteOnce'], 'local': {'path': place},
                         'claimRef': {'kind': 'PersistentVolumeClaim', 'namespace': 'default', 'name': 'data',
                                      'uid': claim['metadata']['uid']}}}, None)
            self.cluster.edit('persistentvolumeclaims', 'data', lambda item: item.update(status={'phase': 'Bound'}))
            self.create_pod('user', 'cat /d/file; echo " by $(stat -c %g /d)"; echo more > /d/more; ' + pods.FOREVER,
                            container={'volumeMounts': [{'name': 'd', 'mountPath': '/d'}]}, securityContext={'fsGroup': 2000},
                            volumes=[{'name': 'd', 'persistentVolumeClaim': {'claimName': 'data'}}])
            self.agent.wait_api_ready('user')
            self.wait_log('user', 'kept by 2000')
            self.cluster.delete('pods', 'user', gracePeriodSeconds=1)
            self.agent.wait_api_gone('user')
            self.assertEqual(sorted(path.name for path in pathlib.Path(place).iterdir()), ['file', 'more'])


if __name__ == '__main__':
    unittest.main()
