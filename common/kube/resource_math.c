#include "cubelet/resource_math.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <string.h>

#define SHARES_PER_CPU 1024
#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MAX 10000
#define QUOTA_MIN_US 1000
#define MILLI_PER_CPU 1000
#define HUGEPAGES_PREFIX "hugepages-"

__extension__ typedef __int128 int128_t;

static int64_t
between (int128_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : (int64_t) value;
}

int64_t
cpu_shares (int64_t milli)
{
    return between ((int128_t) milli * SHARES_PER_CPU / MILLI_PER_CPU, SHARES_MIN, SHARES_MAX);
}

int64_t
cpu_quota_us (int64_t milli, int64_t period_us)
{
    if (milli == 0)
        return 0;
    return between ((int128_t) milli * period_us / MILLI_PER_CPU, QUOTA_MIN_US, INT64_MAX);
}

int64_t
cpu_weight (int64_t shares)
{
    shares = between (shares, SHARES_MIN, SHARES_MAX);
    return 1 + (shares - SHARES_MIN) * (WEIGHT_MAX - 1) / (SHARES_MAX - SHARES_MIN);
}

// ---- sums over a pod ----

static const node_t *
list_of (const resources_t *resources, resource_side_t side)
{
    return side == RESOURCE_REQUESTS ? resources->requests : resources->limits;
}

static quantity_t
larger (quantity_t a, quantity_t b)
{
    if (!a.set || !b.set)
        return a.set ? a : b;
    return quantity_compare (a, b) >= 0 ? a : b;
}

/* What the containers need together, while they start and while they run. */
static quantity_t
containers_need (const pod_t *pod, resource_side_t side, const char *resource)
{
    quantity_t running = { 0 }, sidecars = { 0 }, starting = { 0 };
    for (size_t i = 0; i < pod->spec.containers.count; i++)
        running = quantity_add (
            running,
            resource_quantity (list_of (&pod->spec.containers.items[i].resources, side), resource));
    for (size_t i = 0; i < pod->spec.init_containers.count; i++) {
        const container_t *container = &pod->spec.init_containers.items[i];
        quantity_t step = quantity_add (
            sidecars, resource_quantity (list_of (&container->resources, side), resource));
        if (container->kind == CONTAINER_SIDECAR)
            sidecars = step;
        starting = larger (starting, step);
    }
    return larger (quantity_add (running, sidecars), starting);
}

static bool
is_pod_level_resource (const char *resource)
{
    return strcmp (resource, "cpu") == 0 || strcmp (resource, "memory") == 0
           || strncmp (resource, HUGEPAGES_PREFIX, strlen (HUGEPAGES_PREFIX)) == 0;
}

quantity_t
pod_resource (const pod_t *pod, resource_side_t side, const char *resource, bool with_overhead)
{
    quantity_t need = containers_need (pod, side, resource);
    quantity_t own = resource_quantity (list_of (&pod->spec.resources, side), resource);
    if (own.set && is_pod_level_resource (resource))
        need = own;
    quantity_t overhead = resource_quantity (pod->spec.overhead, resource);
    if (with_overhead && overhead.set && (need.set || side == RESOURCE_REQUESTS))
        need = quantity_add (need, overhead);
    return need;
}

static bool
has_pod_level (const node_t *list)
{
    for (size_t i = 0; node_is_map (list) && i < node_count (list); i++)
        if (is_pod_level_resource (node_key_at (list, i)))
            return true;
    return false;
}

// ---- huge pages ----

char *
hugepage_resource (const char *page_size)
{
    size_t size = strlen (page_size);
    bool has_unit = size > 1 && page_size[size - 1] == 'B';
    return text_format (HUGEPAGES_PREFIX "%.*s%s", (int) (has_unit ? size - 1 : size), page_size,
                        has_unit ? "i" : "");
}

static node_t
hugepage_limits (const pod_t *pod, const container_t *container, const node_facts_t *facts,
                 tree_t *tree)
{
    node_t limits = node_array();
    for (size_t i = 0; i < facts->hugepage_sizes.count; i++) {
        OWNED (free_text) char *resource = hugepage_resource (facts->hugepage_sizes.items[i]);
        quantity_t limit = resource_quantity (container->resources.limits, resource);
        if (!limit.set)
            limit = resource_quantity (pod->spec.resources.limits, resource);
        node_t entry = node_map();
        node_set_text (tree, &entry, "page_size", facts->hugepage_sizes.items[i]);
        if (!quantity_is_zero (limit))
            node_set_int (tree, &entry, "limit", quantity_value (limit));
        node_append (tree, &limits, entry);
    }
    return limits;
}

// ---- the pod's own cgroup ----

