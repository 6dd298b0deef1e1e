/* api_watcher.c - what the API server has of interest to this node, kept true by list and watch:
   its Node, its Pods, Services, RuntimeClasses, and the objects that its pods refer to.

   Nobody has to ask for Node and Pods: they are told when they change, when somebody starts anew
   (ACTOR_UP), and again every minute, should a message have been lost.

   With a checkpoint (keeper.h) all of that is kept on disk, and stands in for an API server that is
   away when the agent starts.

   Arguments: {"kubeconfig": path, "certificate": path?, "node_name": text, "qps": int, "burst":
   int, "streams_lists": bool?, "detection": "Watch", "Cache" or "Get", "checkpoints": path?,
   "key_file": path?}. */
#include "api_watcher.h"
#include "cubelet/actors.h"
#include "cubelet/memory.h"

#define REPEAT_MS (60 * 1000)

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    watcher_t *self = state;
    const char *class = node_get_text (message->body, "class", "");
    node_send (self, class);
    if (streq (class, "pod-manager"))
        pods_send_all (self);
    return 0;
}

static void
repeat (void *state, void *context)
{
    (void) context;
    watcher_t *self = state;
    node_send (self, NULL);
    pods_send_all (self);
    pods_sweep (self);
    self->repeat_timer = actor_timer (self->actor, REPEAT_MS, repeat, NULL);
}

static void
on_credentials (void *context)
{
    watcher_t *self = context;
    list_watch_t *const all[] = { self->node, self->pods, self->services, self->runtime_classes };
    for (size_t i = 0; i < COUNT_OF (all); i++)
        if (all[i])
            list_watch_hurry (all[i]);
    objects_hurry (self->objects);
}

static const actor_handler_t HANDLERS[] = {
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_ACTOR_DOWN, objects_on_actor_down },
    { MSG_SERVICE_LIST, cluster_on_service_list },
    { MSG_OBJECT_WATCH, objects_on_watch },
    { 0 },
};

// ---- start and stop ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    const char *checkpoints = node_get_text (args, "checkpoints", NULL);
    keeper_t *keeper = NULL;
    if (checkpoints
        && !(keeper = keeper_new (actor, checkpoints, node_get_text (args, "key_file", ""), fault)))
        return NULL;
    watcher_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->keeper = keeper;
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->detection = change_detection_of (node_get_text (args, "detection", NULL));
    self->streams = node_get_bool (args, "streams_lists", false);
    api_connection_options_t options = {
        .kubeconfig = node_get_text (args, "kubeconfig", ""),
        .certificate = node_get_text (args, "certificate", NULL),
        .calls_per_s = (double) node_get_int (args, "qps", 50),
        .burst = (double) node_get_int (args, "burst", 100),
        .on_credentials = on_credentials,
        .context = self,
    };
    self->connection = api_connection_new (actor, &options);
    self->objects = objects_new (self);
    cluster_start (self);
    self->repeat_timer = actor_timer (actor, REPEAT_MS, repeat, NULL);
    return self;
}

static void
stop (void **self_p)
{
    watcher_t *self = *self_p;
    objects_destroy (&self->objects);
    list_watch_destroy (&self->pods);
    cluster_stop (self);
    api_connection_destroy (&self->connection);
    keeper_destroy (&self->keeper);
    free (self->node_name);
    free (self);
    *self_p = NULL;
}

const actor_class_t api_watcher_class = {
    .name = "api-watcher",
    .about = "Node, Pods, Services and the pods' objects, by list and watch",
    .hears_of = "pod-manager node-reporter status-reporter certificate-manager",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
