/* pod_validate.h - refuses what the API server would refuse, for pods that none has seen.
   Source: the API's validation of Pod (pkg/apis/core/validation), Kubernetes 1.34. */
#pragma once
#include "cubelet/pod.h"

/* Checks a pod that has its defaults: names, required fields, enumerations, ports, paths,
   quantities, one source per volume, one kind of handler, references to volumes and containers.
   Not checked, since nothing on a node acts on it: affinity and topology spread constraints.
   Returns 0, or -1 with FAULT_INVALID: one problem as `spec.containers[0].image: Required value`,
   several as `[a, b]`. A value of a wrong type is reported alone, as a decoder would. */
int pod_validate (const pod_t *pod, fault_t *fault);
