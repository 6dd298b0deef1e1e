#include "server.h"
#include "cubelet/actors.h"
#include "cubelet/memory.h"

/* The ports, by the arguments that set them; port 0 is not served. */
static const struct {
    port_kind_t kind;
    const char *address, *port; // arguments
    const char *setting;        // of the configuration, for people
    const char *address_otherwise;
} PORTS[] = {
    { PORT_HEALTHZ, "healthz_address", "healthz_port", "healthzPort", "127.0.0.1" },
    { PORT_READ_ONLY, "read_only_address", "read_only_port", "readOnlyPort", "0.0.0.0" },
};

#define PORT_NUMBER_MAX 65535

static void
destroy_listener (void **self_p)
{
    listener_destroy ((listener_t **) self_p);
}

static void
open_ports (server_t *self, const node_t *args)
{
    for (size_t i = 0; i < COUNT_OF (PORTS); i++) {
        int64_t port = node_get_int (args, PORTS[i].port, 0);
        const char *address = node_get_text (args, PORTS[i].address, PORTS[i].address_otherwise);
        if (port > 0 && port <= PORT_NUMBER_MAX)
            zlistx_add_end (self->listeners, listener_new (self, PORTS[i].kind, PORTS[i].setting,
                                                           address, (int) port));
    }
}

static struct event_base *
open_base (void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config) {
        event_config_set_flag (config, EVENT_BASE_FLAG_NOLOCK); // one thread
        base = event_base_new_with_config (config);
        event_config_free (config);
    }
    return base;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    struct event_base *base = open_base();
    if (!base) {
        fault_set (fault, FAULT_UNAVAILABLE, "libevent has no way to wait for descriptors");
        return NULL;
    }
    server_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->base = base;
    self->exchanges = zlistx_new();
    self->listeners = zlistx_new();
    zlistx_set_destructor (self->listeners, destroy_listener);
    open_ports (self, args);
    return self;
}

static void
stop (void **self_p)
{
    server_t *self = *self_p;
    zlistx_destroy (&self->listeners); // drops the exchanges with their connections
    for (exchange_t *exchange; (exchange = zlistx_first (self->exchanges));)
        exchange_drop (self, exchange->connection);
    zlistx_destroy (&self->exchanges);
    event_base_free (self->base);
    free (self);
    *self_p = NULL;
}

// ---- the loop ----

/* Wakes the event loop for the actor: its descriptors and its next timer. */
typedef struct {
    struct event *descriptors[2];
    struct event *timer;
} waker_t;

static void
wake_up (evutil_socket_t fd, short what, void *context)
{
    (void) fd, (void) what, (void) context; // actor_process comes after every wait anyway
}

/* Watches the actor's descriptors, which are others after it moved to another bus. */
static void
watch_descriptors (const server_t *self, waker_t *waker)
{
    int fds[2];
    actor_wake_fds (self->actor, fds);
    for (int i = 0; i < 2; i++) {
        struct event *event = waker->descriptors[i];
        if (event && event_get_fd (event) == fds[i])
            continue;
        if (event)
            event_free (event);
        waker->descriptors[i] =
            fds[i] < 0 ? NULL : event_new (self->base, fds[i], EV_READ | EV_PERSIST, wake_up, NULL);
        if (waker->descriptors[i])
            event_add (waker->descriptors[i], NULL);
    }
}

static void
wait_for_events (server_t *self, waker_t *waker, int64_t wait_ms)
{
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
    evtimer_del (waker->timer);
    if (wait_ms > 0)
        evtimer_add (waker->timer, &wait);
    event_base_loop (self->base, wait_ms == 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    for (listener_t *listener = zlistx_first (self->listeners); listener;
         listener = zlistx_next (self->listeners))
        listener_sweep (listener);
}

static void
run (actor_t *actor, void *state)
{
    server_t *self = state;
    waker_t waker = { .timer = evtimer_new (self->base, wake_up, NULL) };
    for (int64_t wait_ms; (wait_ms = actor_process (actor)) != -2;) {
        watch_descriptors (self, &waker);
        wait_for_events (self, &waker, wait_ms);
    }
    for (int i = 0; i < 2; i++)
        if (waker.descriptors[i])
            event_free (waker.descriptors[i]);
    event_free (waker.timer);
}

static const actor_handler_t HANDLERS[] = { { 0 } };

/* args: {read_only_address read_only_port healthz_address healthz_port} */
const actor_class_t server_class = {
    .name = "server",
    .about = "serves health checks and the node's pods over HTTP",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
    .run = run,
};
