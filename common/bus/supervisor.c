#include "cubelet/supervisor.h"
#include "cubelet/actor_host.h"
#include "cubelet/bus.h"
#include "cubelet/clock.h"
#include "cubelet/envelope.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/packed.h"
#include "cubelet/page_release.h"
#include "cubelet/sanitizer.h"
#include <czmq.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#define RESTART_FIRST_MS 50
#define RESTART_LIMIT_MS 30000
#define HEALTHY_AFTER_MS 60000 // a run of this length starts the backoff over
#define SETTLED_MS 20000       // after that the start's own memory is not needed any more
#define RELEASE_MS 60000
#define CLOSE_LIMIT_MS 10000 // the bus answers at once, unless it ends
#define STOP_LIMIT_MS 5000   // how long an orderly end of all actors may take
/* Three an actor, so some 2,700 actors. libzmq's tables for czmq's 65,535 take 768 KiB. */
#define SOCKETS_MAX 8192

/* One actor under supervision: started, waiting for its restart, or ending. */
typedef struct {
    const actor_class_t *class;
    char *name;
    packed_t args;
    actor_host_t *host; // NULL while it waits for its restart
    char *reason;       // of its last end
    tree_t *left;       // by the one before, until it is up again; or NULL
    bool is_up;
    bool is_stopping; // for good
    int64_t restarts;
    int64_t started_ms;
    int64_t heard_ms;
    int64_t backoff_ms;
    uint64_t restart_timer;
} ward_t;

typedef struct {
    const supervisor_config_t *config;
    const supervised_t *actors;
    size_t actor_count;
    const actor_class_t *const *classes;
    char bus_endpoint[64];
} startup_t;

/* What the class's start needs and cannot get as a node. Set once before the only call. */
static const startup_t *startup;

typedef struct {
    actor_t *actor;
    const startup_t *startup;
    zhashx_t *wards;     // name -> ward_t
    zlistx_t *abandoned; // actor_host_t of hanging threads that were replaced
    zactor_t *bus;
    char bus_endpoint[64];
    int64_t bus_heard_ms;
    int64_t heartbeat_ms, hang_ms;
    uint64_t watchdog_ms; // 0: systemd does not ask for it
    int signal_fd;
    bool is_ending;
} supervisor_t;

// The supervisor's own state is needed by pipes' handlers with the ward: both travel by name.
static void start_ward (supervisor_t *self, ward_t *ward);
static void on_ward_pipe (void *state, zsock_t *pipe, void *context);

// ---- wards ----

static void
ward_destroy (void **self_p)
{
    ward_t *self = *self_p;
    actor_host_destroy (&self->host);
    free (self->name);
    free (self->reason);
    packed_clear (&self->args);
    tree_destroy (&self->left);
    free (self);
    *self_p = NULL;
}

static ward_t *
ward_new (const actor_class_t *class, const char *name, const node_t *args)
{
    ward_t *self = memory_new (1, sizeof *self);
    self->class = class;
    self->name = text_copy (name);
    packed_set (&self->args, args);
    return self;
}

