/* Stopping and removing containers. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "worker.h"
#include <glob.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char id[ID_MAX];
    int kind;
} container_call_t;

static container_call_t
call_of (const pod_action_t *action)
{
    container_call_t call = { .kind = (int) action->kind };
    snprintf (call.id, sizeof call.id, "%s", action->id);
    return call;
}

// ---- preStop ----

static void
on_pre_stop (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    const container_call_t *call = context;
    const container_seen_t *container = pod_seen_container (self->seen, call->id);
    if (fault) {
        LOG_ERROR ("PreStop hook failed pod=%s/%s containerID=%s err=%s",
                   self->pod.metadata.namespace, self->pod.metadata.name, call->id, fault->text);
        report_event (self, container ? container->name : NULL, "Warning", "FailedPreStopHook",
                      "PreStopHook failed");
    }
    pod_local_ended (self->local, POD_PRE_STOP, call->id, clock_now_ns());
    worker_step (self);
}

void
container_pre_stop (worker_t *self, const pod_action_t *action)
{
    container_call_t call = call_of (action);
    const container_t *container = pod_container (&self->pod, action->container);
    if (!container || !container->lifecycle.pre_stop) {
        pod_local_ended (self->local, POD_PRE_STOP, action->id, clock_now_ns());
        worker_step_later (self, 0);
        return;
    }
    hook_run (self, container, action->id, container->lifecycle.pre_stop, action->grace_s * 1000,
              on_pre_stop, &call, sizeof call);
}

// ---- stop ----

static void
on_stopped_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const container_call_t *call = context;
    self->changed_at = clock_now_ns();
    observe_container (self, call->id, NULL, reply ? reply->body : NULL, fault);
    pod_local_ended (self->local, POD_STOP_CONTAINER, call->id, clock_now_ns());
    worker_step (self);
}

static void
on_stopped (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    const container_call_t *call = context;
    if (fault && fault->code != FAULT_NOT_FOUND) {
        LOG_WARNING ("Container not stopped, trying again pod=%s/%s containerID=%s err=%s",
                     self->pod.metadata.namespace, self->pod.metadata.name, call->id, fault->text);
        const container_seen_t *container = pod_seen_container (self->seen, call->id);
        report_kill_failure (self, "KillContainer", container ? container->name : call->id, fault);
        pod_local_failed (self->local, POD_STOP_CONTAINER, call->id, NULL, NULL,
                          worker_retry_at (fault), clock_now_ns());
        worker_step (self);
        return;
    }
    ask_runtime (self, MSG_CRI_CONTAINER_STATUS, "container_id", call->id, on_stopped_status, call,
                 sizeof *call);
}

void
container_stop (worker_t *self, const pod_action_t *action)
{
    container_call_t call = call_of (action);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "container_id", action->id);
    node_set_int (tree, &body, "timeout", action->grace_s);
    call_runtime (self, MSG_CRI_STOP_CONTAINER, &body, on_stopped, &call, sizeof call);
}

// ---- remove ----

static void
unlink_all (const char *pattern)
{
    glob_t found;
    if (glob (pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlink (found.gl_pathv[i]);
    globfree (&found);
}

/* The log, its rotated parts, and the link to it. */
static void
remove_log (const worker_t *self, const container_seen_t *container)
{
    if (container->log_path[0]) {
        OWNED (free_text) char *pattern = text_format ("%s*", container->log_path);
        unlink_all (pattern);
    }
    OWNED (free_text)
    char *link = container_log_link (CONTAINER_LOGS_DIR, self->pod.metadata.namespace,
                                     self->pod.metadata.name, container->name, container->id);
    unlink (link);
}

static void
on_removed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    const container_call_t *call = context;
    self->changed_at = clock_now_ns();
    if (fault && fault->code != FAULT_NOT_FOUND) {
        LOG_WARNING ("Container not removed, trying again pod=%s/%s containerID=%s err=%s",
                     self->pod.metadata.namespace, self->pod.metadata.name, call->id, fault->text);
        pod_local_failed (self->local, POD_REMOVE_CONTAINER, call->id, NULL, NULL,
                          worker_retry_at (fault), clock_now_ns());
    }
    else {
        pod_seen_remove_container (self->seen, call->id);
        pod_local_ended (self->local, POD_REMOVE_CONTAINER, call->id, clock_now_ns());
    }
    worker_step (self);
}

void
container_remove (worker_t *self, const pod_action_t *action)
{
    container_call_t call = call_of (action);
    const container_seen_t *container = pod_seen_container (self->seen, action->id);
    if (container)
        remove_log (self, container);
    ask_runtime (self, MSG_CRI_REMOVE_CONTAINER, "container_id", action->id, on_removed, &call,
                 sizeof call);
}
