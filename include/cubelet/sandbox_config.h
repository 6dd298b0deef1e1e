/* sandbox_config.h - the PodSandboxConfig of a pod (reference/pod-to-cri.md 2). */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* CRI PodSandboxConfig, as it goes with RunPodSandbox, CreateContainer and PullImage. `attempt`
   counts the sandboxes of the pod from 0. `pod_facts` may be NULL. Events the configuration wants
   recorded are appended to `events` as by dns_config (NULL: not wanted; only the first sandbox
   configuration of a sync needs them).
   Returns 0 and a map in `tree`, or -1 with a fault whose text goes behind
   "Failed to create pod sandbox: ". */
int sandbox_config (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
                    uint32_t attempt, tree_t *tree, node_t *out, node_t *events, fault_t *fault);
