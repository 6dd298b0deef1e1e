/* pod_names.h - the names and paths that are made from a pod's identity, in one place.
   Source: reference/pod-to-cri.md 1; reference/pod-lifecycle.md 3.1. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Room for an actor's name with its NUL: a ZeroMQ routing id has at most 255 bytes, and 255 is
   also what a file name may have. */
#define ACTOR_NAME_MAX 255

/* "pod-worker/NS_NAME_UID", at most ACTOR_NAME_MAX - 1 bytes: a longer one loses the end of NAME,
   never of the uid, which makes it unique. NULL counts as "". */
void pod_worker_name (const char *ns, const char *name, const char *uid,
                      char out[static ACTOR_NAME_MAX]);

/* The uid in a worker's name: what follows its last "_"; "" when there is none. Borrowed. */
const char *pod_worker_uid (const char *worker_name);

/* "NAME_NS(UID)", as messages name a pod (kubecontainer's format.Pod). Owned text. */
char *pod_full_name (const char *ns, const char *name, const char *uid);

/* "ROOT/NS_NAME_UID", a pod's log directory; `root` is podLogsDir ("/var/log/pods"). Owned. */
char *pod_log_directory (const char *root, const char *ns, const char *name, const char *uid);

/* The uid in a log directory's name (the last path element): after its last "_". Borrowed. */
const char *pod_log_directory_uid (const char *directory);

/* "CONTAINER/RESTARTS.log", what CRI calls log_path: relative to the pod's log directory. Owned. */
char *container_log_path (const char *container, int64_t restarts);

/* "/var/log/containers/POD_NS_CONTAINER-ID.log", the link that log shippers read; `root` is its
   directory. The file name is cut before ".log" to at most 255 bytes in all. Owned. */
char *container_log_link (const char *root, const char *ns, const char *pod, const char *container,
                          const char *container_id);

/* Under the kubelet's root directory ("/var/lib/kubelet"): "ROOT/pods/UID", and in it
   "containers/CONTAINER" (termination logs), "etc-hosts", "volumes", "volume-subpaths". Owned. */
char *pod_directory (const char *root, const char *uid);
char *pod_container_directory (const char *root, const char *uid, const char *container);
char *pod_hosts_path (const char *root, const char *uid);
char *pod_volumes_directory (const char *root, const char *uid);
char *pod_subpaths_directory (const char *root, const char *uid);
