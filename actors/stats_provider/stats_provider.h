/* stats_provider.h - what the files of this actor share. Private to actors/stats_provider/.

     stats_provider.c  the class: who asked for what, the cache
     collection.c      one round of asking the runtime and measuring disks, ends in a summary_t
     build.h, build*.c the numbers of nodes, pods and containers, from cgroups and /proc
     disks.c           what volumes and logs take, measured in slices and remembered
     pages.h, page_*.c the pages of metrics */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/cgroup_read.h"
#include "cubelet/disk_walk.h"
#include "cubelet/node_facts.h"
#include "cubelet/stats_summary.h"
#include <czmq.h>

typedef struct disks disks_t;
typedef struct cache cache_t;

typedef struct {
    actor_t *actor;
    tree_t *args; // texts below are borrowed from it
    node_facts_t facts;
    cgroup_place_t cgroups;
    const char *proc;      // "/proc"
    bool has_csi;          // there is a csi-manager
    int64_t volume_age_ms; // volumeStatsAggPeriod
    int64_t allocatable_memory;
    zhashx_t *samples; // by group: the last reading of its CPU counter (build_use.c)
    disks_t *disks;
    zlistx_t *collections; // collection_t under way
    zlistx_t *crowds;      // crowd_t: who waits for them
    cache_t *cache;        // the last one
} provider_t;

// ---- disks.c ----

/* What is known of a directory: its use, and of the file system below it. */
typedef struct {
    disk_usage_t usage;
    int64_t at_ms; // monotonic; when it was measured
} disk_fact_t;

disks_t *disks_new (actor_t *actor);
void disks_destroy (disks_t **self_p);

/* Has a directory measured unless that was done at most `max_age_ms` ago. */
void disks_want (disks_t *self, const char *path, int64_t max_age_ms);

/* Calls when nothing is being measured any more, perhaps at once. */
typedef void disks_done_fn (void *context);
void disks_wait (disks_t *self, disks_done_fn *done, void *context);

/* Forgets who waits with that context. */
void disks_forget (disks_t *self, const void *context);

/* NULL: not measured (yet). Borrowed until the next call. */
const disk_fact_t *disks_look (disks_t *self, const char *path);

// ---- collection.c ----

/* What is wanted of a collection. */
typedef struct {
    bool has_disks;         // volumes, logs, root file systems
    bool has_stats;         // the runtime's own numbers of containers
    cgroup_detail_t detail; // of cgroups
    bool has_agent;         // what the agent knows of itself: pods, actors, messages
    int64_t max_age_ms;     // of measured volumes; below 0: they are not measured
    const node_t *only;     // UIDs of pods, or NULL: all
} collect_t;

typedef struct collection collection_t;

/* What one has found. Texts and lists live in its tree. */
typedef struct {
    summary_t summary;
    bool is_complete;         // nothing failed
    const node_t *pod_list;   // pod.list's items, or NULL
    const node_t *containers; // CRI Containers of all states
    const node_t *sandboxes;  // CRI PodSandboxes of all states
    const node_t *stats;      // CRI ContainerStats, or NULL
    const node_t *image_fs;   // CRI ImageFsInfoResponse, or NULL
    const node_t *volumes;    // volume.list's, or NULL
    const node_t *actors;     // actor.list's, or NULL
    const node_t *messages;   // bus.stats', or NULL
    const node_t *drivers;    // csi.stats', or NULL: what drivers say of their volumes
    collect_t wanted;
} collected_t;

/* Takes the result, or the fault. `collected` lives until it returns; *tree_p may be taken. */
typedef void collect_done_fn (provider_t *provider, const collected_t *collected, tree_t **tree_p,
                              const fault_t *fault, void *context);

/* Begins; `done` is called once, later. `wanted->only` is copied. */
void collect (provider_t *provider, const collect_t *wanted, collect_done_fn *done, void *context);

/* Ends one without calling anybody. */
void collection_destroy (void **self_p);

// ---- build.c ----

/* Which volumes, logs and the like of the pods have to be measured. */
void build_want (provider_t *provider, const collected_t *collected);

/* Fills collected->summary from everything else of it and the machine. */
void build_summary (provider_t *provider, collected_t *collected, tree_t *tree);
