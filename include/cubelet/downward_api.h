/* downward_api.h - what fieldRef and resourceFieldRef refer to, for variables and volumes alike.
   Source: reference/pod-to-cri.md 5.2 (upstream: pkg/fieldpath, pkg/api/v1/resource). */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* The value of a fieldPath: metadata.name namespace uid labels annotations, one label or
   annotation as metadata.labels['k'], spec.nodeName serviceAccountName, status.hostIP hostIPs
   podIP podIPs. `pod_ips` are in the node's family order, and the host's own for pods on the
   host's network; lists are joined with ",", maps are lines key="value" sorted by key, without a
   newline at the end. What is not there reads "".
   Returns 0 and a text borrowed from `tree` or `pod` in *out, or -1 with FAULT_INVALID
   "field label not supported: PATH" and the like. */
int downward_field (const pod_t *pod, const node_facts_t *facts, text_list_t pod_ips,
                    const char *field_path, tree_t *tree, const char **out, fault_t *fault);

/* The value of limits.R or requests.R with R cpu, memory, ephemeral-storage or hugepages-*, in
   units of the divisor (1 when unset), rounded up. `container` is the one that asks, the
   reference may name another regular or init container. Limits of cpu, memory and
   ephemeral-storage that are missing read as the node's allocatable.
   Returns 0 and a text borrowed from `tree`, or -1 with FAULT_INVALID
   "unsupported container resource : R" or "container C not found". */
int
downward_resource (const pod_t *pod, const node_facts_t *facts, const container_t *container,
                   const resource_field_ref_t *ref, tree_t *tree, const char **out, fault_t *fault);
