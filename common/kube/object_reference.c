#include "cubelet/object_reference.h"
#include "cubelet/memory.h"
#include <string.h>

#define IMPLICIT_PREFIX "implicitly required container "

/* The lists of a pod spec that hold containers, in the order in which a name is looked up. */
static const char *const CONTAINER_LISTS[] = { "containers", "initContainers",
                                               "ephemeralContainers" };

static bool
has_container (const node_t *containers, const char *name)
{
    NODE_EACH (containers, container)
    {
        if (strcmp (node_get_text (container, "name", ""), name) == 0)
            return true;
    }
    return false;
}

static node_t
field_path (tree_t *tree, const node_t *pod, const char *container)
{
    const node_t *spec = node_get (pod, "spec");
    for (size_t i = 0; i < COUNT_OF (CONTAINER_LISTS); i++)
        if (has_container (node_get (spec, CONTAINER_LISTS[i]), container))
            return node_text_format (tree, "spec.%s{%s}", CONTAINER_LISTS[i], container);
    return node_text_format (tree, IMPLICIT_PREFIX "%s", container);
}

node_t
object_reference_pod (tree_t *tree, const node_t *pod, const char *container)
{
    static const char *const COPIED[] = { "namespace", "name", "uid", "resourceVersion" };
    const node_t *metadata = node_get (pod, "metadata");
    node_t reference = node_map();
    node_set_text (tree, &reference, "kind", "Pod");
    for (size_t i = 0; i < COUNT_OF (COPIED); i++)
        node_set_text (tree, &reference, COPIED[i], node_get_text (metadata, COPIED[i], NULL));
    node_set_text (tree, &reference, "apiVersion", "v1");
    if (container)
        node_set (tree, &reference, "fieldPath", field_path (tree, pod, container));
    return reference;
}

node_t
object_reference_node (tree_t *tree, const char *node_name)
{
    node_t reference = node_map();
    node_set_text (tree, &reference, "kind", "Node");
    node_set_text (tree, &reference, "name", node_name);
    node_set_text (tree, &reference, "uid", node_name);
    return reference;
}

bool
object_reference_is_implicit (const node_t *reference)
{
    return strncmp (node_get_text (reference, "fieldPath", ""), IMPLICIT_PREFIX,
                    strlen (IMPLICIT_PREFIX))
           == 0;
}
