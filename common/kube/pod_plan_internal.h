/* pod_plan_internal.h - what the files of pod_plan share: the plan in the making.

   pod_plan.c           the order of it all
   pod_plan_sandbox.c   6.1  is a new sandbox needed, and may it be made
   pod_plan_init.c      6.4  init containers and sidecars
   pod_plan_regular.c   6.5  regular containers, and 6.3 ephemeral ones
   pod_plan_start.c     6.2, 6.6, 7  whose turn it is to start, crash-loop backoff
   pod_plan_kill.c      8    killing a container or the pod
   pod_plan_cleanup.c   12   removing what is dead
   (numbers: reference/pod-lifecycle.md) */
#pragma once
#include "cubelet/memory.h"
#include "cubelet/pod_plan.h"
#include "cubelet/pod_termination.h"

typedef struct {
    const container_seen_t *instance;
    const char *message;
    kill_reason_t reason;
    opt_int_t override; // of the grace period
    bool is_restart;
    bool is_pod_kill;
} kill_t;

typedef struct {
    const pod_t *pod;
    const pod_seen_t *seen;
    const pod_local_t *local;
    const node_t *status;
    int64_t now;

    const sandbox_seen_t *sandbox;        // the one to start containers in; NULL: none yet
    LIST_OF (const container_t *) starts; // to be (re)started, in order
    LIST_OF (kill_t) kills;               // single containers to be killed
    bool is_pod_kill;                     // nothing is left to run

    LIST_OF (pod_action_t) actions;
    LIST_OF (pod_waiting_t) waiting;
    int64_t next_wake;
    tree_t *memory;
} planner_t;

/* Appends an action; its texts are copied. */
void plan_act (planner_t *self, pod_action_t action);

/* Append; everything in them is borrowed. */
void plan_start (planner_t *self, const container_t *container);
void plan_kill (planner_t *self, kill_t kill);
void plan_wait (planner_t *self, pod_waiting_t waiting);

/* The plan changes at this time (ns); past ones are ignored. True when it is still to come. */
bool plan_wake (planner_t *self, int64_t at);

/* Text that lives as long as the plan. */
const char *
plan_text (planner_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* What is known locally; never NULL, all zero when nothing is. */
const container_local_t *plan_container (const planner_t *self, const char *name);
const instance_local_t *plan_instance (const planner_t *self, const char *id);
const sandbox_local_t *plan_sandbox (const planner_t *self, const char *id);

/* The instance's state; one in an unknown state that was stopped counts as exited. */
container_state_t plan_state (const planner_t *self, const container_seen_t *instance);

/* True when it runs, or may run. */
bool plan_is_alive (const planner_t *self, const container_seen_t *instance);

/* True while a start of this container is in flight (not while its image is pulled). */
bool plan_is_starting (const planner_t *self, const char *name);

/* True when it is in the sandbox in use, or nobody knows where it is. */
bool plan_is_in_sandbox (const planner_t *self, const container_seen_t *instance);

/* The newest instance that counts for the container: of an init container only one in the
   sandbox in use, since a new sandbox starts from the beginning. NULL: none. */
const container_seen_t *plan_newest (const planner_t *self, const container_t *container);

// ---- pod_plan_sandbox.c ----

typedef enum { SANDBOX_REUSE, SANDBOX_RECREATE, SANDBOX_GIVE_UP } sandbox_verdict_t;

sandbox_verdict_t plan_sandbox_verdict (const planner_t *self);

/* Stops what there is, then makes the new sandbox; images are fetched meanwhile. */
void plan_recreate (planner_t *self);

// ---- pod_plan_init.c ----

/* Decides about init containers; true when the pod is initialized. */
bool plan_init (planner_t *self);

// ---- pod_plan_regular.c ----

void plan_ephemeral (planner_t *self);
void plan_regular (planner_t *self);

/* True when a container whose newest instance (NULL: none) does not run is to be started. */
bool plan_should_start (const planner_t *self, const container_t *container,
                        const container_seen_t *newest);

/* False when the container's name or image are others than when it was made. */
bool plan_is_same_definition (const container_t *container, const container_seen_t *instance);

// ---- pod_plan_start.c ----

/* Lets those of `starts` start whose turn it is. */
void plan_starts (planner_t *self);

// ---- pod_plan_kill.c ----

/* Does the next step of killing an instance that is alive. */
void plan_kill_step (planner_t *self, const kill_t *kill);

/* Kills all containers, then stops all sandboxes. True when nothing of it is left to do. */
bool plan_kill_pod (planner_t *self, opt_int_t override);

// ---- pod_plan_cleanup.c ----

/* Removes dead containers and sandboxes that are not kept; `remove_all`: none is kept. True when
   nothing is left to remove. */
bool plan_cleanup (planner_t *self, bool remove_all);

/* Kills older instances that run, or may, beside a newer one of the same name. */
void plan_kill_doubles (planner_t *self);

/* Removes the dead instances of all init containers. */
void plan_purge_init (planner_t *self);
