#include "renewal.h"
#include "cubelet/api_connection.h"
#include "cubelet/certificate_keys.h"
#include "cubelet/chance.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/reflector.h"
#include "cubelet/watch_stream.h"
#include "store.h"
#include <stdint.h>
#include <string.h>

#define REQUESTS_PATH "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define ORGANIZATION "system:nodes"

#define CALL_TIMEOUT_MS 30000
#define CALL_MAX_BYTES (1024 * 1024)
#define ISSUE_MS (15 * 60 * 1000) // a request that is not answered by then is made anew
#define WATCH_S 300
#define WATCH_LEEWAY_MS 30000
#define LOOK_AGAIN_MS 1000        // after a watch that ended
#define CHECK_MS (60 * 60 * 1000) // a clock may be set, a file may be put there by others

struct renewal {
    actor_t *actor;
    certificate_use_t use;
    char *name; // the certificate's common name
    char *kubeconfig, *bootstrap;
    bool is_rotated;
    certificate_store_t *store;
    tree_t *names; // of a serving certificate; NULL: not known yet
    double chance; // when this certificate is replaced

    api_connection_t *connection; // while something is asked for
    bool is_first;                // with the bootstrap's credentials
    char *key;
    char *request; // name of the CertificateSigningRequest, NULL: not made yet
    watch_stream_t stream;
    certificate_state_t state; // what the watch brought
    char *pem, *reason;        // of ISSUED and REFUSED
    uint64_t exchange;
    int64_t asked_ms;
    unsigned failures;
    uint64_t timer;
};

static const char *
about (const renewal_t *self)
{
    return self->use == CERTIFICATE_CLIENT ? "client" : "serving";
}

static void check (renewal_t *self);
static void look_at_request (renewal_t *self);

static void
check_due (void *state, void *context)
{
    (void) state;
    renewal_t *self = context;
    self->timer = 0;
    check (self);
}

/* Looks again after so long; a running request is given up. */
static void
check_after (renewal_t *self, int64_t wait_ms)
{
    actor_timer_cancel (self->actor, &self->timer);
    self->timer = actor_timer (self->actor, wait_ms, check_due, self);
}

// ---- the end of a request ----

/* The connection goes when its functions are off the stack. */
static void
forget_request (renewal_t *self)
{
    if (self->exchange)
        api_exchange_cancel (self->connection, self->exchange);
    self->exchange = 0;
    watch_stream_clear (&self->stream);
    self->state = CERTIFICATE_PENDING;
    free_text (&self->request);
    free_text (&self->key);
    free_text (&self->pem);
    free_text (&self->reason);
}

/* What /metrics has of each kind. */
static const struct {
    metric_id_t ttl, errors;
} METRICS[] = {
    [CERTIFICATE_CLIENT] = { METRIC_CERTIFICATE_MANAGER_CLIENT_TTL_SECONDS,
                             METRIC_CERTIFICATE_MANAGER_CLIENT_EXPIRATION_RENEW_ERRORS },
    [CERTIFICATE_SERVING] = { METRIC_CERTIFICATE_MANAGER_SERVER_TTL_SECONDS,
                              METRIC_SERVER_EXPIRATION_RENEW_ERRORS },
};

/* Until when the current certificate is good; 0: there is none. */
static void
show_end (const renewal_t *self, int64_t not_after_ns)
{
    metric_count_down (METRICS[self->use].ttl, not_after_ns ? not_after_ns : INT64_MAX, NO_LABELS);
}

static void
fail (renewal_t *self, const char *text)
{
    metric_count (METRICS[self->use].errors, NO_LABELS);
    int64_t wait_ms = certificate_retry_ms (++self->failures, chance());
    LOG_ERROR ("No certificate was issued, it is asked for again use=%s name=%s err=%s",
               about (self), self->name, text);
    forget_request (self);
    check_after (self, wait_ms);
}

