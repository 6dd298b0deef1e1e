/* The actions on the pod's sandbox. */
#include "cubelet/clock.h"
#include "cubelet/cri.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "cubelet/sandbox_config.h"
#include "worker.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char id[ID_MAX];
    int kind; // the action's
} sandbox_call_t;

static sandbox_call_t
call_of (const pod_action_t *action)
{
    sandbox_call_t call = { .kind = (int) action->kind };
    snprintf (call.id, sizeof call.id, "%s", action->id ? action->id : "");
    return call;
}

void
call_runtime (worker_t *self, message_id_t type, const node_t *body, actor_reply_fn *reply,
              const void *context, size_t context_size)
{
    // The runtime actor ends the call in time; twice that leaves room for its queue, and is only
    // reached when a message was lost.
    int64_t wait_ms = cri_wait_ms (cri_method (type), body, self->request_timeout_ms);
    actor_request (self->actor, "runtime", type, body, 2 * wait_ms, reply, context, context_size);
}

void
ask_runtime (worker_t *self, message_id_t type, const char *key, const char *id,
             actor_reply_fn *reply, const void *context, size_t context_size)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, key, id);
    call_runtime (self, type, &body, reply, context, context_size);
}

// ---- create ----

static void
create_failed (worker_t *self, const fault_t *fault, bool is_runtime)
{
    int64_t now = clock_now_ns();
    count_sandbox_failed (self);
    OWNED (free_text)
    char *error = is_runtime ? text_format ("rpc error: code = %s desc = %s",
                                            fault_code_name (fault->code), fault->text)
                             : text_copy (fault->text);
    LOG_ERROR ("CreatePodSandbox for pod failed pod=%s/%s err=%s", self->pod.metadata.namespace,
               self->pod.metadata.name, error);
    if (!self->local->is_terminating) {
        OWNED (free_text) char *text = text_format ("Failed to create pod sandbox: %s", error);
        report_event (self, NULL, "Warning", "FailedCreatePodSandBox", text);
    }
    pod_local_failed (self->local, POD_CREATE_SANDBOX, NULL, NULL, NULL, worker_retry_at (fault),
                      now);
    worker_step (self);
}

static void ask_created_status (void *state, void *context);

static void
on_created_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const sandbox_call_t *call = context;
    if (fault && fault->code != FAULT_NOT_FOUND) {
        // It exists: to give up now would make another one.
        actor_timer (self->actor, RETRY_UNAVAILABLE_MS, ask_created_status, NULL);
        return;
    }
    self->changed_at = clock_now_ns();
    observe_sandbox (self, call->id, reply ? reply->body : NULL, fault);
    pod_local_ended (self->local, POD_CREATE_SANDBOX, NULL, clock_now_ns());
    worker_step (self);
}

static void
ask_created_status (void *state, void *context)
{
    (void) context;
    worker_t *self = state;
    sandbox_call_t call = { 0 };
    snprintf (call.id, sizeof call.id, "%s", self->created_sandbox);
    ask_runtime (self, MSG_CRI_POD_SANDBOX_STATUS, "pod_sandbox_id", call.id, on_created_status,
                 &call, sizeof call);
}

static void
on_created (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    worker_t *self = state;
    self->changed_at = clock_now_ns();
    count_sandbox_call (self, fault != NULL);
    if (fault) {
        observe_after_failure (self);
        create_failed (self, fault, true);
        return;
    }
    snprintf (self->created_sandbox, sizeof self->created_sandbox, "%s",
              node_get_text (reply->body, "pod_sandbox_id", ""));
    ask_created_status (self, NULL);
}

static int
make_log_directory (const worker_t *self, fault_t *fault)
{
    OWNED (free_text)
    char *path = pod_log_directory (self->facts.pod_logs_dir, self->pod.metadata.namespace,
                                    self->pod.metadata.name, self->pod.metadata.uid);
    if (mkdir (self->facts.pod_logs_dir, 0755) < 0 && errno != EEXIST)
        return fault_set (fault, FAULT_INTERNAL, "cannot make %s: %s", self->facts.pod_logs_dir,
                          strerror (errno));
    if (mkdir (path, 0755) < 0 && errno != EEXIST)
        return fault_set (fault, FAULT_INTERNAL, "cannot make %s: %s", path, strerror (errno));
    return 0;
}

