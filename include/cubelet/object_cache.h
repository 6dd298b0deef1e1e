/* object_cache.h - how long what was read of a ConfigMap or Secret counts, by
   configMapAndSecretChangeDetectionStrategy. Pure.
   Source: KubeletConfiguration v1beta1; the kubelet's cache-based and simple object managers. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    DETECT_BY_WATCH, // "Watch": changes are told by the API server
    DETECT_BY_CACHE, // "Cache": read again when a pod is synced and a time has passed
    DETECT_BY_GET,   // "Get": read whenever a pod is synced
} change_detection_t;

/* The strategy of that name; any other text is Watch. */
change_detection_t change_detection_of (const char *strategy);

/* What is known of an object. */
typedef struct {
    bool is_read;    // the API server has answered: the object, or that there is none
    bool is_found;   // ... the object
    int64_t read_ms; // when, monotonic
} object_known_t;

/* True when the object has to be read at a sync of a pod. `is_new`: the pod did not refer to it
   before, so that nothing older than the pod may count. */
bool object_must_be_read (change_detection_t detection, const object_known_t *known, bool is_new,
                          int64_t ttl_ms, int64_t now_ms);

/* True when that may be answered out of the API server's cache (resourceVersion=0): only what is
   known is looked after. */
bool object_may_be_cached (change_detection_t detection, const object_known_t *known, bool is_new);

/* How long a read object counts with Cache: the annotation node.alpha.kubernetes.io/ttl (seconds)
   of this node's Node, else a minute. `node` may be NULL. */
int64_t object_ttl_ms (const node_t *node);

/* True when `read` has an older resourceVersion than `known`, so that it came from a cache that
   lags behind. Versions that are no numbers are not older. Either may be NULL. */
bool object_is_older (const node_t *read, const node_t *known);
