/* Who asks, and whether they may: reference/node-and-server.md 4.1. One request after the other, as
   upstream: what is not in a cache is asked of the API server. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "server.h"
#include <string.h>

#define TOKENS_MAX 1024
#define REVIEWS_MAX 4096
#define ANSWER_LIMIT_MS 10000
#define TOKEN_REVIEWS "/apis/authentication.k8s.io/v1/tokenreviews"
#define ACCESS_REVIEWS "/apis/authorization.k8s.io/v1/subjectaccessreviews"

/* By the token's digest. */
typedef struct {
    int64_t end_ms; // clock_monotonic_ms
    tree_t *user;   // owned; NULL: the token is not good
} known_token_t;

/* By the review's digest. */
typedef struct {
    int64_t end_ms;
    bool is_allowed;
} known_review_t;

/* The work of an exchange until it is known whether it may go on. */
typedef struct {
    exchange_t *exchange;
    char digest[ACCESS_DIGEST_MAX]; // of what is asked now
    subresources_t subresources;
    size_t tried;     // of them
    int64_t asked_ms; // monotonic; when the API server was asked
} check_t;

static void authorize (check_t *check);

static void
forget_token (void *value)
{
    tree_destroy (&((known_token_t *) value)->user);
}

void
access_start (server_t *server)
{
    server->tokens = lru_new (TOKENS_MAX, sizeof (known_token_t));
    lru_set_forget (server->tokens, forget_token);
    server->reviews = lru_new (REVIEWS_MAX, sizeof (known_review_t));
}

void
access_stop (server_t *server)
{
    lru_destroy (&server->tokens);
    lru_destroy (&server->reviews);
}

static void
drop_check (void **check_p)
{
    free (*check_p);
    *check_p = NULL;
}

/* Ends the check; the exchange goes on to its route or its refusal. */
static exchange_t *
end_check (check_t *check)
{
    exchange_t *exchange = check->exchange;
    drop_check (&exchange->work);
    exchange->drop = NULL;
    return exchange;
}

static void
refuse (check_t *check, int status, const char *text)
{
    exchange_reply_text (end_check (check), status, text);
}

/* For /metrics: the API server has answered, or not. */
static void
count_review (const check_t *check, metric_id_t total, metric_id_t duration, const message_t *reply,
              const fault_t *fault)
{
    char code[16] = "<error>";
    if (!fault)
        snprintf (code, sizeof code, "%lld", (long long) node_get_int (reply->body, "code", 0));
    metric_count (total, LABELS (code));
    metric_observe (duration, (double) (clock_monotonic_ms() - check->asked_ms) / 1000,
                    LABELS (code));
}

static void
ask_api_server (check_t *check, const char *path, tree_t *tree, node_t review,
                actor_reply_fn *reply)
{
    node_t body = node_map();
    node_set_text (tree, &body, "method", "POST");
    node_set_text (tree, &body, "path", path);
    node_set (tree, &body, "body", review);
    node_set_int (tree, &body, "timeout_ms", ANSWER_LIMIT_MS);
    check->asked_ms = clock_monotonic_ms();
    exchange_ask (check->exchange, "api-client", MSG_API_REQUEST, &body, ANSWER_LIMIT_MS, reply);
}

// ---- may they? ----

static void
let_pass (check_t *check)
{
    exchange_t *exchange = end_check (check);
    listener_note (exchange->listener, exchange->stream, 0, true);
    route_request (exchange);
}

static void
deny (check_t *check)
{
    const exchange_t *exchange = check->exchange;
    OWNED (free_text)
    char *text = access_denied_text (exchange->user, access_verb (exchange_method (exchange)),
                                     &check->subresources);
    LOG_V (2, "%s", text);
    refuse (check, 403, text);
}

/* The answer for the subresource that was asked about; any that is allowed will do. */
static void
take_decision (check_t *check, bool is_allowed)
{
    check->tried++;
    if (is_allowed)
        let_pass (check);
    else if (check->tried == check->subresources.count)
        deny (check);
    else
        authorize (check);
}

static void
fail_authorization (check_t *check, const fault_t *fault)
{
    const exchange_t *exchange = check->exchange;
    subresources_t tried = check->subresources;
    tried.count = check->tried + 1;
    OWNED (free_text)
    char *text =
        access_error_text (exchange->user, access_verb (exchange_method (exchange)), &tried);
    LOG_ERROR ("%s err=%s", text, fault->text);
    refuse (check, HTTP_INTERNAL, text);
}

static void
take_access_review (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    server_t *server = state;
    check_t *check = exchange_of_context (context)->work;
    fault_t problem = { 0 };
    bool is_allowed = false;
    count_review (check, METRIC_DELEGATED_AUTHZ_REQUEST_TOTAL,
                  METRIC_DELEGATED_AUTHZ_REQUEST_DURATION_SECONDS, reply, fault);
    if (fault)
        problem = *fault;
    else
        access_review_allowed (node_get_int (reply->body, "code", 0),
                               node_get (reply->body, "body"), &is_allowed, &problem);
    if (problem.code != FAULT_NONE) {
        fail_authorization (check, &problem);
        return;
    }
    int64_t ttl_ms = is_allowed ? server->settings.allowed_ttl_ms : server->settings.denied_ttl_ms;
    known_review_t *known = lru_put (server->reviews, check->digest);
    known->end_ms = clock_monotonic_ms() + ttl_ms;
    known->is_allowed = is_allowed;
    take_decision (check, is_allowed);
}

