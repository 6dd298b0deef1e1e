/* counts.c - what /metrics says of a worker: kubelet_pod_worker_duration_seconds, started sandboxes
   and containers, and how long images took (for the start's SLI).

   Upstream's worker is in one sync at a time, from the manager's word to its end. Here a sync is
   under way from POD_SYNC until nothing of it is open any more (pod_sync_span.h). */
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "worker.h"
#include <string.h>

static const char TERMINATED[] = "terminated";

static void
observe (worker_t *self)
{
    if (self->sync_began_at)
        metric_observe (METRIC_POD_WORKER_DURATION_SECONDS,
                        (double) (clock_now_ns() - self->sync_began_at) / NS_PER_S,
                        LABELS (self->sync_kind));
    self->sync_began_at = 0;
}

void
count_sync (worker_t *self, bool is_first, bool is_changed)
{
    if (self->sync_began_at || self->sync_kind == TERMINATED)
        return;
    self->sync_began_at = clock_now_ns();
    self->sync_kind = is_first ? "create" : is_changed ? "update" : "sync";
}

/* The cgroup and the volumes belong to the first one. */
void
count_sync_end (worker_t *self)
{
    if (self->local->is_prepared && self->sync_kind != TERMINATED)
        observe (self);
}

void
count_ending (worker_t *self)
{
    if (self->sync_kind != TERMINATED)
        self->sync_began_at = clock_now_ns();
    self->sync_kind = TERMINATED;
}

void
count_end (worker_t *self)
{
    observe (self);
}

void
count_image_asked (worker_t *self)
{
    if (!self->pulls_began_at)
        self->pulls_began_at = clock_now_ns();
}

void
count_image (worker_t *self, bool is_pulled)
{
    if (is_pulled)
        self->pulled_at = clock_now_ns();
    else if (!self->pulled_at)
        self->pulls_began_at = 0; // it was there: nothing has been pulled yet
}

// ---- sandboxes and containers ----

void
count_sandbox_begin (worker_t *self, const char *handler)
{
    opt_bool_t host_users = self->pod.spec.host_users;
    self->sandbox_began_ms = clock_monotonic_ms();
    text_replace (&self->sandbox_handler, "%s", handler ? handler : "");
    metric_count (METRIC_STARTED_PODS_TOTAL, NO_LABELS);
    if (host_users.set && !host_users.value)
        metric_count (METRIC_STARTED_USER_NAMESPACED_PODS_TOTAL, NO_LABELS);
}

void
count_sandbox_call (const worker_t *self, bool has_failed)
{
    metric_observe (METRIC_RUN_PODSANDBOX_DURATION_SECONDS,
                    (double) (clock_monotonic_ms() - self->sandbox_began_ms) / 1000,
                    LABELS (self->sandbox_handler));
    if (has_failed)
        metric_count (METRIC_RUN_PODSANDBOX_ERRORS_TOTAL, LABELS (self->sandbox_handler));
}

void
count_sandbox_failed (const worker_t *self)
{
    opt_bool_t host_users = self->pod.spec.host_users;
    metric_count (METRIC_STARTED_PODS_ERRORS_TOTAL, NO_LABELS);
    if (host_users.set && !host_users.value)
        metric_count (METRIC_STARTED_USER_NAMESPACED_PODS_ERRORS_TOTAL, NO_LABELS);
}

void
count_container (const worker_t *self, const char *name, const char *failure)
{
    static const char *const TYPES[] = { [CONTAINER_REGULAR] = "container",
                                         [CONTAINER_INIT] = "init_container",
                                         [CONTAINER_SIDECAR] = "init_container",
                                         [CONTAINER_EPHEMERAL] = "ephemeral_container" };
    const container_t *container = pod_container (&self->pod, name);
    const char *type = TYPES[container ? container->kind : CONTAINER_REGULAR];
    if (failure)
        metric_count (METRIC_STARTED_CONTAINERS_ERRORS_TOTAL, LABELS (failure, type));
    if (!failure || strcmp (failure, "PostStartHookError") != 0) // it has counted as started
        metric_count (METRIC_STARTED_CONTAINERS_TOTAL, LABELS (type));
}
