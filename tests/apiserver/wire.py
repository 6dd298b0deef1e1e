"""HTTP/1.1 over asyncio streams: requests in, answers out, chunked streams, upgrades left to the handler."""
import asyncio
import json
import socket
import struct
import urllib.parse

PHRASES = {101: 'Switching Protocols', 200: 'OK', 201: 'Created', 202: 'Accepted', 400: 'Bad Request',
           401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 409: 'Conflict',
           410: 'Gone', 415: 'Unsupported Media Type', 422: 'Unprocessable Entity', 429: 'Too Many Requests',
           500: 'Internal Server Error', 503: 'Service Unavailable'}
MAX_HEAD = 64 * 1024
MAX_BODY = 8 * 1024 * 1024


class BadRequest(Exception):
    """What was read is no HTTP/1.1 request that we understand."""


class Transport:
    """What HTTP/1.1 and HTTP/2 connections have in common."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.watches = 0

    @property
    def tls(self):
        """The TLS object, or None on plain connections."""
        return self.writer.get_extra_info('ssl_object')

    def reset(self):
        """End it at once, with a TCP reset."""
        raw = self.writer.get_extra_info('socket')
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        except (OSError, AttributeError):
            pass  # it is closed already, or was never whole
        self.writer.transport.abort()


class Connection(Transport):
    """One client's HTTP/1.1 connection."""

    def __init__(self, reader, writer):
        super().__init__(reader, writer)
        self.is_closing = False

    @property
    def is_gone(self):
        """Whether the client has closed its side."""
        return self.reader.at_eof()

    async def wait_gone(self):
        """Return when the client has closed its side; what it sends instead is lost, so no request may follow."""
        self.is_closing = True
        while await self.reader.read(4096):
            pass

    async def read_request(self):
        """The next request, or None when the client has gone."""
        try:
            head = await self.reader.readuntil(b'\r\n\r\n')
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except asyncio.LimitOverrunError:
            raise BadRequest('the head is too long') from None
        request = Request.parse(self, head)
        request.body = await self._read_body(request.headers)
        return request

    async def _read_body(self, headers):
        if headers.get('transfer-encoding', '').lower() == 'chunked':
            parts = []
            while True:
                size = int((await self.reader.readuntil(b'\r\n')).split(b';')[0], 16)
                parts.append((await self.reader.readexactly(size + 2))[:-2])
                if size == 0:
                    return b''.join(parts)
                if sum(map(len, parts)) > MAX_BODY:
                    raise BadRequest('the body is too long')
        length = int(headers.get('content-length') or 0)
        if length > MAX_BODY:
            raise BadRequest('the body is too long')
        return await self.reader.readexactly(length)

    def write_head(self, code, headers):
        """The first lines of an answer."""
        lines = [f'HTTP/1.1 {code} {PHRASES.get(code, "Status")}', *(f'{key}: {value}' for key, value in headers)]
        self.writer.write('\r\n'.join(lines + ['', '']).encode())

    async def send(self, code, body, content_type='application/json', headers=()):
        """A whole answer. `body` is bytes."""
        end = [('Connection', 'close')] if self.is_closing else []
        self.write_head(code, [('Content-Type', content_type), ('Content-Length', len(body)), *headers, *end])
        self.writer.write(body)
        await self.writer.drain()

    async def start_chunks(self, content_type='application/json', code=200, headers=()):
        """Begin an answer of unknown length."""
        end = [('Connection', 'close')] if self.is_closing else []
        self.write_head(code, [('Content-Type', content_type), ('Transfer-Encoding', 'chunked'), *headers, *end])
        await self.writer.drain()

    async def send_chunk(self, data):
        """A piece of it; an empty one ends it."""
        self.writer.write(f'{len(data):x}\r\n'.encode() + data + b'\r\n')
        await self.writer.drain()


class Request:
    """One request: `path`, `query` (first value of each name), `headers` (lower-case names), `body` (bytes)."""

    def __init__(self, connection, method, target, pairs):
        self.connection, self.method, self.target, self.body = connection, method, target, b''
        self.pairs = [(key.strip(), value.strip()) for key, value in pairs]
        self.headers = {key.lower(): value for key, value in self.pairs}
        path, _, self.raw_query = target.partition('?')
        self.path = urllib.parse.unquote(path)
        self.query = {key: values[0] for key, values in
                      urllib.parse.parse_qs(self.raw_query, keep_blank_values=True).items()}
        self.user = None

    @classmethod
    def parse(cls, connection, head):
        """The request with this HTTP/1.1 head."""
        try:
            first, *lines = head.decode('latin-1').split('\r\n')[:-2]
            method, target, version = first.split(' ')
            pairs = [line.split(':', 1) for line in lines]
            if any(len(pair) != 2 for pair in pairs) or version not in ('HTTP/1.1', 'HTTP/1.0'):
                raise ValueError(first)
        except ValueError:
            raise BadRequest('not an HTTP/1.1 request') from None
        return cls(connection, method, target, pairs)

    @property
    def wants_upgrade(self):
        """Whether the client asks for another protocol."""
        return 'upgrade' in self.headers.get('connection', '').lower() and 'upgrade' in self.headers

    def flag(self, name):
        """A query parameter as a boolean."""
        return self.query.get(name, '') in ('true', '1')

    def json(self):
        """The body as JSON, or None when it is empty or something else."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return None


def encode(value):
    """JSON as it goes over the wire."""
    return json.dumps(value, separators=(',', ':')).encode() + b'\n'
