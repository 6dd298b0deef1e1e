/* garbage_collector.c - removes what is left on the node of pods that nobody knows: directories,
   volumes, cgroups, logs and links. (Their containers are the business of the worker that the
   pod-manager starts for a pod that only the runtime knows.)

   A collection first notes what there is, and only then asks who is known, so that a pod that comes
   meanwhile is never taken for garbage. Until all sources have said what they have, nothing is.

   Dead containers of pods that are known are removed by the pod's worker, except for those above
   --maximum-dead-containers, which counts all of the node's.

   Arguments: {"root_dir": text, "pod_logs_dir": text, "interval_ms": int, "node_name": text,
   "dead_containers_max": int, "dead_container_least_ns": int}. */
#include "collector.h"
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include <string.h>

#define DEADLINE_MS 150000
#define FIRST_WAIT_MS 5000 // until there is something to ask; then the interval
#define REMOVALS_MAX 100   // asked for at a time, so that nobody's queue overflows
#define LINKS_DIR "/var/log/containers"

/* Who is asked, in this order. */
typedef enum { ASK_CGROUPS, ASK_SANDBOXES, ASK_CONTAINERS, ASK_PODS, ASK_COUNT } ask_t;

static const struct {
    const char *to;
    message_id_t type;
} ASKS[ASK_COUNT] = {
    [ASK_CGROUPS] = { "resource-manager", MSG_CGROUP_LIST },
    [ASK_SANDBOXES] = { "runtime", MSG_CRI_LIST_POD_SANDBOX },
    [ASK_CONTAINERS] = { "runtime", MSG_CRI_LIST_CONTAINERS },
    [ASK_PODS] = { "pod-manager", MSG_POD_KNOWN },
};

typedef struct {
    actor_t *actor;
    char *pods_dir, *logs_dir;
    char *node_name;
    int64_t interval_ms;
    int64_t dead_max; // dead containers on the node; below 0: no limit
    int64_t dead_least_ns;
    // Of the collection under way.
    tree_t *tree; // of the lists
    text_list_t directories, logs, cgroups, in_runtime;
    text_list_t orphaned_logs;
    leftover_logs_t *removal;
    uint64_t timer; // of the next collection, or the next step of this one
} collector_t;

static void begin (void *state, void *context);

static void
end_collection (collector_t *self, int64_t next_ms)
{
    leftover_logs_destroy (&self->removal);
    tree_destroy (&self->tree);
    actor_timer_cancel (self->actor, &self->timer);
    self->timer = actor_timer (self->actor, next_ms, begin, NULL);
}

// ---- what goes ----

static void
on_removed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state, (void) reply;
    bool is_volumes = *(const message_id_t *) context == MSG_VOLUME_TEARDOWN;
    if (is_volumes && fault)
        metric_add (METRIC_ORPHAN_POD_CLEANED_VOLUMES_ERRORS, 1, NO_LABELS);
    else if (is_volumes)
        metric_add (METRIC_ORPHAN_POD_CLEANED_VOLUMES, 1, NO_LABELS);
    if (fault) // the next collection finds it again
        LOG_WARNING ("Orphan not removed request=%s err=%s",
                     message_name (*(const message_id_t *) context), fault->text);
}

static void
ask_to_remove (collector_t *self, const char *to, message_id_t type, text_list_t uids)
{
    for (size_t i = 0; i < uids.count && i < REMOVALS_MAX; i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = node_map();
        node_set_text (tree, &body, "pod_uid", uids.items[i]);
        LOG_INFO ("Removing what is left of an orphaned pod podUID=%s request=%s", uids.items[i],
                  message_name (type));
        actor_request (self->actor, to, type, &body, DEADLINE_MS, on_removed, &type, sizeof type);
    }
}

static void
remove_logs (void *state, void *context)
{
    (void) context;
    collector_t *self = state;
    self->timer = 0;
    if (!leftover_logs_step (self->removal)) {
        self->timer = actor_timer (self->actor, 0, remove_logs, NULL); // others come in between
        return;
    }
    leftover_links_remove (LINKS_DIR);
    end_collection (self, self->interval_ms);
}

static void
collect (collector_t *self, text_list_t pods)
{
    text_list_t known[] = { pods, self->in_runtime };
    // both are about the last sweep
    metric_set (metrics_shared(), METRIC_ORPHAN_POD_CLEANED_VOLUMES, 0, NO_LABELS);
    metric_set (metrics_shared(), METRIC_ORPHAN_POD_CLEANED_VOLUMES_ERRORS, 0, NO_LABELS);
    ask_to_remove (self, "volume-manager", MSG_VOLUME_TEARDOWN,
                   garbage_uids (self->directories, known, COUNT_OF (known), self->tree));
    ask_to_remove (self, "resource-manager", MSG_CGROUP_REMOVE,
                   garbage_uids (self->cgroups, known, COUNT_OF (known), self->tree));
    self->orphaned_logs = garbage_uids (self->logs, known, COUNT_OF (known), self->tree);
    self->removal = leftover_logs_new (self->logs_dir, self->orphaned_logs);
    self->timer = actor_timer (self->actor, 0, remove_logs, NULL);
}

