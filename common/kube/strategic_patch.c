#include "cubelet/strategic_patch.h"
#include "cubelet/memory.h"
#include <string.h>

#define ORDER_PREFIX "$setElementOrder/"

const merge_list_t POD_STATUS_LISTS[] = {
    { "conditions", "type" },
    { "hostIPs", "ip" },
    { "podIPs", "ip" },
    { "resourceClaimStatuses", "name" },
    { NULL },
};

const merge_list_t NODE_STATUS_LISTS[] = {
    { "conditions", "type" },
    { "addresses", "type" },
    { NULL },
};

static bool
is_absent (const node_t *node)
{
    return node_is_nil (node) || (node_is_array (node) && node_count (node) == 0);
}

static const char *
merge_key_of (const merge_list_t *lists, const char *field)
{
    for (; lists && lists->field; lists++)
        if (strcmp (lists->field, field) == 0)
            return lists->merge_key;
    return NULL;
}

static const node_t *
find_item (const node_t *list, const char *merge_key, const node_t *value)
{
    NODE_EACH (list, item)
    if (node_equal (node_get (item, merge_key), value))
        return item;
    return NULL;
}

// ---- lists with a merge key ----

static bool
is_same_order (const node_t *old, const node_t *new, const char *merge_key)
{
    if (node_count (old) != node_count (new))
        return false;
    for (size_t i = 0; i < node_count (new); i++)
        if (!node_equal (node_get (node_item (old, i), merge_key),
                         node_get (node_item (new, i), merge_key)))
            return false;
    return true;
}

/* New and changed items, in the new order. */
static void
add_changes (tree_t *tree, node_t *changes, const node_t *old, const node_t *new,
             const char *merge_key)
{
    NODE_EACH (new, item)
    {
        const node_t *key = node_get (item, merge_key);
        const node_t *before = find_item (old, merge_key, key);
        if (!before) {
            node_append (tree, changes, node_copy (tree, item));
            continue;
        }
        node_t change = strategic_patch (tree, before, item, NULL);
        if (node_count (&change) == 0)
            continue;
        node_set (tree, &change, merge_key, node_copy (tree, key));
        node_append (tree, changes, change);
    }
}

static void
add_removals (tree_t *tree, node_t *changes, const node_t *old, const node_t *new,
              const char *merge_key)
{
    NODE_EACH (old, item)
    {
        const node_t *key = node_get (item, merge_key);
        if (find_item (new, merge_key, key))
            continue;
        node_t removal = node_map();
        node_set_text (tree, &removal, "$patch", "delete");
        if (key)
            node_set (tree, &removal, merge_key, node_copy (tree, key));
        node_append (tree, changes, removal);
    }
}

static void
set_order (tree_t *tree, node_t *patch, const char *field, const node_t *new, const char *merge_key)
{
    node_t order = node_array();
    NODE_EACH (new, item)
    {
        node_t entry = node_map();
        const node_t *key = node_get (item, merge_key);
        if (key)
            node_set (tree, &entry, merge_key, node_copy (tree, key));
        node_append (tree, &order, entry);
    }
    OWNED (free_text) char *name = text_format (ORDER_PREFIX "%s", field);
    node_set (tree, patch, name, order);
}

static void
compare_lists (tree_t *tree, node_t *patch, const char *field, const node_t *old, const node_t *new,
               const char *merge_key)
{
    node_t changes = node_array();
    add_changes (tree, &changes, old, new, merge_key);
    add_removals (tree, &changes, old, new, merge_key);
    bool has_changes = node_count (&changes) > 0;
    if (!has_changes && is_same_order (old, new, merge_key))
        return;
    set_order (tree, patch, field, new, merge_key);
    if (has_changes)
        node_set (tree, patch, field, changes);
}

// ---- maps ----

static void
compare_field (tree_t *tree, node_t *patch, const char *field, const node_t *old, const node_t *new,
               const merge_list_t *lists)
{
    const char *merge_key = merge_key_of (lists, field);
    if (!is_absent (old) && node_is_map (old) && node_is_map (new)) {
        node_t change = strategic_patch (tree, old, new, NULL);
        if (node_count (&change) > 0)
            node_set (tree, patch, field, change);
    }
    else if (!is_absent (old) && merge_key && node_is_array (old) && node_is_array (new))
        compare_lists (tree, patch, field, old, new, merge_key);
    else if (!node_equal (old, new))
        node_set (tree, patch, field, node_copy (tree, new));
}

node_t
strategic_patch (tree_t *tree, const node_t *old, const node_t *new, const merge_list_t *lists)
{
    node_t patch = node_map();
    for (size_t i = 0; node_is_map (new) && i < node_count (new); i++) {
        const char *field = node_key_at (new, i);
        const node_t *value = node_value_at (new, i);
        if (!is_absent (value))
            compare_field (tree, &patch, field, node_get (old, field), value, lists);
    }
    for (size_t i = 0; node_is_map (old) && i < node_count (old); i++) {
        const char *field = node_key_at (old, i);
        if (!is_absent (node_value_at (old, i)) && is_absent (node_get (new, field)))
            node_set (tree, &patch, field, node_nil());
    }
    return patch;
}
