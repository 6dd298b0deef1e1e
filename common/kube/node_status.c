/* node_status.c - the status itself; node_conditions.c has its conditions. */
#include "cubelet/node_status.h"
#include "cubelet/memory.h"
#include "node_status_internal.h"
#include <string.h>

/* An image with more names than this is shown with fewer. */
#define IMAGE_NAMES_MAX 5

// ---- addresses ----

static void
add_address (tree_t *tree, node_t *list, const char *type, const char *address)
{
    node_t item = node_map();
    node_set_text (tree, &item, "type", type);
    node_set_text (tree, &item, "address", address);
    node_append (tree, list, item);
}

static void
set_addresses (tree_t *tree, node_t *status, const node_view_t *view, const node_t *previous)
{
    const node_t *old = node_get (previous, "addresses");
    bool is_for_cloud = view->has_external_cloud && node_count (old) > 0;
    bool is_unknown = node_count (view->ips) == 0 && node_count (old) > 0;
    if (is_for_cloud || is_unknown)
        return;
    node_t list = node_array();
    if (!view->has_external_cloud || view->has_node_ip) {
        NODE_EACH (view->ips, ip)
        add_address (tree, &list, "InternalIP", node_as_text (ip, ""));
    }
    add_address (tree, &list, "Hostname", view->node_name);
    node_set (tree, status, "addresses", list);
}

// ---- resources ----

static bool
is_hugepages (const char *resource)
{
    return strncmp (resource, "hugepages-", strlen ("hugepages-")) == 0;
}

/* Our capacity over what others have added; sizes of huge pages that are gone leave. */
static node_t
capacity_of (tree_t *tree, const node_view_t *view, const node_t *previous)
{
    const node_t *old = node_get (previous, "capacity");
    node_t out = node_map();
    for (size_t i = 0; node_is_map (old) && i < node_count (old); i++)
        if (!is_hugepages (node_key_at (old, i)) || node_get (view->capacity, node_key_at (old, i)))
            node_set (tree, &out, node_key_at (old, i), node_copy (tree, node_value_at (old, i)));
    for (size_t i = 0; i < node_count (view->capacity); i++)
        node_set (tree, &out, node_key_at (view->capacity, i),
                  node_copy (tree, node_value_at (view->capacity, i)));
    return out;
}

/* What others have added is allocatable as a whole. */
static node_t
allocatable_of (tree_t *tree, const node_view_t *view, const node_t *capacity)
{
    node_t out = node_map();
    for (size_t i = 0; i < node_count (capacity); i++) {
        const char *resource = node_key_at (capacity, i);
        const node_t *ours = node_get (view->allocatable, resource);
        node_set (tree, &out, resource,
                  node_copy (tree, ours ? ours : node_value_at (capacity, i)));
    }
    return out;
}

// ---- images ----

static int
compare_sizes (const void *a, const void *b)
{
    int64_t left = node_get_int (a, "size", 0), right = node_get_int (b, "size", 0);
    return left < right ? 1 : left > right ? -1 : 0;
}

static void
add_names (tree_t *tree, node_t *names, const node_t *list)
{
    NODE_EACH (list, name)
    if (node_count (names) < IMAGE_NAMES_MAX)
        node_append (tree, names, node_copy (tree, name));
}

static void
set_images (tree_t *tree, node_t *status, const node_view_t *view)
{
    if (!view->images)
        return;
    OWNED (tree_destroy) tree_t *sorted = tree_copy (view->images);
    node_t *all = tree_root (sorted), list = node_array();
    if (node_is_array (all) && node_count (all) > 1)
        qsort (all->via.array.ptr, all->via.array.size, sizeof *all->via.array.ptr, compare_sizes);
    NODE_EACH (all, image)
    {
        if (view->max_images >= 0 && (int64_t) node_count (&list) >= view->max_images)
            break;
        node_t item = node_map(), names = node_array();
        add_names (tree, &names, node_get (image, "repo_digests"));
        add_names (tree, &names, node_get (image, "repo_tags"));
        node_set (tree, &item, "names", names);
        node_set_int (tree, &item, "sizeBytes", node_get_int (image, "size", 0));
        node_append (tree, &list, item);
    }
    if (node_count (&list) > 0)
        node_set (tree, status, "images", list);
    else
        node_remove (status, "images");
}

