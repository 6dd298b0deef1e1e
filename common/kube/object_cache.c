#include "cubelet/object_cache.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TTL_ANNOTATION "node.alpha.kubernetes.io/ttl"
#define DEFAULT_TTL_MS (60 * 1000)
#define TTL_MAX_S (24 * 3600)

static const char *const STRATEGIES[] = {
    [DETECT_BY_WATCH] = "Watch",
    [DETECT_BY_CACHE] = "Cache",
    [DETECT_BY_GET] = "Get",
};

change_detection_t
change_detection_of (const char *strategy)
{
    for (size_t i = 0; strategy && i < COUNT_OF (STRATEGIES); i++)
        if (strcmp (STRATEGIES[i], strategy) == 0)
            return (change_detection_t) i;
    return DETECT_BY_WATCH;
}

bool
object_must_be_read (change_detection_t detection, const object_known_t *known, bool is_new,
                     int64_t ttl_ms, int64_t now_ms)
{
    if (detection != DETECT_BY_CACHE || is_new || !known->is_found)
        return true;
    return now_ms - known->read_ms >= ttl_ms;
}

bool
object_may_be_cached (change_detection_t detection, const object_known_t *known, bool is_new)
{
    return detection == DETECT_BY_CACHE && known->is_found && !is_new;
}

/* A decimal number that is the whole text. */
static bool
read_number (const char *text, long long *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoll (text, &end, 10);
    return *text && !*end && errno == 0;
}

int64_t
object_ttl_ms (const node_t *node)
{
    long long seconds;
    const char *text =
        node_as_text (node_at (node, "metadata", "annotations", TTL_ANNOTATION, NULL), "");
    if (!read_number (text, &seconds))
        return DEFAULT_TTL_MS;
    return (seconds < TTL_MAX_S ? seconds : TTL_MAX_S) * 1000;
}

bool
object_is_older (const node_t *read, const node_t *known)
{
    long long now, before;
    const char *text = node_as_text (node_at (read, "metadata", "resourceVersion", NULL), "");
    const char *old = node_as_text (node_at (known, "metadata", "resourceVersion", NULL), "");
    return read_number (text, &now) && read_number (old, &before) && now < before;
}
