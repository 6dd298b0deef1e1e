/* resource_math.h - from requests and limits to what cgroups and runtimes understand.
   Source: reference/pod-to-cri.md 3.3 and 6. */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* CPU time: millicores to cpu.shares (2..262144) and to the quota in microseconds of a period
   (at least 1000; 0 for 0, which means no limit). */
int64_t cpu_shares (int64_t milli);
int64_t cpu_quota_us (int64_t milli, int64_t period_us);

/* cpu.weight of cgroup v2 (1..10000) for shares: 1 + (shares - 2) * 9999 / 262142. */
int64_t cpu_weight (int64_t shares);

typedef enum { RESOURCE_REQUESTS, RESOURCE_LIMITS } resource_side_t;

/* What the pod as a whole requests (or is limited to) of one resource: the larger of its regular
   containers with all sidecars, and of any init step with the sidecars before it; replaced by the
   pod's own resources when they name it. Overhead is added when `with_overhead`: to requests
   always, to limits only when there is one. Not set when nobody names the resource. */
quantity_t
pod_resource (const pod_t *pod, resource_side_t side, const char *resource, bool with_overhead);

/* The values of the pod's own cgroup (3.3). */
typedef struct {
    int64_t cpu_shares;
    opt_int_t cpu_quota_us; // not set: leave it; -1: no limit; 0 counts as none
    opt_int_t cpu_period_us;
    opt_int_t memory_limit; // bytes
    LIST_OF (struct {
        const char *page_size; // "2MB"
        int64_t limit;         // bytes
    })
    hugepages; // what the pod requests, of every size the node has
} pod_cgroup_t;

/* Lists are allocated in `tree`. */
void
pod_cgroup_values (const pod_t *pod, const node_facts_t *facts, tree_t *tree, pod_cgroup_t *out);

/* -997 (never before others) to 1000 (first): 6.2. */
int64_t oom_score_adj (const pod_t *pod, const container_t *container, int64_t memory_capacity);

/* "hugepages-2Mi" for "2MB", a page size as runtimes and cgroup files spell it. Owned text. */
char *hugepage_resource (const char *page_size);

/* CRI LinuxContainerResources of a container (6), and linux.resources and linux.overhead of the
   sandbox (2). Maps in `tree`; zeros are left out. */
node_t container_resources (const pod_t *pod, const container_t *container,
                            const node_facts_t *facts, tree_t *tree);
node_t sandbox_resources (const pod_t *pod, const node_facts_t *facts, tree_t *tree);
node_t sandbox_overhead (const pod_t *pod, const node_facts_t *facts, tree_t *tree);
