/* pod_sync_span.h - when a pod's status may be shown.

   Upstream's pod worker is serial: it computes the status at the start of a sync, and what the
   sync does (sandbox, images, containers one after the other, a kill and what follows it) shows
   only in the status of the next one. Reporting more would tell users of states that no upstream
   node ever shows, such as a pod with a sandbox whose containers nobody is starting. */
#pragma once
#include "cubelet/pod_local.h"
#include "cubelet/pod_seen.h"
#include "cubelet/tree.h"

/* Containers that are likely to end at once (restarted ones, init containers, those of a pod that
   is not to run forever) are shown as running after this long only: a crash loop would otherwise
   turn Ready for a few milliseconds at every restart. Upstream looks once a second. */
#define RUN_SETTLES_MS 250

/* True while something that belongs to one sync is under way: a sandbox or container is being
   started; an instance was stopped to be started again and its successor is not there; one whose
   postStart hook failed still runs; the pod is being killed and its sandbox is still there (unless
   stopping it has failed). */
bool pod_sync_is_open (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local);

/* The ns time at which the youngest such container has settled; 0 when all have by `now`. */
int64_t pod_sync_settles_at (const pod_t *pod, const pod_seen_t *seen, int64_t now);

/* What shows at once even so: probes' results. Upstream's prober changes the status that was shown
   last, beside the worker. Returns `shown` with the `ready` and `started` that the same running
   containers have in `current`, and with its conditions Ready and ContainersReady; owned. NULL when
   that changes nothing, or when Ready would become True before every container shows as ready. */
tree_t *pod_sync_readiness (const node_t *shown, const node_t *current);
