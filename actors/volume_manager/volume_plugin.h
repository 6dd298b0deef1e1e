/* volume_plugin.h - one kind of volume: a row of the table in plugins.c, a file of code. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/background.h"
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"
#include "cubelet/volume_payload.h"
#include <stdbool.h>

/* What the volume manager tells its plugins, once. */
typedef struct {
    actor_t *actor; // for plugins that ask others, or do their work in slices
    char *root_dir; // "/var/lib/kubelet"
    node_facts_t facts;
    int64_t allocatable_memory;                    // bytes, 0: not known
    bool has_csi;                                  // there is a csi-manager
    int64_t ownership_first_ms, ownership_next_ms; // volume_events.h
    bool lacks_noswap;                             // the kernel refused tmpfs with noswap
} volume_host_t;

typedef struct volume_job volume_job_t;
typedef struct volume_plugin volume_plugin_t;

/* One volume that is to be set up. Everything lives until the job has ended. */
struct volume_job {
    volume_host_t *host;
    const pod_t *pod;
    const node_t *objects; // what is known of the pod's objects (pod_objects.h)
    const node_t *tokens;  // list of {service_account audience expiration_seconds token|error}
    const volume_t *volume;
    const char *name;        // of the volume; of the PersistentVolume when it is one
    const node_t *source;    // what stands below the plugin's name in the API
    const node_t *claim;     // that is bound to it
    const node_t *pv;        // the PersistentVolume, NULL when it is none
    const char *path;        // where the volume goes; NULL without a directory
    tree_t *tree;            // memory for the time of the job
    bool wants_block;        // containers ask for a device instead of a directory
    bool is_refresh;         // containers use it already
    int64_t began_ns;        // since 1970
    bool is_claim_read_only; // of persistentVolumeClaim

    /* What the plugin may set; the defaults are `path` and what its row says. */
    const volume_plugin_t *plugin; // the one that mounts it in the end
    const char *host_path;         // what containers mount
    bool is_read_only;
    bool is_block;     // host_path is a device
    bool is_unchanged; // nothing was done: what the pod knows of the volume stays
    const char *step;  // begins the text of a fault, "MountVolume.SetUp" unless changed; NULL: the
                       // fault says all by itself

    /* Work of a pending job; freed with destroy_work when the job ends, or is given up. */
    void *work;
    void (*destroy_work) (void **work_p);
    struct setup *setup; // the manager's
};

#define VOLUME_PENDING 1

/* Sets a volume up; one that is there already is only brought up to date. Returns 0, or -1 with a
   fault whose text is what follows `MountVolume.SetUp failed for volume "V" : `, or VOLUME_PENDING:
   then volume_job_ended is called later, from a reply or a timer, exactly once, and other volumes
   and pods go on meanwhile. There is never a second job for a volume while one is pending. */
typedef int volume_setup_fn (volume_job_t *job, fault_t *fault);

/* Ends a pending job, with a fault or NULL. The job is gone afterwards. */
void volume_job_ended (volume_job_t *job, const fault_t *fault);

/* Records an event of the job's pod. */
void volume_job_event (const volume_job_t *job, const char *type, const char *reason,
                       const char *message);

/* A queue for what may hang, one for all volumes of the pod, so that they are done in their order
   (a file may be made in a directory that is made before). NULL with a fault. */
background_t *volume_job_background (volume_job_t *job, fault_t *fault);

/* Unmounts what the volume at `path` has mounted; deleting is the caller's. Returns 0 or -1. */
typedef int volume_teardown_fn (const char *path, fault_t *fault);

struct volume_plugin {
    const char *name;      // in the API: "emptyDir"
    const char *directory; // "kubernetes.io~empty-dir"; NULL: has none
    volume_setup_fn *setup;
    volume_teardown_fn *teardown; // NULL: mounts nothing
    bool is_read_only;            // containers cannot write to it, whatever they say
    bool relabels;                // SELinux labels are the runtime's business
    bool refreshes;               // its content may change while containers run
    bool is_in_pod, is_in_pv;     // where the source may stand: a pod's volume, a PersistentVolume
    bool binds;                   // what it mounts is of any file system
};

extern const volume_plugin_t VOLUME_PLUGINS[];
extern const size_t VOLUME_PLUGIN_COUNT;

/* The plugin of a volume (`is_pv`: of a PersistentVolume's spec), and what it says to it in
 *source. NULL with FAULT_UNIMPLEMENTED. */
const volume_plugin_t *
volume_plugin_find (const node_t *volume, bool is_pv, const node_t **source, fault_t *fault);

/* Lets a plugin set up the job, whose source is set already, and notes it there. Returns as
   volume_setup_fn. */
int volume_plugin_run (const volume_plugin_t *plugin, volume_job_t *job, fault_t *fault);

volume_setup_fn empty_dir_setup, host_path_setup, downward_setup, projected_setup, config_map_setup,
    secret_setup, claim_setup, local_setup, csi_setup;

/* Takes away a tmpfs or hugetlbfs, and refuses to touch anything else. */
volume_teardown_fn memory_teardown;

/* Takes away everything that is mounted right there. */
volume_teardown_fn bind_teardown;

/* Makes sure that the driver has taken its mount away. */
volume_teardown_fn csi_teardown;

/* The common end of all plugins whose volumes are files: makes job->path a tmpfs (`in_memory`) or a
   directory, with the places where other volumes are mounted, and the files in it. */
int volume_write_files (const volume_job_t *job, const payload_t *payload, bool in_memory,
                        fault_t *fault);

/* Makes job->path the directory or file system of an emptyDir of that medium ("", "Memory",
   "HugePages"...) and gives it to the pod's fsGroup; `notes` is where it is noted that this is
   done. Nothing happens when it is. */
int empty_dir_make (const volume_job_t *job, const char *medium, quantity_t size_limit,
                    const char *notes, fault_t *fault);

/* Gives job->host_path to the pod's fsGroup, if it has one and the volume is not in use; returns as
 * volume_setup_fn. */
int volume_give_to_group (volume_job_t *job, fault_t *fault);

/* The permissions of files without a mode of their own: a source's defaultMode, 0644 when unset. */
int64_t volume_default_mode (const node_t *source);

/* Puts the files of the ConfigMap or Secret `name` that `source` ({optional items...}) takes. */
int config_put (const volume_job_t *job, payload_object_t kind, const char *name,
                const node_t *source, int64_t default_mode, payload_t *payload, fault_t *fault);
