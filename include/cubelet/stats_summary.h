/* stats_summary.h - the Summary of /stats/summary, stats.k8s.io/v1alpha1, as structs and as the API
   spells it. Source: reference/node-and-server.md 4.3, samples/stats-summary.json.

   Times are nanoseconds since 1970, in whole seconds as the API shows them. Numbers that are not
   known are not set, and left out. Texts are borrowed. */
#pragma once
#include "cubelet/cgroup_stats.h"
#include "cubelet/proc_stats.h"
#include "cubelet/record.h"

typedef struct {
    int64_t time;
    opt_int_t usage_nano_cores;
    opt_int_t usage_core_nano_seconds;
    const psi_t *psi; // NULL: not shown
} cpu_stats_t;

typedef struct {
    int64_t time;
    opt_int_t available_bytes;
    opt_int_t usage_bytes;
    opt_int_t working_set_bytes;
    opt_int_t rss_bytes;
    opt_int_t page_faults;
    opt_int_t major_page_faults;
    const psi_t *psi;
} memory_stats_t;

typedef struct {
    int64_t time;
    const psi_t *psi;
} io_stats_t;

typedef struct {
    int64_t time;
    opt_int_t available_bytes;
    opt_int_t usage_bytes;
} swap_stats_t;

/* The default interface stands inline. */
typedef struct {
    int64_t time;
    const char *name;
    opt_int_t rx_bytes, rx_errors, tx_bytes, tx_errors;
    LIST_OF (interface_stats_t) interfaces;
} network_stats_t;

typedef struct {
    int64_t time;
    opt_int_t available_bytes;
    opt_int_t capacity_bytes;
    opt_int_t used_bytes;
    opt_int_t inodes_free;
    opt_int_t inodes;
    opt_int_t inodes_used;
} fs_stats_t;

typedef struct {
    fs_stats_t fs; // inline
    const char *name;
    const char *pvc_name; // NULL: of no claim
    const char *pvc_namespace;
} volume_stats_t;

typedef struct {
    const char *name;
    int64_t start_time;
    cpu_stats_t *cpu; // NULL: not known
    memory_stats_t *memory;
    io_stats_t *io;
    fs_stats_t *rootfs;
    fs_stats_t *logs;
    swap_stats_t *swap;
    // ---- not shown in the Summary: for metrics ----
    int64_t start_ns; // exactly
    const char *id;   // of the runtime
    const char *image;
    const char *cgroup; // path
    cgroup_stats_t raw;
} container_stats_t;

typedef struct {
    const char *name, *ns, *uid;
    int64_t start_time;
    LIST_OF (container_stats_t) containers;
    cpu_stats_t *cpu;
    memory_stats_t *memory;
    io_stats_t *io;
    network_stats_t *network;
    LIST_OF (volume_stats_t) volumes;
    fs_stats_t *ephemeral_storage;
    opt_int_t process_count;
    swap_stats_t *swap;
    // ---- for metrics ----
    int64_t start_ns;
    const char *cgroup;
    cgroup_stats_t raw;
    const char *sandbox_id;
    const char *sandbox_cgroup; // NULL: none was found
} pod_stats_t;

typedef struct {
    const char *node_name;
    LIST_OF (container_stats_t) system_containers;
    int64_t start_time;
    cpu_stats_t *cpu;
    memory_stats_t *memory;
    io_stats_t *io;
    network_stats_t *network;
    fs_stats_t *fs;
    fs_stats_t *image_fs;
    fs_stats_t *container_fs;
    int64_t rlimit_time;
    opt_int_t max_pid, processes;
    swap_stats_t *swap;
    cgroup_stats_t raw; // of the root group, for /metrics/cadvisor
} node_stats_t;

typedef struct {
    int64_t time_ns; // when the numbers were read
    node_stats_t node;
    LIST_OF (pod_stats_t) pods;
} summary_t;

/* The Summary as a map in `tree`. `only_cpu_and_memory` leaves the rest out, as the query parameter
   of that name does. */
node_t stats_summary_encode (const summary_t *summary, bool only_cpu_and_memory, tree_t *tree);

/* Fills in what a CSI driver says of a volume, the VolumeUsage list of a
   NodeGetVolumeStatsResponse. False when it says nothing of use. */
bool fs_stats_read_csi (const node_t *usage, fs_stats_t *out);

/* Adds what is set in `more` to `sum`; for a pod's ephemeral storage. Capacity and availability are
   taken over from the first that has them. */
void fs_stats_add (fs_stats_t *sum, const fs_stats_t *more);
