"""A client for the few runtime calls the assertions need, so that crictl is not.

usage: python3 -m lab.cri SOCKET remove-pod NAME      (the quickstart uses this to leave nothing behind)

One call is one run of curl (HTTP/2 over the socket) and messages are taken apart by field number only: the
numbers are those of CRI v1. It is slow and simple on purpose; the agent's own client is what is tested.
"""
import re
import subprocess
import sys

from .system import LabError

SANDBOX_READY = 0
CONTAINER_STATES = ('created', 'running', 'exited', 'unknown')


def field(number, value):
    """Encode one string or message field."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value):
    """Encode an unsigned number."""
    out = b''
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def fields(data):
    """Decode a message into {field number: [value, ...]}; messages and strings stay bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            value = number()
        else:
            size = {1: 8, 5: 4}.get(kind) or number()
            value = data[at:at + size]
            at += size
        found.setdefault(key >> 3, []).append(value)
    return found


def text(message, number):
    """A string field, empty when absent."""
    return message.get(number, [b''])[-1].decode()


def mapping(message, number):
    """A map<string, string> field."""
    return {text(entry, 1): text(entry, 2) for entry in map(fields, message.get(number, []))}


class Runtime:
    """CRI calls on one socket."""

    def __init__(self, socket):
        self.socket = socket

    def call(self, service, method, request=b'', deadline=60):
        """One unary call; returns the response's bytes."""
        done = subprocess.run(
            ['curl', '-sS', '-i', '--max-time', str(deadline), '--http2-prior-knowledge', '--unix-socket', self.socket,
             '-H', 'content-type: application/grpc', '-H', 'te: trailers', '--data-binary', '@-',
             f'http://localhost/runtime.v1.{service}Service/{method}'],
            input=b'\0' + len(request).to_bytes(4, 'big') + request, capture_output=True)
        head, _, rest = done.stdout.partition(b'\r\n\r\n')
        size = int.from_bytes(rest[1:5], 'big')
        body, trailers = rest[5:5 + size], rest[5 + size:]
        status = re.search(rb'grpc-status: *(\d+)', head + trailers)
        if done.returncode or not status or status[1] != b'0':
            message = re.search(rb'grpc-message: *([^\r\n]*)', head + trailers)
            raise LabError(f'{method}: {(message[1] if message else done.stderr or done.stdout).decode(errors="replace")}')
        return body

    def containers(self):
        """Every container: id, sandbox, name, attempt, state, labels."""
        rows = []
        for item in map(fields, fields(self.call('Runtime', 'ListContainers')).get(1, [])):
            metadata = fields(item[3][0])
            rows.append({'id': text(item, 1), 'sandbox': text(item, 2), 'name': text(metadata, 1),
                         'attempt': metadata.get(2, [0])[0], 'state': CONTAINER_STATES[item.get(6, [0])[0]],
                         'labels': mapping(item, 8)})
        return rows

    def sandboxes(self):
        """Every sandbox: id, name, uid, whether it is ready, labels."""
        rows = []
        for item in map(fields, fields(self.call('Runtime', 'ListPodSandbox')).get(1, [])):
            metadata = fields(item[2][0])
            rows.append({'id': text(item, 1), 'name': text(metadata, 1), 'uid': text(metadata, 2),
                         'ready': item.get(3, [0])[0] == SANDBOX_READY, 'labels': mapping(item, 5)})
        return rows

    def reopen_log(self, container):
        """Have a container's log opened anew, after it was renamed."""
        self.call('Runtime', 'ReopenContainerLog', field(1, container))

    def images(self):
        """The names of every image."""
        found = fields(self.call('Image', 'ListImages')).get(1, [])
        return [name.decode() for item in map(fields, found) for name in item.get(2, [])]

    def remove_image(self, name):
        """Remove an image by name; one that is absent is fine."""
        self.call('Image', 'RemoveImage', field(1, field(1, name)))

    def remove_sandbox(self, sandbox):
        """Stop and remove a sandbox with its containers, at once."""
        for row in self.containers():
            if row['sandbox'] == sandbox:
                self.call('Runtime', 'RemoveContainer', field(1, row['id']))
        self.call('Runtime', 'StopPodSandbox', field(1, sandbox))
        self.call('Runtime', 'RemovePodSandbox', field(1, sandbox))

    def purge(self):
        """Remove every pod, so that one test cannot disturb the next."""
        for row in self.sandboxes():
            self.remove_sandbox(row['id'])


def main(arguments):
    """The program: see the head of this file."""
    if len(arguments) != 3 or arguments[1] != 'remove-pod':
        print(__doc__, file=sys.stderr)
        return 2
    runtime = Runtime(arguments[0])
    for row in runtime.sandboxes():
        if row['name'] == arguments[2]:
            runtime.remove_sandbox(row['id'])
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
