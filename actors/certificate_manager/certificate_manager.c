/* certificate_manager.c - the node's certificates from the API server: a first client certificate
   with the bootstrap's credentials, its rotation, and a serving certificate.

   Nobody has to be told: who uses the files looks at them (api_connection.h, tls_server.h).

   Arguments: {"node_name", "directory", "kubeconfig": paths, "bootstrap": path?, "rotates_client":
   bool, "has_serving": bool}. Source: reference/node-and-server.md 3. */
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "renewal.h"

typedef struct {
    renewal_t *client, *serving; // NULL: not wanted
} manager_t;

static int
on_node (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const node_t *node = node_get (message->body, "node");
    if (!self->serving || !node)
        return 0;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t names = certificate_names_of_node (tree, node);
    if (node_count (node_get (&names, "dns")) + node_count (node_get (&names, "ips")) > 0)
        renewal_set_names (self->serving, &names);
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_NODE_OBJECT, on_node },
    { 0 },
};

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    manager_t *self = memory_new (1, sizeof *self);
    renewal_options_t options = {
        .use = CERTIFICATE_CLIENT,
        .node_name = node_get_text (args, "node_name", ""),
        .directory = node_get_text (args, "directory", ""),
        .kubeconfig = node_get_text (args, "kubeconfig", ""),
        .bootstrap = node_get_text (args, "bootstrap", NULL),
        .is_rotated = node_get_bool (args, "rotates_client", false),
    };
    if (options.bootstrap || options.is_rotated)
        self->client = renewal_new (actor, &options);
    options.use = CERTIFICATE_SERVING;
    options.bootstrap = NULL;
    options.is_rotated = true;
    if (node_get_bool (args, "has_serving", false))
        self->serving = renewal_new (actor, &options);
    return self;
}

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    renewal_destroy (&self->client);
    renewal_destroy (&self->serving);
    free (self);
    *self_p = NULL;
}

const actor_class_t certificate_manager_class = {
    .name = "certificate-manager",
    .about = "the node's certificates: bootstrap, rotation, serving",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
