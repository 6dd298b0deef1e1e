/* The default loop of an actor: zloop over the pipe, the bus, watched descriptors and timers. */
#include "actor_internal.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <poll.h>

/* Messages handled before other sources get their turn. */
#define RECEIVE_BATCH 100

static int
loop_result (actor_t *self)
{
    if (self->is_ending)
        return -1; // zloop ends on it
    actor_arm_loop (self);
    return 0;
}

static int
on_bus (zloop_t *loop, zsock_t *socket, void *arg)
{
    (void) loop, (void) socket;
    actor_receive (arg, RECEIVE_BATCH);
    return loop_result (arg);
}

static int
on_pipe (zloop_t *loop, zsock_t *socket, void *arg)
{
    (void) loop, (void) socket;
    actor_read_pipe (arg);
    return loop_result (arg);
}

static void
fire_timers (actor_t *self)
{
    int64_t now_ms = clock_monotonic_ms();
    for (heap_timer_t due; !self->is_ending && timer_heap_pop_due (&self->timers, now_ms, &due);)
        due.fire (self, due.context);
}

static int
on_timer (zloop_t *loop, int timer_id, void *arg)
{
    (void) loop;
    actor_t *self = arg;
    // zloop calls one that has been ended if it is due already. The one that took its place stays;
    // to set another beside it would make them more and more, for good.
    if (timer_id != self->loop_timer)
        return self->is_ending ? -1 : 0;
    self->loop_timer = -1;
    fire_timers (self);
    return loop_result (self);
}

void
actor_arm_loop (actor_t *self)
{
    if (!self->loop)
        return;
    int64_t next = timer_heap_next (&self->timers);
    if (self->loop_timer >= 0) {
        if (next == self->loop_timer_at)
            return;
        zloop_timer_end (self->loop, self->loop_timer);
        self->loop_timer = -1;
    }
    if (next < 0)
        return;
    int64_t delay = next - clock_monotonic_ms();
    self->loop_timer = zloop_timer (self->loop, delay > 0 ? (size_t) delay : 0, 1, on_timer, self);
    self->loop_timer_at = next;
}

// ---- timers ----

typedef struct {
    actor_timer_fn *timer;
    void *context;
} timer_call_t;

static void
fire_call (void *owner, void *context)
{
    actor_t *self = owner;
    timer_call_t call = *(timer_call_t *) context;
    free (context);
    call.timer (self->state, call.context);
}

uint64_t
actor_timer (actor_t *self, int64_t delay_ms, actor_timer_fn *timer, void *context)
{
    timer_call_t *call = memory_new (1, sizeof *call);
    *call = (timer_call_t){ timer, context };
    uint64_t id = timer_heap_add (
        &self->timers, clock_monotonic_ms() + (delay_ms > 0 ? delay_ms : 0), fire_call, call);
    actor_arm_loop (self);
    return id;
}

void
actor_timer_cancel (actor_t *self, uint64_t *timer_id)
{
    for (size_t i = 0; *timer_id && i < self->timers.count; i++) {
        if (self->timers.items[i].id == *timer_id) {
            free (self->timers.items[i].context);
            timer_heap_remove (&self->timers, *timer_id);
            break;
        }
    }
    *timer_id = 0;
}

/* The contexts of timers made by actor_timer; deadlines belong to their requests. */
static void
drop_timers (actor_t *self)
{
    for (size_t i = 0; i < self->timers.count; i++)
        if (self->timers.items[i].fire == fire_call)
            free (self->timers.items[i].context);
    timer_heap_clear (&self->timers);
}

// ---- descriptors and sockets ----

static watch_t *
find_watch (actor_t *self, int fd, const zsock_t *socket)
{
    for (watch_t *watch = zlistx_first (self->watches); watch; watch = zlistx_next (self->watches))
        if (watch->socket == socket && watch->fd == fd)
            return watch;
    return NULL;
}

/* zmq's bits are poll's in meaning, not in number. */
static short
poll_events (short events)
{
    int bits = (events & ZMQ_POLLIN ? POLLIN : 0) | (events & ZMQ_POLLOUT ? POLLOUT : 0)
               | (events & ZMQ_POLLERR ? POLLERR : 0);
    return (short) bits;
}

static int
on_fd (zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop;
    actor_t *self = arg;
    watch_t *watch = find_watch (self, item->fd, NULL);
    if (watch)
        watch->ready (self->state, item->fd, poll_events (item->revents), watch->context);
    return loop_result (self);
}

static zmq_pollitem_t
item_of (const watch_t *watch)
{
    short events = 0;
    if (watch->events & POLLIN)
        events |= ZMQ_POLLIN;
    if (watch->events & POLLOUT)
        events |= ZMQ_POLLOUT;
    return (zmq_pollitem_t){ .fd = watch->fd, .events = (short) (events | ZMQ_POLLERR) };
}

