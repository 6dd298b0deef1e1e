#include "helper_grpc_server.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define WAIT_S 30
#define HEADERS_MAX 16
#define CONNECTIONS_MAX 8

typedef struct connection connection_t;

struct server_call {
    connection_t *connection;
    int32_t id;
    char *names[HEADERS_MAX], *values[HEADERS_MAX];
    size_t header_count;
    uint8_t *body;
    size_t body_size;
    uint8_t *out;
    size_t out_size, out_sent;
    bool has_opened;
    bool is_closed; // no more output
    char *status;   // trailers are to follow
};

struct connection {
    grpc_server_t *server;
    int fd;
    bool is_leaving; // over as soon as what waits is written
    bool is_over;
    nghttp2_session *session; // NULL: it only plays dead, or writes garbage
};

struct grpc_server {
    char *path;
    serve_fn *serve;
    void *context;
    int listener;
    int wake; // eventfd
    pthread_t thread;
    pthread_mutex_t lock; // for all below
    pthread_cond_t changed;
    bool is_ended;
    void (*run) (void *context);
    void *run_context;
    int connection_count, reset_count;
    const char *garbage;
    _Atomic size_t drip;
    bool is_dead;
    connection_t *connections[CONNECTIONS_MAX]; // the thread's own
};

__attribute__ ((noreturn, format (printf, 1, 2))) static void
give_up (const char *format, ...)
{
    va_list args;
    va_start (args, format);
    vfprintf (stderr, format, args);
    fputc ('\n', stderr);
    va_end (args);
    _exit (1);
}

// ---- one call ----

static void
call_free (server_call_t *call)
{
    for (size_t i = 0; i < call->header_count; i++) {
        free (call->names[i]);
        free (call->values[i]);
    }
    free (call->body);
    free (call->out);
    free (call->status);
    free (call);
}

const char *
server_call_header (const server_call_t *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (strcmp (call->names[i], name) == 0)
            return call->values[i];
    return "";
}

const char *
server_call_path (const server_call_t *call)
{
    return server_call_header (call, ":path");
}

const uint8_t *
server_call_body (const server_call_t *call, size_t *size_p)
{
    *size_p = call->body_size >= 5 ? call->body_size - 5 : 0;
    return call->body + (call->body_size >= 5 ? 5 : 0);
}

int32_t
server_call_id (const server_call_t *call)
{
    return call->id;
}

static size_t
make_fields (nghttp2_nv *out, const char *const *fields)
{
    size_t count = 0;
    for (; fields[0]; fields += 2)
        out[count++] =
            (nghttp2_nv){ (uint8_t *) (uintptr_t) fields[0], (uint8_t *) (uintptr_t) fields[1],
                          strlen (fields[0]), strlen (fields[1]), NGHTTP2_NV_FLAG_NONE };
    return count;
}

static ssize_t
read_out (nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
          nghttp2_data_source *source, void *user)
{
    (void) source;
    connection_t *connection = user;
    server_call_t *call = nghttp2_session_get_stream_user_data (session, id);
    if (connection->server->drip && room > 1)
        room = 1;
    size_t size = call->out_size - call->out_sent;
    if (size > room)
        size = room;
    if (size)
        memcpy (to, call->out + call->out_sent, size);
    call->out_sent += size;
    if (call->out_sent < call->out_size)
        return (ssize_t) size;
    if (!call->is_closed)
        return size ? (ssize_t) size : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->status) { // only now, or they would overtake the body
        nghttp2_nv fields[1];
        make_fields (fields, (const char *const[]){ "grpc-status", call->status, NULL });
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer (session, id, fields, 1);
    }
    return (ssize_t) size;
}

void
server_headers (server_call_t *call, bool ends, const char *const *fields)
{
    nghttp2_nv all[HEADERS_MAX];
    size_t count = make_fields (all, fields);
    const nghttp2_data_provider body = { .read_callback = read_out };
    nghttp2_submit_response (call->connection->session, call->id, all, count, ends ? NULL : &body);
    call->has_opened = true;
}

void
server_open (server_call_t *call)
{
    if (!call->has_opened)
        server_headers (
            call, false,
            (const char *const[]){ ":status", "200", "content-type", "application/grpc", NULL });
}

