#include "cubelet/clock.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "server.h"
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define RETRY_FIRST_MS 1000
#define RETRY_LIMIT_MS 60000
#define BACKLOG 128
#define CONNECTIONS_MAX 100 // more wait in the kernel until one ends
#define WARN_EVERY_MS 60000
#define IDLE_S 90               // reference/node-and-server.md 4
#define HEADERS_MAX_BYTES 65536 // upstream: 1 MiB; times CONNECTIONS_MAX that would be too much
#define BODY_MAX_BYTES 65536    // nothing served here reads one

struct listener {
    server_t *server;
    port_kind_t kind;
    const char *setting;
    char *address; // of the configuration
    int port;
    char *shown; // ADDRESS:PORT
    struct evhttp *http;
    struct evconnlistener *accepting; // belongs to http; NULL: not bound
    bool is_full;
    int64_t warned_ms;                                // clock_monotonic_ms; 0: never
    struct bufferevent *connections[CONNECTIONS_MAX]; // one reference each
    size_t connection_count;
    uint64_t retry_timer;
    int64_t retry_ms;
};

// ---- connections ----

static void
warn_of_crowd (listener_t *self)
{
    int64_t now_ms = clock_monotonic_ms();
    if (self->warned_ms && now_ms - self->warned_ms < WARN_EVERY_MS)
        return;
    self->warned_ms = now_ms;
    LOG_WARNING ("Too many connections, more have to wait address=%s limit=%d", self->shown,
                 CONNECTIONS_MAX);
}

/* evhttp neither counts connections nor tells when one is gone. So each is made here and kept by
   a reference: one whose callbacks are gone is no longer evhttp's. */
static struct bufferevent *
new_connection (struct event_base *base, void *context)
{
    listener_t *self = context;
    struct bufferevent *connection = bufferevent_socket_new (base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!connection || self->connection_count == CONNECTIONS_MAX)
        return connection;
    bufferevent_incref (connection);
    self->connections[self->connection_count++] = connection;
    if (self->connection_count == CONNECTIONS_MAX) {
        self->is_full = true;
        evconnlistener_disable (self->accepting);
        warn_of_crowd (self);
    }
    return connection;
}

static bool
has_ended (struct bufferevent *connection)
{
    bufferevent_event_cb on_event = NULL;
    bufferevent_getcb (connection, NULL, NULL, &on_event, NULL);
    return !on_event;
}

void
listener_sweep (listener_t *self)
{
    for (size_t i = 0; i < self->connection_count;) {
        if (!has_ended (self->connections[i])) {
            i++;
            continue;
        }
        bufferevent_decref (self->connections[i]);
        self->connections[i] = self->connections[--self->connection_count];
    }
    if (self->is_full && self->connection_count < CONNECTIONS_MAX) {
        self->is_full = false;
        evconnlistener_enable (self->accepting);
    }
}

static void
on_request (struct evhttp_request *http, void *context)
{
    listener_t *self = context;
    exchange_begin (self->server, self->kind, http);
}

// ---- binding ----

/* A bound socket of one family, or -1 with errno. */
static int
open_socket (const struct addrinfo *address)
{
    int fd = socket (address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, off = 0;
    if (fd < 0)
        return -1;
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6) // :: serves IPv4 as well
        setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind (fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    int error = errno;
    close_fd (&fd);
    errno = error;
    return -1;
}

/* A bound socket; or -1 with *error_p, 0 when `host` is no address. */
static int
open_address (const char *host, int port, int *error_p)
{
    char service[16];
    snprintf (service, sizeof service, "%d", port);
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *address = NULL;
    *error_p = 0;
    if (getaddrinfo (host, service, &hints, &address) != 0)
        return -1;
    int fd = open_socket (address);
    if (fd < 0)
        *error_p = errno;
    freeaddrinfo (address);
    return fd;
}

/* As Go's net.Listen: any address means those of both families, where there are two. Returns a
   bound socket, or -1 with FAULT_INVALID or FAULT_UNAVAILABLE. */
static int
open_port (const listener_t *self, fault_t *fault)
{
    int error = 0;
    char text[GO_ERRNO_MAX];
    bool is_any = !self->address[0] || strcmp (self->address, "0.0.0.0") == 0;
    int fd = open_address (is_any ? "::" : self->address, self->port, &error);
    if (fd < 0 && is_any && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL))
        fd = open_address ("0.0.0.0", self->port, &error);
    if (fd >= 0)
        return fd;
    if (error == 0)
        return fault_set (fault, FAULT_INVALID, "%s is not an IP address", self->address);
    return fault_set (fault, FAULT_UNAVAILABLE, "bind: %s", go_errno (error, text));
}

static int
listen_now (listener_t *self, fault_t *fault)
{
    int fd = open_port (self, fault);
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
        LOG_INFO ("Serving address=%s setting=%s", self->shown, self->setting);
        return;
    }
    LOG_ERROR ("Cannot serve on this port; end the program that has it (ss -ltnp), or set %s to "
               "another one or to 0. Next try in %lld s address=%s err=%s",
               self->setting, (long long) self->retry_ms / 1000, self->shown, fault.text);
    self->retry_timer = actor_timer (self->server->actor, self->retry_ms, try_to_listen, self);
    self->retry_ms = self->retry_ms * 2 < RETRY_LIMIT_MS ? self->retry_ms * 2 : RETRY_LIMIT_MS;
}

// ---- public ----

listener_t *
listener_new (server_t *server, port_kind_t kind, const char *setting, const char *address,
              int port)
{
    listener_t *self = memory_new (1, sizeof *self);
    self->server = server;
    self->kind = kind;
    self->setting = setting;
    self->address = text_copy (address);
    self->port = port;
    self->shown = go_host_port (address, port);
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
    evhttp_free (self->http);
    for (size_t i = 0; i < self->connection_count; i++)
        bufferevent_decref (self->connections[i]);
    free (self->address);
    free (self->shown);
    free (self);
    *self_p = NULL;
}