static void
authorize (check_t *check)
{
    exchange_t *exchange = check->exchange;
    server_t *server = exchange->server;
    if (!server->settings.webhook_authorization) {
        let_pass (check);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t review =
        access_review (tree, exchange->user, access_verb (exchange_method (exchange)),
                       server->settings.node_name, check->subresources.names[check->tried]);
    const known_review_t *known =
        lru_get (server->reviews, access_review_digest (&review, check->digest));
    if (known && known->end_ms > clock_monotonic_ms()) {
        take_decision (check, known->is_allowed);
        return;
    }
    fault_t no_server = { FAULT_UNAVAILABLE, "there is no API server to ask in standalone mode" };
    if (server->settings.has_api_server)
        ask_api_server (check, ACCESS_REVIEWS, tree, review, take_access_review);
    else
        fail_authorization (check, &no_server);
}

// ---- who is it? ----

static void
take_user (check_t *check, tree_t *user)
{
    check->exchange->user = user;
    authorize (check);
}

static void
deny_user (check_t *check, const char *reason)
{
    LOG_V (2, "Unable to authenticate the request err=%s", reason);
    refuse (check, 401, "Unauthorized");
}

static void
take_token_review (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    server_t *server = state;
    check_t *check = exchange_of_context (context)->work;
    fault_t problem = { 0 };
    OWNED (tree_destroy) tree_t *user = NULL;
    count_review (check, METRIC_DELEGATED_AUTHN_REQUEST_TOTAL,
                  METRIC_DELEGATED_AUTHN_REQUEST_DURATION_SECONDS, reply, fault);
    if (fault)
        problem = *fault;
    else
        user = token_review_user (node_get_int (reply->body, "code", 0),
                                  node_get (reply->body, "body"), &problem);
    if (user || problem.code == FAULT_UNAUTHENTICATED) {
        known_token_t *known = lru_put (server->tokens, check->digest);
        tree_destroy (&known->user);
        known->user = user ? tree_copy (tree_root (user)) : NULL;
        known->end_ms = clock_monotonic_ms() + server->settings.token_ttl_ms;
    }
    else
        LOG_ERROR ("Token cannot be reviewed err=%s", problem.text);
    if (user)
        take_user (check, STEAL (user));
    else
        deny_user (check, problem.text);
}

static void
check_token (check_t *check, const char *token)
{
    server_t *server = check->exchange->server;
    const known_token_t *known = lru_get (server->tokens, access_digest (token, check->digest));
    if (known && known->end_ms > clock_monotonic_ms()) {
        if (known->user)
            take_user (check, tree_copy (tree_root (known->user)));
        else
            deny_user (check, "token: it is not valid");
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    ask_api_server (check, TOKEN_REVIEWS, tree, token_review (tree, token), take_token_review);
}

/* The token of the request, or NULL when none counts. Owned. */
static char *
token_of (const exchange_t *exchange)
{
    const server_settings_t *settings = &exchange->server->settings;
    const char *header = exchange_header (exchange, "Authorization");
    const char *protocols = exchange_header (exchange, "Sec-WebSocket-Protocol");
    if (!settings->webhook_authentication || !settings->has_api_server)
        return NULL;
    char *token = header ? bearer_token (header) : NULL;
    return token || !protocols ? token : websocket_token (protocols);
}

/* A credential that is not good is not mended by being anonymous, another good one mends it. */
static void
authenticate (check_t *check)
{
    exchange_t *exchange = check->exchange;
    server_t *server = exchange->server;
    fault_t fault = { 0 };
    tree_t *user = tls_server_user (server->tls, exchange->stream, &fault);
    OWNED (free_text) char *token = user ? NULL : token_of (exchange);
    if (user)
        take_user (check, user);
    else if (token)
        check_token (check, token);
    else if (fault.code != FAULT_NONE || !server->settings.anonymous)
        deny_user (check, fault.code != FAULT_NONE ? fault.text : "no credentials");
    else
        take_user (check, user_anonymous());
}

void
access_check (exchange_t *exchange)
{
    if (exchange->port != PORT_SECURE) {
        listener_note (exchange->listener, exchange->stream, 0, true);
        route_request (exchange);
        return;
    }
    if (!tls_is_secure (exchange->stream)) { // listener.c could not make it so
        exchange_close (exchange);
        return;
    }
    check_t *check = memory_new (1, sizeof *check);
    check->exchange = exchange;
    check->subresources = access_subresources (
        exchange_path (exchange), exchange->server->settings.fine_grained_authorization);
    exchange->work = check;
    exchange->drop = drop_check;
    authenticate (check);
}
