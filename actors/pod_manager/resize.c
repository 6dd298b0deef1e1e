/* What each pod of the API server has been given, which may be less or more than its spec asks for
   after a change (reference/pod-lifecycle.md 10.5), and what its containers have got of that;
   remembered over restarts in the files allocated_pods_state and actuated_pods_state. */
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_resize.h"
#include "cubelet/pod_resource_state.h"
#include "manager.h"
#include <string.h>

#define ALLOCATED_FILE "allocated_pods_state"
#define ACTUATED_FILE "actuated_pods_state"
#define STATE_LIMIT (16 * 1024 * 1024)
/* New pods of a burst are written down together. */
#define WRITE_DELAY_MS 1000
#define RETRY_FIRST_MS 30000
#define RETRY_MS 180000

// ---- the files ----

static char *
state_path (const manager_t *self, const char *name)
{
    const node_t *args = node_get (tree_root (self->args), "worker_args");
    const char *root = node_get_text (args, "root_dir", NULL);
    return root ? text_format ("%s/%s", root, name) : NULL;
}

static tree_t *
read_file (const manager_t *self, const char *name)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *path = state_path (self, name);
    size_t size = 0;
    OWNED (free_text) char *text = path ? file_read (path, STATE_LIMIT, &size, &fault) : NULL;
    tree_t *pods = text ? pod_resource_state_read (text, size, &fault) : NULL;
    if (fault.code && fault.code != FAULT_NOT_FOUND)
        LOG_WARNING ("Resources of pods not read, they are taken to have what they ask for path=%s "
                     "err=%s",
                     path, fault.text);
    return pods;
}

void
allocations_read (manager_t *self)
{
    self->allocated_before = read_file (self, ALLOCATED_FILE);
    self->actuated_before = read_file (self, ACTUATED_FILE);
}

/* Until all sources have delivered, what was known of pods that none has named yet stays. */
static node_t
rows_before (manager_t *self, tree_t *before, tree_t *tree)
{
    node_t pods = node_map();
    const node_t *known = sources_are_ready (self) ? NULL : tree_root (before);
    for (size_t i = 0; i < node_count (known); i++)
        if (!find_uid (self, node_key_at (known, i)))
            node_set (tree, &pods, node_key_at (known, i),
                      node_copy (tree, node_value_at (known, i)));
    return pods;
}

static void
write_file (const manager_t *self, const char *name, const node_t *pods)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text) char *path = state_path (self, name);
    OWNED (free_text) char *text = pod_resource_state_write (pods, &size);
    if (path && file_write (path, text, size, 0600, &fault) < 0)
        LOG_WARNING ("Resources of pods not written err=%s", fault.text);
}

static void
write_state (manager_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t allocated = rows_before (self, self->allocated_before, tree);
    node_t actuated = rows_before (self, self->actuated_before, tree);
    MANAGER_EACH (self, entry)
    {
        if (!entry->allocation.bytes || entry->is_removed)
            continue;
        node_set (tree, &allocated, entry->uid, packed_node (&entry->allocation, tree));
        if (entry->actuated.bytes)
            node_set (tree, &actuated, entry->uid, packed_node (&entry->actuated, tree));
    }
    write_file (self, ALLOCATED_FILE, &allocated);
    write_file (self, ACTUATED_FILE, &actuated);
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

static void
allocate_desired (managed_pod_t *entry)
{
    OWNED (tree_destroy) tree_t *tree = packed_tree (&entry->pod);
    node_t allocation = pod_allocation (tree_root (tree), tree);
    packed_set (&entry->allocation, &allocation);
}

void
allocation_begin (manager_t *self, managed_pod_t *entry)
{
    const node_t *allocated = node_get (tree_root (self->allocated_before), entry->uid);
    const node_t *actuated = node_get (tree_root (self->actuated_before), entry->uid);
    packed_set (&entry->allocation, node_is_map (allocated) ? allocated : NULL);
    packed_set (&entry->actuated, node_is_map (actuated) ? actuated : NULL);
    if (!entry->allocation.bytes)
        allocate_desired (entry);
    allocations_changed (self);
}

int
on_pod_actuated (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    managed_pod_t *entry = find_uid (self, node_get_text (message->body, "uid", ""));
    const node_t *resources = node_get (message->body, "resources");
    if (!entry || !entry->allocation.bytes || packed_equal (&entry->actuated, resources))
        return 0;
    packed_set (&entry->actuated, resources);
    allocations_changed (self);
    return 0;
}

node_t
allocation_apply (const managed_pod_t *entry, const node_t *pod, tree_t *tree)
{
    node_t allocation = packed_node (&entry->allocation, tree);
    if (node_is_nil (&allocation) || pod_allocation_is_desired (pod, &allocation))
        return *pod;
    return pod_with_allocation (pod, &allocation, tree);
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
    OWNED (tree_destroy) tree_t *pod = packed_tree (&entry->pod);
    allocate_desired (entry);
    if (managed_set_pod (entry, tree_root (pod), &fault) < 0)
        LOG_WARNING ("Resized pod not understood pod=%s err=%s", entry->full_name, fault.text);
    LOG_INFO ("Pod gets the resources it asks for pod=%s uid=%s", entry->full_name, entry->uid);
    write_state (self); // a worker must not begin what a restart would not know of
}

bool
resize_consider (manager_t *self, managed_pod_t *entry)
{
    bool may_resize = (entry->state == POD_ACTIVE || entry->state == POD_WAITING)
                      && !entry->is_removed && !managed_is_terminal (entry);
    if (!entry->allocation.bytes || !may_resize)
        return false;
    OWNED (tree_destroy) tree_t *tree = packed_tree (&entry->pod);
    node_t allocation = packed_node (&entry->allocation, tree);
    if (pod_allocation_is_desired (tree_root (tree), &allocation)) {
        set_text (&entry->resize_reason, NULL);
        set_text (&entry->resize_message, NULL);
        return false;
    }
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
