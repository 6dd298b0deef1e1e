/* pod_status_phase.c - the phase (reference/pod-lifecycle.md 10.2). */
#include "cubelet/restart_policy.h"
#include "pod_status_internal.h"
#include <string.h>

typedef struct {
    int init_pending;                                  // regular init containers not done
    int init_failed;                                   // ... that ended with an error
    int sidecar_pending;                               // not started yet
    int unknown, running, waiting, stopped, succeeded; // regular containers and sidecars
} count_t;

/* How a regular init container stands: its end, or the one before a wait. */
static void
count_init (count_t *count, const row_t *row)
{
    const node_t *end = state_is (&row->state, "terminated");
    if (!end && state_is (&row->state, "waiting"))
        end = state_is (&row->last_state, "terminated");
    if (!end)
        count->init_pending++;
    else if (node_get_int (end, "exitCode", 0) != 0)
        count->init_failed++;
}

/* An ended sidecar does not influence the phase. */
static void
count_sidecar (count_t *count, const row_t *row)
{
    if (state_is (&row->state, "running")) {
        count->running++;
        count->sidecar_pending += !row->is_started;
    }
    else if (state_is (&row->state, "waiting")) {
        if (state_is (&row->last_state, "terminated"))
            return;
        count->sidecar_pending++;
        count->waiting++;
    }
    else if (!state_is (&row->state, "terminated")) {
        count->sidecar_pending++;
        count->unknown++;
    }
}

static void
count_regular (count_t *count, const row_t *row)
{
    const node_t *end = state_is (&row->state, "terminated");
    if (state_is (&row->state, "running"))
        count->running++;
    else if (end) {
        count->stopped++;
        count->succeeded += node_get_int (end, "exitCode", 0) == 0;
    }
    else if (!state_is (&row->state, "waiting"))
        count->unknown++;
    else if (state_is (&row->last_state, "terminated"))
        count->stopped++;
    else
        count->waiting++;
}

/* None runs and at least one has run. */
static const char *
phase_of_stopped (const builder_t *self, const count_t *count)
{
    const char *policy = self->pod->spec.restart_policy;
    bool has_succeeded = count->stopped == count->succeeded;
    if (status_is_over (self) && !pod_is_static (self->pod))
        return has_succeeded ? "Succeeded" : "Failed";
    if (!policy || strcmp (policy, "Always") == 0)
        return "Running"; // about to be restarted
    if (has_succeeded)
        return "Succeeded";
    return strcmp (policy, "Never") == 0 ? "Failed" : "Running";
}

const char *
status_phase (const builder_t *self)
{
    const char *policy = self->pod->spec.restart_policy;
    count_t count = { 0 };
    for (size_t i = 0; i < self->row_count; i++)
        switch (self->rows[i].container->kind) {
        case CONTAINER_INIT: count_init (&count, &self->rows[i]); break;
        case CONTAINER_SIDECAR: count_sidecar (&count, &self->rows[i]); break;
        case CONTAINER_REGULAR: count_regular (&count, &self->rows[i]); break;
        case CONTAINER_EPHEMERAL: break;
        }
    if (count.init_failed && policy && strcmp (policy, "Never") == 0)
        return "Failed";
    if (count.init_pending || count.init_failed)
        return "Pending";
    if (count.sidecar_pending && !status_any_regular_started (self))
        return "Pending";
    if (count.waiting || count.unknown)
        return "Pending";
    if (count.running)
        return "Running";
    return count.stopped ? phase_of_stopped (self, &count) : "Pending";
}
