/* node_conditions.c - the node's conditions, the events of their changes, and what is worth a
   request (reference/node-and-server.md 2.1, 2.2). */
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "node_status_internal.h"
#include <string.h>

typedef enum { MEMORY, DISK, PID, READY, CONDITION_COUNT } condition_kind_t;

/* What a condition says when it is true and when it is not. */
static const struct {
    const char *type;
    const char *reason[2], *message[2]; // [false], [true]
    const char *event[2];
    bool is_new_event; // also when the condition is new
} CONDITIONS[CONDITION_COUNT] = {
    [MEMORY] = { "MemoryPressure",
                 { "KubeletHasSufficientMemory", "KubeletHasInsufficientMemory" },
                 { "kubelet has sufficient memory available",
                   "kubelet has insufficient memory available" },
                 { "NodeHasSufficientMemory", "NodeHasInsufficientMemory" },
                 true },
    [DISK] = { "DiskPressure",
               { "KubeletHasNoDiskPressure", "KubeletHasDiskPressure" },
               { "kubelet has no disk pressure", "kubelet has disk pressure" },
               { "NodeHasNoDiskPressure", "NodeHasDiskPressure" },
               true },
    [PID] = { "PIDPressure",
              { "KubeletHasSufficientPID", "KubeletHasInsufficientPID" },
              { "kubelet has sufficient PID available", "kubelet has insufficient PID available" },
              { "NodeHasSufficientPID", "NodeHasInsufficientPID" },
              true },
    [READY] = { "Ready",
                { "KubeletNotReady", "KubeletReady" },
                { NULL, "kubelet is posting ready status" },
                { "NodeNotReady", "NodeReady" },
                false },
};

static const node_t *
find_condition (const node_t *conditions, const char *type)
{
    NODE_EACH (conditions, condition)
    if (strcmp (node_get_text (condition, "type", ""), type) == 0)
        return condition;
    return NULL;
}

bool
node_condition_is_true (const node_t *status, const char *type)
{
    const node_t *condition = find_condition (node_get (status, "conditions"), type);
    return strcmp (node_get_text (condition, "status", ""), "True") == 0;
}

// ---- the conditions ----

static bool
is_true (const node_view_t *view, condition_kind_t kind)
{
    switch (kind) {
    case MEMORY: return view->memory_pressure;
    case DISK: return view->disk_pressure;
    case PID: return view->pid_pressure;
    case READY:
    case CONDITION_COUNT: break;
    }
    return !view->problem;
}

static node_t
condition_of (tree_t *tree, const node_view_t *view, condition_kind_t kind, const node_t *old,
              int64_t now)
{
    char text[TIME_TEXT_MAX];
    bool value = is_true (view, kind);
    const char *message = CONDITIONS[kind].message[value];
    const char *status = value ? "True" : "False";
    const node_t *since = node_get (old, "lastTransitionTime");
    bool is_same = since && strcmp (node_get_text (old, "status", ""), status) == 0;
    node_t out = node_map();
    node_set_text (tree, &out, "type", CONDITIONS[kind].type);
    node_set_text (tree, &out, "status", status);
    node_set_text (tree, &out, "lastHeartbeatTime", time_text (now, text));
    node_set (tree, &out, "lastTransitionTime",
              is_same ? node_copy (tree, since) : node_text (tree, text));
    node_set_text (tree, &out, "reason", CONDITIONS[kind].reason[value]);
    node_set_text (tree, &out, "message", message ? message : view->problem);
    return out;
}

static condition_kind_t
kind_of (const node_t *condition)
{
    const char *type = node_get_text (condition, "type", "");
    condition_kind_t kind = 0;
    while (kind < CONDITION_COUNT && strcmp (type, CONDITIONS[kind].type) != 0)
        kind++;
    return kind;
}

node_t
status_node_conditions (tree_t *tree, const node_view_t *view, const node_t *old, int64_t now)
{
    node_t list = node_array();
    NODE_EACH (old, condition)
    {
        condition_kind_t kind = kind_of (condition);
        node_append (tree, &list,
                     kind == CONDITION_COUNT ? node_copy (tree, condition)
                                             : condition_of (tree, view, kind, condition, now));
    }
    for (condition_kind_t kind = 0; kind < CONDITION_COUNT; kind++)
        if (!find_condition (old, CONDITIONS[kind].type))
            node_append (tree, &list, condition_of (tree, view, kind, NULL, now));
    return list;
}

// ---- ready or not ----

static void
add_problem (char **problems_p, size_t *count_p, const char *text)
{
    text_replace (problems_p, "%s%s%s", *problems_p ? *problems_p : "", *problems_p ? ", " : "",
                  text);
    ++*count_p;
}

