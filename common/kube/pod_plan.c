#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/pod_status.h"
#include "pod_plan_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const ACTION_NAMES[] = {
    [POD_EVENT] = "event",
    [POD_KILL_CONTAINER] = "kill-container",
    [POD_PRE_STOP] = "pre-stop",
    [POD_STOP_CONTAINER] = "stop-container",
    [POD_REMOVE_CONTAINER] = "remove-container",
    [POD_STOP_SANDBOX] = "stop-sandbox",
    [POD_REMOVE_SANDBOX] = "remove-sandbox",
    [POD_CREATE_SANDBOX] = "create-sandbox",
    [POD_ENSURE_IMAGE] = "ensure-image",
    [POD_START_CONTAINER] = "start-container",
};
_Static_assert(COUNT_OF (ACTION_NAMES) == POD_ACTION_KIND_COUNT, "name every action");

const char *
pod_action_name (pod_action_kind_t kind)
{
    return ACTION_NAMES[kind];
}

// ---- the plan in the making ----

#define APPEND(list, item)                                                                         \
    ((list)->items = memory_grow ((list)->items, (list)->count + 1, sizeof *(list)->items),        \
     (list)->items[(list)->count++] = (item))

static void
keep_text (planner_t *self, const char **text_p)
{
    if (*text_p)
        *text_p = tree_text (self->memory, *text_p, strlen (*text_p));
}

void
plan_act (planner_t *self, pod_action_t action)
{
    keep_text (self, &action.container);
    keep_text (self, &action.id);
    keep_text (self, &action.event_type);
    keep_text (self, &action.reason);
    keep_text (self, &action.message);
    keep_text (self, &action.waiting_message);
    APPEND (&self->actions, action);
}

void
plan_start (planner_t *self, const container_t *container)
{
    APPEND (&self->starts, container);
}

void
plan_kill (planner_t *self, kill_t kill)
{
    APPEND (&self->kills, kill);
}

void
plan_wait (planner_t *self, pod_waiting_t waiting)
{
    APPEND (&self->waiting, waiting);
}

bool
plan_wake (planner_t *self, int64_t at)
{
    if (at <= self->now)
        return false;
    if (!self->next_wake || at < self->next_wake)
        self->next_wake = at;
    return true;
}

const char *
plan_text (planner_t *self, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    OWNED (free_text) char *text = NULL;
    int size = vasprintf (&text, format, args);
    va_end (args);
    if (size < 0)
        abort();
    return tree_text (self->memory, text, (size_t) size);
}

const container_local_t *
plan_container (const planner_t *self, const char *name)
{
    static const container_local_t NOTHING = { 0 };
    const container_local_t *known = pod_local_container (self->local, name);
    return known ? known : &NOTHING;
}

const instance_local_t *
plan_instance (const planner_t *self, const char *id)
{
    static const instance_local_t NOTHING = { 0 };
    const instance_local_t *known = pod_local_instance (self->local, id);
    return known ? known : &NOTHING;
}

const sandbox_local_t *
plan_sandbox (const planner_t *self, const char *id)
{
    static const sandbox_local_t NOTHING = { 0 };
    const sandbox_local_t *known = pod_local_sandbox (self->local, id);
    return known ? known : &NOTHING;
}

container_state_t
plan_state (const planner_t *self, const container_seen_t *instance)
{
    bool is_over =
        instance->state == SEEN_UNKNOWN && plan_instance (self, instance->id)->is_stopped;
    return is_over ? SEEN_EXITED : instance->state;
}

bool
plan_is_alive (const planner_t *self, const container_seen_t *instance)
{
    container_state_t state = plan_state (self, instance);
    return state == SEEN_RUNNING || state == SEEN_UNKNOWN;
}

bool
plan_is_starting (const planner_t *self, const char *name)
{
    return plan_container (self, name)->step > STEP_IMAGE;
}

bool
plan_is_in_sandbox (const planner_t *self, const container_seen_t *instance)
{
    return !*instance->sandbox_id
           || (self->sandbox && strcmp (instance->sandbox_id, self->sandbox->id) == 0);
}

const container_seen_t *
plan_newest (const planner_t *self, const container_t *container)
{
    bool is_init = container->kind == CONTAINER_INIT || container->kind == CONTAINER_SIDECAR;
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_newest (self->seen, container->name, i)); i++)
        if (!is_init || plan_is_in_sandbox (self, instance))
            return instance;
    return NULL;
}

