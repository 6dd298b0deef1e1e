#include "cubelet/pod_demand.h"
#include "cubelet/memory.h"
#include "cubelet/resource_math.h"
#include <string.h>

#define ANY_ADDRESS "0.0.0.0"

int64_t
resource_amount (const char *resource, quantity_t quantity)
{
    return strcmp (resource, "cpu") == 0 ? quantity_milli (quantity) : quantity_value (quantity);
}

static const char *
kept (tree_t *tree, const char *text)
{
    return tree_text (tree, text, strlen (text));
}

// ---- requests ----

/* Collects the names of a resource list that are not in `names` (a map) yet. */
static void
collect_names (tree_t *tree, const node_t *list, node_t *names)
{
    for (size_t i = 0; node_is_map (list) && i < node_count (list); i++)
        if (!node_get (names, node_key_at (list, i)))
            node_set_bool (tree, names, node_key_at (list, i), true);
}

static node_t
requested_names (const pod_t *pod, tree_t *tree)
{
    node_t names = node_map();
    const container_list_t *const LISTS[] = { &pod->spec.init_containers, &pod->spec.containers };
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        for (size_t k = 0; k < LISTS[i]->count; k++)
            collect_names (tree, LISTS[i]->items[k].resources.requests, &names);
    collect_names (tree, pod->spec.resources.requests, &names);
    collect_names (tree, pod->spec.overhead, &names);
    return names;
}

static void
read_requests (const pod_t *pod, tree_t *tree, pod_demand_t *out)
{
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    node_t names = requested_names (pod, scratch);
    out->requests.items = tree_alloc (tree, node_count (&names) * sizeof *out->requests.items);
    for (size_t i = 0; i < node_count (&names); i++) {
        const char *resource = node_key_at (&names, i);
        int64_t amount =
            resource_amount (resource, pod_resource (pod, RESOURCE_REQUESTS, resource, true));
        if (amount > 0)
            out->requests.items[out->requests.count++] =
                (resource_amount_t){ kept (tree, resource), amount };
    }
}

int64_t
pod_demand_of (const pod_demand_t *self, const char *resource)
{
    if (strcmp (resource, "pods") == 0)
        return 1;
    for (size_t i = 0; i < self->requests.count; i++)
        if (strcmp (self->requests.items[i].resource, resource) == 0)
            return self->requests.items[i].amount;
    return 0;
}

// ---- ports ----

static void
read_ports (const pod_t *pod, tree_t *tree, pod_demand_t *out)
{
    const container_list_t *const LISTS[] = { &pod->spec.init_containers, &pod->spec.containers };
    size_t room = 0;
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        for (size_t k = 0; k < LISTS[i]->count; k++)
            room += LISTS[i]->items[k].ports.count;
    out->ports.items = tree_alloc (tree, room * sizeof *out->ports.items);
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        for (size_t k = 0; k < LISTS[i]->count; k++) {
            const container_t *container = &LISTS[i]->items[k];
            if (container->kind == CONTAINER_INIT)
                continue; // is gone when the others start
            for (size_t p = 0; p < container->ports.count; p++) {
                const container_port_t *port = &container->ports.items[p];
                if (port->host_port <= 0)
                    continue;
                out->ports.items[out->ports.count++] = (host_port_t){
                    .protocol = port->protocol ? kept (tree, port->protocol) : "TCP",
                    .ip =
                        port->host_ip && *port->host_ip ? kept (tree, port->host_ip) : ANY_ADDRESS,
                    .port = port->host_port,
                };
            }
        }
}

static bool
is_conflict (const host_port_t *a, const host_port_t *b)
{
    return a->port == b->port && strcmp (a->protocol, b->protocol) == 0
           && (strcmp (a->ip, b->ip) == 0 || strcmp (a->ip, ANY_ADDRESS) == 0
               || strcmp (b->ip, ANY_ADDRESS) == 0);
}

const host_port_t *
pod_demand_port_conflict (const pod_demand_t *a, const pod_demand_t *b)
{
    for (size_t i = 0; i < a->ports.count; i++)
        for (size_t k = 0; k < b->ports.count; k++)
            if (is_conflict (&a->ports.items[i], &b->ports.items[k]))
                return &a->ports.items[i];
    return NULL;
}

void
pod_demand_read (const pod_t *pod, tree_t *tree, pod_demand_t *out)
{
    *out = (pod_demand_t){
        .qos = pod_qos_class (pod),
        .is_critical = pod_is_critical (pod),
        .priority = pod->spec.priority,
    };
    read_requests (pod, tree, out);
    read_ports (pod, tree, out);
}
