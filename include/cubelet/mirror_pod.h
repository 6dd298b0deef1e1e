/* mirror_pod.h - the API object that stands for a static pod.
   Source: reference/pod-lifecycle.md 3.2; samples/mirror-pod.json. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>

#define ANNOTATION_CONFIG_HASH "kubernetes.io/config.hash"
#define ANNOTATION_CONFIG_MIRROR "kubernetes.io/config.mirror"

/* The Pod to create for a static pod: the same, with the hash as an annotation and the node, whose
   API object has this UID, as its owner. A map in `tree`. */
node_t
mirror_pod (tree_t *tree, const node_t *static_pod, const char *node_name, const char *node_uid);

/* True when `mirror` stands for this very static pod: same name, namespace and hash. */
bool mirror_pod_is_of (const node_t *mirror, const node_t *static_pod);
