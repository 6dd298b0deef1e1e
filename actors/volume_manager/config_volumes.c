/* config_volumes.c - configMap and secret. Nobody brings their objects from the API server yet, so
   there are none: what is optional is empty, the rest not found. */
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "volume_plugin.h"

static const char *const KIND_NAMES[] = { [CONFIG_MAP] = "configmap", [CONFIG_SECRET] = "secret" };

int
config_put (const volume_job_t *job, config_kind_t kind, const char *name, const node_t *source,
            int64_t default_mode, payload_t *payload, fault_t *fault)
{
    (void) job, (void) default_mode, (void) payload;
    if (node_get_bool (source, "optional", false))
        return 0;
    OWNED (free_text) char *quoted = go_quote (name);
    return fault_set (fault, FAULT_NOT_FOUND, "%s %s not found", KIND_NAMES[kind], quoted);
}

static int
setup (const volume_job_t *job, config_kind_t kind, const char *name, bool in_memory,
       fault_t *fault)
{
    payload_t payload = { 0 };
    if (config_put (job, kind, name, job->source, volume_default_mode (job->source), &payload,
                    fault)
        < 0)
        return -1;
    return volume_write_files (job, &payload, in_memory, fault);
}

int
config_map_setup (const volume_job_t *job, const char **host_path, fault_t *fault)
{
    (void) host_path;
    return setup (job, CONFIG_MAP, node_get_text (job->source, "name", ""), false, fault);
}

int
secret_setup (const volume_job_t *job, const char **host_path, fault_t *fault)
{
    (void) host_path;
    return setup (job, CONFIG_SECRET, node_get_text (job->source, "secretName", ""), true, fault);
}
