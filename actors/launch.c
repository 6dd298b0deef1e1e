#include "launch.h"
#include "cubelet/actors.h"
#include "cubelet/backoff.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/clock.h"
#include "cubelet/feature_gates.h"
#include "cubelet/memory.h"
#include "cubelet/node_info.h"
#include "cubelet/node_shutdown.h"
#include "cubelet/object_cache.h"
#include <string.h>

const actor_class_t *const LAUNCH_CLASSES[] = { &pod_worker_class, NULL };

typedef node_t make_args_fn (const launch_t *launch, tree_t *tree);

typedef bool is_needed_fn (const launch_t *launch);

static bool
has_manifests (const launch_t *launch)
{
    const char *path = launch->config->static_pod_path;
    return path && path[0];
}

static bool
has_manifest_url (const launch_t *launch)
{
    const char *url = launch->config->static_pod_url;
    return url && url[0];
}

static bool
has_api_server (const launch_t *launch)
{
    return !launch->is_standalone;
}

static node_t
list_of (tree_t *tree, text_list_t list)
{
    node_t array = node_array();
    for (size_t i = 0; i < list.count; i++)
        node_append (tree, &array, node_text (tree, list.items[i]));
    return array;
}

node_t
launch_list (tree_t *tree, text_list_t list)
{
    return list_of (tree, list);
}

static void
set_text (tree_t *tree, node_t *map, const char *key, const char *text)
{
    if (text && text[0])
        node_set_text (tree, map, key, text);
}

/* Who tells workers of the ConfigMaps, Secrets and other objects that their pods use. */
static const char *
object_source (const launch_t *launch)
{
    if (!launch->is_standalone)
        return "api-watcher";
    return has_manifests (launch) ? "manifest-watcher" : "";
}

static void
set_restart_limits (const launch_t *launch, tree_t *tree, node_t *args)
{
    const kubelet_config_t *config = launch->config;
    bool is_reduced =
        feature_gate_is_on (config->feature_gates, GATE_REDUCE_DEFAULT_CRASH_LOOP_DECAY);
    backoff_limits_t limits =
        backoff_container_limits (is_reduced, config->max_container_restart_period_ns);
    node_set_int (tree, args, "restart_first_ns", limits.first_ns);
    node_set_int (tree, args, "restart_limit_ns", limits.limit_ns);
    node_set_int (tree, args, "restart_forget_ns", limits.forget_ns);
}

/* The node's facts as the workers read them (pod_worker/facts.c). */
static node_t
worker_args (const launch_t *launch, tree_t *tree)
{
    const node_facts_t *facts = launch->facts;
    node_t args = node_map();
    set_text (tree, &args, "node_name", facts->node_name);
    node_set (tree, &args, "host_ips", list_of (tree, facts->host_ips));
    if (facts->allocatable)
        node_set (tree, &args, "allocatable", node_copy (tree, facts->allocatable));
    node_set (tree, &args, "cluster_dns", list_of (tree, facts->cluster_dns));
    set_text (tree, &args, "cluster_domain", facts->cluster_domain);
    set_text (tree, &args, "resolv_conf_path", facts->resolv_conf_path);
    set_text (tree, &args, "root_dir", facts->root_dir);
    set_text (tree, &args, "pod_logs_dir", facts->pod_logs_dir);
    node_set_text (tree, &args, "cgroup_driver", cgroup_driver_name (facts->cgroup_driver));
    set_text (tree, &args, "cgroup_root", facts->cgroup_root);
    node_set_bool (tree, &args, "cgroups_per_qos", facts->cgroups_per_qos);
    node_set_int (tree, &args, "cgroup_version", facts->cgroup_version);
    node_set_bool (tree, &args, "cpu_cfs_quota", facts->cpu_cfs_quota);
    node_set_int (tree, &args, "cpu_cfs_period_us", facts->cpu_cfs_period_us);
    node_set_int (tree, &args, "memory_capacity", facts->memory_capacity);
    node_set (tree, &args, "hugepage_sizes", list_of (tree, facts->hugepage_sizes));
    node_set_bool (tree, &args, "single_process_oom_kill", facts->single_process_oom_kill);
    node_set_bool (tree, &args, "has_swap_controller", facts->has_swap_controller);
    node_set_bool (tree, &args, "limited_swap", facts->limited_swap);
    node_set_int (tree, &args, "swap_capacity", facts->swap_capacity);
    node_set_bool (tree, &args, "seccomp_default", facts->seccomp_default);
    node_set_bool (tree, &args, "selinux_enabled", facts->selinux_enabled);
    node_set (tree, &args, "thermal_throttle_paths", list_of (tree, facts->thermal_throttle_paths));
    node_set (tree, &args, "allowed_unsafe_sysctls", list_of (tree, facts->allowed_unsafe_sysctls));
    node_set_int (tree, &args, "kernel_major", facts->kernel_major);
    node_set_int (tree, &args, "kernel_minor", facts->kernel_minor);
    node_set_int (tree, &args, "userns_length", facts->userns_length);
    node_set_bool (tree, &args, "is_standalone", launch->is_standalone);
    set_text (tree, &args, "object_source", object_source (launch));
    node_set_bool (tree, &args, "rereads_objects",
                   !launch->is_standalone
                       && change_detection_of (launch->config->change_detection_strategy)
                              != DETECT_BY_WATCH);
    node_set_int (tree, &args, "dead_containers_kept", launch->dead_containers_kept);
    node_set_int (tree, &args, "dead_container_least_ns", launch->dead_container_least_ns);
    set_restart_limits (launch, tree, &args);
    node_set_int (tree, &args, "request_timeout_ms",
                  launch->config->runtime_request_timeout_ns / NS_PER_MS);
    return args;
}

