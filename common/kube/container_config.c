#include "cubelet/container_config.h"
#include "cubelet/container_labels.h"
#include "cubelet/container_mounts.h"
#include "cubelet/env_expand.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "cubelet/resource_math.h"
#include <string.h>

static void
set_expanded (tree_t *tree, node_t *out, const char *key, text_list_t list,
              const node_t *environment)
{
    node_t texts = node_array();
    for (size_t i = 0; i < list.count; i++)
        node_append (tree, &texts, env_expand_with (list.items[i], environment, tree));
    if (list.count > 0)
        node_set (tree, out, key, texts);
}

static void
set_list (tree_t *tree, node_t *out, const char *key, node_t list)
{
    if (node_count (&list) > 0)
        node_set (tree, out, key, list);
}

/* Name, attempt and image. */
static void
set_identity (const container_t *container, const container_inputs_t *inputs, tree_t *tree,
              node_t *out)
{
    node_t metadata = node_map(), image = node_map();
    node_set_text (tree, &metadata, "name", container->name);
    if (inputs->attempt)
        node_set_int (tree, &metadata, "attempt", inputs->attempt);
    node_set_text (tree, &image, "image", inputs->image_ref);
    node_set_text (tree, &image, "user_specified_image", container->image);
    node_set (tree, out, "metadata", metadata);
    node_set (tree, out, "image", image);
}

static void
set_process (const container_t *container, const node_t *environment, tree_t *tree, node_t *out)
{
    set_expanded (tree, out, "command", container->command, environment);
    set_expanded (tree, out, "args", container->args, environment);
    if (container->working_dir && *container->working_dir)
        node_set_text (tree, out, "working_dir", container->working_dir);
    set_list (tree, out, "envs", *environment);
    const struct {
        const char *key;
        bool value;
    } FLAGS[] = { { "stdin", container->stdin },
                  { "stdin_once", container->stdin_once },
                  { "tty", container->tty } };
    for (size_t i = 0; i < COUNT_OF (FLAGS); i++)
        if (FLAGS[i].value)
            node_set_bool (tree, out, FLAGS[i].key, true);
}

static int
set_linux (const pod_t *pod, const container_t *container, const container_inputs_t *inputs,
           const node_facts_t *facts, const pod_facts_t *pod_facts, tree_t *tree, node_t *out,
           fault_t *fault)
{
    node_t of_linux = node_map(), security;
    if (container_security (pod, container, facts, pod_facts, inputs->image_user, inputs->target_id,
                            tree, &security, fault)
        < 0)
        return -1;
    node_set (tree, &of_linux, "resources", container_resources (pod, container, facts, tree));
    node_set (tree, &of_linux, "security_context", security);
    node_set (tree, out, "linux", of_linux);
    return 0;
}

int
container_config (const pod_t *pod, const container_t *container, const container_inputs_t *inputs,
                  const node_facts_t *facts, const pod_facts_t *pod_facts, tree_t *tree,
                  node_t *out, fault_t *fault)
{
    node_t environment, devices, mounts;
    if (container->target_container_name && *container->target_container_name && !inputs->target_id)
        return fault_set (fault, FAULT_NOT_FOUND, "unable to find target container %s",
                          container->target_container_name);
    if (container_devices (container, inputs->volumes, tree, &devices, fault) < 0
        || container_environment (pod, container, &inputs->env, facts, inputs->pod_ips, tree,
                                  &environment, fault)
               < 0
        || container_mounts (pod, container, inputs, facts, pod_facts, tree, &mounts, fault) < 0
        || run_as_non_root_check (pod, container, inputs->image_user, fault) < 0)
        return -1;
    *out = node_map();
    set_identity (container, inputs, tree, out);
    set_process (container, &environment, tree, out);
    set_list (tree, out, "mounts", mounts);
    set_list (tree, out, "devices", devices);
    node_set (tree, out, "labels", container_labels (pod, container, tree));
    node_set (tree, out, "annotations",
              container_annotations (pod, container, inputs->hash, inputs->attempt, tree));
    OWNED (free_text) char *log_path = container_log_path (container->name, inputs->attempt);
    node_set_text (tree, out, "log_path", log_path);
    return set_linux (pod, container, inputs, facts, pod_facts, tree, out, fault);
}

int
container_subpaths (const pod_t *pod, const container_t *container,
                    const container_inputs_t *inputs, const node_facts_t *facts, tree_t *tree,
                    node_t *out, fault_t *fault)
{
    *out = node_array();
    bool is_any = false;
    for (size_t i = 0; i < container->volume_mounts.count; i++)
        is_any = is_any || container->volume_mounts.items[i].sub_path
                 || container->volume_mounts.items[i].sub_path_expr;
    if (!is_any)
        return 0;
    node_t environment;
    if (container_environment (pod, container, &inputs->env, facts, inputs->pod_ips, tree,
                               &environment, fault)
        < 0)
        return -1;
    return container_mount_subpaths (container, inputs->volumes, &environment, tree, out, fault);
}
