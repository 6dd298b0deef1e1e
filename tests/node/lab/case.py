"""What every test on the lab starts from: one containerd for the whole run, a fresh agent for each test."""
import contextlib
import os
import unittest

from . import system
from .agent import Agent
from .containerd import Containerd
from .registry import Registry


class LabCase(unittest.TestCase):
    """A test that needs the runtime but no agent."""

    _containerd = None
    _registry = None

    @property
    def containerd(self):
        """The containerd that all tests of this process share, started when first needed."""
        if LabCase._containerd is None:
            LabCase._containerd = self.new_containerd()
        return LabCase._containerd

    @staticmethod
    def new_containerd(create=True):
        """Another containerd with all images; without `create` only its directory."""
        if os.geteuid():
            raise system.LabError('the node tests need root: they run containers')
        containerd = Containerd()
        return containerd.create('busybox', 'nginx', 'agnhost') if create else containerd

    def registry(self):
        """The registry that all tests share, reachable for the shared containerd."""
        if LabCase._registry is None:
            LabCase._registry = Registry().start()
            self.containerd.mirror(LabCase._registry.host, f'http://{LabCase._registry.host}')
        return LabCase._registry


class AgentCase(LabCase):
    """A test with an agent of its own; whatever it leaves is removed before the next test."""

    arguments = ()
    record = False
    config = {}

    def setUp(self):
        if not (system.BUILD / 'kubelet').exists():
            self.fail(f'there is no {system.BUILD}/kubelet: build it, or set CUBELET_BUILD')
        self.addCleanup(self._clean_up)
        self.agent = None
        self.agent = self.new_agent()
        self.agent.start()

    def new_agent(self, **options):
        """An agent on the shared containerd, not started."""
        options = {'config': self.config, 'arguments': self.arguments, 'record': self.record, **options}
        agent = Agent(self.containerd, **options)
        self.addCleanup(agent.remove)
        return agent

    def _clean_up(self):
        """Stop the agent (it must end well, always) and remove every pod from the runtime."""
        try:
            if self.agent and self.agent.running():
                self.agent.stop()
            elif self.agent:
                self.agent.check_log()
        finally:
            self._reset_runtime()

    def _reset_runtime(self):
        """An empty runtime for the next test; a new one when the old one cannot be emptied."""
        try:
            if self.containerd.process.poll() is not None:
                self.containerd.start()
            self.containerd.runtime.purge()
            system.remove_cgroup(f'{self.containerd.cgroup}/kubepods')
        except system.LabError:
            with contextlib.suppress(system.LabError):
                LabCase._containerd.remove()
            LabCase._containerd = None
            if LabCase._registry:
                LabCase._registry.remove()
                LabCase._registry = None


class JoinedCase(LabCase):
    """A test with a cluster of its own and an agent joined to it; whatever they leave is removed before the next test."""

    arguments = ()
    record = False
    config = {}
    cluster_options = {}
    start = True

    def setUp(self):
        from .cluster import Cluster  # only these tests need the API server
        self.addCleanup(self._clean_up)
        self.agent = None
        self.cluster = Cluster(**self.cluster_options)
        self.server = self.cluster.server
        self.agent = self.new_agent()
        if self.start:
            self.agent.start()

    def new_agent(self, **options):
        """An agent joined to the cluster, not started."""
        from .cluster import JoinedAgent
        options = {'config': self.config, 'arguments': self.arguments, 'record': self.record, **options}
        agent = JoinedAgent(self.containerd, self.cluster, **options)
        self.addCleanup(agent.remove)
        return agent

    def _clean_up(self):
        AgentCase._clean_up(self)
        self.cluster.close()

    _reset_runtime = AgentCase._reset_runtime
