/* claim.c - persistentVolumeClaim and ephemeral: whatever the claim's PersistentVolume is. */
#include "cubelet/volume_claim.h"
#include "volume_plugin.h"

/* What containers use already stays as it is, unless its plugin wants to look at it again. */
static int
leave (volume_job_t *job)
{
    job->is_unchanged = true;
    return 0;
}

int
claim_setup (volume_job_t *job, fault_t *fault)
{
    claimed_volume_t found;
    fault_t why = { 0 };
    if (claim_resolve (job->pod, job->volume, job->objects, job->wants_block, job->tree, &found,
                       &why)
        < 0) {
        if (job->is_refresh)
            return leave (job); // a claim that is being deleted, say, waits for its pods
        job->step = NULL;
        *fault = why;
        return -1;
    }
    job->name = found.pv_name;
    job->pv = found.pv;
    job->claim = found.claim;
    job->is_claim_read_only = found.is_read_only;
    const volume_plugin_t *plugin = volume_plugin_find (found.source, true, &job->source, fault);
    if (!plugin)
        return -1;
    job->plugin = plugin;
    if (job->is_refresh && !plugin->refreshes)
        return leave (job);
    return volume_plugin_run (plugin, job, fault);
}
