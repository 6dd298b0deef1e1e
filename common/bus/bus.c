#include "cubelet/bus.h"
#include "cubelet/clock.h"
#include "cubelet/envelope.h"
#include "cubelet/fault_rules.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/sanitizer.h"
#include "cubelet/tap.h"
#include <errno.h>
#include <string.h>

#define ROUTE_BATCH 100
#define DELAYED_MAX 10000

/* A message that is said only once waits so long for a receiver that is being started anew. */
#define KEPT_FOR_NS (10 * NS_PER_S)
#define KEPT_RETRY_MS 100

typedef struct {
    uint64_t count;
    uint64_t bytes;
    uint64_t undeliverable;
    uint64_t full;
} type_count_t;

typedef struct {
    zsock_t *pipe;
    zsock_t *router;
    zsock_t *control; // fault rules and commands; NULL: no fault injection
    tap_t *tap;       // NULL: none
    zloop_t *loop;
    fault_rules_t *rules;
    zlistx_t *delayed;                      // parcel_t
    zhashx_t *closed;                       // names of actors that ended and did not return
    type_count_t counts[MESSAGE_COUNT + 1]; // the last for unknown types
    uint64_t tapped;
    uint64_t last_id;
    bool is_ending;
} bus_t;

/* A message on its way. */
typedef struct {
    envelope_t envelope;
    tree_t *head_tree; // owns the envelope's texts
    zframe_t *head;
    zframe_t *body;
    bus_t *bus;
} parcel_t;

static void
parcel_clear (parcel_t *self)
{
    tree_destroy (&self->head_tree);
    zframe_destroy (&self->head);
    zframe_destroy (&self->body);
}

static void
parcel_destroy (void **self_p)
{
    parcel_clear (*self_p);
    free (*self_p);
    *self_p = NULL;
}

static type_count_t *
count_of (bus_t *self, const char *type)
{
    return &self->counts[message_find (type)];
}

/* Sends to an actor without waiting. Returns what became of it, as the tap calls it. */
static const char *
send_to (bus_t *self, const parcel_t *parcel)
{
    if (zhashx_lookup (self->closed, parcel->envelope.to))
        return "undeliverable"; // though the socket, which closes in its own time, would take it
    OWNED (zframe_destroy) zframe_t *to = zframe_from (parcel->envelope.to);
    zframe_t *head = parcel->head;
    zframe_t *body = parcel->body;
    const int flags = ZFRAME_REUSE | ZFRAME_DONTWAIT;
    SANITIZER_RELEASE();
    if (zframe_send (&to, self->router, flags | ZFRAME_MORE) < 0)
        return errno == EAGAIN ? "full" : "undeliverable";
    zframe_send (&head, self->router, flags | ZFRAME_MORE);
    zframe_send (&body, self->router, flags);
    return "delivered";
}

static void
show (bus_t *self, const envelope_t *envelope, zframe_t *body, const char *outcome)
{
    if (!self->tap || !tap_is_attached (self->tap))
        return;
    self->tapped++;
    tap_publish (self->tap, envelope, body, outcome);
}

/* Packs and sends a parcel that has only its envelope. Returns what became of it. */
static const char *
send_envelope (bus_t *self, parcel_t *parcel, const node_t *body)
{
    parcel->head = envelope_pack (&parcel->envelope);
    parcel->body = body_pack (body);
    const char *outcome = send_to (self, parcel);
    show (self, &parcel->envelope, parcel->body, outcome);
    parcel_clear (parcel);
    return outcome;
}

/* Sends a message of the bus's own. */
static void
send_own (bus_t *self, const char *to, message_id_t type, uint64_t re, const node_t *body,
          const fault_t *fault)
{
    parcel_t parcel = { .envelope = { .to = to,
                                      .from = "bus",
                                      .type = message_name (type),
                                      .id = ++self->last_id,
                                      .re = re,
                                      .sent_ns = clock_now_ns(),
                                      .fault_code = fault ? fault->code : FAULT_NONE,
                                      .fault_text = fault ? fault->text : NULL } };
    send_envelope (self, &parcel, body);
}

