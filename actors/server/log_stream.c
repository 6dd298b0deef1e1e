#include "log_stream.h"
#include "cubelet/clock.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/log_reader.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http_struct.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define SLICE_BYTES 32768      // read at once
#define SLICES_MAX 8           // in one round of the loop
#define OUTPUT_MAX_BYTES 65536 // that waits for the client; then reading waits
#define OUTPUT_LOW_BYTES 16384 // then it goes on

typedef enum {
    FINDING_TAIL,
    READING,
    WAITING, // for more to follow
    ENDING   // all is said: the connection closes when it is sent
} phase_t;

struct log_stream {
    exchange_t *exchange;
    log_options_t options;
    char *path; // without symbolic links
    char *container_id;
    log_reader_t *reader; // NULL: a plain file
    log_tail_t tail;
    phase_t phase;
    int fd;
    int64_t offset;
    int64_t size;            // of a plain file: what was promised
    bool is_replaced;        // another file stands at the path: this one is read to its end
    bool has_ended;          // the container: the end of the file is the end
    bool is_chunked;         // HTTP/1.1
    struct evbuffer *output; // of a slice, a chunk soon
    struct event *again;     // goes on after others had their turn
};

static void
free_stream (void **self_p)
{
    log_stream_t *self = *self_p;
    log_watch_remove (self->exchange->server->log_watch, self);
    log_reader_destroy (&self->reader);
    close_fd (&self->fd);
    if (self->again)
        event_free (self->again);
    if (self->output)
        evbuffer_free (self->output);
    free (self->path);
    free (self->container_id);
    free (self);
    *self_p = NULL;
}

// ---- output ----

static struct evbuffer *
sent_buffer (const log_stream_t *self)
{
    return bufferevent_get_output (self->exchange->stream);
}

static void
take_output (void *context, const char *bytes, size_t size)
{
    evbuffer_add (((log_stream_t *) context)->output, bytes, size);
}

static void
send_chunk (log_stream_t *self)
{
    struct evbuffer *to = sent_buffer (self);
    size_t size = evbuffer_get_length (self->output);
    if (!size)
        return;
    if (self->is_chunked)
        evbuffer_add_printf (to, "%zx\r\n", size);
    evbuffer_add_buffer (to, self->output);
    if (self->is_chunked)
        evbuffer_add (to, "\r\n", 2);
}

/* Says that all is said. */
static void
end (log_stream_t *self)
{
    send_chunk (self);
    if (self->is_chunked)
        evbuffer_add (sent_buffer (self), "0\r\n\r\n", 5);
    self->phase = ENDING;
    log_watch_remove (self->exchange->server->log_watch, self);
}

/* A reason takes the place of what cannot be read. */
static void
end_with (log_stream_t *self, const char *text)
{
    LOG_V (2, "Log cannot be read path=%s err=%s", self->path ? self->path : "", text);
    take_output (self, text, strlen (text));
    end (self);
}

// ---- the file ----

