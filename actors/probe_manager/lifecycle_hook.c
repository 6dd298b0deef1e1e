#include "cubelet/clock.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include "probe_manager.h"
#include <string.h>
#include <strings.h>

/* How Go's client says that an https server speaks http. */
#define PLAIN_ANSWER "server gave HTTP response to HTTPS client"
/* When a sleep is longer than this, it is this: a few thousand years. */
#define SLEEP_MAX_S (INT64_MAX / 100000)

/* One run of a handler, from HOOK_RUN to its answer. */
typedef struct {
    manager_t *manager;
    return_address_t *address;
    char *container;
    char *pod_full_name;   // NAME_NS(UID)
    char *what;            // "Exec lifecycle hook ([a b])"
    tree_t *tree;          // of what follows
    node_t reference;      // of the pod, for events
    node_t command;        // exec
    probe_target_t target; // http
    bool is_sleep;
    char *first_error; // http: of the https request, while it is tried over http
    // What is under way; zero: it is not that.
    uint64_t exec;
    uint64_t http;
    uint64_t timer;
} lifecycle_hook_t;

static void
hook_destroy (void **self_p)
{
    lifecycle_hook_t *self = *self_p;
    if (self->exec)
        actor_cancel (self->manager->actor, self->exec);
    if (self->http)
        http_cancel (self->manager->http, self->http);
    actor_timer_cancel (self->manager->actor, &self->timer);
    return_address_destroy (&self->address);
    tree_destroy (&self->tree);
    free (self->container);
    free (self->pod_full_name);
    free (self->what);
    free (self->first_error);
    free (self);
    *self_p = NULL;
}

zlistx_t *
lifecycle_hooks_new (void)
{
    zlistx_t *hooks = zlistx_new();
    zlistx_set_destructor (hooks, hook_destroy);
    return hooks;
}

static void
forget (lifecycle_hook_t *self)
{
    zlistx_t *hooks = self->manager->hooks;
    zlistx_delete (hooks, zlistx_find (hooks, self));
}

static void
succeed (lifecycle_hook_t *self)
{
    actor_answer (self->manager->actor, &self->address, NULL, NULL);
    forget (self);
}

/* Answers with upstream's message: `error`, and `output` (NULL: none) of a command. */
static void
fail (lifecycle_hook_t *self, fault_code_t code, const char *error, const char *output)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *container = go_quote (self->container);
    OWNED (free_text) char *pod = go_quote (self->pod_full_name);
    OWNED (free_text) char *quoted = output ? go_quote (output) : NULL;
    fault_set (&fault, code, "%s for Container %s in Pod %s failed - error: %s%s%s", self->what,
               container, pod, error, quoted ? ", message: " : "", quoted ? quoted : "");
    LOG_V (1, "Lifecycle hook failed err=%s", fault.text);
    actor_answer (self->manager->actor, &self->address, NULL, &fault);
    forget (self);
}

// ---- exec ----

