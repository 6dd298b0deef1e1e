/* pod_sync_span.h - when a pod's status may be shown.

   Upstream's pod worker is serial: it computes the status at the start of a sync, and what the
   sync does (sandbox, images, containers one after the other, a kill and the restart after it)
   shows only in the status of the next one. Reporting more would tell users of states that no
   upstream node ever shows, such as a pod with a sandbox whose containers nobody is starting. */
#pragma once
#include "cubelet/pod_local.h"
#include "cubelet/pod_seen.h"

/* True while something that belongs to one sync is under way: a sandbox or container is being
   started, or an instance was stopped to be started again and its successor is not there. */
bool pod_sync_is_open (const pod_t *pod, const pod_seen_t *seen, const pod_local_t *local);
