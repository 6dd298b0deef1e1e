#include "cubelet/cgroup_stats.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers at least this large stand for "no limit" in v1's files (2^63 rounded down to pages). */
#define NO_LIMIT (1LL << 62)

#define NS_PER_US 1000
#define NS_PER_TICK 10000000 // USER_HZ is 100 for all programs, whatever the kernel's own is

#define LINE_MAX_BYTES 256

/* Where a number stands. */
typedef struct {
    const char *file;
    const char *key; // the line's first word; NULL: the file is one number
    size_t offset;   // an opt_int_t of cgroup_stats_t
    int64_t scale;   // 0: 1
} place_t;

#define AT(MEMBER) offsetof (cgroup_stats_t, MEMBER)

static const cgroup_stats_file_t FILES_V1[] = {
    { "cpuacct", "cpuacct.usage" },
    { "memory", "memory.usage_in_bytes" },
    { "memory", "memory.stat" },
    { "memory", "memory.limit_in_bytes" },
    { "memory", "memory.memsw.usage_in_bytes" },
    { "memory", "memory.memsw.limit_in_bytes" },
    { "pids", "pids.current" },
    // the rest is for CGROUP_ALL
    { "cpuacct", "cpuacct.stat" },
    { "cpu", "cpu.shares" },
    { "cpu", "cpu.cfs_period_us" },
    { "cpu", "cpu.cfs_quota_us" },
    { "cpu", "cpu.stat" },
    { "memory", "memory.max_usage_in_bytes" },
    { "memory", "memory.failcnt" },
    { "memory", "memory.soft_limit_in_bytes" },
    { "memory", "memory.kmem.usage_in_bytes" },
    { "memory", "memory.oom_control" },
    { "pids", "pids.max" },
};

static const place_t PLACES_V1[] = {
    { "cpuacct.usage", NULL, AT (cpu_ns) },
    { "memory.usage_in_bytes", NULL, AT (memory_usage) },
    { "memory.stat", "total_rss", AT (rss) },
    { "memory.stat", "total_cache", AT (cache) },
    { "memory.stat", "total_mapped_file", AT (mapped_file) },
    { "memory.stat", "total_active_file", AT (active_file) },
    { "memory.stat", "total_inactive_file", AT (inactive_file) },
    { "memory.stat", "pgfault", AT (page_faults) },
    { "memory.stat", "pgmajfault", AT (major_page_faults) },
    { "memory.stat", "total_pgfault", AT (page_faults_below) },
    { "memory.stat", "total_pgmajfault", AT (major_page_faults_below) },
    { "memory.limit_in_bytes", NULL, AT (memory_limit) },
    { "memory.memsw.usage_in_bytes", NULL, AT (swap_usage) },
    { "memory.memsw.limit_in_bytes", NULL, AT (swap_limit) },
    { "pids.current", NULL, AT (threads) },
    { "cpuacct.stat", "user", AT (cpu_user_ns), NS_PER_TICK },
    { "cpuacct.stat", "system", AT (cpu_system_ns), NS_PER_TICK },
    { "cpu.shares", NULL, AT (cpu_shares) },
    { "cpu.cfs_period_us", NULL, AT (cpu_period_us) },
    { "cpu.cfs_quota_us", NULL, AT (cpu_quota_us) },
    { "cpu.stat", "nr_periods", AT (cpu_periods) },
    { "cpu.stat", "nr_throttled", AT (cpu_throttled_periods) },
    { "cpu.stat", "throttled_time", AT (cpu_throttled_ns) },
    { "memory.max_usage_in_bytes", NULL, AT (memory_max_usage) },
    { "memory.failcnt", NULL, AT (memory_fail_count) },
    { "memory.soft_limit_in_bytes", NULL, AT (memory_reservation) },
    { "memory.kmem.usage_in_bytes", NULL, AT (kernel_memory) },
    { "memory.oom_control", "oom_kill", AT (oom_kills) },
    { "pids.max", NULL, AT (threads_max) },
    { 0 },
};

