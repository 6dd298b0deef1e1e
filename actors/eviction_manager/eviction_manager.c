/* eviction_manager.c - watches what is left of memory, disks and process ids; says so to those who
   report the node's conditions and admit pods; and ends pods when it is too little, or when they
   take more local storage than they may.

   Every ten seconds it looks. That costs a few file reads; pods are listed and measured only when
   something is short, or when some pod has a limit of local storage, which is found out when a new
   worker has started.

   Arguments: {"node_name", "root_dir", "cgroup_driver", "cgroup_root", "cgroups_per_qos",
   "eviction_hard", "eviction_soft", "eviction_soft_grace_period", "eviction_minimum_reclaim": as in
   the configuration; "enforces_pods": enforceNodeAllocatable has "pods"; "transition_ms",
   "max_grace_s", "isolates_storage": evictionPressureTransitionPeriod, evictionMaxPodGracePeriod
   and localStorageCapacityIsolation; "allocatable_memory": bytes; "look_ms", "cgroup_mount" and
   "proc", which tests change}. Source: reference/node-and-server.md 6. */
#include "eviction_manager.h"
#include "cubelet/actors.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <string.h>

/* Who is told of pressure. */
static const char *const LISTENERS[] = { "node-reporter", "pod-manager" };

/* It is said again as often: a message may get lost. */
#define TELL_MS (60 * 1000)

/* A message that a worker started may have got lost. */
#define LIST_MS (5 * 60 * 1000)

#define IMAGE_FS_MS (5 * 60 * 1000)
#define ASK_DEADLINE_MS 10000

// ---- telling ----

static void
tell (manager_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_bool (tree, &body, "memory", self->has_pressure[PRESSURE_MEMORY]);
    node_set_bool (tree, &body, "disk", self->has_pressure[PRESSURE_DISK]);
    node_set_bool (tree, &body, "pid", self->has_pressure[PRESSURE_PID]);
    for (size_t i = 0; i < COUNT_OF (LISTENERS); i++)
        actor_send (self->actor, LISTENERS[i], MSG_NODE_PRESSURE, &body);
    self->told_at_ms = clock_monotonic_ms();
}

static void
note_pressure (manager_t *self, const bool has_pressure[static PRESSURE_COUNT])
{
    bool is_new = memcmp (self->has_pressure, has_pressure, sizeof self->has_pressure) != 0;
    memcpy (self->has_pressure, has_pressure, sizeof self->has_pressure);
    if (is_new)
        LOG_INFO ("Node pressure memory=%d disk=%d pid=%d", has_pressure[PRESSURE_MEMORY],
                  has_pressure[PRESSURE_DISK], has_pressure[PRESSURE_PID]);
    if (is_new || !self->told_at_ms || clock_monotonic_ms() - self->told_at_ms >= TELL_MS)
        tell (self);
}

// ---- pods with limits ----

static void
on_listed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    manager_t *self = state;
    if (fault) {
        self->has_new_pods = true;
        return;
    }
    OWNED (tree_destroy) tree_t *pods = tree_copy (node_get (reply->body, "items"));
    tree_destroy (&self->limited);
    self->limited = tree_new();
    *tree_root (self->limited) = node_array();
    NODE_EACH (tree_root (pods), node)
    {
        fault_t ignored = { 0 };
        pod_t pod = { 0 };
        if (pod_decode (node, pods, &pod, &ignored) == 0 && eviction_has_limits (&pod))
            node_append (self->limited, tree_root (self->limited),
                         node_text (self->limited, pod.metadata.uid));
    }
}

static void
list_pods (manager_t *self)
{
    int64_t now = clock_monotonic_ms();
    if (!self->has_new_pods && now - self->listed_at_ms < LIST_MS)
        return;
    self->has_new_pods = false;
    self->listed_at_ms = now;
    actor_request (self->actor, "pod-manager", MSG_POD_LIST, NULL, ASK_DEADLINE_MS, on_listed, NULL,
                   0);
}

// ---- where images are ----

static char *
mount_of (const node_t *usage)
{
    const char *mount = node_get_text (node_get (usage, "fs_id"), "mountpoint", "");
    return *mount ? text_copy (mount) : NULL;
}

static void
on_image_fs (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    manager_t *self = state;
    self->image_fs_request = 0;
    if (fault)
        return; // asked again with the next look
    free_text (&self->image_fs);
    free_text (&self->container_fs);
    self->image_fs = mount_of (node_item (node_get (reply->body, "image_filesystems"), 0));
    self->container_fs = mount_of (node_item (node_get (reply->body, "container_filesystems"), 0));
    self->image_fs_at_ms = clock_monotonic_ms();
}

