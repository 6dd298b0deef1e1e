/* grpc_wire.h - what gRPC puts on the wire, without any socket: addresses, deadlines, and a reply
   that is put together from headers and pieces of body. Private to common/net/grpc*.c. */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// ---- addresses ----

typedef struct {
    struct sockaddr_storage socket;
    socklen_t size;
    char text[160];      // as Go writes it: "unix /run/x.sock", "tcp 10.0.0.1:80"
    char authority[160]; // the default for :authority
} grpc_address_t;

/* Reads "unix:///PATH", "/PATH" or "ADDRESS:PORT". Returns 0, or -1 with FAULT_INVALID. */
int grpc_address_read (const char *endpoint, grpc_address_t *out, fault_t *fault);

/* Sets FAULT_UNAVAILABLE as Go words a failed connect: connection error: desc = "transport: Error
   while dialing: dial unix /x.sock: connect: connection refused". Returns -1. */
int grpc_dial_fault (const grpc_address_t *address, int error_number, fault_t *fault);

/* Sets FAULT_UNAVAILABLE connection error: desc = "WHAT". Returns -1. */
int grpc_connection_fault (const char *what, fault_t *fault);

// ---- times ----

#define GRPC_TIMEOUT_TEXT_MAX 24

/* Writes a grpc-timeout header's value: at most 8 digits and a unit, rounded up. */
void grpc_timeout_text (int64_t timeout_ms, char out[static GRPC_TIMEOUT_TEXT_MAX]);

/* How long to wait before connecting again after `failures` (1, 2, ...) in a row: 100 ms growing by
   1.6 up to 3 s, times 0.8 to 1.2 as `random` says (reference/cri.md 1.1). */
int64_t grpc_backoff_ms (unsigned failures, uint32_t random);

// ---- a reply ----

typedef struct {
    int http_status;    // 0: no :status yet
    int64_t status;     // grpc-status; -1: none came
    char *message;      // grpc-message, percent-decoded; NULL: none came
    char *strange_type; // a content-type that is not gRPC's, or NULL
    bool is_stream;     // any number of messages may come
    uint8_t *bytes;     // body received and not taken yet
    size_t size;
    size_t room;
    size_t taken; // of `bytes`, by grpc_reply_next
} grpc_reply_t;

/* Makes it empty; what it held is freed. */
void grpc_reply_reset (grpc_reply_t *reply);

/* Takes a header or trailer field; unknown ones are ignored. */
void grpc_reply_header (grpc_reply_t *reply, const char *name, const char *value, size_t size);

/* Takes a piece of body. Returns 0, or -1 when the server broke the rules: FAULT_EXHAUSTED for a
   message beyond GRPC_RECEIVE_LIMIT_BYTES, FAULT_INTERNAL for a compressed message and for a second
   one in a unary call. */
int grpc_reply_body (grpc_reply_t *reply, const uint8_t *bytes, size_t size, fault_t *fault);

/* The next whole message, or false. It is valid until the next grpc_reply_body. */
bool grpc_reply_next (grpc_reply_t *reply, const uint8_t **bytes_p, size_t *size_p);

/* Judges the reply of a closed stream; `reset_code` is that of the RST_STREAM, 0 for an orderly
   end. Returns 0 when the call succeeded, or -1 with the fault. */
int grpc_reply_verdict (const grpc_reply_t *reply, uint32_t reset_code, fault_t *fault);
