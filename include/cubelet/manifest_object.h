/* manifest_object.h - ConfigMaps, Secrets and RuntimeClasses that stand beside the pods in a
   standalone node's manifests, where upstream knows nothing but pods.
   Source: Kubernetes API reference (ConfigMap v1, Secret v1, RuntimeClass node.k8s.io/v1) for what
   is valid and what is filled in. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>

/* True when the document says that it is of one of these kinds. */
bool manifest_is_object (const node_t *document);

/* Makes the object, in `tree`, as an API server would serve it: namespace "default" when there is
   none (RuntimeClass has none), stringData of a Secret put into its data, type Opaque. Numbers and
   booleans are no values of a ConfigMap: as in the API they have to be quoted.
   Returns 0, or -1 with FAULT_INVALID, all problems at once: "invalid ConfigMap: data[a b]:
   Invalid value: ...". No value ever stands in a fault. */
int manifest_object_build (tree_t *tree, const node_t *document, node_t *out, fault_t *fault);

/* The row of OBJECT_STATE for `ref` {kind namespace name}, made in `tree`, from the objects of all
   manifests (an array of what manifest_object_build made): {kind namespace name found object?}. */
node_t manifest_object_row (tree_t *tree, const node_t *objects, const node_t *ref);

/* True when both objects are of one kind, namespace and name. */
bool manifest_object_is_same (const node_t *a, const node_t *b);
