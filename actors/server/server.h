/* server.h - what the files of this actor share.

   server.c          the class: arguments, the event loop
   settings.c        the arguments
   listener.c        one port: binding it (and again, when it is taken), its connections
   listen_socket.c   the bound socket of an address, or of a path
   exchange.c        one request and its answer, which may come later
   access.c          who asks, and whether they may
   routes.c          which path is served on which port, by whom
   give_back.c       memory after a crowd has gone
   healthz.c, pods.c, ...   what is served */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/lru.h"
#include "cubelet/node_access.h"
#include "cubelet/tls_server.h"
#include "cubelet/url_query.h"
#include <czmq.h>
#include <event2/event.h>
#include <event2/http.h>

/* What a port is for; a route says with these bits where it is served. */
typedef enum {
    PORT_HEALTHZ = 1 << 0,   // healthzBindAddress:healthzPort, plain
    PORT_READ_ONLY = 1 << 1, // address:readOnlyPort, plain, for everybody
    PORT_SECURE = 1 << 2,    // address:port, TLS, for who may
    PORT_LOCAL = 1 << 3,     // a socket in the file system, for root
} port_kind_t;

typedef struct listener listener_t;
typedef struct exchange exchange_t;

// ---- settings.c ----

/* The actor's arguments, by the same names (launch.c: server_args). Texts are borrowed from them;
   0 or NULL: not served. */
typedef struct {
    const char *node_name;
    text_list_t host_ips;
    const char *healthz_address, *read_only_address, *secure_address;
    int64_t healthz_port, read_only_port, secure_port;
    const char *socket_path;
    const char *tls_certificate_file, *tls_key_file, *client_ca_file, *tls_min_version;
    text_list_t tls_cipher_suites;
    bool make_certificate; // when the file is not there
    bool has_api_server;   // webhooks can be asked
    bool anonymous, webhook_authentication;
    bool webhook_authorization; // false: AlwaysAllow
    bool fine_grained_authorization;
    int64_t token_ttl_ms, allowed_ttl_ms, denied_ttl_ms;
    bool debugging_handlers, profiling_handler, debug_flags_handler, system_log_handler;
    bool split_log_streams, statusz, flagz, checkpoint; // feature gates
    int64_t streaming_idle_ms;
    int64_t silence_ms;  // after which a connection may have to make room
    const char *configz; // JSON
    const char *root_dir;
    const char *system_log_dir; // of /logs; not given: /var/log
} server_settings_t;

/* `args` has to live as long as the settings. 0, or -1 with FAULT_INVALID. */
int server_settings_read (const node_t *args, tree_t *tree, server_settings_t *out, fault_t *fault);

typedef struct {
    actor_t *actor;
    struct event_base *base;
    tree_t *args;
    server_settings_t settings;
    tls_server_t *tls;       // NULL: no port needs it
    zlistx_t *listeners;     // listener_t
    zlistx_t *exchanges;     // exchange_t that are not over
    lru_t *tokens, *reviews; // access.c
    struct log_watch *log_watch;
    struct {
        bool has_tls;   // OpenSSL has been loaded
        size_t most;    // connections, since most of a crowd has gone
        uint64_t timer; // 0: nothing is to be given back
    } give_back;        // give_back.c
    int64_t started_ns;
} server_t;

// ---- listen_socket.c ----

/* As Go's net.Listen: any address means those of both families, where there are two. A bound,
   non-blocking socket; or -1 with FAULT_INVALID or FAULT_UNAVAILABLE. */
int listen_socket_open (const char *address, int port, fault_t *fault);

/* The same at a path, mode 0600; what was there goes. */
int listen_socket_open_local (const char *path, fault_t *fault);

// ---- listener.c ----

typedef struct {
    port_kind_t kind;
    const char *setting; // that names it in the configuration, for people
    const char *address;
    int port;
    const char *path; // PORT_LOCAL: instead of address and port
} listener_settings_t;

/* Serves on a port as soon as it can be bound: a port that is taken is tried again, and the rest of
   the agent goes on. Owned. */
listener_t *listener_new (server_t *server, const listener_settings_t *settings);

