#!/usr/bin/env python3
"""Measure the agent on a containerd of its own: pod starts, the runtime's share of them, memory, CPU.

usage: sudo tests/bench/bench.py [--pods N] [--seconds N] [--json FILE]      (CUBELET_BUILD: the build, default build)

Times are of this machine; compare what one run measured: the agent's own time is the start as a user sees it (manifest
written to Running on /pods) less the runtime's three calls of the same pod, as cri-recorder wrote them down.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'node'))
from lab import pods  # noqa: E402
from lab.agent import Agent  # noqa: E402
from lab.containerd import Containerd  # noqa: E402

STARTS = ('RunPodSandbox', 'CreateContainer', 'StartContainer')


def resident_mib(agent):
    """Resident memory of the agent, shared pages included, as VmRSS counts it."""
    text = pathlib.Path(f'/proc/{agent.process.pid}/status').read_text()
    return int(next(line for line in text.splitlines() if line.startswith('VmRSS')).split()[1]) / 1024


def cpu_seconds(agent):
    """CPU time the agent has used."""
    fields = pathlib.Path(f'/proc/{agent.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def started(agent, names):
    """Write the manifests; return each pod's seconds until /pods shows it Running, and its UID."""
    begin, found = time.monotonic(), {}
    for name in names:
        agent.write_manifest(name, pods.pod(name))
    while len(found) < len(names):
        for pod in agent.pods() or []:
            name = pod['metadata']['name'].rsplit('-lab-node', 1)[0]
            if name in names and name not in found and pods.phase(pod) == 'Running':
                found[name] = (time.monotonic() - begin, pod['metadata']['uid'])
        time.sleep(0.003)
    return found


def runtime_seconds(agent, uid):
    """What the runtime took for the three calls that start a pod with one container."""
    calls = [json.loads(line) for line in agent.calls.read_text().splitlines()]
    ids = {uid}
    total = 0
    for call in calls:
        if call['method'] in STARTS and any(word in json.dumps(call['req']) for word in ids):
            ids |= {value for key, value in (call.get('resp') or {}).items() if key.endswith('_id')}
            total += call['ms']
    return total / 1000


def idle(agent, seconds):
    """Memory, and CPU seconds a minute, while nothing happens."""
    before = cpu_seconds(agent)
    time.sleep(seconds)
    return {'rss_mib': round(resident_mib(agent), 1), 'cpu_s_per_min': round((cpu_seconds(agent) - before) * 60 / seconds, 2)}


def measure(options):
    """All rows."""
    containerd = Containerd().create('busybox')
    agent = Agent(containerd, record=True)
    rows = {}
    try:
        agent.start()
        rows['no pod'] = idle(agent, options.seconds)
        starts = []
        for number in range(7):
            (seconds, uid), = started(agent, [f'one-{number}']).values()
            share = runtime_seconds(agent, uid)
            starts.append((seconds, share, seconds - share))
            if number:
                agent.remove_manifest(f'one-{number}')
        rows['one pod after the other'] = dict(zip(
            ('start_s', 'runtime_s', 'own_s'), (round(statistics.median(column), 3) for column in zip(*starts))))
        rows['1 pod'] = idle(agent, options.seconds)
        if options.pods:
            seconds = sorted(value for value, _ in started(agent, [f'many-{n}' for n in range(options.pods)]).values())
            rows[f'{options.pods} pods at once'] = {'median_s': round(statistics.median(seconds), 2),
                                                    'last_s': round(seconds[-1], 2)}
            time.sleep(5)
            rows[f'{options.pods + 1} pods'] = idle(agent, options.seconds)
    finally:
        agent.remove()
        containerd.remove()
    return rows


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pods', type=int, default=30, help='how many pods to start at once (0: none)')
    parser.add_argument('--seconds', type=int, default=30, help='how long to watch an idle agent')
    parser.add_argument('--json', help='write the rows to this file too')
    options = parser.parse_args()
    rows = measure(options)
    for name, row in rows.items():
        print(f'{name:28}' + '  '.join(f'{key} {value}' for key, value in row.items()))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))


if __name__ == '__main__':
    main()
