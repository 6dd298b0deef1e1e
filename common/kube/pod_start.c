#include "cubelet/pod_start.h"
#include "cubelet/duration.h"
#include "cubelet/pod_status.h"

bool
pod_has_started (const node_t *status)
{
    const node_t *containers = node_get (status, "containerStatuses");
    NODE_EACH (containers, one)
    if (!node_at (one, "state", "running", "startedAt", NULL))
        return false;
    return node_count (containers) > 0;
}

bool
pod_start_is_late (const node_t *status)
{
    if (pod_status_is_terminal (status))
        return true;
    NODE_EACH (node_get (status, "containerStatuses"), one)
    if (node_at (one, "state", "running", NULL) || node_at (one, "state", "terminated", NULL)
        || node_get_int (one, "restartCount", 0) > 0)
        return true;
    return false;
}

/* A time in a map; false when there is none. */
static bool
read_time (const node_t *map, const char *key, int64_t *out)
{
    fault_t ignored = { 0 };
    const char *text = node_get_text (map, key, NULL);
    return text && time_parse (text, out, &ignored) == 0;
}

static int64_t
init_containers_ns (const node_t *status)
{
    int64_t sum = 0, began = 0, ended = 0;
    NODE_EACH (node_get (status, "initContainerStatuses"), one)
    {
        const node_t *over = node_at (one, "state", "terminated", NULL);
        if (read_time (over, "startedAt", &began) && read_time (over, "finishedAt", &ended)
            && ended > began)
            sum += ended - began;
    }
    return sum;
}

bool
pod_start_measure (const node_t *pod, int64_t pulls_ns, int64_t now_ns, pod_start_t *out)
{
    int64_t created = 0;
    if (!read_time (node_get (pod, "metadata"), "creationTimestamp", &created))
        return false;
    int64_t total = now_ns > created ? now_ns - created : 0;
    int64_t apart = pulls_ns + init_containers_ns (node_get (pod, "status"));
    out->total_ns = total;
    out->sli_ns = total > apart ? total - apart : 0;
    return true;
}
