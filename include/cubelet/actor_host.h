/* actor_host.h - starting and ending actors: the supervisor's side of actor.h, and tests'.

   Over the pipe of its zactor an actor says "UP" when its state is made, and "DOWN" with a reason
   and what it leaves to its successor (a packed body, or nothing) when it ends by itself; then
   czmq's signal follows. It hears "$TERM" and "BUS" with the endpoint of a new bus, which it
   answers with ACTOR_HAS_NEW_BUS. Nothing else goes over the pipe, so that it can never fill. */
#pragma once
#include "cubelet/actor.h"
#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>

/* Where actors find the bus unless told otherwise. */
#define BUS_ENDPOINT "inproc://bus"

/* How often an actor says that it is alive, unless told otherwise. */
#define ACTOR_HEARTBEAT_MS 10000

/* What an actor says when messages of a new bus reach it: what is sent to it before is lost. */
#define ACTOR_HAS_NEW_BUS "NEW BUS"

typedef struct actor_host actor_host_t;

/* Starts an actor in a thread of its own. `args` (may be NULL) is copied. Never fails: what goes
   wrong in the class's start is said over the pipe. Owned. */
actor_host_t *actor_host_new (const actor_class_t *class, const char *name, const node_t *args,
                              const char *bus_endpoint, int64_t heartbeat_ms);

/* Ends the actor if it still runs, waits for its thread and frees everything. Not for an actor
   that hangs: use actor_host_abandon first and wait for its signal. */
void actor_host_destroy (actor_host_t **self_p);

/* Says that the actor's signal was read from its pipe: its thread is over, and
   actor_host_destroy need not wait for it. */
void actor_host_has_ended (actor_host_t *self);

/* The supervisor's end of the pipe; borrowed. */
zsock_t *actor_host_pipe (actor_host_t *self);

/* Asks the actor to end; its signal on the pipe says when it has. */
void actor_host_stop (actor_host_t *self);

/* Says that a hanging actor is replaced: as soon as it wakes up it ends without touching
   anything. */
void actor_host_abandon (actor_host_t *self);

/* What an actor says on its pipe when messages of the new bus reach it. */
#define ACTOR_HAS_NEW_BUS "NEW BUS"

/* Tells the actor that the bus is another one now; it answers ACTOR_HAS_NEW_BUS. */
void actor_host_reconnect (actor_host_t *self, const char *bus_endpoint);

/* Runs an actor in the calling thread until it ends (for the supervisor, on the main thread).
   Returns 0, or -1 with the fault of its start. */
int actor_run_here (const actor_class_t *class, const char *name, const node_t *args,
                    const char *bus_endpoint, fault_t *fault);

/* ---- for the supervisor's own handlers ---- */

typedef void actor_socket_fn (void *self, zsock_t *socket, void *context);

/* Calls `ready` when `socket` has input. The socket stays the caller's; unwatch before closing. */
void actor_watch_socket (actor_t *self, zsock_t *socket, actor_socket_fn *ready, void *context);
void actor_unwatch_socket (actor_t *self, zsock_t *socket);

/* Moves this actor itself to another bus; its pending requests end as FAULT_UNAVAILABLE. */
void actor_reconnect (actor_t *self, const char *bus_endpoint);

/* Ends the actor's loop after the current handler. */
void actor_end (actor_t *self);
