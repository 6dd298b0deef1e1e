/* csi.c - volumes of CSI drivers: the csi-manager mounts them (MSG_CSI_MOUNT); what is left to do
   here is the pod's group. Unmounting is removal.c's: MSG_CSI_UNMOUNT before all else. */
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "volume_plugin.h"
#include <string.h>

/* Drivers and controllers take their time, with time limits of their own. */
#define MOUNT_DEADLINE_MS 900000

static void
on_mounted (void *state, const message_t *reply, const fault_t *failed, void *context)
{
    (void) state;
    volume_job_t *job = *(volume_job_t **) context;
    fault_t fault = { 0 };
    if (!reply) {
        // The csi-manager's own faults are whole; others are about reaching it.
        if (strstr (failed->text, " failed for volume "))
            job->step = NULL;
        volume_job_ended (job, failed);
        return;
    }
    const char *path = node_get_text (reply->body, "path", "");
    job->host_path = tree_text (job->tree, path, strlen (path));
    job->is_read_only = node_get_bool (reply->body, "read_only", false);
    job->is_block = job->wants_block;
    int result =
        node_get_bool (reply->body, "wants_group", false) ? volume_give_to_group (job, &fault) : 0;
    if (result != VOLUME_PENDING)
        volume_job_ended (job, result < 0 ? &fault : NULL);
}

int
csi_setup (volume_job_t *job, fault_t *fault)
{
    const pod_t *pod = job->pod;
    const pod_security_context_t *security = &pod->spec.security_context;
    if (!job->host->has_csi)
        return fault_set (fault, FAULT_UNIMPLEMENTED, "CSI volumes need an API server");
    node_t body = node_map();
    node_set_text (job->tree, &body, "pod_uid", pod->metadata.uid);
    node_set_text (job->tree, &body, "pod_name", pod->metadata.name);
    node_set_text (job->tree, &body, "pod_namespace", pod->metadata.namespace);
    node_set_text (job->tree, &body, "service_account", pod->spec.service_account_name);
    node_set_text (job->tree, &body, "volume", job->name);
    node_set (job->tree, &body, "source", *job->source);
    if (job->pv)
        node_set (job->tree, &body, "pv", *job->pv);
    if (job->claim) {
        const node_t *metadata = node_get (job->claim, "metadata");
        node_t claim = node_map();
        node_set_text (job->tree, &claim, "namespace", pod->metadata.namespace);
        node_set_text (job->tree, &claim, "name", node_get_text (metadata, "name", ""));
        node_set_text (job->tree, &claim, "uid", node_get_text (metadata, "uid", NULL));
        node_set (job->tree, &claim, "status",
                  node_copy (job->tree, node_get (job->claim, "status")));
        node_set (job->tree, &body, "claim", claim);
    }
    if (job->is_refresh)
        node_set_bool (job->tree, &body, "refresh", true);
    if (job->is_claim_read_only)
        node_set_bool (job->tree, &body, "read_only", true);
    if (security->fs_group.set)
        node_set_int (job->tree, &body, "fs_group", security->fs_group.value);
    actor_request (job->host->actor, "csi-manager", MSG_CSI_MOUNT, &body, MOUNT_DEADLINE_MS,
                   on_mounted, &job, sizeof job);
    return VOLUME_PENDING;
}

int
csi_teardown (const char *path, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *target = text_format ("%s/mount", path);
    if (mounts_is_mounted (target, tree))
        return fault_set (fault, FAULT_UNAVAILABLE, "the driver has left something mounted on %s",
                          target);
    return 0;
}
