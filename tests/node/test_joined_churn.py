"""Pods created and deleted at random while connections break and the agent dies; then all agree and nothing is left."""
import os
import random
import threading
import time
import unittest

from lab import pods as shapes
from lab import system
from lab.agent import NODE
from lab.case import JoinedCase

PODS = int(os.environ.get('CUBELET_CHURN_PODS', '200'))
ALIVE = 24


class Churn(JoinedCase):
    """See the head of this file."""

    config = {'maxPods': 250, 'nodeStatusUpdateFrequency': '2s'}

    def pod(self, name, dice):
        """A small pod of some kind."""
        kind = dice.choice(('runs', 'ends', 'fails', 'init', 'config'))
        spec = {'nodeName': NODE, 'automountServiceAccountToken': False, 'grace': dice.choice((0, 1, 2))}
        script = {'ends': 'exit 0', 'fails': 'exit 1'}.get(kind, shapes.FOREVER)
        if kind in ('ends', 'fails'):
            spec['restartPolicy'] = dice.choice(('Never', 'OnFailure'))
        if kind == 'init':
            spec['initContainers'] = [{'name': 'first', 'image': shapes.BUSYBOX, 'command': ['true']}]
        if kind == 'config':
            spec['container'] = {'envFrom': [{'configMapRef': {'name': 'conf'}}]}
        return shapes.pod(name, script, **spec)

    def break_things(self, dice, end):
        """Break connections at random until the end."""
        calls = (self.server.reset_watches, self.server.reset_all, self.server.expire_watches,
                 lambda: self.server.fail(verb='patch', path='/status', code=500, count=3),
                 lambda: self.server.fail(verb='delete', path='/pods/', code=429, count=2),
                 lambda: self.server.fail(verb='patch,delete', path='/pods/', user=f'system:node:{NODE}', action='lost',
                                          count=2))
        while not end.wait(dice.uniform(1, 4)):
            if dice.random() < 0.15:
                self.server.stop(forget=dice.random() < 0.5)
                end.wait(dice.uniform(0.5, 3))
                self.server.start()
            else:
                dice.choice(calls)()

    def test_connections(self):
        """200 pods, and connections that break."""
        self.churn(PODS, kills=False)

    def test_agent(self):
        """Some pods, and an agent that is killed as well."""
        self.churn(PODS // 4, kills=True)

    def churn(self, count, kills):
        """As many pods as the limit lets be there at once, each deleted after a random time."""
        seed = int(os.environ.get('CUBELET_CHURN_SEED', time.time_ns() % 1000000))
        print(f'seed {seed}', flush=True)
        dice, end = random.Random(seed), threading.Event()
        self.cluster.create({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'conf'}, 'data': {'A': '1'}})
        breaker = threading.Thread(target=self.break_things, args=(random.Random(seed + 1), end))
        breaker.start()
        uids = []
        try:
            alive = []
            for number in range(count):
                name = f'pod-{number}'
                # not in the other thread: what a thread has started ends with it
                if kills and dice.random() < 0.1:
                    self.agent.kill()
                    self.agent.launch()
                uids.append(self.cluster.create(self.pod(name, dice))['metadata']['uid'])
                alive.append(name)
                if len(alive) >= ALIVE or dice.random() < 0.3:
                    self.remove(alive.pop(dice.randrange(len(alive))), dice)
                system.wait_for('there is room for another pod', lambda: len(self.server.objects('pods', 'default'))
                                < ALIVE + 8, 180, self.agent.explain)
            while alive:
                self.remove(alive.pop(), dice)
        finally:
            end.set()
            breaker.join(60)
        self.server.clear_faults()
        self.agent.wait('every pod is gone from the API server', lambda: not self.server.objects('pods', 'default'), 240)
        self.agent.wait('every pod is gone from the node', lambda: not self.agent.pods(), 120)
        self.agent.wait('the runtime is empty', lambda: not self.containerd.runtime.sandboxes()
                        and not self.containerd.runtime.containers(), 2 * system.DEADLINE)
        for uid in uids:
            self.agent.wait_no_traces(uid)
        self.agent.wait_node()

    def remove(self, name, dice):
        """Delete a pod in one of the ways there are."""
        if self.cluster.pod(name):
            self.cluster.delete('pods', name, **dice.choice(({}, {}, {'gracePeriodSeconds': 1}, {'gracePeriodSeconds': 0})))


if __name__ == '__main__':
    unittest.main()
