/* pod_status.h - the status of a pod as the API shows it: fields, order and wording of upstream.
   Source: reference/pod-lifecycle.md 9 and 10; recordings in tests/node/traces. */
#pragma once
#include "cubelet/pod.h"
#include "cubelet/pod_local.h"
#include "cubelet/pod_seen.h"
#include "cubelet/tree.h"

/* What the status says about the node. */
typedef struct {
    const char *runtime_name; // "containerd": the scheme of container ids
    text_list_t host_ips; // InternalIP first, at most one more of the other family; may be empty
    bool has_recursive_read_only; // the runtime handler supports recursive read-only mounts
} pod_status_node_t;

/* Makes the status. `previous` is the one before (from this function, or the API's at first; NULL:
   none): it gives startTime, transition times, what is known of containers the runtime forgot,
   and a terminal phase, which never reverts. Conditions of others are taken from the pod object's
   own status. Returns a tree whose root is the status map; owned by the caller, never NULL. */
tree_t *pod_status (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local,
                    const node_t *previous, const pod_status_node_t *node, int64_t now);

/* The status of a pod that was refused (reference/pod-lifecycle.md 4): phase Failed with this
   reason and "Pod was rejected: MESSAGE". */
tree_t *pod_status_rejected (const pod_t *pod, const node_t *previous, const char *reason,
                             const char *message, int64_t now);

/* True when the phase is Succeeded or Failed. NULL is not. */
bool pod_status_is_terminal (const node_t *status);

/* What goes to the API server while containers may still run (`is_running`): a change to a
   terminal phase is withheld, `api_status` being what the server has (9). Owned. */
tree_t *pod_status_withheld (const node_t *status, const node_t *api_status, bool is_running);
