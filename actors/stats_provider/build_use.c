#include "build.h"
#include <sys/stat.h>

#define INTERFACES_MAX 256
#define PROC_FILE_MAX 65536
#define DEFAULT_INTERFACE "eth0" // upstream's notion, too

/* Longer than anybody's scraping interval; older samples say nothing of now. */
#define SAMPLE_AGE_MAX_NS (10 * 60 * NS_PER_S)

/* Closer samples would say more of the reading than of the group. */
#define SAMPLE_AGE_MIN_NS NS_PER_S

// ---- CPU, memory, swap, pressure ----

/* The last reading of a group's counter, and the use of the CPU up to it. */
typedef struct {
    cpu_sample_t sample;
    opt_int_t rate;
} known_use_t;

/* Groups that are gone are not read again. */
static void
forget_old (zhashx_t *samples, int64_t now_ns)
{
    OWNED (zlistx_destroy) zlistx_t *groups = zhashx_keys (samples);
    for (const char *group = zlistx_first (groups); group; group = zlistx_next (groups)) {
        const known_use_t *use = zhashx_lookup (samples, group);
        if (now_ns - use->sample.at_ns > SAMPLE_AGE_MAX_NS)
            zhashx_delete (samples, group);
    }
}

/* The use of the CPU since the last reading; of a group that was not read before, since it was
   made. The reading is remembered. */
static opt_int_t
rate_of (const build_t *self, const char *group, int64_t made_at, int64_t cpu_ns)
{
    zhashx_t *samples = self->provider->samples;
    known_use_t *use = zhashx_lookup (samples, group);
    cpu_sample_t now = { self->now_ns, cpu_ns };
    if (use && use->rate.set && now.at_ns - use->sample.at_ns < SAMPLE_AGE_MIN_NS)
        return use->rate;
    bool is_fresh = use && now.at_ns - use->sample.at_ns < SAMPLE_AGE_MAX_NS;
    cpu_sample_t before = is_fresh ? use->sample : (cpu_sample_t){ made_at, 0 };
    if (!use) {
        forget_old (samples, now.at_ns);
        use = memory_new (1, sizeof *use);
        zhashx_insert (samples, group, use);
    }
    use->sample = now;
    use->rate = before.at_ns > 0 ? cpu_rate (before, now) : (opt_int_t){ 0 };
    return use->rate;
}

/* What is collected may be copied into the cache, so nothing of it points into itself. */
static const psi_t *
keep_psi (const build_t *self, const psi_t *psi)
{
    psi_t *kept = tree_alloc (self->tree, sizeof *kept);
    *kept = *psi;
    return kept;
}

cpu_stats_t *
build_cpu (const build_t *self, const char *group, int64_t made_at, const cgroup_stats_t *raw)
{
    if (!raw->cpu_ns.set)
        return NULL;
    cpu_stats_t *cpu = tree_alloc (self->tree, sizeof *cpu);
    cpu->time = self->time;
    cpu->usage_core_nano_seconds = raw->cpu_ns;
    cpu->usage_nano_cores = rate_of (self, group, made_at, raw->cpu_ns.value);
    cpu->psi = keep_psi (
        self, &raw->cpu_psi); // zeros where the kernel does not count, as upstream shows it
    return cpu;
}

/* `limit`: what the available memory is counted from, 0: there is no limit. */
memory_stats_t *
build_memory (const build_t *self, const cgroup_stats_t *raw, int64_t limit)
{
    if (!raw->memory_usage.set)
        return NULL;
    memory_stats_t *memory = tree_alloc (self->tree, sizeof *memory);
    memory->time = self->time;
    memory->usage_bytes = raw->memory_usage;
    memory->working_set_bytes = cgroup_working_set (raw);
    memory->rss_bytes = raw->rss;
    memory->page_faults = raw->page_faults;
    memory->major_page_faults = raw->major_page_faults;
    memory->psi = keep_psi (self, &raw->memory_psi);
    int64_t left = limit - memory->working_set_bytes.value;
    if (limit > 0)
        memory->available_bytes = known (left > 0 ? left : 0);
    return memory;
}

int64_t
limit_of (const build_t *self, const cgroup_stats_t *raw)
{
    int64_t limit = raw->memory_limit.set ? raw->memory_limit.value : 0;
    return limit < self->machine.total || self->machine.total == 0 ? limit : 0;
}

io_stats_t *
build_io (const build_t *self, const cgroup_stats_t *raw)
{
    io_stats_t *io = tree_alloc (self->tree, sizeof *io);
    io->time = self->time;
    io->psi = keep_psi (self, &raw->io_psi);
    return io;
}

swap_stats_t *
build_swap (const build_t *self, const cgroup_stats_t *raw, bool with_available)
{
    if (!raw->swap_usage.set)
        return NULL;
    swap_stats_t *swap = tree_alloc (self->tree, sizeof *swap);
    swap->time = self->time;
    swap->usage_bytes = raw->swap_usage;
    if (!with_available)
        return swap;
    int64_t limit = raw->swap_limit.set && raw->swap_limit.value < self->machine.swap_total
                        ? raw->swap_limit.value
                        : self->machine.swap_total;
    int64_t left = limit - raw->swap_usage.value;
    swap->available_bytes = known (left > 0 ? left : 0);
    return swap;
}

// ---- network ----

network_stats_t *
build_network (const build_t *self, const char *proc_name)
{
    char *text = memory_new (1, PROC_FILE_MAX);
    interface_stats_t *all = memory_new (INTERFACES_MAX, sizeof *all);
    size_t count =
        net_dev_parse (read_proc (self, proc_name, text, PROC_FILE_MAX), all, INTERFACES_MAX);
    network_stats_t *network = tree_alloc (self->tree, sizeof *network);
    network->time = self->time;
    network->interfaces.items = tree_alloc (self->tree, (count + 1) * sizeof *all);
    network->interfaces.count = count;
    memcpy (network->interfaces.items, all, count * sizeof *all);
    free (text);
    free (all);
    for (size_t i = 0; i < count; i++) {
        const interface_stats_t *one = &network->interfaces.items[i];
        if (strcmp (one->name, DEFAULT_INTERFACE) != 0)
            continue;
        network->name = one->name;
        network->rx_bytes = known (one->rx_bytes);
        network->rx_errors = known (one->rx_errors);
        network->tx_bytes = known (one->tx_bytes);
        network->tx_errors = known (one->tx_errors);
    }
    return count ? network : NULL;
}

ino_t
network_of (const build_t *self, int64_t pid)
{
    char number[32];
    snprintf (number, sizeof number, "%lld", (long long) pid);
    OWNED (free_text)
    char *path = text_format ("%s/%s/ns/net", self->provider->proc, pid ? number : "self");
    struct stat stat_of;
    return stat (path, &stat_of) == 0 ? stat_of.st_ino : 0;
}

/* Of a process's own network; none when that is the host's. */
network_stats_t *
build_pod_network (const build_t *self, int64_t pid)
{
    ino_t network = pid ? network_of (self, pid) : 0;
    if (!network || network == self->host_network)
        return NULL;
    char name[64];
    snprintf (name, sizeof name, "%lld/net/dev", (long long) pid);
    return build_network (self, name);
}