static bool
hears_of (const actor_class_t *class, const char *name)
{
    size_t length = strlen (name);
    for (const char *at = class->hears_of; at && (at = strstr (at, name)); at += length) {
        bool starts = at == class->hears_of || at[-1] == ' ';
        if (starts && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

static void
tell_up (supervisor_t *self, const ward_t *peer, const ward_t *newcomer)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", newcomer->name);
    node_set_text (tree, &body, "class", newcomer->class->name);
    node_set_int (tree, &body, "restarts", newcomer->restarts);
    actor_send (self->actor, peer->name, MSG_ACTOR_UP, &body);
}

/* Tells the peers that an actor is there and knows nothing yet. */
static void
tell_peers (supervisor_t *self, const ward_t *newcomer)
{
    for (ward_t *peer = zhashx_first (self->wards); peer; peer = zhashx_next (self->wards))
        if (peer->is_up && peer != newcomer && hears_of (peer->class, newcomer->class->name))
            tell_up (self, peer, newcomer);
}

/* After a new bus: who is there already, for one that comes back to it later. */
static void
tell_of_peers (supervisor_t *self, const ward_t *returned)
{
    for (ward_t *peer = zhashx_first (self->wards); peer; peer = zhashx_next (self->wards))
        if (peer->is_up && peer != returned && hears_of (returned->class, peer->class->name))
            tell_up (self, returned, peer);
}

/* The bus delivers nothing to the actor any more: everybody may know that what it was asked until
   then is not answered. A bus that ended meanwhile says the same of every request. */
static void
on_closed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) fault;
    supervisor_t *self = state;
    const char *name = context;
    int64_t at = reply ? node_get_int (reply->body, "at", 0) : clock_monotonic_ms();
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", name);
    node_set_int (tree, &body, "at", at);
    for (ward_t *peer = zhashx_first (self->wards); peer; peer = zhashx_next (self->wards))
        if (peer->is_up && !streq (peer->name, name))
            actor_send (self->actor, peer->name, MSG_ACTOR_DOWN, &body);
}

static void
tell_down (supervisor_t *self, const ward_t *ended)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", ended->name);
    actor_request (self->actor, "bus", MSG_BUS_CLOSE, &body, CLOSE_LIMIT_MS, on_closed, ended->name,
                   strlen (ended->name) + 1);
}

static void
open_name (supervisor_t *self, const ward_t *ward)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", ward->name);
    actor_send (self->actor, "bus", MSG_BUS_OPEN, &body);
}

static void
restart_due (void *state, void *context)
{
    ward_t *ward = context;
    ward->restart_timer = 0;
    ward->restarts++;
    start_ward (state, ward);
}

/* Half to one and a half times, so that actors that failed together do not return together. */
static int64_t
with_jitter (int64_t ms)
{
    return ms / 2 + (int64_t) (random() % (ms + 1));
}

static void
plan_restart (supervisor_t *self, ward_t *ward)
{
    int64_t ran_ms = clock_monotonic_ms() - ward->started_ms;
    if (ward->backoff_ms == 0 || ran_ms >= HEALTHY_AFTER_MS)
        ward->backoff_ms = RESTART_FIRST_MS;
    int64_t wait_ms = with_jitter (ward->backoff_ms);
    if (ward->backoff_ms < RESTART_LIMIT_MS)
        ward->backoff_ms *= 2;
    LOG_WARNING ("Actor ended and is started anew actor=%s reason=%s in_ms=%lld", ward->name,
                 ward->reason ? ward->reason : "none given", (long long) wait_ms);
    ward->restart_timer = actor_timer (self->actor, wait_ms, restart_due, ward);
}

static void
forget_ward (supervisor_t *self, ward_t *ward)
{
    actor_timer_cancel (self->actor, &ward->restart_timer);
    LOG_V (3, "Actor stopped actor=%s", ward->name);
    zhashx_delete (self->wards, ward->name);
}

static void
end_if_all_stopped (supervisor_t *self)
{
    if (self->is_ending && zhashx_size (self->wards) == 0)
        actor_end (self->actor);
}

/* The ward's thread is over. */
static void
ward_is_down (supervisor_t *self, ward_t *ward)
{
    actor_unwatch_socket (self->actor, actor_host_pipe (ward->host));
    actor_host_has_ended (ward->host);
    actor_host_destroy (&ward->host);
    ward->is_up = false;
    if (ward->is_stopping || self->is_ending)
        forget_ward (self, ward); // nobody asks who is to stop
    else {
        tell_down (self, ward);
        plan_restart (self, ward);
    }
    end_if_all_stopped (self);
}

static ward_t *
ward_of_pipe (supervisor_t *self, const zsock_t *pipe)
{
    for (ward_t *ward = zhashx_first (self->wards); ward; ward = zhashx_next (self->wards))
        if (ward->host && actor_host_pipe (ward->host) == pipe)
            return ward;
    return NULL;
}

