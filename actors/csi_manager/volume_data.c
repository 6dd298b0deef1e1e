/* volume_data.c - vol_data.json: which driver has mounted what, for the time after a restart. The
   keys are upstream's, and `cubeletState` more: how far it has come, and in which boot. */
#include "cubelet/csi_places.h"
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/go_text.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include "cubelet/volume_paths.h"
#include "manager.h"
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define DATA_MAX_BYTES 65536
#define STATE_ABSENT "absent"
#define STATE_KEY "cubeletState"

int
volume_data_write (const manager_t *manager, const char *directory, const csi_volume_t *volume,
                   bool is_attached, volume_state_t state, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text)
    char *attachment = csi_attachment_name (volume->handle, volume->driver, manager->node_name);
    node_t data = node_map();
    node_set_text (tree, &data, "specVolID", volume->name);
    node_set_text (tree, &data, "volumeHandle", volume->handle);
    node_set_text (tree, &data, "driverName", volume->driver);
    node_set_text (tree, &data, "nodeName", manager->node_name);
    if (is_attached)
        node_set_text (tree, &data, "attachmentID", attachment);
    node_set_text (tree, &data, "volumeLifecycleMode", volume->pv ? "Persistent" : "Ephemeral");
    if (state != VOLUME_UNKNOWN)
        node_set_text (tree, &data, STATE_KEY,
                       state == VOLUME_DONE ? manager->boot_id : STATE_ABSENT);
    size_t size = 0;
    OWNED (free_text) char *path = text_format ("%s/vol_data.json", directory);
    OWNED (free_text) char *text = json_write (&data, JSON_COMPACT, &size);
    if (file_make_parents (path, 0750, fault) < 0)
        return -1;
    return file_write (path, text, size, 0644, fault);
}

static int
remove_path (const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    if (remove (path) == 0 || errno == ENOENT)
        return 0;
    return fault_set (fault, FAULT_UNAVAILABLE, "remove %s: %s", path, go_errno (errno, error));
}

int
volume_data_remove (const char *directory, const char *inner, fault_t *fault)
{
    OWNED (free_text) char *data = text_format ("%s/vol_data.json", directory);
    // The note goes last but one: as long as there is something, it says whose it is.
    if (remove_path (inner, fault) < 0 || remove_path (data, fault) < 0)
        return -1;
    return remove_path (directory, fault);
}

static volume_state_t
read_state (const manager_t *manager, const node_t *data)
{
    const char *state = node_get_text (data, STATE_KEY, "");
    if (streq (state, STATE_ABSENT))
        return VOLUME_ABSENT;
    // What another boot has mounted is gone.
    return *state && streq (state, manager->boot_id) ? VOLUME_DONE : VOLUME_UNKNOWN;
}

int
volume_data_read (const manager_t *manager, const char *directory, tree_t *tree, volume_data_t *out,
                  fault_t *fault)
{
    size_t size = 0;
    OWNED (free_text) char *path = text_format ("%s/vol_data.json", directory);
    OWNED (free_text) char *text = file_read (path, DATA_MAX_BYTES, &size, fault);
    OWNED (tree_destroy) tree_t *read = text ? json_read (text, size, fault) : NULL;
    if (!read)
        return -1;
    node_t *data = tree_alloc (tree, sizeof *data);
    *data = node_copy (tree, tree_root (read));
    *out = (volume_data_t){
        .volume = { .pod_uid = "",
                    .name = node_get_text (data, "specVolID", ""),
                    .driver = node_get_text (data, "driverName", ""),
                    .handle = node_get_text (data, "volumeHandle", "") },
        .is_persistent = !streq (node_get_text (data, "volumeLifecycleMode", ""), "Ephemeral"),
        .is_attached = node_get (data, "attachmentID") != NULL,
        .state = read_state (manager, data),
    };
    return 0;
}

// ---- all of them ----

typedef struct {
    const manager_t *manager;
    volume_data_fn *each;
    void *context;
    const char *pod_uid; // "": what is staged
    bool is_block;
} search_t;

/* The name of a volume is the directory's, or for a staged device, the one above it. */
static void
tell (const search_t *self, const char *directory, const char *name)
{
    fault_t fault = { 0 };
    volume_data_t data;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (volume_data_read (self->manager, directory, tree, &data, &fault) < 0) {
        if (fault.code != FAULT_NOT_FOUND)
            LOG_WARNING ("Volume's data not read path=%s err=%s", directory, fault.text);
        return;
    }
    csi_volume_t *volume = &data.volume;
    volume->pod_uid = self->pod_uid;
    volume->is_block = self->is_block;
    if (*self->pod_uid || self->is_block)
        volume->name = name;
    if (path_element_check ("driver name", volume->driver, &fault) < 0 || !*volume->handle)
        LOG_WARNING ("Volume's data of no use path=%s err=%s", directory, fault.text);
    else
        self->each (self->context, &data);
}

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

typedef void entry_fn (const search_t *self, const char *path, const char *name);

static void
each_entry (const search_t *self, const char *directory, entry_fn *each)
{
    OWNED (close_directory) DIR *stream = opendir (directory);
    for (struct dirent *entry; stream && (entry = readdir (stream));) {
        if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
            continue;
        OWNED (free_text) char *path = text_format ("%s/%s", directory, entry->d_name);
        each (self, path, entry->d_name);
    }
}

void
volume_data_each_of_pod (const manager_t *manager, const char *uid, volume_data_fn *each,
                         void *context)
{
    OWNED (free_text) char *directories = csi_pod_directory (manager->root_dir, uid, "");
    OWNED (free_text)
    char *devices = volume_notes_directory (manager->root_dir, uid, "kubernetes.io~csi", "");
    each_entry (&(search_t){ manager, each, context, uid, false }, directories, tell);
    each_entry (&(search_t){ manager, each, context, uid, true }, devices, tell);
}

static void
look_into_pod (const search_t *self, const char *path, const char *name)
{
    (void) path;
    volume_data_each_of_pod (self->manager, name, self->each, self->context);
}

void
volume_data_each_of_pods (const manager_t *manager, volume_data_fn *each, void *context)
{
    OWNED (free_text) char *pods = text_format ("%s/pods", manager->root_dir);
    each_entry (&(search_t){ manager, each, context, "", false }, pods, look_into_pod);
}

static void
look_into_driver (const search_t *self, const char *path, const char *name)
{
    if (!streq (name, "volumeDevices"))
        each_entry (self, path, tell);
}

static void
look_into_device (const search_t *self, const char *path, const char *name)
{
    OWNED (free_text) char *data = text_format ("%s/data", path);
    tell (self, data, name);
}

void
volume_data_each_staged (const manager_t *manager, volume_data_fn *each, void *context)
{
    OWNED (free_text)
    char *drivers = text_format ("%s/plugins/kubernetes.io/csi", manager->root_dir);
    OWNED (free_text) char *devices = csi_devices_directory (manager->root_dir);
    each_entry (&(search_t){ manager, each, context, "", false }, drivers, look_into_driver);
    each_entry (&(search_t){ manager, each, context, "", true }, devices, look_into_device);
}
