/* hosts_file.h - the contents of the /etc/hosts that the agent keeps for a pod.
   Source: reference/pod-to-cri.md 5.4. */
#pragma once
#include "cubelet/pod.h"
#include "cubelet/pod_hostname.h"

/* The whole file, owned text. `node_hosts` is the node's own /etc/hosts, used for pods on the
   host's network only (NULL: empty); a NUL in it ends it. */
char *hosts_file (const pod_t *pod, const pod_hostname_t *hostname, text_list_t pod_ips,
                  const char *node_hosts);

/* Whether the container gets that file mounted: it has no mount of its own at /etc/hosts, and
   the pod has an address or is on the host's network (5.3, item 3). */
bool hosts_file_is_mounted (const pod_t *pod, const container_t *container, text_list_t pod_ips);
