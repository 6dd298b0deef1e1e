#include "cubelet/clock.h"
#include "cubelet/crowd.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "server.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define RETRY_FIRST_MS 1000
#define RETRY_LIMIT_MS 60000
#define BACKLOG 1024
#define WARN_EVERY_MS 60000
#define IDLE_S 90              // reference/node-and-server.md 4
#define FIRST_REQUEST_MS 30000 // for a client that has proven nothing: handshake and request
#define TIDY_EVERY_MS 5000
#define TIDY_PAUSED_MS 250      // while others wait; every round looks who has fallen silent
#define HEADERS_MAX_BYTES 65536 // upstream: 1 MiB; times UNPROVEN_MAX that would be too much
#define BODY_MAX_BYTES 65536    // nothing served here reads one

/* With more of them one has to make room (crowd.h); where none can, more wait in the kernel. */
#define PLAIN_MAX 100
#define SECURE_MAX 1024
#define UNPROVEN_MAX 200
#define CLOSING_MAX 64 // that make room and are not gone yet

typedef struct {
    struct bufferevent *stream; // a reference
    int64_t since_ms;           // clock_monotonic_ms of its start or its last answer
    unsigned busy;              // requests that are being answered
    bool is_proven;
    bool is_closing; // it makes room for others and is not counted any more
    uint64_t place;  // crowd_place, when `has_place`
    bool has_place;
} connection_t;

struct listener {
    server_t *server;
    listener_settings_t settings;
    char *shown; // ADDRESS:PORT
    struct evhttp *http;
    struct evconnlistener *accepting; // belongs to http; NULL: not bound
    bool is_paused;                   // nobody is accepted
    int64_t warned_ms;                // clock_monotonic_ms; 0: never
    connection_t *connections;
    size_t count, room;
    size_t open, unproven, limit; // of those that are not closing
    uint64_t retry_timer, tidy_timer;
    int64_t retry_ms;
};

// ---- connections ----

static void tidy (void *state, void *context);

static void
say_crowded (listener_t *self, const char *text)
{
    int64_t now_ms = clock_monotonic_ms();
    if (self->warned_ms && now_ms - self->warned_ms < WARN_EVERY_MS)
        return;
    self->warned_ms = now_ms;
    LOG_WARNING ("Too many connections, %s address=%s connections=%zu", text, self->shown,
                 self->count);
}

/* Asked only when it matters. */
static uint64_t
place_of (connection_t *connection)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    int fd = bufferevent_getfd (connection->stream);
    if (!connection->has_place && getpeername (fd, (struct sockaddr *) &address, &size) == 0)
        connection->place = crowd_place ((struct sockaddr *) &address);
    connection->has_place = true;
    return connection->place;
}

/* Nothing has come of it for a while. A burst of good clients, whose bytes wait here because this
   actor is slow, is not silent: those that do not fit wait in the kernel. */
static bool
is_silent (const listener_t *self, const connection_t *connection, int64_t now_ms)
{
    int fd = bufferevent_getfd (connection->stream), unread = 0;
    if (fd < 0 || connection->is_closing || connection->busy
        || now_ms - connection->since_ms < self->server->settings.silence_ms
        || evbuffer_get_length (bufferevent_get_output (connection->stream)) > 0)
        return false;
    return ioctl (fd, FIONREAD, &unread) < 0 || unread == 0;
}

/* Who should make room for the newest connection, or -1. */
static ptrdiff_t
find_leaver (listener_t *self)
{
    crowd_member_t *members = memory_new (self->count + 1, sizeof *members);
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < self->count; i++) {
        connection_t *connection = &self->connections[i];
        members[i] = (crowd_member_t){ .since_ms = connection->since_ms,
                                       .is_proven = connection->is_proven };
        members[i].is_silent = is_silent (self, connection, now_ms);
        if (bufferevent_getfd (connection->stream) >= 0) // evhttp has put it in
            members[i].place = place_of (connection);
    }
    ptrdiff_t found = crowd_choose (members, self->count, self->open < self->limit);
    free (members);
    return found;
}

static void
stop_counting (listener_t *self, connection_t *connection)
{
    self->open--;
    self->unproven -= !connection->is_proven;
    connection->is_closing = true;
}

static void
make_leave (listener_t *self, connection_t *connection)
{
    say_crowded (self, "those who send nothing make room");
    stop_counting (self, connection);
    shutdown (bufferevent_getfd (connection->stream), SHUT_RDWR); // evhttp hears it and frees it
}

static bool
is_full (const listener_t *self)
{
    return self->open >= self->limit || self->unproven >= UNPROVEN_MAX;
}

/* Whether one more connection can be taken. */
static bool
has_room (listener_t *self)
{
    if (self->count - self->open >= CLOSING_MAX)
        return false;
    return !is_full (self) || find_leaver (self) >= 0;
}

/* Accepts while there is room. */
static void
pause_or_go_on (listener_t *self)
{
    bool pauses = !has_room (self);
    if (pauses == self->is_paused)
        return;
    self->is_paused = pauses;
    if (pauses) {
        evconnlistener_disable (self->accepting);
        say_crowded (self, "more have to wait");
        actor_timer_cancel (self->server->actor, &self->tidy_timer);
        self->tidy_timer = actor_timer (self->server->actor, TIDY_PAUSED_MS, tidy, self);
    }
    else
        evconnlistener_enable (self->accepting);
}

/* After a connection has come. */
static void
keep_limits (listener_t *self)
{
    ptrdiff_t leaver = -1;
    if ((self->open > self->limit || self->unproven > UNPROVEN_MAX)
        && (leaver = find_leaver (self)) >= 0)
        make_leave (self, &self->connections[leaver]);
    pause_or_go_on (self);
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
    int64_t next_ms = self->is_paused ? TIDY_PAUSED_MS : TIDY_EVERY_MS;
    self->tidy_timer = self->count ? actor_timer (self->server->actor, next_ms, tidy, self) : 0;
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
    self->open++;
    self->unproven++;
    if (!self->tidy_timer)
        self->tidy_timer = actor_timer (self->server->actor, TIDY_EVERY_MS, tidy, self);
    keep_limits (self);
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
        if (!connection->is_closing)
            stop_counting (self, connection);
        bufferevent_decref (connection->stream);
        *connection = self->connections[--self->count];
    }
    pause_or_go_on (self); // who was silent may be busy by now, and the other way round
}

size_t
listener_count (const listener_t *self)
{
    return self->count;
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
            self->unproven -= !connection->is_closing;
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