void
server_bytes (server_call_t *call, const void *bytes, size_t size)
{
    call->out = memory_grow (call->out, call->out_size + size + 1, 1);
    if (size)
        memcpy (call->out + call->out_size, bytes, size);
    call->out_size += size;
    nghttp2_session_resume_data (call->connection->session, call->id);
}

void
server_message (server_call_t *call, const void *bytes, size_t size)
{
    const uint8_t prefix[5] = { 0, (uint8_t) (size >> 24), (uint8_t) (size >> 16),
                                (uint8_t) (size >> 8), (uint8_t) size };
    server_bytes (call, prefix, sizeof prefix);
    server_bytes (call, bytes, size);
}

void
server_message_json (server_call_t *call, const ProtobufCMessageDescriptor *type, const char *json)
{
    fault_t fault = { 0 };
    uint8_t *bytes = NULL;
    size_t size = 0;
    tree_t *tree = json_read (json, strlen (json), &fault);
    if (!tree || protobuf_encode (type, tree_root (tree), &bytes, &size, &fault) < 0)
        give_up ("%s: %s", json, fault.text);
    server_message (call, bytes, size);
    free (bytes);
    tree_destroy (&tree);
}

void
server_close (server_call_t *call, const char *status)
{
    call->is_closed = true;
    call->status = text_copy (status);
    nghttp2_session_resume_data (call->connection->session, call->id);
}

void
server_reply (server_call_t *call, const void *bytes, size_t size)
{
    server_open (call);
    server_message (call, bytes, size);
    server_close (call, "0");
}

void
server_reply_json (server_call_t *call, const ProtobufCMessageDescriptor *type, const char *json)
{
    server_open (call);
    server_message_json (call, type, json);
    server_close (call, "0");
}

void
server_fail (server_call_t *call, const char *status, const char *message)
{
    server_headers (call, true,
                    (const char *const[]){ ":status", "200", "content-type", "application/grpc",
                                           "grpc-status", status, "grpc-message", message, NULL });
}

void
server_reset (server_call_t *call, uint32_t code)
{
    nghttp2_submit_rst_stream (call->connection->session, NGHTTP2_FLAG_NONE, call->id, code);
}

void
server_go_away (server_call_t *call, int32_t last_stream_id)
{
    nghttp2_submit_goaway (call->connection->session, NGHTTP2_FLAG_NONE, last_stream_id,
                           NGHTTP2_NO_ERROR, NULL, 0);
}

void
server_hang_up (server_call_t *call)
{
    call->connection->is_leaving = true;
}

// ---- one connection ----

static int
on_begin (nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    server_call_t *call = memory_new (1, sizeof *call);
    call->connection = user;
    call->id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data (session, call->id, call);
    return 0;
}

static int
on_header (nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
           size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void) name_size, (void) value_size, (void) flags, (void) user;
    server_call_t *call = nghttp2_session_get_stream_user_data (session, frame->hd.stream_id);
    if (call && call->header_count < HEADERS_MAX) {
        call->names[call->header_count] = text_copy ((const char *) name);
        call->values[call->header_count++] = text_copy ((const char *) value);
    }
    return 0;
}

static int
on_data (nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size,
         void *user)
{
    (void) flags, (void) user;
    server_call_t *call = nghttp2_session_get_stream_user_data (session, id);
    call->body = memory_grow (call->body, call->body_size + size + 1, 1);
    memcpy (call->body + call->body_size, bytes, size);
    call->body_size += size;
    return 0;
}

static int
on_frame (nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    connection_t *self = user;
    server_call_t *call = frame->hd.stream_id
                              ? nghttp2_session_get_stream_user_data (session, frame->hd.stream_id)
                              : NULL;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        pthread_mutex_lock (&self->server->lock);
        self->server->reset_count++;
        pthread_cond_broadcast (&self->server->changed);
        pthread_mutex_unlock (&self->server->lock);
    }
    else if (call && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
             && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS))
        self->server->serve (self->server->context, call);
    return 0;
}

static int
on_close (nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void) code, (void) user;
    server_call_t *call = nghttp2_session_get_stream_user_data (session, id);
    if (call)
        call_free (call);
    nghttp2_session_set_stream_user_data (session, id, NULL);
    return 0;
}