/* The resources that every node has. */
static char *
missing_resources (const node_t *capacity)
{
    static const char *const NEEDED[] = { "cpu", "memory", "pods", "ephemeral-storage" };
    char *missing = NULL;
    for (size_t i = 0; i < COUNT_OF (NEEDED); i++)
        if (!node_get (capacity, NEEDED[i]))
            text_replace (&missing, "%s%s%s", missing ? missing : "", missing ? ", " : "",
                          NEEDED[i]);
    return missing;
}

char *
node_problem (const node_t *runtime, const node_t *capacity, bool is_shutting_down)
{
    char *problems = NULL;
    size_t count = 0;
    bool is_up = node_get_bool (runtime, "up", false);
    bool is_ready = node_get_bool (runtime, "ready", false);
    bool has_network = node_get_bool (runtime, "network_ready", false);
    if (!is_up || !is_ready || !has_network)
        add_problem (&problems, &count,
                     node_get_text (runtime, "reason",
                                    "container runtime status check may not have completed yet"));
    count += is_up && !is_ready && !has_network; // its reason has both
    if (is_shutting_down)
        add_problem (&problems, &count, "node is shutting down");
    OWNED (free_text) char *missing = missing_resources (capacity);
    if (missing) {
        OWNED (free_text)
        char *text = text_format ("missing node capacity for resources: %s", missing);
        add_problem (&problems, &count, text);
    }
    if (count > 1)
        text_replace (&problems, "[%s]", problems);
    return problems;
}

// ---- what is worth a request ----

/* A copy without the times of heartbeats, and with what Go leaves out left out. */
static tree_t *
without_heartbeats (const node_t *status)
{
    tree_t *tree = tree_copy (status);
    node_t *list = node_get_mutable (tree_root (tree), "conditions");
    for (size_t i = 0; node_is_array (list) && i < node_count (list); i++)
        node_remove (&list->via.array.ptr[i], "lastHeartbeatTime");
    return tree;
}

bool
node_status_differs (const node_t *old, const node_t *new)
{
    OWNED (tree_destroy) tree_t *left = without_heartbeats (old);
    OWNED (tree_destroy) tree_t *right = without_heartbeats (new);
    return !node_equal (tree_root (left), tree_root (right));
}

bool
node_report_is_due (const node_report_pace_t *pace, int64_t now_ms)
{
    return now_ms - pace->last_ms >= pace->every_ms + pace->shift_ms;
}

void
node_report_sent (node_report_pace_t *pace, bool has_changed, double part, int64_t now_ms)
{
    pace->last_ms = now_ms;
    pace->shift_ms = has_changed ? (int64_t) ((double) pace->every_ms * (part - 0.5)) : 0;
}

// ---- events ----

static void
add_event (tree_t *tree, node_t *list, const char *type, const char *reason, node_t message)
{
    node_t event = node_map();
    node_set_text (tree, &event, "type", type);
    node_set_text (tree, &event, "reason", reason);
    node_set (tree, &event, "message", message);
    node_append (tree, list, event);
}

static void
add_change (tree_t *tree, node_t *list, const char *node_name, const char *reason)
{
    add_event (tree, list, "Normal", reason,
               node_text_format (tree, "Node %s status is now: %s", node_name, reason));
}

static const char *
boot_id (const node_t *node)
{
    return node_get_text (node_at (node, "status", "nodeInfo", NULL), "bootID", "");
}

node_t
node_status_events (tree_t *tree, const char *node_name, const node_t *old, const node_t *new)
{
    node_t list = node_array();
    const node_t *before = node_at (old, "status", "conditions", NULL);
    const node_t *after = node_at (new, "status", "conditions", NULL);
    if (*boot_id (old) && strcmp (boot_id (old), boot_id (new)) != 0)
        add_event (tree, &list, "Warning", "Rebooted",
                   node_text_format (tree, "Node %s has been rebooted, boot id: %s", node_name,
                                     boot_id (new)));
    for (condition_kind_t kind = 0; kind < CONDITION_COUNT; kind++) {
        const node_t *was = find_condition (before, CONDITIONS[kind].type);
        const node_t *is = find_condition (after, CONDITIONS[kind].type);
        const char *status = node_get_text (is, "status", "");
        bool has_changed = was ? strcmp (node_get_text (was, "status", ""), status) != 0
                               : CONDITIONS[kind].is_new_event;
        if (is && has_changed)
            add_change (tree, &list, node_name,
                        CONDITIONS[kind].event[strcmp (status, "True") == 0]);
    }
    return list;
}

node_t
node_schedulable_events (tree_t *tree, const char *node_name, bool is_unschedulable)
{
    node_t list = node_array();
    add_change (tree, &list, node_name,
                is_unschedulable ? "NodeNotSchedulable" : "NodeSchedulable");
    return list;
}
