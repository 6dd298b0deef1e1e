"""Images of a private registry: with the pod's Secret, the node's docker configuration, or a plugin."""
import base64
import json
import os
import pathlib
import unittest

from lab import pods
from lab.case import AgentCase, LabCase
from lab.registry import Registry

USER, PASSWORD = 'lab', 'pa55:word'

PLUGIN = """\
#!/bin/sh
cat > /dev/null
cat << END
{{"kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
 "cacheKeyType": "Registry", "auth": {{"{host}": {{"username": "{user}", "password": "{password}"}}}}}}
END
"""


def auths(host, user=USER, password=PASSWORD):
    """A docker configuration that knows one registry."""
    return json.dumps({'auths': {host: {'auth': base64.b64encode(f'{user}:{password}'.encode()).decode()}}})


class PullSecrets(AgentCase):
    """Who may pull."""

    _private = None

    @property
    def private(self):
        """A registry that lets in one user, shared by the tests."""
        if PullSecrets._private is None:
            PullSecrets._private = Registry(USER, PASSWORD).start()
            self.containerd.mirror(PullSecrets._private.host, f'http://{PullSecrets._private.host}')
        return PullSecrets._private

    @classmethod
    def tearDownClass(cls):
        # other tests pull the same content by another name, and are told the name that the runtime has first
        if PullSecrets._private and LabCase._containerd:
            LabCase._containerd.ctr('images', 'rm', PullSecrets._private.image)

    def setUp(self):
        self.image = self.private.image
        super().setUp()

    def pod(self, name, **spec):
        return pods.pod(name, image=self.image, container={'imagePullPolicy': 'Always'}, **spec)

    def test_the_secret_of_the_pod(self):
        self.agent.write_manifest('anonymous', self.pod('anonymous'))
        self.agent.wait_pod('anonymous', 'is refused', lambda item: pods.waiting(item) in ('ErrImagePull', 'ImagePullBackOff'))
        for name, password in (('wrong', 'x'), ('right', PASSWORD)):
            self.agent.write_manifest(name, {
                'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': name}, 'type': 'kubernetes.io/dockerconfigjson',
                'stringData': {'.dockerconfigjson': auths(self.private.host, password=password)}})
        self.agent.write_manifest('known', self.pod(
            'known', imagePullSecrets=[{'name': 'missing'}, {'name': 'wrong'}, {'name': 'right'}]))
        self.agent.wait_ready_pod('known')
        self.assertIn('Unable to retrieve some image pull secrets (missing)', self.agent.text())
        self.assertNotIn(PASSWORD, self.agent.text())

    def test_the_configuration_of_the_node(self):
        pathlib.Path(self.agent.root, 'config.json').write_text(auths(self.private.host))
        self.agent.write_manifest('node', self.pod('node'))
        self.agent.wait_ready_pod('node')


class Plugins(PullSecrets):
    """The exec credential provider plugins."""

    def setUp(self):
        self.image = self.private.image
        place = pathlib.Path(self.private.place)
        plugin = place / 'lab-provider'
        plugin.write_text(PLUGIN.format(host=self.private.host, user=USER, password=PASSWORD))
        os.chmod(plugin, 0o755)
        (place / 'providers.yaml').write_text(json.dumps({
            'apiVersion': 'kubelet.config.k8s.io/v1', 'kind': 'CredentialProviderConfig', 'providers': [{
                'name': 'lab-provider', 'matchImages': [self.private.host], 'defaultCacheDuration': '1m',
                'apiVersion': 'credentialprovider.kubelet.k8s.io/v1'}]}))
        self.arguments = ('--image-credential-provider-config', str(place / 'providers.yaml'),
                          '--image-credential-provider-bin-dir', str(place))
        super().setUp()

    test_the_secret_of_the_pod = None
    test_the_configuration_of_the_node = None

    def test_a_plugin(self):
        self.agent.write_manifest('plugin', self.pod('plugin'))
        self.agent.wait_ready_pod('plugin')


if __name__ == '__main__':
    unittest.main()
