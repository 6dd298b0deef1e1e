/* pod_plan_cleanup.c - removing what is dead (reference/pod-lifecycle.md 12): of each container
   name the newest dead instances are kept (--maximum-dead-containers-per-container, normally one),
   and the newest sandbox. */
#include "pod_plan_internal.h"
#include <string.h>

static void
remove_container (planner_t *self, const container_seen_t *instance)
{
    const instance_local_t *known = plan_instance (self, instance->id);
    if (!known->is_removing && !plan_wake (self, known->retry_at))
        plan_act (self, (pod_action_t){ .kind = POD_REMOVE_CONTAINER,
                                        .container = instance->name,
                                        .id = instance->id });
}

/* Neither runs nor is about to. */
static bool
is_dead (const planner_t *self, const container_seen_t *instance)
{
    bool is_new = instance->state == SEEN_CREATED && plan_is_starting (self, instance->name);
    return !is_new && !plan_is_alive (self, instance);
}

/* The newest dead ones of its name are, and those that were made lately. */
static bool
is_kept (planner_t *self, const container_seen_t *instance)
{
    const pod_local_t *local = self->local;
    const container_seen_t *other;
    int64_t newer = 0;
    if (local->dead_kept < 0 || plan_wake (self, instance->created_at + local->dead_least_ns))
        return true;
    for (size_t i = 0; (other = pod_seen_newest (self->seen, instance->name, i)); i++) {
        if (other == instance)
            break;
        newer += is_dead (self, other);
    }
    return newer < local->dead_kept;
}

/* An init container of a sandbox that has been replaced: it does not count any more. */
static bool
is_of_old_sandbox (const planner_t *self, const container_seen_t *instance)
{
    const container_t *container = pod_container (self->pod, instance->name);
    bool is_init =
        container && (container->kind == CONTAINER_INIT || container->kind == CONTAINER_SIDECAR);
    return is_init && self->sandbox && !plan_is_in_sandbox (self, instance);
}

void
plan_kill_doubles (planner_t *self)
{
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++) {
        if (!plan_is_alive (self, instance)
            || pod_seen_newest (self->seen, instance->name, 0) == instance)
            continue;
        kill_t kill = { .instance = instance, .reason = KILL_OTHER };
        if (plan_state (self, instance) == SEEN_UNKNOWN)
            kill.message = "Container is in unknown state, try killing it before removal";
        plan_kill_step (self, &kill);
    }
}

/* True while the status still shows the end before the last one as lastState: it would lose that
   with the instance, and a state of its own would appear between two syncs. */
static bool
is_shown (const planner_t *self, const container_seen_t *instance)
{
    for (size_t i = 0; i < self->waiting.count; i++)
        if (strcmp (self->waiting.items[i].container, instance->name) == 0)
            return self->now < self->waiting.items[i].shown_at
                   && pod_seen_newest (self->seen, instance->name, 1) == instance;
    return false;
}

static bool
clean_containers (planner_t *self, bool remove_all)
{
    bool is_clean = true;
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++) {
        bool is_excess = !is_kept (self, instance) && !is_shown (self, instance);
        if (is_dead (self, instance)
            && (remove_all || is_excess || is_of_old_sandbox (self, instance))) {
            is_clean = false;
            remove_container (self, instance);
        }
    }
    return is_clean;
}

static bool
has_containers (const planner_t *self, const sandbox_seen_t *sandbox)
{
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++)
        if (!*instance->sandbox_id || strcmp (instance->sandbox_id, sandbox->id) == 0)
            return true;
    return false;
}

static void
remove_sandbox (planner_t *self, const sandbox_seen_t *sandbox)
{
    const sandbox_local_t *known = plan_sandbox (self, sandbox->id);
    if (known->is_stopping || known->is_removing || plan_wake (self, known->retry_at))
        return;
    plan_act (self,
              (pod_action_t){ .kind = known->is_stopped ? POD_REMOVE_SANDBOX : POD_STOP_SANDBOX,
                              .id = sandbox->id });
}

static bool
clean_sandboxes (planner_t *self, bool remove_all)
{
    bool is_clean = true;
    const sandbox_seen_t *sandbox;
    for (size_t i = 0; (sandbox = pod_seen_sandbox_at (self->seen, i)); i++) {
        bool was_stopped = plan_sandbox (self, sandbox->id)->is_stopped;
        bool is_over = sandbox->state == SANDBOX_NOTREADY || was_stopped;
        if ((i == 0 && !remove_all) || !is_over)
            continue;
        bool is_in_use = has_containers (self, sandbox);
        is_clean = is_clean && is_in_use && !remove_all; // kept ones keep their sandbox
        if (!is_in_use)
            remove_sandbox (self, sandbox);
    }
    return is_clean;
}

bool
plan_cleanup (planner_t *self, bool remove_all)
{
    bool containers_are = clean_containers (self, remove_all);
    return clean_sandboxes (self, remove_all) && containers_are;
}

void
plan_purge_init (planner_t *self)
{
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++) {
        const container_t *container = pod_container (self->pod, instance->name);
        bool is_init =
            container
            && (container->kind == CONTAINER_INIT || container->kind == CONTAINER_SIDECAR);
        if (is_init && is_dead (self, instance) && is_kept (self, instance))
            remove_container (self, instance); // the others plan_cleanup removes anyway
    }
}
