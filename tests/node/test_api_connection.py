"""The agent's connection to the API server: shared by all watches, noticed when it is dead, made good after everything
that can happen to it."""
import unittest

from lab.case import JoinedCase

try:
    import h2  # noqa: F401  pylint: disable=unused-import
    HAS_HTTP2 = True
except ImportError:
    HAS_HTTP2 = False


class Connection(JoinedCase):
    """An agent with many watches. Nothing here needs a container to run."""

    start = False
    pods = 40

    def setUp(self):
        super().setUp()
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': self.cluster.node}}, None)
        self.agent.launch()

    def create_pod(self, name, config_map):
        """A pod of this node that waits for a ConfigMap which does not exist."""
        self.cluster.create({'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name}, 'spec': {
            'nodeName': self.cluster.node, 'containers': [{'name': 'c', 'image': 'none', 'envFrom': [
                {'configMapRef': {'name': config_map}}]}]}})

    def wait_pod_is_seen(self, name):
        """Wait until the agent knows a pod."""
        self.agent.wait(f'pod {name} is seen', lambda: f'ADD source=api pod=default/{name} ' in self.agent.text(), deadline=120)

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
