"""The lab itself: a test that fails here says nothing about the agent."""
import json
import pathlib
import unittest

from lab import images, system
from lab.case import LabCase


class TheLab(LabCase):
    """containerd, its images and network, the registry."""

    def test_images_are_imported(self):
        names = self.containerd.runtime.images()
        for image in ('busybox', 'nginx', 'pause', 'agnhost'):
            for name in images.NAMES[image]:
                self.assertIn(name, names)

    def test_a_container_runs(self):
        out = self.containerd.ctr('run', '--rm', '--net-host', images.NAMES['busybox'][0], 'lab-echo', 'sh', '-c',
                                  'echo hello from $(whoami)')
        self.assertEqual(out.strip(), 'hello from root')

    def test_nginx_image_serves_its_page(self):
        # the image's own configuration wants port 80, which the node may be using: check it, and look at the page
        out = self.containerd.ctr('run', '--rm', '--net-host', images.NAMES['nginx'][0], 'lab-nginx', 'sh', '-c',
                                  'nginx -t && cat /usr/share/nginx/html/index.html')
        self.assertIn('Welcome to nginx!', out)

    def test_pulls_from_the_registry_over_plain_http(self):
        registry = self.registry()
        self.containerd.ctr('images', 'pull', '--plain-http', registry.image)
        self.assertIn(registry.image, self.containerd.ctr('images', 'list', '--quiet'))
        self.containerd.runtime.remove_image(registry.image)

    def test_restart_and_crash_of_the_runtime(self):
        self.containerd.restart()
        self.containerd.crash()
        self.containerd.start()
        self.assertIn(images.NAMES['busybox'][0], self.containerd.runtime.images())

    def test_a_second_lab_does_not_clash(self):
        other = self.new_containerd()
        self.assertNotEqual(other.subnet, self.containerd.subnet)
        self.assertIn(images.NAMES['pause'][0], other.runtime.images())
        other.remove()
        links = [row['ifname'] for row in json.loads(system.run('ip', '-json', 'link'))]
        self.assertNotIn(other.bridge, links)
        self.assertIn(self.containerd.bridge, links)
        self.assertNotIn(other.place, pathlib.Path('/proc/self/mountinfo').read_text())

    def test_a_runtime_that_cannot_start_says_why(self):
        other = self.new_containerd(create=False)
        with open(f'{other.place}/config.toml', 'w') as file:
            file.write('version = "nonsense\n')
        with self.assertRaisesRegex(system.LabError, '(?s)containerd ended.*config'):
            other.start()

    def test_agnhost_answers(self):
        script = ('/agnhost netexec --http-port 18734 & sleep 0.1; for i in $(seq 100); do wget -qO- 127.0.0.1:18734/healthz && break; sleep 0.1; done;'
                  ' wget -qO- "127.0.0.1:18734/echo?msg=over%20here"')
        out = self.containerd.ctr('run', '--rm', images.NAMES['agnhost'][0], 'lab-agnhost', 'sh', '-c',
                                  'ip link set lo up; ' + script)
        self.assertIn('over here', out)


if __name__ == '__main__':
    unittest.main()
