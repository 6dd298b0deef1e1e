/* node_shutdown.h - graceful shutdown of the node: how long it may take, and which pods end when,
   with how much time. Source: KEP-2000 (shutdownGracePeriod, shutdownGracePeriodCriticalPods),
   KEP-2712 (shutdownGracePeriodByPodPriority). */
#pragma once
#include "cubelet/kubelet_config.h"
#include "cubelet/tree.h"

#define NODE_SHUTDOWN_REASON "Terminated"
#define NODE_SHUTDOWN_MESSAGE "Pod was terminated in response to imminent node shutdown."

/* What the configuration says, a list of {priority grace} in `tree`, by rising priority; `grace`
   is seconds. Without shutdownGracePeriodByPodPriority it is what shutdownGracePeriod means: all
   but the critical pods' part for priority 0, that for 2000000000 (system-cluster-critical). Empty
   when a shutdown waits for nothing: no periods, or the feature gate is off. */
node_t node_shutdown_periods (const kubelet_config_t *config, tree_t *tree);

/* The longest that all that takes, in seconds. */
int64_t node_shutdown_total_s (const node_t *periods);

/* The groups in the order in which they end, a list in `tree`:
     {priority, grace, pods: [{uid namespace name grace}]}
   Pods of GET /pods form. Each pod belongs to the period with the highest priority that is not
   above its own, one below all of them to the lowest; its `grace` is its own
   terminationGracePeriodSeconds when that is shorter than the period's. Pods that are over
   (Succeeded, Failed) are left out, and so are groups without pods: nobody waits for them. */
node_t node_shutdown_plan (const node_t *periods, const node_t *pods, tree_t *tree);

/* The file graceful_node_shutdown_state: {"startTime" "endTime"} as Go writes times. ns since 1970,
   0: not yet. Owned text. */
char *node_shutdown_state_write (int64_t started_ns, int64_t ended_ns);

/* Both times of the file's text, 0 for what is not there. Returns 0, or -1 with FAULT_INVALID. */
int node_shutdown_state_read (const char *text, size_t size, int64_t *started_ns, int64_t *ended_ns,
                              fault_t *fault);
