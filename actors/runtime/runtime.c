/* The only actor that speaks to the container runtime: cri.* requests become gRPC calls. */
#include "runtime.h"
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include <string.h>
#include <unistd.h>

#define STARTS_WAITING_MAX 4096
// Who takes longer waits for a network plugin or a disk, not for the CPU the window is about.
#define PLACE_MAX_MS 10000

struct call {
    runtime_t *runtime;
    const cri_method_t *method;
    return_address_t *address;  // who asked; NULL: ourselves
    runtime_reply_fn *on_reply; // for our own calls, or NULL
    uint64_t id;                // of our own calls
    uint8_t *bytes;             // the request until it is sent
    size_t size;
    int64_t wait_ms;
    int64_t began_ms; // monotonic
    uint64_t stream;  // the gRPC call, 0: not sent yet
    bool has_place;   // in the window
    uint64_t place_timer;
    call_t *next, **link;
};

// ---- calls ----

static void send_call (call_t *call);

static call_t *
call_new (runtime_t *self, const cri_method_t *method, const node_t *request, fault_t *fault)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (protobuf_encode (method->request, request, &bytes, &size, fault) < 0) {
        fault_wrap (fault, "%s", method->name);
        return NULL;
    }
    call_t *call = memory_new (1, sizeof *call);
    *call = (call_t){ .runtime = self,
                      .method = method,
                      .bytes = bytes,
                      .size = size,
                      .wait_ms = cri_wait_ms (method, request, self->request_timeout_ms),
                      .began_ms = clock_monotonic_ms(),
                      .next = self->calls,
                      .link = &self->calls };
    if (call->next)
        call->next->link = &call->next;
    self->calls = call;
    return call;
}

static void
give_place_back (call_t *call)
{
    runtime_t *self = call->runtime;
    actor_timer_cancel (self->actor, &call->place_timer);
    if (!call->has_place)
        return;
    call->has_place = false;
    call_t *next = start_window_leave (self->window);
    if (!next)
        return;
    next->has_place = true;
    send_call (next);
}

static void
call_destroy (call_t **self_p)
{
    call_t *self = *self_p;
    *self->link = self->next;
    if (self->next)
        self->next->link = self->link;
    actor_timer_cancel (self->runtime->actor, &self->place_timer);
    return_address_destroy (&self->address);
    free (self->bytes);
    free (self);
    *self_p = NULL;
}

/* Hands a call's answer to who asked, and forgets the call. */
static void
finish (call_t *call, const node_t *reply, const fault_t *fault)
{
    runtime_t *self = call->runtime;
    runtime_reply_fn *on_reply = call->on_reply;
    count_call (call->method, clock_monotonic_ms() - call->began_ms, fault != NULL);
    give_place_back (call);
    if (call->address)
        actor_answer (self->actor, &call->address, reply, fault);
    call_destroy (&call);
    if (on_reply)
        on_reply (self, reply, fault);
}

static void
on_done (void *context, const uint8_t *bytes, size_t size, const fault_t *failed)
{
    call_t *call = context;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *reply = NULL;
    if (!failed) {
        reply = protobuf_decode (call->method->reply, bytes, size, &fault);
        if (!reply) {
            fault.code = FAULT_INTERNAL; // the runtime's mistake, not the caller's
            fault_wrap (&fault, "%s: malformed reply", call->method->name);
        }
        else
            cri_reply_check (call->method, tree_root (reply), &fault);
        failed = fault.code != FAULT_NONE ? &fault : NULL;
    }
    finish (call, failed ? NULL : tree_root (reply), failed);
}

static void
on_place_timer (void *actor_state, void *context)
{
    (void) actor_state;
    call_t *call = context;
    call->place_timer = 0;
    give_place_back (call);
}

static grpc_t *
channel_of (const call_t *call)
{
    const runtime_t *self = call->runtime;
    return call->method->is_image && self->image_channel ? self->image_channel : self->channel;
}

static void
send_call (call_t *call)
{
    runtime_t *self = call->runtime;
    char path[CRI_PATH_MAX];
    cri_path (call->method, path);
    call->stream = grpc_call (channel_of (call), &(grpc_call_t){ .path = path,
                                                                 .bytes = call->bytes,
                                                                 .size = call->size,
                                                                 .timeout_ms = call->wait_ms,
                                                                 .on_done = on_done,
                                                                 .context = call });
    free (call->bytes);
    call->bytes = NULL;
    if (call->has_place)
        call->place_timer = actor_timer (self->actor, PLACE_MAX_MS, on_place_timer, call);
}

