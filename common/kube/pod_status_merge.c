#include "cubelet/pod_status_merge.h"
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "cubelet/pod_status.h"
#include "cubelet/strategic_patch.h"
#include <string.h>

#define DISRUPTION_TARGET "DisruptionTarget"

bool
pod_condition_is_owned (const char *type)
{
    static const char *const TYPES[] = {
        "PodScheduled",        "Ready",
        "Initialized",         "ContainersReady",
        "PodResizePending",    "PodReadyToStartContainers",
        "PodResizeInProgress",
    };
    for (size_t i = 0; i < COUNT_OF (TYPES); i++)
        if (strcmp (type, TYPES[i]) == 0)
            return true;
    return false;
}

static const char *
type_of (const node_t *condition)
{
    return node_get_text (condition, "type", "");
}

static const char *
status_of (const node_t *condition)
{
    return node_get_text (condition, "status", "");
}

static const node_t *
find_condition (const node_t *status, const char *type)
{
    NODE_EACH (node_get (status, "conditions"), condition)
    if (strcmp (type_of (condition), type) == 0)
        return condition;
    return NULL;
}

// ---- carrying over ----

tree_t *
pod_status_carry (const node_t *status, const node_t *previous)
{
    tree_t *tree = tree_copy (status);
    node_t *root = tree_root (tree);
    const node_t *start = node_get (previous, "startTime");
    if (!node_is_map (root) || !node_is_map (previous))
        return tree;
    if (start)
        node_set (tree, root, "startTime", node_copy (tree, start));
    node_t *list = node_get_mutable (root, "conditions");
    for (size_t i = 0; node_is_array (list) && i < node_count (list); i++) {
        node_t *condition = &list->via.array.ptr[i];
        const node_t *old = find_condition (previous, type_of (condition));
        const node_t *time = node_get (old, "lastTransitionTime");
        if (time && pod_condition_is_owned (type_of (condition))
            && strcmp (status_of (old), status_of (condition)) == 0)
            node_set (tree, condition, "lastTransitionTime", node_copy (tree, time));
    }
    return tree;
}

// ---- transitions ----

static const node_t *
find_named (const node_t *list, const char *name)
{
    NODE_EACH (list, item)
    if (strcmp (node_get_text (item, "name", ""), name) == 0)
        return item;
    return NULL;
}

static int
check_list (const node_t *old_list, const node_t *new_list, const node_t *sidecars, bool may_fail,
            fault_t *fault)
{
    NODE_EACH (old_list, old)
    {
        const char *name = node_get_text (old, "name", "");
        const node_t *end = node_at (old, "state", "terminated", NULL);
        const node_t *spec = find_named (sidecars, name);
        if (!end || strcmp (node_get_text (spec, "restartPolicy", ""), "Always") == 0
            || (may_fail && node_get_int (end, "exitCode", 0) != 0))
            continue;
        const node_t *new = find_named (new_list, name);
        if (new && !node_at (new, "state", "terminated", NULL))
            return fault_set (fault, FAULT_PRECONDITION,
                              "terminated container %s attempted illegal transition to "
                              "non-terminated state",
                              name);
    }
    return 0;
}

int
pod_status_check_transition (const node_t *spec, const node_t *old, const node_t *new,
                             fault_t *fault)
{
    const char *policy = node_get_text (spec, "restartPolicy", "Always");
    if (strcmp (policy, "Always") == 0)
        return 0;
    bool may_fail = strcmp (policy, "OnFailure") == 0;
    if (check_list (node_get (old, "containerStatuses"), node_get (new, "containerStatuses"), NULL,
                    may_fail, fault)
        < 0)
        return -1;
    return check_list (node_get (old, "initContainerStatuses"),
                       node_get (new, "initContainerStatuses"), node_get (spec, "initContainers"),
                       may_fail, fault);
}

// ---- merging ----

