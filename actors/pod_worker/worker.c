/* pod-worker: plans and drives one pod, from sandbox to removal. Every message ends in a step:
   make the status, make the plan, do what the plan says. All decisions are in common/kube. */
#include "worker.h"
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_resize.h"
#include "cubelet/pod_sync_span.h"
#include "cubelet/pod_termination.h"
#include <string.h>

/* A step whose actions end at once is followed by another; more than this is a mistake. */
#define STEPS_AT_ONCE 100

int64_t
worker_retry_at (const fault_t *fault)
{
    int64_t base = fault->code == FAULT_UNAVAILABLE ? RETRY_UNAVAILABLE_MS : RETRY_MS;
    return clock_now_ns() + (base + random() % (base / 2)) * NS_PER_MS;
}

// ---- carrying out the plan ----

static void
record_event (worker_t *self, const pod_action_t *action)
{
    report_event (self, action->container, action->event_type, action->reason, action->message);
}

static void
kill_begins (worker_t *self, const pod_action_t *action)
{
    LOG_INFO ("Killing container with a grace period pod=%s/%s containerName=%s containerID=%s "
              "gracePeriod=%lld",
              self->pod.metadata.namespace, self->pod.metadata.name,
              action->container ? action->container : "", action->id, (long long) action->grace_s);
    report_event (self, action->container, "Normal", "Killing", action->message);
}

static void (*const ACTIONS[POD_ACTION_KIND_COUNT]) (worker_t *, const pod_action_t *) = {
    [POD_EVENT] = record_event,
    [POD_KILL_CONTAINER] = kill_begins,
    [POD_PRE_STOP] = container_pre_stop,
    [POD_STOP_CONTAINER] = container_stop,
    [POD_REMOVE_CONTAINER] = container_remove,
    [POD_STOP_SANDBOX] = sandbox_stop,
    [POD_REMOVE_SANDBOX] = sandbox_remove,
    [POD_CREATE_SANDBOX] = sandbox_create,
    [POD_ENSURE_IMAGE] = image_ensure,
    [POD_START_CONTAINER] = container_start,
};

static void
perform (worker_t *self, const pod_plan_t *plan)
{
    int64_t now = clock_now_ns();
    // All are noted before the first is done: one that ends at once must not be planned twice.
    for (size_t i = 0; i < plan->action_count; i++)
        pod_local_began (self->local, &plan->actions[i], now);
    for (size_t i = 0; i < plan->action_count; i++) {
        const pod_action_t *action = &plan->actions[i];
        LOG_V (4, "Pod action pod=%s/%s action=%s containerName=%s id=%s",
               self->pod.metadata.namespace, self->pod.metadata.name,
               pod_action_name (action->kind), action->container ? action->container : "",
               action->id ? action->id : "");
        ACTIONS[action->kind](self, action);
    }
}

static void
make_status (worker_t *self)
{
    pod_status_node_t node = {
        .runtime_name = self->runtime_name ? self->runtime_name : "",
        .host_ips = self->is_standalone ? (text_list_t){ 0 } : self->facts.host_ips,
    };
    OWNED (tree_destroy)
    tree_t *status = pod_status (&self->pod, self->seen, self->local, tree_root (self->status),
                                 &node, clock_now_ns());
    tree_destroy (&self->status);
    self->status = tree_copy (tree_root (status)); // without what building it took
}

/* Nothing is left of the pod: says so, and goes on saying so when asked. */
static void
finish (worker_t *self)
{
    self->is_finished = true;
    self->is_report_due = true;
    count_end (self);
    objects_release (self);
    LOG_INFO ("Pod is gone from the node pod=%s/%s", self->pod.metadata.namespace,
              self->pod.metadata.name);
}

/* That nothing runs any more is news of its own: a terminal phase is held back until then. */
static void
note_stopped (worker_t *self, const pod_plan_t *plan)
{
    if (self->is_stopped == plan->is_stopped)
        return;
    self->is_stopped = plan->is_stopped;
    self->is_report_due = true;
}

static void
wake (void *state, void *context)
{
    (void) context;
    worker_t *self = state;
    self->wake_timer = 0;
    worker_step (self);
}

static void
set_wake (worker_t *self, int64_t at_ns)
{
    actor_timer_cancel (self->actor, &self->wake_timer);
    if (!at_ns)
        return;
    // Rounded up: a step just before the time would find nothing to do.
    int64_t delay_ms = (at_ns - clock_now_ns()) / NS_PER_MS + 1;
    self->wake_timer = actor_timer (self->actor, delay_ms > 0 ? delay_ms : 0, wake, NULL);
}

