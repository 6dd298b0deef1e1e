#include "cubelet/kubelet_config.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/record_table.h"
#include <string.h>

#define MINUTE_NS (60 * NS_PER_S)
#define PORT_MAX 65535
#define C kubelet_config_t

static const char *const AUTHORIZATION_MODES[] = { "AlwaysAllow", "Webhook", NULL };
static const char *const TLS_VERSIONS[] = { "VersionTLS10", "VersionTLS11", "VersionTLS12",
                                            "VersionTLS13", NULL };
static const char *const CGROUP_DRIVERS[] = { "cgroupfs", "systemd", NULL };
static const char *const CPU_POLICIES[] = { "none", "static", NULL };
static const char *const MEMORY_POLICIES[] = { "None", "Static", NULL };
static const char *const TOPOLOGY_POLICIES[] = { "none", "best-effort", "restricted",
                                                 "single-numa-node", NULL };
static const char *const TOPOLOGY_SCOPES[] = { "container", "pod", NULL };
static const char *const HAIRPIN_MODES[] = { "none", "hairpin-veth", "promiscuous-bridge", NULL };
static const char *const STRATEGIES[] = { "Get", "Cache", "Watch", NULL };
static const char *const LOG_FORMATS[] = { "text", "json", NULL };
static const char *const SWAP_BEHAVIORS[] = { "", "NoSwap", "LimitedSwap", NULL };
static const char *const EFFECTS[] = { "NoSchedule", "PreferNoSchedule", "NoExecute", NULL };
static const char *const CREDENTIAL_POLICIES[] = { "NeverVerify", "NeverVerifyPreloadedImages",
                                                   "NeverVerifyAllowlistedImages", "AlwaysVerify",
                                                   NULL };

// clang-format off

// ---- nested types ----

static const record_type_t X509 = {
    .fields = (const field_t[]) {
        FIELD (__typeof__ (((authentication_config_t *) 0)->x509), client_ca_file, "clientCAFile", TEXT),
        { .name = NULL } },
    .size = sizeof (((authentication_config_t *) 0)->x509),
};
static const record_type_t TOKEN_WEBHOOK = {
    .fields = (const field_t[]) {
        FIELD (__typeof__ (((authentication_config_t *) 0)->webhook), enabled, "enabled", BOOL),
        FIELD (__typeof__ (((authentication_config_t *) 0)->webhook), cache_ttl_ns, "cacheTTL", DURATION),
        { .name = NULL } },
    .size = sizeof (((authentication_config_t *) 0)->webhook),
};
static const record_type_t ANONYMOUS = {
    .fields = (const field_t[]) {
        FIELD (__typeof__ (((authentication_config_t *) 0)->anonymous), enabled, "enabled", BOOL),
        { .name = NULL } },
    .size = sizeof (((authentication_config_t *) 0)->anonymous),
};
RECORD_TYPE (AUTHENTICATION, authentication_config_t,
    FIELD_OF (authentication_config_t, x509,      "x509",      RECORD, X509),
    FIELD_OF (authentication_config_t, webhook,   "webhook",   RECORD, TOKEN_WEBHOOK),
    FIELD_OF (authentication_config_t, anonymous, "anonymous", RECORD, ANONYMOUS));
static const record_type_t REVIEW_WEBHOOK = {
    .fields = (const field_t[]) {
        FIELD (__typeof__ (((authorization_config_t *) 0)->webhook), cache_authorized_ttl_ns,   "cacheAuthorizedTTL",   DURATION),
        FIELD (__typeof__ (((authorization_config_t *) 0)->webhook), cache_unauthorized_ttl_ns, "cacheUnauthorizedTTL", DURATION),
        { .name = NULL } },
    .size = sizeof (((authorization_config_t *) 0)->webhook),
};
RECORD_TYPE (AUTHORIZATION, authorization_config_t,
    FIELD_ONE_OF (authorization_config_t, mode,   "mode",    TEXT,   AUTHORIZATION_MODES),
    FIELD_OF (authorization_config_t, webhook,    "webhook", RECORD, REVIEW_WEBHOOK));

