#!/usr/bin/env python3
"""Measure what clients of the node's API cost: followers of a log and execs, all over TLS and at once.

usage: sudo tests/bench/crowd.py [COUNT]      (200; CUBELET_BUILD: the build)

Prints the agent's resident memory before, during and after, on a standalone node with a containerd of its own.
"""
import contextlib
import pathlib
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'node'))
from lab import pods  # noqa: E402
from lab.agent import NODE, Agent  # noqa: E402
from lab.containerd import Containerd  # noqa: E402
from lab.node_api import NodeApi  # noqa: E402

SETTLED_SECONDS = 25  # the agent gives back what its start needed after 20 s
GIVEN_BACK_SECONDS = 10  # and what a crowd needed after 5 s
MINUTE = 65
TALKING = 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done'


def read_until(receive, mark):
    """Read until a mark has come."""
    seen = b''
    while mark not in seen:
        seen += receive()


def main(count):
    """Measure and print."""
    containerd = Containerd().create('busybox')
    agent = Agent(containerd, {'authentication': {'anonymous': {'enabled': True}, 'webhook': {'enabled': False}}})
    with contextlib.ExitStack() as stack:
        stack.callback(containerd.remove)
        stack.callback(agent.remove)
        stack.callback(containerd.runtime.purge)
        stack.callback(agent.stop)
        agent.start()
        agent.write_manifest('crowd', pods.pod('crowd', TALKING))
        agent.wait_ready_pod('crowd')
        path, api = f'default/crowd-{NODE}/main', NodeApi(agent, tls=True)

        def say(what):
            print(f'{what:44} {agent.rss_kib() / 1024:6.1f} MiB', flush=True)

        time.sleep(SETTLED_SECONDS)
        say('one pod, settled')
        api.get('/healthz/ping')
        say('first TLS connection')
        time.sleep(GIVEN_BACK_SECONDS)
        say(f'{GIVEN_BACK_SECONDS} s later')
        followers = [api.connect() for _ in range(count)]
        for connection in followers:
            connection.sendall(f'GET /containerLogs/{path}?follow=true HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
        for connection in followers:
            read_until(lambda source=connection: source.recv(65536), b'line 3\n')
        say(f'{count} followers')
        query = urllib.parse.urlencode([('command', word) for word in ('sh', '-c', 'echo here; sleep 1000')] + [('output', 1)])
        execs = [api.websocket(f'/exec/{path}?{query}') for _ in range(count)]
        for stream in execs:
            read_until(stream.receive, b'here\n')
        say(f'{count} followers and {count} execs')
        for connection in [*followers, *(stream.connection for stream in execs)]:
            connection.close()
        time.sleep(GIVEN_BACK_SECONDS)
        say(f'all gone, {GIVEN_BACK_SECONDS} s later')
        time.sleep(MINUTE)
        say(f'{MINUTE} s later')


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
