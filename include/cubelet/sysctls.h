/* sysctls.h - kernel parameters of pods: spelling and admission.
   Source: reference/pod-to-cri.md 2 and 7.2 (upstream: pkg/kubelet/sysctl). */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* The name with dots between its parts: "net/ipv4/conf/eth0.1/x" becomes "net.ipv4.conf.eth0/1.x",
   a name whose first separator is a dot stays. Text in `tree`. */
const char *sysctl_name (const char *name, tree_t *tree);

/* CRI LinuxPodSandboxConfig.sysctls: a map in `tree`. */
node_t pod_sysctls (const pod_t *pod, tree_t *tree);

/* Admission: 0, or -1 with FAULT_DENIED and the message of the reason SysctlForbidden,
   `forbidden sysctl: "NAME" not allowlisted` or
   `forbidden sysctl: "NAME" not allowed with host net enabled`. */
int sysctls_admit (const pod_t *pod, const node_facts_t *facts, fault_t *fault);