RECORD_TYPE (TAINT, taint_t,
    FIELD (taint_t, key,           "key",       TEXT),
    FIELD (taint_t, value,         "value",     TEXT),
    FIELD_ONE_OF (taint_t, effect, "effect",    TEXT, EFFECTS),
    FIELD (taint_t, time_added,    "timeAdded", TEXT));
RECORD_TYPE (PRIORITY_GRACE, priority_grace_t,
    FIELD (priority_grace_t, priority, "priority",                   INT),
    FIELD (priority_grace_t, grace_s,  "shutdownGracePeriodSeconds", INT));
RECORD_TYPE (RESERVED_MEMORY, memory_reservation_t,
    FIELD_IN (memory_reservation_t, numa_node, "numaNode", INT, 0, INT32_MAX),
    FIELD (memory_reservation_t, limits,       "limits",   NODE));
RECORD_TYPE (LOGGING, logging_config_t,
    FIELD_ONE_OF (logging_config_t, format,   "format",         TEXT, LOG_FORMATS),
    FIELD (logging_config_t, flush_frequency, "flushFrequency", NODE),
    FIELD_IN (logging_config_t, verbosity,    "verbosity",      INT, 0, INT32_MAX),
    FIELD (logging_config_t, vmodule,         "vmodule",        NODE),
    FIELD (logging_config_t, options,         "options",        NODE));
RECORD_TYPE (TRACING, tracing_config_t,
    FIELD (tracing_config_t, endpoint, "endpoint", TEXT),
    FIELD_IN (tracing_config_t, sampling_rate_per_million, "samplingRatePerMillion", OPT_INT, 0, 1000000));

/* Objects of one field, whose value lies in the configuration itself. */
#define ONE_FIELD(SYMBOL, TYPE, ...) \
    static const record_type_t SYMBOL = { \
        .fields = (const field_t[]) { { .offset = 0, __VA_ARGS__ }, { .name = NULL } }, \
        .size = sizeof (TYPE) }
ONE_FIELD (MEMORY_SWAP, const char *, .name = "swapBehavior", .kind = FIELD_TEXT, .one_of = SWAP_BEHAVIORS);
ONE_FIELD (CRASH_LOOP, int64_t, .name = "maxContainerRestartPeriod", .kind = FIELD_DURATION, .low = NS_PER_S, .high = 5 * MINUTE_NS);
ONE_FIELD (USER_NAMESPACES, opt_int_t, .name = "idsPerPod", .kind = FIELD_OPT_INT, .low = 65536, .high = UINT32_MAX);

// ---- the configuration, in the order of upstream's type ----

