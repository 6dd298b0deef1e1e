#include "cubelet/stats_summary.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/record_table.h"
#include <string.h>

// ---- the shapes ----

// clang-format off
RECORD_TYPE (PSI_DATA, psi_data_t,
    FIELD (psi_data_t, total,  "total",  INT),
    FIELD (psi_data_t, avg10,  "avg10",  REAL),
    FIELD (psi_data_t, avg60,  "avg60",  REAL),
    FIELD (psi_data_t, avg300, "avg300", REAL));

RECORD_TYPE (PSI, psi_t,
    FIELD_OF (psi_t, full, "full", RECORD, PSI_DATA),
    FIELD_OF (psi_t, some, "some", RECORD, PSI_DATA));

RECORD_TYPE (CPU, cpu_stats_t,
    FIELD    (cpu_stats_t, time,                    "time",                 TIME),
    FIELD    (cpu_stats_t, usage_nano_cores,        "usageNanoCores",       OPT_INT),
    FIELD    (cpu_stats_t, usage_core_nano_seconds, "usageCoreNanoSeconds", OPT_INT),
    FIELD_OF (cpu_stats_t, psi,                     "psi",                  OPT_RECORD, PSI));

RECORD_TYPE (MEMORY, memory_stats_t,
    FIELD    (memory_stats_t, time,              "time",            TIME),
    FIELD    (memory_stats_t, available_bytes,   "availableBytes",  OPT_INT),
    FIELD    (memory_stats_t, usage_bytes,       "usageBytes",      OPT_INT),
    FIELD    (memory_stats_t, working_set_bytes, "workingSetBytes", OPT_INT),
    FIELD    (memory_stats_t, rss_bytes,         "rssBytes",        OPT_INT),
    FIELD    (memory_stats_t, page_faults,       "pageFaults",      OPT_INT),
    FIELD    (memory_stats_t, major_page_faults, "majorPageFaults", OPT_INT),
    FIELD_OF (memory_stats_t, psi,               "psi",             OPT_RECORD, PSI));

RECORD_TYPE (IO, io_stats_t,
    FIELD    (io_stats_t, time, "time", TIME),
    FIELD_OF (io_stats_t, psi,  "psi",  OPT_RECORD, PSI));

RECORD_TYPE (SWAP, swap_stats_t,
    FIELD (swap_stats_t, time,            "time",               TIME),
    FIELD (swap_stats_t, available_bytes, "swapAvailableBytes", OPT_INT),
    FIELD (swap_stats_t, usage_bytes,     "swapUsageBytes",     OPT_INT));

/* An interface's name is an array, not a pointer: written by hand below. */
typedef struct {
    const char *name;
    int64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
} interface_view_t;

RECORD_TYPE (INTERFACE, interface_view_t,
    FIELD (interface_view_t, name,      "name",     TEXT),
    FIELD (interface_view_t, rx_bytes,  "rxBytes",  INT),
    FIELD (interface_view_t, rx_errors, "rxErrors", INT),
    FIELD (interface_view_t, tx_bytes,  "txBytes",  INT),
    FIELD (interface_view_t, tx_errors, "txErrors", INT));

RECORD_TYPE (NETWORK, network_stats_t,
    FIELD (network_stats_t, time,      "time",     TIME),
    FIELD (network_stats_t, name,      "name",     TEXT),
    FIELD (network_stats_t, rx_bytes,  "rxBytes",  OPT_INT),
    FIELD (network_stats_t, rx_errors, "rxErrors", OPT_INT),
    FIELD (network_stats_t, tx_bytes,  "txBytes",  OPT_INT),
    FIELD (network_stats_t, tx_errors, "txErrors", OPT_INT));

/* The fields of a file system, of a struct in which it stands at PLACE. */
#define FS_FIELDS(TYPE, PLACE)                                                                     \
    FIELD (TYPE, PLACE time,            "time",           TIME),                                   \
    FIELD (TYPE, PLACE available_bytes, "availableBytes", OPT_INT),                                \
    FIELD (TYPE, PLACE capacity_bytes,  "capacityBytes",  OPT_INT),                                \
    FIELD (TYPE, PLACE used_bytes,      "usedBytes",      OPT_INT),                                \
    FIELD (TYPE, PLACE inodes_free,     "inodesFree",     OPT_INT),                                \
    FIELD (TYPE, PLACE inodes,          "inodes",         OPT_INT),                                \
    FIELD (TYPE, PLACE inodes_used,     "inodesUsed",     OPT_INT)

RECORD_TYPE (FS, fs_stats_t, FS_FIELDS (fs_stats_t, ));

RECORD_TYPE (VOLUME, volume_stats_t,
    FS_FIELDS (volume_stats_t, fs.),
    FIELD (volume_stats_t, name, "name", TEXT));

RECORD_TYPE (CLAIM, volume_stats_t,
    FIELD (volume_stats_t, pvc_name,      "name",      TEXT),
    FIELD (volume_stats_t, pvc_namespace, "namespace", TEXT));

