/* What the runtime shows of the pod. */
#include "cubelet/actor.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "termination_message.h"
#include "worker.h"
#include <string.h>

/* Time for the runtime to hear why a container was killed; upstream looks up to 1 s later anyway.
 */
#define SECOND_LOOK_MS 500

typedef struct {
    char id[ID_MAX];
    char sandbox_id[ID_MAX];
    bool is_first;  // of the first listing, which is waited for
    bool is_second; // look: what it shows is taken
} asked_t;

static void
list_again (void *state, void *context)
{
    (void) context;
    worker_t *self = state;
    self->retry_timer = 0;
    observe_begin (self);
}

static void
listing_failed (worker_t *self, const char *call, const fault_t *fault)
{
    LOG_V (2, "Pod not listed, trying again pod=%s/%s call=%s err=%s", self->pod.metadata.namespace,
           self->pod.metadata.name, call, fault->text);
    self->listing = WORK_TODO;
    actor_timer_cancel (self->actor, &self->retry_timer);
    self->retry_timer = actor_timer (self->actor, RETRY_UNAVAILABLE_MS, list_again, NULL);
}

// ---- statuses ----

/* Reads what a dead container left, once, while its files are still there. */
static void
read_last_words (worker_t *self, const char *id)
{
    const container_seen_t *container = pod_seen_container (self->seen, id);
    const instance_local_t *known = pod_local_instance (self->local, id);
    if (!container || container->state != SEEN_EXITED || (known && known->termination_message))
        return;
    OWNED (free_text)
    char *text = termination_message_read (container, POD_CONTAINER_COUNT (&self->pod));
    if (text)
        pod_local_set_termination_message (self->local, id, text);
}

void
observe_container (worker_t *self, const char *id, const char *sandbox_id, const node_t *answer,
                   const fault_t *fault)
{
    fault_t reason = { 0 };
    const char *in = sandbox_id && sandbox_id[0] ? sandbox_id : NULL;
    if (fault && fault->code == FAULT_NOT_FOUND)
        pod_seen_remove_container (self->seen, id);
    else if (fault)
        LOG_WARNING ("Container status not read pod=%s/%s containerID=%s err=%s",
                     self->pod.metadata.namespace, self->pod.metadata.name, id, fault->text);
    else if (pod_seen_set_container (self->seen, node_get (answer, "status"), in, &reason) < 0)
        LOG_WARNING ("Container status not understood pod=%s/%s containerID=%s err=%s",
                     self->pod.metadata.namespace, self->pod.metadata.name, id, reason.text);
    else
        read_last_words (self, id);
}

void
observe_sandbox (worker_t *self, const char *id, const node_t *answer, const fault_t *fault)
{
    fault_t reason = { 0 };
    if (fault && fault->code == FAULT_NOT_FOUND)
        pod_seen_remove_sandbox (self->seen, id);
    else if (fault)
        LOG_WARNING ("Sandbox status not read pod=%s/%s sandboxID=%s err=%s",
                     self->pod.metadata.namespace, self->pod.metadata.name, id, fault->text);
    else if (pod_seen_set_sandbox (self->seen, node_get (answer, "status"), &reason) < 0)
        LOG_WARNING ("Sandbox status not understood pod=%s/%s sandboxID=%s err=%s",
                     self->pod.metadata.namespace, self->pod.metadata.name, id, reason.text);
}

/* One answer is there; the first listing is complete with the last one. */
static void
count_answer (worker_t *self, const asked_t *asked)
{
    if (asked->is_first && --self->statuses_asked == 0)
        self->listing = WORK_DONE;
    worker_step (self);
}

/* The first listing must be whole: an unknown container would be started twice. */
static bool
must_list_again (worker_t *self, const asked_t *asked, const fault_t *fault)
{
    if (!fault || !asked->is_first || fault->code == FAULT_NOT_FOUND)
        return false;
    if (self->listing == WORK_ASKED)
        listing_failed (self, "status", fault);
    return true;
}

static void look_again (void *state, void *context);

/* The first news of a container's death by SIGKILL is not taken: it was perhaps killed for memory,
   and what is reported once is not taken back. */
static bool
waits_for_second_look (worker_t *self, const asked_t *asked, const node_t *answer)
{
    const container_seen_t *known = pod_seen_container (self->seen, asked->id);
    if (asked->is_first || asked->is_second || self->local->is_terminating || !known
        || known->state != SEEN_RUNNING
        || !pod_seen_may_be_oom_killed (node_get (answer, "status")))
        return false;
    if (!self->second_look_timer)
        self->second_look_timer = actor_timer (self->actor, SECOND_LOOK_MS, look_again, NULL);
    return true;
}

static void
on_container_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const asked_t *asked = context;
    if (must_list_again (self, asked, fault)
        || (reply && waits_for_second_look (self, asked, reply->body)))
        return;
    observe_container (self, asked->id, asked->sandbox_id, reply ? reply->body : NULL, fault);
    count_answer (self, asked);
}

static void
on_sandbox_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const asked_t *asked = context;
    if (must_list_again (self, asked, fault))
        return;
    observe_sandbox (self, asked->id, reply ? reply->body : NULL, fault);
    count_answer (self, asked);
}

