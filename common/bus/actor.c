/* Sending, receiving, requests. The loop is in actor_loop.c, threads are in actor_host.c. */
#include "cubelet/actor.h"
#include "actor_internal.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/sanitizer.h"
#include <string.h>
#include <time.h>

#define DEFAULT_QUEUE_LIMIT 1000
/* How long a send waits for a bus that is busy. When the bus has ended there is nobody to wait
   for: then the host's word of the new one has to be read, not waited in front of. */
#define SEND_LIMIT_MS 200

struct return_address {
    char *to;
    char *from;
    uint64_t id;
    message_id_t type;
};

const char *
actor_name (const actor_t *self)
{
    return self->seed->name;
}

int
actor_connect (actor_t *self, const char *endpoint, fault_t *fault)
{
    int limit = self->seed->class->queue_limit;
    zsock_t *bus = zsock_new (ZMQ_DEALER);
    if (!bus)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot open a socket: %s",
                          zmq_strerror (zmq_errno()));
    zsock_set_identity (bus, self->seed->name);
    zsock_set_linger (bus, 0);
    zsock_set_sndtimeo (bus, SEND_LIMIT_MS);
    zsock_set_rcvhwm (bus, limit ? limit : DEFAULT_QUEUE_LIMIT);
    if (zsock_connect (bus, "%s", endpoint) < 0) {
        zsock_destroy (&bus);
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot connect to the bus at %s: %s", endpoint,
                          zmq_strerror (zmq_errno()));
    }
    self->bus = bus;
    return 0;
}

// ---- sending ----

/* A message that is not as the catalogue says is a mistake in this program, found in tests. */
static void
check_body (message_id_t type, bool is_reply, const node_t *body)
{
#ifdef CUBELET_CHECK_MESSAGES
    fault_t fault = { 0 };
    if (message_check (type, is_reply, body, &fault) < 0) {
        LOG_ERROR ("Message is not as the catalogue says: %s", fault.text);
        abort();
    }
#else
    (void) type, (void) is_reply, (void) body;
#endif
}

static void
send_frames (actor_t *self, const envelope_t *envelope, const node_t *body)
{
    if (!self->bus)
        return;
    zmsg_t *message = zmsg_new();
    zframe_t *head = envelope_pack (envelope);
    zframe_t *tail = body_pack (body);
    zmsg_append (message, &head);
    zmsg_append (message, &tail);
    SANITIZER_RELEASE();
    if (zmsg_send (&message, self->bus) < 0) {
        // Every later send would wait as long in vain, until there is a new bus.
        LOG_V (2, "Message not sent type=%s to=%s: %s", envelope->type, envelope->to,
               zmq_strerror (zmq_errno()));
        zsock_set_sndtimeo (self->bus, 0);
        zmsg_destroy (&message);
    }
}

static uint64_t
send_message (actor_t *self, const char *to, message_id_t type, const node_t *body,
              bool wants_reply)
{
    check_body (type, false, body);
    envelope_t envelope = {
        .to = to,
        .from = self->seed->name,
        .type = message_name (type),
        .id = ++self->last_id,
        .wants_reply = wants_reply,
        .sent_ns = clock_now_ns(),
    };
    send_frames (self, &envelope, body);
    return envelope.id;
}

void
actor_send (actor_t *self, const char *to, message_id_t type, const node_t *body)
{
    send_message (self, to, type, body, false);
}

static void
send_reply (actor_t *self, const char *to, uint64_t re, message_id_t type, const node_t *body,
            const fault_t *fault)
{
    if (!fault)
        check_body (type, true, body);
    envelope_t envelope = {
        .to = to,
        .from = self->seed->name,
        .type = message_name (type),
        .id = ++self->last_id,
        .re = re,
        .sent_ns = clock_now_ns(),
        .fault_code = fault ? fault->code : FAULT_NONE,
        .fault_text = fault ? fault->text : NULL,
    };
    send_frames (self, &envelope, fault ? NULL : body);
}

void
actor_reply (actor_t *self, const message_t *request, const node_t *body)
{
    if (request->wants_reply)
        send_reply (self, request->from, request->id, request->type, body, NULL);
}

void
actor_reply_fault (actor_t *self, const message_t *request, const fault_t *fault)
{
    if (request->wants_reply)
        send_reply (self, request->from, request->id, request->type, NULL, fault);
}

return_address_t *
return_address_new (const message_t *request)
{
    return_address_t *self = memory_new (1, sizeof *self);
    self->to = request->wants_reply ? text_copy (request->from) : NULL;
    self->from = text_copy (request->from);
    self->id = request->id;
    self->type = request->type;
    return self;
}

void
return_address_destroy (return_address_t **self_p)
{
    if (!*self_p)
        return;
    free ((*self_p)->to);
    free ((*self_p)->from);
    free (*self_p);
    *self_p = NULL;
}

const char *
return_address_from (const return_address_t *self)
{
    return self->from;
}

uint64_t
return_address_id (const return_address_t *self)
{
    return self->id;
}

