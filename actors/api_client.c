/* api_client.c - the only one that makes single requests to the API server.

   API_REQUEST is answered with the HTTP status and the body, whatever the status is; only when no
   answer came the reply is a fault: FAULT_UNAVAILABLE, FAULT_DEADLINE, FAULT_INVALID (an answer
   that is no HTTP) or FAULT_EXHAUSTED (too many requests wait), with method, URL and cause in its
   text. What is made again, and when: api_rules.h. Credentials, limits and connections:
   api_connection.h.

   Arguments: {"kubeconfig": path, "certificate": path?, "qps": int, "burst": int},
   KubeletConfiguration's kubeAPIQPS and kubeAPIBurst. */
#include "cubelet/actors.h"
#include "cubelet/api_connection.h"
#include "cubelet/api_rules.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <string.h>

#define TIMEOUT_DEFAULT_MS (30 * 1000) // as api_call.h expects
#define REQUESTS_MAX 1000              // that wait or are under way
#define ANSWER_MAX_BYTES (16 * 1024 * 1024)

typedef struct client client_t;

/* One request, over all its attempts. */
typedef struct {
    client_t *client;
    return_address_t *address;
    char *method, *path, *content_type, *body; // path with its query
    size_t body_size;
    int64_t deadline_ms;
    unsigned attempts;
    uint64_t call;  // under way, 0: none
    uint64_t timer; // waits for the next attempt
} request_t;

struct client {
    actor_t *actor;
    api_connection_t *connection;
    zlistx_t *requests;
};

// ---- requests ----

static void
request_destroy (void **self_p)
{
    request_t *self = *self_p;
    api_exchange_cancel (self->client->connection, self->call);
    actor_timer_cancel (self->client->actor, &self->timer);
    return_address_destroy (&self->address);
    free (self->method);
    free (self->path);
    free (self->content_type);
    free (self->body);
    free (self);
    *self_p = NULL;
}

static void
forget (request_t *request)
{
    zlistx_t *requests = request->client->requests;
    zlistx_delete (requests, zlistx_find (requests, request));
}

static void
answer_fault (request_t *request, const fault_t *fault)
{
    actor_answer (request->client->actor, &request->address, NULL, fault);
    forget (request);
}

/* The body as a tree: JSON, or what is not JSON as a text. NULL: there is none. */
static tree_t *
read_body (const http_response_t *response)
{
    if (response->body_size == 0)
        return NULL;
    fault_t fault = { 0 };
    tree_t *tree = json_read (response->body, response->body_size, &fault);
    if (tree)
        return tree;
    tree = tree_new();
    *tree_root (tree) = node_text (tree, response->body);
    return tree;
}

static void
answer (request_t *request, const http_response_t *response)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (tree_destroy) tree_t *body = read_body (response);
    node_t reply = node_map();
    node_set_int (tree, &reply, "code", response->status);
    if (body)
        node_set (tree, &reply, "body", *tree_root (body)); // lives until it is packed
    actor_answer (request->client->actor, &request->address, &reply, NULL);
    forget (request);
}

static int
check_answer (const http_response_t *response, const fault_t *failure, fault_t *fault)
{
    if (!failure && response->is_truncated)
        return fault_set (fault, FAULT_EXHAUSTED, "%s: the answer is larger than %d MiB",
                          response->url, ANSWER_MAX_BYTES >> 20);
    if (!failure)
        return 0;
    *fault = *failure;
    if (response)
        fault_wrap (fault, "%s", response->url);
    return -1;
}

static void attempt (request_t *request);

static void
attempt_again (void *state, void *context)
{
    (void) state;
    request_t *request = context;
    request->timer = 0;
    attempt (request);
}

