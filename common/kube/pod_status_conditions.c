/* pod_status_conditions.c - conditions (reference/pod-lifecycle.md 10.3). */
#include "cubelet/pod_plan.h"
#include "pod_status_internal.h"
#include <string.h>

typedef struct {
    const char *type;
    bool is_true;
    const char *reason, *message; // NULL for none
} condition_t;

// ---- lists of names in messages ----

typedef struct {
    char *text; // "[a b"; NULL while empty
} names_t;

static void
add_name (names_t *names, const char *name)
{
    if (names->text)
        text_replace (&names->text, "%s %s", names->text, name);
    else
        names->text = text_format ("[%s", name);
}

static void
free_names (names_t *names)
{
    free (names->text);
}

/* In the tree: "WHAT: [a b]", or NULL for an empty list. */
static const char *
list_message (builder_t *self, const char *what, const names_t *names)
{
    if (!names->text)
        return NULL;
    return node_text_format (self->tree, "%s: %s]", what, names->text).via.str.ptr;
}

static bool
is_phase (const builder_t *self, const char *phase)
{
    return strcmp (self->phase, phase) == 0;
}

// ---- the conditions of the kubelet ----

static condition_t
ready_to_start (builder_t *self)
{
    return (condition_t){ "PodReadyToStartContainers", !pod_needs_sandbox (self->pod, self->seen),
                          NULL, NULL };
}

static condition_t
initialized (builder_t *self)
{
    condition_t condition = { "Initialized", true, NULL, NULL };
    OWNED (free_names) names_t incomplete = { NULL };
    if (is_phase (self, "Succeeded")) {
        condition.reason = "PodCompleted";
        return condition;
    }
    if (status_any_regular_started (self))
        return condition;
    for (size_t i = 0; i < self->row_count; i++) {
        const row_t *row = &self->rows[i];
        bool is_open = (row->container->kind == CONTAINER_INIT && !row->is_ready)
                       || (row->container->kind == CONTAINER_SIDECAR && !row->is_started);
        if (is_open)
            add_name (&incomplete, row->container->name);
    }
    condition.message = list_message (self, "containers with incomplete status", &incomplete);
    if (condition.message) {
        condition.is_true = false;
        condition.reason = "ContainersNotInitialized";
    }
    return condition;
}

static condition_t
containers_ready (builder_t *self)
{
    condition_t condition = { "ContainersReady", false, NULL, NULL };
    OWNED (free_names) names_t unready = { NULL };
    if (is_phase (self, "Succeeded") || is_phase (self, "Failed")) {
        condition.reason = is_phase (self, "Failed") ? "PodFailed" : "PodCompleted";
        return condition;
    }
    for (size_t i = 0; i < self->row_count; i++) {
        const row_t *row = &self->rows[i];
        bool counts =
            row->container->kind == CONTAINER_REGULAR || row->container->kind == CONTAINER_SIDECAR;
        if (counts && !row->is_ready)
            add_name (&unready, row->container->name);
    }
    condition.message = list_message (self, "containers with unready status", &unready);
    condition.is_true = !condition.message;
    condition.reason = condition.message ? "ContainersNotReady" : NULL;
    return condition;
}

static const node_t *
find_condition (const node_t *conditions, const char *type)
{
    NODE_EACH (conditions, condition)
    if (strcmp (node_get_text (condition, "type", ""), type) == 0)
        return condition;
    return NULL;
}

/* What a readiness gate lacks, in the tree; NULL when it is open. */
static const char *
gate_message (builder_t *self, const node_t *conditions, const char *gate)
{
    const node_t *condition = find_condition (conditions, gate);
    const char *status = node_get_text (condition, "status", "");
    if (!condition)
        return node_text_format (self->tree,
                                 "corresponding condition of pod readiness gate \"%s\" does not "
                                 "exist.",
                                 gate)
            .via.str.ptr;
    if (strcmp (status, "True") == 0)
        return NULL;
    return node_text_format (self->tree,
                             "the status of pod readiness gate \"%s\" is not \"True\", but %s",
                             gate, status)
        .via.str.ptr;
}

static condition_t
ready (builder_t *self, const node_t *conditions)
{
    condition_t condition = containers_ready (self);
    condition.type = "Ready";
    if (!condition.is_true)
        return condition;
    OWNED (free_text) char *lacking = NULL;
    NODE_EACH (self->pod->spec.readiness_gates, gate)
    {
        const char *message =
            gate_message (self, conditions, node_get_text (gate, "conditionType", ""));
        if (message)
            text_replace (&lacking, "%s%s%s", lacking ? lacking : "", lacking ? ", " : "", message);
    }
    if (lacking) {
        condition.is_true = false;
        condition.reason = "ReadinessGatesNotReady";
        condition.message = node_text (self->tree, lacking).via.str.ptr;
    }
    return condition;
}

