/* helper_http_server.h - a small HTTP server on loopback whose paths misbehave in known ways.

     /ok            200 "hello"
     /echo          200 with the head of the request as body
     /status/N      status N, body "N"
     /redirect/N    302 to /redirect/N-1, the last one is /ok's answer
     /loop          302 to itself
     /away          302 to a host of another name, body "elsewhere"
     /nowhere       302 without a Location
     /big           200 with BIG_BYTES of "x"
     /half          promises 100 bytes, sends 10, closes
     /stall         promises 100 bytes, sends 10, and no more
     /silent        nothing at all
     /hangup        closes without a word
     /reset         resets the connection
     /garbage       "SSH-2.0-x\r\n"
     other          404 */
#pragma once
#include <stdbool.h>

#define BIG_BYTES 1000000

typedef struct http_server http_server_t;

/* Serves on a free port of 127.0.0.1. Ends the test program when it cannot. */
http_server_t *http_server_new (void);

/* Ends it with all its connections. */
void http_server_destroy (http_server_t **self_p);

int http_server_port (const http_server_t *self);

/* Connections accepted so far. */
int http_server_count (const http_server_t *self);

/* A port of 127.0.0.1 on which nobody listens. */
int unused_port (void);