static void
on_done (void *context, const http_response_t *response, const fault_t *failure)
{
    request_t *request = context;
    request->call = 0;
    fault_t fault = { 0 };
    bool is_answer = check_answer (response, failure, &fault) == 0;
    api_attempt_t outcome = {
        .method = request->method,
        .attempts = request->attempts,
        .code = is_answer ? response->status : 0,
        .retry_after = is_answer ? http_response_header (response, "Retry-After") : NULL,
        .fault = is_answer ? NULL : &fault,
        .left_ms = request->deadline_ms - clock_monotonic_ms(),
    };
    int64_t wait_ms = api_retry_wait (&outcome);
    if (wait_ms >= 0)
        request->timer = actor_timer (request->client->actor, wait_ms, attempt_again, request);
    else if (is_answer)
        answer (request, response);
    else
        answer_fault (request, &fault);
}

static void
attempt (request_t *request)
{
    int64_t left_ms = request->deadline_ms - clock_monotonic_ms();
    api_exchange_t call = {
        .method = request->method,
        .path = request->path,
        .content_type = request->content_type,
        .body = request->body,
        .body_size = request->body_size,
        .timeout_ms = left_ms > 1 ? left_ms : 1,
        .is_urgent = api_is_heartbeat (request->path),
        .body_limit = ANSWER_MAX_BYTES,
        .on_done = on_done,
        .context = request,
    };
    request->attempts++;
    request->call = api_exchange (request->client->connection, &call);
}

// ---- messages ----

static request_t *
request_new (client_t *self, const message_t *message)
{
    request_t *request = memory_new (1, sizeof *request);
    const node_t *asked = message->body;
    const char *query = node_get_text (asked, "query", "");
    request->client = self;
    request->address = return_address_new (message);
    request->method = text_copy (node_get_text (asked, "method", "GET"));
    request->path =
        text_format ("%s%s%s", node_get_text (asked, "path", ""), query[0] ? "?" : "", query);
    request->content_type = text_copy (node_get_text (asked, "content_type", NULL));
    const node_t *body = node_get (asked, "body");
    if (body)
        request->body = json_write (body, JSON_COMPACT, &request->body_size);
    request->deadline_ms =
        clock_monotonic_ms() + node_get_int (asked, "timeout_ms", TIMEOUT_DEFAULT_MS);
    zlistx_add_end (self->requests, request);
    return request;
}

static int
on_request (void *state, const message_t *message, fault_t *fault)
{
    client_t *self = state;
    const char *path = node_get_text (message->body, "path", "");
    if (path[0] != '/')
        return fault_set (fault, FAULT_INVALID, "path: must begin with /");
    if (zlistx_size (self->requests) >= REQUESTS_MAX)
        return fault_set (fault, FAULT_EXHAUSTED, "%s %s: %d requests wait already",
                          node_get_text (message->body, "method", "GET"), path, REQUESTS_MAX);
    attempt (request_new (self, message));
    return 0;
}

static int
on_cancel (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    client_t *self = state;
    uint64_t id = (uint64_t) node_get_int (message->body, "id", 0);
    for (request_t *request = zlistx_first (self->requests); request;
         request = zlistx_next (self->requests)) {
        if (return_address_id (request->address) == id
            && streq (return_address_from (request->address), message->from)) {
            forget (request);
            return 0;
        }
    }
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_API_REQUEST, on_request },
    { MSG_REQUEST_CANCEL, on_cancel },
    { 0 },
};

// ---- start and stop ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    client_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->requests = zlistx_new();
    zlistx_set_destructor (self->requests, request_destroy);
    api_connection_options_t options = {
        .kubeconfig = node_get_text (args, "kubeconfig", ""),
        .certificate = node_get_text (args, "certificate", NULL),
        .calls_per_s = (double) node_get_int (args, "qps", 50),
        .burst = (double) node_get_int (args, "burst", 100),
    };
    self->connection = api_connection_new (actor, &options);
    return self;
}

static void
stop (void **self_p)
{
    client_t *self = *self_p;
    zlistx_destroy (&self->requests);
    api_connection_destroy (&self->connection);
    free (self);
    *self_p = NULL;
}

const actor_class_t api_client_class = {
    .name = "api-client",
    .about = "single requests to the API server",
    .queue_limit = REQUESTS_MAX,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
