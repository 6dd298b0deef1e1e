#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "pod_status_internal.h"
#include <string.h>

// ---- small questions ----

const node_t *
state_is (const node_t *state, const char *kind)
{
    return node_get (state, kind);
}

bool
status_any_regular_started (const builder_t *self)
{
    for (size_t i = 0; i < self->row_count; i++) {
        const row_t *row = &self->rows[i];
        if (row->container->kind == CONTAINER_REGULAR
            && (state_is (&row->state, "running") || state_is (&row->state, "terminated")))
            return true;
    }
    return false;
}

static bool
was_stopped (const builder_t *self, const container_seen_t *instance)
{
    const instance_local_t *known = pod_local_instance (self->local, instance->id);
    return known && known->is_stopped;
}

static bool
is_anything_running (const builder_t *self)
{
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++)
        if (instance->state == SEEN_RUNNING
            || (instance->state == SEEN_UNKNOWN && !was_stopped (self, instance)))
            return true;
    for (size_t i = 0; i < self->local->container_count; i++) {
        container_step_t step = self->local->containers[i]->step;
        if (step == STEP_CREATE || step == STEP_START)
            return true;
    }
    return false;
}

static bool
is_any_sandbox_ready (const builder_t *self)
{
    const sandbox_seen_t *sandbox;
    for (size_t i = 0; (sandbox = pod_seen_sandbox_at (self->seen, i)); i++)
        if (sandbox->state == SANDBOX_READY)
            return true;
    return self->local->is_creating_sandbox;
}

bool
status_is_over (const builder_t *self)
{
    return pod_is_terminating (self->pod, self->local, self->previous)
           && !is_anything_running (self) && !is_any_sandbox_ready (self);
}

bool
pod_status_is_terminal (const node_t *status)
{
    const char *phase = node_get_text (status, "phase", "");
    return strcmp (phase, "Succeeded") == 0 || strcmp (phase, "Failed") == 0;
}

node_t
status_time (tree_t *tree, int64_t ns)
{
    char text[TIME_TEXT_MAX];
    return node_text (tree, time_text (ns, text));
}

/* A field of the previous status, else of the API's, or NULL. */
static const node_t *
earlier (const builder_t *self, const char *key)
{
    const node_t *value = node_get (self->previous, key);
    return value ? value : node_get (self->api, key);
}

// ---- phase, reason and message ----

static void
fail (builder_t *self, const char *reason, const char *message)
{
    self->phase = "Failed";
    self->reason = reason;
    self->message = message;
}

/* A terminal phase stays; a phase that stays keeps its reason and message. */
static void
keep_what_stays (builder_t *self)
{
    const node_t *before = self->previous ? self->previous : self->api;
    if (!pod_status_is_terminal (before) && pod_status_is_terminal (self->api))
        before = self->api;
    if (pod_status_is_terminal (before))
        self->phase = node_get_text (before, "phase", "");
    else if (strcmp (node_get_text (before, "phase", ""), self->phase) != 0)
        return;
    self->reason = node_as_text (earlier (self, "reason"), NULL);
    self->message = node_as_text (earlier (self, "message"), NULL);
}

static bool
is_past_deadline (const builder_t *self)
{
    int64_t started_at = 0;
    fault_t fault = { 0 };
    const char *text = node_as_text (earlier (self, "startTime"), NULL);
    if (!text || time_parse (text, &started_at, &fault) < 0)
        return false;
    int64_t deadline = pod_deadline (self->pod, started_at);
    return deadline && self->now >= deadline;
}

static void
decide_phase (builder_t *self)
{
    self->phase = status_phase (self);
    keep_what_stays (self);
    if (pod_status_is_terminal (self->previous) || pod_status_is_terminal (self->api))
        return;
    if (is_past_deadline (self))
        fail (self, "DeadlineExceeded",
              "Pod was active on the node longer than the specified deadline");
    if (self->local->terminate_reason)
        fail (self, self->local->terminate_reason, self->local->terminate_message);
}

// ---- addresses (10.4) ----

static bool
is_ipv6 (const char *address)
{
    return strchr (address, ':') != NULL;
}

static void
append_ip (builder_t *self, node_t *ips, const char *ip)
{
    node_t item = node_map();
    node_set_text (self->tree, &item, "ip", ip);
    node_append (self->tree, ips, item);
}

/* The first of the node's own family, then the first of the other. */
static node_t
sort_ips (builder_t *self, const text_list_t *from)
{
    node_t ips = node_array();
    const text_list_t *hosts = &self->node->host_ips;
    if (from->count == 0)
        return ips;
    bool is_first_6 = is_ipv6 (hosts->count ? hosts->items[0] : from->items[0]);
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < from->count; i++)
            if (is_ipv6 (from->items[i]) == (turn == 0 ? is_first_6 : !is_first_6)) {
                append_ip (self, &ips, from->items[i]);
                break;
            }
    return ips;
}