/* Whether every container has a limit, or the pod itself has one. */
static bool
is_limited (const pod_t *pod, const char *resource)
{
    if (!quantity_is_zero (resource_quantity (pod->spec.resources.limits, resource)))
        return true;
    const container_list_t *const LISTS[] = { &pod->spec.init_containers, &pod->spec.containers };
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        for (size_t k = 0; k < LISTS[i]->count; k++)
            if (quantity_is_zero (
                    resource_quantity (LISTS[i]->items[k].resources.limits, resource)))
                return false;
    return true;
}

static int64_t
milli_of (const pod_t *pod, resource_side_t side)
{
    return quantity_milli (pod_resource (pod, side, "cpu", true));
}

void
pod_cgroup_values (const pod_t *pod, const node_facts_t *facts, tree_t *tree, pod_cgroup_t *out)
{
    *out = (pod_cgroup_t){ .cpu_shares = cpu_shares (milli_of (pod, RESOURCE_REQUESTS)) };
    out->hugepages.count = facts->hugepage_sizes.count;
    out->hugepages.items = tree_alloc (tree, out->hugepages.count * sizeof *out->hugepages.items);
    for (size_t i = 0; i < out->hugepages.count; i++) {
        const char *size = facts->hugepage_sizes.items[i];
        OWNED (free_text) char *resource = hugepage_resource (size);
        out->hugepages.items[i].page_size = size;
        out->hugepages.items[i].limit =
            quantity_value (pod_resource (pod, RESOURCE_REQUESTS, resource, true));
    }
    const char *qos = pod_qos_class (pod);
    bool is_guaranteed = strcmp (qos, "Guaranteed") == 0;
    if (strcmp (qos, "BestEffort") == 0) {
        out->cpu_shares = SHARES_MIN;
        return;
    }
    if (is_guaranteed || is_limited (pod, "cpu")) {
        int64_t quota = cpu_quota_us (milli_of (pod, RESOURCE_LIMITS), facts->cpu_cfs_period_us);
        out->cpu_quota_us = (opt_int_t){ true, facts->cpu_cfs_quota ? quota : -1 };
        out->cpu_period_us = (opt_int_t){ true, facts->cpu_cfs_period_us };
    }
    if (is_guaranteed || is_limited (pod, "memory")) {
        quantity_t limit = pod_resource (pod, RESOURCE_LIMITS, "memory", true);
        out->memory_limit = (opt_int_t){ true, quantity_value (limit) };
    }
}

// ---- oom_score_adj ----

#define OOM_GUARANTEED (-997)
#define OOM_BEST_EFFORT 1000
#define OOM_BURSTABLE_MIN 3
#define NODE_CRITICAL "system-node-critical"

static int64_t
memory_request (const container_t *container)
{
    return quantity_value (resource_quantity (container->resources.requests, "memory"));
}

/* What the pod requests beyond its containers, shared among them. */
static int64_t
memory_share (const pod_t *pod)
{
    quantity_t own = resource_quantity (pod->spec.resources.requests, "memory");
    size_t count = pod->spec.containers.count + pod->spec.init_containers.count;
    if (quantity_is_zero (own) || count == 0)
        return 0;
    quantity_t used = containers_need (pod, RESOURCE_REQUESTS, "memory");
    return (quantity_value (own) - quantity_value (used)) / (int64_t) count;
}

static int64_t
burstable_score (int64_t memory, int64_t capacity)
{
    if (capacity <= 0)
        return OOM_BEST_EFFORT;
    return between (1000 - (int128_t) 1000 * memory / capacity, INT32_MIN, INT32_MAX);
}

static int64_t
least_memory_request (const pod_t *pod)
{
    int64_t least = 0;
    for (size_t i = 0; i < pod->spec.containers.count; i++) {
        int64_t request = memory_request (&pod->spec.containers.items[i]);
        if (i == 0 || request < least)
            least = request;
    }
    return least;
}

int64_t
oom_score_adj (const pod_t *pod, const container_t *container, int64_t memory_capacity)
{
    const char *class = pod->spec.priority_class_name;
    if (pod_is_critical (pod) && class && strcmp (class, NODE_CRITICAL) == 0)
        return OOM_GUARANTEED;
    const char *qos = pod_qos_class (pod);
    if (strcmp (qos, "Guaranteed") == 0)
        return OOM_GUARANTEED;
    if (strcmp (qos, "BestEffort") == 0)
        return OOM_BEST_EFFORT;
    int64_t share = has_pod_level (pod->spec.resources.requests) ? memory_share (pod) : 0;
    int64_t score = burstable_score (memory_request (container) + share, memory_capacity);
    if (container->kind == CONTAINER_SIDECAR) {
        // a sidecar is not to be killed before the containers it serves
        int64_t served = burstable_score (least_memory_request (pod) + share, memory_capacity);
        score = served < score ? served : score;
    }
    if (score < OOM_BURSTABLE_MIN)
        return OOM_BURSTABLE_MIN;
    return score == OOM_BEST_EFFORT ? OOM_BEST_EFFORT - 1 : score;
}

