/* In-place resize: brings running containers and the pod's cgroup to the resources that the pod has
   been given (common/kube/pod_resize_steps.c has the order), one step after the other. */
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_resize.h"
#include "cubelet/resource_math.h"
#include "worker.h"
#include <string.h>

static void next_step (worker_t *self);

// ---- what containers have ----

static void
say_actuated (worker_t *self)
{
    if (self->is_standalone || pod_is_static (&self->pod))
        return; // never resized
    OWNED (tree_destroy) tree_t *tree = tree_new();
    const node_t *rows = tree_root (self->actuated);
    node_t body = node_map(), resources = node_map();
    for (size_t i = 0; i < node_count (rows); i++)
        node_set (tree, &resources, node_key_at (rows, i),
                  node_copy (tree, node_get (node_value_at (rows, i), "spec")));
    node_set_text (tree, &body, "uid", self->pod.metadata.uid);
    node_set (tree, &body, "resources", resources);
    actor_send (self->actor, "pod-manager", MSG_POD_ACTUATED, &body);
}

/* Puts what one container has got in the place of what was known of it. */
static void
set_row (worker_t *self, const char *name, const node_t *row)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t rows = node_map();
    node_set (tree, &rows, name, *row);
    tree_merge (&self->actuated, &rows);
    self->local->actuated = tree_root (self->actuated);
}

/* {id, spec: {requests limits}, resources: CRI's} of a container, NULL when it is not known. */
static const node_t *
known_of (const worker_t *self, const container_seen_t *instance)
{
    const node_t *row = node_get (tree_root (self->actuated), instance->name);
    bool is_same = strcmp (node_get_text (row, "id", ""), instance->id) == 0;
    return is_same ? row : NULL;
}

static node_t
spec_of (const container_t *container, tree_t *tree)
{
    node_t out = node_map();
    node_set (tree, &out, "requests", node_copy (tree, container->resources.requests));
    node_set (tree, &out, "limits", node_copy (tree, container->resources.limits));
    return out;
}

static node_t
wanted_of (const worker_t *self, const container_t *container, tree_t *tree)
{
    node_t all = container_resources (&self->pod, container, &self->facts, tree);
    return resizable_part (&all, tree);
}

static void
note (worker_t *self, const container_t *container, const char *id)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t row = node_map();
    node_set_text (tree, &row, "id", id);
    node_set (tree, &row, "spec", spec_of (container, tree));
    node_set (tree, &row, "resources", wanted_of (self, container, tree));
    set_row (self, container->name, &row);
}

void
resize_note (worker_t *self, const container_t *container, const char *id)
{
    note (self, container, id);
    if (self->actuated_before)
        node_remove (tree_root (self->actuated_before), container->name);
    say_actuated (self);
}

/* A container that this worker has not made: it has what is known from before, else what it is to
   have, as upstream takes it. */
static void
adopt (worker_t *self, const container_t *container, const char *id)
{
    const node_t *before = node_get (tree_root (self->actuated_before), container->name);
    container_t had = *container;
    if (before) {
        had.resources.requests = node_get (before, "requests");
        had.resources.limits = node_get (before, "limits");
    }
    resize_note (self, &had, id);
}

void
resize_note_id (worker_t *self, const char *container, const char *id)
{
    node_t *row = node_get_mutable (tree_root (self->actuated), container);
    if (row)
        node_set_text (self->actuated, row, "id", id);
}

void
resize_take_before (worker_t *self, const node_t *actuated)
{
    if (node_count (tree_root (self->actuated)))
        say_actuated (self); // what was said may have got lost
    else if (!self->actuated_before && actuated) {
        self->actuated_before = tree_copy (actuated);
        if (!pod_allocation_is_desired (self->pod.node, actuated))
            self->was_resized = true;
    }
}

// ---- what is to be changed ----

