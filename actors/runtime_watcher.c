/* Turns what the runtime lists into messages to the pods' workers. It lists when an event says that
   something changed, and now and then in any case, and tells each worker of changes of its pod. */
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/pleg.h"
#include "cubelet/pod_names.h"
#include <string.h>

#define COALESCE_MS 10     // events come in bunches
#define POLL_EVERY_MS 1000 // without events
/* With events a listing only heals what got lost; every pod is told anew then. Two calls a minute
   cost nothing, and an update that was lost is not missing for the upstream kubelet's 5 minutes. */
#define RENEW_EVERY_MS 60000
/* After a listing as many times its own duration pass before the next: the runtime has other work,
   above all when many pods start and every start is an event. */
#define REST_FACTOR 9
#define REST_MAX_MS 500
#define LIST_DEADLINE_MS 30000
#define NEWCOMERS_MAX 4096

/* A worker that waits for a listing that begins then or later: it is told all of its pod. */
typedef struct {
    char *worker;
    int64_t since; // ns
} newcomer_t;

typedef struct {
    actor_t *actor;
    pleg_t *pleg;
    uint64_t timer; // of the next listing
    int64_t timer_at;
    uint64_t requests[2]; // of the listing under way; 0: answered
    bool is_listing;
    bool is_wanted;    // again, after the one under way
    tree_t *sandboxes; // the first answer, until the second is there
    tree_t *containers;
    int64_t listed_at; // ns, when the requests were sent
    int64_t began_ms;
    int64_t listed_before_ms; // when the listing before that began; 0: none
    int64_t rest_until;       // monotonic ms
    int64_t renew_at;         // monotonic ms
    bool is_periodic;         // the listing under way was due anyway
    bool has_events;
    bool is_down;    // and we were told so: wait until it is back
    bool is_failing; // logged already
    newcomer_t *newcomers;
    size_t newcomer_count;
} watcher_t;

static void start_listing (watcher_t *self);

// ---- telling workers ----

static void
send_listing (watcher_t *self, const char *worker, const node_t *sandboxes,
              const node_t *containers)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_int (tree, &body, "listed_at", pleg_listed_at (self->pleg));
    node_set (tree, &body, "sandboxes", sandboxes ? *sandboxes : node_array());
    node_set (tree, &body, "containers", containers ? *containers : node_array());
    actor_send (self->actor, worker, MSG_POD_RUNTIME, &body);
}

static void
tell_worker (void *context, const pleg_pod_t *pod)
{
    char worker[ACTOR_NAME_MAX];
    pod_worker_name (pod->ns, pod->name, pod->uid, worker);
    send_listing (context, worker, pod->sandboxes, pod->containers);
}

static void
tell_manager (void *context, const pleg_pod_t *pod)
{
    watcher_t *self = context;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "uid", pod->uid);
    node_set_text (tree, &body, "namespace", pod->ns);
    node_set_text (tree, &body, "name", pod->name);
    actor_send (self->actor, "pod-manager", MSG_POD_ORPHAN, &body);
}

static void
tell_orphan (void *context, const pleg_pod_t *pod)
{
    if (pod->is_orphan)
        tell_manager (context, pod);
}

/* A worker that has just come up gets its pod, also when there is nothing of it. */
static void
tell_newcomer (watcher_t *self, const char *worker)
{
    if (!pleg_find (self->pleg, pod_worker_uid (worker), tell_worker, self))
        send_listing (self, worker, NULL, NULL);
}

static void
tell_newcomers (watcher_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->newcomer_count; i++) {
        newcomer_t *newcomer = &self->newcomers[i];
        if (newcomer->since > self->listed_at) { // for the next one
            self->newcomers[kept++] = *newcomer;
            continue;
        }
        tell_newcomer (self, newcomer->worker);
        free (newcomer->worker);
    }
    self->newcomer_count = kept;
}

static void
keep_newcomer (watcher_t *self, const char *worker, int64_t since)
{
    for (size_t i = 0; i < self->newcomer_count; i++) {
        if (strcmp (self->newcomers[i].worker, worker) != 0)
            continue;
        self->newcomers[i].since = since;
        return;
    }
    if (self->newcomer_count == NEWCOMERS_MAX)
        return; // it is told with all others when the listings are renewed
    self->newcomers = memory_grow (self->newcomers, self->newcomer_count + 1, sizeof (newcomer_t));
    self->newcomers[self->newcomer_count++] = (newcomer_t){ text_copy (worker), since };
}

