/* pleg.h - what changed between two listings of the runtime (after the kubelet's Pod Lifecycle
   Event Generator): pods by their uid, compared by the states of their sandboxes and containers. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pleg pleg_t;

/* A pod as it was listed last. */
typedef struct {
    const char *uid;
    const char *ns;
    const char *name;
    const node_t *sandboxes;  // list of CRI PodSandbox maps, newest first; empty when it is gone
    const node_t *containers; // list of CRI Container maps, newest first
    bool is_orphan;           // as pleg_set_orphan said
} pleg_pod_t;

/* Told of a pod; borrowed for the call, which must not change the pleg. */
typedef void pleg_pod_fn (void *context, const pleg_pod_t *pod);

/* Knows no pod. Owned. */
pleg_t *pleg_new (void);
void pleg_destroy (pleg_t **self_p);

/* Takes a listing (the `items` of ListPodSandbox, the `containers` of ListContainers; made with
   both requests sent at `listed_at`, ns) and calls `changed` for each pod whose sandboxes or
   containers came, went or changed their state; then forgets the pods that are gone. Entries
   without a pod's uid, name or namespace are not ours and left out. Returns how many changed. */
size_t pleg_take (pleg_t *self, const node_t *sandboxes, const node_t *containers,
                  int64_t listed_at, pleg_pod_fn *changed, void *context);

/* When the last listing was made, ns; 0: there was none. */
int64_t pleg_listed_at (const pleg_t *self);

/* Calls `tell` for each pod. */
void pleg_each (pleg_t *self, pleg_pod_fn *tell, void *context);

/* Calls `tell` for one pod; false when the last listing did not have it. */
bool pleg_find (pleg_t *self, const char *uid, pleg_pod_fn *tell, void *context);

/* Notes whether a pod has nobody to look after it; unknown ones do nothing. */
void pleg_set_orphan (pleg_t *self, const char *uid, bool is_orphan);

/* The next listing counts every pod in it as changed. */
void pleg_renew (pleg_t *self);

// ---- events that a listing has to confirm ----

/* How often a listing may fail to show an announced event before it is given up. */
#define PLEG_TRIES_MAX 10

/* An event announced that `container_id` (or the sandbox of that id) is now as `kind` says:
   "started", "stopped" or "deleted"; other kinds need no confirmation. The runtime's listing may
   lag behind: containerd handles the same event itself. */
void pleg_expect (pleg_t *self, const char *container_id, const char *kind);

/* After pleg_take: in how many milliseconds to list again because something announced does not show
   yet (20, 40, ... 1000); -1: nothing is missing. */
int64_t pleg_retry_ms (const pleg_t *self);
