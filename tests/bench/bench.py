#!/usr/bin/env python3
"""Measure the agent on a containerd of its own: pod starts, the runtime's share of them, messages, memory, CPU.

usage: sudo tests/bench/bench.py [--standalone] [--pods N,N] [--seconds N] [--json FILE]   (CUBELET_BUILD: the build)

The node is joined to the tests' API server, or runs manifests with --standalone. A start is what a user sees: from the
pod's creation to Running in the API server (or from its manifest to Running on /pods). The runtime's share are the three
calls of the same pod, as cri-recorder wrote them down in the same run. The API server is a Python program on the same
machine; its time is in the starts. Times are of this machine: compare what one run measured.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'node'))
from lab import pods  # noqa: E402
from lab.agent import NODE, Agent  # noqa: E402
from lab.cluster import Cluster, JoinedAgent  # noqa: E402
from lab.containerd import Containerd  # noqa: E402

STARTS = ('RunPodSandbox', 'CreateContainer', 'StartContainer')
LOOK_SECONDS = 0.003
CACHED_SECONDS = 2  # the agent answers /metrics from its last reading for less than that

# What design.md allows a joined node: key of a row, column, limit.
BUDGETS = (
    ('one after the other', 'start_s', 0.40), ('30 at once', 'median_s', 3.5), ('30 at once', 'last_s', 6.5),
    ('100 at once', 'median_s', 10), ('100 at once', 'last_s', 20),
    ('idle, 0 pods', 'rss_mib', 14), ('idle, 1 pod', 'rss_mib', 16), ('idle, 100 pods', 'rss_mib', 32),
    ('idle, 1 pod', 'cpu_s_per_min', 0.1), ('idle, 100 pods', 'cpu_s_per_min', 0.3),
)


class Standalone:
    """Pods from a directory of manifests."""

    def __init__(self, containerd):
        self.agent = Agent(containerd, record=True)
        self.agent.start()

    def create(self, name):
        """Ask for a pod."""
        self.agent.write_manifest(name, pods.pod(name))

    def delete(self, name):
        """Ask for its end."""
        self.agent.remove_manifest(name)

    def running(self):
        """The UIDs of the running pods by name."""
        return {pod['metadata']['name'].rsplit(f'-{NODE}', 1)[0]: pod['metadata']['uid']
                for pod in self.agent.pods() or [] if pods.phase(pod) == 'Running'}

    def is_empty(self):
        """Whether no pod is left."""
        return self.agent.pods() == []

    def close(self):
        """The end."""
        self.agent.remove()


class Joined(Standalone):
    """Pods from an API server."""

    def __init__(self, containerd):
        self.cluster = Cluster()
        self.agent = JoinedAgent(containerd, self.cluster, record=True)
        self.agent.start()

    def create(self, name):
        self.cluster.create(pods.pod(name, nodeName=NODE))

    def delete(self, name):
        self.cluster.delete('pods', name)

    def running(self):
        return {pod['metadata']['name']: pod['metadata']['uid']
                for pod in self.cluster.server.objects('pods') if pods.phase(pod) == 'Running'}

    def is_empty(self):
        return not self.cluster.server.objects('pods')

    def close(self):
        super().close()
        self.cluster.close()


def start(node, names):
    """Ask for the pods; each one's seconds until it runs, and its UID."""
    begin, found = time.monotonic(), {}
    for name in names:
        node.create(name)
    while len(found) < len(names):
        for name, uid in node.running().items():
            if name in names and name not in found:
                found[name] = (time.monotonic() - begin, uid)
        time.sleep(LOOK_SECONDS)
    return found


def stop(node, names):
    """End pods and wait until they are gone, in the runtime too."""
    for name in names:
        node.delete(name)
    node.agent.wait('all pods are gone', node.is_empty, 300)
    node.agent.wait('the runtime is empty', lambda: not node.agent.containerd.runtime.sandboxes(), 300)


