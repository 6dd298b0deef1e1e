/* users.h - the host ids of pods with a user namespace of their own: which pod has which, noted in
   its directory, so that a restarted agent leaves running pods their ids. */
#pragma once
#include "cubelet/fault.h"
#include <stdint.h>

typedef struct users users_t;

/* Finds the ids that pods below ROOT_DIR/pods have already. Owned. `first` and `total` are the ids
   that may be given away, `length` how many a pod gets. */
users_t *users_new (const char *root_dir, int64_t first, int64_t total, int64_t length);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void users_destroy (users_t **self_p);

/* The first host id of the pod, whose directory exists; it gets a range when it has none. Returns
   it, or -1 with a fault. */
int64_t users_of_pod (users_t *self, const char *uid, fault_t *fault);

/* The pod and its directory are gone. */
void users_release (users_t *self, const char *uid);
