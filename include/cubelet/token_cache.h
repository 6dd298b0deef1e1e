/* token_cache.h - service account tokens for pods: what is asked for, and when a token is asked for
   again. Pure.
   Source: reference/node-and-server.md 7.4 (upstream: pkg/kubelet/token). */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

#define TOKEN_DEFAULT_SECONDS 3600
#define TOKEN_JITTER_MAX_NS (10LL * 1000000000)

/* Who the token is for; borrowed texts. */
typedef struct {
    const char *ns, *service_account;
    const char *pod_name, *pod_uid;
    const char *audience; // "" or NULL: the API server's own
    int64_t expiration_seconds;
} token_request_t;

/* How long a token lives. Times are ns since 1970. */
typedef struct {
    int64_t expires_ns;
    int64_t lifetime_ns; // expirationSeconds as the API server granted it
} token_life_t;

/* One text per distinct request. Owned. */
char *token_key (const token_request_t *request);

/* The TokenRequest object, in `tree`. */
node_t token_request_node (const token_request_t *request, tree_t *tree);

/* Reads the answer, a TokenRequest. `token` is borrowed from it. FAULT_INVALID when token or expiry
   is missing. */
int token_answer_read (const node_t *answer, const token_request_t *request, const char **token,
                       token_life_t *life, fault_t *fault);

/* True when a token is to be replaced: 24 hours after it was issued, or when a fifth of its life is
   left; `jitter_ns` (0 to TOKEN_JITTER_MAX_NS) earlier, so that not all are replaced at once. */
bool token_needs_refresh (const token_life_t *life, int64_t now_ns, int64_t jitter_ns);
bool token_is_expired (const token_life_t *life, int64_t now_ns);
