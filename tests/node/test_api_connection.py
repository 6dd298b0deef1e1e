"""The agent's connection to the API server: shared by all watches, noticed when it is dead, made good after everything
that can happen to it."""
import json
import socket
import socketserver
import threading
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


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that takes CONNECT only, and leads to one port of this machine whatever name it is asked for."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port):
        super().__init__(('127.0.0.1', 0), Tunnel)
        self.port, self.heads = port, []
        threading.Thread(target=self.serve_forever, name='proxy', daemon=True).start()

    def close(self):
        """The end of it."""
        self.shutdown()
        self.server_close()


class Tunnel(socketserver.StreamRequestHandler):
    """One connection through it."""

    def handle(self):
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            piece = self.request.recv(1)
            if not piece:
                return
            head += piece
        self.server.heads.append(head.decode())
        if not head.startswith(b'CONNECT '):
            self.request.sendall(b'HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n')
            return
        with socket.create_connection(('127.0.0.1', self.server.port)) as there:
            self.request.sendall(b'HTTP/1.1 200 Connection established\r\n\r\n')
            back = threading.Thread(target=self.pump, args=(there, self.request), daemon=True)
            back.start()
            self.pump(self.request, there)
            back.join()

    @staticmethod
    def pump(source, target):
        """Hand bytes on until one side ends."""
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Kubeconfigs(WatchingCase):
    """What a kubeconfig can say of the way to the API server."""

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.server.port)
        self.addCleanup(self.proxy.close)
        self.token = self.cluster.place / 'token'

    def use_token(self, token):
        """The node's only token from now on; what was open with the other one ends."""
        self.server.call(self.server.authenticator.tokens.clear)
        self.server.add_token(token, f'system:node:{self.cluster.node}', 'system:nodes')
        self.token.write_text(f'{token}\n')
        self.server.reset_all()

    def write_kubeconfig(self, without=(), **cluster):
        """Change the cluster of the node's kubeconfig; `without` are fields that go."""
        path = self.cluster.node_kubeconfig
        document = json.loads(path.read_text())
        fields = {**document['clusters'][0]['cluster'], **{key.replace('_', '-'): value for key, value in cluster.items()}}
        document['clusters'][0]['cluster'] = {key: value for key, value in fields.items() if key not in without}
        document['users'][0]['user'] = {'tokenFile': str(self.token)}
        path.write_text(json.dumps(document))

    def see_pod(self, name):
        """A pod that is made now is seen."""
        self.create_pod(name, 'cm')
        self.wait_pod_is_seen(name)

    def test_a_proxy_another_name_and_a_token_that_changes(self):
        """proxy-url, tls-server-name, tokenFile and insecure-skip-tls-verify; the file changes while the agent runs."""
        self.use_token('first-token')
        self.write_kubeconfig(server='https://api.invalid:6443', proxy_url=f'http://127.0.0.1:{self.proxy.server_address[1]}',
                              tls_server_name='kubernetes.default.svc')
        self.agent.launch()
        self.see_pod('through-the-proxy')
        self.use_token('second-token')
        self.see_pod('with-another-token')
        lines = {head.partition('\r\n')[0] for head in self.proxy.heads}
        self.assertEqual(lines, {'CONNECT api.invalid:6443 HTTP/1.1'})
        self.assertNotIn('authorization', ''.join(self.proxy.heads).lower(), 'the proxy has seen our token')

        self.write_kubeconfig(without=['tls-server-name'])  # a name that the certificate does not have
        self.agent.wait('the certificate is refused', lambda: 'failed to verify certificate' in self.agent.text(), deadline=120)
        self.write_kubeconfig(without=['tls-server-name', 'certificate-authority-data'], insecure_skip_tls_verify=True)
        self.see_pod('without-verification')


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
