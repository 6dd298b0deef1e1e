"""The node's own API as its clients see it: curl, and a WebSocket client of a few lines."""
import base64
import os
import secrets
import socket
import ssl
import struct
import subprocess
import urllib.parse

from . import system

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)


def curl(*words, timeout=None):
    """Run curl; (status, body)."""
    done = subprocess.run(['curl', '-sS', '-w', '\n%{http_code}', *map(str, words)], capture_output=True,
                          timeout=timeout or system.DEADLINE, check=False)
    if done.returncode:
        raise AssertionError(f'curl {" ".join(map(str, words))} ended with {done.returncode}: {done.stderr.decode()}')
    body, _, code = done.stdout.rpartition(b'\n')
    return int(code), body.decode(errors='replace')


class NodeApi:
    """The API of one agent, over its unix socket or over TLS."""

    def __init__(self, agent, tls=False, words=()):
        self.agent, self.tls, self.words = agent, tls, words
        self.socket = agent.place / 'run/api.sock'
        self.base = f'https://127.0.0.1:{agent.tls_port}' if tls else 'http://node'

    def command(self, path, *words):
        """The words of a curl command."""
        way = ['-k'] if self.tls else ['--unix-socket', self.socket]
        return [*way, *self.words, *words, self.base + path]

    def get(self, path, *words, timeout=None):
        """(status, body)."""
        return curl(*self.command(path, *words), timeout=timeout)

    def text(self, path, *words):
        """The body; the status must be 200."""
        status, body = self.get(path, *words)
        if status != 200:
            raise AssertionError(f'{path}: {status} {body}')
        return body

    def follow(self, path):
        """A process that prints what comes."""
        return subprocess.Popen(['curl', '-sSN', *map(str, self.command(path))], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def connect(self):
        """A connected socket."""
        if not self.tls:
            found = socket.socket(socket.AF_UNIX)
            found.settimeout(system.DEADLINE)
            found.connect(str(self.socket))
            return found
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(socket.create_connection(('127.0.0.1', self.agent.tls_port), system.DEADLINE))

    def websocket(self, path, protocol='v4.channel.k8s.io'):
        """An open WebSocket."""
        return WebSocket(self.connect(), path, protocol)

    def exec(self, path, *command, stdin=None, tty=False):
        """Run a command through a WebSocket: (stdout, stderr, status object as text)."""
        query = urllib.parse.urlencode([*(('command', word) for word in command), ('output', 1), ('tty', int(tty)),
                                        ('error', int(not tty)), ('input', int(stdin is not None))])
        channels = {STDOUT: b'', STDERR: b'', ERROR: b''}
        with self.websocket(f'{path}?{query}') as stream:
            for at in range(0, len(stdin or b''), 4096):
                stream.send(bytes([STDIN]) + stdin[at:at + 4096])
            for message in stream:
                if message:
                    channels[message[0]] = channels.get(message[0], b'') + message[1:]
        return channels[STDOUT].decode(), channels[STDERR].decode(), channels[ERROR].decode()


class Refused(Exception):
    """The server did not agree to the upgrade."""


class WebSocket:
    """RFC 6455, as much of it as the tests need."""

    def __init__(self, connection, path, protocol):
        self.connection, self.rest = connection, b''
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        connection.sendall((f'GET {path} HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
                            f'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n'
                            f'Sec-WebSocket-Protocol: {protocol}\r\n\r\n').encode())
        head = b''
        while b'\r\n\r\n' not in head:
            got = connection.recv(65536)
            if not got:
                break
            head += got
        self.head, _, self.rest = head.partition(b'\r\n\r\n')
        if not self.head.startswith(b'HTTP/1.1 101'):
            connection.close()
            raise Refused(head.decode(errors='replace'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, payload, kind=2):
        """One message, masked as clients must."""
        size, mask = len(payload), os.urandom(4)
        head = bytes([0x80 | kind]) + (bytes([0x80 | size]) if size < 126 else struct.pack('>BH', 0x80 | 126, size)
                                       if size < 65536 else struct.pack('>BQ', 0x80 | 127, size))
        masked = (int.from_bytes(payload, 'big') ^ int.from_bytes((mask * (size // 4 + 1))[:size], 'big')
                  ).to_bytes(size, 'big') if size else b''
        self.connection.sendall(head + mask + masked)

    def _take(self, count):
        while len(self.rest) < count:
            got = self.connection.recv(65536)
            if not got:
                raise EOFError
            self.rest += got
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def receive(self):
        """The next message; EOFError at the end."""
        first, second = self._take(2)
        size = second & 0x7f
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), 'big')
        payload = self._take(size)
        if first & 0x0f == 8:
            raise EOFError
        return payload

    def __iter__(self):
        try:
            while True:
                yield self.receive()
        except EOFError:
            return
