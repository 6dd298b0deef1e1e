/* pod_plan_sandbox.c - the sandbox decision table (reference/pod-lifecycle.md 6.1). */
#include "pod_plan_internal.h"
#include <string.h>

// ---- is a new one needed ----

static bool
has_none (const pod_t *pod, const pod_seen_t *seen)
{
    (void) pod;
    return pod_seen_sandbox_count (seen) == 0;
}

static bool
has_several_ready (const pod_t *pod, const pod_seen_t *seen)
{
    (void) pod;
    size_t ready = 0;
    for (size_t i = 0; i < pod_seen_sandbox_count (seen); i++)
        ready += pod_seen_sandbox_at (seen, i)->state == SANDBOX_READY;
    return ready > 1;
}

static bool
newest_is_not_ready (const pod_t *pod, const pod_seen_t *seen)
{
    (void) pod;
    return !pod_seen_ready_sandbox (seen);
}

static bool
newest_has_other_network_mode (const pod_t *pod, const pod_seen_t *seen)
{
    return pod_seen_sandbox_at (seen, 0)->is_host_network != pod->spec.host_network;
}

static bool
newest_has_no_address (const pod_t *pod, const pod_seen_t *seen)
{
    const sandbox_seen_t *newest = pod_seen_sandbox_at (seen, 0);
    return !pod->spec.host_network && newest->has_network && newest->ips.count == 0;
}

typedef bool sandbox_test_fn (const pod_t *pod, const pod_seen_t *seen);

/* The first that holds calls for a new sandbox. */
static sandbox_test_fn *const NEEDS[] = {
    has_none,
    has_several_ready,
    newest_is_not_ready,
    newest_has_other_network_mode,
    newest_has_no_address,
};

bool
pod_needs_sandbox (const pod_t *pod, const pod_seen_t *seen)
{
    for (size_t i = 0; i < COUNT_OF (NEEDS); i++)
        if (NEEDS[i](pod, seen))
            return true;
    return false;
}

// ---- may it be made ----

/* Regular containers to start in it: those that succeeded under OnFailure are done. */
static bool
is_to_start (const planner_t *self, const container_t *container)
{
    const container_seen_t *newest = pod_seen_newest (self->seen, container->name, 0);
    bool has_succeeded = newest && newest->state == SEEN_EXITED && newest->exit_code == 0;
    const char *policy =
        container->restart_policy ? container->restart_policy : self->pod->spec.restart_policy;
    return !(has_succeeded && policy && strcmp (policy, "OnFailure") == 0);
}

static bool
may_recreate (const planner_t *self)
{
    const pod_spec_t *spec = &self->pod->spec;
    bool is_first = pod_seen_sandbox_count (self->seen) == 0;
    bool is_never = spec->restart_policy && strcmp (spec->restart_policy, "Never") == 0;
    if (is_never && !is_first && pod_seen_container_count (self->seen) > 0)
        return false;
    bool has_any = false;
    for (size_t i = 0; i < spec->containers.count; i++) {
        if (is_to_start (self, &spec->containers.items[i]))
            return true;
        const container_seen_t *newest =
            pod_seen_newest (self->seen, spec->containers.items[i].name, 0);
        has_any = has_any || (newest && newest->state != SEEN_UNKNOWN);
    }
    return !has_any; // all is done and was there: stop what is left
}

sandbox_verdict_t
plan_sandbox_verdict (const planner_t *self)
{
    const sandbox_seen_t *newest = pod_seen_sandbox_at (self->seen, 0);
    bool was_stopped = newest && plan_sandbox (self, newest->id)->is_stopped;
    if (!was_stopped && !pod_needs_sandbox (self->pod, self->seen))
        return SANDBOX_REUSE;
    return may_recreate (self) ? SANDBOX_RECREATE : SANDBOX_GIVE_UP;
}

// ---- making it ----

static void
note_change (planner_t *self, const sandbox_seen_t *old)
{
    if (!plan_sandbox (self, old->id)->is_change_noted)
        plan_act (self, (pod_action_t){
                            .kind = POD_EVENT,
                            .id = old->id,
                            .event_type = "Normal",
                            .reason = "SandboxChanged",
                            .message = "Pod sandbox changed, it will be killed and re-created." });
}

void
plan_recreate (planner_t *self)
{
    const sandbox_seen_t *old = pod_seen_sandbox_at (self->seen, 0);
    opt_int_t no_override = { 0 };
    if (self->local->is_creating_sandbox)
        return;
    if (old)
        note_change (self, old);
    if (!plan_kill_pod (self, no_override) || !self->local->is_prepared)
        return;
    if (old)
        plan_purge_init (self);
    if (!plan_wake (self, self->local->sandbox_retry_at))
        plan_act (self, (pod_action_t){ .kind = POD_CREATE_SANDBOX,
                                        .attempt = old ? old->attempt + 1 : 0 });
}