/* Writes the kubeconfig that refers to the first certificate. */
static int
write_kubeconfig (renewal_t *self, fault_t *fault)
{
    kubeconfig_t bootstrap;
    OWNED (tree_destroy) tree_t *tree = store_read_kubeconfig (self->bootstrap, &bootstrap, fault);
    if (!tree)
        return -1;
    OWNED (free_text)
    char *text = certificate_kubeconfig (&bootstrap, store_current_path (self->store));
    return store_write_kubeconfig (self->kubeconfig, text, fault);
}

/* How long the serving certificate lived that is replaced now; NULL: there was none. */
static void
count_age (const renewal_t *self, const char *before)
{
    fault_t ignored = { 0 };
    certificate_facts_t facts = { 0 };
    if (self->use == CERTIFICATE_SERVING && before
        && certificate_inspect (before, NULL, &facts, &ignored) == 0)
        metric_observe (METRIC_CERTIFICATE_MANAGER_SERVER_ROTATION_SECONDS,
                        (double) (clock_now_ns() - facts.not_before_ns) / NS_PER_S, NO_LABELS);
}

static void
take_certificate (renewal_t *self)
{
    fault_t fault = { 0 };
    certificate_facts_t facts = { 0 };
    char until[TIME_TEXT_MAX];
    OWNED (free_text) char *whole = text_format ("%s%s", self->pem, self->key);
    OWNED (free_text) char *before = store_read (self->store);
    if (certificate_inspect (whole, NULL, &facts, &fault) < 0
        || store_put (self->store, whole, clock_now_ns(), &fault) < 0
        || (self->is_first && write_kubeconfig (self, &fault) < 0)) {
        fail (self, fault.text);
        return;
    }
    show_end (self, facts.not_after_ns);
    count_age (self, before);
    LOG_INFO ("Certificate issued use=%s name=%s until=%s", about (self), self->name,
              time_text (facts.not_after_ns, until));
    if (self->is_first)
        store_drop_key (self->store);
    self->failures = 0;
    self->chance = chance();
    forget_request (self);
    check_after (self, 0);
}

/* Goes by what the request has become: true when it is over. */
static bool
take_state (renewal_t *self)
{
    if (self->state == CERTIFICATE_ISSUED)
        take_certificate (self);
    else if (self->state == CERTIFICATE_REFUSED) {
        if (self->is_first)
            store_drop_key (self->store); // the same request would be refused again
        OWNED (free_text) char *reason = STEAL (self->reason);
        fail (self, reason);
    }
    else if (clock_monotonic_ms() - self->asked_ms > ISSUE_MS)
        fail (self, "the request was not answered in time");
    else
        return false;
    return true;
}

/* Notes what the request has become, and its name. */
static void
note_request (renewal_t *self, const node_t *request)
{
    const char *reason = NULL;
    free_text (&self->pem);
    self->state = certificate_request_state (request, &self->pem, &reason);
    text_replace (&self->reason, "%s", reason ? reason : "");
    const char *name = node_as_text (node_at (request, "metadata", "name", NULL), NULL);
    if (!self->request && name)
        self->request = text_copy (name);
}

// ---- waiting for the answer ----

static void
look_due (void *state, void *context)
{
    (void) state;
    renewal_t *self = context;
    self->timer = 0;
    look_at_request (self);
}

static bool
on_event (void *context, watch_event_type_t type, node_t *object, tree_t *tree)
{
    (void) tree;
    renewal_t *self = context;
    if (type == WATCH_DELETED || type == WATCH_ERROR)
        return false;
    if (type != WATCH_BOOKMARK)
        note_request (self, object);
    return self->state == CERTIFICATE_PENDING;
}

static bool
on_watch_body (void *context, const char *bytes, size_t size)
{
    renewal_t *self = context;
    fault_t fault = { 0 };
    return watch_stream_read (&self->stream, bytes, size, on_event, self, &fault) == 1;
}

static void
on_watch_done (void *context, const http_response_t *response, const fault_t *fault)
{
    (void) response, (void) fault;
    renewal_t *self = context;
    self->exchange = 0;
    watch_stream_clear (&self->stream);
    if (take_state (self))
        return;
    actor_timer_cancel (self->actor, &self->timer);
    self->timer = actor_timer (self->actor, LOOK_AGAIN_MS, look_due, self);
}

