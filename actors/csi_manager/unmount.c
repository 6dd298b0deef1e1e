/* unmount.c - MSG_CSI_UNMOUNT: every volume that a driver has published for a pod is unpublished;
   and what is staged for no pod any more is unstaged. What there is stands in vol_data.json files,
   so that nothing is forgotten when the agent or this actor dies. */
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"
#include <errno.h>
#include <string.h>

#define SWEEP_MS 5000

// ---- unpublishing ----

/* A request, until the last of the pod's volumes is gone. */
typedef struct {
    manager_t *manager;
    return_address_t *asker;
    size_t pending;
    bool is_failed;
    fault_t fault; // the first one
} request_t;

typedef struct {
    operation_t base;
    request_t *request;
    char *directory, *name, *driver, *handle, *target;
} unpublish_t;

static void
one_less (request_t *self)
{
    if (--self->pending)
        return;
    manager_t *manager = self->manager;
    if (!manager->is_stopping)
        actor_answer (manager->actor, &self->asker, NULL, self->is_failed ? &self->fault : NULL);
    return_address_destroy (&self->asker);
    free (self);
}

static void
unpublish_destroy (operation_t *base)
{
    unpublish_t *self = (unpublish_t *) base;
    one_less (self->request);
    free (self->directory);
    free (self->name);
    free (self->driver);
    free (self->handle);
    free (self->target);
    free (self);
}

static void
unpublish_end (unpublish_t *self, const fault_t *fault)
{
    request_t *request = self->request;
    if (fault && !request->is_failed) {
        request->is_failed = true;
        request->fault = *fault;
        fault_wrap (&request->fault, "UnmountVolume.TearDown failed for volume \"%s\" ",
                    self->name);
    }
    if (!fault)
        unstage_if_unused (self->base.manager, self->driver, self->handle);
    operation_end (&self->base);
}

static void
on_unpublished (void *context, const node_t *reply, const fault_t *failed)
{
    (void) reply;
    unpublish_t *self = context;
    fault_t fault = { 0 };
    if (failed) {
        fault = *failed;
        fault_wrap (&fault, "kubernetes.io/csi: Unmounter.TearDownAt failed");
    }
    else
        volume_data_remove (self->directory, "mount", &fault);
    unpublish_end (self, fault.code ? &fault : NULL);
}

static void
unpublish_begin (operation_t *base)
{
    unpublish_t *self = (unpublish_t *) base;
    fault_t fault = { 0 };
    OWNED (free_text) char *note = text_format ("%s/vol_data.json", self->directory);
    if (access (note, F_OK) < 0 && errno == ENOENT) {
        unpublish_end (self, NULL); // an earlier request has done it
        return;
    }
    plugin_t *driver = driver_find (base->manager, self->driver, &fault);
    if (!driver) {
        fault_wrap (&fault, "kubernetes.io/csi: Unmounter.TearDownAt failed to get CSI client");
        unpublish_end (self, &fault);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = node_map();
    node_set_text (tree, &request, "volume_id", self->handle);
    node_set_text (tree, &request, "target_path", self->target);
    link_call (driver->link, CALL_UNPUBLISH, &request, on_unpublished, self);
}

static void
unpublish_volume (void *context, const volume_data_t *data)
{
    request_t *request = context;
    unpublish_t *self = memory_new (1, sizeof *self);
    *self = (unpublish_t){
        .base = { .manager = request->manager,
                  .begin = unpublish_begin,
                  .destroy = unpublish_destroy },
        .request = request,
        .directory = text_copy (data->directory),
        .name = text_copy (data->name),
        .driver = text_copy (data->driver),
        .handle = text_copy (data->handle),
        .target = text_format ("%s/mount", data->directory),
    };
    request->pending++;
    operation_add (&self->base, data->driver, data->handle);
}

int
on_csi_unmount (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *manager = state;
    request_t *self = memory_new (1, sizeof *self);
    self->manager = manager;
    self->asker = return_address_new (message);
    self->pending = 1; // until all have begun
    volume_data_each_of_pods (manager->root_dir, node_get_text (message->body, "pod_uid", ""),
                              unpublish_volume, self);
    one_less (self);
    return 0;
}

// ---- unstaging ----

typedef struct {
    operation_t base;
    char *driver, *handle, *directory;
    bool is_used;
} unstage_t;

static void
unstage_destroy (operation_t *base)
{
    unstage_t *self = (unstage_t *) base;
    if (!base->manager->is_stopping)
        in_use_tell (base->manager);
    free (self->driver);
    free (self->handle);
    free (self->directory);
    free (self);
}

static void
sweep_due (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    self->sweep_timer = 0;
    unstage_unused (self);
}

static void
unstage_end (unstage_t *self, const fault_t *fault)
{
    manager_t *manager = self->base.manager;
    if (fault) {
        LOG_WARNING ("Volume not unstaged, trying again driver=%s volume=%s err=%s", self->driver,
                     self->handle, fault->text);
        if (!manager->sweep_timer)
            manager->sweep_timer = actor_timer (manager->actor, SWEEP_MS, sweep_due, NULL);
    }
    operation_end (&self->base);
}

static void
on_unstaged (void *context, const node_t *reply, const fault_t *failed)
{
    (void) reply;
    unstage_t *self = context;
    fault_t fault = { 0 };
    if (failed)
        fault = *failed;
    else
        volume_data_remove (self->directory, "globalmount", &fault);
    unstage_end (self, fault.code ? &fault : NULL);
}

static void
note_user (void *context, const volume_data_t *data)
{
    unstage_t *self = context;
    self->is_used |= streq (data->driver, self->driver) && streq (data->handle, self->handle);
}

static void
unstage_begin (operation_t *base)
{
    unstage_t *self = (unstage_t *) base;
    manager_t *manager = base->manager;
    fault_t fault = { 0 };
    OWNED (free_text) char *note = text_format ("%s/vol_data.json", self->directory);
    volume_data_each_of_pods (manager->root_dir, NULL, note_user, self);
    // Who waits to mount it makes it used in a moment.
    if (self->is_used || operation_has_others (base) || access (note, F_OK) < 0) {
        unstage_end (self, NULL);
        return;
    }
    plugin_t *driver = driver_find (manager, self->driver, &fault);
    if (!driver) {
        unstage_end (self, &fault);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *path = text_format ("%s/globalmount", self->directory);
    node_t request = node_map();
    node_set_text (tree, &request, "volume_id", self->handle);
    node_set_text (tree, &request, "staging_target_path", path);
    link_call (driver->link, CALL_UNSTAGE, &request, on_unstaged, self);
}

void
unstage_if_unused (manager_t *manager, const char *driver, const char *handle)
{
    unstage_t *self = memory_new (1, sizeof *self);
    *self = (unstage_t){
        .base = { .manager = manager, .begin = unstage_begin, .destroy = unstage_destroy },
        .driver = text_copy (driver),
        .handle = text_copy (handle),
        .directory = csi_stage_directory (manager->root_dir, driver, handle),
    };
    operation_add (&self->base, driver, handle);
}

static void
unstage_one (void *context, const volume_data_t *data)
{
    if (*data->driver && *data->handle)
        unstage_if_unused (context, data->driver, data->handle);
}

void
unstage_unused (manager_t *self)
{
    OWNED (free_text) char *path = text_format ("%s/plugins/kubernetes.io/csi", self->root_dir);
    volume_data_each (path, 2, unstage_one, self);
}
