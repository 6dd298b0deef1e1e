/* kubelet_config_check.c - what is wrong with a configuration whose fields are right by
   themselves. Source: upstream's ValidateKubeletConfiguration. */
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/feature_gates.h"
#include "cubelet/kubelet_config.h"
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "cubelet/path.h"
#include <stdlib.h>
#include <string.h>

#define AT(NAME) (&(path_t){ .name = (NAME) })
#define KEY(PARENT, NAME) (&(path_t){ .parent = (PARENT), .name = (NAME), .kind = PATH_KEY })
#define ITEM(PARENT, INDEX) (&(path_t){ .parent = (PARENT), .index = (INDEX) })
#define ID_BLOCK 65536

typedef int check_fn (const kubelet_config_t *config, fault_t *fault);

// ---- small tools ----

static bool
is_given (const char *text)
{
    return text && *text;
}

static bool
has_text (const text_list_t *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp (list->items[i], text) == 0)
            return true;
    return false;
}

static int
check_ip (const char *field, const char *text, fault_t *fault)
{
    const char *detail = is_given (text) ? name_rule_ip (text) : NULL;
    return detail ? path_fault (AT (field), fault, "\"%s\" %s", text, detail) : 0;
}

static int
check_quantity (const path_t *path, const char *text, fault_t *fault)
{
    quantity_t quantity;
    if (quantity_parse (text, &quantity, fault) < 0)
        return path_wrap (path, fault);
    if (quantity.nano < 0)
        return path_fault (path, fault, "must not be negative (found \"%s\")", text);
    return 0;
}

// A number from 0 to 100 with a percent sign.
static bool
is_percentage (const char *text)
{
    char *end = NULL;
    double value = strtod (text, &end);
    return end != text && strcmp (end, "%") == 0 && value >= 0 && value <= 100
           && strspn (text, "0123456789.") == strlen (text) - 1;
}

// ---- the checks, in the order of the fields ----

static int
check_addresses (const kubelet_config_t *config, fault_t *fault)
{
    if (check_ip ("address", config->address, fault) < 0
        || check_ip ("healthzBindAddress", config->healthz_bind_address, fault) < 0)
        return -1;
    for (size_t i = 0; i < config->cluster_dns.count; i++) {
        const char *detail = name_rule_ip (config->cluster_dns.items[i]);
        if (detail)
            return path_fault (ITEM (AT ("clusterDNS"), i), fault, "\"%s\" %s",
                               config->cluster_dns.items[i], detail);
    }
    return 0;
}

static int
check_periods (const kubelet_config_t *config, fault_t *fault)
{
    const struct {
        const char *field;
        int64_t ns;
    } PERIODS[] = {
        { "syncFrequency", config->sync_frequency_ns },
        { "fileCheckFrequency", config->file_check_frequency_ns },
        { "httpCheckFrequency", config->http_check_frequency_ns },
        { "nodeStatusUpdateFrequency", config->node_status_update_frequency_ns },
        { "nodeStatusReportFrequency", config->node_status_report_frequency_ns },
        { "imageMinimumGCAge", config->image_minimum_gc_age_ns },
        { "imageMaximumGCAge", config->image_maximum_gc_age_ns },
        { "runtimeRequestTimeout", config->runtime_request_timeout_ns },
        { "streamingConnectionIdleTimeout", config->streaming_connection_idle_timeout_ns },
        { "evictionPressureTransitionPeriod", config->eviction_pressure_transition_period_ns },
        { "shutdownGracePeriod", config->shutdown_grace_period_ns },
        { "shutdownGracePeriodCriticalPods", config->shutdown_grace_period_critical_pods_ns },
    };
    for (size_t i = 0; i < COUNT_OF (PERIODS); i++)
        if (PERIODS[i].ns < 0)
            return path_fault (AT (PERIODS[i].field), fault, "must not be negative");
    return 0;
}

