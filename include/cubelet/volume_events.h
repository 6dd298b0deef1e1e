/* volume_events.h - what Events say of volumes.
   Source: reference/probes-hooks-events.md 11; Kubernetes documentation, "Configure a Security
   Context" (volume permission and ownership change). */
#pragma once
#include <stdint.h>

/* The reason of the event for a set-up that has failed with this text. */
const char *volume_fault_reason (const char *text);

/* When the first event of a change of ownership under way comes, and the further ones. */
#define VOLUME_OWNERSHIP_FIRST_MS 30000
#define VOLUME_OWNERSHIP_NEXT_MS 60000
#define VOLUME_OWNERSHIP_REASON "VolumePermissionChangeInProgress"

/* The message of such an event: the first when `files`, the number of those done, is negative. Of
   the path it shows what begins with the pod's uid. Owned. */
char *volume_ownership_text (const char *path, const char *pod_uid, int64_t files);