// ---- when to list ----

static void
on_timer (void *state, void *context)
{
    (void) context;
    watcher_t *self = state;
    self->timer = 0;
    start_listing (self);
}

/* Lists in `delay_ms`, or when it was going to if that is sooner. */
static void
list_in (watcher_t *self, int64_t delay_ms)
{
    int64_t at = clock_monotonic_ms() + delay_ms;
    if (at < self->rest_until)
        at = self->rest_until;
    if (self->timer && self->timer_at <= at)
        return;
    actor_timer_cancel (self->actor, &self->timer);
    self->timer_at = at;
    self->timer = actor_timer (self->actor, at - clock_monotonic_ms(), on_timer, NULL);
}

/* Something changed that a listing under way may have missed. */
static void
list_soon (watcher_t *self)
{
    if (self->is_listing)
        self->is_wanted = true;
    else if (!self->is_down)
        list_in (self, COALESCE_MS);
}

/* For /metrics: a listing has ended. */
static void
count_listing (watcher_t *self, int64_t now_ms)
{
    metric_observe (METRIC_PLEG_RELIST_DURATION_SECONDS, (double) (now_ms - self->began_ms) / 1000,
                    NO_LABELS);
    if (self->listed_before_ms)
        metric_observe (METRIC_PLEG_RELIST_INTERVAL_SECONDS,
                        (double) (self->began_ms - self->listed_before_ms) / 1000, NO_LABELS);
    self->listed_before_ms = self->began_ms;
    int64_t seconds = clock_now_ns() / NS_PER_S;
    metric_set (metrics_shared(), METRIC_PLEG_LAST_SEEN_SECONDS, (double) seconds, NO_LABELS);
}

static void
plan_next (watcher_t *self)
{
    int64_t now = clock_monotonic_ms();
    int64_t rest_ms = REST_FACTOR * (now - self->began_ms);
    count_listing (self, now);
    int64_t retry_ms = pleg_retry_ms (self->pleg);
    self->rest_until = now + (rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS);
    list_in (self, self->has_events ? RENEW_EVERY_MS : POLL_EVERY_MS);
    if (retry_ms >= 0)
        list_in (self, retry_ms);
    if (self->is_wanted)
        list_in (self, COALESCE_MS);
    self->is_wanted = false;
}

// ---- listing ----

static void
end_listing (watcher_t *self)
{
    for (size_t i = 0; i < COUNT_OF (self->requests); i++) {
        if (self->requests[i])
            actor_cancel (self->actor, self->requests[i]);
        self->requests[i] = 0;
    }
    tree_destroy (&self->sandboxes);
    tree_destroy (&self->containers);
    self->is_listing = false;
}

static void
take_listing (watcher_t *self)
{
    if (clock_monotonic_ms() >= self->renew_at) {
        self->renew_at = clock_monotonic_ms() + RENEW_EVERY_MS;
        pleg_renew (self->pleg);
    }
    pleg_take (self->pleg, node_get (tree_root (self->sandboxes), "items"),
               node_get (tree_root (self->containers), "containers"), self->listed_at, tell_worker,
               self);
    if (self->is_periodic)
        pleg_each (self->pleg, tell_orphan, self);
    tell_newcomers (self);
    if (self->is_failing)
        LOG_INFO ("Listing the runtime's pods works again");
    self->is_failing = false;
}

static void
fail_listing (watcher_t *self, const fault_t *fault)
{
    if (!self->is_failing && !self->is_down) // when it is down that is logged already
        LOG_WARNING ("Listing the runtime's pods failed err=%s", fault->text);
    self->is_failing = !self->is_down;
    end_listing (self);
    if (!self->is_down)
        list_in (self, POLL_EVERY_MS);
}

static void
on_list (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    watcher_t *self = state;
    size_t which = *(const size_t *) context;
    self->requests[which] = 0;
    if (fault) {
        fail_listing (self, fault);
        return;
    }
    *(which == 0 ? &self->sandboxes : &self->containers) = tree_copy (reply->body);
    if (!self->sandboxes || !self->containers)
        return;
    take_listing (self);
    end_listing (self);
    plan_next (self);
}

static void
on_state_reply (void *state, const message_t *reply, const fault_t *fault, void *context);

