/* helper_grpc_server.h - a gRPC server in a thread of its own, that does what a test tells it:
   nghttp2 on a unix socket, well-behaved or not. */
#pragma once
#include "cubelet/tree.h"
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct grpc_server grpc_server_t;
typedef struct server_call server_call_t;

/* Runs in the server's thread for each whole request. It answers with the functions below, now or
   later (also the server's thread: grpc_server_run). `call` lives until its stream closes. */
typedef void serve_fn (void *context, server_call_t *call);

/* Listens on `path` (removed first). Ends the test program when it cannot. Owned. */
grpc_server_t *grpc_server_new (const char *path, serve_fn *serve, void *context);

/* Ends the thread, closes all connections, removes the socket. */
void grpc_server_destroy (grpc_server_t **self_p);

/* Runs `run` in the server's thread and waits until it has. */
void grpc_server_run (grpc_server_t *self, void (*run) (void *context), void *context);

/* Connections accepted, and calls whose stream was reset by the client, so far. Any thread. */
int grpc_server_connections (grpc_server_t *self);
int grpc_server_resets (grpc_server_t *self);

/* Waits until as many were accepted or reset; ends the test program when they do not come. */
void grpc_server_wait_connections (grpc_server_t *self, int count);
void grpc_server_wait_resets (grpc_server_t *self, int count);

// ---- manners, before a client connects (any thread) ----

/* What is written to a new connection instead of speaking HTTP/2; NULL: behave. */
void grpc_server_greet_with (grpc_server_t *self, const char *garbage);

/* Writes go out `size` bytes at a time, DATA frames hold one byte each; 0: behave. */
void grpc_server_drip (grpc_server_t *self, size_t size);

/* New connections are accepted and get no answer at all. */
void grpc_server_play_dead (grpc_server_t *self, bool is_dead);

// ---- the request ----

const char *server_call_path (const server_call_t *call);

/* A header of the request, "" when it has none. */
const char *server_call_header (const server_call_t *call, const char *name);

/* The message, without its prefix. */
const uint8_t *server_call_body (const server_call_t *call, size_t *size_p);

// ---- the answer (the server's thread) ----

/* Headers, one message, trailers with grpc-status 0. */
void server_reply (server_call_t *call, const void *bytes, size_t size);

/* The same with a message written as JSON text. */
void
server_reply_json (server_call_t *call, const ProtobufCMessageDescriptor *type, const char *json);

/* Trailers only: one HEADERS frame that ends the stream. `message` goes out as it is. */
void server_fail (server_call_t *call, const char *status, const char *message);

/* One HEADERS frame: `fields` are name, value, name, value ..., NULL. */
void server_headers (server_call_t *call, bool ends, const char *const *fields);

/* Response headers as a good server sends them. */
void server_open (server_call_t *call);

/* Body bytes as they are, and a message with its prefix. */
void server_bytes (server_call_t *call, const void *bytes, size_t size);
void server_message (server_call_t *call, const void *bytes, size_t size);
void
server_message_json (server_call_t *call, const ProtobufCMessageDescriptor *type, const char *json);

/* Ends the body, with trailers, or without when `status` is NULL. */
void server_close (server_call_t *call, const char *status);

void server_reset (server_call_t *call, uint32_t code);

/* GOAWAY: streams after `last_stream_id` count as not processed. */
void server_go_away (server_call_t *call, int32_t last_stream_id);
int32_t server_call_id (const server_call_t *call);

/* Closes the connection after what was answered so far. */
void server_hang_up (server_call_t *call);
