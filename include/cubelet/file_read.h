/* file_read.h - small files as a whole: keys, tokens, configuration of others. */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of a regular file of at most `limit` bytes, owned, with a NUL behind them; *size_p
   (may be NULL) is their number. A pipe of that name does not block. NULL with a fault "cannot
   read PATH: REASON": FAULT_NOT_FOUND when there is none, FAULT_INVALID when it is no regular file
   or too large, else FAULT_UNAVAILABLE. */
char *file_read (const char *path, size_t limit, size_t *size_p, fault_t *fault);

/* Which state of a file was seen. All zero: none. */
typedef struct {
    uint64_t device, inode;
    int64_t size, changed_ns;
} file_stamp_t;

/* The file's state now, after symbolic links; all zero when there is no such file. Two stamps are
   the same (file_stamp_equal) as long as nobody has written or replaced the file. */
file_stamp_t file_stamp (const char *path);
bool file_stamp_equal (const file_stamp_t *a, const file_stamp_t *b);