static int
check_images (const kubelet_config_t *config, fault_t *fault)
{
    if (config->image_gc_low_threshold_percent >= config->image_gc_high_threshold_percent)
        return path_fault (AT ("imageGCLowThresholdPercent"), fault,
                           "%lld must be less than imageGCHighThresholdPercent %lld",
                           (long long) config->image_gc_low_threshold_percent,
                           (long long) config->image_gc_high_threshold_percent);
    if (config->image_maximum_gc_age_ns > 0
        && config->image_maximum_gc_age_ns <= config->image_minimum_gc_age_ns)
        return path_fault (AT ("imageMaximumGCAge"), fault,
                           "must be greater than imageMinimumGCAge");
    if (config->serialize_image_pulls && config->max_parallel_image_pulls.set
        && config->max_parallel_image_pulls.value > 1)
        return path_fault (AT ("maxParallelImagePulls"), fault,
                           "cannot be larger than 1 unless serializeImagePulls is false");
    return 0;
}

static int
check_logs (const kubelet_config_t *config, fault_t *fault)
{
    const char *dir = config->pod_logs_dir;
    if (check_quantity (AT ("containerLogMaxSize"), config->container_log_max_size, fault) < 0)
        return -1;
    if (dir[0] != '/')
        return path_fault (AT ("podLogsDir"), fault, "\"%s\" must be an absolute path", dir);
    if (strstr (dir, "//") || strstr (dir, "/./") || strstr (dir, "/../")
        || (strlen (dir) > 1 && dir[strlen (dir) - 1] == '/'))
        return path_fault (AT ("podLogsDir"), fault, "\"%s\" must be normalized", dir);
    const node_t *flush = config->logging.flush_frequency;
    int64_t ns;
    if (flush && node_is_text (flush)) {
        if (duration_parse (node_as_text (flush, ""), &ns, fault) < 0)
            return fault_wrap (fault, "logging.flushFrequency");
    }
    else if (flush && !node_is_int (flush))
        return fault_set (fault, FAULT_INVALID,
                          "logging.flushFrequency: is not a duration such as \"5s\"");
    return 0;
}

static int
check_shutdown (const kubelet_config_t *config, fault_t *fault)
{
    int64_t total = config->shutdown_grace_period_ns;
    int64_t critical = config->shutdown_grace_period_critical_pods_ns;
    if (total > 0 && !feature_gate_is_on (config->feature_gates, GATE_GRACEFUL_NODE_SHUTDOWN))
        return path_fault (AT ("shutdownGracePeriod"), fault,
                           "requires feature gate GracefulNodeShutdown");
    if (config->shutdown_grace_period_by_pod_priority.count > 0
        && !feature_gate_is_on (config->feature_gates, GATE_GRACEFUL_NODE_SHUTDOWN_BY_PRIORITY))
        return path_fault (AT ("shutdownGracePeriodByPodPriority"), fault,
                           "requires feature gate GracefulNodeShutdownBasedOnPodPriority");
    if (critical > total)
        return path_fault (AT ("shutdownGracePeriodCriticalPods"), fault,
                           "must not be longer than shutdownGracePeriod");
    if (total > 0 && total < NS_PER_S)
        return path_fault (AT ("shutdownGracePeriod"), fault, "must be either zero or at least 1s");
    if (critical > 0 && critical < NS_PER_S)
        return path_fault (AT ("shutdownGracePeriodCriticalPods"), fault,
                           "must be either zero or at least 1s");
    if (config->shutdown_grace_period_by_pod_priority.count > 0 && total > 0)
        return path_fault (AT ("shutdownGracePeriodByPodPriority"), fault,
                           "cannot be specified together with shutdownGracePeriod");
    return 0;
}

// ---- eviction and reservations ----

static int
check_signal (const path_t *path, const char *signal, fault_t *fault)
{
    static const char *const SIGNALS[] = { "memory.available",           "nodefs.available",
                                           "nodefs.inodesFree",          "imagefs.available",
                                           "imagefs.inodesFree",         "containerfs.available",
                                           "containerfs.inodesFree",     "pid.available",
                                           "allocatableMemory.available" };
    for (size_t i = 0; i < COUNT_OF (SIGNALS); i++)
        if (strcmp (SIGNALS[i], signal) == 0)
            return 0;
    return path_fault (path, fault, "unsupported eviction signal");
}

