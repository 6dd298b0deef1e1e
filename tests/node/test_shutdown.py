"""The machine goes down: pods end by groups before it may, on a D-Bus and a logind of the test's own."""
import os
import shutil
import subprocess
import tempfile
import threading

from lab import pods, system
from lab.agent import NODE
from lab.case import LabCase
from lab.cluster import Cluster, JoinedAgent

BUS_CONFIG = """<busconfig><type>session</type><listen>unix:path={place}/bus</listen><auth>EXTERNAL</auth>
<policy context='default'><allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/></policy></busconfig>"""


def bound(name, **options):
    """A Pod that is bound to the lab's node."""
    pod = pods.pod(name, **options)
    pod['metadata']['namespace'] = 'default'
    pod['spec'].update(nodeName=NODE, automountServiceAccountToken=False)
    return pod


class Shutdown(LabCase):
    """An agent of a cluster, where shutdowns are graceful."""

    def setUp(self):
        self.place = tempfile.mkdtemp(prefix='cubelet-bus-')
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        os.environ['DBUS_SYSTEM_BUS_ADDRESS'] = f'unix:path={self.place}/bus'
        self.addCleanup(os.environ.pop, 'DBUS_SYSTEM_BUS_ADDRESS')
        self.start_bus()
        self.start_logind()
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.agent = JoinedAgent(self.containerd, self.cluster, config={
            'shutdownGracePeriod': '100s', 'shutdownGracePeriodCriticalPods': '50s'})
        self.addCleanup(self.agent.remove)
        self.addCleanup(self.containerd.runtime.purge)
        self.agent.start()

    def start_bus(self):
        """A private dbus-daemon that the agent takes for the system's."""
        config = f'{self.place}/bus.conf'
        with open(config, 'w', encoding='utf-8') as file:
            file.write(BUS_CONFIG.format(place=self.place))
        bus = system.spawn(['dbus-daemon', f'--config-file={config}', '--nofork', '--nopidfile'], f'{self.place}/bus.log')
        self.addCleanup(system.end, bus)
        system.wait_for('the bus', lambda: os.path.exists(f'{self.place}/bus'),
                        explain=lambda: system.tail(f'{self.place}/bus.log'))

    def start_logind(self):
        """Its part of a shutdown; it waits long enough, so that the agent need not change the machine's own."""
        self.logind = subprocess.Popen([system.BUILD / 'fake-logind', '3600'], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.news = []
        reader = threading.Thread(target=lambda: self.news.extend(line.strip() for line in self.logind.stdout))

        def end():
            self.logind.stdin.close()
            reader.join()
            self.logind.stdout.close()
            self.logind.wait()
        self.addCleanup(end)
        reader.start()

    def order(self, what):
        """Say that the machine goes down (t), or that it does not after all (f)."""
        self.logind.stdin.write(what)
        self.logind.stdin.flush()

    def heard(self, start):
        """How many news began like this."""
        return sum(line.startswith(start) for line in self.news)

    def ready_condition(self):
        """The Node's condition Ready."""
        return next(row for row in self.cluster.node_object()['status']['conditions'] if row['type'] == 'Ready')

    def test_pods_end_before_the_machine_does(self):
        """Ordinary pods first, critical ones last; no new pod is taken, the node is not Ready, all of it can be undone."""
        self.agent.wait('the lock is taken', lambda: self.heard('inhibited') == 1)
        slow = 'trap "sleep 2; exit 0" TERM; while :; do sleep 0.2; done'  # so that their ends differ in seconds
        self.cluster.create(bound('web', grace=20, script=slow))
        self.cluster.create(bound('dns', grace=20, script=slow, priority=2000001000,
                                  priorityClassName='system-node-critical'))
        web, dns = (self.agent.wait_api_ready(name) for name in ('web', 'dns'))
        self.order('t')
        self.agent.wait('the node is not ready', lambda: self.ready_condition()['status'] == 'False')
        self.assertIn('node is shutting down', self.ready_condition()['message'])
        self.cluster.create(bound('late'))
        late = self.agent.wait_api_pod('late', 'refused', lambda pod: pods.phase(pod) == 'Failed')['status']
        self.assertEqual((late['reason'], late['message']), (
            'NodeShutdown', 'Pod was rejected: Pod was rejected as the node is shutting down.'))
        self.agent.wait('the lock is given back', lambda: self.heard('released') == 1, deadline=120)
        ends = {}
        for pod in web, dns:
            name = pod['metadata']['name']
            ended = self.agent.wait_api_pod(name, 'ended', lambda pod: pods.phase(pod) == 'Failed')
            self.assertEqual((ended['status']['reason'], ended['status']['message']), (
                'Terminated', 'Pod was terminated in response to imminent node shutdown.'))
            row = next(row for row in ended['status']['conditions'] if row['type'] == 'DisruptionTarget')
            self.assertEqual((row['status'], row['reason']), ('True', 'TerminationByKubelet'))
            ends[name] = pods.container(ended)['state']['terminated']['finishedAt']
        self.assertLess(ends['web'], ends['dns'])
        self.agent.wait_event(NODE, 'NodeShutdown')
        self.order('f')
        self.agent.wait('the node is ready again', lambda: self.ready_condition()['status'] == 'True')
        self.agent.wait('the lock is taken again', lambda: self.heard('inhibited') == 2)
        self.cluster.create(bound('after', grace=1))
        self.agent.wait_api_ready('after')
        self.agent.stop()