RECORD_TYPE (CONFIG, C,
    FIELD (C, enable_server,            "enableServer",       BOOL),
    FIELD (C, static_pod_path,          "staticPodPath",      TEXT),
    FIELD (C, pod_logs_dir,             "podLogsDir",         TEXT),
    FIELD (C, sync_frequency_ns,        "syncFrequency",      DURATION),
    FIELD (C, file_check_frequency_ns,  "fileCheckFrequency", DURATION),
    FIELD (C, http_check_frequency_ns,  "httpCheckFrequency", DURATION),
    FIELD (C, static_pod_url,           "staticPodURL",       TEXT),
    FIELD (C, static_pod_url_header,    "staticPodURLHeader", NODE),
    FIELD (C, address,                  "address",            TEXT),
    FIELD_IN (C, port,                  "port",               INT, 1, PORT_MAX),
    FIELD_IN (C, read_only_port,        "readOnlyPort",       INT, 0, PORT_MAX),
    FIELD (C, tls_cert_file,            "tlsCertFile",        TEXT),
    FIELD (C, tls_private_key_file,     "tlsPrivateKeyFile",  TEXT),
    FIELD (C, tls_cipher_suites,        "tlsCipherSuites",    TEXT_LIST),
    FIELD_ONE_OF (C, tls_min_version,   "tlsMinVersion",      TEXT, TLS_VERSIONS),
    FIELD (C, rotate_certificates,      "rotateCertificates", BOOL),
    FIELD (C, server_tls_bootstrap,     "serverTLSBootstrap", BOOL),
    FIELD_OF (C, authentication,        "authentication",     RECORD, AUTHENTICATION),
    FIELD_OF (C, authorization,         "authorization",      RECORD, AUTHORIZATION),
    FIELD_IN (C, registry_pull_qps,     "registryPullQPS",    INT, 0, INT32_MAX),
    FIELD_IN (C, registry_burst,        "registryBurst",      INT, 0, INT32_MAX),
    FIELD_ONE_OF (C, image_pull_credentials_verification_policy,
                                        "imagePullCredentialsVerificationPolicy", TEXT, CREDENTIAL_POLICIES),
    FIELD (C, preloaded_images_verification_allowlist,
                                        "preloadedImagesVerificationAllowlist", TEXT_LIST),
    FIELD_IN (C, event_record_qps,      "eventRecordQPS",     INT, 0, INT32_MAX),
    FIELD_IN (C, event_burst,           "eventBurst",         INT, 0, INT32_MAX),
    FIELD (C, enable_debugging_handlers,   "enableDebuggingHandlers",   BOOL),
    FIELD (C, enable_contention_profiling, "enableContentionProfiling", BOOL),
    FIELD_IN (C, healthz_port,          "healthzPort",        INT, 0, PORT_MAX),
    FIELD (C, healthz_bind_address,     "healthzBindAddress", TEXT),
    FIELD_IN (C, oom_score_adj,         "oomScoreAdj",        INT, -1000, 1000),
    FIELD (C, cluster_domain,           "clusterDomain",      TEXT),
    FIELD (C, cluster_dns,              "clusterDNS",         TEXT_LIST),
    FIELD (C, streaming_connection_idle_timeout_ns, "streamingConnectionIdleTimeout", DURATION),
    FIELD (C, node_status_update_frequency_ns, "nodeStatusUpdateFrequency", DURATION),
    FIELD (C, node_status_report_frequency_ns, "nodeStatusReportFrequency", DURATION),
    FIELD_IN (C, node_lease_duration_s, "nodeLeaseDurationSeconds", INT, 1, INT32_MAX),
    FIELD (C, image_minimum_gc_age_ns,  "imageMinimumGCAge",  DURATION),
    FIELD (C, image_maximum_gc_age_ns,  "imageMaximumGCAge",  DURATION),
    FIELD_IN (C, image_gc_high_threshold_percent, "imageGCHighThresholdPercent", INT, 0, 100),
    FIELD_IN (C, image_gc_low_threshold_percent,  "imageGCLowThresholdPercent",  INT, 0, 100),
    FIELD (C, volume_stats_agg_period_ns, "volumeStatsAggPeriod", DURATION),
    FIELD (C, kubelet_cgroups,          "kubeletCgroups",     TEXT),
    FIELD (C, system_cgroups,           "systemCgroups",      TEXT),
    FIELD (C, cgroup_root,              "cgroupRoot",         TEXT),
    FIELD (C, cgroups_per_qos,          "cgroupsPerQOS",      BOOL),
    FIELD_ONE_OF (C, cgroup_driver,     "cgroupDriver",       TEXT, CGROUP_DRIVERS),
    FIELD_ONE_OF (C, cpu_manager_policy, "cpuManagerPolicy",  TEXT, CPU_POLICIES),
    FIELD (C, single_process_oom_kill,  "singleProcessOOMKill", OPT_BOOL),
    FIELD (C, cpu_manager_policy_options, "cpuManagerPolicyOptions", TEXT_MAP),
    FIELD (C, cpu_manager_reconcile_period_ns, "cpuManagerReconcilePeriod", DURATION),
    FIELD_ONE_OF (C, memory_manager_policy, "memoryManagerPolicy", TEXT, MEMORY_POLICIES),
    FIELD_ONE_OF (C, topology_manager_policy, "topologyManagerPolicy", TEXT, TOPOLOGY_POLICIES),
    FIELD_ONE_OF (C, topology_manager_scope, "topologyManagerScope", TEXT, TOPOLOGY_SCOPES),
    FIELD (C, topology_manager_policy_options, "topologyManagerPolicyOptions", TEXT_MAP),
    FIELD (C, qos_reserved,             "qosReserved",        TEXT_MAP),
    FIELD (C, runtime_request_timeout_ns, "runtimeRequestTimeout", DURATION),
    FIELD_ONE_OF (C, hairpin_mode,      "hairpinMode",        TEXT, HAIRPIN_MODES),
    FIELD_IN (C, max_pods,              "maxPods",            INT, 0, INT32_MAX),
    FIELD (C, pod_cidr,                 "podCIDR",            TEXT),
    FIELD (C, pod_pids_limit,           "podPidsLimit",       INT),
    FIELD (C, resolv_conf,              "resolvConf",         TEXT),
    FIELD (C, run_once,                 "runOnce",            BOOL),
    FIELD (C, cpu_cfs_quota,            "cpuCFSQuota",        BOOL),
    FIELD_IN (C, cpu_cfs_quota_period_ns, "cpuCFSQuotaPeriod", DURATION, NS_PER_MS, NS_PER_S),
    FIELD_IN (C, node_status_max_images, "nodeStatusMaxImages", INT, -1, INT32_MAX),
    FIELD_IN (C, max_open_files,        "maxOpenFiles",       INT, 0, INT64_MAX),
    FIELD (C, content_type,             "contentType",        TEXT),
    FIELD_IN (C, kube_api_qps,          "kubeAPIQPS",         INT, 0, INT32_MAX),
    FIELD_IN (C, kube_api_burst,        "kubeAPIBurst",       INT, 0, INT32_MAX),
    FIELD (C, serialize_image_pulls,    "serializeImagePulls", BOOL),
    FIELD_IN (C, max_parallel_image_pulls, "maxParallelImagePulls", OPT_INT, 1, INT32_MAX),
    FIELD (C, eviction_hard,            "evictionHard",       TEXT_MAP),
    FIELD (C, eviction_soft,            "evictionSoft",       TEXT_MAP),
    FIELD (C, eviction_soft_grace_period, "evictionSoftGracePeriod", TEXT_MAP),
    FIELD (C, eviction_pressure_transition_period_ns, "evictionPressureTransitionPeriod", DURATION),
    FIELD (C, eviction_max_pod_grace_period_s, "evictionMaxPodGracePeriod", INT),
    FIELD (C, eviction_minimum_reclaim, "evictionMinimumReclaim", TEXT_MAP),
    FIELD (C, merge_default_eviction_settings, "mergeDefaultEvictionSettings", BOOL),
    FIELD_IN (C, pods_per_core,         "podsPerCore",        INT, 0, INT32_MAX),
    FIELD (C, enable_controller_attach_detach, "enableControllerAttachDetach", BOOL),
    FIELD (C, protect_kernel_defaults,  "protectKernelDefaults", BOOL),
    FIELD (C, make_iptables_util_chains, "makeIPTablesUtilChains", BOOL),
    FIELD_IN (C, iptables_masquerade_bit, "iptablesMasqueradeBit", INT, 0, 31),
    FIELD_IN (C, iptables_drop_bit,     "iptablesDropBit",    INT, 0, 31),
    FIELD (C, feature_gates,            "featureGates",       NODE),
    FIELD (C, fail_swap_on,             "failSwapOn",         BOOL),
    FIELD_OF (C, swap_behavior,         "memorySwap",         RECORD, MEMORY_SWAP),
    FIELD (C, container_log_max_size,   "containerLogMaxSize", TEXT),
    FIELD_IN (C, container_log_max_files, "containerLogMaxFiles", INT, 2, INT32_MAX),
    FIELD_IN (C, container_log_max_workers, "containerLogMaxWorkers", INT, 1, INT32_MAX),
    FIELD_IN (C, container_log_monitor_interval_ns, "containerLogMonitorInterval", DURATION, 3 * NS_PER_S, INT64_MAX),
    FIELD_ONE_OF (C, change_detection_strategy, "configMapAndSecretChangeDetectionStrategy", TEXT, STRATEGIES),
    FIELD (C, system_reserved,          "systemReserved",     TEXT_MAP),
    FIELD (C, kube_reserved,            "kubeReserved",       TEXT_MAP),
    FIELD (C, reserved_system_cpus,     "reservedSystemCPUs", TEXT),
    FIELD (C, show_hidden_metrics_for_version, "showHiddenMetricsForVersion", TEXT),
    FIELD (C, system_reserved_cgroup,   "systemReservedCgroup", TEXT),
    FIELD (C, kube_reserved_cgroup,     "kubeReservedCgroup", TEXT),
    FIELD (C, enforce_node_allocatable, "enforceNodeAllocatable", TEXT_LIST),
    FIELD (C, allowed_unsafe_sysctls,   "allowedUnsafeSysctls", TEXT_LIST),
    FIELD (C, volume_plugin_dir,        "volumePluginDir",    TEXT),
    FIELD (C, provider_id,              "providerID",         TEXT),
    FIELD (C, kernel_memcg_notification, "kernelMemcgNotification", BOOL),
    FIELD_OF (C, logging,               "logging",            RECORD, LOGGING),
    FIELD (C, enable_system_log_handler, "enableSystemLogHandler", BOOL),
    FIELD (C, enable_system_log_query,  "enableSystemLogQuery", BOOL),
    FIELD (C, shutdown_grace_period_ns, "shutdownGracePeriod", DURATION),
    FIELD (C, shutdown_grace_period_critical_pods_ns, "shutdownGracePeriodCriticalPods", DURATION),
    FIELD_OF (C, shutdown_grace_period_by_pod_priority, "shutdownGracePeriodByPodPriority", LIST, PRIORITY_GRACE),
    FIELD_OF (C, max_container_restart_period_ns, "crashLoopBackOff", RECORD, CRASH_LOOP),
    FIELD_OF (C, reserved_memory,       "reservedMemory",     LIST, RESERVED_MEMORY),
    FIELD (C, enable_profiling_handler, "enableProfilingHandler", BOOL),
    FIELD (C, enable_debug_flags_handler, "enableDebugFlagsHandler", BOOL),
    FIELD (C, seccomp_default,          "seccompDefault",     BOOL),
    FIELD (C, memory_throttling_factor, "memoryThrottlingFactor", REAL),
    FIELD_OF (C, register_with_taints,  "registerWithTaints", LIST, TAINT),
    FIELD (C, register_node,            "registerNode",       BOOL),
    FIELD_OF (C, tracing,               "tracing",            OPT_RECORD, TRACING),
    FIELD (C, local_storage_capacity_isolation, "localStorageCapacityIsolation", BOOL),
    FIELD (C, container_runtime_endpoint, "containerRuntimeEndpoint", TEXT),
    FIELD (C, image_service_endpoint,   "imageServiceEndpoint", TEXT),
    FIELD (C, fail_cgroup_v1,           "failCgroupV1",       BOOL),
    FIELD_OF (C, user_namespace_ids_per_pod, "userNamespaces", RECORD, USER_NAMESPACES));

