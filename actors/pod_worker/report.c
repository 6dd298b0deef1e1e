/* What the worker tells others: status, events, probes. */
#include "cubelet/clock.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include "cubelet/pod_sync_span.h"
#include "worker.h"
#include <string.h>

text_list_t
pod_addresses (const worker_t *self)
{
    if (self->pod.spec.host_network)
        return self->facts.host_ips;
    const sandbox_seen_t *sandbox = pod_seen_ready_sandbox (self->seen);
    return sandbox ? sandbox->ips : (text_list_t){ 0 };
}

/* Tells the pod-manager this status of the pod. */
static void
send_status (worker_t *self, const node_t *status)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "uid", self->pod.metadata.uid);
    node_set (tree, &body, "status", node_copy (tree, status));
    node_set_bool (tree, &body, "finished", self->is_finished);
    node_set_bool (tree, &body, "running", !self->is_stopped);
    if (self->pulled_at > self->pulls_began_at)
        node_set_int (tree, &body, "pulls_ns", self->pulled_at - self->pulls_began_at);
    actor_send (self->actor, "pod-manager", MSG_POD_STATUS, &body);
    packed_set (&self->reported, status);
    self->is_report_due = false;
}

void
report_status (worker_t *self)
{
    if (self->status
        && (self->is_report_due || !packed_equal (&self->reported, tree_root (self->status))))
        send_status (self, tree_root (self->status));
}

void
report_readiness (worker_t *self)
{
    OWNED (tree_destroy) tree_t *reported = packed_tree (&self->reported);
    OWNED (tree_destroy)
    tree_t *status = self->reported.bytes && self->status
                         ? pod_sync_readiness (tree_root (reported), tree_root (self->status))
                         : NULL;
    if (status)
        send_status (self, tree_root (status));
}

void
report_event (worker_t *self, const char *container, const char *type, const char *reason,
              const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_pod (tree, self->pod.node, container));
    node_set_text (tree, &body, "type", type);
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

void
report_kill_failure (worker_t *self, const char *what, const char *of, const fault_t *fault)
{
    // Away for a moment is no failure: the runtime is asked again as soon as it is back.
    if (!self->local->is_terminating || fault->code == FAULT_UNAVAILABLE)
        return;
    OWNED (free_text)
    char *error =
        text_format ("rpc error: code = %s desc = %s", fault_code_name (fault->code), fault->text);
    OWNED (free_text) char *quoted = go_quote (error);
    OWNED (free_text)
    char *message = text_format ("error killing pod: failed to \"%s\" for \"%s\" with %sError: %s",
                                 what, of, what, quoted);
    report_event (self, NULL, "Warning", "FailedKillPod", message);
}

void
report_events (worker_t *self, const node_t *events)
{
    NODE_EACH (events, event)
    if (strcmp (node_get_text (event, "object", ""), "pod") == 0)
        report_event (self, NULL, node_get_text (event, "type", "Warning"),
                      node_get_text (event, "reason", ""), node_get_text (event, "message", ""));
}

/* `started` of a container, as the status says it. */
static bool
is_started (const worker_t *self, const char *name)
{
    static const char *const LISTS[] = { "containerStatuses", "initContainerStatuses" };
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        NODE_EACH (node_get (tree_root (self->status), LISTS[i]), status)
    if (strcmp (node_get_text (status, "name", ""), name) == 0)
        return node_get_bool (status, "started", false);
    return false;
}

/* The instance to be probed of this container, or NULL. */
static const container_seen_t *
probed_instance (const worker_t *self, const container_t *container)
{
    if (!container->liveness_probe && !container->readiness_probe && !container->startup_probe)
        return NULL;
    const container_seen_t *seen = pod_seen_newest (self->seen, container->name, 0);
    const container_local_t *local = pod_local_container (self->local, container->name);
    // Probes begin when the start is over, the postStart hook included.
    bool is_starting = local && local->step != STEP_IDLE;
    return seen && seen->state == SEEN_RUNNING && !is_starting ? seen : NULL;
}

static node_t
probed_containers (const worker_t *self, tree_t *tree)
{
    node_t list = node_array();
    for (size_t i = 0; i < POD_CONTAINER_COUNT (&self->pod); i++) {
        const container_t *container = pod_container_at (&self->pod, i);
        const container_seen_t *seen = probed_instance (self, container);
        if (!seen)
            continue;
        node_t row = node_map();
        node_set_text (tree, &row, "name", container->name);
        node_set_text (tree, &row, "id", seen->id);
        node_set_int (tree, &row, "started_at", seen->started_at);
        node_set_bool (tree, &row, "started", is_started (self, container->name));
        node_set_bool (tree, &row, "running", true);
        node_append (tree, &list, row);
    }
    return list;
}

void
report_probes (worker_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_t containers = probed_containers (self, tree);
    text_list_t addresses = pod_addresses (self);
    node_set_text (tree, &body, "pod_uid", self->pod.metadata.uid);
    node_set (tree, &body, "containers", containers);
    if (addresses.count)
        node_set_text (tree, &body, "pod_ip", addresses.items[0]);
    node_set_bool (tree, &body, "terminating", self->local->is_terminating);
    bool is_same =
        self->probed ? node_equal (tree_root (self->probed), &body) : node_count (&containers) == 0;
    if (is_same)
        return;
    tree_destroy (&self->probed);
    self->probed = tree_copy (&body);
    node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
    actor_send (self->actor, "probe-manager", MSG_PROBE_SET, &body);
}
