#include "reserved.h"
#include "cubelet/memory.h"

int
reserved_enforce (cgroup_fs_t *cgroups, cgroup_driver_t driver, const node_t *row, fault_t *fault)
{
    int version = cgroup_fs_version (cgroups);
    const char *name = node_get_text (row, "cgroup", "");
    OWNED (free_text) char *path = cgroup_named_path (driver, name);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    cgroup_setting_t settings[3];
    size_t count = 0;
    if (!cgroup_fs_exists (cgroups, path))
        return fault_set (fault, FAULT_NOT_FOUND, "\"%s\" cgroup does not exist", name);
    if (node_get (row, "milli"))
        cgroup_shares_setting (cpu_shares (node_get_int (row, "milli", 0)), version, tree,
                               &settings[count++]);
    if (node_get (row, "memory"))
        cgroup_memory_setting (node_get_int (row, "memory", 0), version, tree, &settings[count++]);
    if (node_get (row, "pids"))
        cgroup_pids_setting (node_get_int (row, "pids", 0), tree, &settings[count++]);
    for (size_t i = 0; i < count; i++)
        if (cgroup_fs_set (cgroups, path, &settings[i], fault) < 0)
            return -1;
    return 0;
}
