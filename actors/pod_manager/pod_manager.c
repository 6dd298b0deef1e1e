/* pod-manager: merges the sources of pods, admits them, runs one worker per pod, brings static pods
   and their mirrors together, and says how all stand (reference/pod-lifecycle.md 2 to 5, 9, 13).

   It may lose all it knows: sources send their sets again, workers their pods. Who had a worker
   before is not admitted anew, so that nothing that runs is stopped because the order has
   changed. */
#include "cubelet/actors.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/record_table.h"
#include "manager.h"
#include <string.h>

#define SYNC_DEFAULT_MS 60000 // KubeletConfiguration syncFrequency
/* How long the supervisor may take to say who runs. */
#define LIST_DEADLINE_MS 5000
#define APP_ARMOR_ENABLED "/sys/module/apparmor/parameters/enabled"

// ---- peers ----

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const char *class = node_get_text (message->body, "class", "");
    if (streq (class, "status-reporter")) {
        MANAGER_EACH (self, entry)
        report_pod (self, entry);
        mirrors_report_orphans (self);
        return 0;
    }
    managed_pod_t *entry = find_worker (self, node_get_text (message->body, "name", ""));
    if (entry && (entry->state == POD_ACTIVE || entry->state == POD_REJECTED)) {
        managed_count_worker (entry);
        worker_sync (self, entry);
    }
    return 0;
}

static int
on_node_object (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const node_t *node = node_get (message->body, "node");
    tree_destroy (&self->node);
    // One that has not said yet what it can give is no help.
    if (node_count (node_at (node, "status", "allocatable", NULL)))
        self->node = tree_copy (node);
    return 0;
}

static int
on_node_pressure (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    self->memory_pressure = node_get_bool (message->body, "memory", false);
    self->disk_pressure = node_get_bool (message->body, "disk", false);
    self->pid_pressure = node_get_bool (message->body, "pid", false);
    return 0;
}

static int
on_node_shutdown (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    self->is_shutting_down = node_get_bool (message->body, "active", false);
    return 0;
}

/* Messages may get lost: now and then every worker is told its pod again, and starts anew if it is
   not there; what it says of it follows. */
static void
sync_all (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    MANAGER_EACH (self, entry)
    {
        if (entry->state == POD_ACTIVE || (entry->state == POD_REJECTED && entry->may_run))
            worker_ask_for (self, entry);
        report_pod (self, entry);
    }
    mirrors_report_orphans (self);
    actor_timer (self->actor, self->sync_ms, sync_all, NULL);
}

/* Who has a worker has been admitted. Without an answer all are admitted anew. */
static void
on_actors (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    manager_t *self = state;
    if (fault)
        LOG_V (2, "Workers that run already are not known err=%s", fault->text);
    NODE_EACH (reply ? node_get (reply->body, "actors") : NULL, actor)
    if (streq (node_get_text (actor, "class", ""), "pod-worker"))
        zlistx_add_end (self->running,
                        text_copy (pod_worker_uid (node_get_text (actor, "name", ""))));
    sources_begin (self);
}

// ---- the class ----

static const actor_handler_t HANDLERS[] = {
    { MSG_SOURCE_PODS, on_source },          { MSG_SOURCE_POD, on_source },
    { MSG_POD_STATUS, on_pod_status },       { MSG_POD_ORPHAN, on_pod_orphan },
    { MSG_POD_EVICT, on_pod_evict },         { MSG_POD_LIST, on_pod_list },
    { MSG_POD_KNOWN, on_pod_known },         { MSG_POD_GET, on_pod_get },
    { MSG_NODE_OBJECT, on_node_object },     { MSG_NODE_PRESSURE, on_node_pressure },
    { MSG_NODE_SHUTDOWN, on_node_shutdown }, { MSG_ACTOR_UP, on_actor_up },
    { MSG_POD_ACTUATED, on_pod_actuated },   { 0 },
};

