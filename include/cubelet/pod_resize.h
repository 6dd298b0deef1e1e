/* pod_resize.h - changing cpu and memory of a pod that runs: what was asked for (the spec), what
   the node has given it (the allocation), and how a container gets from one to the other. Source:
   reference/pod-lifecycle.md 10.5; KEP-1287, "In-Place Update of Pod Resources". */
#pragma once
#include "cubelet/pod_admission.h"

/* ---- allocation: a map container -> {requests limits}, of which cpu and memory count ---- */

/* What the spec asks for, init containers included. In `tree`. */
node_t pod_allocation (const node_t *pod, tree_t *tree);

/* True when the spec asks for just what is allocated. Quantities are compared as numbers. */
bool pod_allocation_is_desired (const node_t *pod, const node_t *allocation);

/* The pod with the allocated cpu and memory in place of those asked for. In `tree`. */
node_t pod_with_allocation (const node_t *pod, const node_t *allocation, tree_t *tree);

/* ---- the decision ---- */

typedef struct {
    const char *reason;  // NULL: the pod gets what it asks for. "Deferred": not now. "Infeasible":
                         // never on this node
    const char *message; // of the condition PodResizePending
} resize_decision_t;

/* Decides about `pod`, which has the resources asked for; `demand` is its own, the others as in
   pod_admit. A resize does not preempt, not even a critical pod's. Texts are in `tree`. */
void pod_resize_decide (const pod_t *pod, const pod_demand_t *demand,
                        const pod_demand_t *const *others, size_t count,
                        const admission_node_t *node, tree_t *tree, resize_decision_t *out);

/* ---- carrying it out ---- */

/* One running container; CRI LinuxContainerResources. */
typedef struct {
    const char *name, *id;
    const node_t *has; // NULL: not known
    const node_t *wants;
} resize_item_t;

/* True when the container is to be told new values. */
bool resize_is_needed (const resize_item_t *item);

/* What is to be done, in order, a list in `tree`:
     {kind: "check", container, id, limit}      its memory usage must not be above the new limit
     {kind: "update", container, id, resources} UpdateContainerResources, what shrinks
     {kind: "cgroup"}                           the pod's cgroup gets its new values
     {kind: "update", ...}                      the same with what grows
   So the pod's cgroup is never smaller than a container in it. Empty when nothing is needed. */
node_t pod_resize_steps (const resize_item_t *items, size_t count, tree_t *tree);

/* What UpdateContainerResources may be told of a container's resources: cpu and memory. */
node_t resizable_part (const node_t *resources, tree_t *tree);

/* True when the change from `before` to `after` ({requests limits} each) touches a resource whose
   resizePolicy is RestartContainer. */
bool resize_needs_restart (const container_t *container, const node_t *before, const node_t *after);

/* What the event ResizeCompleted tells: {initContainers containers generation}, of each container
   that can be resized {name, resources: {limits requests}}; lists that are empty are left out. In
   `tree`. */
node_t pod_resize_summary (const pod_t *pod, tree_t *tree);