void
actor_answer (actor_t *self, return_address_t **address_p, const node_t *body, const fault_t *fault)
{
    return_address_t *address = *address_p;
    if (address && address->to)
        send_reply (self, address->to, address->id, address->type, body, fault);
    return_address_destroy (address_p);
}

// ---- requests ----

static void
request_destroy (request_t **self_p)
{
    free ((*self_p)->to);
    free ((*self_p)->context);
    free (*self_p);
    *self_p = NULL;
}

/* Takes the request out of the list; NULL when it is no longer waited for. */
static request_t *
take_request (actor_t *self, uint64_t id)
{
    for (request_t *request = zlistx_first (self->requests); request;
         request = zlistx_next (self->requests)) {
        if (request->id == id) {
            zlistx_detach_cur (self->requests);
            return request;
        }
    }
    return NULL;
}

/* Calls the reply function of a request that is no longer in the list. */
static void
finish_request (actor_t *self, request_t *request, const message_t *reply, const fault_t *fault)
{
    if (request->timer_id)
        timer_heap_remove (&self->timers, request->timer_id);
    request->reply (self->state, reply, fault, request->context);
    request_destroy (&request);
}

static void
expire_request (void *owner, void *context)
{
    actor_t *self = owner;
    request_t *expired = context;
    request_t *request = take_request (self, expired->id);
    if (!request)
        return;
    request->timer_id = 0;
    fault_t fault = { 0 };
    fault_set (&fault, FAULT_DEADLINE, "no answer from %s to %s in time", request->to,
               message_name (request->type));
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_int (tree, &body, "id", (int64_t) request->id);
    actor_send (self, request->to, MSG_REQUEST_CANCEL, &body);
    finish_request (self, request, NULL, &fault);
}

uint64_t
actor_request (actor_t *self, const char *to, message_id_t type, const node_t *body,
               int64_t deadline_ms, actor_reply_fn *reply, const void *context, size_t context_size)
{
    request_t *request = memory_new (1, sizeof *request);
    request->type = type;
    request->actor = self;
    request->reply = reply;
    request->to = text_copy (to);
    request->sent_ms = clock_monotonic_ms();
    if (context_size) {
        request->context = memory_new (1, context_size);
        memcpy (request->context, context, context_size);
    }
    request->id = send_message (self, to, type, body, true);
    if (deadline_ms > 0)
        request->timer_id = timer_heap_add (&self->timers, clock_monotonic_ms() + deadline_ms,
                                            expire_request, request);
    zlistx_add_end (self->requests, request);
    actor_arm_loop (self);
    return request->id;
}

void
actor_cancel (actor_t *self, uint64_t request_id)
{
    request_t *request = take_request (self, request_id);
    if (!request)
        return;
    if (request->timer_id)
        timer_heap_remove (&self->timers, request->timer_id);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_int (tree, &body, "id", (int64_t) request_id);
    actor_send (self, request->to, MSG_REQUEST_CANCEL, &body);
    request_destroy (&request);
}

void
actor_fail_requests (actor_t *self, const fault_t *fault)
{
    // Reply functions may make new requests, which must not be failed as well.
    zlistx_t *failed = self->requests;
    self->requests = zlistx_new();
    for (request_t *request; (request = zlistx_detach (failed, NULL));)
        finish_request (self, request, NULL, fault);
    zlistx_destroy (&failed);
}

/* An actor ended: nobody answers what it was asked until then. */
static void
fail_requests_to (actor_t *self, const char *name, int64_t until_ms)
{
    fault_t fault = { 0 };
    fault_set (&fault, FAULT_UNAVAILABLE, "%s ended before it answered", name);
    OWNED (zlistx_destroy) zlistx_t *failed = zlistx_new();
    for (request_t *request = zlistx_first (self->requests); request;
         request = zlistx_next (self->requests))
        if (request->sent_ms <= until_ms && streq (request->to, name))
            zlistx_add_end (failed, (void *) (uintptr_t) request->id);
    // By id: a reply function may cancel others of these.
    for (void *id = zlistx_first (failed); id; id = zlistx_next (failed)) {
        request_t *request = take_request (self, (uint64_t) (uintptr_t) id);
        if (request)
            finish_request (self, request, NULL, &fault);
    }
}

void
actor_drop_requests (actor_t *self)
{
    for (request_t *request; (request = zlistx_detach (self->requests, NULL));)
        request_destroy (&request);
}

// ---- receiving ----

static void
take_reply (actor_t *self, const envelope_t *envelope, const message_t *message)
{
    request_t *request = take_request (self, envelope->re);
    if (!request) // cancelled, expired, or asked by an earlier incarnation
        return;
    fault_t fault = { 0 };
    if (message->type == MSG_BUS_UNDELIVERABLE)
        fault_set (&fault, FAULT_UNAVAILABLE, "%s: %s",
                   node_get_text (message->body, "to", request->to),
                   node_get_text (message->body, "reason", "not delivered"));
    else if (envelope->fault_code != FAULT_NONE)
        fault_set (&fault, envelope->fault_code, "%s", envelope->fault_text);
    if (fault.code != FAULT_NONE)
        finish_request (self, request, NULL, &fault);
    else
        finish_request (self, request, message, NULL);
}

