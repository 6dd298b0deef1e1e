/* What sources say: sets and single pods become additions, updates and removals
   (reference/pod-lifecycle.md 2). */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_source.h"
#include "cubelet/pod_status.h"
#include "manager.h"
#include <string.h>

static bool
is_api (const char *source)
{
    return streq (source, SOURCE_API);
}

/* The object as the node keeps it. */
static node_t
pod_as_kept (tree_t *tree, const node_t *pod, const char *source, const managed_pod_t *known)
{
    if (!is_api (source))
        return node_copy (tree, pod);
    node_t before = known ? packed_node (&known->pod, tree) : node_nil();
    return pod_of_api (tree, pod, known ? &before : NULL, clock_now_ns());
}

// ---- additions ----

/* Had a worker before this manager began: it has been admitted already. */
static bool
is_running_already (manager_t *self, const char *uid)
{
    for (char *known = zlistx_first (self->running); known; known = zlistx_next (self->running))
        if (streq (known, uid))
            return true;
    return false;
}

static void
begin_pod (manager_t *self, managed_pod_t *entry)
{
    entry->state = POD_WAITING;
    resize_consider (self, entry); // asked for while we were away
    pod_start (self, entry);
}

static void
add_pod (manager_t *self, const node_t *pod, const char *source)
{
    fault_t fault = { 0 };
    if (find_uid (self, pod_uid_of (pod)))
        return; // twice in one set: the first one counts
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t kept = pod_as_kept (tree, pod, source, NULL);
    managed_pod_t *entry = managed_add (self, &kept, source, &fault);
    if (!entry) {
        LOG_WARNING ("Pod not understood source=%s uid=%s err=%s", source, pod_uid_of (pod),
                     fault.text);
        return;
    }
    if (is_api (source))
        allocation_begin (self, entry);
    LOG_INFO ("SyncLoop ADD source=%s pod=%s uid=%s", source, entry->full_name, entry->uid);
    // One that is over or on its way out may have left something here: the worker cleans up.
    bool is_ending = entry->is_deleted || managed_is_terminal (entry);
    if (is_running_already (self, entry->uid) || is_ending || admission_decide (self, entry))
        begin_pod (self, entry);
}

static const char *
created_at (const node_t *pod)
{
    return node_as_text (node_at (pod, "metadata", "creationTimestamp", NULL), "");
}

/* The oldest of the new ones first; equal ones in the order of the source. */
static void
add_in_order (manager_t *self, const node_t **pods, size_t count, const char *source)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && strcmp (created_at (pods[k - 1]), created_at (pods[k])) > 0;
             k--) {
            const node_t *later = pods[k - 1];
            pods[k - 1] = pods[k];
            pods[k] = later;
        }
    for (size_t i = 0; i < count; i++)
        add_pod (self, pods[i], source);
}

// ---- updates ----

/* It is being stopped because its source did not have it, and now does. */
static void
come_back (managed_pod_t *entry, const char *source)
{
    free (entry->source);
    entry->source = text_copy (source);
    if (!entry->is_wanted_again)
        LOG_INFO ("Pod came back while it stops, it is started again then pod=%s uid=%s",
                  entry->full_name, entry->uid);
    entry->is_wanted_again = true;
}

static void
update_pod (manager_t *self, managed_pod_t *entry, const node_t *pod, const char *source)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t kept = pod_as_kept (tree, pod, source, entry);
    bool is_stopping = entry->is_removed || entry->is_orphan;
    if (is_stopping)
        come_back (entry, source);
    node_t before = packed_node (&entry->pod, tree);
    if (node_equal (&before, &kept))
        return;
    pod_change_t change = pod_change_of (&before, &kept);
    if (managed_set_pod (entry, &kept, &fault) < 0) {
        LOG_WARNING ("Pod not understood source=%s pod=%s uid=%s err=%s", source, entry->full_name,
                     entry->uid, fault.text);
        return;
    }
    managed_count_start (self, entry);
    if (change == POD_SAME || is_stopping)
        return;
    if (change != POD_STATUS) {
        LOG_INFO ("SyncLoop %s source=%s pod=%s uid=%s",
                  change == POD_DELETING  ? "DELETE"
                  : change == POD_CHANGED ? "UPDATE"
                                          : "RECONCILE",
                  source, entry->full_name, entry->uid);
        bool is_resized = change == POD_CHANGED && resize_consider (self, entry);
        if (entry->state == POD_ACTIVE)
            worker_sync (self, entry);
        if (is_resized)
            resizes_retry (self);
    }
    if (change == POD_DELETING && entry->state == POD_WAITING)
        pod_start (self, entry); // to find out that there is nothing, or to wait its turn
    else
        report_pod (self, entry);
}

// ---- removals ----

static void
remove_pod (manager_t *self, managed_pod_t *entry)
{
    entry->is_wanted_again = false;
    if (entry->is_removed)
        return;
    LOG_INFO ("SyncLoop REMOVE source=%s pod=%s uid=%s", entry->source, entry->full_name,
              entry->uid);
    entry->is_removed = true;
    bool has_worker =
        entry->state == POD_ACTIVE || (entry->state == POD_REJECTED && entry->may_run);
    if (has_worker) {
        worker_sync (self, entry);
        resizes_retry (self); // what it had counts as free
        return;
    }
    evictions_answer (self, entry);
    report_forget (self, entry->uid);
    managed_forget (self, entry);
    allocations_changed (self);
    pods_start_waiting (self);
    resizes_retry (self);
}

