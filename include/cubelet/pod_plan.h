/* pod_plan.h - what is to be done next for a pod. Level-triggered: the worker asks after every
   event and does what the answer says; what is already in flight is not in it.
   Source: reference/pod-lifecycle.md 5 to 8 and 12; each table there is a file pod_plan_*.c.

   The loop of a worker, after each message:
       update pod_seen and pod_local;
       status = pod_status (...);  plan = pod_plan (pod, seen, local, status, now);
       for each action: send what it says, pod_local_began (local, action, now);
       if any was an EVENT of a container (BackOff): the status shows it from now on;
       set one timer to plan->next_wake. */
#pragma once
#include "cubelet/pod.h"
#include "cubelet/pod_local.h"
#include "cubelet/pod_seen.h"

typedef enum {
    /* Send EVENT_RECORD with event_type, reason and message, about `container` (NULL: the pod).
       Nothing to end. */
    POD_EVENT,
    /* The kill of instance `id` begins (again, when its grace shrank): record the Event "Killing"
       with `message`. Nothing to end; PRE_STOP and STOP_CONTAINER follow when due. */
    POD_KILL_CONTAINER,
    /* Run the preStop hook of `id`, at most grace_s. Ends even when the hook fails. A
       STOP_CONTAINER of the same id may come first: the hook ran out of time, cancel it. */
    POD_PRE_STOP,
    POD_STOP_CONTAINER,   // StopContainer `id` with timeout grace_s; a second one: it shrank
    POD_REMOVE_CONTAINER, // remove logs and links of `id`, then RemoveContainer
    POD_STOP_SANDBOX,     // StopPodSandbox `id`
    POD_REMOVE_SANDBOX,   // RemovePodSandbox `id`
    POD_CREATE_SANDBOX,   // RunPodSandbox with metadata.attempt `attempt`, then PodSandboxStatus
    POD_ENSURE_IMAGE,     // IMAGE_ENSURE for `container`; may come before its turn to start
    /* CreateContainer of `container` in sandbox `id`, StartContainer, ContainerStatus, postStart.
       `attempt` is its restart count, or -1: the log directory decides (pod-to-cri.md 5). */
    POD_START_CONTAINER,
    POD_ACTION_KIND_COUNT
} pod_action_kind_t;

typedef struct pod_action {
    pod_action_kind_t kind;
    const char *container;        // its name, or NULL
    const char *id;               // of the container or sandbox, or NULL
    int64_t attempt;              // CREATE_SANDBOX, START_CONTAINER
    int64_t grace_s;              // KILL_CONTAINER, PRE_STOP, STOP_CONTAINER
    const char *event_type;       // EVENT: Normal, Warning
    const char *reason, *message; // EVENT; KILL_CONTAINER has the message only
    const char *waiting_message;  // EVENT BackOff: the status's, with reason CrashLoopBackOff ...
    int64_t shown_at;             // ... from then on
    bool is_restart;              // KILL_CONTAINER: it is to be started again
    bool is_pod_kill;             // KILL_CONTAINER: the whole pod goes
    int64_t finished_at;          // START_CONTAINER: end of the last run, 0 when there was none
    uint64_t backoff_key;         // START_CONTAINER: the definition that a backoff belongs to
} pod_action_t;

/* Why a container that should run does not (yet). */
typedef struct {
    const char *container;
    const char *reason, *message; // CrashLoopBackOff, ...
    int64_t shown_at;             // pod_status says so from then on
} pod_waiting_t;

typedef struct {
    const pod_action_t *actions; // in order
    size_t action_count;
    const pod_waiting_t *waiting; // containers held back by their backoff
    size_t waiting_count;
    int64_t next_wake;   // ns time at which the plan changes by itself; 0: never
    bool is_terminating; // nothing is started any more; keep it so: local->is_terminating = true
    bool is_stopped;     // terminating, and neither container nor sandbox is left to stop: volumes
                         // and cgroup may go
    bool is_finished;    // and nothing is left to remove from the runtime
    tree_t *memory;      // of the actions' texts; those of `waiting` may also be the pod's
} pod_plan_t;

/* Plans. `status` is what pod_status just gave for the same state (its phase and startTime are
   read; NULL: none yet). `now` is ns since 1970. Never NULL; owned by the caller. The actions stay
   good whatever happens to pod, seen and local meanwhile. */
pod_plan_t *pod_plan (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local,
                      const node_t *status, int64_t now);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void pod_plan_destroy (pod_plan_t **self_p);

/* True when the pod has no sandbox that containers could run in, by 6.1's table (also: the
   condition PodReadyToStartContainers is False). */
bool pod_needs_sandbox (const pod_t *pod, const pod_seen_t *seen);

/* "ensure-image", for logs; static text. */
const char *pod_action_name (pod_action_kind_t kind);
