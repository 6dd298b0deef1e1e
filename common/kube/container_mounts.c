#include "cubelet/container_mounts.h"
#include "cubelet/env_expand.h"
#include "cubelet/go_quote.h"
#include "cubelet/hosts_file.h"
#include "cubelet/memory.h"
#include "cubelet/namespaces.h"
#include "cubelet/pod_names.h"
#include "optional.h"
#include <inttypes.h>
#include <string.h>

#define KIND_BLOCK "block"
#define HOSTS_PATH "/etc/hosts"

/* The API's names of mount propagation and CRI's; the first is CRI's zero. */
static const struct {
    const char *api, *cri;
} PROPAGATIONS[] = {
    { "None", NULL },
    { "HostToContainer", "PROPAGATION_HOST_TO_CONTAINER" },
    { "Bidirectional", "PROPAGATION_BIDIRECTIONAL" },
};

static int
missing_volume (const char *verb, const char *volume, const container_t *container, fault_t *fault)
{
    OWNED (free_text) char *quoted = go_quote (volume);
    OWNED (free_text) char *quoted_container = go_quote (container->name);
    return fault_set (fault, FAULT_INVALID, "cannot find volume %s to %s into container %s", quoted,
                      verb, quoted_container);
}

/* The volume of that name when it is of the kind asked for, or NULL. */
static const node_t *
find_volume (const node_t *volumes, const char *name, bool is_block)
{
    const node_t *volume = node_get (volumes, text_or_empty (name));
    bool has_block = strcmp (node_get_text (volume, "kind", ""), KIND_BLOCK) == 0;
    return has_block == is_block ? volume : NULL;
}

// ---- one mount ----

static int
set_propagation (const volume_mount_t *mount, tree_t *tree, node_t *out, fault_t *fault)
{
    const char *asked = mount->mount_propagation;
    if (!asked)
        return 0;
    for (size_t i = 0; i < COUNT_OF (PROPAGATIONS); i++)
        if (strcmp (asked, PROPAGATIONS[i].api) == 0) {
            node_set_text (tree, out, "propagation", PROPAGATIONS[i].cri);
            return 0;
        }
    OWNED (free_text) char *quoted = go_quote (asked);
    return fault_set (fault, FAULT_INVALID, "invalid MountPropagation mode: %s", quoted);
}

static int
refuse_recursion (const volume_mount_t *mount, fault_t *fault, const char *why, const char *what)
{
    OWNED (free_text) char *name = go_quote (mount->name);
    OWNED (free_text) char *quoted = what ? go_quote (what) : text_copy ("");
    return fault_set (fault, FAULT_INVALID,
                      "failed to resolve recursive read-only mode: volume %s requested recursive "
                      "read-only mode, but it is not %s%s",
                      name, why, quoted);
}

static int
set_recursion (const volume_mount_t *mount, bool is_supported, tree_t *tree, node_t *out,
               fault_t *fault)
{
    const char *mode = mount->recursive_read_only;
    if (!mode || strcmp (mode, "Disabled") == 0)
        return 0;
    if (!mount->read_only)
        return refuse_recursion (mount, fault, "read-only", NULL);
    if (mount->mount_propagation && strcmp (mount->mount_propagation, "None") != 0)
        return refuse_recursion (mount, fault, "compatible with propagation ",
                                 mount->mount_propagation);
    bool is_must = strcmp (mode, "Enabled") == 0;
    if (!is_must && strcmp (mode, "IfPossible") != 0) {
        OWNED (free_text) char *quoted = go_quote (mode);
        return fault_set (fault, FAULT_INVALID,
                          "failed to resolve recursive read-only mode: unknown recursive "
                          "read-only mode %s",
                          quoted);
    }
    if (is_must && !is_supported)
        return refuse_recursion (mount, fault, "supported by the runtime", NULL);
    if (is_supported)
        node_set_bool (tree, out, "recursive_read_only", true);
    return 0;
}

