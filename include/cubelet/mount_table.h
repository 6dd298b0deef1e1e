/* mount_table.h - what /proc/self/mountinfo says; see proc(5). */
#pragma once
#include "cubelet/record.h"
#include "cubelet/tree.h"

typedef struct {
    const char *path;    // of the mount point, unescaped
    const char *fs_type; // "tmpfs"
} mount_entry_t;

/* In the order in which they were mounted. */
typedef LIST_OF (mount_entry_t) mount_table_t;

/* Picks the mounts at `directory` (absolute, without a slash at the end) and below it from the
   bytes of a mountinfo file. Allocated in `tree`. Lines that cannot be read are passed over. */
void mount_table_read (const char *text, const char *directory, tree_t *tree, mount_table_t *out);
