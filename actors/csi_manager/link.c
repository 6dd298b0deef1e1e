/* link.c - gRPC calls to a plugin's socket, with messages as value trees. */
#include "csi.pb-c.h"
#include "cubelet/clock.h"
#include "cubelet/csi.h"
#include "cubelet/grpc.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/protobuf.h"
#include "manager.h"
#include "pluginregistration.pb-c.h"

typedef struct {
    const char *path;
    const ProtobufCMessageDescriptor *request, *reply;
    int64_t timeout_ms;
} method_t;

#define REGISTRATION_TIMEOUT_MS 10000
#define NODE(name, symbol)                                                                         \
    {                                                                                              \
        "/csi.v1.Node/Node" name, &csi__v1__node_##symbol##_request__descriptor,                   \
            &csi__v1__node_##symbol##_response__descriptor, CSI_TIMEOUT_MS                         \
    }

static const method_t METHODS[] = {
    [CALL_GET_INFO] = { "/pluginregistration.Registration/GetInfo",
                        &pluginregistration__info_request__descriptor,
                        &pluginregistration__plugin_info__descriptor, REGISTRATION_TIMEOUT_MS },
    [CALL_NOTIFY] = { "/pluginregistration.Registration/NotifyRegistrationStatus",
                      &pluginregistration__registration_status__descriptor,
                      &pluginregistration__registration_status_response__descriptor,
                      REGISTRATION_TIMEOUT_MS },
    [CALL_NODE_INFO] = NODE ("GetInfo", get_info),
    [CALL_NODE_ABILITIES] = NODE ("GetCapabilities", get_capabilities),
    [CALL_STAGE] = NODE ("StageVolume", stage_volume),
    [CALL_UNSTAGE] = NODE ("UnstageVolume", unstage_volume),
    [CALL_PUBLISH] = NODE ("PublishVolume", publish_volume),
    [CALL_UNPUBLISH] = NODE ("UnpublishVolume", unpublish_volume),
    [CALL_EXPAND] = NODE ("ExpandVolume", expand_volume),
    [CALL_STATS] = NODE ("GetVolumeStats", get_volume_stats),
};

typedef struct call call_t;
struct call {
    link_t *link;
    const method_t *method;
    link_done_fn *done;
    void *context;
    int64_t began_ms; // monotonic
    fault_t fault;    // of a request that could not be made
    uint64_t timer;
    call_t *next, **place;
};

struct link {
    actor_t *actor;
    grpc_t *channel;
    char *driver; // for /metrics; NULL: none, its calls are not counted
    call_t *calls;
    bool is_closed;
    link_t *next, **place; // of all links of the manager
};

link_t *
link_new (manager_t *manager, const char *endpoint, const char *driver, fault_t *fault)
{
    grpc_t *channel = grpc_new (manager->actor, &(grpc_options_t){ .endpoint = endpoint }, fault);
    if (!channel)
        return NULL;
    link_t *self = memory_new (1, sizeof *self);
    *self = (link_t){ .actor = manager->actor,
                      .channel = channel,
                      .driver = text_copy (driver),
                      .next = manager->links,
                      .place = &manager->links };
    if (self->next)
        self->next->place = &self->next;
    manager->links = self;
    return self;
}

static void
call_destroy (call_t *self)
{
    actor_timer_cancel (self->link->actor, &self->timer);
    *self->place = self->next;
    if (self->next)
        self->next->place = self->place;
    free (self);
}

static void
destroy (link_t *self)
{
    grpc_destroy (&self->channel);
    while (self->calls)
        call_destroy (self->calls);
    *self->place = self->next;
    if (self->next)
        self->next->place = self->place;
    free (self->driver);
    free (self);
}

void
links_destroy (manager_t *manager)
{
    while (manager->links)
        destroy (manager->links);
}

void
link_close (link_t **self_p)
{
    link_t *self = STEAL (*self_p);
    if (!self)
        return;
    self->is_closed = true;
    if (!self->calls)
        destroy (self);
}

/* csi_operations_seconds of /metrics. */
static void
count_call (const call_t *call, const fault_t *fault)
{
    const char *code = fault ? fault_code_name (fault->code) : "OK";
    if (call->link->driver)
        metric_observe (METRIC_CSI_OPERATIONS_SECONDS,
                        (double) (clock_monotonic_ms() - call->began_ms) / 1000,
                        LABELS (call->link->driver, code, call->method->path, "false"));
}

static void
end (call_t *call, const node_t *reply, const fault_t *fault)
{
    link_t *link = call->link;
    count_call (call, fault);
    call->done (call->context, reply, fault);
    call_destroy (call);
    if (link->is_closed && !link->calls)
        destroy (link);
}

static void
on_done (void *context, const uint8_t *bytes, size_t size, const fault_t *failed)
{
    call_t *call = context;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *reply = NULL;
    if (failed)
        fault = *failed;
    else
        reply = protobuf_decode (call->method->reply, bytes, size, &fault);
    if (fault.code)
        csi_fault_show (&fault);
    end (call, tree_root (reply), fault.code ? &fault : NULL);
}

static void
on_bad_request (void *state, void *context)
{
    (void) state;
    call_t *call = context;
    fault_t fault = call->fault;
    call->timer = 0;
    end (call, NULL, &fault);
}

void
link_call (link_t *self, call_kind_t kind, const node_t *request, link_done_fn *done, void *context)
{
    call_t *call = memory_new (1, sizeof *call);
    *call = (call_t){ .link = self,
                      .method = &METHODS[kind],
                      .done = done,
                      .context = context,
                      .began_ms = clock_monotonic_ms(),
                      .next = self->calls,
                      .place = &self->calls };
    if (call->next)
        call->next->place = &call->next;
    self->calls = call;
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (protobuf_encode (call->method->request, request, &bytes, &size, &call->fault) < 0) {
        call->timer = actor_timer (self->actor, 0, on_bad_request, call);
        return;
    }
    grpc_call (self->channel, &(grpc_call_t){ .path = call->method->path,
                                              .bytes = bytes,
                                              .size = size,
                                              .timeout_ms = call->method->timeout_ms,
                                              .on_done = on_done,
                                              .context = call });
    free (bytes);
}
