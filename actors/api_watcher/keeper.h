/* keeper.h - what the api-watcher keeps on disk for a start without the API server, and whether it
   counts now (docs/offline.md). Every function takes NULL: then nothing is kept. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/tree.h"
#include <czmq.h>

typedef struct keeper keeper_t;

/* `directory` and `key_file` as checkpoint_dir_new. NULL with a fault. Owned; what waits to be
   written is written at its end. */
keeper_t *keeper_new (actor_t *actor, const char *directory, const char *key_file, fault_t *fault);
void keeper_destroy (keeper_t **self_p);

/* The API server has answered, or a list has ended with this code (checkpoint_counts_after). */
void keeper_heard (keeper_t *self);
void keeper_missed (keeper_t *self, int code);

/* True from when it was found to be away until it has answered. */
bool keeper_counts (const keeper_t *self);

/* Has the object written soon, in place of what is to be written of it. `key` is "NAMESPACE/NAME";
   bytes are copied. */
void keeper_keep (keeper_t *self, const char *kind, const char *key, const char *uid,
                  int64_t first_ns, const char *bytes, size_t size);
void keeper_drop (keeper_t *self, const char *kind, const char *key);

/* What is kept under that key; owned, NULL: nothing that can be believed. */
tree_t *keeper_get (keeper_t *self, const char *kind, const char *key, int64_t *first_ns_p);

/* The files of a kind, and what is in one; both owned. The list is NULL when nothing is kept. */
zlistx_t *keeper_files (const keeper_t *self, const char *kind);
tree_t *keeper_read (keeper_t *self, const char *file, int64_t *first_ns_p);

/* These Pod objects are all that the node has: what they do not need goes. */
void keeper_sweep (keeper_t *self, const node_t *pods);
