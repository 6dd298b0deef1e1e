/* pod_admission_internal.h - what the files pod_admission*.c share. */
#pragma once
#include "cubelet/pod_admission.h"

/* One admission under way. */
typedef struct {
    const pod_t *pod;
    const pod_demand_t *demand;
    const pod_demand_t *const *others;
    size_t other_count;
    const admission_node_t *node;
    tree_t *tree;
    admission_t *out;
} admission_check_t;

/* Notes the refusal; always false, so that checks write `return admission_refuse (...)`. */
bool admission_refuse (admission_check_t *self, const char *reason, const char *message);

/* Resources, affinity, name, ports, taints; true when the pod fits, perhaps after preemption. */
bool admission_check_fit (admission_check_t *self);
