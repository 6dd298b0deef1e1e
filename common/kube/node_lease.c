#include "cubelet/node_lease.h"
#include "cubelet/duration.h"

#define RENEW_SHARE 0.25
#define JITTER 0.04

bool
node_lease_needs_owner (const node_t *lease)
{
    return node_count (node_at (lease, "metadata", "ownerReferences", NULL)) == 0;
}

static node_t
owners (tree_t *tree, const char *node_name, const char *node_uid)
{
    node_t owner = node_map();
    node_set_text (tree, &owner, "apiVersion", "v1");
    node_set_text (tree, &owner, "kind", "Node");
    node_set_text (tree, &owner, "name", node_name);
    node_set_text (tree, &owner, "uid", node_uid);
    node_t list = node_array();
    node_append (tree, &list, owner);
    return list;
}

/* A copy of map[key], or an empty map. */
static node_t
part_of (tree_t *tree, const node_t *map, const char *key)
{
    const node_t *part = node_get (map, key);
    return node_is_map (part) ? node_copy (tree, part) : node_map();
}

node_t
node_lease (tree_t *tree, const node_t *base, const char *node_name, const char *node_uid,
            int64_t duration_s, int64_t now)
{
    char time[TIME_TEXT_MAX];
    node_t metadata = part_of (tree, base, "metadata");
    if (!base) {
        node_set_text (tree, &metadata, "name", node_name);
        node_set_text (tree, &metadata, "namespace", LEASE_NAMESPACE);
    }
    if (node_uid && node_lease_needs_owner (base))
        node_set (tree, &metadata, "ownerReferences", owners (tree, node_name, node_uid));
    node_t spec = part_of (tree, base, "spec");
    node_set_text (tree, &spec, "holderIdentity", node_name);
    node_set_int (tree, &spec, "leaseDurationSeconds", duration_s);
    node_set_text (tree, &spec, "renewTime", time_text_micro (now, time));
    node_t lease = base ? node_copy (tree, base) : node_map();
    node_set_text (tree, &lease, "kind", "Lease");
    node_set_text (tree, &lease, "apiVersion", "coordination.k8s.io/v1");
    node_set (tree, &lease, "metadata", metadata);
    node_set (tree, &lease, "spec", spec);
    return lease;
}

int64_t
node_lease_renew_ms (int64_t duration_s, double part)
{
    return (int64_t) ((double) duration_s * 1000 * RENEW_SHARE * (1 + JITTER * part));
}
