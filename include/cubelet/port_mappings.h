/* port_mappings.h - the ports of a pod as the sandbox is told of them.
   Source: reference/pod-to-cri.md 2.3. */
#pragma once
#include "cubelet/pod.h"

/* An array of CRI PortMapping {protocol, container_port, host_port, host_ip} in `tree`: the ports
   of the regular containers, doubles within one container left out. */
node_t port_mappings (const pod_t *pod, tree_t *tree);