static void
return_to_sender (bus_t *self, const envelope_t *envelope, const char *reason)
{
    if (envelope->re)
        return; // who waits for no answer needs no word that it was lost
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "to", envelope->to);
    node_set_text (tree, &body, "type", envelope->type);
    node_set_text (tree, &body, "reason", reason);
    send_own (self, envelope->from, MSG_BUS_UNDELIVERABLE, envelope->wants_reply ? envelope->id : 0,
              &body, NULL);
}

static void
finish (bus_t *self, const parcel_t *parcel, const char *outcome)
{
    show (self, &parcel->envelope, parcel->body, outcome);
    if (streq (outcome, "delivered"))
        return;
    type_count_t *count = count_of (self, parcel->envelope.type);
    bool is_full = streq (outcome, "full");
    if (is_full)
        count->full++;
    else
        count->undeliverable++;
    return_to_sender (self, &parcel->envelope,
                      is_full ? "its queue is full" : "nobody has that name");
}

static void
deliver (bus_t *self, const parcel_t *parcel)
{
    finish (self, parcel, send_to (self, parcel));
}

// ---- the bus's own messages ----

static void
reply_stats (bus_t *self, const envelope_t *request)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t messages = node_array();
    for (int id = 0; id < MESSAGE_COUNT; id++) {
        const type_count_t *count = &self->counts[id];
        if (!count->count)
            continue;
        node_t row = node_map();
        node_set_text (tree, &row, "type", message_name ((message_id_t) id));
        node_set_int (tree, &row, "count", (int64_t) count->count);
        node_set_int (tree, &row, "bytes", (int64_t) count->bytes);
        node_set_int (tree, &row, "undeliverable", (int64_t) count->undeliverable);
        node_set_int (tree, &row, "full", (int64_t) count->full);
        node_append (tree, &messages, row);
    }
    node_t body = node_map();
    node_set (tree, &body, "messages", messages);
    node_set_int (tree, &body, "tapped", (int64_t) self->tapped);
    send_own (self, request->from, MSG_BUS_STATS, request->id, &body, NULL);
}

/* What was routed until now reached the old actor or nobody; all that follows comes back. */
static void
close_name (bus_t *self, const envelope_t *request, const node_t *body)
{
    zhashx_update (self->closed, node_get_text (body, "name", ""), self);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t answer = node_map();
    node_set_int (tree, &answer, "at", clock_monotonic_ms());
    send_own (self, request->from, MSG_BUS_CLOSE, request->id, &answer, NULL);
}

static void
handle_own (bus_t *self, const envelope_t *envelope, const node_t *body)
{
    message_id_t type = message_find (envelope->type);
    if (type == MSG_BUS_STATS)
        reply_stats (self, envelope);
    else if (type == MSG_BUS_CLOSE)
        close_name (self, envelope, body);
    else if (type == MSG_BUS_OPEN)
        zhashx_delete (self->closed, node_get_text (body, "name", ""));
    else if (type == MSG_ACTOR_KILL)
        self->is_ending = true;
    else if (envelope->wants_reply) {
        fault_t fault = { 0 };
        fault_set (&fault, FAULT_UNIMPLEMENTED, "the bus does not take %s", envelope->type);
        send_own (self, envelope->from, type, envelope->id, NULL, &fault);
    }
}

static void
read_own (bus_t *self, const parcel_t *parcel)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *body = body_unpack (parcel->body, &fault);
    if (body)
        handle_own (self, &parcel->envelope, tree_root (body));
    else
        LOG_ERROR ("Message dropped by the bus type=%s from=%s err=%s", parcel->envelope.type,
                   parcel->envelope.from, fault.text);
}

// ---- faults ----

static void deliver_or_keep (bus_t *self, parcel_t *parcel);

