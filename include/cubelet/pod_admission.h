/* pod_admission.h - whether the node takes a pod, and with which words it refuses.
   Source: reference/pod-lifecycle.md 4; recording resources-too-big. */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod_demand.h"
#include "cubelet/pod_preemption.h"

typedef struct {
    const node_t *node;        // the Node: labels, taints, status.allocatable, status.features
    const node_facts_t *facts; // the kernel's version and allowed_unsafe_sysctls
    bool memory_pressure, disk_pressure, pid_pressure;
    bool has_app_armor; // the kernel enforces AppArmor profiles
    bool is_shutting_down;
} admission_node_t;

typedef struct {
    const char *reason;   // "OutOfcpu"; NULL: admitted
    const char *message;  // without "Pod was rejected: "
    pod_choice_t victims; // admitted, when these of the others are stopped first
    const char *lacking;  // for want of this resource ("cpu")
} admission_t;

/* Decides. `demand` is the pod's own, `others` are the demands of the other active pods of the
   node. The first handler that refuses gives the reason, in this order: pressure, sysctls,
   operating system, supplementalGroupsPolicy, resources ("pods" first, then cpu, memory,
   ephemeral-storage, the rest), node affinity and selector, node name, host ports, NoExecute
   taints (not for static pods), AppArmor, shutdown of the node. Extended resources that the node
   does not know are left out. A critical pod that lacks nothing but resources preempts
   (pod_preemption.h). Texts and lists are in `tree`. */
void pod_admit (const pod_t *pod, const pod_demand_t *demand, const pod_demand_t *const *others,
                size_t count, const admission_node_t *node, tree_t *tree, admission_t *out);
