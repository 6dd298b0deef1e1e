#include "cubelet/empty_dir.h"
#include "cubelet/memory.h"
#include "cubelet/resource_math.h"
#include <string.h>

#define MEDIUM_PREFIX "HugePages-"
#define RESOURCE_PREFIX "hugepages-"

/* The smaller one, where 0 is no limit. */
static int64_t
smaller (int64_t a, int64_t b)
{
    if (a <= 0 || b <= 0)
        return a > 0 ? a : b > 0 ? b : 0;
    return a < b ? a : b;
}

int64_t
empty_dir_size (quantity_t size_limit, const pod_t *pod, const node_facts_t *facts,
                int64_t allocatable)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    pod_cgroup_t values = { 0 };
    pod_cgroup_values (pod, facts, tree, &values);
    int64_t pod_limit = values.memory_limit.set ? values.memory_limit.value : 0;
    return smaller (quantity_value (size_limit), smaller (pod_limit, allocatable));
}

static bool
is_same_size (const char *a, const char *b)
{
    quantity_t left = { 0 }, right = { 0 };
    fault_t ignored = { 0 };
    return quantity_parse (a, &left, &ignored) == 0 && quantity_parse (b, &right, &ignored) == 0
           && quantity_compare (left, right) == 0;
}

/* Looks through what a container requests. `wanted` NULL: any one size. Returns 0, or -1 when it
   requests another size than the one found before. */
static int
find_page_size (const container_t *container, const char *wanted, const char **found)
{
    const node_t *requests = container->resources.requests;
    for (size_t i = 0; i < node_count (requests); i++) {
        const char *resource = node_key_at (requests, i);
        if (strncmp (resource, RESOURCE_PREFIX, strlen (RESOURCE_PREFIX)) != 0)
            continue;
        const char *size = resource + strlen (RESOURCE_PREFIX);
        if (wanted && !is_same_size (size, wanted))
            continue;
        if (!wanted && *found && !is_same_size (size, *found))
            return -1;
        *found = size;
    }
    return 0;
}

const char *
empty_dir_page_size (const char *medium, const pod_t *pod, fault_t *fault)
{
    const char *wanted = strncmp (medium, MEDIUM_PREFIX, strlen (MEDIUM_PREFIX)) == 0
                             ? medium + strlen (MEDIUM_PREFIX)
                             : NULL;
    const char *found = NULL;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const container_t *container = pod_container_at (pod, i);
        if (container->kind == CONTAINER_EPHEMERAL
            || find_page_size (container, wanted, &found) == 0)
            continue;
        fault_set (fault, FAULT_INVALID,
                   "medium: %s can't be used if container requests multiple huge page sizes",
                   medium);
        return NULL;
    }
    if (!found)
        fault_set (fault, FAULT_INVALID,
                   "medium %s: hugePages storage requested, but there is no resource request for "
                   "huge pages",
                   medium);
    return found;
}
