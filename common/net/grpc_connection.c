#include "grpc_connection.h"
#include "cubelet/grpc.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <string.h>

// Nothing is gained from slowing the server down: what arrives is bounded per message.
#define STREAM_WINDOW_BYTES (8 << 20)
#define CONNECTION_WINDOW_BYTES (32 << 20)
#define READ_BYTES 16384
#define READS_MAX 16 // in one go, then others have their turn
#define WRITE_BATCH_BYTES 65536

typedef enum { CONNECTING, GREETING, OPEN, DRAINING, BROKEN } connection_state_t;

struct grpc_connection {
    actor_t *actor; // borrowed
    const grpc_address_t *address;
    const grpc_connection_events_t *events;
    void *owner;
    int fd;
    connection_state_t state;
    nghttp2_session *session;
    short watched; // poll events
    uint8_t *out;  // bytes for the socket, from out_sent to out_size
    size_t out_sent, out_size, out_room;
    fault_t fault; // why it broke
    uint8_t in[READ_BYTES];
};

// ---- what nghttp2 tells ----

static int
on_header (nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
           size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void) name_size, (void) flags, (void) user; // nghttp2 ends both with a NUL
    grpc_stream_t *stream = nghttp2_session_get_stream_user_data (session, frame->hd.stream_id);
    if (stream)
        grpc_reply_header (&stream->reply, (const char *) name, (const char *) value, value_size);
    return 0;
}

static int
on_data (nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size,
         void *user)
{
    (void) flags;
    grpc_connection_t *self = user;
    grpc_stream_t *stream = nghttp2_session_get_stream_user_data (session, id);
    if (!stream)
        return 0;
    fault_t fault = { 0 };
    if (grpc_reply_body (&stream->reply, bytes, size, &fault) == 0)
        self->events->stream_data (self->owner, stream);
    else {
        grpc_connection_reset (self, stream);
        self->events->stream_end (self->owner, stream, STREAM_BROKE_RULES, 0, &fault);
    }
    return 0;
}

static int
on_frame (nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void) session;
    grpc_connection_t *self = user;
    if (frame->hd.type == NGHTTP2_SETTINGS && self->state == GREETING) {
        self->state = OPEN;
        self->events->ready (self->owner);
    }
    else if (frame->hd.type == NGHTTP2_GOAWAY && self->state != DRAINING) {
        self->state = DRAINING;
        self->events->going_away (self->owner, self);
    }
    return 0;
}

static void
end_stream (grpc_connection_t *self, grpc_stream_t *stream, grpc_stream_end_t how, uint32_t code)
{
    nghttp2_session_set_stream_user_data (self->session, stream->id, NULL);
    stream->id = 0;
    self->events->stream_end (self->owner, stream, how, code, NULL);
}

static int
on_stream_close (nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    grpc_stream_t *stream = nghttp2_session_get_stream_user_data (session, id);
    if (stream)
        end_stream (user, stream,
                    code == NGHTTP2_REFUSED_STREAM ? STREAM_UNPROCESSED : STREAM_CLOSED, code);
    return 0;
}

static int
on_frame_not_sent (nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    (void) error;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    grpc_stream_t *stream = nghttp2_session_get_stream_user_data (session, frame->hd.stream_id);
    if (stream)
        end_stream (user, stream, STREAM_UNPROCESSED, 0);
    return 0;
}

static ssize_t
read_body (nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
           nghttp2_data_source *source, void *user)
{
    (void) source, (void) user;
    grpc_stream_t *stream = nghttp2_session_get_stream_user_data (session, id);
    if (!stream) // cancelled meanwhile
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t size = stream->body_size - stream->body_sent;
    if (size > room)
        size = room;
    memcpy (to, stream->body + stream->body_sent, size);
    stream->body_sent += size;
    if (stream->body_sent == stream->body_size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t) size;
}

