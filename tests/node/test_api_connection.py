"""The agent's connection to the API server: shared by all watches, noticed when it is dead, made good after everything
that can happen to it."""
import unittest

from lab.case import JoinedCase

try:
    import h2  # noqa: F401  pylint: disable=unused-import
    HAS_HTTP2 = True
except ImportError:
    HAS_HTTP2 = False


class WatchingCase(JoinedCase):
    """A node, and pods of it that an agent sees. Nothing here needs a container to run."""

    start = False

    def setUp(self):
        super().setUp()
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': self.cluster.node}}, None)

    def create_pod(self, name, config_map):
        """A pod of this node that waits for a ConfigMap which does not exist."""
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name}, 'spec': {
            'nodeName': self.cluster.node, 'containers': [{'name': 'c', 'image': 'none', 'envFrom': [
                {'configMapRef': {'name': config_map}}]}]}})

    def wait_pod_is_seen(self, name):
        """Wait until the agent knows a pod."""
        self.agent.wait(f'pod {name} is seen', lambda: f'ADD source=api pod=default/{name} ' in self.agent.text(), deadline=120)


class Lists(WatchingCase):
    """How lists are asked for."""

    def test_lists_are_streamed_where_the_server_has_that_and_paged_otherwise(self):
        """With the gate WatchListClient: streams on a server with WatchList, pages on one without."""
        self.agent.changes['featureGates'] = {'WatchListClient': True}
        self.server.page_limit = 1
        for number, on in enumerate((True, False)):
            self.server.watch_list = on
            self.create_pod(f'early-{number}', 'cm')
            begin = len(self.server.requests())
            self.agent.launch()
            self.wait_pod_is_seen(f'early-{number}')
            self.create_pod(f'late-{number}', 'cm')
            self.wait_pod_is_seen(f'late-{number}')
            asked = [row for row in self.server.requests()[begin:] if '/api/v1/pods?' in row['uri']]
            lists = [row for row in asked if row['verb'] == 'list']
            self.assertTrue(any('sendInitialEvents=true' in row['uri'] for row in asked), asked)
            self.assertEqual(len(lists), 0 if on else len(self.server.objects('pods')) - 1, asked)
            self.agent.stop()


class Connection(WatchingCase):
    """An agent with many watches."""

    pods = 40

    def setUp(self):
        super().setUp()
        self.agent.launch()

    def watches(self):
        """How many ConfigMaps have been watched."""
        return len(self.server.requests('watch', '/configmaps'))

    @unittest.skipUnless(HAS_HTTP2, "no python3-h2, so the server has no HTTP/2")
    def test_all_watches_share_a_connection(self):
        """One connection for watches and one for requests, however many pods there are."""
        for number in range(self.pods):
            self.create_pod(f'p{number}', f'cm{number}')
        self.agent.wait('every ConfigMap is watched', lambda: self.watches() >= self.pods)
        self.assertLessEqual(len(self.server._connections), 3)  # pylint: disable=protected-access

    def test_watches_survive_whatever_happens_to_them(self):
        """Resets, old versions, an outage: a pod that comes afterwards is seen."""
        self.create_pod('first', 'cm')
        self.wait_pod_is_seen('first')
        disturbances = (self.server.reset_watches, self.server.expire_watches, self.server.reset_all,
                        self.server.reset_streams, self.server.go_away)
        for number, disturb in enumerate(disturbances):
            disturb()
            self.create_pod(f'after-{number}', 'cm')
            self.wait_pod_is_seen(f'after-{number}')
        self.server.stop(forget=True)
        self.create_pod('meanwhile', 'cm')
        self.server.start()
        self.wait_pod_is_seen('meanwhile')

    def test_a_server_that_says_nothing_is_given_up(self):
        """A frozen server is noticed, and the connection made anew when it is back."""
        self.create_pod('first', 'cm')
        self.wait_pod_is_seen('first')
        self.server.hang(True)
        self.agent.wait('the connection is given up', lambda: 'does not answer' in self.agent.text(), deadline=90)
        self.server.hang(False)
        self.create_pod('second', 'cm')
        self.wait_pod_is_seen('second')


if __name__ == '__main__':
    unittest.main()
