/* file_write.h - small files written as a whole: complete, or not at all. */
#pragma once
#include "cubelet/fault.h"
#include <stddef.h>
#include <sys/types.h>

/* Writes `size` bytes to a temporary name beside `path`, syncs and renames. Returns 0, or -1 with
   FAULT_UNAVAILABLE "cannot write PATH: REASON". */
int file_write (const char *path, const char *bytes, size_t size, mode_t mode, fault_t *fault);

/* Has the directory of `path` written to the disk, so that what was renamed there is found after a
   crash of the machine. Faults as above. */
int file_sync_directory (const char *path, fault_t *fault);

/* Makes `path` a symbolic link to `target`, in one step also when there is one already. Faults as
   above. */
int file_link (const char *path, const char *target, fault_t *fault);

/* Makes the directories above `path` that are not there, with this mode. */
int file_make_parents (const char *path, mode_t mode, fault_t *fault);
