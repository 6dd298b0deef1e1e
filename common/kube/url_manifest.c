#include "cubelet/url_manifest.h"
#include "cubelet/memory.h"
#include "cubelet/yaml.h"
#include <string.h>

/* Items of a list need not say what they are. */
static int
add_item (tree_t *tree, const node_t *item, const static_pod_options_t *options, node_t *pods,
          fault_t *fault)
{
    node_t pod = node_nil(), document = node_copy (tree, item);
    if (node_is_map (&document) && !node_get (&document, "kind")) {
        node_set_text (tree, &document, "kind", "Pod");
        node_set_text (tree, &document, "apiVersion", "v1");
    }
    if (static_pod_build (tree, &document, options, &pod, fault) < 0)
        return -1;
    node_append (tree, pods, pod);
    return 0;
}

int
url_manifest_pods (tree_t *tree, const char *bytes, size_t size,
                   const static_pod_options_t *options, node_t *pods, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *documents = yaml_read (bytes, size, fault);
    if (!documents)
        return -1;
    if (node_count (tree_root (documents)) != 1)
        return fault_set (fault, FAULT_INVALID, "is not one document");
    const node_t *document = node_item (tree_root (documents), 0);
    bool is_list = strcmp (node_get_text (document, "kind", ""), "PodList") == 0
                   && strcmp (node_get_text (document, "apiVersion", ""), "v1") == 0;
    *pods = node_array();
    if (!is_list)
        return add_item (tree, document, options, pods, fault);
    size_t index = 0;
    NODE_EACH (node_get (document, "items"), item)
    {
        if (add_item (tree, item, options, pods, fault) < 0)
            return fault_wrap (fault, "items[%zu]", index);
        index++;
    }
    return 0;
}
