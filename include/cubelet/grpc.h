/* grpc.h - a gRPC client on an actor's loop (reference/cri.md 1).

   A channel is one cleartext HTTP/2 connection, over a unix socket or TCP, that carries any number
   of calls, unary or server-streaming. It connects when the first call wants it and again, with
   backoff, after it was lost. Calls made while it waits out a failed connect fail at once, as with
   Go's client. Bodies are protobuf bytes; what they mean is the caller's.

   Nothing blocks, and no callback runs inside grpc_call or grpc_cancel: they run from the loop.
   A callback may call any function here, grpc_destroy included. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct grpc grpc_t;

#define GRPC_RECEIVE_LIMIT_BYTES (16U << 20) // of one message, as the kubelet's
#define GRPC_CALLS_MAX 4096
#define GRPC_USER_AGENT "grpc-c-cubelet/" CUBELET_VERSION

/* `state` of the connection, told by grpc_state_fn: connected (the server's SETTINGS have come),
   or gone with the reason. */
typedef void grpc_state_fn (void *context, bool is_connected, const fault_t *why);

typedef struct {
    const char *endpoint;    // "unix:///PATH", a bare "/PATH", or "ADDRESS:PORT" ("[::1]:80")
    const char *authority;   // NULL: "localhost" for unix, else the endpoint
    const char *user_agent;  // NULL: GRPC_USER_AGENT
    bool keep_connected;     // connect at once, and again after a loss, without a call that asks
    size_t calls_max;        // unfinished ones, more end with FAULT_EXHAUSTED; 0: GRPC_CALLS_MAX
    grpc_state_fn *on_state; // or NULL
    void *context;           // for on_state
} grpc_options_t;

/* Makes a channel on `actor`'s loop; connects later. Texts are copied. Returns an owned channel,
   or NULL with FAULT_INVALID for an endpoint of another form (host names are none: looking them
   up would block). Belongs to the actor's thread. */
grpc_t *grpc_new (actor_t *actor, const grpc_options_t *options, fault_t *fault);

/* Closes the connection, forgets all calls (their functions are not called any more), frees
 *self_p and sets it to NULL. */
void grpc_destroy (grpc_t **self_p);

typedef struct {
    const char *name;
    const char *value;
} grpc_header_t;

/* One message of a server-streaming call; borrowed. */
typedef void grpc_message_fn (void *context, const uint8_t *bytes, size_t size);

/* The end of a call, exactly once: `fault` NULL with the reply's bytes (none for streams), or the
   fault. Its text is the server's grpc-message alone. Faults made here:
     FAULT_UNAVAILABLE  no connection, or it broke ("connection error: desc = ..." as Go says)
     FAULT_DEADLINE     "context deadline exceeded"
     FAULT_EXHAUSTED    the message is too large, or too many calls wait
     FAULT_INTERNAL, FAULT_UNKNOWN and others: the server broke the protocol or reset the stream */
typedef void grpc_done_fn (void *context, const uint8_t *bytes, size_t size, const fault_t *fault);

typedef struct {
    const char *path; // "/runtime.v1.RuntimeService/Version"
    const void *bytes;
    size_t size;
    int64_t timeout_ms;           // 0: none; less than 0: over already
    const grpc_header_t *headers; // more metadata, up to GRPC_HEADERS_MAX, lower case; ends with a
                                  // NULL name; or NULL
    grpc_message_fn *on_message;  // NULL: a unary call
    grpc_done_fn *on_done;
    void *context;
} grpc_call_t;

#define GRPC_HEADERS_MAX 4

/* Starts a call; everything in `call` is copied. Returns its id, never 0. */
uint64_t grpc_call (grpc_t *self, const grpc_call_t *call);

/* Ends a call: its stream is reset and its functions are not called any more. Unknown and finished
   ones do nothing. */
void grpc_cancel (grpc_t *self, uint64_t id);

/* Whether the connection stands. */
bool grpc_is_connected (const grpc_t *self);

/* Unfinished calls, waiting ones included. */
size_t grpc_call_count (const grpc_t *self);