// clang-format on

/* Left out of /configz when false, 0, "0s" or "": plain members of upstream's type. */
static const char *const OMITTED_WHEN_ZERO[] = {
    "readOnlyPort",
    "rotateCertificates",
    "serverTLSBootstrap",
    "enableContentionProfiling",
    "runOnce",
    "evictionMaxPodGracePeriod",
    "podsPerCore",
    "protectKernelDefaults",
    "kernelMemcgNotification",
};

// ---- defaults ----

static void
default_lists (kubelet_config_t *out)
{
    static const char *enforced[] = { "pods" };
    static const char FLUSH[] = "5s";
    static const node_t FLUSH_NODE = { .type = MSGPACK_OBJECT_STR,
                                       .via.str = { sizeof FLUSH - 1, FLUSH } };
    out->enforce_node_allocatable = (text_list_t){ enforced, COUNT_OF (enforced) };
    out->logging = (logging_config_t){ .format = "text", .flush_frequency = &FLUSH_NODE };
}

static const node_t *
default_eviction_hard (void)
{
#define TEXT_NODE(TEXT)                                                                            \
    {                                                                                              \
        .type = MSGPACK_OBJECT_STR, .via.str = { sizeof TEXT - 1, TEXT }                           \
    }
    static msgpack_object_kv pairs[] = {
        { TEXT_NODE ("imagefs.available"), TEXT_NODE ("15%") },
        { TEXT_NODE ("imagefs.inodesFree"), TEXT_NODE ("5%") },
        { TEXT_NODE ("memory.available"), TEXT_NODE ("100Mi") },
        { TEXT_NODE ("nodefs.available"), TEXT_NODE ("10%") },
        { TEXT_NODE ("nodefs.inodesFree"), TEXT_NODE ("5%") },
    };
    static const node_t DEFAULTS = { .type = MSGPACK_OBJECT_MAP,
                                     .via.map = { COUNT_OF (pairs), pairs } };
    return &DEFAULTS;
}

