#include "cubelet/disk_stats.h"
#include "cubelet/memory.h"
#include "page_cadvisor.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define IO_FILE_MAX 16384
#define MS_TO_S 1e-3

// ---- what groups read and write ----

/* The files of a group, by version; of two for the same the first that is there. */
static const struct {
    int version;
    const char *controller, *file;
    bool is_bytes;
} FILES[] = {
    { 1, "blkio", "blkio.throttle.io_service_bytes_recursive", true },
    { 1, "blkio", "blkio.throttle.io_serviced_recursive", false },
    { 1, "blkio", "blkio.throttle.io_service_bytes", true },
    { 1, "blkio", "blkio.throttle.io_serviced", false },
    { 2, "io", "io.stat", true },
};

static void
read_devices (const cgroup_place_t *place, const char *group, io_devices_t *out)
{
    char text[IO_FILE_MAX];
    out->count = 0;
    for (size_t i = 0; i < COUNT_OF (FILES); i++) {
        bool is_fallback = strcmp (FILES[i].file, "blkio.throttle.io_service_bytes") == 0;
        if (is_fallback && out->count > 0)
            return;
        if (FILES[i].version != place->version)
            continue;
        OWNED (free_text) char *path = cgroup_directory (place, FILES[i].controller, group);
        text_replace (&path, "%s/%s", path, FILES[i].file);
        if (!short_file_read (path, text, sizeof text))
            continue;
        if (place->version == 2)
            io_devices_take_v2 (out, text);
        else
            io_devices_take_v1 (out, text, FILES[i].is_bytes);
    }
}

/* "/dev/sda", or "" when the kernel does not know the device any more. */
static void
device_name (const io_device_t *device, char out[static NAME_MAX + sizeof "/dev/"])
{
    char target[PATH_MAX];
    OWNED (free_text)
    char *link = text_format ("/sys/dev/block/%u:%u", device->major, device->minor);
    ssize_t size = readlink (link, target, sizeof target - 1);
    out[0] = '\0';
    if (size <= 0)
        return;
    target[size] = '\0';
    const char *slash = strrchr (target, '/');
    snprintf (out, NAME_MAX + sizeof "/dev/", "/dev/%.*s", NAME_MAX, slash ? slash + 1 : target);
}

static void
fill_device (const labels_t *l, const io_device_t *device, metrics_t *out)
{
    char name[NAME_MAX + sizeof "/dev/"], major[16], minor[16];
    device_name (device, name);
    snprintf (major, sizeof major, "%u", device->major);
    snprintf (minor, sizeof minor, "%u", device->minor);
    metric_labels_t labels = LABELS (l->container, name, l->id, l->image, l->name, l->ns, l->pod);
    for (io_operation_t i = 0; i < IO_OPERATION_COUNT; i++)
        SET_KNOWN (out, METRIC_CONTAINER_BLKIO_DEVICE_USAGE_TOTAL, device->bytes[i], 1,
                   LABELS (l->container, name, l->id, l->image, major, minor, l->name, l->ns,
                           io_operation_name (i), l->pod));
    SET_KNOWN (out, METRIC_CONTAINER_FS_READS_BYTES_TOTAL, device->bytes[IO_READ], 1, labels);
    SET_KNOWN (out, METRIC_CONTAINER_FS_WRITES_BYTES_TOTAL, device->bytes[IO_WRITE], 1, labels);
    SET_KNOWN (out, METRIC_CONTAINER_FS_READS_TOTAL, device->times[IO_READ], 1, labels);
    SET_KNOWN (out, METRIC_CONTAINER_FS_WRITES_TOTAL, device->times[IO_WRITE], 1, labels);
}

void
cadvisor_fill_io (const provider_t *provider, const labels_t *l, metrics_t *out)
{
    io_devices_t devices;
    read_devices (&provider->cgroups, l->id, &devices);
    for (size_t i = 0; i < devices.count; i++)
        fill_device (l, &devices.items[i], out);
}

