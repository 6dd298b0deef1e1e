/* The runtime's events, streamed so that nobody has to poll: CRI's GetContainerEvents, or where
   containerd does not have that yet, containerd's own event service on the same socket. */
#include "containerd_events.pb-c.h"
#include "cri.pb-c.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/protobuf.h"
#include "runtime.h"
#include <string.h>

// reference/cri.md 1.7; here since the last handshake
#define FAILURES_MAX 5
#define AGAIN_AFTER_MS 1000
// A server says nothing until the first event, but refuses at once: silence means it stands.
#define STANDS_AFTER_MS 1000

static void subscribe (runtime_t *self);

// ---- what events say ----

static void
tell_event (runtime_t *self, const char *container_id, const char *pod_uid, const char *kind)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "container_id", container_id);
    node_set_text (tree, &body, "pod_uid", pod_uid);
    node_set_text (tree, &body, "kind", kind);
    actor_send (self->actor, "runtime-watcher", MSG_RUNTIME_EVENT, &body);
}

static int
take_cri_event (runtime_t *self, const uint8_t *bytes, size_t size, fault_t *fault)
{
    static const struct {
        const char *type;
        const char *kind;
    } KINDS[] = {
        { "CONTAINER_CREATED_EVENT", "created" },
        { "CONTAINER_STARTED_EVENT", "started" },
        { "CONTAINER_STOPPED_EVENT", "stopped" },
        { "CONTAINER_DELETED_EVENT", "deleted" },
    };
    OWNED (tree_destroy)
    tree_t *tree = protobuf_decode (cri_method_events()->reply, bytes, size, fault);
    if (!tree)
        return -1;
    const node_t *event = tree_root (tree);
    // the zero value is absent
    const char *type = node_get_text (event, "container_event_type", KINDS[0].type);
    const node_t *pod = node_at (event, "pod_sandbox_status", "metadata", NULL);
    for (size_t i = 0; i < COUNT_OF (KINDS); i++)
        if (strcmp (type, KINDS[i].type) == 0)
            tell_event (self, node_get_text (event, "container_id", ""),
                        node_get_text (pod, "uid", NULL), KINDS[i].kind);
    return 0;
}

#define CONTAINERD(message) &containerd__services__events__v1__##message##__descriptor

/* A task is what runs in a container; it is deleted after its exit, when CRI's own bookkeeping of
   the exit is nearly done. */
static const struct {
    const char *topic;
    const char *kind;
    const ProtobufCMessageDescriptor *type;
} TOPICS[] = {
    { "/containers/create", "created", CONTAINERD (container_event) },
    { "/containers/delete", "deleted", CONTAINERD (container_event) },
    { "/tasks/start", "started", CONTAINERD (container_event) },
    { "/tasks/exit", "stopped", CONTAINERD (task_exit) },
    { "/tasks/delete", "stopped", CONTAINERD (container_event) },
    { "/tasks/oom", "oom", CONTAINERD (container_event) },
};

static int
take_containerd_event (runtime_t *self, const uint8_t *bytes, size_t size, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = protobuf_decode (CONTAINERD (envelope), bytes, size, fault);
    if (!tree)
        return -1;
    const char *topic = node_get_text (tree_root (tree), "topic", "");
    size_t row = 0;
    while (row < COUNT_OF (TOPICS) && strcmp (topic, TOPICS[row].topic) != 0)
        row++;
    if (row == COUNT_OF (TOPICS))
        return 0;
    size_t value_size = 0;
    const uint8_t *value = (const uint8_t *) node_as_bytes (
        node_at (tree_root (tree), "event", "value", NULL), &value_size);
    OWNED (tree_destroy)
    tree_t *event = protobuf_decode (TOPICS[row].type, value, value_size, fault);
    if (!event)
        return fault_wrap (fault, "%s", topic);
    const char *container = node_get_text (tree_root (event), "container_id", "");
    const char *process = node_get_text (tree_root (event), "id", container);
    if (strcmp (process, container) == 0) // else a probe's or user's exec has ended
        tell_event (self, container, NULL, TOPICS[row].kind);
    return 0;
}

// ---- the stream ----

