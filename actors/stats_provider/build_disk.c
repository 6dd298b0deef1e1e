#include "build.h"
#include "cubelet/pod_names.h"
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define BLOCK_BYTES 512 // of st_blocks

// ---- disks ----

/* The file system below `path`; its own numbers only. False when there is none. */
static bool
read_fs (const build_t *self, const char *path, fs_stats_t *out)
{
    struct statvfs fs;
    *out = (fs_stats_t){ .time = self->time };
    if (!path || !*path || statvfs (path, &fs) < 0)
        return false;
    int64_t block = (int64_t) fs.f_frsize;
    out->available_bytes = known ((int64_t) fs.f_bavail * block);
    out->capacity_bytes = known ((int64_t) fs.f_blocks * block);
    out->inodes_free = known ((int64_t) fs.f_ffree);
    out->inodes = known ((int64_t) fs.f_files);
    return true;
}

/* The same with all that is in use on it. */
fs_stats_t *
build_fs (const build_t *self, const char *path)
{
    struct statvfs fs;
    fs_stats_t *out = tree_alloc (self->tree, sizeof *out);
    if (!read_fs (self, path, out) || statvfs (path, &fs) < 0)
        return NULL;
    out->used_bytes = known ((int64_t) (fs.f_blocks - fs.f_bfree) * (int64_t) fs.f_frsize);
    out->inodes_used = known ((int64_t) (fs.f_files - fs.f_ffree));
    return out;
}

/* The file system of a CRI FilesystemUsage with what the runtime uses of it. */
fs_stats_t *
build_runtime_fs (const build_t *self, const node_t *usage)
{
    if (!usage)
        return NULL;
    fs_stats_t *out = tree_alloc (self->tree, sizeof *out);
    read_fs (self, node_get_text (node_get (usage, "fs_id"), "mountpoint", NULL), out);
    out->used_bytes = wrapped_number (usage, "used_bytes");
    out->inodes_used = wrapped_number (usage, "inodes_used");
    return out;
}

