#include "probe_manager.h"
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include <string.h>

#define SEEN_ANNOTATION "kubernetes.io/config.seen"

// ---- pods ----

static void
probed_pod_destroy (void **self_p)
{
    probed_pod_t *self = *self_p;
    for (size_t i = 0; i < self->count; i++)
        prober_destroy (&self->probers[i]);
    free (self->probers);
    metric_forget (METRIC_PROBER_PROBE_TOTAL,
                   LABELS (NULL, self->namespace, self->name, self->uid));
    metric_forget (METRIC_PROBER_PROBE_DURATION_SECONDS,
                   LABELS (NULL, self->namespace, self->name));
    free (self->uid);
    free (self->name);
    free (self->namespace);
    free (self);
    *self_p = NULL;
}

static probed_pod_t *
probed_pod_new (manager_t *manager, const pod_t *pod, const char *uid)
{
    probed_pod_t *self = memory_new (1, sizeof *self);
    const object_meta_t *metadata = &pod->metadata;
    self->manager = manager;
    self->uid = text_copy (uid);
    self->name = text_copy (metadata->name ? metadata->name : "");
    self->namespace = text_copy (metadata->namespace ? metadata->namespace : "");
    pod_worker_name (metadata->namespace, metadata->name, uid, self->worker);
    return self;
}

static prober_t **
find_prober (const probed_pod_t *self, const char *container, probe_kind_t kind)
{
    for (size_t i = 0; i < self->count; i++)
        if (prober_is (self->probers[i], container, kind))
            return &self->probers[i];
    return NULL;
}

static void
add_prober (probed_pod_t *self, prober_t *prober)
{
    self->probers = memory_grow (self->probers, self->count + 1, sizeof *self->probers);
    self->probers[self->count++] = prober;
}

/* Probes what is in the message: goes on with what was probed already, drops the rest. */
static void
set_containers (probed_pod_t *self, const probed_container_t *containers, size_t count)
{
    probed_pod_t before = { .probers = self->probers, .count = self->count };
    self->probers = NULL;
    self->count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = containers[i].container->name;
        for (probe_kind_t kind = 0; kind < PROBE_KIND_COUNT; kind++) {
            if (!probe_of_container (containers[i].container, kind)
                || find_prober (self, name, kind))
                continue;
            prober_t **known = find_prober (&before, name, kind);
            if (!known)
                add_prober (self, prober_new (self, kind, &containers[i]));
            else {
                prober_update (*known, &containers[i]);
                add_prober (self, *known);
                *known = before.probers[--before.count];
            }
        }
    }
    for (size_t i = 0; i < before.count; i++)
        prober_destroy (&before.probers[i]);
    free (before.probers);
}

static void
tell_worker (const probed_pod_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        prober_tell (self->probers[i]);
}

// ---- PROBE_SET ----

static int64_t
seen_at (const pod_t *pod)
{
    fault_t ignored = { 0 }; // it is only for the beat of the ticks
    int64_t at = 0;
    const char *text = node_get_text (pod->metadata.annotations, SEEN_ANNOTATION, NULL);
    return text && time_parse (text, &at, &ignored) == 0 ? at : 0;
}

/* Reads one item of the message's "containers"; false when the pod has no such container. */
static bool
read_container (const message_t *message, const pod_t *pod, const node_t *item,
                probed_container_t *out)
{
    const container_t *container = pod_container (pod, node_get_text (item, "name", ""));
    const char *id = node_get_text (item, "id", "");
    if (!container || !id[0])
        return false;
    bool is_never = pod->spec.restart_policy && strcmp (pod->spec.restart_policy, "Never") == 0;
    *out = (probed_container_t){
        .pod = pod,
        .container = container,
        .id = id,
        .pod_ip = node_get_text (message->body, "pod_ip", NULL),
        .pod_seen_at = seen_at (pod),
        .sight = { .started_at = node_get_int (item, "started_at", 0),
                   .is_running = node_get_bool (item, "running", true),
                   .is_started = node_get_bool (item, "started", false),
                   .is_pod_ending = node_get_bool (message->body, "terminating", false)
                                    || pod->metadata.deletion_time != 0,
                   .may_start_again = !is_never || container->kind == CONTAINER_SIDECAR },
    };
    return true;
}

static int
on_probe_set (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const char *uid = node_get_text (message->body, "pod_uid", "");
    const node_t *items = node_get (message->body, "containers");
    if (node_count (items) == 0) {
        zhashx_delete (self->pods, uid);
        return 0;
    }
    pod_t pod = { .node = NULL };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (pod_decode (node_get (message->body, "pod"), tree, &pod, fault) < 0)
        return fault_wrap (fault, "pod %s", uid);
    probed_container_t *containers = tree_alloc (tree, node_count (items) * sizeof *containers);
    size_t count = 0;
    NODE_EACH (items, item)
    count += read_container (message, &pod, item, &containers[count]);
    probed_pod_t *probed = zhashx_lookup (self->pods, uid);
    if (!probed) {
        probed = probed_pod_new (self, &pod, uid);
        zhashx_insert (self->pods, uid, probed);
    }
    set_containers (probed, containers, count);
    tell_worker (probed);
    return 0;
}

// ---- others ----

static probed_pod_t *
find_pod_of_worker (const manager_t *self, const char *worker)
{
    probed_pod_t *pod = zhashx_lookup (self->pods, pod_worker_uid (worker));
    return pod && strcmp (pod->worker, worker) == 0 ? pod : NULL;
}

/* A worker was started anew and knows no results. */
static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    probed_pod_t *pod = find_pod_of_worker (state, node_get_text (message->body, "name", ""));
    if (pod)
        tell_worker (pod);
    return 0;
}

static int
on_undeliverable (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    probed_pod_t *pod = find_pod_of_worker (state, node_get_text (message->body, "to", ""));
    for (size_t i = 0; pod && i < pod->count; i++)
        prober_forget_told (pod->probers[i]);
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_PROBE_SET, on_probe_set },
    { MSG_HOOK_RUN, on_hook_run },
    { MSG_REQUEST_CANCEL, on_request_cancel },
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_BUS_UNDELIVERABLE, on_undeliverable },
    { 0 },
};

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) args, (void) fault;
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->http = http_client_new (actor);
    self->pods = zhashx_new();
    zhashx_set_destructor (self->pods, probed_pod_destroy);
    self->hooks = lifecycle_hooks_new();
    self->started_ms = clock_monotonic_ms();
    return self;
}

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    zhashx_destroy (&self->pods);
    zlistx_destroy (&self->hooks);
    http_client_destroy (&self->http);
    free (self);
    *self_p = NULL;
}

const actor_class_t probe_manager_class = {
    .name = "probe-manager",
    .about = "probes containers and runs their lifecycle hooks",
    .hears_of = "pod-worker",
    .queue_limit = 10000,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
