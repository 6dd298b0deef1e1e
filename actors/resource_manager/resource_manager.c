/* resource_manager.c - the cgroups of pods and QoS classes.

   Arguments: {"cgroup_driver": "cgroupfs" or "systemd", "cgroup_root": text, "cgroups_per_qos":
   bool, "cpu_cfs_quota": bool, "pod_pids_limit": int, "cgroup_mount": text}, KubeletConfiguration's
   fields and defaults but for the last, "/sys/fs/cgroup", which tests change; and "node_name":
   text, "pods_memory": int (bytes), "pods_milli": int (CPUs): what all pods together may use where
   that is enforced (enforceNodeAllocatable); "reserved": list of {name, cgroup, memory, milli,
   pids}: the groups of others that are limited (reserved.h), name: "System" or "Kube".

   The runtime's own word about the driver (CRI RuntimeConfig) wins over "cgroup_driver"; so nothing
   is made before the runtime has been up.

   With the systemd driver groups have the names that systemd gives to slices, and are made as
   directories all the same. That is all there is to do where systemd does not run. Where it does,
   it adopts the directories when the runtime starts a scope in them, but may put the pod's limits
   (not the containers') back to its own defaults, as it was not asked for them over D-Bus.
   Source: reference/pod-to-cri.md 3. */
#include "cgroup_fs.h"
#include "cubelet/actors.h"
#include "cubelet/askers.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include "cubelet/path_element.h"
#include "reserved.h"
#include <czmq.h>
#include <string.h>
#include <unistd.h>

#define CPU_PERIOD_US 100000

/* How often a group is tried to be removed, waiting twice as long from time to time: 8 s in all. */
#define TRIES_MAX 20
#define FIRST_WAIT_MS 10
#define LONGEST_WAIT_MS 500

/* Somebody else may change the shares of the QoS classes: upstream sets them again as often. */
#define RESET_MS (60 * 1000)

#define ASK_DEADLINE_MS 10000

static const char *const QOS_CLASSES[] = { "Guaranteed", "Burstable", "BestEffort" };

/* The CPU requests of a pod, for the sum of its class. */
typedef struct {
    int64_t milli;
} known_pod_t;

typedef struct {
    actor_t *actor;
    tree_t *args; // the facts borrow from it
    node_facts_t facts;
    cgroup_driver_t configured_driver;
    bool is_driver_known; // the runtime has been up, so it is known which driver counts
    int64_t pids_limit;
    int64_t pods_memory, pods_milli; // 0: nothing is enforced
    bool has_told_limit;             // the event of it is out
    bool has_told_reserved;          // ... and those of `reserved`
    cgroup_fs_t *cgroups;
    zhashx_t *pods;     // known_pod_t by uid
    zhashx_t *removals; // removal_t by pod uid
} manager_t;

/* A pod's group on its way out, and who waits for its end. */
typedef struct {
    manager_t *manager;
    char *uid;
    askers_t *askers; // for its end
    int tries;
    uint64_t timer;
} removal_t;

static void
free_known_pod (void **pod_p)
{
    free (*pod_p);
    *pod_p = NULL;
}

/* kubelet_cgroup_manager_duration_seconds: what has been done to a group, since when. */
static void
count_work (const char *operation, int64_t began_ns)
{
    metric_observe (METRIC_CGROUP_MANAGER_DURATION_SECONDS,
                    (double) (clock_now_ns() - began_ns) / NS_PER_S, LABELS (operation));
}

// ---- the groups above pods ----

typedef struct {
    manager_t *manager;
    const char *path;
    cgroup_setting_t shares;
    int64_t milli;
} sum_t;

static void
add_pod (void *context, const char *name)
{
    sum_t *sum = context;
    OWNED (free_text) char *uid = cgroup_pod_uid (name);
    if (!uid)
        return;
    const known_pod_t *known = zhashx_lookup (sum->manager->pods, uid);
    if (known) {
        sum->milli += known->milli;
        return;
    }
    // A pod of the time before this actor started: its own group tells.
    OWNED (free_text) char *path = text_format ("%s/%s", sum->path, name);
    OWNED (free_text) char *text = cgroup_fs_get (sum->manager->cgroups, path, &sum->shares);
    int64_t milli =
        text ? cgroup_shares_milli (text, cgroup_fs_version (sum->manager->cgroups)) : 0;
    sum->milli += milli > 0 ? milli : 0;
}

