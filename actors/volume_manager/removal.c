/* removal.c - VOLUME_TEARDOWN: unmounts everything of a pod and deletes its directory, in slices.
 */
#include "cubelet/clock.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "cubelet/path_element.h"
#include "cubelet/pod_names.h"
#include "cubelet/volume_paths.h"
#include "manager.h"
#include "tree_removal.h"
#include <dirent.h>
#include <string.h>

/* How long deleting keeps other messages waiting. */
#define REMOVAL_SLICE_MS 10

/* Above the time limits that the csi-manager has for a driver. */
#define UNMOUNT_DEADLINE_MS 900000

/* A pod's directory on its way out, and who waits for its end. */
typedef struct {
    manager_t *manager;
    char *uid;
    askers_t *askers; // for its end
    tree_removal_t *removal;
    uint64_t timer;
    bool keeps_directory; // only the volumes go
    bool is_begun;
    int64_t began_ns; // since 1970
} removal_t;

/* True when a mount below a pod's directory is one that this actor makes. `place` is its path below
   that directory. */
static bool
is_ours (const mount_entry_t *mount, const char *place)
{
    pod_mount_t kind = pod_mount_kind (place);
    if (kind != POD_MOUNT_VOLUME)
        return kind == POD_MOUNT_SUBPATH;
    bool is_memory =
        strcmp (mount->fs_type, "tmpfs") == 0 || strcmp (mount->fs_type, "hugetlbfs") == 0;
    const char *below = place + strlen ("volumes/");
    for (size_t i = 0; i < VOLUME_PLUGIN_COUNT; i++) {
        const volume_plugin_t *plugin = &VOLUME_PLUGINS[i];
        if (plugin->teardown && (is_memory || plugin->binds)
            && strncmp (below, plugin->directory, strlen (plugin->directory)) == 0
            && below[strlen (plugin->directory)] == '/')
            return true;
    }
    return false;
}

/* Unmounts the sub paths, or touches nothing at all when something is mounted that is not ours. */
static int
unmount_subpaths (const mount_table_t *mounts, const char *directory, fault_t *fault)
{
    size_t skip = strlen (directory) + 1;
    for (size_t i = 0; i < mounts->count; i++) {
        const char *path = mounts->items[i].path;
        if (strlen (path) < skip || !is_ours (&mounts->items[i], path + skip))
            return fault_set (fault, FAULT_PRECONDITION,
                              "not removing %s: something is still mounted on %s", directory, path);
    }
    for (size_t i = mounts->count; i-- > 0;) {
        const char *path = mounts->items[i].path;
        if (pod_mount_kind (path + skip) == POD_MOUNT_SUBPATH && mounts_unmount (path, fault) < 0)
            return -1;
    }
    return 0;
}

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

/* Unmounts the sub paths of a pod; its volumes stay. */
static int
begin_unmounting (manager_t *self, const char *uid, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *directory = pod_directory (self->real_root, uid);
    mount_table_t mounts;
    if (mounts_read (directory, tree, &mounts, fault) < 0)
        return -1;
    return unmount_subpaths (&mounts, directory, fault);
}

/* Lets a plugin unmount all its volumes of a pod. */
static int
tear_down_plugin (const volume_plugin_t *plugin, const char *pod_path, fault_t *fault)
{
    OWNED (free_text) char *path = text_format ("%s/volumes/%s", pod_path, plugin->directory);
    OWNED (close_directory) DIR *directory = opendir (path);
    for (struct dirent *entry; directory && (entry = readdir (directory));) {
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
            continue;
        OWNED (free_text) char *volume = text_format ("%s/%s", path, entry->d_name);
        if (plugin->teardown (volume, fault) < 0)
            return fault_wrap (fault, "UnmountVolume.TearDown failed for volume \"%s\" ",
                               entry->d_name);
    }
    return 0;
}

static int
unmount_volumes (manager_t *self, const char *uid, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *directory = pod_directory (self->real_root, uid);
    mount_table_t mounts;
    for (size_t i = 0; i < VOLUME_PLUGIN_COUNT; i++)
        if (VOLUME_PLUGINS[i].teardown
            && tear_down_plugin (&VOLUME_PLUGINS[i], directory, fault) < 0)
            return -1;
    if (mounts_read (directory, tree, &mounts, fault) < 0)
        return -1;
    if (mounts.count)
        return fault_set (fault, FAULT_UNAVAILABLE,
                          "not removing %s: something is still mounted on %s", directory,
                          mounts.items[0].path);
    return 0;
}

static void
removal_destroy (void **self_p)
{
    removal_t *self = *self_p;
    actor_timer_cancel (self->manager->actor, &self->timer);
    askers_destroy (&self->askers);
    tree_removal_destroy (&self->removal);
    free (self->uid);
    free (self);
    *self_p = NULL;
}

