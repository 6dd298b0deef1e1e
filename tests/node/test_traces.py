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
from lab.case import AgentCase
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


def unexpected(name, differences):
    """The differences that no entry of the list explains."""
    reasons = [entry for entry in EXPECTED if name in entry['scenarios'] or '*' in entry['scenarios']]
    return [line for line in differences if not any(re.search(entry['difference'], line) for entry in reasons)]


# what differs from run to run in logs, beyond what compare.norm knows
LOG_RULES = (
    (re.compile(r'\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|\d\d/\w{3}/\d{4}:[\d:]+ \+0000|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d'), 'TIME'),
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


class Traces(AgentCase):
    """One test per recording, made below; all that are selected run at once, before the first test."""

    wanted = set()  # the recordings of the tests that were selected
    seen = {}

    def __init__(self, method='runTest'):
        super().__init__(method)
        name = getattr(getattr(self, method, None), 'recording', None)
        if name:
            self.wanted.add(name)

    @property
    def record(self):  # pylint: disable=invalid-overridden-method
        """Runtime calls are compared too where they can be recorded."""
        return Agent.has_recorder()

    def setUp(self):
        if not self.seen:
            super().setUp()
            self.containerd.mirror(RECORDED_REGISTRY, f'http://{self.registry().host}')
            self.seen.update(scenario.Scenarios(self.agent).run([read(name) for name in sorted(self.wanted)]))

    def check(self, name):
        """Compare one scenario; the run is kept in the build directory for a closer look."""
        recorded, actual = scenario.as_standalone(read(name)), self.seen[name]
        if isinstance(actual, BaseException):
            raise actual
        kept = system.BUILD / 'trace-runs' / f'{name}.json'
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(actual, indent=1))
        differences = unexpected(name, [*compare.main(recorded, actual), *compare_logs(recorded, actual)])
        self.assertEqual(differences, [], f'{name} differs from upstream (the run is in {kept}):\n' + '\n'.join(differences))


def add_tests():
    """Give each recording a test method of its own, so that it can be run and reported alone."""
    for path in sorted(TRACES.rglob('*.json')):
        name = str(path.relative_to(TRACES).with_suffix(''))
        if name in NOT_STANDALONE or name in LISTS:
            continue

        def test(self, name=name):
            self.check(name)
        test.__doc__, test.recording = f'{name} as upstream does it', name
        setattr(Traces, 'test_' + re.sub(r'\W', '_', name), test)


add_tests()

if __name__ == '__main__':
    unittest.main()
