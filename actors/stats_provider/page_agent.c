/* /metrics, the part that is not counted: pods and containers as they are, volumes, actors, and
   this process (samples/metrics.txt). */
#include "cubelet/memory.h"
#include "pages.h"
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

static bool
is_finished (const node_t *pod)
{
    const char *phase = node_get_text (node_get (pod, "status"), "phase", "");
    return strcmp (phase, "Succeeded") == 0 || strcmp (phase, "Failed") == 0;
}

static void
fill_pods (const collected_t *collected, metrics_t *out)
{
    int desired[2] = { 0 }, active[2] = { 0 }, ephemeral = 0;
    NODE_EACH (collected->pod_list, pod)
    {
        int is_static = strcmp (config_source (pod), "api") != 0;
        desired[is_static]++;
        active[is_static] += !is_finished (pod);
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

// ---- actors and messages ----

static void
fill_messages (const collected_t *collected, metrics_t *out)
{
    static const struct {
        metric_id_t id;
        const char *key;
    } COUNTS[] = {
        { METRIC_CUBELET_MESSAGES_TOTAL, "count" },
        { METRIC_CUBELET_MESSAGE_BYTES_TOTAL, "bytes" },
        { METRIC_CUBELET_MESSAGES_UNDELIVERABLE_TOTAL, "undeliverable" },
        { METRIC_CUBELET_MESSAGES_DROPPED_TOTAL, "full" },
    };
    NODE_EACH (collected->messages, row)
    for (size_t i = 0; i < COUNT_OF (COUNTS); i++)
        metric_set (out, COUNTS[i].id, (double) node_get_int (row, COUNTS[i].key, 0),
                    LABELS (node_get_text (row, "type", "")));
}

static void
fill_actors (const collected_t *collected, metrics_t *out)
{
    static const char *const ACTOR_STATES[] = { "up", "down" };
    for (size_t i = 0; collected->actors && i < COUNT_OF (ACTOR_STATES); i++) {
        int count = 0;
        NODE_EACH (collected->actors, row)
        count += strcmp (node_get_text (row, "state", ""), ACTOR_STATES[i]) == 0;
        metric_set (out, METRIC_CUBELET_ACTORS, count, LABELS (ACTOR_STATES[i]));
    }
    NODE_EACH (collected->actors, one)
    if (!strchr (node_get_text (one, "name", ""), '/')) // not each pod's
        metric_set (out, METRIC_CUBELET_ACTOR_RESTARTS_TOTAL,
                    (double) node_get_int (one, "restarts", 0),
                    LABELS (node_get_text (one, "name", "")));
}

// ---- this process ----

static int
count_descriptors (const char *proc)
{
    OWNED (free_text) char *path = text_format ("%s/self/fd", proc);
    DIR *directory = opendir (path);
    int count = -3; // ".", ".." and the descriptor this is read with
    while (directory && readdir (directory))
        count++;
    if (directory)
        closedir (directory);
    return count > 0 ? count : 0;
}

static void
fill_limits (metrics_t *out)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit) == 0)
        metric_set (out, METRIC_PROCESS_MAX_FDS, (double) limit.rlim_cur, NO_LABELS);
    if (getrlimit (RLIMIT_AS, &limit) == 0)
        metric_set (out, METRIC_PROCESS_VIRTUAL_MEMORY_MAX_BYTES, (double) limit.rlim_cur,
                    NO_LABELS);
}

static void
fill_process (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    char text[4096];
    process_stat_t stat;
    OWNED (free_text) char *path = text_format ("%s/self/stat", provider->proc);
    double ticks = (double) sysconf (_SC_CLK_TCK);
    metric_set (out, METRIC_PROCESS_OPEN_FDS, count_descriptors (provider->proc), NO_LABELS);
    fill_limits (out);
    if (!short_file_read (path, text, sizeof text) || !process_stat_parse (text, &stat))
        return;
    double boot = (double) collected->summary.node.start_time * NS_TO_S;
    metric_set (out, METRIC_PROCESS_CPU_SECONDS_TOTAL, (double) stat.cpu_ticks / ticks, NO_LABELS);
    metric_set (out, METRIC_PROCESS_START_TIME_SECONDS, boot + (double) stat.start_ticks / ticks,
                NO_LABELS);
    metric_set (out, METRIC_PROCESS_VIRTUAL_MEMORY_BYTES, (double) stat.virtual_bytes, NO_LABELS);
    metric_set (out, METRIC_PROCESS_RESIDENT_MEMORY_BYTES,
                (double) stat.resident_pages * (double) sysconf (_SC_PAGESIZE), NO_LABELS);
}

void
page_agent_fill (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    metric_set (out, METRIC_NODE_NAME, 1, LABELS (collected->summary.node.node_name));
    metric_set (out, METRIC_CGROUP_VERSION, provider->cgroups.version, NO_LABELS);
    metric_set (out, METRIC_KUBERNETES_BUILD_INFO, 1,
                LABELS ("", "gcc", "", "", CUBELET_VERSION, "", "", "", "linux/amd64"));
    fill_running (collected, out);
    fill_pods (collected, out);
    fill_disks (&collected->summary, out);
    fill_messages (collected, out);
    fill_actors (collected, out);
    fill_process (provider, collected, out);
}
