/* pod_status_internal.h - what the files of pod_status share: the status in the making.

   pod_status.c             the order of it all, phase's reason, addresses (10.4)
   pod_status_containers.c  10.1  what is known of each container
   pod_status_encode.c      10.1  ... as the API shows it
   pod_status_resources.c   10.1  resources and allocatedResources
   pod_status_phase.c       10.2
   pod_status_conditions.c  10.3
   pod_status_final.c       9     the last word on a pod, refusals, what is withheld
   (numbers: reference/pod-lifecycle.md) */
#pragma once
#include "cubelet/memory.h"
#include "cubelet/pod_status.h"
#include "cubelet/pod_termination.h"

/* One container; in the order of pod_container_at. */
typedef struct {
    const container_t *container;
    const node_t *old;             // its previous status, or NULL
    const container_seen_t *shown; // the instance behind the status, or NULL
    bool is_old_kept;              // the runtime forgot it: the terminated old one stands
    node_t state;                  // {waiting|running|terminated: {...}}
    node_t last_state;             // the same, or {}
    int64_t restart_count;
    const char *image, *image_id, *container_id; // container_id is "" when there is none
    bool is_ready, is_started;
} row_t;

typedef struct {
    const pod_t *pod;
    const pod_seen_t *seen;
    const pod_local_t *local;
    const node_t *previous; // NULL: none
    const node_t *api;      // the pod object's own status, or NULL
    const pod_status_node_t *node;
    int64_t now;
    tree_t *tree;
    row_t *rows;
    size_t row_count;
    const char *phase, *reason, *message; // the latter may be NULL
} builder_t;

/* state.KIND: "waiting", "running", "terminated"; NULL when the state is another. */
const node_t *state_is (const node_t *state, const char *kind);

/* True when a regular container runs or ran. */
bool status_any_regular_started (const builder_t *self);

/* True when nothing of a terminating pod is left that could run. */
bool status_is_over (const builder_t *self);

/* RFC 3339 in seconds, in the tree. */
node_t status_time (tree_t *tree, int64_t ns);

// ---- pod_status_containers.c ----

/* Fills rows. */
void status_containers (builder_t *self);

/* "terminated" as it reads when nobody knows how a container ended. */
node_t status_unknown_end (tree_t *tree, const char *message);

#define MESSAGE_LOST_AT_END "The container could not be located when the pod was terminated"

// ---- pod_status_encode.c ----

/* Sets initContainerStatuses, containerStatuses (and, later in the map, the ephemeral ones). */
void status_encode_containers (builder_t *self, node_t *status);
void status_encode_ephemeral (builder_t *self, node_t *status);

// ---- pod_status_resources.c ----

/* Adds allocatedResources and resources of an instance. */
void status_resources (builder_t *self, const row_t *row, node_t *out);

// ---- pod_status_phase.c ----

/* "Pending", "Running", "Succeeded" or "Failed". */
const char *status_phase (const builder_t *self);

// ---- pod_status_conditions.c ----

node_t status_conditions (builder_t *self);

// ---- pod_status_final.c ----

/* Gives every container that started an end, and the pod a terminal phase. `status` is a map in
   `tree`. */
void status_finish (const pod_t *pod, tree_t *tree, node_t *status);
