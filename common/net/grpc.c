#include "cubelet/grpc.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "grpc_connection.h"
#include <string.h>

// reference/cri.md 1.1
#define CONNECT_TIMEOUT_MS 5000
// A connection that held this long was a good one: its loss starts a new count of failures.
#define STABLE_MS 3000
#define PREFIX_BYTES 5

typedef struct call call_t;

typedef enum { TOLD_NOTHING, TOLD_CONNECTED, TOLD_LOST } told_t;

typedef enum { WAITING, RUNNING, ENDED } call_state_t;

struct call {
    grpc_stream_t stream; // first, so that a stream is its call
    uint64_t id;
    call_state_t state;
    grpc_t *channel;
    grpc_connection_t *connection; // while RUNNING
    char *path;
    uint8_t *body;
    stream_header_t headers[GRPC_HEADERS_MAX];
    int64_t deadline_ms; // monotonic; 0: none
    uint64_t timer;
    bool is_retried;
    fault_t *fault; // of an ENDED one that failed
    grpc_message_fn *on_message;
    grpc_done_fn *on_done;
    void *context;
    call_t *next;
};

typedef struct {
    call_t *first, **last_p; // in the order they were made
} call_list_t;

struct grpc {
    actor_t *actor; // borrowed
    grpc_options_t options;
    grpc_address_t address;
    char *authority;
    char *user_agent;
    call_list_t calls; // WAITING and RUNNING
    call_list_t ended; // their functions are to be called
    size_t call_count; // of both
    uint64_t last_id;
    grpc_connection_t *connection; // that new calls use; NULL: none
    grpc_connection_t **draining;  // old ones whose calls have not ended
    size_t draining_count;
    unsigned failures;      // in a row
    int64_t connected_at;   // monotonic ms; 0: not
    fault_t last_failure;   // of the connection
    uint64_t step_timer;    // step soon
    uint64_t connect_timer; // while connecting: too late then
    uint64_t backoff_timer; // while waiting to connect again: calls fail at once
    bool is_wanted;         // a call came while we waited
    bool has_messages;      // some stream has got data
    told_t told;            // to on_state, last
    bool is_stepping;
    bool is_destroyed; // by one of its own callbacks
    uint32_t random;   // xorshift state, for jitter
};

// ---- lists of calls ----

static void
list_append (call_list_t *list, call_t *call)
{
    if (!list->first)
        list->last_p = &list->first;
    call->next = NULL;
    *list->last_p = call;
    list->last_p = &call->next;
}

static void
list_remove (call_list_t *list, const call_t *call)
{
    for (call_t **at_p = &list->first; *at_p; at_p = &(*at_p)->next) {
        if (*at_p != call)
            continue;
        *at_p = call->next;
        if (!call->next)
            list->last_p = at_p;
        return;
    }
}

static void
call_destroy (call_t **self_p)
{
    call_t *self = *self_p;
    actor_timer_cancel (self->channel->actor, &self->timer);
    grpc_reply_reset (&self->stream.reply);
    for (size_t i = 0; i < GRPC_HEADERS_MAX; i++) {
        free (self->headers[i].name);
        free (self->headers[i].value);
    }
    free (self->path);
    free (self->body);
    free (self->fault);
    free (self);
    *self_p = NULL;
}

/* Ends a call; its function is called by the next step, which the caller has to see to. `fault`
   NULL: success. */
static void
end_call (call_t *call, const fault_t *fault)
{
    grpc_t *self = call->channel;
    if (call->state == RUNNING && call->stream.id)
        grpc_connection_reset (call->connection, &call->stream);
    call->connection = NULL;
    call->state = ENDED;
    actor_timer_cancel (self->actor, &call->timer);
    if (fault) {
        call->fault = memory_new (1, sizeof *call->fault);
        *call->fault = *fault;
    }
    list_remove (&self->calls, call);
    list_append (&self->ended, call);
}

static void
end_call_with (call_t *call, fault_code_t code, const char *text)
{
    fault_t fault = { 0 };
    fault_set (&fault, code, "%s", text);
    end_call (call, &fault);
}

// ---- what connections tell ----

static void
on_ready (void *owner)
{
    grpc_t *self = owner;
    self->connected_at = clock_monotonic_ms();
    actor_timer_cancel (self->actor, &self->connect_timer);
}

static void connect_again (grpc_t *self, const fault_t *why);

