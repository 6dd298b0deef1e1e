/* tree_removal.h - deletes a directory with all that is in it, a bit at a time, so that an actor
   stays responsive with a million files.

   It never follows a link and never enters a directory that something is mounted on: then it ends
   with a fault, and what is mounted stays as it was. Trees may be deeper than there are file
   descriptors or bytes in a path: what is far down is moved up first. */
#pragma once
#include "cubelet/fault.h"
#include <stddef.h>

typedef struct tree_removal tree_removal_t;

/* Begins with `path`, an absolute path that only root can change. NULL in *self_p (and 0) when
   there is nothing to delete. Returns 0 or -1 with a fault. Owned. */
int tree_removal_new (const char *path, tree_removal_t **self_p, fault_t *fault);

/* Stops where it is, frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void tree_removal_destroy (tree_removal_t **self_p);

/* Deletes for about `budget_ms`. Returns 1 when nothing is left, 0 when there is more to do, or -1
   with a fault: FAULT_PRECONDITION for a mount point, else FAULT_INTERNAL. */
int tree_removal_step (tree_removal_t *self, int budget_ms, fault_t *fault);

/* All steps at once, for trees known to be small. Returns 0 or -1 with a fault. */
int tree_remove (const char *path, fault_t *fault);
