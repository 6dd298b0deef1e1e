/* pod_source.h - what a source's word about a pod means against the word before.
   Source: reference/pod-lifecycle.md 2 and 3.2. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    POD_SAME,     // nothing that anybody reads
    POD_STATUS,   // only the status: RECONCILE
    POD_FOREIGN,  // only the status, but what others own of it: conditions that readiness gates ask
                  // for, resource claims, a terminal phase; the worker has to know
    POD_CHANGED,  // spec, labels, annotations, generation or finalizers: UPDATE
    POD_DELETING, // the deletion began or its grace period changed: DELETE
} pod_change_t;

/* Compares two objects of one UID. The annotations config.source, config.seen and config.mirror do
   not count. */
pod_change_t pod_change_of (const node_t *before, const node_t *after);

/* The pod of the API server as the node keeps it, in `tree`: with the annotations config.source
   "api" and config.seen (of `before`, the pod's object until now, or `seen_ns` since 1970), without
   managedFields. */
node_t pod_of_api (tree_t *tree, const node_t *pod, const node_t *before, int64_t seen_ns);

/* True for the API's image of a static pod: it has the annotation config.mirror. */
bool pod_object_is_mirror (const node_t *pod);
