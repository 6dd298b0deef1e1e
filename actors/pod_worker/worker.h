/* worker.h - the state of a pod's worker, shared by the files of this folder.

   worker.c      the loop: messages in, pod_status and pod_plan, what they say out
   observe.c     what the runtime shows: listing, statuses, termination messages
   prepare.c     cgroup and volumes before, their removal after
   objects.c     the API objects and tokens it needs
   sandbox.c     the sandbox's actions
   container.c   stopping and removing containers
   start.c       the chain that starts a container
   resize.c      new cpu and memory for running containers
   files.c       the files it mounts: hosts file, termination log
   facts.c       the node's facts from the worker's arguments
   counts.c      what /metrics says of it
   report.c      status, events, probes */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/backoff.h"
#include "cubelet/node_facts.h"
#include "cubelet/packed.h"
#include "cubelet/pod.h"
#include "cubelet/pod_local.h"
#include "cubelet/pod_plan.h"
#include "cubelet/pod_seen.h"
#include "cubelet/pod_status.h"
#include <czmq.h>

/* Deadlines of requests to other actors, which have their own towards the outside. */
#define LOCAL_DEADLINE_MS 150000
/* How long after a failure it is tried again (reference/pod-lifecycle.md 1, with jitter) ... */
#define RETRY_MS 10000
/* ... and when the runtime did not answer: it says when it is back, this is for lost words. */
#define RETRY_UNAVAILABLE_MS 1000
/* Of the container's id or name kept in a request's context. */
#define ID_MAX 128
#define NAME_MAX_BYTES 256

typedef enum { WORK_TODO, WORK_ASKED, WORK_DONE } work_t;

typedef struct {
    actor_t *actor;
    tree_t *fact_lists; // those of the facts; their texts are the arguments'
    tree_t *handlers;   // of the runtime, which the facts borrow
    node_facts_t facts; // of the node
    bool is_standalone; // there is no Node object, so no host addresses in statuses (as upstream)
    char *resolv_conf;  // the bytes in facts.resolv_conf
    int64_t request_timeout_ms; // of the runtime actor's calls
    const char *object_source;  // the actor that knows the API objects pods use; "": nobody
    bool rereads_objects;       // they are not watched: a container that ended may need newer ones
    char *runtime_name;         // "containerd"

    tree_t *pod_tree; // NULL until the first POD_SYNC
    pod_t pod;
    pod_seen_t *seen;
    pod_local_t *local;
    tree_t *status;     // the last one made or given; NULL: none
    tree_t *volumes;    // VOLUME_SETUP's answer; NULL: not yet
    tree_t *refs;       // the API objects it uses, as asked for; NULL: none
    tree_t *objects;    // the last OBJECT_STATE's; NULL: none yet
    tree_t *tokens;     // of the service account, for the next VOLUME_SETUP
    tree_t *images;     // container name -> IMAGE_ENSURE's answer; NULL: none yet
    zlistx_t *starts;   // start_t of start.c
    tree_t *probed;     // the last PROBE_SET
    packed_t reported;  // the last POD_STATUS's status
    bool is_report_due; // it is to be said again, even if it is the same

    char created_sandbox[ID_MAX]; // the last one, until its status is known

    // for /metrics (counts.c)
    int64_t sync_began_at;    // ns; since when a sync is under way; 0: none is
    const char *sync_kind;    // static text
    int64_t pulls_began_at;   // ns; the first image was asked for
    int64_t sandbox_began_ms; // monotonic; the last RunPodSandbox
    char *sandbox_handler;    // ... of this RuntimeClass handler
    int64_t pulled_at;        // ... and the last one was there after a pull

    work_t listing; // of what the runtime has
    work_t cgroup;
    work_t volume;
    bool is_volume_stale;     // something changed while it was asked
    backoff_t volume_backoff; // after failures
    int64_t volume_retry_at;  // ns
    opt_int_t userns_host_id; // of VOLUME_SETUP's answer
    work_t token;             // of `tokens`
    size_t tokens_asked;      // not answered yet
    uint64_t token_round;
    uint64_t watch_timer;
    work_t unvolume; // after the end, of a pod that stays
    work_t unmount;  // ... of one that goes
    work_t uncgroup;
    bool is_stopped;          // all containers and sandboxes of a pod that is over have stopped
    bool is_finished;         // said so
    bool is_syncing;          // statuses are held back (pod_sync_span.h)
    int64_t changed_at;       // ns; listings older than it say nothing about absence
    tree_t *listed_sandboxes; // between the two calls of the first listing
    size_t statuses_asked;    // of the first listing, not answered yet
    bool is_stepping;         // guards against a step within a step ...
    bool needs_step;          // ... which is made after it
    tree_t *actuated;         // container name -> {id spec resources}: what it has got; or NULL
    tree_t *actuated_before;  // name -> {requests limits}, before this worker; NULL: not known
    tree_t *resize_steps;     // of the resize under way; NULL: none
    size_t resize_next;       // which of them
    int64_t resize_retry_at;  // ns; after a failed one
    bool was_resized;         // the pod's cgroup may not have room for what it has been given
    uint64_t wake_timer;
    uint64_t second_look_timer; // at containers that may have been killed for memory
    uint64_t retry_timer;
} worker_t;

