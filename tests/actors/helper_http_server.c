#include "helper_http_server.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define UNUSED_FIRST 10000
#define UNUSED_COUNT 10000
#define TLS_HANDSHAKE 0x16

struct http_server {
    int fd;
    int port;
    atomic_int count;
    atomic_bool is_ending;
    pthread_t acceptor;
    pthread_t threads[CONNECTIONS_MAX];
    int sockets[CONNECTIONS_MAX];
    pthread_mutex_t lock; // of sockets
};

typedef struct {
    http_server_t *server;
    int index;
    int fd;
} connection_t;

static void
send_all (int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send (fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        size -= (size_t) sent;
    }
}

__attribute__ ((format (printf, 4, 5))) static void
answer (int fd, int status, const char *more_headers, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    char *body = NULL;
    if (vasprintf (&body, format, args) < 0)
        abort();
    va_end (args);
    OWNED (free_text)
    char *whole =
        text_format ("HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n%s",
                     status, strlen (body), more_headers, body);
    free (body);
    send_all (fd, whole, strlen (whole));
}

/* Waits until the client closes or the server ends. */
static void
wait_for_end (int fd)
{
    char byte;
    while (recv (fd, &byte, 1, 0) > 0)
        continue;
}

static void
serve_big (int fd)
{
    char *body = malloc (BIG_BYTES + 1);
    memset (body, 'x', BIG_BYTES);
    body[BIG_BYTES] = '\0';
    answer (fd, 200, "", "%s", body);
    free (body);
}

static void
serve_number (int fd, const char *path)
{
    OWNED (free_text) char *location = NULL;
    int number = atoi (strrchr (path, '/') + 1);
    if (strncmp (path, "/status/", 8) == 0)
        answer (fd, number, "", "%d", number);
    else if (number == 0)
        answer (fd, 200, "", "hello");
    else {
        location = text_format ("Location: /redirect/%d\r\n", number - 1);
        answer (fd, 302, location, "moved");
    }
}

