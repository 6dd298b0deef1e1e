/* What the actors that speak of this node are started with. */
#include "cubelet/clock.h"
#include "cubelet/initial_node.h"
#include "cubelet/memory.h"
#include "cubelet/node_identity.h"
#include "cubelet/node_registration.h"
#include "launch.h"
#include <string.h>
#include <sys/utsname.h>

node_t
launch_initial_node (const launch_t *launch, tree_t *tree)
{
    struct utsname machine;
    return initial_node (tree, launch->facts, launch->config, launch->node_labels,
                         uname (&machine) == 0 ? machine.machine : "");
}

/* How long a request about the node may take: as upstream, no longer than what it keeps alive. */
static int64_t
timeout_ms (const kubelet_config_t *config)
{
    int64_t update_ms = config->node_status_update_frequency_ns / NS_PER_MS;
    int64_t lease_ms = config->node_lease_duration_s * 1000;
    return update_ms < lease_ms ? update_ms : lease_ms;
}

/* True when --node-ip names an address, not only a family. */
static bool
has_node_ip (const launch_t *launch)
{
    const char *ip = launch->node_ip;
    return ip && *ip && strcmp (ip, "0.0.0.0") != 0 && strcmp (ip, "::") != 0;
}

static bool
has_external_cloud (const launch_t *launch)
{
    return launch->cloud_provider && strcmp (launch->cloud_provider, "external") == 0;
}

static node_t
registered_node (const launch_t *launch, tree_t *tree)
{
    node_t initial = launch_initial_node (launch, tree);
    node_registration_t registration = {
        .has_controller_attach_detach = launch->config->enable_controller_attach_detach,
        .provider_id = launch->config->provider_id,
        .has_external_cloud = has_external_cloud (launch),
        .node_ip = launch->node_ip,
    };
    return node_registration_object (tree, &initial, &registration);
}

static node_t
node_info (const launch_t *launch, tree_t *tree)
{
    node_t info = node_identity_read ("", tree), swap = node_map();
    node_set_int (tree, &swap, "capacity", launch->facts->swap_capacity);
    if (launch->facts->swap_capacity > 0)
        node_set (tree, &info, "swap", swap);
    return info;
}

static void
set_resources (tree_t *tree, node_t *args, const char *key, const node_t *list)
{
    node_set (tree, args, key, node_is_map (list) ? node_copy (tree, list) : node_map());
}

node_t
launch_node_reporter_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map(), ips = node_array();
    for (size_t i = 0; i < launch->facts->host_ips.count; i++)
        node_append (tree, &ips, node_text (tree, launch->facts->host_ips.items[i]));
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set (tree, &args, "node", registered_node (launch, tree));
    node_set_bool (tree, &args, "registers", config->register_node);
    node_set (tree, &args, "ips", ips);
    node_set_bool (tree, &args, "has_external_cloud", has_external_cloud (launch));
    node_set_bool (tree, &args, "has_node_ip", has_node_ip (launch));
    set_resources (tree, &args, "capacity", launch->facts->capacity);
    set_resources (tree, &args, "allocatable", launch->facts->allocatable);
    node_set (tree, &args, "info", node_info (launch, tree));
    node_set_int (tree, &args, "port", config->port);
    node_set_int (tree, &args, "max_images", config->node_status_max_images);
    node_set_int (tree, &args, "update_ms", config->node_status_update_frequency_ns / NS_PER_MS);
    node_set_int (tree, &args, "report_ms", config->node_status_report_frequency_ns / NS_PER_MS);
    node_set_int (tree, &args, "timeout_ms", timeout_ms (config));
    node_set_int (tree, &args, "cgroup_version", launch->facts->cgroup_version);
    node_set_int (tree, &args, "launched_ms", clock_monotonic_ms());
    return args;
}

node_t
launch_lease_keeper_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set_int (tree, &args, "duration_s", launch->config->node_lease_duration_s);
    node_set_int (tree, &args, "timeout_ms", timeout_ms (launch->config));
    return args;
}
