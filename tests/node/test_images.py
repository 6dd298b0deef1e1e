"""Images are pulled, or not, as the pull policy says, and failures are told as upstream tells them."""
import unittest

from lab import pods, system
from lab.case import AgentCase


class Images(AgentCase):
    """Pull policies, present and absent images."""

    def start(self, name, image, policy):
        """Write a pod with this image."""
        self.agent.write_manifest(name, pods.pod(name, image=image, container={'imagePullPolicy': policy}))

    def test_never_pull_an_absent_image(self):
        self.start('never', 'nope.local/missing:1', 'Never')
        pod = self.agent.wait_pod('never', 'ErrImageNeverPull', lambda pod: pods.waiting(pod) == 'ErrImageNeverPull')
        self.assertEqual(pods.container(pod)['state']['waiting']['message'],
                         'Container image "nope.local/missing:1" is not present with pull policy of Never')
        self.assertEqual(pods.phase(pod), 'Pending')

    def test_absent_image(self):
        image = f'{self.registry().host}/missing:1'
        self.start('absent', image, 'IfNotPresent')
        seen = set()
        pod = self.agent.wait_pod('absent', 'ImagePullBackOff', lambda pod: seen.add(pods.waiting(pod))
                                  or pods.waiting(pod) == 'ImagePullBackOff')
        self.assertIn('ErrImagePull', seen)
        self.assertTrue(pods.container(pod)['state']['waiting']['message'].startswith(f'Back-off pulling image "{image}"'))

    def test_invalid_image_name(self):
        self.start('invalid', 'Bad Name:::', 'IfNotPresent')
        self.agent.wait_pod('invalid', 'InvalidImageName', lambda pod: pods.waiting(pod) == 'InvalidImageName')

    def test_pull_from_a_registry(self):
        image = self.registry().image
        system.run('ctr', '--address', self.containerd.socket, '--namespace', 'k8s.io', 'images', 'remove', '--sync', image,
                   check=False)
        system.wait_for('the image is absent', lambda: image not in self.containerd.runtime.images())
        for name, policy in (('pulled', 'IfNotPresent'), ('again', 'Always')):
            with self.subTest(policy):
                self.start(name, image, policy)
                pod = self.agent.wait_ready_pod(name)
                self.assertEqual(pods.container(pod)['image'], image)
        self.assertIn(image, self.containerd.runtime.images())

    def test_a_failing_pull_holds_nobody_up(self):
        # one pod waits for an image nobody has; another is not held up by it
        self.start('stuck', f'{self.registry().host}/missing:1', 'Always')
        self.start('free', pods.BUSYBOX, 'IfNotPresent')
        self.agent.wait_ready_pod('free')
        self.assertNotEqual(pods.phase(self.agent.pod('stuck')), 'Running')


if __name__ == '__main__':
    unittest.main()
