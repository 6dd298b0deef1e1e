#include "cubelet/api_connection.h"
#include "api_login.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/token_bucket.h"
#include <czmq.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 30000
#define SILENCE_MS 30000 // after which the server is asked whether it is there
#define PING_TIMEOUT_MS 15000
#define PING_PATH "/version"
#define LOOK_EVERY_MS 5000
#define PUMP_AGAIN_MS 20 // while the limit holds calls back

#if defined __x86_64__
#define ARCHITECTURE "amd64"
#elif defined __aarch64__
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "unknown"
#endif

/* The connections made with one endpoint. */
typedef struct {
    api_endpoint_t *endpoint;
    http_client_t *client;
    size_t calls;
    int64_t silent_since_ms; // 0: nothing is waited for
    uint64_t ping;           // an id of the client, 0: none
    bool is_lost;
    api_connection_t *owner;
} session_t;

typedef struct {
    uint64_t id;
    api_connection_t *owner;
    char *method, *path, *content_type, *body;
    api_exchange_t asked; // of its pointers only the functions and the context are good
    int64_t deadline_ms;
    int64_t asked_ms, sent_ms; // monotonic
    session_t *session;        // NULL: it waits
    uint64_t request;          // an id of the session's client
    char *authorization;
    bool is_repeated; // after a 401
    bool is_counted;  // a stream whose answer has begun
    bool is_ended;    // `ending` is to be told
    fault_t *ending;
} call_t;

struct api_connection {
    actor_t *actor;
    api_connection_options_t options;
    char *kubeconfig;
    api_login_t *login;
    token_rate_t rate;
    token_bucket_t bucket;
    zlistx_t *calls;    // call_t, oldest first
    zlistx_t *sessions; // session_t; the last one is current
    uint64_t last_id;
    uint64_t pump_timer;
    uint64_t look_timer;
};

const char *
api_user_agent (void)
{
    return "kubelet/" CUBELET_VERSION " (linux/" ARCHITECTURE ") kubernetes/cubelet";
}

static void pump_soon (api_connection_t *self, int64_t delay_ms);

// ---- calls ----

static void
call_destroy (void **self_p)
{
    call_t *self = *self_p;
    free (self->method);
    free (self->path);
    free (self->content_type);
    free (self->body);
    free (self->authorization);
    free (self->ending);
    free (self);
    *self_p = NULL;
}

static void
forget_call (call_t *call)
{
    zlistx_t *calls = call->owner->calls;
    zlistx_delete (calls, zlistx_find (calls, call));
}

/* Takes a call off its session, without a word. */
static void
detach (call_t *call)
{
    if (!call->session)
        return;
    http_cancel (call->session->client, call->request);
    call->session->calls--;
    call->session = NULL;
}

/* Has on_done called with this fault, soon. */
static void
end_soon (call_t *call, const fault_t *fault)
{
    detach (call);
    call->is_ended = true;
    call->ending = memory_new (1, sizeof *call->ending);
    *call->ending = *fault;
    pump_soon (call->owner, 0);
}

// ---- sessions ----

static void
session_destroy (void **self_p)
{
    session_t *self = *self_p;
    http_client_destroy (&self->client);
    api_endpoint_destroy (&self->endpoint);
    free (self);
    *self_p = NULL;
}

static session_t *
current_session (api_connection_t *self)
{
    session_t *session = zlistx_last (self->sessions);
    return session && !session->is_lost ? session : NULL;
}

static void
heard (session_t *session)
{
    session->silent_since_ms = session->calls > 0 ? clock_monotonic_ms() : 0;
}

/* Ends the streams of a session (or all its calls) with a fault. */
static void
break_calls (session_t *session, bool all, const char *reason)
{
    fault_t fault = { 0 };
    fault_set (&fault, FAULT_UNAVAILABLE, "%s", reason);
    zlistx_t *calls = session->owner->calls;
    for (call_t *call = zlistx_first (calls); call; call = zlistx_next (calls))
        if (call->session == session && (all || call->asked.on_body))
            end_soon (call, &fault);
}

/* The session for new calls: another one when the credentials are not those of the last. */
static session_t *
use_session (api_connection_t *self)
{
    session_t *session = current_session (self);
    if (session && session->endpoint->version == api_login_version (self->login))
        return session;
    if (session)
        break_calls (session, false, "the credentials for the API server have changed");
    session = memory_new (1, sizeof *session);
    session->owner = self;
    session->endpoint = api_login_endpoint (self->login);
    session->client = http_client_new (self->actor);
    zlistx_add_end (self->sessions, session);
    return session;
}

