/* mounts.h - what is mounted in this process's mount namespace. */
#pragma once
#include "cubelet/mount_table.h"

/* The mounts at `directory` and below it, from /proc/self/mountinfo; links in `directory` must have
   been resolved. Allocated in `tree`. Returns 0, or -1 with FAULT_INTERNAL. */
int mounts_read (const char *directory, tree_t *tree, mount_table_t *out, fault_t *fault);

/* True when something is mounted right at `path`, bind mounts included; memory is the tree's. */
bool mounts_is_mounted (const char *path, tree_t *tree);

/* Unmounts what is mounted last on `path`, no link. Returns 0, or -1 with FAULT_UNAVAILABLE
   "unmount PATH: device or resource busy" and the like. */
int mounts_unmount (const char *path, fault_t *fault);

typedef enum { MOUNTED_NOT, MOUNTED_TMPFS, MOUNTED_HUGETLBFS, MOUNTED_OTHER } mounted_t;

/* What is mounted right at `path`; MOUNTED_NOT also when there is no such file. A bind mount from
   the same file system is not noticed. */
mounted_t mounts_at (const char *path);
