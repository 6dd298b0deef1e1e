"""What the API server is told: mirror pods, statuses, events and the node, whatever happens to those who tell it."""
import json
import unittest

from lab import pods as shapes
from lab.agent import NODE
from lab.case import JoinedCase
from lab.cluster import outage

REPORTERS = ('status-reporter', 'node-reporter', 'event-recorder', 'lease-keeper', 'api-client')


def mirror_of(cluster, name):
    """The mirror pod of a static pod, or None."""
    pod = cluster.pod(f'{name}-{NODE}')
    return pod if pod and 'kubernetes.io/config.mirror' in pod['metadata'].get('annotations', {}) else None


class Mirrors(JoinedCase):
    """Static pods in a cluster."""
