"""What upstream's conformance tests ask of a running pod, beyond what the other files cover."""
import unittest

from lab import pods as shapes
from lab.agent import NODE
from lab.case import JoinedCase

FAILING = {'exec': {'command': ['false']}, 'periodSeconds': 1, 'failureThreshold': 1}


def pod(name, script=shapes.FOREVER, **spec):
    """A pod bound to the node."""
    return shapes.pod(name, script, **{'nodeName': NODE, 'automountServiceAccountToken': False, **spec})


class Probes(JoinedCase):
    """Probes of pods that end, and of sidecars."""

    def test_readiness_while_a_pod_is_being_stopped(self):
        """It is no longer Ready as soon as its probe says so, and its liveness probe restarts nothing."""
        check = {'exec': {'command': ['test', '-e', '/tmp/ready']}, 'periodSeconds': 1, 'failureThreshold': 1}
        self.cluster.create(pod(
            'leaving', 'trap "rm /tmp/ready; while [ ! -e /tmp/go ]; do sleep 0.2; done; exit 0" TERM; touch /tmp/ready; '
            'while :; do sleep 0.2; done', grace=600, restartPolicy='Always',
            container={'readinessProbe': check, 'livenessProbe': {**check, 'initialDelaySeconds': 1}}))
        self.agent.wait_api_ready('leaving')
        self.cluster.delete('pods', 'leaving')
        item = self.agent.wait_api_pod('leaving', 'is not Ready', lambda one: not shapes.condition(one, 'Ready')
                                       and not shapes.condition(one, 'ContainersReady'))
        self.assertTrue(shapes.running(item), 'the container still runs')
        self.assertEqual(shapes.phase(item), 'Running')
        self.cluster.kubectl('exec', 'leaving', '--', 'touch', '/tmp/go')
        self.agent.wait_api_gone('leaving')
        messages = [row['message'] for row in self.cluster.events('leaving') if row['reason'] in ('Unhealthy', 'Killing')]
        self.assertFalse([text for text in messages if 'iveness' in text], messages)

    def test_probes_of_sidecars(self):
        """A sidecar is restarted by its liveness and startup probes, never by its readiness probe, which counts."""
        rows = {'live': ('livenessProbe', 1), 'start': ('startupProbe', 1), 'ready': ('readinessProbe', 0)}
        for name, (probe, _) in rows.items():
            sidecar = {'name': 'side', 'image': shapes.BUSYBOX, 'imagePullPolicy': 'IfNotPresent', 'restartPolicy': 'Always',
                       'command': ['sh', '-c', shapes.FOREVER], probe: FAILING}
            self.cluster.create(pod(name, initContainers=[sidecar], restartPolicy='Always'))
        for name in ('live', 'start'):
            self.agent.wait_api_pod(name, 'has a restarted sidecar', lambda item: shapes.container(
                item, 'side').get('restartCount', 0) >= 1)
        self.agent.wait_event('ready', 'Unhealthy')
        item = self.agent.wait_api_pod('ready', 'runs', shapes.running)
        self.assertFalse(shapes.condition(item, 'Ready'))
        self.assertEqual(shapes.container(item, 'side')['restartCount'], 0)


class Expansion(JoinedCase):
    """Variables in paths of mounts."""

    def test_a_path_that_cannot_be_expanded(self):
        """What is absolute or leads upwards is refused; what is missing may be added while the pod waits."""
        def mounting(name, variable):
            return pod(name, restartPolicy='Always', container={
                'env': [{'name': 'WHERE', **variable}],
                'volumeMounts': [{'name': 'v', 'mountPath': '/sub', 'subPathExpr': '$(WHERE)/x'},
                                 {'name': 'v', 'mountPath': '/whole'}]}, volumes=[{'name': 'v', 'emptyDir': {}}])
        field = {'valueFrom': {'fieldRef': {'fieldPath': "metadata.annotations['where']"}}}
        for name, variable in (('absolute', {'value': '/tmp'}), ('upwards', {'value': '..'}), ('missing', field)):
            self.cluster.create(mounting(name, variable))
        for name in ('absolute', 'upwards', 'missing'):
            self.agent.wait_api_pod(name, 'is refused', lambda item: shapes.waiting(item) == 'CreateContainerConfigError')
            self.assertEqual(shapes.phase(self.cluster.pod(name)), 'Pending')
        self.cluster.kubectl('annotate', 'pod', 'missing', 'where=here')
        self.agent.wait_api_ready('missing')
        self.cluster.kubectl('exec', 'missing', '--', 'test', '-d', '/whole/here/x')
        self.cluster.kubectl('annotate', '--overwrite', 'pod', 'missing', 'where=elsewhere')
        self.cluster.kubectl('exec', 'missing', '--', 'test', '-d', '/sub')
        self.assertEqual(shapes.container(self.cluster.pod('missing'))['restartCount'], 0)


if __name__ == '__main__':
    unittest.main()