// ---- the order of it all ----

/* A kill of the whole pod goes on until nothing runs, even when what ended meanwhile would now
   change the verdict: a sidecar that was stopped first is not started again. */
static bool
is_pod_kill_on_its_way (const planner_t *self)
{
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++) {
        const instance_local_t *known = plan_instance (self, instance->id);
        if (known->is_killing && known->is_pod_kill && plan_is_alive (self, instance))
            return true;
    }
    return false;
}

/* A pod that is not being stopped (6). */
static void
plan_sync (planner_t *self)
{
    sandbox_verdict_t verdict = plan_sandbox_verdict (self);
    opt_int_t no_override = { 0 };
    if (verdict == SANDBOX_RECREATE)
        plan_recreate (self);
    else if (verdict == SANDBOX_GIVE_UP)
        plan_kill_pod (self, no_override);
    else {
        self->sandbox = pod_seen_sandbox_at (self->seen, 0);
        self->is_pod_kill = is_pod_kill_on_its_way (self);
        plan_ephemeral (self);
        if (plan_init (self))
            plan_regular (self);
        if (self->is_pod_kill)
            plan_kill_pod (self, no_override);
        else {
            for (size_t i = 0; i < self->kills.count; i++)
                plan_kill_step (self, &self->kills.items[i]);
            plan_kill_doubles (self);
        }
    }
    if (!self->is_pod_kill && verdict != SANDBOX_GIVE_UP)
        plan_starts (self);
    plan_cleanup (self, false);
}

/* A pod that is being stopped (5.2). */
static void
plan_terminate (planner_t *self, pod_plan_t *plan)
{
    const pod_t *pod = self->pod;
    const pod_local_t *local = self->local;
    bool is_deleted = pod->metadata.deletion_time != 0;
    opt_int_t override = { 0 };
    if (is_deleted || local->is_asked_to_stop) {
        override.set = true;
        override.value = pod_termination_grace (pod, local->asked_grace_s);
    }
    plan->is_terminating = true;
    plan->is_stopped = plan_kill_pod (self, override) && !local->is_creating_sandbox;
    bool remove_all = plan->is_stopped && (is_deleted || local->is_gone);
    plan->is_finished = plan_cleanup (self, remove_all) && plan->is_stopped;
}

/* activeDeadlineSeconds (8.1): pod_status makes the phase Failed at that time. */
static void
plan_deadline (planner_t *self)
{
    int64_t started_at = 0;
    fault_t fault = { 0 };
    const char *text = node_get_text (self->status, "startTime", NULL);
    if (text && time_parse (text, &started_at, &fault) < 0)
        return;
    int64_t deadline = pod_deadline (self->pod, started_at);
    if (!deadline || plan_wake (self, deadline) || self->local->is_deadline_noted)
        return;
    if (strcmp (node_get_text (self->status, "reason", ""), "DeadlineExceeded") == 0)
        plan_act (self, (pod_action_t){ .kind = POD_EVENT,
                                        .event_type = "Normal",
                                        .reason = "DeadlineExceeded",
                                        .message = node_get_text (self->status, "message", "") });
}

pod_plan_t *
pod_plan (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local, const node_t *status,
          int64_t now)
{
    pod_plan_t *plan = memory_new (1, sizeof *plan);
    planner_t self = {
        .pod = pod, .seen = seen, .local = local, .status = status, .now = now, .memory = tree_new()
    };
    plan_deadline (&self);
    if (pod_is_terminating (pod, local, status))
        plan_terminate (&self, plan);
    else
        plan_sync (&self);
    free (self.starts.items);
    free (self.kills.items);
    plan->actions = self.actions.items;
    plan->action_count = self.actions.count;
    plan->waiting = self.waiting.items;
    plan->waiting_count = self.waiting.count;
    plan->next_wake = self.next_wake;
    plan->memory = self.memory;
    return plan;
}

void
pod_plan_destroy (pod_plan_t **self_p)
{
    pod_plan_t *self = *self_p;
    if (!self)
        return;
    free ((void *) self->actions);
    free ((void *) self->waiting);
    tree_destroy (&self->memory);
    free (self);
    *self_p = NULL;
}
