"""HTTP/2 with Debian's python3-h2; without it the server speaks HTTP/1.1 only."""
import asyncio

from . import wire

try:
    import h2.config
    import h2.connection
    import h2.errors
    import h2.events
    import h2.exceptions
    import h2.settings
    IS_THERE = True
except ImportError:
    IS_THERE = False

STREAMS = 250  # at once on a connection


class Connection(wire.Transport):
    """One client's HTTP/2 connection. `serve` answers one request."""

    def __init__(self, reader, writer, serve):
        super().__init__(reader, writer)
        self.serve, self.streams, self.tasks = serve, {}, set()
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding='utf-8'))
        self.window = asyncio.Event()

    @property
    def watches(self):
        """How many streams are watches."""
        return sum(stream.watches for stream in self.streams.values())

    @watches.setter
    def watches(self, _count):
        """Streams count for themselves."""

    async def flush(self):
        """Send what the protocol's state has for the client."""
        data = self.state.data_to_send()
        if data:
            self.writer.write(data)
            await self.writer.drain()

    async def run(self):
        """Serve requests until the client goes."""
        self.state.initiate_connection()
        self.state.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS})
        await self.flush()
        try:
            while True:
                data = await self.reader.read(65536)
                if not data:
                    break
                for event in self.state.receive_data(data):
                    self._handle(event)
                await self.flush()
        except h2.exceptions.ProtocolError as error:
            await self.flush()
            raise wire.BadRequest(str(error)) from None
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def _handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = Stream(self, event.stream_id, event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream = self.streams.get(event.stream_id)
            if stream:
                stream.request.body += event.data
                if len(stream.request.body) > wire.MAX_BODY:
                    raise wire.BadRequest('the body is too long')
            self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream = self.streams.get(event.stream_id)
            if stream:
                stream.task = asyncio.ensure_future(self._run(stream))
                self.tasks.add(stream.task)
                stream.task.add_done_callback(self.tasks.discard)
        elif isinstance(event, h2.events.StreamReset):
            stream = self.streams.get(event.stream_id)
            if stream and stream.task:
                stream.is_gone = True
                stream.task.cancel()
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self.window.set()

    async def _run(self, stream):
        try:
            await self.serve(stream.request)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client or the connection has gone
        finally:
            self.streams.pop(stream.number, None)

    def reset_watches(self):
        """RST_STREAM for all watches."""
        found = [stream for stream in self.streams.values() if stream.watches]
        for stream in found:
            self.state.reset_stream(stream.number, h2.errors.ErrorCodes.INTERNAL_ERROR)
            stream.is_gone = True
            stream.task.cancel()
        self.writer.write(self.state.data_to_send())
        return len(found)

    def go_away(self):
        """GOAWAY without an error. python3-h2 would end the connection with it, so the frame is made here."""
        last = max(self.streams, default=self.state.highest_inbound_stream_id)
        self.writer.write(b'\x00\x00\x08\x07\x00\x00\x00\x00\x00' + last.to_bytes(4, 'big') + bytes(4))


class Stream:
    """One request's stream; to the handlers it looks like a connection."""

    is_closing = False

    def __init__(self, connection, number, headers):
        self.connection, self.number, self.task = connection, number, None
        self.watches, self.is_gone = 0, False
        named = dict(headers)
        self.request = wire.Request(self, named[':method'], named[':path'],
                                    [pair for pair in headers if not pair[0].startswith(':')])

    @property
    def tls(self):
        """The TLS object."""
        return self.connection.tls

    def reset(self):
        """A reset is one of the whole connection."""
        self.connection.reset()

    async def wait_gone(self):
        """The task is cancelled when the client resets the stream."""
        await asyncio.Event().wait()

    async def send(self, code, body, content_type='application/json', headers=()):
        """A whole answer."""
        await self._send_headers(code, [('content-type', content_type), ('content-length', str(len(body))), *headers])
        await self._send_data(body, True)

    async def start_chunks(self, content_type='application/json', code=200, headers=()):
        """Begin an answer of unknown length."""
        await self._send_headers(code, [('content-type', content_type), *headers])

    async def send_chunk(self, data):
        """A piece of it; an empty one ends it."""
        await self._send_data(data, not data)

    async def _send_headers(self, code, headers):
        try:
            self.connection.state.send_headers(self.number, [
                (':status', str(code)), *((key.lower(), str(value)) for key, value in headers)])
        except h2.exceptions.ProtocolError as error:
            raise ConnectionResetError(str(error)) from None
        await self.connection.flush()

    async def _send_data(self, data, is_last):
        state = self.connection.state
        while True:
            try:
                room = min(state.local_flow_control_window(self.number), state.max_outbound_frame_size)
                if data and room <= 0:
                    self.connection.window.clear()
                    await self.connection.window.wait()
                    continue
                part, data = data[:room], data[room:]
                state.send_data(self.number, part, end_stream=is_last and not data)
            except h2.exceptions.ProtocolError as error:
                raise ConnectionResetError(str(error)) from None
            await self.connection.flush()
            if not data:
                return