static void
watch (renewal_t *self, const char *version)
{
    OWNED (free_text) char *selector = text_format ("metadata.name=%s", self->request);
    reflector_t from = { 0 };
    reflector_saw (&from, version);
    OWNED (free_text) char *query = reflector_watch_query (&from, selector, WATCH_S);
    OWNED (free_text) char *path = text_format (REQUESTS_PATH "?%s", query);
    api_exchange_t exchange = {
        .path = path,
        .timeout_ms = WATCH_S * 1000 + WATCH_LEEWAY_MS,
        .body_limit = CALL_MAX_BYTES,
        .on_body = on_watch_body,
        .on_done = on_watch_done,
        .context = self,
    };
    self->exchange = api_exchange (self->connection, &exchange);
}

/* Reads an answer with a CertificateSigningRequest: the tree, owned; or NULL with a text. */
static tree_t *
read_answer (const http_response_t *response, const fault_t *fault, char **text_p)
{
    fault_t syntax = { 0 };
    if (fault || !response) {
        *text_p = text_copy (fault ? fault->text : "no answer");
        return NULL;
    }
    tree_t *tree = json_read (response->body, response->body_size, &syntax);
    if (tree && response->status / 100 == 2)
        return tree;
    const char *message = tree ? node_get_text (tree_root (tree), "message", NULL) : NULL;
    *text_p = message ? text_copy (message) : text_format ("HTTP status %d", response->status);
    tree_destroy (&tree);
    return NULL;
}

static void
on_request (void *context, const http_response_t *response, const fault_t *fault)
{
    renewal_t *self = context;
    self->exchange = 0;
    if (response && response->status == 409 && self->request) {
        look_at_request (self); // made before the agent was started anew
        return;
    }
    OWNED (free_text) char *text = NULL;
    OWNED (tree_destroy) tree_t *tree = read_answer (response, fault, &text);
    if (!tree) {
        fail (self, text);
        return;
    }
    note_request (self, tree_root (tree));
    const node_t *version = node_at (tree_root (tree), "metadata", "resourceVersion", NULL);
    if (!take_state (self))
        watch (self, node_as_text (version, ""));
}

static void
look_at_request (renewal_t *self)
{
    OWNED (free_text) char *name = query_escape (self->request);
    OWNED (free_text) char *path = text_format (REQUESTS_PATH "/%s", name);
    api_exchange_t exchange = {
        .path = path,
        .timeout_ms = CALL_TIMEOUT_MS,
        .body_limit = CALL_MAX_BYTES,
        .on_done = on_request,
        .context = self,
    };
    self->exchange = api_exchange (self->connection, &exchange);
}

// ---- asking ----

static void
post (renewal_t *self, const char *pem)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = certificate_request_node (tree, self->use, self->request, pem);
    size_t size = 0;
    OWNED (free_text) char *body = json_write (&request, JSON_COMPACT, &size);
    api_exchange_t exchange = {
        .method = "POST",
        .path = REQUESTS_PATH,
        .body = body,
        .body_size = size,
        .timeout_ms = CALL_TIMEOUT_MS,
        .body_limit = CALL_MAX_BYTES,
        .on_done = on_request,
        .context = self,
    };
    self->asked_ms = clock_monotonic_ms();
    self->exchange = api_exchange (self->connection, &exchange);
}

/* Key, request and, for a first certificate, its name. */
static char *
prepare (renewal_t *self, fault_t *fault)
{
    self->key = self->is_first ? store_key (self->store, fault) : certificate_key_make (fault);
    if (!self->key)
        return NULL;
    if (self->is_first) {
        self->request = certificate_request_name (self->key, self->name, fault);
        if (!self->request)
            return NULL;
    }
    const node_t *names = self->names ? tree_root (self->names) : NULL;
    return certificate_request_make (self->key, ORGANIZATION, self->name, names, fault);
}

