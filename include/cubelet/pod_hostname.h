/* pod_hostname.h - the name a pod has in its own eyes and in its hosts file.
   Source: reference/pod-to-cri.md 2.1 (upstream: GeneratePodHostNameAndDomain). */
#pragma once
#include "cubelet/pod.h"

typedef struct {
    const char *name;   // at most 63 characters
    const char *domain; // "SUBDOMAIN.NS.svc.CLUSTERDOMAIN", or ""
} pod_hostname_t;

/* Both in `tree`. `cluster_domain` NULL counts as "". Returns 0, or -1 with FAULT_INVALID when
   hostname or subdomain is no DNS label (`pod Hostname "X" is not a valid DNS label: ...`). */
int pod_hostname (const pod_t *pod, const char *cluster_domain, tree_t *tree, pod_hostname_t *out,
                  fault_t *fault);

/* The name the kernel gets, PodSandboxConfig.hostname: "" for pods on the host's network, else
   the name, with the domain when setHostnameAsFQDN asks for it. FAULT_INVALID also when that is
   longer than 64 characters. */
int pod_kernel_hostname (const pod_t *pod, const char *cluster_domain, tree_t *tree,
                         const char **out, fault_t *fault);
