/* group.c - gives a volume that others made to its pod's group, a bit at a time. */
#include "ownership.h"
#include "volume_plugin.h"

/* How long giving a volume to a group keeps other messages waiting. */
#define OWNERSHIP_SLICE_MS 10

static void
destroy_ownership (void **work_p)
{
    ownership_destroy ((ownership_t **) work_p);
}

static void
continue_ownership (void *state, void *context)
{
    (void) state;
    volume_job_t *job = context;
    if (ownership_step (job->work, OWNERSHIP_SLICE_MS))
        volume_job_ended (job, NULL);
    else
        actor_timer (job->host->actor, 0, continue_ownership, job);
}

int
volume_give_to_group (volume_job_t *job, fault_t *fault)
{
    const pod_security_context_t *security = &job->pod->spec.security_context;
    if (!security->fs_group.set || job->is_refresh || job->is_claim_read_only)
        return 0;
    ownership_t *work = ownership_new (job->host_path, security->fs_group.value, false,
                                       security->fs_group_change_policy, fault);
    if (!work)
        return fault->code ? -1 : 0;
    if (ownership_step (work, OWNERSHIP_SLICE_MS)) {
        ownership_destroy (&work);
        return 0;
    }
    job->work = work;
    job->destroy_work = destroy_ownership;
    actor_timer (job->host->actor, 0, continue_ownership, job);
    return VOLUME_PENDING;
}
