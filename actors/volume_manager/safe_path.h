/* safe_path.h - opening and making files in directories that containers can write to, where any
   name may be a link by the time it is used. Needs Linux 5.6 (openat2). */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum {
    SAFE_BENEATH = 1, // links are followed, but nothing leads out of `directory`
    SAFE_NO_LINKS = 2,
    SAFE_NO_MOUNTS = 4, // what another file system is mounted on is refused: EXDEV
} safe_path_t;

/* openat of `path` in the open directory `directory`, resolved as `how` (a set of safe_path_t)
   says; always close-on-exec. Returns the descriptor, the caller's, or -1 with errno. */
int safe_open (int directory, const char *path, int flags, unsigned how);

/* Makes `path` below `directory` with all above it; links are followed as SAFE_BENEATH. What is new
   has exactly the permissions `mode`. Returns 0 when it is there, or -1 with errno. */
int safe_make_directories (int directory, const char *path, mode_t mode);

/* The same from an absolute path whose parts only root can write to; only the last one has `mode`,
   new ones above it 0750. Returns 0, or -1 with FAULT_INTERNAL "mkdir PATH: REASON". */
int make_directory (const char *path, mode_t mode, fault_t *fault);

/* chmod of an open file, also of one opened with O_PATH. Returns 0, or -1 with errno. */
int safe_chmod (int fd, mode_t mode);

/* Writes a whole new file in `directory`. Returns 0, or -1 with errno. */
int safe_write_new (int directory, const char *name, const char *bytes, size_t size, mode_t mode);

/* Room for what safe_fd_path writes. */
#define SAFE_FD_PATH_MAX 32

/* The path that names an open file: "/proc/self/fd/7". Returns `out`. */
char *safe_fd_path (int fd, char out[static SAFE_FD_PATH_MAX]);
