/* disk_walk.h - how much a directory holds, found out in slices so that nobody waits for a large
   one. As `du -x`: blocks, not sizes; every inode once; other file systems are left out. Links are
   not followed, and what vanishes meanwhile is passed over. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct disk_walk disk_walk_t;

typedef struct {
    int64_t bytes;
    int64_t inodes; // the directory's own included
} disk_usage_t;

/* Starts at `path`, a directory or file. Nothing is found where nothing is. Owned. */
disk_walk_t *disk_walk_new (const char *path);

/* Ends a walk early, too; frees *self_p and sets it to NULL. */
void disk_walk_destroy (disk_walk_t **self_p);

/* Looks at the next `entries` entries. True when there is nothing more to look at. */
bool disk_walk_step (disk_walk_t *self, size_t entries);

/* What has been found so far. */
disk_usage_t disk_walk_usage (const disk_walk_t *self);
