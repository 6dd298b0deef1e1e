/* logind.h - hears from systemd-logind that the machine goes down, and holds that up for a while:
   a "delay" inhibitor lock, over D-Bus, on an actor's loop (sd-bus, of the libsystemd that the
   program is linked with for sd_notify). https://systemd.io/INHIBITOR_LOCKS/

   It connects to the system bus (DBUS_SYSTEM_BUS_ADDRESS, or /run/dbus/system_bus_socket), sees to
   it that logind waits for as long as asked, takes the lock and waits for PrepareForShutdown. What
   fails, or is lost later, is tried again; it is logged once. */
#pragma once
#include "cubelet/actor.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct logind logind_t;

/* The machine goes down, until logind_release at most; or does not after all (false). It may be
   said again, after another connection to the bus. */
typedef void logind_fn (void *context, bool is_shutting_down);

typedef struct {
    int64_t delay_s;      // how long it is to wait at most
    const char *conf_dir; // where to tell it so: /etc/systemd/logind.conf.d
    logind_fn *on_shutdown;
    void *context;
} logind_options_t;

/* Starts; the texts are copied. Owned. */
logind_t *logind_new (actor_t *actor, const logind_options_t *options);

/* Gives the lock back and frees *self_p; does nothing if it is NULL already. */
void logind_destroy (logind_t **self_p);

/* Gives the lock back: the shutdown goes on. It is taken again when the shutdown is called off. */
void logind_release (logind_t *self);