/* What an actor leaves to the one in its place; one that could not even start leaves nothing. */
static void
take_left (ward_t *ward, zmsg_t *message)
{
    fault_t fault = { 0 };
    OWNED (zframe_destroy) zframe_t *body = zmsg_pop (message);
    if (!body)
        return;
    tree_destroy (&ward->left);
    ward->left = body_unpack (body, &fault);
    if (!ward->left)
        LOG_ERROR ("What an actor leaves cannot be read actor=%s err=%s", ward->name, fault.text);
}

static void
take_word (supervisor_t *self, ward_t *ward, zmsg_t *message)
{
    OWNED (free_text) char *word = zmsg_popstr (message);
    if (streq (word, "UP")) {
        ward->is_up = true;
        ward->heard_ms = clock_monotonic_ms();
        tree_destroy (&ward->left);
        LOG_V (3, "Actor is up actor=%s restarts=%lld", ward->name, (long long) ward->restarts);
        open_name (self, ward);
        tell_peers (self, ward);
    }
    else if (streq (word, ACTOR_HAS_NEW_BUS)) {
        ward->is_up = true;
        tell_peers (self, ward);
        tell_of_peers (self, ward);
    }
    else if (streq (word, "DOWN")) {
        free (ward->reason);
        ward->reason = zmsg_popstr (message);
        take_left (ward, message);
    }
}

static void
on_ward_pipe (void *state, zsock_t *pipe, void *context)
{
    (void) context;
    supervisor_t *self = state;
    ward_t *ward = ward_of_pipe (self, pipe);
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (pipe);
    SANITIZER_ACQUIRE();
    if (!ward || !message)
        return;
    if (zmsg_signal (message) >= 0)
        ward_is_down (self, ward);
    else
        take_word (self, ward, message);
}

static void
start_ward (supervisor_t *self, ward_t *ward)
{
    ward->started_ms = ward->heard_ms = clock_monotonic_ms();
    OWNED (tree_destroy) tree_t *args = packed_tree (&ward->args);
    if (ward->left && node_is_nil (tree_root (args)))
        *tree_root (args) = node_map();
    if (ward->left)
        node_set (args, tree_root (args), "left", node_copy (args, tree_root (ward->left)));
    ward->host = actor_host_new (ward->class, ward->name, tree_root (args), self->bus_endpoint,
                                 self->heartbeat_ms);
    actor_watch_socket (self->actor, actor_host_pipe (ward->host), on_ward_pipe, NULL);
}

static void
add_ward (supervisor_t *self, const actor_class_t *class, const char *name, const node_t *args)
{
    ward_t *ward = ward_new (class, name, args);
    zhashx_insert (self->wards, name, ward);
    start_ward (self, ward);
}

static void
stop_ward (supervisor_t *self, ward_t *ward)
{
    ward->is_stopping = true;
    if (ward->host)
        actor_host_stop (ward->host);
    else {
        open_name (self, ward); // nobody has it now: the bus need not remember it
        forget_ward (self, ward);
    }
}

// ---- hanging actors ----

static void
on_abandoned_pipe (void *state, zsock_t *pipe, void *context)
{
    supervisor_t *self = state;
    actor_host_t *host = context;
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (pipe);
    if (!message || zmsg_signal (message) < 0)
        return;
    actor_unwatch_socket (self->actor, pipe);
    zlistx_detach (self->abandoned, zlistx_find (self->abandoned, host));
    actor_host_has_ended (host);
    actor_host_destroy (&host);
}