/* The shares of a class: what its pods request together. */
static int64_t
shares_of (manager_t *self, const char *qos, const char *path, tree_t *tree)
{
    if (strcmp (qos, "Guaranteed") == 0) // all pods together: the whole machine
        return cpu_shares (self->pods_milli > 0 ? self->pods_milli
                                                : sysconf (_SC_NPROCESSORS_ONLN) * 1000);
    sum_t sum = { .manager = self, .path = path };
    if (strcmp (qos, "Burstable") == 0) {
        cgroup_shares_setting (0, cgroup_fs_version (self->cgroups), tree, &sum.shares);
        cgroup_fs_each_child (self->cgroups, path, &sum.shares, add_pod, &sum);
    }
    return cpu_shares (sum.milli);
}

static int
set_class (manager_t *self, const char *qos, fault_t *fault)
{
    int64_t began_ns = clock_now_ns();
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *path = cgroup_qos_path (&self->facts, qos);
    cgroup_setting_t setting;
    cgroup_shares_setting (shares_of (self, qos, path, tree), cgroup_fs_version (self->cgroups),
                           tree, &setting);
    int result = cgroup_fs_set (self->cgroups, path, &setting, fault);
    count_work ("update", began_ns);
    return result;
}

static int
make_classes (manager_t *self, fault_t *fault)
{
    for (size_t i = 0; i < COUNT_OF (QOS_CLASSES); i++) {
        OWNED (free_text) char *path = cgroup_qos_path (&self->facts, QOS_CLASSES[i]);
        if (cgroup_fs_make (self->cgroups, path, fault) < 0
            || set_class (self, QOS_CLASSES[i], fault) < 0)
            return fault_wrap (fault, "cannot make the cgroup of %s pods", QOS_CLASSES[i]);
    }
    return 0;
}

static void
record_node_event (manager_t *self, const char *type, const char *reason, const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    const char *name = node_get_text (tree_root (self->args), "node_name", "");
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_node (tree, name));
    node_set_text (tree, &body, "type", type);
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

/* The limit of all pods together. What fails is tried again with the next reset. */
static void
enforce_allocatable (manager_t *self)
{
    fault_t fault = { 0 };
    if (self->pods_memory <= 0)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *path = cgroup_qos_path (&self->facts, "Guaranteed");
    cgroup_setting_t setting;
    cgroup_memory_setting (self->pods_memory, cgroup_fs_version (self->cgroups), tree, &setting);
    if (cgroup_fs_set (self->cgroups, path, &setting, &fault) < 0) {
        OWNED (free_text)
        char *message =
            text_format ("Failed to update Node Allocatable Limits [\"kubepods\"]: %s", fault.text);
        record_node_event (self, "Warning", "FailedNodeAllocatableEnforcement", message);
        return;
    }
    OWNED (free_text) char *limit = cgroup_fs_get (self->cgroups, path, &setting);
    if (limit && !self->has_told_limit) { // a machine without that controller limits nothing
        record_node_event (self, "Normal", "NodeAllocatableEnforced",
                           "Updated Node Allocatable limit across pods");
        self->has_told_limit = true;
    }
}

/* What system daemons and Kubernetes' own may use: groups of others, which must be there. */
static void
enforce_reserved (manager_t *self)
{
    NODE_EACH (node_get (tree_root (self->args), "reserved"), row)
    {
        fault_t fault = { 0 };
        const char *name = node_get_text (row, "name", "");
        const char *cgroup = node_get_text (row, "cgroup", "");
        bool has_failed =
            reserved_enforce (self->cgroups, self->facts.cgroup_driver, row, &fault) < 0;
        OWNED (free_text)
        char *message =
            has_failed ? text_format ("Failed to enforce %s Reserved Cgroup Limits on \"%s\": %s",
                                      name, cgroup, fault.text)
                       : text_format ("Updated limits on %s reserved cgroup %s",
                                      strcmp (name, "Kube") == 0 ? "kube" : "system", cgroup);
        if (has_failed)
            record_node_event (self, "Warning", "FailedNodeAllocatableEnforcement", message);
        else if (!self->has_told_reserved)
            record_node_event (self, "Normal", "NodeAllocatableEnforced", message);
    }
    self->has_told_reserved = true;
}

