"""A node that starts again while the API server is away: with --offline-autonomy its pods do so, too."""
import base64
import unittest

from lab import pods as shapes
from lab import system
from lab.agent import NODE
from lab.case import JoinedCase
from lab.cluster import outage

SECRET = 'geheimes-Wort-7531'


def used(name, script=shapes.FOREVER, **spec):
    """A pod bound to the node that needs a ConfigMap, a Secret and a token."""
    return shapes.pod(
        name, 'echo conf=$(cat /c/a) secret=$(cat /s/word) env=$WORD token=$(wc -c < /t/token); '
              'echo host=$KUBERNETES_SERVICE_HOST; ' + script,
        nodeName=NODE, grace=1, serviceAccountName='default', automountServiceAccountToken=False,
        container={'env': [{'name': 'WORD', 'valueFrom': {'secretKeyRef': {'name': 'secret', 'key': 'word'}}}],
                   'volumeMounts': [{'name': volume, 'mountPath': f'/{volume}'} for volume in 'cst']},
        volumes=[{'name': 'c', 'configMap': {'name': 'conf'}}, {'name': 's', 'secret': {'secretName': 'secret'}},
                 {'name': 't', 'projected': {'sources': [{'serviceAccountToken': {
                     'path': 'token', 'expirationSeconds': 3600}}]}}], **spec)


