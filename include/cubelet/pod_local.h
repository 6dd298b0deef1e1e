/* pod_local.h - what a pod's worker knows beyond the pod object and the runtime: what is in
   flight, what probes said, why something last failed, how long to hold back.

   pod_plan and pod_status read it, the worker changes it, only through these functions, one per
   thing that can happen:
     - it took an action of the plan up                    pod_local_began
     - the action ended, well or not                       pod_local_ended, pod_local_failed
     - a step within starting a container was done         pod_local_set_step
     - a probe spoke, a termination message was read, ...  pod_local_set_...
   All of it may be lost (a restart): the next plan then follows from pod and runtime alone.
   Times are ns since 1970. */
#pragma once
#include "cubelet/backoff.h"
#include "cubelet/pod.h"
#include "cubelet/pod_seen.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the start of a container stands. Everything but idle is in flight. */
typedef enum {
    STEP_IDLE,
    STEP_IMAGE,      // IMAGE_ENSURE is asked
    STEP_CREATE,     // CreateContainer is asked
    STEP_START,      // StartContainer is asked
    STEP_POST_START, // runs its postStart hook
} container_step_t;

typedef enum { RESULT_NONE, RESULT_SUCCESS, RESULT_FAILURE } local_result_t;
typedef enum { LOCAL_LIVENESS, LOCAL_READINESS, LOCAL_STARTUP, LOCAL_PROBE_COUNT } local_probe_t;
typedef enum { HOOK_NONE, HOOK_RUNNING, HOOK_DONE } local_hook_t;

/* Of one container name. */
typedef struct {
    char *name;
    container_step_t step;
    bool has_image;                         // ensured for the next start
    int64_t retry_at;                       // nothing is begun before; 0: at once
    char *failure_reason, *failure_message; // of the last start, NULL after a good one
    char *held_reason, *held_message;       // takes their place at held_until; NULL: nothing does
    int64_t held_until;
    backoff_t backoff;    // of restarts
    uint64_t backoff_key; // of the definition the entry belongs to
    char *backed_off_id;  // the dead instance whose BackOff event is out
} container_local_t;

/* Of one container id. */
typedef struct {
    char *id;
    local_result_t probes[LOCAL_PROBE_COUNT];
    bool post_start_failed;
    bool needs_restart;    // a resize asks for it
    bool is_killing;       // a kill has begun (Killing event, preStop, waiting for its turn)
    bool is_restart;       // ... and it is to be started again whatever the restart policy
    bool is_pod_kill;      // ... because the whole pod goes
    int64_t kill_begun_at; // when, or when the grace last shrank
    int64_t kill_grace_s;  // from then on
    local_hook_t pre_stop;
    int64_t pre_stop_ended_at;
    bool is_stopping;          // StopContainer is asked
    bool is_stopped;           // StopContainer went well
    bool is_removing;          // RemoveContainer is asked
    int64_t retry_at;          // of stop and removal
    char *termination_message; // read from the file or the log; NULL: none
} instance_local_t;

typedef struct {
    char *id;
    bool is_stopping, is_stopped, is_removing;
    bool is_change_noted; // the SandboxChanged event is out
    int64_t retry_at;
} sandbox_local_t;

typedef struct pod_local {
    /* Set by the worker. */
    int64_t dead_kept;     // dead containers kept of each name; below 0: all. pod_local_new: 1
    int64_t dead_least_ns; // a container is kept for so long after it was made at least
    backoff_limits_t restart_limits; // waits before restarts. pod_local_new: BACKOFF_CONTAINER
    const node_t *actuated; // container name -> {id spec: {requests limits}}, what it has got;
                            // borrowed; NULL: nothing is known
    bool is_prepared;       // admitted, cgroup, directories and volumes there, network ready
    bool is_terminating;    // set it when a plan said so: there is no way back
    bool is_finishing;      // volumes and cgroup are gone too: pod_status gives the last word
    /* Kept by the functions below. */
    bool is_asked_to_stop;   // pod_local_terminate
    bool is_gone;            // nothing is to be kept: left its source, or evicted
    opt_int_t asked_grace_s; // only shrinks
    char *terminate_reason;  // Evicted, Preempting, ...: why the pod fails; NULL: plain deletion
    char *terminate_message;
    bool is_creating_sandbox;
    int64_t sandbox_retry_at;
    bool is_deadline_noted; // the DeadlineExceeded event is out
    char *resize_reason;    // why a resize is not accepted (Deferred, Infeasible); NULL: none waits
    char *resize_message;
    bool is_resizing;   // an accepted one is being carried out
    char *resize_error; // what keeps it from getting on; NULL: nothing
    container_local_t **containers;
    size_t container_count;
    instance_local_t **instances;
    size_t instance_count;
    sandbox_local_t **sandboxes;
    size_t sandbox_count;
} pod_local_t;

