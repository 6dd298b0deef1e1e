/* node_reporter.h - what the files of the node-reporter share.

   node_reporter.c  messages, and when a round begins
   round.c          one round: what the runtime says, then registration or status
   registration.c   the Node enters the cluster
   heartbeat.c      its status is kept up to date

   Source: reference/node-and-server.md 1 and 2. */
#pragma once
#include "cubelet/api_call.h"
#include "cubelet/backoff.h"
#include "cubelet/node_status.h"

typedef struct {
    actor_t *actor;
    tree_t *args; // what it was started with
    const char *node_name;
    int64_t update_ms, timeout_ms;
    char *query; // "timeout=10s"

    // ---- what is known ----
    tree_t *node;    // the Node as the API server last had it; NULL: none
    tree_t *events;  // of the patch under way: recorded when it is accepted
    tree_t *runtime; // RUNTIME_STATE; NULL: not heard of it yet
    tree_t *images;  // CRI Image list; NULL: not known
    int64_t images_at_ms;
    tree_t *volumes; // NODE_VOLUMES, the list; NULL: not heard of them yet
    bool memory_pressure, disk_pressure, pid_pressure;
    bool is_shutting_down; // the machine goes down
    bool was_unschedulable;
    char *pod_cidr; // what the runtime was told

    // ---- the rounds ----
    int64_t started_ms;
    bool is_registered;
    bool is_announced;  // the first events are out
    bool was_ready;     // the API server has seen it ready once
    bool is_busy;       // a round is under way
    bool is_wanted;     // and another one is to follow at once
    bool is_failing;    // said once
    int tries;          // of this round's update
    uint64_t call;      // the round's request
    uint64_t cidr_call; // to the runtime
    uint64_t timer;
    backoff_t backoff; // of the registration
    node_report_pace_t pace;
} node_reporter_t;

// ---- node_reporter.c ----

/* The round has done what it could; the next one comes after the usual time. */
void round_end (node_reporter_t *self);

/* It failed; the next one comes after `delay_ms`. Logs it. */
void round_failed (node_reporter_t *self, const char *what, const fault_t *fault, int64_t delay_ms);

/* Takes over a Node of the API server's; an older one than the one known is ignored. */
void take_node (node_reporter_t *self, const node_t *node);

/* Records node_status_events and the like. */
void record_events (node_reporter_t *self, const node_t *events);

/* A request about this node: "" for the Node itself, else the sub-resource; `reply` gets no
   context. */
void ask_node (node_reporter_t *self, const char *method, const char *sub, const node_t *body,
               actor_reply_fn *reply);

// ---- round.c ----

void round_start (node_reporter_t *self);

/* The status as it should be now, given the one before (NULL: none). */
node_t status_now (node_reporter_t *self, tree_t *tree, const node_t *previous);

// ---- registration.c ----

void registration_start (node_reporter_t *self);

// ---- heartbeat.c ----

void heartbeat_start (node_reporter_t *self);