static void
ask (renewal_t *self, bool is_first)
{
    fault_t fault = { 0 };
    api_connection_options_t options = {
        .kubeconfig = is_first ? self->bootstrap : self->kubeconfig,
        .certificate = is_first ? NULL : store_client_path (self->store),
    };
    forget_request (self);
    api_connection_destroy (&self->connection);
    self->is_first = is_first;
    OWNED (free_text) char *pem = prepare (self, &fault);
    if (!pem) {
        fail (self, fault.text);
        return;
    }
    LOG_INFO ("Certificate is asked for use=%s name=%s", about (self), self->name);
    self->connection = api_connection_new (self->actor, &options);
    post (self, pem);
}

// ---- what there is ----

/* A first certificate is needed: upstream's condition for a bootstrap. */
static bool
needs_first (const renewal_t *self)
{
    return self->use == CERTIFICATE_CLIENT && self->bootstrap
           && !store_kubeconfig_is_valid (self->kubeconfig, clock_now_ns());
}

/* How many milliseconds the certificate is still good for; 0: it has to be replaced. */
static int64_t
good_for_ms (const renewal_t *self)
{
    fault_t fault = { 0 };
    certificate_facts_t facts = { 0 };
    const node_t *names = self->names ? tree_root (self->names) : NULL;
    OWNED (free_text) char *pem = store_read (self->store);
    if (!pem)
        return 0;
    if (certificate_inspect (pem, names, &facts, &fault) < 0) {
        LOG_WARNING ("Certificate cannot be used file=%s err=%s", store_current_path (self->store),
                     fault.text);
        return 0;
    }
    show_end (self, facts.not_after_ns);
    if (facts.not_after_ns < clock_now_ns()) {
        char until[TIME_TEXT_MAX];
        LOG_ERROR (
            "The certificate has expired; the agent goes on, and asks for another one use=%s "
            "since=%s",
            about (self), time_text (facts.not_after_ns, until));
        return 0;
    }
    if (strcmp (facts.common_name, self->name) != 0 || !facts.has_names)
        return 0;
    int64_t at = certificate_replaced_at (facts.not_before_ns, facts.not_after_ns, self->chance);
    int64_t left_ms = (at - clock_now_ns()) / NS_PER_MS;
    return left_ms > 0 ? left_ms : 0;
}

static void
check (renewal_t *self)
{
    if (needs_first (self)) {
        ask (self, true);
        return;
    }
    forget_request (self);
    api_connection_destroy (&self->connection);
    if (self->use == CERTIFICATE_SERVING && !self->names)
        return; // the node's addresses are not known
    int64_t left_ms = self->is_rotated ? good_for_ms (self) : CHECK_MS;
    if (left_ms > 0)
        check_after (self, left_ms < CHECK_MS ? left_ms : CHECK_MS);
    else
        ask (self, false);
}

// ---- public ----

renewal_t *
renewal_new (actor_t *actor, const renewal_options_t *options)
{
    renewal_t *self = memory_new (1, sizeof *self);
    bool is_client = options->use == CERTIFICATE_CLIENT;
    self->actor = actor;
    self->use = options->use;
    self->name = text_format ("system:node:%s", options->node_name);
    self->kubeconfig = text_copy (options->kubeconfig);
    self->bootstrap = text_copy (options->bootstrap);
    self->is_rotated = options->is_rotated;
    self->store = store_new (options->directory, is_client ? "kubelet-client" : "kubelet-server");
    self->chance = chance();
    show_end (self, 0);
    metric_add (METRICS[self->use].errors, 0, NO_LABELS);
    check_after (self, 0);
    return self;
}

void
renewal_destroy (renewal_t **self_p)
{
    renewal_t *self = *self_p;
    if (!self)
        return;
    forget_request (self);
    api_connection_destroy (&self->connection);
    actor_timer_cancel (self->actor, &self->timer);
    tree_destroy (&self->names);
    store_destroy (&self->store);
    free (self->name);
    free (self->kubeconfig);
    free (self->bootstrap);
    free (self);
    *self_p = NULL;
}

void
renewal_set_names (renewal_t *self, const node_t *names)
{
    if (self->names && node_equal (tree_root (self->names), names))
        return;
    tree_destroy (&self->names);
    self->names = tree_copy (names);
    self->failures = 0;
    check_after (self, 0);
}
