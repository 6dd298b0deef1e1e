#include "cubelet/node_registration.h"
#include "cubelet/memory.h"
#include <string.h>

#define ATTACH_DETACH "volumes.kubernetes.io/controller-managed-attach-detach"
#define PROVIDED_NODE_IP "alpha.kubernetes.io/provided-node-ip"
#define UNINITIALIZED "node.cloudprovider.kubernetes.io/uninitialized"

/* A copy of map[key], or an empty map. */
static node_t
part_of (tree_t *tree, const node_t *map, const char *key)
{
    const node_t *part = node_get (map, key);
    return node_is_map (part) ? node_copy (tree, part) : node_map();
}

// ---- a new Node ----

static void
add_cloud_taint (tree_t *tree, node_t *spec)
{
    const node_t *taints = node_get (spec, "taints");
    node_t list = node_is_array (taints) ? node_copy (tree, taints) : node_array();
    node_t taint = node_map();
    node_set_text (tree, &taint, "key", UNINITIALIZED);
    node_set_text (tree, &taint, "value", "true");
    node_set_text (tree, &taint, "effect", "NoSchedule");
    node_append (tree, &list, taint);
    node_set (tree, spec, "taints", list);
}

node_t
node_registration_object (tree_t *tree, const node_t *initial,
                          const node_registration_t *registration)
{
    node_t annotations = node_map();
    node_t metadata = part_of (tree, initial, "metadata"), spec = part_of (tree, initial, "spec");
    if (registration->has_controller_attach_detach)
        node_set_text (tree, &annotations, ATTACH_DETACH, "true");
    if (registration->has_external_cloud && registration->node_ip && *registration->node_ip)
        node_set_text (tree, &annotations, PROVIDED_NODE_IP, registration->node_ip);
    if (node_count (&annotations) > 0)
        node_set (tree, &metadata, "annotations", annotations);
    if (registration->provider_id && *registration->provider_id)
        node_set_text (tree, &spec, "providerID", registration->provider_id);
    if (registration->has_external_cloud)
        add_cloud_taint (tree, &spec);
    if (node_count (node_get (&spec, "taints")) == 0)
        node_remove (&spec, "taints");
    node_t node = node_map();
    node_set_text (tree, &node, "kind", "Node");
    node_set_text (tree, &node, "apiVersion", "v1");
    node_set (tree, &node, "metadata", metadata);
    node_set (tree, &node, "spec", spec);
    return node;
}

// ---- one that is there ----

/* Those that a registration sets right, when the node has a value for them. */
static const char *const DEFAULT_LABELS[] = {
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
};

static const char *const SYSTEM_LABELS[] = { "kubernetes.io/os", "kubernetes.io/arch" };

static void
copy_labels (tree_t *tree, node_t *metadata, const node_t *initial, const char *const *names,
             size_t count)
{
    const node_t *ours = node_at (initial, "metadata", "labels", NULL);
    node_t labels = part_of (tree, metadata, "labels");
    for (size_t i = 0; i < count; i++) {
        const node_t *value = node_get (ours, names[i]);
        if (value)
            node_set (tree, &labels, names[i], node_copy (tree, value));
    }
    node_set (tree, metadata, "labels", labels);
}

static void
copy_attach_detach (tree_t *tree, node_t *metadata, const node_t *initial)
{
    const node_t *ours = node_at (initial, "metadata", "annotations", ATTACH_DETACH, NULL);
    node_t annotations = part_of (tree, metadata, "annotations");
    if (ours)
        node_set (tree, &annotations, ATTACH_DETACH, node_copy (tree, ours));
    else
        node_remove (&annotations, ATTACH_DETACH);
    node_set (tree, metadata, "annotations", annotations);
}

/* Resources with a domain that is not Kubernetes' own come from devices. */
static bool
is_extended (const char *resource)
{
    const char *slash = strchr (resource, '/');
    return slash && !strstr (resource, "kubernetes.io/")
           && strncmp (resource, "requests.", strlen ("requests.")) != 0;
}

static bool
is_hugepages (const char *resource)
{
    return strncmp (resource, "hugepages-", strlen ("hugepages-")) == 0;
}

static node_t
resources_of (tree_t *tree, const node_t *existing, const node_t *initial)
{
    node_t out = node_map();
    for (size_t i = 0; node_is_map (existing) && i < node_count (existing); i++) {
        const char *resource = node_key_at (existing, i);
        if (is_hugepages (resource) && !node_get (initial, resource))
            continue;
        node_set (tree, &out, resource,
                  is_extended (resource) ? node_text (tree, "0")
                                         : node_copy (tree, node_value_at (existing, i)));
    }
    for (size_t i = 0; node_is_map (initial) && i < node_count (initial); i++)
        if (is_hugepages (node_key_at (initial, i)))
            node_set (tree, &out, node_key_at (initial, i),
                      node_copy (tree, node_value_at (initial, i)));
    return out;
}

node_t
node_reconcile (tree_t *tree, const node_t *initial, const node_t *existing)
{
    static const char *const LISTS[] = { "capacity", "allocatable" };
    node_t node = node_copy (tree, existing);
    node_t metadata = part_of (tree, existing, "metadata");
    node_t status = part_of (tree, existing, "status");
    copy_labels (tree, &metadata, initial, DEFAULT_LABELS, COUNT_OF (DEFAULT_LABELS));
    copy_attach_detach (tree, &metadata, initial);
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        node_set (tree, &status, LISTS[i],
                  resources_of (tree, node_get (&status, LISTS[i]),
                                node_at (initial, "status", LISTS[i], NULL)));
    node_set (tree, &node, "metadata", metadata);
    node_set (tree, &node, "status", status);
    return node;
}

node_t
node_with_system_labels (tree_t *tree, const node_t *node, const node_t *initial)
{
    node_t out = node_copy (tree, node);
    node_t metadata = part_of (tree, node, "metadata");
    copy_labels (tree, &metadata, initial, SYSTEM_LABELS, COUNT_OF (SYSTEM_LABELS));
    node_set (tree, &out, "metadata", metadata);
    return out;
}