static bool
has_subpath (const volume_mount_t *mount)
{
    return *text_or_empty (mount->sub_path) || *text_or_empty (mount->sub_path_expr);
}

/* What is mounted: the volume, or the sub path bound for mount `index`. */
static const char *
host_path_of (const volume_mount_t *mount, size_t index, const node_t *volume,
              const container_inputs_t *inputs)
{
    if (!has_subpath (mount))
        return node_get_text (volume, "host_path", "");
    OWNED (free_text) char *key = text_format ("%zu", index);
    return node_get_text (inputs->subpaths, key, NULL);
}

/* A volume is relabelled by the first of a container's mounts of it only. */
static bool
is_first_mount (const container_t *container, size_t index)
{
    const char *name = text_or_empty (container->volume_mounts.items[index].name);
    for (size_t i = 0; i < index; i++)
        if (strcmp (text_or_empty (container->volume_mounts.items[i].name), name) == 0)
            return false;
    return true;
}

static int
volume_mount (const container_t *container, size_t index, const container_inputs_t *inputs,
              const node_facts_t *facts, bool can_recurse, tree_t *tree, node_t *out,
              fault_t *fault)
{
    const volume_mount_t *mount = &container->volume_mounts.items[index];
    const char *path = text_or_empty (mount->mount_path);
    const node_t *volume = find_volume (inputs->volumes, mount->name, false);
    if (!volume)
        return missing_volume ("mount", text_or_empty (mount->name), container, fault);
    const char *host_path = host_path_of (mount, index, volume, inputs);
    if (!host_path) {
        OWNED (free_text) char *quoted = go_quote (mount->name);
        OWNED (free_text) char *quoted_container = go_quote (container->name);
        return fault_set (fault, FAULT_INVALID,
                          "failed to prepare subPath for volumeMount %s of container %s", quoted,
                          quoted_container);
    }
    *out = node_map();
    node_set (tree, out, "container_path",
              node_text_format (tree, "%s%s", *path == '/' ? "" : "/", path));
    node_set_text (tree, out, "host_path", host_path);
    if (mount->read_only || node_get_bool (volume, "read_only", false))
        node_set_bool (tree, out, "readonly", true);
    if (facts->selinux_enabled && node_get_bool (volume, "selinux_relabel", false)
        && is_first_mount (container, index))
        node_set_bool (tree, out, "selinux_relabel", true);
    if (set_propagation (mount, tree, out, fault) < 0)
        return -1;
    return set_recursion (mount, can_recurse, tree, out, fault);
}

// ---- all mounts ----

static void
add_own_mount (tree_t *tree, node_t *mounts, const char *path, const char *host_path,
               const node_facts_t *facts)
{
    node_t mount = node_map();
    node_set (tree, &mount, "container_path",
              node_text_format (tree, "%s%s", *path == '/' ? "" : "/", path));
    node_set_text (tree, &mount, "host_path", host_path);
    if (facts->selinux_enabled)
        node_set_bool (tree, &mount, "selinux_relabel", true);
    node_append (tree, mounts, mount);
}

/* With a user namespace all mounts have the pod's mapping. */
static int
map_users (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts, tree_t *tree,
           node_t *mounts, fault_t *fault)
{
    node_t namespaces;
    if (namespace_options (pod, facts, pod_facts, NULL, tree, &namespaces, fault) < 0)
        return -1;
    const node_t *users = node_get (&namespaces, "userns_options");
    const node_t *uids = node_get (users, "uids"), *gids = node_get (users, "gids");
    for (size_t i = 0; uids && i < node_count (mounts); i++) {
        node_set (tree, &mounts->via.array.ptr[i], "uidMappings", node_copy (tree, uids));
        node_set (tree, &mounts->via.array.ptr[i], "gidMappings", node_copy (tree, gids));
    }
    return 0;
}

