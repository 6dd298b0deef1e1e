/* supervisor.h - the life of all other actors, signals, systemd.

   Runs on the main thread as the actor "supervisor". It starts the bus and the actors it is
   given, starts more when asked (MSG_ACTOR_START), hears their heartbeats, replaces one that
   fails or hangs (backoff 50 ms doubling to 30 s, jitter), and tells the classes that named it in
   `hears_of`. On SIGTERM and SIGINT it ends all actors in order and returns; containers are left
   running. */
#pragma once
#include "cubelet/actor.h"

typedef struct {
    const char *tap_endpoint;   // ipc://...; NULL: no tap
    const char *fault_endpoint; // ipc://...; NULL: no fault injection
    int64_t heartbeat_ms;       // 0: ACTOR_HEARTBEAT_MS
    int64_t hang_ms;            // silence after which an actor counts as hanging; 0: three beats
} supervisor_config_t;

/* An actor to run from the start; `args` is borrowed until supervisor_run returns. */
typedef struct {
    const actor_class_t *class;
    const node_t *args;
} supervised_t;

/* Runs until a signal says stop. `actors` are started at once, in their order; `classes` (ends
   with NULL) are those that MSG_ACTOR_START may name. Blocks SIGTERM and SIGINT for the whole
   process. Returns 0, or -1 with a fault when the bus cannot be started. */
int supervisor_run (const supervisor_config_t *config, const supervised_t *actors, size_t count,
                    const actor_class_t *const *classes, fault_t *fault);
