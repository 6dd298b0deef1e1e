/* Pods that others want stopped and failed: eviction, preemption, shutdown. */
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"

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
