#include "cubelet/pod_sync_span.h"
#include "cubelet/clock.h"
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