static int
on_delay_over (zloop_t *loop, int timer_id, void *arg)
{
    (void) loop, (void) timer_id;
    parcel_t *parcel = arg;
    bus_t *self = parcel->bus;
    deliver_or_keep (self, parcel);
    zlistx_delete (self->delayed, zlistx_find (self->delayed, parcel));
    return self->is_ending ? -1 : 0;
}

/* Keeps the parcel's contents until the delay is over. */
static void
delay (bus_t *self, parcel_t *parcel, int64_t delay_ms)
{
    if (zlistx_size (self->delayed) >= DELAYED_MAX) {
        deliver (self, parcel);
        return;
    }
    parcel_t *kept = memory_new (1, sizeof *kept);
    *kept = *parcel;
    *parcel = (parcel_t){ 0 };
    kept->bus = self;
    zlistx_add_end (self->delayed, kept);
    zloop_timer (self->loop, (size_t) delay_ms, 1, on_delay_over, kept);
}

/* All messages are level-triggered but Events: nobody says them again. */
static bool
is_kept (const envelope_t *envelope)
{
    return message_find (envelope->type) == MSG_EVENT_RECORD
           && clock_now_ns() - envelope->sent_ns < KEPT_FOR_NS;
}

/* Delivers; what must not be lost while its receiver is being restarted is kept meanwhile. */
static void
deliver_or_keep (bus_t *self, parcel_t *parcel)
{
    const char *outcome = send_to (self, parcel);
    if (!streq (outcome, "undeliverable") || !is_kept (&parcel->envelope)) {
        finish (self, parcel, outcome);
        return;
    }
    show (self, &parcel->envelope, parcel->body, "delayed");
    delay (self, parcel, KEPT_RETRY_MS);
}

static void
apply_rule (bus_t *self, parcel_t *parcel, const fault_rule_t *rule)
{
    static const char *const OUTCOMES[] = { "dropped", "delayed", "duplicated", "failed" };
    LOG_V (2, "Fault rule applied rule=%lld outcome=%s type=%s from=%s to=%s", (long long) rule->id,
           OUTCOMES[rule->action], parcel->envelope.type, parcel->envelope.from,
           parcel->envelope.to);
    show (self, &parcel->envelope, parcel->body, OUTCOMES[rule->action]);
    switch (rule->action) {
    case ACTION_DROP: break;
    case ACTION_DELAY: delay (self, parcel, rule->delay_ms); break;
    case ACTION_DUPLICATE:
        deliver (self, parcel);
        deliver (self, parcel);
        break;
    case ACTION_FAIL:
        send_own (self, parcel->envelope.from, message_find (parcel->envelope.type),
                  parcel->envelope.id, NULL, &rule->fault);
        break;
    }
}

// ---- routing ----

static void
route (bus_t *self, parcel_t *parcel)
{
    type_count_t *count = count_of (self, parcel->envelope.type);
    count->count++;
    count->bytes += zframe_size (parcel->body);
    if (streq (parcel->envelope.to, "bus")) {
        show (self, &parcel->envelope, parcel->body, "delivered");
        read_own (self, parcel);
        return;
    }
    const fault_rule_t *rule = fault_rules_is_empty (self->rules)
                                   ? NULL
                                   : fault_rules_match (self->rules, &parcel->envelope);
    if (rule)
        apply_rule (self, parcel, rule);
    else
        deliver_or_keep (self, parcel);
}

static void
receive_one (bus_t *self)
{
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (self->router);
    SANITIZER_ACQUIRE();
    if (!message || zmsg_size (message) != 3)
        return;
    OWNED (zframe_destroy) zframe_t *identity = zmsg_pop (message);
    parcel_t parcel = { .bus = self };
    parcel.head = zmsg_pop (message);
    parcel.body = zmsg_pop (message);
    fault_t fault = { 0 };
    parcel.head_tree = envelope_unpack (parcel.head, &parcel.envelope, &fault);
    if (!parcel.head_tree)
        LOG_ERROR ("Message dropped by the bus err=%s", fault.text);
    else if (!zframe_streq (identity, parcel.envelope.from))
        LOG_ERROR ("Message dropped by the bus: it says it is from another actor from=%s",
                   parcel.envelope.from);
    else
        route (self, &parcel);
    parcel_clear (&parcel);
}