/* Fault injection: the thread does nothing, as if it hung, until its host has replaced it. */
static void
hang (actor_t *self, int64_t ms)
{
    LOG_WARNING ("Actor hangs by fault injection actor=%s ms=%lld", self->seed->name,
                 (long long) ms);
    const struct timespec step = { .tv_nsec = 10 * NS_PER_MS };
    int64_t end = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end && !atomic_load (&self->seed->is_abandoned))
        nanosleep (&step, NULL);
    if (atomic_load (&self->seed->is_abandoned))
        self->is_ending = true;
}

static const actor_handler_t *
find_handler (const actor_t *self, message_id_t type)
{
    for (const actor_handler_t *row = self->seed->class->handlers; row && row->handle; row++)
        if (row->type == type)
            return row;
    return NULL;
}

static double
seconds_of (int64_t ns)
{
    return (double) ns / (double) NS_PER_S;
}

/* Calls the handler, and counts how long the message waited and how long handling it took. */
static int
handle_timed (const actor_t *self, const actor_handler_t *row, const message_t *message,
              fault_t *fault)
{
    const char *class = self->seed->class->name;
    int64_t begun = clock_now_ns();
    int result = row->handle (self->state, message, fault);
    metric_observe (METRIC_CUBELET_MESSAGE_WAIT_SECONDS, seconds_of (begun - message->sent_ns),
                    LABELS (class));
    metric_observe (METRIC_CUBELET_MESSAGE_HANDLING_SECONDS, seconds_of (clock_now_ns() - begun),
                    LABELS (class));
    return result;
}

static void
call_handler (actor_t *self, const message_t *message)
{
    const actor_handler_t *row = find_handler (self, message->type);
    fault_t fault = { 0 };
    if (!row && !message->wants_reply)
        return; // broadcasts reach actors that have no use for them
    if (!row)
        fault_set (&fault, FAULT_UNIMPLEMENTED, "%s does not take %s", self->seed->name,
                   message_name (message->type));
    else if (handle_timed (self, row, message, &fault) == 0)
        return;
    if (message->wants_reply)
        actor_reply_fault (self, message, &fault);
    else
        LOG_ERROR ("Message not handled actor=%s type=%s from=%s err=%s", self->seed->name,
                   message_name (message->type), message->from, fault.text);
}

static void
dispatch (actor_t *self, const envelope_t *envelope, const message_t *message)
{
    if (envelope->re)
        take_reply (self, envelope, message);
    else if (message->type == MSG_ACTOR_DOWN) {
        fail_requests_to (self, node_get_text (message->body, "name", ""),
                          node_get_int (message->body, "at", 0));
        call_handler (self, message); // of the few that keep something for others
    }
    else if (message->type == MSG_ACTOR_KILL)
        actor_fail (self, &(fault_t){ FAULT_ABORTED, "killed by fault injection" });
    else if (message->type == MSG_ACTOR_HANG)
        hang (self, node_get_int (message->body, "ms", 0));
    else
        call_handler (self, message);
}

static int
handle_frames (actor_t *self, zmsg_t *frames, fault_t *fault)
{
    envelope_t envelope;
    OWNED (tree_destroy) tree_t *head = envelope_unpack (zmsg_first (frames), &envelope, fault);
    if (!head)
        return -1;
    OWNED (tree_destroy) tree_t *body = body_unpack (zmsg_next (frames), fault);
    if (!body)
        return fault_wrap (fault, "%s from %s", envelope.type, envelope.from);
    message_t message = {
        .from = envelope.from,
        .to = envelope.to,
        .type = message_find (envelope.type),
        .id = envelope.id,
        .re = envelope.re,
        .wants_reply = envelope.wants_reply,
        .sent_ns = envelope.sent_ns,
        .body = tree_root (body),
    };
    if (message.type == MESSAGE_COUNT)
        return fault_set (fault, FAULT_INVALID, "unknown type %s from %s", envelope.type,
                          envelope.from);
    dispatch (self, &envelope, &message);
    return 0;
}

void
actor_receive (actor_t *self, int limit)
{
    while (limit-- > 0 && !self->is_ending && (zsock_events (self->bus) & ZMQ_POLLIN)) {
        OWNED (zmsg_destroy) zmsg_t *frames = zmsg_recv (self->bus);
        if (!frames)
            return;
        SANITIZER_ACQUIRE();
        fault_t fault = { 0 };
        if (handle_frames (self, frames, &fault) < 0)
            LOG_ERROR ("Message dropped actor=%s err=%s", self->seed->name, fault.text);
    }
}

void
actor_fail (actor_t *self, const fault_t *fault)
{
    if (!self->down_reason)
        self->down_reason = text_copy (fault->text);
    self->is_ending = true;
}

void
actor_end (actor_t *self)
{
    self->is_ending = true;
}
