"""WebSockets (RFC 6455) as the server's side of a log: what comes is sent in frames, and nothing is expected back."""
import base64
import hashlib

from .errors import ApiError

GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
TEXT, BINARY, CLOSE = 1, 2, 8
NORMAL_END = (1000).to_bytes(2, 'big')
# what a kube-apiserver speaks for logs: no protocol at all is binary
LOG_PROTOCOLS = {'': BINARY, 'binary.k8s.io': BINARY, 'base64.binary.k8s.io': TEXT}


def is_wanted(request):
    """Whether the client asks for a WebSocket."""
    return request.wants_upgrade and request.headers['upgrade'].lower() == 'websocket'


class Sender:
    """A client's connection that takes an answer in frames; for proxy.py it looks like one that takes chunks."""

    def __init__(self, request):
        self.connection = request.connection
        self.key = request.headers.get('sec-websocket-key', '')
        asked = [word.strip() for word in request.headers.get('sec-websocket-protocol', '').split(',')]
        self.protocol = next((word for word in asked if word in LOG_PROTOCOLS), None)
        if self.protocol is None:
            raise ApiError(403, f'requested protocol(s) are not supported: {asked}; supports {sorted(LOG_PROTOCOLS)}')

    async def start_chunks(self, _content_type='', _code=200, headers=()):
        """Agree to the upgrade."""
        accept = base64.b64encode(hashlib.sha1((self.key + GUID).encode()).digest()).decode()
        chosen = [('Sec-WebSocket-Protocol', self.protocol)] if self.protocol else []
        del headers  # the frames have none
        self.connection.is_closing = True
        self.connection.write_head(101, [('Upgrade', 'websocket'), ('Connection', 'Upgrade'),
                                         ('Sec-WebSocket-Accept', accept), *chosen])
        await self.connection.writer.drain()

    async def send_chunk(self, data):
        """A piece of the answer; an empty one ends it."""
        kind, payload = (LOG_PROTOCOLS[self.protocol], data) if data else (CLOSE, NORMAL_END)
        if kind == TEXT:
            payload = base64.b64encode(payload)
        size = len(payload)
        length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2, 'big') if size < 65536 \
            else bytes([127]) + size.to_bytes(8, 'big')
        self.connection.writer.write(bytes([0x80 | kind]) + length + payload)
        await self.connection.writer.drain()

    async def wait_gone(self):
        """Return when the client has closed its side."""
        await self.connection.wait_gone()
