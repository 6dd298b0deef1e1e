/* eviction_pods.c - which pod has to go, and what it is told. Numbers come from a Summary. */
#include "cubelet/eviction.h"
#include "cubelet/memory.h"
#include "cubelet/node_info.h"
#include "cubelet/resource_math.h"
#include <stdlib.h>
#include <string.h>

#define EPHEMERAL "ephemeral-storage"
#define BINARY "1Ki" // quantities of bytes are shown in its family

static const node_t *
named (const node_t *list, const char *name)
{
    NODE_EACH (list, item)
    if (strcmp (node_get_text (item, "name", ""), name) == 0)
        return item;
    return NULL;
}

static opt_int_t
number (const node_t *map, const char *key)
{
    const node_t *value = node_get (map, key);
    return value ? (opt_int_t){ true, node_as_int (value, 0) } : (opt_int_t){ 0 };
}

static void
add (opt_int_t *sum, opt_int_t more)
{
    if (more.set)
        *sum = (opt_int_t){ true, sum->value + more.value };
}

// ---- what a pod uses ----

/* Root file systems of a pod's containers, `key` as in the Summary. */
static opt_int_t
use_of_roots (const node_t *stats, const char *key)
{
    opt_int_t sum = { 0 };
    NODE_EACH (node_get (stats, "containers"), container)
    add (&sum, number (node_get (container, "rootfs"), key));
    return sum;
}

/* Of local storage: all of it, or the part that is on the one file system or the other when images
   have their own. */
static opt_int_t
use_of_disk (const node_t *stats, eviction_signal_t signal, bool is_split)
{
    const char *key =
        strcmp (eviction_signal_resource (signal), "inodes") == 0 ? "inodesUsed" : "usedBytes";
    opt_int_t all = number (node_get (stats, EPHEMERAL), key);
    opt_int_t roots = use_of_roots (stats, key);
    if (!is_split || !all.set)
        return all;
    bool is_node = signal == SIGNAL_NODEFS || signal == SIGNAL_NODEFS_INODES;
    if (is_node)
        all.value -= roots.value;
    return is_node ? all : roots;
}

static opt_int_t
use_of (const node_t *stats, eviction_signal_t signal, bool is_split)
{
    switch (eviction_signal_pressure (signal)) {
    case PRESSURE_MEMORY: return number (node_get (stats, "memory"), "workingSetBytes");
    case PRESSURE_PID: return number (node_get (stats, "process_stats"), "process_count");
    case PRESSURE_DISK:
    case PRESSURE_COUNT: break;
    }
    return use_of_disk (stats, signal, is_split);
}

static int64_t
request_of (const pod_t *pod, eviction_signal_t signal)
{
    const char *resource = eviction_signal_resource (signal);
    if (strcmp (resource, "inodes") == 0 || strcmp (resource, "pids") == 0)
        return 0;
    return quantity_value (pod_resource (pod, RESOURCE_REQUESTS, resource, true));
}

// ---- the order ----

typedef int compare_fn (const eviction_candidate_t *a, const eviction_candidate_t *b);

static int
order (int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Those of which nothing is known come first, then those that use more than they request. */
static int
compare_excess (const eviction_candidate_t *a, const eviction_candidate_t *b)
{
    bool is_over_a = !a->usage.set || a->usage.value > a->request;
    bool is_over_b = !b->usage.set || b->usage.value > b->request;
    return a->usage.set != b->usage.set ? (a->usage.set ? 1 : -1) : is_over_b - is_over_a;
}

static int
compare_priority (const eviction_candidate_t *a, const eviction_candidate_t *b)
{
    return order (a->pod->spec.priority.value, b->pod->spec.priority.value);
}

static int
compare_difference (const eviction_candidate_t *a, const eviction_candidate_t *b)
{
    return order (b->usage.value - b->request, a->usage.value - a->request);
}

static int
compare_bytes (const void *left, const void *right)
{
    static compare_fn *const RULES[] = { compare_excess, compare_priority, compare_difference };
    int result = 0;
    for (size_t i = 0; result == 0 && i < COUNT_OF (RULES); i++)
        result = RULES[i](left, right);
    return result;
}

static int
compare_processes (const void *left, const void *right)
{
    int result = compare_priority (left, right);
    return result ? result : compare_difference (left, right);
}

void
eviction_rank (eviction_signal_t signal, bool is_split, eviction_candidate_t *candidates,
               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        candidates[i].usage = use_of (candidates[i].stats, signal, is_split);
        candidates[i].request = request_of (candidates[i].pod, signal);
    }
    qsort (candidates, count, sizeof *candidates,
           signal == SIGNAL_PID ? compare_processes : compare_bytes);
}

// ---- what is said ----

/* Owned. */
static char *
bytes_text (int64_t bytes)
{
    return quantity_text (quantity_of (bytes), BINARY);
}

/* What a container uses of the resource, as far as it counts for the message. */
static opt_int_t
container_use (const node_t *stats, const char *resource)
{
    opt_int_t use = { 0 };
    if (strcmp (resource, "memory") == 0)
        return number (node_get (stats, "memory"), "workingSetBytes");
    if (strcmp (resource, EPHEMERAL) == 0) {
        add (&use, number (node_get (stats, "rootfs"), "usedBytes"));
        add (&use, number (node_get (stats, "logs"), "usedBytes"));
    }
    return use;
}

