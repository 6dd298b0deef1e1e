/* cgroup_stats.h - what a cgroup's files say of the use of the machine, for both versions.

   Which file holds which number is one table; reading the files is the caller's. Sources: the
   kernel's cgroup-v1 and cgroup-v2 documentation; reference/node-and-server.md 4.3 for what the
   numbers are used for. */
#pragma once
#include "cubelet/record.h"

/* Pressure stall information of one kind, as the kernel's psi.rst: percentages and nanoseconds. */
typedef struct {
    double avg10, avg60, avg300;
    int64_t total; // ns
} psi_data_t;

typedef struct {
    psi_data_t full, some;
} psi_t;

/* Everything is cumulative since the group was made, or the state of now. What the kernel does not
   say is not set; limits that are none are not set either. Bytes unless said otherwise. */
typedef struct {
    opt_int_t cpu_ns, cpu_user_ns, cpu_system_ns;
    opt_int_t cpu_shares, cpu_period_us, cpu_quota_us;
    opt_int_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
    opt_int_t memory_usage, memory_limit, memory_max_usage, memory_fail_count;
    opt_int_t memory_reservation; // the soft limit
    opt_int_t rss, cache, mapped_file, active_file, inactive_file, kernel_memory;
    opt_int_t page_faults, major_page_faults; // of the group alone on v1, with all below on v2
    opt_int_t page_faults_below, major_page_faults_below; // with all below
    opt_int_t swap_usage;                                 // v1: memory and swap, see below
    opt_int_t swap_limit;                                 // the same
    opt_int_t oom_kills;
    opt_int_t threads, threads_max;
    bool has_psi;
    psi_t cpu_psi, memory_psi, io_psi;
} cgroup_stats_t;

typedef enum {
    CGROUP_BASIC, // what /stats/summary and /metrics/resource show
    CGROUP_ALL,   // and what only /metrics/cadvisor shows
} cgroup_detail_t;

/* One file to read: in the directory of `controller` on v1, in the group's only one on v2. */
typedef struct {
    const char *controller;
    const char *file;
} cgroup_stats_file_t;

/* File number `index` of those that a group of this version has to be asked for; NULL after the
   last one. */
const cgroup_stats_file_t *cgroup_stats_file (int version, cgroup_detail_t detail, size_t index);

/* Takes the numbers of a file's content; lines and words that it does not know are left alone. */
void cgroup_stats_take (cgroup_stats_t *self, int version, const char *file, const char *text);

/* After the last file: what follows from several of them (v1 counts memory and swap together). */
void cgroup_stats_finish (cgroup_stats_t *self, int version);

/* Memory that cannot be had back without harm: usage less the inactive page cache, never below 0;
   not set when the usage is not. */
opt_int_t cgroup_working_set (const cgroup_stats_t *self);

/* A CPU counter at a time. */
typedef struct {
    int64_t at_ns;
    int64_t cpu_ns;
} cpu_sample_t;

/* The CPU's use between two samples in billionths of a core; not set when no time lies between
   them, or the counter went back (the group was made anew). */
opt_int_t cpu_rate (cpu_sample_t before, cpu_sample_t now);

/* Reads a pressure file ("some avg10=0.00 ... total=0", "full ..."); total is in microseconds
   there. False when the text is none. */
bool psi_parse (const char *text, psi_t *out);
