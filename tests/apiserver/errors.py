"""Refusals, as the `Status` object that a Kubernetes API server answers with."""

REASONS = {400: 'BadRequest', 401: 'Unauthorized', 403: 'Forbidden', 404: 'NotFound', 405: 'MethodNotAllowed',
           406: 'NotAcceptable', 409: 'Conflict', 410: 'Expired', 415: 'UnsupportedMediaType', 422: 'Invalid',
           429: 'TooManyRequests', 500: 'InternalError', 503: 'ServiceUnavailable', 504: 'Timeout'}


class ApiError(Exception):
    """An answer that is no success. `details` is the Status' field of that name."""

    def __init__(self, code, message, reason=None, details=None, headers=None):
        super().__init__(message)
        self.code, self.headers = code, headers or {}
        self.body = {'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Failure', 'message': message,
                     'reason': reason or REASONS.get(code, 'Unknown')}
        if details:
            self.body['details'] = details
        self.body['code'] = code


def details_of(resource, name):
    """The `details` of a Status about one object."""
    found = {'name': name, 'group': resource.group, 'kind': resource.plural}
    return {key: value for key, value in found.items() if value}


def not_found(resource, name):
    """404."""
    return ApiError(404, f'{resource.full} "{name}" not found', details=details_of(resource, name))


def already_exists(resource, name):
    """409 of a POST."""
    return ApiError(409, f'{resource.full} "{name}" already exists', 'AlreadyExists', details_of(resource, name))


def conflict(resource, name, text='the object has been modified; please apply your changes to the latest version and '
             'try again'):
    """409 of a PUT, PATCH or DELETE."""
    return ApiError(409, f'Operation cannot be fulfilled on {resource.full} "{name}": {text}',
                    details=details_of(resource, name))


def uid_conflict(resource, namespace, name, wanted, actual):
    """409: a precondition names another UID."""
    place = f'{namespace}/{name}' if namespace else name
    return conflict(resource, name, f'StorageError: invalid object, Code: 4, Key: /registry/{resource.plural}/{place}, '
                    f'ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, '
                    f'UID in object meta: {actual}')


def invalid(resource, name, field, text):
    """422 about one field."""
    details = {**details_of(resource, name), 'kind': resource.kind,
               'causes': [{'reason': 'FieldValueInvalid', 'message': text, 'field': field}]}
    full = f'{resource.kind}.{resource.group}' if resource.group else resource.kind
    return ApiError(422, f'{full} "{name}" is invalid: {field}: {text}', details=details)


def expired(wanted, oldest):
    """410: a resourceVersion that is no longer known."""
    return ApiError(410, f'too old resource version: {wanted} ({oldest})')
