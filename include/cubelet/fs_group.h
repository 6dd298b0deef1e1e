/* fs_group.h - what a pod's fsGroup does to the permissions of a volume.
   Source: reference/node-and-server.md 7.6; upstream's volume/volume_linux.go. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The mode that a file or directory of the mode `mode` has after the group was given access; it
   only adds bits. `is_read_only`: containers cannot write to the volume. */
mode_t fs_group_mode (mode_t mode, bool is_directory, bool is_read_only);

/* True when the volume's root directory shows that everything below was done already: for the
   policy OnRootMismatch. */
bool fs_group_is_done (mode_t root_mode, gid_t root_gid, int64_t fs_group, bool is_read_only);