static void
ask_for_image_fs (manager_t *self)
{
    bool is_fresh = self->image_fs && clock_monotonic_ms() - self->image_fs_at_ms < IMAGE_FS_MS;
    if (!is_fresh && !self->image_fs_request)
        self->image_fs_request = actor_request (self->actor, "runtime", MSG_CRI_IMAGE_FS_INFO, NULL,
                                                ASK_DEADLINE_MS, on_image_fs, NULL, 0);
}

// ---- the loop ----

static void
look (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    self->timer = 0;
    look_in (self, node_get_int (tree_root (self->args), "look_ms", LOOK_MS));
    ask_for_image_fs (self);
    if (self->is_working)
        return;
    eviction_decision_t decision;
    observe (self);
    eviction_step (self->thresholds, self->threshold_count, self->observations, self->transition_ns,
                   clock_monotonic_ms() * NS_PER_MS, &self->state, &decision);
    note_pressure (self, decision.has_pressure);
    bool has_limits = node_get_bool (tree_root (self->args), "isolates_storage", true);
    if (has_limits)
        list_pods (self);
    if (decision.act >= 0 || node_count (tree_root (self->limited)) > 0)
        begin_work (self, decision.act);
}

void
look_in (manager_t *self, int64_t delay_ms)
{
    if (self->timer && delay_ms > 0)
        return; // it fires after LOOK_MS at the latest
    actor_timer_cancel (self->actor, &self->timer);
    self->timer = actor_timer (self->actor, delay_ms, look, NULL);
}

// ---- messages ----

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const char *name = node_get_text (message->body, "name", "");
    if (strcmp (node_get_text (message->body, "class", ""), "pod-worker") == 0)
        self->has_new_pods = true;
    for (size_t i = 0; i < COUNT_OF (LISTENERS); i++)
        if (strcmp (LISTENERS[i], name) == 0)
            tell (self);
    return 0;
}

static int
on_undeliverable (void *state, const message_t *message, fault_t *fault)
{
    (void) state, (void) message, (void) fault;
    return 0; // a standalone node has no node-reporter; others are told when they are up
}

// ---- start and stop ----

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    tree_destroy (&self->listed);
    tree_destroy (&self->limited);
    free (self->pods_group);
    free (self->image_fs);
    free (self->container_fs);
    tree_destroy (&self->args);
    free (self);
    *self_p = NULL;
}

static void
read_thresholds (manager_t *self)
{
    const node_t *args = tree_root (self->args);
    eviction_settings_t settings = {
        .hard = node_get (args, "eviction_hard"),
        .soft = node_get (args, "eviction_soft"),
        .soft_grace = node_get (args, "eviction_soft_grace_period"),
        .minimum_reclaim = node_get (args, "eviction_minimum_reclaim"),
        .with_allocatable = node_get_bool (args, "enforces_pods", true),
    };
    self->threshold_count = eviction_thresholds (&settings, self->thresholds);
    self->transition_ns = node_get_int (args, "transition_ms", 5 * 60 * 1000) * NS_PER_MS;
    self->max_grace_s = node_get_int (args, "max_grace_s", 0);
}

static void
set_pods_group (manager_t *self, cgroup_driver_t driver)
{
    const node_t *args = tree_root (self->args);
    node_facts_t facts = {
        .cgroup_driver = driver,
        .cgroup_root = node_get_text (args, "cgroup_root", ""),
        .cgroups_per_qos = node_get_bool (args, "cgroups_per_qos", true),
    };
    self->cgroup_driver = driver;
    free_text (&self->pods_group);
    self->pods_group = facts.cgroups_per_qos ? cgroup_node_path (&facts) : NULL;
}

static int
on_runtime_state (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    cgroup_driver_t driver;
    if (cgroup_driver_choose (message->body, self->cgroup_driver, &driver))
        set_pods_group (self, driver);
    return 0;
}

static void
read_places (manager_t *self)
{
    const node_t *args = tree_root (self->args);
    self->cgroups = cgroup_place (node_get_text (args, "cgroup_mount", "/sys/fs/cgroup"));
    self->proc = node_get_text (args, "proc", "/proc");
    self->root_dir = node_get_text (args, "root_dir", "/var/lib/kubelet");
    self->allocatable_memory = node_get_int (args, "allocatable_memory", 0);
    set_pods_group (self, cgroup_driver_of (node_get_text (args, "cgroup_driver", NULL)));
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    self->node_name = node_get_text (tree_root (self->args), "node_name", "");
    self->limited = tree_new();
    self->has_new_pods = true;
    read_thresholds (self);
    read_places (self);
    look_in (self, 0);
    return self;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_RUNTIME_STATE, on_runtime_state },
    { MSG_BUS_UNDELIVERABLE, on_undeliverable },
    { 0 },
};

const actor_class_t eviction_manager_class = {
    .name = "eviction-manager",
    .about = "watches memory, disks and pids, and evicts pods when they run short",
    .hears_of = "node-reporter pod-manager pod-worker",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
