/* event_recorder.c - takes the events of all actors: logs them, and if there is an API server
   merges repetitions, drops floods and sends the rest.

   Arguments: {"node_name": text, "has_api_server": bool, "qps": int (0: no limit), "burst": int},
   KubeletConfiguration's eventRecordQPS and eventBurst. An Event is said once, so what waits for
   the API server is left to the recorder that comes after this one ({"left": {"events"}}). */
#include "cubelet/actors.h"
#include "cubelet/api_call.h"
#include "cubelet/clock.h"
#include "cubelet/event_correlator.h"
#include "cubelet/event_object.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include "event_sink.h"
#include <string.h>

#define DEFAULT_QPS 50
#define DEFAULT_BURST 100

typedef struct {
    actor_t *actor;
    char *node_name;
    event_correlator_t *correlator;
    event_sink_t *sink; // NULL: no API server
} recorder_t;

static int
on_record (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    recorder_t *self = state;
    event_t event = {
        .object = node_get (message->body, "object"),
        .type = node_get_text (message->body, "type", ""),
        .reason = node_get_text (message->body, "reason", ""),
        .message = node_get_text (message->body, "message", ""),
    };
    if (object_reference_is_implicit (event.object))
        return 0;
    OWNED (free_text) char *line = event_log_text (&event);
    LOG_INFO ("%s", line);
    if (!self->sink)
        return 0;

    int64_t now_ns = clock_now_ns();
    event_verdict_t verdict = event_correlate (self->correlator, event.object, event.type,
                                               event.reason, event.message, now_ns);
    if (verdict.is_dropped)
        return 0;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t object = event_object (tree, &event, &verdict, self->node_name, now_ns);
    event_sink_add (self->sink, &object, (uint64_t) verdict.name_ns, verdict.is_again);
    return 0;
}

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) message, (void) fault;
    recorder_t *self = state;
    if (self->sink)
        event_sink_wake (self->sink);
    return 0;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    recorder_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->correlator = event_correlator_new();
    token_rate_t rate = { .per_s = (double) node_get_int (args, "qps", DEFAULT_QPS),
                          .burst = (double) node_get_int (args, "burst", DEFAULT_BURST) };
    if (node_get_bool (args, "has_api_server", false))
        self->sink = event_sink_new (actor, rate);
    if (self->sink)
        event_sink_inherit (self->sink, node_at (args, "left", "events", NULL));
    return self;
}

static node_t
leave (void *state, tree_t *tree)
{
    recorder_t *self = state;
    node_t left = node_map();
    if (self->sink)
        node_set (tree, &left, "events", event_sink_leave (self->sink, tree));
    return left;
}

static void
stop (void **self_p)
{
    recorder_t *self = *self_p;
    event_correlator_destroy (&self->correlator);
    event_sink_destroy (&self->sink);
    free (self->node_name);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_EVENT_RECORD, on_record },
    { MSG_ACTOR_UP, on_actor_up },
    { 0 },
};

const actor_class_t event_recorder_class = {
    .name = "event-recorder",
    .about = "logs, merges and sends events",
    .hears_of = API_CLIENT,
    .handlers = HANDLERS,
    .start = start,
    .leave = leave,
    .stop = stop,
};
