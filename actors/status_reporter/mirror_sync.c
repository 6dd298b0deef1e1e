/* mirror_sync.c - mirror pods: made for static pods, replaced when they are wrong, removed when
   their static pod is gone (reference/pod-lifecycle.md 3.2). */
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/mirror_pod.h"
#include "status_reporter.h"

/* A wrong one goes only while its successor is wanted; else pod-manager says that it is an
 * orphan.*/
static bool
may_have_mirror (const entry_t *self)
{
    return self->kind == ENTRY_STATIC && !self->is_terminating;
}

bool
mirror_needs_work (const entry_t *self)
{
    if (self->kind == ENTRY_ORPHAN)
        return true;
    if (!may_have_mirror (self))
        return false;
    return self->api_uid ? self->is_mirror_wrong : self->reporter->node_uid != NULL;
}

// ---- making one ----

static void
on_created (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    entry_t *self = *(entry_t **) context;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *mirror = api_reply_check (reply, came, &fault);
    if (!mirror) {
        // also when the name is taken: by a mirror that we are not told of yet, or by a stranger
        entry_failed (self, "Failed creating a mirror pod", &fault);
        return;
    }
    LOG_INFO ("Mirror pod created pod=%s/%s uid=%s", self->ns, self->name, self->uid);
    text_replace (&self->api_uid, "%s", node_get_text (node_get (mirror, "metadata"), "uid", ""));
    self->is_mirror_wrong = false;
    self->backoff = (backoff_t){ 0 };
    self->sent = 0;
    self->needs_sync = self->status.bytes != NULL;
    entry_end (self);
}

static void
create (entry_t *self)
{
    const reporter_t *reporter = self->reporter;
    OWNED (tree_destroy) tree_t *pod = packed_tree (&self->pod);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *path = api_path ("/api/v1", self->ns, "pods", NULL, NULL);
    node_t mirror = mirror_pod (tree, tree_root (pod), reporter->node_name, reporter->node_uid);
    api_call_t call = { .method = "POST", .path = path, .body = &mirror };
    self->call = api_call (reporter->actor, &call, on_created, &self, sizeof self);
}

// ---- removing one ----

static void
settle_removal (entry_t *self)
{
    LOG_INFO ("Mirror pod deleted pod=%s/%s uid=%s", self->ns, self->name, self->removing);
    if (self->kind == ENTRY_ORPHAN) {
        entry_forget (self);
        return;
    }
    if (self->api_uid && streq (self->api_uid, self->removing)) {
        free_text (&self->api_uid);
        self->is_mirror_wrong = false;
    }
    self->sent = 0;
    entry_end (self);
}

/* Whose name is it now? */
static void
on_looked (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    entry_t *self = *(entry_t **) context;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *pod = api_reply_check (reply, came, &fault);
    bool is_still_there =
        pod && streq (node_get_text (node_get (pod, "metadata"), "uid", ""), self->removing);
    if (is_still_there)
        fault_set (&fault, FAULT_ABORTED, "a conflict, though it is still there");
    if (is_still_there || (!pod && fault.code != FAULT_NOT_FOUND))
        entry_failed (self, "Failed deleting a mirror pod", &fault);
    else
        settle_removal (self);
}

static void
on_removed (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    entry_t *self = *(entry_t **) context;
    fault_t fault = { 0 };
    self->call = 0;
    if (api_reply_check (reply, came, &fault) || fault.code == FAULT_NOT_FOUND)
        settle_removal (self);
    else if (fault.code == FAULT_ABORTED) {
        OWNED (free_text) char *path = entry_path (self, NULL);
        api_call_t call = { .method = "GET", .path = path };
        self->call = api_call (self->reporter->actor, &call, on_looked, &self, sizeof self);
    }
    else
        entry_failed (self, "Failed deleting a mirror pod", &fault);
}

void
mirror_sync_start (entry_t *self)
{
    if (!self->api_uid) {
        create (self);
        return;
    }
    text_replace (&self->removing, "%s", self->api_uid);
    entry_delete (self, on_removed);
}
