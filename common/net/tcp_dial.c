#include "cubelet/tcp_dial.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct tcp_dial {
    actor_t *actor;
    tcp_dial_fn *done;
    void *context;
    char *address; // HOST:PORT, for faults
    int fd;        // -1: none (any more)
    int error;     // errno of a connect that ended at once
    uint64_t timer;
};

static void
close_socket (tcp_dial_t *self)
{
    if (self->fd < 0)
        return;
    actor_unwatch_fd (self->actor, self->fd);
    close_fd (&self->fd);
}

static void
finish (tcp_dial_t *self, int error)
{
    fault_t fault = { 0 };
    char text[GO_ERRNO_MAX];
    close_socket (self);
    actor_timer_cancel (self->actor, &self->timer);
    if (error == EDESTADDRREQ)
        fault_set (&fault, FAULT_INVALID, "dial tcp %s: not an IP address", self->address);
    else if (error == ETIMEDOUT)
        fault_set (&fault, FAULT_DEADLINE, "dial tcp %s: i/o timeout", self->address);
    else if (error)
        fault_set (&fault, FAULT_UNAVAILABLE, "dial tcp %s: connect: %s", self->address,
                   go_errno (error, text));
    self->done (self->context, error ? &fault : NULL); // self may be gone now
}

static void
on_ready (void *state, int fd, short events, void *context)
{
    (void) state, (void) events;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size);
    finish (context, error);
}

static void
on_timeout (void *state, void *context)
{
    (void) state;
    tcp_dial_t *self = context;
    self->timer = 0;
    finish (self, ETIMEDOUT);
}

/* A connect that needed no waiting: told from the loop, like any other. */
static void
on_known (void *state, void *context)
{
    (void) state;
    tcp_dial_t *self = context;
    self->timer = 0;
    finish (self, self->error);
}

/* The socket's address, owned (freeaddrinfo), or NULL. Never asks a name server. */
static struct addrinfo *
parse_address (const char *host, int port)
{
    char service[16];
    snprintf (service, sizeof service, "%d", port);
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    return getaddrinfo (host, service, &hints, &found) == 0 ? found : NULL;
}

/* Returns 0 while it connects, -1 when all is known: self->error. */
static int
begin (tcp_dial_t *self, const struct addrinfo *to)
{
    self->fd = socket (to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->fd >= 0 && connect (self->fd, to->ai_addr, to->ai_addrlen) == 0)
        return -1;
    self->error = errno == EINPROGRESS ? 0 : errno;
    return self->error ? -1 : 0;
}

bool
tcp_dial_takes (const char *host)
{
    struct addrinfo *address = parse_address (host, 1);
    if (address)
        freeaddrinfo (address);
    return address != NULL;
}

tcp_dial_t *
tcp_dial_new (actor_t *actor, const char *host, int port, int64_t timeout_ms, tcp_dial_fn *done,
              void *context)
{
    tcp_dial_t *self = memory_new (1, sizeof *self);
    *self = (tcp_dial_t){ .actor = actor, .done = done, .context = context, .fd = -1 };
    self->address = go_host_port (host, port);
    struct addrinfo *to = parse_address (host, port);
    self->error = to ? 0 : EDESTADDRREQ;
    bool is_under_way = to && begin (self, to) == 0;
    if (to)
        freeaddrinfo (to);
    if (is_under_way) {
        actor_watch_fd (actor, self->fd, POLLOUT, on_ready, self);
        self->timer = actor_timer (actor, timeout_ms, on_timeout, self);
    }
    else
        self->timer = actor_timer (actor, 0, on_known, self);
    return self;
}

void
tcp_dial_destroy (tcp_dial_t **self_p)
{
    tcp_dial_t *self = *self_p;
    if (!self)
        return;
    close_socket (self);
    actor_timer_cancel (self->actor, &self->timer);
    free (self->address);
    free (self);
    *self_p = NULL;
}
