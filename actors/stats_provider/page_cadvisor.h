/* page_cadvisor.h - what the files of /metrics/cadvisor share. Private to actors/stats_provider/.

     page_cadvisor.c          the page: groups with their CPU, memory, network; the machine
     page_cadvisor_disks.c    what groups read and write, and the file systems
     page_cadvisor_process.c  processes of groups with their descriptors; the processors */
#pragma once
#include "pages.h"

/* The labels that every series of a group has, in the table's order. */
typedef struct {
    const char *container, *id, *image, *name, *ns, *pod;
} labels_t;

/* What the group `l->id` has read and written, by device. */
void cadvisor_fill_io (const provider_t *provider, const labels_t *l, metrics_t *out);

/* The node's own file systems, and their disks. */
void cadvisor_fill_file_systems (const provider_t *provider, const labels_t *l, metrics_t *out);

/* The processes right in the group `l->id`; `*budget_p`: how many descriptors may still be looked
   at for this page. `root_pid`: the process whose limits are the group's; -1: the first one, 0:
   none. */
void cadvisor_fill_processes (const provider_t *provider, const labels_t *l, int64_t root_pid,
                              int64_t *budget_p, metrics_t *out);

/* How many cores and sockets there are; does nothing where the kernel does not say. */
void cadvisor_fill_processors (metric_labels_t machine, metrics_t *out);
