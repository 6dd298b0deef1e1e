"""The API server away, in every way it can be; the agent killed; both. Containers run on, and the cluster hears of all."""
import unittest

from lab import pods as shapes
from lab.agent import NODE
from lab.case import JoinedCase
from lab.cluster import outage


def pod(name, script=shapes.FOREVER, **spec):
    """A pod bound to the node."""
    return shapes.pod(name, script, **{'nodeName': NODE, 'automountServiceAccountToken': False, 'grace': 1, **spec})


class Outage(JoinedCase):
    """One agent, and an API server that fails."""

    config = {'nodeLeaseDurationSeconds': 4, 'nodeStatusUpdateFrequency': '1s', 'nodeStatusReportFrequency': '5s'}

    def setUp(self):
        super().setUp()
        self.cluster.create(pod('steady'))
        self.steady = self.agent.wait_api_ready('steady')

    def check_steady(self):
        """The first pod is the same container still, and new ones come and go."""
        now = self.agent.wait_api_ready('steady', deadline=120)
        self.assertEqual(shapes.container(now)['containerID'], shapes.container(self.steady)['containerID'])
        self.assertEqual(shapes.container(now)['restartCount'], 0)
        uid = self.cluster.create(pod('after'))['metadata']['uid']
        self.agent.wait_api_ready('after', deadline=120)
        self.cluster.delete('pods', 'after')
        self.agent.wait_api_gone('after', deadline=120)
        self.agent.wait_no_traces(uid)
        self.agent.wait('the node is Ready', self.cluster.node_is_ready, 120)

    def crash_once(self, name):
        """A pod whose container ends when a file appears; how to end it."""
        self.cluster.create(pod(name, 'until [ -e /end/now ]; do sleep 0.1; done; rm /end/now; exit 7',
                                container={'volumeMounts': [{'name': 'end', 'mountPath': '/end'}]},
                                volumes=[{'name': 'end', 'hostPath': {'path': str(self.agent.place / name),
                                                                      'type': 'DirectoryOrCreate'}}]))
        self.agent.wait_api_ready(name)
        return (self.agent.place / name / 'now').touch

    def test_refused(self):
        """A restart and a deletion that happened meanwhile are reported and done when the API server is back."""
        end = self.crash_once('crash')
        self.cluster.create(pod('doomed'))
        doomed = self.agent.wait_api_ready('doomed')['metadata']['uid']
        with outage(self.server, forget=True):
            end()
            self.wait_restarted('crash')
            self.cluster.delete('pods', 'doomed')
            self.cluster.create(pod('born'))
        self.agent.wait_api_gone('doomed', deadline=120)
        self.agent.wait_no_traces(doomed)
        self.agent.wait_api_ready('born', deadline=120)
        self.agent.wait_api_pod('crash', 'restarted once', lambda item: shapes.container(item)['restartCount'] == 1
                                and shapes.ready(item), deadline=120)
        self.check_steady()

    def wait_restarted(self, name):
        """Wait until the node itself says that a container was restarted."""
        def look():
            found = next((item for item in self.agent.pods() or [] if item['metadata']['name'] == name), None)
            return shapes.container(found).get('restartCount') == 1
        self.agent.wait(f'{name} is restarted on the node', look)

    def test_gone_meanwhile(self):
        """A pod that was removed by force during the outage, and one that has its name now."""
        self.cluster.create(pod('other'))
        first = self.agent.wait_api_ready('other')['metadata']['uid']
        with outage(self.server, forget=True):
            self.cluster.delete('pods', 'other', gracePeriodSeconds=0)
            self.cluster.create(pod('other'))
        self.agent.wait_no_traces(first)
        self.agent.wait_api_ready('other', deadline=120)
        self.check_steady()

    def test_hangs(self):
        """Nothing is answered for a while."""
        end = self.crash_once('crash')
        self.server.hang()
        end()
        self.wait_restarted('crash')
        self.server.hang(False)
        self.agent.wait_api_pod('crash', 'restarted once', lambda item: shapes.container(item)['restartCount'] == 1,
                                deadline=120)
        self.check_steady()

    def test_watches_end(self):
        """Watches are reset again and again, and end with 410."""
        for turn in range(4):
            if turn % 2:
                self.server.expire_watches()
            else:
                self.server.reset_watches()
            self.cluster.create(pod(f'p{turn}'))
            self.agent.wait_api_ready(f'p{turn}', deadline=120)
        self.check_steady()

    def test_codes(self):
        """Statuses, deletions, lists and events that are refused for a while arrive in the end."""
        for code in (409, 429, 500):
            with self.subTest(code):
                name = f'p{code}'
                patches = self.server.fail(verb='patch', path='/pods/.*/status', code=code, count=3)
                deletes = self.server.fail(verb='delete', path='/pods/', code=code, count=2)
                events = self.server.fail(verb='create', path='/events', code=code, count=2) if code != 409 else None
                lists = self.server.fail(verb='list,watch', path='/pods', code=code if code != 409 else 410, count=2)
                self.server.reset_watches()
                uid = self.cluster.create(pod(name))['metadata']['uid']
                self.agent.wait_api_ready(name, deadline=120)
                self.cluster.delete('pods', name)
                self.agent.wait_api_gone(name, deadline=120)
                self.agent.wait_no_traces(uid)
                self.assertEqual((patches.hits, deletes.hits, lists.hits), (3, 2, 2))
                if events:  # the recorder waits between its tries
                    self.agent.wait('events were refused twice', lambda: events.hits == 2)  # noqa: B023
                for reason in ('Started', 'Killing'):
                    self.agent.wait_event(name, reason)
        self.check_steady()

    def test_answers_are_lost(self):
        """Requests that are done but whose answers are lost are not done twice to harm."""
        self.server.fail(verb='patch,delete,create,update', path='/', user=f'system:node:{NODE}', action='lost', count=12)
        for turn in range(3):
            self.cluster.create(pod(f'p{turn}'))
            self.agent.wait_api_ready(f'p{turn}', deadline=120)
            self.cluster.delete('pods', f'p{turn}')
            self.agent.wait_api_gone(f'p{turn}', deadline=120)
        self.check_steady()

    def test_old_data(self):
        """An API server that shows old data for a while ends no pod and starts none twice."""
        since = len(self.server.requests())
        self.server.serve_old()
        self.server.reset_watches()
        self.cluster.create(pod('new'))
        self.agent.wait('the agent watches pods again', lambda: self.server.requests('watch', '/api/v1/pods', since))
        self.server.serve_old(False)
        self.agent.wait_api_ready('new', deadline=120)
        self.check_steady()

    def test_agent_killed(self):
        """The agent is killed and started: containers stay, statuses too."""
        self.agent.kill()
        self.agent.start()
        self.check_steady()

    def test_both(self):
        """Agent and API server away; the agent comes back first, the pod runs on and is deleted when both are there."""
        self.cluster.create(pod('doomed'))
        doomed = self.agent.wait_api_ready('doomed')['metadata']['uid']
        with outage(self.server, forget=True):
            self.agent.kill()
            self.cluster.delete('pods', 'doomed')
            self.agent.launch()
            self.agent.wait('the agent is healthy without an API server', lambda: self.agent.health() == 200)
            self.agent.write_manifest('static', shapes.pod('static', grace=1))
            self.agent.wait_ready_pod('static')
            self.assertTrue(any(row['labels'].get('io.kubernetes.pod.uid') == self.steady['metadata']['uid']
                                and row['state'] == 'running' for row in self.containerd.runtime.containers()))
        self.agent.wait_api_gone('doomed', deadline=120)
        self.agent.wait_no_traces(doomed)
        self.agent.wait_api_ready(f'static-{NODE}', deadline=120)
        self.check_steady()

    def test_deleted_while_agent_away(self):
        """Pods that were deleted while the agent was away are ended when it is back."""
        self.cluster.create(pod('marked'))
        self.cluster.create(pod('gone'))
        uids = [self.agent.wait_api_ready(name)['metadata']['uid'] for name in ('marked', 'gone')]
        self.agent.stop()
        self.cluster.delete('pods', 'marked')
        self.cluster.delete('pods', 'gone', gracePeriodSeconds=0)
        self.agent.start()
        self.agent.wait_api_gone('marked', deadline=120)
        for uid in uids:
            self.agent.wait_no_traces(uid)
        self.check_steady()


if __name__ == '__main__':
    unittest.main()
