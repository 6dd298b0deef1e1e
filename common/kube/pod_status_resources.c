/* pod_status_resources.c - what a container was given (reference/pod-lifecycle.md 10.1, 10.5;
   reading back: reference/pod-to-cri.md 8). The spec's values, and for cpu and memory of a running
   container what the runtime says. */
#include "pod_status_internal.h"
#include <string.h>

// At or below these the kernel's least value is in force, so the spec's own is shown.
#define CPU_LIMIT_MIN_MILLI 10
#define CPU_SHARES_MIN 2
#define SHARES_PER_CPU 1024

/* One quantity as Go prints it. */
static node_t
canonical (tree_t *tree, const node_t *value)
{
    quantity_t quantity = { 0 };
    fault_t fault = { 0 };
    if (quantity_read_node (value, &quantity, &fault) < 0)
        return node_copy (tree, value);
    OWNED (free_text) char *text = quantity_text (quantity, node_as_text (value, NULL));
    return node_text (tree, text);
}

static node_t
canonical_list (tree_t *tree, const node_t *list)
{
    node_t out = node_map();
    for (size_t i = 0; i < node_count (list); i++)
        node_set (tree, &out, node_key_at (list, i), canonical (tree, node_value_at (list, i)));
    return out;
}

static void
replace (tree_t *tree, node_t *list, const char *resource, quantity_t value, const char *like)
{
    OWNED (free_text) char *text = quantity_text (value, like);
    node_set_text (tree, list, resource, text);
}

static void
replace_cpu_limit (tree_t *tree, node_t *limits, const node_t *actual)
{
    int64_t period = node_get_int (actual, "cpu_period", 0);
    int64_t quota = node_get_int (actual, "cpu_quota", 0);
    if (period <= 0 || quota <= 0 || quota > INT64_MAX / 1000)
        return;
    int64_t milli = quota * 1000 / period;
    int64_t of_spec = quantity_milli (resource_quantity (limits, "cpu"));
    if (milli > CPU_LIMIT_MIN_MILLI || of_spec > CPU_LIMIT_MIN_MILLI)
        replace (tree, limits, "cpu", quantity_of_milli (milli), NULL);
}

static void
replace_cpu_request (tree_t *tree, node_t *requests, const node_t *actual)
{
    int64_t shares = node_get_int (actual, "cpu_shares", 0);
    if (shares <= CPU_SHARES_MIN || shares > INT64_MAX / 2000)
        return;
    int64_t milli = (shares * 1000 + SHARES_PER_CPU - 1) / SHARES_PER_CPU;
    replace (tree, requests, "cpu", quantity_of_milli (milli), NULL);
}

static void
replace_memory_limit (tree_t *tree, node_t *limits, const node_t *actual)
{
    int64_t bytes = node_get_int (actual, "memory_limit_in_bytes", 0);
    if (bytes > 0)
        replace (tree, limits, "memory", quantity_of (bytes), "1Ki");
}

/* What the container has got, while the runtime does not say. NULL: not known. */
static const node_t *
given_of (const builder_t *self, const row_t *row)
{
    const node_t *known = node_get (self->local->actuated, row->container->name);
    bool is_it = row->shown->state == SEEN_RUNNING
                 && strcmp (node_get_text (known, "id", ""), row->shown->id) == 0;
    return is_it ? node_get (known, "spec") : NULL;
}

static void
replace_given (tree_t *tree, node_t *list, const node_t *given)
{
    static const char *const RESIZABLE[] = { "cpu", "memory" };
    for (size_t i = 0; i < sizeof RESIZABLE / sizeof *RESIZABLE; i++)
        if (node_get (list, RESIZABLE[i]) && node_get (given, RESIZABLE[i]))
            node_set (tree, list, RESIZABLE[i], canonical (tree, node_get (given, RESIZABLE[i])));
}

void
status_resources (builder_t *self, const row_t *row, node_t *out)
{
    tree_t *tree = self->tree;
    const resources_t *spec = &row->container->resources;
    const node_t *actual = row->shown->state == SEEN_RUNNING ? row->shown->resources : NULL;
    node_t limits = canonical_list (tree, spec->limits);
    node_t requests = canonical_list (tree, spec->requests);
    node_t resources = node_map();
    if (node_count (&requests))
        node_set (tree, out, "allocatedResources", node_copy (tree, &requests));
    if (!actual) {
        const node_t *given = given_of (self, row);
        replace_given (tree, &limits, node_get (given, "limits"));
        replace_given (tree, &requests, node_get (given, "requests"));
    }
    if (actual && node_get (&limits, "cpu"))
        replace_cpu_limit (tree, &limits, actual);
    if (actual && node_get (&limits, "memory"))
        replace_memory_limit (tree, &limits, actual);
    if (actual && node_get (&requests, "cpu"))
        replace_cpu_request (tree, &requests, actual);
    if (node_count (&limits))
        node_set (tree, &resources, "limits", limits);
    if (node_count (&requests))
        node_set (tree, &resources, "requests", requests);
    node_set (tree, out, "resources", resources);
}