/* Closes the port and its connections, frees *self_p and sets it to NULL. */
void listener_destroy (listener_t **self_p);

/* Lets go of connections that have ended, and accepts again when there is room; after every round
   of the event loop. */
void listener_sweep (listener_t *self);

/* Its connections. */
size_t listener_count (const listener_t *self);

/* A request came in, or one has been answered (`change` 1 or -1): connections without any have
   little time. `is_proven`: its client may use this port. */
void
listener_note (listener_t *self, const struct bufferevent *connection, int change, bool is_proven);

// ---- give_back.c ----

/* Has memory given back soon after it was needed; after every round of the event loop. */
void give_back_watch (server_t *self);

// ---- exchange.c ----

/* A request that is being answered. */
struct exchange {
    server_t *server;
    listener_t *listener;
    port_kind_t port;
    int64_t began_ms;           // monotonic
    size_t counted_row;         // as what it is counted (stats.c) ...
    const char *counted_method; // ... when `http` may be gone already
    struct evhttp_request *http;
    struct evhttp_connection *connection;
    struct bufferevent *stream;
    url_query_t *query;
    tree_t *user;     // who asks; NULL: this port does not care
    uint64_t request; // to another actor, whose answer is awaited; 0: none
    void *work;       // of the route, freed by `drop` with the exchange
    void (*drop) (void **work_p);
};

/* Answers one request: it calls one of exchange_reply, exchange_error, exchange_ask and
   exchange_take_over, or an exchange_ask... comes later. */
typedef void route_fn (exchange_t *self);

/* Takes a request over and has it answered. */
void exchange_begin (server_t *server, listener_t *listener, port_kind_t port,
                     struct evhttp_request *http);

/* Forgets the exchange of a connection that has closed, if any. */
void exchange_drop (server_t *server, const struct evhttp_connection *connection);

/* Sends the answer and ends the exchange, which is gone then. */
void exchange_reply (exchange_t *self, int status, const char *content_type, const char *body,
                     size_t size);

/* The same with a text. */
void exchange_reply_text (exchange_t *self, int status, const char *text);

/* The same as Go's http.Error does it: plain text with a newline. */
void exchange_error (exchange_t *self, int status, const char *text);

void exchange_add_header (exchange_t *self, const char *name, const char *value);

/* Asks another actor; `reply` gets the exchange as its context (exchange_of_context) and has to
   answer. It is not called when the client goes away before. `body` may be NULL. */
void exchange_ask (exchange_t *self, const char *actor, message_id_t type, const node_t *body,
                   int64_t deadline_ms, actor_reply_fn *reply);
exchange_t *exchange_of_context (void *context);

/* Takes the connection away from HTTP: from now on the callbacks get what comes, with `context`;
   NULL is allowed for all but `on_event`. What is sent goes to exchange->stream. Nothing else of
   this section may be called then but exchange_close. */
void exchange_take_over (exchange_t *self, bufferevent_data_cb on_read, bufferevent_data_cb on_sent,
                         bufferevent_event_cb on_event, void *context);

/* Closes the connection and ends the exchange: `work` and all are gone then. */
void exchange_close (exchange_t *self);

/* The path as it was sent; the method. */
const char *exchange_path (const exchange_t *self);
const char *exchange_method (const exchange_t *self);

/* A header of the request, or NULL. */
const char *exchange_header (const exchange_t *self, const char *name);

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define JSON_TYPE "application/json"

// ---- access.c ----

/* Calls route_request when the client may do that; answers 401, 403 or 500 else. */
void access_check (exchange_t *exchange);

/* Makes and frees the caches of a server. */
void access_start (server_t *server);
void access_stop (server_t *server);

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
route_fn serve_container_logs;
route_fn serve_exec, serve_attach, serve_port_forward, serve_run;
route_fn serve_running_pods, serve_checkpoint, serve_system_logs;
route_fn serve_configz, serve_statusz, serve_flagz, serve_verbosity, serve_profiles;

// ---- stats.c ----

/* Counts a request that begins, and its end. */
void count_request_begin (exchange_t *exchange);
void count_request_end (const exchange_t *exchange);
