#!/usr/bin/env python3
"""Run the node tests, several modules at a time: they wait more than they compute, and every lab is its own.

usage: parallel.py JOBS [NAME...]       NAME: a module, class or method as unittest takes it; none: all modules

Each process shows its output when it has ended. The last lines count what ran, as unittest does for one.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent

# These take longest, so they begin first; which they are changes nothing but the time it takes.
FIRST = ('test_faults', 'test_traces', 'test_joined_outage', 'test_joined_pods', 'test_lifecycle', 'test_joined_churn')


def rank(name):
    """The place of a module in the queue."""
    return FIRST.index(name) if name in FIRST else len(FIRST)


def run(name):
    """One process of unittest: its name, output, exit status and seconds."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, '-B', '-m', 'unittest', '-v', name], cwd=HERE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', check=False)
    return name, done.stdout, done.returncode, time.monotonic() - start


def count(pattern, text):
    """The sum of the numbers that the pattern finds."""
    return sum(int(number) for number in re.findall(pattern, text, re.M))


def main(jobs, names):
    """Run all; 0 when all passed."""
    names = names or sorted((path.stem for path in HERE.glob('test_*.py')), key=rank)
    ran = skipped = failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run, name) for name in names]):
            name, output, status, seconds = future.result()
            print(f'======== {name}: {seconds:.0f} s\n{output}', flush=True)
            tests = count(r'^Ran (\d+) tests? in', output)
            ran, skipped = ran + tests, skipped + count(r'skipped=(\d+)', output)
            failed += bool(status or not tests)
            if not re.search(r'^(FAIL|ERROR): ', output, re.M) and (status or not tests):
                print(f'ERROR: {name} ended with {status} after {tests} tests', flush=True)
    print(f'Ran {ran} tests in {len(names)} processes' + (f' (skipped={skipped})' if skipped else ''))
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