/* Adds what the files of one directory take; logs are such, there are few of them. */
static void
add_files (const char *path, fs_stats_t *out)
{
    DIR *directory = opendir (path);
    struct stat stat;
    for (struct dirent *entry; directory && (entry = readdir (directory));)
        if (fstatat (dirfd (directory), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0
            && S_ISREG (stat.st_mode)) {
            out->used_bytes.value += (int64_t) stat.st_blocks * BLOCK_BYTES;
            out->inodes_used.value++;
        }
    if (directory)
        closedir (directory);
}

fs_stats_t *
build_logs (const build_t *self, const pod_stats_t *pod, const char *container)
{
    OWNED (free_text)
    char *path =
        pod_log_directory (self->provider->facts.pod_logs_dir, pod->ns, pod->name, pod->uid);
    text_replace (&path, "%s/%s", path, container);
    fs_stats_t *logs = tree_alloc (self->tree, sizeof *logs);
    if (!read_fs (self, path, logs))
        return NULL;
    logs->used_bytes = logs->inodes_used = known (0);
    add_files (path, logs);
    return logs;
}

// ---- volumes: ROOT/pods/UID/volumes/PLUGIN/NAME ----

/* Plugins whose volumes are on the node's own disk count as the pod's ephemeral storage; of the
   others upstream counts only what has metrics at all. */
static const struct {
    const char *directory;
    bool is_local;
    bool is_measured; // by walking; else the file system's own numbers tell
} PLUGINS[] = {
    { "kubernetes.io~empty-dir", true, true },      { "kubernetes.io~configmap", true, true },
    { "kubernetes.io~secret", false, true },        { "kubernetes.io~projected", false, true },
    { "kubernetes.io~downward-api", false, true },  { "kubernetes.io~git-repo", true, true },
    { "kubernetes.io~local-volume", false, false }, { "kubernetes.io~nfs", false, false },
    { "kubernetes.io~iscsi", false, false },        { "kubernetes.io~fc", false, false },
};

typedef void volume_fn (void *context, size_t plugin, const char *name, const char *path);

static void
each_volume (const provider_t *provider, const char *uid, volume_fn *each, void *context)
{
    OWNED (free_text) char *volumes = pod_volumes_directory (provider->facts.root_dir, uid);
    for (size_t i = 0; i < COUNT_OF (PLUGINS); i++) {
        OWNED (free_text) char *plugin = text_format ("%s/%s", volumes, PLUGINS[i].directory);
        DIR *directory = opendir (plugin);
        for (struct dirent *entry; directory && (entry = readdir (directory));) {
            if (entry->d_name[0] == '.')
                continue;
            OWNED (free_text) char *path = text_format ("%s/%s", plugin, entry->d_name);
            each (context, i, entry->d_name, path);
        }
        if (directory)
            closedir (directory);
    }
}

/* True when a file system of its own is mounted there: a tmpfs, or a disk. */
static bool
is_mount_point (const char *path)
{
    struct stat own, parent;
    OWNED (free_text) char *above = text_format ("%s/..", path);
    return stat (path, &own) == 0 && stat (above, &parent) == 0 && own.st_dev != parent.st_dev;
}

static bool
has_to_be_walked (size_t plugin, const char *path)
{
    return PLUGINS[plugin].is_measured && !is_mount_point (path);
}

static void
want_volume (void *context, size_t plugin, const char *name, const char *path)
{
    (void) name;
    build_t *self = context;
    if (has_to_be_walked (plugin, path))
        disks_want (self->provider->disks, path, self->found->wanted.max_age_ms);
}

typedef struct {
    build_t *build;
    pod_stats_t *pod;
    fs_stats_t *sum; // of what is ephemeral
} volumes_t;

static bool
fill_volume (const build_t *self, size_t plugin, const char *path, fs_stats_t *out)
{
    if (!read_fs (self, path, out))
        return false;
    const disk_fact_t *fact =
        has_to_be_walked (plugin, path) ? disks_look (self->provider->disks, path) : NULL;
    if (fact) {
        out->used_bytes = known (fact->usage.bytes);
        out->inodes_used = known (fact->usage.inodes);
        return true;
    }
    bool is_whole = !PLUGINS[plugin].is_measured || is_mount_point (path);
    const fs_stats_t *whole = is_whole ? build_fs (self, path) : NULL;
    if (!whole)
        return false; // a directory that has not been measured yet
    *out = *whole;
    return true;
}

/* What the volume-manager says of the volume in this directory: one that belongs to a claim has the
   name of the PersistentVolume there. NULL: nothing. */
static const node_t *
known_of (const build_t *self, const char *uid, const char *directory, const char *name)
{
    NODE_EACH (self->found->volumes, one)
    if (strcmp (node_get_text (one, "pod_uid", ""), uid) == 0
        && strcmp (node_get_text (one, "directory", ""), directory) == 0
        && strcmp (node_get_text (one, "name", ""), name) == 0)
        return one;
    return NULL;
}

/* Adds a volume by the names of its directory. */
static void
append_volume (const build_t *self, pod_stats_t *pod, const char *plugin, const char *name,
               const fs_stats_t *fs)
{
    const node_t *known = known_of (self, pod->uid, plugin, name);
    const char *own = node_get_text (known, "volume", NULL);
    const char *claim = node_get_text (known, "claim", NULL);
    volume_stats_t *items = tree_alloc (self->tree, (pod->volumes.count + 1) * sizeof *items);
    if (pod->volumes.count)
        memcpy (items, pod->volumes.items, pod->volumes.count * sizeof *items);
    items[pod->volumes.count++] = (volume_stats_t){
        .fs = *fs,
        .name = own ? own : keep (self, name),
        .pvc_name = claim,
        .pvc_namespace = claim ? pod->ns : NULL,
    };
    pod->volumes.items = items;
}

static void
add_volume (void *context, size_t plugin, const char *name, const char *path)
{
    volumes_t *self = context;
    fs_stats_t fs;
    if (!fill_volume (self->build, plugin, path, &fs))
        return;
    append_volume (self->build, self->pod, PLUGINS[plugin].directory, name, &fs);
    if (PLUGINS[plugin].is_local && has_to_be_walked (plugin, path))
        fs_stats_add (self->sum, &fs);
}

/* Of CSI volumes their drivers tell; of those that don't, upstream shows nothing either. */
static void
add_driver_volumes (const build_t *self, pod_stats_t *pod)
{
    NODE_EACH (self->found->drivers, row)
    {
        fs_stats_t fs = { .time = self->time };
        if (strcmp (node_get_text (row, "pod_uid", ""), pod->uid) == 0
            && fs_stats_read_csi (node_get (row, "usage"), &fs))
            append_volume (self, pod, "kubernetes.io~csi", node_get_text (row, "name", ""), &fs);
    }
}

void
want_volumes (build_t *self, const char *uid)
{
    each_volume (self->provider, uid, want_volume, self);
}

void
build_pod_disks (build_t *self, pod_stats_t *pod)
{
    fs_stats_t *sum = tree_alloc (self->tree, sizeof *sum);
    volumes_t volumes = { self, pod, sum };
    OWNED (free_text) char *hosts = pod_hosts_path (self->provider->facts.root_dir, pod->uid);
    OWNED (free_text) char *directory = pod_directory (self->provider->facts.root_dir, pod->uid);
    struct stat stat_of;
    read_fs (self, directory, sum);
    for (size_t i = 0; i < pod->containers.count; i++) {
        if (pod->containers.items[i].rootfs)
            fs_stats_add (sum, pod->containers.items[i].rootfs);
        if (pod->containers.items[i].logs)
            fs_stats_add (sum, pod->containers.items[i].logs);
    }
    each_volume (self->provider, pod->uid, add_volume, &volumes);
    add_driver_volumes (self, pod);
    if (stat (hosts, &stat_of) == 0)
        fs_stats_add (
            sum, &(fs_stats_t){ .used_bytes = known ((int64_t) stat_of.st_blocks * BLOCK_BYTES),
                                .inodes_used = known (1) });
    pod->ephemeral_storage = sum;
}
