/* config_volumes.c - configMap and secret: files from the objects that come with the request. */
#include "cubelet/memory.h"
#include "cubelet/pod_objects.h"
#include "volume_plugin.h"

static const char *const KINDS[] = {
    [PAYLOAD_CONFIG_MAP] = KIND_CONFIG_MAP,
    [PAYLOAD_SECRET] = KIND_SECRET,
};

int
config_put (const volume_job_t *job, payload_object_t kind, const char *name, const node_t *source,
            int64_t default_mode, payload_t *payload, fault_t *fault)
{
    fault_t missing = { 0 };
    const char *namespace = job->pod->metadata.namespace ? job->pod->metadata.namespace : "";
    const node_t *object = object_find (job->objects, KINDS[kind], namespace, name, &missing);
    bool may_miss = missing.code == FAULT_NOT_FOUND && node_get_bool (source, "optional", false);
    if (!object && !may_miss)
        return fault_set (fault, missing.code, "%s", missing.text);
    return payload_put_object (payload, job->tree, kind, object, source, default_mode, fault);
}

static int
setup (const volume_job_t *job, payload_object_t kind, const char *name, bool in_memory,
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
config_map_setup (volume_job_t *job, fault_t *fault)
{
    return setup (job, PAYLOAD_CONFIG_MAP, node_get_text (job->source, "name", ""), false, fault);
}

int
secret_setup (volume_job_t *job, fault_t *fault)
{
    return setup (job, PAYLOAD_SECRET, node_get_text (job->source, "secretName", ""), true, fault);
}
