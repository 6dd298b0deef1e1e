/* csi_manager.c - volumes of CSI drivers: it registers the node plugins that appear in
   plugins_registry/, and lets them stage, publish, unpublish and unstage volumes.

   An actor of its own, apart from the volume manager, because a driver may take minutes or hang,
   and registration goes on without any pod. Drivers are found again after a restart, volumes by
   the vol_data.json beside each.

   Arguments: {"root_dir": text, "node_name": text}. */
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "manager.h"
#include <string.h>

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    self->is_stopping = true;
    registry_stop (self);
    zhashx_destroy (&self->drivers);
    zhashx_destroy (&self->plugins);
    actor_timer_cancel (self->actor, &self->stats_timer);
    tree_destroy (&self->begun.node);
    actor_timer_cancel (self->actor, &self->begun_timer);
    links_destroy (self);
    zlistx_destroy (&self->operations);
    zhashx_destroy (&self->sizes);
    zhashx_destroy (&self->stats);
    askers_destroy (&self->stats_askers);
    free (self->root_dir);
    free (self->node_name);
    free (self->boot_id);
    free (self->registry);
    free (self);
    *self_p = NULL;
}

/* Without one, every volume is published once more after a restart of the agent. */
static void
read_boot_id (manager_t *self)
{
    fault_t ignored = { 0 };
    size_t size = 0;
    self->boot_id = file_read ("/proc/sys/kernel/random/boot_id", 64, &size, &ignored);
    if (!self->boot_id)
        self->boot_id = text_copy ("");
    self->boot_id[strcspn (self->boot_id, "\n")] = '\0';
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->root_dir = text_copy (node_get_text (args, "root_dir", "/var/lib/kubelet"));
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->inotify = -1;
    self->plugins = plugins_new();
    self->drivers = zhashx_new();
    self->operations = operations_new();
    self->sizes = zhashx_new();
    zhashx_set_destructor (self->sizes, (zhashx_destructor_fn *) zstr_free);
    self->stats = stats_new();
    self->stats_askers = askers_new();
    read_boot_id (self);
    if (registry_start (self, fault) < 0) {
        void *state = self;
        stop (&state);
        return NULL;
    }
    in_use_tell (self);
    csi_node_make (self);
    return self;
}

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) message, (void) fault;
    in_use_tell (state);
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_CSI_MOUNT, on_csi_mount },
    { MSG_CSI_UNMOUNT, on_csi_unmount },
    { MSG_CSI_STATS, on_csi_stats },
    { 0 },
};

const actor_class_t csi_manager_class = {
    .name = "csi-manager",
    .about = "registers CSI drivers and lets them mount volumes",
    .hears_of = "node-reporter",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