static void
step_once (worker_t *self)
{
    // Once prepared it stays so: a change refreshes volumes beside running containers.
    bool is_over = pod_is_terminating (&self->pod, self->local, tree_root (self->status));
    if (!is_over && prepare (self))
        self->local->is_prepared = true;
    make_status (self);
    if (!self->is_syncing)
        report_status (self);
    OWNED (pod_plan_destroy)
    pod_plan_t *plan =
        pod_plan (&self->pod, self->seen, self->local, tree_root (self->status), clock_now_ns());
    if (plan->is_terminating) {
        self->local->is_terminating = true;
        count_ending (self);
    }
    perform (self, plan);
    if (plan->is_terminating && !self->is_finished && clean_up (self, plan))
        finish (self);
    note_stopped (self, plan);
    resize (self);
    if (plan->is_stopped && self->uncgroup == WORK_DONE)
        self->local->is_finishing = true;
    make_status (self);
    bool is_stopping = plan->is_terminating && !plan->is_stopped;
    int64_t settles_at = pod_sync_settles_at (&self->pod, self->seen, clock_now_ns());
    self->is_syncing =
        is_stopping || settles_at || pod_sync_is_open (&self->pod, self->seen, self->local);
    if (self->is_syncing)
        report_readiness (self);
    else {
        report_status (self);
        count_sync_end (self);
    }
    report_probes (self);
    bool settles_first = settles_at && (!plan->next_wake || settles_at < plan->next_wake);
    set_wake (self, settles_first ? settles_at : plan->next_wake);
    pod_local_prune (self->local, &self->pod, self->seen);
}

void
worker_step (worker_t *self)
{
    if (!self->pod_tree || self->listing != WORK_DONE)
        return;
    self->needs_step = true;
    if (self->is_stepping)
        return;
    self->is_stepping = true;
    for (int i = 0; i < STEPS_AT_ONCE && self->needs_step; i++) {
        self->needs_step = false;
        step_once (self);
    }
    self->is_stepping = false;
    if (self->needs_step) {
        LOG_ERROR ("Pod plan does not settle pod=%s/%s", self->pod.metadata.namespace,
                   self->pod.metadata.name);
        worker_step_later (self, RETRY_MS);
    }
}

static void
step_due (void *state, void *context)
{
    (void) context;
    worker_t *self = state;
    self->retry_timer = 0;
    worker_step (self);
}

void
worker_step_later (worker_t *self, int64_t delay_ms)
{
    actor_timer_cancel (self->actor, &self->retry_timer);
    self->retry_timer = actor_timer (self->actor, delay_ms, step_due, NULL);
}

// ---- messages ----

/* True when the pod differs in nothing that a volume or a container could show or need: an API
   server sends the pod again for every status that it gets. */
static bool
is_only_status (const node_t *before, const node_t *after)
{
    const node_t *old = node_get (before, "metadata"), *new = node_get (after, "metadata");
    return node_equal (node_get (before, "spec"), node_get (after, "spec"))
           && node_equal (node_get (old, "labels"), node_get (new, "labels"))
           && node_equal (node_get (old, "annotations"), node_get (new, "annotations"));
}

static bool
has_other_resources (const node_t *before, const node_t *after)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t given = pod_allocation (before, tree);
    return !pod_allocation_is_desired (after, &given);
}

static int
take_pod (worker_t *self, const node_t *node, fault_t *fault)
{
    const node_t *before = tree_root (self->pod_tree);
    bool is_same = before && node_equal (before, node);
    bool is_relevant = !before || !is_only_status (before, node);
    if (is_same) {
        objects_watch (self);
        volumes_changed (self); // it is time: tokens age, and messages get lost
        return 0;
    }
    tree_t *tree = tree_copy (node);
    pod_t pod = { 0 };
    if (pod_decode (tree_root (tree), tree, &pod, fault) < 0) {
        tree_destroy (&tree);
        return fault_wrap (fault, "the pod");
    }
    bool is_resized = before && has_other_resources (before, node);
    if (before && is_relevant)
        pod_local_pod_changed (self->local, &self->pod, &pod);
    tree_destroy (&self->pod_tree);
    self->pod_tree = tree;
    self->pod = pod;
    self->was_resized = self->was_resized || is_resized;
    objects_take_pod (self);
    if (is_relevant)
        volumes_changed (self);
    return 0;
}

