"""The server: its parts put together, its connections, its faults, and the record of what was asked."""
import asyncio
import collections
import contextlib
import copy
import dataclasses
import datetime
import json
import pathlib
import ssl
import threading
import time

from . import api, auth, certs, discovery, faults, http2, metrics, pods, proxy, reviews, signing, store, tokens, wire
from .cluster import Cluster
from .errors import ApiError
from .resources import BY_KIND, of

KEPT_RECORDS = 20000


class Server:
    """A Kubernetes API server on a port of 127.0.0.1, running in a thread of its own.

    The methods without an underscore may be called from any thread.
    """

    def __init__(self, place, port, bind_pods=False, approve=True, pki=None):
        self.place, self.port = pathlib.Path(place), port
        self.place.mkdir(parents=True, exist_ok=True)
        self.url = f'https://127.0.0.1:{port}'
        self.authority = certs.Authority(pki or self.place / 'pki')
        self._tls = self._server_context()
        self.store = store.Store()
        self.cluster = Cluster(self.store, self.authority.certificate.read_text(), bind_pods)
        self.issuer = tokens.Issuer(self.authority.place)
        self.authenticator = auth.Authenticator(
            self.issuer, lambda name, namespace, item: self.store.find(of(name), namespace, item))
        self.authorizer = auth.Authorizer(self.store)
        self.reviews, self.api = reviews.Reviews(self), api.Api(self)
        self.proxy = proxy.Proxy(self.store, *self.authority.issue(
            'kubelet-client', '/O=system:masters/CN=kube-apiserver-kubelet-client'))
        self.metrics = metrics.Metrics(self.store, self.proxy)
        self.faults = faults.Faults()
        self.records = collections.deque(maxlen=KEPT_RECORDS)
        # settings that tests change
        self.approve, self.certificate_seconds, self.token_seconds = approve, None, None
        self.page_limit, self.bookmark_seconds, self.watch_list = 0, 5.0, True
        self.in_thread = api.in_thread
        self._listener, self._connections, self._tasks = None, set(), set()
        self._loop = asyncio.new_event_loop()
        self._free = asyncio.Event()
        self._free.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name='apiserver', daemon=True)
        self._thread.start()

    def _server_context(self):
        names = 'DNS:localhost,DNS:kubernetes,DNS:kubernetes.default.svc,IP:10.96.0.1,IP:127.0.0.1'
        key, certificate = self.authority.issue('apiserver', '/CN=kube-apiserver', 'server', names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(self.authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols((['h2'] if http2.IS_THERE else []) + ['http/1.1'])
        return context

    # --- for tests, from any thread

    def call(self, function, *arguments):
        """Run a function in the server's loop and return its result."""
        async def run():
            return function(*arguments)
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def start(self):
        """Listen. After `stop` all objects are still there."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def stop(self, forget=False):
        """Refuse connections and end those that are open. `forget`: no watch can resume afterwards."""
        self.call(self._stop)
        if forget:
            self.call(self.store.compact)

    def close(self):
        """The end."""
        self.stop()
        asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def hang(self, is_hanging=True):
        """Take connections and requests, but answer nothing."""
        self.call(self._free.clear if is_hanging else self._free.set)

    def reset_watches(self):
        """End the connections of all watches with a TCP reset; how many there were."""
        return self.call(self._reset, lambda connection: connection.watches > 0)

    def reset_all(self):
        """End all connections with a TCP reset."""
        return self.call(self._reset, lambda connection: True)

    def reset_streams(self):
        """End all watches of HTTP/2 connections with RST_STREAM, and keep the connections; how many there were."""
        return self.call(lambda: sum(connection.reset_watches() for connection in self._connections
                                     if isinstance(connection, http2.Connection)))

    def go_away(self):
        """Tell HTTP/2 clients to use another connection (GOAWAY); what is on its way goes on."""
        return self.call(lambda: [connection.go_away() for connection in self._connections
                                  if isinstance(connection, http2.Connection)])

    def expire_watches(self):
        """End all watches with 410 and forget the past."""
        def expire():
            self.store.compact()
            for watch in list(self.store.watches):
                watch.fail(ApiError(410, 'too old resource version: 1 (2)'))
        self.call(expire)

    def serve_old(self, is_old=True):
        """Answer reads with the objects of this moment, whatever is written."""
        self.call(self.store.freeze, is_old)

    def fail(self, **rule):
        """Add a fault rule (see faults.Rule); returns it."""
        return self.call(lambda: self.faults.add(**rule))

    def clear_faults(self):
        """No more fault rules; what hung is answered."""
        self.call(self.faults.clear)

    def objects(self, resource, namespace=None):
        """The objects of a resource as they are."""
        return self.call(lambda: [item for key, item in self.store.objects[of(resource)].items()
                                  if namespace is None or key[0] == namespace])

    def get(self, resource, name, namespace=None):
        """One object, or None."""
        return self.call(self.store.find, of(resource), namespace, name)

    def create(self, item, namespace='default'):
        """Create an object as an administrator; the stored one."""
        def run():
            resource = BY_KIND[(item['apiVersion'], item['kind'])]
            new = copy.deepcopy(item)
            if resource.namespaced:
                new['metadata'].setdefault('namespace', namespace)
            self.cluster.admit(resource, new, None, None)
            return self.store.create(resource, new)
        return self.call(run)

    def edit(self, resource, name, namespace, change):
        """Change an object as an administrator: `change` alters a copy of it. No admission; Pods count generations."""
        def run():
            old = self.store.get(of(resource), namespace, name)
            new = copy.deepcopy(old)
            change(new)
            if resource == 'pods':
                pods.count_generation(old, new)
            return self.api.finish_update(of(resource), old, new)
        return self.call(run)

    def delete(self, resource, name, namespace, options=None):
        """Delete an object as an administrator; `options` as in a DELETE's body."""
        return self.call(lambda: self.api.delete(of(resource), self.store.get(of(resource), namespace, name),
                                                 options or {}))

    def requests(self, verb=None, path='', since=0):
        """What was asked: the records whose verb and path (a part of it) fit, from a place on."""
        rows = self.call(lambda: list(self.records))[since:]
        return [row for row in rows if (verb is None or row['verb'] == verb) and path in row['uri']]

    def as_user(self, name, *groups):
        """(key, certificate) of a user with a client certificate of this server's authority."""
        subject = ''.join(f'/O={group}' for group in groups) + f'/CN={name}'
        return self.authority.issue(name.replace(':', '-'), subject)

    def kubeconfig(self, path, name='admin', *groups):
        """Write a kubeconfig of a user; without groups an administrator's."""
        key, certificate = self.as_user(name, *(groups or ('system:masters',)))
        return certs.kubeconfig(path, self.url, self.authority, certs.certificate_user(key, certificate))

    def node_kubeconfig(self, path, node):
        """Write a node's kubeconfig."""
        return self.kubeconfig(path, f'system:node:{node}', 'system:nodes')

    def add_token(self, token, name, *groups):
        """Know a bearer token."""
        self.authenticator.tokens[token] = auth.User(name, (*groups, 'system:authenticated'))
        return token

    def token_kubeconfig(self, path, token):
        """Write a kubeconfig with a bearer token."""
        return certs.kubeconfig(path, self.url, self.authority, {'token': token})

    def bootstrap_kubeconfig(self, path, token='abcdef.0123456789abcdef'):
        """Write a kubeconfig with a bootstrap token."""
        self.add_token(token, f'system:bootstrap:{token.partition(".")[0]}', 'system:bootstrappers')
        return self.token_kubeconfig(path, token)

    # --- in the loop

    async def _start(self):
        self._listener = await asyncio.start_server(
            self._connected, '127.0.0.1', self.port, ssl=self._tls, limit=wire.MAX_HEAD, backlog=512)

    def _stop(self):
        if self._listener:
            self._listener.close()
            self._listener = None
        self._reset(lambda connection: True)

    async def _cancel(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reset(self, is_meant):
        meant = [connection for connection in self._connections if is_meant(connection)]
        for connection in meant:
            connection.reset()
        return len(meant)

    async def not_hanging(self):
        """Wait while the server hangs."""
        await self._free.wait()

    async def _connected(self, reader, writer):
        is_http2 = writer.get_extra_info('ssl_object').selected_alpn_protocol() == 'h2'
        connection = http2.Connection(reader, writer, self._serve) if is_http2 else wire.Connection(reader, writer)
        self._connections.add(connection)
        self._tasks.add(asyncio.current_task())
        try:
            await (connection.run() if is_http2 else self._run(connection))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except wire.BadRequest as error:
            with contextlib.suppress(OSError):
                await connection.send(400, str(error).encode(), 'text/plain')
        finally:
            self._tasks.discard(asyncio.current_task())
            self._connections.discard(connection)
            writer.close()

    async def _run(self, connection):
        while not connection.is_closing:
            request = await connection.read_request()
            if request is None:
                break
            if request.headers.get('connection', '').lower() == 'close':
                connection.is_closing = True
            await self._serve(request)

    async def _serve(self, request):
        """Answer one request and write down what it was."""
        row = {'at': datetime.datetime.now(datetime.timezone.utc).isoformat().replace('+00:00', 'Z'),
               'verb': request.method.lower(), 'uri': request.target, 'code': 0, 'user': '',
               'userAgent': request.headers.get('user-agent', ''), 'request': request.json(), 'response': None}
        self.records.append(row)
        connection, headers = request.connection, {}
        try:
            await self.not_hanging()
            row['code'], body = await self._answer(request, row)
        except ApiError as error:
            row['code'], body, headers = error.code, error.body, error.headers
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            raise
        except Exception as error:  # a mistake of ours must not look like a network failure
            import traceback
            traceback.print_exc()
            row['code'], body = 500, ApiError(500, f'the test API server failed: {error!r}').body
        row['response'] = body
        if body is None:
            return
        text = isinstance(body, str)
        await connection.send(row['code'], body.encode() if text else wire.encode(body),
                              'text/plain' if text else 'application/json', headers.items())

    async def _answer(self, request, row):
        request.user = self.authenticator.of_request(request)
        row['user'] = request.user.name
        target = None
        is_metrics = request.path.startswith(metrics.PREFIX + '/')
        if not is_metrics and request.path.startswith(('/api/v1/', '/apis/')) and discovery.answer(request.path) is None:
            target = api.Target(request.path, request.query, request.method)
            row['verb'] = target.verb
        rule = self.faults.take(row['verb'], request)
        if rule and rule.code:
            raise rule.error()
        if rule and rule.action != 'lost':
            await self._misbehave(request, rule)
        if request.path == '/control':
            answer = self._control(request)
        elif is_metrics:
            self.authorizer.check(request.user, auth.Attributes('get', metrics.GROUP, 'pods'))
            answer = 200, await self.metrics.answer(request.path)
        elif target is None:
            self.authorizer.check(request.user, auth.Attributes('get', path=request.path))
            found = discovery.answer(request.path)
            if found is None:
                raise ApiError(404, 'the server could not find the requested resource')
            answer = 200, found
        else:
            answer = await self.api.handle(request, target)
        if rule:
            row['code'] = answer[0]
            request.connection.reset()
            raise ConnectionResetError
        return answer

    async def _misbehave(self, request, rule):
        if rule.action == 'hang':
            while rule in self.faults.rules and not request.connection.is_gone:
                await asyncio.sleep(0.1)
        if rule.action == 'reset':
            request.connection.reset()
            raise ConnectionResetError

    def _control(self, request):
        """POST /control, for administrators: {"call": METHOD, ...}; see README.md."""
        if auth.MASTERS not in request.user.groups:
            raise ApiError(403, 'only for administrators')
        order = dict(request.json() or {})
        name = order.pop('call', '')
        calls = {'fail': lambda: self.faults.add(**order), 'clear': self.faults.clear,
                 'hang': self._free.clear, 'unhang': self._free.set,
                 'reset_watches': lambda: self._reset(lambda one: one.watches > 0),
                 'freeze': lambda: self.store.freeze(True), 'unfreeze': lambda: self.store.freeze(False),
                 'compact': self.store.compact, 'refuse': lambda: self._refuse(float(order.get('seconds', 10)))}
        if name not in calls:
            raise ApiError(400, f'unknown call {name!r}; there are {", ".join(sorted(calls))}')
        try:
            result = calls[name]()
        except (TypeError, ValueError) as error:
            raise ApiError(400, str(error)) from None
        return 200, {'call': name, 'result': dataclasses.asdict(result) if name == 'fail' else result}

    def _refuse(self, seconds):
        self._loop.call_later(0.1, self._stop)
        self._loop.call_later(seconds, lambda: self._loop.create_task(self._start()))

    async def sign(self, item):
        """Approve a certificate request when told to, and sign what is approved."""
        resource = of('certificatesigningrequests.certificates.k8s.io')
        if self.approve and not signing.is_approved(item) and not item.get('status', {}).get('certificate'):
            item = self.store.replace(resource, item, signing.approve(item))
        if not signing.is_approved(item):
            return item
        signed = await self.in_thread(signing.sign, self.authority, item, self.certificate_seconds)
        latest = self.store.find(resource, None, item['metadata']['name'])
        if latest is None:
            return signed
        return self.store.replace(resource, latest, {**latest, 'status': signed['status']})

    def save_records(self, path):
        """Write what was asked in the form of samples/api-requests.jsonl."""
        with open(path, 'w', encoding='utf-8') as out:
            for row in self.call(lambda: list(self.records)):
                out.write(json.dumps(row) + '\n')

    def wait_request(self, verb, path, since=0, deadline=30):
        """Wait until something is asked; its record."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            found = self.requests(verb, path, since)
            if found:
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f'nobody asked {verb} {path} within {deadline} s')
