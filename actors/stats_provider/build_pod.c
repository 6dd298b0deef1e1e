#include "build.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/container_labels.h"
#include "cubelet/pod_names.h"

// ---- containers ----

/* CRI's numbers, for runtimes whose containers are not in a cgroup that can be found. */
static void
take_runtime_stats (const node_t *stats, cgroup_stats_t *out)
{
    const node_t *cpu = node_get (stats, "cpu"), *memory = node_get (stats, "memory");
    out->cpu_ns = wrapped_number (cpu, "usage_core_nano_seconds");
    out->memory_usage = wrapped_number (memory, "usage_bytes");
    opt_int_t working_set = wrapped_number (memory, "working_set_bytes");
    if (!out->memory_usage.set)
        out->memory_usage = working_set;
    if (working_set.set)
        out->inactive_file = known (out->memory_usage.value - working_set.value);
    out->rss = wrapped_number (memory, "rss_bytes");
    out->page_faults = wrapped_number (memory, "page_faults");
    out->major_page_faults = wrapped_number (memory, "major_page_faults");
    out->swap_usage = wrapped_number (node_get (stats, "swap"), "swap_usage_bytes");
}

static const node_t *
stats_of (const build_t *self, const char *container_id)
{
    NODE_EACH (self->found->stats, stats)
    if (strcmp (node_get_text (node_get (stats, "attributes"), "id", ""), container_id) == 0)
        return stats;
    return NULL;
}

typedef struct {
    const char *id;
    char *found; // the shortest name that holds the id: conmon's is longer
} search_t;

static void
match_name (void *context, const char *name)
{
    search_t *search = context;
    if (!strstr (name, search->id))
        return;
    if (!search->found || strlen (name) < strlen (search->found))
        text_replace (&search->found, "%s", name);
}

/* The group of a container in its pod's, whatever the runtime calls it; NULL: there is none. */
static const char *
find_group (const build_t *self, const char *pod_group, const char *id)
{
    search_t search = { .id = id };
    if (!pod_group || !*id)
        return NULL;
    cgroup_each_child (&self->provider->cgroups, pod_group, match_name, &search);
    OWNED (free_text) char *name = search.found;
    if (!name)
        return NULL;
    OWNED (free_text) char *path = text_format ("%s/%s", pod_group, name);
    return keep (self, path);
}

static void
build_container (const build_t *self, pod_stats_t *pod, const node_t *container,
                 container_stats_t *out)
{
    const collect_t *wanted = &self->found->wanted;
    out->name = node_get_text (node_get (container, "labels"), LABEL_CONTAINER_NAME, "");
    out->id = node_get_text (container, "id", "");
    const node_t *image = node_get (container, "image");
    out->image = node_get_text (image, "user_specified_image", node_get_text (image, "image", ""));
    out->start_ns = node_get_int (container, "created_at", 0);
    out->start_time = whole_seconds (out->start_ns);
    out->cgroup = find_group (self, pod->cgroup, out->id);
    const node_t *stats = stats_of (self, out->id);
    if (!out->cgroup
        || !cgroup_read (&self->provider->cgroups, out->cgroup, wanted->detail, &out->raw))
        take_runtime_stats (stats, &out->raw);
    out->cpu = build_cpu (self, out->id, out->start_ns, &out->raw);
    out->memory = build_memory (self, &out->raw, limit_of (self, &out->raw));
    out->io = build_io (self, &out->raw);
    out->swap = build_swap (self, &out->raw, true);
    int64_t pid;
    if (out->cgroup)
        pod->process_count.value += cgroup_processes (&self->provider->cgroups, out->cgroup, &pid);
    if (!wanted->has_disks)
        return;
    out->rootfs = build_runtime_fs (self, node_get (stats, "writable_layer"));
    out->logs = build_logs (self, pod, out->name);
}

// ---- pods ----

static bool
is_running (const node_t *container, const char *sandbox_id)
{
    return strcmp (node_get_text (container, "state", ""), "CONTAINER_RUNNING") == 0
           && strcmp (node_get_text (container, "pod_sandbox_id", ""), sandbox_id) == 0;
}

static void
build_containers (const build_t *self, pod_stats_t *pod, const char *sandbox_id)
{
    size_t count = 0;
    NODE_EACH (self->found->containers, container)
    count += is_running (container, sandbox_id);
    pod->containers.items = tree_alloc (self->tree, (count + 1) * sizeof *pod->containers.items);
    NODE_EACH (self->found->containers, one)
    if (is_running (one, sandbox_id))
        build_container (self, pod, one, &pod->containers.items[pod->containers.count++]);
}