static void
add_container (char **message_p, const eviction_candidate_t *candidate, const node_t *stats,
               const char *resource)
{
    const char *name = node_get_text (stats, "name", "");
    const container_t *container = pod_container (candidate->pod, name);
    opt_int_t use = container_use (stats, resource);
    if (!container || !use.set)
        return;
    quantity_t request = resource_quantity (container->resources.requests, resource);
    if (use.value <= quantity_value (request))
        return;
    const char *like = node_get_text (container->resources.requests, resource, NULL);
    OWNED (free_text) char *used = bytes_text (use.value);
    OWNED (free_text) char *requested = quantity_text (request, like);
    text_replace (message_p,
                  "%sContainer %s was using %s, request is %s, has larger consumption of %s. ",
                  *message_p, name, used, requested, resource);
}

char *
eviction_message (const eviction_threshold_t *threshold, const eviction_observation_t *observation,
                  const eviction_candidate_t *candidate)
{
    const char *resource = eviction_signal_resource (threshold->signal);
    char *message = text_format ("The node was low on resource: %s. ", resource);
    OWNED (free_text)
    char *quantity = bytes_text (threshold_bytes (threshold->value, observation->capacity));
    OWNED (free_text) char *available = bytes_text (observation->available);
    text_replace (&message, "%sThreshold quantity: %s, available: %s. ", message, quantity,
                  available);
    NODE_EACH (node_get (candidate->stats, "containers"), container)
    add_container (&message, candidate, container, resource);
    return message;
}

int64_t
eviction_grace_s (bool is_soft, int64_t max_grace_s, const pod_t *pod)
{
    int64_t grace = is_soft ? max_grace_s : 1;
    if (is_soft && pod->spec.termination_grace_s.set && pod->spec.termination_grace_s.value < grace)
        grace = pod->spec.termination_grace_s.value;
    return grace > 1 ? grace : 1;
}

// ---- limits of local storage ----

/* The limit of an emptyDir, not set when the volume is none or has none. */
static quantity_t
volume_limit (const volume_t *volume)
{
    quantity_t limit = { 0 };
    fault_t ignored = { 0 };
    const node_t *size = node_at (volume->node, "emptyDir", "sizeLimit", NULL);
    if (!size || quantity_read_node (size, &limit, &ignored) < 0 || limit.nano <= 0)
        return (quantity_t){ 0 };
    return limit;
}

static quantity_t
container_limit (const container_t *container)
{
    return resource_quantity (container->resources.limits, EPHEMERAL);
}

bool
eviction_has_limits (const pod_t *pod)
{
    for (size_t i = 0; i < pod->spec.volumes.count; i++)
        if (volume_limit (&pod->spec.volumes.items[i]).set)
            return true;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++)
        if (container_limit (pod_container_at (pod, i)).set)
            return true;
    return pod_resource (pod, RESOURCE_LIMITS, EPHEMERAL, true).set;
}

static char *
over_volume_limit (const pod_t *pod, const node_t *stats)
{
    for (size_t i = 0; i < pod->spec.volumes.count; i++) {
        const volume_t *volume = &pod->spec.volumes.items[i];
        quantity_t limit = volume_limit (volume);
        opt_int_t used = number (named (node_get (stats, "volume"), volume->name), "usedBytes");
        if (!limit.set || !used.set || used.value <= quantity_value (limit))
            continue;
        const char *like =
            node_as_text (node_at (volume->node, "emptyDir", "sizeLimit", NULL), NULL);
        OWNED (free_text) char *text = quantity_text (limit, like);
        return text_format ("Usage of EmptyDir volume \"%s\" exceeds the limit \"%s\". ",
                            volume->name, text);
    }
    return NULL;
}

static char *
over_pod_limit (const pod_t *pod, const node_t *stats)
{
    quantity_t limit = pod_resource (pod, RESOURCE_LIMITS, EPHEMERAL, true);
    opt_int_t used = number (node_get (stats, EPHEMERAL), "usedBytes");
    if (!limit.set || !used.set || used.value <= quantity_value (limit))
        return NULL;
    OWNED (free_text) char *text = bytes_text (quantity_value (limit));
    return text_format (
        "Pod ephemeral local storage usage exceeds the total limit of containers %s. ", text);
}

static char *
over_container_limit (const pod_t *pod, const node_t *stats)
{
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const container_t *container = pod_container_at (pod, i);
        quantity_t limit = container_limit (container);
        opt_int_t used =
            container_use (named (node_get (stats, "containers"), container->name), EPHEMERAL);
        if (!limit.set || !used.set || used.value <= quantity_value (limit))
            continue;
        const char *like = node_get_text (container->resources.limits, EPHEMERAL, NULL);
        OWNED (free_text) char *text = quantity_text (limit, like);
        return text_format ("Container %s exceeded its local ephemeral storage limit \"%s\". ",
                            container->name, text);
    }
    return NULL;
}

char *
eviction_over_limit (const pod_t *pod, const node_t *stats, const char **signal_p)
{
    static const struct {
        const char *signal;
        char *(*check) (const pod_t *pod, const node_t *stats);
    } LIMITS[] = {
        { "emptydirfs.limit", over_volume_limit },
        { "ephemeralpodfs.limit", over_pod_limit },
        { "ephemeralcontainerfs.limit", over_container_limit },
    };
    for (size_t i = 0; stats && i < COUNT_OF (LIMITS); i++) {
        char *message = LIMITS[i].check (pod, stats);
        if (message) {
            *signal_p = LIMITS[i].signal;
            return message;
        }
    }
    return NULL;
}
