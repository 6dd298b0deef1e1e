/* pod_entry.c - what is known of one pod, and whether the API server knows it, too. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/mirror_pod.h"
#include "cubelet/pod_status_merge.h"
#include "status_reporter.h"

// ---- entries ----

entry_t *
entry_new (reporter_t *reporter, entry_kind_t kind, const char *uid, const char *ns,
           const char *name)
{
    entry_t *self = memory_new (1, sizeof *self);
    self->reporter = reporter;
    self->kind = kind;
    self->uid = text_copy (uid);
    self->ns = text_copy (ns);
    self->name = text_copy (name);
    if (kind != ENTRY_STATIC)
        self->api_uid = text_copy (uid);
    return self;
}

void
entry_destroy (void **self_p)
{
    entry_t *self = *self_p;
    if (self->call)
        actor_cancel (self->reporter->actor, self->call);
    actor_timer_cancel (self->reporter->actor, &self->timer);
    packed_set (&self->status, NULL);
    packed_set (&self->pod, NULL);
    free (self->uid);
    free (self->ns);
    free (self->name);
    free (self->api_uid);
    free (self->removing);
    free (self);
    *self_p = NULL;
}

static bool
is_being_deleted (const node_t *pod)
{
    return node_at (pod, "metadata", "deletionTimestamp", NULL) != NULL;
}

static void
take_mirror (entry_t *self, const node_t *pod, const node_t *mirror)
{
    if (!self->pod.bytes) // a static pod that changes is another one, with another uid
        packed_set (&self->pod, pod);
    text_replace (&self->api_uid, "%s", node_get_text (node_get (mirror, "metadata"), "uid", ""));
    if (!*self->api_uid)
        free_text (&self->api_uid);
    self->is_mirror_wrong =
        mirror && (is_being_deleted (mirror) || !mirror_pod_is_of (mirror, pod));
}

/* The new status, unless it is an impossible one. Returns its tree (owned), NULL for none. */
static tree_t *
take_status (entry_t *self, const node_t *pod, const node_t *status, const node_t *api_status)
{
    fault_t fault = { 0 };
    if (!node_is_map (status))
        return NULL;
    OWNED (tree_destroy) tree_t *known = packed_tree (&self->status);
    const node_t *previous = self->status.bytes ? tree_root (known) : api_status;
    if (pod_status_check_transition (node_get (pod, "spec"), previous, status, &fault) < 0) {
        LOG_ERROR ("Status update on pod aborted pod=%s/%s err=%s", self->ns, self->name,
                   fault.text);
        return NULL;
    }
    tree_t *carried = pod_status_carry (status, previous);
    packed_set (&self->status, tree_root (carried));
    return carried;
}

/* Would the API server, which is said to have `api_status`, have to change anything? */
static bool
differs (const entry_t *self, const node_t *status, const node_t *api_status)
{
    if (self->sent && self->sent != packed_hash (&self->status))
        return true;
    bool is_same = true;
    OWNED (tree_destroy)
    tree_t *merged = pod_status_merge (status, api_status, self->is_running, clock_now_ns());
    OWNED (tree_destroy) tree_t *tree = tree_new();
    pod_status_patch (tree, self->uid, api_status, tree_root (merged), &is_same);
    return !is_same;
}

void
entry_take (entry_t *self, const node_t *report)
{
    const node_t *pod = node_get (report, "pod");
    const node_t *mirror = node_get (report, "mirror");
    const node_t *api_status = node_get (self->kind == ENTRY_STATIC ? mirror : pod, "status");
    self->is_running = node_get_bool (report, "running", true);
    self->is_finished = node_get_bool (report, "finished", false);
    self->is_terminating = node_get_bool (report, "terminating", false);
    self->is_deleting = self->kind == ENTRY_POD && is_being_deleted (pod);
    if (self->kind == ENTRY_STATIC)
        take_mirror (self, pod, mirror);
    OWNED (tree_destroy)
    tree_t *status = take_status (self, pod, node_get (report, "status"), api_status);
    if (status && differs (self, tree_root (status), api_status)) {
        self->needs_sync = true;
        if (!self->changed_ms)
            self->changed_ms = clock_monotonic_ms();
    }
    if (self->is_deleting && self->is_finished && !self->is_deleted)
        self->needs_sync = true;
}
