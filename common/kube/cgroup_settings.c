#include "cubelet/cgroup_settings.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <string.h>

/* Where the numbers go; the versions of cgroups differ in names only, but for the quota. */
typedef enum { SET_SHARES, SET_PERIOD, SET_QUOTA, SET_MEMORY, SET_PIDS, SET_COUNT } place_t;

static const struct {
    const char *controller;
    const char *v1_file;
    const char *v2_file; // NULL: part of another one
} PLACES[SET_COUNT] = {
    [SET_SHARES] = { "cpu", "cpu.shares", "cpu.weight" },
    [SET_PERIOD] = { "cpu", "cpu.cfs_period_us", NULL },
    [SET_QUOTA] = { "cpu", "cpu.cfs_quota_us", "cpu.max" },
    [SET_MEMORY] = { "memory", "memory.limit_in_bytes", "memory.max" },
    [SET_PIDS] = { "pids", "pids.max", "pids.max" },
};

#define DEFAULT_PERIOD_US 100000

static const char *
number (tree_t *tree, int64_t value)
{
    return node_text_format (tree, "%" PRId64, value).via.str.ptr;
}

static void
add (cgroup_settings_t *list, place_t place, int version, const char *text)
{
    list->items[list->count++] =
        (cgroup_setting_t){ PLACES[place].controller,
                            version == 1 ? PLACES[place].v1_file : PLACES[place].v2_file, text };
}

void
cgroup_shares_setting (int64_t shares, int version, tree_t *tree, cgroup_setting_t *out)
{
    cgroup_settings_t one = { .items = out };
    add (&one, SET_SHARES, version, number (tree, version == 1 ? shares : cpu_weight (shares)));
}

void
cgroup_memory_setting (int64_t bytes, int version, tree_t *tree, cgroup_setting_t *out)
{
    cgroup_settings_t one = { .items = out };
    add (&one, SET_MEMORY, version, number (tree, bytes));
}

static void
add_quota (const pod_cgroup_t *values, int version, tree_t *tree, cgroup_settings_t *out)
{
    int64_t period = values->cpu_period_us.set ? values->cpu_period_us.value : DEFAULT_PERIOD_US;
    int64_t quota = values->cpu_quota_us.value > 0 ? values->cpu_quota_us.value : -1;
    if (version == 2) {
        const char *text = quota < 0 ? "max" : number (tree, quota);
        add (out, SET_QUOTA, version,
             node_text_format (tree, "%s %" PRId64, text, period).via.str.ptr);
        return;
    }
    // The quota is checked against the period that is there.
    add (out, SET_PERIOD, version, number (tree, period));
    add (out, SET_QUOTA, version, number (tree, quota));
}

void
cgroup_pod_settings (const pod_cgroup_t *values, int64_t pids_limit, int version, tree_t *tree,
                     cgroup_settings_t *out)
{
    size_t room = SET_COUNT + values->hugepages.count;
    *out = (cgroup_settings_t){ .items = tree_alloc (tree, room * sizeof *out->items) };
    cgroup_shares_setting (values->cpu_shares, version, tree, &out->items[out->count++]);
    if (values->cpu_quota_us.set)
        add_quota (values, version, tree, out);
    if (values->memory_limit.set && values->memory_limit.value > 0)
        add (out, SET_MEMORY, version, number (tree, values->memory_limit.value));
    if (pids_limit > 0)
        add (out, SET_PIDS, version, number (tree, pids_limit));
    for (size_t i = 0; i < values->hugepages.count; i++) {
        const char *end = version == 1 ? "limit_in_bytes" : "max";
        node_t file =
            node_text_format (tree, "hugetlb.%s.%s", values->hugepages.items[i].page_size, end);
        out->items[out->count++] =
            (cgroup_setting_t){ "hugetlb", file.via.str.ptr,
                                number (tree, values->hugepages.items[i].limit) };
    }
}

int64_t
cgroup_shares_milli (const char *text, int version)
{
    char *end;
    int64_t number = strtoll (text, &end, 10);
    if (end == text || number < 0)
        return -1;
    int64_t shares = version == 1 ? number : 2 + (number - 1) * 262142 / 9999;
    // What nobody asked for has the smallest number of shares.
    return shares <= 2 ? 0 : (shares * 1000 + 1023) / 1024;
}

char *
cgroup_display_name (const char *qos, const char *pod_uid)
{
    const char *middle = strcmp (qos, "Burstable") == 0    ? "burstable "
                         : strcmp (qos, "BestEffort") == 0 ? "besteffort "
                                                           : "";
    return text_format ("[kubepods %spod%s]", middle, pod_uid);
}

void
cgroup_pids_setting (int64_t most, tree_t *tree, cgroup_setting_t *out)
{
    node_t text = node_text_format (tree, "%lld", (long long) most);
    *out = (cgroup_setting_t){ "pids", "pids.max", text.via.str.ptr };
}