static node_t
pod_manager_args (const launch_t *launch, tree_t *tree)
{
    node_t sources = node_array();
    if (has_manifests (launch))
        node_append (tree, &sources, node_text (tree, "file"));
    if (has_manifest_url (launch))
        node_append (tree, &sources, node_text (tree, "http"));
    if (!launch->is_standalone)
        node_append (tree, &sources, node_text (tree, "api"));
    node_t args = node_map();
    node_set (tree, &args, "sources", sources);
    node_set (tree, &args, "initial_node", launch_initial_node (launch, tree));
    node_set_bool (tree, &args, "joined", !launch->is_standalone);
    node_set (tree, &args, "worker_args", worker_args (launch, tree));
    node_set_int (tree, &args, "sync_ms", launch->config->sync_frequency_ns / NS_PER_MS);
    return args;
}

static node_t
manifest_watcher_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_map();
    node_set_text (tree, &args, "path", launch->config->static_pod_path);
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set_int (tree, &args, "check_frequency_ms",
                  launch->config->file_check_frequency_ns / NS_PER_MS);
    // In a cluster the API server has the objects, and static pods start without it.
    node_set_bool (tree, &args, "serves_objects", launch->is_standalone);
    return args;
}

static node_t
url_watcher_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_text (tree, &args, "url", config->static_pod_url);
    if (config->static_pod_url_header)
        node_set (tree, &args, "headers", node_copy (tree, config->static_pod_url_header));
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set_int (tree, &args, "check_ms", config->http_check_frequency_ns / NS_PER_MS);
    node_set_bool (tree, &args, "allow_objects", launch->is_standalone && has_manifests (launch));
    return args;
}

static node_t
runtime_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_text (tree, &args, "runtime_endpoint", config->container_runtime_endpoint);
    set_text (tree, &args, "image_endpoint", config->image_service_endpoint);
    node_set_int (tree, &args, "request_timeout_ms",
                  config->runtime_request_timeout_ns / NS_PER_MS);
    node_set_int (tree, &args, "start_window", launch->start_window);
    return args;
}

static node_t
image_puller_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_bool (tree, &args, "serialize_pulls", config->serialize_image_pulls);
    if (config->max_parallel_image_pulls.set)
        node_set_int (tree, &args, "max_parallel_pulls", config->max_parallel_image_pulls.value);
    node_set_int (tree, &args, "qps", config->registry_pull_qps);
    node_set_int (tree, &args, "burst", config->registry_burst);
    node_set_text (tree, &args, "root_dir", launch->facts->root_dir);
    if (launch->credential_providers) {
        node_set (tree, &args, "credential_providers",
                  node_copy (tree, launch->credential_providers));
        set_text (tree, &args, "credential_provider_bin_dir", launch->credential_provider_bin_dir);
    }
    return args;
}

static int64_t
allocatable_memory (const launch_t *launch)
{
    quantity_t memory = { 0 };
    fault_t fault = { 0 };
    const char *text = node_get_text (launch->facts->allocatable, "memory", NULL);
    bool is_known = text && quantity_parse (text, &memory, &fault) == 0;
    return is_known ? quantity_value (memory) : launch->facts->memory_capacity;
}