// ---- file systems ----

/* Numbers of a disk; times are shown in seconds, as the names say (upstream shows millionths). */
static const struct {
    metric_id_t id;
    size_t place; // of an int64_t in disk_counts_t
    double scale;
} COUNTS[] = {
#define AT(MEMBER) offsetof (disk_counts_t, MEMBER)
    { METRIC_CONTAINER_FS_READS_TOTAL, AT (reads), 1 },
    { METRIC_CONTAINER_FS_READS_MERGED_TOTAL, AT (reads_merged), 1 },
    { METRIC_CONTAINER_FS_SECTOR_READS_TOTAL, AT (sectors_read), 1 },
    { METRIC_CONTAINER_FS_READ_SECONDS_TOTAL, AT (read_ms), MS_TO_S },
    { METRIC_CONTAINER_FS_WRITES_TOTAL, AT (writes), 1 },
    { METRIC_CONTAINER_FS_WRITES_MERGED_TOTAL, AT (writes_merged), 1 },
    { METRIC_CONTAINER_FS_SECTOR_WRITES_TOTAL, AT (sectors_written), 1 },
    { METRIC_CONTAINER_FS_WRITE_SECONDS_TOTAL, AT (write_ms), MS_TO_S },
    { METRIC_CONTAINER_FS_IO_CURRENT, AT (in_progress), 1 },
    { METRIC_CONTAINER_FS_IO_TIME_SECONDS_TOTAL, AT (busy_ms), MS_TO_S },
    { METRIC_CONTAINER_FS_IO_TIME_WEIGHTED_SECONDS_TOTAL, AT (weighted_ms), MS_TO_S },
};

static void
fill_file_system (const labels_t *l, const local_fs_t *fs, const char *diskstats, metrics_t *out)
{
    struct statvfs size;
    disk_counts_t counts;
    metric_labels_t labels =
        LABELS (l->container, fs->device, l->id, l->image, l->name, l->ns, l->pod);
    if (statvfs (fs->path, &size) < 0)
        return;
    double block = (double) size.f_frsize;
    metric_set (out, METRIC_CONTAINER_FS_LIMIT_BYTES, (double) size.f_blocks * block, labels);
    metric_set (out, METRIC_CONTAINER_FS_USAGE_BYTES,
                (double) (size.f_blocks - size.f_bfree) * block, labels);
    metric_set (out, METRIC_CONTAINER_FS_INODES_TOTAL, (double) size.f_files, labels);
    metric_set (out, METRIC_CONTAINER_FS_INODES_FREE, (double) size.f_ffree, labels);
    disk_counts_find (diskstats, fs->major, fs->minor, &counts); // zeros for memory, as upstream
    for (size_t i = 0; i < COUNT_OF (COUNTS); i++) {
        const int64_t *number = (const int64_t *) ((const char *) &counts + COUNTS[i].place);
        metric_set (out, COUNTS[i].id, (double) *number * COUNTS[i].scale, labels);
    }
}

/* All of a file below /proc; "" when it cannot be read. Owned. */
static char *
read_whole (const provider_t *provider, const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/%s", provider->proc, name);
    OWNED (close_file) FILE *file = fopen (path, "re");
    char *text = NULL;
    size_t room = 0;
    // there is no NUL in it, so this reads all of it
    if (file && getdelim (&text, &room, '\0', file) >= 0)
        return text;
    free (text);
    return text_copy ("");
}

void
cadvisor_fill_file_systems (const provider_t *provider, const labels_t *l, metrics_t *out)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *mounts = read_whole (provider, "self/mountinfo");
    OWNED (free_text) char *diskstats = read_whole (provider, "diskstats");
    local_fs_list_t found;
    local_fs_read (mounts, tree, &found);
    for (size_t i = 0; i < found.count; i++)
        fill_file_system (l, &found.items[i], diskstats, out);
}
