"""The patch kinds: JSON patch (RFC 6902), merge patch (RFC 7386) and strategic merge patch."""
import copy

from .errors import ApiError
from .merge_keys import Merged


# --- JSON patch

def _tokens(pointer):
    if pointer and not pointer.startswith('/'):
        raise ApiError(400, f'bad JSON pointer {pointer!r}')
    return [word.replace('~1', '/').replace('~0', '~') for word in pointer.split('/')[1:]]


def _index(token, length):
    if token == '-':
        return length
    number = int(token)
    if not 0 <= number <= length:
        raise IndexError(token)
    return number


def _parent(document, pointer):
    words = _tokens(pointer)
    for word in words[:-1]:
        document = document[int(word)] if isinstance(document, list) else document[word]
    return document, words[-1]


def _read(document, pointer):
    for word in _tokens(pointer):
        document = document[int(word)] if isinstance(document, list) else document[word]
    return document


def _add(document, pointer, value):
    parent, word = _parent(document, pointer)
    if isinstance(parent, list):
        parent.insert(_index(word, len(parent)), value)
    else:
        parent[word] = value


def _remove(document, pointer):
    parent, word = _parent(document, pointer)
    if isinstance(parent, list):
        return parent.pop(int(word))
    return parent.pop(word)


def _step(document, step):
    operator, path = step['op'], step['path']
    if operator == 'add':
        _add(document, path, copy.deepcopy(step['value']))
    elif operator == 'remove':
        _remove(document, path)
    elif operator == 'replace':
        _read(document, path)
        parent, word = _parent(document, path)
        parent[int(word) if isinstance(parent, list) else word] = copy.deepcopy(step['value'])
    elif operator == 'move':
        _add(document, path, _remove(document, step['from']))
    elif operator == 'copy':
        _add(document, path, copy.deepcopy(_read(document, step['from'])))
    elif operator == 'test':
        if _read(document, path) != step['value']:
            raise ApiError(422, f'testing value {path} failed: test failed', 'Invalid')
    else:
        raise ApiError(400, f'unexpected operation {operator!r} in a JSON patch')


def json_patch(document, steps):
    """Apply the steps to a copy."""
    document = copy.deepcopy(document)
    if not isinstance(steps, list):
        raise ApiError(400, 'a JSON patch is a list')
    for step in steps:
        try:
            _step(document, step)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ApiError(422, f'the server rejected our request due to an error in our request: {step}: {error!r}',
                           'Invalid') from None
    return document


# --- merge patch

def merge_patch(document, patch):
    """Apply a merge patch to a copy."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


# --- strategic merge patch

ORDER, DELETED = '$setElementOrder/', '$deleteFromPrimitiveList/'


def strategic_merge(document, patch, schema):
    """Apply a strategic merge patch to a copy; `schema` is of merge_keys."""
    if not isinstance(patch, dict):
        raise ApiError(400, 'a strategic merge patch is an object')
    return _merge_map(document or {}, patch, schema)


def _merge_map(old, patch, schema):
    directive = patch.get('$patch')
    if directive == 'replace':
        return _without_directives({key: value for key, value in patch.items() if key != '$patch'})
    if directive == 'delete':
        return {}
    if directive not in (None, 'merge'):
        raise ApiError(400, f'unknown patch type: {directive}')
    result = copy.deepcopy(old)
    if '$retainKeys' in patch:
        result = {key: value for key, value in result.items() if key in patch['$retainKeys']}
    for key, value in patch.items():
        if key.startswith(DELETED):
            name = key[len(DELETED):]
            result[name] = [word for word in result.get(name) or [] if word not in value]
    for key, value in patch.items():
        if key.startswith('$'):
            continue
        below = schema.get(key, {}) if isinstance(schema, dict) else {}
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merge_map(result.get(key) if isinstance(result.get(key), dict) else {}, value,
                                     below if isinstance(below, dict) else {})
        elif isinstance(value, list) and isinstance(below, Merged):
            result[key] = _merge_list(result.get(key) or [], value, below)
        else:
            result[key] = _without_directives(value)
    for key, order in patch.items():
        if key.startswith(ORDER):
            name = key[len(ORDER):]
            if name in result:
                below = schema.get(name) if isinstance(schema, dict) else None
                result[name] = _ordered(result[name], order, below.key if isinstance(below, Merged) else None)
    return result


def _merge_list(old, patch, merged):
    if merged.key is None:
        return old + [word for word in patch if word not in old]
    if any(isinstance(item, dict) and item.get('$patch') == 'replace' for item in patch):
        return [_without_directives(item) for item in patch if item != {'$patch': 'replace'}]
    result = copy.deepcopy(old)
    for item in patch:
        if not isinstance(item, dict) or merged.key not in item:
            raise ApiError(422, f'map: {item} does not contain declared merge key: {merged.key}', 'Invalid')
        places = [place for place, have in enumerate(result) if have.get(merged.key) == item[merged.key]]
        if item.get('$patch') == 'delete':
            result = [have for place, have in enumerate(result) if place not in places]
        elif places:
            result[places[0]] = _merge_map(result[places[0]], item, merged.item)
        else:
            result.append(_merge_map({}, item, merged.item))
    return result


def _ordered(items, order, key):
    """Items named by the order stand in that order; others keep their place after the one they followed."""
    def identity(item):
        return item.get(key) if key and isinstance(item, dict) else item
    wanted = [identity(item) for item in order]
    placed = sorted((item for item in items if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    result, taken = [], 0
    for item in items:
        if identity(item) in wanted:
            result.append(placed[taken])
            taken += 1
        else:
            result.append(item)
    return result


def _without_directives(value):
    if isinstance(value, dict):
        return {key: _without_directives(item) for key, item in value.items()
                if not key.startswith('$') and item is not None}
    if isinstance(value, list):
        return [_without_directives(item) for item in value
                if not (isinstance(item, dict) and item.get('$patch') == 'delete')]
    return value


def apply(content_type, document, patch, schema):
    """The object that a PATCH makes of another one."""
    if content_type == 'application/json-patch+json':
        return json_patch(document, patch)
    if content_type == 'application/merge-patch+json':
        return merge_patch(document, patch)
    if content_type == 'application/strategic-merge-patch+json':
        return strategic_merge(document, patch, schema)
    raise ApiError(415, 'the body of the request was in an unknown format - accepted media types include: '
                   'application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, '
                   'application/apply-patch+yaml')
