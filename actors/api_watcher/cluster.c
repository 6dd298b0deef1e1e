/* cluster.c - this node's Node, the Services that pods are told of, and the RuntimeClasses. */
#include "api_watcher.h"
#include "cubelet/checkpoint.h"
#include "cubelet/memory.h"

#define WATCH_MIN_S 300

/* An agent that starts lists Services and Pods at the same time: who asks too early waits. */
#define SERVICES_WAIT_MS 5000
#define SERVICE_ASKERS_MAX 1000

/* Those behind the first tell the API server something: what only the checkpoint has is none of
   their business. */
static const char *const NODE_READERS[] = { "pod-manager", "node-reporter", "status-reporter",
                                            "certificate-manager" };

// ---- Node ----

void
node_send (watcher_t *self, const char *to)
{
    if (!list_watch_is_synced (self->node))
        return;
    OWNED (free_text) char *key = text_format ("/%s", self->node_name);
    const stored_t *stored = list_watch_get (self->node, key);
    OWNED (tree_destroy) tree_t *object = stored ? stored_object (stored) : NULL;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    if (object)
        node_set (tree, &body, "node", *tree_root (object)); // lives until it is packed
    size_t count = list_watch_is_assumed (self->node) ? 1 : COUNT_OF (NODE_READERS);
    for (size_t i = 0; i < count; i++)
        if (!to || streq (to, NODE_READERS[i]))
            actor_send (self->actor, NODE_READERS[i], MSG_NODE_OBJECT, &body);
}

int64_t
cluster_object_ttl_ms (watcher_t *self)
{
    OWNED (free_text) char *key = text_format ("/%s", self->node_name);
    const stored_t *stored = list_watch_get (self->node, key);
    OWNED (tree_destroy) tree_t *node = stored ? stored_object (stored) : NULL;
    return object_ttl_ms (tree_root (node));
}

/* Pods are only read when the Node has been looked for: upstream's order. */
static void
on_node_synced (void *context)
{
    node_send (context, NULL);
    pods_start (context);
}

static void
on_node_changed (void *context, const stored_t *before, const stored_t *now)
{
    (void) before, (void) now;
    node_send (context, NULL);
}

// ---- Services ----

/* Keeps what service_env.h reads: a cluster may have many. */
static void
trim_service (tree_t *tree, node_t *service)
{
    static const char *const KEPT[] = { "clusterIP", "ports", "type" };
    const node_t *metadata = node_get (service, "metadata");
    node_t short_metadata = node_map(), spec = node_map();
    node_set_text (tree, &short_metadata, "name", node_get_text (metadata, "name", NULL));
    node_set_text (tree, &short_metadata, "namespace", node_get_text (metadata, "namespace", NULL));
    for (size_t i = 0; i < COUNT_OF (KEPT); i++) {
        const node_t *value = node_at (service, "spec", KEPT[i], NULL);
        if (value)
            node_set (tree, &spec, KEPT[i], node_copy (tree, value));
    }
    *service = node_map();
    node_set (tree, service, "metadata", short_metadata);
    node_set (tree, service, "spec", spec);
}

/* Those of the pod's namespace, and the API server's own. */
static bool
is_told (const stored_t *service, const char *ns)
{
    size_t length = strlen (ns);
    return streq (service->key, "default/kubernetes")
           || (strncmp (service->key, ns, length) == 0 && service->key[length] == '/');
}

static int
compare_keys (void *a, void *b)
{
    return strcmp (((const stored_t *) a)->key, ((const stored_t *) b)->key);
}

/* The Services that a pod of this namespace is told of, as the answer's body in `tree`. */
static node_t
services_of (watcher_t *self, const char *ns, tree_t *tree)
{
    OWNED (zlistx_destroy) zlistx_t *found = zlistx_new();
    zlistx_set_comparator (found, (zlistx_comparator_fn *) compare_keys);
    for (const stored_t *service = list_watch_first (self->services); service;
         service = list_watch_next (self->services))
        if (is_told (service, ns))
            zlistx_add_end (found, (void *) service);
    zlistx_sort (found); // so that the environment is the same every time
    node_t services = node_array(), body = node_map();
    for (const stored_t *service = zlistx_first (found); service; service = zlistx_next (found)) {
        OWNED (tree_destroy) tree_t *object = stored_object (service);
        node_append (tree, &services, node_copy (tree, tree_root (object)));
    }
    node_set (tree, &body, "services", services);
    return body;
}

/* Somebody who asked before the Services were known. */
typedef struct {
    watcher_t *watcher;
    return_address_t *address;
    char *ns;
    uint64_t timer;
} service_asker_t;

