/* node_facts.h - what the rules of common/kube need to know of the node and its configuration,
   gathered once by the actor that starts the workers. Nothing here is read by the rules
   themselves, so they can be tested with any machine.

   Every pointer is borrowed and outlives the calls it is passed to. */
#pragma once
#include "cubelet/record.h"

typedef enum { CGROUP_DRIVER_CGROUPFS, CGROUP_DRIVER_SYSTEMD } cgroup_driver_t;

typedef struct {
    const char *node_name;
    text_list_t host_ips;      // the node's addresses, primary family first: status.hostIPs
    const node_t *capacity;    // resource list of the whole node; NULL: none
    const node_t *allocatable; // resource list, default of resourceFieldRef limits; NULL: none

    // ---- DNS (reference/pod-to-cri.md 2.2) ----
    text_list_t cluster_dns;      // clusterDNS, addresses in their canonical form
    const char *cluster_domain;   // clusterDomain; NULL or "": none
    const char *resolv_conf_path; // resolvConf; NULL or "": do not use any file
    const char *resolv_conf;      // the bytes of that file; NULL: it could not be read
    size_t resolv_conf_size;

    // ---- paths, without a slash at the end ----
    const char *root_dir;     // "/var/lib/kubelet"
    const char *pod_logs_dir; // "/var/log/pods"

    // ---- cgroups (3.1, 6) ----
    cgroup_driver_t cgroup_driver;
    const char *cgroup_root; // cgroupRoot; NULL or "": "/"
    bool cgroups_per_qos;
    int cgroup_version;           // 1 or 2
    bool cpu_cfs_quota;           // cpuCFSQuota
    int64_t cpu_cfs_period_us;    // 100000 unless configured
    int64_t memory_capacity;      // bytes of the whole machine
    text_list_t hugepage_sizes;   // "2MB", "1GB", in the order runtimes are told
    bool single_process_oom_kill; // singleProcessOOMKill; counts on cgroup v2 only

    // ---- swap (6.1, 6.3) ----
    bool has_swap_controller;
    bool limited_swap;     // memorySwap.swapBehavior is LimitedSwap
    int64_t swap_capacity; // bytes

    // ---- security (2.4, 7) ----
    bool seccomp_default;
    bool selinux_enabled;
    text_list_t thermal_throttle_paths; // existing /sys/devices/system/cpu/cpuN/thermal_throttle
    text_list_t allowed_unsafe_sysctls; // allowedUnsafeSysctls, "net.core.*" with a trailing star
    int kernel_major, kernel_minor;     // 0.0 when unknown
    const node_t *runtime_handlers;     // CRI RuntimeHandler list of the last Status; NULL: none
    int64_t userns_length;              // ids per pod with hostUsers: false; 0 counts as 65536
} node_facts_t;

/* What the node has decided or found out for one pod. A zeroed one suits most pods. */
typedef struct {
    const char *runtime_handler;  // RuntimeClass .handler; NULL or "": the default one
    opt_int_t userns_host_id;     // first host id given to a pod with hostUsers: false
    const int64_t *volume_groups; // extra groups from volumes (pv.beta.kubernetes.io/gid)
    size_t volume_group_count;
} pod_facts_t;
