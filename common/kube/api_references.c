/* api_references.c - which objects of an API server a pod asks for (static_pod.h). */
#include "cubelet/memory.h"
#include "cubelet/static_pod.h"
#include <string.h>

/* Volume sources that need an API object, and how upstream calls it. Those of `is_config` are
   ConfigMaps and Secrets. */
static const struct {
    const char *source, *reference;
    bool is_config;
} VOLUMES[] = {
    { "configMap", "configmaps", true },
    { "secret", "secrets", true },
    { "csi", "csidrivers (via CSI volumes)", false },
    { "glusterfs", "endpoints (via glusterFS volumes)", false },
    { "persistentVolumeClaim", "persistentvolumeclaims", false },
    { "ephemeral", "persistentvolumeclaims (via ephemeral volumes)", false },
    { "azureFile", "secrets (via azureFile volumes)", true },
};

static const struct {
    const char *source, *reference;
    bool is_config;
} PROJECTIONS[] = {
    { "configMap", "configmaps", true },
    { "secret", "secrets", true },
    { "serviceAccountToken", "serviceaccounts (via projected volumes)", false },
    { "clusterTrustBundle", "clustertrustbundles", false },
    { "podCertificate", "podcertificates", false },
};

/* Where other volume sources name a Secret. */
static const char *const SECRET_REFS[][2] = {
    { "cephfs", "secretRef" },    { "cinder", "secretRef" },         { "flexVolume", "secretRef" },
    { "rbd", "secretRef" },       { "scaleIO", "secretRef" },        { "iscsi", "secretRef" },
    { "storageos", "secretRef" }, { "csi", "nodePublishSecretRef" },
};

static const char *
environment_reference (const pod_t *pod, bool is_secret)
{
    for (size_t c = 0; c < POD_CONTAINER_COUNT (pod); c++) {
        const container_t *container = pod_container_at (pod, c);
        for (size_t i = 0; i < container->env.count; i++) {
            const env_source_t *source = container->env.items[i].value_from;
            if (source && (is_secret ? source->secret_key_ref : source->config_map_key_ref))
                return is_secret ? "secrets" : "configmaps";
        }
        for (size_t i = 0; i < container->env_from.count; i++) {
            const env_from_t *from = &container->env_from.items[i];
            if (is_secret ? from->secret_ref : from->config_map_ref)
                return is_secret ? "secrets" : "configmaps";
        }
    }
    return NULL;
}

static const char *
secret_reference (const pod_t *pod)
{
    if (node_count (pod->spec.image_pull_secrets) > 0)
        return "secrets";
    for (size_t i = 0; i < pod->spec.volumes.count; i++)
        for (size_t k = 0; k < COUNT_OF (SECRET_REFS); k++)
            if (node_at (pod->spec.volumes.items[i].node, SECRET_REFS[k][0], SECRET_REFS[k][1],
                         NULL))
                return "secrets";
    return environment_reference (pod, true);
}

static const char *
volume_reference (const node_t *volume, bool allow_config)
{
    for (size_t i = 0; i < COUNT_OF (VOLUMES); i++)
        if (node_get (volume, VOLUMES[i].source) && !(allow_config && VOLUMES[i].is_config))
            return VOLUMES[i].reference;
    NODE_EACH (node_at (volume, "projected", "sources", NULL), source)
    {
        for (size_t i = 0; i < COUNT_OF (PROJECTIONS); i++)
            if (node_get (source, PROJECTIONS[i].source)
                && !(allow_config && PROJECTIONS[i].is_config))
                return PROJECTIONS[i].reference;
    }
    return NULL;
}

const char *
pod_api_reference (const pod_t *pod, bool allow_config)
{
    const node_t *spec = node_get (pod->node, "spec");
    // "serviceAccount" is the old name of the field.
    if (*node_get_text (spec, "serviceAccountName", "")
        || *node_get_text (spec, "serviceAccount", ""))
        return "serviceaccounts";
    const char *found = allow_config ? NULL : secret_reference (pod);
    if (!found && !allow_config)
        found = environment_reference (pod, false);
    if (!found && node_count (node_get (spec, "resourceClaims")) > 0)
        found = "resourceclaims";
    for (size_t i = 0; !found && i < pod->spec.volumes.count; i++)
        found = volume_reference (pod->spec.volumes.items[i].node, allow_config);
    return found;
}
