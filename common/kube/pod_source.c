#include "cubelet/pod_source.h"
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "cubelet/mirror_pod.h"
#include <string.h>

#define ANNOTATION_SOURCE "kubernetes.io/config.source"
#define ANNOTATION_SEEN "kubernetes.io/config.seen"

// ---- comparing ----

static bool
differs (const node_t *a, const node_t *b, const char *key)
{
    return !node_equal (node_get (a, key), node_get (b, key));
}

static bool
any_differs (const node_t *a, const node_t *b, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (differs (a, b, keys[i]))
            return true;
    return false;
}

static bool
is_local (const char *annotation)
{
    return strcmp (annotation, ANNOTATION_SOURCE) == 0 || strcmp (annotation, ANNOTATION_SEEN) == 0
           || strcmp (annotation, ANNOTATION_CONFIG_MIRROR) == 0;
}

/* All of `a` that counts is in `b` as well. */
static bool
annotations_are_in (const node_t *a, const node_t *b)
{
    for (size_t i = 0; i < node_count (a); i++) {
        const char *key = node_key_at (a, i);
        if (!is_local (key) && !node_equal (node_value_at (a, i), node_get (b, key)))
            return false;
    }
    return true;
}

static bool
annotations_differ (const node_t *before, const node_t *after)
{
    const node_t *a = node_get (before, "annotations"), *b = node_get (after, "annotations");
    return !annotations_are_in (a, b) || !annotations_are_in (b, a);
}

/* The conditions that the kubelet makes itself. */
static bool
is_own (const char *condition)
{
    static const char *const OWN[] = {
        "PodScheduled",
        "Ready",
        "Initialized",
        "ContainersReady",
        "PodResizePending",
        "PodResizeInProgress",
        "PodReadyToStartContainers",
    };
    for (size_t i = 0; i < COUNT_OF (OWN); i++)
        if (strcmp (condition, OWN[i]) == 0)
            return true;
    return false;
}

static const node_t *
find_condition (const node_t *status, const char *type)
{
    NODE_EACH (node_get (status, "conditions"), condition)
    if (strcmp (node_get_text (condition, "type", ""), type) == 0)
        return condition;
    return NULL;
}

static bool
conditions_are_in (const node_t *a, const node_t *b)
{
    NODE_EACH (node_get (a, "conditions"), condition)
    {
        const char *type = node_get_text (condition, "type", "");
        if (!is_own (type) && !node_equal (condition, find_condition (b, type)))
            return false;
    }
    return true;
}

static bool
is_over (const node_t *status)
{
    const char *phase = node_get_text (status, "phase", "");
    return strcmp (phase, "Succeeded") == 0 || strcmp (phase, "Failed") == 0;
}

static bool
foreign_differs (const node_t *before, const node_t *after)
{
    static const char *const KEYS[] = { "resourceClaimStatuses", "nominatedNodeName" };
    return any_differs (before, after, KEYS, COUNT_OF (KEYS)) || !conditions_are_in (before, after)
           || !conditions_are_in (after, before) || is_over (before) != is_over (after);
}

pod_change_t
pod_change_of (const node_t *before, const node_t *after)
{
    static const char *const DELETION[] = { "deletionTimestamp", "deletionGracePeriodSeconds" };
    static const char *const META[] = { "labels", "generation", "finalizers" };
    const node_t *old_meta = node_get (before, "metadata"), *meta = node_get (after, "metadata");
    const node_t *old_status = node_get (before, "status"), *status = node_get (after, "status");
    if (any_differs (old_meta, meta, DELETION, COUNT_OF (DELETION)))
        return POD_DELETING;
    if (differs (before, after, "spec") || any_differs (old_meta, meta, META, COUNT_OF (META))
        || annotations_differ (old_meta, meta))
        return POD_CHANGED;
    if (node_equal (old_status, status))
        return POD_SAME;
    return foreign_differs (old_status, status) ? POD_FOREIGN : POD_STATUS;
}

// ---- the pod as the node keeps it ----

bool
pod_object_is_mirror (const node_t *pod)
{
    return node_at (pod, "metadata", "annotations", ANNOTATION_CONFIG_MIRROR, NULL) != NULL;
}

node_t
pod_of_api (tree_t *tree, const node_t *pod, const node_t *before, int64_t seen_ns)
{
    char now[TIME_TEXT_MAX];
    const char *seen =
        node_as_text (node_at (before, "metadata", "annotations", ANNOTATION_SEEN, NULL),
                      time_text_nano (seen_ns, now));
    node_t out = node_copy (tree, pod);
    node_t *known_meta = node_get_mutable (&out, "metadata");
    node_t meta = known_meta ? *known_meta : node_map();
    node_t *known = node_get_mutable (&meta, "annotations");
    node_t annotations = known ? *known : node_map();
    node_set_text (tree, &annotations, ANNOTATION_SEEN, seen);
    node_set_text (tree, &annotations, ANNOTATION_SOURCE, "api");
    node_set (tree, &meta, "annotations", annotations);
    node_remove (&meta, "managedFields");
    node_set (tree, &out, "metadata", meta);
    return out;
}
