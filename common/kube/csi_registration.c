#include "cubelet/csi_registration.h"
#include "cubelet/go_text.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include <string.h>

#define NODE_ID_ANNOTATION "csi.volume.kubernetes.io/nodeid"

/* In-tree plugins whose volumes are CSI drivers' today; samples/api-requests.jsonl. */
#define MIGRATED_ANNOTATION "storage.alpha.kubernetes.io/migrated-plugins"
#define MIGRATED                                                                                   \
    "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,"                     \
    "kubernetes.io/cinder,kubernetes.io/gce-pd,kubernetes.io/portworx-volume,"                     \
    "kubernetes.io/vsphere-volume"

static bool
is_version_1 (const char *text)
{
    text += *text == 'v';
    return strcmp (text, "1") == 0 || strncmp (text, "1.", 2) == 0;
}

int
plugin_info_check (const node_t *info, const char *socket, fault_t *fault)
{
    const char *type = node_get_text (info, "type", "");
    const char *name = node_get_text (info, "name", "");
    const node_t *versions = node_get (info, "supported_versions");
    if (strcmp (type, "CSIPlugin") != 0)
        return fault_set (fault, FAULT_UNIMPLEMENTED,
                          "no handler registered for plugin type: %s at socket %s", type, socket);
    if (path_element_check ("driver name", name, fault) < 0)
        return -1;
    NODE_EACH (versions, version)
    {
        if (is_version_1 (node_as_text (version, "")))
            return 0;
    }
    OWNED (free_text) char *list = text_copy ("");
    NODE_EACH (versions, version)
    text_replace (&list, "%s%s%s", list, *list ? " " : "", node_as_text (version, ""));
    return fault_set (fault, FAULT_UNIMPLEMENTED,
                      "failed to get highest supported version for CSI driver \"%s\" at %s: none "
                      "of the versions [%s] is supported",
                      name, socket, list);
}

// ---- CSINode ----

