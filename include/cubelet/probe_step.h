/* probe_step.h - when a container is probed, and what a row of results means.
   Source: reference/probes-hooks-events.md 2 (upstream: pkg/kubelet/prober/worker.go).

   One state per (container, kind of probe). At each tick: probe_step_tick says whether to run the
   probe; its result goes to probe_step_result. What either publishes is told to the pod's worker.
   Upstream publishes an initial value for each new container (liveness Success, readiness Failure,
   startup Unknown); here these are what the worker assumes as long as it is told nothing, so that
   a restart of the probe manager changes nothing. */
#pragma once
#include "cubelet/pod.h"
#include <stdbool.h>
#include <stdint.h>

/* In the order in which upstream creates a container's probes. */
typedef enum { PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS, PROBE_KIND_COUNT } probe_kind_t;

typedef enum { PROBE_UNKNOWN, PROBE_SUCCESS, PROBE_FAILURE, PROBE_RESULT_COUNT } probe_result_t;

/* "startup", "readiness", "liveness", as MSG_PROBE_RESULT and metrics have it; static. */
const char *probe_kind_name (probe_kind_t kind);

/* "Startup", ...: how events begin; static. */
const char *probe_kind_title (probe_kind_t kind);

/* "unknown", "success", "failure"; static. */
const char *probe_result_name (probe_result_t result);

/* The container's probe of that kind, or NULL. */
const probe_t *probe_of_container (const container_t *container, probe_kind_t kind);

/* What is known of the container at a tick. */
typedef struct {
    int64_t started_at; // ns since 1970
    bool is_running;
    bool is_started;      // its startup probe succeeded, or it has none
    bool is_pod_ending;   // the pod is being deleted or otherwise terminated
    bool may_start_again; // the restart policy is not Never, or it is a sidecar
} probe_sight_t;

/* Zeroed: a container that was never probed. */
typedef struct {
    probe_result_t published; // UNKNOWN: nothing yet
    probe_result_t last;      // of the last attempt
    int64_t run;              // attempts in a row that ended so
    bool is_on_hold;          // until the container is another
    bool is_over;             // for good, unless the container is another
} probe_state_t;

/* True when the probe is to be run now. May publish a result without an attempt, and end the
   probe (`is_over`). `now` is ns since 1970. */
bool probe_step_tick (probe_kind_t kind, const probe_t *probe, const probe_sight_t *sight,
                      int64_t now, probe_state_t *state);

/* Takes the result of an attempt, SUCCESS or FAILURE; internal errors are not results. */
void probe_step_result (probe_kind_t kind, const probe_t *probe, probe_result_t result,
                        probe_state_t *state);

// ---- when ----

/* What the first tick depends on. */
typedef struct {
    int64_t period_ms;
    int64_t container_age_ms; // since it started
    int64_t pod_age_ms;       // since the pod was first seen; less than 0: unknown
    int64_t prober_age_ms;    // since the probe manager started
    double random;            // 0 to 1, 1 excluded
} probe_birth_t;

/* Milliseconds until the first tick; the others follow every period.
   Upstream's ticks begin with the first sync of the pod, before its containers are there, and go
   on over their restarts: so a new container meets them in that phase. One that runs for longer
   than a period was there before the prober: it is probed at once, or, when the prober itself is
   younger than a period, after a random part of it. */
int64_t probe_first_wait_ms (const probe_birth_t *birth);

/* Readiness only: a container that has just begun to be probed is tried at once, and again after
   growing waits until upstream would have tried it first, about 1.5 s after its start. These
   early attempts make it ready sooner ("may be executed at times other than the configured
   periodSeconds", Kubernetes documentation); their failures are not counted and not told, since
   upstream does not make them. `attempts` were made so far; `is_costly` probes (exec) are tried
   just once.
   Returns the wait before the next attempt; *is_early_p is false for the one that ends them: it
   counts, and the period begins there. */
int64_t
probe_early_wait_ms (unsigned attempts, bool is_costly, int64_t period_ms, bool *is_early_p);

/* Milliseconds until initialDelaySeconds are over; 0 when they are. */
int64_t probe_delay_left_ms (const probe_t *probe, int64_t started_at, int64_t now);
