/* ownership.h - gives a pod's fsGroup access to a volume (common/kube/fs_group.h has the rules). */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stdint.h>

/* Changes group and permissions of `path` and everything in it; links are changed, not followed,
   and other file systems not entered. `policy` is fsGroupChangePolicy: with "OnRootMismatch"
   nothing happens when `path` itself shows that all is done; NULL: "Always". What cannot be changed
   is logged and passed over, as upstream does. Returns 0, or -1 with FAULT_INTERNAL when `path`
   cannot be read. */
int ownership_apply (const char *path, int64_t fs_group, bool is_read_only, const char *policy,
                     fault_t *fault);

/* The same a bit at a time, for volumes of any size. */
typedef struct ownership ownership_t;

/* Begins. Owned; NULL when there is nothing to do (`fault` untouched), or with a fault. */
ownership_t *ownership_new (const char *path, int64_t fs_group, bool is_read_only,
                            const char *policy, fault_t *fault);

/* Frees *self_p and sets it to NULL; what is not changed yet stays as it is. */
void ownership_destroy (ownership_t **self_p);

/* Goes on for about `budget_ms`, at least one file; true when all is done. */
bool ownership_step (ownership_t *self, int budget_ms);

/* How many files and directories have been looked at. */
int64_t ownership_count (const ownership_t *self);
