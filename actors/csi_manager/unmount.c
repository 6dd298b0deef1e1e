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
    tree_t *tree; // memory of what follows
    csi_volume_t volume;
    csi_places_t places;
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
    tree_destroy (&self->tree);
    free (self);
}

static void
unpublish_end (unpublish_t *self, const fault_t *fault)
{
    request_t *request = self->request;
    if (fault && !request->is_failed) {
        request->is_failed = true;
        request->fault = *fault;
        fault_wrap (&request->fault, "%s failed for volume \"%s\" ",
                    self->volume.is_block ? "UnmapVolume.UnmapBlockVolume"
                                          : "UnmountVolume.TearDown",
                    self->volume.name);
    }
    if (!fault)
        unstage_if_unused (self->base.manager, &self->volume);
    operation_end (&self->base);
}

/* The driver has let go of it. */
static void
forget (unpublish_t *self)
{
    fault_t fault = { 0 }, ignored = { 0 };
    int result = volume_data_remove (self->places.note, self->places.target, &fault);
    if (result == 0 && self->volume.is_block) // what is staged, or another pod's, stays
        device_forget (self->base.manager->root_dir, self->volume.name, &ignored);
    unpublish_end (self, result < 0 ? &fault : NULL);
}

/* Begins what upstream says of a failure. */
static void
fail (unpublish_t *self, fault_t *fault, const char *what)
{
    fault_wrap (fault, "kubernetes.io/csi: %s%s",
                self->volume.is_block ? "blockMapper.UnmapPodDevice" : "Unmounter.TearDownAt",
                what);
    unpublish_end (self, fault);
}

static void
on_unpublished (void *context, const node_t *reply, const fault_t *failed)
{
    (void) reply;
    unpublish_t *self = context;
    if (!failed) {
        forget (self);
        return;
    }
    fault_t fault = *failed;
    fail (self, &fault, " failed");
}

static void
unpublish_begin (operation_t *base)
{
    unpublish_t *self = (unpublish_t *) base;
    manager_t *manager = base->manager;
    fault_t fault = { 0 };
    volume_data_t data;
    if (volume_data_read (manager, self->places.note, self->tree, &data, &fault) < 0
        && fault.code == FAULT_NOT_FOUND) {
        unpublish_end (self, NULL); // an earlier request has done it
        return;
    }
    if (!fault.code && data.state == VOLUME_ABSENT) {
        forget (self); // it was never there
        return;
    }
    fault = (fault_t){ 0 };
    if (self->volume.is_block && device_unmap (&self->places, &fault) < 0) {
        unpublish_end (self, &fault);
        return;
    }
    plugin_t *driver = driver_find (manager, self->volume.driver, &fault);
    if (!driver) {
        fail (self, &fault, " failed to get CSI client");
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = node_map();
    node_set_text (tree, &request, "volume_id", self->volume.handle);
    node_set_text (tree, &request, "target_path", self->places.target);
    link_call (driver->link, CALL_UNPUBLISH, &request, on_unpublished, self);
}

/* The part of a volume that its note tells of, with memory of its own. */
static csi_volume_t
copy_volume (const csi_volume_t *volume, tree_t *tree)
{
    return (csi_volume_t){
        .pod_uid = tree_text (tree, volume->pod_uid, strlen (volume->pod_uid)),
        .name = tree_text (tree, volume->name, strlen (volume->name)),
        .driver = tree_text (tree, volume->driver, strlen (volume->driver)),
        .handle = tree_text (tree, volume->handle, strlen (volume->handle)),
        .is_block = volume->is_block,
    };
}

static void
unpublish_volume (void *context, const volume_data_t *data)
{
    request_t *request = context;
    manager_t *manager = request->manager;
    unpublish_t *self = memory_new (1, sizeof *self);
    self->base =
        (operation_t){ .manager = manager, .begin = unpublish_begin, .destroy = unpublish_destroy };
    self->request = request;
    self->tree = tree_new();
    self->volume = copy_volume (&data->volume, self->tree);
    csi_places (manager->root_dir, &self->volume, self->tree, &self->places);
    request->pending++;
    operation_add (&self->base, self->volume.driver, self->volume.handle);
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
    volume_data_each_of_pod (manager, node_get_text (message->body, "pod_uid", ""),
                             unpublish_volume, self);
    one_less (self);
    return 0;
}

// ---- unstaging ----

typedef struct {
    operation_t base;
    tree_t *tree; // memory of what follows
    csi_volume_t volume;
    csi_places_t places;
} unstage_t;

static void
unstage_destroy (operation_t *base)
{
    unstage_t *self = (unstage_t *) base;
    tree_destroy (&self->tree);
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
        LOG_WARNING ("Volume not unstaged, trying again driver=%s volume=%s err=%s",
                     self->volume.driver, self->volume.handle, fault->text);
        if (!manager->sweep_timer)
            manager->sweep_timer = actor_timer (manager->actor, SWEEP_MS, sweep_due, NULL);
    }
    operation_end (&self->base);
    in_use_tell (manager);
}

