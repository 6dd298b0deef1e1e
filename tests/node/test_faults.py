"""Actors that end or hang and messages that get lost: pods start all the same, once, and go away whole."""
import os
import stat
import threading
import unittest

from lab import pods
from lab.case import AgentCase

# longer than a kill takes, shorter than a deadline: a message that is held while its actor is killed
HOLD_MS = '1500'
# an actor that hangs is replaced after 30 s without a heartbeat, seen with a check every 10 s
HANG_DEADLINE = 150
# the start goes on as soon as a listing shows the sandbox, so this moment may be any of the start, also that between
# CreateContainer and StartContainer: what was created and not started is replaced, as upstream does
ANY_MOMENT = '--type cri.RunPodSandbox --replies'


def full_pod(name):
    """A Pod that gives every actor something to do: volumes, a sub path, an init container, a hook and a probe."""
    mount = {'name': 'scratch', 'mountPath': '/scratch'}
    part = {'name': 'scratch', 'mountPath': '/part', 'subPath': 'part'}
    init = {'name': 'init', 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent',
            'command': ['sh', '-c', 'echo prepared > /scratch/init'], 'volumeMounts': [mount]}
    return pods.pod(
        name, 'cat /scratch/init && echo main > /part/main && ' + pods.FOREVER, grace=2, initContainers=[init],
        container={
            'volumeMounts': [mount, part],
            'lifecycle': {'postStart': {'exec': {'command': ['sh', '-c', 'echo hook > /scratch/hook']}}},
            'readinessProbe': {'exec': {'command': ['cat', '/scratch/hook', '/part/main']}, 'periodSeconds': 1}},
        volumes=[{'name': 'scratch', 'emptyDir': {}}])


class FaultCase(AgentCase):
    """An agent whose actors and messages can be disturbed."""

    arguments = ['--enable-fault-injection']

    def rule(self, *words):
        """Add a rule; its number."""
        return self.agent.fault(*words)['id']

    def hits(self, number):
        """How often a rule was used."""
        return next((row['hits'] for row in self.agent.fault('list')['rules'] if row['id'] == number), 0)

    def wait_hit(self, number, count=1):
        """Wait until a rule was used."""
        self.agent.wait(f'rule {number} is used {count} times', lambda: self.hits(number) >= count)

    def start(self, name):
        """Write the manifest of a full pod."""
        self.agent.write_manifest(name, full_pod(name))

    def check_up(self, name, restarts=(0,), deadline=None):
        """The pod becomes Ready, and the runtime has exactly what it shows."""
        pod = self.agent.wait_ready_pod(name, deadline)
        uid = pod['metadata']['uid']
        running = [row for row in self.containerd.runtime.containers() if row['state'] == 'running'
                   and row['labels'].get('io.kubernetes.pod.uid') == uid]
        self.assertEqual([row['name'] for row in running], ['main'])
        self.assertIn(running[0]['id'], pods.container(pod)['containerID'])
        sandboxes = [row for row in self.containerd.runtime.sandboxes() if row['uid'] == uid and row['ready']]
        self.assertEqual(len(sandboxes), 1)
        self.assertIn(pods.container(pod)['restartCount'], restarts)
        self.assertEqual(pods.container(pod)['restartCount'], running[0]['attempt'])
        self.assertEqual(pods.container(pod, 'init')['state']['terminated']['reason'], 'Completed')
        return uid

    def check_gone(self, name, uid):
        """The pod can be removed, and leaves nothing."""
        self.agent.remove_manifest(name)
        self.agent.wait_gone(name)
        self.agent.wait_no_traces(uid)


