/* The numbers: of pods and containers from their cgroups, where these are found, else from the
   runtime; of disks from what was measured; of the machine from its root cgroup and /proc. */
#include "build.h"
#include "cubelet/cgroup_path.h"

#define PROC_FILE_MAX 65536

// ---- the node ----

static void
build_system_container (const build_t *self, const char *name, const char *path, int64_t limit)
{
    node_stats_t *node = &self->found->summary.node;
    container_stats_t *out = &node->system_containers.items[node->system_containers.count];
    const cgroup_place_t *cgroups = &self->provider->cgroups;
    if (!path || !*path || !cgroup_read (cgroups, path, self->found->wanted.detail, &out->raw))
        return;
    out->name = name;
    out->cgroup = keep (self, path);
    out->start_ns = cgroup_made_at (cgroups, path);
    out->start_time = whole_seconds (out->start_ns);
    out->cpu = build_cpu (self, path, out->start_ns, &out->raw);
    out->memory = build_memory (self, &out->raw,
                                limit_of (self, &out->raw) ? limit_of (self, &out->raw) : limit);
    out->io = build_io (self, &out->raw);
    out->swap = build_swap (self, &out->raw, false);
    node->system_containers.count++;
}

/* The group this agent is in: the configured one, else the one it was started in. NULL when that is
   the root, which says nothing of the agent, or when v1's hierarchies do not agree. */
static char *
own_group (const build_t *self)
{
    char text[4096];
    bool is_v2 = self->provider->cgroups.version == 2;
    const char *set = node_get_text (tree_root (self->provider->args), "kubelet_cgroups", "");
    if (*set)
        return text_copy (set);
    read_proc (self, "self/cgroup", text, sizeof text);
    OWNED (free_text) char *memory = proc_cgroup_path (text, is_v2 ? NULL : "memory");
    OWNED (free_text) char *cpu = proc_cgroup_path (text, is_v2 ? NULL : "cpu");
    if (!memory || !cpu || strcmp (memory, cpu) != 0 || strcmp (memory, "/") == 0)
        return NULL;
    return STEAL (memory);
}

static void
build_system_containers (const build_t *self)
{
    const node_t *args = tree_root (self->provider->args);
    node_stats_t *node = &self->found->summary.node;
    node->system_containers.items =
        tree_alloc (self->tree, 4 * sizeof *node->system_containers.items);
    OWNED (free_text) char *own = own_group (self);
    OWNED (free_text) char *pods = cgroup_node_path (&self->provider->facts);
    build_system_container (self, "kubelet", own, 0);
    build_system_container (self, "runtime", node_get_text (args, "runtime_cgroups", ""), 0);
    build_system_container (self, "misc", node_get_text (args, "system_cgroups", ""), 0);
    if (self->provider->facts.cgroups_per_qos)
        build_system_container (self, "pods", pods, self->provider->allocatable_memory);
}

/* cgroup v2's root does not count memory: the machine does. */
static void
complete_root (const build_t *self, cgroup_stats_t *raw)
{
    if (!raw->memory_usage.set && self->machine.total)
        raw->memory_usage = known (self->machine.total - self->machine.free);
    if (!raw->swap_usage.set)
        raw->swap_usage = known (self->machine.swap_total - self->machine.swap_free);
    static const struct {
        const char *file;
        size_t place;
    } PRESSURE[] = {
        { "pressure/cpu", offsetof (cgroup_stats_t, cpu_psi) },
        { "pressure/memory", offsetof (cgroup_stats_t, memory_psi) },
        { "pressure/io", offsetof (cgroup_stats_t, io_psi) },
    };
    char text[512];
    for (size_t i = 0; i < COUNT_OF (PRESSURE); i++)
        if (psi_parse (read_proc (self, PRESSURE[i].file, text, sizeof text),
                       (psi_t *) ((char *) raw + PRESSURE[i].place)))
            raw->has_psi = true;
}

static void
build_rlimit (const build_t *self)
{
    node_stats_t *node = &self->found->summary.node;
    char text[256];
    int64_t max = strtoll (read_proc (self, "sys/kernel/pid_max", text, sizeof text), NULL, 10);
    int64_t threads =
        strtoll (read_proc (self, "sys/kernel/threads-max", text, sizeof text), NULL, 10);
    int64_t tasks = loadavg_tasks (read_proc (self, "loadavg", text, sizeof text));
    node->rlimit_time = self->time;
    if (threads > 0 && (threads < max || max <= 0))
        max = threads;
    if (max > 0)
        node->max_pid = known (max);
    if (tasks >= 0)
        node->processes = known (tasks);
}

static void
build_node (const build_t *self)
{
    node_stats_t *node = &self->found->summary.node;
    const collect_t *wanted = &self->found->wanted;
    char *text = memory_new (1, PROC_FILE_MAX);
    node->node_name = node_get_text (tree_root (self->provider->args), "node_name", "");
    node->start_time = stat_boot_time (read_proc (self, "stat", text, PROC_FILE_MAX)) * NS_PER_S;
    free (text);
    cgroup_read (&self->provider->cgroups, "/", wanted->detail, &node->raw);
    complete_root (self, &node->raw);
    node->cpu = build_cpu (self, "/", node->start_time, &node->raw);
    node->memory = build_memory (self, &node->raw, self->machine.total);
    node->io = build_io (self, &node->raw);
    node->swap = build_swap (self, &node->raw, true);
    node->network = build_network (self, "self/net/dev");
    build_rlimit (self);
    build_system_containers (self);
    if (!wanted->has_disks)
        return;
    const node_t *images = node_item (node_get (self->found->image_fs, "image_filesystems"), 0);
    const node_t *containers =
        node_item (node_get (self->found->image_fs, "container_filesystems"), 0);
    node->fs = build_fs (self, self->provider->facts.root_dir);
    node->image_fs = build_runtime_fs (self, images);
    node->container_fs = build_runtime_fs (self, containers ? containers : images);
}

static build_t
begin (provider_t *provider, collected_t *found, tree_t *tree)
{
    build_t self = { .provider = provider, .found = found, .tree = tree };
    char text[8192];
    self.now_ns = clock_now_ns();
    self.time = whole_seconds (self.now_ns);
    meminfo_parse (read_proc (&self, "meminfo", text, sizeof text), &self.machine);
    self.host_network = network_of (&self, 0);
    return self;
}

void
build_want (provider_t *provider, const collected_t *collected)
{
    collected_t found = *collected;
    build_t self = { .provider = provider, .found = &found };
    NODE_EACH (collected->sandboxes, sandbox)
    if (is_shown (&self, sandbox))
        want_volumes (&self, node_get_text (node_get (sandbox, "metadata"), "uid", ""));
}

void
build_summary (provider_t *provider, collected_t *collected, tree_t *tree)
{
    build_t self = begin (provider, collected, tree);
    collected->summary.time_ns = self.now_ns;
    build_node (&self);
    build_pods (&self);
}
