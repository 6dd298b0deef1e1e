/* kubelet_config.h - KubeletConfiguration (kubelet.config.k8s.io/v1beta1): every field of upstream
   1.34, so that no file valid there is refused here; docs/configuration.md says which have an
   effect. Source: reference/node-and-server.md 8, samples/configz.json.

   Durations are nanoseconds. Texts, lists and nodes are borrowed from the tree the configuration
   was read into, or static. Maps of texts (eviction, reserved...) are nodes, NULL when absent. */
#pragma once
#include "cubelet/record.h"

typedef struct {
    const char *key;
    const char *value;
    const char *effect; // NoSchedule, PreferNoSchedule, NoExecute
    const char *time_added;
} taint_t;

typedef struct {
    int64_t priority;
    int64_t grace_s;
} priority_grace_t;

typedef struct {
    int64_t numa_node;
    const node_t *limits;
} memory_reservation_t;

typedef struct {
    const char *format;            // text, json
    const node_t *flush_frequency; // a duration, or a number of nanoseconds
    int64_t verbosity;
    const node_t *vmodule; // list of {filePattern, verbosity}
    const node_t *options;
} logging_config_t;

typedef struct {
    const char *endpoint; // NULL: off
    opt_int_t sampling_rate_per_million;
} tracing_config_t;

typedef struct {
    struct {
        const char *client_ca_file;
    } x509;
    struct {
        bool enabled;
        int64_t cache_ttl_ns;
    } webhook;
    struct {
        bool enabled;
    } anonymous;
} authentication_config_t;

typedef struct {
    const char *mode; // AlwaysAllow, Webhook
    struct {
        int64_t cache_authorized_ttl_ns;
        int64_t cache_unauthorized_ttl_ns;
    } webhook;
} authorization_config_t;

