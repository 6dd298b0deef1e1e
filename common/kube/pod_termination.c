#include "cubelet/pod_termination.h"
#include "cubelet/clock.h"
#include "cubelet/pod_status.h"
#include <string.h>

#define POD_GRACE_MIN_S 1

bool
pod_is_terminating (const pod_t *pod, const pod_local_t *local, const node_t *status)
{
    return pod->metadata.deletion_time != 0 || local->is_asked_to_stop || local->is_terminating
           || pod_status_is_terminal (status)
           || pod_status_is_terminal (node_get (pod->node, "status"));
}

int64_t
pod_termination_grace (const pod_t *pod, opt_int_t asked)
{
    opt_int_t grace = pod->metadata.deletion_grace_s;
    if (asked.set && (!grace.set || asked.value < grace.value))
        grace = asked;
    if (!grace.set)
        grace = pod->spec.termination_grace_s;
    return grace.set && grace.value > POD_GRACE_MIN_S ? grace.value : POD_GRACE_MIN_S;
}

/* The probe's own grace period, when the kill is that probe's doing and it has one. */
static opt_int_t
probe_grace (const container_t *container, kill_reason_t reason)
{
    const probe_t *probe = NULL;
    if (container && reason == KILL_LIVENESS)
        probe = container->liveness_probe;
    else if (container && reason == KILL_STARTUP)
        probe = container->startup_probe;
    return probe ? probe->termination_grace_s : (opt_int_t){ 0 };
}

int64_t
container_termination_grace (const pod_t *pod, const container_t *container, kill_reason_t reason,
                             opt_int_t override)
{
    opt_int_t of_probe = probe_grace (container, reason);
    if (override.set)
        return override.value;
    if (pod->metadata.deletion_grace_s.set)
        return pod->metadata.deletion_grace_s.value;
    if (!pod->spec.termination_grace_s.set)
        return TERMINATION_GRACE_MIN_S;
    return of_probe.set ? of_probe.value : pod->spec.termination_grace_s.value;
}

static bool
is_running (const pod_seen_t *seen, const container_t *container)
{
    const container_seen_t *newest = pod_seen_newest (seen, container->name, 0);
    return newest && newest->state == SEEN_RUNNING;
}

bool
container_termination_has_turn (const pod_t *pod, const container_t *container,
                                const pod_seen_t *seen)
{
    if (!container || container->kind != CONTAINER_SIDECAR)
        return true;
    for (size_t i = 0; i < pod->spec.containers.count; i++)
        if (is_running (seen, &pod->spec.containers.items[i]))
            return false;
    for (size_t i = pod->spec.init_containers.count; i-- > 0;) {
        const container_t *later = &pod->spec.init_containers.items[i];
        if (strcmp (later->name, container->name) == 0)
            return true;
        if (later->kind == CONTAINER_SIDECAR && is_running (seen, later))
            return false;
    }
    return true;
}

int64_t
pod_deadline (const pod_t *pod, int64_t started_at)
{
    if (!pod->spec.active_deadline_s.set || !started_at)
        return 0;
    int64_t deadline;
    if (__builtin_mul_overflow (pod->spec.active_deadline_s.value, NS_PER_S, &deadline)
        || __builtin_add_overflow (deadline, started_at, &deadline))
        return 0; // never comes
    return deadline;
}