/* The fields of PodStatus that the kubelet writes; whatever else the API server has stays. */
static bool
is_own_field (const char *field)
{
    static const char *const FIELDS[] = {
        "phase",
        "conditions",
        "message",
        "reason",
        "hostIP",
        "hostIPs",
        "podIP",
        "podIPs",
        "startTime",
        "initContainerStatuses",
        "qosClass",
        "containerStatuses",
        "resize",
        "ephemeralContainerStatuses",
        "observedGeneration",
    };
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++)
        if (strcmp (field, FIELDS[i]) == 0)
            return true;
    return false;
}

static void
keep_foreign_fields (tree_t *tree, node_t *status, const node_t *api_status)
{
    for (size_t i = 0; node_is_map (api_status) && i < node_count (api_status); i++) {
        const char *field = node_key_at (api_status, i);
        if (!is_own_field (field))
            node_set (tree, status, field, node_copy (tree, node_value_at (api_status, i)));
    }
}

/* First those of others as the API server has them, then ours. A DisruptionTarget of ours counts
   only when it comes with the end of the pod; one that is there already stays. */
static void
merge_conditions (tree_t *tree, node_t *status, const node_t *api_status, bool is_ending)
{
    const node_t *ours = node_get (status, "conditions");
    const node_t *disruption = is_ending ? find_condition (status, DISRUPTION_TARGET) : NULL;
    node_t list = node_array();
    NODE_EACH (node_get (api_status, "conditions"), condition)
    {
        bool is_replaced = disruption && strcmp (type_of (condition), DISRUPTION_TARGET) == 0;
        if (!pod_condition_is_owned (type_of (condition)) && !is_replaced)
            node_append (tree, &list, node_copy (tree, condition));
    }
    if (disruption)
        node_append (tree, &list, node_copy (tree, disruption));
    NODE_EACH (ours, condition)
    if (pod_condition_is_owned (type_of (condition)))
        node_append (tree, &list, node_copy (tree, condition));
    node_set (tree, status, "conditions", list);
}

/* A pod that has ended is not ready, even if that is not known to its probes yet. */
static void
forbid_ready (tree_t *tree, node_t *status, int64_t now)
{
    static const char *const TYPES[] = { "Ready", "ContainersReady" };
    bool has_failed = strcmp (node_get_text (status, "phase", ""), "Failed") == 0;
    node_t *list = node_get_mutable (status, "conditions");
    for (size_t i = 0; i < node_count (list); i++) {
        node_t *condition = &list->via.array.ptr[i];
        char time[TIME_TEXT_MAX];
        bool is_meant = strcmp (type_of (condition), TYPES[0]) == 0
                        || strcmp (type_of (condition), TYPES[1]) == 0;
        if (!is_meant || strcmp (status_of (condition), "True") != 0)
            continue;
        node_set_text (tree, condition, "status", "False");
        node_set_text (tree, condition, "reason", has_failed ? "PodFailed" : "PodCompleted");
        node_set_text (tree, condition, "lastTransitionTime", time_text (now, time));
    }
}

tree_t *
pod_status_merge (const node_t *status, const node_t *api_status, bool is_running, int64_t now)
{
    tree_t *tree = pod_status_withheld (status, api_status, is_running);
    node_t *root = tree_root (tree);
    if (!node_is_map (root))
        *root = node_map();
    bool is_ending = pod_status_is_terminal (root) && !pod_status_is_terminal (api_status);
    merge_conditions (tree, root, api_status, is_ending);
    keep_foreign_fields (tree, root, api_status);
    int64_t seen = node_get_int (api_status, "observedGeneration", 0);
    if (seen > node_get_int (root, "observedGeneration", 0))
        node_set_int (tree, root, "observedGeneration", seen);
    if (pod_status_is_terminal (root))
        forbid_ready (tree, root, now);
    return tree;
}

node_t
pod_status_patch (tree_t *tree, const char *uid, const node_t *api_status, const node_t *merged,
                  bool *is_empty_p)
{
    node_t change = strategic_patch (tree, api_status, merged, POD_STATUS_LISTS);
    node_t metadata = node_map();
    node_set_text (tree, &metadata, "uid", uid);
    node_t patch = node_map();
    node_set (tree, &patch, "metadata", metadata);
    *is_empty_p = node_count (&change) == 0;
    if (!*is_empty_p)
        node_set (tree, &patch, "status", change);
    return patch;
}
