/* api_login.h - who we are to the API server at this moment: the kubeconfig, the files it names and
   what its credential plugin says, all read again when they change. For api_connection.c; belongs
   to the actor's thread. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/fault.h"
#include "cubelet/http_client.h"
#include "cubelet/kubeconfig.h"
#include <stdbool.h>

/* What a connection is made with. Two connections are interchangeable when their version is the
   same; the token may change meanwhile. */
typedef struct {
    uint64_t version;
    char *server;     // "https://10.0.0.1:6443"
    char *connect_to; // "10.0.0.1:6443" when `server` has the certificate's name instead; or NULL
    char *proxy;      // for http_request_t
    bool is_unverified;
    http_pem_t ca, certificate, key; // owned bytes
} api_endpoint_t;

void api_endpoint_destroy (api_endpoint_t **self_p);

typedef enum {
    API_LOGIN_READY,
    API_LOGIN_PENDING, // the plugin runs; on_change says when it is done
    API_LOGIN_FAILED,
} api_login_state_t;

typedef struct api_login api_login_t;

/* Something may be different now: ask api_login_state. Not called from within a function here. */
typedef void api_login_change_fn (void *context);

/* Watches over the kubeconfig at `path`, which need not exist yet, and over the file `certificate`
   (or NULL), which counts before the certificate of the kubeconfig when it exists. Owned. */
api_login_t *api_login_new (actor_t *actor, const char *path, const char *certificate,
                            api_login_change_fn *on_change, void *context);
void api_login_destroy (api_login_t **self_p);

/* Where we stand; looks at the files, at most once a second. FAILED comes with the reason:
   FAULT_UNAVAILABLE naming the file (and its field). */
api_login_state_t api_login_state (api_login_t *self, fault_t *fault);

/* For READY. The version of api_endpoint_t; a new endpoint, owned; and the value of the header
   Authorization, NULL for none, borrowed until the next call here. */
uint64_t api_login_version (const api_login_t *self);
api_endpoint_t *api_login_endpoint (const api_login_t *self);
const char *api_login_authorization (const api_login_t *self);

/* The server answered 401 to `authorization` (NULL: none). Reads the token again, or has the plugin
   make a new one. True when it is worth to ask again once the state is READY. */
bool api_login_refused (api_login_t *self, const char *authorization);
