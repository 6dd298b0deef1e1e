"""A standalone node's ConfigMaps, Secrets and RuntimeClasses: manifests beside the pods."""
import unittest

from lab import pods
from lab.case import AgentCase


def config_map(name, **data):
    """A ConfigMap of the namespace default."""
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name}, 'data': data}


def secret(name, **data):
    """A Secret of the namespace default, its values as texts."""
    return {'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': name}, 'stringData': data}


class Objects(AgentCase):
    """What pods get of objects that are files."""

    config = {'syncFrequency': '1s', 'fileCheckFrequency': '1s'}
    arguments = ('--enable-fault-injection',)

    def log_of(self, pod, container='main'):
        """What the container has written."""
        path = self.agent.logs / f'default_{pod["metadata"]["name"]}_{pod["metadata"]["uid"]}' / container / '0.log'
        return path.read_text() if path.exists() else ''

    def wait_log(self, pod, text):
        self.agent.wait(f'the log says {text}', lambda: text in self.log_of(pod))

    def test_environment_and_files(self):
        self.agent.write_manifest('conf', config_map('conf', A='1', B='two words'))
        self.agent.write_manifest('cred', secret('cred', PASS='s3cret'))
        self.agent.write_manifest('user', pods.pod(
            'user', 'env | grep -E "^(ONE|PW|P_B|OPT)="; cat /c/sub/a /s/PASS /p/x/b; ls -l /c/..data/sub/a; ' + pods.FOREVER,
            container={
                'env': [{'name': 'ONE', 'valueFrom': {'configMapKeyRef': {'name': 'conf', 'key': 'A'}}},
                        {'name': 'PW', 'valueFrom': {'secretKeyRef': {'name': 'cred', 'key': 'PASS'}}},
                        {'name': 'OPT', 'valueFrom': {'secretKeyRef': {'name': 'none', 'key': 'x', 'optional': True}}}],
                'envFrom': [{'configMapRef': {'name': 'conf'}, 'prefix': 'P_'}],
                'volumeMounts': [{'name': name, 'mountPath': f'/{name}'} for name in 'csp']},
            volumes=[{'name': 'c', 'configMap': {'name': 'conf', 'items': [{'key': 'A', 'path': 'sub/a', 'mode': 0o400}]}},
                     {'name': 's', 'secret': {'secretName': 'cred'}},
                     {'name': 'p', 'projected': {'sources': [
                         {'configMap': {'name': 'conf', 'items': [{'key': 'B', 'path': 'x/b'}]}}]}}]))
        pod = self.agent.wait_ready_pod('user')
        for line in ('ONE=1', 'PW=s3cret', 'P_B=two words', '1s3crettwo words', '-r--------'):
            self.wait_log(pod, line)
        self.assertNotIn('OPT=', self.log_of(pod))
        self.assertNotIn('s3cret', self.agent.text())

    def test_changes_reach_running_containers(self):
        self.agent.write_manifest('conf', config_map('conf', a='old'))
        self.agent.write_manifest('watcher', pods.pod(
            'watcher', 'trap "exit 0" TERM; while :; do echo $(cat /c/* /o/*); sleep 0.2; done',
            container={'volumeMounts': [{'name': name, 'mountPath': f'/{name}'} for name in 'co']},
            volumes=[{'name': 'c', 'configMap': {'name': 'conf'}},
                     {'name': 'o', 'secret': {'secretName': 'later', 'optional': True}}]))
        pod = self.agent.wait_ready_pod('watcher')
        self.wait_log(pod, 'old')
        self.agent.write_manifest('conf', config_map('conf', b='new'))
        self.wait_log(pod, 'new')
        self.agent.write_manifest('later', secret('later', k='at last'))
        self.wait_log(pod, 'at last')
        pod = self.agent.pod('watcher')
        self.assertEqual(pods.container(pod)['restartCount'], 0)

    def test_changes_arrive_whoever_was_killed(self):
        self.agent.write_manifest('conf', config_map('conf', a='0'))
        self.agent.write_manifest('watcher', pods.pod(
            'watcher', 'trap "exit 0" TERM; while :; do echo $(cat /c/*); sleep 0.2; done',
            container={'volumeMounts': [{'name': 'c', 'mountPath': '/c'}]}, volumes=[{'name': 'c', 'configMap': {'name': 'conf'}}]))
        pod = self.agent.wait_ready_pod('watcher')
        worker = f'pod-worker/default_{pod["metadata"]["name"]}_{pod["metadata"]["uid"]}'
        for number, victim in enumerate(('manifest-watcher', 'volume-manager', worker), 1):
            self.agent.fault('kill', victim)
            self.agent.write_manifest('conf', config_map('conf', a=f'after {victim[:10]} {number}'))
            self.wait_log(pod, f'after {victim[:10]} {number}')
        self.assertEqual(pods.container(self.agent.pod('watcher'))['restartCount'], 0)

    def test_a_pod_waits_for_what_its_volumes_need(self):
        self.agent.write_manifest('early', pods.pod(
            'early', container={'volumeMounts': [{'name': 'v', 'mountPath': '/v'}]},
            volumes=[{'name': 'v', 'configMap': {'name': 'absent'}}]))
        text = 'MountVolume.SetUp failed for volume "v" : configmap "absent" not found'
        self.agent.wait('the event is recorded', lambda: text in self.agent.text().replace('\\"', '"'))
        self.assertEqual(pods.waiting(self.agent.pod('early')), 'ContainerCreating')
        self.agent.write_manifest('absent', config_map('absent', a='1'))
        self.agent.wait_ready_pod('early')

    def test_a_container_waits_for_what_its_environment_needs(self):
        self.agent.write_manifest('early', pods.pod(
            'early', container={'envFrom': [{'secretRef': {'name': 'absent'}}]}))
        pod = self.agent.wait_pod('early', 'waits for its Secret',
                                  lambda item: pods.waiting(item) == 'CreateContainerConfigError')
        self.assertEqual(pods.container(pod)['state']['waiting']['message'], 'secret "absent" not found')
        self.agent.write_manifest('absent', secret('absent', A='1'))
        self.agent.wait_ready_pod('early')

    def test_a_runtime_class_names_the_handler(self):
        self.agent.write_manifest('runc', {'apiVersion': 'node.k8s.io/v1', 'kind': 'RuntimeClass',
                                           'metadata': {'name': 'usual'}, 'handler': 'runc'})
        self.agent.write_manifest('usual', pods.pod('usual', runtimeClassName='usual'))
        self.agent.wait_ready_pod('usual')
        self.agent.write_manifest('odd', pods.pod('odd', runtimeClassName='odd'))
        text = 'Failed to create pod sandbox: runtimeclass.node.k8s.io "odd" not found'
        self.agent.wait('the event is recorded', lambda: text in self.agent.text().replace('\\"', '"'))

    def test_a_runtime_without_user_namespaces_says_so(self):
        self.agent.write_manifest('alone', pods.pod('alone', hostUsers=False))
        text = ("Failed to create pod sandbox: can't set `spec.hostUsers: false`, "
                'runtime does not support user namespaces')
        self.agent.wait('the event is recorded', lambda: text in self.agent.text())
        self.assertTrue(list(self.agent.root.glob('pods/*/userns')))
        self.agent.remove_manifest('alone')
        self.agent.wait_gone('alone')
        self.assertFalse(list(self.agent.root.glob('pods/*')))


if __name__ == '__main__':
    unittest.main()