int
stage_forget (manager_t *manager, const csi_volume_t *volume, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    csi_places_t places;
    csi_places (manager->root_dir, volume, tree, &places);
    if (volume_data_remove (places.stage_note, places.stage, fault) < 0)
        return -1;
    return volume->is_block ? device_forget (manager->root_dir, volume->name, fault) : 0;
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
        stage_forget (self->base.manager, &self->volume, &fault);
    unstage_end (self, fault.code ? &fault : NULL);
}

typedef struct {
    const csi_volume_t *volume;
    bool is_used;
} users_t;

static void
note_user (void *context, const volume_data_t *data)
{
    users_t *self = context;
    self->is_used |= streq (data->volume.driver, self->volume->driver)
                     && streq (data->volume.handle, self->volume->handle);
}

bool
volume_has_users (manager_t *manager, const csi_volume_t *volume)
{
    users_t users = { .volume = volume };
    volume_data_each_of_pods (manager, note_user, &users);
    return users.is_used;
}

static void
unstage_begin (operation_t *base)
{
    unstage_t *self = (unstage_t *) base;
    manager_t *manager = base->manager;
    fault_t fault = { 0 };
    volume_data_t data;
    // Who waits to mount it makes it used in a moment.
    bool is_used = volume_has_users (manager, &self->volume) || operation_has_others (base);
    if (!is_used)
        zhashx_delete (manager->sizes, base->key); // it may grow elsewhere
    if (is_used
        || volume_data_read (manager, self->places.stage_note, self->tree, &data, &fault) < 0) {
        unstage_end (self, NULL);
        return;
    }
    plugin_t *driver = driver_find (manager, self->volume.driver, &fault);
    if (!driver) {
        unstage_end (self, &fault);
        return;
    }
    if (!(driver->abilities & CSI_STAGES)) {
        on_unstaged (self, NULL, NULL); // a newer one, that has nothing to undo
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = node_map();
    node_set_text (tree, &request, "volume_id", self->volume.handle);
    node_set_text (tree, &request, "staging_target_path", self->places.stage);
    link_call (driver->link, CALL_UNSTAGE, &request, on_unstaged, self);
}

void
unstage_if_unused (manager_t *manager, const csi_volume_t *volume)
{
    unstage_t *self = memory_new (1, sizeof *self);
    self->base =
        (operation_t){ .manager = manager, .begin = unstage_begin, .destroy = unstage_destroy };
    self->tree = tree_new();
    self->volume = copy_volume (volume, self->tree);
    csi_places (manager->root_dir, &self->volume, self->tree, &self->places);
    operation_add (&self->base, self->volume.driver, self->volume.handle);
}

static void
unstage_one (void *context, const volume_data_t *data)
{
    unstage_if_unused (context, &data->volume);
}

void
unstage_unused (manager_t *self)
{
    volume_data_each_staged (self, unstage_one, self);
}
