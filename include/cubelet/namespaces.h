/* namespaces.h - which Linux namespaces a pod's containers share, and with whom.
   Source: reference/pod-to-cri.md 2.5. */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* CRI NamespaceOption of the pod's sandbox and of its containers. `target_id` is the id of the
   container whose processes an ephemeral container wants to see (NULL: none).
   `pod_facts` may be NULL when the pod does not ask for a user namespace.
   Returns 0 and a map in `tree`, or -1 with FAULT_INVALID for hostUsers: false when the runtime's
   handler does not support it, or no ids were given. */
int namespace_options (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
                       const char *target_id, tree_t *tree, node_t *out, fault_t *fault);

/* True when the runtime handler (NULL: the default one) has the feature, a field name of CRI
   RuntimeHandlerFeatures. Unknown handlers have none. */
bool runtime_handler_has (const node_facts_t *facts, const char *handler, const char *feature);