/* Frees the sessions that nobody uses any more. */
static void
drop_old_sessions (api_connection_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *all = zlistx_dup (self->sessions);
    const session_t *current = current_session (self);
    zlistx_set_destructor (all, NULL);
    for (session_t *session = zlistx_first (all); session; session = zlistx_next (all))
        if (session != current && session->calls == 0)
            zlistx_delete (self->sessions, zlistx_find (self->sessions, session));
}

// ---- is anybody there? ----

static void
on_pong (void *context, const http_response_t *response, const fault_t *fault)
{
    session_t *session = context;
    session->ping = 0;
    if (response) {
        heard (session);
        return;
    }
    LOG_WARNING ("The API server does not answer, its connection is given up err=%s",
                 fault ? fault->text : "");
    session->is_lost = true;
    break_calls (session, true, "http2: client connection lost");
    pump_soon (session->owner, 0);
}

static void
send_ping (session_t *session)
{
    const api_endpoint_t *endpoint = session->endpoint;
    OWNED (free_text) char *url = text_format ("%s" PING_PATH, endpoint->server);
    const http_header_t headers[] = { { "User-Agent", api_user_agent() }, { NULL, NULL } };
    http_request_t request = {
        .url = url,
        .headers = headers,
        .timeout_ms = PING_TIMEOUT_MS,
        .body_limit = 0,
        .is_shared = true,
        .is_unverified = endpoint->is_unverified,
        .ca = endpoint->ca,
        .certificate = endpoint->certificate,
        .key = endpoint->key,
        .connect_to = endpoint->connect_to,
        .proxy = endpoint->proxy,
        .on_done = on_pong,
        .context = session,
    };
    session->ping = http_request (session->client, &request);
}

static void
look_at_sessions (void *state, void *context)
{
    (void) state;
    api_connection_t *self = context;
    int64_t now = clock_monotonic_ms();
    self->look_timer = actor_timer (self->actor, LOOK_EVERY_MS, look_at_sessions, self);
    for (session_t *session = zlistx_first (self->sessions); session;
         session = zlistx_next (self->sessions)) {
        bool is_silent = session->silent_since_ms && now - session->silent_since_ms >= SILENCE_MS;
        if (session->calls > 0 && is_silent && !session->ping && !session->is_lost)
            send_ping (session);
    }
}

// ---- counting: rest_client_... of /metrics ----

/* "127.0.0.1:6443" of the server's URL. Borrowed; its size in *size_p. */
static const char *
host_of (const session_t *session, int *size_p)
{
    const char *start = strstr (session->endpoint->server, "://");
    start = start ? start + strlen ("://") : session->endpoint->server;
    *size_p = (int) strcspn (start, "/");
    return start;
}

static void
count_result (const call_t *call, const session_t *session, int status)
{
    char code[16] = "<error>";
    int size = 0;
    const char *start = host_of (session, &size);
    OWNED (free_text) char *host = text_format ("%.*s", size, start);
    if (status)
        snprintf (code, sizeof code, "%d", status);
    metric_count (METRIC_REST_CLIENT_REQUESTS_TOTAL, LABELS (code, host, call->method));
}

/* A call has ended. Streams have neither a duration nor a size, as upstream. */
static void
count_call (const call_t *call, const session_t *session, const http_response_t *response)
{
    int size = 0;
    const char *start = host_of (session, &size);
    if (!call->is_counted)
        count_result (call, session, response ? response->status : 0);
    if (call->asked.on_body)
        return;
    OWNED (free_text) char *host = text_format ("%.*s", size, start);
    metric_labels_t labels = LABELS (host, call->method);
    metric_observe (METRIC_REST_CLIENT_REQUEST_DURATION_SECONDS,
                    (double) (clock_monotonic_ms() - call->sent_ms) / 1000, labels);
    metric_observe (METRIC_REST_CLIENT_REQUEST_SIZE_BYTES, (double) call->asked.body_size, labels);
    if (response)
        metric_observe (METRIC_REST_CLIENT_RESPONSE_SIZE_BYTES, (double) response->body_size,
                        labels);
}

/* A call is sent that had to pass the limit on calls per second. */
static void
count_wait (const call_t *call, const session_t *session)
{
    int size = 0;
    const char *start = host_of (session, &size);
    OWNED (free_text) char *host = text_format ("%.*s", size, start);
    metric_observe (METRIC_REST_CLIENT_RATE_LIMITER_DURATION_SECONDS,
                    (double) (clock_monotonic_ms() - call->asked_ms) / 1000,
                    LABELS (host, call->method));
}

// ---- the request itself ----

