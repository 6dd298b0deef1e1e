/* eviction_manager.h - what the files of this actor share. Private to actors/eviction_manager/.

     eviction_manager.c  the class: the loop, pressure, which pods have limits
     observe.c           what is left of memory, disks and pids
     evict.c             doing something about it: reclaim, choose a pod, evict it */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/cgroup_read.h"
#include "cubelet/eviction.h"
#include <czmq.h>

typedef struct {
    actor_t *actor;
    tree_t *args; // texts are borrowed from it
    const char *node_name;
    eviction_threshold_t thresholds[EVICTION_THRESHOLDS_MAX];
    size_t threshold_count;
    eviction_state_t state;
    eviction_observation_t observations[SIGNAL_COUNT];
    int64_t transition_ns; // evictionPressureTransitionPeriod
    int64_t max_grace_s;   // evictionMaxPodGracePeriod

    // ---- where to look ----
    cgroup_place_t cgroups;
    const char *proc;
    const char *root_dir;
    cgroup_driver_t cgroup_driver;
    char *pods_group;           // the cgroup above all pods; NULL: there is none
    int64_t allocatable_memory; // of all pods; 0: not known
    char *image_fs;             // where the runtime keeps images; NULL: it has not said
    char *container_fs;         // where it keeps root file systems; NULL: with the images
    int64_t image_fs_at_ms;     // when it said so
    uint64_t image_fs_request;

    // ---- what others are told ----
    bool has_pressure[PRESSURE_COUNT];
    int64_t told_at_ms;

    // ---- pods with limits of local storage ----
    tree_t *limited;     // their UIDs
    int64_t measured_ms; // monotonic; when the pods' use was asked for
    bool has_new_pods;   // since they were listed
    int64_t listed_at_ms;

    // ---- work under way ----
    uint64_t timer;
    bool is_working;
    int act;              // the threshold it is about; -1: only limits
    tree_t *listed;       // pods, from pod.list
    bool is_after_limits; // the pods are to be ranked, not only looked at for limits
} manager_t;

#define LOOK_MS (10 * 1000)

/* Looks in `delay_ms`, or when it was going to if that is sooner. */
void look_in (manager_t *self, int64_t delay_ms);

// ---- observe.c ----

/* Fills the observations. */
void observe (manager_t *self);

/* True when images have a file system of their own. */
bool has_split_disks (const manager_t *self);

// ---- evict.c ----

/* Does what has to be done: first pods over their limits, then the threshold `act`, at most one pod
   in all. Sets is_working until it is over. */
void begin_work (manager_t *self, int act);
