"""Orders to fail."""
import dataclasses
import json
import re

from .errors import ApiError


@dataclasses.dataclass
class Rule:
    """What the next requests get instead of their answer.

    `verb` and `path` (a regular expression for path and query) say which requests, `user` whose; `count` how many of
    them (-1: all, until the rules are cleared). `code` is answered, or `action` done: 'hang' never answers, 'reset'
    ends the connection without an answer, 'lost' does what was asked and then ends the connection.
    """

    verb: str = ''
    path: str = ''
    user: str = ''
    count: int = 1
    code: int = 0
    action: str = ''
    message: str = 'the lab wants this to fail'
    retry_after: int = 0
    hits: int = 0

    def takes(self, verb, request):
        """Whether a request is one of those."""
        return self.count != 0 and (not self.verb or verb in self.verb.split(',')) \
            and (not self.user or (request.user and request.user.name == self.user)) \
            and re.search(self.path, request.target) is not None

    def error(self):
        """The answer."""
        headers = {'Retry-After': str(self.retry_after)} if self.retry_after or self.code == 429 else {}
        return ApiError(self.code, self.message, headers=headers)


class Faults:
    """The rules in force."""

    def __init__(self):
        self.rules = []

    def add(self, **fields):
        """Add a rule; returns it, so that its hits can be counted."""
        rule = Rule(**fields)
        if not (rule.code or rule.action):
            raise ValueError('a rule needs a code or an action')
        if rule.action not in ('', 'hang', 'reset', 'lost'):
            raise ValueError(f'unknown action {rule.action!r}')
        self.rules.append(rule)
        return rule

    def clear(self):
        """No more faults; what hangs is let go by the server."""
        self.rules.clear()

    def take(self, verb, request):
        """The rule for a request, which is one hit less from now on, or None."""
        for rule in self.rules:
            if rule.takes(verb, request):
                rule.count -= 1 if rule.count > 0 else 0
                rule.hits += 1
                return rule
        return None

    def __str__(self):
        return json.dumps([dataclasses.asdict(rule) for rule in self.rules])