def runtime_seconds(agent, uid):
    """What the runtime took for the three calls that start a pod with one container."""
    ids, total = {uid}, 0
    for line in agent.calls.read_text().splitlines():
        call = json.loads(line)
        if call['method'] in STARTS and any(word in json.dumps(call['req']) for word in ids):
            ids |= {value for key, value in (call.get('resp') or {}).items() if key.endswith('_id')}
            total += call['ms']
    return total / 1000


def messages(agent):
    """Messages that crossed the bus so far, without the heartbeats and what this question itself causes."""
    time.sleep(CACHED_SECONDS)
    text = agent.get('/metrics')[1]
    rows = re.findall(r'^cubelet_messages_total\{type="([^"]+)"\} (\d+)', text, re.M)
    return sum(int(number) for kind, number in rows if kind not in ('actor.alive', 'bus.stats', 'metrics.get', 'actor.list'))


def resident_mib(agent):
    """Resident memory of the agent, shared pages included, as VmRSS counts it."""
    text = pathlib.Path(f'/proc/{agent.process.pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', text)[1]) / 1024


def cpu_seconds(agent):
    """CPU time the agent has used."""
    fields = pathlib.Path(f'/proc/{agent.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def idle(agent, seconds):
    """Memory, and CPU seconds a minute, while nothing happens."""
    before = cpu_seconds(agent)
    time.sleep(seconds)
    return {'rss_mib': round(resident_mib(agent), 1), 'cpu_s_per_min': round((cpu_seconds(agent) - before) * 60 / seconds, 2)}


def one_by_one(node, count=7):
    """Starts with nothing else going on. The last pod stays."""
    rows = []
    for number in range(count):
        name, before = f'one-{number}', messages(node.agent)
        (seconds, uid), = start(node, [name]).values()
        share = runtime_seconds(node.agent, uid)
        rows.append((seconds, share, seconds - share, messages(node.agent) - before))
        if number + 1 < count:
            stop(node, [name])
    keys = ('start_s', 'runtime_s', 'own_s', 'messages')
    return dict(zip(keys, (round(statistics.median(column), 3) for column in zip(*rows)))), name


def at_once(node, count):
    """Many pods at the same moment."""
    found = start(node, [f'many-{count}-{number}' for number in range(count)])
    seconds = sorted(value for value, _ in found.values())
    return {'median_s': round(statistics.median(seconds), 2), 'last_s': round(seconds[-1], 2)}, list(found)


def measure(options):
    """All rows."""
    containerd = Containerd().create('busybox')
    node = (Standalone if options.standalone else Joined)(containerd)
    rows = {}
    try:
        time.sleep(options.settle)
        rows['idle, 0 pods'] = idle(node.agent, options.seconds)
        rows['one after the other'], left = one_by_one(node)
        rows['idle, 1 pod'] = idle(node.agent, options.seconds)
        stop(node, [left])
        for count in options.pods:
            rows[f'{count} at once'], names = at_once(node, count)
            time.sleep(options.settle)
            rows[f'idle, {count} pods'] = idle(node.agent, options.seconds)
            stop(node, names)
    finally:
        node.close()
        containerd.remove()
    return rows


def table(rows):
    """The rows as text, each value with its budget where there is one."""
    limits = {(row, column): limit for row, column, limit in BUDGETS}
    for name, row in rows.items():
        cells = [f'{key} {value}' + (f' (at most {limits[name, key]})' if (name, key) in limits else '')
                 for key, value in row.items()]
        yield f'{name:22}' + '  '.join(cells)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--standalone', action='store_true', help='without an API server')
    parser.add_argument('--pods', default='30,100', type=lambda text: [int(word) for word in text.split(',') if word],
                        help='how many pods to start at once, several numbers with commas (default 30,100)')
    parser.add_argument('--seconds', type=int, default=60, help='how long to watch an idle agent')
    parser.add_argument('--settle', type=int, default=30, help='how long to wait before that')
    parser.add_argument('--json', help='write the rows to this file too')
    options = parser.parse_args()
    rows = measure(options)
    print('\n'.join(table(rows)))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))


if __name__ == '__main__':
    main()
