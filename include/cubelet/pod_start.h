/* pod_start.h - how long a pod took to start, as kubelet_pod_start_sli_duration_seconds and its
   neighbours count it. Source: the metrics' help texts, KEP-3578's definition of the SLI: from the
   pod's creation until all containers are seen running, once with and once without the time that
   images and init containers took. Pure. */
#pragma once
#include "cubelet/tree.h"

typedef struct {
    int64_t total_ns; // from creation
    int64_t sli_ns;   // the same less pulls and init containers; never below 0
} pod_start_t;

/* True when a status says that there are containers and that all of them run. */
bool pod_has_started (const node_t *status);

/* True when it is over, or some container has run: a start that has not been seen from the
   beginning is not counted. */
bool pod_start_is_late (const node_t *status);

/* Measures a pod (an API object with its status) that has started `now_ns` (since 1970); `pulls_ns`
   is how long its images took. False when the object has no creationTimestamp. */
bool pod_start_measure (const node_t *pod, int64_t pulls_ns, int64_t now_ns, pod_start_t *out);
