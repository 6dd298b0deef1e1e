"""Requests that the API server passes on to a node's kubelet: logs, exec, attach, port-forward, nodes/proxy."""
import asyncio
import ssl
import urllib.parse

from . import websocket
from .errors import ApiError
from .resources import of

BLOCK = 64 * 1024


class Proxy:
    """Connects to kubelets with the API server's client certificate."""

    def __init__(self, store, key, certificate):
        self.store = store
        self.context = ssl.create_default_context()
        self.context.check_hostname = False  # as a kube-apiserver without --kubelet-certificate-authority
        self.context.verify_mode = ssl.CERT_NONE
        self.context.load_cert_chain(certificate, key)
        self.stranger = ssl._create_unverified_context()  # for other ports, which the API server's key is no business of

    def locate(self, name):
        """(host, port, TLS context) of NODE, NODE:PORT or SCHEME:NODE:PORT; another port than the kubelet's is plain
        unless the scheme is https."""
        words = name.split(':')
        if len(words) > 3 or (len(words) == 3 and words[0] not in ('http', 'https')):
            raise ApiError(400, f'invalid node request "{name}"')
        scheme = words.pop(0) if len(words) == 3 else 'http'
        status = self.store.get(of('nodes'), None, words[0]).get('status', {})
        port = status.get('daemonEndpoints', {}).get('kubeletEndpoint', {}).get('Port')
        addresses = {row['type']: row['address'] for row in reversed(status.get('addresses') or [])}
        host = addresses.get('InternalIP') or addresses.get('Hostname')
        if not host or not port:
            raise ApiError(503, f'node "{words[0]}" has said no address or no kubelet port')
        if words[1:] in ([], [''], [str(port)]):
            return host, port, self.context
        return host, words[1], self.stranger if scheme == 'https' else None

    async def _connect(self, node):
        host, port, context = self.locate(node)
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=context), 10)
        except (OSError, asyncio.TimeoutError) as error:
            raise ApiError(500, f'error dialing backend: dial tcp {host}:{port}: {error}') from None
        return f'{host}:{port}', reader, writer

    async def fetch(self, node, target):
        """GET something small from a node, as text."""
        host, reader, writer = await self._connect(node)
        try:
            # HTTP/1.0: the answer ends with the connection
            writer.write(f'GET {target} HTTP/1.0\r\nHost: {host}\r\n\r\n'.encode())
            head, _, body = (await reader.read(-1)).partition(b'\r\n\r\n')
        finally:
            writer.close()
        if b' 200 ' not in head.split(b'\r\n')[0]:
            raise ApiError(503, f'{target} of node {node} answered {head[:200]!r}')
        return body.decode()

    async def run(self, request, node, target, prefix=''):
        """Pass a request on to `target` of a node, and its answer back; returns the code. `prefix` is what the client
        has before the node's paths."""
        host, reader, writer = await self._connect(node)
        connection = request.headers.get('connection', '') if request.wants_upgrade else 'close'
        head = [f'{request.method} {target} HTTP/1.1', f'Host: {host}', f'Connection: {connection}',
                *(f'{key}: {value}' for key, value in request.pairs if key.lower() not in HOP)]
        if request.body or not request.wants_upgrade:
            head.append(f'Content-Length: {len(request.body)}')
        try:
            writer.write('\r\n'.join(head + ['', '']).encode() + request.body)
            if request.wants_upgrade:
                client = request.connection
                client.is_closing = True
                await asyncio.gather(_pump(client.reader, writer), _pump(reader, client.writer, ends=(writer,)))
                return 101
            return await _answer(reader, request.connection, prefix)
        finally:
            writer.close()

    async def log(self, request, node, target):
        """Pass a log on, in frames when the client wants a WebSocket. What the kubelet refuses with becomes a Status."""
        client = websocket.Sender(request) if websocket.is_wanted(request) else request.connection
        host, reader, writer = await self._connect(node)
        try:
            writer.write(f'GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n'.encode())
            code = await _answer(reader, client, refuses=True)
            return 101 if client is not request.connection else code
        finally:
            writer.close()