int
container_mounts (const pod_t *pod, const container_t *container, const container_inputs_t *inputs,
                  const node_facts_t *facts, const pod_facts_t *pod_facts, tree_t *tree,
                  node_t *out, fault_t *fault)
{
    const char *handler = pod_facts ? pod_facts->runtime_handler : NULL;
    bool can_recurse = runtime_handler_has (facts, handler, "recursive_read_only_mounts");
    *out = node_array();
    for (size_t i = 0; i < container->volume_mounts.count; i++) {
        node_t mount = node_nil();
        if (volume_mount (container, i, inputs, facts, can_recurse, tree, &mount, fault) < 0)
            return -1;
        node_append (tree, out, mount);
    }
    if (hosts_file_is_mounted (pod, container, inputs->pod_ips)) {
        OWNED (free_text) char *path = pod_hosts_path (facts->root_dir, pod->metadata.uid);
        add_own_mount (tree, out, HOSTS_PATH, path, facts);
    }
    const char *message_path = text_or_empty (container->termination_message_path);
    if (*message_path && inputs->termination_log_path)
        add_own_mount (tree, out, message_path, inputs->termination_log_path, facts);
    return map_users (pod, facts, pod_facts, tree, out, fault);
}

int
container_devices (const container_t *container, const node_t *volumes, tree_t *tree, node_t *out,
                   fault_t *fault)
{
    *out = node_array();
    for (size_t i = 0; i < container->volume_devices.count; i++) {
        const volume_device_t *device = &container->volume_devices.items[i];
        const char *path = text_or_empty (device->device_path);
        if (*path != '/')
            return fault_set (fault, FAULT_INVALID,
                              "error DevicePath `%s` must be an absolute path", path);
        const node_t *volume = find_volume (volumes, device->name, true);
        if (!volume)
            return missing_volume ("pass", text_or_empty (device->name), container, fault);
        bool is_read_only = node_get_bool (volume, "read_only", false);
        node_t entry = node_map();
        node_set_text (tree, &entry, "container_path", path);
        node_set_text (tree, &entry, "host_path", node_get_text (volume, "host_path", ""));
        node_set_text (tree, &entry, "permissions", is_read_only ? "r" : "mrw");
        node_append (tree, out, entry);
    }
    return 0;
}

// ---- sub paths ----

static bool
has_backsteps (const char *path)
{
    for (const char *at = path; at; at = strchr (at, '/')) {
        at += *at == '/';
        if (strncmp (at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return true;
    }
    return false;
}

static int
check_subpath (const char *path, fault_t *fault)
{
    if (*path == '/')
        return fault_set (fault, FAULT_INVALID, "error SubPath `%s` must not be an absolute path",
                          path);
    if (has_backsteps (path))
        return fault_set (fault, FAULT_INVALID,
                          "unable to provision SubPath `%s`: must not contain '..'", path);
    return 0;
}

int
container_mount_subpaths (const container_t *container, const node_t *volumes,
                          const node_t *environment, tree_t *tree, node_t *out, fault_t *fault)
{
    *out = node_array();
    for (size_t i = 0; i < container->volume_mounts.count; i++) {
        const volume_mount_t *mount = &container->volume_mounts.items[i];
        const node_t *volume = find_volume (volumes, mount->name, false);
        const char *path = text_or_empty (mount->sub_path);
        if (!volume)
            return missing_volume ("mount", text_or_empty (mount->name), container, fault);
        if (*text_or_empty (mount->sub_path_expr)
            && env_expand_strict (mount->sub_path_expr, environment, tree, &path, fault) < 0)
            return -1;
        if (!*path)
            continue;
        if (check_subpath (path, fault) < 0)
            return -1;
        node_t entry = node_map();
        node_set_int (tree, &entry, "index", (int64_t) i);
        node_set_text (tree, &entry, "volume", mount->name);
        node_set_text (tree, &entry, "host_path", node_get_text (volume, "host_path", ""));
        node_set_text (tree, &entry, "sub_path", path);
        node_append (tree, out, entry);
    }
    return 0;
}
