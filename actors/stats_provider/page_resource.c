/* /metrics/resource, which metrics-server scrapes: samples/metrics-resource.txt. */
#include "pages.h"

static opt_int_t
none (void)
{
    return (opt_int_t){ 0 };
}

static void
fill_container (const pod_stats_t *pod, const container_stats_t *container, metrics_t *out)
{
    const char *name = container->name;
    const cgroup_stats_t *raw = &container->raw;
    opt_int_t limit = raw->swap_limit;
    if (!limit.set && container->swap)
        limit = container->swap->available_bytes;
    SET_KNOWN (out, METRIC_RESOURCE_CONTAINER_CPU_USAGE_SECONDS_TOTAL, raw->cpu_ns, NS_TO_S,
               LABELS (name, pod->ns, pod->name));
    SET_KNOWN (out, METRIC_RESOURCE_CONTAINER_MEMORY_WORKING_SET_BYTES, cgroup_working_set (raw), 1,
               LABELS (name, pod->ns, pod->name));
    SET_KNOWN (out, METRIC_RESOURCE_CONTAINER_SWAP_USAGE_BYTES, raw->swap_usage, 1,
               LABELS (name, pod->ns, pod->name));
    SET_KNOWN (out, METRIC_RESOURCE_CONTAINER_SWAP_LIMIT_BYTES, limit, 1,
               LABELS (name, pod->ns, pod->name));
    metric_set (out, METRIC_RESOURCE_CONTAINER_START_TIME_SECONDS,
                (double) container->start_ns * NS_TO_S, LABELS (name, pod->ns, pod->name));
}

static void
fill_pod (const pod_stats_t *pod, metrics_t *out)
{
    SET_KNOWN (out, METRIC_RESOURCE_POD_CPU_USAGE_SECONDS_TOTAL, pod->raw.cpu_ns, NS_TO_S,
               LABELS (pod->ns, pod->name));
    SET_KNOWN (out, METRIC_RESOURCE_POD_MEMORY_WORKING_SET_BYTES, cgroup_working_set (&pod->raw), 1,
               LABELS (pod->ns, pod->name));
    SET_KNOWN (out, METRIC_RESOURCE_POD_SWAP_USAGE_BYTES, pod->raw.swap_usage, 1,
               LABELS (pod->ns, pod->name));
    for (size_t i = 0; i < pod->containers.count; i++)
        fill_container (pod, &pod->containers.items[i], out);
}

void
page_resource_fill (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    (void) provider;
    const summary_t *summary = &collected->summary;
    const node_stats_t *node = &summary->node;
    metrics_stamp (out, summary->time_ns / 1000000);
    SET_KNOWN (out, METRIC_RESOURCE_NODE_CPU_USAGE_SECONDS_TOTAL, node->raw.cpu_ns, NS_TO_S,
               NO_LABELS);
    SET_KNOWN (out, METRIC_RESOURCE_NODE_MEMORY_WORKING_SET_BYTES,
               node->memory ? node->memory->working_set_bytes : none(), 1, NO_LABELS);
    SET_KNOWN (out, METRIC_RESOURCE_NODE_SWAP_USAGE_BYTES, node->raw.swap_usage, 1, NO_LABELS);
    for (size_t i = 0; i < summary->pods.count; i++)
        fill_pod (&summary->pods.items[i], out);
    metrics_stamp (out, 0);
    metric_set (out, METRIC_RESOURCE_RESOURCE_SCRAPE_ERROR, collected->is_complete ? 0 : 1,
                NO_LABELS);
    metric_set (out, METRIC_RESOURCE_SCRAPE_ERROR, collected->is_complete ? 0 : 1, NO_LABELS);
}