static bool
on_body (void *context, const char *bytes, size_t size)
{
    call_t *call = context;
    if (!call->is_counted)
        count_result (call, call->session, 200); // streams are answers 2xx
    call->is_counted = true;
    heard (call->session);
    return call->asked.on_body (call->asked.context, bytes, size);
}

/* True when the call is made again with newer credentials. */
static bool
is_repeated (call_t *call, const http_response_t *response)
{
    if (!response || response->status != 401 || call->is_repeated
        || !api_login_refused (call->owner->login, call->authorization))
        return false;
    call->is_repeated = true;
    pump_soon (call->owner, 0);
    return true;
}

static void
on_done (void *context, const http_response_t *response, const fault_t *fault)
{
    call_t *call = context;
    session_t *session = call->session;
    call->session = NULL;
    session->calls--;
    if (response || !fault || fault->code != FAULT_DEADLINE)
        heard (session);
    count_call (call, session, response);
    if (session->calls == 0)
        pump_soon (call->owner, 0); // it may be an old one
    if (is_repeated (call, response))
        return;
    zlistx_detach (call->owner->calls, zlistx_find (call->owner->calls, call));
    call->asked.on_done (call->asked.context, response, fault);
    void *ended = call;
    call_destroy (&ended);
}

static void
send_request (call_t *call, session_t *session)
{
    const api_endpoint_t *endpoint = session->endpoint;
    OWNED (free_text) char *url = text_format ("%s%s", endpoint->server, call->path);
    const char *authorization = api_login_authorization (call->owner->login);
    free (call->authorization);
    call->authorization = text_copy (authorization);
    http_header_t headers[5] = { { "User-Agent", api_user_agent() },
                                 { "Accept", "application/json" } };
    size_t count = 2;
    if (authorization)
        headers[count++] = (http_header_t){ "Authorization", call->authorization };
    if (call->body)
        headers[count++] = (http_header_t){ "Content-Type", call->content_type };
    http_request_t request = {
        .method = call->method,
        .url = url,
        .headers = headers,
        .body = call->body,
        .body_size = call->asked.body_size,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .body_limit = call->asked.body_limit,
        .is_shared = true,
        .is_unverified = endpoint->is_unverified,
        .ca = endpoint->ca,
        .certificate = endpoint->certificate,
        .key = endpoint->key,
        .connect_to = endpoint->connect_to,
        .proxy = endpoint->proxy,
        .on_body = call->asked.on_body ? on_body : NULL,
        .on_done = on_done,
        .context = call,
    };
    if (call->deadline_ms) {
        int64_t left_ms = call->deadline_ms - clock_monotonic_ms();
        request.timeout_ms = left_ms > 1 ? left_ms : 1;
    }
    call->sent_ms = clock_monotonic_ms();
    if (!call->asked.is_urgent)
        count_wait (call, session);
    call->session = session;
    session->calls++;
    if (!session->silent_since_ms)
        session->silent_since_ms = clock_monotonic_ms();
    call->request = http_request (session->client, &request);
}

// ---- the queue ----

static call_t *
find_ended (api_connection_t *self)
{
    call_t *call = zlistx_first (self->calls);
    while (call && !call->is_ended)
        call = zlistx_next (self->calls);
    return call;
}

/* Tells the ends that could not be told at once. */
static void
tell_ends (api_connection_t *self)
{
    for (call_t *call; (call = find_ended (self));) {
        zlistx_detach (self->calls, zlistx_find (self->calls, call));
        call->asked.on_done (call->asked.context, NULL, call->ending);
        void *ended = call;
        call_destroy (&ended);
    }
}

/* Ends waiting calls whose time is up. Returns how long the next one may wait, -1: none waits. */
static int64_t
end_late_calls (api_connection_t *self, const fault_t *reason)
{
    int64_t now = clock_monotonic_ms(), next = -1;
    for (call_t *call = zlistx_first (self->calls); call; call = zlistx_next (self->calls)) {
        if (call->session || call->is_ended || !call->deadline_ms)
            continue;
        int64_t left = call->deadline_ms - now;
        if (left <= 0) {
            fault_t fault = { 0 };
            fault_set (&fault, FAULT_DEADLINE, "%s %s: %s", call->method, call->path, reason->text);
            end_soon (call, &fault);
        }
        else if (next < 0 || left < next)
            next = left;
    }
    return next;
}

static void
fail_waiting (api_connection_t *self, const fault_t *reason)
{
    for (call_t *call = zlistx_first (self->calls); call; call = zlistx_next (self->calls)) {
        if (call->session || call->is_ended)
            continue;
        fault_t fault = *reason;
        fault_wrap (&fault, "%s %s", call->method, call->path);
        end_soon (call, &fault);
    }
}

