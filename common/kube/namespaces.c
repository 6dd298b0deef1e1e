#include "cubelet/namespaces.h"
#include "optional.h"
#include <string.h>

#define USERNS_LENGTH 65536

bool
runtime_handler_has (const node_facts_t *facts, const char *handler, const char *feature)
{
    NODE_EACH (facts->runtime_handlers, known)
    {
        if (strcmp (node_get_text (known, "name", ""), text_or_empty (handler)) == 0)
            return node_get_bool (node_get (known, "features"), feature, false);
    }
    return false;
}

static node_t
id_mapping (int64_t host_id, int64_t length, tree_t *tree)
{
    node_t mapping = node_map(), mappings = node_array();
    node_set_int (tree, &mapping, "host_id", host_id);
    node_set_int (tree, &mapping, "length", length); // container_id is 0
    node_append (tree, &mappings, mapping);
    return mappings;
}

/* UserNamespace: the node's, unless the pod asks for its own. */
static int
user_namespace (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
                tree_t *tree, node_t *out, fault_t *fault)
{
    *out = node_map();
    if (!pod->spec.host_users.set || pod->spec.host_users.value) {
        node_set_text (tree, out, "mode", "NODE");
        return 0;
    }
    const char *handler = pod_facts ? pod_facts->runtime_handler : NULL;
    if (!runtime_handler_has (facts, handler, "user_namespaces"))
        return fault_set (
            fault, FAULT_INVALID,
            "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
    if (!pod_facts || !pod_facts->userns_host_id.set)
        return fault_set (fault, FAULT_INVALID, "no user ids are allocated to the pod");
    int64_t length = facts->userns_length ? facts->userns_length : USERNS_LENGTH;
    node_t ids = id_mapping (pod_facts->userns_host_id.value, length, tree);
    node_set (tree, out, "uids", ids); // mode POD is 0
    node_set (tree, out, "gids", node_copy (tree, &ids));
    return 0;
}

int
namespace_options (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
                   const char *target_id, tree_t *tree, node_t *out, fault_t *fault)
{
    node_t users;
    if (user_namespace (pod, facts, pod_facts, tree, &users, fault) < 0)
        return -1;
    *out = node_map();
    if (pod->spec.host_network)
        node_set_text (tree, out, "network", "NODE"); // POD is 0
    if (pod->spec.host_pid)
        node_set_text (tree, out, "pid", "NODE");
    else if (!is_true (pod->spec.share_process_namespace)) {
        node_set_text (tree, out, "pid", target_id ? "TARGET" : "CONTAINER");
        node_set_text (tree, out, "target_id", target_id);
    }
    if (pod->spec.host_ipc)
        node_set_text (tree, out, "ipc", "NODE");
    node_set (tree, out, "userns_options", users);
    return 0;
}
