#include "cubelet/cgroup_read.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define STATS_FILE_MAX 8192

/* The controller whose hierarchy stands for all of v1. */
#define MAIN_CONTROLLER "memory"

bool
short_file_read (const char *path, char *out, size_t room)
{
    out[0] = '\0';
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    while (fd >= 0 && size < room - 1) {
        ssize_t got = read (fd, out + size, room - 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && size == 0)
            return false;
        if (got <= 0)
            break;
        size += (size_t) got;
    }
    out[size] = '\0';
    return fd >= 0;
}

cgroup_place_t
cgroup_place (const char *mount)
{
    OWNED (free_text) char *controllers = text_format ("%s/cgroup.controllers", mount);
    return (cgroup_place_t){ mount, access (controllers, F_OK) == 0 ? 2 : 1 };
}

char *
cgroup_directory (const cgroup_place_t *place, const char *controller, const char *path)
{
    const char *slash = strcmp (path, "/") == 0 ? "" : path;
    return place->version == 2 ? text_format ("%s%s", place->mount, slash)
                               : text_format ("%s/%s%s", place->mount, controller, slash);
}

bool
cgroup_exists (const cgroup_place_t *place, const char *path)
{
    OWNED (free_text) char *directory = cgroup_directory (place, MAIN_CONTROLLER, path);
    return access (directory, F_OK) == 0;
}

bool
cgroup_read (const cgroup_place_t *place, const char *path, cgroup_detail_t detail,
             cgroup_stats_t *out)
{
    char text[STATS_FILE_MAX];
    *out = (cgroup_stats_t){ 0 };
    if (!cgroup_exists (place, path))
        return false;
    const cgroup_stats_file_t *file;
    for (size_t i = 0; (file = cgroup_stats_file (place->version, detail, i)); i++) {
        OWNED (free_text) char *directory = cgroup_directory (place, file->controller, path);
        text_replace (&directory, "%s/%s", directory, file->file);
        if (short_file_read (directory, text, sizeof text))
            cgroup_stats_take (out, place->version, file->file, text);
    }
    cgroup_stats_finish (out, place->version);
    return true;
}

void
cgroup_each_process (const cgroup_place_t *place, const char *path, cgroup_process_fn *each,
                     void *context)
{
    OWNED (free_text) char *name = cgroup_directory (place, MAIN_CONTROLLER, path);
    text_replace (&name, "%s/cgroup.procs", name);
    OWNED (close_file) FILE *file = fopen (name, "re");
    long long pid = 0;
    while (file && fscanf (file, "%lld", &pid) == 1)
        each (context, pid);
}

typedef struct {
    int64_t count, first;
} process_sum_t;

static void
add_process (void *context, int64_t pid)
{
    process_sum_t *sum = context;
    sum->count++;
    if (!sum->first)
        sum->first = pid;
}

int64_t
cgroup_processes (const cgroup_place_t *place, const char *path, int64_t *first_p)
{
    process_sum_t sum = { 0 };
    cgroup_each_process (place, path, add_process, &sum);
    *first_p = sum.first;
    return sum.count;
}

int64_t
cgroup_made_at (const cgroup_place_t *place, const char *path)
{
    OWNED (free_text) char *directory = cgroup_directory (place, MAIN_CONTROLLER, path);
    struct stat stat_of;
    if (stat (directory, &stat_of) < 0)
        return 0;
    return (int64_t) stat_of.st_mtim.tv_sec * NS_PER_S + stat_of.st_mtim.tv_nsec;
}

void
cgroup_each_child (const cgroup_place_t *place, const char *path, cgroup_name_fn *each,
                   void *context)
{
    OWNED (free_text) char *name = cgroup_directory (place, MAIN_CONTROLLER, path);
    DIR *directory = opendir (name);
    for (struct dirent *entry; directory && (entry = readdir (directory));)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            each (context, entry->d_name);
    if (directory)
        closedir (directory);
}