// ---- DisruptionTarget ----

/* Why the kubelet ends a pod by force. NULL: the message of the termination itself. */
static const struct {
    const char *reason, *message;
} DISRUPTIONS[] = {
    { "Evicted", NULL },
    { "Preempting", "Pod was preempted by Kubelet to accommodate a critical pod." },
    { "Terminated", "Pod was terminated in response to imminent node shutdown." },
};

/* Returns false when there is none. */
static bool
disruption_target (const builder_t *self, condition_t *out)
{
    const char *reason = self->local->terminate_reason;
    for (size_t i = 0; reason && i < COUNT_OF (DISRUPTIONS); i++) {
        if (strcmp (reason, DISRUPTIONS[i].reason) != 0)
            continue;
        *out = (condition_t){ "DisruptionTarget", true, "TerminationByKubelet",
                              DISRUPTIONS[i].message ? DISRUPTIONS[i].message
                                                     : self->local->terminate_message };
        return true;
    }
    return false;
}

// ---- the list ----

/* The time changes only when the status does. */
static node_t
transition_time (builder_t *self, const condition_t *condition)
{
    const node_t *old = find_condition (node_get (self->previous, "conditions"), condition->type);
    if (!old)
        old = find_condition (node_get (self->api, "conditions"), condition->type);
    bool was_true = strcmp (node_get_text (old, "status", ""), "True") == 0;
    const node_t *time = node_get (old, "lastTransitionTime");
    return time && was_true == condition->is_true ? node_copy (self->tree, time)
                                                  : status_time (self->tree, self->now);
}

static void
append (builder_t *self, node_t *list, condition_t condition)
{
    tree_t *tree = self->tree;
    node_t item = node_map();
    node_set_text (tree, &item, "type", condition.type);
    if (self->pod->metadata.generation > 0)
        node_set_int (tree, &item, "observedGeneration", self->pod->metadata.generation);
    node_set_text (tree, &item, "status", condition.is_true ? "True" : "False");
    node_set (tree, &item, "lastProbeTime", node_nil());
    node_set (tree, &item, "lastTransitionTime", transition_time (self, &condition));
    node_set_text (tree, &item, "reason", condition.reason);
    node_set_text (tree, &item, "message", condition.message);
    node_append (tree, list, item);
}

/* Those that the kubelet writes anew each time. */
static const char *const OWNED_TYPES[] = {
    "PodScheduled",     "Ready",
    "Initialized",      "ContainersReady",
    "DisruptionTarget", "PodReadyToStartContainers",
    "PodResizePending", "PodResizeInProgress",
};

static bool
is_foreign (const char *type)
{
    for (size_t i = 0; i < COUNT_OF (OWNED_TYPES); i++)
        if (strcmp (type, OWNED_TYPES[i]) == 0)
            return false;
    return true;
}

/* DisruptionTarget is shared: one that is there already stays. */
static void
append_disruption_target (builder_t *self, node_t *list)
{
    condition_t condition;
    const node_t *old =
        find_condition (node_get (self->previous, "conditions"), "DisruptionTarget");
    if (!old)
        old = find_condition (node_get (self->api, "conditions"), "DisruptionTarget");
    if (disruption_target (self, &condition))
        append (self, list, condition);
    else if (old)
        node_append (self->tree, list, node_copy (self->tree, old));
}

/* Those of a change of resources that waits or is under way. */
static void
append_resize (builder_t *self, node_t *list)
{
    const pod_local_t *local = self->local;
    if (local->resize_reason)
        append (
            self, list,
            (condition_t){ "PodResizePending", true, local->resize_reason, local->resize_message });
    if (local->is_resizing)
        append (self, list,
                (condition_t){ "PodResizeInProgress", true, local->resize_error ? "Error" : NULL,
                               local->resize_error });
}

node_t
status_conditions (builder_t *self)
{
    node_t list = node_array();
    const node_t *others = node_get (self->api, "conditions");
    NODE_EACH (others, condition)
    if (is_foreign (node_get_text (condition, "type", "")))
        node_append (self->tree, &list, node_copy (self->tree, condition));
    append_resize (self, &list);
    append_disruption_target (self, &list);
    append (self, &list, ready_to_start (self));
    append (self, &list, initialized (self));
    append (self, &list, ready (self, others));
    append (self, &list, containers_ready (self));
    append (self, &list, (condition_t){ "PodScheduled", true, NULL, NULL });
    return list;
}