static nghttp2_session *
new_session (grpc_connection_t *self)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new (&callbacks) != 0)
        abort(); // only memory can run out here and below
    nghttp2_session_callbacks_set_on_header_callback (callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback (callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback (callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback (callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback (callbacks, on_frame_not_sent);
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES },
    };
    if (nghttp2_session_client_new (&session, callbacks, self) != 0
        || nghttp2_submit_settings (session, NGHTTP2_FLAG_NONE, settings, COUNT_OF (settings)) != 0
        || nghttp2_session_set_local_window_size (session, NGHTTP2_FLAG_NONE, 0,
                                                  CONNECTION_WINDOW_BYTES)
               != 0)
        abort();
    nghttp2_session_callbacks_del (callbacks);
    return session;
}

// ---- the socket ----

static int
fail (grpc_connection_t *self, const fault_t *fault)
{
    if (self->state != BROKEN)
        self->fault = *fault;
    self->state = BROKEN;
    return -1;
}

/* The connection broke with errno (0: the other side closed it). */
static int
fail_socket (grpc_connection_t *self, bool is_writing, int error_number)
{
    char text[160];
    fault_t fault = { 0 };
    snprintf (text, sizeof text, "%s: %s",
              self->state == GREETING ? "error reading server preface"
              : is_writing            ? "error writing to server"
                                      : "error reading from server",
              error_number ? strerrordesc_np (error_number) : "EOF");
    grpc_connection_fault (text, &fault);
    return fail (self, &fault);
}

static int
fail_protocol (grpc_connection_t *self, ssize_t nghttp2_error)
{
    char text[160];
    fault_t fault = { 0 };
    snprintf (text, sizeof text, "error reading %s: %s",
              self->state == GREETING ? "server preface" : "from server",
              nghttp2_strerror ((int) nghttp2_error));
    grpc_connection_fault (text, &fault);
    return fail (self, &fault);
}

static void
keep_for_socket (grpc_connection_t *self, const uint8_t *bytes, size_t size)
{
    if (self->out_size + size > self->out_room) {
        self->out_room = self->out_size + size + 4096;
        self->out = memory_grow (self->out, self->out_room, 1);
    }
    memcpy (self->out + self->out_size, bytes, size);
    self->out_size += size;
}

/* Fills `out` with frames that wait, so that small ones share a write. */
static int
collect_frames (grpc_connection_t *self)
{
    self->out_sent = self->out_size = 0;
    while (self->out_size < WRITE_BATCH_BYTES) {
        const uint8_t *bytes = NULL;
        ssize_t size = nghttp2_session_mem_send (self->session, &bytes);
        if (size < 0)
            return fail_protocol (self, size);
        if (size == 0)
            break;
        keep_for_socket (self, bytes, (size_t) size);
    }
    return 0;
}

static int
write_socket (grpc_connection_t *self)
{
    for (;;) {
        if (self->out_sent == self->out_size && collect_frames (self) < 0)
            return -1;
        if (self->out_sent == self->out_size)
            return 0;
        ssize_t size = send (self->fd, self->out + self->out_sent, self->out_size - self->out_sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (size < 0)
            return fail_socket (self, true, errno);
        self->out_sent += (size_t) size;
    }
}

static int
read_socket (grpc_connection_t *self)
{
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t size = recv (self->fd, self->in, sizeof self->in, MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (size <= 0)
            return fail_socket (self, false, size < 0 ? errno : 0);
        ssize_t taken = nghttp2_session_mem_recv (self->session, self->in, (size_t) size);
        if (taken < 0)
            return fail_protocol (self, taken);
        if ((size_t) size < sizeof self->in)
            return 0;
    }
    return 0;
}

static void watch (grpc_connection_t *self);

/* Whether nghttp2 is through with the connection: after a GOAWAY, when the last stream has ended,
   or because the server does not speak HTTP/2. */
static bool
is_finished (const grpc_connection_t *self)
{
    return self->state != CONNECTING && self->out_sent == self->out_size
           && !nghttp2_session_want_read (self->session)
           && !nghttp2_session_want_write (self->session);
}

/* After everything else: tells the owner when it is over. `self` may be gone afterwards. */
static void
settle (grpc_connection_t *self)
{
    if (self->state != BROKEN && is_finished (self)) {
        fault_t fault = { 0 };
        grpc_connection_fault (self->state == DRAINING ? "the server closed the connection"
                               : self->state == GREETING
                                   ? "error reading server preface: not HTTP/2"
                                   : "error reading from server: not HTTP/2",
                               &fault);
        fail (self, &fault);
    }
    if (self->state == BROKEN)
        self->events->closed (self->owner, self, &self->fault);
    else
        watch (self);
}

/* Whether the socket has connected; a refused one fails the connection. */
static bool
is_connected (grpc_connection_t *self)
{
    int error_number = 0;
    socklen_t size = sizeof error_number;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    getsockopt (self->fd, SOL_SOCKET, SO_ERROR, &error_number, &size);
    if (error_number == 0 && getpeername (self->fd, (struct sockaddr *) &peer, &peer_size) == 0) {
        self->state = GREETING;
        return true;
    }
    if (error_number != 0) {
        fault_t fault = { 0 };
        grpc_dial_fault (self->address, error_number, &fault);
        fail (self, &fault);
    }
    return false;
}

static void
on_ready (void *actor_state, int fd, short events, void *context)
{
    (void) actor_state, (void) fd, (void) events; // whichever it was, both are tried
    grpc_connection_t *self = context;
    void *owner = self->owner;
    const grpc_connection_events_t *calls = self->events;
    if ((self->state != CONNECTING || is_connected (self)) && read_socket (self) == 0)
        write_socket (self);
    settle (self);
    calls->progress (owner);
}

static void
watch (grpc_connection_t *self)
{
    bool has_output = self->out_sent < self->out_size
                      || (self->session && nghttp2_session_want_write (self->session));
    short events = (short) (self->state == CONNECTING ? POLLOUT
                            : has_output              ? POLLIN | POLLOUT
                                                      : POLLIN);
    if (events != self->watched)
        actor_watch_fd (self->actor, self->fd, events, on_ready, self);
    self->watched = events;
}

// ---- for the channel ----

static int
open_socket (grpc_connection_t *self, fault_t *fault)
{
    const grpc_address_t *address = self->address;
    int family = address->socket.ss_family;
    self->fd = socket (family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->fd < 0)
        return grpc_dial_fault (address, errno, fault);
    int on = 1;
    if (family != AF_UNIX)
        setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect (self->fd, (const struct sockaddr *) &address->socket, address->size) == 0)
        self->state = GREETING;
    else if (errno != EINPROGRESS)
        return grpc_dial_fault (address, errno, fault);
    return 0;
}

grpc_connection_t *
grpc_connection_new (actor_t *actor, const grpc_address_t *address,
                     const grpc_connection_events_t *events, void *owner, fault_t *fault)
{
    OWNED (grpc_connection_destroy) grpc_connection_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->address = address;
    self->events = events;
    self->owner = owner;
    if (open_socket (self, fault) < 0)
        return NULL;
    self->session = new_session (self);
    watch (self); // the preface goes out as soon as it can
    return STEAL (self);
}

void
grpc_connection_destroy (grpc_connection_t **self_p)
{
    grpc_connection_t *self = *self_p;
    if (!self)
        return;
    if (self->watched)
        actor_unwatch_fd (self->actor, self->fd);
    close_fd (&self->fd);
    nghttp2_session_del (self->session);
    free (self->out);
    free (self);
    *self_p = NULL;
}

bool
grpc_connection_is_ready (const grpc_connection_t *self)
{
    return self->state == OPEN;
}

static nghttp2_nv
header (const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) value, strlen (name),
                         strlen (value), NGHTTP2_NV_FLAG_NONE };
}