/* A thread cannot be ended from outside: it is left behind, and another takes its name. */
static void
replace_hanging (supervisor_t *self, ward_t *ward)
{
    LOG_ERROR ("Actor hangs and is replaced actor=%s silent_ms=%lld", ward->name,
               (long long) (clock_monotonic_ms() - ward->heard_ms));
    zsock_t *pipe = actor_host_pipe (ward->host);
    actor_unwatch_socket (self->actor, pipe);
    actor_host_abandon (ward->host);
    zlistx_add_end (self->abandoned, ward->host);
    actor_watch_socket (self->actor, pipe, on_abandoned_pipe, ward->host);
    ward->host = NULL;
    ward->is_up = false;
    text_replace (&ward->reason, "it hung");
    tell_down (self, ward);
    plan_restart (self, ward);
}

// ---- the bus ----

static void on_bus_pipe (void *state, zsock_t *pipe, void *context);

/* libzmq frees the name of a closed socket some time later, so every bus has a new one. */
static void
name_bus (char endpoint[static 64])
{
    static int count;
    snprintf (endpoint, 64, "%s-%d", BUS_ENDPOINT, ++count);
}

static int
start_bus (supervisor_t *self, fault_t *fault)
{
    const supervisor_config_t *config = self->startup->config;
    bus_config_t bus = { self->bus_endpoint, config->tap_endpoint, config->fault_endpoint,
                         self->heartbeat_ms };
    self->bus = bus_new (&bus, fault);
    self->bus_heard_ms = clock_monotonic_ms();
    return self->bus ? 0 : -1;
}

static void
retry_bus (void *state, void *context)
{
    (void) context;
    supervisor_t *self = state;
    fault_t fault = { 0 };
    name_bus (self->bus_endpoint);
    if (start_bus (self, &fault) < 0) {
        LOG_ERROR ("The bus cannot be started anew, next try in 1 s err=%s", fault.text);
        actor_timer (self->actor, 1000, retry_bus, NULL);
        return;
    }
    actor_watch_socket (self->actor, zactor_sock (self->bus), on_bus_pipe, NULL);
    actor_reconnect (self->actor, self->bus_endpoint);
    // What was on its way is lost: everybody counts as new to everybody, but cannot be told so
    // before it has the new bus.
    for (ward_t *ward = zhashx_first (self->wards); ward; ward = zhashx_next (self->wards)) {
        ward->is_up = false;
        ward->heard_ms = clock_monotonic_ms();
        if (ward->host)
            actor_host_reconnect (ward->host, self->bus_endpoint);
    }
}

static void
on_bus_pipe (void *state, zsock_t *pipe, void *context)
{
    (void) context;
    supervisor_t *self = state;
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (pipe);
    self->bus_heard_ms = clock_monotonic_ms();
    if (!message || zmsg_signal (message) < 0)
        return; // "ALIVE"
    LOG_ERROR ("The bus ended and is started anew");
    actor_unwatch_socket (self->actor, pipe);
    zsock_set_rcvtimeo (pipe, 0); // its signal is read: nothing to wait for
    zactor_destroy (&self->bus);
    retry_bus (self, NULL);
}

// ---- health ----

static bool
are_all_well (const supervisor_t *self)
{
    int64_t limit = clock_monotonic_ms() - self->hang_ms;
    bool well = self->bus && self->bus_heard_ms >= limit;
    for (const ward_t *ward = zhashx_first (self->wards); ward; ward = zhashx_next (self->wards))
        well = well && ward->is_up && ward->heard_ms >= limit;
    return well;
}

static void
check_health (void *state, void *context)
{
    (void) context;
    supervisor_t *self = state;
    int64_t limit = clock_monotonic_ms() - self->hang_ms;
    OWNED (zlistx_destroy) zlistx_t *hanging = zlistx_new();
    for (ward_t *ward = zhashx_first (self->wards); ward; ward = zhashx_next (self->wards))
        if (ward->host && ward->heard_ms < limit)
            zlistx_add_end (hanging, ward);
    for (ward_t *ward = zlistx_first (hanging); ward; ward = zlistx_next (hanging))
        replace_hanging (self, ward);
    actor_timer (self->actor, self->hang_ms / 3, check_health, NULL);
}

