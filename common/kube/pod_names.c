#include "cubelet/pod_names.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORKER_PREFIX "pod-worker/"
#define FILE_NAME_MAX 255

static const char *
text_or_empty (const char *text)
{
    return text ? text : "";
}

// What follows the last '_'.
static const char *
after_underscore (const char *text)
{
    const char *found = strrchr (text, '_');
    return found ? found + 1 : "";
}

void
pod_worker_name (const char *ns, const char *name, const char *uid, char out[static ACTOR_NAME_MAX])
{
    ns = text_or_empty (ns);
    name = text_or_empty (name);
    uid = text_or_empty (uid);
    size_t fixed = strlen (WORKER_PREFIX) + strlen (ns) + strlen (uid) + 2;
    size_t room = fixed < ACTOR_NAME_MAX - 1 ? ACTOR_NAME_MAX - 1 - fixed : 0;
    size_t kept = strlen (name);
    snprintf (out, ACTOR_NAME_MAX, WORKER_PREFIX "%s_%.*s_%s", ns,
              (int) (kept < room ? kept : room), name, uid);
}

const char *
pod_worker_uid (const char *worker_name)
{
    return after_underscore (worker_name);
}

char *
pod_full_name (const char *ns, const char *name, const char *uid)
{
    return text_format ("%s_%s(%s)", text_or_empty (name), text_or_empty (ns), text_or_empty (uid));
}

char *
pod_log_directory (const char *root, const char *ns, const char *name, const char *uid)
{
    return text_format ("%s/%s_%s_%s", root, text_or_empty (ns), text_or_empty (name),
                        text_or_empty (uid));
}

const char *
pod_log_directory_uid (const char *directory)
{
    const char *slash = strrchr (directory, '/');
    return after_underscore (slash ? slash + 1 : directory);
}

char *
container_log_path (const char *container, int64_t restarts)
{
    return text_format ("%s/%" PRId64 ".log", container, restarts);
}

char *
container_log_link (const char *root, const char *ns, const char *pod, const char *container,
                    const char *container_id)
{
    OWNED (free_text)
    char *stem = text_format ("%s_%s_%s-%s", pod, ns, container, container_id);
    return text_format ("%s/%.*s.log", root, FILE_NAME_MAX - (int) strlen (".log"), stem);
}

char *
pod_directory (const char *root, const char *uid)
{
    return text_format ("%s/pods/%s", root, uid);
}

char *
pod_container_directory (const char *root, const char *uid, const char *container)
{
    return text_format ("%s/pods/%s/containers/%s", root, uid, container);
}

char *
pod_hosts_path (const char *root, const char *uid)
{
    return text_format ("%s/pods/%s/etc-hosts", root, uid);
}

char *
pod_volumes_directory (const char *root, const char *uid)
{
    return text_format ("%s/pods/%s/volumes", root, uid);
}

char *
pod_subpaths_directory (const char *root, const char *uid)
{
    return text_format ("%s/pods/%s/volume-subpaths", root, uid);
}
