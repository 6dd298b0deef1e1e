#include "server.h"
#include "cubelet/actors.h"
#include "cubelet/certificate.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "log_stream.h"
#include <unistd.h>

#define PORT_NUMBER_MAX 65535

static void
destroy_listener (void **self_p)
{
    listener_destroy ((listener_t **) self_p);
}

static void
open_ports (server_t *self)
{
    const server_settings_t *settings = &self->settings;
    const struct {
        port_kind_t kind;
        const char *setting; // of the configuration, for people
        const char *address, *address_otherwise;
        int64_t port; // 0: not served
    } ports[] = {
        { PORT_HEALTHZ, "healthzPort", settings->healthz_address, "127.0.0.1",
          settings->healthz_port },
        { PORT_READ_ONLY, "readOnlyPort", settings->read_only_address, "0.0.0.0",
          settings->read_only_port },
        { PORT_SECURE, "port", settings->secure_address, "0.0.0.0", settings->secure_port },
    };
    for (size_t i = 0; i < COUNT_OF (ports); i++) {
        listener_settings_t listener = {
            .kind = ports[i].kind,
            .setting = ports[i].setting,
            .address = ports[i].address ? ports[i].address : ports[i].address_otherwise,
            .port = (int) ports[i].port,
        };
        if (ports[i].port > 0 && ports[i].port <= PORT_NUMBER_MAX)
            zlistx_add_end (self->listeners, listener_new (self, &listener));
    }
    listener_settings_t local = { .kind = PORT_LOCAL,
                                  .setting = "--socket-dir",
                                  .path = settings->socket_path };
    if (local.path)
        zlistx_add_end (self->listeners, listener_new (self, &local));
}

// ---- the certificate ----

/* The first start of a node makes one; that it could not is said again with each connection. */
static void
make_certificate (const server_settings_t *settings)
{
    fault_t fault = { 0 };
    if (access (settings->tls_certificate_file, F_OK) == 0
        && access (settings->tls_key_file, F_OK) == 0)
        return;
    if (certificate_make_self_signed (settings->node_name, settings->host_ips,
                                      settings->tls_certificate_file, settings->tls_key_file,
                                      clock_now_ns(), &fault)
        < 0)
        LOG_ERROR ("Certificate cannot be made err=%s", fault.text);
    else
        LOG_INFO ("Self-signed certificate made file=%s", settings->tls_certificate_file);
}

static void
open_tls (server_t *self)
{
    const server_settings_t *settings = &self->settings;
    if (settings->secure_port <= 0)
        return;
    tls_settings_t tls = {
        .certificate_file = settings->tls_certificate_file,
        .key_file = settings->tls_key_file,
        .client_ca_file = settings->client_ca_file,
        .min_version = settings->tls_min_version,
        .cipher_suites = settings->tls_cipher_suites,
    };
    if (settings->make_certificate)
        make_certificate (settings);
    self->tls = tls_server_new (&tls);
}

static int
check_settings (const server_settings_t *settings, fault_t *fault)
{
    if (settings->secure_port > 0
        && (!settings->node_name || !settings->tls_certificate_file || !settings->tls_key_file))
        return fault_set (fault, FAULT_INVALID,
                          "node_name, tls_certificate_file and tls_key_file "
                          "are needed for secure_port");
    return 0;
}

// ---- start and stop ----

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

static void
destroy (server_t **self_p)
{
    server_t *self = *self_p;
    if (!self)
        return;
    zlistx_destroy (&self->listeners); // drops the exchanges with their connections
    for (exchange_t *exchange; (exchange = zlistx_first (self->exchanges));)
        exchange_drop (self, exchange->connection);
    zlistx_destroy (&self->exchanges);
    log_watch_destroy (&self->log_watch);
    actor_timer_cancel (self->actor, &self->give_back.timer);
    access_stop (self);
    tls_server_destroy (&self->tls);
    if (self->base)
        event_base_free (self->base);
    tree_destroy (&self->args);
    free (self);
    *self_p = NULL;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    OWNED (destroy) server_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->started_ns = clock_now_ns();
    self->exchanges = zlistx_new();
    metric_forget (METRIC_HTTP_INFLIGHT_REQUESTS, NO_LABELS); // those of one that was killed
    self->listeners = zlistx_new();
    zlistx_set_destructor (self->listeners, destroy_listener);
    access_start (self);
    self->log_watch = log_watch_new (self);
    self->args = tree_copy (args);
    if (server_settings_read (tree_root (self->args), self->args, &self->settings, fault) < 0
        || check_settings (&self->settings, fault) < 0)
        return NULL;
    self->base = open_base();
    if (!self->base) {
        fault_set (fault, FAULT_UNAVAILABLE, "libevent has no way to wait for descriptors");
        return NULL;
    }
    open_tls (self);
    open_ports (self);
    return STEAL (self);
}

static void
stop (void **self_p)
{
    destroy ((server_t **) self_p);
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
    give_back_watch (self);
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

/* args: server_settings_t */
const actor_class_t server_class = {
    .name = "server",
    .about = "serves the node's own API: health, pods, logs, exec and more",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
    .run = run,
};