static int
check_thresholds (const char *field, const node_t *map, fault_t *fault)
{
    for (size_t i = 0; i < node_count (map); i++) {
        const char *signal = node_key_at (map, i);
        const char *value = node_as_text (node_value_at (map, i), "");
        const path_t *path = KEY (AT (field), signal);
        if (check_signal (path, signal, fault) < 0)
            return -1;
        if (strchr (value, '%')) {
            if (!is_percentage (value))
                return path_fault (path, fault, "\"%s\" is not a percentage between 0%% and 100%%",
                                   value);
        }
        else if (check_quantity (path, value, fault) < 0)
            return -1;
    }
    return 0;
}

static int
check_eviction (const kubelet_config_t *config, fault_t *fault)
{
    if (check_thresholds ("evictionHard", config->eviction_hard, fault) < 0
        || check_thresholds ("evictionSoft", config->eviction_soft, fault) < 0
        || check_thresholds ("evictionMinimumReclaim", config->eviction_minimum_reclaim, fault) < 0)
        return -1;
    const node_t *periods = config->eviction_soft_grace_period;
    for (size_t i = 0; i < node_count (periods); i++) {
        const path_t *path = KEY (AT ("evictionSoftGracePeriod"), node_key_at (periods, i));
        int64_t ns;
        if (check_signal (path, node_key_at (periods, i), fault) < 0)
            return -1;
        if (duration_parse (node_as_text (node_value_at (periods, i), ""), &ns, fault) < 0)
            return path_wrap (path, fault);
        if (ns < 0)
            return path_fault (path, fault, "must not be negative");
    }
    for (size_t i = 0; i < node_count (config->eviction_soft); i++) {
        const char *signal = node_key_at (config->eviction_soft, i);
        if (!node_get (periods, signal))
            return path_fault (KEY (AT ("evictionSoft"), signal), fault,
                               "has no grace period in evictionSoftGracePeriod");
    }
    return 0;
}

static int
check_reserved_list (const char *field, const node_t *map, fault_t *fault)
{
    static const char *const RESOURCES[] = { "cpu", "memory", "ephemeral-storage", "pid" };
    for (size_t i = 0; i < node_count (map); i++) {
        const char *resource = node_key_at (map, i);
        const path_t *path = KEY (AT (field), resource);
        bool is_known = false;
        for (size_t k = 0; k < COUNT_OF (RESOURCES); k++)
            is_known = is_known || strcmp (RESOURCES[k], resource) == 0;
        if (!is_known)
            return path_fault (path, fault,
                               "cannot be reserved, only cpu, memory, ephemeral-storage and pid");
        if (check_quantity (path, node_as_text (node_value_at (map, i), ""), fault) < 0)
            return -1;
    }
    return 0;
}

static int
check_enforcement (const kubelet_config_t *config, const path_t *path, const char *value,
                   fault_t *fault)
{
    bool is_system = strcmp (value, "system-reserved") == 0
                     || strcmp (value, "system-reserved-compressible") == 0;
    bool is_kube =
        strcmp (value, "kube-reserved") == 0 || strcmp (value, "kube-reserved-compressible") == 0;
    if (strcmp (value, "none") == 0)
        return config->enforce_node_allocatable.count == 1
                   ? 0
                   : path_fault (path, fault, "\"none\" excludes every other value");
    if (!is_system && !is_kube && strcmp (value, "pods") != 0)
        return path_fault (path, fault,
                           "Unsupported value: \"%s\": supported values: \"none\", \"pods\", "
                           "\"system-reserved\", \"system-reserved-compressible\", "
                           "\"kube-reserved\", \"kube-reserved-compressible\"",
                           value);
    if (is_system && !is_given (config->system_reserved_cgroup))
        return path_fault (path, fault, "\"%s\" needs systemReservedCgroup", value);
    if (is_kube && !is_given (config->kube_reserved_cgroup))
        return path_fault (path, fault, "\"%s\" needs kubeReservedCgroup", value);
    if (!config->cgroups_per_qos)
        return path_fault (path, fault, "\"%s\" needs cgroupsPerQOS", value);
    return 0;
}