/* Knows nothing; owned by the caller. */
pod_local_t *pod_local_new (void);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void pod_local_destroy (pod_local_t **self_p);

/* POD_SYNC with terminate: stop the pod, with at most `grace_s` seconds when set. `reason` and
   `message` (may be NULL) are copied; the first reason stays. */
void pod_local_terminate (pod_local_t *self, opt_int_t grace_s, const char *reason,
                          const char *message, bool is_gone);

struct pod_action;

/* Notes that the worker has taken up an action of the plan; also for events. Call it for every
   action, in order, before the next pod_plan. */
void pod_local_began (pod_local_t *self, const struct pod_action *action, int64_t now);

/* The action ended well. `kind` is the action's, `key` its container name for ENSURE_IMAGE and
   START_CONTAINER, its id for the others, NULL for CREATE_SANDBOX.
   First put what the runtime now shows into pod_seen (or remove it there): the plan trusts
   pod_seen as soon as nothing is in flight. So CREATE_SANDBOX ends with PodSandboxStatus's answer,
   START_CONTAINER with ContainerStatus's (and after the postStart hook), STOP_... likewise. */
void pod_local_ended (pod_local_t *self, int kind, const char *key, int64_t now);

/* The action failed. `reason` and `message` are the waiting state of a start (reference/
   pod-lifecycle.md 7; NULL for other kinds); nothing of the kind is tried before `retry_at`
   (0: at once; where nothing in the runtime changed, 10 to 15 s from now). */
void pod_local_failed (pod_local_t *self, int kind, const char *key, const char *reason,
                       const char *message, int64_t retry_at, int64_t now);

/* START_CONTAINER goes through STEP_CREATE (set by pod_local_began), STEP_START after
   CreateContainer's answer and, with a hook, STEP_POST_START after StartContainer's. */
void pod_local_set_step (pod_local_t *self, const char *container, container_step_t step);

/* The postStart hook of this instance failed: the next plan kills it. Call pod_local_failed for
   START_CONTAINER with PostStartHookError as well. */
void pod_local_set_post_start_failed (pod_local_t *self, const char *id);

/* The resize asked for is not accepted, and why; NULL: nothing is held back. Copied. */
void pod_local_set_resize_pending (pod_local_t *self, const char *reason, const char *message);

/* An accepted resize is under way (or over), and what keeps it from getting on (NULL: nothing). */
void pod_local_set_resizing (pod_local_t *self, bool is_resizing, const char *error);

/* A resize asks for this instance to be started anew: the next plan kills it. */
void pod_local_set_needs_restart (pod_local_t *self, const char *id);

/* What PROBE_RESULT says about the instance. */
void
pod_local_set_probe (pod_local_t *self, const char *id, local_probe_t probe, local_result_t result);

/* What the container left in its termination message file (or log), for pod_status. */
void pod_local_set_termination_message (pod_local_t *self, const char *id, const char *text);

/* The worker was told to look at the pod again: what was held for the next sync is shown now. */
void pod_local_synced (pod_local_t *self);

/* The pod object changed from `before` to `after`: what failed may go well now, so it is tried at
   once; another image has to be ensured anew. */
void pod_local_pod_changed (pod_local_t *self, const pod_t *before, const pod_t *after);

/* Why the last start failed, as it is to be shown at `now`: reason and message, both NULL when
   there is nothing to show. */
void pod_local_failure (const container_local_t *entry, int64_t now, const char **reason_p,
                        const char **message_p);

/* Forgets ids that the runtime no longer shows and names the pod no longer has. */
void pod_local_prune (pod_local_t *self, const pod_t *pod, const pod_seen_t *seen);

/* Entries, or NULL when nothing is known (which reads as all zero). */
const container_local_t *pod_local_container (const pod_local_t *self, const char *name);
const instance_local_t *pod_local_instance (const pod_local_t *self, const char *id);
const sandbox_local_t *pod_local_sandbox (const pod_local_t *self, const char *id);
