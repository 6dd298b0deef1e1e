"""The pods' network: a bridge and a subnet of its own for each lab, through the usual CNI plugins.

usage: python3 -m lab.network NAME BRIDGE       remove what such a network left (for the quickstart)
"""
import fcntl
import ipaddress
import json
import pathlib
import random
import re
import sys

from .system import LabError, run

LOCK = '/run/lock/cubelet-lab.lock'


def create(bridge):
    """Create a bridge with the first address of a free subnet; returns the subnet.

    The bridge exists from here on, so that two labs that start at once cannot choose the same subnet.
    """
    with open(LOCK, 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        used = []
        for row in json.loads(run('ip', '-json', '-4', 'route') or '[]'):
            if row['dst'] != 'default':
                used.append(ipaddress.ip_network(row['dst'], strict=False))
        for _ in range(100):
            subnet = ipaddress.ip_network(f'10.{random.randint(128, 223)}.{4 * random.randint(0, 63)}.0/22')
            if not any(subnet.overlaps(other) for other in used):
                break
        else:
            raise LabError('no free subnet in 10.128.0.0 to 10.223.255.255')
        run('ip', 'link', 'add', bridge, 'type', 'bridge')
        run('ip', 'addr', 'add', f'{subnet[1]}/{subnet.prefixlen}', 'dev', bridge)
        run('ip', 'link', 'set', bridge, 'up')
        return str(subnet)


def conflist(name, bridge, subnet, data):
    """The CNI configuration. It reaches the node and other pods, not the world: no masquerading is needed."""
    return {'cniVersion': '0.4.0', 'name': name, 'plugins': [
        {'type': 'bridge', 'bridge': bridge, 'isGateway': True, 'ipMasq': False, 'hairpinMode': True,
         'ipam': {'type': 'host-local', 'dataDir': data, 'ranges': [[{'subnet': subnet}]],
                  'routes': [{'dst': '0.0.0.0/0'}]}},
        {'type': 'portmap', 'capabilities': {'portMappings': True}, 'snat': True}]}


def delete(name, bridge):
    """Delete the bridge, and the packet filter rules and notes of the plugins that killed pods left behind."""
    for path in pathlib.Path('/var/lib/cni/results').glob(f'{name}-*-eth0'):
        sandbox = path.name[len(name) + 1:-len('-eth0')]
        path.unlink(missing_ok=True)
        path.with_name(f'cni-loopback-{sandbox}-lo').unlink(missing_ok=True)
    run('ip', 'link', 'delete', bridge, check=False)
    rules = run('iptables-save', '-t', 'nat', check=False)
    chains = set()
    for line in rules.splitlines():
        if f'name: \\"{name}\\"' in line and line.startswith('-A '):
            found = re.search(r'-j (CNI-\S+)', line)
            if found:
                chains.add(found[1])
            # "-A CHAIN rule" read back as "-D CHAIN rule", with iptables' own quoting
            run('sh', '-c', 'iptables -t nat -D ' + line[3:], check=False)
    for chain in chains:
        run('iptables', '-t', 'nat', '-F', chain, check=False)
        run('iptables', '-t', 'nat', '-X', chain, check=False)


if __name__ == '__main__':
    delete(*sys.argv[1:])
