#include "cubelet/disk_stats.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 512

static const char *const OPERATIONS[IO_OPERATION_COUNT] = {
    [IO_READ] = "Read",   [IO_WRITE] = "Write",     [IO_SYNC] = "Sync",
    [IO_ASYNC] = "Async", [IO_DISCARD] = "Discard", [IO_TOTAL] = "Total",
};

const char *
io_operation_name (io_operation_t operation)
{
    return OPERATIONS[operation];
}

/* Copies the line at `*text_p` and moves on behind it; false at the end. A line that is too long is
   cut off. */
static bool
next_line (const char **text_p, char line[static LINE_MAX_BYTES])
{
    size_t size = strcspn (*text_p, "\n");
    if (!**text_p)
        return false;
    snprintf (line, LINE_MAX_BYTES, "%.*s", (int) size, *text_p);
    *text_p += size + ((*text_p)[size] == '\n');
    return true;
}

// ---- of groups ----

/* NULL: there is no room. */
static io_device_t *
device_of (io_devices_t *self, unsigned major, unsigned minor)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].major == major && self->items[i].minor == minor)
            return &self->items[i];
    if (self->count == IO_DEVICES_MAX)
        return NULL;
    io_device_t *device = &self->items[self->count++];
    *device = (io_device_t){ .major = major, .minor = minor };
    return device;
}

void
io_devices_take_v1 (io_devices_t *self, const char *text, bool is_bytes)
{
    char line[LINE_MAX_BYTES], word[16];
    unsigned major, minor;
    int64_t value;
    while (next_line (&text, line)) {
        if (sscanf (line, "%u:%u %15s %" SCNd64, &major, &minor, word, &value) != 4)
            continue;
        io_device_t *device = device_of (self, major, minor);
        for (size_t i = 0; device && i < IO_OPERATION_COUNT; i++)
            if (strcmp (word, OPERATIONS[i]) == 0)
                *(is_bytes ? &device->bytes[i] : &device->times[i]) = (opt_int_t){ true, value };
    }
}

/* The number behind "NAME=" in a line. */
static opt_int_t
named_number (const char *line, const char *name)
{
    int64_t value = 0;
    const char *at = strstr (line, name);
    bool is_there = at && sscanf (at + strlen (name), "%" SCNd64, &value) == 1;
    return (opt_int_t){ is_there, value };
}

void
io_devices_take_v2 (io_devices_t *self, const char *text)
{
    char line[LINE_MAX_BYTES];
    unsigned major, minor;
    while (next_line (&text, line)) {
        if (sscanf (line, "%u:%u ", &major, &minor) != 2)
            continue;
        io_device_t *device = device_of (self, major, minor);
        if (!device)
            continue;
        device->bytes[IO_READ] = named_number (line, " rbytes=");
        device->bytes[IO_WRITE] = named_number (line, " wbytes=");
        device->times[IO_READ] = named_number (line, " rios=");
        device->times[IO_WRITE] = named_number (line, " wios=");
    }
}

// ---- of devices ----

bool
disk_counts_find (const char *diskstats, unsigned major, unsigned minor, disk_counts_t *out)
{
    char line[LINE_MAX_BYTES];
    *out = (disk_counts_t){ 0 };
    while (next_line (&diskstats, line)) {
        disk_counts_t found = { 0 };
        unsigned its_major, its_minor;
        int count =
            sscanf (line,
                    "%u %u %*s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                    " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
                    &its_major, &its_minor, &found.reads, &found.reads_merged, &found.sectors_read,
                    &found.read_ms, &found.writes, &found.writes_merged, &found.sectors_written,
                    &found.write_ms, &found.in_progress, &found.busy_ms, &found.weighted_ms);
        if (count == 13 && its_major == major && its_minor == minor) {
            *out = found;
            return true;
        }
    }
    return false;
}

// ---- file systems ----

static bool
is_disk (const char *type)
{
    static const char *const TYPES[] = { "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs" };
    for (size_t i = 0; i < COUNT_OF (TYPES); i++)
        if (strcmp (TYPES[i], type) == 0)
            return true;
    return false;
}

/* Volumes of pods (of any kubelet), and what runtimes mount for containers. */
static bool
is_of_pods (const char *path)
{
    static const char *const PARTS[] = { "/volumes/kubernetes.io~", "/volume-subpaths/",
                                         "/io.containerd.", "/overlay-containers/" };
    for (size_t i = 0; i < COUNT_OF (PARTS); i++)
        if (strstr (path, PARTS[i]))
            return true;
    return false;
}

static bool
is_listed (const local_fs_list_t *list, const local_fs_t *fs)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp (list->items[i].device, fs->device) == 0)
            return true;
    return false;
}

void
local_fs_read (const char *mountinfo, tree_t *tree, local_fs_list_t *out)
{
    char line[LINE_MAX_BYTES], path[LINE_MAX_BYTES], type[64], source[LINE_MAX_BYTES];
    size_t room = 1;
    for (const char *at = mountinfo; *at; at++)
        room += *at == '\n';
    *out = (local_fs_list_t){ .items = tree_alloc (tree, room * sizeof *out->items) };
    while (next_line (&mountinfo, line)) {
        local_fs_t fs = { 0 };
        const char *rest = strstr (line, " - ");
        if (!rest || sscanf (line, "%*d %*d %u:%u %*s %511s", &fs.major, &fs.minor, path) != 3
            || sscanf (rest, " - %63s %511s", type, source) != 2 || is_of_pods (path))
            continue;
        bool is_memory = strcmp (type, "tmpfs") == 0;
        fs.device = is_memory ? path : source;
        if ((!is_memory && !is_disk (type)) || is_listed (out, &fs))
            continue;
        fs.path = tree_text (tree, path, strlen (path));
        fs.device = is_memory ? fs.path : tree_text (tree, source, strlen (source));
        out->items[out->count++] = fs;
    }
}
