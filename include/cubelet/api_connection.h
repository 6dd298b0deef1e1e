/* api_connection.h - calls to the API server on an actor's loop: one HTTP/2 connection where the
   server offers it, credentials from a kubeconfig that may appear and change at any time, a limit
   on calls per second, and a look whether the peer still lives.

   A call waits for its turn and for credentials; after a 401 it is made once more when there are
   newer ones. When certificates change, new calls get a new connection, streams on the old one
   end as FAULT_UNAVAILABLE and other calls may still end on it. When nothing is heard for 30 s,
   the server is asked for something small; no answer in 15 s ends all calls of the connection
   (upstream: HTTP/2 pings with the same times). Belongs to the actor's thread. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/http_client.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct api_connection api_connection_t;

typedef struct {
    const char *kubeconfig;  // its path; need not exist yet
    const char *certificate; // a file of certificate and key that counts before the kubeconfig's as
                             // soon as it exists; or NULL
    double calls_per_s;      // 0 or less: no limit (kubeAPIQPS)
    double burst;            // calls at once (kubeAPIBurst)

    /* Credentials have come, or changed: what failed before may work now. Not called from within a
       function here; may be NULL. */
    void (*on_credentials) (void *context);
    void *context;
} api_connection_options_t;

/* Owned. Everything in `options` is copied. */
api_connection_t *api_connection_new (actor_t *actor, const api_connection_options_t *options);

/* Ends all calls without calling their functions; does nothing if *self_p is NULL already. Not from
   within a function of a call. */
void api_connection_destroy (api_connection_t **self_p);

/* What to ask; everything but the context is copied. */
typedef struct {
    const char *method;       // NULL: GET
    const char *path;         // with its query, "/api/v1/nodes?limit=500"; escaped
    const char *content_type; // of the body; NULL: application/json
    const char *body;         // NULL: none
    size_t body_size;
    int64_t timeout_ms;    // for everything, the wait for credentials too; 0: none
    bool is_urgent;        // passes by the limit on calls per second
    size_t body_limit;     // bytes kept of the answer
    http_body_fn *on_body; // streams an answer 2xx; NULL: keep
    http_done_fn *on_done; // as http_client.h says; not called from within a function here
    void *context;
} api_exchange_t;

/* Starts a call; returns its id, never 0. */
uint64_t api_exchange (api_connection_t *self, const api_exchange_t *call);

/* Forgets a call: on_done is not called any more. Unknown ids do nothing. */
void api_exchange_cancel (api_connection_t *self, uint64_t id);

/* "kubelet/v1.34.0 (linux/amd64) kubernetes/cubelet"; static text. */
const char *api_user_agent (void);