void
kubelet_config_defaults (kubelet_config_t *out)
{
    *out = (kubelet_config_t){
        .enable_server = true,
        .pod_logs_dir = "/var/log/pods",
        .sync_frequency_ns = MINUTE_NS,
        .file_check_frequency_ns = 20 * NS_PER_S,
        .http_check_frequency_ns = 20 * NS_PER_S,
        .address = "0.0.0.0",
        .port = 10250,
        .authentication = { .webhook = { true, 2 * MINUTE_NS } },
        .authorization = { "Webhook", { 5 * MINUTE_NS, 30 * NS_PER_S } },
        .enable_debugging_handlers = true,
        .enable_profiling_handler = true,
        .enable_debug_flags_handler = true,
        .enable_system_log_handler = true,
        .healthz_port = 10248,
        .healthz_bind_address = "127.0.0.1",
        .streaming_connection_idle_timeout_ns = 240 * MINUTE_NS,
        .registry_pull_qps = 5,
        .registry_burst = 10,
        .serialize_image_pulls = true,
        .image_minimum_gc_age_ns = 2 * MINUTE_NS,
        .image_gc_high_threshold_percent = 85,
        .image_gc_low_threshold_percent = 80,
        .event_record_qps = 50,
        .event_burst = 100,
        .content_type = "application/vnd.kubernetes.protobuf",
        .kube_api_qps = 50,
        .kube_api_burst = 100,
        .oom_score_adj = -999,
        .resolv_conf = "/etc/resolv.conf",
        .node_status_update_frequency_ns = 10 * NS_PER_S,
        .node_status_report_frequency_ns = 5 * MINUTE_NS,
        .node_lease_duration_s = 40,
        .node_status_max_images = 50,
        .register_node = true,
        .max_pods = 110,
        .pod_pids_limit = -1,
        .enable_controller_attach_detach = true,
        .local_storage_capacity_isolation = true,
        .volume_plugin_dir = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/",
        .volume_stats_agg_period_ns = MINUTE_NS,
        .change_detection_strategy = "Watch",
        .container_runtime_endpoint = "unix:///run/containerd/containerd.sock",
        .runtime_request_timeout_ns = 2 * MINUTE_NS,
        .container_log_max_size = "10Mi",
        .container_log_max_files = 5,
        .container_log_max_workers = 1,
        .container_log_monitor_interval_ns = 10 * NS_PER_S,
        .cgroups_per_qos = true,
        .cgroup_driver = "cgroupfs",
        .cpu_cfs_quota = true,
        .cpu_cfs_quota_period_ns = 100 * NS_PER_MS,
        .fail_swap_on = true,
        .memory_throttling_factor = 0.9,
        .cpu_manager_policy = "none",
        .cpu_manager_reconcile_period_ns = 10 * NS_PER_S,
        .memory_manager_policy = "None",
        .topology_manager_policy = "none",
        .topology_manager_scope = "container",
        .eviction_hard = default_eviction_hard(),
        .eviction_pressure_transition_period_ns = 5 * MINUTE_NS,
        .hairpin_mode = "promiscuous-bridge",
        .max_open_files = 1000000,
        .make_iptables_util_chains = true,
        .iptables_masquerade_bit = 14,
        .iptables_drop_bit = 15,
    };
    default_lists (out);
}

