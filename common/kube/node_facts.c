/* node_facts.c - the facts for the workers, from options and machine (node_info.h). */
#include "cubelet/cgroup_path.h"
#include "cubelet/clock.h"
#include "cubelet/feature_gates.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/node_info.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#define RESOLV_CONF_MAX (10 * 1024 * 1024)
#define NS_PER_US 1000

static const char *
kept (tree_t *tree, const char *text)
{
    return text ? tree_text (tree, text, strlen (text)) : NULL;
}

// Paths are joined with a slash later on.
static const char *
without_slash (tree_t *tree, const char *path)
{
    size_t size = strlen (path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    return tree_text (tree, path, size);
}

static text_list_t
canonical_addresses (text_list_t given, tree_t *tree)
{
    text_list_t out = { tree_alloc (tree, given.count * sizeof *given.items), given.count };
    for (size_t i = 0; i < given.count; i++) {
        char text[INET6_ADDRSTRLEN];
        struct in6_addr address;
        int family = strchr (given.items[i], ':') ? AF_INET6 : AF_INET;
        bool is_read = inet_pton (family, given.items[i], &address) == 1
                       && inet_ntop (family, &address, text, sizeof text);
        out.items[i] = kept (tree, is_read ? text : given.items[i]);
    }
    return out;
}

static int64_t
disk_bytes (const char *path)
{
    struct statvfs status;
    if (statvfs (path, &status) < 0)
        return 0;
    return (int64_t) status.f_blocks * (int64_t) status.f_frsize;
}

static int
check_machine (const kubelet_config_t *config, const machine_t *machine, fault_t *fault)
{
    if (config->fail_swap_on && machine->is_swap_on)
        return fault_set (fault, FAULT_PRECONDITION,
                          "running with swap on is not supported, please disable swap or set "
                          "failSwapOn (--fail-swap-on) to false");
    if (config->fail_cgroup_v1 && machine->cgroup_version == 1)
        return fault_set (fault, FAULT_PRECONDITION,
                          "kubelet is configured to not run on a host using cgroup v1 "
                          "(failCgroupV1)");
    return 0;
}

static void
fill_cgroups (const kubelet_config_t *config, const machine_t *machine, node_facts_t *out)
{
    bool has_own_period =
        feature_gate_is_on (config->feature_gates, GATE_CUSTOM_CPU_CFS_QUOTA_PERIOD);
    out->cgroup_driver = cgroup_driver_of (config->cgroup_driver);
    out->cgroup_root = config->cgroup_root;
    out->cgroups_per_qos = config->cgroups_per_qos;
    out->cgroup_version = machine->cgroup_version;
    out->cpu_cfs_quota = config->cpu_cfs_quota;
    out->cpu_cfs_period_us = has_own_period ? config->cpu_cfs_quota_period_ns / NS_PER_US : 100000;
    out->memory_capacity = machine->memory_bytes;
    out->hugepage_sizes = machine->hugepage_sizes;
    out->single_process_oom_kill = config->single_process_oom_kill.set
                                       ? config->single_process_oom_kill.value
                                       : machine->cgroup_version == 1;
    out->has_swap_controller = machine->has_swap_controller;
    out->limited_swap = config->swap_behavior && strcmp (config->swap_behavior, "LimitedSwap") == 0;
    out->swap_capacity = machine->swap_bytes;
}

int
node_facts_from (const kubelet_options_t *options, const machine_t *machine, tree_t *tree,
                 node_facts_t *out, fault_t *fault)
{
    const kubelet_config_t *config = &options->config;
    memset (out, 0, sizeof *out);
    if (check_machine (config, machine, fault) < 0)
        return -1;
    OWNED (free_text)
    char *name = node_name_of (options->hostname_override, machine->hostname, fault);
    if (!name)
        return -1;
    out->node_name = kept (tree, name);
    out->host_ips = node_addresses (options->node_ip, name, machine, tree);
    node_t *capacity = tree_alloc (tree, sizeof *capacity);
    node_t *allocatable = tree_alloc (tree, sizeof *allocatable);
    *capacity = node_capacity (machine, config, disk_bytes (options->root_dir), tree);
    *allocatable = node_allocatable (capacity, config, tree);
    out->capacity = capacity;
    out->allocatable = allocatable;
    out->cluster_dns = canonical_addresses (config->cluster_dns, tree);
    out->cluster_domain = config->cluster_domain;
    out->resolv_conf_path = config->resolv_conf; // its bytes are read for every sandbox
    out->root_dir = without_slash (tree, options->root_dir);
    out->pod_logs_dir = without_slash (tree, config->pod_logs_dir);
    fill_cgroups (config, machine, out);
    out->seccomp_default = config->seccomp_default;
    out->selinux_enabled = machine->has_selinux;
    out->thermal_throttle_paths = machine->thermal_throttle_paths;
    out->allowed_unsafe_sysctls = config->allowed_unsafe_sysctls;
    out->kernel_major = machine->kernel_major;
    out->kernel_minor = machine->kernel_minor;
    out->userns_length =
        config->user_namespace_ids_per_pod.set ? config->user_namespace_ids_per_pod.value : 0;
    return 0;
}

int
node_facts_read (const kubelet_options_t *options, tree_t *tree, node_facts_t *out, fault_t *fault)
{
    machine_t machine;
    machine_read ("", tree, &machine);
    if (node_facts_from (options, &machine, tree, out, fault) < 0)
        return -1;
    for (size_t i = 0; i < out->host_ips.count; i++)
        if (!machine_has_address (&machine, out->host_ips.items[i]))
            LOG_WARNING ("No interface has the node's address address=%s", out->host_ips.items[i]);
    if (out->host_ips.count == 0)
        LOG_WARNING ("The node has no address: no default route, and --node-ip is not given");
    return 0;
}
