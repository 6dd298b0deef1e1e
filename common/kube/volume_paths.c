#include "cubelet/volume_paths.h"
#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include "cubelet/pod_names.h"
#include <inttypes.h>
#include <string.h>

char *
volume_directory (const char *root, const char *uid, const char *plugin, const char *name)
{
    OWNED (free_text) char *volumes = pod_volumes_directory (root, uid);
    return text_format ("%s/%s/%s", volumes, plugin, name);
}

char *
volume_notes_directory (const char *root, const char *uid, const char *plugin, const char *name)
{
    OWNED (free_text) char *pod = pod_directory (root, uid);
    return text_format ("%s/plugins/%s/%s", pod, plugin, name);
}

char *
volume_subpath_target (const char *root, const char *uid, const char *volume, const char *container,
                       int64_t index)
{
    OWNED (free_text) char *subpaths = pod_subpaths_directory (root, uid);
    return text_format ("%s/%s/%s/%" PRId64, subpaths, volume, container, index);
}

pod_mount_t
pod_mount_kind (const char *path)
{
    static const struct {
        const char *first;
        int slashes;
        pod_mount_t kind;
    } PLACES[] = {
        { "volumes/", 2, POD_MOUNT_VOLUME },
        { "volumes/kubernetes.io~csi/", 3, POD_MOUNT_VOLUME },
        { "volume-subpaths/", 3, POD_MOUNT_SUBPATH },
    };
    int slashes = 0;
    for (const char *at = path; *at; at++)
        slashes += *at == '/';
    for (size_t i = 0; i < COUNT_OF (PLACES); i++)
        if (strncmp (path, PLACES[i].first, strlen (PLACES[i].first)) == 0
            && slashes == PLACES[i].slashes)
            return PLACES[i].kind;
    return POD_MOUNT_FOREIGN;
}

static bool
is_same (const char *text, const char *name)
{
    return text && strcmp (text, name) == 0;
}

static bool
maps (const container_t *container, const char *name)
{
    for (size_t i = 0; i < container->volume_devices.count; i++)
        if (is_same (container->volume_devices.items[i].name, name))
            return true;
    return false;
}

static bool
uses (const container_t *container, const char *name)
{
    for (size_t i = 0; i < container->volume_mounts.count; i++)
        if (is_same (container->volume_mounts.items[i].name, name))
            return true;
    return maps (container, name);
}

bool
volume_is_device (const pod_t *pod, const char *name)
{
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++)
        if (maps (pod_container_at (pod, i), name))
            return true;
    return false;
}

bool
volume_is_used (const pod_t *pod, const char *name)
{
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++)
        if (uses (pod_container_at (pod, i), name))
            return true;
    return false;
}

bool
pod_has_live_volumes (const pod_t *pod)
{
    static const char *const SOURCES[] = {
        "configMap", "secret",    "downwardAPI",          "projected",
        "csi",       "ephemeral", "persistentVolumeClaim"
    };
    for (size_t i = 0; i < pod->spec.volumes.count; i++)
        for (size_t k = 0; k < COUNT_OF (SOURCES); k++)
            if (node_get (pod->spec.volumes.items[i].node, SOURCES[k]))
                return true;
    return false;
}

// ---- mounts inside of mounts ----

static int
compare_texts (const void *a, const void *b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* `path` (NULL counts as "") without double, trailing and "." elements; ".." is left for who
   checks. */
static const char *
clean_path (tree_t *tree, const char *path)
{
    path = path ? path : "";
    char *clean = tree_alloc (tree, strlen (path) + 2);
    char *end = clean;
    for (const char *at = path; *(at += strspn (at, "/")); at += strcspn (at, "/")) {
        size_t size = strcspn (at, "/");
        if (size == 1 && *at == '.')
            continue;
        if (end != clean || *path == '/')
            *end++ = '/';
        memcpy (end, at, size);
        end += size;
    }
    return clean;
}

/* What is left of `path` below the directory `parent`, or NULL when it is not below. */
static const char *
path_below (const char *path, const char *parent)
{
    size_t size = strlen (parent);
    return strncmp (path, parent, size) == 0 && path[size] == '/' && path[size + 1]
               ? path + size + 1
               : NULL;
}

/* Adds the outermost of the sorted `paths` that are below `parent`. */
static int
add_nested (const char *parent, const char *const *paths, size_t count, text_list_t *out,
            fault_t *fault)
{
    if (path_has_back_step (parent))
        return fault_set (fault, FAULT_INVALID, "invalid container mount point %s", parent);
    const char *outer = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *below = path_below (paths[i], parent);
        if (!below || path_has_back_step (below) || (outer && path_below (paths[i], outer)))
            continue;
        outer = paths[i];
        out->items[out->count++] = below;
    }
    return 0;
}

static int
nested_of (const container_t *container, const char *name, tree_t *tree, text_list_t *out,
           fault_t *fault)
{
    size_t count = container->volume_mounts.count;
    if (!count || !uses (container, name))
        return 0;
    const char **paths = tree_alloc (tree, count * sizeof *paths);
    for (size_t i = 0; i < count; i++)
        paths[i] = clean_path (tree, container->volume_mounts.items[i].mount_path);
    qsort (paths, count, sizeof *paths, compare_texts);
    // every mount of the volume may have every other mount below it
    const char **grown = tree_alloc (tree, (out->count + count * count) * sizeof *grown);
    if (out->count)
        memcpy (grown, out->items, out->count * sizeof *grown);
    out->items = grown;
    for (size_t i = 0; i < count; i++) {
        if (!is_same (container->volume_mounts.items[i].name, name))
            continue;
        const char *mine = clean_path (tree, container->volume_mounts.items[i].mount_path);
        if (add_nested (mine, paths, count, out, fault) < 0)
            return -1;
    }
    return 0;
}

int
volume_nested_mounts (const pod_t *pod, const char *name, tree_t *tree, text_list_t *out,
                      fault_t *fault)
{
    *out = (text_list_t){ 0 };
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++)
        if (nested_of (pod_container_at (pod, i), name, tree, out, fault) < 0)
            return -1;
    return 0;
}
