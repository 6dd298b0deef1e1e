#include "cubelet/initial_node.h"
#include "cubelet/memory.h"
#include <string.h>

const char *
go_architecture (const char *machine)
{
    static const struct {
        const char *machine, *name;
    } NAMES[] = {
        { "x86_64", "amd64" }, { "aarch64", "arm64" },       { "i686", "386" },
        { "armv7l", "arm" },   { "loongarch64", "loong64" },
    };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++)
        if (strcmp (NAMES[i].machine, machine) == 0)
            return NAMES[i].name;
    return machine;
}

static node_t
labels_of (tree_t *tree, const node_t *labels, const char *name, const char *machine)
{
    const char *arch = go_architecture (machine);
    node_t out = node_is_map (labels) ? node_copy (tree, labels) : node_map();
    node_set_text (tree, &out, "beta.kubernetes.io/arch", arch);
    node_set_text (tree, &out, "beta.kubernetes.io/os", "linux");
    node_set_text (tree, &out, "kubernetes.io/arch", arch);
    node_set_text (tree, &out, "kubernetes.io/hostname", name);
    node_set_text (tree, &out, "kubernetes.io/os", "linux");
    return out;
}

static node_t
taints_of (tree_t *tree, const kubelet_config_t *config)
{
    node_t out = node_array();
    for (size_t i = 0; i < config->register_with_taints.count; i++) {
        const taint_t *taint = &config->register_with_taints.items[i];
        node_t item = node_map();
        node_set_text (tree, &item, "key", taint->key);
        node_set_text (tree, &item, "value", taint->value);
        node_set_text (tree, &item, "effect", taint->effect);
        node_append (tree, &out, item);
    }
    return out;
}

node_t
initial_node (tree_t *tree, const node_facts_t *facts, const kubelet_config_t *config,
              const node_t *labels, const char *machine)
{
    node_t meta = node_map(), spec = node_map(), status = node_map(), out = node_map();
    node_set_text (tree, &meta, "name", facts->node_name);
    node_set (tree, &meta, "labels", labels_of (tree, labels, facts->node_name, machine));
    node_set (tree, &spec, "taints", taints_of (tree, config));
    if (facts->allocatable)
        node_set (tree, &status, "allocatable", node_copy (tree, facts->allocatable));
    node_set (tree, &out, "metadata", meta);
    node_set (tree, &out, "spec", spec);
    node_set (tree, &out, "status", status);
    return out;
}