/* Makes the status and the plan, and does what they say. Call at the end of every handler. */
void worker_step (worker_t *self);

/* When to try again after `fault`, as a ns time. */
int64_t worker_retry_at (const fault_t *fault);

/* Steps again after `delay_ms`, once. */
void worker_step_later (worker_t *self, int64_t delay_ms);

// ---- facts.c ----

/* Where links to container logs go. */
#define CONTAINER_LOGS_DIR "/var/log/containers"

/* Fills the facts from the actor's arguments, which are NODE_FACTS' fields. Texts stay there.
   Returns 0 or -1 with FAULT_INVALID. */
int facts_decode (worker_t *self, const node_t *args, fault_t *fault);

// ---- files.c ----

/* Reads the node's resolver file into the facts: it may have changed since the last sandbox. */
void resolv_conf_read (worker_t *self);

/* Writes the pod's hosts file anew. Returns 0 or -1. */
int hosts_file_write (const worker_t *self, fault_t *fault);

/* Makes an empty termination log for a container to be created; its owned path, or NULL. */
char *termination_log_new (const worker_t *self, const char *container, fault_t *fault);

/* The restart count that the log directory speaks for: one more than the highest N of the N.log
   files, 0 without any. */
int64_t restart_count_of_logs (const worker_t *self, const char *container);

/* Links the container's log where log shippers look, if it exists. */
void log_link_new (const worker_t *self, const container_seen_t *container);

// ---- observe.c ----

/* Asks the runtime for everything of this pod; the worker plans nothing until it knows. */
void observe_begin (worker_t *self);

/* After a call that failed, but may have made something, or found what an earlier one made whose
   answer was lost: has the runtime listed at once. What is not known would be made a second time,
   which the runtime refuses ("name is reserved"). */
void observe_after_failure (worker_t *self);

/* Takes a POD_RUNTIME. */
void observe_listing (worker_t *self, const node_t *body);

/* Puts the answer of PodSandboxStatus or ContainerStatus into `seen`, or takes the id out when
   the runtime does not know it any more. `sandbox_id` may be NULL. */
void observe_sandbox (worker_t *self, const char *id, const node_t *answer, const fault_t *fault);
void observe_container (worker_t *self, const char *id, const char *sandbox_id,
                        const node_t *answer, const fault_t *fault);

// ---- objects.c ----

/* Names the objects to the object source when the pod names others than before. */
void objects_take_pod (worker_t *self);

/* Says it again: to a source that knows nothing yet, in case a message was lost, and because claims
   are read only when somebody asks for them. */
void objects_watch (worker_t *self);

/* The pod is gone: it needs none any more. */
void objects_release (worker_t *self);

/* True when something is known of every object, be it that it does not exist. */
bool objects_ready (const worker_t *self);

/* True when the tokens of the next volume set-up are there, or failed; asks for them. */
bool tokens_ready (worker_t *self);

actor_handle_fn on_object_state;

/* What is decided for this pod: the handler of its RuntimeClass, its user ids. A class that does
   not exist counts as none, and is a fault in *fault when that is not NULL. Borrowed from the
   objects. */
pod_facts_t pod_facts_of (const worker_t *self, fault_t *fault);

// ---- prepare.c ----