class Kills(FaultCase):
    """Every actor ends once while it has work of a starting pod."""

    def kill(self, actor, *moments, restarts=(0,)):
        """For each moment (a message that is held back) start a pod, kill the actor then, and see the pod come up."""
        started = []
        for count, moment in enumerate(moments):
            name = f'{actor.split("/")[0]}-{count}'
            with self.subTest(actor=actor, moment=moment):
                rule = self.rule('delay', '--ms', HOLD_MS, '--count', '1', *moment.split())
                self.start(name)
                self.wait_hit(rule)
                self.agent.fault('kill', self.actor_name(actor, name))
                uid = self.check_up(name, (0, 1) if moment == ANY_MOMENT else restarts)
                started.append((name, uid))
        for name, uid in started:
            with self.subTest(actor=actor, removed=name):
                self.check_gone(name, uid)
        if actor != 'bus':
            self.assertRegex(self.agent.text(), f'Actor ended and is started anew actor="?{actor.split("/")[0]}')

    def actor_name(self, actor, pod):
        """An actor's whole name: a worker's has its pod's name and UID."""
        if actor != 'pod-worker':
            return actor
        uid = self.agent.wait_pod(pod, 'is listed', lambda _pod: True)['metadata']['uid']
        return f'pod-worker/default_{pod}-lab-node_{uid}'

    def test_manifest_watcher(self):
        self.kill('manifest-watcher', '--type source.pods', '--type pod.sync')

    def test_pod_manager(self):
        self.kill('pod-manager', '--type actor.start --requests', '--type actor.start --replies',
                  '--type pod.status')

    def test_pod_worker(self):
        self.kill('pod-worker', '--type volume.setup --replies', ANY_MOMENT,
                  '--type cri.StartContainer --replies', '--type hook.run --replies')

    def test_pod_worker_between_create_and_start(self):
        # what was created and not started is replaced, as upstream does
        self.kill('pod-worker', '--type cri.CreateContainer --replies', '--type cri.StartContainer --requests',
                  restarts=(0, 1))

    def test_runtime(self):
        self.kill('runtime', ANY_MOMENT, '--type cri.RunPodSandbox --requests',
                  '--type cri.StartContainer --replies')

    def test_runtime_during_a_hook(self):
        # a hook whose end is not known counts as failed, and its container is restarted
        self.kill('runtime', '--type cri.ExecSync --replies', restarts=(0, 1))

    def test_runtime_between_create_and_start(self):
        self.kill('runtime', '--type cri.CreateContainer --replies', '--type cri.CreateContainer --requests',
                  '--type cri.StartContainer --requests', restarts=(0, 1))

    def test_runtime_watcher(self):
        self.kill('runtime-watcher', '--type pod.runtime', '--type runtime.event')

    def test_image_puller(self):
        self.kill('image-puller', '--type image.ensure --replies', '--type cri.ImageStatus --replies')

    def test_volume_manager(self):
        self.kill('volume-manager', '--type volume.setup --replies', '--type volume.setup --requests',
                  '--type volume.subpath --replies')

    def test_probe_manager(self):
        self.kill('probe-manager', '--type probe.set', '--type probe.result')

    def test_probe_manager_during_a_hook(self):
        self.kill('probe-manager', '--type hook.run --replies', restarts=(0, 1))

    def test_resource_manager(self):
        self.kill('resource-manager', '--type cgroup.ensure --replies', '--type cgroup.ensure --requests')

    def test_event_recorder(self):
        self.kill('event-recorder', '--type event.record')

    def test_server(self):
        self.start('asked')
        self.agent.wait_ready_pod('asked')
        rule = self.rule('delay', '--ms', HOLD_MS, '--count', '1', '--type', 'pod.list', '--replies')
        asker = threading.Thread(target=self.agent.pods)
        asker.start()
        self.wait_hit(rule)
        self.agent.fault('kill', 'server')
        asker.join()
        self.check_gone('asked', self.check_up('asked'))

    def test_bus(self):
        self.kill('bus', '--type source.pods', ANY_MOMENT, '--type volume.setup',
                  '--type probe.set')
        self.assertIn('The bus ended and is started anew', self.agent.text())


class Hangs(FaultCase):
    """An actor that does nothing any more is replaced."""

    def test_hanging_actors_are_replaced(self):
        for actor in ('pod-manager', 'runtime', 'volume-manager'):
            self.agent.fault('hang', actor)
        self.start('patient')
        uid = self.check_up('patient', deadline=HANG_DEADLINE)
        self.assertRegex(self.agent.text(), 'Actor hangs and is replaced actor=')
        self.check_gone('patient', uid)

    def test_a_short_hang_is_sat_out(self):
        self.agent.fault('hang', 'runtime', '--ms', '2000')
        self.start('short')
        self.check_gone('short', self.check_up('short'))
        self.assertNotIn('Actor hangs and is replaced', self.agent.text())


