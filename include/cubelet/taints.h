/* taints.h - taints of a node and what a pod tolerates.
   Source: Kubernetes documentation, "Taints and Tolerations". */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>

/* True when one of `tolerations` (spec.tolerations, or NULL) matches the taint {key value effect}:
   no effect or the same one; no key (with Exists) or the same one; Exists, or the same value. */
bool taint_is_tolerated (const node_t *taint, const node_t *tolerations);

/* The first of `taints` (a Node's spec.taints, or NULL) of that effect that nothing tolerates, or
   NULL. */
const node_t *
taint_find_untolerated (const node_t *taints, const node_t *tolerations, const char *effect);
