/* proc_stats.h - what files of /proc say of the machine and of processes; see proc(5). Pure: they
   take the files' contents. */
#pragma once
#include "cubelet/record.h"

#define INTERFACE_NAME_MAX 32

/* One network interface, counted since it was made. */
typedef struct {
    char name[INTERFACE_NAME_MAX];
    int64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
    int64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
} interface_stats_t;

/* Reads /proc/PID/net/dev: at most `room` interfaces, without the loopback and the host's ends of
   what others made (veth*, docker*), as cAdvisor leaves them out. Returns how many. */
size_t net_dev_parse (const char *text, interface_stats_t *out, size_t room);

/* Bytes that all of a network namespace has received and sent, from /proc/PID/net/netstat ("IpExt:"
   lines, InOctets and OutOctets). False when it does not say. */
bool netstat_parse (const char *text, int64_t *received, int64_t *sent);

/* /proc/meminfo, in bytes; 0 when it does not say. */
typedef struct {
    int64_t total, free, available;
    int64_t swap_total, swap_free;
} meminfo_t;
void meminfo_parse (const char *text, meminfo_t *out);

/* The number of tasks (threads) in /proc/loadavg ("0.1 0.2 0.3 2/345 6789": 345); -1: none. */
int64_t loadavg_tasks (const char *text);

/* When the machine started, in seconds since 1970: "btime" in /proc/stat; 0: it does not say. */
int64_t stat_boot_time (const char *text);

/* The path of a controller's group in /proc/PID/cgroup (`controller` NULL: of cgroup v2). Owned, or
   NULL. */
char *proc_cgroup_path (const char *text, const char *controller);

/* This process, from /proc/self/stat: CPU ticks, start in ticks since the machine started, sizes in
   bytes and pages. False when the text is none. */
typedef struct {
    int64_t cpu_ticks;
    int64_t start_ticks;
    int64_t virtual_bytes;
    int64_t resident_pages;
    int64_t threads;
} process_stat_t;
bool process_stat_parse (const char *text, process_stat_t *out);