class Messages(FaultCase):
    """Messages that are lost, late, doubled or answered with a fault."""

    # what is lost is said again after these times, and calls that are not answered end sooner
    config = {'syncFrequency': '2s', 'fileCheckFrequency': '2s', 'runtimeRequestTimeout': '4s'}

    def disturb(self, *rules, restarts=(0,), deadline=None):
        """With each set of rules a pod starts, at once; every rule must have been used."""
        for count, words in enumerate(rules):
            name = f'pod-{count}'
            with self.subTest(rule=words):
                self.agent.fault('clear')
                number = self.rule(*words.split())
                self.start(name)
                self.wait_hit(number)
                uid = self.check_up(name, restarts, deadline)
                self.agent.fault('clear')
                self.check_gone(name, uid)

    def test_pods_of_a_source(self):
        self.disturb('drop --type source.pods --count 2', 'delay --ms 1000 --type source.pods --count 1',
                     'duplicate --type source.pods')

    def test_pod_sync(self):
        self.disturb('drop --type pod.sync --count 3', 'delay --ms 1000 --type pod.sync', 'duplicate --type pod.sync')

    def test_pod_status(self):
        self.disturb('drop --type pod.status --count 4', 'duplicate --type pod.status',
                     'delay --ms 500 --type pod.status')

    def test_worker_starts(self):
        self.disturb('drop --type actor.start --count 1', 'fail --type actor.start --count 2',
                     'drop --type actor.up --to pod-manager --count 1', 'duplicate --type actor.start')

    def test_sandbox(self):
        self.disturb('fail --type cri.RunPodSandbox --count 2', 'drop --type cri.RunPodSandbox --requests --count 1')

    def test_sandbox_answer_lost(self):
        self.disturb('drop --type cri.RunPodSandbox --replies --count 1', deadline=120)

    def test_create(self):
        self.disturb('fail --type cri.CreateContainer --count 1',
                     'drop --type cri.CreateContainer --requests --count 1')

    def test_create_answer_lost(self):
        self.disturb('drop --type cri.CreateContainer --replies --count 1', restarts=(0, 1), deadline=120)

    def test_start(self):
        self.disturb('duplicate --type cri.StartContainer --requests', restarts=(0, 1))

    def test_start_answer_lost(self):
        self.disturb('drop --type cri.StartContainer --replies --count 1', restarts=(0, 1), deadline=120)

    def test_statuses(self):
        self.disturb('drop --type cri.ContainerStatus --count 2', 'fail --type cri.PodSandboxStatus --count 2')

    def test_image(self):
        self.disturb('fail --type image.ensure --count 1 --code 14', 'fail --type cri.ImageStatus --count 1')

    def test_volumes(self):
        self.disturb('fail --type volume.setup --count 1', 'fail --type volume.subpath --count 1',
                     'duplicate --type volume.setup')

    def test_cgroup(self):
        self.disturb('fail --type cgroup.ensure --count 1', 'duplicate --type cgroup.ensure')

    def test_probes(self):
        self.disturb('drop --type probe.result --count 2', 'drop --type probe.set --count 2',
                     'delay --ms 1000 --type probe.result', 'duplicate --type probe.*')

    def test_runtime_news(self):
        self.disturb('duplicate --type pod.runtime', 'delay --ms 1000 --type pod.runtime')

    def test_runtime_news_lost(self):
        # everything is listed and told once a minute in any case
        self.disturb('drop --type pod.runtime --count 3', 'drop --type runtime.event --count 6', deadline=150)

    def test_hook(self):
        self.disturb('fail --type hook.run --count 1', restarts=(1,))

    def test_events(self):
        self.disturb('drop --type event.record')


class Tool(FaultCase):
    """What kubelet-fault says and accepts."""

    def refused(self, *words):
        """The text of a refusal."""
        done = self.agent.tool('kubelet-fault', *words, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stdout, '')
        return done.stderr

    def test_only_root_reaches_the_socket(self):
        place = self.agent.place / 'run'
        self.assertEqual(stat.S_IMODE(os.stat(place).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(place / 'fault.sock').st_mode), 0o600)

    def test_wrong_rules_are_refused_by_name(self):
        for field, words in (('delay_ms', ['delay', '--ms', '-1']), ('delay_ms', ['delay', '--ms', '3600001']),
                             ('code', ['fail', '--code', '99']), ('count', ['drop', '--count', '0']),
                             ('not a number: many', ['drop', '--count', 'many']), ('explode', ['explode']),
                             ('what to do is missing', []), ('nobody', ['kill', 'nobody']),
                             ('delay_ms', ['delay', '--type', 'pod.sync'])):
            with self.subTest(words=words):
                self.assertIn(field, self.refused(*words))
        self.assertEqual(self.agent.fault('list')['rules'], [])

    def test_rules_are_listed_and_removed(self):
        first = self.rule('drop', '--type', 'pod.nothing')
        second = self.rule('fail', '--type', 'pod.nothing', '--code', '5', '--text', 'gone', '--count', '3')
        rows = {row['id']: row for row in self.agent.fault('list')['rules']}
        self.assertEqual(rows[first]['action'], 'drop')
        wanted = {'action': 'fail', 'type': 'pod.nothing', 'code': 5, 'text': 'gone', 'left': 3, 'hits': 0}
        self.assertEqual({key: rows[second][key] for key in wanted}, wanted)
        self.assertEqual(self.agent.fault('remove', str(first))['removed'], 1)
        self.assertEqual(self.agent.fault('clear')['removed'], 1)
        self.assertEqual(self.agent.fault('list')['rules'], [])


class NotEnabled(AgentCase):
    """An agent that was not started for this."""

    def test_there_is_no_way_in(self):
        self.assertFalse((self.agent.place / 'run' / 'fault.sock').exists())
        done = self.agent.tool('kubelet-fault', 'kill', 'runtime', check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('--enable-fault-injection', done.stderr)


if __name__ == '__main__':
    unittest.main()
