/* /metrics/cadvisor: the cgroups of the node, its pods and their containers, with cAdvisor's names
   and labels (samples/metrics-cadvisor.txt). */
#include "page_cadvisor.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/node_identity.h"
#include <string.h>
#include <unistd.h>

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

static double
machine_memory (void)
{
    return (double) sysconf (_SC_PHYS_PAGES) * (double) sysconf (_SC_PAGESIZE);
}

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

/* How many descriptors are looked at for one page, so that it does not take long. */
#define DESCRIPTORS_MAX 20000

/* What all groups of a page are filled with. */
typedef struct {
    const provider_t *provider;
    const summary_t *summary;
    int64_t budget; // of descriptors
    metrics_t *out;
} page_fill_t;

/* Everything of one group but its network. `root_pid` as cadvisor_fill_processes'. */
static void
fill_whole (page_fill_t *self, const labels_t *l, const cgroup_stats_t *raw, int64_t start_ns,
            int64_t root_pid)
{
    int64_t seconds = self->summary->time_ns / NS_PER_S;
    fill_group (l, raw, start_ns, self->out);
    if (*l->id) {
        cadvisor_fill_io (self->provider, l, self->out);
        cadvisor_fill_processes (self->provider, l, root_pid, &self->budget, self->out);
    }
    metric_set (self->out, METRIC_CONTAINER_LAST_SEEN, (double) seconds,
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

/* The pod's network is its sandbox's, as where cAdvisor knows the runtime. There is nothing else to
   see of a process that sleeps, and a third of the page would be about it. */
static void
fill_pod (page_fill_t *self, const pod_stats_t *pod)
{
    labels_t labels = { "", pod->cgroup ? pod->cgroup : "", "", "", pod->ns, pod->name };
    labels_t sandbox = labels;
    fill_whole (self, &labels, &pod->raw, pod->start_ns, 0);
    if (pod->sandbox_cgroup) {
        sandbox.id = pod->sandbox_cgroup;
        sandbox.name = pod->sandbox_id;
    }
    fill_network (&sandbox, pod->network, self->out);
    for (size_t i = 0; i < pod->containers.count; i++) {
        const container_stats_t *one = &pod->containers.items[i];
        labels_t inner = { one->name, one->cgroup ? one->cgroup : "", one->image, one->id, pod->ns,
                           pod->name };
        fill_whole (self, &inner, &one->raw, one->start_ns, -1);
    }
}

static void
fill_machine (const collected_t *collected, metrics_t *out)
{
    const node_stats_t *node = &collected->summary.node;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t identity = node_identity_read ("", tree);
    metric_labels_t ids =
        LABELS (node_get_text (&identity, "bootID", ""), node_get_text (&identity, "machineID", ""),
                node_get_text (&identity, "systemUUID", ""));
    metric_set (out, METRIC_CADVISOR_VERSION_INFO, 1,
                LABELS ("", "", "", node_get_text (&identity, "kernelVersion", ""),
                        node_get_text (&identity, "osImage", "")));
    metric_set (out, METRIC_MACHINE_CPU_CORES, (double) sysconf (_SC_NPROCESSORS_ONLN), ids);
    cadvisor_fill_processors (ids, out);
    metric_set (out, METRIC_MACHINE_MEMORY_BYTES, machine_memory(), ids);
    if (node->swap && node->swap->available_bytes.set)
        metric_set (out, METRIC_MACHINE_SWAP_BYTES,
                    (double) (node->swap->available_bytes.value + node->swap->usage_bytes.value),
                    ids);
    metric_set (out, METRIC_MACHINE_SCRAPE_ERROR, 0, NO_LABELS);
    metric_set (out, METRIC_CONTAINER_SCRAPE_ERROR, collected->is_complete ? 0 : 1, NO_LABELS);
}

/* The whole machine. */
static void
fill_root (page_fill_t *self, const node_stats_t *node)
{
    labels_t root = { "", "/", "", "", "", "" };
    cgroup_stats_t raw = node->raw;
    if (!raw.memory_limit.set)
        raw.memory_limit = (opt_int_t){ true, (int64_t) machine_memory() };
    fill_whole (self, &root, &raw, node->start_time, 1);
    fill_network (&root, node->network, self->out);
    cadvisor_fill_file_systems (self->provider, &root, self->out);
}

/* The groups of the QoS classes; that of all pods is a system container. */
static void
fill_classes (page_fill_t *self)
{
    static const char *const CLASSES[] = { "BestEffort", "Burstable" };
    for (size_t i = 0; self->provider->facts.cgroups_per_qos && i < COUNT_OF (CLASSES); i++) {
        OWNED (free_text) char *path = cgroup_qos_path (&self->provider->facts, CLASSES[i]);
        labels_t labels = { "", path, "", "", "", "" };
        cgroup_stats_t raw;
        const cgroup_place_t *cgroups = &self->provider->cgroups;
        if (cgroup_read (cgroups, path, CGROUP_ALL, &raw))
            fill_whole (self, &labels, &raw, cgroup_made_at (cgroups, path), 0);
    }
}

void
page_cadvisor_fill (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    const summary_t *summary = &collected->summary;
    const node_stats_t *node = &summary->node;
    page_fill_t self = { provider, summary, DESCRIPTORS_MAX, out };
    fill_machine (collected, out);
    metrics_stamp (out, summary->time_ns / 1000000);
    fill_root (&self, node);
    for (size_t i = 0; i < node->system_containers.count; i++) {
        const container_stats_t *one = &node->system_containers.items[i];
        labels_t labels = { "", one->cgroup, "", "", "", "" };
        fill_whole (&self, &labels, &one->raw, one->start_ns, 0);
    }
    fill_classes (&self);
    for (size_t i = 0; i < summary->pods.count; i++)
        fill_pod (&self, &summary->pods.items[i]);
}
