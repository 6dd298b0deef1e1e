/* helper_api_server.h - an API server played by the test: HTTP/1.1 on loopback, whose requests the
   test takes one by one and answers as it likes, in pieces, wrongly, or not at all.

   A connection serves one request after the other; one whose answer was a stream or broken is
   closed. Everything here ends the test program with a message when it fails or waits longer than
   PEER_DEADLINE_MS. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct api_server api_server_t;

/* Borrowed from the server, which frees it. */
typedef struct {
    char *method;
    char *target;  // path and query
    char *head;    // all header lines
    char *body;    // "" for none
    size_t number; // of the request, from 0
    int fd;
    bool is_open; // nothing was answered yet, or a stream is under way
    bool is_taken;
} api_request_t;

/* Serves on a free port of 127.0.0.1. */
api_server_t *api_server_new (void);
void api_server_destroy (api_server_t **self_p);

int api_server_port (const api_server_t *self);

/* Requests received so far. */
size_t api_server_count (api_server_t *self);

/* Writes a kubeconfig for this server; `user` are the lines of its user, "token: abc", or NULL.
   Borrowed path, removed with the server. */
const char *api_server_kubeconfig (api_server_t *self, const char *user);

/* The next request whose "METHOD TARGET" begins with `start`; others stay for later calls. */
api_request_t *api_expect (api_server_t *self, const char *start);

/* The same within `wait_ms`, or NULL. */
api_request_t *api_next (api_server_t *self, const char *start, int wait_ms);

/* The value of a header, NULL for none; borrowed until the next call. */
const char *api_header (const api_request_t *request, const char *name);

/* A complete answer; `headers` are lines that end with "\r\n", or NULL. */
void api_answer (api_request_t *request, int status, const char *headers, const char *body);

/* An answer 200 in pieces. */
void api_stream_begin (api_request_t *request);
void api_stream_send (api_request_t *request, const char *text);
void api_stream_end (api_request_t *request);

/* Bytes as they stand; then the connection's end, by a reset or not. */
void api_send_raw (api_request_t *request, const char *text);
void api_hang_up (api_request_t *request, bool is_reset);

/* True when the client has closed this request's connection, waited for up to `wait_ms`. */
bool api_is_closed (const api_request_t *request, int wait_ms);
