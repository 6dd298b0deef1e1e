/* pod_status_encode.c - container statuses as the API shows them, in upstream's order. */
#include "pod_status_internal.h"
#include <string.h>

static void
keep_old (builder_t *self, const row_t *row, node_t *out, const char *key)
{
    const node_t *value = node_get (row->old, key);
    if (value)
        node_set (self->tree, out, key, node_copy (self->tree, value));
}

/* Enabled, or IfPossible where the runtime can: of read-only mounts without propagation only. */
static bool
is_recursive (const builder_t *self, const volume_mount_t *mount)
{
    const char *mode = mount->recursive_read_only ? mount->recursive_read_only : "Disabled";
    return self->node->has_recursive_read_only && strcmp (mode, "Disabled") != 0;
}

static void
set_volume_mounts (builder_t *self, const row_t *row, node_t *out)
{
    tree_t *tree = self->tree;
    const container_t *container = row->container;
    node_t mounts = node_array();
    for (size_t i = 0; i < container->volume_mounts.count; i++) {
        const volume_mount_t *mount = &container->volume_mounts.items[i];
        node_t item = node_map();
        node_set_text (tree, &item, "name", mount->name);
        node_set_text (tree, &item, "mountPath", mount->mount_path);
        if (mount->read_only) {
            node_set_bool (tree, &item, "readOnly", true);
            node_set_text (tree, &item, "recursiveReadOnly",
                           is_recursive (self, mount) ? "Enabled" : "Disabled");
        }
        node_append (tree, &mounts, item);
    }
    if (node_count (&mounts))
        node_set (tree, out, "volumeMounts", mounts);
}

/* user.linux {uid, gid, supplementalGroups} from CRI's ContainerUser. */
static void
set_user (builder_t *self, const row_t *row, node_t *out)
{
    tree_t *tree = self->tree;
    const node_t *from = node_get (row->shown->user, "linux");
    const node_t *groups = node_get (from, "supplemental_groups");
    if (!from)
        return;
    node_t of_linux = node_map();
    node_set_int (tree, &of_linux, "uid", node_get_int (from, "uid", 0));
    node_set_int (tree, &of_linux, "gid", node_get_int (from, "gid", 0));
    if (node_count (groups))
        node_set (tree, &of_linux, "supplementalGroups", node_copy (tree, groups));
    node_t user = node_map();
    node_set (tree, &user, "linux", of_linux);
    node_set (tree, out, "user", user);
}

static node_t
encode (builder_t *self, const row_t *row)
{
    tree_t *tree = self->tree;
    node_t out = node_map();
    node_set_text (tree, &out, "name", row->container->name);
    node_set (tree, &out, "state", row->state);
    node_set (tree, &out, "lastState", row->last_state);
    node_set_bool (tree, &out, "ready", row->is_ready);
    node_set_int (tree, &out, "restartCount", row->restart_count);
    node_set_text (tree, &out, "image", row->image);
    node_set_text (tree, &out, "imageID", row->image_id);
    if (*row->container_id)
        node_set_text (tree, &out, "containerID", row->container_id);
    if (row->container->kind != CONTAINER_EPHEMERAL)
        node_set_bool (tree, &out, "started", row->is_started);
    if (row->shown)
        status_resources (self, row, &out);
    else if (row->is_old_kept) {
        keep_old (self, row, &out, "allocatedResources");
        keep_old (self, row, &out, "resources");
    }
    set_volume_mounts (self, row, &out);
    if (row->shown)
        set_user (self, row, &out);
    else if (row->is_old_kept)
        keep_old (self, row, &out, "user");
    return out;
}

static int
compare_names (const void *a, const void *b)
{
    const row_t *const *first = a;
    const row_t *const *second = b;
    return strcmp ((*first)->container->name, (*second)->container->name);
}

/* Init statuses stay in the order of the spec, the others are sorted by name. */
static void
encode_list (builder_t *self, node_t *status, const char *key, size_t from, size_t count,
             bool is_sorted)
{
    if (count == 0)
        return;
    const row_t **rows = memory_new (count, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = &self->rows[from + i];
    if (is_sorted)
        qsort (rows, count, sizeof *rows, compare_names);
    node_t list = node_array();
    for (size_t i = 0; i < count; i++)
        node_append (self->tree, &list, encode (self, rows[i]));
    node_set (self->tree, status, key, list);
    free (rows);
}

void
status_encode_containers (builder_t *self, node_t *status)
{
    size_t init = self->pod->spec.init_containers.count;
    size_t regular = self->pod->spec.containers.count;
    encode_list (self, status, "initContainerStatuses", 0, init, false);
    encode_list (self, status, "containerStatuses", init, regular, true);
}

void
status_encode_ephemeral (builder_t *self, node_t *status)
{
    size_t from = self->pod->spec.init_containers.count + self->pod->spec.containers.count;
    encode_list (self, status, "ephemeralContainerStatuses", from, self->row_count - from, true);
}