/* A running container whose resources may be changed: regular, or a sidecar. */
static const container_seen_t *
resizable_instance (const worker_t *self, const container_t *container)
{
    bool is_kind = container->kind == CONTAINER_REGULAR || container->kind == CONTAINER_SIDECAR;
    const container_seen_t *newest = pod_seen_newest (self->seen, container->name, 0);
    const instance_local_t *local = newest ? pod_local_instance (self->local, newest->id) : NULL;
    bool is_ending = local && (local->is_killing || local->needs_restart);
    return is_kind && newest && newest->state == SEEN_RUNNING && !is_ending ? newest : NULL;
}

/* Notes restarts that are asked for; collects the others. Returns how many containers differ. */
static size_t
collect (worker_t *self, tree_t *tree, resize_item_t *items)
{
    size_t count = 0;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (&self->pod); i++) {
        const container_t *container = pod_container_at (&self->pod, i);
        const container_seen_t *instance = resizable_instance (self, container);
        if (!instance)
            continue;
        if (!known_of (self, instance))
            adopt (self, container, instance->id);
        const node_t *known = known_of (self, instance);
        node_t spec = spec_of (container, tree);
        if (resize_needs_restart (container, node_get (known, "spec"), &spec)) {
            pod_local_set_needs_restart (self->local, instance->id);
            self->needs_step = true;
            continue;
        }
        node_t *wants = tree_alloc (tree, sizeof *wants);
        *wants = wanted_of (self, container, tree);
        items[count] =
            (resize_item_t){ container->name, tree_text (tree, instance->id, strlen (instance->id)),
                             node_get (known, "resources"), wants };
        if (resize_is_needed (&items[count]))
            count++;
        else if (!node_equal (node_get (known, "spec"), &spec))
            resize_note (self, container, instance->id);
    }
    return count;
}

/* A container that is to be started anew for its resize. */
static bool
is_restart_under_way (const worker_t *self)
{
    const container_seen_t *instance;
    for (size_t i = 0; (instance = pod_seen_container_at (self->seen, i)); i++) {
        const instance_local_t *local = pod_local_instance (self->local, instance->id);
        if (local && local->needs_restart
            && pod_seen_newest (self->seen, instance->name, 0) == instance)
            return true;
    }
    return false;
}

// ---- carrying it out ----

static void
end_resize (worker_t *self)
{
    tree_destroy (&self->resize_steps);
    self->resize_next = 0;
}

static void
resize_failed (worker_t *self, const fault_t *fault)
{
    LOG_WARNING ("Pod not resized, trying again pod=%s/%s err=%s", self->pod.metadata.namespace,
                 self->pod.metadata.name, fault->text);
    end_resize (self);
    pod_local_set_resizing (self->local, true, fault->text);
    self->resize_retry_at = worker_retry_at (fault);
    worker_step (self);
}

/* All steps are done: that is what the containers have now. */
static void
resized (worker_t *self)
{
    const node_t *items = node_get (tree_root (self->resize_steps), "items");
    NODE_EACH (items, item)
    {
        const char *name = node_get_text (item, "container", "");
        if (pod_container (&self->pod, name))
            set_row (self, name, node_get (item, "row")); // what was asked for meanwhile comes next
    }
    say_actuated (self);
    LOG_INFO ("Pod is resized pod=%s/%s", self->pod.metadata.namespace, self->pod.metadata.name);
    end_resize (self);
    worker_step (self);
}

static void
step_done (worker_t *self)
{
    self->resize_next++;
    next_step (self);
}

static void
on_usage (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    worker_t *self = state;
    const node_t *step =
        node_item (node_get (tree_root (self->resize_steps), "steps"), self->resize_next);
    if (!step)
        return;
    const node_t *memory = reply ? node_at (reply->body, "stats", "memory", NULL) : NULL;
    int64_t usage = node_get_int (node_get (memory, "working_set_bytes"), "value", 0);
    int64_t limit = node_get_int (step, "limit", 0);
    fault_t refused = { 0 };
    if (fault || usage <= limit) {
        step_done (self); // without a number the kernel has the last word
        return;
    }
    fault_set (&refused, FAULT_PRECONDITION,
               "cannot decrease memory limits: attempting to set container \"%s\" memory limit "
               "(%lld) below current usage (%lld)",
               node_get_text (step, "container", ""), (long long) limit, (long long) usage);
    resize_failed (self, &refused);
}

