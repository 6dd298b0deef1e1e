/* pod_plan_regular.c - regular and ephemeral containers (reference/pod-lifecycle.md 6.3, 6.5). */
#include "cubelet/container_hash.h"
#include "cubelet/restart_policy.h"
#include "pod_plan_internal.h"
#include <string.h>

bool
plan_should_start (const planner_t *self, const container_t *container,
                   const container_seen_t *newest)
{
    if (!newest || newest->state != SEEN_EXITED)
        return true; // never started, or it is not known how far it came
    const instance_local_t *known = plan_instance (self, newest->id);
    bool is_promised = known->is_killing && known->is_restart;
    return is_promised || restarts_after_exit (self->pod, container, newest->exit_code);
}

bool
plan_is_same_definition (const container_t *container, const container_seen_t *instance)
{
    char hash[CONTAINER_HASH_TEXT_MAX];
    return strcmp (instance->hash, container_hash_text (container, hash)) == 0;
}

void
plan_ephemeral (planner_t *self)
{
    const pod_spec_t *spec = &self->pod->spec;
    for (size_t i = 0; i < spec->ephemeral_containers.count; i++)
        if (!plan_newest (self, &spec->ephemeral_containers.items[i]))
            plan_start (self, &spec->ephemeral_containers.items[i]);
}

// ---- reasons to kill one that runs ----

typedef enum { DEFINITION_CHANGED, LIVENESS_FAILED, STARTUP_FAILED, RESIZED, NO_REASON } reason_t;

static const struct {
    const char *what; // in the Killing event
    kill_reason_t kill_reason;
} REASONS[] = {
    [DEFINITION_CHANGED] = { "definition changed", KILL_OTHER },
    [LIVENESS_FAILED] = { "failed liveness probe", KILL_LIVENESS },
    [STARTUP_FAILED] = { "failed startup probe", KILL_STARTUP },
    [RESIZED] = { "resize requires restart", KILL_OTHER },
};

static reason_t
reason_to_kill (const planner_t *self, const container_t *container,
                const container_seen_t *instance)
{
    const instance_local_t *known = plan_instance (self, instance->id);
    if (!plan_is_same_definition (container, instance))
        return DEFINITION_CHANGED;
    if (known->probes[LOCAL_LIVENESS] == RESULT_FAILURE)
        return LIVENESS_FAILED;
    if (known->probes[LOCAL_STARTUP] == RESULT_FAILURE)
        return STARTUP_FAILED;
    return known->needs_restart ? RESIZED : NO_REASON;
}

/* A container that runs. Returns true when it is kept. */
static bool
plan_running (planner_t *self, const container_t *container, const container_seen_t *instance)
{
    const instance_local_t *known = plan_instance (self, instance->id);
    kill_t kill = { .instance = instance, .reason = KILL_OTHER };
    reason_t reason = reason_to_kill (self, container, instance);
    if (known->is_killing)
        kill.is_restart = known->is_restart; // it goes on, whatever was the reason
    else if (known->post_start_failed)
        kill.message = "FailedPostStartHook";
    else if (reason == NO_REASON)
        return true;
    else {
        kill.is_restart = reason == DEFINITION_CHANGED || reason == RESIZED
                          || restarts_on_failure (self->pod, container);
        kill.reason = REASONS[reason].kill_reason;
        kill.message =
            plan_text (self, "Container %s %s%s", container->name, REASONS[reason].what,
                       kill.is_restart && reason != RESIZED ? ", will be restarted" : "");
    }
    plan_kill (self, kill);
    if (kill.is_restart)
        plan_start (self, container);
    // Upstream kills after a failed hook within the start: that alone does not end the pod.
    return known->post_start_failed;
}

/* A container that does not run. */
static void
plan_not_running (planner_t *self, const container_t *container, const container_seen_t *instance)
{
    if (!plan_should_start (self, container, instance))
        return;
    plan_start (self, container);
    if (instance && plan_state (self, instance) == SEEN_UNKNOWN)
        plan_kill (self, (kill_t){ .instance = instance,
                                   .message = "Container is in \"unknown\" state, try killing it "
                                              "before restart",
                                   .reason = KILL_OTHER,
                                   .is_restart = true });
}

void
plan_regular (planner_t *self)
{
    const container_list_t *containers = &self->pod->spec.containers;
    size_t kept = 0;
    size_t starts_before = self->starts.count;
    for (size_t i = 0; i < containers->count; i++) {
        const container_t *container = &containers->items[i];
        const container_seen_t *newest = plan_newest (self, container);
        if (plan_is_starting (self, container->name))
            kept++;
        else if (newest && plan_state (self, newest) == SEEN_RUNNING)
            kept += plan_running (self, container, newest);
        else
            plan_not_running (self, container, newest);
    }
    if (kept == 0 && self->starts.count == starts_before) {
        self->is_pod_kill = true; // or sidecars would keep it alive
        self->starts.count = 0;
    }
}
