#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "log_stream.h"
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#define POLL_MS 1000 // upstream's, and how long a change may go unseen when inotify fails
#define ANSWER_LIMIT_MS 10000
#define EVENTS_BYTES 4096

typedef struct {
    log_stream_t *stream;
    int directory; // inotify's number of it; -1: not watched
    bool is_woken;
} follower_t;

struct log_watch {
    server_t *server;
    int fd; // inotify; -1: there is none
    struct event *readable;
    follower_t *followers;
    size_t count, room;
    uint64_t timer;   // to the next look at the containers
    uint64_t request; // that look
};

static void look_at_containers (void *state, void *context);

// ---- files ----

static void
note_events (log_watch_t *self, const char *bytes, size_t size)
{
    for (size_t at = 0; at + sizeof (struct inotify_event) <= size;) {
        struct inotify_event event;
        memcpy (&event, bytes + at, sizeof event);
        at += sizeof event + event.len;
        for (size_t i = 0; i < self->count; i++)
            if (self->followers[i].directory == event.wd || (event.mask & IN_Q_OVERFLOW))
                self->followers[i].is_woken = true;
    }
}

/* A stream may end while it is woken, and leave the list. */
static void
wake_noted (log_watch_t *self)
{
    for (size_t i = 0; i < self->count;) {
        log_stream_t *stream = self->followers[i].stream;
        bool is_woken = self->followers[i].is_woken;
        self->followers[i].is_woken = false;
        if (is_woken)
            log_stream_wake (stream);
        if (i < self->count && self->followers[i].stream == stream)
            i++;
    }
}

static void
read_events (evutil_socket_t fd, short what, void *context)
{
    (void) what;
    log_watch_t *self = context;
    char bytes[EVENTS_BYTES];
    ssize_t got = read (fd, bytes, sizeof bytes);
    if (got > 0)
        note_events (self, bytes, (size_t) got);
    wake_noted (self);
}

static void
open_inotify (log_watch_t *self)
{
    self->fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
    if (self->fd < 0) {
        LOG_WARNING ("Logs are followed with a delay of a second: no inotify err=%s",
                     strerror (errno));
        return;
    }
    self->readable =
        event_new (self->server->base, self->fd, EV_READ | EV_PERSIST, read_events, self);
    if (!self->readable || event_add (self->readable, NULL) < 0)
        abort(); // out of memory
}

static void
close_inotify (log_watch_t *self)
{
    if (self->readable)
        event_free (self->readable);
    self->readable = NULL;
    close_fd (&self->fd);
}

// ---- containers ----

static bool
runs (const node_t *containers, const char *id)
{
    NODE_EACH (containers, container)
    if (strcmp (node_get_text (container, "id", ""), id) == 0)
        return true;
    return false;
}

static void
take_containers (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    log_watch_t *self = *(log_watch_t **) context;
    self->request = 0;
    if (self->count)
        self->timer = actor_timer (self->server->actor, POLL_MS, look_at_containers, self);
    if (fault)
        return; // the runtime is away; the next look tells
    const node_t *containers = node_get (reply->body, "containers");
    for (size_t i = 0; i < self->count;) {
        log_stream_t *stream = self->followers[i].stream;
        if (!runs (containers, log_stream_container (stream)))
            log_stream_end_follow (stream);
        if (i < self->count && self->followers[i].stream == stream)
            i++;
    }
}

/* One listing for all who follow; of one container when all follow that. */
static void
look_at_containers (void *state, void *context)
{
    (void) state;
    log_watch_t *self = context;
    self->timer = 0;
    if (!self->count)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map(), filter = node_map(), running = node_map();
    node_set_text (tree, &running, "state", "CONTAINER_RUNNING");
    node_set (tree, &filter, "state", running);
    const char *id = log_stream_container (self->followers[0].stream);
    bool is_one = true;
    for (size_t i = 1; i < self->count && is_one; i++)
        is_one = strcmp (id, log_stream_container (self->followers[i].stream)) == 0;
    if (is_one)
        node_set_text (tree, &filter, "id", id);
    node_set (tree, &body, "filter", filter);
    self->request = actor_request (self->server->actor, "runtime", MSG_CRI_LIST_CONTAINERS, &body,
                                   ANSWER_LIMIT_MS, take_containers, &self, sizeof self);
    if (self->fd < 0)
        for (size_t i = 0; i < self->count; i++)
            self->followers[i].is_woken = true;
    wake_noted (self);
}

// ---- public ----

log_watch_t *
log_watch_new (server_t *server)
{
    log_watch_t *self = memory_new (1, sizeof *self);
    self->server = server;
    self->fd = -1;
    return self;
}

void
log_watch_destroy (log_watch_t **self_p)
{
    log_watch_t *self = *self_p;
    if (!self)
        return;
    close_inotify (self);
    actor_timer_cancel (self->server->actor, &self->timer);
    if (self->request)
        actor_cancel (self->server->actor, self->request);
    free (self->followers);
    free (self);
    *self_p = NULL;
}

void
log_watch_add (log_watch_t *self, log_stream_t *stream, const char *directory)
{
    if (self->fd < 0)
        open_inotify (self);
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 4;
        self->followers = memory_grow (self->followers, self->room, sizeof *self->followers);
    }
    uint32_t events = IN_MODIFY | IN_CREATE | IN_MOVED_TO;
    int number = self->fd < 0 ? -1 : inotify_add_watch (self->fd, directory, events);
    self->followers[self->count++] = (follower_t){ .stream = stream, .directory = number };
    if (!self->timer && !self->request) // at once: the container may have ended long ago
        self->timer = actor_timer (self->server->actor, 0, look_at_containers, self);
}

void
log_watch_remove (log_watch_t *self, const log_stream_t *stream)
{
    size_t at = 0;
    while (at < self->count && self->followers[at].stream != stream)
        at++;
    if (at == self->count)
        return;
    int directory = self->followers[at].directory;
    self->followers[at] = self->followers[--self->count];
    if (self->count == 0) {
        close_inotify (self);
        return;
    }
    for (size_t i = 0; i < self->count; i++)
        if (self->followers[i].directory == directory)
            return;
    if (directory >= 0)
        inotify_rm_watch (self->fd, directory);
}