static void
set_volumes (tree_t *tree, node_t *status, const node_view_t *view)
{
    if (!view->volumes_in_use)
        return;
    if (node_count (view->volumes_in_use))
        node_set (tree, status, "volumesInUse", node_copy (tree, view->volumes_in_use));
    else
        node_remove (status, "volumesInUse");
}

// ---- the runtime ----

static void
set_handlers (tree_t *tree, node_t *status, const node_view_t *view)
{
    node_t list = node_array();
    NODE_EACH (view->handlers, handler)
    {
        const node_t *can = node_get (handler, "features");
        node_t item = node_map(), features = node_map();
        node_set_bool (tree, &features, "recursiveReadOnlyMounts",
                       node_get_bool (can, "recursive_read_only_mounts", false));
        node_set_bool (tree, &features, "userNamespaces",
                       node_get_bool (can, "user_namespaces", false));
        node_set_text (tree, &item, "name", node_get_text (handler, "name", ""));
        node_set (tree, &item, "features", features);
        node_append (tree, &list, item);
    }
    if (node_count (&list) > 0)
        node_set (tree, status, "runtimeHandlers", list);
    else
        node_remove (status, "runtimeHandlers");
}

static void
set_features (tree_t *tree, node_t *status, const node_view_t *view)
{
    if (!view->features) {
        node_remove (status, "features");
        return;
    }
    node_t features = node_map();
    node_set_bool (tree, &features, "supplementalGroupsPolicy",
                   node_get_bool (view->features, "supplemental_groups_policy", false));
    node_set (tree, status, "features", features);
}

static void
set_info (tree_t *tree, node_t *status, const node_view_t *view, const node_t *previous)
{
    node_t info = node_is_map (view->info) ? node_copy (tree, view->info) : node_map();
    const char *old =
        node_get_text (node_get (previous, "nodeInfo"), "containerRuntimeVersion", "");
    if (view->runtime_name && *view->runtime_name)
        node_set (tree, &info, "containerRuntimeVersion",
                  node_text_format (tree, "%s://%s", view->runtime_name,
                                    view->runtime_version ? view->runtime_version : ""));
    else
        node_set_text (tree, &info, "containerRuntimeVersion", old);
    node_set (tree, status, "nodeInfo", info);
}

static void
set_endpoint (tree_t *tree, node_t *status, const node_view_t *view)
{
    node_t endpoint = node_map(), endpoints = node_map();
    node_set_int (tree, &endpoint, "Port", view->port); // a capital, as the API has it
    node_set (tree, &endpoints, "kubeletEndpoint", endpoint);
    node_set (tree, status, "daemonEndpoints", endpoints);
}

node_t
node_status (tree_t *tree, const node_view_t *view, const node_t *previous, int64_t now)
{
    node_t status = node_is_map (previous) ? node_copy (tree, previous) : node_map();
    node_t capacity = capacity_of (tree, view, previous);
    node_set (tree, &status, "capacity", capacity);
    node_set (tree, &status, "allocatable", allocatable_of (tree, view, &capacity));
    node_set (tree, &status, "conditions",
              status_node_conditions (tree, view, node_get (previous, "conditions"), now));
    set_addresses (tree, &status, view, previous);
    set_endpoint (tree, &status, view);
    set_info (tree, &status, view, previous);
    set_images (tree, &status, view);
    set_volumes (tree, &status, view);
    set_handlers (tree, &status, view);
    set_features (tree, &status, view);
    return status;
}