static void
on_seen (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    observe_container (self, context, NULL, reply ? reply->body : NULL, fault);
    step_done (self);
}

static void
on_updated (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    if (fault)
        resize_failed (self, fault);
    else // the runtime may show the new values
        ask_runtime (self, MSG_CRI_CONTAINER_STATUS, "container_id", context, on_seen, context,
                     ID_MAX);
}

static void
on_cgroup (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply, (void) context;
    if (fault)
        resize_failed (state, fault);
    else
        step_done (state);
}

static void
next_step (worker_t *self)
{
    const node_t *step =
        node_item (node_get (tree_root (self->resize_steps), "steps"), self->resize_next);
    if (!step || self->local->is_terminating) {
        resized (self);
        return;
    }
    const char *kind = node_get_text (step, "kind", "");
    char id[ID_MAX] = { 0 };
    snprintf (id, sizeof id, "%s", node_get_text (step, "id", ""));
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    if (strcmp (kind, "check") == 0)
        ask_runtime (self, MSG_CRI_CONTAINER_STATS, "container_id", id, on_usage, id, sizeof id);
    else if (strcmp (kind, "update") == 0) {
        node_set_text (tree, &body, "container_id", id);
        node_set (tree, &body, "linux", node_copy (tree, node_get (step, "resources")));
        call_runtime (self, MSG_CRI_UPDATE_CONTAINER_RESOURCES, &body, on_updated, id, sizeof id);
    }
    else {
        node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
        node_set_bool (tree, &body, "resize", true);
        actor_request (self->actor, "resource-manager", MSG_CGROUP_ENSURE, &body, LOCAL_DEADLINE_MS,
                       on_cgroup, NULL, 0);
    }
}

/* {steps, items: {container, row: what it has when all is done}}. */
static void
begin_resize (worker_t *self, const resize_item_t *items, size_t count)
{
    tree_t *tree = tree_new();
    node_t rows = node_array();
    for (size_t i = 0; i < count; i++) {
        node_t row = node_map(), item = node_map();
        node_set_text (tree, &row, "id", items[i].id);
        node_set (tree, &row, "spec", spec_of (pod_container (&self->pod, items[i].name), tree));
        node_set (tree, &row, "resources", node_copy (tree, items[i].wants));
        node_set_text (tree, &item, "container", items[i].name);
        node_set (tree, &item, "row", row);
        node_append (tree, &rows, item);
    }
    *tree_root (tree) = node_map();
    node_set (tree, tree_root (tree), "steps", pod_resize_steps (items, count, tree));
    node_set (tree, tree_root (tree), "items", rows);
    self->resize_steps = tree;
    self->resize_next = 0;
    LOG_INFO ("Pod is being resized pod=%s/%s containers=%zu", self->pod.metadata.namespace,
              self->pod.metadata.name, count);
    next_step (self);
}

static void
say_completed (worker_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t summary = pod_resize_summary (&self->pod, tree);
    OWNED (free_text) char *json = json_write (&summary, JSON_COMPACT, NULL);
    OWNED (free_text) char *message = text_format ("Pod resize completed: %s", json);
    report_event (self, NULL, "Normal", "ResizeCompleted", message);
}

void
resize (worker_t *self)
{
    if (self->local->is_terminating || self->resize_steps || !self->local->is_prepared)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    resize_item_t *items = tree_alloc (tree, POD_CONTAINER_COUNT (&self->pod) * sizeof *items);
    size_t count = collect (self, tree, items);
    int64_t wait_ns = self->resize_retry_at - clock_now_ns();
    bool is_open = count > 0 || is_restart_under_way (self);
    if (self->local->is_resizing && !is_open)
        say_completed (self);
    pod_local_set_resizing (self->local, is_open, is_open ? self->local->resize_error : NULL);
    if (count > 0 && wait_ns > 0)
        worker_step_later (self, wait_ns / NS_PER_MS + 1);
    else if (count > 0)
        begin_resize (self, items, count);
}