static const cgroup_stats_file_t FILES_V2[] = {
    { "cpu", "cpu.stat" },
    { "memory", "memory.current" },
    { "memory", "memory.stat" },
    { "memory", "memory.max" },
    { "memory", "memory.swap.current" },
    { "memory", "memory.swap.max" },
    { "pids", "pids.current" },
    { "cpu", "cpu.pressure" },
    { "memory", "memory.pressure" },
    { "io", "io.pressure" },
    // the rest is for CGROUP_ALL
    { "cpu", "cpu.weight" },
    { "cpu", "cpu.max" },
    { "memory", "memory.peak" },
    { "memory", "memory.low" },
    { "memory", "memory.events" },
    { "pids", "pids.max" },
};

static const place_t PLACES_V2[] = {
    { "cpu.stat", "usage_usec", AT (cpu_ns), NS_PER_US },
    { "cpu.stat", "user_usec", AT (cpu_user_ns), NS_PER_US },
    { "cpu.stat", "system_usec", AT (cpu_system_ns), NS_PER_US },
    { "cpu.stat", "nr_periods", AT (cpu_periods) },
    { "cpu.stat", "nr_throttled", AT (cpu_throttled_periods) },
    { "cpu.stat", "throttled_usec", AT (cpu_throttled_ns), NS_PER_US },
    { "memory.current", NULL, AT (memory_usage) },
    { "memory.stat", "anon", AT (rss) },
    { "memory.stat", "file", AT (cache) },
    { "memory.stat", "file_mapped", AT (mapped_file) },
    { "memory.stat", "active_file", AT (active_file) },
    { "memory.stat", "inactive_file", AT (inactive_file) },
    { "memory.stat", "kernel", AT (kernel_memory) },
    { "memory.stat", "pgfault", AT (page_faults) },
    { "memory.stat", "pgmajfault", AT (major_page_faults) },
    { "memory.stat", "pgfault", AT (page_faults_below) },
    { "memory.stat", "pgmajfault", AT (major_page_faults_below) },
    { "memory.max", NULL, AT (memory_limit) },
    { "memory.swap.current", NULL, AT (swap_usage) },
    { "memory.swap.max", NULL, AT (swap_limit) },
    { "pids.current", NULL, AT (threads) },
    { "cpu.weight", NULL, AT (cpu_shares) },
    { "cpu.max", NULL, AT (cpu_quota_us) },
    { "memory.peak", NULL, AT (memory_max_usage) },
    { "memory.low", NULL, AT (memory_reservation) },
    { "memory.events", "max", AT (memory_fail_count) },
    { "memory.events", "oom_kill", AT (oom_kills) },
    { "pids.max", NULL, AT (threads_max) },
    { 0 },
};

#define BASIC_FILES_V1 7
#define BASIC_FILES_V2 10

static const struct {
    const char *file;
    size_t offset;
} PRESSURE[] = {
    { "cpu.pressure", AT (cpu_psi) },
    { "memory.pressure", AT (memory_psi) },
    { "io.pressure", AT (io_psi) },
};

const cgroup_stats_file_t *
cgroup_stats_file (int version, cgroup_detail_t detail, size_t index)
{
    const cgroup_stats_file_t *files = version == 2 ? FILES_V2 : FILES_V1;
    size_t count = version == 2 ? COUNT_OF (FILES_V2) : COUNT_OF (FILES_V1);
    if (detail == CGROUP_BASIC)
        count = version == 2 ? BASIC_FILES_V2 : BASIC_FILES_V1;
    return index < count ? &files[index] : NULL;
}

// ---- one number ----

/* Reads a number at the start of `text`; "max" and what is no number leave `out` unset. */
static opt_int_t
read_number (const char *text, int64_t scale)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll (text, &end, 10);
    if (end == text || errno)
        return (opt_int_t){ 0 };
    if (scale > 1 && value > INT64_MAX / scale)
        return (opt_int_t){ 0 };
    return (opt_int_t){ true, scale > 1 ? value * scale : value };
}

/* The text after "key " at the start of a line, or NULL. */
static const char *
find_line (const char *text, const char *key)
{
    size_t size = strlen (key);
    for (const char *line = text; *line;) {
        if (strncmp (line, key, size) == 0 && line[size] == ' ')
            return line + size + 1;
        line += strcspn (line, "\n");
        line += *line == '\n';
    }
    return NULL;
}

