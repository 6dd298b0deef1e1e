/* object_reference.h - what an Event is about: ObjectReferences (core/v1) to pods, to containers in
   them, and to this node.
   Source: reference/probes-hooks-events.md 11; "involvedObject" in the recordings. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>

/* A reference to `pod` (a Pod object), made in `tree`: {kind apiVersion namespace name uid
   resourceVersion fieldPath}, fields without a value left out. `container` (NULL: the pod itself)
   gives the fieldPath "spec.containers{NAME}", with initContainers and ephemeralContainers for
   the other kinds. A container that the pod does not have gives "implicitly required container
   NAME", whose events are not recorded (object_reference_is_implicit). */
node_t object_reference_pod (tree_t *tree, const node_t *pod, const char *container);

/* A reference to the node of that name: {kind name uid}, its name also as the uid. */
node_t object_reference_node (tree_t *tree, const char *node_name);

/* True for a reference to a container that is not in its pod's spec. */
bool object_reference_is_implicit (const node_t *reference);
