/* /metrics, the part that is not counted: pods and containers as they are, and their volumes
   (samples/metrics.txt). */
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "cubelet/pod_status.h"
#include "pages.h"
#include <string.h>

static const char *
config_source (const node_t *pod)
{
    return node_get_text (node_at (pod, "metadata", "annotations", NULL),
                          "kubernetes.io/config.source", "api");
}

// ---- what runs ----

/* Labels of kubelet_running_containers by CRI's states; the zero value is absent. */
static const struct {
    const char *cri, *label;
} STATES[] = {
    { "CONTAINER_CREATED", "created" },
    { "CONTAINER_RUNNING", "running" },
    { "CONTAINER_EXITED", "exited" },
    { "CONTAINER_UNKNOWN", "unknown" },
};

static void
fill_running (const collected_t *collected, metrics_t *out)
{
    for (size_t i = 0; i < COUNT_OF (STATES); i++) {
        int count = 0;
        NODE_EACH (collected->containers, container)
        count += strcmp (node_get_text (container, "state", STATES[0].cri), STATES[i].cri) == 0;
        if (count > 0)
            metric_set (out, METRIC_RUNNING_CONTAINERS, count, LABELS (STATES[i].label));
    }
    metric_set (out, METRIC_RUNNING_PODS, (double) collected->summary.pods.count, NO_LABELS);
}

static void
fill_pods (const collected_t *collected, metrics_t *out)
{
    int desired[2] = { 0 }, active[2] = { 0 }, ephemeral = 0;
    NODE_EACH (collected->pod_list, pod)
    {
        int is_static = strcmp (config_source (pod), "api") != 0;
        desired[is_static]++;
        active[is_static] += !pod_status_is_terminal (node_get (pod, "status"));
        ephemeral += (int) node_count (node_at (pod, "spec", "ephemeralContainers", NULL));
    }
    static const char *const LABELS[] = { "", "true" };
    for (int i = 0; i < 2; i++) {
        metric_set (out, METRIC_DESIRED_PODS, desired[i], LABELS (LABELS[i]));
        metric_set (out, METRIC_ACTIVE_PODS, active[i], LABELS (LABELS[i]));
    }
    metric_set (out, METRIC_MIRROR_PODS, active[1], NO_LABELS);
    metric_set (out, METRIC_MANAGED_EPHEMERAL_CONTAINERS, ephemeral, NO_LABELS);
}

// ---- what workers are about ----

typedef enum { LIFE_SYNC, LIFE_TERMINATING, LIFE_TERMINATED, LIFE_COUNT } life_t;

static const char *const LIFE_NAMES[] = { "sync", "terminating", "terminated" };

static life_t
life_of (const node_t *pod)
{
    if (pod_status_is_terminal (node_get (pod, "status")))
        return LIFE_TERMINATED;
    return node_at (pod, "metadata", "deletionTimestamp", NULL) ? LIFE_TERMINATING : LIFE_SYNC;
}

/* The names of the workers of pods that a source has. Owned. */
static zhashx_t *
listed_workers (const collected_t *collected)
{
    zhashx_t *names = zhashx_new();
    NODE_EACH (collected->pod_list, pod)
    {
        char name[ACTOR_NAME_MAX];
        const node_t *meta = node_get (pod, "metadata");
        pod_worker_name (node_get_text (meta, "namespace", ""), node_get_text (meta, "name", ""),
                         node_get_text (meta, "uid", ""), name);
        zhashx_insert (names, name, names); // any value will do
    }
    return names;
}

/* Workers of pods that no source has: all they do is to end them. */
static int
count_orphans (const collected_t *collected)
{
    OWNED (zhashx_destroy) zhashx_t *listed = listed_workers (collected);
    int count = 0;
    NODE_EACH (collected->actors, one)
    count += strcmp (node_get_text (one, "class", ""), "pod-worker") == 0
             && !zhashx_lookup (listed, node_get_text (one, "name", ""));
    return count;
}

static void
fill_working (const collected_t *collected, metrics_t *out)
{
    static const struct {
        const char *config, *is_static;
    } ROWS[] = { { "desired", "" },
                 { "desired", "true" },
                 { "orphan", "" },
                 { "orphan", "true" },
                 { "runtime_only", "unknown" } };
    enum { ORPHAN = 2 };
    int counts[COUNT_OF (ROWS)][LIFE_COUNT] = { 0 };
    NODE_EACH (collected->pod_list, pod)
    counts[strcmp (config_source (pod), "api") != 0][life_of (pod)]++;
    counts[ORPHAN][LIFE_TERMINATING] = count_orphans (collected);
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        for (size_t life = 0; life < LIFE_COUNT; life++)
            metric_set (out, METRIC_WORKING_PODS, counts[i][life],
                        LABELS (ROWS[i].config, LIFE_NAMES[life], ROWS[i].is_static));
}

