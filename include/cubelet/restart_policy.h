/* restart_policy.h - is a container started again after it ended?
   Source: reference/pod-lifecycle.md 6.5: the container's restartPolicyRules, else its own
   restartPolicy, else the pod's; Always when nobody says. */
#pragma once
#include "cubelet/pod.h"
#include <stdbool.h>
#include <stdint.h>

/* After an exit with this code. */
bool restarts_after_exit (const pod_t *pod, const container_t *container, int64_t exit_code);

/* After a failure at all: the policy is not Never. */
bool restarts_on_failure (const pod_t *pod, const container_t *container);