static const char *
find_pod_group (const build_t *self, const char *uid)
{
    static const char *const CLASSES[] = { "BestEffort", "Burstable", "Guaranteed" };
    for (size_t i = 0; self->provider->facts.cgroups_per_qos && i < COUNT_OF (CLASSES); i++) {
        OWNED (free_text) char *path = cgroup_pod_path (&self->provider->facts, CLASSES[i], uid);
        if (cgroup_exists (&self->provider->cgroups, path))
            return keep (self, path);
    }
    return NULL;
}

/* The numbers of a pod without a group of its own are the sums of its containers'. */
static void
add_up (pod_stats_t *pod)
{
    static const size_t PLACES[] = {
        offsetof (cgroup_stats_t, cpu_ns),      offsetof (cgroup_stats_t, memory_usage),
        offsetof (cgroup_stats_t, rss),         offsetof (cgroup_stats_t, inactive_file),
        offsetof (cgroup_stats_t, page_faults), offsetof (cgroup_stats_t, major_page_faults),
        offsetof (cgroup_stats_t, swap_usage),
    };
    for (size_t i = 0; i < pod->containers.count; i++)
        for (size_t j = 0; j < COUNT_OF (PLACES); j++) {
            const opt_int_t *more =
                (const opt_int_t *) ((const char *) &pod->containers.items[i].raw + PLACES[j]);
            opt_int_t *sum = (opt_int_t *) ((char *) &pod->raw + PLACES[j]);
            if (more->set)
                *sum = known (sum->value + more->value);
        }
}

static void
build_pod (build_t *self, const node_t *sandbox, pod_stats_t *pod)
{
    const node_t *metadata = node_get (sandbox, "metadata");
    const cgroup_place_t *cgroups = &self->provider->cgroups;
    const char *sandbox_id = node_get_text (sandbox, "id", "");
    pod->name = node_get_text (metadata, "name", "");
    pod->ns = node_get_text (metadata, "namespace", "");
    pod->uid = node_get_text (metadata, "uid", "");
    pod->start_ns = node_get_int (sandbox, "created_at", 0);
    pod->start_time = whole_seconds (pod->start_ns);
    pod->cgroup = find_pod_group (self, pod->uid);
    build_containers (self, pod, sandbox_id);
    if (!pod->cgroup || !cgroup_read (cgroups, pod->cgroup, self->found->wanted.detail, &pod->raw))
        add_up (pod);
    int64_t made_at = pod->cgroup ? cgroup_made_at (cgroups, pod->cgroup) : pod->start_ns;
    pod->cpu = build_cpu (self, pod->uid, made_at, &pod->raw);
    pod->memory = build_memory (self, &pod->raw, limit_of (self, &pod->raw));
    pod->io = build_io (self, &pod->raw);
    pod->swap = build_swap (self, &pod->raw, false);
    int64_t pid = 0;
    pod->sandbox_id = sandbox_id;
    pod->sandbox_cgroup = find_group (self, pod->cgroup, sandbox_id);
    if (pod->sandbox_cgroup)
        pod->process_count.value += cgroup_processes (cgroups, pod->sandbox_cgroup, &pid);
    pod->process_count.set = pod->process_count.value > 0;
    pod->network = build_pod_network (self, pid);
    if (self->found->wanted.has_disks)
        build_pod_disks (self, pod);
}

static bool
is_wanted (const collect_t *wanted, const char *uid)
{
    if (!wanted->only)
        return true;
    NODE_EACH (wanted->only, one)
    if (strcmp (node_as_text (one, ""), uid) == 0)
        return true;
    return false;
}

/* A pod's ready sandbox; of several the first, which is the runtime's newest. */
bool
is_shown (const build_t *self, const node_t *sandbox)
{
    const char *uid = node_get_text (node_get (sandbox, "metadata"), "uid", "");
    if (strcmp (node_get_text (sandbox, "state", "SANDBOX_READY"), "SANDBOX_READY") != 0
        || !node_get (node_get (sandbox, "labels"), LABEL_POD_UID)
        || !is_wanted (&self->found->wanted, uid))
        return false;
    for (size_t i = 0; i < self->found->summary.pods.count; i++)
        if (strcmp (self->found->summary.pods.items[i].uid, uid) == 0)
            return false;
    return true;
}

void
build_pods (build_t *self)
{
    summary_t *summary = &self->found->summary;
    size_t most = node_count (self->found->sandboxes);
    summary->pods.items = tree_alloc (self->tree, (most + 1) * sizeof *summary->pods.items);
    NODE_EACH (self->found->sandboxes, sandbox)
    if (is_shown (self, sandbox)) {
        build_pod (self, sandbox, &summary->pods.items[summary->pods.count]);
        summary->pods.count++; // afterwards: is_shown looks at those that are complete
    }
}
