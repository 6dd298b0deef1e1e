#!/usr/bin/env python3
"""Makes metric-families.json: what a kubelet's pages of metrics say of each family, without the values.

    metric-families.py metrics=metrics.txt cadvisor=metrics-cadvisor.txt ... > metric-families.json

A line a family: page, name, type, help, labels and, of a histogram, the bounds of its buckets. Go's own runtime
(go_...) is left out."""
import json
import re
import sys

LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def families(page, lines):
    found, family = {}, None
    for line in lines:
        if line.startswith('# HELP '):
            name, _, text = line[7:].partition(' ')
            family = {'page': page, 'name': name, 'type': '', 'help': text, 'labels': []}
            found[name] = family
        elif line.startswith('# TYPE '):
            family['type'] = line.split()[3]
        elif line:
            labels = dict(LABEL.findall(line))
            bound = labels.pop('le', None) if family['type'] == 'histogram' else None
            family['labels'] = sorted(set(family['labels']) | set(labels))
            if bound is not None and bound not in family.setdefault('buckets', []):
                family['buckets'].append(bound)
    return [family for name, family in found.items() if not name.startswith('go_')]


def main():
    rows = []
    for argument in sys.argv[1:]:
        page, _, path = argument.partition('=')
        with open(path, encoding='utf-8') as file:
            rows += families(page, file.read().splitlines())
    print('[\n' + ',\n'.join(json.dumps(row, sort_keys=True) for row in rows) + '\n]')


if __name__ == '__main__':
    main()