static void
serve_broken (int fd, const char *path)
{
    static const char HALF[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
    static const char GARBAGE[] = "SSH-2.0-x\r\n";
    if (strcmp (path, "/half") == 0 || strcmp (path, "/stall") == 0)
        send_all (fd, HALF, strlen (HALF));
    if (strcmp (path, "/garbage") == 0)
        send_all (fd, GARBAGE, strlen (GARBAGE));
    if (strcmp (path, "/reset") == 0)
        setsockopt (fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof (struct linger));
    if (strcmp (path, "/stall") == 0 || strcmp (path, "/silent") == 0
        || strcmp (path, "/garbage") == 0)
        wait_for_end (fd);
}

static void
serve_path (int fd, const char *head, const char *path)
{
    static const char *const BROKEN[] = { "/half",   "/stall", "/silent",
                                          "/hangup", "/reset", "/garbage" };
    for (size_t i = 0; i < COUNT_OF (BROKEN); i++) {
        if (strcmp (path, BROKEN[i]) == 0) {
            serve_broken (fd, path);
            return;
        }
    }
    if (strcmp (path, "/ok") == 0)
        answer (fd, 200, "X-Kind: fine\r\n", "hello");
    else if (strcmp (path, "/echo") == 0)
        answer (fd, 200, "", "%s", head);
    else if (strcmp (path, "/loop") == 0)
        answer (fd, 302, "Location: /loop\r\n", "again");
    else if (strcmp (path, "/away") == 0)
        answer (fd, 302, "Location: http://elsewhere.invalid/x\r\n", "elsewhere");
    else if (strcmp (path, "/nowhere") == 0)
        answer (fd, 302, "", "lost");
    else if (strcmp (path, "/big") == 0)
        serve_big (fd);
    else if (strncmp (path, "/status/", 8) == 0 || strncmp (path, "/redirect/", 10) == 0)
        serve_number (fd, path);
    else
        answer (fd, 404, "", "no such path");
}

static void *
serve (void *arg)
{
    connection_t connection = *(connection_t *) arg;
    free (arg);
    char head[8192] = "";
    size_t size = 0;
    bool is_tls = false; // a ClientHello, which ends otherwise
    for (ssize_t got; size + 1 < sizeof head && !is_tls && !strstr (head, "\r\n\r\n");
         size += (size_t) got) {
        got = recv (connection.fd, head + size, sizeof head - 1 - size, 0);
        if (got <= 0)
            break;
        head[size + (size_t) got] = '\0';
        is_tls = head[0] == TLS_HANDSHAKE;
    }
    char path[256] = "";
    if (is_tls)
        answer (connection.fd, 400, "", "bad request");
    else if (sscanf (head, "%*s %255[^ ?]", path) == 1)
        serve_path (connection.fd, head, path);
    pthread_mutex_lock (&connection.server->lock);
    connection.server->sockets[connection.index] = -1;
    pthread_mutex_unlock (&connection.server->lock);
    close (connection.fd);
    return NULL;
}

static void *
accept_all (void *arg)
{
    http_server_t *self = arg;
    for (int count = 0; count < CONNECTIONS_MAX; count++) {
        int fd = accept (self->fd, NULL, NULL);
        if (fd < 0 || atomic_load (&self->is_ending)) {
            if (fd >= 0)
                close (fd);
            return NULL;
        }
        connection_t *connection = memory_new (1, sizeof *connection);
        *connection = (connection_t){ self, count, fd };
        pthread_mutex_lock (&self->lock);
        self->sockets[count] = fd;
        pthread_mutex_unlock (&self->lock);
        if (pthread_create (&self->threads[count], NULL, serve, connection) != 0)
            abort();
        atomic_store (&self->count, count + 1);
    }
    return NULL;
}

static int
open_loopback (int *port_p)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind (fd, (struct sockaddr *) &address, size) < 0
        || getsockname (fd, (struct sockaddr *) &address, &size) < 0)
        abort();
    *port_p = ntohs (address.sin_port);
    return fd;
}

http_server_t *
http_server_new (void)
{
    http_server_t *self = memory_new (1, sizeof *self);
    pthread_mutex_init (&self->lock, NULL);
    self->fd = open_loopback (&self->port);
    if (listen (self->fd, 1024) < 0
        || pthread_create (&self->acceptor, NULL, accept_all, self) != 0)
        abort();
    return self;
}

void
http_server_destroy (http_server_t **self_p)
{
    http_server_t *self = *self_p;
    if (!self)
        return;
    atomic_store (&self->is_ending, true);
    shutdown (self->fd, SHUT_RDWR);
    pthread_join (self->acceptor, NULL);
    int count = atomic_load (&self->count);
    pthread_mutex_lock (&self->lock);
    for (int i = 0; i < count; i++)
        if (self->sockets[i] >= 0)
            shutdown (self->sockets[i], SHUT_RDWR);
    pthread_mutex_unlock (&self->lock);
    for (int i = 0; i < count; i++)
        pthread_join (self->threads[i], NULL);
    close (self->fd);
    pthread_mutex_destroy (&self->lock);
    free (self);
    *self_p = NULL;
}

int
http_server_port (const http_server_t *self)
{
    return self->port;
}

int
http_server_count (const http_server_t *self)
{
    return atomic_load (&((http_server_t *) self)->count);
}

/* Not one of those the kernel gives to connections of any program (from 32768): such a one may be
   in use again before the test's own server has it. */
int
unused_port (void)
{
    static unsigned next;
    if (!next)
        next = (unsigned) getpid();
    for (unsigned tries = 0; tries < UNUSED_COUNT; tries++) {
        int port = UNUSED_FIRST + (int) (next++ * 31 % UNUSED_COUNT);
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) port) };
        int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind (fd, (struct sockaddr *) &address, sizeof address) == 0;
        close (fd);
        if (is_free)
            return port;
    }
    abort();
}
