#include "cubelet/cri.h"
#include "cri.pb-c.h"
#include "cubelet/memory.h"
#include <string.h>

#define RUNTIME_SERVICE "/runtime.v1.RuntimeService/"
#define IMAGE_SERVICE "/runtime.v1.ImageService/"

// symbol, name, request and reply as in protobuf-c's names
#define RUNTIME(symbol, name, message, ...)                                                        \
    {                                                                                              \
        MSG_CRI_##symbol, false, name, &runtime__v1__##message##_request__descriptor,              \
            &runtime__v1__##message##_response__descriptor, __VA_ARGS__                            \
    }
#define IMAGE(symbol, name, message, ...)                                                          \
    {                                                                                              \
        MSG_CRI_##symbol, true, name, &runtime__v1__##message##_request__descriptor,               \
            &runtime__v1__##message##_response__descriptor, __VA_ARGS__                            \
    }
#define WAITS(rule) CRI_WAITS_##rule, CRI_START_NONE

#define SANDBOX_FIELDS                                                                             \
    "status.id status.metadata.name status.metadata.namespace status.metadata.uid"                 \
    " status.created_at"
#define CONTAINER_FIELDS                                                                           \
    "status.id status.metadata.name status.created_at status.image.image status.image_ref"

// clang-format off
static const cri_method_t METHODS[] = {
    RUNTIME (VERSION, "Version", version, WAITS (T), "version runtime_name runtime_version runtime_api_version"),
    RUNTIME (RUN_POD_SANDBOX, "RunPodSandbox", run_pod_sandbox, CRI_WAITS_2T, CRI_START_SANDBOX, "pod_sandbox_id"),
    RUNTIME (STOP_POD_SANDBOX, "StopPodSandbox", stop_pod_sandbox, WAITS (T), NULL),
    RUNTIME (REMOVE_POD_SANDBOX, "RemovePodSandbox", remove_pod_sandbox, WAITS (T), NULL),
    RUNTIME (POD_SANDBOX_STATUS, "PodSandboxStatus", pod_sandbox_status, WAITS (T), SANDBOX_FIELDS),
    RUNTIME (LIST_POD_SANDBOX, "ListPodSandbox", list_pod_sandbox, WAITS (T), NULL),
    RUNTIME (CREATE_CONTAINER, "CreateContainer", create_container, CRI_WAITS_T, CRI_START_CREATE, "container_id"),
    RUNTIME (START_CONTAINER, "StartContainer", start_container, CRI_WAITS_T, CRI_START_CONTAINER, NULL),
    RUNTIME (STOP_CONTAINER, "StopContainer", stop_container, WAITS (T_AND_TIMEOUT), NULL),
    RUNTIME (REMOVE_CONTAINER, "RemoveContainer", remove_container, WAITS (T), NULL),
    RUNTIME (LIST_CONTAINERS, "ListContainers", list_containers, WAITS (T), NULL),
    RUNTIME (CONTAINER_STATUS, "ContainerStatus", container_status, WAITS (T), CONTAINER_FIELDS),
    RUNTIME (UPDATE_CONTAINER_RESOURCES, "UpdateContainerResources", update_container_resources, WAITS (T), NULL),
    RUNTIME (REOPEN_CONTAINER_LOG, "ReopenContainerLog", reopen_container_log, WAITS (T), NULL),
    RUNTIME (EXEC_SYNC, "ExecSync", exec_sync, WAITS (EXEC), NULL),
    RUNTIME (EXEC, "Exec", exec, WAITS (T), "url"),
    RUNTIME (ATTACH, "Attach", attach, WAITS (T), "url"),
    RUNTIME (PORT_FORWARD, "PortForward", port_forward, WAITS (T), "url"),
    RUNTIME (CONTAINER_STATS, "ContainerStats", container_stats, WAITS (T), NULL),
    RUNTIME (LIST_CONTAINER_STATS, "ListContainerStats", list_container_stats, WAITS (T), NULL),
    RUNTIME (POD_SANDBOX_STATS, "PodSandboxStats", pod_sandbox_stats, WAITS (T), NULL),
    RUNTIME (LIST_POD_SANDBOX_STATS, "ListPodSandboxStats", list_pod_sandbox_stats, WAITS (T), NULL),
    RUNTIME (UPDATE_RUNTIME_CONFIG, "UpdateRuntimeConfig", update_runtime_config, WAITS (T), NULL),
    RUNTIME (STATUS, "Status", status, WAITS (T), "status.conditions#2"),
    RUNTIME (CHECKPOINT_CONTAINER, "CheckpointContainer", checkpoint_container, WAITS (MAX), NULL),
    RUNTIME (LIST_METRIC_DESCRIPTORS, "ListMetricDescriptors", list_metric_descriptors, WAITS (T), NULL),
    RUNTIME (LIST_POD_SANDBOX_METRICS, "ListPodSandboxMetrics", list_pod_sandbox_metrics, WAITS (T), NULL),
    RUNTIME (RUNTIME_CONFIG, "RuntimeConfig", runtime_config, WAITS (T), NULL),
    RUNTIME (UPDATE_POD_SANDBOX_RESOURCES, "UpdatePodSandboxResources", update_pod_sandbox_resources, WAITS (T), NULL),
    IMAGE (LIST_IMAGES, "ListImages", list_images, WAITS (T), NULL),
    IMAGE (IMAGE_STATUS, "ImageStatus", image_status, WAITS (T), "?image.id ?image.size"),
    IMAGE (PULL_IMAGE, "PullImage", pull_image, WAITS (FOREVER), "image_ref"),
    IMAGE (REMOVE_IMAGE, "RemoveImage", remove_image, WAITS (T), NULL),
    IMAGE (IMAGE_FS_INFO, "ImageFsInfo", image_fs_info, WAITS (T), NULL),
    { MESSAGE_COUNT, false, "GetContainerEvents", &runtime__v1__get_events_request__descriptor,
      &runtime__v1__container_event_response__descriptor, WAITS (FOREVER), NULL },
};
// clang-format on

