/* manager.h - the state of the pod manager, shared by the files of this folder.

   pod_manager.c   the class: handlers, start and stop
   entries.c       the pods it knows
   sources.c       sets and single pods of the sources become additions, updates, removals
   mirrors.c       mirror pods and the static pods they belong to
   admission.c     who is admitted; who is refused; who makes room
   workers.c       one worker per pod: starting, telling, stopping it
   words.c         what workers and the runtime say
   resize.c        what pods have been given when they ask for other resources
   evictions.c     pods that others want failed
   reports.c       what the status-reporter, GET /pods and others are told */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/askers.h"
#include "cubelet/node_facts.h"
#include "cubelet/packed.h"
#include "cubelet/pod_admission.h"
#include "cubelet/pod_names.h"
#include "cubelet/pod_resize.h"
#include <czmq.h>

#define SOURCE_API "api"
#define SOURCE_RUNTIME "runtime"

typedef enum {
    POD_WAITING,  // admitted; another of the same full name is still stopping, or others make room
    POD_ACTIVE,   // has a worker
    POD_REJECTED, // refused; no worker
    POD_FINISHED, // nothing of it is left on the node, its source still has it
} pod_state_t;

/* One pod: of a source, or one that only the runtime knows. */
typedef struct {
    char *uid;
    char *full_name; // namespace/name
    char *source;    // file, http, api; "runtime" for orphans
    char worker[ACTOR_NAME_MAX];
    pod_state_t state;
    int64_t seen_ms;   // monotonic, since when it is known
    int64_t pulls_ns;  // how long its images took
    bool is_begun;     // its worker has been there
    bool is_start_old; // its start has been counted, or was not seen from its beginning
    packed_t pod;      // the object
    packed_t status;   // the worker's last word, or the refusal's; none yet
    pod_demand_t demand;
    tree_t *demand_lists; // those of `demand`
    bool is_static;
    bool is_deleted;          // the object has a deletionTimestamp
    bool is_terminal_in_api;  // the object's status is Failed or Succeeded
    bool is_terminal_on_node; // `status` is
    bool is_running_on_node;
    bool is_orphan;       // only the runtime knows it
    bool is_removed;      // gone from its source
    bool is_in_set;       // while a set is compared
    bool is_wanted_again; // came back while it was stopping
    bool may_run;         // containers may be running: a worker has not said otherwise
    bool is_restarting;   // waits for the end of the worker that it had
    bool is_failing;      // to be stopped with fail_reason and fail_message
    char *fail_reason, *fail_message;
    opt_int_t fail_grace_s;
    packed_t allocation; // the resources it was given (pod_resize.h); none: those of its spec
    packed_t actuated;   // those its containers have got, as the worker says; none: not known
    char *resize_reason; // why it does not get those it asks for; NULL: it does
    char *resize_message;
    int64_t patient_until; // monotonic ms: who wants it failed waits no longer than that
    bool is_overdue;       // it has not stopped by then
    askers_t *evictors;    // wait until its containers have stopped
    zlistx_t *victims;     // uids: those that make room for it
} managed_pod_t;

typedef struct {
    char *uid;
    char *full_name;
    packed_t pod;
} mirror_t;

typedef struct {
    actor_t *actor;
    tree_t *args;
    zlistx_t *pods;      // managed_pod_t, in the order they came
    zlistx_t *mirrors;   // mirror_t
    zlistx_t *pending;   // names of sources that have not delivered a set yet
    zlistx_t *early;     // tree_t: sources' words until it is known who runs already; NULL: it is
    zlistx_t *strangers; // tree_t: pods of no source, until all sources have delivered
    zlistx_t *running;   // uids of workers that were there before us
    tree_t *node; // the Node as the API server has it; NULL: the initial one of the arguments
    bool memory_pressure, disk_pressure, pid_pressure;
    bool has_app_armor;
    bool is_shutting_down;                      // the machine goes down
    tree_t *allocated_before, *actuated_before; // the checkpoints at the start; NULL: none
    uint64_t write_timer;
    bool has_network_start; // a pod with a network of its own has started since the agent has
    bool is_joined;         // somebody takes reports
    node_facts_t facts;
    int64_t sync_ms;
} manager_t;

/* `MANAGER_EACH (self, entry) { ... }`: in order; entries must not be deleted in it, nor may
   another such walk run inside. */
#define MANAGER_EACH(self, entry)                                                                  \
    for (managed_pod_t *entry = zlistx_first ((self)->pods); entry;                                \
         entry = zlistx_next ((self)->pods))

// ---- entries.c ----

/* For zlistx. */
void managed_destroy (void **self_p);
void mirror_destroy (void **self_p);

/* A new entry at the end; `pod` is copied. NULL with FAULT_INVALID when it cannot be read. */
managed_pod_t *managed_add (manager_t *self, const node_t *pod, const char *source, fault_t *fault);

/* Puts another object in place of the pod's; the old one stays when the new one cannot be read. */
int managed_set_pod (managed_pod_t *entry, const node_t *pod, fault_t *fault);

/* The status is what a worker or a refusal says; NULL: nobody has said anything yet. */
void managed_set_status (managed_pod_t *entry, const node_t *status);

