#include "cubelet/mirror_pod.h"
#include "cubelet/memory.h"
#include <string.h>

static const char *
annotation (const node_t *pod, const char *key)
{
    return node_get_text (node_at (pod, "metadata", "annotations", NULL), key, "");
}

static node_t
owners (tree_t *tree, const char *node_name, const char *node_uid)
{
    node_t owner = node_map();
    node_set_text (tree, &owner, "apiVersion", "v1");
    node_set_text (tree, &owner, "kind", "Node");
    node_set_text (tree, &owner, "name", node_name);
    node_set_text (tree, &owner, "uid", node_uid);
    node_set_bool (tree, &owner, "controller", true);
    node_t list = node_array();
    node_append (tree, &list, owner);
    return list;
}

node_t
mirror_pod (tree_t *tree, const node_t *static_pod, const char *node_name, const char *node_uid)
{
    node_t pod = node_copy (tree, static_pod);
    node_t metadata = node_copy (tree, node_get (static_pod, "metadata"));
    node_t annotations = node_copy (tree, node_get (&metadata, "annotations"));
    if (!node_is_map (&annotations))
        annotations = node_map();
    node_set_text (tree, &annotations, ANNOTATION_CONFIG_MIRROR,
                   annotation (static_pod, ANNOTATION_CONFIG_HASH));
    node_set (tree, &metadata, "annotations", annotations);
    node_set (tree, &metadata, "ownerReferences", owners (tree, node_name, node_uid));
    node_set_text (tree, &pod, "kind", "Pod");
    node_set_text (tree, &pod, "apiVersion", "v1");
    node_set (tree, &pod, "metadata", metadata);
    return pod;
}

bool
mirror_pod_is_of (const node_t *mirror, const node_t *static_pod)
{
    static const char *const NAMES[] = { "name", "namespace" };
    const node_t *ours = node_get (static_pod, "metadata"), *theirs = node_get (mirror, "metadata");
    for (size_t i = 0; i < COUNT_OF (NAMES); i++)
        if (strcmp (node_get_text (ours, NAMES[i], ""), node_get_text (theirs, NAMES[i], "")) != 0)
            return false;
    return strcmp (annotation (mirror, ANNOTATION_CONFIG_MIRROR),
                   annotation (static_pod, ANNOTATION_CONFIG_HASH))
           == 0;
}
