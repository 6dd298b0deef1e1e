/* build.h - what the files that make a summary share. Private to actors/stats_provider/.

     build.c       the order of things; the node
     build_pod.c   pods and their containers
     build_disk.c  file systems, volumes and logs
     build_use.c   CPU, memory, swap and network of any group */
#pragma once
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "stats_provider.h"
#include <string.h>
#include <sys/types.h>

/* A summary in the making. */
typedef struct {
    provider_t *provider;
    collected_t *found;
    tree_t *tree; // all that is made lives there
    int64_t time; // whole seconds
    int64_t now_ns;
    meminfo_t machine;
    ino_t host_network; // the inode of the host's network namespace
} build_t;

static inline opt_int_t
known (int64_t value)
{
    return (opt_int_t){ true, value };
}

static inline int64_t
whole_seconds (int64_t ns)
{
    return ns / NS_PER_S * NS_PER_S;
}

static inline const char *
keep (const build_t *self, const char *text)
{
    return tree_text (self->tree, text, strlen (text));
}

/* Reads a file below /proc into `out`; returns it. */
static inline const char *
read_proc (const build_t *self, const char *name, char *out, size_t room)
{
    OWNED (free_text) char *path = text_format ("%s/%s", self->provider->proc, name);
    short_file_read (path, out, room);
    return out;
}

/* A number that CRI wraps into a message (UInt64Value), so that zero and absent differ. */
static inline opt_int_t
wrapped_number (const node_t *map, const char *key)
{
    const node_t *wrapper = node_get (map, key);
    return wrapper ? known (node_get_int (wrapper, "value", 0)) : (opt_int_t){ 0 };
}

// ---- build_use.c ----

/* NULL where the group does not say. `group` names the group among the CPU samples; `made_at` is
   when its counter began. */
cpu_stats_t *
build_cpu (const build_t *self, const char *group, int64_t made_at, const cgroup_stats_t *raw);

/* `limit`: what the available memory is counted from, 0: there is no limit. */
memory_stats_t *build_memory (const build_t *self, const cgroup_stats_t *raw, int64_t limit);

/* The group's memory limit; 0: none, or one that is none as it exceeds the machine. */
int64_t limit_of (const build_t *self, const cgroup_stats_t *raw);

io_stats_t *build_io (const build_t *self, const cgroup_stats_t *raw);
swap_stats_t *build_swap (const build_t *self, const cgroup_stats_t *raw, bool with_available);

/* The interfaces in a file below /proc; NULL: none. */
network_stats_t *build_network (const build_t *self, const char *proc_name);

/* Of a process's own network namespace; NULL when that is the host's. */
network_stats_t *build_pod_network (const build_t *self, int64_t pid);

/* The inode of a process's network namespace (pid 0: of this one's); 0: not known. */
ino_t network_of (const build_t *self, int64_t pid);

// ---- build_disk.c ----

/* The file system that holds `path`, with all that is in use on it; NULL: there is none. */
fs_stats_t *build_fs (const build_t *self, const char *path);

/* The file system of a CRI FilesystemUsage with what the runtime uses of it; NULL for NULL. */
fs_stats_t *build_runtime_fs (const build_t *self, const node_t *usage);

/* The logs of a container; NULL: it has none. */
fs_stats_t *build_logs (const build_t *self, const pod_stats_t *pod, const char *container);

/* Has the volumes of a pod measured. */
void want_volumes (build_t *self, const char *uid);

/* Fills the pod's volumes and its ephemeral storage, after its containers. */
void build_pod_disks (build_t *self, pod_stats_t *pod);

// ---- build_pod.c ----

/* True for the sandbox that stands for a wanted pod: a ready one; of several the first, which is
   the runtime's newest. */
bool is_shown (const build_t *self, const node_t *sandbox);

void build_pods (build_t *self);
