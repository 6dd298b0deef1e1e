/* pod_plan_init.c - init containers and sidecars (reference/pod-lifecycle.md 6.4).

   The walk goes from the last one to the first: completed ones may have been removed from the
   runtime, so the last one with a status tells how far the pod has come. */
#include "cubelet/restart_policy.h"
#include "pod_plan_internal.h"
#include <string.h>

typedef struct {
    planner_t *plan;
    bool *is_to_start;    // by index
    bool is_initialized;  // the pod: nothing regular has to wait
    bool is_before_found; // a later one has been there, so those before it are through
} walk_t;

static bool
is_sidecar (const container_t *container)
{
    return container->kind == CONTAINER_SIDECAR;
}

/* One that was stopped in an unknown state did not end well either. */
static bool
has_failed (const container_seen_t *instance)
{
    return instance->exit_code != 0 || instance->state == SEEN_UNKNOWN
           || strcmp (instance->reason, "OOMKilled") == 0;
}

/* A regular container in state created or running in this sandbox; exited ones may be from before
   a reboot. */
static bool
was_initialized (const planner_t *plan)
{
    const container_list_t *containers = &plan->pod->spec.containers;
    for (size_t i = 0; i < containers->count; i++) {
        const container_seen_t *newest = plan_newest (plan, &containers->items[i]);
        bool is_there = newest && (newest->state == SEEN_CREATED || newest->state == SEEN_RUNNING);
        if (is_there && plan_is_in_sandbox (plan, newest))
            return true;
        if (plan_is_starting (plan, containers->items[i].name))
            return true;
    }
    return false;
}

/* The one behind `index` may start, or the regular ones when it is the last. */
static void
is_through (walk_t *walk, size_t index)
{
    if (index + 1 == walk->plan->pod->spec.init_containers.count)
        walk->is_initialized = true;
    else if (!walk->is_before_found)
        walk->is_to_start[index + 1] = true;
}

static void
kill_and_restart (walk_t *walk, size_t index, const container_seen_t *instance,
                  kill_reason_t reason, const char *message)
{
    plan_kill (
        walk->plan,
        (kill_t){ .instance = instance, .message = message, .reason = reason, .is_restart = true });
    walk->is_to_start[index] = true;
}

static void
kill_sidecar_if_due (walk_t *walk, size_t index, const container_t *container,
                     const container_seen_t *instance)
{
    static const struct {
        local_probe_t probe;
        kill_reason_t reason;
        const char *what;
    } PROBES[] = {
        { LOCAL_STARTUP, KILL_STARTUP, "failed startup probe" },
        { LOCAL_LIVENESS, KILL_LIVENESS, "failed liveness probe" },
    };
    planner_t *plan = walk->plan;
    const instance_local_t *known = plan_instance (plan, instance->id);
    if (known->is_killing) {
        kill_and_restart (walk, index, instance, KILL_OTHER, NULL);
        return;
    }
    if (known->post_start_failed) {
        kill_and_restart (walk, index, instance, KILL_OTHER, "FailedPostStartHook");
        return;
    }
    if (!plan_is_same_definition (container, instance)) {
        kill_and_restart (
            walk, index, instance, KILL_OTHER,
            plan_text (plan, "Init container %s definition changed", container->name));
        return;
    }
    for (size_t i = 0; i < COUNT_OF (PROBES); i++) {
        if (known->probes[PROBES[i].probe] != RESULT_FAILURE)
            continue;
        kill_and_restart (
            walk, index, instance, PROBES[i].reason,
            plan_text (plan, "Init container %s %s", container->name, PROBES[i].what));
        return;
    }
    if (known->needs_restart)
        kill_and_restart (
            walk, index, instance, KILL_OTHER,
            plan_text (plan, "Init container %s resize requires restart", container->name));
}

static void
visit_running (walk_t *walk, size_t index, const container_t *container,
               const container_seen_t *instance)
{
    if (!is_sidecar (container))
        return; // wait
    const instance_local_t *known = plan_instance (walk->plan, instance->id);
    bool is_started = !container->startup_probe || known->probes[LOCAL_STARTUP] == RESULT_SUCCESS;
    kill_sidecar_if_due (walk, index, container, instance);
    // One that fails its liveness probe has started all the same: the next ones do not wait.
    if (is_started && !known->post_start_failed)
        is_through (walk, index);
}

/* Returns false when the pod has failed for good. */
static bool
restart_or_fail (walk_t *walk, size_t index, const container_t *container)
{
    planner_t *plan = walk->plan;
    if (!restarts_on_failure (plan->pod, container)
        && !plan_should_start (plan, container, plan_newest (plan, container))) {
        plan->is_pod_kill = true;
        return false;
    }
    walk->is_to_start[index] = true;
    return true;
}

static bool
visit_unknown (walk_t *walk, size_t index, const container_t *container,
               const container_seen_t *instance)
{
    if (!is_sidecar (container) && !restarts_on_failure (walk->plan->pod, container)) {
        walk->plan->is_pod_kill = true;
        return false;
    }
    kill_and_restart (walk, index, instance, KILL_OTHER,
                      "Init container is in \"unknown\" state, try killing it before restart");
    return true;
}

/* One that has a status. Returns false when the pod has failed for good. */
static bool
visit (walk_t *walk, size_t index, const container_t *container, const container_seen_t *instance)
{
    switch (plan_state (walk->plan, instance)) {
    case SEEN_CREATED: // the runtime did not start it
        walk->is_to_start[index] = true;
        return true;
    case SEEN_RUNNING: visit_running (walk, index, container, instance); return true;
    case SEEN_UNKNOWN: return visit_unknown (walk, index, container, instance);
    case SEEN_EXITED: break;
    }
    const instance_local_t *known = plan_instance (walk->plan, instance->id);
    if (is_sidecar (container) || (known->is_killing && known->is_restart))
        walk->is_to_start[index] = true;
    else if (has_failed (instance))
        return restart_or_fail (walk, index, container);
    else
        is_through (walk, index);
    return true;
}

/* Returns false when the pod has failed for good. */
static bool
walk_back (walk_t *walk)
{
    const container_list_t *containers = &walk->plan->pod->spec.init_containers;
    for (size_t i = containers->count; i-- > 0;) {
        const container_t *container = &containers->items[i];
        const container_seen_t *instance = plan_newest (walk->plan, container);
        if (plan_is_starting (walk->plan, container->name))
            walk->is_before_found = true; // wait for it
        else if (!instance)
            walk->is_to_start[i] |= walk->is_before_found && is_sidecar (container);
        else if (!walk->is_before_found || is_sidecar (container)) {
            if (!visit (walk, i, container, instance))
                return false;
            walk->is_before_found = true;
        }
    }
    if (!walk->is_before_found)
        walk->is_to_start[0] = true; // none has been there
    return true;
}

bool
plan_init (planner_t *self)
{
    const container_list_t *containers = &self->pod->spec.init_containers;
    if (containers->count == 0)
        return true;
    bool is_initialized = was_initialized (self);
    walk_t walk = { .plan = self,
                    .is_to_start = memory_new (containers->count, sizeof (bool)),
                    .is_initialized = is_initialized,
                    .is_before_found = is_initialized };
    if (!walk_back (&walk))
        walk.is_initialized = false;
    else
        for (size_t i = 0; i < containers->count; i++)
            if (walk.is_to_start[i])
                plan_start (self, &containers->items[i]);
    free (walk.is_to_start);
    return walk.is_initialized;
}