static void
on_going_away (void *owner, grpc_connection_t *connection)
{
    grpc_t *self = owner;
    fault_t fault = { 0 };
    if (connection != self->connection)
        return;
    self->draining =
        memory_grow (self->draining, self->draining_count + 1, sizeof (grpc_connection_t *));
    self->draining[self->draining_count++] = connection;
    grpc_connection_fault ("the server is going away", &fault);
    connect_again (self, &fault);
}

static void
on_stream_end (void *owner, grpc_stream_t *stream, grpc_stream_end_t how, uint32_t code,
               const fault_t *broken)
{
    (void) owner;
    call_t *call = (call_t *) stream;
    fault_t fault = { 0 };
    if (how == STREAM_BROKE_RULES)
        end_call (call, broken);
    else if (how == STREAM_UNPROCESSED && !call->is_retried) {
        call->is_retried = true;
        call->state = WAITING;
        call->connection = NULL;
        grpc_reply_reset (&stream->reply);
    }
    else if (how == STREAM_UNPROCESSED)
        end_call_with (call, FAULT_UNAVAILABLE, "the server refused the stream");
    else
        end_call (call, grpc_reply_verdict (&stream->reply, code, &fault) < 0 ? &fault : NULL);
}

static void
on_stream_data (void *owner, grpc_stream_t *stream)
{
    if (((call_t *) stream)->on_message)
        ((grpc_t *) owner)->has_messages = true;
}

static void
on_closed (void *owner, grpc_connection_t *connection, const fault_t *why)
{
    grpc_t *self = owner;
    for (call_t *call = self->calls.first, *next; call; call = next) {
        next = call->next;
        if (call->connection != connection)
            continue;
        call->stream.id = 0; // there is nobody to reset it with
        end_call (call, why);
    }
    if (connection == self->connection)
        connect_again (self, why);
    for (size_t i = 0; i < self->draining_count; i++)
        if (self->draining[i] == connection)
            self->draining[i] = self->draining[--self->draining_count];
    grpc_connection_destroy (&connection);
}

static void step (void *owner);

static const grpc_connection_events_t EVENTS = {
    .ready = on_ready,
    .going_away = on_going_away,
    .stream_end = on_stream_end,
    .stream_data = on_stream_data,
    .closed = on_closed,
    .progress = step,
};

// ---- connecting ----

static uint32_t
next_random (grpc_t *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 17;
    self->random ^= self->random << 5;
    return self->random;
}

static void
on_backoff_over (void *actor_state, void *context)
{
    (void) actor_state;
    grpc_t *self = context;
    self->backoff_timer = 0;
    step (self);
}

/* After a loss or a failed connect: there is no connection now, and a new one may be made at once
   or after a wait. One that stood long, or the first one that did not, may be replaced at once. */
static void
connect_again (grpc_t *self, const fault_t *why)
{
    bool was_connected = self->connected_at != 0;
    if (was_connected && clock_monotonic_ms() - self->connected_at >= STABLE_MS)
        self->failures = 0;
    bool has_to_wait = !was_connected || self->failures > 0;
    self->failures++;
    self->connection = NULL;
    self->connected_at = 0;
    self->last_failure = *why;
    self->is_wanted = false;
    actor_timer_cancel (self->actor, &self->connect_timer);
    if (has_to_wait)
        self->backoff_timer =
            actor_timer (self->actor, grpc_backoff_ms (self->failures, next_random (self)),
                         on_backoff_over, self);
}

static void
on_connect_timeout (void *actor_state, void *context)
{
    (void) actor_state;
    grpc_t *self = context;
    fault_t fault = { 0 };
    self->connect_timer = 0;
    fault_set (&fault, FAULT_UNAVAILABLE,
               "connection error: desc = \"transport: Error while dialing: dial %s: i/o timeout\"",
               self->address.text);
    grpc_connection_fail (self->connection, &fault);
    step (self);
}

static void
connect_now (grpc_t *self)
{
    fault_t fault = { 0 };
    self->is_wanted = false;
    self->connection = grpc_connection_new (self->actor, &self->address, &EVENTS, self, &fault);
    if (self->connection)
        self->connect_timer =
            actor_timer (self->actor, CONNECT_TIMEOUT_MS, on_connect_timeout, self);
    else
        connect_again (self, &fault);
}

static void
on_step (void *actor_state, void *context)
{
    (void) actor_state;
    grpc_t *self = context;
    self->step_timer = 0;
    step (self);
}

static void
step_soon (grpc_t *self)
{
    if (!self->step_timer)
        self->step_timer = actor_timer (self->actor, 0, on_step, self);
}