int
grpc_connection_start (grpc_connection_t *self, grpc_stream_t *stream)
{
    char timeout[GRPC_TIMEOUT_TEXT_MAX];
    nghttp2_nv headers[8 + GRPC_HEADERS_MAX] = {
        header (":method", "POST"),
        header (":scheme", "http"),
        header (":path", stream->path),
        header (":authority", stream->authority),
        header ("te", "trailers"),
        header ("content-type", "application/grpc"),
        header ("user-agent", stream->user_agent),
    };
    size_t count = 7;
    if (stream->timeout_ms > 0) {
        grpc_timeout_text (stream->timeout_ms, timeout);
        headers[count++] = header ("grpc-timeout", timeout);
    }
    for (size_t i = 0; i < GRPC_HEADERS_MAX && stream->headers[i].name; i++)
        headers[count++] = header (stream->headers[i].name, stream->headers[i].value);
    const nghttp2_data_provider body = { .read_callback = read_body };
    stream->body_sent = 0;
    int32_t id = nghttp2_submit_request (self->session, NULL, headers, count, &body, stream);
    if (id < 0) { // the ids of this connection are used up; it ends with its last stream
        nghttp2_submit_goaway (self->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
        return -1;
    }
    stream->id = id;
    return 0;
}

void
grpc_connection_reset (grpc_connection_t *self, grpc_stream_t *stream)
{
    nghttp2_session_set_stream_user_data (self->session, stream->id, NULL);
    nghttp2_submit_rst_stream (self->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    stream->id = 0;
}

void
grpc_connection_flush (grpc_connection_t *self)
{
    if (self->state == CONNECTING)
        return;
    if (self->state != BROKEN)
        write_socket (self);
    settle (self);
}

void
grpc_connection_fail (grpc_connection_t *self, const fault_t *why)
{
    fail (self, why);
    settle (self);
}
