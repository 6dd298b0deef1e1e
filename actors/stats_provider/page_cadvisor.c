/* /metrics/cadvisor: the cgroups of the node, its pods and their containers, with cAdvisor's names
   and labels (samples/metrics-cadvisor.txt). */
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "pages.h"
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The labels that every series of a group has, in the table's order. */
typedef struct {
    const char *container, *id, *image, *name, *ns, *pod;
} labels_t;

/* Numbers of a group that become one series each. */
static const struct {
    metric_id_t id;
    size_t place; // of an opt_int_t in cgroup_stats_t
    double scale;
} NUMBERS[] = {
#define AT(MEMBER) offsetof (cgroup_stats_t, MEMBER)
    { METRIC_CONTAINER_CPU_USER_SECONDS_TOTAL, AT (cpu_user_ns), NS_TO_S },
    { METRIC_CONTAINER_CPU_SYSTEM_SECONDS_TOTAL, AT (cpu_system_ns), NS_TO_S },
    { METRIC_CONTAINER_CPU_CFS_PERIODS_TOTAL, AT (cpu_periods), 1 },
    { METRIC_CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL, AT (cpu_throttled_periods), 1 },
    { METRIC_CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL, AT (cpu_throttled_ns), NS_TO_S },
    { METRIC_CONTAINER_MEMORY_CACHE, AT (cache), 1 },
    { METRIC_CONTAINER_MEMORY_RSS, AT (rss), 1 },
    { METRIC_CONTAINER_MEMORY_MAPPED_FILE, AT (mapped_file), 1 },
    { METRIC_CONTAINER_MEMORY_TOTAL_ACTIVE_FILE_BYTES, AT (active_file), 1 },
    { METRIC_CONTAINER_MEMORY_TOTAL_INACTIVE_FILE_BYTES, AT (inactive_file), 1 },
    { METRIC_CONTAINER_MEMORY_KERNEL_USAGE, AT (kernel_memory), 1 },
    { METRIC_CONTAINER_MEMORY_USAGE_BYTES, AT (memory_usage), 1 },
    { METRIC_CONTAINER_MEMORY_MAX_USAGE_BYTES, AT (memory_max_usage), 1 },
    { METRIC_CONTAINER_MEMORY_FAILCNT, AT (memory_fail_count), 1 },
    { METRIC_CONTAINER_MEMORY_SWAP, AT (swap_usage), 1 },
    { METRIC_CONTAINER_OOM_EVENTS_TOTAL, AT (oom_kills), 1 },
    { METRIC_CONTAINER_THREADS, AT (threads), 1 },
    { METRIC_CONTAINER_SPEC_CPU_PERIOD, AT (cpu_period_us), 1 },
    { METRIC_CONTAINER_SPEC_CPU_QUOTA, AT (cpu_quota_us), 1 },
    { METRIC_CONTAINER_SPEC_CPU_SHARES, AT (cpu_shares), 1 },
};

/* Limits, whose absence is a zero. */
static const struct {
    metric_id_t id;
    size_t place;
} LIMITS[] = {
    { METRIC_CONTAINER_SPEC_MEMORY_LIMIT_BYTES, AT (memory_limit) },
    { METRIC_CONTAINER_SPEC_MEMORY_RESERVATION_LIMIT_BYTES, AT (memory_reservation) },
    { METRIC_CONTAINER_SPEC_MEMORY_SWAP_LIMIT_BYTES, AT (swap_limit) },
    { METRIC_CONTAINER_THREADS_MAX, AT (threads_max) },
};

static const struct {
    metric_id_t waiting, stalled;
    size_t place; // of a psi_t
} PRESSURES[] = {
    { METRIC_CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL,
      METRIC_CONTAINER_PRESSURE_CPU_STALLED_SECONDS_TOTAL, AT (cpu_psi) },
    { METRIC_CONTAINER_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL,
      METRIC_CONTAINER_PRESSURE_MEMORY_STALLED_SECONDS_TOTAL, AT (memory_psi) },
    { METRIC_CONTAINER_PRESSURE_IO_WAITING_SECONDS_TOTAL,
      METRIC_CONTAINER_PRESSURE_IO_STALLED_SECONDS_TOTAL, AT (io_psi) },
};

