/* grpc_connection.h - one HTTP/2 connection of a gRPC channel: a socket, an nghttp2 session and
   the streams on it. Private to common/net/grpc*.c.

   It tells its owner what happened through `events`. Those functions only note it: they must not
   call back into the connection, except `progress`, which comes last and may even destroy it. */
#pragma once
#include "cubelet/actor.h"
#include "grpc_wire.h"

typedef struct grpc_connection grpc_connection_t;

typedef struct {
    char *name; // both owned by the call
    char *value;
} stream_header_t;

/* What a connection needs to know of a call. */
typedef struct {
    const char *path;
    const char *authority;
    const char *user_agent;
    const stream_header_t *headers; // GRPC_HEADERS_MAX of them, unused ones without a name
    int64_t timeout_ms;             // what is left; 0: no deadline
    const uint8_t *body;            // with its prefix
    size_t body_size;
    size_t body_sent;
    int32_t id; // on this connection; 0: not on any
    grpc_reply_t reply;
} grpc_stream_t;

typedef enum {
    STREAM_CLOSED,      // look at the reply with `code`, the RST_STREAM's
    STREAM_BROKE_RULES, // `fault` says how
    STREAM_UNPROCESSED, // the server has not seen it: it may be sent again
} grpc_stream_end_t;

typedef struct {
    void (*ready) (void *owner);                             // calls may start
    void (*going_away) (void *owner, grpc_connection_t *it); // no more calls on it
    void (*stream_end) (void *owner, grpc_stream_t *stream, grpc_stream_end_t how, uint32_t code,
                        const fault_t *fault);
    void (*stream_data) (void *owner, grpc_stream_t *stream);                // its reply grew
    void (*closed) (void *owner, grpc_connection_t *it, const fault_t *why); // with all its streams
    void (*progress) (void *owner);
} grpc_connection_events_t;

/* Starts to connect. Returns an owned connection, or NULL with FAULT_UNAVAILABLE when that failed
   at once. */
grpc_connection_t *
grpc_connection_new (actor_t *actor, const grpc_address_t *address,
                     const grpc_connection_events_t *events, void *owner, fault_t *fault);

/* Closes it without any event. */
void grpc_connection_destroy (grpc_connection_t **self_p);

/* Whether calls may start on it. */
bool grpc_connection_is_ready (const grpc_connection_t *self);

/* Queues a request; it is sent by the next grpc_connection_flush. Returns 0, or -1 when this
   connection takes no more streams. */
int grpc_connection_start (grpc_connection_t *self, grpc_stream_t *stream);

/* Queues RST_STREAM (CANCEL) and forgets the stream: no more events about it. */
void grpc_connection_reset (grpc_connection_t *self, grpc_stream_t *stream);

/* Sends what is queued. Trouble is told by a later event. */
void grpc_connection_flush (grpc_connection_t *self);

/* Fails the connection from outside, as when it takes too long to connect. */
void grpc_connection_fail (grpc_connection_t *self, const fault_t *why);