class Offline(JoinedCase):
    """One agent; the API server goes away, and then everything else does."""

    arguments = ('--offline-autonomy',)

    def setUp(self):
        super().setUp()
        self.cluster.create({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'conf'}, 'data': {'a': 'b'}})
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'secret'},
                             'data': {'word': base64.b64encode(SECRET.encode()).decode()}})

    def wait_on_node(self, name, predicate=shapes.ready, deadline=None):
        """Wait until the node itself says that of a pod, whatever the API server knows; that Pod."""
        def look():
            found = next((item for item in self.agent.pods() or [] if item['metadata']['name'] == name), None)
            return found if found and predicate(found) else None
        return self.agent.wait_value(f'{name} is as it should be on the node', look, deadline)

    def reboot(self):
        """What a reboot does to a node: no process, no sandbox, no mount is left; files are."""
        self.agent.kill()
        self.containerd.runtime.purge()
        system.remove_cgroup(f'{self.containerd.cgroup}/kubepods')
        system.unmount_below(self.agent.root)

    def files_with(self, text):
        """The files below the root directory that hold a text."""
        return [path for path in self.agent.root.rglob('*') if path.is_file() and text.encode() in path.read_bytes()]

    def wait_kept(self, *kinds):
        """Wait until the directory has a file of each kind."""
        place = self.agent.root / 'offline'
        self.agent.wait(f'{kinds} are kept', lambda: all(any(place.glob(f'{kind}_*')) for kind in kinds))

    def log_of(self, name, uid):
        """What the first container has written, over all its lives."""
        return ''.join(path.read_text() for path in sorted(
            (self.agent.logs / f'default_{name}_{uid}' / 'main').glob('*.log')))

    def check_no_secret_on_disk(self):
        """Neither in the clear nor as the API has it; mounted file systems are memory and gone now."""
        for text in (SECRET, base64.b64encode(SECRET.encode()).decode()):
            self.assertEqual(self.files_with(text), [])
            self.assertNotIn(text, self.agent.text())

    def test_reboot(self):
        uids = {name: self.cluster.create(used(name))['metadata']['uid'] for name in ('kept', 'doomed', 'changed')}
        for name in uids:
            self.agent.wait_api_ready(name)
        self.wait_kept('Node', 'Services', 'Pod', 'ConfigMap', 'Secret', 'Token')
        with outage(self.server, forget=True):
            self.reboot()
            self.check_no_secret_on_disk()
            self.assertEqual(self.containerd.runtime.containers(), [])
            self.agent.launch()
            for name, uid in uids.items():
                self.wait_on_node(name, deadline=120)
                rows = [line.split(' ', 3)[3] for line in self.log_of(name, uid).splitlines()]
                first = next(row for row in rows if row.startswith('conf='))
                self.assertIn(f'conf=b secret={SECRET} env={SECRET} token=', first)
                self.assertNotIn('token=0', first)
                self.assertEqual(rows.count(first), 2, 'before and after the reboot')
            self.cluster.delete('pods', 'doomed', gracePeriodSeconds=0)
            self.cluster.edit('pods', 'changed', lambda item: item['metadata'].setdefault('labels', {}).update(new='1'))
            self.cluster.create(used('born'))
        self.agent.wait('the deleted one is stopped', lambda: not self.agent.traces_of(uids['doomed']), 120)
        for name in ('kept', 'changed', 'born'):
            self.agent.wait_api_ready(name, deadline=120)
        self.wait_on_node('changed', lambda item: item['metadata']['labels'].get('new') == '1')
        self.agent.wait('what was kept of the deleted one is gone', lambda: len(
            list((self.agent.root / 'offline').glob('Pod_*'))) == 3)
        for name in list(uids)[::2] + ['born']:
            self.cluster.delete('pods', name)
        for name in list(uids)[::2] + ['born']:
            self.agent.wait_api_gone(name, deadline=120)
        self.agent.wait('nothing is kept that no pod needs', lambda: not [
            path for path in (self.agent.root / 'offline').iterdir()
            if path.name.split('_')[0] in ('Pod', 'Secret', 'ConfigMap', 'Token')])

    def test_a_server_that_hangs(self):
        """An API server that takes connections and never answers: static pods start at once, the others from what is kept."""
        pod = used('kept')
        for part in (pod['spec']['containers'][0]['volumeMounts'], pod['spec']['volumes']):
            part.pop()  # the token, for which the API server is waited 20 s
        self.cluster.create(pod)
        before = shapes.container(self.agent.wait_api_ready('kept'))['containerID']
        self.wait_kept('Node', 'Services', 'RuntimeClasses', 'Pod', 'ConfigMap', 'Secret')
        self.server.hang(True)
        self.addCleanup(lambda: self.cluster.server and self.server.hang(False))
        self.reboot()
        self.agent.write_manifest('static', shapes.pod('static', grace=1))
        self.agent.launch()
        self.agent.wait_ready_pod('static')
        self.wait_on_node('kept', deadline=120)
        self.server.hang(False)
        self.agent.wait_api_pod('kept', 'was restarted', lambda item: shapes.ready(item)
                                and shapes.container(item)['containerID'] != before, deadline=120)
        self.agent.wait_api_ready(f'static-{NODE}', deadline=120)

    def test_agent_restart(self):
        """Killed and started while the API server is away: the containers are the same, restarted, probed, reported later."""
        end = self.agent.place / 'end'
        end.mkdir()
        pod = used('crash', 'until [ -e /end/now ]; do sleep 0.1; done; rm /end/now; exit 7')
        main = pod['spec']['containers'][0]
        main['volumeMounts'].append({'name': 'end', 'mountPath': '/end'})
        main['readinessProbe'] = {'exec': {'command': ['test', '!', '-e', '/end/unready']}, 'periodSeconds': 1,
                                  'failureThreshold': 1}
        pod['spec']['volumes'].append({'name': 'end', 'hostPath': {'path': str(end)}})
        self.cluster.create(pod)
        before = shapes.container(self.agent.wait_api_ready('crash'))['containerID']
        self.wait_kept('Services', 'RuntimeClasses', 'Pod', 'ConfigMap', 'Secret', 'Token')
        with outage(self.server, forget=True):
            self.agent.kill()
            self.agent.launch()
            again = self.wait_on_node('crash', deadline=120)
            self.assertEqual(shapes.container(again)['containerID'], before)
            (end / 'unready').touch()
            self.wait_on_node('crash', lambda item: not shapes.ready(item))
            (end / 'unready').unlink()
            (end / 'now').touch()
            again = self.wait_on_node('crash', lambda item: shapes.container(item)['restartCount'] == 1
                                      and shapes.ready(item), deadline=120)
            self.assertNotEqual(shapes.container(again)['containerID'], before)
        self.agent.wait_api_pod('crash', 'was restarted', lambda item: shapes.container(item)['restartCount'] == 1
                                and shapes.ready(item), deadline=120)

    def test_damaged(self):
        """Files that are torn, of others, or swapped are skipped; the rest starts."""
        uids = {name: self.cluster.create(shapes.pod(name, nodeName=NODE, grace=1, automountServiceAccountToken=False))
                ['metadata']['uid'] for name in ('good', 'torn')}
        for name in uids:
            self.agent.wait_api_ready(name)
        place = self.agent.root / 'offline'
        self.wait_kept('Node', 'Services', 'RuntimeClasses')
        self.agent.wait('both are kept', lambda: len(list(place.glob('Pod_*'))) == 2)
        with outage(self.server, forget=True):
            self.reboot()
            torn = next(path for path in place.glob('Pod_*') if uids['torn'].encode() in path.read_bytes())
            torn.write_bytes(torn.read_bytes()[:100])
            good = next(path for path in place.glob('Pod_*') if uids['good'].encode() in path.read_bytes())
            (place / ('Pod_' + 32 * '0')).write_bytes(good.read_bytes())
            (place / ('Pod_' + 32 * '1')).write_bytes(b'')
            (place / 'Pod_x').mkdir()
            self.agent.launch()
            self.wait_on_node('good', deadline=120)
            self.assertEqual([item['metadata']['name'] for item in self.agent.pods()], ['good'])
            self.assertEqual(self.agent.text().count('Checkpoint is not believed'), 4)
            (place / 'Pod_x').rmdir()
        for name in uids:
            self.agent.wait_api_ready(name, deadline=120)
        self.agent.wait('only the right files stay', lambda: len(list(place.glob('Pod_*'))) == 2)


