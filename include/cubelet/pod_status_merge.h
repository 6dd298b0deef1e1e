/* pod_status_merge.h - from the status that this node made to the one the API server gets.
   Source: reference/pod-lifecycle.md 9 and 10.3; samples/api-requests.jsonl. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* True for the types of conditions that the kubelet writes anew each time; others are left to
   those who wrote them. DisruptionTarget, which is shared, is not among them. */
bool pod_condition_is_owned (const char *type);

/* The status with what stays the same carried over from `previous`, the one before it (NULL: it is
   returned as it is): startTime, and lastTransitionTime of the kubelet's conditions whose status is
   as it was. Owned. */
tree_t *pod_status_carry (const node_t *status, const node_t *previous);

/* Refuses a status in which a container has left the state terminated although the restart policy
   in `spec` does not allow that (reference 9). Returns 0, or -1 with FAULT_PRECONDITION. */
int pod_status_check_transition (const node_t *spec, const node_t *old, const node_t *new,
                                 fault_t *fault);

/* The status as it is to stand in the API server, which now has `api_status`: conditions and fields
   of others stay, a terminal phase and a new DisruptionTarget are withheld while containers may
   run (`is_running`), a terminal phase is never Ready, observedGeneration never decreases. Owned.
 */
tree_t *
pod_status_merge (const node_t *status, const node_t *api_status, bool is_running, int64_t now);

/* The patch of the pods/NAME/status sub-resource that makes api_status into `merged`, with
   metadata.uid as the precondition. *is_empty_p says that there is nothing to change. */
node_t pod_status_patch (tree_t *tree, const char *uid, const node_t *api_status,
                         const node_t *merged, bool *is_empty_p);