/* What admission reads of the node's facts, which are in the workers' arguments. */
typedef struct {
    text_list_t allowed_unsafe_sysctls;
    int64_t kernel_major, kernel_minor;
} written_facts_t;

RECORD_TYPE (WRITTEN_FACTS, written_facts_t,
             FIELD (written_facts_t, allowed_unsafe_sysctls, "allowed_unsafe_sysctls", TEXT_LIST),
             FIELD (written_facts_t, kernel_major, "kernel_major", INT),
             FIELD (written_facts_t, kernel_minor, "kernel_minor", INT));

static int
read_facts (manager_t *self, fault_t *fault)
{
    written_facts_t written = { 0 };
    const node_t *args = node_get (tree_root (self->args), "worker_args");
    if (args
        && record_decode (&WRITTEN_FACTS, args, self->args, RECORD_LENIENT, &written, fault) < 0)
        return fault_wrap (fault, "the worker's arguments");
    self->facts.allowed_unsafe_sysctls = written.allowed_unsafe_sysctls;
    self->facts.kernel_major = (int) written.kernel_major;
    self->facts.kernel_minor = (int) written.kernel_minor;
    return 0;
}

static bool
has_app_armor (void)
{
    OWNED (close_file) FILE *file = fopen (APP_ARMOR_ENABLED, "re");
    return file && fgetc (file) == 'Y';
}

static void
free_name (void **name_p)
{
    free (*name_p);
    *name_p = NULL;
}

static void
free_tree (void **tree_p)
{
    tree_destroy ((tree_t **) tree_p);
}

static zlistx_t *
list_of (czmq_destructor *destructor)
{
    zlistx_t *list = zlistx_new();
    zlistx_set_destructor (list, destructor);
    return list;
}

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    allocations_flush (self);
    zlistx_t **const lists[] = { &self->pods,  &self->mirrors,   &self->pending,
                                 &self->early, &self->strangers, &self->running };
    for (size_t i = 0; i < COUNT_OF (lists); i++)
        zlistx_destroy (lists[i]);
    tree_destroy (&self->args);
    tree_destroy (&self->node);
    tree_destroy (&self->allocated_before);
    tree_destroy (&self->actuated_before);
    free (self);
    *self_p = NULL;
}

/* args: {sources: list of text, those that must deliver before orphans are stopped; worker_args:
   map; sync_ms: int; initial_node: map, the Node as it stands without an API server; joined:
   bool}. */
static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    manager_t *self = memory_new (1, sizeof *self);
    void *state = self;
    self->actor = actor;
    self->args = tree_copy (args);
    self->pods = list_of (managed_destroy);
    metric_add (METRIC_RESTARTED_PODS_TOTAL, 0, LABELS ("")); // as upstream, from the beginning
    metric_add (METRIC_RESTARTED_PODS_TOTAL, 0, LABELS ("true"));
    self->mirrors = list_of (mirror_destroy);
    self->pending = list_of (free_name);
    self->early = list_of (free_tree);
    self->strangers = list_of (free_tree);
    self->running = list_of (free_name);
    self->sync_ms = node_get_int (args, "sync_ms", SYNC_DEFAULT_MS);
    self->is_joined = node_get_bool (args, "joined", false);
    self->has_app_armor = has_app_armor();
    if (read_facts (self, fault) < 0) {
        stop (&state);
        return NULL;
    }
    NODE_EACH (node_get (args, "sources"), source)
    zlistx_add_end (self->pending, text_copy (node_as_text (source, "")));
    allocations_read (self);
    resizes_begin (self);
    actor_timer (actor, self->sync_ms, sync_all, NULL);
    actor_request (actor, "supervisor", MSG_ACTOR_LIST, NULL, LIST_DEADLINE_MS, on_actors, NULL, 0);
    return self;
}

const actor_class_t pod_manager_class = {
    .name = "pod-manager",
    .about = "merges the sources of pods, admits them and runs one worker per pod",
    .hears_of = "pod-worker status-reporter",
    .queue_limit = 10000,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
