/* bus.h - the one place that every message crosses: routed by name, counted, tapped, faulted.

   The bus never blocks: a message to nobody, or to an actor whose queue is full, goes back to its
   sender as MSG_BUS_UNDELIVERABLE; an Event to nobody is tried again for ten seconds. It looks into
   envelopes only; bodies pass unread, unless a tap is attached. */
#pragma once
#include "cubelet/fault.h"
#include <czmq.h>

typedef struct {
    const char *endpoint;       // inproc://..., where actors connect
    const char *tap_endpoint;   // ipc://..., where taps subscribe; NULL: none
    const char *fault_endpoint; // ipc://..., where fault rules come from; NULL: none
    int64_t heartbeat_ms;       // how often "ALIVE" is said over the pipe
} bus_config_t;

/* Binds the sockets and starts the bus in a thread of its own. ipc sockets can be used by root
   only: their directory is made (mode 0700) and they get mode 0600. Over its pipe the bus says
   "ALIVE"; czmq's signal says that it has ended. Returns an owned zactor (zactor_destroy), or
   NULL with FAULT_UNAVAILABLE naming the endpoint. */
zactor_t *bus_new (const bus_config_t *config, fault_t *fault);
