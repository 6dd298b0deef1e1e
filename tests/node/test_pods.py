"""Pods start as their manifests say."""
import json
import os
import pathlib
import tempfile
import unittest
import urllib.request

from lab import pods
from lab.case import AgentCase


class Starting(AgentCase):
    """From a file in the manifest directory to a Pod that is Ready."""

    def test_nginx_serves_its_page(self):
        self.agent.write_manifest('nginx', pods.pod('nginx', script=None, image=pods.NGINX))
        pod = self.agent.wait_ready_pod('nginx')
        with urllib.request.urlopen(f'http://{pod["status"]["podIP"]}/', timeout=10) as page:
            self.assertIn('Welcome to nginx!', page.read().decode())
        self.assertEqual(pod['metadata']['namespace'], 'default')
        self.assertEqual(pod['spec']['nodeName'], 'lab-node')
        self.assertRegex(pods.container(pod)['containerID'], r'^containerd://[0-9a-f]{64}$')

    def test_init_containers_run_in_order(self):
        with tempfile.TemporaryDirectory() as place:
            def step(name):
                return {'name': name, 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent',
                        'command': ['sh', '-c', f'echo {name} begins >> /d/steps; sleep 0.5; echo {name} ends >> /d/steps'],
                        'volumeMounts': [{'name': 'd', 'mountPath': '/d'}]}
            main = {**step('main'), 'command': ['sh', '-c', 'echo main begins >> /d/steps; ' + pods.FOREVER]}
            self.agent.write_manifest('order', pods.pod(
                'order', initContainers=[step('first'), step('second')], containers=[main],
                volumes=[{'name': 'd', 'hostPath': {'path': place, 'type': 'Directory'}}]))
            pod = self.agent.wait_ready_pod('order')
            self.assertEqual(pathlib.Path(place, 'steps').read_text().splitlines(),
                             ['first begins', 'first ends', 'second begins', 'second ends', 'main begins'])
        for name in ('first', 'second'):
            status = pods.container(pod, name)
            self.assertEqual(status['state']['terminated']['reason'], 'Completed')
            self.assertTrue(status['ready'])
        self.assertTrue(pods.condition(pod, 'Initialized'))

    def test_thirty_pods_at_once(self):
        names = [f'many-{number}' for number in range(30)]
        for name in names:
            self.agent.write_manifest(name, pods.pod(name, grace=1))
        for name in names:
            self.agent.wait_ready_pod(name)
        shown = self.agent.pods()
        self.assertEqual(len(shown), 30)
        self.assertEqual(len({pod['status']['podIP'] for pod in shown}), 30)
        self.assertEqual([pods.container(pod)['restartCount'] for pod in shown], [0] * 30)
        for name in names:
            self.agent.remove_manifest(name)
        self.agent.wait('no pod is left', lambda: self.agent.pods() == [])

    def test_a_file_of_json_and_a_pod_of_the_host_network(self):
        self.agent.write_manifest('host.json', json.dumps(pods.pod('host', hostNetwork=True)))
        container = pods.container(self.agent.wait_ready_pod('host'))['containerID'].split('//')[1]
        tasks = [line.split() for line in self.containerd.ctr('tasks', 'list').splitlines()]
        pid = next(row[1] for row in tasks if row[0] == container)
        self.assertEqual(os.readlink(f'/proc/{pid}/ns/net'), os.readlink('/proc/self/ns/net'))

    def test_the_output_of_a_container_is_in_its_log_file(self):
        self.agent.write_manifest('talker', pods.pod('talker', 'echo hello log; ' + pods.FOREVER))
        pod = self.agent.wait_ready_pod('talker')
        log = (self.agent.logs / f'default_{pod["metadata"]["name"]}_{pod["metadata"]["uid"]}' / 'main' / '0.log')
        self.agent.wait('the line is in the log', lambda: log.exists() and 'stdout F hello log' in log.read_text())


if __name__ == '__main__':
    unittest.main()
