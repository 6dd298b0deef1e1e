/* log_rotation.h - what becomes of a container's log and of its older parts.

   The live log is N.log; a rotation renames it to N.log.YYYYMMDD-hhmmss, and the next one turns
   that into N.log.YYYYMMDD-hhmmss.gz. While a part is compressed its output is called ....gz.tmp.
   Source: reference/node-and-server.md 5.3. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is to be done before the live log is renamed. Names of files in the log's directory, in
   order; owned, freed by log_rotation_clear. */
typedef struct {
    char **removes; // what a crash left, and parts that are too many
    size_t remove_count;
    char **compressions;
    size_t compression_count;
} log_rotation_t;

/* Decides from `names`, all files of the directory, for the live log `log` ("0.log"). With the live
   log and the part that is about to be made at most `max_files` (at least 2) are left. */
void log_rotation_plan (const char *log, const char *const *names, size_t name_count,
                        int64_t max_files, log_rotation_t *out);
void log_rotation_clear (log_rotation_t *self);

/* True when a log of `size` bytes is to be rotated; a limit of 0 or less means never. */
bool log_rotation_is_due (int64_t size, int64_t max_size);

/* "0.log.20260304-050607", the part that a log becomes at `now_ns` (since 1970, shown in UTC).
   Owned. */
char *log_rotation_name (const char *log, int64_t now_ns);