// ---- decoding and encoding ----

int
kubelet_config_decode (const node_t *node, tree_t *tree, kubelet_config_t *out, fault_t *fault)
{
    if (record_decode (&CONFIG, node, tree, RECORD_STRICT, out, fault) < 0)
        return -1;
    if (!node_get (node, "serializeImagePulls"))
        out->serialize_image_pulls =
            !out->max_parallel_image_pulls.set || out->max_parallel_image_pulls.value < 2;
    // A kubelet that is to report at another rhythm used to have only the one field.
    if (!node_get (node, "nodeStatusReportFrequency")
        && node_get (node, "nodeStatusUpdateFrequency"))
        out->node_status_report_frequency_ns = out->node_status_update_frequency_ns;
    if (out->pod_pids_limit < 0)
        out->pod_pids_limit = -1;
    return 0;
}

static bool
is_zero (const node_t *node)
{
    return !node || (node_is_int (node) && node_as_int (node, 0) == 0)
           || (node->type == MSGPACK_OBJECT_BOOLEAN && !node->via.boolean);
}

// Upstream shows these even when empty.
static void
show_empty (node_t *map, const char *key, bool is_empty)
{
    node_t *value = node_get_mutable (map, key);
    if (value && is_empty)
        value->via.map.size = 0;
}

