/* pod_preemption.h - which pods make room for a critical one that the node has no resources for.
   Source: reference/pod-lifecycle.md 4; Kubernetes documentation, "Guaranteed Scheduling For
   Critical Add-On Pods". */
#pragma once
#include "cubelet/pod_demand.h"

/* What is missing of each resource, in resource_amount's units. */
typedef LIST_OF (resource_amount_t) resource_amounts_t;

/* Indexes into the pods given. */
typedef LIST_OF (size_t) pod_choice_t;

/* True when `pod` may push `other` aside: it is critical and the other is not, or has the higher
   priority. */
bool pod_demand_preempts (const pod_demand_t *pod, const pod_demand_t *other);

/* Chooses who of `others` is stopped, so that `lacking` becomes free: as few Guaranteed pods as
   possible, then as few Burstable ones, then BestEffort; within a class always the pod that comes
   nearest to what is still missing, of equals the smaller one. Returns 0 with the choice in `out`
   (in `tree`; BestEffort first), or -1 with FAULT_EXHAUSTED: all of them together are too few. */
int
pod_preempt (const pod_demand_t *pod, const pod_demand_t *const *others, size_t count,
             const resource_amounts_t *lacking, tree_t *tree, pod_choice_t *out, fault_t *fault);
