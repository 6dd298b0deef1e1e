#include "helper_api_server.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define REQUESTS_MAX 4096
#define CONNECTIONS_MAX 512

/* Bytes of a connection that are no whole request yet. */
typedef struct {
    int fd;
    char *bytes;
    size_t size;
    bool is_busy; // its request is not answered
} connection_t;

struct api_server {
    int fd, port;
    int wake[2];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ending;
    connection_t connections[CONNECTIONS_MAX];
    size_t connection_count;
    api_request_t *requests[REQUESTS_MAX];
    size_t count;
    char *kubeconfig;
};

static void
fail (const char *what)
{
    fprintf (stderr, "helper_api_server: %s\n", what);
    abort();
}

// ---- the server's thread ----

static size_t
length_of_body (const char *head)
{
    for (const char *line = head; line; line = strchr (line, '\n')) {
        line += *line == '\n';
        if (strncasecmp (line, "content-length:", 15) == 0)
            return (size_t) strtoul (line + 15, NULL, 10);
    }
    return 0;
}

/* Takes a whole request out of the connection's bytes, if there is one. */
static bool
take_request (api_server_t *self, connection_t *connection)
{
    char *end = connection->size ? strstr (connection->bytes, "\r\n\r\n") : NULL;
    if (!end)
        return false;
    size_t head = (size_t) (end - connection->bytes) + 4;
    size_t body = length_of_body (connection->bytes);
    if (connection->size < head + body)
        return false;
    if (self->count == REQUESTS_MAX)
        fail ("too many requests");
    api_request_t *request = memory_new (1, sizeof *request);
    const char *space = strchr (connection->bytes, ' ');
    request->method = text_format ("%.*s", (int) (space - connection->bytes), connection->bytes);
    request->target = text_format ("%.*s", (int) strcspn (space + 1, " "), space + 1);
    request->head = text_format ("%.*s", (int) head, connection->bytes);
    request->body = memory_new (body + 1, 1);
    memcpy (request->body, connection->bytes + head, body);
    request->fd = connection->fd;
    request->is_open = true;
    request->number = self->count;
    self->requests[self->count++] = request;
    connection->size -= head + body;
    memmove (connection->bytes, connection->bytes + head + body, connection->size + 1);
    pthread_cond_broadcast (&self->changed);
    return true;
}

static void
read_connection (api_server_t *self, connection_t *connection)
{
    char bytes[16384];
    ssize_t got = recv (connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got <= 0) {
        shutdown (connection->fd, SHUT_RD);
        connection->is_busy = true; // nothing more to read
        return;
    }
    connection->bytes = memory_grow (connection->bytes, connection->size + (size_t) got + 1, 1);
    memcpy (connection->bytes + connection->size, bytes, (size_t) got);
    connection->size += (size_t) got;
    connection->bytes[connection->size] = '\0';
    while (take_request (self, connection))
        continue;
}

static void *
serve (void *arg)
{
    api_server_t *self = arg;
    for (;;) {
        struct pollfd fds[CONNECTIONS_MAX + 2] = { { .fd = self->fd, .events = POLLIN },
                                                   { .fd = self->wake[0], .events = POLLIN } };
        size_t count = self->connection_count;
        for (size_t i = 0; i < count; i++)
            fds[i + 2] =
                (struct pollfd){ .fd = self->connections[i].is_busy ? -1 : self->connections[i].fd,
                                 .events = POLLIN };
        poll (fds, (nfds_t) count + 2, -1);
        pthread_mutex_lock (&self->lock);
        bool is_ending = self->is_ending;
        for (size_t i = 0; i < count; i++)
            if (fds[i + 2].revents)
                read_connection (self, &self->connections[i]);
        if (fds[0].revents && self->connection_count < CONNECTIONS_MAX) {
            int fd = accept (self->fd, NULL, NULL);
            if (fd >= 0)
                self->connections[self->connection_count++] = (connection_t){ .fd = fd };
        }
        pthread_mutex_unlock (&self->lock);
        if (is_ending)
            return NULL;
    }
}

// ---- life ----

api_server_t *
api_server_new (void)
{
    api_server_t *self = memory_new (1, sizeof *self);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    self->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind (self->fd, (struct sockaddr *) &address, size) < 0 || listen (self->fd, 128) < 0
        || getsockname (self->fd, (struct sockaddr *) &address, &size) < 0 || pipe (self->wake) < 0)
        fail ("cannot listen");
    self->port = ntohs (address.sin_port);
    pthread_mutex_init (&self->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->changed, &attributes);
    if (pthread_create (&self->thread, NULL, serve, self) != 0)
        fail ("cannot start a thread");
    return self;
}

void
api_server_destroy (api_server_t **self_p)
{
    api_server_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    pthread_mutex_lock (&self->lock);
    self->is_ending = true;
    pthread_mutex_unlock (&self->lock);
    if (write (self->wake[1], "x", 1) != 1)
        fail ("cannot wake the thread");
    pthread_join (self->thread, NULL);
    for (size_t i = 0; i < self->connection_count; i++) {
        close (self->connections[i].fd);
        free (self->connections[i].bytes);
    }
    for (size_t i = 0; i < self->count; i++) {
        free (self->requests[i]->method);
        free (self->requests[i]->target);
        free (self->requests[i]->head);
        free (self->requests[i]->body);
        free (self->requests[i]);
    }
    close (self->fd);
    close (self->wake[0]);
    close (self->wake[1]);
    if (self->kubeconfig)
        unlink (self->kubeconfig);
    free (self->kubeconfig);
    pthread_mutex_destroy (&self->lock);
    pthread_cond_destroy (&self->changed);
    free (self);
}

