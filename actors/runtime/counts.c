/* kubelet_runtime_operations_... of /metrics: CRI's calls by upstream's names for them. */
#include "cubelet/metrics.h"
#include "runtime.h"
#include <ctype.h>
#include <string.h>

#define NAME_MAX_BYTES 64

/* "RunPodSandbox" reads run_podsandbox, "ImageFsInfo" image_fs_info; these are other words. */
static const struct {
    message_id_t message;
    const char *name;
} EXCEPTIONS[] = {
    { MSG_CRI_UPDATE_CONTAINER_RESOURCES, "update_container" },
    { MSG_CRI_PORT_FORWARD, "portforward" },
};

static void
operation_name (const cri_method_t *method, char out[static NAME_MAX_BYTES])
{
    size_t size = 0;
    for (size_t i = 0; i < sizeof EXCEPTIONS / sizeof *EXCEPTIONS; i++)
        if (EXCEPTIONS[i].message == method->message) {
            strcpy (out, EXCEPTIONS[i].name);
            return;
        }
    const char *sandbox = strstr (method->name, "PodSandbox");
    for (const char *at = method->name; *at && size < NAME_MAX_BYTES - 2; at++) {
        bool is_inside = sandbox && at == sandbox + strlen ("Pod");
        if (isupper ((unsigned char) *at) && at != method->name && !is_inside)
            out[size++] = '_';
        out[size++] = (char) tolower ((unsigned char) *at);
    }
    out[size] = '\0';
}

void
count_call (const cri_method_t *method, int64_t took_ms, bool has_failed)
{
    char name[NAME_MAX_BYTES];
    double seconds = (double) took_ms / 1000;
    operation_name (method, name);
    metric_count (METRIC_RUNTIME_OPERATIONS_TOTAL, LABELS (name));
    metric_observe (METRIC_RUNTIME_OPERATIONS_DURATION_SECONDS, seconds, LABELS (name));
    if (has_failed)
        metric_count (METRIC_RUNTIME_OPERATIONS_ERRORS_TOTAL, LABELS (name));
}
