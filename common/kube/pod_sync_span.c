#include "cubelet/pod_sync_span.h"

static bool
is_starting (const pod_local_t *local, const char *name)
{
    const container_local_t *known = pod_local_container (local, name);
    return known && known->step != STEP_IDLE;
}

/* A restart that has stopped the old instance, or is stopping it. */
static bool
is_restarting (const pod_seen_t *seen, const pod_local_t *local, const char *name)
{
    const container_seen_t *newest = pod_seen_newest (seen, name, 0);
    const instance_local_t *known = newest ? pod_local_instance (local, newest->id) : NULL;
    return known && known->is_killing && known->is_restart;
}

bool
pod_sync_is_open (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local)
{
    if (local->is_creating_sandbox)
        return true;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const char *name = pod_container_at (pod, i)->name;
        const container_local_t *known = pod_local_container (local, name);
        bool has_failed = known && known->failure_reason;
        if (is_starting (local, name)
            || (!local->is_terminating && !has_failed && is_restarting (seen, local, name)))
            return true;
    }
    return false;
}
