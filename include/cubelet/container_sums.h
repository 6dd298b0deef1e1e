/* container_sums.h - what the containers of a pod need together.
   Source: Kubernetes documentation, "Init Containers", resource sharing within containers. */
#pragma once
#include "cubelet/tree.h"

/* The sum of `list` ("requests" or "limits") over a pod spec's containers, per resource: regular
   containers and sidecars run side by side; each init container runs alone with the sidecars
   before it, so the larger of both counts. Returns a map resource -> quantity text in `tree`. */
node_t containers_sum (tree_t *tree, const node_t *spec, const char *list);