// ---- resizes ----

static const node_t *
condition_of (const node_t *pod, const char *type)
{
    NODE_EACH (node_at (pod, "status", "conditions", NULL), one)
    if (strcmp (node_get_text (one, "type", ""), type) == 0
        && strcmp (node_get_text (one, "status", ""), "True") == 0)
        return one;
    return NULL;
}

static void
fill_resizes (const collected_t *collected, metrics_t *out)
{
    static const struct {
        const char *reason, *label;
    } PENDING[] = { { "Deferred", "deferred" }, { "Infeasible", "infeasible" } };
    int under_way = 0, pending[COUNT_OF (PENDING)] = { 0 };
    NODE_EACH (collected->pod_list, pod)
    {
        under_way += condition_of (pod, "PodResizeInProgress") != NULL;
        const char *reason = node_get_text (condition_of (pod, "PodResizePending"), "reason", "");
        for (size_t i = 0; i < COUNT_OF (PENDING); i++)
            pending[i] += strcmp (reason, PENDING[i].reason) == 0;
    }
    metric_set (out, METRIC_POD_IN_PROGRESS_RESIZES, under_way, NO_LABELS);
    for (size_t i = 0; i < COUNT_OF (PENDING); i++)
        if (pending[i])
            metric_set (out, METRIC_POD_PENDING_RESIZES, pending[i], LABELS (PENDING[i].label));
}

// ---- disks ----

static void
fill_volume (const volume_stats_t *volume, metrics_t *out)
{
    static const struct {
        metric_id_t id;
        size_t place;
    } NUMBERS[] = {
        { METRIC_VOLUME_STATS_CAPACITY_BYTES, offsetof (fs_stats_t, capacity_bytes) },
        { METRIC_VOLUME_STATS_AVAILABLE_BYTES, offsetof (fs_stats_t, available_bytes) },
        { METRIC_VOLUME_STATS_USED_BYTES, offsetof (fs_stats_t, used_bytes) },
        { METRIC_VOLUME_STATS_INODES, offsetof (fs_stats_t, inodes) },
        { METRIC_VOLUME_STATS_INODES_FREE, offsetof (fs_stats_t, inodes_free) },
        { METRIC_VOLUME_STATS_INODES_USED, offsetof (fs_stats_t, inodes_used) },
    };
    for (size_t i = 0; volume->pvc_name && i < COUNT_OF (NUMBERS); i++) {
        const opt_int_t *number =
            (const opt_int_t *) ((const char *) &volume->fs + NUMBERS[i].place);
        SET_KNOWN (out, NUMBERS[i].id, *number, 1,
                   LABELS (volume->pvc_namespace, volume->pvc_name));
    }
}

static void
fill_disks (const summary_t *summary, metrics_t *out)
{
    for (size_t i = 0; i < summary->pods.count; i++) {
        const pod_stats_t *pod = &summary->pods.items[i];
        for (size_t j = 0; j < pod->volumes.count; j++)
            fill_volume (&pod->volumes.items[j], out);
        for (size_t j = 0; j < pod->containers.count; j++)
            if (pod->containers.items[j].logs)
                SET_KNOWN (out, METRIC_CONTAINER_LOG_FILESYSTEM_USED_BYTES,
                           pod->containers.items[j].logs->used_bytes, 1,
                           LABELS (pod->containers.items[j].name, pod->ns, pod->name, pod->uid));
    }
}

/* How many volumes of the plugin there are: all that pods want, or those that are mounted. */
static int
count_volumes (const node_t *volumes, const char *plugin, bool is_mounted)
{
    int count = 0;
    NODE_EACH (volumes, one)
    count += strcmp (node_get_text (one, "plugin", ""), plugin) == 0
             && (!is_mounted || node_get_bool (one, "mounted", false));
    return count;
}

static void
fill_volumes (const collected_t *collected, metrics_t *out)
{
    NODE_EACH (collected->volumes, one)
    {
        const char *plugin = node_get_text (one, "plugin", "");
        metric_set (out, METRIC_VOLUME_MANAGER_TOTAL_VOLUMES,
                    count_volumes (collected->volumes, plugin, true),
                    LABELS (plugin, "actual_state_of_world"));
        metric_set (out, METRIC_VOLUME_MANAGER_TOTAL_VOLUMES,
                    count_volumes (collected->volumes, plugin, false),
                    LABELS (plugin, "desired_state_of_world"));
    }
}

void
page_pods_fill (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    (void) provider;
    fill_running (collected, out);
    fill_pods (collected, out);
    fill_working (collected, out);
    fill_resizes (collected, out);
    fill_disks (&collected->summary, out);
    fill_volumes (collected, out);
}
