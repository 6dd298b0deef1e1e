/* termination_message.h - what a container left to say (reference/pod-lifecycle.md 1, 10.1). */
#pragma once
#include "cubelet/pod_seen.h"

/* Reads the end of the container's termination message file, at most 4096 bytes and its share of
   12288 for all containers of the pod; when that is empty, the policy is FallbackToLogsOnError
   and it failed, the end of its log (80 lines, 2048 bytes). Owned text, NULL when there is
   nothing. */
char *termination_message_read (const container_seen_t *container, size_t containers_of_pod);