HOP = ('host', 'authorization', 'connection', 'content-length', 'transfer-encoding')


async def _answer(reader, client, prefix='', refuses=False):
    """Pass on an answer that is no upgrade, as it comes, until it ends or the client goes away. A redirection stays below
    `prefix`; `refuses`: an error becomes a Status."""
    try:
        head = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
        code = int(head[0].split(' ')[1])
    except (asyncio.IncompleteReadError, OSError, ValueError, IndexError) as error:
        raise ApiError(502, f'the kubelet gave no answer: {error!r}') from None
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(':') for line in head[1:-2])}
    if headers.get('location', '').startswith('/'):
        headers['location'] = prefix + headers['location']
    if refuses and code >= 400:
        raise ApiError(code, (await reader.read(BLOCK)).decode(errors='replace'))
    gone = asyncio.ensure_future(client.wait_gone())
    body = asyncio.ensure_future(_pass_body(reader, headers, client, code))
    try:
        await asyncio.wait((gone, body), return_when=asyncio.FIRST_COMPLETED)
        if body.done():
            body.result()
        else:
            raise ConnectionResetError
    finally:
        gone.cancel()
        body.cancel()
    return code


async def _pass_body(reader, headers, client, code):
    kept = [(key, headers[key]) for key in ('location', 'x-content-type-options', 'allow') if key in headers]
    await client.start_chunks(headers.get('content-type', 'text/plain'), code, kept)
    if headers.get('transfer-encoding', '').lower() == 'chunked':
        while True:
            size = int((await reader.readuntil(b'\r\n')).split(b';')[0], 16)
            data = (await reader.readexactly(size + 2))[:-2]
            if not data:
                break
            await client.send_chunk(data)
    else:
        left = int(headers.get('content-length', -1))
        while left:
            data = await reader.read(BLOCK if left < 0 else min(BLOCK, left))
            if not data:
                break
            left -= len(data) if left > 0 else 0
            await client.send_chunk(data)
    await client.send_chunk(b'')


async def _pump(reader, writer, ends=()):
    """Pass bytes on until one side ends; then end the other."""
    try:
        while True:
            data = await reader.read(BLOCK)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    for other in (writer, *ends):
        other.close()


def _is_true(text):
    """A boolean of a query: what does not say no says yes."""
    return text.lower() not in ('false', '0')


def pod_target(pod, subresource, request):
    """The kubelet's path for a pod's subresource."""
    meta = pod['metadata']
    query = urllib.parse.parse_qs(request.raw_query, keep_blank_values=True)
    names = [item['name'] for kind in ('containers', 'initContainers', 'ephemeralContainers')
             for item in pod['spec'].get(kind) or []]
    if subresource == 'portforward':
        ports = ','.join(query.get('ports', []))  # of WebSockets; SPDY names them with each stream
        return f'/portForward/{meta["namespace"]}/{meta["name"]}' + (f'?port={ports}' if ports else '')
    container = query.pop('container', [''])[0]
    if not container:
        if len(pod['spec']['containers']) != 1:
            raise ApiError(400, f'a container name must be specified for pod {meta["name"]}, choose one of: '
                           f'[{" ".join(names)}]')
        container = names[0]
    elif container not in names:
        raise ApiError(400, f'container {container} is not valid for pod {meta["name"]}')
    if subresource == 'log':
        path = f'/containerLogs/{meta["namespace"]}/{meta["name"]}/{container}'
    else:
        path = f'/{subresource}/{meta["namespace"]}/{meta["name"]}/{container}'
        for kubelet, ours in (('input', 'stdin'), ('output', 'stdout'), ('error', 'stderr')):
            if _is_true(query.pop(ours, ['false'])[0]):
                query[kubelet] = ['1']
        if _is_true(query.pop('tty', ['false'])[0]):
            query['tty'] = ['1']
    text = urllib.parse.urlencode(query, doseq=True)
    return f'{path}?{text}' if text else path