static void
create_now (worker_t *self, int64_t attempt)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t config = node_nil();
    node_t events = node_array();
    resolv_conf_read (self);
    pod_facts_t pod_facts = pod_facts_of (self, &fault);
    count_sandbox_begin (self, pod_facts.runtime_handler);
    if (fault.code
        || sandbox_config (&self->pod, &self->facts, &pod_facts, (uint32_t) attempt, tree, &config,
                           &events, &fault)
               < 0
        || make_log_directory (self, &fault) < 0) {
        create_failed (self, &fault, false);
        return;
    }
    report_events (self, &events);
    node_t body = node_map();
    node_set (tree, &body, "config", config);
    if (pod_facts.runtime_handler && *pod_facts.runtime_handler)
        node_set_text (tree, &body, "runtime_handler", pod_facts.runtime_handler);
    call_runtime (self, MSG_CRI_RUN_POD_SANDBOX, &body, on_created, NULL, 0);
}

/* Without a network only pods of the host's can start (reference/pod-lifecycle.md 5.1). */
static void
on_network_state (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) fault;
    worker_t *self = state;
    int64_t now = clock_now_ns();
    bool is_up = reply && node_get_bool (reply->body, "up", false);
    bool is_ready = is_up && node_get_bool (reply->body, "network_ready", true);
    if (self->local->is_terminating)
        pod_local_ended (self->local, POD_CREATE_SANDBOX, NULL, now); // not made after all
    else if (is_ready) {
        create_now (self, *(const int64_t *) context);
        return;
    }
    else {
        int64_t wait_ms = RETRY_UNAVAILABLE_MS + random() % (RETRY_UNAVAILABLE_MS / 2);
        OWNED (free_text)
        char *text = text_format ("network is not ready: %s",
                                  is_up ? node_get_text (reply->body, "reason", "") : "");
        if (is_up)
            report_event (self, NULL, "Warning", "NetworkNotReady", text);
        pod_local_failed (self->local, POD_CREATE_SANDBOX, NULL, NULL, NULL,
                          now + wait_ms * NS_PER_MS, now);
    }
    worker_step (self);
}

void
sandbox_create (worker_t *self, const pod_action_t *action)
{
    int64_t attempt = action->attempt;
    if (self->pod.spec.host_network)
        create_now (self, attempt);
    else
        actor_request (self->actor, "runtime", MSG_RUNTIME_STATE_GET, NULL, LOCAL_DEADLINE_MS,
                       on_network_state, &attempt, sizeof attempt);
}

// ---- stop and remove ----

static void
on_stopped_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const sandbox_call_t *call = context;
    self->changed_at = clock_now_ns();
    observe_sandbox (self, call->id, reply ? reply->body : NULL, fault);
    pod_local_ended (self->local, call->kind, call->id, clock_now_ns());
    worker_step (self);
}

static void
on_gone (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    const sandbox_call_t *call = context;
    self->changed_at = clock_now_ns();
    if (fault && fault->code != FAULT_NOT_FOUND) {
        LOG_WARNING ("Sandbox not ended, trying again pod=%s/%s sandboxID=%s action=%s err=%s",
                     self->pod.metadata.namespace, self->pod.metadata.name, call->id,
                     pod_action_name ((pod_action_kind_t) call->kind), fault->text);
        if (call->kind == POD_STOP_SANDBOX)
            report_kill_failure (self, "KillPodSandbox", self->pod.metadata.uid, fault);
        pod_local_failed (self->local, call->kind, call->id, NULL, NULL, worker_retry_at (fault),
                          clock_now_ns());
        worker_step (self);
        return;
    }
    if (call->kind == POD_STOP_SANDBOX) {
        ask_runtime (self, MSG_CRI_POD_SANDBOX_STATUS, "pod_sandbox_id", call->id,
                     on_stopped_status, call, sizeof *call);
        return;
    }
    pod_seen_remove_sandbox (self->seen, call->id);
    pod_local_ended (self->local, call->kind, call->id, clock_now_ns());
    worker_step (self);
}

void
sandbox_stop (worker_t *self, const pod_action_t *action)
{
    sandbox_call_t call = call_of (action);
    ask_runtime (self, MSG_CRI_STOP_POD_SANDBOX, "pod_sandbox_id", action->id, on_gone, &call,
                 sizeof call);
}

void
sandbox_remove (worker_t *self, const pod_action_t *action)
{
    sandbox_call_t call = call_of (action);
    ask_runtime (self, MSG_CRI_REMOVE_POD_SANDBOX, "pod_sandbox_id", action->id, on_gone, &call,
                 sizeof call);
}
