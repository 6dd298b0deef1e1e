"""Scenarios recorded from an upstream kubelet without an API server, run again and compared.

Each file in traces/standalone is one scenario and what upstream did. traces/compare.py tells the differences;
traces/expected_differences.json holds those that are no mistake, each with its reason.
"""
import json
import pathlib
import re
import time
import unittest

from lab import system
from lab.agent import Agent
from lab.case import AgentCase
from traces import compare

TRACES = pathlib.Path(__file__).resolve().parent / 'traces'
EXPECTED = json.loads((TRACES / 'expected_differences.json').read_text())
MUTATING = ('RunPodSandbox', 'StopPodSandbox', 'RemovePodSandbox', 'CreateContainer', 'StartContainer', 'StopContainer',
            'RemoveContainer', 'PullImage', 'ExecSync')


def unexpected(scenario, differences):
    """The differences that no entry of the list explains."""
    reasons = [entry for entry in EXPECTED if entry['scenario'] in ('*', scenario)]
    return [line for line in differences if not any(re.search(entry['difference'], line) for entry in reasons)]


class Traces(AgentCase):
    """One test per recording, made below."""

    @property
    def record(self):  # pylint: disable=invalid-overridden-method
        """Runtime calls are compared too where they can be recorded."""
        return Agent.has_recorder()

    def run_scenario(self, recorded):
        """Write the manifest, watch, remove it, watch until it is gone. The shape is that of a recording."""
        pod = recorded['objects'][0]
        name = pod['metadata']['name']
        rows, first, start = [], None, time.monotonic()

        def look(kind):
            nonlocal first
            shown = self.agent.pod(name)
            if shown:
                first = first or shown
                if not rows or rows[-1]['status'] != shown['status']:
                    rows.append({'at': round(time.monotonic() - start, 2), 'type': kind, 'status': shown['status']})
            return shown
        self.agent.write_manifest(name + '.json', json.dumps(pod))
        # the recording watched for this long before the manifest was removed, so this is part of the scenario
        while time.monotonic() < start + recorded['deleted_after']:
            look('MODIFIED')
            time.sleep(0.1)
        self.agent.remove_manifest(name + '.json')
        self.agent.wait(f'{name} is gone', lambda: not look('DELETED'))
        actual = {'scenario': name, 'objects': [pod], 'pod': first, 'deleted_after': recorded['deleted_after'],
                  'statuses': rows, 'events': [], 'logs': {}}
        if self.record:
            actual['cri'] = self.calls_of(first['metadata']['uid'], recorded['pod']['metadata']['uid'])
        return actual

    def calls_of(self, uid, recorded_uid):
        """The mutating runtime calls of one pod, with the paths of a usual node and the UID that the recording has.

        compare.py does not see a static pod's UID where it stands inside a longer word (`pod0123…`).
        """
        known, found = {uid}, []
        text = self.agent.calls.read_text().replace(str(self.agent.logs), '/var/log/pods').replace(
            f'"/{self.agent.cgroup}/kubepods', '"/kubepods')
        for line in text.splitlines():
            call = json.loads(line)
            if call['method'] not in MUTATING or not any(word in line for word in known):
                continue
            answer = call.get('resp')
            if isinstance(answer, dict):
                known |= {answer[key] for key in ('pod_sandbox_id', 'container_id') if answer.get(key)}
            if call['method'] != 'ExecSync' or sum(row['method'] == 'ExecSync' for row in found) < 6:
                found.append(json.loads(line.replace(uid, recorded_uid)))
        return found

    def check(self, name):
        """Run one scenario and compare; the run is kept in the build directory for a closer look."""
        recorded = json.loads((TRACES / 'standalone' / f'{name}.json').read_text())
        actual = self.run_scenario(recorded)
        kept = system.BUILD / 'trace-runs' / f'{name}.json'
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(actual, indent=1))
        differences = unexpected(name, compare.main(recorded, actual))
        self.assertEqual(differences, [], f'{name} differs from upstream (the run is in {kept}):\n' + '\n'.join(differences))


def add_tests():
    """Give each recording a test method of its own, so that it can be run and reported alone."""
    for path in sorted((TRACES / 'standalone').glob('*.json')):
        def test(self, name=path.stem):
            self.check(name)
        test.__doc__ = f'{path.stem} as upstream does it'
        setattr(Traces, 'test_' + path.stem.replace('-', '_'), test)


add_tests()

if __name__ == '__main__':
    unittest.main()
