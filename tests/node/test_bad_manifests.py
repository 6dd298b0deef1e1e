"""Whatever is put into the manifest directory, good pods run on and the log says what was wrong."""
import copy
import json
import os
import unittest

from lab import pods
from lab.case import AgentCase


def changed(path, value):
    """A good pod named `bad` with one field set (or deleted, with None)."""
    manifest = copy.deepcopy(pods.pod('bad'))
    at = manifest
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return manifest


MAIN = ('spec', 'containers', 0)
VOLUMES = ('spec', 'volumes')

# Name of the file and what is in it. None of them may start anything, disturb anything, or end the agent.
BAD = {
    'junk.yaml': bytes(range(256)) * 64,
    'zeros.yaml': bytes(4096),
    'empty.yaml': b'',
    'only-comment.yaml': b'# nothing\n',
    'null.json': b'null',
    'number.yaml': b'42\n',
    'list.yaml': b'- apiVersion: v1\n- kind: Pod\n',
    'tab.yaml': b'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: bad\n',
    'unclosed.yaml': b'apiVersion: v1\nkind: "Pod\n',
    'truncated.json': json.dumps(pods.pod('bad')).encode()[:-20],
    'not-utf8.yaml': b'apiVersion: v1\nkind: Pod\nmetadata:\n  name: "\xff\xfe"\n',
    'deep.json': b'[' * 200000,
    'deep.yaml': b'- ' * 100000 + b'x\n',
    'laughs.yaml': b'a: &a [x,x,x,x,x,x,x,x,x,x]\n' + b''.join(
        b'%c: &%c [%s]\n' % (97 + i, 97 + i, b','.join([b'*%c' % (96 + i)] * 10)) for i in range(1, 10)),
    'deployment.yaml': {'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': 'bad'}, 'spec': {}},
    'wrong-kind.yaml': changed(('kind',), 'Node'),
    'wrong-api-version.yaml': changed(('apiVersion',), 'v2'),
    'no-kind.yaml': changed(('kind',), None),
    'no-name.yaml': changed(('metadata', 'name'), None),
    'bad-name.yaml': changed(('metadata', 'name'), 'Not_A_Name!'),
    'path-name.yaml': changed(('metadata', 'name'), '../../etc/bad'),
    'long-name.yaml': changed(('metadata', 'name'), 'x' * 300),
    'bad-namespace.yaml': changed(('metadata', 'namespace'), '../up'),
    'no-spec.yaml': changed(('spec',), None),
    'no-containers.yaml': changed(('spec', 'containers'), []),
    'containers-map.yaml': changed(('spec', 'containers'), {'name': 'main'}),
    'duplicate-containers.yaml': changed(('spec', 'containers'), pods.pod('bad')['spec']['containers'] * 2),
    'bad-container-name.yaml': changed(MAIN + ('name',), 'Main Container'),
    'no-image.yaml': changed(MAIN + ('image',), None),
    'unknown-volume.yaml': changed(MAIN + ('volumeMounts',), [{'name': 'absent', 'mountPath': '/x'}]),
    'duplicate-mounts.yaml': {**changed(MAIN + ('volumeMounts',), [{'name': 'v', 'mountPath': '/x'}] * 2)},
    'escaping-subpath.yaml': changed(MAIN + ('volumeMounts',), [{'name': 'v', 'mountPath': '/x', 'subPath': '../..'}]),
    'bad-pull-policy.yaml': changed(MAIN + ('imagePullPolicy',), 'Sometimes'),
    'bad-restart-policy.yaml': changed(('spec', 'restartPolicy'), 'Perhaps'),
    'bad-quantity.yaml': changed(MAIN + ('resources',), {'limits': {'memory': 'a lot'}}),
    'request-above-limit.yaml': changed(MAIN + ('resources',), {'limits': {'cpu': '1'}, 'requests': {'cpu': '2'}}),
    'bad-port.yaml': changed(MAIN + ('ports',), [{'containerPort': 70000}]),
    'name-a-number.yaml': changed(('metadata', 'name'), 7),
    'command-a-map.yaml': changed(MAIN + ('command',), {'sh': '-c'}),
    'grace-a-word.yaml': changed(('spec', 'terminationGracePeriodSeconds'), 'soon'),
    'host-network-a-word.yaml': changed(('spec', 'hostNetwork'), 'yes please'),
    'claim-volume.yaml': changed(VOLUMES, [{'name': 'v', 'persistentVolumeClaim': {'claimName': 'x'}}]),
    'service-account.yaml': changed(('spec', 'serviceAccountName'), 'robot'),
    'too-big.yaml': pods.to_yaml(pods.pod('bad')).encode() + b'# filling\n' * (1 << 20) + b'#' * (1 << 20),
}
for _name in ('duplicate-mounts.yaml', 'escaping-subpath.yaml'):
    BAD[_name]['spec']['volumes'] = [{'name': 'v', 'emptyDir': {}}]


class BadManifests(AgentCase):
    """Files that are no pods, next to files that are."""

    def check_undisturbed(self, before):
        """A pod that is added now starts, the one from before runs on, and no other pod is listed."""
        self.agent.write_manifest('zz-last', pods.pod('last'))
        self.agent.wait_ready_pod('last')
        after = self.agent.wait_ready_pod('good')
        for key in ('containerID', 'restartCount'):
            self.assertEqual(pods.container(before)[key], pods.container(after)[key])
        self.assertEqual(sorted(pod['metadata']['name'] for pod in self.agent.pods()), ['good-lab-node', 'last-lab-node'])

    def start_good(self):
        """The pod that must not notice anything."""
        self.agent.write_manifest('good', pods.pod('good'))
        return self.agent.wait_ready_pod('good')

    def test_bad_files(self):
        good = self.start_good()
        for name, content in BAD.items():
            self.agent.write_manifest(name, content)
        self.check_undisturbed(good)
        text = self.agent.text()
        unnamed = [name for name in BAD if name not in text]
        self.assertEqual(unnamed, [], 'the log does not name these files')

    def test_things_that_are_no_files(self):
        good = self.start_good()
        os.mkdir(self.agent.manifests / 'directory.yaml')
        os.symlink('/nowhere/at/all', self.agent.manifests / 'dangling.yaml')
        os.symlink('loop.yaml', self.agent.manifests / 'loop.yaml')
        os.symlink('/dev/zero', self.agent.manifests / 'endless.yaml')
        os.mkfifo(self.agent.manifests / 'fifo.yaml')
        self.check_undisturbed(good)

    def test_all_there_at_the_start(self):
        self.agent.stop()
        for name, content in BAD.items():
            self.agent.write_manifest(name, content)
        os.mkfifo(self.agent.manifests / 'aa-fifo.yaml')
        self.agent.write_manifest('good', pods.pod('good'))
        self.agent.start()
        self.check_undisturbed(self.agent.wait_ready_pod('good'))

    def test_same_name_in_two_files(self):
        good = self.start_good()
        self.agent.write_manifest('twin', pods.pod('good', 'echo twin; ' + pods.FOREVER))
        self.check_undisturbed(good)

    def test_a_mended_file_starts(self):
        path = self.agent.write_manifest('mended', BAD['tab.yaml'])
        self.agent.wait('the log names the file', lambda: path.name in self.agent.text())
        self.agent.write_manifest('mended', pods.pod('mended'))
        self.agent.wait_ready_pod('mended')

    def test_hidden_files_are_ignored(self):
        good = self.start_good()
        self.agent.write_manifest('.hidden.yaml', pods.pod('hidden'))
        self.check_undisturbed(good)


if __name__ == '__main__':
    unittest.main()
