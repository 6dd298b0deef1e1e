/* pod_admission.c - the order of the checks, and those that are short. */
#include "cubelet/pod_admission.h"
#include "cubelet/memory.h"
#include "cubelet/sysctls.h"
#include "cubelet/taints.h"
#include "pod_admission_internal.h"
#include <string.h>

#define OS_LABEL "kubernetes.io/os"
#define OS_NAME "linux"
#define APP_ARMOR_ANNOTATION "container.apparmor.security.beta.kubernetes.io/"

bool
admission_refuse (admission_check_t *self, const char *reason, const char *message)
{
    tree_t *tree = self->tree;
    self->out->reason = tree_text (tree, reason, strlen (reason));
    self->out->message = tree_text (tree, message, strlen (message));
    return false;
}

// ---- pressure ----

static bool
tolerates_memory_pressure (const pod_t *pod, tree_t *tree)
{
    node_t taint = node_map();
    node_set_text (tree, &taint, "key", "node.kubernetes.io/memory-pressure");
    node_set_text (tree, &taint, "effect", "NoSchedule");
    return taint_is_tolerated (&taint, pod->spec.tolerations);
}

static bool
check_pressure (admission_check_t *self)
{
    const admission_node_t *node = self->node;
    const struct {
        bool is_on;
        const char *name;
    } CONDITIONS[] = { { node->memory_pressure, "MemoryPressure" },
                       { node->disk_pressure, "DiskPressure" },
                       { node->pid_pressure, "PIDPressure" } };
    OWNED (free_text) char *list = NULL;
    for (size_t i = 0; i < COUNT_OF (CONDITIONS); i++)
        if (CONDITIONS[i].is_on)
            text_replace (&list, "%s%s%s", list ? list : "", list ? " " : "", CONDITIONS[i].name);
    if (!list || self->demand->is_critical)
        return true;
    bool is_memory_only = !node->disk_pressure && !node->pid_pressure;
    if (is_memory_only
        && (strcmp (self->demand->qos, "BestEffort") != 0
            || tolerates_memory_pressure (self->pod, self->tree)))
        return true;
    OWNED (free_text) char *message = text_format ("The node had condition: [%s]. ", list);
    return admission_refuse (self, "Evicted", message);
}

// ---- what the node is and can ----

static bool
check_sysctls (admission_check_t *self)
{
    fault_t fault = { 0 };
    if (sysctls_admit (self->pod, self->node->facts, &fault) == 0)
        return true;
    return admission_refuse (self, "SysctlForbidden", fault.text);
}

static bool
check_os (admission_check_t *self)
{
    const pod_t *pod = self->pod;
    const char *label = node_get_text (pod->metadata.labels, OS_LABEL, OS_NAME);
    if (strcmp (label, OS_NAME) != 0)
        return admission_refuse (self, "PodOSSelectorNodeLabelDoesNotMatch",
                                 "Failed to admit pod as the `kubernetes.io/os` label doesn't "
                                 "match node label");
    if (pod->spec.os_name && strcmp (pod->spec.os_name, OS_NAME) != 0)
        return admission_refuse (self, "PodOSNotSupported",
                                 "Failed to admit pod as the OS field doesn't match node OS");
    return true;
}

static bool
check_supplemental_groups (admission_check_t *self)
{
    const char *policy = self->pod->spec.security_context.supplemental_groups_policy;
    const node_t *features = node_at (self->node->node, "status", "features", NULL);
    if (!policy || strcmp (policy, "Strict") != 0
        || node_get_bool (features, "supplementalGroupsPolicy", false))
        return true;
    return admission_refuse (self, "SupplementalGroupsPolicyNotSupported",
                             "SupplementalGroupsPolicy=Strict is not supported in this node");
}

// ---- AppArmor ----

static bool
is_profile (const security_profile_t *profile)
{
    return profile && profile->type && strcmp (profile->type, "Unconfined") != 0;
}

static bool
wants_app_armor (const pod_t *pod)
{
    const node_t *annotations = pod->metadata.annotations;
    if (is_profile (pod->spec.security_context.app_armor_profile))
        return true;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++)
        if (is_profile (pod_container_at (pod, i)->security_context.app_armor_profile))
            return true;
    for (size_t i = 0; i < node_count (annotations); i++)
        if (strncmp (node_key_at (annotations, i), APP_ARMOR_ANNOTATION,
                     strlen (APP_ARMOR_ANNOTATION))
                == 0
            && strcmp (node_as_text (node_value_at (annotations, i), ""), "unconfined") != 0)
            return true;
    return false;
}

/* A pod that has run once is not looked at again. */
static bool
check_app_armor (admission_check_t *self)
{
    const char *phase =
        node_as_text (node_at (self->pod->node, "status", "phase", NULL), "Pending");
    if (self->node->has_app_armor || strcmp (phase, "Pending") != 0 || !wants_app_armor (self->pod))
        return true;
    return admission_refuse (self, "AppArmor",
                             "Cannot enforce AppArmor: AppArmor is not enabled on the host");
}

static bool
check_shutdown (admission_check_t *self)
{
    return !self->node->is_shutting_down
           || admission_refuse (self, "NodeShutdown",
                                "Pod was rejected as the node is shutting down.");
}

// ---- the order ----

static bool (*const CHECKS[]) (admission_check_t *) = {
    check_pressure,      check_sysctls,   check_os,       check_supplemental_groups,
    admission_check_fit, check_app_armor, check_shutdown,
};

void
pod_admit (const pod_t *pod, const pod_demand_t *demand, const pod_demand_t *const *others,
           size_t count, const admission_node_t *node, tree_t *tree, admission_t *out)
{
    *out = (admission_t){ 0 };
    admission_check_t self = { pod, demand, others, count, node, tree, out };
    for (size_t i = 0; i < COUNT_OF (CHECKS); i++)
        if (!CHECKS[i](&self))
            break;
    if (out->reason)
        out->victims.count = 0;
}