static void
set_streaming (runtime_t *self, bool is_streaming)
{
    if (self->events.is_streaming == is_streaming)
        return;
    self->events.is_streaming = is_streaming;
    if (is_streaming) {
        metric_count (METRIC_EVENTED_PLEG_CONNECTION_SUCCESS_COUNT, NO_LABELS);
        metric_observe (METRIC_EVENTED_PLEG_CONNECTION_LATENCY_SECONDS,
                        (double) (clock_monotonic_ms() - self->events.asked_ms) / 1000, NO_LABELS);
    }
    health_publish (self); // who watches lists again: something may have been missed
}

static void
on_stands (void *actor_state, void *context)
{
    (void) context;
    runtime_t *self = actor_state;
    self->events.timer = 0;
    set_streaming (self, true);
}

static void
on_again (void *actor_state, void *context)
{
    (void) context;
    runtime_t *self = actor_state;
    self->events.timer = 0;
    subscribe (self);
}

static void
on_event (void *context, const uint8_t *bytes, size_t size)
{
    runtime_t *self = context;
    fault_t fault = { 0 };
    actor_timer_cancel (self->actor, &self->events.timer);
    set_streaming (self, true);
    int rc = self->events.is_containerd ? take_containerd_event (self, bytes, size, &fault)
                                        : take_cri_event (self, bytes, size, &fault);
    if (rc < 0)
        LOG_WARNING ("Malformed runtime event dropped err=%s", fault.text);
}

static void
on_stream_end (void *context, const uint8_t *bytes, size_t size, const fault_t *fault)
{
    (void) bytes, (void) size;
    runtime_t *self = context;
    events_t *events = &self->events;
    events->call = 0;
    actor_timer_cancel (self->actor, &events->timer);
    set_streaming (self, false);
    if (fault)
        metric_count (METRIC_EVENTED_PLEG_CONNECTION_ERROR_COUNT, NO_LABELS);
    bool is_unknown = fault && fault->code == FAULT_UNIMPLEMENTED;
    if (is_unknown && !events->is_containerd && strcmp (self->health.name, "containerd") == 0) {
        events->is_containerd = true;
        subscribe (self);
    }
    else if (is_unknown || ++events->failures >= FAILURES_MAX)
        LOG_INFO ("Container runtime streams no events, listing instead err=%s",
                  fault ? fault->text : "the stream ended");
    else
        events->timer = actor_timer (self->actor, AGAIN_AFTER_MS, on_again, NULL);
}

static void
free_bytes (uint8_t **bytes_p)
{
    free (*bytes_p);
}

static void
subscribe_containerd (runtime_t *self, grpc_call_t *call)
{
    static const grpc_header_t NAMESPACE[] = { { "containerd-namespace", "k8s.io" }, { 0 } };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_bytes) uint8_t *bytes = NULL;
    node_t request = node_map(), filters = node_array();
    fault_t fault = { 0 };
    for (size_t i = 0; i < COUNT_OF (TOPICS); i++)
        node_append (tree, &filters,
                     node_text_format (tree, "namespace==k8s.io,topic==\"%s\"", TOPICS[i].topic));
    node_set (tree, &request, "filters", filters);
    if (protobuf_encode (CONTAINERD (subscribe_request), &request, &bytes, &call->size, &fault) < 0)
        abort(); // our own request has the right fields
    call->path = "/containerd.services.events.v1.Events/Subscribe";
    call->headers = NAMESPACE;
    call->bytes = bytes;
    self->events.call = grpc_call (self->channel, call);
}

static void
subscribe (runtime_t *self)
{
    char path[CRI_PATH_MAX];
    cri_path (cri_method_events(), path);
    grpc_call_t call = {
        .path = path, .on_message = on_event, .on_done = on_stream_end, .context = self
    };
    self->events.asked_ms = clock_monotonic_ms();
    if (self->events.is_containerd)
        subscribe_containerd (self, &call);
    else
        self->events.call = grpc_call (self->channel, &call);
    self->events.timer = actor_timer (self->actor, STANDS_AFTER_MS, on_stands, NULL);
}

void
events_start (runtime_t *self)
{
    events_stop (self);
    subscribe (self);
}

void
events_stop (runtime_t *self)
{
    events_t *events = &self->events;
    actor_timer_cancel (self->actor, &events->timer);
    if (events->call)
        grpc_cancel (self->channel, events->call);
    *events = (events_t){ 0 };
}
