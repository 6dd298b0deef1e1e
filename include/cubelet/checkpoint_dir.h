/* checkpoint_dir.h - the directory of checkpoints (checkpoint.h): reads and writes one file at a
   time, at once, with fsync. Only of use to one thread; several may work in one directory. */
#pragma once
#include "cubelet/checkpoint.h"
#include <czmq.h>

typedef struct checkpoint_dir checkpoint_dir_t;

/* `path` (made when it is missing; its mode is 0700 from then on) and the key for Secrets and
   tokens. NULL with the key's fault, or FAULT_DENIED when the directory is somebody else's: what is
   in it is run. Owned. */
checkpoint_dir_t *checkpoint_dir_new (const char *path, const char *key_file, fault_t *fault);
void checkpoint_dir_destroy (checkpoint_dir_t **self_p);

/* Removes what a process has not finished that was killed while it wrote. Only for a time when
   nobody writes. */
void checkpoint_dir_tidy (checkpoint_dir_t *self);

/* Writes the record; secret kinds are sealed, whatever is_sealed says. Returns 0 or -1. */
int checkpoint_dir_put (checkpoint_dir_t *self, const checkpoint_t *record, fault_t *fault);

/* The object of that kind and name, and when it was first seen; owned. NULL: there is none, or it
   cannot be believed (logged). `uid` counts for tokens only; first_ns_p may be NULL. */
tree_t *checkpoint_dir_get (checkpoint_dir_t *self, const char *kind, const char *namespace,
                            const char *name, const char *uid, int64_t *first_ns_p);

/* The object in a file that checkpoint_dir_files has named; as above. */
tree_t *checkpoint_dir_read (checkpoint_dir_t *self, const char *file, int64_t *first_ns_p);

/* The names of the files of a kind; NULL: of all files. A list of texts; owned. */
zlistx_t *checkpoint_dir_files (const checkpoint_dir_t *self, const char *kind);

/* Removes a file; one that is not there is removed already. Failures are logged. */
void checkpoint_dir_remove (checkpoint_dir_t *self, const char *file);

/* Deletes a directory of checkpoints with all its files; nothing to do when there is none. */
int checkpoint_dir_delete (const char *path, fault_t *fault);
