/* cgroup_read.h - reads the statistics of cgroups and short files of /proc: the part of
   cgroup_stats.h and proc_stats.h that touches the machine. Such files are made by the kernel from
   memory, so reading them does not wait for a disk. */
#pragma once
#include "cubelet/cgroup_stats.h"
#include <stdbool.h>
#include <stddef.h>

/* Where the hierarchies are ("/sys/fs/cgroup", borrowed) and of which version, 1 or 2. */
typedef struct {
    const char *mount;
    int version;
} cgroup_place_t;

/* Looks which version is mounted there. */
cgroup_place_t cgroup_place (const char *mount);

/* The directory of a group for a controller; `path` starts with a slash. Owned. */
char *cgroup_directory (const cgroup_place_t *place, const char *controller, const char *path);

bool cgroup_exists (const cgroup_place_t *place, const char *path);

/* Reads a group's statistics. False when it does not exist; `out` is zeroed first. */
bool cgroup_read (const cgroup_place_t *place, const char *path, cgroup_detail_t detail,
                  cgroup_stats_t *out);

/* Calls for each process of a group (not for those below it); 0 is one outside our pid namespace.
 */
typedef void cgroup_process_fn (void *context, int64_t pid);
void cgroup_each_process (const cgroup_place_t *place, const char *path, cgroup_process_fn *each,
                          void *context);

/* The processes of a group (not those below it): returns how many, and in *first_p the first one
   that this process can see, 0 for none. */
int64_t cgroup_processes (const cgroup_place_t *place, const char *path, int64_t *first_p);

/* When the group was made, ns since 1970; 0: not known. */
int64_t cgroup_made_at (const cgroup_place_t *place, const char *path);

/* Calls for each child group's name. */
typedef void cgroup_name_fn (void *context, const char *name);
void cgroup_each_child (const cgroup_place_t *place, const char *path, cgroup_name_fn *each,
                        void *context);

/* The first `room` - 1 bytes of a file in `out`, as text; false (and an empty text) when it cannot
   be read. */
bool short_file_read (const char *path, char *out, size_t room);