static void
take_pressure (cgroup_stats_t *self, const char *file, const char *text)
{
    for (size_t i = 0; i < COUNT_OF (PRESSURE); i++)
        if (strcmp (PRESSURE[i].file, file) == 0
            && psi_parse (text, (psi_t *) ((char *) self + PRESSURE[i].offset)))
            self->has_psi = true;
}

void
cgroup_stats_take (cgroup_stats_t *self, int version, const char *file, const char *text)
{
    for (const place_t *place = version == 2 ? PLACES_V2 : PLACES_V1; place->file; place++) {
        if (strcmp (place->file, file) != 0)
            continue;
        const char *number = text;
        if (place->key && !(number = find_line (text, place->key)))
            continue;
        *(opt_int_t *) ((char *) self + place->offset) = read_number (number, place->scale);
    }
    if (version == 2 && strcmp (file, "cpu.max") == 0) // "QUOTA PERIOD" or "max PERIOD"
        self->cpu_period_us = read_number (text + strcspn (text, " \n"), 1);
    take_pressure (self, file, text);
}

// ---- what follows ----

static void
drop_if_unlimited (opt_int_t *limit)
{
    if (limit->set && limit->value >= NO_LIMIT)
        limit->set = false;
}

/* The shares that a weight of cgroup v2 stands for: the reverse of resource_math.h's. */
static int64_t
shares_of_weight (int64_t weight)
{
    return 2 + (weight - 1) * 262142 / 9999;
}

/* v1 counts memory and swap together: what is left without the memory is the swap. */
static void
split_swap (cgroup_stats_t *self)
{
    if (self->swap_usage.set) {
        int64_t swap = self->swap_usage.value - self->memory_usage.value;
        self->swap_usage.value = swap > 0 ? swap : 0;
    }
    drop_if_unlimited (&self->swap_limit);
    if (self->swap_limit.set && self->memory_limit.set) {
        int64_t limit = self->swap_limit.value - self->memory_limit.value;
        self->swap_limit.value = limit > 0 ? limit : 0;
    }
}

void
cgroup_stats_finish (cgroup_stats_t *self, int version)
{
    drop_if_unlimited (&self->memory_limit);
    drop_if_unlimited (&self->memory_reservation);
    if (version == 2 && self->cpu_shares.set)
        self->cpu_shares.value = shares_of_weight (self->cpu_shares.value);
    if (self->cpu_quota_us.set && self->cpu_quota_us.value < 0)
        self->cpu_quota_us.set = false;
    if (version == 1)
        split_swap (self);
}

opt_int_t
cgroup_working_set (const cgroup_stats_t *self)
{
    if (!self->memory_usage.set)
        return (opt_int_t){ 0 };
    int64_t inactive = self->inactive_file.set ? self->inactive_file.value : 0;
    int64_t usage = self->memory_usage.value;
    return (opt_int_t){ true, usage > inactive ? usage - inactive : 0 };
}

opt_int_t
cpu_rate (cpu_sample_t before, cpu_sample_t now)
{
    int64_t span = now.at_ns - before.at_ns, used = now.cpu_ns - before.cpu_ns;
    if (span <= 0 || used < 0)
        return (opt_int_t){ 0 };
    return (opt_int_t){ true, (int64_t) ((double) used / (double) span * 1e9) };
}

// ---- pressure ----

/* The number behind "name=" in a line. */
static double
read_field (const char *line, const char *name)
{
    char text[LINE_MAX_BYTES];
    size_t size = strcspn (line, "\n");
    if (size >= sizeof text)
        return 0;
    memcpy (text, line, size);
    text[size] = '\0';
    const char *at = strstr (text, name);
    return at ? strtod (at + strlen (name), NULL) : 0;
}

static bool
read_pressure (const char *text, const char *kind, psi_data_t *out)
{
    const char *line = find_line (text, kind);
    if (!line)
        return false;
    *out = (psi_data_t){ .avg10 = read_field (line, "avg10="),
                         .avg60 = read_field (line, "avg60="),
                         .avg300 = read_field (line, "avg300="),
                         .total = (int64_t) read_field (line, "total=") * NS_PER_US };
    return true;
}

bool
psi_parse (const char *text, psi_t *out)
{
    bool has_some = read_pressure (text, "some", &out->some);
    bool has_full = read_pressure (text, "full", &out->full);
    return has_some || has_full;
}