static int
check_reservations (const kubelet_config_t *config, fault_t *fault)
{
    static const char *const EXCLUSIVE[] = { "system-reserved", "kube-reserved" };
    const text_list_t *enforced = &config->enforce_node_allocatable;
    const path_t *list = AT ("enforceNodeAllocatable");
    for (size_t i = 0; i < enforced->count; i++) {
        if (check_enforcement (config, ITEM (list, i), enforced->items[i], fault) < 0)
            return -1;
        for (size_t k = 0; k < i; k++)
            if (strcmp (enforced->items[k], enforced->items[i]) == 0)
                return path_fault (ITEM (list, i), fault, "Duplicate value: \"%s\"",
                                   enforced->items[i]);
    }
    for (size_t i = 0; i < COUNT_OF (EXCLUSIVE); i++) {
        OWNED (free_text) char *soft = text_format ("%s-compressible", EXCLUSIVE[i]);
        if (has_text (enforced, EXCLUSIVE[i]) && has_text (enforced, soft))
            return path_fault (list, fault, "\"%s\" and \"%s\" exclude each other", EXCLUSIVE[i],
                               soft);
    }
    if (is_given (config->reserved_system_cpus)
        && (is_given (config->system_reserved_cgroup) || is_given (config->kube_reserved_cgroup)))
        return path_fault (AT ("reservedSystemCPUs"), fault,
                           "excludes systemReservedCgroup and kubeReservedCgroup");
    if (is_given (config->reserved_system_cpus)
        && strspn (config->reserved_system_cpus, "0123456789,-")
               != strlen (config->reserved_system_cpus))
        return path_fault (AT ("reservedSystemCPUs"), fault,
                           "\"%s\" is not a list of CPUs such as \"0-1,4\"",
                           config->reserved_system_cpus);
    if (check_reserved_list ("systemReserved", config->system_reserved, fault) < 0)
        return -1;
    return check_reserved_list ("kubeReserved", config->kube_reserved, fault);
}

// ---- the rest ----

static int
check_taints (const kubelet_config_t *config, fault_t *fault)
{
    for (size_t i = 0; i < config->register_with_taints.count; i++) {
        const taint_t *taint = &config->register_with_taints.items[i];
        const path_t *path = ITEM (AT ("registerWithTaints"), i);
        const char *detail = name_rule_qualified_name (taint->key ? taint->key : "");
        if (detail)
            return path_fault (path, fault, "key \"%s\": %s", taint->key ? taint->key : "", detail);
        detail = name_rule_label_value (taint->value ? taint->value : "");
        if (detail)
            return path_fault (path, fault, "value \"%s\": %s", taint->value, detail);
        if (!is_given (taint->effect))
            return path_fault (path, fault, "effect: Required value");
        if (taint->time_added)
            return path_fault (path, fault, "timeAdded must not be set");
    }
    return 0;
}

static int
check_gates (const kubelet_config_t *config, fault_t *fault)
{
    const node_t *gates = config->feature_gates;
    if (gates && !node_is_map (gates))
        return path_fault (AT ("featureGates"), fault, "is not an object");
    for (size_t i = 0; i < node_count (gates); i++)
        if (node_value_at (gates, i)->type != MSGPACK_OBJECT_BOOLEAN)
            return path_fault (KEY (AT ("featureGates"), node_key_at (gates, i)), fault,
                               "is not a boolean");
    return 0;
}