#define CPU_AND_MEMORY(TYPE)                                                                       \
    FIELD_OF (TYPE, cpu,    "cpu",    OPT_RECORD, CPU),                                            \
    FIELD_OF (TYPE, memory, "memory", OPT_RECORD, MEMORY)

RECORD_TYPE (CONTAINER, container_stats_t,
    FIELD (container_stats_t, name,       "name",      TEXT),
    FIELD (container_stats_t, start_time, "startTime", TIME),
    CPU_AND_MEMORY (container_stats_t),
    FIELD_OF (container_stats_t, io,     "io",     OPT_RECORD, IO),
    FIELD_OF (container_stats_t, rootfs, "rootfs", OPT_RECORD, FS),
    FIELD_OF (container_stats_t, logs,   "logs",   OPT_RECORD, FS),
    FIELD_OF (container_stats_t, swap,   "swap",   OPT_RECORD, SWAP));

RECORD_TYPE (CONTAINER_BRIEF, container_stats_t,
    FIELD (container_stats_t, name,       "name",      TEXT),
    FIELD (container_stats_t, start_time, "startTime", TIME),
    CPU_AND_MEMORY (container_stats_t));

RECORD_TYPE (POD_REF, pod_stats_t,
    FIELD (pod_stats_t, name, "name",      TEXT),
    FIELD (pod_stats_t, ns,   "namespace", TEXT),
    FIELD (pod_stats_t, uid,  "uid",       TEXT));

RECORD_TYPE (POD, pod_stats_t,
    CPU_AND_MEMORY (pod_stats_t),
    FIELD_OF (pod_stats_t, io,                "io",                OPT_RECORD, IO));

RECORD_TYPE (POD_DISK, pod_stats_t,
    FIELD_OF (pod_stats_t, ephemeral_storage, "ephemeral-storage", OPT_RECORD, FS));

RECORD_TYPE (POD_SWAP, pod_stats_t,
    FIELD_OF (pod_stats_t, swap, "swap", OPT_RECORD, SWAP));

RECORD_TYPE (POD_BRIEF, pod_stats_t, CPU_AND_MEMORY (pod_stats_t));

RECORD_TYPE (PROCESSES, pod_stats_t,
    FIELD (pod_stats_t, process_count, "process_count", OPT_INT));

RECORD_TYPE (NODE_HEAD, node_stats_t,
    FIELD (node_stats_t, start_time, "startTime", TIME),
    CPU_AND_MEMORY (node_stats_t));

RECORD_TYPE (NODE_IO, node_stats_t, FIELD_OF (node_stats_t, io, "io", OPT_RECORD, IO));
RECORD_TYPE (NODE_FS, node_stats_t, FIELD_OF (node_stats_t, fs, "fs", OPT_RECORD, FS));

RECORD_TYPE (RUNTIME, node_stats_t,
    FIELD_OF (node_stats_t, image_fs,     "imageFs",     OPT_RECORD, FS),
    FIELD_OF (node_stats_t, container_fs, "containerFs", OPT_RECORD, FS));

RECORD_TYPE (RLIMIT, node_stats_t,
    FIELD (node_stats_t, rlimit_time, "time",    TIME),
    FIELD (node_stats_t, max_pid,     "maxpid",  OPT_INT),
    FIELD (node_stats_t, processes,   "curproc", OPT_INT));

RECORD_TYPE (NODE_SWAP, node_stats_t,
    FIELD_OF (node_stats_t, swap, "swap", OPT_RECORD, SWAP));
// clang-format on

// ---- putting them together ----

/* Puts what a record shows into a map that has other fields, too. */
static void
add_fields (tree_t *tree, node_t *map, const record_type_t *type, const void *record)
{
    node_t fields = record_encode (type, record, tree);
    for (size_t i = 0; i < node_count (&fields); i++)
        node_set (tree, map, node_key_at (&fields, i), *node_value_at (&fields, i));
}

/* Sets map[key] to what a record shows, unless that is nothing. */
static void
add_record (tree_t *tree, node_t *map, const char *key, const record_type_t *type,
            const void *record)
{
    node_t value = record_encode (type, record, tree);
    if (node_count (&value))
        node_set (tree, map, key, value);
}

static void
add_network (tree_t *tree, node_t *map, const network_stats_t *network)
{
    if (!network)
        return;
    node_t value = record_encode (&NETWORK, network, tree);
    node_t interfaces = node_array();
    for (size_t i = 0; i < network->interfaces.count; i++) {
        const interface_stats_t *one = &network->interfaces.items[i];
        interface_view_t view = { one->name, one->rx_bytes, one->rx_errors, one->tx_bytes,
                                  one->tx_errors };
        node_append (tree, &interfaces, record_encode (&INTERFACE, &view, tree));
    }
    node_set (tree, &value, "interfaces", interfaces);
    node_set (tree, map, "network", value);
}