// ---- CRI's LinuxContainerResources ----

static void
set_unless_zero (tree_t *tree, node_t *map, const char *key, int64_t value)
{
    if (value != 0)
        node_set_int (tree, map, key, value);
}

/* What containers and sandboxes have in common. */
static node_t
linux_resources (quantity_t cpu_request, quantity_t cpu_limit, quantity_t memory_limit,
                 const node_facts_t *facts, tree_t *tree)
{
    node_t out = node_map();
    quantity_t cpu = cpu_request.set ? cpu_request : cpu_limit;
    node_set_int (tree, &out, "cpu_shares", cpu_shares (quantity_milli (cpu)));
    set_unless_zero (tree, &out, "memory_limit_in_bytes", quantity_value (memory_limit));
    if (facts->cpu_cfs_quota) {
        int64_t quota = cpu_quota_us (quantity_milli (cpu_limit), facts->cpu_cfs_period_us);
        set_unless_zero (tree, &out, "cpu_quota", quota);
        set_unless_zero (tree, &out, "cpu_period", facts->cpu_cfs_period_us);
    }
    if (facts->cgroup_version == 2 && !facts->single_process_oom_kill) {
        node_t unified = node_map();
        node_set_text (tree, &unified, "memory.oom.group", "1");
        node_set (tree, &out, "unified", unified);
    }
    return out;
}

/* How many bytes of swap a container may use: its share of the node's memory, for Burstable pods
   with LimitedSwap only. */
static int64_t
swap_limit (const pod_t *pod, const container_t *container, const node_facts_t *facts)
{
    quantity_t request = resource_quantity (container->resources.requests, "memory");
    quantity_t limit = resource_quantity (container->resources.limits, "memory");
    int64_t bytes = quantity_value (request);
    bool is_eligible = facts->limited_swap && !pod_is_critical (pod)
                       && strcmp (pod_qos_class (pod), "Burstable") == 0
                       && quantity_compare (request, limit) != 0;
    if (!is_eligible || facts->memory_capacity <= 0 || bytes > facts->memory_capacity)
        return 0;
    // in floating point, as upstream does
    return (int64_t) ((double) bytes / (double) facts->memory_capacity
                      * (double) facts->swap_capacity);
}

static void
set_swap (const pod_t *pod, const container_t *container, const node_facts_t *facts, tree_t *tree,
          node_t *out)
{
    if (!facts->has_swap_controller)
        return;
    if (facts->cgroup_version != 2) { // memory and swap together; no more than memory alone
        set_unless_zero (tree, out, "memory_swap_limit_in_bytes",
                         node_get_int (out, "memory_limit_in_bytes", 0));
        return;
    }
    const node_t *known = node_get (out, "unified");
    node_t unified = known ? *known : node_map();
    node_set (tree, &unified, "memory.swap.max",
              node_text_format (tree, "%" PRId64, swap_limit (pod, container, facts)));
    node_set (tree, out, "unified", unified);
}

/* The container's own limit, or else the pod's. */
static quantity_t
limit_of (const pod_t *pod, const container_t *container, const char *resource)
{
    quantity_t own = resource_quantity (container->resources.limits, resource);
    return quantity_is_zero (own) ? resource_quantity (pod->spec.resources.limits, resource) : own;
}

node_t
container_resources (const pod_t *pod, const container_t *container, const node_facts_t *facts,
                     tree_t *tree)
{
    node_t out = linux_resources (resource_quantity (container->resources.requests, "cpu"),
                                  limit_of (pod, container, "cpu"),
                                  limit_of (pod, container, "memory"), facts, tree);
    set_unless_zero (tree, &out, "oom_score_adj",
                     oom_score_adj (pod, container, facts->memory_capacity));
    if (facts->hugepage_sizes.count > 0)
        node_set (tree, &out, "hugepage_limits", hugepage_limits (pod, container, facts, tree));
    set_swap (pod, container, facts, tree, &out);
    return out;
}

node_t
sandbox_resources (const pod_t *pod, const node_facts_t *facts, tree_t *tree)
{
    return linux_resources (pod_resource (pod, RESOURCE_REQUESTS, "cpu", false),
                            pod_resource (pod, RESOURCE_LIMITS, "cpu", false),
                            pod_resource (pod, RESOURCE_LIMITS, "memory", false), facts, tree);
}

node_t
sandbox_overhead (const pod_t *pod, const node_facts_t *facts, tree_t *tree)
{
    if (!pod->spec.overhead)
        return node_map();
    quantity_t cpu = resource_quantity (pod->spec.overhead, "cpu");
    return linux_resources (cpu, cpu, resource_quantity (pod->spec.overhead, "memory"), facts,
                            tree);
}
