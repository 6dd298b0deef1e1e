/* gzip_file.h - compresses a file a bit at a time, so that an actor stays responsive.

   The output appears under its name only when it is complete: until then it is called NAME.tmp. */
#pragma once
#include "cubelet/fault.h"

typedef struct gzip_file gzip_file_t;

/* Begins to compress `path` to "PATH.gz", with the same owner and mode. Owned, or NULL with
   FAULT_INTERNAL (FAULT_NOT_FOUND when there is no such file). */
gzip_file_t *gzip_file_new (const char *path, fault_t *fault);

/* Stops where it is, deletes unfinished output, frees *self_p and sets it to NULL. */
void gzip_file_destroy (gzip_file_t **self_p);

/* Compresses the next 256 KiB. Returns 1 when the output is complete and the input deleted, 0 when
   there is more to do, or -1 with FAULT_INTERNAL. */
int gzip_file_step (gzip_file_t *self, fault_t *fault);