static const struct {
    metric_id_t id;
    size_t place; // of an int64_t in interface_stats_t
} INTERFACES[] = {
#define OF(MEMBER) offsetof (interface_stats_t, MEMBER)
    { METRIC_CONTAINER_NETWORK_RECEIVE_BYTES_TOTAL, OF (rx_bytes) },
    { METRIC_CONTAINER_NETWORK_RECEIVE_PACKETS_TOTAL, OF (rx_packets) },
    { METRIC_CONTAINER_NETWORK_RECEIVE_ERRORS_TOTAL, OF (rx_errors) },
    { METRIC_CONTAINER_NETWORK_RECEIVE_PACKETS_DROPPED_TOTAL, OF (rx_dropped) },
    { METRIC_CONTAINER_NETWORK_TRANSMIT_BYTES_TOTAL, OF (tx_bytes) },
    { METRIC_CONTAINER_NETWORK_TRANSMIT_PACKETS_TOTAL, OF (tx_packets) },
    { METRIC_CONTAINER_NETWORK_TRANSMIT_ERRORS_TOTAL, OF (tx_errors) },
    { METRIC_CONTAINER_NETWORK_TRANSMIT_PACKETS_DROPPED_TOTAL, OF (tx_dropped) },
};

static const void *
at_place (const void *record, size_t place)
{
    return (const char *) record + place;
}

static void
fill_pressure (const labels_t *l, const cgroup_stats_t *raw, metrics_t *out)
{
    for (size_t i = 0; i < COUNT_OF (PRESSURES); i++) {
        const psi_t *psi = at_place (raw, PRESSURES[i].place);
        metric_set (out, PRESSURES[i].waiting, (double) psi->some.total * NS_TO_S,
                    LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod));
        metric_set (out, PRESSURES[i].stalled, (double) psi->full.total * NS_TO_S,
                    LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod));
    }
}

static void
fill_faults (const labels_t *l, const char *type, const char *scope, opt_int_t faults,
             metrics_t *out)
{
    SET_KNOWN (out, METRIC_CONTAINER_MEMORY_FAILURES_TOTAL, faults, 1,
               LABELS (l->container, type, l->id, l->image, l->name, l->ns, l->pod, scope));
}

static void
fill_group (const labels_t *l, const cgroup_stats_t *raw, int64_t start_ns, metrics_t *out)
{
    for (size_t i = 0; i < COUNT_OF (NUMBERS); i++) {
        const opt_int_t *number = at_place (raw, NUMBERS[i].place);
        SET_KNOWN (out, NUMBERS[i].id, *number, NUMBERS[i].scale,
                   LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod));
    }
    for (size_t i = 0; i < COUNT_OF (LIMITS); i++) {
        const opt_int_t *limit = at_place (raw, LIMITS[i].place);
        metric_set (out, LIMITS[i].id, limit->set ? (double) limit->value : 0,
                    LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod));
    }
    SET_KNOWN (out, METRIC_CONTAINER_CPU_USAGE_SECONDS_TOTAL, raw->cpu_ns, NS_TO_S,
               LABELS (l->container, "total", l->id, l->image, l->name, l->ns, l->pod));
    SET_KNOWN (out, METRIC_CONTAINER_MEMORY_WORKING_SET_BYTES, cgroup_working_set (raw), 1,
               LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod));
    fill_faults (l, "pgfault", "container", raw->page_faults, out);
    fill_faults (l, "pgmajfault", "container", raw->major_page_faults, out);
    fill_faults (l, "pgfault", "hierarchy", raw->page_faults_below, out);
    fill_faults (l, "pgmajfault", "hierarchy", raw->major_page_faults_below, out);
    if (raw->has_psi)
        fill_pressure (l, raw, out);
    if (start_ns)
        metric_set (out, METRIC_CONTAINER_START_TIME_SECONDS, (double) start_ns * NS_TO_S,
                    LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod));
}

static void
fill_seen (const labels_t *l, const summary_t *summary, metrics_t *out)
{
    int64_t seconds = summary->time_ns / NS_PER_S;
    metric_set (out, METRIC_CONTAINER_LAST_SEEN, (double) seconds,
                LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod));
}