static int
on_pod_sync (void *state, const message_t *message, fault_t *fault)
{
    worker_t *self = state;
    const node_t *body = message->body;
    // The cut-down pod of an orphan must not replace what we know of it.
    bool is_first = !self->pod_tree;
    const node_t *before = tree_root (self->pod_tree);
    count_sync (self, is_first, is_first || !node_equal (before, node_get (body, "pod")));
    bool is_news = is_first || !node_get_bool (body, "runtime_only", false);
    if (is_news && take_pod (self, node_get (body, "pod"), fault) < 0)
        return -1;
    const node_t *pending = node_get (body, "resize");
    pod_local_set_resize_pending (self->local, node_get_text (pending, "reason", NULL),
                                  node_get_text (pending, "message", NULL));
    resize_take_before (self, node_get (body, "actuated"));
    if (!self->status && node_get (body, "status"))
        self->status = tree_copy (node_get (body, "status"));
    if (node_get_bool (body, "terminate", false)) {
        const node_t *grace = node_get (body, "grace");
        pod_local_terminate (self->local, (opt_int_t){ grace != NULL, node_as_int (grace, 0) },
                             node_get_text (body, "reason", NULL),
                             node_get_text (body, "message", NULL), true);
    }
    pod_local_synced (self->local);
    // What others were told before may have been lost; the manager says this now and then.
    self->is_report_due = true;
    tree_destroy (&self->probed);
    observe_begin (self);
    worker_step (self);
    return 0;
}

static int
on_pod_runtime (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    worker_t *self = state;
    if (self->rereads_objects && !self->is_finished)
        objects_watch (self);
    observe_listing (self, message->body);
    worker_step (self);
    return 0;
}

static int
on_probe_result (void *state, const message_t *message, fault_t *fault)
{
    static const char *const PROBES[LOCAL_PROBE_COUNT] = {
        [LOCAL_LIVENESS] = "liveness",
        [LOCAL_READINESS] = "readiness",
        [LOCAL_STARTUP] = "startup",
    };
    worker_t *self = state;
    const char *probe = node_get_text (message->body, "probe", "");
    const char *result = node_get_text (message->body, "result", "");
    int kind = 0;
    while (kind < LOCAL_PROBE_COUNT && strcmp (PROBES[kind], probe) != 0)
        kind++;
    if (kind == LOCAL_PROBE_COUNT)
        return fault_set (fault, FAULT_INVALID, "no probe is called %s", probe);
    pod_local_set_probe (self->local, node_get_text (message->body, "id", ""), (local_probe_t) kind,
                         strcmp (result, "success") == 0   ? RESULT_SUCCESS
                         : strcmp (result, "failure") == 0 ? RESULT_FAILURE
                                                           : RESULT_NONE);
    worker_step (self);
    return 0;
}

/* A peer that knows nothing yet gets what it must know. */
static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    worker_t *self = state;
    const char *class = node_get_text (message->body, "class", "");
    if (!self->pod_tree)
        return 0;
    if (strcmp (class, "probe-manager") == 0)
        tree_destroy (&self->probed);
    if (strcmp (class, self->object_source) == 0 && !self->is_finished)
        objects_watch (self);
    if (strcmp (class, "pod-manager") == 0) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = node_map();
        node_set_text (tree, &body, "uid", self->pod.metadata.uid);
        node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
        if (self->status)
            node_set (tree, &body, "status", node_copy (tree, tree_root (self->status)));
        node_set_bool (tree, &body, "finished", self->is_finished);
        node_set_bool (tree, &body, "running", !self->is_stopped);
        actor_send (self->actor, "pod-manager", MSG_POD_STATUS, &body);
    }
    worker_step (self);
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_POD_SYNC, on_pod_sync },         { MSG_POD_RUNTIME, on_pod_runtime },
    { MSG_PROBE_RESULT, on_probe_result }, { MSG_OBJECT_STATE, on_object_state },
    { MSG_ACTOR_UP, on_actor_up },         { 0 },
};

// ---- the class ----

static void
stop (void **self_p)
{
    worker_t *self = *self_p;
    tree_t **const trees[] = { &self->fact_lists, &self->pod_tree,       &self->status,
                               &self->volumes,    &self->images,         &self->probed,
                               &self->actuated,   &self->resize_steps,   &self->listed_sandboxes,
                               &self->refs,       &self->objects,        &self->tokens,
                               &self->handlers,   &self->actuated_before };
    for (size_t i = 0; i < COUNT_OF (trees); i++)
        tree_destroy (trees[i]);
    packed_clear (&self->reported);
    pod_seen_destroy (&self->seen);
    pod_local_destroy (&self->local);
    zlistx_destroy (&self->starts);
    free (self->runtime_name);
    free (self->resolv_conf);
    free (self->sandbox_handler);
    free (self);
    *self_p = NULL;
}

/* args: the node's facts (facts.c). */
static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    worker_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->fact_lists = tree_new();
    self->seen = pod_seen_new();
    self->local = pod_local_new();
    self->starts = container_starts_new();
    void *state = self;
    if (facts_decode (self, args, fault) < 0) {
        stop (&state);
        return NULL;
    }
    resolv_conf_read (self);
    return self;
}

const actor_class_t pod_worker_class = {
    .name = "pod-worker",
    .about = "plans and drives one pod, from sandbox to removal",
    .hears_of = "pod-manager probe-manager api-watcher manifest-watcher",
    .queue_limit = 500,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
