/* node_affinity.h - whether a pod may run on a node by its nodeSelector and the required terms of
   its node affinity (the preferred ones are the scheduler's business).
   Source: Kubernetes documentation, "Assigning Pods to Nodes". */
#pragma once
#include "cubelet/pod.h"

/* `node` is a Node object (metadata.name and metadata.labels are read). All of nodeSelector must
   match, and one of the terms; a term is all of its matchExpressions (In NotIn Exists DoesNotExist
   Gt Lt on labels) and matchFields (In NotIn on metadata.name). A term without either, and a list
   without terms, match nothing. */
bool pod_matches_node (const pod_t *pod, const node_t *node);
