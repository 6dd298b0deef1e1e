"""Scenarios recorded from an upstream kubelet, run again and compared.

traces/*.json were recorded with an API server, traces/standalone/*.json without. Both run on the standalone agent: all
that a test run selects run at the same time, and each test then looks at one of them. traces/compare.py tells the
differences; traces/expected_differences.json holds those that are no mistake, each with its reason, and
traces/not_standalone.json the scenarios that only an API server makes possible.
"""
import json
import pathlib
import re
import unittest

from lab import scenario, system
from lab.agent import Agent
from lab.case import LabCase
from lab.cluster import Cluster, JoinedAgent
from traces import compare

TRACES = pathlib.Path(__file__).resolve().parent / 'traces'
EXPECTED = json.loads((TRACES / 'expected_differences.json').read_text())
NOT_STANDALONE = json.loads((TRACES / 'not_standalone.json').read_text())

LISTS = ('expected_differences', 'not_standalone')

# the registry of the recordings
RECORDED_REGISTRY = '127.0.0.1:15000'


def read(name):
    """A recording; its name is that of its file, so that both folders may have one of the same scenario."""
    return {**json.loads((TRACES / f'{name}.json').read_text()), 'scenario': name}


def unexpected(where, name, differences):
    """The differences that no entry of the list explains."""
    reasons = [entry for entry in EXPECTED if (name in entry['scenarios'] or '*' in entry['scenarios'])
               and entry.get('where', where) == where]
    return [line for line in differences if not any(re.search(entry['difference'], line) for entry in reasons)]


# what differs from run to run in logs, beyond what compare.norm knows
LOG_RULES = (
    (re.compile(r'\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|\d\d/\w{3}/\d{4}:[\d:]+ \+0000|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d'), 'TIME'),
    (re.compile(r'\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+'), 'TIME'), (re.compile(r' +\d+ TIME'), ' SIZE TIME'),
    # how many directories the machine's /etc has, mounted as /h
    (re.compile(r' +\d+ (root +root SIZE TIME /h)$', re.M), r' LINKS \1'),
    # nginx: its version, processes, connections and page
    (re.compile(r'OS: Linux \S+'), 'OS'), (re.compile(r'\d+#\d+: (\*\d+ )?'), 'PID: '),
    (re.compile(r'worker process \d+'), 'worker process'), (re.compile(r'received from \d+'), 'received'),
    (re.compile(r'" 200 \d+ "'), '" 200 SIZE "'), (re.compile(r'kube-probe/[\d.]*'), 'kube-probe'),
)


def log_lines(text):
    """A log as a set of lines without what differs from run to run."""
    lines = set()
    for line in text.splitlines():
        for pattern, replacement in LOG_RULES:
            line = pattern.sub(replacement, line)
        lines.add(compare.norm(line))
    return sorted(lines)


def compare_logs(recorded, actual):
    """The logs that the recording has, line by line; those of `kubectl logs` that failed say nothing of the node."""
    for container, text in (recorded.get('logs') or {}).items():
        if text.startswith('ERROR ') or text.startswith('unable to retrieve'):
            continue
        want, have = log_lines(text), log_lines(actual['logs'].get(container) or '')
        yield from (f'logs: {container}: missing {line}' for line in want if line not in have)
        yield from (f'logs: {container}: extra {line}' for line in have if line not in want)


class Recordings(LabCase):
    """One test per recording, made below; all that are selected run at once, before the first test."""

    wanted, seen = set(), {}  # the recordings of the tests that were selected; what was seen of them

    def __init__(self, method='runTest'):
        super().__init__(method)
        name = getattr(getattr(self, method, None), 'recording', None)
        if name:
            self.wanted.add(name)

    def setUp(self):
        if not self.seen:
            self.containerd.mirror(RECORDED_REGISTRY, f'http://{self.registry().host}')
            self.seen.update(self.run_all([read(name) for name in sorted(self.wanted)]))

    def compare(self, name, recorded, actual):
        """Compare one scenario; the run is kept in the build directory for a closer look."""
        if isinstance(actual, BaseException):
            raise actual
        kept = system.BUILD / 'trace-runs' / type(self).__name__ / f'{name}.json'
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(actual, indent=1))
        found = [*compare.main(recorded, actual), *compare_logs(recorded, actual), *self.compare_end(recorded, actual)]
        differences = unexpected(self.where, name, found)
        self.assertEqual(differences, [], f'{name} differs from upstream (the run is in {kept}):\n' + '\n'.join(differences))

    def compare_end(self, recorded, actual):
        """What compare.py does not look at."""
        del recorded, actual
        return ()


class Traces(Recordings):
    """On a standalone agent, from a manifest directory."""

    wanted, seen, where = set(), {}, 'standalone'

    def run_all(self, recordings):
        """Run them on an agent of their own."""
        agent = Agent(self.containerd, record=Agent.has_recorder())
        try:
            return scenario.Scenarios(agent.start()).run(recordings)
        finally:
            agent.remove()
            self.containerd.runtime.purge()

    def check(self, name):
        """Compare one."""
        self.compare(name, scenario.as_standalone(read(name)), self.seen[name])


class Joined(Recordings):
    """On an agent that is joined to a small cluster, as the recordings were made."""

    wanted, seen, where = set(), {}, 'joined'

    def run_all(self, recordings):
        """Run them on an agent of their own."""
        cluster = Cluster()
        agent = JoinedAgent(self.containerd, cluster, record=Agent.has_recorder())
        try:
            return scenario.JoinedScenarios(agent.start()).run(recordings)
        finally:
            agent.remove()
            cluster.close()
            self.containerd.runtime.purge()

    def check(self, name):
        """Compare one."""
        self.compare(name, read(name), self.seen[name])

    def compare_end(self, recorded, actual):
        """The last status of all, after the deletion."""
        ends = [[row for row in each['statuses'] if row.get('status')][-1]['status'] for each in (recorded, actual)]
        yield from (f'end{line}' for line in compare.diff(compare.norm(ends[0]), compare.norm(ends[1])))


def add_tests():
    """Give each recording a test method of its own, so that it can be run and reported alone."""
    for path in sorted(TRACES.rglob('*.json')):
        name = str(path.relative_to(TRACES).with_suffix(''))
        if name in LISTS:
            continue

        def test(self, name=name):
            self.check(name)
        test.__doc__, test.recording = f'{name} as upstream does it', name
        method = 'test_' + re.sub(r'\W', '_', name)
        if name not in NOT_STANDALONE:
            setattr(Traces, method, test)
        if '/' not in name:
            setattr(Joined, method, test)


add_tests()

if __name__ == '__main__':
    unittest.main()
