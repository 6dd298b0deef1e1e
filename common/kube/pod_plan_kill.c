/* pod_plan_kill.c - killing (reference/pod-lifecycle.md 8), step by step: the Killing event, the
   preStop hook, a sidecar's wait for its turn, StopContainer; last the sandboxes. */
#include "cubelet/clock.h"
#include "pod_plan_internal.h"
#include <string.h>

/* One kill on its way. The grace period is what is left of it at `from`. */
typedef struct {
    const kill_t *kill;
    const container_t *container; // NULL when the spec no longer has it
    const instance_local_t *known;
    int64_t from;
    int64_t grace_s;
} course_t;

/* Whole seconds since the course's last step, taken off its grace period. */
static void
spend (course_t *course, int64_t until)
{
    int64_t elapsed_s = (until - course->from) / NS_PER_S;
    if (elapsed_s > 0)
        course->grace_s -= elapsed_s < course->grace_s ? elapsed_s : course->grace_s;
    if (until > course->from)
        course->from = until;
}

/* The kill begins, or begins again with less time. */
static void
begin (planner_t *self, course_t *course, int64_t grace_s)
{
    const kill_t *kill = course->kill;
    const char *message = kill->message;
    if (!message)
        message = plan_text (self, "Stopping container %s", kill->instance->name);
    plan_act (self, (pod_action_t){ .kind = POD_KILL_CONTAINER,
                                    .container = kill->instance->name,
                                    .id = kill->instance->id,
                                    .grace_s = grace_s,
                                    .message = message,
                                    .is_restart = kill->is_restart,
                                    .is_pod_kill = kill->is_pod_kill });
    course->from = self->now;
    course->grace_s = grace_s;
}

/* True when the hook is over, or there is none. */
static bool
is_past_pre_stop (planner_t *self, course_t *course)
{
    const container_t *container = course->container;
    const instance_local_t *known = course->known;
    if (!container || !container->lifecycle.pre_stop || course->grace_s <= 0)
        return true;
    switch (known->pre_stop) {
    case HOOK_NONE:
        plan_act (self, (pod_action_t){ .kind = POD_PRE_STOP,
                                        .container = container->name,
                                        .id = course->kill->instance->id,
                                        .grace_s = course->grace_s });
        plan_wake (self, course->from + course->grace_s * NS_PER_S);
        return false;
    case HOOK_RUNNING: // not longer than its grace period
        if (plan_wake (self, course->from + course->grace_s * NS_PER_S))
            return false;
        spend (course, self->now);
        return true;
    case HOOK_DONE: spend (course, known->pre_stop_ended_at); return true;
    }
    return true;
}

/* True when nobody has to end before it, or it has waited long enough. */
static bool
has_turn (planner_t *self, course_t *course)
{
    bool is_ordered = course->kill->is_pod_kill && course->grace_s > 0;
    if (is_ordered && !container_termination_has_turn (self->pod, course->container, self->seen)
        && plan_wake (self, course->from + course->grace_s * NS_PER_S))
        return false;
    if (is_ordered && course->container && course->container->kind == CONTAINER_SIDECAR)
        spend (course, self->now);
    return true;
}

static void
stop (planner_t *self, const course_t *course)
{
    int64_t grace_s = course->grace_s;
    if (grace_s < TERMINATION_GRACE_MIN_S)
        grace_s = TERMINATION_GRACE_MIN_S;
    plan_act (self, (pod_action_t){ .kind = POD_STOP_CONTAINER,
                                    .container = course->kill->instance->name,
                                    .id = course->kill->instance->id,
                                    .grace_s = grace_s });
}

void
plan_kill_step (planner_t *self, const kill_t *kill)
{
    const container_t *container = pod_container (self->pod, kill->instance->name);
    const instance_local_t *known = plan_instance (self, kill->instance->id);
    course_t course = { kill, container, known, known->kill_begun_at, known->kill_grace_s };
    if (known->is_stopped)
        return; // pod_seen is about to show it
    int64_t grace_s =
        container_termination_grace (self->pod, container, kill->reason, kill->override);
    int64_t left_ns = known->kill_begun_at + known->kill_grace_s * NS_PER_S - self->now;
    bool is_shrunk = known->is_killing && kill->is_pod_kill && grace_s * NS_PER_S < left_ns;
    if (!known->is_killing || is_shrunk)
        begin (self, &course, grace_s);
    if (known->is_stopping) {
        if (is_shrunk)
            stop (self, &course);
        return;
    }
    if (is_past_pre_stop (self, &course) && has_turn (self, &course)
        && !plan_wake (self, known->retry_at))
        stop (self, &course);
}

static bool
kill_containers (planner_t *self, opt_int_t override)
{
    bool is_done = true;
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++) {
        if (!plan_is_alive (self, instance))
            continue;
        is_done = false;
        kill_t kill = {
            .instance = instance, .reason = KILL_POD, .override = override, .is_pod_kill = true
        };
        plan_kill_step (self, &kill);
    }
    for (size_t i = 0; i < self->local->container_count; i++) {
        container_step_t step = self->local->containers[i]->step;
        if (step == STEP_CREATE || step == STEP_START)
            is_done = false; // it cannot be called back; wait what becomes of it
    }
    return is_done;
}

bool
plan_kill_pod (planner_t *self, opt_int_t override)
{
    if (!kill_containers (self, override))
        return false;
    bool is_done = true;
    const sandbox_seen_t *sandbox;
    for (size_t i = 0; (sandbox = pod_seen_sandbox_at (self->seen, i)); i++) {
        const sandbox_local_t *known = plan_sandbox (self, sandbox->id);
        if (known->is_stopped)
            continue;
        is_done = false; // also one that is not ready: its network is still there
        if (!known->is_stopping && !plan_wake (self, known->retry_at))
            plan_act (self, (pod_action_t){ .kind = POD_STOP_SANDBOX, .id = sandbox->id });
    }
    return is_done;
}
