/* What is left of memory, disks and process ids. A few files of /proc and the cgroups and a statvfs
   for each file system: cheap enough for every ten seconds. */
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/proc_stats.h"
#include "eviction_manager.h"
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PROC_FILE_MAX 8192

static void
note (manager_t *self, eviction_signal_t signal, int64_t available, int64_t capacity)
{
    self->observations[signal] = (eviction_observation_t){
        .is_known = capacity > 0,
        .available = available > 0 ? available : 0,
        .capacity = capacity,
        .time_ns = clock_monotonic_ms() * NS_PER_MS,
    };
}

static const char *
read_proc (const manager_t *self, const char *name, char *out)
{
    OWNED (free_text) char *path = text_format ("%s/%s", self->proc, name);
    short_file_read (path, out, PROC_FILE_MAX);
    return out;
}

static void
observe_memory (manager_t *self)
{
    char text[PROC_FILE_MAX];
    meminfo_t machine;
    cgroup_stats_t group;
    meminfo_parse (read_proc (self, "meminfo", text), &machine);
    cgroup_read (&self->cgroups, "/", CGROUP_BASIC, &group);
    if (!group.memory_usage.set) // v2's root does not count
        group.memory_usage = (opt_int_t){ true, machine.total - machine.free };
    note (self, SIGNAL_MEMORY, machine.total - cgroup_working_set (&group).value, machine.total);
    if (!self->pods_group || !cgroup_read (&self->cgroups, self->pods_group, CGROUP_BASIC, &group))
        return;
    opt_int_t used = cgroup_working_set (&group);
    note (self, SIGNAL_ALLOCATABLE_MEMORY, self->allocatable_memory - used.value,
          used.set ? self->allocatable_memory : 0);
}

static void
observe_disk (manager_t *self, const char *path, eviction_signal_t bytes, eviction_signal_t inodes)
{
    struct statvfs fs;
    if (!path || statvfs (path, &fs) < 0)
        return;
    int64_t block = (int64_t) fs.f_frsize;
    note (self, bytes, (int64_t) fs.f_bavail * block, (int64_t) fs.f_blocks * block);
    note (self, inodes, (int64_t) fs.f_ffree, (int64_t) fs.f_files);
}

static void
observe_processes (manager_t *self)
{
    char text[PROC_FILE_MAX];
    int64_t most = strtoll (read_proc (self, "sys/kernel/pid_max", text), NULL, 10);
    int64_t threads = strtoll (read_proc (self, "sys/kernel/threads-max", text), NULL, 10);
    int64_t tasks = loadavg_tasks (read_proc (self, "loadavg", text));
    if (threads > 0 && threads < most)
        most = threads;
    if (tasks >= 0)
        note (self, SIGNAL_PID, most - tasks, most);
}

static dev_t
device_of (const char *path)
{
    struct stat stat_of;
    return path && stat (path, &stat_of) == 0 ? stat_of.st_dev : 0;
}

bool
has_split_disks (const manager_t *self)
{
    dev_t images = device_of (self->image_fs);
    return images && images != device_of (self->root_dir);
}

void
observe (manager_t *self)
{
    memset (self->observations, 0, sizeof self->observations);
    observe_memory (self);
    observe_processes (self);
    observe_disk (self, self->root_dir, SIGNAL_NODEFS, SIGNAL_NODEFS_INODES);
    observe_disk (self, self->image_fs, SIGNAL_IMAGEFS, SIGNAL_IMAGEFS_INODES);
    observe_disk (self, self->container_fs ? self->container_fs : self->image_fs,
                  SIGNAL_CONTAINERFS, SIGNAL_CONTAINERFS_INODES);
}
