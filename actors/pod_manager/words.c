/* What workers and the runtime say of pods. */
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "manager.h"

static void
remember_stranger (manager_t *self, const node_t *pod)
{
    for (tree_t *known = zlistx_first (self->strangers); known;
         known = zlistx_next (self->strangers))
        if (streq (pod_uid_of (tree_root (known)), pod_uid_of (pod)))
            return;
    zlistx_add_end (self->strangers, tree_copy (pod));
}

/* A pod that a worker or the runtime has and no source knows. */
static void
take_orphan (manager_t *self, const node_t *pod)
{
    fault_t fault = { 0 };
    if (!sources_are_ready (self) || self->early) {
        remember_stranger (self, pod); // its source may be about to say it
        return;
    }
    managed_pod_t *entry = managed_add (self, pod, SOURCE_RUNTIME, &fault);
    if (!entry) {
        LOG_WARNING ("Pod of no source not understood err=%s", fault.text);
        return;
    }
    metric_count (METRIC_ORPHANED_RUNTIME_PODS_TOTAL, NO_LABELS);
    entry->is_orphan = true;
    entry->state = POD_ACTIVE;
    entry->may_run = true;
    LOG_WARNING ("Pod of no source is stopped pod=%s uid=%s", entry->full_name, entry->uid);
    worker_ask_for (self, entry);
}

/* The runtime has something of a pod that we take to be off the node: a refused one that ran
   before the restart, or one that seemed to be over. */
static void
take_leftover (manager_t *self, managed_pod_t *entry)
{
    if (entry->state != POD_REJECTED || entry->may_run)
        return;
    LOG_WARNING ("Refused pod has containers, they are stopped pod=%s uid=%s", entry->full_name,
                 entry->uid);
    entry->may_run = true;
    worker_ask_for (self, entry);
    report_pod (self, entry);
}

void
strangers_stop (manager_t *self)
{
    tree_t *pod;
    while (sources_are_ready (self) && !self->early
           && (pod = zlistx_detach (self->strangers, NULL))) {
        managed_pod_t *entry = find_uid (self, pod_uid_of (tree_root (pod)));
        if (entry)
            take_leftover (self, entry);
        else
            take_orphan (self, tree_root (pod));
        tree_destroy (&pod);
    }
}

/* Its worker has ended what was to be ended, and it is to be started again with the same UID. */
static void
begin_again (manager_t *self, managed_pod_t *entry)
{
    metric_count (METRIC_RESTARTED_PODS_TOTAL, LABELS (entry->is_static ? "true" : ""));
    entry->is_wanted_again = entry->is_removed = entry->is_orphan = false;
    managed_set_status (entry, NULL);
    entry->state = POD_WAITING;
    entry->is_restarting = true; // a worker remembers what it has ended: it must go first
    if (admission_decide (self, entry))
        worker_ask_later (self, entry);
}

/* Nothing of the pod is left on the node. */
static void
pod_ended (manager_t *self, managed_pod_t *entry)
{
    LOG_INFO ("Pod ended and removed pod=%s uid=%s", entry->full_name, entry->uid);
    worker_stop (self, entry->worker);
    entry->may_run = false;
    evictions_answer (self, entry);
    if (entry->is_wanted_again)
        begin_again (self, entry);
    else if (entry->is_removed || entry->is_orphan) {
        report_forget (self, entry->uid);
        managed_forget (self, entry);
        allocations_changed (self);
        mirrors_report_orphans (self);
    }
    else {
        if (entry->state != POD_REJECTED)
            entry->state = POD_FINISHED;
        report_pod (self, entry);
    }
    pods_start_waiting (self);
}

/* A worker that nobody has asked for. */
static void
hear_stranger (manager_t *self, const message_t *message)
{
    const node_t *pod = node_get (message->body, "pod");
    if (node_get_bool (message->body, "finished", false))
        worker_stop (self, message->from); // said again because we were restarted
    else if (pod)
        take_orphan (self, pod);
}

/* Its worker was to remove everything. */
static bool
is_to_end (const managed_pod_t *entry)
{
    return entry->is_removed || entry->is_orphan || entry->is_failing
           || entry->state == POD_REJECTED || entry->is_deleted;
}

int
on_pod_status (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const node_t *body = message->body;
    managed_pod_t *entry = find_uid (self, node_get_text (body, "uid", ""));
    bool is_finished = node_get_bool (body, "finished", false);
    if (!entry) {
        hear_stranger (self, message);
        return 0;
    }
    if (entry->state == POD_FINISHED || entry->state == POD_WAITING)
        return 0; // a late word of a worker that is being stopped
    const node_t *status = node_get (body, "status");
    entry->pulls_ns = node_get_int (body, "pulls_ns", entry->pulls_ns);
    if (status && entry->state != POD_REJECTED)
        managed_set_status (entry, status);
    bool could_run = entry->may_run;
    entry->may_run = node_get_bool (body, "running", true) && !is_finished;
    if (is_finished) {
        // Told to stop it before we were restarted; its source has it again.
        entry->is_wanted_again = entry->is_wanted_again || !is_to_end (entry);
        pod_ended (self, entry);
        return 0;
    }
    report_pod (self, entry);
    evictions_answer (self, entry);
    if (could_run && !entry->may_run) {
        pods_start_waiting (self);
        resizes_retry (self);
    }
    return 0;
}

int
on_pod_orphan (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const char *uid = node_get_text (message->body, "uid", "");
    managed_pod_t *entry = find_uid (self, uid);
    if (entry)
        take_leftover (self, entry);
    if (!uid[0] || entry)
        return 0;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t meta = node_map();
    node_set_text (tree, &meta, "name", node_get_text (message->body, "name", ""));
    node_set_text (tree, &meta, "namespace", node_get_text (message->body, "namespace", ""));
    node_set_text (tree, &meta, "uid", uid);
    node_t spec = node_map();
    node_set (tree, &spec, "containers", node_array());
    node_t pod = node_map();
    node_set (tree, &pod, "metadata", meta);
    node_set (tree, &pod, "spec", spec);
    take_orphan (self, &pod);
    return 0;
}