/* Fields that are refused as long as their gate is off. */
static int
check_gated (const kubelet_config_t *config, fault_t *fault)
{
    if (config->max_container_restart_period_ns
        && !feature_gate_is_on (config->feature_gates, GATE_KUBELET_CRASH_LOOP_BACK_OFF_MAX))
        return fault_set (fault, FAULT_INVALID,
                          "crashLoopBackOff.maxContainerRestartPeriod: FeatureGate "
                          "KubeletCrashLoopBackOffMax not enabled, must not be set");
    return 0;
}

static int
check_shapes (const kubelet_config_t *config, fault_t *fault)
{
    if (config->static_pod_url_header && !node_is_map (config->static_pod_url_header))
        return path_fault (AT ("staticPodURLHeader"), fault, "is not an object");
    for (size_t i = 0; i < config->reserved_memory.count; i++)
        if (!node_is_map (config->reserved_memory.items[i].limits))
            return path_fault (ITEM (AT ("reservedMemory"), i), fault, "has no limits");
    if (config->logging.vmodule && !node_is_array (config->logging.vmodule))
        return fault_set (fault, FAULT_INVALID, "logging.vmodule: is not a list");
    if (config->logging.options && !node_is_map (config->logging.options))
        return fault_set (fault, FAULT_INVALID, "logging.options: is not an object");
    return 0;
}

/* The runtime is spoken to over a unix socket only (reference/cri.md 1.1). */
static int
check_socket (const char *field, const char *endpoint, fault_t *fault)
{
    static const char SCHEME[] = "unix://";
    if (!is_given (endpoint))
        return 0;
    bool has_scheme = strncmp (endpoint, SCHEME, sizeof SCHEME - 1) == 0;
    const char *path = endpoint + (has_scheme ? sizeof SCHEME - 1 : 0);
    if (path[0] == '/')
        return 0;
    return path_fault (AT (field), fault, "\"%s\" is not a unix socket: unix:///PATH", endpoint);
}

static int
check_endpoints (const kubelet_config_t *config, fault_t *fault)
{
    if (check_socket ("containerRuntimeEndpoint", config->container_runtime_endpoint, fault) < 0)
        return -1;
    return check_socket ("imageServiceEndpoint", config->image_service_endpoint, fault);
}

static int
check_others (const kubelet_config_t *config, fault_t *fault)
{
    if (is_given (config->system_cgroups) && !is_given (config->cgroup_root))
        return path_fault (AT ("systemCgroups"), fault, "needs cgroupRoot");
    if (!(config->memory_throttling_factor > 0 && config->memory_throttling_factor <= 1))
        return path_fault (AT ("memoryThrottlingFactor"), fault,
                           "must be greater than 0 and less than or equal to 1");
    if (config->run_once)
        return path_fault (AT ("runOnce"), fault, "is no longer supported");
    if (config->enable_system_log_query && !config->enable_system_log_handler)
        return path_fault (AT ("enableSystemLogQuery"), fault, "needs enableSystemLogHandler");
    if (config->user_namespace_ids_per_pod.set
        && config->user_namespace_ids_per_pod.value % ID_BLOCK != 0)
        return fault_set (fault, FAULT_INVALID,
                          "userNamespaces.idsPerPod: must be a multiple of %d", ID_BLOCK);
    if (!is_given (config->tls_cert_file) != !is_given (config->tls_private_key_file))
        return path_fault (
            AT (is_given (config->tls_cert_file) ? "tlsCertFile" : "tlsPrivateKeyFile"), fault,
            "tlsCertFile and tlsPrivateKeyFile belong together");
    return 0;
}

int
kubelet_config_check (const kubelet_config_t *config, fault_t *fault)
{
    static check_fn *const CHECKS[] = { check_shapes,   check_addresses,    check_periods,
                                        check_images,   check_logs,         check_shutdown,
                                        check_eviction, check_taints,       check_gates,
                                        check_gated,    check_reservations, check_endpoints,
                                        check_others };
    for (size_t i = 0; i < COUNT_OF (CHECKS); i++)
        if (CHECKS[i](config, fault) < 0)
            return -1;
    return 0;
}