static asked_t
asked_of (worker_t *self, const char *id, const char *sandbox_id)
{
    asked_t asked = { .is_first = self->listing == WORK_ASKED };
    snprintf (asked.id, sizeof asked.id, "%s", id);
    snprintf (asked.sandbox_id, sizeof asked.sandbox_id, "%s", sandbox_id ? sandbox_id : "");
    self->statuses_asked += asked.is_first;
    return asked;
}

static void
on_container_changed (void *context, const char *id, const char *sandbox_id)
{
    worker_t *self = context;
    asked_t asked = asked_of (self, id, sandbox_id);
    ask_runtime (self, MSG_CRI_CONTAINER_STATUS, "container_id", id, on_container_status, &asked,
                 sizeof asked);
}

/* Which of those that were running died is asked, not remembered. */
static void
look_again (void *state, void *context)
{
    (void) context;
    worker_t *self = state;
    self->second_look_timer = 0;
    for (size_t i = 0; i < pod_seen_container_count (self->seen); i++) {
        const container_seen_t *container = pod_seen_container_at (self->seen, i);
        if (container->state != SEEN_RUNNING)
            continue;
        asked_t asked = asked_of (self, container->id, container->sandbox_id);
        asked.is_second = true;
        ask_runtime (self, MSG_CRI_CONTAINER_STATUS, "container_id", container->id,
                     on_container_status, &asked, sizeof asked);
    }
}

static void
on_sandbox_changed (void *context, const char *id, const char *sandbox_id)
{
    (void) sandbox_id;
    worker_t *self = context;
    asked_t asked = asked_of (self, id, NULL);
    ask_runtime (self, MSG_CRI_POD_SANDBOX_STATUS, "pod_sandbox_id", id, on_sandbox_status, &asked,
                 sizeof asked);
}

void
observe_listing (worker_t *self, const node_t *body)
{
    // A listing made before our last own change says nothing; the watcher sends another one,
    // since that change is in it.
    if (self->listing != WORK_DONE || node_get_int (body, "listed_at", 0) < self->changed_at)
        return;
    pod_seen_compare (self->seen, node_get (body, "sandboxes"), node_get (body, "containers"),
                      on_sandbox_changed, on_container_changed, self);
}

void
observe_after_failure (worker_t *self)
{
    actor_send (self->actor, "runtime-watcher", MSG_POD_RELIST, NULL);
}

// ---- the first listing ----

static node_t
filter_of_pod (const worker_t *self, tree_t *tree)
{
    node_t labels = node_map();
    node_set_text (tree, &labels, "io.kubernetes.pod.uid", self->pod.metadata.uid);
    node_t filter = node_map();
    node_set (tree, &filter, "label_selector", labels);
    node_t body = node_map();
    node_set (tree, &body, "filter", filter);
    return body;
}

static void
on_containers (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    worker_t *self = state;
    if (fault) {
        listing_failed (self, "ListContainers", fault);
        return;
    }
    OWNED (tree_destroy) tree_t *sandboxes = self->listed_sandboxes;
    self->listed_sandboxes = NULL;
    self->statuses_asked = 1; // ourselves, so that an empty listing ends here
    pod_seen_compare (self->seen, tree_root (sandboxes), node_get (reply->body, "containers"),
                      on_sandbox_changed, on_container_changed, self);
    count_answer (self, &(asked_t){ .is_first = true });
}

static void
on_sandboxes (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    worker_t *self = state;
    if (fault) {
        listing_failed (self, "ListPodSandbox", fault);
        return;
    }
    tree_destroy (&self->listed_sandboxes);
    self->listed_sandboxes = tree_copy (node_get (reply->body, "items"));
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = filter_of_pod (self, tree);
    actor_request (self->actor, "runtime", MSG_CRI_LIST_CONTAINERS, &body, LOCAL_DEADLINE_MS,
                   on_containers, NULL, 0);
}

static void
on_runtime_state (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    worker_t *self = state;
    fault_t down = { FAULT_UNAVAILABLE, "the container runtime is down" };
    if (fault || !node_get_bool (reply->body, "up", false)) {
        listing_failed (self, "runtime.state.get", fault ? fault : &down);
        return;
    }
    free (self->runtime_name);
    self->runtime_name = text_copy (node_get_text (reply->body, "name", ""));
    tree_destroy (&self->handlers);
    self->handlers = tree_copy (node_get (reply->body, "handlers"));
    self->facts.runtime_handlers = tree_root (self->handlers);
    cgroup_driver_choose (reply->body, self->facts.cgroup_driver, &self->facts.cgroup_driver);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = filter_of_pod (self, tree);
    actor_request (self->actor, "runtime", MSG_CRI_LIST_POD_SANDBOX, &body, LOCAL_DEADLINE_MS,
                   on_sandboxes, NULL, 0);
}

void
observe_begin (worker_t *self)
{
    if (self->listing != WORK_TODO)
        return;
    self->listing = WORK_ASKED;
    actor_request (self->actor, "runtime", MSG_RUNTIME_STATE_GET, NULL, LOCAL_DEADLINE_MS,
                   on_runtime_state, NULL, 0);
}
