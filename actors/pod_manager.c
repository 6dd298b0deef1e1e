/* pod-manager: merges the sources of pods, runs one worker per pod, and keeps what the workers
   say of them (reference/pod-lifecycle.md 2, 3, 5, 13).

   It may lose all it knows: sources send their sets again, workers their pods. */
#include "cubelet/actors.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include <czmq.h>

/* Grace for pods that only the runtime knows (reference/pod-lifecycle.md 5). */
#define ORPHAN_GRACE_S 1
#define START_RETRY_MS 500
#define START_DEADLINE_MS 10000
#define SYNC_DEFAULT_MS 60000 // KubeletConfiguration syncFrequency

typedef enum {
    POD_WAITING,     // a pod of the same full name is still stopping
    POD_RUNNING,     // has a worker
    POD_TERMINATING, // gone from its source; the worker stops it
} pod_entry_state_t;

typedef struct {
    char *uid;
    char *full_name; // namespace/name
    char *source;    // file, http, api; "runtime" for orphans
    char worker[ACTOR_NAME_MAX];
    pod_entry_state_t state;
    tree_t *pod;
    tree_t *status; // the worker's last word; NULL: none yet
    bool is_orphan;
    bool is_in_set;       // while a set is compared
    bool is_wanted_again; // came back while it was stopping
} pod_entry_t;

typedef struct {
    actor_t *actor;
    zlistx_t *pods;      // pod_entry_t, in the order they came
    tree_t *worker_args; // what every worker is started with
    zlistx_t *pending;   // names of sources that have not delivered a set yet
    int64_t sync_ms;
} manager_t;

// ---- entries ----

static void
entry_destroy (void **self_p)
{
    pod_entry_t *self = *self_p;
    free (self->uid);
    free (self->full_name);
    free (self->source);
    tree_destroy (&self->pod);
    tree_destroy (&self->status);
    free (self);
    *self_p = NULL;
}

static pod_entry_t *
entry_new (const node_t *pod, const char *source)
{
    const node_t *meta = node_get (pod, "metadata");
    const char *namespace = node_get_text (meta, "namespace", "");
    const char *name = node_get_text (meta, "name", "");
    pod_entry_t *self = memory_new (1, sizeof *self);
    self->uid = text_copy (node_get_text (meta, "uid", ""));
    self->full_name = text_format ("%s/%s", namespace, name);
    self->source = text_copy (source);
    self->pod = tree_copy (pod);
    pod_worker_name (namespace, name, self->uid, self->worker);
    return self;
}

static pod_entry_t *
find_uid (manager_t *self, const char *uid)
{
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods))
        if (streq (pod->uid, uid))
            return pod;
    return NULL;
}

static pod_entry_t *
find_worker (manager_t *self, const char *worker)
{
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods))
        if (streq (pod->worker, worker))
            return pod;
    return NULL;
}

/* The entry of that full name that has a worker. */
static pod_entry_t *
find_active (manager_t *self, const char *full_name)
{
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods))
        if (pod->state != POD_WAITING && streq (pod->full_name, full_name))
            return pod;
    return NULL;
}

// ---- workers ----

static void
sync_worker (manager_t *self, const pod_entry_t *pod)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "pod", node_copy (tree, tree_root (pod->pod)));
    node_set_bool (tree, &body, "terminate", pod->state == POD_TERMINATING);
    if (pod->is_orphan) {
        node_set_int (tree, &body, "grace", ORPHAN_GRACE_S);
        node_set_bool (tree, &body, "runtime_only", true);
    }
    if (pod->status)
        node_set (tree, &body, "status", node_copy (tree, tree_root (pod->status)));
    actor_send (self->actor, pod->worker, MSG_POD_SYNC, &body);
}

static void ask_for_worker (manager_t *self, pod_entry_t *pod);

static void
ask_again (void *state, void *context)
{
    manager_t *self = state;
    OWNED (free_text) char *uid = context;
    pod_entry_t *pod = find_uid (self, uid);
    if (pod && pod->state != POD_WAITING)
        ask_for_worker (self, pod);
}

static void
on_worker_asked (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    manager_t *self = state;
    pod_entry_t *pod = find_worker (self, context);
    if (!fault || !pod)
        return; // ACTOR_UP brings us together
    LOG_WARNING ("Pod worker not started, trying again pod=%s err=%s", pod->full_name, fault->text);
    actor_timer (self->actor, START_RETRY_MS, ask_again, text_copy (pod->uid));
}

static void
ask_for_worker (manager_t *self, pod_entry_t *pod)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "class", "pod-worker");
    node_set_text (tree, &body, "name", pod->worker);
    node_set (tree, &body, "args", node_copy (tree, tree_root (self->worker_args)));
    actor_request (self->actor, "supervisor", MSG_ACTOR_START, &body, START_DEADLINE_MS,
                   on_worker_asked, pod->worker, sizeof pod->worker);
    sync_worker (self, pod); // for a worker that is there already; a new one says ACTOR_UP
}