class Without(Offline):
    """The same without the flag."""

    arguments = ()
    test_agent_restart = test_damaged = test_a_server_that_hangs = None

    def test_reboot(self):
        self.cluster.create(used('kept'))
        self.agent.wait_api_ready('kept')
        with outage(self.server, forget=True):
            self.reboot()
            self.assertFalse((self.agent.root / 'offline').exists())
            self.check_no_secret_on_disk()
            self.agent.launch()
            self.agent.write_manifest('static', shapes.pod('static', grace=1))
            self.agent.wait_ready_pod('static')
            self.assertEqual([item['metadata']['name'] for item in self.agent.pods()], [f'static-{NODE}'])
        self.agent.wait_api_pod('kept', 'runs again', lambda item: shapes.ready(item), deadline=120)

    def test_flag_taken_away(self):
        """What an agent with the flag has kept goes with the first start without it."""
        self.agent.stop()
        self.agent.arguments.append('--offline-autonomy')
        self.agent.start()
        self.cluster.create(used('kept'))
        self.agent.wait_api_ready('kept')
        self.wait_kept('Pod', 'Secret')
        self.agent.stop()
        self.agent.arguments.pop()
        self.agent.start()
        self.assertFalse((self.agent.root / 'offline').exists())
        self.assertTrue((self.agent.root / 'offline-autonomy.key').exists())

    def test_key_of_everybody(self):
        """A key that others can read is refused, and nothing runs."""
        self.agent.stop()
        key = self.agent.root / 'offline-autonomy.key'
        key.write_bytes(bytes(32))
        key.chmod(0o640)
        self.agent.arguments.append('--offline-autonomy')
        self.agent.launch()
        self.assertEqual(self.agent.process.wait(30), 1)
        self.assertIn('must belong to root and be readable by nobody else', self.agent.text())
        key.chmod(0o600)
        self.agent.start()


if __name__ == '__main__':
    unittest.main()
