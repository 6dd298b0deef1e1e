/* disk_stats.h - what the kernel counts of disks: for groups (blkio of cgroup v1, io.stat of v2),
   for devices (/proc/diskstats), and which file systems are mounted (/proc/self/mountinfo). Pure:
   they take the files' contents. Sources: the kernel's documentation of these files; how
   /metrics/cadvisor of an upstream kubelet shows them. */
#pragma once
#include "cubelet/record.h"
#include "cubelet/tree.h"

typedef enum {
    IO_READ,
    IO_WRITE,
    IO_SYNC,
    IO_ASYNC,
    IO_DISCARD,
    IO_TOTAL,
    IO_OPERATION_COUNT
} io_operation_t;

/* "Read"; cgroup v1's words. Static text. */
const char *io_operation_name (io_operation_t operation);

/* One device of a group, counted since the group was made. v2 has only what is read and written. */
typedef struct {
    unsigned major, minor;
    opt_int_t bytes[IO_OPERATION_COUNT];
    opt_int_t times[IO_OPERATION_COUNT]; // how often
} io_device_t;

#define IO_DEVICES_MAX 64

/* The devices of a group; those above the room are left out. */
typedef struct {
    io_device_t items[IO_DEVICES_MAX];
    size_t count;
} io_devices_t;

/* Takes blkio.throttle.io_service_bytes (`is_bytes`) or ...io_serviced: "8:0 Read 4096" a line. */
void io_devices_take_v1 (io_devices_t *self, const char *text, bool is_bytes);

/* Takes io.stat: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" a line. */
void io_devices_take_v2 (io_devices_t *self, const char *text);

/* A device in /proc/diskstats. Sectors have 512 bytes. */
typedef struct {
    int64_t reads, reads_merged, sectors_read, read_ms;
    int64_t writes, writes_merged, sectors_written, write_ms;
    int64_t in_progress, busy_ms, weighted_ms;
} disk_counts_t;

/* False (and zeros) when that device is not there. */
bool disk_counts_find (const char *diskstats, unsigned major, unsigned minor, disk_counts_t *out);

typedef struct {
    const char *device; // "/dev/sda1"; of a tmpfs, which has none, the mount point
    const char *path;   // of the mount point
    unsigned major, minor;
} local_fs_t;

typedef LIST_OF (local_fs_t) local_fs_list_t;

/* The file systems on local disks and in memory, each once, in the order of a mountinfo file;
   without those that pods and their runtime have mounted. Asking these for their size waits for
   nobody. Allocated in `tree`. */
void local_fs_read (const char *mountinfo, tree_t *tree, local_fs_list_t *out);
