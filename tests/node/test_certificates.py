"""A node that gets its certificates from the cluster: bootstrap, rotation, the serving certificate."""
import base64
import json
import unittest

from lab.case import JoinedCase
from lab.cluster import JoinedAgent

REQUESTS = 'certificatesigningrequests.certificates.k8s.io'


class Bootstrap(JoinedCase):
    """An agent that has nothing but a bootstrap token."""

    start = False
    config = {'rotateCertificates': True, 'serverTLSBootstrap': True}

    def new_agent(self, **options):
        """With a kubeconfig that does not exist yet."""
        place = self.cluster.place
        bootstrap = self.server.bootstrap_kubeconfig(place / 'bootstrap.kubeconfig')
        agent = JoinedAgent(self.containerd, self.cluster, kubeconfig=place / 'kubelet.kubeconfig',
                            bootstrap=bootstrap, **{'config': self.config, **options})
        self.addCleanup(agent.remove)
        return agent

    def requests(self, signer):
        """The names of the certificate requests that were issued."""
        return [item['metadata']['name'] for item in self.server.objects(REQUESTS)
                if item['spec']['signerName'] == signer and item.get('status', {}).get('certificate')]

    def wait_pods_are_read(self):
        """Wait until the agent lists its pods as the node, with the certificate it got."""
        self.agent.wait('the pods are listed with the first certificate', lambda: any(
            row['code'] == 200 for row in self.server.requests('list', '/api/v1/pods')))

    def test_a_node_joins_with_a_bootstrap_token(self):
        """It gets a certificate, writes its kubeconfig, and works with that."""
        self.agent.launch()
        self.wait_pods_are_read()
        names = self.requests('kubernetes.io/kube-apiserver-client-kubelet')
        self.assertEqual(len(names), 1, names)
        self.assertRegex(names[0], '^node-csr-[-_A-Za-z0-9]{43}$')
        self.assertIn('kubelet-client-current.pem', (self.cluster.place / 'kubelet.kubeconfig').read_text())
        self.assertEqual([path.name for path in (self.agent.root / 'pki').glob('*.tmp*')], [])
        self.agent.stop()
        self.agent.launch()  # what it has is good: nothing is asked for
        seen = len(self.server.requests('list', '/api/v1/pods'))
        self.agent.wait('the pods are listed again', lambda: len(self.server.requests('list', '/api/v1/pods')) > seen)
        self.assertEqual(self.requests('kubernetes.io/kube-apiserver-client-kubelet'), names)

    def test_a_certificate_is_replaced_in_time_and_watches_go_on(self):
        """A short-lived certificate is followed by another one; pods that come then are seen."""
        self.server.certificate_seconds = 40
        self.agent.launch()
        self.wait_pods_are_read()
        self.agent.wait('there is a second certificate', lambda: len(
            self.requests('kubernetes.io/kube-apiserver-client-kubelet')) > 1, deadline=120)
        self.server.certificate_seconds = None
        before = len(self.server.requests('watch', '/api/v1/pods'))
        self.agent.wait('the pods are watched with it', lambda: len(
            self.server.requests('watch', '/api/v1/pods')) > before, deadline=60)
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'late'}, 'spec': {
            'nodeName': self.cluster.node, 'containers': [{'name': 'c', 'image': 'none'}]}})
        self.agent.wait('the pod is seen', lambda: 'ADD source=api pod=default/late ' in self.agent.text())

    def test_a_denied_request_is_made_again(self):
        """Nobody approves at first."""
        self.server.approve = False
        self.agent.launch()
        self.agent.wait('a certificate is asked for', lambda: self.server.objects(REQUESTS))
        self.agent.kill()
        self.agent.launch()  # the same request is found again
        self.agent.wait('it is looked for', lambda: [row for row in self.server.requests('create')
                                                     if row['code'] == 409 and 'signingrequests' in row['uri']])
        self.assertEqual(len(self.server.objects(REQUESTS)), 1)


class Serving(JoinedCase):
    """An agent whose server's certificate comes from the cluster."""

    start = False
    config = {'serverTLSBootstrap': True}

    def test_the_serving_certificate_names_the_nodes_addresses(self):
        """The request has the addresses of the Node, and the certificate is put where the server looks."""
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': self.cluster.node}}, None)
        self.cluster.edit('nodes', self.cluster.node, lambda node: node.setdefault('status', {}).update(
            addresses=[{'type': 'InternalIP', 'address': self.agent.address},
                       {'type': 'Hostname', 'address': self.cluster.node}]), None)
        self.agent.launch()
        current = self.agent.root / 'pki' / 'kubelet-server-current.pem'
        self.agent.wait('the serving certificate is there', current.exists)
        asked = [item for item in self.server.objects(REQUESTS)
                 if item['spec']['signerName'] == 'kubernetes.io/kubelet-serving']
        self.assertEqual(json.dumps(asked[0]['spec']['usages']), '["digital signature", "server auth"]')
        self.assertIn('CERTIFICATE REQUEST', base64.b64decode(asked[0]['spec']['request']).decode())


if __name__ == '__main__':
    unittest.main()
