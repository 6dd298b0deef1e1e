/* qos.c - resource lists and the quality of service class (reference/pod-to-cri.md 3.2). */
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include "cubelet/real.h"
#include <string.h>

static const char *const CLASSES[] = { "Guaranteed", "Burstable", "BestEffort" };
static const char *const COMPUTED[] = { "cpu", "memory" }; // the resources that count

typedef struct {
    quantity_t requests[COUNT_OF (COMPUTED)];
    quantity_t limits[COUNT_OF (COMPUTED)];
    bool all_limited; // every list seen has a limit for both resources
} sums_t;

int
quantity_read_node (const node_t *node, quantity_t *out, fault_t *fault)
{
    char number[REAL_TEXT_MAX];
    if (node_is_text (node))
        return quantity_parse (node_as_text (node, ""), out, fault);
    if (node_is_int (node)) {
        *out = quantity_of (node_as_int (node, 0));
        return 0;
    }
    if (node && (node->type == MSGPACK_OBJECT_FLOAT64 || node->type == MSGPACK_OBJECT_FLOAT32))
        return quantity_parse (real_text (node->via.f64, number), out, fault);
    return fault_set (fault, FAULT_INVALID, "must be a quantity");
}

quantity_t
resource_quantity (const node_t *list, const char *resource)
{
    quantity_t quantity = { 0 };
    fault_t fault = { 0 };
    const node_t *node = node_get (list, resource);
    if (!node || quantity_read_node (node, &quantity, &fault) < 0)
        return (quantity_t){ 0 };
    return quantity;
}

static bool
is_positive (quantity_t quantity)
{
    return quantity.set && quantity.nano > 0;
}

static void
add_resources (sums_t *sums, const resources_t *resources)
{
    for (size_t i = 0; i < COUNT_OF (COMPUTED); i++) {
        quantity_t request = resource_quantity (resources->requests, COMPUTED[i]);
        if (is_positive (request))
            sums->requests[i] = quantity_add (sums->requests[i], request);
        quantity_t limit = resource_quantity (resources->limits, COMPUTED[i]);
        if (is_positive (limit))
            sums->limits[i] = quantity_add (sums->limits[i], limit);
        else
            sums->all_limited = false;
    }
}

// Pod-level resources replace the containers' when they name anything they may name.
static bool
has_pod_level (const resources_t *resources)
{
    const node_t *const LISTS[] = { resources->requests, resources->limits };
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        for (size_t k = 0; node_is_map (LISTS[i]) && k < node_count (LISTS[i]); k++) {
            const char *name = node_key_at (LISTS[i], k);
            if (strcmp (name, "cpu") == 0 || strcmp (name, "memory") == 0
                || strncmp (name, "hugepages-", 10) == 0)
                return true;
        }
    return false;
}

const char *
pod_qos_class (const pod_t *pod)
{
    const char *known = node_get_text (node_get (pod->node, "status"), "qosClass", "");
    for (size_t i = 0; i < COUNT_OF (CLASSES); i++)
        if (strcmp (known, CLASSES[i]) == 0)
            return CLASSES[i];

    sums_t sums = { .all_limited = true };
    if (has_pod_level (&pod->spec.resources))
        add_resources (&sums, &pod->spec.resources);
    else {
        for (size_t i = 0; i < pod->spec.init_containers.count; i++)
            add_resources (&sums, &pod->spec.init_containers.items[i].resources);
        for (size_t i = 0; i < pod->spec.containers.count; i++)
            add_resources (&sums, &pod->spec.containers.items[i].resources);
    }
    bool is_any = false, is_guaranteed = sums.all_limited;
    for (size_t i = 0; i < COUNT_OF (COMPUTED); i++) {
        is_any = is_any || sums.requests[i].set || sums.limits[i].set;
        // Requests have been defaulted from limits, so a missing one was set to zero.
        if (!sums.requests[i].set || quantity_compare (sums.requests[i], sums.limits[i]) != 0)
            is_guaranteed = false;
    }
    return !is_any ? "BestEffort" : is_guaranteed ? "Guaranteed" : "Burstable";
}