static void
fill_network (const labels_t *l, const network_stats_t *network, metrics_t *out)
{
    for (size_t i = 0; network && i < network->interfaces.count; i++)
        for (size_t j = 0; j < COUNT_OF (INTERFACES); j++) {
            const int64_t *number = at_place (&network->interfaces.items[i], INTERFACES[j].place);
            metric_set (out, INTERFACES[j].id, (double) *number,
                        LABELS (l->container, l->id, l->image, network->interfaces.items[i].name,
                                l->name, l->ns, l->pod));
        }
}

static void
fill_pod (const summary_t *summary, const pod_stats_t *pod, metrics_t *out)
{
    labels_t labels = { "", pod->cgroup ? pod->cgroup : "", "", "", pod->ns, pod->name };
    fill_group (&labels, &pod->raw, pod->start_ns, out);
    fill_network (&labels, pod->network, out);
    fill_seen (&labels, summary, out);
    SET_KNOWN (out, METRIC_CONTAINER_PROCESSES, pod->process_count, 1,
               LABELS ("", labels.id, "", "", pod->ns, pod->name));
    for (size_t i = 0; i < pod->containers.count; i++) {
        const container_stats_t *one = &pod->containers.items[i];
        labels_t inner = { one->name, one->cgroup ? one->cgroup : "", one->image, one->id, pod->ns,
                           pod->name };
        fill_group (&inner, &one->raw, one->start_ns, out);
        fill_seen (&inner, summary, out);
    }
}

/* The first line of a file; "" when there is none. */
static void
read_line (const char *path, char *out, size_t room)
{
    short_file_read (path, out, room);
    out[strcspn (out, "\n")] = '\0';
}

static void
fill_machine (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    const node_stats_t *node = &collected->summary.node;
    struct utsname kernel;
    char boot[64], machine[64], system[64];
    OWNED (free_text) char *path = text_format ("%s/sys/kernel/random/boot_id", provider->proc);
    read_line (path, boot, sizeof boot);
    read_line ("/etc/machine-id", machine, sizeof machine);
    read_line ("/sys/class/dmi/id/product_uuid", system, sizeof system);
    metric_labels_t ids = LABELS (boot, machine, system);
    if (uname (&kernel) == 0)
        metric_set (out, METRIC_CADVISOR_VERSION_INFO, 1, LABELS ("", "", "", kernel.release, ""));
    metric_set (out, METRIC_MACHINE_CPU_CORES, (double) sysconf (_SC_NPROCESSORS_ONLN), ids);
    metric_set (out, METRIC_MACHINE_MEMORY_BYTES,
                (double) sysconf (_SC_PHYS_PAGES) * (double) sysconf (_SC_PAGESIZE), ids);
    if (node->swap && node->swap->available_bytes.set)
        metric_set (out, METRIC_MACHINE_SWAP_BYTES,
                    (double) (node->swap->available_bytes.value + node->swap->usage_bytes.value),
                    ids);
    metric_set (out, METRIC_MACHINE_SCRAPE_ERROR, 0, NO_LABELS);
    metric_set (out, METRIC_CONTAINER_SCRAPE_ERROR, collected->is_complete ? 0 : 1, NO_LABELS);
}

void
page_cadvisor_fill (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    const summary_t *summary = &collected->summary;
    const node_stats_t *node = &summary->node;
    labels_t root = { "", "/", "", "", "", "" };
    fill_machine (provider, collected, out);
    metrics_stamp (out, summary->time_ns / 1000000);
    fill_group (&root, &node->raw, node->start_time, out);
    fill_network (&root, node->network, out);
    fill_seen (&root, summary, out);
    for (size_t i = 0; i < node->system_containers.count; i++) {
        const container_stats_t *one = &node->system_containers.items[i];
        labels_t labels = { "", one->cgroup, "", "", "", "" };
        fill_group (&labels, &one->raw, one->start_ns, out);
        fill_seen (&labels, summary, out);
    }
    for (size_t i = 0; i < summary->pods.count; i++)
        fill_pod (summary, &summary->pods.items[i], out);
}