static node_t
garbage_collector_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_map();
    node_set_text (tree, &args, "root_dir", launch->facts->root_dir);
    node_set_text (tree, &args, "pod_logs_dir", launch->facts->pod_logs_dir);
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set_int (tree, &args, "dead_containers_max", launch->dead_containers_max);
    node_set_int (tree, &args, "dead_container_least_ns", launch->dead_container_least_ns);
    return args;
}

static node_t
log_rotator_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    quantity_t size = { 0 };
    fault_t fault = { 0 }; // checked with the configuration
    quantity_parse (config->container_log_max_size, &size, &fault);
    node_t args = node_map();
    node_set_int (tree, &args, "max_size", quantity_value (size));
    node_set_int (tree, &args, "max_files", config->container_log_max_files);
    node_set_int (tree, &args, "max_workers", config->container_log_max_workers);
    node_set_int (tree, &args, "interval_ms",
                  config->container_log_monitor_interval_ns / NS_PER_MS);
    return args;
}

static node_t
volume_manager_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_map();
    node_set_text (tree, &args, "root_dir", launch->facts->root_dir);
    if (launch->facts->allocatable)
        node_set (tree, &args, "node_allocatable", node_copy (tree, launch->facts->allocatable));
    node_set_int (tree, &args, "node_allocatable_memory", allocatable_memory (launch));
    node_set_bool (tree, &args, "has_csi", !launch->is_standalone);
    node_set_int (tree, &args, "userns_first", launch->userns_first);
    node_set_int (tree, &args, "userns_total", launch->userns_total);
    if (launch->facts->userns_length)
        node_set_int (tree, &args, "userns_length", launch->facts->userns_length);
    return args;
}

static node_t
node_name_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    return args;
}

static node_t
csi_manager_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_name_args (launch, tree);
    node_set_text (tree, &args, "root_dir", launch->facts->root_dir);
    return args;
}

static bool
lists_text (text_list_t list, const char *text)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp (list.items[i], text) == 0)
            return true;
    return false;
}

/* The groups of others that enforceNodeAllocatable wants limited; "-compressible": CPU only. */
static node_t
reserved_groups (const kubelet_config_t *config, tree_t *tree)
{
    const struct {
        const char *name, *all, *cpu_only, *cgroup;
        const node_t *amounts;
    } GROUPS[] = {
        { "System", "system-reserved", "system-reserved-compressible",
          config->system_reserved_cgroup, config->system_reserved },
        { "Kube", "kube-reserved", "kube-reserved-compressible", config->kube_reserved_cgroup,
          config->kube_reserved },
    };
    node_t out = node_array();
    for (size_t i = 0; i < sizeof GROUPS / sizeof *GROUPS; i++) {
        bool has_all = lists_text (config->enforce_node_allocatable, GROUPS[i].all);
        if (!has_all && !lists_text (config->enforce_node_allocatable, GROUPS[i].cpu_only))
            continue;
        quantity_t cpu = resource_quantity (GROUPS[i].amounts, "cpu");
        quantity_t memory = resource_quantity (GROUPS[i].amounts, "memory");
        quantity_t pids = resource_quantity (GROUPS[i].amounts, "pid");
        node_t row = node_map();
        node_set_text (tree, &row, "name", GROUPS[i].name);
        node_set_text (tree, &row, "cgroup", GROUPS[i].cgroup);
        if (cpu.set)
            node_set_int (tree, &row, "milli", quantity_milli (cpu));
        if (memory.set && has_all)
            node_set_int (tree, &row, "memory", quantity_value (memory));
        if (pids.set && has_all)
            node_set_int (tree, &row, "pids", quantity_value (pids));
        node_append (tree, &out, row);
    }
    return out;
}

static node_t
resource_manager_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_name_args (launch, tree);
    node_set_text (tree, &args, "cgroup_driver", config->cgroup_driver);
    set_text (tree, &args, "cgroup_root", config->cgroup_root);
    node_set_bool (tree, &args, "cgroups_per_qos", config->cgroups_per_qos);
    node_set_bool (tree, &args, "cpu_cfs_quota", config->cpu_cfs_quota);
    node_set_int (tree, &args, "pod_pids_limit", config->pod_pids_limit);
    node_set (tree, &args, "reserved", reserved_groups (config, tree));
    if (lists_text (config->enforce_node_allocatable, "pods")) {
        const node_t *capacity = launch->facts->capacity;
        quantity_t memory = node_pods_limit (capacity, config, "memory");
        quantity_t cpu = node_pods_limit (capacity, config, "cpu");
        node_set_int (tree, &args, "pods_memory", quantity_value (memory));
        node_set_int (tree, &args, "pods_milli", quantity_milli (cpu));
    }
    return args;
}

