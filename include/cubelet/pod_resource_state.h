/* pod_resource_state.h - the files allocated_pods_state and actuated_pods_state: what pods have
   been promised, and what their containers have got, over restarts of the agent. Upstream 1.34's
   form, so that either may follow the other on a node:

     {"data": "{\"entries\": {UID: {\"ContainerResources\": {NAME: {limits requests}}}}}",
   "checksum"}

   where the checksum is FNV-1a (32 bits) of Go's spelling of the text `data`. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stddef.h>

/* The file's bytes for `pods`, a map UID -> {container: {limits requests}}. Owned text. */
char *pod_resource_state_write (const node_t *pods, size_t *size_p);

/* The same map of a file's bytes; owned. NULL with FAULT_INVALID when it is no such file or its
   checksum is wrong. */
tree_t *pod_resource_state_read (const char *bytes, size_t size, fault_t *fault);
