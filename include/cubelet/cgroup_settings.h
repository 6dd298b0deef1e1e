/* cgroup_settings.h - which files of a cgroup get which text, for both versions of cgroups.
   Source: reference/pod-to-cri.md 3.3; the kernel's cgroup-v1 and cgroup-v2 documentation. */
#pragma once
#include "cubelet/resource_math.h"
#include "cubelet/tree.h"

/* One file to write. */
typedef struct {
    const char *controller; // "cpu": on v1 the hierarchy it is in
    const char *file;       // "cpu.shares"
    const char *text;
} cgroup_setting_t;

typedef LIST_OF (cgroup_setting_t) cgroup_settings_t;

/* The settings of a pod's cgroup, in the order in which they have to be written. `pids_limit` is
   podPidsLimit, 0 or less: none. `version` is 1 or 2. Lists and texts are allocated in `tree`. */
void cgroup_pod_settings (const pod_cgroup_t *values, int64_t pids_limit, int version, tree_t *tree,
                          cgroup_settings_t *out);

/* The one setting of a cgroup that holds others: its CPU shares. */
void cgroup_shares_setting (int64_t shares, int version, tree_t *tree, cgroup_setting_t *out);

/* The most memory that a cgroup may use, in bytes. */
void cgroup_memory_setting (int64_t bytes, int version, tree_t *tree, cgroup_setting_t *out);

/* The most processes and threads that a cgroup may hold. */
void cgroup_pids_setting (int64_t most, tree_t *tree, cgroup_setting_t *out);

/* The reverse of cgroup_shares_setting: the millicores that the text of that file stands for,
   rounded up; -1 when it is no number. On v2 it is a guess, as 26 shares make one unit of weight.
 */
int64_t cgroup_shares_milli (const char *text, int version);

/* "[kubepods burstable podUID]", how upstream names a pod's cgroup in messages. `qos` as in
   cgroup_path.h. Owned. */
char *cgroup_display_name (const char *qos, const char *pod_uid);
