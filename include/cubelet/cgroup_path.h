/* cgroup_path.h - where the cgroups of the node, the QoS classes and the pods stand.
   Source: reference/pod-to-cri.md 3.1. */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* "cgroupfs" or "systemd". */
const char *cgroup_driver_name (cgroup_driver_t driver);

/* The driver of that name; cgroupfs for any other text, and for NULL. */
cgroup_driver_t cgroup_driver_of (const char *name);

/* The driver to use, from a MSG_RUNTIME_STATE: what the runtime says of itself (CRI RuntimeConfig)
   wins over the `configured` one (cgroupDriver; upstream's KubeletCgroupDriverFromCRI). Returns
   whether that is known: not before the runtime has been up. */
bool cgroup_driver_choose (const node_t *runtime_state, cgroup_driver_t configured,
                           cgroup_driver_t *out);

/* The path from the root of the cgroup file system, with a slash in front and both drivers' own
   spelling; the same path for directories and for CRI. Owned texts. The node's root holds all pods
   ("/kubepods"), `qos` is "Guaranteed" (the same), "Burstable" or "BestEffort". */
char *cgroup_node_path (const node_facts_t *facts);
char *cgroup_qos_path (const node_facts_t *facts, const char *qos);
char *cgroup_pod_path (const node_facts_t *facts, const char *qos, const char *pod_uid);

/* linux.cgroup_parent of the pod: cgroup_pod_path, or "" when cgroupsPerQOS is off. Owned. */
char *cgroup_parent (const pod_t *pod, const node_facts_t *facts);

/* The path of a cgroup that the configuration names (systemReservedCgroup, kubeReservedCgroup): the
   name itself, with a slash in front; with the systemd driver a slice stands in the slices of its
   name ("a-b.slice" is "/a.slice/a-b.slice"). Owned. */
char *cgroup_named_path (cgroup_driver_t driver, const char *name);

/* The pod's uid in the name of a cgroup (the last element of a path, either driver's spelling:
   "pod<UID>", "kubepods-burstable-pod<UID_>.slice"), or NULL when it is no pod's. For finding
   what is left of pods that are gone. A uid's '-' cannot be told from '_' in systemd names: '-' is
   given back, as uids never hold '_'. Owned. */
char *cgroup_pod_uid (const char *name);
