/* The node's facts, as kubelet.c writes them into the workers' arguments. */
#include "cubelet/cgroup_path.h"
#include "worker.h"

/* What is written differently than it is used. */
typedef struct {
    node_facts_t facts;
    const char *cgroup_driver;
    int64_t cgroup_version, kernel_major, kernel_minor;
    bool is_standalone;
    const char *object_source;
    bool rereads_objects;
    opt_int_t dead_containers_kept;
    int64_t dead_container_least_ns;
    int64_t restart_first_ns, restart_limit_ns, restart_forget_ns;
    int64_t request_timeout_ms;
} written_t;

#define FACT(name, kind)                                                                           \
    {                                                                                              \
#name, kind, offsetof(written_t, facts.name)                                               \
    }

static const record_type_t NODE_FACTS = {
    (const field_t[]){
        FACT (node_name, FIELD_TEXT),
        FACT (host_ips, FIELD_TEXT_LIST),
        FACT (allocatable, FIELD_NODE),
        FACT (cluster_dns, FIELD_TEXT_LIST),
        FACT (cluster_domain, FIELD_TEXT),
        FACT (resolv_conf_path, FIELD_TEXT),
        FACT (root_dir, FIELD_TEXT),
        FACT (pod_logs_dir, FIELD_TEXT),
        { "cgroup_driver", FIELD_TEXT, offsetof (written_t, cgroup_driver) },
        FACT (cgroup_root, FIELD_TEXT),
        FACT (cgroups_per_qos, FIELD_BOOL),
        { "cgroup_version", FIELD_INT, offsetof (written_t, cgroup_version) },
        FACT (cpu_cfs_quota, FIELD_BOOL),
        FACT (cpu_cfs_period_us, FIELD_INT),
        FACT (memory_capacity, FIELD_INT),
        FACT (hugepage_sizes, FIELD_TEXT_LIST),
        FACT (single_process_oom_kill, FIELD_BOOL),
        FACT (has_swap_controller, FIELD_BOOL),
        FACT (limited_swap, FIELD_BOOL),
        FACT (swap_capacity, FIELD_INT),
        FACT (seccomp_default, FIELD_BOOL),
        FACT (selinux_enabled, FIELD_BOOL),
        FACT (thermal_throttle_paths, FIELD_TEXT_LIST),
        FACT (allowed_unsafe_sysctls, FIELD_TEXT_LIST),
        { "kernel_major", FIELD_INT, offsetof (written_t, kernel_major) },
        { "kernel_minor", FIELD_INT, offsetof (written_t, kernel_minor) },
        FACT (userns_length, FIELD_INT),
        { "is_standalone", FIELD_BOOL, offsetof (written_t, is_standalone) },
        { "object_source", FIELD_TEXT, offsetof (written_t, object_source) },
        { "rereads_objects", FIELD_BOOL, offsetof (written_t, rereads_objects) },
        { "dead_containers_kept", FIELD_OPT_INT, offsetof (written_t, dead_containers_kept) },
        { "dead_container_least_ns", FIELD_INT, offsetof (written_t, dead_container_least_ns) },
        { "restart_first_ns", FIELD_INT, offsetof (written_t, restart_first_ns) },
        { "restart_limit_ns", FIELD_INT, offsetof (written_t, restart_limit_ns) },
        { "restart_forget_ns", FIELD_INT, offsetof (written_t, restart_forget_ns) },
        { "request_timeout_ms", FIELD_INT, offsetof (written_t, request_timeout_ms) },
        { 0 } },
    sizeof (written_t)
};

int
facts_decode (worker_t *self, const node_t *args, fault_t *fault)
{
    static const int64_t REQUEST_TIMEOUT_MS = 120000; // KubeletConfiguration runtimeRequestTimeout
    written_t written = { 0 };
    node_facts_t *facts = &self->facts;
    if (record_decode (&NODE_FACTS, args, self->fact_lists, RECORD_STRICT, &written, fault) < 0)
        return fault_wrap (fault, "the worker's arguments");
    *facts = written.facts;
    self->is_standalone = written.is_standalone;
    self->object_source = written.object_source ? written.object_source : "";
    self->rereads_objects = written.rereads_objects;
    if (written.dead_containers_kept.set)
        self->local->dead_kept = written.dead_containers_kept.value;
    self->local->dead_least_ns = written.dead_container_least_ns;
    if (written.restart_limit_ns > 0)
        self->local->restart_limits = (backoff_limits_t){
            .first_ns = written.restart_first_ns,
            .limit_ns = written.restart_limit_ns,
            .forget_ns = written.restart_forget_ns,
        };
    self->request_timeout_ms =
        written.request_timeout_ms > 0 ? written.request_timeout_ms : REQUEST_TIMEOUT_MS;
    facts->cgroup_driver = cgroup_driver_of (written.cgroup_driver);
    facts->cgroup_version = (int) written.cgroup_version;
    facts->kernel_major = (int) written.kernel_major;
    facts->kernel_minor = (int) written.kernel_minor;
    return 0;
}