static node_t
eviction_manager_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    set_text (tree, &args, "root_dir", launch->facts->root_dir);
    node_set_text (tree, &args, "cgroup_driver", config->cgroup_driver);
    set_text (tree, &args, "cgroup_root", config->cgroup_root);
    node_set_bool (tree, &args, "cgroups_per_qos", config->cgroups_per_qos);
    node_set (tree, &args, "eviction_hard", node_copy (tree, config->eviction_hard));
    node_set (tree, &args, "eviction_soft", node_copy (tree, config->eviction_soft));
    node_set (tree, &args, "eviction_soft_grace_period",
              node_copy (tree, config->eviction_soft_grace_period));
    node_set (tree, &args, "eviction_minimum_reclaim",
              node_copy (tree, config->eviction_minimum_reclaim));
    node_set_bool (tree, &args, "enforces_pods",
                   lists_text (config->enforce_node_allocatable, "pods"));
    node_set_int (tree, &args, "transition_ms",
                  config->eviction_pressure_transition_period_ns / NS_PER_MS);
    node_set_int (tree, &args, "max_grace_s", config->eviction_max_pod_grace_period_s);
    node_set_bool (tree, &args, "isolates_storage", config->local_storage_capacity_isolation);
    node_set_int (tree, &args, "allocatable_memory", allocatable_memory (launch));
    return args;
}

static node_t
image_gc_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set_int (tree, &args, "minimum_age_ms", config->image_minimum_gc_age_ns / NS_PER_MS);
    node_set_int (tree, &args, "maximum_age_ms", config->image_maximum_gc_age_ns / NS_PER_MS);
    node_set_int (tree, &args, "high_percent", config->image_gc_high_threshold_percent);
    node_set_int (tree, &args, "low_percent", config->image_gc_low_threshold_percent);
    return args;
}

static node_t
stats_provider_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    set_text (tree, &args, "root_dir", launch->facts->root_dir);
    set_text (tree, &args, "pod_logs_dir", launch->facts->pod_logs_dir);
    node_set_text (tree, &args, "cgroup_driver", config->cgroup_driver);
    set_text (tree, &args, "cgroup_root", config->cgroup_root);
    node_set_bool (tree, &args, "cgroups_per_qos", config->cgroups_per_qos);
    set_text (tree, &args, "kubelet_cgroups", config->kubelet_cgroups);
    set_text (tree, &args, "system_cgroups", config->system_cgroups);
    set_text (tree, &args, "runtime_cgroups", launch->runtime_cgroups);
    node_set_int (tree, &args, "allocatable_memory", allocatable_memory (launch));
    node_set_bool (tree, &args, "has_csi", !launch->is_standalone);
    node_set_int (tree, &args, "volume_stats_ms", config->volume_stats_agg_period_ns / NS_PER_MS);
    if (config->feature_gates)
        node_set (tree, &args, "feature_gates", node_copy (tree, config->feature_gates));
    return args;
}

static node_t
event_recorder_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_name_args (launch, tree);
    node_set_bool (tree, &args, "has_api_server", has_api_server (launch));
    node_set_int (tree, &args, "qps", launch->config->event_record_qps);
    node_set_int (tree, &args, "burst", launch->config->event_burst);
    return args;
}

static node_t
no_args (const launch_t *launch, tree_t *tree)
{
    (void) launch, (void) tree;
    return node_map();
}

/* Without --kubeconfig the bootstrap credentials are better than none. */
static node_t
api_client_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_text (tree, &args, "kubeconfig",
                   launch->kubeconfig ? launch->kubeconfig : launch->bootstrap_kubeconfig);
    if (config->rotate_certificates) {
        OWNED (free_text)
        char *path = text_format ("%s/kubelet-client-current.pem", launch->cert_dir);
        node_set_text (tree, &args, "certificate", path);
    }
    node_set_int (tree, &args, "qps", config->kube_api_qps);
    node_set_int (tree, &args, "burst", config->kube_api_burst);
    return args;
}

