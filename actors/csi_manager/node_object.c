/* node_object.c - what the API server shows of a driver on this node: the row in CSINode, which
   schedulers and controllers read, and the Node's annotation and topology labels. Both are read
   anew each time, so that a conflict is only another round. */
#include "cubelet/api_call.h"
#include "cubelet/csi_registration.h"
#include "cubelet/memory.h"
#include "manager.h"

#define CSI_NODES "/apis/storage.k8s.io/v1"

typedef struct {
    plugin_t *plugin;
    node_object_fn *done;
} update_t;

/* What the driver says of the node; NULL when it is leaving. */
static const node_t *
info_of (const plugin_t *self)
{
    return self->is_removing ? NULL : tree_root (self->info);
}

static void
call (const update_t *update, const api_call_t *request, actor_reply_fn *reply)
{
    api_call (update->plugin->manager->actor, request, reply, update, sizeof *update);
}

static void
on_patched (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    const update_t update = *(const update_t *) context;
    fault_t fault = { 0 };
    if (api_reply_check (reply, came, &fault))
        update.done (update.plugin, NULL);
    else {
        fault_wrap (&fault, "error updating Node object with CSI driver node info");
        update.done (update.plugin, &fault);
    }
}

static void
patch_node (const update_t *update)
{
    plugin_t *plugin = update->plugin;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text)
    char *path = api_path ("/api/v1", NULL, "nodes", plugin->manager->node_name, "status");
    node_t patch;
    fault_t fault = { 0 };
    int result = csi_node_patch (tree_root (plugin->node), plugin->name, info_of (plugin), tree,
                                 &patch, &fault);
    if (result <= 0)
        update->done (plugin, result < 0 ? &fault : NULL);
    else
        call (update,
              &(api_call_t){ .method = "PATCH",
                             .path = path,
                             .content_type = API_STRATEGIC_PATCH,
                             .body = &patch },
              on_patched);
}

static void
on_written (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    const update_t update = *(const update_t *) context;
    fault_t fault = { 0 };
    if (api_reply_check (reply, came, &fault))
        patch_node (&update);
    else {
        fault_wrap (&fault, "error updating CSINode object with CSI driver node info");
        update.done (update.plugin, &fault);
    }
}

static void
on_csi_node (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    const update_t update = *(const update_t *) context;
    plugin_t *plugin = update.plugin;
    const char *name = plugin->manager->node_name;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    node_t object;
    const node_t *old = api_reply_check (reply, came, &fault);
    if (!old && fault.code != FAULT_NOT_FOUND) {
        fault_wrap (&fault, "error getting CSINode");
        update.done (plugin, &fault);
        return;
    }
    if (!csi_node_change (old, tree_root (plugin->node), plugin->name, info_of (plugin), tree,
                          &object)) {
        patch_node (&update);
        return;
    }
    OWNED (free_text) char *path = api_path (CSI_NODES, NULL, "csinodes", old ? name : NULL, NULL);
    call (&update, &(api_call_t){ .method = old ? "PUT" : "POST", .path = path, .body = &object },
          on_written);
}

static void
on_node (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    const update_t update = *(const update_t *) context;
    plugin_t *plugin = update.plugin;
    fault_t fault = { 0 };
    const node_t *node = api_reply_check (reply, came, &fault);
    if (!node) {
        fault_wrap (&fault, "error getting Node");
        update.done (plugin, &fault);
        return;
    }
    tree_destroy (&plugin->node);
    plugin->node = tree_copy (node);
    OWNED (free_text)
    char *path = api_path (CSI_NODES, NULL, "csinodes", plugin->manager->node_name, NULL);
    call (&update, &(api_call_t){ .method = "GET", .path = path }, on_csi_node);
}

void
node_object_update (plugin_t *plugin, node_object_fn *done)
{
    const update_t update = { plugin, done };
    OWNED (free_text)
    char *path = api_path ("/api/v1", NULL, "nodes", plugin->manager->node_name, NULL);
    call (&update, &(api_call_t){ .method = "GET", .path = path }, on_node);
}