static int
on_router (zloop_t *loop, zsock_t *socket, void *arg)
{
    (void) loop;
    bus_t *self = arg;
    for (int i = 0; i < ROUTE_BATCH && !self->is_ending && (zsock_events (socket) & ZMQ_POLLIN);
         i++)
        receive_one (self);
    return self->is_ending ? -1 : 0;
}

/* The answer comes to the bus, which has no use for it, and so past the tap that wants it. */
static void
ask_who_runs (bus_t *self)
{
    parcel_t parcel = { .envelope = { .to = "supervisor",
                                      .from = "bus",
                                      .type = message_name (MSG_ACTOR_LIST),
                                      .id = ++self->last_id,
                                      .wants_reply = true,
                                      .sent_ns = clock_now_ns() } };
    send_envelope (self, &parcel, NULL);
}

static int
on_tap (zloop_t *loop, zsock_t *socket, void *arg)
{
    (void) loop, (void) socket;
    bus_t *self = arg;
    if (tap_read (self->tap))
        ask_who_runs (self);
    return 0;
}

// ---- commands of kubelet-fault ----

static int
order_actor (bus_t *self, const node_t *command, message_id_t type, fault_t *fault)
{
    const char *actor = node_get_text (command, "actor", NULL);
    if (!actor)
        return fault_set (fault, FAULT_INVALID, "actor is missing");
    if (type == MSG_ACTOR_KILL && streq (actor, "bus")) {
        self->is_ending = true;
        return 0;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    if (type == MSG_ACTOR_HANG)
        node_set_int (tree, &body, "ms", node_get_int (command, "ms", 3600000));
    parcel_t parcel = { .envelope = { .to = actor,
                                      .from = "bus",
                                      .type = message_name (type),
                                      .id = ++self->last_id,
                                      .sent_ns = clock_now_ns() } };
    const char *outcome = send_envelope (self, &parcel, &body);
    if (!streq (outcome, "delivered"))
        return fault_set (fault, FAULT_NOT_FOUND,
                          "no actor is called %s (a pod's is "
                          "pod-worker/NAMESPACE_NAME_UID, as kubelet-tap --json shows it)",
                          actor);
    return 0;
}

/* Carries out one command; what it answers goes into `reply`. */
static int
run_command (bus_t *self, const node_t *command, tree_t *tree, node_t *reply, fault_t *fault)
{
    const char *name = node_get_text (command, "command", "");
    if (streq (name, "add")) {
        int64_t id = fault_rules_add (self->rules, node_get (command, "rule"), fault);
        if (id < 0)
            return fault_wrap (fault, "rule");
        node_set_int (tree, reply, "id", id);
        return 0;
    }
    if (streq (name, "list")) {
        node_set (tree, reply, "rules", fault_rules_list (self->rules, tree));
        return 0;
    }
    if (streq (name, "remove")) {
        size_t count = fault_rules_remove (self->rules, node_get_int (command, "id", 0));
        node_set_int (tree, reply, "removed", (int64_t) count);
        return 0;
    }
    bool is_kill = streq (name, "kill");
    if (is_kill || streq (name, "hang")) {
        node_set_text (tree, reply, "told", node_get_text (command, "actor", ""));
        return order_actor (self, command, is_kill ? MSG_ACTOR_KILL : MSG_ACTOR_HANG, fault);
    }
    return fault_set (fault, FAULT_INVALID, "no such command: %s", name);
}

static int
on_control (zloop_t *loop, zsock_t *socket, void *arg)
{
    (void) loop;
    bus_t *self = arg;
    OWNED (zframe_destroy) zframe_t *frame = zframe_recv (socket);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t reply = node_map();
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *command = body_unpack (frame, &fault);
    if (!command || run_command (self, tree_root (command), tree, &reply, &fault) < 0) {
        node_set_int (tree, &reply, "fault", fault.code);
        node_set_text (tree, &reply, "text", fault.text);
    }
    zframe_t *answer = body_pack (&reply);
    if (zframe_send (&answer, socket, 0) < 0)
        zframe_destroy (&answer);
    return self->is_ending ? -1 : 0;
}

// ---- life ----

static int
on_pipe (zloop_t *loop, zsock_t *pipe, void *arg)
{
    (void) loop, (void) arg;
    OWNED (free_text) char *command = zstr_recv (pipe);
    (void) command;
    return -1; // the only command is $TERM
}

static int
say_alive (zloop_t *loop, int timer_id, void *arg)
{
    (void) loop, (void) timer_id;
    zstr_send (((bus_t *) arg)->pipe, "ALIVE");
    return 0;
}

static void
bus_destroy (bus_t **self_p)
{
    bus_t *self = *self_p;
    if (!self)
        return;
    zloop_destroy (&self->loop);
    zsock_destroy (&self->router);
    zsock_destroy (&self->control);
    tap_destroy (&self->tap);
    fault_rules_destroy (&self->rules);
    zlistx_destroy (&self->delayed);
    zhashx_destroy (&self->closed);
    free (self);
    *self_p = NULL;
}

static void
run (zsock_t *pipe, void *arg)
{
    bus_t *self = arg;
    SANITIZER_ACQUIRE();
    self->pipe = pipe;
    zsock_set_sndtimeo (pipe, 0);
    zsock_signal (pipe, 0);
    zloop_reader (self->loop, pipe, on_pipe, self);
    zloop_reader (self->loop, self->router, on_router, self);
    zloop_reader_set_tolerant (self->loop, self->router);
    if (self->tap)
        zloop_reader (self->loop, tap_socket (self->tap), on_tap, self);
    if (self->control) {
        zloop_reader (self->loop, self->control, on_control, self);
        zloop_reader_set_tolerant (self->loop, self->control);
    }
    zloop_start (self->loop);
    bus_destroy (&self);
    SANITIZER_RELEASE();
}

static int
open_sockets (bus_t *self, const bus_config_t *config, fault_t *fault)
{
    self->router = zsock_new (ZMQ_ROUTER);
    zsock_set_router_mandatory (self->router, 1);
    zsock_set_router_handover (self->router, 1); // a restarted actor takes its name over
    zsock_set_linger (self->router, 0);
    if (zsock_bind (self->router, "%s", config->endpoint) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot bind %s: %s", config->endpoint,
                          zmq_strerror (zmq_errno()));
    if (config->tap_endpoint && !(self->tap = tap_new (config->tap_endpoint, fault)))
        return fault_wrap (fault, "tap");
    if (config->fault_endpoint) {
        self->control = zsock_new (ZMQ_REP);
        zsock_set_linger (self->control, 0);
        if (bind_for_root (self->control, config->fault_endpoint, fault) < 0)
            return fault_wrap (fault, "fault injection");
    }
    return 0;
}

zactor_t *
bus_new (const bus_config_t *config, fault_t *fault)
{
    bus_t *self = memory_new (1, sizeof *self);
    self->rules = fault_rules_new();
    self->delayed = zlistx_new();
    zlistx_set_destructor (self->delayed, parcel_destroy);
    self->closed = zhashx_new();
    self->last_id = (uint64_t) clock_now_ns();
    self->loop = zloop_new();
    zloop_set_nonstop (self->loop, true);
    if (config->heartbeat_ms > 0)
        zloop_timer (self->loop, (size_t) config->heartbeat_ms, 0, say_alive, self);
    if (open_sockets (self, config, fault) < 0) {
        bus_destroy (&self);
        return NULL;
    }
    SANITIZER_RELEASE();
    zactor_t *thread = zactor_new (run, self);
    if (!thread)
        abort();
    return thread;
}