static void
accept_connection (grpc_server_t *server)
{
    int fd = accept4 (server->listener, NULL, NULL, SOCK_CLOEXEC);
    size_t place = 0;
    while (place < CONNECTIONS_MAX && server->connections[place])
        place++;
    if (fd < 0 || place == CONNECTIONS_MAX)
        give_up ("cannot accept: %s", strerror (errno));
    connection_t *self = memory_new (1, sizeof *self);
    self->server = server;
    self->fd = fd;
    server->connections[place] = self;
    if (server->garbage && write (fd, server->garbage, strlen (server->garbage)) < 0)
        give_up ("cannot write garbage: %s", strerror (errno));
    if (!server->garbage && !server->is_dead) {
        nghttp2_session_callbacks *callbacks = NULL;
        nghttp2_session_callbacks_new (&callbacks);
        nghttp2_session_callbacks_set_on_begin_headers_callback (callbacks, on_begin);
        nghttp2_session_callbacks_set_on_header_callback (callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback (callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback (callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback (callbacks, on_close);
        nghttp2_session_server_new (&self->session, callbacks, self);
        nghttp2_session_callbacks_del (callbacks);
        nghttp2_submit_settings (self->session, NGHTTP2_FLAG_NONE, NULL, 0);
    }
    server->connection_count++;
    pthread_cond_broadcast (&server->changed);
}

static void
connection_free (connection_t **self_p)
{
    connection_t *self = *self_p;
    if (!self)
        return;
    // nghttp2 does not tell of the streams that end with their session
    for (int32_t id = 1;
         self->session && id < nghttp2_session_get_last_proc_stream_id (self->session) + 1;
         id += 2) {
        server_call_t *call = nghttp2_session_get_stream_user_data (self->session, id);
        if (call)
            call_free (call);
    }
    nghttp2_session_del (self->session);
    close (self->fd);
    free (self);
    *self_p = NULL;
}

static void
write_all (connection_t *self, const uint8_t *bytes, size_t size)
{
    size_t most = self->server->drip ? self->server->drip : size;
    for (size_t sent = 0; sent < size && !self->is_over;) {
        size_t part = size - sent < most ? size - sent : most;
        ssize_t done = send (self->fd, bytes + sent, part, MSG_NOSIGNAL);
        if (done < 0)
            self->is_over = true;
        else
            sent += (size_t) done;
    }
}

static void
flush (connection_t *self)
{
    const uint8_t *bytes = NULL;
    ssize_t size = 0;
    while (self->session && !self->is_over
           && (size = nghttp2_session_mem_send (self->session, &bytes)) > 0)
        write_all (self, bytes, (size_t) size);
}

static void
read_connection (connection_t *self)
{
    uint8_t bytes[65536];
    ssize_t size = recv (self->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN))
        self->is_over = true;
    else if (size > 0 && self->session
             && nghttp2_session_mem_recv (self->session, bytes, (size_t) size) < 0)
        self->is_over = true;
}

// ---- the thread ----

/* What another thread asked for. Returns false when it is the end. Holds the lock. */
static bool
obey (grpc_server_t *self)
{
    uint64_t count;
    if (read (self->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        give_up ("eventfd: %s", strerror (errno));
    if (self->run)
        self->run (self->run_context);
    self->run = NULL;
    pthread_cond_broadcast (&self->changed);
    return !self->is_ended;
}

static size_t
gather (grpc_server_t *self, struct pollfd *out, connection_t **connections)
{
    size_t count = 0;
    out[count++] = (struct pollfd){ .fd = self->wake, .events = POLLIN };
    out[count++] = (struct pollfd){ .fd = self->listener, .events = POLLIN };
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (!self->connections[i])
            continue;
        flush (self->connections[i]);
        if (self->connections[i]->is_over || self->connections[i]->is_leaving) {
            connection_free (&self->connections[i]);
            continue;
        }
        connections[count] = self->connections[i];
        out[count++] = (struct pollfd){ .fd = self->connections[i]->fd, .events = POLLIN };
    }
    return count;
}

static void *
serve (void *argument)
{
    grpc_server_t *self = argument;
    struct pollfd polls[2 + CONNECTIONS_MAX];
    connection_t *connections[2 + CONNECTIONS_MAX];
    for (bool goes_on = true; goes_on;) {
        size_t count = gather (self, polls, connections);
        if (poll (polls, count, -1) < 0)
            give_up ("poll: %s", strerror (errno));
        for (size_t i = 2; i < count; i++)
            if (polls[i].revents)
                read_connection (connections[i]);
        pthread_mutex_lock (&self->lock);
        if (polls[1].revents)
            accept_connection (self);
        if (polls[0].revents)
            goes_on = obey (self);
        pthread_mutex_unlock (&self->lock);
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        connection_free (&self->connections[i]);
    return NULL;
}

grpc_server_t *
grpc_server_new (const char *path, serve_fn *serve_call, void *context)
{
    grpc_server_t *self = memory_new (1, sizeof *self);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
    unlink (path);
    self->path = text_copy (path);
    self->serve = serve_call;
    self->context = context;
    self->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    self->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->changed, NULL);
    if (bind (self->listener, (struct sockaddr *) &address, sizeof address) < 0
        || listen (self->listener, 16) < 0
        || pthread_create (&self->thread, NULL, serve, self) != 0)
        give_up ("cannot serve on %s: %s", path, strerror (errno));
    return self;
}

static void
wake (grpc_server_t *self)
{
    const uint64_t one = 1;
    if (write (self->wake, &one, sizeof one) < 0)
        give_up ("eventfd: %s", strerror (errno));
}

void
grpc_server_destroy (grpc_server_t **self_p)
{
    grpc_server_t *self = *self_p;
    if (!self)
        return;
    unlink (self->path); // first, so that who connects again finds no socket at all
    pthread_mutex_lock (&self->lock);
    self->is_ended = true;
    pthread_mutex_unlock (&self->lock);
    wake (self);
    pthread_join (self->thread, NULL);
    close (self->listener);
    close (self->wake);
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->lock);
    free (self->path);
    free (self);
    *self_p = NULL;
}

void
grpc_server_run (grpc_server_t *self, void (*run) (void *context), void *context)
{
    pthread_mutex_lock (&self->lock);
    self->run = run;
    self->run_context = context;
    wake (self);
    while (self->run)
        pthread_cond_wait (&self->changed, &self->lock);
    pthread_mutex_unlock (&self->lock);
}

static void
wait_for (grpc_server_t *self, const int *count, int wanted, const char *what)
{
    struct timespec until;
    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock (&self->lock);
    while (*count < wanted)
        if (pthread_cond_timedwait (&self->changed, &self->lock, &until) != 0)
            give_up ("only %d of %d %s came", *count, wanted, what);
    pthread_mutex_unlock (&self->lock);
}

void
grpc_server_wait_connections (grpc_server_t *self, int count)
{
    wait_for (self, &self->connection_count, count, "connections");
}

void
grpc_server_wait_resets (grpc_server_t *self, int count)
{
    wait_for (self, &self->reset_count, count, "resets");
}

static int
read_count (grpc_server_t *self, const int *count)
{
    pthread_mutex_lock (&self->lock);
    int value = *count;
    pthread_mutex_unlock (&self->lock);
    return value;
}

int
grpc_server_connections (grpc_server_t *self)
{
    return read_count (self, &self->connection_count);
}

int
grpc_server_resets (grpc_server_t *self)
{
    return read_count (self, &self->reset_count);
}

// ---- manners ----

void
grpc_server_greet_with (grpc_server_t *self, const char *garbage)
{
    pthread_mutex_lock (&self->lock);
    self->garbage = garbage;
    pthread_mutex_unlock (&self->lock);
}

void
grpc_server_drip (grpc_server_t *self, size_t size)
{
    pthread_mutex_lock (&self->lock);
    self->drip = size;
    pthread_mutex_unlock (&self->lock);
}

void
grpc_server_play_dead (grpc_server_t *self, bool is_dead)
{
    pthread_mutex_lock (&self->lock);
    self->is_dead = is_dead;
    pthread_mutex_unlock (&self->lock);
}