// ---- calls that wait ----

/* What is left until the deadline: 0 none, else at least 1. */
static int64_t
time_left (const call_t *call)
{
    if (!call->deadline_ms)
        return 0;
    int64_t left = call->deadline_ms - clock_monotonic_ms();
    return left > 0 ? left : 1;
}

/* Puts a waiting call on the connection. Returns false when that takes no more. */
static bool
start_call (grpc_t *self, call_t *call)
{
    call->stream.timeout_ms = time_left (call);
    if (grpc_connection_start (self->connection, &call->stream) < 0)
        return false;
    call->state = RUNNING;
    call->connection = self->connection;
    return true;
}

static void
start_calls (grpc_t *self)
{
    for (call_t *call = self->calls.first; call; call = call->next) {
        if (call->state == WAITING && !start_call (self, call)) {
            on_going_away (self, self->connection); // its stream ids are used up
            step_soon (self);
            return;
        }
    }
}

static void
fail_waiting (grpc_t *self)
{
    for (call_t *call = self->calls.first, *next; call; call = next) {
        next = call->next;
        if (call->state == WAITING) {
            self->is_wanted = true;
            end_call (call, &self->last_failure);
        }
    }
}

static bool
has_waiting (const grpc_t *self)
{
    for (const call_t *call = self->calls.first; call; call = call->next)
        if (call->state == WAITING)
            return true;
    return false;
}

/* Moves calls on as far as the connection's state lets them. */
static void
advance (grpc_t *self)
{
    if (!self->connection && !self->backoff_timer
        && (self->options.keep_connected || self->is_wanted || has_waiting (self)))
        connect_now (self);
    if (self->backoff_timer)
        fail_waiting (self);
    else if (self->connection && grpc_connection_is_ready (self->connection))
        start_calls (self);
    // each may close its connection, which takes it out of where it stands
    for (size_t i = self->draining_count; i > 0; i--)
        grpc_connection_flush (self->draining[i - 1]);
    if (self->connection)
        grpc_connection_flush (self->connection);
}

// ---- telling ----

/* The first failed connect is news too, the next ones are not. */
static bool
tell_state (grpc_t *self)
{
    told_t state = grpc_is_connected (self) ? TOLD_CONNECTED
                   : self->failures == 0    ? TOLD_NOTHING
                                            : TOLD_LOST;
    if (!self->options.on_state || state == self->told || state == TOLD_NOTHING)
        return false;
    self->told = state;
    self->options.on_state (self->options.context, state == TOLD_CONNECTED,
                            state == TOLD_CONNECTED ? NULL : &self->last_failure);
    return true;
}

static bool
tell_message (call_t *call)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    if (!call->on_message || !grpc_reply_next (&call->stream.reply, &bytes, &size))
        return false;
    call->on_message (call->context, bytes, size);
    return true;
}

static bool
tell_messages (grpc_t *self)
{
    if (!self->has_messages)
        return false;
    for (call_t *call = self->calls.first; call; call = call->next)
        if (tell_message (call))
            return true; // the list may have changed
    self->has_messages = false;
    return false;
}

static bool
tell_end (grpc_t *self)
{
    call_t *call = self->ended.first;
    if (!call)
        return false;
    if (tell_message (call))
        return true;
    list_remove (&self->ended, call);
    self->call_count--;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    if (!call->fault && !call->on_message)
        grpc_reply_next (&call->stream.reply, &bytes, &size);
    call->on_done (call->context, bytes, size, call->fault);
    call_destroy (&call);
    return true;
}

static void
list_clear (call_list_t *list)
{
    while (list->first) {
        call_t *call = list->first;
        list_remove (list, call);
        call_destroy (&call);
    }
}

static void
destroy (grpc_t *self)
{
    list_clear (&self->calls);
    list_clear (&self->ended);
    grpc_connection_destroy (&self->connection);
    for (size_t i = 0; i < self->draining_count; i++)
        grpc_connection_destroy (&self->draining[i]);
    free (self->draining);
    actor_timer_cancel (self->actor, &self->step_timer);
    actor_timer_cancel (self->actor, &self->connect_timer);
    actor_timer_cancel (self->actor, &self->backoff_timer);
    free (self->authority);
    free (self->user_agent);
    free (self);
}

/* Moves everything on, then tells what is to be told. What the functions told ask for in turn
   waits for the next step, so that nobody keeps the loop for himself. */
