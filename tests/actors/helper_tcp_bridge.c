#include "helper_tcp_bridge.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct tcp_bridge {
    int fd, port;
    int end_fd; // readable: stop
    char *path;
    pthread_t thread;
};

static int
open_unix (const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
        abort();
    return fd;
}

/* False when `from` has ended. */
static bool
copy_some (int from, int to)
{
    char bytes[4096];
    ssize_t got = recv (from, bytes, sizeof bytes, 0);
    return got > 0 && send (to, bytes, (size_t) got, MSG_NOSIGNAL) == got;
}

/* False when the bridge ends. */
static bool
carry (const tcp_bridge_t *self, int client, int server)
{
    struct pollfd fds[] = { { client, POLLIN, 0 },
                            { server, POLLIN, 0 },
                            { self->end_fd, POLLIN, 0 } };
    while (poll (fds, COUNT_OF (fds), -1) > 0) {
        if (fds[2].revents)
            return false;
        if ((fds[0].revents && !copy_some (client, server))
            || (fds[1].revents && !copy_some (server, client)))
            return true;
    }
    return false;
}

static void *
run (void *arg)
{
    tcp_bridge_t *self = arg;
    struct pollfd fds[] = { { self->fd, POLLIN, 0 }, { self->end_fd, POLLIN, 0 } };
    for (bool goes_on = true; goes_on && poll (fds, COUNT_OF (fds), -1) > 0 && !fds[1].revents;) {
        OWNED (close_fd) int client = accept (self->fd, NULL, NULL);
        OWNED (close_fd) int server = open_unix (self->path);
        goes_on = client >= 0 && carry (self, client, server);
    }
    return NULL;
}

tcp_bridge_t *
tcp_bridge_new (const char *path)
{
    tcp_bridge_t *self = memory_new (1, sizeof *self);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    self->path = text_copy (path);
    self->end_fd = eventfd (0, EFD_CLOEXEC);
    self->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (self->fd < 0 || bind (self->fd, (struct sockaddr *) &address, size) < 0
        || getsockname (self->fd, (struct sockaddr *) &address, &size) < 0
        || listen (self->fd, 16) < 0 || pthread_create (&self->thread, NULL, run, self) != 0)
        abort();
    self->port = ntohs (address.sin_port);
    return self;
}

void
tcp_bridge_destroy (tcp_bridge_t **self_p)
{
    tcp_bridge_t *self = *self_p;
    if (!self)
        return;
    eventfd_write (self->end_fd, 1);
    pthread_join (self->thread, NULL);
    close (self->fd);
    close (self->end_fd);
    free (self->path);
    free (self);
    *self_p = NULL;
}

int
tcp_bridge_port (const tcp_bridge_t *self)
{
    return self->port;
}
