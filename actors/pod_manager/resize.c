/* What each pod of the API server has been given, which may be less or more than its spec asks for
   after a change (reference/pod-lifecycle.md 10.5); remembered over restarts in the file
   allocated_pods_state. */
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_resize.h"
#include "manager.h"
#include <string.h>

#define STATE_FILE "allocated_pods_state"
#define STATE_LIMIT (16 * 1024 * 1024)
/* New pods of a burst are written down together. */
#define WRITE_DELAY_MS 1000
#define RETRY_FIRST_MS 30000
#define RETRY_MS 180000

// ---- the file: {pods: {uid: {allocation resized}}} ----

static char *
state_path (const manager_t *self)
{
    const node_t *args = node_get (tree_root (self->args), "worker_args");
    const char *root = node_get_text (args, "root_dir", NULL);
    return root ? text_format ("%s/" STATE_FILE, root) : NULL;
}

void
allocations_read (manager_t *self)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *path = state_path (self);
    size_t size = 0;
    OWNED (free_text) char *text = path ? file_read (path, STATE_LIMIT, &size, &fault) : NULL;
    self->checkpoint = text ? json_read (text, size, &fault) : NULL;
    if (fault.code && fault.code != FAULT_NOT_FOUND)
        LOG_WARNING ("Allocated resources not read, pods get what they ask for err=%s", fault.text);
}

static void
write_state (manager_t *self)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *path = state_path (self);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pods = node_map(), body = node_map();
    MANAGER_EACH (self, entry)
    {
        if (!entry->allocation || entry->is_removed)
            continue;
        node_t row = node_map();
        node_set (tree, &row, "allocation", node_copy (tree, tree_root (entry->allocation)));
        node_set_bool (tree, &row, "resized", entry->was_resized);
        node_set (tree, &pods, entry->uid, row);
    }
    node_set (tree, &body, "pods", pods);
    size_t size = 0;
    OWNED (free_text) char *text = json_write (&body, JSON_COMPACT, &size);
    if (path && text && file_write (path, text, size, 0600, &fault) < 0)
        LOG_WARNING ("Allocated resources not written err=%s", fault.text);
}

static void
write_due (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    self->write_timer = 0;
    write_state (self);
}

void
allocations_changed (manager_t *self)
{
    if (self->is_joined && !self->write_timer)
        self->write_timer = actor_timer (self->actor, WRITE_DELAY_MS, write_due, NULL);
}

void
allocations_flush (manager_t *self)
{
    if (self->write_timer)
        write_state (self);
}

// ---- one pod ----

void
allocation_begin (manager_t *self, managed_pod_t *entry)
{
    const node_t *known = node_at (tree_root (self->checkpoint), "pods", entry->uid, NULL);
    const node_t *allocation = node_get (known, "allocation");
    entry->allocation = tree_new();
    *tree_root (entry->allocation) =
        node_is_map (allocation) ? node_copy (entry->allocation, allocation)
                                 : pod_allocation (tree_root (entry->pod), entry->allocation);
    entry->was_resized = node_get_bool (known, "resized", false);
    allocations_changed (self);
}

node_t
allocation_apply (const managed_pod_t *entry, const node_t *pod, tree_t *tree)
{
    const node_t *allocation = tree_root (entry->allocation);
    if (!allocation || pod_allocation_is_desired (pod, allocation))
        return node_copy (tree, pod);
    return pod_with_allocation (pod, allocation, tree);
}

static void
set_text (char **text_p, const char *text)
{
    free (*text_p);
    *text_p = text_copy (text);
}

static void
accept_resize (manager_t *self, managed_pod_t *entry)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *pod = tree_copy (tree_root (entry->pod));
    tree_destroy (&entry->allocation);
    entry->allocation = tree_new();
    *tree_root (entry->allocation) = pod_allocation (tree_root (pod), entry->allocation);
    entry->was_resized = true;
    if (managed_set_pod (entry, tree_root (pod), &fault) < 0)
        LOG_WARNING ("Resized pod not understood pod=%s err=%s", entry->full_name, fault.text);
    LOG_INFO ("Pod gets the resources it asks for pod=%s uid=%s", entry->full_name, entry->uid);
    write_state (self); // a worker must not begin what a restart would not know of
}

bool
resize_consider (manager_t *self, managed_pod_t *entry)
{
    const node_t *pod = tree_root (entry->pod);
    bool may_resize = (entry->state == POD_ACTIVE || entry->state == POD_WAITING)
                      && !entry->is_removed && !managed_is_terminal (entry);
    if (!entry->allocation || !may_resize)
        return false;
    if (pod_allocation_is_desired (pod, tree_root (entry->allocation))) {
        set_text (&entry->resize_reason, NULL);
        set_text (&entry->resize_message, NULL);
        return false;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    resize_decision_t decision = { 0 };
    if (!admission_decide_resize (self, entry, tree, &decision))
        return false;
    set_text (&entry->resize_reason, decision.reason);
    set_text (&entry->resize_message, decision.message);
    if (!decision.reason)
        accept_resize (self, entry);
    return !decision.reason;
}

// ---- again ----

static bool
try_all (manager_t *self)
{
    bool is_any = false;
    OWNED (zlistx_destroy) zlistx_t *waiting = zlistx_new();
    MANAGER_EACH (self, entry)
    if (entry->resize_reason)
        zlistx_add_end (waiting, entry);
    for (managed_pod_t *entry = zlistx_first (waiting); entry; entry = zlistx_next (waiting)) {
        if (!resize_consider (self, entry))
            continue;
        is_any = true;
        worker_sync (self, entry);
    }
    return is_any;
}

void
resizes_retry (manager_t *self)
{
    while (try_all (self)) // one that shrinks may make room for another
        ;
}

static void
retry_due (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    resizes_retry (self);
    actor_timer (self->actor, RETRY_MS, retry_due, NULL);
}

void
resizes_begin (manager_t *self)
{
    actor_timer (self->actor, RETRY_FIRST_MS, retry_due, NULL);
}