static node_t
default_log_options (tree_t *tree)
{
    node_t options = node_map();
    for (size_t i = 0; LOG_FORMATS[i]; i++) {
        node_t format = node_map();
        node_set_text (tree, &format, "infoBufferSize", "0");
        node_set (tree, &options, LOG_FORMATS[i], format);
    }
    return options;
}

node_t
kubelet_config_encode (const kubelet_config_t *config, tree_t *tree)
{
    kubelet_config_t shown = *config;
    bool has_swap_behavior = shown.swap_behavior && *shown.swap_behavior;
    if (!has_swap_behavior)
        shown.swap_behavior = ""; // keeps memorySwap at its place
    node_t out = record_encode (&CONFIG, &shown, tree);
    for (size_t i = 0; i < COUNT_OF (OMITTED_WHEN_ZERO); i++)
        if (is_zero (node_get (&out, OMITTED_WHEN_ZERO[i])))
            node_remove (&out, OMITTED_WHEN_ZERO[i]);
    show_empty (&out, "memorySwap", !has_swap_behavior);
    show_empty (&out, "crashLoopBackOff", config->max_container_restart_period_ns == 0);
    node_t *logging = node_get_mutable (&out, "logging");
    if (logging && !node_get (logging, "options"))
        node_set (tree, logging, "options", default_log_options (tree));
    return out;
}
