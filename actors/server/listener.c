#include "cubelet/clock.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "server.h"
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/socket.h>

#define RETRY_FIRST_MS 1000
#define RETRY_LIMIT_MS 60000
#define BACKLOG 1024
#define WARN_EVERY_MS 60000
#define IDLE_S 90              // reference/node-and-server.md 4
#define FIRST_REQUEST_MS 30000 // for a client that has proven nothing: handshake and request
#define TIDY_EVERY_MS 5000
#define HEADERS_MAX_BYTES 65536 // upstream: 1 MiB; times UNPROVEN_MAX that would be too much
#define BODY_MAX_BYTES 65536    // nothing served here reads one

/* More wait in the kernel until one ends. */
#define PLAIN_MAX 100
#define SECURE_MAX 1024
#define UNPROVEN_MAX 200

typedef struct {
    struct bufferevent *stream; // a reference
    int64_t since_ms;           // clock_monotonic_ms of its start or its last answer
    unsigned busy;              // requests that are being answered
    bool is_proven;
} connection_t;

struct listener {
    server_t *server;
    listener_settings_t settings;
    char *shown; // ADDRESS:PORT
    struct evhttp *http;
    struct evconnlistener *accepting; // belongs to http; NULL: not bound
    bool is_full;
    int64_t warned_ms; // clock_monotonic_ms; 0: never
    connection_t *connections;
    size_t count, unproven, room, limit;
    uint64_t retry_timer, tidy_timer;
    int64_t retry_ms;
};

// ---- connections ----

static bool
is_crowded (const listener_t *self)
{
    return self->count >= self->limit || self->unproven >= UNPROVEN_MAX;
}

static void
stop_accepting (listener_t *self)
{
    self->is_full = true;
    evconnlistener_disable (self->accepting);
    int64_t now_ms = clock_monotonic_ms();
    if (self->warned_ms && now_ms - self->warned_ms < WARN_EVERY_MS)
        return;
    self->warned_ms = now_ms;
    LOG_WARNING ("Too many connections, more have to wait address=%s connections=%zu", self->shown,
                 self->count);
}

/* Cuts off connections that have had no complete request for too long, however slowly they send
   one: evhttp's own timeout starts again with every byte. */
static void
tidy (void *state, void *context)
{
    (void) state;
    listener_t *self = context;
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < self->count; i++) {
        const connection_t *connection = &self->connections[i];
        int64_t limit_ms = connection->is_proven ? IDLE_S * 1000 : FIRST_REQUEST_MS;
        if (!connection->busy && now_ms - connection->since_ms >= limit_ms)
            shutdown (bufferevent_getfd (connection->stream), SHUT_RDWR);
    }
    self->tidy_timer =
        self->count ? actor_timer (self->server->actor, TIDY_EVERY_MS, tidy, self) : 0;
}

/* A connection that is not secure on the secure port is closed with its first request. */
static struct bufferevent *
make_stream (listener_t *self, struct event_base *base)
{
    fault_t fault = { 0 };
    if (self->settings.kind == PORT_SECURE) {
        struct bufferevent *stream = tls_server_accept (self->server->tls, base, &fault);
        if (stream)
            return stream;
        LOG_V (2, "Connection refused address=%s err=%s", self->shown, fault.text);
    }
    return bufferevent_socket_new (base, -1, BEV_OPT_CLOSE_ON_FREE);
}

/* evhttp neither counts connections nor tells when one is gone. So each is made here and kept by
   a reference: one whose callbacks are gone is no longer evhttp's. */
static struct bufferevent *
new_connection (struct event_base *base, void *context)
{
    listener_t *self = context;
    struct bufferevent *stream = make_stream (self, base);
    if (!stream)
        return NULL;
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 4;
        self->connections = memory_grow (self->connections, self->room, sizeof *self->connections);
    }
    bufferevent_incref (stream);
    self->connections[self->count++] =
        (connection_t){ .stream = stream, .since_ms = clock_monotonic_ms() };
    self->unproven++;
    if (!self->tidy_timer)
        self->tidy_timer = actor_timer (self->server->actor, TIDY_EVERY_MS, tidy, self);
    if (is_crowded (self))
        stop_accepting (self);
    return stream;
}

static bool
has_ended (struct bufferevent *stream)
{
    bufferevent_event_cb on_event = NULL;
    bufferevent_getcb (stream, NULL, NULL, &on_event, NULL);
    return !on_event;
}

