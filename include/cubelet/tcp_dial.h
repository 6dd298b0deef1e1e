/* tcp_dial.h - opens a TCP connection on an actor's loop, to see whether somebody listens.

   Upstream sets SO_LINGER to 1 s on such sockets, to shorten TIME-WAIT. It is not set here: on
   Linux TIME-WAIT stays at 60 s with it, and close() then blocks until the peer has acknowledged,
   even on a non-blocking socket (both measured; 8 ms over loopback). */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct tcp_dial tcp_dial_t;

/* The end, exactly once, from the loop: `fault` NULL when the connection opened. Faults have the
   text of Go's net.Dial: FAULT_DEADLINE "dial tcp 10.0.0.5:80: i/o timeout", FAULT_UNAVAILABLE
   "dial tcp 10.0.0.5:80: connect: connection refused". May call tcp_dial_destroy. */
typedef void tcp_dial_fn (void *context, const fault_t *fault);

/* True when `host` is an IPv4 or IPv6 address (with or without a zone): the only hosts that can be
   dialled without looking up a name. */
bool tcp_dial_takes (const char *host);

/* Starts connecting; the connection is closed as soon as it is open. `host` must be an address,
   else the end is FAULT_INVALID. Owned by the caller: tcp_dial_destroy, at any time. */
tcp_dial_t *tcp_dial_new (actor_t *actor, const char *host, int port, int64_t timeout_ms,
                          tcp_dial_fn *done, void *context);

/* Gives up if it is under way (`done` is not called any more), frees *self_p and sets it to NULL;
   does nothing if it is NULL already. */
void tcp_dial_destroy (tcp_dial_t **self_p);