/* For /metrics: the worker of a pod is there; the API server's pod (its status, too) was seen. */
void managed_count_worker (managed_pod_t *entry);
void managed_count_start (manager_t *self, managed_pod_t *entry);

/* The pod with its status as the node knows it, in `tree`. */
node_t managed_object (const managed_pod_t *entry, tree_t *tree);

/* Takes it out and frees it. */
void managed_forget (manager_t *self, managed_pod_t *entry);

managed_pod_t *find_uid (manager_t *self, const char *uid);
managed_pod_t *find_worker (manager_t *self, const char *worker);

/* The entry of that full name that has a worker. */
managed_pod_t *find_active (manager_t *self, const char *full_name);

/* The static pod of that name: the one that its source wants, rather than one that stops. */
managed_pod_t *find_static (manager_t *self, const char *full_name);

const char *pod_uid_of (const node_t *pod);
bool managed_is_terminal (const managed_pod_t *entry); // Failed or Succeeded, by the API or by us
bool sources_are_ready (const manager_t *self);

// ---- sources.c ----

/* Of MSG_SOURCE_PODS and MSG_SOURCE_POD. */
int on_source (void *state, const message_t *message, fault_t *fault);

/* Takes what has been held back: it is known now who runs already. */
void sources_begin (manager_t *self);

// ---- mirrors.c ----

/* Takes a mirror pod as the API has it, or its end. */
void mirror_take (manager_t *self, const node_t *pod);
bool mirror_remove (manager_t *self, const char *uid);

/* Those of a full set of the api source are kept, all others dropped. */
void mirrors_keep (manager_t *self, const node_t *pods);

/* The mirror of a full name or of a UID, or NULL. */
const mirror_t *mirror_find (manager_t *self, const char *full_name);
const mirror_t *mirror_find_uid (manager_t *self, const char *uid);

/* Says of every mirror pod without a static pod that it has to go. */
void mirrors_report_orphans (manager_t *self);

// ---- admission.c ----

/* Lets the pod in: true. Else it is rejected, with event and status. */
bool admission_decide (manager_t *self, managed_pod_t *entry);

/* Whether the pod may have the resources that its spec asks for. False when it is not understood.
 */
bool admission_decide_resize (manager_t *self, managed_pod_t *entry, tree_t *tree,
                              resize_decision_t *out);

/* True when nobody who makes room for it still runs. */
bool admission_has_room (manager_t *self, const managed_pod_t *entry);

// ---- resize.c ----

/* Reads the checkpoints; starts the clock of the retries. */
void allocations_read (manager_t *self);
void resizes_begin (manager_t *self);

/* Gives a new pod what it had before a restart, else what its spec asks for. */
void allocation_begin (manager_t *self, managed_pod_t *entry);

/* The pod with what it has been given; in `tree`, or `pod` itself. */
node_t allocation_apply (const managed_pod_t *entry, const node_t *pod, tree_t *tree);

/* A worker says what its containers have got. */
int on_pod_actuated (void *state, const message_t *message, fault_t *fault);

/* Has the checkpoints written soon; now, if that is still to come. */
void allocations_changed (manager_t *self);
void allocations_flush (manager_t *self);

/* Gives the pod what its spec asks for, if that can be; true when something was given. */
bool resize_consider (manager_t *self, managed_pod_t *entry);

/* Tries those that wait again: there may be room now. */
void resizes_retry (manager_t *self);

// ---- workers.c ----

/* Starts the pod, or lets it wait. */
void pod_start (manager_t *self, managed_pod_t *entry);

/* Starts those that waited for the end of another. */
void pods_start_waiting (manager_t *self);

/* Has a worker started, if there is none, and tells it the pod. */
void worker_ask_for (manager_t *self, managed_pod_t *entry);

/* Tells the worker the pod as it should be. */
void worker_sync (manager_t *self, const managed_pod_t *entry);
void worker_stop (manager_t *self, const char *worker);

/* The same a little later: the worker of that name has to end first. */
void worker_ask_later (manager_t *self, const managed_pod_t *entry);

// ---- words.c ----

int on_pod_status (void *state, const message_t *message, fault_t *fault);
int on_pod_orphan (void *state, const message_t *message, fault_t *fault);

/* All sources have delivered: what none of them has is stopped. */
void strangers_stop (manager_t *self);

// ---- evictions.c ----

int on_pod_evict (void *state, const message_t *message, fault_t *fault);

/* Has the pod stopped and failed. The first reason stays. */
void pod_fail (manager_t *self, managed_pod_t *entry, const char *reason, const char *message,
               opt_int_t grace_s);

/* Answers those who wait for the end of its containers, when it has come. */
void evictions_answer (manager_t *self, managed_pod_t *entry);

// ---- reports.c ----

/* Says the pod to the status-reporter, when there is one. */
void report_pod (manager_t *self, managed_pod_t *entry);
void report_forget (manager_t *self, const char *uid);
void
warn_of_pod (manager_t *self, const managed_pod_t *entry, const char *reason, const char *message);

int on_pod_list (void *state, const message_t *message, fault_t *fault);
int on_pod_known (void *state, const message_t *message, fault_t *fault);
int on_pod_get (void *state, const message_t *message, fault_t *fault);
