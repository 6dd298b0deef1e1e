/* volume_data.c - vol_data.json: which driver has mounted what, for the time after a restart. */
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/go_text.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define DATA_MAX_BYTES 65536

static int
write_data (const char *directory, const node_t *data, fault_t *fault)
{
    size_t size = 0;
    OWNED (free_text) char *path = text_format ("%s/vol_data.json", directory);
    OWNED (free_text) char *text = json_write (data, JSON_COMPACT, &size);
    if (file_make_parents (path, 0750, fault) < 0)
        return -1;
    return file_write (path, text, size, 0644, fault);
}

int
volume_data_write_pod (const char *directory, const csi_volume_t *volume, bool is_attached,
                       const char *node_name, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text)
    char *attachment = csi_attachment_name (volume->handle, volume->driver, node_name);
    node_t data = node_map();
    node_set_text (tree, &data, "specVolID", volume->name);
    node_set_text (tree, &data, "volumeHandle", volume->handle);
    node_set_text (tree, &data, "driverName", volume->driver);
    node_set_text (tree, &data, "nodeName", node_name);
    if (is_attached)
        node_set_text (tree, &data, "attachmentID", attachment);
    node_set_text (tree, &data, "volumeLifecycleMode", volume->pv ? "Persistent" : "Ephemeral");
    return write_data (directory, &data, fault);
}

int
volume_data_write_stage (const char *directory, const csi_volume_t *volume, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t data = node_map();
    node_set_text (tree, &data, "volumeHandle", volume->handle);
    node_set_text (tree, &data, "driverName", volume->driver);
    return write_data (directory, &data, fault);
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
    OWNED (free_text) char *place = text_format ("%s/%s", directory, inner);
    OWNED (free_text) char *data = text_format ("%s/vol_data.json", directory);
    // The note goes last but one: as long as there is something, it says whose it is.
    if (remove_path (place, fault) < 0 || remove_path (data, fault) < 0)
        return -1;
    return remove_path (directory, fault);
}

static void
tell (const char *directory, const char *name, volume_data_fn *each, void *context)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text) char *path = text_format ("%s/vol_data.json", directory);
    OWNED (free_text) char *text = file_read (path, DATA_MAX_BYTES, &size, &fault);
    OWNED (tree_destroy) tree_t *tree = text ? json_read (text, size, &fault) : NULL;
    if (!tree) {
        if (fault.code != FAULT_NOT_FOUND)
            LOG_WARNING ("Volume's data not read path=%s err=%s", path, fault.text);
        return;
    }
    const volume_data_t data = {
        .directory = directory,
        .name = name,
        .driver = node_get_text (tree_root (tree), "driverName", ""),
        .handle = node_get_text (tree_root (tree), "volumeHandle", ""),
        .is_persistent =
            !streq (node_get_text (tree_root (tree), "volumeLifecycleMode", ""), "Ephemeral"),
    };
    each (context, &data);
}

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

void
volume_data_each (const char *directory, int levels, volume_data_fn *each, void *context)
{
    OWNED (close_directory) DIR *stream = opendir (directory);
    for (struct dirent *entry; stream && (entry = readdir (stream));) {
        if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
            continue;
        OWNED (free_text) char *path = text_format ("%s/%s", directory, entry->d_name);
        if (levels > 1)
            volume_data_each (path, levels - 1, each, context);
        else
            tell (path, entry->d_name, each, context);
    }
}

void
volume_data_each_of_pods (const char *root, const char *uid, volume_data_fn *each, void *context)
{
    if (uid) {
        OWNED (free_text) char *path = csi_pod_directory (root, uid, "");
        volume_data_each (path, 1, each, context);
        return;
    }
    OWNED (free_text) char *pods = text_format ("%s/pods", root);
    OWNED (close_directory) DIR *stream = opendir (pods);
    for (struct dirent *entry; stream && (entry = readdir (stream));)
        if (entry->d_name[0] != '.')
            volume_data_each_of_pods (root, entry->d_name, each, context);
}
