"""Pages of metrics as Prometheus reads them."""
import re


def value(text, family, /, **labels):
    """The value of the series with these labels (and perhaps others), or None."""
    for line in text.splitlines():
        match = re.match(r'([^{ ]+)(?:{(.*)})? (\S+)( \d+)?$', line)
        if match and match[1] == family:
            has = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ''))
            if labels.items() <= has.items():
                return float(match[3])
    return None
