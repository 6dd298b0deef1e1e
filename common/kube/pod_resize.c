/* pod_resize.c - allocations and who decides about them. */
#include "cubelet/pod_resize.h"
#include "cubelet/memory.h"
#include <string.h>

static const char *const RESIZABLE[] = { "cpu", "memory" };
static const char *const SIDES[] = { "requests", "limits" };
static const char *const LISTS[] = { "initContainers", "containers" };

// ---- allocations ----

static node_t
allocation_of (const node_t *container, tree_t *tree)
{
    node_t out = node_map();
    for (size_t i = 0; i < COUNT_OF (SIDES); i++) {
        const node_t *list = node_at (container, "resources", SIDES[i], NULL);
        node_set (tree, &out, SIDES[i], list ? node_copy (tree, list) : node_map());
    }
    return out;
}

node_t
pod_allocation (const node_t *pod, tree_t *tree)
{
    node_t out = node_map();
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        NODE_EACH (node_at (pod, "spec", LISTS[i], NULL), container)
    node_set (tree, &out, node_get_text (container, "name", ""), allocation_of (container, tree));
    return out;
}

/* Whether both ({requests limits}) say the same of one resource. */
static bool
is_same (const node_t *a, const node_t *b, const char *resource)
{
    for (size_t i = 0; i < COUNT_OF (SIDES); i++) {
        quantity_t of_a = resource_quantity (node_get (a, SIDES[i]), resource);
        quantity_t of_b = resource_quantity (node_get (b, SIDES[i]), resource);
        if (of_a.set != of_b.set || quantity_compare (of_a, of_b) != 0)
            return false;
    }
    return true;
}

bool
pod_allocation_is_desired (const node_t *pod, const node_t *allocation)
{
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        NODE_EACH (node_at (pod, "spec", LISTS[i], NULL), container)
        {
            const node_t *known = node_get (allocation, node_get_text (container, "name", ""));
            const node_t *desired = node_get (container, "resources");
            for (size_t k = 0; known && k < COUNT_OF (RESIZABLE); k++)
                if (!is_same (known, desired, RESIZABLE[k]))
                    return false;
        }
    return true;
}

/* Puts the allocated values of one side in place. */
static void
replace_side (tree_t *tree, node_t *resources, const char *side, const node_t *allocated)
{
    const node_t *known = node_get (resources, side);
    node_t list = known ? *known : node_map();
    for (size_t i = 0; i < COUNT_OF (RESIZABLE); i++) {
        const node_t *value = node_get (allocated, RESIZABLE[i]);
        if (value)
            node_set (tree, &list, RESIZABLE[i], node_copy (tree, value));
        else
            node_remove (&list, RESIZABLE[i]);
    }
    if (node_count (&list) || known)
        node_set (tree, resources, side, list);
}

static node_t
container_with (const node_t *container, const node_t *allocation, tree_t *tree)
{
    node_t out = node_copy (tree, container);
    const node_t *known = node_get (&out, "resources");
    node_t resources = known ? *known : node_map();
    for (size_t i = 0; i < COUNT_OF (SIDES); i++)
        replace_side (tree, &resources, SIDES[i], node_get (allocation, SIDES[i]));
    node_set (tree, &out, "resources", resources);
    return out;
}

node_t
pod_with_allocation (const node_t *pod, const node_t *allocation, tree_t *tree)
{
    node_t out = node_copy (tree, pod);
    node_t *spec = node_get_mutable (&out, "spec");
    for (size_t i = 0; spec && i < COUNT_OF (LISTS); i++) {
        node_t *list = node_get_mutable (spec, LISTS[i]);
        for (size_t k = 0; node_is_array (list) && k < node_count (list); k++) {
            const char *name = node_get_text (node_item (list, k), "name", "");
            const node_t *allocated = node_get (allocation, name);
            if (allocated)
                list->via.array.ptr[k] = container_with (node_item (list, k), allocated, tree);
        }
    }
    return out;
}

bool
resize_needs_restart (const container_t *container, const node_t *before, const node_t *after)
{
    NODE_EACH (node_get (container->node, "resizePolicy"), policy)
    {
        bool restarts =
            strcmp (node_get_text (policy, "restartPolicy", ""), "RestartContainer") == 0;
        if (restarts && !is_same (before, after, node_get_text (policy, "resourceName", "")))
            return true;
    }
    return false;
}

// ---- the decision ----

/* More than the whole node has. */
static bool
is_infeasible (const pod_demand_t *demand, const admission_node_t *node, tree_t *tree,
               resize_decision_t *out)
{
    static const char *const ORDER[] = { "memory", "cpu" };
    const node_t *allocatable = node_at (node->node, "status", "allocatable", NULL);
    for (size_t i = 0; i < COUNT_OF (ORDER); i++) {
        int64_t requested = pod_demand_of (demand, ORDER[i]);
        int64_t capacity = resource_amount (ORDER[i], resource_quantity (allocatable, ORDER[i]));
        if (requested <= capacity)
            continue;
        out->reason = "Infeasible";
        out->message = node_text_format (tree,
                                         "Node didn't have enough capacity: %s, requested: %lld, "
                                         "capacity: %lld",
                                         ORDER[i], (long long) requested, (long long) capacity)
                           .via.str.ptr;
        return true;
    }
    return false;
}

void
pod_resize_decide (const pod_t *pod, const pod_demand_t *demand, const pod_demand_t *const *others,
                   size_t count, const admission_node_t *node, tree_t *tree, resize_decision_t *out)
{
    *out = (resize_decision_t){ 0 };
    if (is_infeasible (demand, node, tree, out))
        return;
    pod_demand_t plain = *demand;
    plain.is_critical = false;
    admission_t admission;
    pod_admit (pod, &plain, others, count, node, tree, &admission);
    if (admission.reason)
        *out = (resize_decision_t){ "Deferred", admission.message };
}

// ---- what the event says ----

static node_t
summary_of (const container_t *container, tree_t *tree)
{
    const node_t *limits = container->resources.limits, *requests = container->resources.requests;
    node_t out = node_map(), resources = node_map();
    if (node_count (limits))
        node_set (tree, &resources, "limits", node_copy (tree, limits));
    if (node_count (requests))
        node_set (tree, &resources, "requests", node_copy (tree, requests));
    node_set_text (tree, &out, "name", container->name);
    node_set (tree, &out, "resources", resources);
    return out;
}

node_t
pod_resize_summary (const pod_t *pod, tree_t *tree)
{
    node_t out = node_map(), sidecars = node_array(), regular = node_array();
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const container_t *container = pod_container_at (pod, i);
        if (container->kind == CONTAINER_SIDECAR)
            node_append (tree, &sidecars, summary_of (container, tree));
        else if (container->kind == CONTAINER_REGULAR)
            node_append (tree, &regular, summary_of (container, tree));
    }
    if (node_count (&sidecars))
        node_set (tree, &out, "initContainers", sidecars);
    node_set (tree, &out, "containers", regular);
    node_set_int (tree, &out, "generation", pod->metadata.generation);
    return out;
}
