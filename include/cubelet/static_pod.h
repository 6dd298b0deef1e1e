/* static_pod.h - from a document in a manifest file to a pod of this node.
   Source: reference/pod-lifecycle.md 3.1; the "pod" of the standalone recordings. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/pod.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *node_name;
    const char *source;        // "file" or "http": annotation kubernetes.io/config.source
    const char *location;      // the file's path or the URL; goes into the uid
    int64_t seen_ns;           // since 1970: annotation kubernetes.io/config.seen
    bool allow_api_references; // ConfigMaps and Secrets may be named: something else provides them
} static_pod_options_t;

/* Makes the pod that `document` asks for, in `tree`: defaults (pod_defaults.h), name suffix
   "-NODE" in lower case, namespace "default", uid, node name, the config annotations, for files
   the toleration of every NoExecute taint, phase Pending. kind and apiVersion are left out, as in
   the items of a list; so is what only an API server sets (resourceVersion, creationTimestamp,
   deletionTimestamp ... and status).
   The uid is the given one, else 32 hex digits: MD5 over "host:NODE", "file:PATH" (or "url:URL")
   and the document with sorted keys. So it changes with the content, not with comments or
   layout. It is not the number upstream would compute, whose hash goes over Go's own dump.
   Returns 0, or -1 with FAULT_INVALID: not a v1 Pod, invalid (pod_validate.h), an API reference. */
int static_pod_build (tree_t *tree, const node_t *document, const static_pod_options_t *options,
                      node_t *pod, fault_t *fault);

/* What an API server would have to provide for this pod: "serviceaccounts", "secrets",
   "configmaps", "resourceclaims", "persistentvolumeclaims" and the like, as in upstream's `static
   pods may not reference secrets`; NULL when nothing. `allow_config`: ConfigMaps and Secrets do
   not count. Static text. */
const char *pod_api_reference (const pod_t *pod, bool allow_config);
