/* service_env.h - the variables that tell a container of the services around it.
   Source: reference/pod-to-cri.md 5.2 (upstream: pkg/kubelet/envvars). */
#pragma once
#include "cubelet/tree.h"

/* The variables of the services (a list of Service objects, any namespace) that a pod in `ns` is
   told of: those of its namespace when `links` (enableServiceLinks), and always `kubernetes` of
   the namespace default; none for a service without a clusterIP or ports. Appends {key, value} to
   the array `out` made in `tree`, in the order of the services; a name may come twice when
   services have names like each other's variables. */
void service_env (const node_t *services, const char *ns, bool links, tree_t *tree, node_t *out);