static void
reset_classes (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    fault_t fault = { 0 };
    if (make_classes (self, &fault) < 0)
        LOG_WARNING ("QoS cgroups not set err=%s", fault.text);
    enforce_allocatable (self);
    enforce_reserved (self);
    actor_timer (self->actor, RESET_MS, reset_classes, NULL);
}

// ---- which driver ----

static void
take_runtime_state (manager_t *self, const node_t *state)
{
    fault_t fault = { 0 };
    cgroup_driver_t driver;
    bool has_groups = self->facts.cgroups_per_qos;
    if (!has_groups || !cgroup_driver_choose (state, self->configured_driver, &driver)
        || (self->is_driver_known && driver == self->facts.cgroup_driver))
        return;
    self->facts.cgroup_driver = driver;
    if (make_classes (self, &fault) < 0) {
        actor_fail (self->actor, &fault);
        return;
    }
    enforce_allocatable (self);
    enforce_reserved (self);
    if (!self->is_driver_known)
        actor_timer (self->actor, RESET_MS, reset_classes, NULL);
    self->is_driver_known = true;
}

static int
on_runtime_state (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    take_runtime_state (state, message->body);
    return 0;
}

static void
on_runtime_state_reply (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) fault, (void) context;
    if (reply)
        take_runtime_state (state, reply->body);
}

/* Workers ask for cgroups when the runtime is up, so its word has got lost, or is on the way. */
static int
check_driver (manager_t *self, fault_t *fault)
{
    if (self->is_driver_known || !self->facts.cgroups_per_qos)
        return 0;
    actor_request (self->actor, "runtime", MSG_RUNTIME_STATE_GET, NULL, ASK_DEADLINE_MS,
                   on_runtime_state_reply, NULL, 0);
    return fault_set (fault, FAULT_UNAVAILABLE,
                      "the container runtime has not said yet which cgroup driver it uses");
}

// ---- making the group of a pod ----

static void
know_pod (manager_t *self, const pod_t *pod)
{
    known_pod_t *known = memory_new (1, sizeof *known);
    known->milli = quantity_milli (pod_resource (pod, RESOURCE_REQUESTS, "cpu", true));
    zhashx_update (self->pods, pod->metadata.uid, known);
}

static int
set_pod_group (manager_t *self, const pod_t *pod, const char *path, tree_t *tree, fault_t *fault)
{
    pod_cgroup_t values = { 0 };
    cgroup_settings_t settings;
    pod_cgroup_values (pod, &self->facts, tree, &values);
    cgroup_pod_settings (&values, self->pids_limit, cgroup_fs_version (self->cgroups), tree,
                         &settings);
    for (size_t i = 0; i < settings.count; i++)
        if (cgroup_fs_set (self->cgroups, path, &settings.items[i], fault) < 0)
            return -1;
    return 0;
}

/* A group that is there may hold containers with more than the pod is to have now: it is left alone
   until the worker has seen to them. */
static int
make_pod_group (manager_t *self, const pod_t *pod, bool is_resize, tree_t *tree, fault_t *fault)
{
    const char *qos = pod_qos_class (pod);
    OWNED (free_text) char *path = cgroup_pod_path (&self->facts, qos, pod->metadata.uid);
    bool is_new = !cgroup_fs_exists (self->cgroups, path);
    int64_t began_ns = clock_now_ns();
    fault_t ignored = { 0 };
    if (cgroup_fs_make (self->cgroups, path, fault) < 0)
        return -1;
    if ((is_new || is_resize) && set_pod_group (self, pod, path, tree, fault) < 0) {
        if (is_new) // half made, it would be taken for good the next time
            cgroup_fs_remove (self->cgroups, path, &ignored);
        return -1;
    }
    if (is_new || is_resize)
        count_work (is_new ? "create" : "update", began_ns);
    know_pod (self, pod);
    return strcmp (qos, "Burstable") == 0 ? set_class (self, qos, fault) : 0;
}

