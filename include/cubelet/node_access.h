/* node_access.h - who may do what on the node's own API: what the API server is asked, and what its
   answers mean. Source: reference/node-and-server.md 4.1.

   A user is a tree with a map as in TokenReview's status.user: {username uid? groups extra?}. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>

// ---- users ----

/* A user who proved a name: `groups` (list of texts, or NULL) and system:authenticated.
   `credential_id` (may be NULL) is told to the authorizer. Owned. */
tree_t *user_new (const char *name, const node_t *groups, const char *credential_id);

/* system:anonymous. Owned. */
tree_t *user_anonymous (void);

/* "" when there is none. */
const char *user_name (const tree_t *user);

/* The token of a header "Authorization: Bearer TOKEN" (any case of Bearer), or NULL. Owned. */
char *bearer_token (const char *header);

/* The token in a WebSocket's list of protocols, "base64url.bearer.authorization.k8s.io.TOKEN", or
   NULL; browsers cannot send the header. Owned. */
char *websocket_token (const char *protocols);

/* The list without that entry. Owned; "" when nothing is left. */
char *websocket_protocols_without_token (const char *protocols);

/* A map for POST /apis/authentication.k8s.io/v1/tokenreviews. */
node_t token_review (tree_t *tree, const char *token);

/* Reads its answer (HTTP status, body): the user, with system:authenticated. Owned; NULL with
   FAULT_UNAUTHENTICATED when the token is not good, FAULT_UNAVAILABLE when it was not judged. */
tree_t *token_review_user (int64_t code, const node_t *answer, fault_t *fault);

// ---- attributes ----

#define SUBRESOURCES_MAX 2

/* The subresources of nodes that allow a path, any of them. */
typedef struct {
    const char *names[SUBRESOURCES_MAX];
    size_t count;
} subresources_t;

/* `is_fine_grained` is the gate KubeletFineGrainedAuthz. */
subresources_t access_subresources (const char *path, bool is_fine_grained);

/* The verb of an HTTP method; "" for others than GET, POST, PUT, PATCH, DELETE. */
const char *access_verb (const char *method);

/* A map for POST /apis/authorization.k8s.io/v1/subjectaccessreviews: may `user` do `verb` on
   nodes/SUBRESOURCE of `node_name`? */
node_t access_review (tree_t *tree, const tree_t *user, const char *verb, const char *node_name,
                      const char *subresource);

/* Reads its answer. 0, or -1 with FAULT_UNAVAILABLE when it was not judged. */
int access_review_allowed (int64_t code, const node_t *answer, bool *is_allowed, fault_t *fault);

/* The bodies of 403 and 500. Owned. */
char *access_denied_text (const tree_t *user, const char *verb, const subresources_t *tried);
char *access_error_text (const tree_t *user, const char *verb, const subresources_t *tried);

// ---- caches ----

/* Room for what access_digest writes. */
#define ACCESS_DIGEST_MAX 65

/* The SHA-256 of a text in hexadecimal digits: tokens themselves are no keys of a cache. */
char *access_digest (const char *text, char out[static ACCESS_DIGEST_MAX]);

/* The same of a review (access_review), whose user may be any. */
char *access_review_digest (const node_t *review, char out[static ACCESS_DIGEST_MAX]);