/* Of the sandbox; those of the node for the host network; what they were, afterwards. */
static node_t
pod_ips (builder_t *self)
{
    const sandbox_seen_t *sandbox = pod_seen_ready_sandbox (self->seen);
    const text_list_t none = { 0 };
    const node_t *before = earlier (self, "podIPs");
    if (!self->pod->spec.host_network) {
        node_t ips = sort_ips (self, sandbox ? &sandbox->ips : &none);
        return node_count (&ips) || !before ? ips : node_copy (self->tree, before);
    }
    if (node_count (before))
        return node_copy (self->tree, before);
    return sort_ips (self, &self->node->host_ips);
}

static void
set_addresses (builder_t *self, node_t *status)
{
    const text_list_t *hosts = &self->node->host_ips;
    if (hosts->count) {
        node_t host_ips = node_array();
        for (size_t i = 0; i < hosts->count; i++)
            append_ip (self, &host_ips, hosts->items[i]);
        node_set_text (self->tree, status, "hostIP", hosts->items[0]);
        node_set (self->tree, status, "hostIPs", host_ips);
    }
    node_t ips = pod_ips (self);
    if (node_count (&ips)) {
        node_set_text (self->tree, status, "podIP", node_get_text (node_item (&ips, 0), "ip", ""));
        node_set (self->tree, status, "podIPs", ips);
    }
}

// ---- the whole ----

static void
set_start_time (builder_t *self, node_t *status)
{
    const node_t *before = earlier (self, "startTime");
    node_set (self->tree, status, "startTime",
              before ? node_copy (self->tree, before) : status_time (self->tree, self->now));
}

static void
set_observed_generation (const pod_t *pod, const node_t *previous, tree_t *tree, node_t *status)
{
    int64_t before = node_get_int (previous, "observedGeneration", 0);
    int64_t generation = pod->metadata.generation > before ? pod->metadata.generation : before;
    if (generation > 0)
        node_set_int (tree, status, "observedGeneration", generation);
}

/* A field that others own, as the API has it. */
static void
keep_foreign (builder_t *self, node_t *status, const char *key)
{
    const node_t *value = node_get (self->api, key);
    if (value)
        node_set (self->tree, status, key, node_copy (self->tree, value));
}

/* The fields in upstream's order. */
static node_t
build (builder_t *self)
{
    node_t status = node_map();
    status_containers (self);
    decide_phase (self);
    set_observed_generation (self->pod, self->previous, self->tree, &status);
    node_set_text (self->tree, &status, "phase", self->phase);
    node_set (self->tree, &status, "conditions", status_conditions (self));
    if (self->message && *self->message)
        node_set_text (self->tree, &status, "message", self->message);
    if (self->reason && *self->reason)
        node_set_text (self->tree, &status, "reason", self->reason);
    keep_foreign (self, &status, "nominatedNodeName");
    set_addresses (self, &status);
    set_start_time (self, &status);
    status_encode_containers (self, &status);
    node_set_text (self->tree, &status, "qosClass", pod_qos_class (self->pod));
    status_encode_ephemeral (self, &status);
    keep_foreign (self, &status, "resourceClaimStatuses");
    return status;
}

tree_t *
pod_status (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local,
            const node_t *previous, const pod_status_node_t *node, int64_t now)
{
    bool is_finished = local->is_finishing && pod_status_is_terminal (previous);
    tree_t *tree = tree_new();
    builder_t self = { .pod = pod,
                       .seen = seen,
                       .local = local,
                       .previous = previous,
                       .api = node_get (pod->node, "status"),
                       .node = node,
                       .now = now,
                       .tree = tree };
    *tree_root (tree) = is_finished ? node_copy (tree, previous) : build (&self);
    if (local->is_finishing)
        status_finish (pod, tree, tree_root (tree));
    free (self.rows);
    return tree;
}

tree_t *
pod_status_rejected (const pod_t *pod, const node_t *previous, const char *reason,
                     const char *message, int64_t now)
{
    tree_t *tree = tree_new();
    builder_t self = { .pod = pod,
                       .previous = previous,
                       .api = node_get (pod->node, "status"),
                       .now = now,
                       .tree = tree };
    node_t status = node_map();
    set_observed_generation (pod, previous, tree, &status);
    node_set_text (tree, &status, "phase", "Failed");
    node_set (tree, &status, "message", node_text_format (tree, "Pod was rejected: %s", message));
    node_set_text (tree, &status, "reason", reason);
    set_start_time (&self, &status);
    node_set_text (tree, &status, "qosClass", pod_qos_class (pod));
    *tree_root (tree) = status;
    return tree;
}
