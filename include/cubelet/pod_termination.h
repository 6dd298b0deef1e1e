/* pod_termination.h - how long a pod and its containers get to stop, and in which order.
   Source: reference/pod-lifecycle.md 5 (effective grace period) and 8 (killing). */
#pragma once
#include "cubelet/pod.h"
#include "cubelet/pod_local.h"
#include "cubelet/pod_seen.h"
#include <stdbool.h>
#include <stdint.h>

/* Every container gets at least this long, whatever was asked. Seconds. */
#define TERMINATION_GRACE_MIN_S 2

/* Why a container is killed; it decides whose grace period counts. */
typedef enum { KILL_POD, KILL_LIVENESS, KILL_STARTUP, KILL_OTHER } kill_reason_t;

/* True when the pod is to be stopped: it is being deleted, the worker was asked to, its status
   (the last one computed, or the API's) is in a terminal phase, or it has been before. */
bool pod_is_terminating (const pod_t *pod, const pod_local_t *local, const node_t *status);

/* The effective grace period in whole seconds: the smaller of deletionGracePeriodSeconds and the
   asked grace; the spec's when neither is set; at least 1. */
int64_t pod_termination_grace (const pod_t *pod, opt_int_t asked);

/* The grace period in seconds of one container, before preStop. `override` wins when set. */
int64_t container_termination_grace (const pod_t *pod, const container_t *container,
                                     kill_reason_t reason, opt_int_t override);

/* True when no container that has to end before this one is still running: a sidecar waits for
   the regular containers and the sidecars behind it, others for nobody. */
bool container_termination_has_turn (const pod_t *pod, const container_t *container,
                                     const pod_seen_t *seen);

/* The ns time at which the pod exceeds activeDeadlineSeconds; 0 when it has none or did not
   start. `started_at` is status.startTime in ns (0: not started). */
int64_t pod_deadline (const pod_t *pod, int64_t started_at);
