/* pod_seen.h - what the runtime shows of one pod: its sandboxes and containers, newest first.

   The pod's worker keeps one of these and updates it piecemeal from CRI answers; pod_plan and
   pod_status read it. It owns everything in it. Pointers into it are good until the entry is set
   again or removed. Source of the fields: reference/cri.md 4, reference/pod-to-cri.md 4 and 8. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/record.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { SANDBOX_READY, SANDBOX_NOTREADY } sandbox_state_t;

typedef enum { SEEN_CREATED, SEEN_RUNNING, SEEN_EXITED, SEEN_UNKNOWN } container_state_t;

typedef struct {
    const char *id;
    int64_t attempt;
    sandbox_state_t state;
    int64_t created_at; // ns
    bool has_network;   // the runtime reports a network at all (perhaps without an address)
    text_list_t ips;    // network.ip, then additional_ips; those that are no addresses left out
    bool is_host_network;
    const char *runtime_handler; // "" by default
    tree_t *memory;              // of the texts above
} sandbox_seen_t;

typedef struct {
    const char *id;
    const char *name;
    const char *sandbox_id; // "" when not known
    int64_t restart_count;  // annotation io.kubernetes.container.restartCount, else the attempt
    container_state_t state;
    int64_t created_at, started_at, finished_at; // ns, 0 when not reported
    int64_t exit_code;
    const char *reason, *message;              // "" when empty
    const char *image, *image_ref, *image_id;  // "" when empty
    const char *hash;                          // annotation io.kubernetes.container.hash, or ""
    const char *log_path;                      // absolute
    const char *termination_message_path;      // annotation: inside the container, "" for none
    const char *termination_message_policy;    // annotation: File, FallbackToLogsOnError
    const char *termination_message_host_path; // the mount behind it, "" for none
    const node_t *user;                        // CRI ContainerUser, or NULL
    const node_t *resources;                   // CRI LinuxContainerResources, or NULL
    tree_t *memory;                            // of the texts and nodes above
} container_seen_t;

typedef struct pod_seen pod_seen_t;

/* Empty; owned by the caller. */
pod_seen_t *pod_seen_new (void);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void pod_seen_destroy (pod_seen_t **self_p);

/* Adds or replaces a sandbox from a CRI PodSandboxStatus map (enums as text, zero values absent).
   Returns 0, or -1 with FAULT_INVALID and nothing changed. */
int pod_seen_set_sandbox (pod_seen_t *self, const node_t *status, fault_t *fault);

/* Adds or replaces a container from a CRI ContainerStatus map. CRI does not say there which
   sandbox it is in: `sandbox_id` does (NULL: as already known). Returns 0 or -1 as above. */
int pod_seen_set_container (pod_seen_t *self, const node_t *status, const char *sandbox_id,
                            fault_t *fault);

/* Forgets one; true when it was there. */
bool pod_seen_remove_sandbox (pod_seen_t *self, const char *id);
bool pod_seen_remove_container (pod_seen_t *self, const char *id);

/* Forgets every sandbox and container that is not in these lists of CRI PodSandbox and Container
   maps (POD_RUNTIME), and calls back for each listed one that is not known, or known in another
   state, so that its whole status can be asked for. `sandbox_id` is NULL for sandboxes. Give it
   only lists that were made after the last pod_seen_set_...: an older one misses what is new. */
typedef void pod_seen_changed_fn (void *context, const char *id, const char *sandbox_id);
void pod_seen_compare (pod_seen_t *self, const node_t *sandboxes, const node_t *containers,
                       pod_seen_changed_fn *on_sandbox, pod_seen_changed_fn *on_container,
                       void *context);

/* True for the CRI ContainerStatus of a container that SIGKILL ended and for which the runtime has
   no better reason yet: it hears of the end and of the memory that ran out (reason OOMKilled) in
   any order. */
bool pod_seen_may_be_oom_killed (const node_t *status);

/* All of them, newest first (by created_at, then attempt or restart count). */
size_t pod_seen_sandbox_count (const pod_seen_t *self);
const sandbox_seen_t *pod_seen_sandbox_at (const pod_seen_t *self, size_t index);
size_t pod_seen_container_count (const pod_seen_t *self);
const container_seen_t *pod_seen_container_at (const pod_seen_t *self, size_t index);

/* By id, or NULL. */
const sandbox_seen_t *pod_seen_sandbox (const pod_seen_t *self, const char *id);
const container_seen_t *pod_seen_container (const pod_seen_t *self, const char *id);

/* The newest (`skip` 0) or second newest (1) ... container of that name, or NULL. */
const container_seen_t *pod_seen_newest (const pod_seen_t *self, const char *name, size_t skip);

/* The newest exited container of that name, or NULL. */
const container_seen_t *pod_seen_newest_exited (const pod_seen_t *self, const char *name);

/* The sandbox in use: the newest one when it is READY, or NULL. */
const sandbox_seen_t *pod_seen_ready_sandbox (const pod_seen_t *self);

/* True when any container is running or in an unknown state. */
bool pod_seen_is_running (const pod_seen_t *self);
