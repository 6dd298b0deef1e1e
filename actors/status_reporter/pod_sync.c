/* pod_sync.c - brings one API object up to date: GET, PATCH of its status, and DELETE when the pod
   has ended (reference/pod-lifecycle.md 9). */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/mirror_pod.h"
#include "cubelet/pod_status.h"
#include "cubelet/pod_status_merge.h"
#include "status_reporter.h"

char *
entry_path (const entry_t *self, const char *sub)
{
    return api_path ("/api/v1", self->ns, "pods", self->name, sub);
}

/* The API object is gone, or another one has its name. */
static void
on_gone (entry_t *self)
{
    LOG_V (2, "Pod is gone from the API server pod=%s/%s uid=%s", self->ns, self->name, self->uid);
    if (self->kind != ENTRY_STATIC) {
        entry_forget (self);
        return;
    }
    free_text (&self->api_uid); // pod-manager says which mirror there is now
    self->sent = 0;
    entry_end (self);
}

// ---- the end ----

static void
on_deleted (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    entry_t *self = *(entry_t **) context;
    fault_t fault = { 0 };
    self->call = 0;
    // a conflict may mean another pod of that name: the next round looks
    bool is_done = api_reply_check (reply, came, &fault) || fault.code == FAULT_NOT_FOUND;
    if (!is_done) {
        entry_failed (self, "Pod not deleted from the API server", &fault);
        return;
    }
    LOG_V (1, "Pod deleted from the API server pod=%s/%s uid=%s", self->ns, self->name, self->uid);
    self->is_deleted = true;
    self->needs_sync = false;
    entry_end (self);
}

void
entry_delete (entry_t *self, actor_reply_fn *reply)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *path = entry_path (self, NULL);
    node_t options = api_delete_options (tree, self->api_uid, 0);
    api_call_t call = { .method = "DELETE", .path = path, .body = &options };
    self->call = api_call (self->reporter->actor, &call, reply, &self, sizeof self);
}

/* `pod` is the API object with the status it has now. */
static void
on_status_settled (entry_t *self, const node_t *pod)
{
    self->sent = self->sending;
    if (self->changed_ms)
        metric_observe (METRIC_POD_STATUS_SYNC_DURATION_SECONDS,
                        (double) (clock_monotonic_ms() - self->changed_ms) / 1000, NO_LABELS);
    self->changed_ms = 0;
    self->backoff = (backoff_t){ 0 };
    bool is_over = self->kind == ENTRY_POD && self->is_finished && !self->is_deleted
                   && node_at (pod, "metadata", "deletionTimestamp", NULL)
                   && pod_status_is_terminal (node_get (pod, "status"));
    if (is_over)
        entry_delete (self, on_deleted);
    else
        entry_end (self);
}

// ---- the status ----

static void
on_patched (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    entry_t *self = *(entry_t **) context;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *pod = api_reply_check (reply, came, &fault);
    if (pod)
        on_status_settled (self, pod);
    else if (fault.code == FAULT_NOT_FOUND)
        on_gone (self);
    else
        entry_failed (self, "Failed to update status for pod", &fault);
}

static void
patch_status (entry_t *self, const node_t *pod)
{
    const node_t *api_status = node_get (pod, "status");
    bool is_same = false;
    OWNED (tree_destroy) tree_t *status = packed_tree (&self->status);
    OWNED (tree_destroy)
    tree_t *merged =
        pod_status_merge (tree_root (status), api_status, self->is_running, clock_now_ns());
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t patch = pod_status_patch (tree, self->api_uid, api_status, tree_root (merged), &is_same);
    self->sending = packed_hash (&self->status);
    if (is_same) {
        on_status_settled (self, pod);
        return;
    }
    OWNED (free_text) char *path = entry_path (self, "status");
    api_call_t call = {
        .method = "PATCH", .path = path, .content_type = API_STRATEGIC_PATCH, .body = &patch
    };
    self->call = api_call (self->reporter->actor, &call, on_patched, &self, sizeof self);
}

/* The very object that was meant: for a static pod, its own mirror. */
static bool
is_ours (const entry_t *self, const node_t *pod)
{
    if (!streq (node_get_text (node_get (pod, "metadata"), "uid", ""), self->api_uid))
        return false;
    OWNED (tree_destroy) tree_t *static_pod = packed_tree (&self->pod);
    return self->kind != ENTRY_STATIC || mirror_pod_is_of (pod, tree_root (static_pod));
}

static void
on_got (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    entry_t *self = *(entry_t **) context;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *pod = api_reply_check (reply, came, &fault);
    if (!pod && fault.code != FAULT_NOT_FOUND)
        entry_failed (self, "Failed to get status for pod", &fault);
    else if (!pod || !self->api_uid || !is_ours (self, pod))
        on_gone (self);
    else
        patch_status (self, pod);
}

void
pod_sync_start (entry_t *self)
{
    OWNED (free_text) char *path = entry_path (self, NULL);
    api_call_t call = { .method = "GET", .path = path };
    self->needs_sync = false; // a report that comes meanwhile sets it again
    self->call = api_call (self->reporter->actor, &call, on_got, &self, sizeof self);
}
