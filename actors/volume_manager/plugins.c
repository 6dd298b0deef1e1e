/* plugins.c - the kinds of volumes there are. */
#include "cubelet/memory.h"
#include "cubelet/volume_paths.h"
#include "volume_plugin.h"
#include <string.h>

// clang-format off
const volume_plugin_t VOLUME_PLUGINS[] = {
    { "emptyDir", "kubernetes.io~empty-dir", empty_dir_setup, memory_teardown,
      .relabels = true, .is_in_pod = true },
    { "hostPath", NULL, host_path_setup, NULL, .is_in_pod = true, .is_in_pv = true },
    { "downwardAPI", "kubernetes.io~downward-api", downward_setup, memory_teardown,
      .is_read_only = true, .relabels = true, .refreshes = true, .is_in_pod = true },
    { "projected", "kubernetes.io~projected", projected_setup, memory_teardown,
      .is_read_only = true, .relabels = true, .refreshes = true, .is_in_pod = true },
    { "configMap", "kubernetes.io~configmap", config_map_setup, NULL,
      .is_read_only = true, .relabels = true, .refreshes = true, .is_in_pod = true },
    { "secret", "kubernetes.io~secret", secret_setup, memory_teardown,
      .is_read_only = true, .relabels = true, .refreshes = true, .is_in_pod = true },
    { "persistentVolumeClaim", NULL, claim_setup, NULL, .refreshes = true, .is_in_pod = true },
    { "ephemeral", NULL, claim_setup, NULL, .refreshes = true, .is_in_pod = true },
    { "local", "kubernetes.io~local-volume", local_setup, bind_teardown,
      .relabels = true, .is_in_pv = true, .binds = true },
    { "csi", "kubernetes.io~csi", csi_setup, csi_teardown,
      .relabels = true, .refreshes = true, .is_in_pod = true, .is_in_pv = true, .binds = true },
};
// clang-format on
const size_t VOLUME_PLUGIN_COUNT = COUNT_OF (VOLUME_PLUGINS);

const volume_plugin_t *
volume_plugin_find (const node_t *volume, bool is_pv, const node_t **source, fault_t *fault)
{
    for (size_t i = 0; i < VOLUME_PLUGIN_COUNT; i++) {
        const volume_plugin_t *plugin = &VOLUME_PLUGINS[i];
        if ((is_pv ? plugin->is_in_pv : plugin->is_in_pod)
            && (*source = node_get (volume, plugin->name)))
            return plugin;
    }
    OWNED (free_text) char *sources = text_copy ("");
    for (size_t i = 0; !is_pv && i < node_count (volume); i++)
        if (strcmp (node_key_at (volume, i), "name") != 0)
            text_replace (&sources, "%s %s", sources, node_key_at (volume, i));
    fault_set (fault, FAULT_UNIMPLEMENTED, "no volume plugin matched%s", sources);
    return NULL;
}

int
volume_plugin_run (const volume_plugin_t *plugin, volume_job_t *job, fault_t *fault)
{
    job->plugin = plugin;
    job->path = NULL;
    if (plugin->directory) {
        OWNED (free_text)
        char *path = volume_directory (job->host->root_dir, job->pod->metadata.uid,
                                       plugin->directory, job->name);
        job->path = tree_text (job->tree, path, strlen (path));
    }
    job->host_path = job->path;
    job->is_read_only = plugin->is_read_only;
    return plugin->setup (job, fault);
}