static void
start_watch (actor_t *self, watch_t *watch)
{
    zmq_pollitem_t item = item_of (watch);
    if (zloop_poller (self->loop, &item, on_fd, self) == 0)
        zloop_poller_set_tolerant (self->loop, &item);
}

static void
stop_watch (actor_t *self, const watch_t *watch)
{
    zmq_pollitem_t item = item_of (watch);
    zloop_poller_end (self->loop, &item);
}

void
actor_watch_fd (actor_t *self, int fd, short events, actor_fd_fn *ready, void *context)
{
    watch_t *watch = find_watch (self, fd, NULL);
    if (watch && watch->events == events) {
        watch->ready = ready;
        watch->context = context;
        return;
    }
    if (watch)
        stop_watch (self, watch);
    else
        zlistx_add_end (self->watches, watch = memory_new (1, sizeof *watch));
    *watch = (watch_t){ .fd = fd, .events = events, .ready = ready, .context = context };
    start_watch (self, watch);
}

static void
drop_watch (actor_t *self, watch_t *watch)
{
    zlistx_detach (self->watches, zlistx_find (self->watches, watch));
    free (watch);
}

void
actor_unwatch_fd (actor_t *self, int fd)
{
    watch_t *watch = find_watch (self, fd, NULL);
    if (!watch)
        return;
    stop_watch (self, watch);
    drop_watch (self, watch);
}

static int
on_socket (zloop_t *loop, zsock_t *socket, void *arg)
{
    (void) loop;
    actor_t *self = arg;
    watch_t *watch = find_watch (self, -1, socket);
    if (watch)
        watch->socket_ready (self->state, socket, watch->context);
    return loop_result (self);
}

void
actor_watch_socket (actor_t *self, zsock_t *socket, actor_socket_fn *ready, void *context)
{
    watch_t *watch = memory_new (1, sizeof *watch);
    *watch = (watch_t){ .fd = -1, .socket = socket, .socket_ready = ready, .context = context };
    zlistx_add_end (self->watches, watch);
    zloop_reader (self->loop, socket, on_socket, self);
    zloop_reader_set_tolerant (self->loop, socket);
}

void
actor_unwatch_socket (actor_t *self, zsock_t *socket)
{
    watch_t *watch = find_watch (self, -1, socket);
    if (!watch)
        return;
    zloop_reader_end (self->loop, socket);
    drop_watch (self, watch);
}

// ---- the loop ----

static void
watch_bus (actor_t *self)
{
    zloop_reader (self->loop, self->bus, on_bus, self);
    zloop_reader_set_tolerant (self->loop, self->bus);
}

void
actor_reconnect (actor_t *self, const char *bus_endpoint)
{
    fault_t fault = { 0 };
    if (self->loop)
        zloop_reader_end (self->loop, self->bus);
    // The old socket goes last: the new one must not get its descriptor's number, which a class's
    // own loop would take for the one that it watches already.
    OWNED (zsock_destroy) zsock_t *old = self->bus;
    self->bus = NULL;
    if (actor_connect (self, bus_endpoint, &fault) < 0) {
        actor_fail (self, &fault);
        return;
    }
    if (self->loop)
        watch_bus (self);
    fault_set (&fault, FAULT_UNAVAILABLE, "the bus was restarted");
    actor_fail_requests (self, &fault);
}

int64_t
actor_process (actor_t *self)
{
    if (self->pipe)
        while (!self->is_ending && (zsock_events (self->pipe) & ZMQ_POLLIN))
            actor_read_pipe (self);
    while (!self->is_ending && (zsock_events (self->bus) & ZMQ_POLLIN))
        actor_receive (self, RECEIVE_BATCH);
    fire_timers (self);
    if (self->is_ending)
        return -2;
    if (zsock_events (self->bus) & ZMQ_POLLIN)
        return 0;
    int64_t next = timer_heap_next (&self->timers);
    if (next < 0)
        return -1;
    int64_t delay = next - clock_monotonic_ms();
    return delay > 0 ? delay : 0;
}

void
actor_wake_fds (const actor_t *self, int fds[static 2])
{
    fds[0] = zsock_fd (self->bus);
    fds[1] = self->pipe ? zsock_fd (self->pipe) : -1;
}

void
actor_run_loop (actor_t *self)
{
    watch_bus (self);
    if (self->pipe) {
        zloop_reader (self->loop, self->pipe, on_pipe, self);
        zloop_reader_set_tolerant (self->loop, self->pipe);
    }
    actor_arm_loop (self);
    if (!self->is_ending)
        zloop_start (self->loop);
}

void
actor_free_watches (actor_t *self)
{
    for (watch_t *watch; (watch = zlistx_detach (self->watches, NULL));)
        free (watch);
    drop_timers (self);
}