static void
cancel (call_t *call)
{
    runtime_t *self = call->runtime;
    if (call->stream)
        grpc_cancel (channel_of (call), call->stream);
    else
        start_window_forget (self->window, call);
    give_place_back (call);
    call_destroy (&call);
}

uint64_t
runtime_call (runtime_t *self, message_id_t message, const node_t *request, int64_t wait_ms,
              runtime_reply_fn *on_reply)
{
    fault_t fault = { 0 };
    call_t *call = call_new (self, cri_method (message), request, &fault);
    if (!call)
        abort(); // our own requests have the right fields
    call->on_reply = on_reply;
    call->id = ++self->last_id;
    if (wait_ms)
        call->wait_ms = wait_ms;
    send_call (call);
    return call->id;
}

void
runtime_call_forget (runtime_t *self, uint64_t *id)
{
    for (call_t *call = *id ? self->calls : NULL; call; call = call->next) {
        if (call->id == *id) {
            cancel (call);
            break;
        }
    }
    *id = 0;
}

// ---- messages ----

static int
on_call (void *state, const message_t *message, fault_t *fault)
{
    runtime_t *self = state;
    const cri_method_t *method = cri_method (message->type);
    call_t *call = call_new (self, method, message->body, fault);
    if (!call)
        return -1;
    call->address = return_address_new (message);
    if (method->start == CRI_START_NONE) {
        send_call (call);
        return 0;
    }
    switch (start_window_enter (self->window, (int) method->start, call)) {
    case WINDOW_ENTERED:
        call->has_place = true;
        send_call (call);
        return 0;
    case WINDOW_WAITS: return 0;
    case WINDOW_FULL: break;
    }
    call_destroy (&call);
    return fault_set (fault, FAULT_EXHAUSTED, "%s: %d starts wait already", method->name,
                      STARTS_WAITING_MAX);
}

static int
on_cancel (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    runtime_t *self = state;
    uint64_t id = (uint64_t) node_get_int (message->body, "id", 0);
    for (call_t *call = self->calls; call; call = call->next) {
        if (call->address && return_address_id (call->address) == id
            && strcmp (return_address_from (call->address), message->from) == 0) {
            cancel (call);
            break;
        }
    }
    return 0;
}

static int
on_state_get (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    runtime_t *self = state;
    actor_reply (self->actor, message, health_state (self));
    return 0;
}

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    health_tell (state, node_get_text (message->body, "name", ""));
    return 0;
}

static int
on_undeliverable (void *state, const message_t *message, fault_t *fault)
{
    (void) state, (void) message, (void) fault;
    return 0; // MSG_ACTOR_UP says when it is there
}

// clang-format off
static const actor_handler_t HANDLERS[] = {
    { MSG_CRI_VERSION, on_call },
    { MSG_CRI_RUN_POD_SANDBOX, on_call },
    { MSG_CRI_STOP_POD_SANDBOX, on_call },
    { MSG_CRI_REMOVE_POD_SANDBOX, on_call },
    { MSG_CRI_POD_SANDBOX_STATUS, on_call },
    { MSG_CRI_LIST_POD_SANDBOX, on_call },
    { MSG_CRI_CREATE_CONTAINER, on_call },
    { MSG_CRI_START_CONTAINER, on_call },
    { MSG_CRI_STOP_CONTAINER, on_call },
    { MSG_CRI_REMOVE_CONTAINER, on_call },
    { MSG_CRI_LIST_CONTAINERS, on_call },
    { MSG_CRI_CONTAINER_STATUS, on_call },
    { MSG_CRI_UPDATE_CONTAINER_RESOURCES, on_call },
    { MSG_CRI_REOPEN_CONTAINER_LOG, on_call },
    { MSG_CRI_EXEC_SYNC, on_call },
    { MSG_CRI_EXEC, on_call },
    { MSG_CRI_ATTACH, on_call },
    { MSG_CRI_PORT_FORWARD, on_call },
    { MSG_CRI_CONTAINER_STATS, on_call },
    { MSG_CRI_LIST_CONTAINER_STATS, on_call },
    { MSG_CRI_POD_SANDBOX_STATS, on_call },
    { MSG_CRI_LIST_POD_SANDBOX_STATS, on_call },
    { MSG_CRI_UPDATE_RUNTIME_CONFIG, on_call },
    { MSG_CRI_STATUS, on_call },
    { MSG_CRI_CHECKPOINT_CONTAINER, on_call },
    { MSG_CRI_LIST_METRIC_DESCRIPTORS, on_call },
    { MSG_CRI_LIST_POD_SANDBOX_METRICS, on_call },
    { MSG_CRI_RUNTIME_CONFIG, on_call },
    { MSG_CRI_UPDATE_POD_SANDBOX_RESOURCES, on_call },
    { MSG_CRI_LIST_IMAGES, on_call },
    { MSG_CRI_IMAGE_STATUS, on_call },
    { MSG_CRI_PULL_IMAGE, on_call },
    { MSG_CRI_REMOVE_IMAGE, on_call },
    { MSG_CRI_IMAGE_FS_INFO, on_call },
    { MSG_REQUEST_CANCEL, on_cancel },
    { MSG_RUNTIME_STATE_GET, on_state_get },
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_BUS_UNDELIVERABLE, on_undeliverable },
    { 0 }
};
// clang-format on