void
listener_sweep (listener_t *self)
{
    for (size_t i = 0; i < self->count;) {
        connection_t *connection = &self->connections[i];
        if (!has_ended (connection->stream)) {
            i++;
            continue;
        }
        self->unproven -= !connection->is_proven;
        bufferevent_decref (connection->stream);
        *connection = self->connections[--self->count];
    }
    if (self->is_full && !is_crowded (self)) {
        self->is_full = false;
        evconnlistener_enable (self->accepting);
    }
}

void
listener_note (listener_t *self, const struct bufferevent *stream, int change, bool is_proven)
{
    for (size_t i = 0; i < self->count; i++) {
        connection_t *connection = &self->connections[i];
        if (connection->stream != stream)
            continue;
        connection->busy += (unsigned) change;
        connection->since_ms = clock_monotonic_ms();
        if (is_proven && !connection->is_proven) {
            connection->is_proven = true;
            self->unproven--;
        }
        return;
    }
}

static void
on_request (struct evhttp_request *http, void *context)
{
    listener_t *self = context;
    exchange_begin (self->server, self, self->settings.kind, http);
}

// ---- binding ----

static int
listen_now (listener_t *self, fault_t *fault)
{
    const listener_settings_t *settings = &self->settings;
    int fd = settings->path ? listen_socket_open_local (settings->path, fault)
                            : listen_socket_open (settings->address, settings->port, fault);
    if (fd < 0)
        return -1;
    struct evconnlistener *accepting = evconnlistener_new (
        self->server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    if (!accepting) {
        char text[GO_ERRNO_MAX];
        fault_set (fault, FAULT_UNAVAILABLE, "listen: %s", go_errno (errno, text));
        close_fd (&fd);
        return -1;
    }
    if (!evhttp_bind_listener (self->http, accepting))
        abort(); // out of memory
    self->accepting = accepting;
    return 0;
}

static void
try_to_listen (void *state, void *context)
{
    (void) state;
    listener_t *self = context;
    fault_t fault = { 0 };
    self->retry_timer = 0;
    if (listen_now (self, &fault) == 0) {
        LOG_INFO ("Serving address=%s setting=%s", self->shown, self->settings.setting);
        return;
    }
    LOG_ERROR ("Cannot serve on this port; end the program that has it (ss -ltnp), or set %s to "
               "another one or to 0. Next try in %lld s address=%s err=%s",
               self->settings.setting, (long long) self->retry_ms / 1000, self->shown, fault.text);
    self->retry_timer = actor_timer (self->server->actor, self->retry_ms, try_to_listen, self);
    self->retry_ms = self->retry_ms * 2 < RETRY_LIMIT_MS ? self->retry_ms * 2 : RETRY_LIMIT_MS;
}

// ---- public ----

listener_t *
listener_new (server_t *server, const listener_settings_t *settings)
{
    listener_t *self = memory_new (1, sizeof *self);
    self->server = server;
    self->settings = *settings;
    self->limit = settings->kind & (PORT_SECURE | PORT_LOCAL) ? SECURE_MAX : PLAIN_MAX;
    self->shown = settings->path ? text_copy (settings->path)
                                 : go_host_port (settings->address, settings->port);
    self->retry_ms = RETRY_FIRST_MS;
    self->http = evhttp_new (server->base);
    if (!self->http)
        abort(); // out of memory
    evhttp_set_gencb (self->http, on_request, self);
    evhttp_set_bevcb (self->http, new_connection, self);
    evhttp_set_allowed_methods (self->http, UINT16_MAX); // routes say which
    evhttp_set_timeout (self->http, IDLE_S);
    evhttp_set_max_headers_size (self->http, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size (self->http, BODY_MAX_BYTES);
    try_to_listen (NULL, self);
    return self;
}

void
listener_destroy (listener_t **self_p)
{
    listener_t *self = *self_p;
    if (!self)
        return;
    actor_timer_cancel (self->server->actor, &self->retry_timer);
    actor_timer_cancel (self->server->actor, &self->tidy_timer);
    evhttp_free (self->http);
    for (size_t i = 0; i < self->count; i++)
        bufferevent_decref (self->connections[i].stream);
    free (self->connections);
    free (self->shown);
    free (self);
    *self_p = NULL;
}
