/* heartbeat.c - compares the Node's status with what it should be, and patches it when something
   has changed or the API server has not heard of us for a while. */
#include "cubelet/chance.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/node_registration.h"
#include "node_reporter.h"
#include <string.h>

#define TRIES_MAX 5
#define CIDR_DEADLINE_MS 0 // the call's own

// ---- the pods' addresses ----

static void
on_cidr_told (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply, (void) context;
    node_reporter_t *self = state;
    self->cidr_call = 0;
    if (!fault)
        return;
    LOG_ERROR ("Failed to update pod CIDR cidr=%s err=%s", self->pod_cidr, fault->text);
    free_text (&self->pod_cidr); // the next round tries again
}

/* Owned text: the addresses that the node's pods get, with commas; NULL: none yet. */
static char *
cidr_of (const node_t *node)
{
    const node_t *spec = node_get (node, "spec");
    char *text = NULL;
    NODE_EACH (node_get (spec, "podCIDRs"), cidr)
    text_replace (&text, "%s%s%s", text ? text : "", text ? "," : "", node_as_text (cidr, ""));
    return text ? text : text_copy (node_get_text (spec, "podCIDR", NULL));
}

static void
tell_cidr (node_reporter_t *self, const node_t *node)
{
    OWNED (free_text) char *cidr = cidr_of (node);
    bool is_told = !cidr || (self->pod_cidr && strcmp (cidr, self->pod_cidr) == 0);
    if (is_told || self->cidr_call)
        return;
    LOG_INFO ("Updating Pod CIDR originalPodCIDR=%s newPodCIDR=%s",
              self->pod_cidr ? self->pod_cidr : "", cidr);
    text_replace (&self->pod_cidr, "%s", cidr);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t network = node_map(), config = node_map(), request = node_map();
    node_set_text (tree, &network, "pod_cidr", cidr);
    node_set (tree, &config, "network_config", network);
    node_set (tree, &request, "runtime_config", config);
    self->cidr_call = actor_request (self->actor, "runtime", MSG_CRI_UPDATE_RUNTIME_CONFIG,
                                     &request, CIDR_DEADLINE_MS, on_cidr_told, NULL, 0);
}

// ---- the status ----

static void look_again (node_reporter_t *self);

static void
fail (node_reporter_t *self, const fault_t *fault)
{
    if (fault->code == FAULT_NOT_FOUND)
        tree_destroy (&self->node); // another Node of that name may come
    bool may_help = !api_fault_is_passing (fault) && fault->code != FAULT_NOT_FOUND;
    if (may_help && ++self->tries < TRIES_MAX) {
        LOG_V (1, "Error updating node status, will retry node=%s err=%s", self->node_name,
               fault->text);
        look_again (self);
        return;
    }
    round_failed (self, "Unable to update node status", fault, self->update_ms);
}

static void
on_patched (void *state, const message_t *reply, const fault_t *came, void *context)
{
    node_reporter_t *self = state;
    bool has_changed = *(bool *) context;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *node = api_reply_check (reply, came, &fault);
    if (!node) {
        fail (self, &fault);
        return;
    }
    record_events (self, tree_root (self->events));
    tree_destroy (&self->events);
    node_report_sent (&self->pace, has_changed, chance(), clock_monotonic_ms());
    take_node (self, node);
    round_end (self);
}

/* Brings self->node up to date. */
static void
update (node_reporter_t *self)
{
    const node_t *old = tree_root (self->node);
    const node_t *initial = node_get (tree_root (self->args), "node");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    tell_cidr (self, old);
    node_t new = node_with_system_labels (tree, old, initial);
    bool has_changed = !node_equal (node_get (old, "metadata"), node_get (&new, "metadata"));
    node_set (tree, &new, "status", status_now (self, tree, node_get (old, "status")));
    has_changed =
        has_changed || node_status_differs (node_get (old, "status"), node_get (&new, "status"));
    if (!has_changed && !node_report_is_due (&self->pace, clock_monotonic_ms())) {
        round_end (self);
        return;
    }
    node_t patch = node_patch (tree, old, &new);
    tree_destroy (&self->events);
    self->events = tree_new();
    *tree_root (self->events) = node_status_events (self->events, self->node_name, old, &new);
    OWNED (free_text)
    char *path = api_path ("/api/v1", NULL, "nodes", self->node_name, "status");
    api_call_t call = { .method = "PATCH",
                        .path = path,
                        .query = self->query,
                        .body = &patch,
                        .content_type = API_STRATEGIC_PATCH,
                        .timeout_ms = self->timeout_ms };
    self->call = api_call (self->actor, &call, on_patched, &has_changed, sizeof has_changed);
}

static void
on_node_read (void *state, const message_t *reply, const fault_t *came, void *context)
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
    take_node (self, node);
    update (self);
}

static void
look_again (node_reporter_t *self)
{
    ask_node (self, "GET", "", NULL, on_node_read);
}

void
heartbeat_start (node_reporter_t *self)
{
    if (self->node)
        update (self);
    else
        look_again (self);
}