// ---- dead containers ----

static void
remove_dead_containers (collector_t *self, const node_t *containers)
{
    const node_t **dead = NULL;
    size_t count = garbage_containers (containers, self->dead_max,
                                       clock_now_ns() - self->dead_least_ns, self->tree, &dead);
    for (size_t i = 0; i < count && i < REMOVALS_MAX; i++) {
        static const message_id_t TYPE = MSG_CRI_REMOVE_CONTAINER;
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = node_map();
        node_set_text (tree, &body, "container_id", node_get_text (dead[i], "id", ""));
        LOG_INFO ("Removing a dead container, there are too many containerID=%s",
                  node_get_text (dead[i], "id", ""));
        dead_logs_remove (self->logs_dir, dead[i]);
        actor_request (self->actor, "runtime", TYPE, &body, DEADLINE_MS, on_removed, &TYPE,
                       sizeof TYPE);
    }
}

/* The runtime does not say what it has, so nothing of it can be removed. */
static void
report_failure (collector_t *self, const fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text)
    char *message =
        text_format ("rpc error: code = %s desc = %s", fault_code_name (fault->code), fault->text);
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_node (tree, self->node_name));
    node_set_text (tree, &body, "type", "Warning");
    node_set_text (tree, &body, "reason", "ContainerGCFailed");
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

// ---- what there is, and who is known ----

static void on_answer (void *state, const message_t *reply, const fault_t *fault, void *context);

static void
ask (collector_t *self, ask_t which)
{
    actor_request (self->actor, ASKS[which].to, ASKS[which].type, NULL, DEADLINE_MS, on_answer,
                   &which, sizeof which);
}

static void
take_texts (collector_t *self, const node_t *items, text_list_t *out)
{
    NODE_EACH (items, item)
    garbage_add (self->tree, out, node_as_text (item, ""));
}

static void
on_answer (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    collector_t *self = state;
    ask_t which = *(const ask_t *) context;
    text_list_t pods = { 0 };
    if (!self->tree)
        return;
    if (fault) {
        LOG_V (2, "No garbage is collected now err=%s", fault->text);
        if (which == ASK_SANDBOXES || which == ASK_CONTAINERS)
            report_failure (self, fault);
        end_collection (self, self->interval_ms);
        return;
    }
    switch (which) {
    case ASK_CGROUPS: take_texts (self, node_get (reply->body, "uids"), &self->cgroups); break;
    case ASK_SANDBOXES:
        garbage_runtime_uids (node_get (reply->body, "items"), self->tree, &self->in_runtime);
        break;
    case ASK_CONTAINERS:
        garbage_runtime_uids (node_get (reply->body, "containers"), self->tree, &self->in_runtime);
        remove_dead_containers (self, node_get (reply->body, "containers"));
        break;
    case ASK_PODS:
        take_texts (self, node_get (reply->body, "uids"), &pods);
        if (node_get_bool (reply->body, "ready", false))
            collect (self, pods);
        else
            end_collection (self, FIRST_WAIT_MS);
        return;
    case ASK_COUNT: return;
    }
    ask (self, which + 1);
}

static void
begin (void *state, void *context)
{
    (void) context;
    collector_t *self = state;
    self->timer = 0;
    self->tree = tree_new();
    self->directories = self->logs = self->cgroups = self->in_runtime = (text_list_t){ 0 };
    leftovers_find (self->pods_dir, false, self->tree, &self->directories);
    leftovers_find (self->logs_dir, true, self->tree, &self->logs);
    ask (self, ASK_CGROUPS);
}

// ---- the class ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    collector_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->pods_dir = text_format ("%s/pods", node_get_text (args, "root_dir", ""));
    self->logs_dir = text_copy (node_get_text (args, "pod_logs_dir", ""));
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->dead_max = node_get_int (args, "dead_containers_max", -1);
    self->dead_least_ns = node_get_int (args, "dead_container_least_ns", 0);
    self->interval_ms = node_get_int (args, "interval_ms", 60000);
    end_collection (self, self->interval_ms < FIRST_WAIT_MS ? self->interval_ms : FIRST_WAIT_MS);
    return self;
}

static void
stop (void **self_p)
{
    collector_t *self = *self_p;
    leftover_logs_destroy (&self->removal);
    tree_destroy (&self->tree);
    free (self->pods_dir);
    free (self->logs_dir);
    free (self->node_name);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = { { 0 } };

const actor_class_t garbage_collector_class = {
    .name = "garbage-collector",
    .about = "removes what is left on the node of pods that nobody knows",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
