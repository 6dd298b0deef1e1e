/* pod_resize_steps.c - in which order containers and the pod's cgroup get new values. */
#include "cubelet/memory.h"
#include "cubelet/pod_resize.h"
#include <string.h>

/* CRI's fields; 0 or absent is no limit for those that are limits. */
static const struct {
    const char *name;
    bool is_limit;
} FIELDS[] = {
    { "cpu_period", false },
    { "cpu_quota", true },
    { "cpu_shares", false },
    { "memory_limit_in_bytes", true },
    { "memory_swap_limit_in_bytes", true },
};

node_t
resizable_part (const node_t *resources, tree_t *tree)
{
    node_t out = node_map();
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++)
        if (node_get (resources, FIELDS[i].name))
            node_set_int (tree, &out, FIELDS[i].name, node_get_int (resources, FIELDS[i].name, 0));
    return out;
}

bool
resize_is_needed (const resize_item_t *item)
{
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++)
        if (!item->has
            || node_get_int (item->has, FIELDS[i].name, 0)
                   != node_get_int (item->wants, FIELDS[i].name, 0))
            return true;
    return false;
}

/* The smaller of both values; of limits 0 is the largest. */
static int64_t
smaller (int64_t a, int64_t b, bool is_limit)
{
    if (is_limit && (a == 0 || b == 0))
        return a ? a : b;
    return a < b ? a : b;
}

/* What only shrinks on the way: of each value the smaller one. */
static node_t
shrunk (const resize_item_t *item, tree_t *tree)
{
    node_t out = node_map();
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++) {
        int64_t value = smaller (node_get_int (item->has, FIELDS[i].name, 0),
                                 node_get_int (item->wants, FIELDS[i].name, 0), FIELDS[i].is_limit);
        if (value)
            node_set_int (tree, &out, FIELDS[i].name, value);
    }
    return out;
}

static node_t
step_of (const resize_item_t *item, const char *kind, tree_t *tree)
{
    node_t step = node_map();
    node_set_text (tree, &step, "kind", kind);
    node_set_text (tree, &step, "container", item->name);
    node_set_text (tree, &step, "id", item->id);
    return step;
}

static void
add_update (tree_t *tree, node_t *steps, const resize_item_t *item, const node_t *resources)
{
    node_t step = step_of (item, "update", tree);
    node_set (tree, &step, "resources", node_copy (tree, resources));
    node_append (tree, steps, step);
}

/* A memory limit that shrinks, or may: 0 else. */
static int64_t
new_lower_limit (const resize_item_t *item)
{
    int64_t wanted = node_get_int (item->wants, "memory_limit_in_bytes", 0);
    int64_t had = node_get_int (item->has, "memory_limit_in_bytes", 0);
    return wanted && (had == 0 || wanted < had) ? wanted : 0;
}

static void
add_checks (tree_t *tree, node_t *steps, const resize_item_t *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t limit = resize_is_needed (&items[i]) ? new_lower_limit (&items[i]) : 0;
        if (!limit)
            continue;
        node_t step = step_of (&items[i], "check", tree);
        node_set_int (tree, &step, "limit", limit);
        node_append (tree, steps, step);
    }
}

node_t
pod_resize_steps (const resize_item_t *items, size_t count, tree_t *tree)
{
    node_t steps = node_array();
    bool is_needed = false;
    add_checks (tree, &steps, items, count);
    for (size_t i = 0; i < count; i++) {
        if (!resize_is_needed (&items[i]))
            continue;
        is_needed = true;
        node_t less = shrunk (&items[i], tree);
        resize_item_t change = { .has = items[i].has, .wants = &less };
        if (items[i].has && resize_is_needed (&change))
            add_update (tree, &steps, &items[i], &less);
    }
    if (!is_needed)
        return steps;
    node_t cgroup = node_map();
    node_set_text (tree, &cgroup, "kind", "cgroup");
    node_append (tree, &steps, cgroup);
    for (size_t i = 0; i < count; i++) {
        if (!resize_is_needed (&items[i]))
            continue;
        node_t less = items[i].has ? shrunk (&items[i], tree) : node_nil();
        resize_item_t rest = { .has = items[i].has ? &less : NULL, .wants = items[i].wants };
        if (resize_is_needed (&rest))
            add_update (tree, &steps, &items[i], items[i].wants);
    }
    return steps;
}
