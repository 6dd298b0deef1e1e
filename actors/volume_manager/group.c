/* group.c - gives a volume that others made to its pod's group, a bit at a time, and tells of it
   when that takes long. */
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/volume_events.h"
#include "ownership.h"
#include "volume_plugin.h"

/* How long giving a volume to a group keeps other messages waiting. */
#define OWNERSHIP_SLICE_MS 10

typedef struct {
    ownership_t *ownership;
    int64_t tell_at_ms; // monotonic; the next event
    bool is_told;       // there was one
} group_work_t;

static void
destroy_work (void **work_p)
{
    group_work_t *self = *work_p;
    ownership_destroy (&self->ownership);
    free (self);
    *work_p = NULL;
}

static void
tell (volume_job_t *job)
{
    group_work_t *work = job->work;
    int64_t now = clock_monotonic_ms();
    if (now < work->tell_at_ms)
        return;
    int64_t files = work->is_told ? ownership_count (work->ownership) : -1;
    OWNED (free_text)
    char *text = volume_ownership_text (job->host_path, job->pod->metadata.uid, files);
    volume_job_event (job, "Warning", VOLUME_OWNERSHIP_REASON, text);
    work->is_told = true;
    work->tell_at_ms = now + job->host->ownership_next_ms;
}

static void
continue_ownership (void *state, void *context)
{
    (void) state;
    volume_job_t *job = context;
    group_work_t *work = job->work;
    if (ownership_step (work->ownership, OWNERSHIP_SLICE_MS)) {
        volume_job_ended (job, NULL);
        return;
    }
    tell (job);
    actor_timer (job->host->actor, 0, continue_ownership, job);
}

int
volume_give_to_group (volume_job_t *job, fault_t *fault)
{
    const pod_security_context_t *security = &job->pod->spec.security_context;
    if (!security->fs_group.set || job->is_refresh || job->is_claim_read_only)
        return 0;
    ownership_t *ownership = ownership_new (job->host_path, security->fs_group.value, false,
                                            security->fs_group_change_policy, fault);
    if (!ownership)
        return fault->code ? -1 : 0;
    if (ownership_step (ownership, OWNERSHIP_SLICE_MS)) {
        ownership_destroy (&ownership);
        return 0;
    }
    group_work_t *work = memory_new (1, sizeof *work);
    work->ownership = ownership;
    work->tell_at_ms = clock_monotonic_ms() + job->host->ownership_first_ms;
    job->work = work;
    job->destroy_work = destroy_work;
    actor_timer (job->host->actor, 0, continue_ownership, job);
    return VOLUME_PENDING;
}
