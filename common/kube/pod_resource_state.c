#include "cubelet/pod_resource_state.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <string.h>

#define RESOURCES "ContainerResources"

static uint32_t
checksum (const char *data)
{
    static const char GO_TYPE[] = "(string)"; // what Go's hash sees in front of a text
    uint32_t hash = 0x811c9dc5;
    for (const char *at = GO_TYPE; *at; at++)
        hash = (hash ^ (unsigned char) *at) * 0x01000193;
    for (const char *at = data; *at; at++)
        hash = (hash ^ (unsigned char) *at) * 0x01000193;
    return hash;
}

/* {limits requests} without what is empty, as Go leaves it out. */
static node_t
resources_of (const node_t *from, tree_t *tree)
{
    static const char *const SIDES[] = { "limits", "requests" };
    node_t out = node_map();
    for (size_t i = 0; i < COUNT_OF (SIDES); i++)
        if (node_count (node_get (from, SIDES[i])))
            node_set (tree, &out, SIDES[i], node_copy (tree, node_get (from, SIDES[i])));
    return out;
}

static node_t
entry_of (const node_t *containers, tree_t *tree)
{
    node_t entry = node_map(), list = node_map();
    for (size_t i = 0; i < node_count (containers); i++)
        node_set (tree, &list, node_key_at (containers, i),
                  resources_of (node_value_at (containers, i), tree));
    node_set (tree, &entry, RESOURCES, list);
    return entry;
}

char *
pod_resource_state_write (const node_t *pods, size_t *size_p)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t data = node_map(), entries = node_map(), file = node_map();
    for (size_t i = 0; i < node_count (pods); i++)
        node_set (tree, &entries, node_key_at (pods, i), entry_of (node_value_at (pods, i), tree));
    if (node_count (&entries))
        node_set (tree, &data, "entries", entries);
    OWNED (free_text) char *text = json_write (&data, JSON_COMPACT, NULL);
    node_set_text (tree, &file, "data", text);
    node_set_int (tree, &file, "checksum", checksum (text));
    return json_write (&file, JSON_COMPACT, size_p);
}

tree_t *
pod_resource_state_read (const char *bytes, size_t size, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *file = json_read (bytes, size, fault);
    if (!file)
        return NULL;
    const char *text = node_get_text (tree_root (file), "data", NULL);
    if (!text || node_get_int (tree_root (file), "checksum", -1) != checksum (text)) {
        fault_set (fault, FAULT_INVALID, "checkpoint is corrupted");
        return NULL;
    }
    OWNED (tree_destroy) tree_t *data = json_read (text, strlen (text), fault);
    if (!data) {
        fault_wrap (fault, "data");
        return NULL;
    }
    const node_t *entries = node_get (tree_root (data), "entries");
    tree_t *pods = tree_new();
    *tree_root (pods) = node_map();
    for (size_t i = 0; i < node_count (entries); i++) {
        const node_t *list = node_get (node_value_at (entries, i), RESOURCES);
        if (node_is_map (list))
            node_set (pods, tree_root (pods), node_key_at (entries, i), node_copy (pods, list));
    }
    return pods;
}