static void
stop_worker (manager_t *self, const char *worker)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", worker);
    actor_send (self->actor, "supervisor", MSG_ACTOR_STOP, &body);
}

/* Starts the pod, or lets it wait for another of the same name to end. */
static void
start_pod (manager_t *self, pod_entry_t *pod)
{
    const pod_entry_t *active = find_active (self, pod->full_name);
    if (active && active != pod) {
        pod->state = POD_WAITING;
        LOG_INFO ("Pod waits for its predecessor to end pod=%s uid=%s predecessor=%s",
                  pod->full_name, pod->uid, active->uid);
        return;
    }
    pod->state = POD_RUNNING;
    ask_for_worker (self, pod);
}

static void
start_successor (manager_t *self, const char *full_name)
{
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods)) {
        if (pod->state == POD_WAITING && streq (pod->full_name, full_name)) {
            start_pod (self, pod);
            return;
        }
    }
}

// ---- sources ----

static void
add_pod (manager_t *self, const node_t *pod, const char *source)
{
    pod_entry_t *entry = entry_new (pod, source);
    zlistx_add_end (self->pods, entry);
    LOG_INFO ("SyncLoop ADD source=%s pod=%s uid=%s", source, entry->full_name, entry->uid);
    start_pod (self, entry);
}

static void
update_pod (manager_t *self, pod_entry_t *entry, const node_t *pod, const char *source)
{
    if (entry->state == POD_TERMINATING) {
        if (!entry->is_wanted_again)
            LOG_INFO ("Pod came back while it stops, it is started again then pod=%s uid=%s",
                      entry->full_name, entry->uid);
        entry->is_wanted_again = true;
        tree_destroy (&entry->pod);
        entry->pod = tree_copy (pod);
        return;
    }
    if (node_equal (tree_root (entry->pod), pod))
        return;
    LOG_INFO ("SyncLoop UPDATE source=%s pod=%s uid=%s", source, entry->full_name, entry->uid);
    tree_destroy (&entry->pod);
    entry->pod = tree_copy (pod);
    if (entry->state == POD_RUNNING)
        sync_worker (self, entry);
}

static void
forget_pod (manager_t *self, pod_entry_t *entry)
{
    zlistx_delete (self->pods, zlistx_find (self->pods, entry));
}

static void
remove_pod (manager_t *self, pod_entry_t *entry)
{
    if (entry->state == POD_WAITING) {
        forget_pod (self, entry); // never began
        return;
    }
    entry->is_wanted_again = false;
    if (entry->state == POD_TERMINATING)
        return;
    LOG_INFO ("SyncLoop REMOVE source=%s pod=%s uid=%s", entry->source, entry->full_name,
              entry->uid);
    entry->state = POD_TERMINATING;
    sync_worker (self, entry);
}

static void
take_set (manager_t *self, const char *source, const node_t *pods)
{
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods))
        pod->is_in_set = false;
    // Who is gone first: a changed static pod has a new uid and waits for the old one's end.
    NODE_EACH (pods, pod)
    {
        pod_entry_t *known =
            find_uid (self, node_as_text (node_at (pod, "metadata", "uid", NULL), ""));
        if (known)
            known->is_in_set = true;
    }
    OWNED (zlistx_destroy) zlistx_t *gone = zlistx_new();
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods))
        if (!pod->is_in_set && streq (pod->source, source))
            zlistx_add_end (gone, pod);
    for (pod_entry_t *pod = zlistx_first (gone); pod; pod = zlistx_next (gone))
        remove_pod (self, pod);
    NODE_EACH (pods, pod)
    {
        const char *uid = node_as_text (node_at (pod, "metadata", "uid", NULL), "");
        pod_entry_t *known = find_uid (self, uid);
        if (known)
            update_pod (self, known, pod, source);
        else if (uid[0])
            add_pod (self, pod, source);
    }
}

static int
on_source_pods (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const char *source = node_get_text (message->body, "source", "");
    take_set (self, source, node_get (message->body, "pods"));
    for (char *name = zlistx_first (self->pending); name; name = zlistx_next (self->pending)) {
        if (streq (name, source)) {
            zlistx_delete (self->pending, zlistx_cursor (self->pending));
            break;
        }
    }
    return 0;
}

// ---- workers' words ----

