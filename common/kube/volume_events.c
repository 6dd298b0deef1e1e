#include "cubelet/volume_events.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <string.h>

#define OWNERSHIP_ADVICE                                                                           \
    "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"                   \
    "#configure-volume-permission-and-ownership-change-policy-for-pods"

const char *
volume_fault_reason (const char *text)
{
    static const struct {
        const char *start, *reason;
    } REASONS[] = {
        { "error making pod data", "Failed" },
        { "MapVolume.", "FailedMapVolume" },
    };
    for (size_t i = 0; i < COUNT_OF (REASONS); i++)
        if (strncmp (text, REASONS[i].start, strlen (REASONS[i].start)) == 0)
            return REASONS[i].reason;
    return "FailedMount";
}

char *
volume_ownership_text (const char *path, const char *pod_uid, int64_t files)
{
    OWNED (free_text) char *element = text_format ("/%s/", pod_uid);
    const char *from = strstr (path, element);
    const char *shown = from ? from + 1 : path;
    if (files < 0)
        return text_format ("Setting volume ownership for %s is taking longer than expected, "
                            "consider using OnRootMismatch - " OWNERSHIP_ADVICE,
                            shown);
    return text_format ("Setting volume ownership for %s, processed %" PRId64 " files.", shown,
                        files);
}