static node_t
encode_containers (const container_stats_t *items, size_t count, bool is_brief, tree_t *tree)
{
    node_t list = node_array_sized (tree, count);
    for (size_t i = 0; i < count; i++)
        list.via.array.ptr[i] =
            record_encode (is_brief ? &CONTAINER_BRIEF : &CONTAINER, &items[i], tree);
    return list;
}

static void
add_volumes (tree_t *tree, node_t *map, const pod_stats_t *pod)
{
    node_t list = node_array();
    for (size_t i = 0; i < pod->volumes.count; i++) {
        node_t volume = record_encode (&VOLUME, &pod->volumes.items[i], tree);
        if (pod->volumes.items[i].pvc_name)
            add_record (tree, &volume, "pvcRef", &CLAIM, &pod->volumes.items[i]);
        node_append (tree, &list, volume);
    }
    if (node_count (&list))
        node_set (tree, map, "volume", list);
}

static void
add_start (tree_t *tree, node_t *map, int64_t start_time)
{
    static const field_t START[] = { { .name = "startTime", .kind = FIELD_TIME }, { 0 } };
    static const record_type_t TYPE = { START, sizeof (int64_t) };
    add_fields (tree, map, &TYPE, &start_time);
}

static node_t
encode_pod (const pod_stats_t *pod, bool is_brief, tree_t *tree)
{
    node_t map = node_map();
    add_record (tree, &map, "podRef", &POD_REF, pod);
    add_start (tree, &map, pod->start_time);
    node_set (tree, &map, "containers",
              encode_containers (pod->containers.items, pod->containers.count, is_brief, tree));
    add_fields (tree, &map, is_brief ? &POD_BRIEF : &POD, pod);
    if (is_brief)
        return map;
    add_network (tree, &map, pod->network);
    add_volumes (tree, &map, pod);
    add_fields (tree, &map, &POD_DISK, pod);
    add_record (tree, &map, "process_stats", &PROCESSES, pod);
    add_fields (tree, &map, &POD_SWAP, pod);
    return map;
}

static node_t
encode_node (const node_stats_t *node, bool is_brief, tree_t *tree)
{
    node_t map = node_map();
    node_set_text (tree, &map, "nodeName", node->node_name);
    if (node->system_containers.count)
        node_set (tree, &map, "systemContainers",
                  encode_containers (node->system_containers.items, node->system_containers.count,
                                     is_brief, tree));
    add_fields (tree, &map, &NODE_HEAD, node);
    if (is_brief)
        return map;
    add_fields (tree, &map, &NODE_IO, node);
    add_network (tree, &map, node->network);
    add_fields (tree, &map, &NODE_FS, node);
    add_record (tree, &map, "runtime", &RUNTIME, node);
    add_record (tree, &map, "rlimit", &RLIMIT, node);
    add_fields (tree, &map, &NODE_SWAP, node);
    return map;
}

node_t
stats_summary_encode (const summary_t *summary, bool only_cpu_and_memory, tree_t *tree)
{
    node_t map = node_map(), pods = node_array_sized (tree, summary->pods.count);
    for (size_t i = 0; i < summary->pods.count; i++)
        pods.via.array.ptr[i] = encode_pod (&summary->pods.items[i], only_cpu_and_memory, tree);
    node_set (tree, &map, "node", encode_node (&summary->node, only_cpu_and_memory, tree));
    node_set (tree, &map, "pods", pods);
    return map;
}

// ---- sums ----

static void
add_number (opt_int_t *sum, opt_int_t more)
{
    if (!more.set)
        return;
    sum->value = (sum->set ? sum->value : 0) + more.value;
    sum->set = true;
}

static void
take_number (opt_int_t *out, opt_int_t other)
{
    if (!out->set)
        *out = other;
}

void
fs_stats_add (fs_stats_t *sum, const fs_stats_t *more)
{
    if (more->time > sum->time)
        sum->time = more->time;
    add_number (&sum->used_bytes, more->used_bytes);
    add_number (&sum->inodes_used, more->inodes_used);
    take_number (&sum->available_bytes, more->available_bytes);
    take_number (&sum->capacity_bytes, more->capacity_bytes);
    take_number (&sum->inodes_free, more->inodes_free);
    take_number (&sum->inodes, more->inodes);
}

bool
fs_stats_read_csi (const node_t *usage, fs_stats_t *out)
{
    bool is_any = false;
    NODE_EACH (usage, row)
    {
        const char *unit = node_get_text (row, "unit", "");
        bool is_bytes = strcmp (unit, "BYTES") == 0;
        if (!is_bytes && strcmp (unit, "INODES") != 0)
            continue;
        opt_int_t total = { true, node_get_int (row, "total", 0) };
        opt_int_t used = { true, node_get_int (row, "used", 0) };
        opt_int_t available = { true, node_get_int (row, "available", 0) };
        *(is_bytes ? &out->capacity_bytes : &out->inodes) = total;
        *(is_bytes ? &out->used_bytes : &out->inodes_used) = used;
        *(is_bytes ? &out->available_bytes : &out->inodes_free) = available;
        is_any = true;
    }
    return is_any;
}
