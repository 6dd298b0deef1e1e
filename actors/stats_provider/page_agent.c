/* /metrics, the part that is not counted: actors, messages, and this process
   (samples/metrics.txt); page_pods.c has the rest. */
#include "cubelet/feature_gates.h"
#include "cubelet/memory.h"
#include "pages.h"
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PROC_STAT_MAX 65536

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

static bool
read_process (const provider_t *provider, process_stat_t *out)
{
    char text[4096];
    OWNED (free_text) char *path = text_format ("%s/self/stat", provider->proc);
    return short_file_read (path, text, sizeof text) && process_stat_parse (text, out);
}

double
process_started_s (const provider_t *provider)
{
    process_stat_t stat;
    OWNED (free_text) char *path = text_format ("%s/stat", provider->proc);
    OWNED (free_text) char *text = memory_new (1, PROC_STAT_MAX);
    if (!short_file_read (path, text, PROC_STAT_MAX) || !read_process (provider, &stat))
        return 0;
    return (double) stat_boot_time (text)
           + (double) stat.start_ticks / (double) sysconf (_SC_CLK_TCK);
}

static void
fill_process (const provider_t *provider, metrics_t *out)
{
    process_stat_t stat;
    double ticks = (double) sysconf (_SC_CLK_TCK);
    metric_set (out, METRIC_PROCESS_OPEN_FDS, count_descriptors (provider->proc), NO_LABELS);
    fill_limits (out);
    if (!read_process (provider, &stat))
        return;
    metric_set (out, METRIC_PROCESS_CPU_SECONDS_TOTAL, (double) stat.cpu_ticks / ticks, NO_LABELS);
    metric_set (out, METRIC_PROCESS_START_TIME_SECONDS, process_started_s (provider), NO_LABELS);
    metric_set (out, METRIC_PROCESS_VIRTUAL_MEMORY_BYTES, (double) stat.virtual_bytes, NO_LABELS);
    metric_set (out, METRIC_PROCESS_RESIDENT_MEMORY_BYTES,
                (double) stat.resident_pages * (double) sysconf (_SC_PAGESIZE), NO_LABELS);
}

/* The platform as Go writes it. What only a build by Go has is empty. */
static void
fill_build (metrics_t *out)
{
    struct utsname kernel;
    const char *machine = uname (&kernel) == 0 ? kernel.machine : "";
    const char *platform = strcmp (machine, "x86_64") == 0    ? "linux/amd64"
                           : strcmp (machine, "aarch64") == 0 ? "linux/arm64"
                                                              : "linux";
    int major = 0, minor = 0;
    char texts[2][16] = { "", "" };
    if (sscanf (CUBELET_VERSION, "v%d.%d", &major, &minor) == 2) {
        snprintf (texts[0], sizeof texts[0], "%d", major);
        snprintf (texts[1], sizeof texts[1], "%d", minor);
    }
    metric_set (out, METRIC_KUBERNETES_BUILD_INFO, 1,
                LABELS ("", "gcc", "", "", CUBELET_VERSION, "", texts[0], texts[1], platform));
}

static void
fill_gates (const provider_t *provider, metrics_t *out)
{
    const node_t *set = node_get (tree_root (provider->args), "feature_gates");
    for (feature_gate_t gate = 0; gate < FEATURE_GATE_COUNT; gate++)
        metric_set (out, METRIC_KUBERNETES_FEATURE_ENABLED, feature_gate_is_on (set, gate) ? 1 : 0,
                    LABELS (feature_gate_name (gate), feature_gate_stage (gate)));
}

/* All traffic of the network that this process is in; the process alone is not counted. */
static void
fill_network (const provider_t *provider, metrics_t *out)
{
    char text[8192];
    int64_t in = 0, sent = 0;
    OWNED (free_text) char *path = text_format ("%s/self/net/netstat", provider->proc);
    if (!short_file_read (path, text, sizeof text) || !netstat_parse (text, &in, &sent))
        return;
    metric_set (out, METRIC_PROCESS_NETWORK_RECEIVE_BYTES_TOTAL, (double) in, NO_LABELS);
    metric_set (out, METRIC_PROCESS_NETWORK_TRANSMIT_BYTES_TOTAL, (double) sent, NO_LABELS);
}

void
page_agent_fill (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    metric_set (out, METRIC_NODE_NAME, 1, LABELS (collected->summary.node.node_name));
    metric_set (out, METRIC_CGROUP_VERSION, provider->cgroups.version, NO_LABELS);
    fill_build (out);
    fill_gates (provider, out);
    page_pods_fill (provider, collected, out);
    fill_messages (collected, out);
    fill_actors (collected, out);
    fill_process (provider, out);
    fill_network (provider, out);
}
