/* registration.c - makes the Node, or sets right the one that is there; once in the life of the
   agent: a Node that is deleted later does not come back by itself, as upstream's does not. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/node_registration.h"
#include "node_reporter.h"

static const backoff_limits_t RETRY = { .first_ns = NS_PER_S / 10, .limit_ns = 7 * NS_PER_S };

static void
fail (node_reporter_t *self, const fault_t *fault)
{
    int64_t now = clock_monotonic_ms() * NS_PER_MS;
    backoff_next (&self->backoff, &RETRY, now, now);
    round_failed (self, "Unable to register node with API server", fault,
                  self->backoff.wait_ns / NS_PER_MS);
}

/* The Node to register, with its status. */
static node_t
wanted (node_reporter_t *self, tree_t *tree)
{
    node_t node = node_copy (tree, node_get (tree_root (self->args), "node"));
    node_set (tree, &node, "status", status_now (self, tree, NULL));
    return node;
}

static void
succeed (node_reporter_t *self, const node_t *node)
{
    LOG_INFO ("Successfully registered node node=%s", self->node_name);
    self->is_registered = true;
    self->backoff = (backoff_t){ 0 };
    take_node (self, node);
}

// ---- a Node that is there ----

static void
on_reconciled (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) context;
    node_reporter_t *self = state;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *node = api_reply_check (reply, came, &fault);
    if (!node) {
        fail (self, &fault);
        return;
    }
    succeed (self, node);
    heartbeat_start (self);
}

static void
reconcile (node_reporter_t *self, const node_t *existing)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t initial = wanted (self, tree);
    node_t right = node_reconcile (tree, &initial, existing);
    node_t patch = node_patch (tree, existing, &right);
    LOG_INFO ("Node was previously registered node=%s", self->node_name);
    if (node_count (&patch) > 0) {
        ask_node (self, "PATCH", "status", &patch, on_reconciled);
        return;
    }
    succeed (self, existing);
    heartbeat_start (self);
}

static void
on_existing (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) context;
    node_reporter_t *self = state;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *node = api_reply_check (reply, came, &fault);
    if (!node)
        fail (self, &fault);
    else if (node_get_bool (tree_root (self->args), "registers", true))
        reconcile (self, node);
    else {
        succeed (self, node);
        heartbeat_start (self);
    }
}

// ---- a new one ----

static void
on_created (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) context;
    node_reporter_t *self = state;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *node = api_reply_check (reply, came, &fault);
    if (node) {
        succeed (self, node);
        node_report_sent (&self->pace, false, 0, clock_monotonic_ms());
        round_end (self);
    }
    // who may not create it may still be allowed to have it
    else if (fault.code == FAULT_ALREADY_EXISTS || fault.code == FAULT_ABORTED
             || fault.code == FAULT_DENIED)
        ask_node (self, "GET", "", NULL, on_existing);
    else
        fail (self, &fault);
}

void
registration_start (node_reporter_t *self)
{
    if (!node_get_bool (tree_root (self->args), "registers", true)) {
        ask_node (self, "GET", "", NULL, on_existing);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t node = wanted (self, tree);
    if (!self->is_announced) {
        node_t events = node_status_events (tree, self->node_name, NULL, &node);
        record_events (self, &events);
    }
    self->is_announced = true;
    OWNED (free_text) char *path = api_path ("/api/v1", NULL, "nodes", NULL, NULL);
    api_call_t call = { .method = "POST", .path = path, .body = &node };
    self->call = api_call (self->actor, &call, on_created, NULL, 0);
}
