#!/usr/bin/env python3
"""Run the API server by hand.

usage: run.py [--dir DIR] [--port PORT] [--node NAME] [--bind] [--no-approve]

It prints where it wrote kubeconfigs for an administrator, the node and a bootstrap token, and runs until Ctrl-C; then
DIR/requests.jsonl holds what was asked.
  --bind        pods without a node are bound to the first node that is Ready
  --no-approve  certificate requests wait for `kubectl certificate approve`
"""
import argparse
import pathlib
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from apiserver.server import Server  # noqa: E402  pylint: disable=wrong-import-position


def main():
    """The program: see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dir', default=None)
    parser.add_argument('--port', type=int, default=6443)
    parser.add_argument('--node', default='lab-node')
    parser.add_argument('--bind', action='store_true')
    parser.add_argument('--no-approve', action='store_true')
    options = parser.parse_args()
    place = pathlib.Path(options.dir or tempfile.mkdtemp(prefix='apiserver-'))
    server = Server(place, options.port, options.bind, not options.no_approve).start()
    print(f'API server    {server.url}')
    print(f'administrator {server.kubeconfig(place / "admin.kubeconfig")}')
    print(f'node          {server.node_kubeconfig(place / "node.kubeconfig", options.node)}')
    print(f'bootstrap     {server.bootstrap_kubeconfig(place / "bootstrap.kubeconfig")}', flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        server.save_records(place / 'requests.jsonl')
        server.close()


if __name__ == '__main__':
    main()