static int
compare_texts (const void *a, const void *b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Drivers written in Go give a map's keys in another order each time. */
static void
append_sorted_keys (const node_t *map, tree_t *tree, node_t *out)
{
    size_t count = node_count (map);
    const char **keys = tree_alloc (tree, (count + 1) * sizeof *keys);
    for (size_t i = 0; i < count; i++)
        keys[i] = node_key_at (map, i);
    if (count)
        qsort (keys, count, sizeof *keys, compare_texts);
    for (size_t i = 0; i < count; i++)
        node_append (tree, out, node_text (tree, keys[i]));
}

/* The driver's row as it should be. */
static node_t
driver_row (const char *driver, const node_t *info, tree_t *tree)
{
    node_t row = node_map(), keys = node_array(), allocatable = node_map();
    node_set_text (tree, &row, "name", driver);
    node_set_text (tree, &row, "nodeID", node_get_text (info, "node_id", ""));
    append_sorted_keys (node_at (info, "accessible_topology", "segments", NULL), tree, &keys);
    if (node_count (&keys))
        node_set (tree, &row, "topologyKeys", keys);
    int64_t limit = node_get_int (info, "max_volumes_per_node", 0);
    if (limit > 0) {
        node_set_int (tree, &allocatable, "count", limit < INT32_MAX ? limit : INT32_MAX);
        node_set (tree, &row, "allocatable", allocatable);
    }
    return row;
}

static node_t
new_csi_node (const node_t *node, tree_t *tree)
{
    const char *name = node_as_text (node_at (node, "metadata", "name", NULL), "");
    node_t owner = node_map(), owners = node_array(), metadata = node_map(), out = node_map();
    node_t annotations = node_map();
    node_set_text (tree, &owner, "apiVersion", "v1");
    node_set_text (tree, &owner, "kind", "Node");
    node_set_text (tree, &owner, "name", name);
    node_set_text (tree, &owner, "uid", node_as_text (node_at (node, "metadata", "uid", NULL), ""));
    node_append (tree, &owners, owner);
    node_set_text (tree, &annotations, MIGRATED_ANNOTATION, MIGRATED);
    node_set_text (tree, &metadata, "name", name);
    node_set (tree, &metadata, "annotations", annotations);
    node_set (tree, &metadata, "ownerReferences", owners);
    node_set_text (tree, &out, "apiVersion", "storage.k8s.io/v1");
    node_set_text (tree, &out, "kind", "CSINode");
    node_set (tree, &out, "metadata", metadata);
    return out;
}

bool
csi_node_begin (const node_t *old, const node_t *node, tree_t *tree, node_t *out)
{
    if (!old) {
        node_t spec = node_map();
        node_set (tree, &spec, "drivers", node_array());
        *out = new_csi_node (node, tree);
        node_set (tree, out, "spec", spec);
        return true;
    }
    const node_t *annotations = node_at (old, "metadata", "annotations", NULL);
    if (strcmp (node_get_text (annotations, MIGRATED_ANNOTATION, ""), MIGRATED) == 0)
        return false;
    *out = node_copy (tree, old);
    node_t metadata = node_copy (tree, node_get (old, "metadata"));
    node_t changed = node_is_map (annotations) ? node_copy (tree, annotations) : node_map();
    node_set_text (tree, &changed, MIGRATED_ANNOTATION, MIGRATED);
    node_set (tree, &metadata, "annotations", changed);
    node_set (tree, out, "metadata", metadata);
    return true;
}

bool
csi_node_change (const node_t *old, const node_t *node, const char *driver, const node_t *info,
                 tree_t *tree, node_t *out)
{
    node_t rows = node_array(), spec = node_map();
    bool is_there = false, is_same = false;
    node_t wanted = driver_row (driver, info, tree);
    NODE_EACH (node_at (old, "spec", "drivers", NULL), row)
    {
        if (strcmp (node_get_text (row, "name", ""), driver) == 0) {
            is_there = true;
            is_same = node_equal (row, &wanted);
        }
        else
            node_append (tree, &rows, node_copy (tree, row));
    }
    if (info ? is_same : !is_there)
        return false;
    if (info)
        node_append (tree, &rows, wanted);
    node_set (tree, &spec, "drivers", rows);
    *out = old ? node_copy (tree, old) : new_csi_node (node, tree);
    node_set (tree, out, "spec", spec);
    return true;
}

// ---- Node ----

/* What the annotation should be; NULL in JSON when it should go. */
static node_t
changed_ids (const char *old, const char *driver, const char *node_id, tree_t *tree)
{
    fault_t ignored = { 0 };
    OWNED (tree_destroy) tree_t *read = json_read (old, strlen (old), &ignored);
    node_t ids = node_is_map (tree_root (read)) ? node_copy (tree, tree_root (read)) : node_map();
    node_remove (&ids, driver);
    node_set_text (tree, &ids, driver, node_id);
    if (!node_count (&ids))
        return node_nil();
    OWNED (free_text) char *text = json_write (&ids, JSON_COMPACT, NULL);
    return node_text (tree, text);
}

static int
new_labels (const node_t *node, const node_t *info, tree_t *tree, node_t *labels, fault_t *fault)
{
    const node_t *old = node_at (node, "metadata", "labels", NULL);
    const node_t *segments = node_at (info, "accessible_topology", "segments", NULL);
    for (size_t i = 0; i < node_count (segments); i++) {
        const char *key = node_key_at (segments, i);
        const char *value = node_as_text (node_value_at (segments, i), "");
        const char *has = node_get_text (old, key, NULL);
        if (has && strcmp (has, value) != 0)
            return fault_set (
                fault, FAULT_PRECONDITION,
                "detected topology value collision: driver reported \"%s\":\"%s\" but "
                "existing label is \"%s\":\"%s\"",
                key, value, key, has);
        if (!has)
            node_set_text (tree, labels, key, value);
    }
    return 0;
}

int
csi_node_patch (const node_t *node, const char *driver, const node_t *info, tree_t *tree,
                node_t *out, fault_t *fault)
{
    const node_t *annotations = node_at (node, "metadata", "annotations", NULL);
    const char *old = node_get_text (annotations, NODE_ID_ANNOTATION, "");
    node_t ids = changed_ids (old, driver, node_get_text (info, "node_id", NULL), tree);
    node_t labels = node_map(), metadata = node_map(), changed = node_map();
    if (new_labels (node, info, tree, &labels, fault) < 0)
        return -1;
    if (strcmp (node_as_text (&ids, ""), old) != 0) {
        node_set (tree, &changed, NODE_ID_ANNOTATION, ids);
        node_set (tree, &metadata, "annotations", changed);
    }
    if (node_count (&labels))
        node_set (tree, &metadata, "labels", labels);
    if (!node_count (&metadata))
        return 0;
    *out = node_map();
    node_set (tree, out, "metadata", metadata);
    return 1;
}