// ---- sets ----

static void
mark_those_in (manager_t *self, const node_t *pods)
{
    MANAGER_EACH (self, entry)
    entry->is_in_set = false;
    NODE_EACH (pods, pod)
    {
        managed_pod_t *known = find_uid (self, pod_uid_of (pod));
        if (known)
            known->is_in_set = true;
    }
}

static void
remove_those_gone (manager_t *self, const char *source)
{
    OWNED (zlistx_destroy) zlistx_t *gone = zlistx_new();
    MANAGER_EACH (self, entry)
    if (!entry->is_in_set && streq (entry->source, source))
        zlistx_add_end (gone, entry);
    for (managed_pod_t *entry = zlistx_first (gone); entry; entry = zlistx_next (gone))
        remove_pod (self, entry);
}

static bool
take_mirror (manager_t *self, const node_t *pod, const char *source)
{
    if (!is_api (source) || !pod_object_is_mirror (pod))
        return false;
    mirror_take (self, pod);
    return true;
}

static void
take_set (manager_t *self, const char *source, const node_t *pods)
{
    // Who is gone first: a changed static pod has a new uid and waits for the old one's end.
    mark_those_in (self, pods);
    remove_those_gone (self, source);
    if (is_api (source))
        mirrors_keep (self, pods);
    const node_t **added = memory_new (node_count (pods) + 1, sizeof *added);
    size_t count = 0;
    NODE_EACH (pods, pod)
    {
        const char *uid = pod_uid_of (pod);
        managed_pod_t *known = find_uid (self, uid);
        if (!uid[0] || take_mirror (self, pod, source))
            continue;
        if (known)
            update_pod (self, known, pod, source);
        else
            added[count++] = pod;
    }
    add_in_order (self, added, count, source);
    free ((void *) added);
}

static void
source_has_delivered (manager_t *self, const char *source)
{
    for (char *name = zlistx_first (self->pending); name; name = zlistx_next (self->pending)) {
        if (!streq (name, source))
            continue;
        zlistx_delete (self->pending, zlistx_cursor (self->pending));
        return;
    }
}

// ---- messages ----

/* What a source had when it was heard last, since it cannot be reached: nothing that is known of
   it is older, and what is not among it need not be gone. So strangers wait on. */
static void
take_assumed (manager_t *self, const char *source, const node_t *pods)
{
    const node_t **added = memory_new (node_count (pods) + 1, sizeof *added);
    size_t count = 0;
    NODE_EACH (pods, pod)
    if (pod_uid_of (pod)[0] && !find_uid (self, pod_uid_of (pod)) && !pod_object_is_mirror (pod))
        added[count++] = pod;
    add_in_order (self, added, count, source);
    free ((void *) added);
}

static void
apply_set (manager_t *self, const node_t *body)
{
    const char *source = node_get_text (body, "source", "");
    if (node_get_bool (body, "assumed", false)) {
        take_assumed (self, source, node_get (body, "pods"));
        return;
    }
    take_set (self, source, node_get (body, "pods"));
    source_has_delivered (self, source);
    strangers_stop (self);
    if (sources_are_ready (self)) { // who is added later is new
        tree_destroy (&self->allocated_before);
        tree_destroy (&self->actuated_before);
    }
    mirrors_report_orphans (self);
}

static void
apply_one (manager_t *self, const node_t *body)
{
    const char *source = node_get_text (body, "source", "");
    const char *uid = node_get_text (body, "uid", "");
    const node_t *pod = node_get (body, "pod");
    managed_pod_t *known = find_uid (self, uid);
    if (!pod && !mirror_remove (self, uid) && known && streq (known->source, source))
        remove_pod (self, known);
    if (!pod || !uid[0] || take_mirror (self, pod, source))
        return;
    if (known)
        update_pod (self, known, pod, source);
    else
        add_pod (self, pod, source);
}

/* Both kinds in one list, so that their order stays. */
static void
apply (manager_t *self, const node_t *body)
{
    if (node_get (body, "uid"))
        apply_one (self, body);
    else
        apply_set (self, body);
}

/* Keeps it for sources_begin. A full set makes what the source said before worthless. */
static void
hold_back (manager_t *self, const node_t *body)
{
    const char *source = node_get_text (body, "source", "");
    for (tree_t *held = zlistx_first (self->early); held && !node_get (body, "uid");
         held = zlistx_next (self->early))
        if (streq (node_get_text (tree_root (held), "source", ""), source))
            zlistx_delete (self->early, zlistx_cursor (self->early));
    zlistx_add_end (self->early, tree_copy (body));
}

void
sources_begin (manager_t *self)
{
    zlistx_t *early = self->early;
    self->early = NULL;
    for (tree_t *held = zlistx_first (early); held; held = zlistx_next (early))
        apply (self, tree_root (held));
    zlistx_destroy (&early);
    strangers_stop (self);
}

int
on_source (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    if (self->early)
        hold_back (self, message->body);
    else
        apply (self, message->body);
    return 0;
}