static void
asker_destroy (void **self_p)
{
    service_asker_t *self = *self_p;
    actor_timer_cancel (self->watcher->actor, &self->timer);
    return_address_destroy (&self->address);
    free (self->ns);
    free (self);
    *self_p = NULL;
}

/* Upstream's words when it is too early for a pod's variables. */
static int
set_too_early (fault_t *fault)
{
    return fault_set (fault, FAULT_UNAVAILABLE,
                      "services have not yet been read at least once, cannot construct envvars");
}

static void
give_up (void *state, void *context)
{
    watcher_t *self = state;
    service_asker_t *asker = context;
    fault_t fault = { 0 };
    asker->timer = 0;
    set_too_early (&fault);
    actor_answer (self->actor, &asker->address, NULL, &fault);
    zlistx_delete (self->service_askers, zlistx_find (self->service_askers, asker));
}

static void
on_services_synced (void *context)
{
    watcher_t *self = context;
    for (service_asker_t *asker = zlistx_first (self->service_askers); asker;
         asker = zlistx_next (self->service_askers)) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = services_of (self, asker->ns, tree);
        actor_answer (self->actor, &asker->address, &body, NULL);
    }
    zlistx_purge (self->service_askers);
}

int
cluster_on_service_list (void *state, const message_t *message, fault_t *fault)
{
    watcher_t *self = state;
    const char *ns = node_get_text (message->body, "namespace", "");
    if (list_watch_is_synced (self->services)) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = services_of (self, ns, tree);
        actor_reply (self->actor, message, &body);
        return 0;
    }
    if (zlistx_size (self->service_askers) >= SERVICE_ASKERS_MAX)
        return set_too_early (fault);
    service_asker_t *asker = memory_new (1, sizeof *asker);
    asker->watcher = self;
    asker->address = return_address_new (message);
    asker->ns = text_copy (ns);
    asker->timer = actor_timer (self->actor, SERVICES_WAIT_MS, give_up, asker);
    zlistx_add_end (self->service_askers, asker);
    return 0;
}

// ---- RuntimeClasses ----

static void
on_classes_synced (void *context)
{
    objects_runtime_classes_changed (((watcher_t *) context)->objects);
}

static void
on_classes_changed (void *context, const stored_t *before, const stored_t *now)
{
    (void) before, (void) now;
    on_classes_synced (context);
}

// ---- all of them ----

static const list_watch_calls_t NODE_CALLS = { .on_synced = on_node_synced,
                                               .on_changed = on_node_changed };
static const list_watch_calls_t SERVICE_CALLS = { .on_synced = on_services_synced,
                                                  .trim = trim_service };
static const list_watch_calls_t CLASS_CALLS = { .on_synced = on_classes_synced,
                                                .on_changed = on_classes_changed };

static list_watch_t *
follow (watcher_t *self, const char *path, const char *selector, const list_watch_calls_t *calls,
        const char *kept_kind, const char *kept_key)
{
    list_watch_options_t options = {
        .actor = self->actor,
        .connection = self->connection,
        .path = path,
        .selector = selector,
        .limits = { .first_wait_ms = REFLECTOR_WAIT_MIN_MS,
                    .watch_min_s = WATCH_MIN_S,
                    .streams = self->streams },
        .calls = calls,
        .context = self,
        .keeper = self->keeper,
        .kept_kind = kept_kind,
        .kept_key = kept_key ? kept_key : "/all",
        .is_kept_whole = !kept_key,
    };
    return list_watch_new (&options);
}

void
cluster_start (watcher_t *self)
{
    OWNED (free_text) char *own = text_format ("metadata.name=%s", self->node_name);
    OWNED (free_text) char *key = text_format ("/%s", self->node_name);
    self->service_askers = zlistx_new();
    zlistx_set_destructor (self->service_askers, asker_destroy);
    self->node = follow (self, "/api/v1/nodes", own, &NODE_CALLS, "Node", key);
    self->services = follow (self, "/api/v1/services", "spec.clusterIP!=None", &SERVICE_CALLS,
                             CHECKPOINT_SERVICES, NULL);
    self->runtime_classes = follow (self, "/apis/node.k8s.io/v1/runtimeclasses", NULL, &CLASS_CALLS,
                                    CHECKPOINT_RUNTIME_CLASSES, NULL);
}

void
cluster_stop (watcher_t *self)
{
    zlistx_destroy (&self->service_askers);
    list_watch_destroy (&self->node);
    list_watch_destroy (&self->services);
    list_watch_destroy (&self->runtime_classes);
}
