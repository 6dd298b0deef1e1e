"""A cluster in small: the API server of tests/apiserver in this process, and what tests ask of it."""
import contextlib
import ipaddress
import json
import pathlib
import shutil
import socket
import ssl
import sys
import tempfile

from . import pods as shapes
from . import system
from .agent import NODE, Agent
from .kubectl import Kubectl
from .node_api import WebSocket
from .system import wait_for

sys.path.insert(0, str(system.REPOSITORY / 'tests'))

from apiserver.server import Server  # noqa: E402  pylint: disable=wrong-import-position


class Cluster:
    """One API server with kubeconfigs for an administrator and the node. All of a process share keys."""

    _pki = None

    def __init__(self, node=NODE, **options):
        if Cluster._pki is None:
            Cluster._pki = tempfile.mkdtemp(prefix='cubelet-pki-', dir='/tmp')
            system.at_exit(lambda: shutil.rmtree(Cluster._pki, ignore_errors=True))
        self.place = pathlib.Path(tempfile.mkdtemp(prefix='cubelet-api-', dir='/tmp'))
        self.node = node
        self.server = Server(self.place, system.free_port(), pki=Cluster._pki, **options).start()
        self.admin = self.server.kubeconfig(self.place / 'admin.kubeconfig')
        self.node_kubeconfig = self.server.node_kubeconfig(self.place / 'node.kubeconfig', node)
        self._kubectl = None
        system.at_exit(self.close)

    @property
    def kubectl(self):
        """kubectl as an administrator."""
        self._kubectl = self._kubectl or Kubectl(self.admin)
        return self._kubectl

    def websocket(self, path, protocol):
        """An open WebSocket of an administrator."""
        context = ssl.create_default_context(cafile=self.server.authority.certificate)
        key, certificate = self.server.as_user('admin', 'system:masters')
        context.load_cert_chain(certificate, key)
        connection = socket.create_connection(('127.0.0.1', self.server.port), system.DEADLINE)
        return WebSocket(context.wrap_socket(connection, server_hostname='127.0.0.1'), path, protocol)

    def close(self):
        """The end of it."""
        if self.server:
            self.server.close()
            self.server = None
        shutil.rmtree(self.place, ignore_errors=True)

    # --- objects, without the detour over HTTP

    def create(self, item, namespace='default'):
        """Create an object as an administrator would; the stored one."""
        return self.server.create(item, namespace)

    def delete(self, resource, name, namespace='default', **options):
        """Delete an object; `gracePeriodSeconds` and other options as in a DELETE."""
        return self.server.delete(resource, name, namespace, options)

    def edit(self, resource, name, change, namespace='default'):
        """Change an object: `change` gets a copy of it and alters it in place."""
        return self.server.edit(resource, name, namespace, change)

    def pod(self, name, namespace='default'):
        """A Pod, or None."""
        return self.server.get('pods', name, namespace)

    def events(self, name, namespace='default'):
        """The Events about an object."""
        return [item for item in self.server.objects('events', namespace) if item['involvedObject'].get('name') == name]

    def node_object(self):
        """The Node, or None."""
        return self.server.get('nodes', self.node)

    def node_is_ready(self):
        """Whether the node says that it is Ready."""
        rows = (self.node_object() or {}).get('status', {}).get('conditions') or []
        return any(row['type'] == 'Ready' and row['status'] == 'True' for row in rows)

    def explain(self):
        """What a failure's text should show."""
        rows = [f'{item["metadata"]["namespace"]}/{item["metadata"]["name"]}: {json.dumps(item["status"])[:1500]}'
                for item in self.server.objects('pods')]
        asked = [f'{row["verb"]} {row["uri"]} {row["code"]}' for row in self.server.requests()[-25:]]
        return '\n'.join([*rows[:20], '--- last requests', *asked])


class JoinedAgent(Agent):
    """An agent with a kubeconfig of a cluster. The address of the lab's bridge is the node's."""

    def __init__(self, containerd, cluster, kubeconfig=None, bootstrap=None, **options):
        super().__init__(containerd, **options)
        self.cluster = cluster
        self.address = str(ipaddress.ip_network(containerd.subnet)[1])
        self.arguments += ['--node-ip', self.address, '--kubeconfig', str(kubeconfig or cluster.node_kubeconfig)]
        if bootstrap:
            self.arguments += ['--bootstrap-kubeconfig', str(bootstrap)]

    def configuration(self):
        """As standalone, but with the API server's certificates and authorization."""
        changes, self.changes = self.changes, {}
        base = super().configuration()
        self.changes = changes
        return {**base, 'address': '0.0.0.0', 'authorization': {'mode': 'Webhook'}, 'authentication': {
            'anonymous': {'enabled': False}, 'webhook': {'enabled': True},
            'x509': {'clientCAFile': str(self.cluster.server.authority.certificate)}}, **changes}

    def wait_ready(self):
        """Wait until the node is Ready in the API server."""
        super().wait_ready()
        self.wait_node()

    def explain(self):
        """The cluster's view too."""
        return self.cluster.explain() + '\n' + super().explain()

    def wait_node(self):
        """Wait until the node is Ready and free of its first taint."""
        def look():
            node = self.cluster.node_object()
            return node and self.cluster.node_is_ready() and not node['spec'].get('taints')
        self.wait('the node is Ready', look)

    def wait_api_pod(self, name, what, predicate, namespace='default', deadline=None):
        """Wait until `predicate` is true of a Pod in the API server and return that Pod."""
        last = []

        def look():
            last[:] = [self.cluster.pod(name, namespace)]
            return last[0] is not None and predicate(last[0])
        self.wait(f'pod {namespace}/{name} {what}', look, deadline)
        return last[0]

    def wait_api_ready(self, name, namespace='default', deadline=None):
        """Wait until a Pod is Running and Ready."""
        return self.wait_api_pod(name, 'Running and Ready', shapes.ready, namespace, deadline)

    def wait_api_gone(self, name, namespace='default', deadline=None):
        """Wait until there is no such Pod in the API server."""
        self.wait(f'pod {namespace}/{name} is gone', lambda: self.cluster.pod(name, namespace) is None, deadline)

    def wait_event(self, name, reason, namespace='default', deadline=None):
        """Wait for an Event about an object and return it."""
        found = []

        def look():
            found[:] = [item for item in self.cluster.events(name, namespace) if item['reason'] == reason]
            return found
        self.wait(f'event {reason} about {namespace}/{name}', look, deadline)
        return found[0]


@contextlib.contextmanager
def outage(server, forget=False):
    """The API server refuses connections meanwhile."""
    server.stop(forget)
    try:
        yield
    finally:
        server.start()


__all__ = ['Cluster', 'JoinedAgent', 'outage', 'wait_for']