/* Opens what stands at the path now; when that fails, the old file stays open. */
static int
open_file (log_stream_t *self)
{
    int fd = open (self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    self->is_replaced = false;
    if (fd < 0)
        return -1;
    close_fd (&self->fd);
    self->fd = fd;
    self->offset = 0;
    return 0;
}

/* True when another file than the open one stands at the path (rotation). */
static bool
is_another_file (const log_stream_t *self)
{
    struct stat open_one, found;
    return stat (self->path, &found) == 0 && fstat (self->fd, &open_one) == 0
           && (found.st_ino != open_one.st_ino || found.st_dev != open_one.st_dev);
}

static void
at_end_of_file (log_stream_t *self)
{
    fault_t fault = { 0 };
    if (self->is_replaced) {
        if (log_reader_end (self->reader, &fault) != LOG_READER_GOES_ON)
            end (self);
        else if (open_file (self) < 0) // renamed again; the one that comes wakes this stream
            self->phase = WAITING;
    }
    else if (self->options.follow && is_another_file (self))
        self->is_replaced = true; // what was written up to now is read before the other one
    else if (!self->options.follow || self->has_ended) {
        if (self->reader && log_reader_end (self->reader, &fault) == LOG_READER_FAILED)
            end_with (self, fault.text);
        else
            end (self);
    }
    else
        self->phase = WAITING;
}

static void
read_slice (log_stream_t *self)
{
    char bytes[SLICE_BYTES];
    fault_t fault = { 0 };
    size_t room = sizeof bytes;
    if (!self->reader && self->size - self->offset < (int64_t) room)
        room = (size_t) (self->size - self->offset);
    ssize_t got = pread (self->fd, bytes, room, self->offset);
    if (got <= 0) {
        at_end_of_file (self);
        return;
    }
    self->offset += got;
    if (!self->reader) {
        take_output (self, bytes, (size_t) got);
        send_chunk (self);
        return;
    }
    switch (log_reader_feed (self->reader, bytes, (size_t) got, &fault)) {
    case LOG_READER_GOES_ON: send_chunk (self); break;
    case LOG_READER_DONE: end (self); break;
    case LOG_READER_FAILED: end_with (self, fault.text); break;
    }
}

static void
find_tail (log_stream_t *self)
{
    char bytes[SLICE_BYTES];
    int64_t offset = 0;
    size_t size = 0;
    if (log_tail_next (&self->tail, sizeof bytes, &offset, &size)
        && pread (self->fd, bytes, size, offset) == (ssize_t) size) {
        log_tail_take (&self->tail, bytes, size);
        return;
    }
    self->offset = self->tail.start;
    self->phase = READING;
}

// ---- steps ----

static void
go_on_soon (log_stream_t *self)
{
    static const struct timeval NOW = { 0, 0 };
    evtimer_add (self->again, &NOW);
}

/* Does a bounded piece of work; goes on by `again`, when the client has taken what was sent, or
   when the log grows. */
static void
step (log_stream_t *self)
{
    int slices = SLICES_MAX;
    while (slices && (self->phase == READING || self->phase == FINDING_TAIL)
           && evbuffer_get_length (sent_buffer (self)) < OUTPUT_MAX_BYTES) {
        slices--;
        if (self->phase == FINDING_TAIL)
            find_tail (self);
        else
            read_slice (self);
    }
    if (self->phase == ENDING && !evbuffer_get_length (sent_buffer (self))) {
        tls_end_sending (self->exchange->stream);
        exchange_close (self->exchange); // and this stream with it
        return;
    }
    if (!slices)
        go_on_soon (self);
}

static void
go_on (evutil_socket_t fd, short what, void *context)
{
    (void) fd, (void) what;
    step (context);
}

void
log_stream_wake (log_stream_t *self)
{
    if (self->phase != WAITING)
        return;
    self->phase = READING;
    step (self);
}

void
log_stream_end_follow (log_stream_t *self)
{
    self->has_ended = true;
    log_stream_wake (self);
}

const char *
log_stream_container (const log_stream_t *self)
{
    return self->container_id;
}

// ---- the connection ----

static void
on_read (struct bufferevent *stream, void *context)
{
    (void) context; // nothing is expected any more
    struct evbuffer *input = bufferevent_get_input (stream);
    evbuffer_drain (input, evbuffer_get_length (input));
}

static void
on_sent (struct bufferevent *stream, void *context)
{
    (void) stream;
    step (context);
}

/* The client has gone, or has read nothing for hours. */
static void
on_event (struct bufferevent *stream, short what, void *context)
{
    (void) stream;
    log_stream_t *self = context;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
        exchange_close (self->exchange);
}

static void
send_head (log_stream_t *self, const char *content_type, int64_t size)
{
    struct evbuffer *to = sent_buffer (self);
    char date[64];
    time_t now = (time_t) (clock_now_ns() / NS_PER_S);
    struct tm parts;
    gmtime_r (&now, &parts);
    strftime (date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    evbuffer_add_printf (to,
                         "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nDate: %s\r\nConnection: "
                         "close\r\n",
                         content_type, date);
    if (size >= 0)
        evbuffer_add_printf (to, "Content-Length: %lld\r\n", (long long) size);
    else if (self->is_chunked)
        evbuffer_add_printf (to, "Transfer-Encoding: chunked\r\n");
    evbuffer_add (to, "\r\n", 2);
}

static log_stream_t *
begin (exchange_t *exchange)
{
    log_stream_t *self = memory_new (1, sizeof *self);
    int64_t idle_ms = exchange->server->settings.streaming_idle_ms;
    struct timeval idle = { .tv_sec = idle_ms / 1000, .tv_usec = idle_ms % 1000 * 1000 };
    self->exchange = exchange;
    self->fd = -1;
    self->output = evbuffer_new();
    self->again = evtimer_new (exchange->server->base, go_on, self);
    if (!self->output || !self->again)
        abort(); // out of memory
    exchange->work = self;
    exchange->drop = free_stream;
    exchange_take_over (exchange, on_read, on_sent, on_event, self);
    bufferevent_setwatermark (exchange->stream, EV_WRITE, OUTPUT_LOW_BYTES, 0);
    bufferevent_set_timeouts (exchange->stream, NULL, idle_ms > 0 ? &idle : NULL);
    return self;
}

static bool
is_http_1_1 (const exchange_t *exchange)
{
    return exchange->http->major > 1 || exchange->http->minor >= 1;
}

/* Prepares to read; the reason when that cannot be done. Owned; NULL: none. */
static char *
prepare (log_stream_t *self, const char *path)
{
    char error[GO_ERRNO_MAX];
    struct stat found;
    self->path = realpath (path, NULL);
    if (!self->path) {
        OWNED (free_text) char *quoted = go_quote (path);
        return text_format ("failed to try resolving symlinks in path %s: lstat %s: %s", quoted,
                            path, go_errno (errno, error));
    }
    if (open_file (self) < 0 || fstat (self->fd, &found) < 0) {
        OWNED (free_text) char *quoted = go_quote (self->path);
        return text_format ("failed to open log file %s: open %s: %s", quoted, self->path,
                            go_errno (errno, error));
    }
    self->phase = READING;
    if (self->options.tail_lines.set) {
        self->phase = FINDING_TAIL;
        log_tail_start (&self->tail, found.st_size, self->options.tail_lines.value);
    }
    return NULL;
}

void
log_stream_begin (exchange_t *exchange, const log_options_t *options, const char *path,
                  const char *container_id)
{
    log_stream_t *self = begin (exchange);
    self->options = *options;
    self->container_id = text_copy (container_id);
    self->is_chunked = is_http_1_1 (exchange);
    self->reader = log_reader_new (options, take_output, self);
    send_head (self, TEXT_PLAIN, -1);
    OWNED (free_text) char *reason = prepare (self, path);
    if (reason)
        end_with (self, reason);
    else if (options->follow) {
        OWNED (free_text) char *directory = text_copy (self->path);
        log_watch_add (exchange->server->log_watch, self, dirname (directory));
    }
    go_on_soon (self);
}

void
log_stream_begin_file (exchange_t *exchange, int fd, int64_t size, const char *content_type)
{
    log_stream_t *self = begin (exchange);
    self->fd = fd;
    self->size = size;
    self->phase = READING;
    send_head (self, content_type, size);
    go_on_soon (self);
}
