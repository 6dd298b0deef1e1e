#include "cubelet/port_mappings.h"
#include "cubelet/memory.h"
#include "name_table.h"
#include "optional.h"
#include <inttypes.h>
#include <string.h>

/* What tells a port from others in the same container: its name, or else everything else. Owned. */
static char *
port_key (const container_port_t *port)
{
    const char *ip = text_or_empty (port->host_ip);
    if (port->name && *port->name)
        return text_copy (port->name);
    const char *family = !*ip ? "any" : strchr (ip, ':') ? "v6" : "v4";
    return text_format ("%s-%s-%s:%" PRId64 ":%" PRId64, family, text_or_empty (port->protocol), ip,
                        port->container_port, port->host_port);
}

static node_t
mapping (const container_port_t *port, tree_t *tree)
{
    node_t out = node_map();
    const char *protocol = text_or_empty (port->protocol);
    if (strcmp (protocol, "UDP") == 0 || strcmp (protocol, "SCTP") == 0)
        node_set_text (tree, &out, "protocol", protocol); // all others count as TCP, which is 0
    if (port->container_port)
        node_set_int (tree, &out, "container_port", port->container_port);
    if (port->host_port)
        node_set_int (tree, &out, "host_port", port->host_port);
    if (port->host_ip && *port->host_ip)
        node_set_text (tree, &out, "host_ip", port->host_ip);
    return out;
}

static void
add_container (const container_t *container, tree_t *tree, node_t *mappings)
{
    OWNED (name_table_clear) name_table_t seen;
    name_table_init (&seen, tree);
    for (size_t i = 0; i < container->ports.count; i++) {
        OWNED (free_text) char *key = port_key (&container->ports.items[i]);
        if (name_table_get (&seen, key))
            continue;
        name_table_set (&seen, key, node_bool (true));
        node_append (tree, mappings, mapping (&container->ports.items[i], tree));
    }
}

node_t
port_mappings (const pod_t *pod, tree_t *tree)
{
    node_t mappings = node_array();
    for (size_t i = 0; i < pod->spec.containers.count; i++)
        add_container (&pod->spec.containers.items[i], tree, &mappings);
    return mappings;
}
