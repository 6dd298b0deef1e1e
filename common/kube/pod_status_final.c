/* pod_status_final.c - the last word on a pod, and what is not said before it
   (reference/pod-lifecycle.md 9). */
#include "pod_status_internal.h"
#include <string.h>

// ---- finalising ----

/* True when the status shows that the container was started once. */
static bool
has_been_started (const node_t *status)
{
    return !state_is (node_get (status, "state"), "waiting")
           || state_is (node_get (status, "lastState"), "terminated");
}

/* The last init container is through: ended well, or a started sidecar. */
static bool
is_init_done (const pod_t *pod, const node_t *status)
{
    const container_t *last = &pod->spec.init_containers.items[pod->spec.init_containers.count - 1];
    const node_t *list = node_get (status, "initContainerStatuses");
    const node_t *shown = node_count (list) ? node_item (list, node_count (list) - 1) : NULL;
    const node_t *state = node_get (shown, "state");
    if (last->kind == CONTAINER_SIDECAR)
        return state_is (state, "running") && node_get_bool (shown, "started", false);
    const node_t *end = state_is (state, "terminated");
    return end && node_get_int (end, "exitCode", -1) == 0;
}

/* False when there is evidence that no regular container was ever started. */
static bool
is_initialized (const pod_t *pod, const node_t *status)
{
    if (pod->spec.init_containers.count == 0)
        return true;
    const node_t *list = node_get (status, "containerStatuses");
    NODE_EACH (list, container)
    if (has_been_started (container))
        return true;
    return is_init_done (pod, status);
}

/* The init containers before the waiting ones at the end; at least the first. */
static size_t
count_started_init (const node_t *list)
{
    for (size_t i = node_count (list); i-- > 0;)
        if (has_been_started (node_item (list, i)))
            return i + 1;
    return node_count (list) ? 1 : 0;
}

static void
end_containers (tree_t *tree, node_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        node_t *container = &list->via.array.ptr[i];
        if (!state_is (node_get (container, "state"), "terminated"))
            node_set (tree, container, "state", status_unknown_end (tree, MESSAGE_LOST_AT_END));
    }
}

void
status_finish (const pod_t *pod, tree_t *tree, node_t *status)
{
    node_t *regular = node_get_mutable (status, "containerStatuses");
    node_t *init = node_get_mutable (status, "initContainerStatuses");
    if (node_is_array (regular) && is_initialized (pod, status))
        end_containers (tree, regular, node_count (regular));
    if (node_is_array (init))
        end_containers (tree, init, count_started_init (init));
    if (!pod_is_static (pod) && !pod_status_is_terminal (status))
        node_set_text (tree, status, "phase", "Failed");
}

// ---- withholding ----

static void
put_back (tree_t *tree, node_t *status, const node_t *api_status, const char *key)
{
    const node_t *value = node_get (api_status, key);
    if (value)
        node_set (tree, status, key, node_copy (tree, value));
    else
        node_remove (status, key);
}

/* A new DisruptionTarget is as much an announcement of the end as the phase. */
static void
drop_new_disruption (node_t *status, const node_t *api_status)
{
    node_t *list = node_get_mutable (status, "conditions");
    NODE_EACH (node_get (api_status, "conditions"), condition)
    if (strcmp (node_get_text (condition, "type", ""), "DisruptionTarget") == 0)
        return;
    for (size_t i = 0; i < node_count (list); i++) {
        if (strcmp (node_get_text (node_item (list, i), "type", ""), "DisruptionTarget") != 0)
            continue;
        list->via.array.size--;
        memmove (&list->via.array.ptr[i], &list->via.array.ptr[i + 1],
                 (list->via.array.size - i) * sizeof *list->via.array.ptr);
        return;
    }
}

tree_t *
pod_status_withheld (const node_t *status, const node_t *api_status, bool is_running)
{
    static const char *const ANNOUNCEMENTS[] = { "phase", "reason", "message" };
    tree_t *tree = tree_copy (status);
    bool is_end = pod_status_is_terminal (status) && !pod_status_is_terminal (api_status);
    if (!is_end || !is_running || !node_is_map (status))
        return tree;
    for (size_t i = 0; i < COUNT_OF (ANNOUNCEMENTS); i++)
        put_back (tree, tree_root (tree), api_status, ANNOUNCEMENTS[i]);
    drop_new_disruption (tree_root (tree), api_status);
    return tree;
}
