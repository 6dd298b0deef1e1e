/* node_patch.c - from one Node to another, as the sub-resource status takes it. */
#include "cubelet/memory.h"
#include "cubelet/node_status.h"
#include "cubelet/strategic_patch.h"

/* Addresses are merged by their type, of which there may be two: a change replaces them all. */
static void
replace_addresses (tree_t *tree, node_t *patch, const node_t *old, const node_t *new)
{
    node_remove (patch, "addresses");
    node_remove (patch, "$setElementOrder/addresses");
    if (node_count (old) == 0) {
        if (node_count (new) > 0)
            node_set (tree, patch, "addresses", node_copy (tree, new));
        return;
    }
    if (node_equal (old, new))
        return;
    node_t list = node_array(), order = node_map();
    NODE_EACH (new, address)
    node_append (tree, &list, node_copy (tree, address));
    node_set_text (tree, &order, "$patch", "replace");
    node_append (tree, &list, order);
    node_set (tree, patch, "addresses", list);
}

node_t
node_patch (tree_t *tree, const node_t *old, const node_t *new)
{
    static const char *const PARTS[] = { "labels", "annotations" };
    node_t patch = node_map(), metadata = node_map();
    for (size_t i = 0; i < COUNT_OF (PARTS); i++) {
        node_t change = strategic_patch (tree, node_at (old, "metadata", PARTS[i], NULL),
                                         node_at (new, "metadata", PARTS[i], NULL), NULL);
        if (node_count (&change) > 0)
            node_set (tree, &metadata, PARTS[i], change);
    }
    if (node_count (&metadata) > 0)
        node_set (tree, &patch, "metadata", metadata);
    const node_t *before = node_get (old, "status"), *after = node_get (new, "status");
    node_t status = strategic_patch (tree, before, after, NODE_STATUS_LISTS);
    replace_addresses (tree, &status, node_get (before, "addresses"),
                       node_get (after, "addresses"));
    if (node_count (&status) > 0)
        node_set (tree, &patch, "status", status);
    return patch;
}