int
api_server_port (const api_server_t *self)
{
    return self->port;
}

size_t
api_server_count (api_server_t *self)
{
    pthread_mutex_lock (&self->lock);
    size_t count = self->count;
    pthread_mutex_unlock (&self->lock);
    return count;
}

const char *
api_server_kubeconfig (api_server_t *self, const char *user)
{
    if (!self->kubeconfig) {
        self->kubeconfig = text_copy ("/tmp/cubelet-kubeconfig-XXXXXX");
        close (mkstemp (self->kubeconfig));
    }
    OWNED (free_text) char *next = text_format ("%s.next", self->kubeconfig);
    OWNED (close_file) FILE *file = fopen (next, "we");
    if (!file)
        fail ("cannot write a kubeconfig");
    fprintf (file,
             "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],\n"
             " clusters: [{name: k, cluster: {server: 'http://127.0.0.1:%d'}}],\n"
             " users: [{name: u, user: {%s}}]}\n",
             self->port, user ? user : "");
    fclose (STEAL (file));
    if (rename (next, self->kubeconfig) < 0)
        fail ("cannot rename a kubeconfig");
    return self->kubeconfig;
}

// ---- requests ----

static bool
begins_with (const api_request_t *request, const char *start)
{
    OWNED (free_text) char *line = text_format ("%s %s", request->method, request->target);
    return strncmp (line, start, strlen (start)) == 0;
}

static api_request_t *
find_request (api_server_t *self, const char *start)
{
    for (size_t i = 0; i < self->count; i++)
        if (!self->requests[i]->is_taken && begins_with (self->requests[i], start))
            return self->requests[i];
    return NULL;
}

api_request_t *
api_next (api_server_t *self, const char *start, int wait_ms)
{
    struct timespec until;
    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * NS_PER_MS;
    if (until.tv_nsec >= NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= NS_PER_S;
    }
    pthread_mutex_lock (&self->lock);
    api_request_t *request = NULL;
    int rc = 0;
    while (!(request = find_request (self, start)) && rc == 0)
        rc = pthread_cond_timedwait (&self->changed, &self->lock, &until);
    if (request)
        request->is_taken = true;
    pthread_mutex_unlock (&self->lock);
    return request;
}

api_request_t *
api_expect (api_server_t *self, const char *start)
{
    api_request_t *request = api_next (self, start, PEER_DEADLINE_MS);
    if (request)
        return request;
    fprintf (stderr, "helper_api_server: no request %s; there were:\n", start);
    for (size_t i = 0; i < self->count; i++)
        fprintf (stderr, "    %s %s\n", self->requests[i]->method, self->requests[i]->target);
    abort();
}

const char *
api_header (const api_request_t *request, const char *name)
{
    static char value[1024];
    size_t length = strlen (name);
    for (const char *line = request->head; line; line = strchr (line, '\n')) {
        line += *line == '\n';
        if (strncasecmp (line, name, length) == 0 && line[length] == ':') {
            const char *start = line + length + 1 + strspn (line + length + 1, " ");
            snprintf (value, sizeof value, "%.*s", (int) strcspn (start, "\r"), start);
            return value;
        }
    }
    return NULL;
}

void
api_send_raw (api_request_t *request, const char *text)
{
    for (size_t size = strlen (text), sent = 0; sent < size;) {
        ssize_t rc = send (request->fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (rc <= 0)
            return; // the client has gone, which a test notices otherwise
        sent += (size_t) rc;
    }
}

void
api_answer (api_request_t *request, int status, const char *headers, const char *body)
{
    OWNED (free_text)
    char *text = text_format ("HTTP/1.1 %d Status\r\nContent-Type: application/json\r\n"
                              "Content-Length: %zu\r\n%s\r\n%s",
                              status, strlen (body), headers ? headers : "", body);
    api_send_raw (request, text);
    request->is_open = false;
}

void
api_stream_begin (api_request_t *request)
{
    api_send_raw (request, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n");
}

void
api_stream_send (api_request_t *request, const char *text)
{
    OWNED (free_text) char *chunk = text_format ("%zx\r\n%s\r\n", strlen (text), text);
    api_send_raw (request, chunk);
}

void
api_stream_end (api_request_t *request)
{
    api_send_raw (request, "0\r\n\r\n");
    request->is_open = false;
}

void
api_hang_up (api_request_t *request, bool is_reset)
{
    struct sockaddr nobody = { .sa_family = AF_UNSPEC };
    // Disconnecting resets at once, also while the thread polls. ThreadSanitizer would take
    // connect() for the making of another descriptor.
    if (is_reset)
        syscall (SYS_connect, request->fd, &nobody, sizeof nobody);
    else
        shutdown (request->fd, SHUT_RDWR);
    request->is_open = false;
}

bool
api_is_closed (const api_request_t *request, int wait_ms)
{
    struct pollfd fd = { .fd = request->fd, .events = POLLIN | POLLRDHUP };
    return poll (&fd, 1, wait_ms) == 1 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