static void
feed_watchdog (void *state, void *context)
{
    (void) context;
    supervisor_t *self = state;
    if (are_all_well (self))
        sd_notify (0, "WATCHDOG=1");
    actor_timer (self->actor, (int64_t) self->watchdog_ms / 2, feed_watchdog, NULL);
}

/* Bursts of work leave as much behind as the start, so it is done again now and then. */
static void
release_pages (void *state, void *context)
{
    (void) context;
    supervisor_t *self = state;
    size_t released = page_release();
    LOG_V (4, "Memory that is not in use is given back bytes=%zu", released);
    actor_timer (self->actor, RELEASE_MS, release_pages, NULL);
}

// ---- messages ----

static const actor_class_t *
find_class (const supervisor_t *self, const char *name)
{
    for (const actor_class_t *const *class = self->startup->classes; class && *class; class ++)
        if (streq ((*class)->name, name))
            return *class;
    return NULL;
}

static int
on_actor_start (void *state, const message_t *message, fault_t *fault)
{
    supervisor_t *self = state;
    const char *name = node_get_text (message->body, "name", "");
    const char *class_name = node_get_text (message->body, "class", "");
    const actor_class_t *class = find_class (self, class_name);
    if (!class)
        return fault_set (fault, FAULT_INVALID, "no actor class is called %s", class_name);
    ward_t *ward = zhashx_lookup (self->wards, name);
    if (ward && ward->is_stopping)
        return fault_set (fault, FAULT_PRECONDITION, "%s is still stopping", name);
    if (!ward && !self->is_ending)
        add_ward (self, class, name, node_get (message->body, "args"));
    actor_reply (self->actor, message, NULL);
    return 0;
}

static int
on_actor_stop (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    supervisor_t *self = state;
    ward_t *ward = zhashx_lookup (self->wards, node_get_text (message->body, "name", ""));
    if (ward && !ward->is_stopping)
        stop_ward (self, ward);
    actor_reply (self->actor, message, NULL);
    return 0;
}

static int
on_actor_list (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    supervisor_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t actors = node_array();
    for (ward_t *ward = zhashx_first (self->wards); ward; ward = zhashx_next (self->wards)) {
        node_t row = node_map();
        node_set_text (tree, &row, "name", ward->name);
        node_set_text (tree, &row, "class", ward->class->name);
        node_set_text (tree, &row, "state", ward->is_up ? "up" : "down");
        node_set_int (tree, &row, "restarts", ward->restarts);
        node_set_int (tree, &row, "silent_ms", clock_monotonic_ms() - ward->heard_ms);
        node_append (tree, &actors, row);
    }
    node_t body = node_map();
    node_set (tree, &body, "actors", actors);
    actor_reply (self->actor, message, &body);
    return 0;
}

static int
on_actor_alive (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    supervisor_t *self = state;
    ward_t *ward = zhashx_lookup (self->wards, message->from);
    if (ward)
        ward->heard_ms = clock_monotonic_ms();
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_ACTOR_START, on_actor_start },
    { MSG_ACTOR_STOP, on_actor_stop },
    { MSG_ACTOR_LIST, on_actor_list },
    { MSG_ACTOR_ALIVE, on_actor_alive },
    { 0 },
};

// ---- start and end ----

static void
stop_took_too_long (void *state, void *context)
{
    (void) context;
    supervisor_t *self = state;
    for (ward_t *ward = zhashx_first (self->wards); ward; ward = zhashx_next (self->wards))
        LOG_WARNING ("Actor does not end and is left behind actor=%s", ward->name);
    actor_end (self->actor);
}

static void
stop_all (supervisor_t *self)
{
    if (self->is_ending)
        return;
    self->is_ending = true;
    sd_notify (0, "STOPPING=1");
    OWNED (zlistx_destroy) zlistx_t *names = zhashx_keys (self->wards);
    for (const char *name = zlistx_first (names); name; name = zlistx_next (names))
        stop_ward (self, zhashx_lookup (self->wards, name));
    actor_timer (self->actor, STOP_LIMIT_MS, stop_took_too_long, NULL);
    end_if_all_stopped (self);
}

