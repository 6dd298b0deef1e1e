/* actor_internal.h - the inside of an actor, shared by actor*.c only. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/actor_host.h"
#include "cubelet/envelope.h"
#include "cubelet/timer_heap.h"
#include <czmq.h>
#include <stdatomic.h>

/* What an actor is started with; shared by its thread and its host. */
typedef struct {
    const actor_class_t *class;
    char *name;
    tree_t *args;
    char *bus_endpoint;
    int64_t heartbeat_ms;
    atomic_bool is_abandoned; // the host has given up on a hanging thread
} actor_seed_t;

typedef struct {
    uint64_t id;
    message_id_t type;
    uint64_t timer_id; // of the deadline, 0: none
    int64_t sent_ms;   // monotonic
    actor_t *actor;
    actor_reply_fn *reply;
    char *to;
    void *context; // owned copy
} request_t;

typedef struct {
    int fd;
    zsock_t *socket; // instead of fd
    short events;
    actor_fd_fn *ready;
    actor_socket_fn *socket_ready;
    void *context;
} watch_t;

struct actor {
    actor_seed_t *seed;
    zsock_t *pipe; // to the host; NULL on the main thread
    zsock_t *bus;
    zloop_t *loop; // NULL while the class runs its own
    void *state;
    timer_heap_t timers;
    int loop_timer;        // zloop's timer for the next of ours, -1: none
    int64_t loop_timer_at; // when it fires
    zlistx_t *requests;    // request_t, oldest first
    zlistx_t *watches;     // watch_t
    uint64_t last_id;
    bool is_ending;
    char *down_reason; // why it ended by itself
};

/* Opens the DEALER. Returns 0 or -1. */
int actor_connect (actor_t *self, const char *endpoint, fault_t *fault);

/* Receives and handles what waits on the bus, up to `limit` messages. */
void actor_receive (actor_t *self, int limit);

/* Ends every pending request with `fault`. */
void actor_fail_requests (actor_t *self, const fault_t *fault);

/* Frees requests without calling anybody. */
void actor_drop_requests (actor_t *self);

/* The loop of actor.h's default `run`. */
void actor_run_loop (actor_t *self);

/* Frees watches and timers. */
void actor_free_watches (actor_t *self);

/* zloop's timer is set to the next timer of ours; called whenever timers may have changed. */
void actor_arm_loop (actor_t *self);

/* Handles the pipe's commands. */
void actor_read_pipe (actor_t *self);