static void
step (void *owner)
{
    grpc_t *self = owner;
    self->is_stepping = true;
    actor_timer_cancel (self->actor, &self->step_timer);
    advance (self);
    while (!self->is_destroyed && (tell_state (self) || tell_messages (self) || tell_end (self)))
        ;
    self->is_stepping = false;
    if (self->is_destroyed)
        destroy (self);
}

// ---- the public functions ----

grpc_t *
grpc_new (actor_t *actor, const grpc_options_t *options, fault_t *fault)
{
    grpc_address_t address;
    if (grpc_address_read (options->endpoint, &address, fault) < 0)
        return NULL;
    grpc_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->options = *options;
    self->options.endpoint = self->options.authority = self->options.user_agent = NULL;
    if (!self->options.calls_max)
        self->options.calls_max = GRPC_CALLS_MAX;
    self->address = address;
    self->authority = text_copy (options->authority ? options->authority : address.authority);
    self->user_agent = text_copy (options->user_agent ? options->user_agent : GRPC_USER_AGENT);
    self->random = (uint32_t) clock_now_ns() | 1;
    if (options->keep_connected)
        step_soon (self);
    return self;
}

void
grpc_destroy (grpc_t **self_p)
{
    grpc_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    self->is_destroyed = true;
    if (!self->is_stepping)
        destroy (self);
}

static void
on_deadline (void *actor_state, void *context)
{
    (void) actor_state;
    call_t *call = context;
    call->timer = 0;
    end_call_with (call, FAULT_DEADLINE, "context deadline exceeded");
    step (call->channel);
}

static call_t *
new_call (grpc_t *self, const grpc_call_t *from)
{
    call_t *call = memory_new (1, sizeof *call);
    call->channel = self;
    call->id = ++self->last_id;
    call->path = text_copy (from->path);
    call->body = memory_new (PREFIX_BYTES + from->size, 1);
    for (size_t i = 0; i < 4; i++)
        call->body[1 + i] = (uint8_t) (from->size >> (24 - 8 * i));
    if (from->size)
        memcpy (call->body + PREFIX_BYTES, from->bytes, from->size);
    for (size_t i = 0; from->headers && from->headers[i].name && i < GRPC_HEADERS_MAX; i++)
        call->headers[i] = (stream_header_t){ text_copy (from->headers[i].name),
                                              text_copy (from->headers[i].value) };
    call->on_message = from->on_message;
    call->on_done = from->on_done;
    call->context = from->context;
    call->stream = (grpc_stream_t){
        .path = call->path,
        .authority = self->authority,
        .user_agent = self->user_agent,
        .headers = call->headers,
        .body = call->body,
        .body_size = PREFIX_BYTES + from->size,
        .reply = { .status = -1, .is_stream = from->on_message != NULL },
    };
    return call;
}

uint64_t
grpc_call (grpc_t *self, const grpc_call_t *from)
{
    call_t *call = new_call (self, from);
    list_append (&self->calls, call);
    step_soon (self);
    if (++self->call_count > self->options.calls_max) {
        fault_t fault = { 0 };
        fault_set (&fault, FAULT_EXHAUSTED, "more than %zu calls wait for %s",
                   self->options.calls_max, self->address.text);
        end_call (call, &fault);
    }
    else if (from->timeout_ms < 0)
        end_call_with (call, FAULT_DEADLINE, "context deadline exceeded");
    else if (from->timeout_ms) {
        call->deadline_ms = clock_monotonic_ms() + from->timeout_ms;
        call->timer = actor_timer (self->actor, from->timeout_ms, on_deadline, call);
    }
    return call->id;
}

static call_t *
find_call (const call_list_t *list, uint64_t id)
{
    call_t *call = list->first;
    while (call && call->id != id)
        call = call->next;
    return call;
}

void
grpc_cancel (grpc_t *self, uint64_t id)
{
    call_t *call = find_call (&self->calls, id);
    call_list_t *list = call ? &self->calls : &self->ended;
    if (!call)
        call = find_call (&self->ended, id);
    if (!call)
        return;
    if (call->state == RUNNING)
        grpc_connection_reset (call->connection, &call->stream);
    list_remove (list, call);
    call_destroy (&call);
    self->call_count--;
    step_soon (self); // the reset has to go out
}

bool
grpc_is_connected (const grpc_t *self)
{
    return self->connection && grpc_connection_is_ready (self->connection);
}

size_t
grpc_call_count (const grpc_t *self)
{
    return self->call_count;
}