static void
on_exec (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    lifecycle_hook_t *self = *(lifecycle_hook_t **) context;
    self->exec = 0;
    if (fault) {
        OWNED (free_text) char *error = exec_error (fault, &self->command, 0);
        fail (self, fault->code, error, "");
        return;
    }
    int64_t code = node_get_int (reply->body, "exit_code", 0);
    if (code == 0) {
        succeed (self);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t errors = node_map(); // stderr alone
    const node_t *bytes = node_get (reply->body, "stderr");
    if (bytes)
        node_set (tree, &errors, "stderr", *bytes);
    OWNED (free_text) char *words = command_text (&self->command);
    OWNED (free_text) char *complaint = exec_output (&errors, PROBE_OUTPUT_LIMIT_BYTES);
    OWNED (free_text) char *output = exec_output (reply->body, PROBE_OUTPUT_LIMIT_BYTES);
    OWNED (free_text)
    char *error =
        text_format ("command '%s' exited with %lld: %s", words, (long long) code, complaint);
    fail (self, FAULT_UNKNOWN, error, output);
}

/* The command is not expanded, and has no timeout but the request's. */
static void
run_exec (lifecycle_hook_t *self, const exec_action_t *exec, const char *id)
{
    OWNED (free_text) char *list = go_list (exec->command.items, exec->command.count);
    self->what = text_format ("Exec lifecycle hook (%s)", list);
    self->command = node_array();
    for (size_t i = 0; i < exec->command.count; i++)
        node_append (self->tree, &self->command, node_text (self->tree, exec->command.items[i]));
    node_t body = node_map();
    node_set_text (self->tree, &body, "container_id", id);
    node_set (self->tree, &body, "cmd", self->command);
    self->exec = actor_request (self->manager->actor, "runtime", MSG_CRI_EXEC_SYNC, &body, 0,
                                on_exec, &self, sizeof self);
}

// ---- http ----

static void on_http (void *context, const http_response_t *response, const fault_t *fault);

/* Takes "Authorization" out: what was meant for TLS must not go over the wire in the open. */
static void
drop_authorization (http_header_t *headers)
{
    http_header_t *kept = headers;
    for (http_header_t *header = headers; header->name; header++)
        if (strcasecmp (header->name, "Authorization") != 0)
            *kept++ = *header;
    kept->name = NULL;
}

/* `url` NULL: the target's own. */
static void
send_request (lifecycle_hook_t *self, const char *url)
{
    http_header_t *headers = NULL;
    http_request_t request = http_request_of (&self->target, &headers);
    if (url) {
        request.url = url;
        drop_authorization (headers);
    }
    request.on_done = on_http;
    request.context = self;
    self->http = http_request (self->manager->http, &request);
    free (headers);
}

static void
record_fallback (lifecycle_hook_t *self)
{
    OWNED (free_text) char *host = go_host_port (self->target.host, self->target.port);
    metric_count (METRIC_LIFECYCLE_HANDLER_HTTP_FALLBACKS_TOTAL, NO_LABELS);
    node_t body = node_map();
    node_set (self->tree, &body, "object", self->reference);
    node_set_text (self->tree, &body, "type", "Warning");
    node_set_text (self->tree, &body, "reason", "LifecycleHTTPFallback");
    node_set (self->tree, &body, "message",
              node_text_format (self->tree,
                                "request to HTTPS lifecycle hook %s got HTTP response, retry with "
                                "HTTP succeeded",
                                host));
    actor_send (self->manager->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

static void
retry_in_the_open (lifecycle_hook_t *self, const fault_t *fault)
{
    LOG_V (1, "HTTPS request to lifecycle hook got HTTP response, retrying with HTTP pod=%s",
           self->pod_full_name);
    self->first_error = text_copy (fault->text);
    OWNED (free_text) char *url = text_format ("http%s", self->target.url + strlen ("https"));
    send_request (self, url);
}

/* Any status is a success; a body that broke off is, too. */
static void
on_http (void *context, const http_response_t *response, const fault_t *fault)
{
    lifecycle_hook_t *self = context;
    self->http = 0;
    if (response) {
        if (self->first_error)
            record_fallback (self);
        succeed (self);
    }
    else if (self->first_error)
        fail (self, fault->code, self->first_error, NULL);
    else if (strstr (fault->text, PLAIN_ANSWER) && strncmp (self->target.url, "https:", 6) == 0)
        retry_in_the_open (self, fault);
    else
        fail (self, fault->code, fault->text, NULL);
}

static void
run_http (lifecycle_hook_t *self, const http_action_t *http, const container_t *container,
          const char *pod_ip)
{
    fault_t fault = { 0 };
    self->what = text_format ("HTTP lifecycle hook (%s)", http->path ? http->path : "");
    if (hook_http_target (http, container, pod_ip, self->tree, &self->target, &fault) < 0)
        fail (self, fault.code, fault.text, NULL);
    else
        send_request (self, NULL);
}

// ---- sleep ----

static void
on_slept (void *state, void *context)
{
    (void) state;
    lifecycle_hook_t *self = context;
    self->timer = 0;
    succeed (self);
}

static void
run_sleep (lifecycle_hook_t *self, int64_t seconds)
{
    self->is_sleep = true;
    self->what = text_format ("Sleep lifecycle hook (%lld)", (long long) seconds);
    int64_t bounded = seconds < 0 ? 0 : seconds > SLEEP_MAX_S ? SLEEP_MAX_S : seconds;
    self->timer = actor_timer (self->manager->actor, bounded * 1000, on_slept, self);
}

// ---- messages ----

/* The handler of the container that stands in the request. */
static const handler_t *
find_handler (const container_t *container, const node_t *node)
{
    const handler_t *const handlers[] = { container->lifecycle.post_start,
                                          container->lifecycle.pre_stop };
    for (size_t i = 0; i < COUNT_OF (handlers); i++)
        if (handlers[i] && node_equal (handlers[i]->node, node))
            return handlers[i];
    return NULL;
}

static lifecycle_hook_t *
hook_new (manager_t *manager, const message_t *message, const pod_t *pod,
          const container_t *container)
{
    const object_meta_t *metadata = &pod->metadata;
    lifecycle_hook_t *self = memory_new (1, sizeof *self);
    self->manager = manager;
    self->address = return_address_new (message);
    self->container = text_copy (container->name);
    self->pod_full_name = pod_full_name (metadata->namespace, metadata->name, metadata->uid);
    self->tree = tree_new();
    self->reference = object_reference_pod (self->tree, pod->node, NULL);
    zlistx_add_end (manager->hooks, self);
    return self;
}

int
on_hook_run (void *state, const message_t *message, fault_t *fault)
{
    const node_t *body = message->body;
    pod_t pod = { .node = NULL };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (pod_decode (node_get (body, "pod"), tree, &pod, fault) < 0)
        return fault_wrap (fault, "the hook's pod");
    const char *name = node_get_text (body, "container", "");
    const container_t *container = pod_container (&pod, name);
    const handler_t *handler =
        container ? find_handler (container, node_get (body, "handler")) : NULL;
    if (!handler)
        return fault_set (fault, FAULT_INVALID, "container %s has no such lifecycle handler", name);
    if (!handler->exec && !handler->http_get && !handler->sleep)
        return fault_set (fault, FAULT_INVALID, "Cannot run handler: invalid handler");
    lifecycle_hook_t *hook = hook_new (state, message, &pod, container);
    if (handler->exec)
        run_exec (hook, handler->exec, node_get_text (body, "id", ""));
    else if (handler->http_get)
        run_http (hook, handler->http_get, container, node_get_text (body, "pod_ip", NULL));
    else
        run_sleep (hook, handler->sleep->seconds);
    return 0;
}

int
on_request_cancel (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    uint64_t id = (uint64_t) node_get_int (message->body, "id", 0);
    for (lifecycle_hook_t *hook = zlistx_first (self->hooks); hook;
         hook = zlistx_next (self->hooks)) {
        if (return_address_id (hook->address) == id
            && strcmp (return_address_from (hook->address), message->from) == 0) {
            if (hook->is_sleep) // its container has ended, or has to
                metric_count (METRIC_SLEEP_ACTION_TERMINATED_EARLY_TOTAL, NO_LABELS);
            forget (hook);
            return 0;
        }
    }
    return 0;
}
