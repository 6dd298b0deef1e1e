/* Pods that others want stopped and failed: eviction, preemption, shutdown. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"

/* Who wants a pod stopped waits for so long (reference/pod-lifecycle.md 8). */
#define PATIENCE_MIN_MS 10000
#define PATIENCE_MAX_MS (24LL * 3600 * 1000) // so that no sum overflows
#define GRACE_DEFAULT_S 30                   // core/v1 terminationGracePeriodSeconds

static int64_t
patience_ms (const managed_pod_t *entry)
{
    OWNED (tree_destroy) tree_t *pod = packed_tree (&entry->pod);
    int64_t grace_s = node_as_int (
        node_at (tree_root (pod), "spec", "terminationGracePeriodSeconds", NULL), GRACE_DEFAULT_S);
    if (entry->fail_grace_s.set)
        grace_s = entry->fail_grace_s.value;
    if (grace_s > PATIENCE_MAX_MS / 1500)
        return PATIENCE_MAX_MS;
    int64_t ms = grace_s * 1500;
    return ms > PATIENCE_MIN_MS ? ms : PATIENCE_MIN_MS;
}

static void
patience_ends (manager_t *self, managed_pod_t *entry)
{
    static const char TEXT[] =
        "Container runtime did not kill the pod within specified grace period.";
    fault_t fault = { 0 };
    fault_set (&fault, FAULT_DEADLINE, "%s", TEXT);
    warn_of_pod (self, entry, "ExceededGracePeriod", TEXT);
    entry->is_overdue = true;
    if (entry->evictors)
        askers_answer (entry->evictors, self->actor, NULL, &fault);
    askers_destroy (&entry->evictors);
}

static void
check_patience (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    int64_t now = clock_monotonic_ms();
    MANAGER_EACH (self, entry)
    if (entry->is_failing && entry->state == POD_ACTIVE && entry->may_run && !entry->is_overdue
        && now >= entry->patient_until)
        patience_ends (self, entry);
    pods_start_waiting (self);
}

void
pod_fail (manager_t *self, managed_pod_t *entry, const char *reason, const char *message,
          opt_int_t grace_s)
{
    bool is_shorter =
        grace_s.set && (!entry->fail_grace_s.set || grace_s.value < entry->fail_grace_s.value);
    if (is_shorter)
        entry->fail_grace_s = grace_s;
    if (!entry->is_failing) {
        entry->fail_reason = text_copy (reason);
        entry->fail_message = text_copy (message);
        entry->is_failing = true;
        LOG_INFO ("Pod is stopped and fails pod=%s uid=%s reason=%s message=%s", entry->full_name,
                  entry->uid, reason, message);
        int64_t wait_ms = patience_ms (entry);
        entry->patient_until = clock_monotonic_ms() + wait_ms;
        actor_timer (self->actor, wait_ms, check_patience, NULL);
    }
    if (entry->state == POD_ACTIVE)
        worker_sync (self, entry);
}

void
evictions_answer (manager_t *self, managed_pod_t *entry)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    if (!entry->evictors || (entry->state == POD_ACTIVE && entry->may_run))
        return;
    askers_answer (entry->evictors, self->actor, &body, NULL);
    askers_destroy (&entry->evictors);
}

int
on_pod_evict (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const node_t *body = message->body;
    const char *uid = node_get_text (body, "uid", "");
    const mirror_t *mirror = mirror_find_uid (self, uid);
    managed_pod_t *entry = mirror ? find_static (self, mirror->full_name) : find_uid (self, uid);
    if (!entry)
        return fault_set (fault, FAULT_NOT_FOUND, "no pod has the UID %s", uid);
    const node_t *grace = node_get (body, "grace");
    if (!entry->evictors)
        entry->evictors = askers_new();
    askers_add (entry->evictors, message);
    pod_fail (self, entry, node_get_text (body, "reason", "Evicted"),
              node_get_text (body, "message", ""),
              (opt_int_t){ grace != NULL, node_as_int (grace, 0) });
    evictions_answer (self, entry);
    return 0;
}
