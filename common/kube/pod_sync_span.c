#include "cubelet/pod_sync_span.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <string.h>

static bool
is_starting (const pod_local_t *local, const char *name)
{
    const container_local_t *known = pod_local_container (local, name);
    return known && known->step != STEP_IDLE;
}

static const instance_local_t *
newest_instance (const pod_seen_t *seen, const pod_local_t *local, const char *name)
{
    const container_seen_t *newest = pod_seen_newest (seen, name, 0);
    return newest ? pod_local_instance (local, newest->id) : NULL;
}

/* A restart that has stopped the old instance, or is stopping it. */
static bool
is_restarting (const pod_seen_t *seen, const pod_local_t *local, const char *name)
{
    const container_local_t *known = pod_local_container (local, name);
    const instance_local_t *instance = newest_instance (seen, local, name);
    bool has_failed = known && (known->failure_reason || known->held_reason);
    return instance && instance->is_killing && instance->is_restart && !has_failed
           && !local->is_terminating;
}

/* Its postStart hook failed, and it is not killed yet: it was never Running to anybody. */
static bool
has_failed_hook (const pod_seen_t *seen, const pod_local_t *local, const char *name)
{
    const container_seen_t *newest = pod_seen_newest (seen, name, 0);
    const instance_local_t *known = newest ? pod_local_instance (local, newest->id) : NULL;
    return known && known->post_start_failed && newest->state == SEEN_RUNNING;
}

/* The sandbox goes in the same sync as the containers. */
static bool
is_in_pod_kill (const pod_seen_t *seen, const pod_local_t *local, const char *name)
{
    const instance_local_t *instance = newest_instance (seen, local, name);
    const sandbox_seen_t *sandbox = pod_seen_ready_sandbox (seen);
    const sandbox_local_t *known = sandbox ? pod_local_sandbox (local, sandbox->id) : NULL;
    return instance && instance->is_killing && instance->is_pod_kill && sandbox
           && !(known && known->retry_at);
}

bool
pod_sync_is_open (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local)
{
    if (local->is_creating_sandbox)
        return true;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const char *name = pod_container_at (pod, i)->name;
        if (is_starting (local, name) || is_restarting (seen, local, name)
            || has_failed_hook (seen, local, name) || is_in_pod_kill (seen, local, name))
            return true;
    }
    return false;
}

static bool
may_end_soon (const pod_t *pod, const container_t *container, const container_seen_t *run)
{
    bool is_forever = !pod->spec.restart_policy || strcmp (pod->spec.restart_policy, "Always") == 0;
    return run->restart_count > 0 || container->kind == CONTAINER_INIT
           || (!is_forever && container->kind == CONTAINER_REGULAR);
}

int64_t
pod_sync_settles_at (const pod_t *pod, const pod_seen_t *seen, int64_t now)
{
    int64_t latest = 0;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const container_t *container = pod_container_at (pod, i);
        const container_seen_t *newest = pod_seen_newest (seen, container->name, 0);
        if (!newest || newest->state != SEEN_RUNNING || !may_end_soon (pod, container, newest))
            continue;
        int64_t at = newest->started_at + RUN_SETTLES_MS * NS_PER_MS;
        // A clock that was set back must not hold a status for longer than that.
        if (at > now && at - now <= RUN_SETTLES_MS * NS_PER_MS && at > latest)
            latest = at;
    }
    return latest;
}

// ---- what shows within a sync ----

static const char *const LISTS[] = { "containerStatuses", "initContainerStatuses" };

/* The status in `list` of the running container that `status` is of, or NULL. */
static const node_t *
same_container (const node_t *list, const node_t *status)
{
    const char *id = node_get_text (status, "containerID", "");
    NODE_EACH (list, other)
    if (id[0] && strcmp (node_get_text (other, "containerID", ""), id) == 0)
        return node_at (other, "state", "running", NULL) ? other : NULL;
    return NULL;
}

/* Gives a container what its probes say; true when that is news. */
static bool
take_readiness (tree_t *tree, node_t *status, const node_t *current)
{
    static const char *const FIELDS[] = { "ready", "started" };
    bool is_news = false;
    for (size_t i = 0; current && i < COUNT_OF (FIELDS); i++) {
        bool value = node_get_bool (current, FIELDS[i], false);
        if (value == node_get_bool (status, FIELDS[i], false))
            continue;
        node_set_bool (tree, status, FIELDS[i], value);
        is_news = true;
    }
    return is_news;
}

static bool
is_of_readiness (const node_t *condition)
{
    const char *type = node_get_text (condition, "type", "");
    return strcmp (type, "Ready") == 0 || strcmp (type, "ContainersReady") == 0;
}

/* Replaces the conditions that follow from the containers; false when they say too much. */
static bool
take_conditions (tree_t *tree, node_t *conditions, const node_t *current, bool is_all_ready)
{
    for (size_t i = 0; node_is_array (conditions) && i < node_count (conditions); i++) {
        node_t *condition = &conditions->via.array.ptr[i];
        if (!is_of_readiness (condition))
            continue;
        NODE_EACH (current, other)
        if (strcmp (node_get_text (other, "type", ""), node_get_text (condition, "type", ""))
            == 0) {
            if (!is_all_ready && strcmp (node_get_text (other, "status", ""), "True") == 0)
                return false;
            *condition = node_copy (tree, other);
            break;
        }
    }
    return true;
}

tree_t *
pod_sync_readiness (const node_t *shown, const node_t *current)
{
    OWNED (tree_destroy) tree_t *tree = tree_copy (shown);
    bool is_news = false, is_all_ready = true;
    for (size_t i = 0; i < COUNT_OF (LISTS); i++) {
        node_t *list = node_get_mutable (tree_root (tree), LISTS[i]);
        for (size_t j = 0; node_is_array (list) && j < node_count (list); j++) {
            node_t *status = &list->via.array.ptr[j];
            const node_t *now = same_container (node_get (current, LISTS[i]), status);
            is_news = take_readiness (tree, status, now) || is_news;
            is_all_ready = is_all_ready && (i > 0 || node_get_bool (status, "ready", false));
        }
    }
    if (!is_news
        || !take_conditions (tree, node_get_mutable (tree_root (tree), "conditions"),
                             node_get (current, "conditions"), is_all_ready))
        return NULL;
    return STEAL (tree);
}
