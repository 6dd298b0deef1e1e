/* Threads for actors, and the life of one from start to end. */
#include "cubelet/actor_host.h"
#include "actor_internal.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/sanitizer.h"
#include <sys/prctl.h>

struct actor_host {
    zactor_t *thread;
    actor_seed_t *seed;
};

static actor_seed_t *
seed_new (const actor_class_t *class, const char *name, const node_t *args,
          const char *bus_endpoint, int64_t heartbeat_ms)
{
    actor_seed_t *self = memory_new (1, sizeof *self);
    self->class = class;
    self->name = text_copy (name);
    node_t none = node_map();
    self->args = tree_copy (node_is_nil (args) ? &none : args);
    self->bus_endpoint = text_copy (bus_endpoint);
    self->heartbeat_ms = heartbeat_ms;
    return self;
}

static void
seed_destroy (actor_seed_t **self_p)
{
    if (!*self_p)
        return;
    free ((*self_p)->name);
    tree_destroy (&(*self_p)->args);
    free ((*self_p)->bus_endpoint);
    free (*self_p);
    *self_p = NULL;
}

static void
take_new_bus (actor_t *self, const char *endpoint)
{
    actor_reconnect (self, endpoint);
    zstr_send (self->pipe, ACTOR_HAS_NEW_BUS);
}

void
actor_read_pipe (actor_t *self)
{
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (self->pipe);
    if (!message)
        return;
    SANITIZER_ACQUIRE();
    OWNED (free_text) char *command = zmsg_popstr (message);
    if (!command || streq (command, "$TERM")) {
        self->is_ending = true;
        return;
    }
    OWNED (free_text) char *endpoint = zmsg_popstr (message);
    if (streq (command, "BUS") && endpoint)
        take_new_bus (self, endpoint);
}

static void
say_alive (void *owner, void *context)
{
    actor_t *self = owner;
    (void) context;
    actor_send (self, "supervisor", MSG_ACTOR_ALIVE, NULL);
    timer_heap_add (&self->timers, clock_monotonic_ms() + self->seed->heartbeat_ms, say_alive,
                    NULL);
}

/* Makes the actor's sockets and state. Returns 0, or -1 with `fault`. */
static int
open_actor (actor_t *self, fault_t *fault)
{
    self->loop_timer = -1;
    self->last_id = (uint64_t) clock_now_ns(); // replies to an earlier incarnation match nothing
    self->requests = zlistx_new();
    self->watches = zlistx_new();
    if (!self->seed->class->run) {
        self->loop = zloop_new();
        zloop_set_nonstop (self->loop, true); // the supervisor owns signals
    }
    if (actor_connect (self, self->seed->bus_endpoint, fault) < 0)
        return -1;
    if (self->seed->class->start) {
        self->state = self->seed->class->start (self, tree_root (self->seed->args), fault);
        if (!self->state)
            return -1;
    }
    if (self->pipe && self->seed->heartbeat_ms > 0)
        timer_heap_add (&self->timers, clock_monotonic_ms() + self->seed->heartbeat_ms, say_alive,
                        NULL);
    return 0;
}

static void
close_actor (actor_t *self)
{
    if (self->state && self->seed->class->stop)
        self->seed->class->stop (&self->state);
    actor_free_watches (self);
    actor_drop_requests (self);
    zlistx_destroy (&self->requests);
    zlistx_destroy (&self->watches);
    zloop_destroy (&self->loop);
    zsock_destroy (&self->bus);
    free (self->down_reason);
}

static void
run_actor (actor_t *self)
{
    if (self->seed->class->run)
        self->seed->class->run (self, self->state);
    else
        actor_run_loop (self);
}

/* Says why the actor has ended, and what it leaves. */
static void
say_down (actor_t *self)
{
    const actor_class_t *class = self->seed->class;
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_new();
    zmsg_addstr (message, "DOWN");
    zmsg_addstr (message, self->down_reason);
    if (self->state && class->leave) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t left = class->leave (self->state, tree);
        zframe_t *body = body_pack (&left);
        zmsg_append (message, &body);
    }
    SANITIZER_RELEASE();
    zmsg_send (&message, self->pipe);
}

/* The thread. The host waits for the first signal only, so that a slow start blocks nobody. */
static void
run_thread (zsock_t *pipe, void *arg)
{
    actor_t self = { .seed = arg, .pipe = pipe };
    prctl (PR_SET_NAME, self.seed->name); // what `top -H` shows, cut to 15 bytes
    zsock_signal (pipe, 0);
    SANITIZER_ACQUIRE();
    fault_t fault = { 0 };
    if (open_actor (&self, &fault) < 0)
        actor_fail (&self, &fault);
    else {
        SANITIZER_RELEASE();
        zstr_send (pipe, "UP");
        run_actor (&self);
    }
    if (self.down_reason && !atomic_load (&self.seed->is_abandoned))
        say_down (&self);
    close_actor (&self);
    SANITIZER_RELEASE();
}

actor_host_t *
actor_host_new (const actor_class_t *class, const char *name, const node_t *args,
                const char *bus_endpoint, int64_t heartbeat_ms)
{
    actor_host_t *self = memory_new (1, sizeof *self);
    self->seed = seed_new (class, name, args, bus_endpoint, heartbeat_ms);
    SANITIZER_RELEASE();
    self->thread = zactor_new (run_thread, self->seed);
    if (!self->thread)
        abort(); // no thread can be made: like memory, there is nothing left to do
    return self;
}

void
actor_host_destroy (actor_host_t **self_p)
{
    actor_host_t *self = *self_p;
    if (!self)
        return;
    zactor_destroy (&self->thread);
    SANITIZER_ACQUIRE();
    seed_destroy (&self->seed);
    free (self);
    *self_p = NULL;
}

void
actor_host_has_ended (actor_host_t *self)
{
    // zactor_destroy waits for the signal unless the pipe is closed already; it was read.
    zsock_set_rcvtimeo (actor_host_pipe (self), 0);
}

zsock_t *
actor_host_pipe (actor_host_t *self)
{
    return zactor_sock (self->thread);
}

void
actor_host_stop (actor_host_t *self)
{
    zsock_set_sndtimeo (actor_host_pipe (self), 0);
    zstr_send (self->thread, "$TERM");
}

void
actor_host_abandon (actor_host_t *self)
{
    atomic_store (&self->seed->is_abandoned, true);
}

void
actor_host_reconnect (actor_host_t *self, const char *bus_endpoint)
{
    SANITIZER_RELEASE();
    zsock_set_sndtimeo (actor_host_pipe (self), 0);
    zstr_sendx (self->thread, "BUS", bus_endpoint, NULL);
}

int
actor_run_here (const actor_class_t *class, const char *name, const node_t *args,
                const char *bus_endpoint, fault_t *fault)
{
    actor_t self = { .seed = seed_new (class, name, args, bus_endpoint, 0) };
    int result = open_actor (&self, fault);
    if (result == 0)
        run_actor (&self);
    close_actor (&self);
    seed_destroy (&self.seed);
    return result;
}
