/* One worker per pod: starting, telling, stopping it. */
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"

/* Grace for pods that no source has (reference/pod-lifecycle.md 5). */
#define ORPHAN_GRACE_S 1
#define START_RETRY_MS 500
#define START_DEADLINE_MS 10000

/* Only its leftovers are to be stopped: refused, or known to the runtime alone. */
static bool
is_leftover (const managed_pod_t *entry)
{
    return entry->is_orphan || entry->state == POD_REJECTED;
}

static opt_int_t
grace_of (const managed_pod_t *entry)
{
    return is_leftover (entry) ? (opt_int_t){ true, ORPHAN_GRACE_S } : entry->fail_grace_s;
}

void
worker_sync (manager_t *self, const managed_pod_t *entry)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    opt_int_t grace_s = grace_of (entry);
    bool is_stopping = is_leftover (entry) || entry->is_removed || entry->is_failing;
    node_t pod = packed_node (&entry->pod, tree);
    node_set (tree, &body, "pod", allocation_apply (entry, &pod, tree));
    node_set_bool (tree, &body, "terminate", is_stopping);
    if (is_stopping && grace_s.set)
        node_set_int (tree, &body, "grace", grace_s.value);
    if (entry->is_failing) {
        node_set_text (tree, &body, "reason", entry->fail_reason);
        node_set_text (tree, &body, "message", entry->fail_message);
    }
    if (entry->resize_reason) {
        node_t pending = node_map();
        node_set_text (tree, &pending, "reason", entry->resize_reason);
        node_set_text (tree, &pending, "message", entry->resize_message);
        node_set (tree, &body, "resize", pending);
    }
    if (entry->actuated.bytes)
        node_set (tree, &body, "actuated", packed_node (&entry->actuated, tree));
    if (entry->is_orphan)
        node_set_bool (tree, &body, "runtime_only", true);
    if (entry->status.bytes)
        node_set (tree, &body, "status", packed_node (&entry->status, tree));
    actor_send (self->actor, entry->worker, MSG_POD_SYNC, &body);
}

static bool
needs_worker (const managed_pod_t *entry)
{
    return entry->state == POD_ACTIVE || (entry->state == POD_REJECTED && entry->may_run);
}

static void
ask_again (void *state, void *context)
{
    manager_t *self = state;
    OWNED (free_text) char *uid = context;
    managed_pod_t *entry = find_uid (self, uid);
    if (entry && entry->is_restarting) {
        entry->is_restarting = false;
        pods_start_waiting (self);
    }
    else if (entry && needs_worker (entry))
        worker_ask_for (self, entry);
}

void
worker_ask_later (manager_t *self, const managed_pod_t *entry)
{
    actor_timer (self->actor, START_RETRY_MS, ask_again, text_copy (entry->uid));
}

static void
on_worker_asked (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    manager_t *self = state;
    managed_pod_t *entry = find_worker (self, context);
    if (!fault || !entry)
        return; // ACTOR_UP brings us together
    LOG_WARNING ("Pod worker not started, trying again pod=%s err=%s", entry->full_name,
                 fault->text);
    worker_ask_later (self, entry);
}

void
worker_ask_for (manager_t *self, managed_pod_t *entry)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "class", "pod-worker");
    node_set_text (tree, &body, "name", entry->worker);
    node_set (tree, &body, "args",
              node_copy (tree, node_get (tree_root (self->args), "worker_args")));
    actor_request (self->actor, "supervisor", MSG_ACTOR_START, &body, START_DEADLINE_MS,
                   on_worker_asked, entry->worker, sizeof entry->worker);
    worker_sync (self, entry); // for a worker that is there already; a new one says ACTOR_UP
}

void
worker_stop (manager_t *self, const char *worker)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", worker);
    actor_send (self->actor, "supervisor", MSG_ACTOR_STOP, &body);
}

/* Only a static pod waits until one of its name has ended. One of the API server is another pod, as
   after a deletion by force: it starts beside the one that is being stopped. */
static const managed_pod_t *
predecessor_of (manager_t *self, const managed_pod_t *entry)
{
    return entry->is_static ? find_active (self, entry->full_name) : NULL;
}

void
pod_start (manager_t *self, managed_pod_t *entry)
{
    const managed_pod_t *active = predecessor_of (self, entry);
    entry->state = POD_WAITING;
    if (active && active != entry)
        LOG_INFO ("Pod waits for its predecessor to end pod=%s uid=%s predecessor=%s",
                  entry->full_name, entry->uid, active->uid);
    else if (!admission_has_room (self, entry))
        LOG_INFO ("Pod waits until others have made room pod=%s uid=%s", entry->full_name,
                  entry->uid);
    else {
        entry->state = POD_ACTIVE;
        entry->may_run = true;
        worker_ask_for (self, entry);
    }
    report_pod (self, entry);
}

static managed_pod_t *
find_startable (manager_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *waiting = zlistx_new();
    MANAGER_EACH (self, entry)
    if (entry->state == POD_WAITING && !entry->is_restarting)
        zlistx_add_end (waiting, entry);
    for (managed_pod_t *entry = zlistx_first (waiting); entry; entry = zlistx_next (waiting))
        if (!predecessor_of (self, entry) && admission_has_room (self, entry))
            return entry;
    return NULL;
}

void
pods_start_waiting (manager_t *self)
{
    for (managed_pod_t *entry; (entry = find_startable (self));)
        pod_start (self, entry);
}
