/* eviction.h - when the node is short of something, and which pod has to go.
   Source: reference/node-and-server.md 6; Kubernetes' documentation, "Node-pressure Eviction".

   Pure: observations, usage and the time are arguments. */
#pragma once
#include "cubelet/pod.h"
#include "cubelet/record.h"

/* In the order in which they are acted on. */
typedef enum {
    SIGNAL_MEMORY,
    SIGNAL_ALLOCATABLE_MEMORY, // of all pods together
    SIGNAL_NODEFS,
    SIGNAL_NODEFS_INODES,
    SIGNAL_IMAGEFS,
    SIGNAL_IMAGEFS_INODES,
    SIGNAL_CONTAINERFS,
    SIGNAL_CONTAINERFS_INODES,
    SIGNAL_PID,
    SIGNAL_COUNT
} eviction_signal_t;

/* The node's conditions. */
typedef enum { PRESSURE_MEMORY, PRESSURE_DISK, PRESSURE_PID, PRESSURE_COUNT } pressure_t;

/* "memory.available"; what it is called as a resource: "memory", "ephemeral-storage", "inodes",
   "pids"; which condition it sets. Static. */
const char *eviction_signal_name (eviction_signal_t signal);
const char *eviction_signal_resource (eviction_signal_t signal);
pressure_t eviction_signal_pressure (eviction_signal_t signal);

// ---- thresholds ----

typedef struct {
    eviction_signal_t signal;
    const char *value;   // "100Mi" or "10%"
    const char *reclaim; // evictionMinimumReclaim; NULL: none
    bool is_soft;
    int64_t grace_ns; // of a soft one: how long it has to be met
} eviction_threshold_t;

#define EVICTION_THRESHOLDS_MAX (2 * SIGNAL_COUNT)

/* What the configuration says; all may be NULL. Checked already (kubelet_config_check). */
typedef struct {
    const node_t *hard, *soft, *soft_grace, *minimum_reclaim; // by signal
    bool with_allocatable; // enforceNodeAllocatable has "pods": their memory is watched as well
} eviction_settings_t;

/* Fills `out` in the order of the signals, soft before hard, and returns how many; texts are
   borrowed from the settings. Values of 0 and of 100% switch a threshold off. What upstream derives
   is left to eviction_step: containerfs is nodefs or imagefs. */
size_t eviction_thresholds (const eviction_settings_t *settings,
                            eviction_threshold_t out[static EVICTION_THRESHOLDS_MAX]);

// ---- one look at the node ----

typedef struct {
    bool is_known;
    int64_t available, capacity;
    int64_t time_ns; // when it was looked at
} eviction_observation_t;

/* Kept between two looks; zeroed at first. Monotonic ns, 0: not. */
typedef struct {
    int64_t met_since[EVICTION_THRESHOLDS_MAX]; // and not resolved since
    int64_t acted_on[EVICTION_THRESHOLDS_MAX];  // time of the observation last acted on
    int64_t pressure_at[PRESSURE_COUNT];        // when it was last seen
} eviction_state_t;

typedef struct {
    bool has_pressure[PRESSURE_COUNT];
    int act; // index of the threshold that something has to be done about; -1: none
} eviction_decision_t;

/* Takes observations (SIGNAL_COUNT of them). A threshold is met while less is available than it
   says, and then until its minimum reclaim is there on top; a soft one is acted on after its grace
   period; nobody acts twice on one observation. Pressure lasts for `transition_ns`
   (evictionPressureTransitionPeriod) after it was last seen. */
void eviction_step (const eviction_threshold_t *thresholds, size_t count,
                    const eviction_observation_t *observations, int64_t transition_ns,
                    int64_t now_ns, eviction_state_t *state, eviction_decision_t *out);

/* True when that much is available again that the threshold is no longer met. */
bool eviction_is_resolved (const eviction_threshold_t *threshold,
                           const eviction_observation_t *observation);

// ---- pods ----

/* A pod with what it uses: `stats` is its entry in a Summary (stats_summary.h), or NULL. */
typedef struct {
    const pod_t *pod;
    const node_t *stats;
    opt_int_t usage; // filled by eviction_rank
    int64_t request;
} eviction_candidate_t;

/* Sorts: the first is to go first. Memory and disks: pods that use more than they request, lower
   priority, larger difference; pids: lower priority, more processes. Pods of which nothing is known
   count as the worst. `is_split`: images have a file system of their own, on which root file
   systems are. */
void eviction_rank (eviction_signal_t signal, bool is_split, eviction_candidate_t *candidates,
                    size_t count);

/* The pod's status message and Evicted event: "The node was low on resource: memory. Threshold
   quantity: 100Mi, available: 88Mi. Container C was using 200Mi, request is 50Mi, has larger
   consumption of memory. " Owned. */
char *
eviction_message (const eviction_threshold_t *threshold, const eviction_observation_t *observation,
                  const eviction_candidate_t *candidate);

/* Seconds that a pod gets: 1 for hard thresholds; for soft ones the smaller of its own and
   evictionMaxPodGracePeriod, at least 1. */
int64_t eviction_grace_s (bool is_soft, int64_t max_grace_s, const pod_t *pod);

/* True when something of the pod has a limit of local storage: an emptyDir, a container, or the pod
   as a whole. */
bool eviction_has_limits (const pod_t *pod);

/* Why the pod has to go for its limits of local storage, or NULL; `stats` as above. *signal_p is
   what metrics call it ("emptydirfs.limit", static). Owned. */
char *eviction_over_limit (const pod_t *pod, const node_t *stats, const char **signal_p);
