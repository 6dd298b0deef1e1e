/* stream_options.h - what exec, attach and port-forward ask of the runtime.
   Source: reference/node-and-server.md 4.2. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/url_query.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    bool stdin, stdout, stderr, tty;
} stream_options_t;

/* Reads input, output, error and tty ("1": yes); a terminal has no stderr of its own. 0, or -1 with
   FAULT_INVALID when no stream is wanted. */
int stream_options_read (const url_query_t *query, stream_options_t *out, fault_t *fault);

#define FORWARD_PORTS_MAX 64

typedef struct {
    uint16_t ports[FORWARD_PORTS_MAX];
    size_t count;
} forward_ports_t;

/* Reads the ports of a WebSocket request, "port=80&port=81,82". 0, or -1 with FAULT_INVALID. */
int forward_ports_read (const url_query_t *query, forward_ports_t *out, fault_t *fault);

/* True when the headers (NULL: absent) ask to change the protocol; and to a WebSocket. */
bool is_upgrade (const char *connection, const char *upgrade);
bool is_websocket (const char *connection, const char *upgrade);

// ---- what the runtime's streaming server answers ----

/* The head of an HTTP answer. */
typedef struct {
    int status;             // 101
    size_t size;            // of the head, its empty line included
    size_t content_length;  // 0 when there is none
    char content_type[128]; // "" when there is none
} stream_head_t;

/* Reads it from the first bytes. 1; 0 when it is not complete; -1 with FAULT_INVALID when it is
   none. */
int stream_head_read (const char *bytes, size_t size, stream_head_t *out, fault_t *fault);