static int
on_ensure (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    if (check_driver (self, fault) < 0)
        return -1;
    OWNED (tree_destroy) tree_t *tree = tree_copy (node_get (message->body, "pod"));
    pod_t pod = { 0 };
    if (pod_decode (tree_root (tree), tree, &pod, fault) < 0
        || path_element_check ("pod uid", pod.metadata.uid, fault) < 0)
        return -1;
    if (zhashx_lookup (self->removals, pod.metadata.uid))
        return fault_set (fault, FAULT_UNAVAILABLE, "the pod's old cgroup is still being removed");
    bool is_resize = node_get_bool (message->body, "resize", false);
    if (self->facts.cgroups_per_qos && make_pod_group (self, &pod, is_resize, tree, fault) < 0) {
        OWNED (free_text) char *name = cgroup_display_name (pod_qos_class (&pod), pod.metadata.uid);
        return fault_wrap (fault, "failed to create container for %s ", name);
    }
    actor_reply (self->actor, message, NULL);
    return 0;
}

// ---- removing the group of a pod ----

static void
removal_destroy (void **self_p)
{
    removal_t *self = *self_p;
    actor_timer_cancel (self->manager->actor, &self->timer);
    askers_destroy (&self->askers);
    free (self->uid);
    free (self);
    *self_p = NULL;
}

static removal_t *
removal_new (manager_t *manager, const char *uid)
{
    removal_t *self = memory_new (1, sizeof *self);
    self->manager = manager;
    self->uid = text_copy (uid);
    self->askers = askers_new();
    zhashx_insert (manager->removals, uid, self);
    return self;
}

/* Answers everyone who waits, and forgets the removal. */
static void
finish_removal (removal_t *self, const fault_t *fault)
{
    manager_t *manager = self->manager;
    fault_t ignored = { 0 };
    if (!fault) {
        zhashx_delete (manager->pods, self->uid);
        if (set_class (manager, "Burstable", &ignored) < 0)
            LOG_WARNING ("QoS cgroup not set err=%s", ignored.text);
    }
    askers_answer (self->askers, manager->actor, NULL, fault);
    zhashx_delete (manager->removals, self->uid);
}

/* The pod may have been of any class; the directories tell. */
static int
try_to_remove (removal_t *self, fault_t *fault)
{
    manager_t *manager = self->manager;
    for (size_t i = 0; i < COUNT_OF (QOS_CLASSES); i++) {
        OWNED (free_text) char *path = cgroup_pod_path (&manager->facts, QOS_CLASSES[i], self->uid);
        if (!cgroup_fs_exists (manager->cgroups, path))
            continue;
        int64_t began_ns = clock_now_ns();
        cgroup_fs_kill (manager->cgroups, path);
        if (cgroup_fs_remove (manager->cgroups, path, fault) < 0)
            return -1;
        count_work ("destroy", began_ns);
    }
    return 0;
}

static void
work_on_removal (void *state, void *context)
{
    manager_t *manager = state;
    removal_t *self = context;
    fault_t fault = { 0 };
    self->timer = 0;
    if (try_to_remove (self, &fault) == 0) {
        finish_removal (self, NULL);
        return;
    }
    if (++self->tries == TRIES_MAX) {
        finish_removal (self, &fault);
        return;
    }
    // Killed processes are gone in a moment, or in a while when they wait for a disk.
    int64_t wait_ms = FIRST_WAIT_MS << (self->tries < 7 ? self->tries - 1 : 6);
    self->timer =
        actor_timer (manager->actor, wait_ms < LONGEST_WAIT_MS ? wait_ms : LONGEST_WAIT_MS,
                     work_on_removal, self);
}

