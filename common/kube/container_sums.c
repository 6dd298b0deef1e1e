#include "cubelet/container_sums.h"
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include <string.h>

static quantity_t
larger (quantity_t a, quantity_t b)
{
    return quantity_compare (a, b) >= 0 ? a : b;
}

static quantity_t
quantity_of_container (const node_t *container, const char *list, const char *resource)
{
    return resource_quantity (node_at (container, "resources", list, NULL), resource);
}

static quantity_t
sum_of (const node_t *spec, const char *list, const char *resource)
{
    quantity_t regular = { 0 }, sidecars = { 0 }, highest_init = { 0 };
    NODE_EACH (node_get (spec, "initContainers"), container)
    {
        quantity_t own = quantity_of_container (container, list, resource);
        bool is_sidecar = strcmp (node_get_text (container, "restartPolicy", ""), "Always") == 0;
        quantity_t step = quantity_add (own, sidecars);
        if (is_sidecar)
            sidecars = step;
        highest_init = larger (highest_init, step);
    }
    NODE_EACH (node_get (spec, "containers"), container)
    regular = quantity_add (regular, quantity_of_container (container, list, resource));
    return larger (quantity_add (regular, sidecars), highest_init);
}

static void
add_sums (tree_t *tree, const node_t *spec, const char *containers, const char *list, node_t *sums)
{
    NODE_EACH (node_get (spec, containers), container)
    {
        const node_t *resources = node_at (container, "resources", list, NULL);
        for (size_t i = 0; node_is_map (resources) && i < node_count (resources); i++) {
            const char *resource = node_key_at (resources, i);
            if (node_get (sums, resource))
                continue;
            const char *like = node_as_text (node_value_at (resources, i), NULL);
            OWNED (free_text)
            char *text = quantity_text (sum_of (spec, list, resource), like);
            node_set_text (tree, sums, resource, text);
        }
    }
}

node_t
containers_sum (tree_t *tree, const node_t *spec, const char *list)
{
    node_t sums = node_map();
    add_sums (tree, spec, "initContainers", list, &sums);
    add_sums (tree, spec, "containers", list, &sums);
    return sums;
}