// ---- start and stop ----

static void
on_connection (void *context, bool is_connected, const fault_t *why)
{
    health_connection (context, is_connected ? NULL : why);
}

static void
on_image_connection (void *context, bool is_connected, const fault_t *why)
{
    (void) context;
    if (is_connected)
        LOG_INFO ("Image service is connected");
    else
        LOG_WARNING ("Image service is not connected err=%s", why->text);
}

static grpc_t *
open_channel (runtime_t *self, const char *endpoint, grpc_state_fn *on_state, fault_t *fault)
{
    grpc_t *channel = grpc_new (
        self->actor,
        &(grpc_options_t){
            .endpoint = endpoint, .keep_connected = true, .on_state = on_state, .context = self },
        fault);
    if (!channel)
        fault_wrap (fault, "container runtime");
    return channel;
}

static void
stop (void **self_p)
{
    runtime_t *self = *self_p;
    if (!self)
        return;
    events_stop (self);
    health_clear (self);
    grpc_destroy (&self->channel);
    grpc_destroy (&self->image_channel);
    while (self->calls) {
        call_t *call = self->calls;
        call_destroy (&call);
    }
    start_window_destroy (&self->window);
    free (self->endpoint);
    free (self);
    *self_p = NULL;
}

static size_t
window_places (const node_t *args)
{
    int64_t places = node_get_int (args, "start_window", 0);
    if (places > 0)
        return (size_t) places;
    long cores = sysconf (_SC_NPROCESSORS_ONLN);
    return cores > 0 ? 2 * (size_t) cores : 2;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    static const int64_t REQUEST_TIMEOUT_MS = 120000; // KubeletConfiguration runtimeRequestTimeout
    runtime_t *self = memory_new (1, sizeof *self);
    const char *image_endpoint = node_get_text (args, "image_endpoint", "");
    self->actor = actor;
    self->endpoint = text_copy (node_get_text (args, "runtime_endpoint", ""));
    self->request_timeout_ms = node_get_int (args, "request_timeout_ms", 0);
    if (self->request_timeout_ms <= 0)
        self->request_timeout_ms = REQUEST_TIMEOUT_MS;
    self->window = start_window_new (window_places (args), STARTS_WAITING_MAX);
    self->channel = open_channel (self, self->endpoint, on_connection, fault);
    bool is_split = *image_endpoint && strcmp (image_endpoint, self->endpoint) != 0;
    if (self->channel && is_split)
        self->image_channel = open_channel (self, image_endpoint, on_image_connection, fault);
    if (!self->channel || (is_split && !self->image_channel)) {
        void *state = self;
        stop (&state);
        return NULL;
    }
    return self;
}

const actor_class_t runtime_class = {
    .name = "runtime",
    .about = "the only one that speaks to the container runtime",
    .hears_of = "runtime-watcher pod-manager image-puller resource-manager stats-provider "
                "eviction-manager",
    .queue_limit = 8000, // every pod's worker may ask at once
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
