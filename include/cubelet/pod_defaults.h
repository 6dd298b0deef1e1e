/* pod_defaults.h - the defaults the API gives to a Pod, for pods that no API server has seen.
   Source: Kubernetes API reference, "Pod" v1; the "pod" next to "objects" in the recordings. */
#pragma once
#include "cubelet/tree.h"

/* Puts every default into `pod`, a Pod object (a map) made in `tree`: the spec's own fields, each
   container's, probe's, handler's, port's and volume's, requests from limits, host ports on the
   host network. Fields that are given stay; null and, where the API treats it so, "" and 0 count
   as not given. Nulls are taken out, quantities become canonical text ("1000m" is "1", 0.5 is
   "500m"), as a typed client would write them.
   It cannot fail: what has the wrong shape is left alone, for pod_decode and pod_validate to
   refuse. Doing it twice changes nothing. */
void pod_apply_defaults (tree_t *tree, node_t *pod);
