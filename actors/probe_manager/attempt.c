#include "cubelet/clock.h"
#include "cubelet/go_text.h"
#include "cubelet/grpc.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include "cubelet/tcp_dial.h"
#include "health.pb-c.h"
#include "probe_manager.h"
#include <string.h>

#define HEALTH_CHECK "/grpc.health.v1.Health/Check"

struct attempt {
    manager_t *manager;
    const probe_target_t *target;
    char *container_id;
    int64_t timeout_s;
    attempt_done_fn *done;
    void *context;
    // What is under way; zero: it is not that.
    uint64_t exec;
    uint64_t http;
    tcp_dial_t *dial;
    grpc_t *grpc;
    bool is_asked; // the health check was sent
    uint64_t timer;
    int64_t deadline_ms;
};

// ---- exec ----

static void
on_exec (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    attempt_t *self = *(attempt_t **) context;
    self->exec = 0;
    self->done (self->context,
                fault ? probe_outcome_exec_fault (fault, self->target->command, self->timeout_s)
                      : probe_outcome_exec (reply->body));
}

static void
run_exec (attempt_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "container_id", self->container_id);
    node_set (tree, &body, "cmd", *self->target->command);
    node_set_int (tree, &body, "timeout", self->timeout_s);
    self->exec =
        actor_request (self->manager->actor, "runtime", MSG_CRI_EXEC_SYNC, &body,
                       (self->timeout_s + RUNTIME_EXTRA_S) * 1000, on_exec, &self, sizeof self);
}

// ---- http ----

static void
on_http (void *context, const http_response_t *response, const fault_t *fault)
{
    attempt_t *self = context;
    self->http = 0;
    self->done (self->context,
                fault ? probe_outcome_http_fault (fault, response != NULL)
                      : probe_outcome_http (response->status, response->body, response->body_size));
}

http_request_t
http_request_of (const probe_target_t *target, http_header_t **headers_p)
{
    size_t count = 0;
    *headers_p = memory_new (node_count (target->headers) + 1, sizeof **headers_p);
    NODE_EACH (target->headers, header)
    {
        (*headers_p)[count++] = (http_header_t){ node_get_text (header, "name", ""),
                                                 node_get_text (header, "value", "") };
    }
    return (http_request_t){ .url = target->url,
                             .headers = *headers_p,
                             .body_limit = PROBE_OUTPUT_LIMIT_BYTES,
                             .redirect = http_redirect_same_host,
                             .is_single = true,
                             .is_unverified = true };
}

static void
run_http (attempt_t *self)
{
    http_header_t *headers = NULL;
    http_request_t request = http_request_of (self->target, &headers);
    request.timeout_ms = self->timeout_s * 1000;
    request.on_done = on_http;
    request.context = self;
    self->http = http_request (self->manager->http, &request);
    free (headers);
}

// ---- tcp ----

static void
on_dial (void *context, const fault_t *fault)
{
    attempt_t *self = context;
    self->done (self->context, probe_outcome_tcp (fault));
}

static void
on_connect_only (void *context, const http_response_t *response, const fault_t *fault)
{
    (void) response;
    attempt_t *self = context;
    self->http = 0;
    self->done (self->context, probe_outcome_tcp (fault));
}

/* A name has to be looked up first, which libcurl does without blocking. */
static void
run_tcp_by_name (attempt_t *self)
{
    OWNED (free_text) char *address = go_host_port (self->target->host, self->target->port);
    OWNED (free_text) char *url = text_format ("http://%s/", address);
    http_request_t request = { .url = url,
                               .timeout_ms = self->timeout_s * 1000,
                               .is_connect_only = true,
                               .on_done = on_connect_only,
                               .context = self };
    self->http = http_request (self->manager->http, &request);
}

static void
run_tcp (attempt_t *self)
{
    const probe_target_t *target = self->target;
    if (tcp_dial_takes (target->host))
        self->dial = tcp_dial_new (self->manager->actor, target->host, target->port,
                                   self->timeout_s * 1000, on_dial, self);
    else
        run_tcp_by_name (self);
}

// ---- grpc ----

