/* api_call.h - requests of an actor to the API server, through the api-client (MSG_API_REQUEST).

   The answer comes to the reply function: with a fault when no HTTP answer came, else with `code`
   and `body` in the reply. api_reply_check makes one of both. */
#pragma once
#include "cubelet/actor.h"

#define API_CLIENT "api-client"

/* A patch that knows merge keys (strategic_patch.h). */
#define API_STRATEGIC_PATCH "application/strategic-merge-patch+json"

/* How long an actor waits for the api-client beyond what the request itself may take: for its
   place in the queue of the client's rate limit. */
#define API_QUEUE_MS 30000

typedef struct {
    const char *method;       // GET, POST, PUT, PATCH, DELETE
    const char *path;         // as from api_path
    const char *query;        // without the "?"; NULL: none
    const char *content_type; // of the body; NULL: application/json
    const node_t *body;       // NULL: none
    int64_t timeout_ms;       // of the request itself; 0: the api-client's default
} api_call_t;

/* Sends it; `reply` and `context` as in actor_request. Returns the request's id. */
uint64_t api_call (actor_t *self, const api_call_t *call, actor_reply_fn *reply,
                   const void *context, size_t context_size);

/* "/api/v1/namespaces/NS/pods/NAME/status". `group` is "/api/v1" or "/apis/GROUP/VERSION"; `ns`,
   `name` and `sub` may be NULL and are then left out. Owned text. */
char *api_path (const char *group, const char *ns, const char *resource, const char *name,
                const char *sub);

/* Returns the object of a 2xx answer (never NULL; a nil node when the answer has no body), or NULL
   with a fault: the one given, or one made of the answer, "HTTP 409 Conflict: MESSAGE", its code
   the nearest of HTTP's (404 NotFound, 409 AlreadyExists or Aborted, 403 and 401 Denied and
   Unauthenticated, 429 Exhausted, 5xx Unavailable, any other FailedPrecondition or Invalid).
   Borrowed from the reply. */
const node_t *api_reply_check (const message_t *reply, const fault_t *came, fault_t *fault);

/* True for faults that can end by themselves: no answer, too many requests, a server in trouble. */
bool api_fault_is_passing (const fault_t *fault);

/* DeleteOptions that delete exactly the object of this UID, after `grace_s` seconds. */
node_t api_delete_options (tree_t *tree, const char *uid, int64_t grace_s);
