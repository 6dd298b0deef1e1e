/* helper_api_peer.h - the api-client, played by the test: which request comes, and its answer. */
#pragma once
#include "helper_peer.h"

/* Fails the test unless `call` is an API_REQUEST of this method and path. */
void call_check (const received_t *call, const char *method, const char *path);

/* The next API_REQUEST, which has to be this one. Owned: received_destroy. */
received_t *call_expect (peer_t *api, const char *method, const char *path);

/* Answers with this HTTP status and a body written as JSON text. */
void call_answer (peer_t *api, const received_t *call, int code, const char *body);

/* Both: expects a request and answers it. */
void call_expect_and_answer (peer_t *api, const char *method, const char *path, int code,
                             const char *body);