/* Sends what waits, as far as the limit goes. Returns false when it holds something back. */
static bool
send_waiting (api_connection_t *self)
{
    session_t *session = use_session (self);
    bool is_held_back = false;
    for (call_t *call = zlistx_first (self->calls); call; call = zlistx_next (self->calls)) {
        if (call->session || call->is_ended)
            continue;
        if (call->asked.is_urgent
            || token_bucket_take (&self->bucket, &self->rate, clock_monotonic_ms() * NS_PER_MS))
            send_request (call, session);
        else
            is_held_back = true;
    }
    return !is_held_back;
}

static bool
has_waiting (api_connection_t *self)
{
    for (call_t *call = zlistx_first (self->calls); call; call = zlistx_next (self->calls))
        if (!call->session && !call->is_ended)
            return true;
    return false;
}

static void
serve_waiting (api_connection_t *self)
{
    fault_t fault = { 0 };
    switch (api_login_state (self->login, &fault)) {
    case API_LOGIN_FAILED: fail_waiting (self, &fault); break;
    case API_LOGIN_READY:
        if (!send_waiting (self))
            pump_soon (self, PUMP_AGAIN_MS);
        fault_set (&fault, FAULT_DEADLINE, "client rate limiter Wait returned an error");
        break;
    case API_LOGIN_PENDING:
        fault_set (&fault, FAULT_DEADLINE, "the credential plugin has not ended yet");
        break;
    }
    int64_t next = end_late_calls (self, &fault);
    if (next >= 0)
        pump_soon (self, next);
}

static void
pump (void *state, void *context)
{
    (void) state;
    api_connection_t *self = context;
    self->pump_timer = 0;
    if (has_waiting (self))
        serve_waiting (self);
    drop_old_sessions (self);
    tell_ends (self);
}

/* The pump runs after `delay_ms` at the latest. */
static void
pump_soon (api_connection_t *self, int64_t delay_ms)
{
    if (self->pump_timer && delay_ms > 0)
        return; // it runs again and asks again
    actor_timer_cancel (self->actor, &self->pump_timer);
    self->pump_timer = actor_timer (self->actor, delay_ms, pump, self);
}

static void
on_login_change (void *context)
{
    api_connection_t *self = context;
    fault_t fault = { 0 };
    if (api_login_state (self->login, &fault) == API_LOGIN_READY && current_session (self))
        use_session (self);
    pump_soon (self, 0);
    if (self->options.on_credentials)
        self->options.on_credentials (self->options.context);
}

// ---- public ----

api_connection_t *
api_connection_new (actor_t *actor, const api_connection_options_t *options)
{
    api_connection_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->options = *options;
    self->rate = (token_rate_t){ .per_s = options->calls_per_s, .burst = options->burst };
    self->calls = zlistx_new();
    zlistx_set_destructor (self->calls, call_destroy);
    self->sessions = zlistx_new();
    zlistx_set_destructor (self->sessions, session_destroy);
    self->login =
        api_login_new (actor, options->kubeconfig, options->certificate, on_login_change, self);
    self->look_timer = actor_timer (actor, LOOK_EVERY_MS, look_at_sessions, self);
    return self;
}

void
api_connection_destroy (api_connection_t **self_p)
{
    api_connection_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zlistx_destroy (&self->sessions);
    zlistx_destroy (&self->calls);
    api_login_destroy (&self->login);
    actor_timer_cancel (self->actor, &self->pump_timer);
    actor_timer_cancel (self->actor, &self->look_timer);
    free (self);
}

uint64_t
api_exchange (api_connection_t *self, const api_exchange_t *asked)
{
    call_t *call = memory_new (1, sizeof *call);
    call->id = ++self->last_id;
    call->owner = self;
    call->asked_ms = clock_monotonic_ms();
    call->asked = *asked;
    call->method = text_copy (asked->method ? asked->method : "GET");
    call->path = text_copy (asked->path);
    call->content_type = text_copy (asked->content_type ? asked->content_type : "application/json");
    if (asked->body) {
        call->body = memory_new (asked->body_size + 1, 1);
        memcpy (call->body, asked->body, asked->body_size);
    }
    if (asked->timeout_ms > 0)
        call->deadline_ms = clock_monotonic_ms() + asked->timeout_ms;
    zlistx_add_end (self->calls, call);
    pump_soon (self, 0);
    return call->id;
}

void
api_exchange_cancel (api_connection_t *self, uint64_t id)
{
    call_t *call = zlistx_first (self->calls);
    while (call && call->id != id)
        call = zlistx_next (self->calls);
    if (!call)
        return;
    detach (call);
    forget_call (call);
    pump_soon (self, 0);
}