const cri_method_t *
cri_method (message_id_t message)
{
    for (size_t i = 0; i < COUNT_OF (METHODS); i++)
        if (METHODS[i].message == message && message != MESSAGE_COUNT)
            return &METHODS[i];
    return NULL;
}

void
cri_path (const cri_method_t *method, char out[static CRI_PATH_MAX])
{
    snprintf (out, CRI_PATH_MAX, "%s%s", method->is_image ? IMAGE_SERVICE : RUNTIME_SERVICE,
              method->name);
}

const cri_method_t *
cri_method_find (const char *path)
{
    char own[CRI_PATH_MAX];
    for (size_t i = 0; i < COUNT_OF (METHODS); i++) {
        cri_path (&METHODS[i], own);
        if (strcmp (path, own) == 0)
            return &METHODS[i];
    }
    return NULL;
}

const cri_method_t *
cri_method_events (void)
{
    return &METHODS[COUNT_OF (METHODS) - 1];
}

int64_t
cri_wait_ms (const cri_method_t *method, const node_t *request, int64_t t_ms)
{
    static const int64_t TIMEOUT_MAX_S = INT32_MAX; // 68 years: keeps the sum in range
    int64_t timeout_ms = node_get_int (request, "timeout", 0);
    if (timeout_ms < 0)
        timeout_ms = 0;
    timeout_ms = (timeout_ms < TIMEOUT_MAX_S ? timeout_ms : TIMEOUT_MAX_S) * 1000;
    switch (method->wait) {
    case CRI_WAITS_T: return t_ms;
    case CRI_WAITS_2T: return 2 * t_ms;
    case CRI_WAITS_T_AND_TIMEOUT: return t_ms + timeout_ms;
    case CRI_WAITS_EXEC: return timeout_ms ? t_ms + timeout_ms : 0;
    case CRI_WAITS_MAX: return t_ms > timeout_ms ? t_ms : timeout_ms;
    case CRI_WAITS_FOREVER: return 0;
    }
    return t_ms;
}

// ---- what a reply must hold ----

static bool
is_set (const node_t *node)
{
    if (node_is_text (node))
        return *node_as_text (node, "") != '\0';
    if (node_is_int (node))
        return node_as_int (node, 1) != 0; // beyond int64_t is not zero either
    return !node_is_nil (node);
}

/* Checks one word of `required`, which it may cut up. */
static bool
has_field (const node_t *reply, char *path)
{
    bool is_optional = path[0] == '?';
    path += is_optional;
    size_t least = 0;
    char *number = strchr (path, '#');
    if (number) {
        *number = '\0';
        least = (size_t) atoi (number + 1);
    }
    const node_t *node = reply;
    char *rest = NULL;
    for (char *key = strtok_r (path, ".", &rest); key; key = strtok_r (NULL, ".", &rest)) {
        node = node_get (node, key);
        if (!node && is_optional)
            return true;
        is_optional = false; // only its first part may be absent
    }
    return is_set (node) && node_count (node) >= least;
}

int
cri_reply_check (const cri_method_t *method, const node_t *reply, fault_t *fault)
{
    if (!method->required)
        return 0;
    OWNED (free_text) char *fields = text_copy (method->required);
    char *rest = NULL;
    for (char *field = strtok_r (fields, " ", &rest); field; field = strtok_r (NULL, " ", &rest)) {
        char path[128];
        snprintf (path, sizeof path, "%s", field);
        if (!has_field (reply, path))
            return fault_set (fault, FAULT_INTERNAL, "%s: the reply has no %s", method->name,
                              field + (field[0] == '?'));
    }
    return 0;
}