static bool
needs_certificates (const launch_t *launch)
{
    const kubelet_config_t *config = launch->config;
    return launch->kubeconfig
           && (launch->bootstrap_kubeconfig || config->rotate_certificates
               || config->server_tls_bootstrap);
}

static node_t
certificate_manager_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set_text (tree, &args, "directory", launch->cert_dir);
    node_set_text (tree, &args, "kubeconfig", launch->kubeconfig);
    node_set_text (tree, &args, "bootstrap", launch->bootstrap_kubeconfig);
    node_set_bool (tree, &args, "rotates_client", launch->config->rotate_certificates);
    node_set_bool (tree, &args, "has_serving", launch->config->server_tls_bootstrap);
    return args;
}

static node_t
token_manager_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_map();
    node_set_text (tree, &args, "checkpoints", launch->checkpoint_dir);
    node_set_text (tree, &args, "key_file", launch->offline_key_file);
    return args;
}

static node_t
api_watcher_args (const launch_t *launch, tree_t *tree)
{
    node_t args = api_client_args (launch, tree);
    node_set_text (tree, &args, "checkpoints", launch->checkpoint_dir);
    node_set_text (tree, &args, "key_file", launch->offline_key_file);
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set_text (tree, &args, "detection", launch->config->change_detection_strategy);
    node_set_bool (tree, &args, "streams_lists",
                   feature_gate_is_on (launch->config->feature_gates, GATE_WATCH_LIST_CLIENT));
    return args;
}

static bool
has_graceful_shutdown (const launch_t *launch)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t periods = node_shutdown_periods (launch->config, tree);
    return node_count (&periods) > 0;
}

static node_t
shutdown_manager_args (const launch_t *launch, tree_t *tree)
{
    node_t args = node_name_args (launch, tree);
    set_text (tree, &args, "root_dir", launch->facts->root_dir);
    node_set (tree, &args, "periods", node_shutdown_periods (launch->config, tree));
    return args;
}

/* Those that others need first come first; the order only spares requests that come too soon. */
static const struct {
    const actor_class_t *class;
    make_args_fn *make_args;
    is_needed_fn *is_needed; // NULL: always
} ACTORS[] = {
    { &api_client_class, api_client_args, has_api_server },
    { &event_recorder_class, event_recorder_args },
    { &runtime_class, runtime_args },
    { &image_puller_class, image_puller_args },
    { &volume_manager_class, volume_manager_args },
    { &csi_manager_class, csi_manager_args, has_api_server },
    { &resource_manager_class, resource_manager_args },
    { &probe_manager_class, node_name_args },
    { &log_rotator_class, log_rotator_args },
    { &garbage_collector_class, garbage_collector_args },
    { &runtime_watcher_class, no_args },
    { &pod_manager_class, pod_manager_args },
    { &manifest_watcher_class, manifest_watcher_args, has_manifests },
    { &url_watcher_class, url_watcher_args, has_manifest_url },
    { &stats_provider_class, stats_provider_args },
    { &image_gc_class, image_gc_args },
    { &oom_watcher_class, node_name_args },
    { &eviction_manager_class, eviction_manager_args },
    { &server_class, launch_server_args },
    { &shutdown_manager_class, shutdown_manager_args, has_graceful_shutdown },
    { &certificate_manager_class, certificate_manager_args, needs_certificates },
    { &token_manager_class, token_manager_args, has_api_server },
    { &api_watcher_class, api_watcher_args, has_api_server },
    { &status_reporter_class, node_name_args, has_api_server },
    { &node_reporter_class, launch_node_reporter_args, has_api_server },
    { &lease_keeper_class, launch_lease_keeper_args, has_api_server },
};
_Static_assert(sizeof ACTORS / sizeof *ACTORS <= LAUNCH_ACTORS_MAX, "raise LAUNCH_ACTORS_MAX");

size_t
launch_actors (const launch_t *launch, tree_t *tree, supervised_t *actors)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof ACTORS / sizeof *ACTORS; i++) {
        if (ACTORS[i].is_needed && !ACTORS[i].is_needed (launch))
            continue;
        node_t *args = tree_alloc (tree, sizeof *args);
        *args = ACTORS[i].make_args (launch, tree);
        actors[count++] = (supervised_t){ ACTORS[i].class, args };
    }
    return count;
}
