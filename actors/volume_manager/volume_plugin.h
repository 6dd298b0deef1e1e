/* volume_plugin.h - one kind of volume: a row of the table in volume_manager.c, a file of code. */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"
#include "cubelet/volume_payload.h"
#include <stdbool.h>

/* What the volume manager tells its plugins, once. */
typedef struct {
    char *root_dir; // "/var/lib/kubelet"
    node_facts_t facts;
    int64_t allocatable_memory; // bytes, 0: not known
    bool lacks_noswap;          // the kernel refused tmpfs with noswap
} volume_host_t;

/* One volume that is to be set up; everything is borrowed for the call. */
typedef struct {
    volume_host_t *host;
    const pod_t *pod;
    const char *name;     // of the volume
    const node_t *source; // what stands below the plugin's name in the API
    const char *path;     // where the volume goes; NULL without a directory
    tree_t *tree;         // memory for the time of the call
} volume_job_t;

/* Sets a volume up; one that is there already is only brought up to date. `host_path` is what
   containers mount: path, unless changed (to memory of job->tree). Returns 0, or -1 with a fault
   whose text is what follows `MountVolume.SetUp failed for volume "V" : `. */
typedef int volume_setup_fn (const volume_job_t *job, const char **host_path, fault_t *fault);

/* Unmounts what the volume at `path` has mounted; deleting is the caller's. Returns 0 or -1. */
typedef int volume_teardown_fn (const char *path, fault_t *fault);

typedef struct {
    const char *name;      // in the API: "emptyDir"
    const char *directory; // "kubernetes.io~empty-dir"; NULL: has none
    volume_setup_fn *setup;
    volume_teardown_fn *teardown; // NULL: mounts nothing
    bool is_read_only;            // containers cannot write to it, whatever they say
    bool relabels;                // SELinux labels are the runtime's business
} volume_plugin_t;

volume_setup_fn empty_dir_setup, host_path_setup, downward_setup, projected_setup, config_map_setup,
    secret_setup;

/* Takes away a tmpfs or hugetlbfs, and refuses to touch anything else. */
volume_teardown_fn memory_teardown;

/* The common end of all plugins whose volumes are files: makes job->path a tmpfs (`in_memory`) or a
   directory, with the places where other volumes are mounted, and the files in it. */
int volume_write_files (const volume_job_t *job, const payload_t *payload, bool in_memory,
                        fault_t *fault);

/* Makes job->path the directory or file system of an emptyDir of that medium ("", "Memory",
   "HugePages"...) and gives it to the pod's fsGroup; `notes` is where it is noted that this is
   done. Nothing happens when it is. */
int empty_dir_make (const volume_job_t *job, const char *medium, quantity_t size_limit,
                    const char *notes, fault_t *fault);

/* The permissions of files without a mode of their own: a source's defaultMode, 0644 when unset. */
int64_t volume_default_mode (const node_t *source);

/* Puts the files of a ConfigMap or Secret that `source` ({optional items...}) takes from the object
   `name`. */
typedef enum { CONFIG_MAP, CONFIG_SECRET } config_kind_t;
int config_put (const volume_job_t *job, config_kind_t kind, const char *name, const node_t *source,
                int64_t default_mode, payload_t *payload, fault_t *fault);