typedef struct {
    // ---- where pods come from ----
    bool enable_server;
    const char *static_pod_path;
    const char *static_pod_url;
    const node_t *static_pod_url_header; // name -> list of texts
    const char *pod_logs_dir;
    int64_t sync_frequency_ns;
    int64_t file_check_frequency_ns;
    int64_t http_check_frequency_ns;

    // ---- servers and certificates ----
    const char *address;
    int64_t port;
    int64_t read_only_port; // 0: off
    const char *tls_cert_file;
    const char *tls_private_key_file;
    text_list_t tls_cipher_suites;
    const char *tls_min_version;
    bool rotate_certificates;
    bool server_tls_bootstrap;
    authentication_config_t authentication;
    authorization_config_t authorization;
    bool enable_debugging_handlers;
    bool enable_contention_profiling;
    bool enable_profiling_handler;
    bool enable_debug_flags_handler;
    bool enable_system_log_handler;
    bool enable_system_log_query;
    int64_t healthz_port; // 0: off
    const char *healthz_bind_address;
    int64_t streaming_connection_idle_timeout_ns;

    // ---- images ----
    int64_t registry_pull_qps; // 0: unlimited
    int64_t registry_burst;
    const char *image_pull_credentials_verification_policy;
    text_list_t preloaded_images_verification_allowlist;
    bool serialize_image_pulls;
    opt_int_t max_parallel_image_pulls;
    int64_t image_minimum_gc_age_ns;
    int64_t image_maximum_gc_age_ns; // 0: off
    int64_t image_gc_high_threshold_percent;
    int64_t image_gc_low_threshold_percent;

    // ---- events, API server ----
    int64_t event_record_qps; // 0: unlimited
    int64_t event_burst;
    const char *content_type;
    int64_t kube_api_qps;
    int64_t kube_api_burst;

    // ---- the node ----
    int64_t oom_score_adj; // of this process
    const char *cluster_domain;
    text_list_t cluster_dns;
    const char *resolv_conf; // "": none
    int64_t node_status_update_frequency_ns;
    int64_t node_status_report_frequency_ns;
    int64_t node_lease_duration_s;
    int64_t node_status_max_images; // -1: all
    bool register_node;
    LIST_OF (taint_t) register_with_taints;
    const char *provider_id;
    int64_t max_pods;
    int64_t pods_per_core; // 0: off
    const char *pod_cidr;
    int64_t pod_pids_limit; // -1: the node's
    bool enable_controller_attach_detach;
    bool local_storage_capacity_isolation;
    const char *volume_plugin_dir;
    int64_t volume_stats_agg_period_ns;
    const char *change_detection_strategy; // Get, Cache, Watch

    // ---- runtime ----
    const char *container_runtime_endpoint;
    const char *image_service_endpoint; // "": the runtime's
    int64_t runtime_request_timeout_ns;
    const char *container_log_max_size; // a quantity
    int64_t container_log_max_files;
    int64_t container_log_max_workers;
    int64_t container_log_monitor_interval_ns;
    int64_t max_container_restart_period_ns; // 0: not set (300 s)
    bool seccomp_default;
    text_list_t allowed_unsafe_sysctls;
    opt_int_t user_namespace_ids_per_pod;

    // ---- cgroups and resources ----
    const char *kubelet_cgroups;
    const char *system_cgroups;
    const char *cgroup_root;
    bool cgroups_per_qos;
    const char *cgroup_driver; // cgroupfs, systemd; where the runtime says nothing of it
    bool cpu_cfs_quota;
    int64_t cpu_cfs_quota_period_ns;
    opt_bool_t single_process_oom_kill; // not set: false on cgroup v2, true on v1
    bool fail_cgroup_v1;
    bool fail_swap_on;
    const char *swap_behavior; // NULL or "" is NoSwap; LimitedSwap
    double memory_throttling_factor;
    const char *cpu_manager_policy;
    const node_t *cpu_manager_policy_options;
    int64_t cpu_manager_reconcile_period_ns;
    const char *memory_manager_policy;
    LIST_OF (memory_reservation_t) reserved_memory;
    const char *topology_manager_policy;
    const char *topology_manager_scope;
    const node_t *topology_manager_policy_options;
    const node_t *qos_reserved;
    const node_t *system_reserved; // resource -> quantity text
    const node_t *kube_reserved;
    const char *reserved_system_cpus;
    const char *system_reserved_cgroup;
    const char *kube_reserved_cgroup;
    text_list_t enforce_node_allocatable;

    // ---- eviction ----
    const node_t *eviction_hard; // signal -> quantity or percentage; never NULL
    const node_t *eviction_soft;
    const node_t *eviction_soft_grace_period; // signal -> duration
    const node_t *eviction_minimum_reclaim;
    int64_t eviction_pressure_transition_period_ns;
    int64_t eviction_max_pod_grace_period_s;
    bool merge_default_eviction_settings;

    // ---- shutdown of the node ----
    int64_t shutdown_grace_period_ns;
    int64_t shutdown_grace_period_critical_pods_ns;
    LIST_OF (priority_grace_t) shutdown_grace_period_by_pod_priority;

    // ---- the rest ----
    const node_t *feature_gates; // name -> bool
    logging_config_t logging;
    tracing_config_t *tracing;
    const char *show_hidden_metrics_for_version;
    const char *hairpin_mode;
    int64_t max_open_files;
    bool protect_kernel_defaults;
    bool make_iptables_util_chains;
    int64_t iptables_masquerade_bit;
    int64_t iptables_drop_bit;
    bool kernel_memcg_notification;
    bool run_once;
} kubelet_config_t;

/* The configuration of an empty file. */
void kubelet_config_defaults (kubelet_config_t *out);

/* Where a configuration comes from; everything may be absent. */
typedef struct {
    const char *file;    // --config
    const char *dir;     // --config-dir: *.conf in and below it, in name order
    const node_t *flags; // a partial configuration from the command line, wins over the files
    const char *(*flag_of) (const char *path); // "--port" for "port", NULL for none; for faults
    bool is_standalone; // no API server: what asks one for webhooks is refused
} config_sources_t;

/* Reads, merges and checks a configuration. Files hold one YAML or JSON document each; a drop-in
   replaces field by field what came before it (maps by key, lists as a whole, null takes back).
   Texts and lists of `out` live in `tree`.
   Faults are FAULT_INVALID, or FAULT_NOT_FOUND and the like for files, and name file, line and
   field: `/etc/kubelet.yaml:7: evictonHard: unknown field`; or the flag. Unlike upstream, which
   only warns, an unknown field is refused. */
int kubelet_config_read (const config_sources_t *sources, tree_t *tree, kubelet_config_t *out,
                         fault_t *fault);

/* Checks the values of a decoded configuration: ranges, enumerations, quantities, and what
   contradicts itself. Faults read "PATH: ...". */
int kubelet_config_check (const kubelet_config_t *config, fault_t *fault);

/* The configuration as /configz shows it: every field that has a value, in upstream's order.
   A map in `tree`. */
node_t kubelet_config_encode (const kubelet_config_t *config, tree_t *tree);

/* Fills `out` (preset) from a configuration object without its kind and apiVersion. */
int kubelet_config_decode (const node_t *node, tree_t *tree, kubelet_config_t *out, fault_t *fault);
