/* http_client.h - HTTP requests on an actor's loop: probes, lifecycle hooks, webhooks, the API
   server.

   libcurl's multi interface does the work; it is initialised with the first request, so that a
   client that never asks costs next to nothing. HTTP/1.1, and HTTP/2 where an https server offers
   it. Nothing blocks: names are looked up in a thread of libcurl. No proxy is used unless the
   request says so, no cookies are kept, nothing is decompressed.

   No callback runs inside http_request or http_cancel: they run from the loop. Belongs to the
   actor's thread. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct http_client http_client_t;

/* Makes a client on `actor`'s loop. Owned. */
http_client_t *http_client_new (actor_t *actor);

/* Closes all connections, forgets all requests (their functions are not called any more), frees
 *self_p and sets it to NULL; does nothing if it is NULL already. */
void http_client_destroy (http_client_t **self_p);

typedef struct {
    const char *name;
    const char *value;
} http_header_t;

/* What came back; borrowed for the call. */
typedef struct {
    int status;         // 200
    const char *url;    // where the answer came from, after redirects
    const char *body;   // a NUL stands behind it; "" when it was streamed
    size_t body_size;   // bytes
    bool is_truncated;  // there was more than body_limit
    const void *source; // for http_response_header
} http_response_t;

/* The first header of that name, in any case; NULL when there is none. Borrowed until the next
   call of this function for the same response. */
const char *http_response_header (const http_response_t *response, const char *name);

/* Where an answer 301, 302, 303, 307 or 308 with a Location leads: `from` is the first URL, `to`
   the next, `requests` were made so far. Returns 1 to follow, 0 to take the redirect itself as the
   answer, -1 with a fault to fail. */
typedef int http_redirect_fn (const char *from, const char *to, unsigned requests, fault_t *fault);

/* Follows to the same host name only, and fails with "stopped after 10 redirects": the kubelet's
   rule for probes and hooks (reference/probes-hooks-events.md 5). */
http_redirect_fn http_redirect_same_host;

/* A piece of the body. False ends the request: on_done gets FAULT_CANCELLED. May call
   http_request and http_cancel, not http_client_destroy. */
typedef bool http_body_fn (void *context, const char *bytes, size_t size);

/* The end of a request, exactly once; may call any function here.
     response, no fault   the answer
     no response, fault   none came; the text is the one Go's client gives, `Get "URL": ...`
     both                 status and headers came, the body broke off; the text is Go's, without
                          the URL ("unexpected EOF")
   Codes: FAULT_DEADLINE, FAULT_UNAVAILABLE (no connection, or it broke), FAULT_INVALID (URL,
   header, or what the server sent), FAULT_CANCELLED, FAULT_UNKNOWN. */
typedef void http_done_fn (void *context, const http_response_t *response, const fault_t *fault);

/* PEM in memory; no bytes: none. */
typedef struct {
    const char *bytes;
    size_t size;
} http_pem_t;

/* The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name. */
#define HTTP_PROXY_OF_ENVIRONMENT "environment"

/* What to ask. Everything but the PEMs is copied; zero is a sensible value of every field but url
   and on_done. */
typedef struct {
    const char *method; // NULL: GET
    const char *url;    // http:// or https://
    /* Sent as they stand, in this order, repeats allowed; "Host" replaces the URL's host. libcurl
       adds nothing but Host and, with a body, Content-Length. Ends with a NULL name; or NULL. */
    const http_header_t *headers;
    const void *body;
    size_t body_size;

    int64_t timeout_ms;         // for all of it: redirects, the last byte of the body; 0: none
    int64_t connect_timeout_ms; // for the connection, TLS included; 0: libcurl's 300 s
    size_t body_limit;          // bytes kept of the body; the rest is cut off
    http_redirect_fn *redirect; // NULL: none is followed. Only GET and HEAD are.
    bool is_single;             // a connection of its own, closed afterwards
    bool is_shared;             // one HTTP/2 connection for all, which notices a dead peer in 30 s
    bool is_connect_only;       // open the TCP connection and close it: no request is sent

    bool is_unverified;                      // any certificate will do
    const char *ca_file;                     // PEM; NULL: the system's
    const char *certificate_file, *key_file; // PEM, of the client; NULL: none
    http_pem_t ca, certificate, key;         // the same from memory, borrowed until the end
    const char *connect_to;                  // "host:port" to connect to, not the URL's; or NULL
    const char *proxy;                       // its URL; or HTTP_PROXY_OF_ENVIRONMENT; NULL: none

    http_body_fn *on_body; // streams the body of a status 2xx instead of keeping it; NULL: keep
    http_done_fn *on_done;
    void *context;
} http_request_t;

/* Starts a request; returns its id, never 0. */
uint64_t http_request (http_client_t *self, const http_request_t *request);

/* Forgets a request and breaks it off: on_done is not called any more. Unknown and finished ones
   do nothing. */
void http_cancel (http_client_t *self, uint64_t id);

/* Requests that have not ended. */
size_t http_request_count (const http_client_t *self);