static void
start_listing (watcher_t *self)
{
    static const message_id_t LISTS[] = { MSG_CRI_LIST_POD_SANDBOX, MSG_CRI_LIST_CONTAINERS };
    int64_t now = clock_monotonic_ms();
    if (self->is_listing || self->is_down)
        return;
    self->is_listing = true;
    self->is_wanted = false;
    self->is_periodic = now >= self->renew_at || !self->has_events;
    self->listed_at = clock_now_ns();
    self->began_ms = now;
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        self->requests[i] = actor_request (self->actor, "runtime", LISTS[i], NULL, LIST_DEADLINE_MS,
                                           on_list, &i, sizeof i);
    if (now >= self->renew_at) // heals a lost MSG_RUNTIME_STATE
        actor_request (self->actor, "runtime", MSG_RUNTIME_STATE_GET, NULL, LIST_DEADLINE_MS,
                       on_state_reply, NULL, 0);
}

// ---- messages ----

static void
take_state (watcher_t *self, const node_t *body)
{
    bool had_events = self->has_events, was_down = self->is_down;
    self->is_down = !node_get_bool (body, "up", true);
    self->has_events = node_get_bool (body, "streams_events", false);
    if (self->is_down)
        actor_timer_cancel (self->actor, &self->timer);
    else if (was_down || self->has_events != had_events)
        list_soon (self); // something may have been missed meanwhile
}

static void
on_state_reply (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) fault, (void) context;
    if (reply)
        take_state (state, reply->body);
}

static int
on_state (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    take_state (state, message->body);
    return 0;
}

static int
on_event (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    watcher_t *self = state;
    pleg_expect (self->pleg, node_get_text (message->body, "container_id", ""),
                 node_get_text (message->body, "kind", ""));
    list_soon (self);
    return 0;
}

static void
on_worker_up (watcher_t *self, const char *worker, bool is_new)
{
    pleg_set_orphan (self->pleg, pod_worker_uid (worker), false);
    if (is_new && pleg_listed_at (self->pleg))
        tell_newcomer (self, worker);
    else {
        // a replaced worker has changed its pod since the last listing began, perhaps
        keep_newcomer (self, worker, is_new ? 0 : clock_now_ns());
        list_soon (self);
    }
}

static int
on_relist (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    watcher_t *self = state;
    keep_newcomer (self, message->from, clock_now_ns());
    list_soon (self);
    return 0;
}

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    watcher_t *self = state;
    const char *class = node_get_text (message->body, "class", "");
    if (strcmp (class, "pod-worker") == 0) {
        on_worker_up (self, node_get_text (message->body, "name", ""),
                      node_get_int (message->body, "restarts", 0) == 0);
        return 0;
    }
    if (strcmp (class, "pod-manager") == 0)
        pleg_renew (self->pleg); // it has to hear of orphans again
    self->is_down = false;       // the runtime actor says so anew if it is
    list_soon (self);
    return 0;
}

static int
on_undeliverable (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    watcher_t *self = state;
    const char *type = node_get_text (message->body, "type", "");
    if (strcmp (type, message_name (MSG_POD_RUNTIME)) != 0)
        return 0;
    const char *uid = pod_worker_uid (node_get_text (message->body, "to", ""));
    if (pleg_find (self->pleg, uid, tell_manager, self)) // else it is gone altogether
        pleg_set_orphan (self->pleg, uid, true);
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_RUNTIME_EVENT, on_event },
    { MSG_RUNTIME_STATE, on_state },
    { MSG_POD_RELIST, on_relist },
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_BUS_UNDELIVERABLE, on_undeliverable },
    { 0 },
};

// ---- start and stop ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) args, (void) fault;
    watcher_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->pleg = pleg_new();
    list_in (self, 0);
    return self;
}

static void
stop (void **self_p)
{
    watcher_t *self = *self_p;
    if (!self)
        return;
    pleg_destroy (&self->pleg);
    tree_destroy (&self->sandboxes);
    tree_destroy (&self->containers);
    for (size_t i = 0; i < self->newcomer_count; i++)
        free (self->newcomers[i].worker);
    free (self->newcomers);
    free (self);
    *self_p = NULL;
}

const actor_class_t runtime_watcher_class = {
    .name = "runtime-watcher",
    .about = "tells the pods' workers what changes in the runtime",
    .hears_of = "runtime pod-manager pod-worker",
    .queue_limit = 8000,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
