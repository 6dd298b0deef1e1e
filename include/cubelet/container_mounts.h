/* container_mounts.h - the mounts and block devices of a container.
   Source: reference/pod-to-cri.md 5.3. */
#pragma once
#include "cubelet/container_config.h"

/* The mounts as an array of CRI Mount in `tree`: volumes in declared order, /etc/hosts, the
   termination log. Returns 0, or -1 with FAULT_INVALID whose text is the waiting message
   (`cannot find volume "V" to mount into container "C"`). */
int container_mounts (const pod_t *pod, const container_t *container,
                      const container_inputs_t *inputs, const node_facts_t *facts,
                      const pod_facts_t *pod_facts, tree_t *tree, node_t *out, fault_t *fault);

/* The block volumes as an array of CRI Device. */
int container_devices (const container_t *container, const node_t *volumes, tree_t *tree,
                       node_t *out, fault_t *fault);

/* The sub paths of container_subpaths (), from a finished environment. */
int container_mount_subpaths (const container_t *container, const node_t *volumes,
                              const node_t *environment, tree_t *tree, node_t *out, fault_t *fault);
