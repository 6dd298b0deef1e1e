/* status_reporter.c - keeps the API server's picture of this node's pods true: statuses, mirror
   pods, and the last step of every deletion.

   Every pod has one entry, and an entry has at most one request under way: reports that come
   meanwhile only change what the next round sends. So the API server gets the newest status, never
   an older one after a newer one. A failed round is tried again until it is accepted. Whatever is
   lost in a restart comes again, as pod-manager reports every pod to a newcomer.

   Arguments: {"node_name": text}. */
#include "status_reporter.h"
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"

/* Pods whose requests may be under way at once; upstream sends one after the other. */
#define BUSY_MAX 16
#define RECONCILE_MS 10000

static const backoff_limits_t RETRY = { .first_ns = NS_PER_S / 2, .limit_ns = 10 * NS_PER_S };

// ---- turns ----

static void
give_turns (reporter_t *self)
{
    for (entry_t *entry = zhashx_first (self->entries); entry && self->busy < BUSY_MAX;
         entry = zhashx_next (self->entries)) {
        if (!entry->is_queued)
            continue;
        entry->is_queued = false;
        // takes no entry out: a turn begins with a request
        entry_step (entry);
    }
}

static void
leave_turn (entry_t *self)
{
    if (self->is_busy)
        self->reporter->busy--;
    self->is_busy = false;
}

void
entry_step (entry_t *self)
{
    if (self->is_busy || self->timer)
        return;
    bool is_mirror_work = mirror_needs_work (self);
    bool may_sync = self->needs_sync && self->api_uid && self->status.bytes;
    if (!is_mirror_work && !may_sync)
        return;
    if (self->reporter->busy >= BUSY_MAX) {
        self->is_queued = true;
        return;
    }
    self->is_busy = true;
    self->reporter->busy++;
    if (is_mirror_work)
        mirror_sync_start (self);
    else
        pod_sync_start (self);
}

void
entry_end (entry_t *self)
{
    reporter_t *reporter = self->reporter;
    leave_turn (self);
    entry_step (self);
    give_turns (reporter);
}

static void
on_retry (void *state, void *context)
{
    (void) state;
    entry_t *self = context;
    self->timer = 0;
    entry_step (self);
}

void
entry_failed (entry_t *self, const char *what, const fault_t *fault)
{
    // In a long outage every pod fails every ten seconds.
    if (self->backoff.wait_ns == 0)
        LOG_WARNING ("%s pod=%s/%s uid=%s err=%s", what, self->ns, self->name, self->uid,
                     fault->text);
    else
        LOG_V (2, "%s again pod=%s/%s uid=%s err=%s", what, self->ns, self->name, self->uid,
               fault->text);
    reporter_t *reporter = self->reporter;
    int64_t now = clock_monotonic_ms() * NS_PER_MS;
    self->needs_sync = true;
    backoff_next (&self->backoff, &RETRY, now, now);
    self->timer = actor_timer (reporter->actor, self->backoff.wait_ns / NS_PER_MS, on_retry, self);
    leave_turn (self);
    give_turns (reporter);
}

void
entry_forget (entry_t *self)
{
    reporter_t *reporter = self->reporter;
    leave_turn (self);
    zhashx_delete (reporter->entries, self->uid);
    give_turns (reporter);
}

static void
step_all (reporter_t *self)
{
    for (entry_t *entry = zhashx_first (self->entries); entry; entry = zhashx_next (self->entries))
        entry_step (entry);
}

// ---- messages ----

static int
on_report (void *state, const message_t *message, fault_t *fault)
{
    reporter_t *self = state;
    const node_t *pod = node_get (message->body, "pod");
    const node_t *metadata = node_get (pod, "metadata");
    const char *uid = node_get_text (metadata, "uid", "");
    if (!*uid)
        return fault_set (fault, FAULT_INVALID, "a pod without uid");
    const char *source =
        node_get_text (node_get (metadata, "annotations"), "kubernetes.io/config.source", "api");
    entry_t *entry = zhashx_lookup (self->entries, uid);
    if (!entry) {
        entry = entry_new (self, streq (source, "api") ? ENTRY_POD : ENTRY_STATIC, uid,
                           node_get_text (metadata, "namespace", ""),
                           node_get_text (metadata, "name", ""));
        zhashx_insert (self->entries, uid, entry);
    }
    entry_take (entry, message->body);
    entry_step (entry);
    return 0;
}

static int
on_forget (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    reporter_t *self = state;
    entry_t *entry = zhashx_lookup (self->entries, node_get_text (message->body, "uid", ""));
    if (entry && entry->kind != ENTRY_ORPHAN)
        entry_forget (entry);
    return 0;
}

static int
on_orphan (void *state, const message_t *message, fault_t *fault)
{
    reporter_t *self = state;
    const char *uid = node_get_text (message->body, "uid", "");
    if (!*uid)
        return fault_set (fault, FAULT_INVALID, "a mirror pod without uid");
    entry_t *entry = zhashx_lookup (self->entries, uid);
    if (!entry) {
        entry = entry_new (self, ENTRY_ORPHAN, uid, node_get_text (message->body, "namespace", ""),
                           node_get_text (message->body, "name", ""));
        zhashx_insert (self->entries, uid, entry);
    }
    entry_step (entry);
    return 0;
}

static int
on_node (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    reporter_t *self = state;
    const node_t *metadata = node_at (message->body, "node", "metadata", NULL);
    const char *uid = node_get_text (metadata, "uid", "");
    free_text (&self->node_uid);
    // no mirror pods on a node that is going away
    if (*uid && !node_get (metadata, "deletionTimestamp"))
        self->node_uid = text_copy (uid);
    step_all (self);
    return 0;
}

/* The api-client is new: who waits need not wait any longer. */
static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    reporter_t *self = state;
    if (!streq (node_get_text (message->body, "class", ""), API_CLIENT))
        return 0;
    for (entry_t *entry = zhashx_first (self->entries); entry;
         entry = zhashx_next (self->entries)) {
        actor_timer_cancel (self->actor, &entry->timer);
        entry_step (entry);
    }
    return 0;
}

/* What ended without an end: a pod that had not ended for the API server when we looked. */
static void
on_reconcile (void *state, void *context)
{
    (void) context;
    reporter_t *self = state;
    for (entry_t *entry = zhashx_first (self->entries); entry;
         entry = zhashx_next (self->entries)) {
        if (entry->is_deleting && entry->is_finished && !entry->is_deleted)
            entry->needs_sync = true;
        entry_step (entry);
    }
    actor_timer (self->actor, RECONCILE_MS, on_reconcile, NULL);
}

// ---- start and stop ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    reporter_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->entries = zhashx_new();
    zhashx_set_destructor (self->entries, entry_destroy);
    actor_timer (actor, RECONCILE_MS, on_reconcile, NULL);
    return self;
}

static void
stop (void **self_p)
{
    reporter_t *self = *self_p;
    zhashx_destroy (&self->entries);
    free (self->node_name);
    free (self->node_uid);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_POD_REPORT, on_report }, { MSG_POD_FORGET, on_forget }, { MSG_MIRROR_ORPHAN, on_orphan },
    { MSG_NODE_OBJECT, on_node },  { MSG_ACTOR_UP, on_actor_up }, { 0 },
};

const actor_class_t status_reporter_class = {
    .name = "status-reporter",
    .about = "patches pod statuses, makes mirror pods, ends deletions",
    .hears_of = API_CLIENT,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