static void
on_checked (void *context, const uint8_t *bytes, size_t size, const fault_t *fault)
{
    attempt_t *self = context;
    fault_t broken = { 0 };
    OWNED (tree_destroy)
    tree_t *tree = fault ? NULL
                         : protobuf_decode (&grpc__health__v1__health_check_response__descriptor,
                                            bytes, size, &broken);
    if (!fault && !tree) {
        broken.code = FAULT_INTERNAL; // as Go calls an answer that it cannot read
        fault = &broken;
    }
    self->done (self->context, fault ? probe_outcome_grpc_fault (fault, self->timeout_s)
                                     : probe_outcome_grpc (tree_root (tree)));
}

/* Asks as soon as the connection stands. Until then it is tried again and again, as upstream's
   blocking dial does: only the timeout ends that. */
static void
on_grpc_state (void *context, bool is_connected, const fault_t *why)
{
    (void) why;
    attempt_t *self = context;
    if (!is_connected || self->is_asked)
        return;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = node_map();
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (self->target->service[0])
        node_set_text (tree, &request, "service", self->target->service);
    if (protobuf_encode (&grpc__health__v1__health_check_request__descriptor, &request, &bytes,
                         &size, &fault)
        < 0)
        return; // one text field: cannot happen
    int64_t left_ms = self->deadline_ms - clock_monotonic_ms();
    grpc_call_t call = { .path = HEALTH_CHECK,
                         .bytes = bytes,
                         .size = size,
                         .timeout_ms = left_ms > 0 ? left_ms : -1,
                         .on_done = on_checked,
                         .context = self };
    self->is_asked = true;
    grpc_call (self->grpc, &call);
    free (bytes);
}

static char *
grpc_address (const attempt_t *self)
{
    return go_host_port (self->target->host, self->target->port);
}

/* The call has a deadline of its own. */
static void
on_grpc_timeout (void *state, void *context)
{
    (void) state;
    attempt_t *self = context;
    self->timer = 0;
    if (self->is_asked)
        return;
    OWNED (free_text) char *address = grpc_address (self);
    self->done (self->context, probe_outcome_grpc_unreached (address, self->timeout_s));
}

static void
run_grpc (attempt_t *self)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *address = grpc_address (self);
    OWNED (free_text) char *agent = kube_user_agent ("probe");
    text_replace (&agent, "%s %s", agent, GRPC_USER_AGENT);
    grpc_options_t options = { .endpoint = address,
                               .user_agent = agent,
                               .keep_connected = true,
                               .on_state = on_grpc_state,
                               .context = self };
    self->grpc =
        grpc_new (self->manager->actor, &options, &fault); // NULL for no address: times out
    self->deadline_ms = clock_monotonic_ms() + self->timeout_s * 1000;
    self->timer = actor_timer (self->manager->actor, self->timeout_s * 1000, on_grpc_timeout, self);
}

// ---- public ----

typedef void run_fn (attempt_t *self);

static run_fn *const RUNS[] = { [TARGET_EXEC] = run_exec,
                                [TARGET_HTTP] = run_http,
                                [TARGET_TCP] = run_tcp,
                                [TARGET_GRPC] = run_grpc };

attempt_t *
attempt_new (manager_t *manager, const probe_target_t *target, const char *container_id,
             int64_t timeout_s, attempt_done_fn *done, void *context)
{
    attempt_t *self = memory_new (1, sizeof *self);
    self->manager = manager;
    self->target = target;
    self->container_id = text_copy (container_id);
    self->timeout_s = timeout_s;
    self->done = done;
    self->context = context;
    RUNS[target->kind](self);
    return self;
}

void
attempt_destroy (attempt_t **self_p)
{
    attempt_t *self = *self_p;
    if (!self)
        return;
    if (self->exec)
        actor_cancel (self->manager->actor, self->exec);
    if (self->http)
        http_cancel (self->manager->http, self->http);
    tcp_dial_destroy (&self->dial);
    grpc_destroy (&self->grpc);
    actor_timer_cancel (self->manager->actor, &self->timer);
    free (self->container_id);
    free (self);
    *self_p = NULL;
}