zhashx_t *
volume_removals_new (void)
{
    zhashx_t *removals = zhashx_new();
    zhashx_set_destructor (removals, removal_destroy);
    return removals;
}

static removal_t *
removal_new (manager_t *manager, const char *uid)
{
    removal_t *self = memory_new (1, sizeof *self);
    self->manager = manager;
    self->uid = text_copy (uid);
    self->askers = askers_new();
    zhashx_insert (manager->removals, uid, self);
    return self;
}

/* Answers everyone who waits, and forgets the removal. */
static void
finish_removal (removal_t *self, const fault_t *fault)
{
    manager_t *manager = self->manager;
    known_volumes_removed (manager, self->uid, self->began_ns, fault != NULL);
    if (!fault)
        users_release (manager->users, self->uid);
    askers_answer (self->askers, manager->actor, NULL, fault);
    zhashx_delete (manager->removals, self->uid);
}

static void
continue_removal (void *state, void *context)
{
    manager_t *manager = state;
    removal_t *self = context;
    fault_t fault = { 0 };
    self->timer = 0;
    int result = self->removal ? tree_removal_step (self->removal, REMOVAL_SLICE_MS, &fault) : 1;
    if (result == 0)
        self->timer = actor_timer (manager->actor, 0, continue_removal, self);
    else
        finish_removal (self, result < 0 ? &fault : NULL);
}

static void
remove_volumes (removal_t *self)
{
    manager_t *manager = self->manager;
    fault_t fault = { 0 };
    OWNED (free_text)
    char *directory = self->keeps_directory ? pod_volumes_directory (manager->real_root, self->uid)
                                            : pod_directory (manager->real_root, self->uid);
    if (unmount_volumes (manager, self->uid, &fault) < 0
        || tree_removal_new (directory, &self->removal, &fault) < 0)
        finish_removal (self, &fault);
    else
        continue_removal (manager, self);
}

static void
on_drivers_done (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    removal_t *self = zhashx_lookup (((manager_t *) state)->removals, context);
    if (self && fault)
        finish_removal (self, fault);
    else if (self)
        remove_volumes (self);
}

/* True when there is something in the directory; takes `path`. */
static bool
has_entries (char *path)
{
    OWNED (free_text) char *owned = path;
    OWNED (close_directory) DIR *directory = opendir (owned);
    for (struct dirent *entry; directory && (entry = readdir (directory));)
        if (entry->d_name[0] != '.')
            return true;
    return false;
}

/* What a driver has mounted is a volume, what it has given as a device is only noted here. */
static bool
has_driver_volumes (const removal_t *self)
{
    const char *root = self->manager->host.root_dir;
    return has_entries (volume_directory (root, self->uid, "kubernetes.io~csi", ""))
           || has_entries (volume_notes_directory (root, self->uid, "kubernetes.io~csi", ""));
}

/* Drivers take away what they have mounted before anything else goes. */
static void
start_removal (removal_t *self)
{
    manager_t *manager = self->manager;
    fault_t fault = { 0 };
    self->is_begun = true;
    self->began_ns = clock_now_ns();
    if (begin_unmounting (manager, self->uid, &fault) < 0) {
        finish_removal (self, &fault);
        return;
    }
    if (!manager->host.has_csi || !has_driver_volumes (self)) {
        remove_volumes (self);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "pod_uid", self->uid);
    actor_request (manager->actor, "csi-manager", MSG_CSI_UNMOUNT, &body, UNMOUNT_DEADLINE_MS,
                   on_drivers_done, self->uid, strlen (self->uid) + 1);
}

void
volume_removal_continue (manager_t *self, const char *uid)
{
    removal_t *removal = zhashx_lookup (self->removals, uid);
    if (removal && !removal->is_begun)
        start_removal (removal);
}

int
on_volume_teardown (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const char *uid = node_get_text (message->body, "pod_uid", "");
    if (path_element_check ("pod uid", uid, fault) < 0)
        return -1;
    removal_t *removal = zhashx_lookup (self->removals, uid);
    bool is_new = !removal;
    bool keeps_directory = node_get_bool (message->body, "keep_directory", false);
    if (removal && removal->keeps_directory && !keeps_directory)
        return fault_set (fault, FAULT_UNAVAILABLE, "the volumes are being removed already");
    if (is_new) {
        removal = removal_new (self, uid);
        removal->keeps_directory = keeps_directory;
    }
    askers_add (removal->askers, message);
    // A set-up that is still under way must not mount into what is being deleted.
    if (is_new && !zhashx_lookup (self->setups, uid))
        start_removal (removal);
    return 0;
}