/* A pod that a worker or the runtime has and no source knows. */
static void
take_orphan (manager_t *self, const node_t *pod)
{
    if (zlistx_size (self->pending))
        return; // its source may be about to say it; whoever told us tells again
    pod_entry_t *entry = entry_new (pod, "runtime");
    entry->is_orphan = true;
    entry->state = POD_TERMINATING;
    LOG_WARNING ("Pod of no source is stopped pod=%s uid=%s", entry->full_name, entry->uid);
    zlistx_add_end (self->pods, entry);
    ask_for_worker (self, entry);
}

/* Nothing of the pod is left. */
static void
end_pod (manager_t *self, pod_entry_t *entry)
{
    OWNED (free_text) char *full_name = text_copy (entry->full_name);
    LOG_INFO ("Pod ended and removed pod=%s uid=%s", full_name, entry->uid);
    if (entry->is_wanted_again) {
        // A worker remembers what it has ended: only a new one starts the same uid again.
        entry->is_wanted_again = false;
        entry->state = POD_RUNNING;
        tree_destroy (&entry->status);
        stop_worker (self, entry->worker);
        actor_timer (self->actor, START_RETRY_MS, ask_again, text_copy (entry->uid));
        return;
    }
    stop_worker (self, entry->worker);
    forget_pod (self, entry);
    start_successor (self, full_name);
}

static int
on_pod_status (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    pod_entry_t *entry = find_uid (self, node_get_text (message->body, "uid", ""));
    bool is_finished = node_get_bool (message->body, "finished", false);
    const node_t *pod = node_get (message->body, "pod");
    if (!entry && is_finished)
        stop_worker (self, message->from); // said again because we were restarted
    else if (!entry && pod)
        take_orphan (self, pod);
    if (!entry)
        return 0;
    const node_t *status = node_get (message->body, "status");
    if (status) {
        tree_destroy (&entry->status);
        entry->status = tree_copy (status);
    }
    if (is_finished && entry->state == POD_TERMINATING)
        end_pod (self, entry);
    return 0;
}

static int
on_pod_orphan (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const char *uid = node_get_text (message->body, "uid", "");
    if (!uid[0] || find_uid (self, uid))
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

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    const pod_entry_t *pod = find_worker (self, node_get_text (message->body, "name", ""));
    if (pod && pod->state != POD_WAITING)
        sync_worker (self, pod);
    return 0;
}

/* Messages may get lost: now and then every worker is told its pod again, and starts anew if it is
   not there; what it says of it follows. */
static void
sync_all (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods))
        if (pod->state != POD_WAITING)
            ask_for_worker (self, pod);
    actor_timer (self->actor, self->sync_ms, sync_all, NULL);
}

// ---- GET /pods ----

static int
on_pod_list (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t items = node_array();
    for (pod_entry_t *pod = zlistx_first (self->pods); pod; pod = zlistx_next (self->pods)) {
        // As upstream, a static pod is out of the list as soon as its manifest is gone.
        if (pod->state == POD_TERMINATING && !pod->is_wanted_again)
            continue;
        node_t item = node_copy (tree, tree_root (pod->pod));
        if (pod->status)
            node_set (tree, &item, "status", node_copy (tree, tree_root (pod->status)));
        node_append (tree, &items, item);
    }
    node_t body = node_map();
    node_set (tree, &body, "items", items);
    actor_reply (self->actor, message, &body);
    return 0;
}

// ---- the class ----

static const actor_handler_t HANDLERS[] = {
    { MSG_SOURCE_PODS, on_source_pods }, { MSG_POD_STATUS, on_pod_status },
    { MSG_POD_ORPHAN, on_pod_orphan },   { MSG_ACTOR_UP, on_actor_up },
    { MSG_POD_LIST, on_pod_list },       { 0 },
};

static void
free_name (void **name_p)
{
    free (*name_p);
    *name_p = NULL;
}

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    zlistx_destroy (&self->pods);
    zlistx_destroy (&self->pending);
    tree_destroy (&self->worker_args);
    free (self);
    *self_p = NULL;
}

/* args: {sources: list of text, those that must deliver before orphans are stopped; worker_args:
   map; sync_ms: int}. */
static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->pods = zlistx_new();
    zlistx_set_destructor (self->pods, entry_destroy);
    self->pending = zlistx_new();
    zlistx_set_destructor (self->pending, free_name);
    self->worker_args = tree_copy (node_get (args, "worker_args"));
    self->sync_ms = node_get_int (args, "sync_ms", SYNC_DEFAULT_MS);
    actor_timer (actor, self->sync_ms, sync_all, NULL);
    NODE_EACH (node_get (args, "sources"), source)
    zlistx_add_end (self->pending, text_copy (node_as_text (source, "")));
    return self;
}

const actor_class_t pod_manager_class = {
    .name = "pod-manager",
    .about = "merges the sources of pods and runs one worker per pod",
    .hears_of = "pod-worker",
    .queue_limit = 10000,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
