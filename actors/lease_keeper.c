/* lease_keeper.c - renews the node's Lease for as long as the agent lives.

   A renewal writes the Lease as the API server last had it. When that is refused, or nothing is
   known of it, it is read first, and made if there is none; a new one needs its Node, its owner.
   What fails is tried again after a wait, more often than upstream, which lets a whole renewal go.

   Arguments: {"node_name": text, "duration_s": int, "timeout_ms": int}: KubeletConfiguration's
   nodeLeaseDurationSeconds; how long a request may take.
   Source: reference/node-and-server.md 2.3; samples/api-requests.jsonl, lines 30 to 34. */
#include "cubelet/actors.h"
#include "cubelet/api_call.h"
#include "cubelet/backoff.h"
#include "cubelet/chance.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/node_lease.h"
#include <string.h>

#define LEASES "/apis/coordination.k8s.io/v1"
#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_DURATION_S 40

static const backoff_limits_t RETRY = { .first_ns = NS_PER_S / 10, .limit_ns = 7 * NS_PER_S };

typedef struct {
    actor_t *actor;
    char *node_name;
    char *node_uid; // of the Node that a Lease gets as its owner; NULL: not known
    char *query;    // "timeout=10s"
    int64_t duration_s, timeout_ms;
    tree_t *lease; // as the API server last had it; NULL: not known
    uint64_t timer;
    uint64_t call;
    backoff_t backoff;
    bool is_failing; // said once
} keeper_t;

static void renew (keeper_t *self);
static void ensure (keeper_t *self);

// ---- requests ----

static void
ask (keeper_t *self, const char *method, char *path, const node_t *body, actor_reply_fn *reply)
{
    OWNED (free_text) char *owned_path = path;
    api_call_t call = { .method = method,
                        .path = owned_path,
                        .query = self->query,
                        .body = body,
                        .timeout_ms = self->timeout_ms };
    self->call = api_call (self->actor, &call, reply, NULL, 0);
}

static char *
lease_path (const keeper_t *self, bool has_name)
{
    return api_path (LEASES, LEASE_NAMESPACE, "leases", has_name ? self->node_name : NULL, NULL);
}

// ---- the pace ----

static void
on_timer (void *state, void *context)
{
    (void) context;
    keeper_t *self = state;
    self->timer = 0;
    if (self->lease)
        renew (self);
    else
        ensure (self);
}

static void
pause_for (keeper_t *self, int64_t delay_ms)
{
    actor_timer_cancel (self->actor, &self->timer);
    self->timer = actor_timer (self->actor, delay_ms, on_timer, NULL);
}

/* `lease` is what the API server has now: that was it for this time. */
static void
settle (keeper_t *self, const node_t *lease)
{
    tree_destroy (&self->lease);
    if (node_is_map (lease))
        self->lease = tree_copy (lease);
    self->backoff = (backoff_t){ 0 };
    if (self->is_failing)
        LOG_INFO ("Lease is renewed again lease=%s", self->node_name);
    self->is_failing = false;
    pause_for (self, node_lease_renew_ms (self->duration_s, chance()));
}

static void
fail (keeper_t *self, const char *what, const fault_t *fault)
{
    int64_t now = clock_monotonic_ms() * NS_PER_MS;
    // a node that is not registered yet is no news
    if (fault->code == FAULT_NOT_FOUND)
        LOG_V (1, "%s, will retry lease=%s err=%s", what, self->node_name, fault->text);
    else if (!self->is_failing)
        LOG_WARNING ("%s, will retry lease=%s err=%s", what, self->node_name, fault->text);
    self->is_failing = fault->code != FAULT_NOT_FOUND;
    backoff_next (&self->backoff, &RETRY, now, now);
    pause_for (self, self->backoff.wait_ns / NS_PER_MS);
}

// ---- the Lease that is there ----

static void
on_renewed (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) context;
    keeper_t *self = state;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *lease = api_reply_check (reply, came, &fault);
    if (lease) {
        settle (self, lease);
        return;
    }
    bool is_other = fault.code == FAULT_ABORTED || fault.code == FAULT_NOT_FOUND;
    if (!is_other) {
        fail (self, "Failed to update lease", &fault);
        return;
    }
    tree_destroy (&self->lease); // somebody else has changed or removed it
    if (self->backoff.wait_ns)   // and again: not at once any more
        fail (self, "Failed to update lease", &fault);
    else {
        int64_t now = clock_monotonic_ms() * NS_PER_MS;
        backoff_next (&self->backoff, &RETRY, now, now);
        ensure (self);
    }
}

static void
put (keeper_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t lease = node_lease (tree, tree_root (self->lease), self->node_name, self->node_uid,
                               self->duration_s, clock_now_ns());
    ask (self, "PUT", lease_path (self, true), &lease, on_renewed);
}

// ---- a new one ----

static void
on_created (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) context;
    keeper_t *self = state;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *lease = api_reply_check (reply, came, &fault);
    if (lease)
        settle (self, lease);
    else
        fail (self, "Failed to create lease", &fault);
}

static void
create (keeper_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t lease =
        node_lease (tree, NULL, self->node_name, self->node_uid, self->duration_s, clock_now_ns());
    ask (self, "POST", lease_path (self, false), &lease, on_created);
}

// ---- its owner ----

static void
on_owner (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) context;
    keeper_t *self = state;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *node = api_reply_check (reply, came, &fault);
    free_text (&self->node_uid);
    if (node)
        self->node_uid = text_copy (node_get_text (node_get (node, "metadata"), "uid", NULL));
    if (self->lease)
        put (self); // better without an owner than not at all
    else if (self->node_uid)
        create (self);
    else
        fail (self, "No lease without its Node", &fault);
}

static void
find_owner (keeper_t *self)
{
    ask (self, "GET", api_path ("/api/v1", NULL, "nodes", self->node_name, NULL), NULL, on_owner);
}

static void
renew (keeper_t *self)
{
    if (node_lease_needs_owner (tree_root (self->lease)))
        find_owner (self);
    else
        put (self);
}

static void
on_found (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) context;
    keeper_t *self = state;
    fault_t fault = { 0 };
    self->call = 0;
    const node_t *lease = api_reply_check (reply, came, &fault);
    if (node_is_map (lease)) {
        self->lease = tree_copy (lease);
        renew (self);
    }
    else if (fault.code == FAULT_NOT_FOUND)
        find_owner (self);
    else
        fail (self, "Failed to get lease", &fault);
}

static void
ensure (keeper_t *self)
{
    ask (self, "GET", lease_path (self, true), NULL, on_found);
}

// ---- start and stop ----

/* The api-client is new, what it was asked comes back as a fault: then there is no use waiting. */
static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) message, (void) fault;
    keeper_t *self = state;
    if (self->is_failing && !self->call)
        pause_for (self, 0);
    return 0;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    keeper_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->duration_s = node_get_int (args, "duration_s", DEFAULT_DURATION_S);
    self->timeout_ms = node_get_int (args, "timeout_ms", DEFAULT_TIMEOUT_MS);
    self->query = text_format ("timeout=%llds", (long long) ((self->timeout_ms + 999) / 1000));
    pause_for (self, 0);
    return self;
}

static void
stop (void **self_p)
{
    keeper_t *self = *self_p;
    tree_destroy (&self->lease);
    free (self->node_name);
    free (self->node_uid);
    free (self->query);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_ACTOR_UP, on_actor_up },
    { 0 },
};

const actor_class_t lease_keeper_class = {
    .name = "lease-keeper",
    .about = "renews the node's Lease",
    .hears_of = API_CLIENT,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
