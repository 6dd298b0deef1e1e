/* tap.h - what the bus shows of its messages to kubelet-tap.

   Each message is published as three frames: the type's text (so that subscriptions filter by
   prefix), a msgpack map {from to type id re sent now outcome fault?} and the body. `outcome` is
   delivered, undeliverable, full, or what a fault rule did: dropped, delayed, duplicated, failed.
   Values of environment variables, Secrets and credentials are masked before they leave. */
#pragma once
#include "cubelet/envelope.h"
#include <czmq.h>
#include <stdbool.h>

typedef struct tap tap_t;

/* Binds an XPUB socket. Owned; NULL with FAULT_UNAVAILABLE. */
tap_t *tap_new (const char *endpoint, fault_t *fault);
void tap_destroy (tap_t **self_p);

/* The socket, to be polled for subscriptions; borrowed. */
zsock_t *tap_socket (tap_t *self);

/* Takes one subscription or its end from the socket. Returns true when it was one to exactly
   `actor.list`: a tap that wants to know who runs. The bus then asks the supervisor, and the answer
   passes the tap like any message; subscribing again asks again. */
bool tap_read (tap_t *self);

/* True while somebody subscribes to anything. */
bool tap_is_attached (const tap_t *self);

/* Publishes one message. Call only while attached. */
void tap_publish (tap_t *self, const envelope_t *envelope, zframe_t *body, const char *outcome);

/* A root-only ipc socket: makes its directory (0700) before binding, and the socket 0600. Returns
   0, or -1 with FAULT_UNAVAILABLE. Other transports are bound as they are. */
int bind_for_root (zsock_t *socket, const char *endpoint, fault_t *fault);