/* Objects, tokens or the pod changed, or it is time: volumes are brought up to date. */
void volumes_changed (worker_t *self);

/* Does what is next before containers can start; true when all is done. */
bool prepare (worker_t *self);

/* Does what is next after all has stopped; true when nothing of the pod is left but its object. */
bool clean_up (worker_t *self, const pod_plan_t *plan);

// ---- actions ----

void sandbox_create (worker_t *self, const pod_action_t *action);
void sandbox_stop (worker_t *self, const pod_action_t *action);
void sandbox_remove (worker_t *self, const pod_action_t *action);
void container_pre_stop (worker_t *self, const pod_action_t *action);
void container_stop (worker_t *self, const pod_action_t *action);
void container_remove (worker_t *self, const pod_action_t *action);
void image_ensure (worker_t *self, const pod_action_t *action);
void container_start (worker_t *self, const pod_action_t *action);

/* Calls the runtime, with a deadline above the call's own. */
void call_runtime (worker_t *self, message_id_t type, const node_t *body, actor_reply_fn *reply,
                   const void *context, size_t context_size);

/* Asks the runtime for {key: id}, e.g. StopPodSandbox {pod_sandbox_id}. */
void ask_runtime (worker_t *self, message_id_t type, const char *key, const char *id,
                  actor_reply_fn *reply, const void *context, size_t context_size);

/* Runs a lifecycle handler of a container. `limit_ms` 0: no limit. */
void
hook_run (worker_t *self, const container_t *container, const char *id, const handler_t *handler,
          int64_t limit_ms, actor_reply_fn *reply, const void *context, size_t context_size);

/* The list of starts under way, empty; zlistx_destroy frees it. */
zlistx_t *container_starts_new (void);

// ---- resize.c ----

/* Begins what is to be changed of running containers' resources, if anything is. */
void resize (worker_t *self);

/* Notes that the container is given what the pod says now; the id may follow. */
void resize_note (worker_t *self, const container_t *container, const char *id);
void resize_note_id (worker_t *self, const char *container, const char *id);

/* Takes what containers had got before this worker started (a POD_SYNC's "actuated", or NULL), and
   says again what they have got when that is something else. */
void resize_take_before (worker_t *self, const node_t *actuated);

// ---- counts.c ----

/* The manager has spoken: `is_first` time, with another pod, or as it does now and then. */
void count_sync (worker_t *self, bool is_first, bool is_changed);

/* The sync has ended, if one was under way: what it was to do is done. */
void count_sync_end (worker_t *self);

/* The pod is being ended; nothing is left of it. */
void count_ending (worker_t *self);
void count_end (worker_t *self);

/* An image was asked for; it is there, perhaps after a pull. */
void count_image_asked (worker_t *self);
void count_image (worker_t *self, bool is_pulled);

/* A sandbox is to be made; the runtime has answered; it has not been made. */
void count_sandbox_begin (worker_t *self, const char *handler);
void count_sandbox_call (const worker_t *self, bool has_failed);
void count_sandbox_failed (const worker_t *self);

/* The attempt to start a container has ended, well (NULL) or with this reason; as upstream, an
   image that cannot be had ends an attempt, too. */
void count_container (const worker_t *self, const char *name, const char *failure);

// ---- report.c ----

/* Sends the status when it has changed. */
void report_status (worker_t *self);

/* While a status is held back: sends the one that was sent last with what probes have found since.
 */
void report_readiness (worker_t *self);

/* Sends an Event about a container (NULL: the pod). */
void report_event (worker_t *self, const char *container, const char *type, const char *reason,
                   const char *message);

/* Says that the pod could not be stopped: "error killing pod: failed to "KillContainer" for "main"
   with KillContainerError: "rpc error..."". `what` is KillContainer or KillPodSandbox. */
void report_kill_failure (worker_t *self, const char *what, const char *of, const fault_t *fault);

/* The same for events that a rule wants: {object type reason message}; those of the pod only. */
void report_events (worker_t *self, const node_t *events);

/* Tells the probe-manager what is to be probed now, when that has changed. */
void report_probes (worker_t *self);

/* The pod's addresses as of its sandbox, or the node's with hostNetwork. */
text_list_t pod_addresses (const worker_t *self);
