/* node_object.c - what the API server shows of a driver on this node: the row in CSINode, which
   schedulers and controllers read, and the Node's annotation and topology labels. Both are read
   anew each time, so that a conflict is only another round. */
#include "cubelet/api_call.h"
#include "cubelet/clock.h"
#include "cubelet/csi_registration.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"

#define CSI_NODES "/apis/storage.k8s.io/v1"

static const backoff_limits_t BACKOFF = { .first_ns = 500 * NS_PER_MS, .limit_ns = 122 * NS_PER_S };

static void
call (node_entry_t *self, const api_call_t *request, actor_reply_fn *reply)
{
    api_call (self->manager->actor, request, reply, &self, sizeof self);
}

static void
end (node_entry_t *self, const fault_t *fault)
{
    tree_destroy (&self->node);
    self->done (self->context, fault);
}

/* Ends with what went wrong in the way that `text` says. */
static void
fail (node_entry_t *self, fault_t *fault, const char *text)
{
    fault_wrap (fault, "%s", text);
    end (self, fault);
}

static void get_csi_node (node_entry_t *self);

/* The Node is told first, so that the labels are there once CSINode names their keys; when a driver
   leaves, last. */
static void
after_node (node_entry_t *self)
{
    if (self->info)
        get_csi_node (self);
    else
        end (self, NULL);
}

static void
on_patched (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    node_entry_t *self = *(node_entry_t **) context;
    fault_t fault = { 0 };
    if (api_reply_check (reply, came, &fault))
        after_node (self);
    else
        fail (self, &fault, "error updating Node object with CSI driver node info");
}

static void
patch_node (node_entry_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text)
    char *path = api_path ("/api/v1", NULL, "nodes", self->manager->node_name, "status");
    node_t patch;
    fault_t fault = { 0 };
    int result = self->driver ? csi_node_patch (tree_root (self->node), self->driver, self->info,
                                                tree, &patch, &fault)
                              : 0;
    if (result < 0)
        fail (self, &fault, "error updating Node object with CSI driver node info");
    else if (result == 0)
        after_node (self);
    else
        call (self,
              &(api_call_t){ .method = "PATCH",
                             .path = path,
                             .content_type = API_STRATEGIC_PATCH,
                             .body = &patch },
              on_patched);
}

static void
after_csi_node (node_entry_t *self)
{
    if (self->info)
        end (self, NULL);
    else
        patch_node (self);
}

static void
on_written (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    node_entry_t *self = *(node_entry_t **) context;
    fault_t fault = { 0 };
    if (api_reply_check (reply, came, &fault))
        after_csi_node (self);
    else
        fail (self, &fault, "error updating CSINode object with CSI driver node info");
}

static void
on_csi_node (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    node_entry_t *self = *(node_entry_t **) context;
    const char *name = self->manager->node_name;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    node_t object;
    const node_t *old = api_reply_check (reply, came, &fault);
    if (!old && fault.code != FAULT_NOT_FOUND) {
        fail (self, &fault, "error getting CSINode");
        return;
    }
    const node_t *node = tree_root (self->node);
    bool is_change = self->driver
                         ? csi_node_change (old, node, self->driver, self->info, tree, &object)
                         : csi_node_begin (old, node, tree, &object);
    if (!is_change) {
        after_csi_node (self);
        return;
    }
    OWNED (free_text) char *path = api_path (CSI_NODES, NULL, "csinodes", old ? name : NULL, NULL);
    call (self, &(api_call_t){ .method = old ? "PUT" : "POST", .path = path, .body = &object },
          on_written);
}

static void
get_csi_node (node_entry_t *self)
{
    OWNED (free_text)
    char *path = api_path (CSI_NODES, NULL, "csinodes", self->manager->node_name, NULL);
    call (self, &(api_call_t){ .method = "GET", .path = path }, on_csi_node);
}

static void
on_node (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    node_entry_t *self = *(node_entry_t **) context;
    fault_t fault = { 0 };
    const node_t *node = api_reply_check (reply, came, &fault);
    if (!node) {
        fail (self, &fault, "error getting Node");
        return;
    }
    tree_destroy (&self->node);
    self->node = tree_copy (node);
    if (self->info)
        patch_node (self);
    else
        get_csi_node (self);
}

void
node_entry_update (node_entry_t *self)
{
    OWNED (free_text)
    char *path = api_path ("/api/v1", NULL, "nodes", self->manager->node_name, NULL);
    call (self, &(api_call_t){ .method = "GET", .path = path }, on_node);
}

// ---- before any driver ----

static void
make_again (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    self->begun_timer = 0;
    csi_node_make (self);
}

static void
on_made (void *context, const fault_t *fault)
{
    manager_t *self = context;
    int64_t now = clock_now_ns();
    if (!fault)
        return;
    // Often it is only that the Node is not registered yet.
    LOG_INFO ("CSINode not made yet err=%s", fault->text);
    backoff_next (&self->begun_backoff, &BACKOFF, now, now);
    self->begun_timer =
        actor_timer (self->actor, self->begun_backoff.wait_ns / NS_PER_MS, make_again, NULL);
}

void
csi_node_make (manager_t *self)
{
    self->begun = (node_entry_t){ .manager = self, .done = on_made, .context = self };
    node_entry_update (&self->begun);
}