static void
on_signal (void *state, int fd, short events, void *context)
{
    (void) events, (void) context;
    supervisor_t *self = state;
    struct signalfd_siginfo info;
    if (read (fd, &info, sizeof info) != sizeof info)
        return;
    LOG_INFO ("Shutting down, containers keep running signal=%s", strsignal ((int) info.ssi_signo));
    stop_all (self);
}

static int
open_signals (supervisor_t *self, fault_t *fault)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGINT);
    pthread_sigmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
    self->signal_fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signal_fd < 0)
        return fault_set (fault, FAULT_INTERNAL, "cannot wait for signals: %s", strerror (errno));
    actor_watch_fd (self->actor, self->signal_fd, POLLIN, on_signal, NULL);
    return 0;
}

static void
stop (void **self_p)
{
    supervisor_t *self = *self_p;
    close_fd (&self->signal_fd);
    if (zhashx_size (self->wards) || zlistx_size (self->abandoned)) {
        // Waiting for a hanging thread would hang the end of the process too.
        LOG_WARNING ("Ending with actors that hang");
        _exit (EXIT_SUCCESS);
    }
    zhashx_destroy (&self->wards);
    zlistx_destroy (&self->abandoned);
    zactor_destroy (&self->bus);
    free (self);
    *self_p = NULL;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) args;
    supervisor_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->startup = startup;
    self->signal_fd = -1;
    self->wards = zhashx_new();
    zhashx_set_destructor (self->wards, ward_destroy);
    self->abandoned = zlistx_new();
    memcpy (self->bus_endpoint, startup->bus_endpoint, sizeof self->bus_endpoint);
    const supervisor_config_t *config = startup->config;
    self->heartbeat_ms = config->heartbeat_ms ? config->heartbeat_ms : ACTOR_HEARTBEAT_MS;
    self->hang_ms = config->hang_ms ? config->hang_ms : 3 * self->heartbeat_ms;
    void *state = self;
    // inproc may be connected before it is bound, so this socket already waits for the bus.
    if (open_signals (self, fault) < 0 || start_bus (self, fault) < 0) {
        stop (&state);
        return NULL;
    }
    actor_watch_socket (actor, zactor_sock (self->bus), on_bus_pipe, NULL);
    for (size_t i = 0; i < startup->actor_count; i++)
        add_ward (self, startup->actors[i].class, startup->actors[i].class->name,
                  startup->actors[i].args);
    actor_timer (actor, self->hang_ms / 3, check_health, NULL);
    uint64_t watchdog_us = 0;
    if (sd_watchdog_enabled (0, &watchdog_us) > 0) {
        self->watchdog_ms = watchdog_us / 1000;
        actor_timer (actor, (int64_t) self->watchdog_ms / 2, feed_watchdog, NULL);
    }
    actor_timer (actor, SETTLED_MS, release_pages, NULL);
    sd_notify (0, "READY=1");
    return self;
}

static const actor_class_t SUPERVISOR = {
    .name = "supervisor",
    .about = "starts, watches and restarts all others; owns signals",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};

/* Our own handling of signals, and as many sockets as there are actors. czmq takes both only
   before the first socket, so once in a process. */
static void
prepare_czmq (void)
{
    static bool is_done;
    if (is_done)
        return;
    is_done = true;
    zsys_handler_set (NULL);
    zsys_set_max_sockets (SOCKETS_MAX);
}

int
supervisor_run (const supervisor_config_t *config, const supervised_t *actors, size_t count,
                const actor_class_t *const *classes, fault_t *fault)
{
    startup_t all = { config, actors, count, classes, "" };
    name_bus (all.bus_endpoint);
    startup = &all;
    prepare_czmq();
    int result = actor_run_here (&SUPERVISOR, "supervisor", NULL, all.bus_endpoint, fault);
    startup = NULL;
    return result;
}
