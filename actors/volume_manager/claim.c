/* claim.c - persistentVolumeClaim and ephemeral: whatever the claim's PersistentVolume is. */
#include "cubelet/volume_claim.h"
#include "volume_plugin.h"

int
claim_setup (volume_job_t *job, fault_t *fault)
{
    claimed_volume_t found;
    if (claim_resolve (job->pod, job->volume, job->objects, job->wants_block, job->tree, &found,
                       fault)
        < 0) {
        job->step = NULL;
        return -1;
    }
    job->name = found.pv_name;
    job->pv = found.pv;
    job->is_claim_read_only = found.is_read_only;
    const volume_plugin_t *plugin = volume_plugin_find (found.source, true, &job->source, fault);
    return plugin ? volume_plugin_run (plugin, job, fault) : -1;
}