static int
on_remove (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const char *uid = node_get_text (message->body, "pod_uid", "");
    if (path_element_check ("pod uid", uid, fault) < 0)
        return -1;
    if (!self->facts.cgroups_per_qos) {
        actor_reply (self->actor, message, NULL);
        return 0;
    }
    if (check_driver (self, fault) < 0)
        return -1;
    removal_t *removal = zhashx_lookup (self->removals, uid);
    if (removal) {
        askers_add (removal->askers, message);
        return 0;
    }
    removal = removal_new (self, uid);
    askers_add (removal->askers, message);
    work_on_removal (self, removal);
    return 0;
}

// ---- which pods there are ----

typedef struct {
    tree_t *tree;
    node_t uids;
} uid_list_t;

static void
append_uid (void *context, const char *name)
{
    uid_list_t *list = context;
    OWNED (free_text) char *uid = cgroup_pod_uid (name);
    if (uid)
        node_append (list->tree, &list->uids, node_text (list->tree, uid));
}

static int
on_list (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    uid_list_t list = { tree, node_array() };
    cgroup_setting_t shares; // names a hierarchy that all groups are in
    cgroup_shares_setting (0, cgroup_fs_version (self->cgroups), tree, &shares);
    for (size_t i = 0; self->facts.cgroups_per_qos && i < COUNT_OF (QOS_CLASSES); i++) {
        OWNED (free_text) char *path = cgroup_qos_path (&self->facts, QOS_CLASSES[i]);
        cgroup_fs_each_child (self->cgroups, path, &shares, append_uid, &list);
    }
    node_t body = node_map();
    node_set (tree, &body, "uids", list.uids);
    actor_reply (self->actor, message, &body);
    return 0;
}

// ---- start and stop ----

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    zhashx_destroy (&self->removals);
    zhashx_destroy (&self->pods);
    cgroup_fs_destroy (&self->cgroups);
    tree_destroy (&self->args);
    free (self);
    *self_p = NULL;
}

static int
read_args (manager_t *self, fault_t *fault)
{
    const node_t *args = tree_root (self->args);
    const char *driver = node_get_text (args, "cgroup_driver", "cgroupfs");
    if (strcmp (driver, "cgroupfs") != 0 && strcmp (driver, "systemd") != 0)
        return fault_set (fault, FAULT_INVALID, "cgroup_driver: unknown driver %s", driver);
    const char *root = node_get_text (args, "cgroup_root", "");
    if (strstr (root, ".."))
        return fault_set (fault, FAULT_INVALID, "cgroup_root: must not contain '..': %s", root);
    self->cgroups = cgroup_fs_new (node_get_text (args, "cgroup_mount", "/sys/fs/cgroup"), fault);
    if (!self->cgroups)
        return -1;
    self->configured_driver = cgroup_driver_of (driver);
    self->facts.cgroup_driver = self->configured_driver;
    self->facts.cgroup_root = root;
    self->facts.cgroups_per_qos = node_get_bool (args, "cgroups_per_qos", true);
    self->facts.cgroup_version = cgroup_fs_version (self->cgroups);
    self->facts.cpu_cfs_quota = node_get_bool (args, "cpu_cfs_quota", true);
    self->facts.cpu_cfs_period_us = CPU_PERIOD_US;
    self->pids_limit = node_get_int (args, "pod_pids_limit", -1);
    self->pods_memory = node_get_int (args, "pods_memory", 0);
    self->pods_milli = node_get_int (args, "pods_milli", 0);
    return 0;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    self->pods = zhashx_new();
    zhashx_set_destructor (self->pods, free_known_pod);
    self->removals = zhashx_new();
    zhashx_set_destructor (self->removals, removal_destroy);
    if (read_args (self, fault) < 0) {
        void *state = self;
        stop (&state);
        return NULL;
    }
    return self;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_CGROUP_ENSURE, on_ensure },
    { MSG_CGROUP_REMOVE, on_remove },
    { MSG_CGROUP_LIST, on_list },
    { MSG_RUNTIME_STATE, on_runtime_state },
    { 0 },
};

const actor_class_t resource_manager_class = {
    .name = "resource-manager",
    .about = "makes, sets and removes cgroups",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
