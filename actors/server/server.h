/* server.h - what the files of this actor share.

   server.c      the class: arguments, the event loop
   listener.c    one port: binding it (and again, when it is taken), its connections
   exchange.c    one request and its answer, which may come later
   routes.c      which path is served on which port, by whom
   healthz.c     /healthz and below
   pods.c        /pods
   stats.c       /stats/summary, /metrics */
#pragma once
#include "cubelet/actor.h"
#include <czmq.h>
#include <event2/event.h>
#include <event2/http.h>

/* What a port is for; a route says with these bits where it is served. */
typedef enum {
    PORT_HEALTHZ = 1 << 0,   // healthzBindAddress:healthzPort, plain
    PORT_READ_ONLY = 1 << 1, // address:readOnlyPort, plain, for everybody
} port_kind_t;

typedef struct listener listener_t;

typedef struct {
    actor_t *actor;
    struct event_base *base;
    zlistx_t *listeners; // listener_t
    zlistx_t *exchanges; // exchange_t that wait for an answer
} server_t;

// ---- listener.c ----

/* Serves on a port as soon as it can be bound: a port that is taken is tried again, and the rest of
   the agent goes on. `setting` names it in the configuration, for people. Owned. */
listener_t *listener_new (server_t *server, port_kind_t kind, const char *setting,
                          const char *address, int port);

/* Closes the port and its connections, frees *self_p and sets it to NULL. */
void listener_destroy (listener_t **self_p);

/* Lets go of connections that have ended, and accepts again when there is room; after every round
   of the event loop. */
void listener_sweep (listener_t *self);

// ---- exchange.c ----

/* A request that is being answered. */
typedef struct {
    server_t *server;
    port_kind_t port;
    struct evhttp_request *http;
    struct evhttp_connection *connection;
    uint64_t request; // to another actor, whose answer is awaited; 0: none
} exchange_t;

/* Answers one request: it calls one of exchange_reply, exchange_error or exchange_ask. */
typedef void route_fn (exchange_t *self);

/* Takes a request over and has it answered. */
void exchange_begin (server_t *server, port_kind_t port, struct evhttp_request *http);

/* Forgets the exchange of a connection that has closed, if any. */
void exchange_drop (server_t *server, const struct evhttp_connection *connection);

/* Sends the answer and ends the exchange, which is gone then. */
void exchange_reply (exchange_t *self, int status, const char *content_type, const char *body,
                     size_t size);

/* The same as Go's http.Error does it: plain text with a newline. */
void exchange_error (exchange_t *self, int status, const char *text);

/* Asks another actor; `reply` gets the exchange as its context (exchange_of_context) and has to
   answer. It is not called when the client goes away before. */
void exchange_ask (exchange_t *self, const char *actor, message_id_t type, int64_t deadline_ms,
                   actor_reply_fn *reply);
exchange_t *exchange_of_context (void *context);

/* The values of a query parameter; true when it is there at all. */
bool exchange_has_parameter (const exchange_t *self, const char *name);

/* Calls for each value of a parameter. */
typedef void parameter_fn (const char *value, void *context);
void exchange_each_parameter (const exchange_t *self, const char *name, parameter_fn *take,
                              void *context);

/* The path as it was sent. */
const char *exchange_path (const exchange_t *self);

#define TEXT_PLAIN "text/plain; charset=utf-8"

// ---- routes.c ----

/* Finds the path's route and calls it, or answers 404 or 405. */
void route_request (exchange_t *exchange);

// ---- the routes ----

route_fn serve_health;      // all checks
route_fn serve_health_ping; // all checks of the health port
route_fn serve_check_ok;    // one check that cannot fail
route_fn serve_check_syncloop;
route_fn serve_pods;
route_fn serve_stats_summary;
route_fn serve_metrics;
route_fn serve_debug_disabled;
