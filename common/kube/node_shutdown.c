#include "cubelet/node_shutdown.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/feature_gates.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <stdlib.h>
#include <string.h>

#define CRITICAL_PRIORITY 2000000000 // system-cluster-critical
#define GO_ZERO_TIME "0001-01-01T00:00:00Z"

// ---- periods ----

static void
add_period (tree_t *tree, node_t *list, priority_grace_t period)
{
    node_t row = node_map();
    node_set_int (tree, &row, "priority", period.priority);
    node_set_int (tree, &row, "grace", period.grace_s);
    node_append (tree, list, row);
}

static int
by_priority (const void *a, const void *b)
{
    const priority_grace_t *left = a, *right = b;
    return (left->priority > right->priority) - (left->priority < right->priority);
}

node_t
node_shutdown_periods (const kubelet_config_t *config, tree_t *tree)
{
    node_t out = node_array();
    size_t count = config->shutdown_grace_period_by_pod_priority.count;
    int64_t total_ns = config->shutdown_grace_period_ns;
    int64_t critical_ns = config->shutdown_grace_period_critical_pods_ns;
    if (!feature_gate_is_on (config->feature_gates, GATE_GRACEFUL_NODE_SHUTDOWN))
        return out;
    if (count > 0
        && feature_gate_is_on (config->feature_gates, GATE_GRACEFUL_NODE_SHUTDOWN_BY_PRIORITY)) {
        priority_grace_t *sorted = tree_alloc (tree, count * sizeof *sorted);
        memcpy (sorted, config->shutdown_grace_period_by_pod_priority.items,
                count * sizeof *sorted);
        qsort (sorted, count, sizeof *sorted, by_priority);
        for (size_t i = 0; i < count; i++)
            add_period (tree, &out, sorted[i]);
    }
    else if (total_ns > 0 && critical_ns <= total_ns) {
        int64_t ordinary_s = (total_ns - critical_ns) / NS_PER_S;
        add_period (tree, &out, (priority_grace_t){ 0, ordinary_s });
        add_period (tree, &out, (priority_grace_t){ CRITICAL_PRIORITY, critical_ns / NS_PER_S });
    }
    return out;
}

int64_t
node_shutdown_total_s (const node_t *periods)
{
    int64_t sum = 0;
    NODE_EACH (periods, period)
    sum += node_get_int (period, "grace", 0);
    return sum;
}

// ---- groups ----

static bool
has_ended (const node_t *pod)
{
    const char *phase = node_get_text (node_get (pod, "status"), "phase", "");
    return strcmp (phase, "Succeeded") == 0 || strcmp (phase, "Failed") == 0;
}

/* Which of the periods, by rising priority, a pod belongs to. */
static size_t
period_of (const node_t *periods, const node_t *pod)
{
    int64_t priority = node_get_int (node_get (pod, "spec"), "priority", 0);
    size_t found = 0;
    for (size_t i = 0; i < node_count (periods); i++)
        if (node_get_int (node_item (periods, i), "priority", 0) <= priority)
            found = i;
    return found;
}

static node_t
member_of (const node_t *pod, int64_t grace_s, tree_t *tree)
{
    const node_t *meta = node_get (pod, "metadata");
    int64_t own_s = node_get_int (node_get (pod, "spec"), "terminationGracePeriodSeconds", grace_s);
    node_t out = node_map();
    node_set_text (tree, &out, "uid", node_get_text (meta, "uid", ""));
    node_set_text (tree, &out, "namespace", node_get_text (meta, "namespace", ""));
    node_set_text (tree, &out, "name", node_get_text (meta, "name", ""));
    node_set_int (tree, &out, "grace", own_s < grace_s ? own_s : grace_s);
    return out;
}

node_t
node_shutdown_plan (const node_t *periods, const node_t *pods, tree_t *tree)
{
    node_t out = node_array();
    for (size_t i = 0; i < node_count (periods); i++) {
        node_t group = node_copy (tree, node_item (periods, i)), members = node_array();
        NODE_EACH (pods, pod)
        if (!has_ended (pod) && period_of (periods, pod) == i)
            node_append (tree, &members, member_of (pod, node_get_int (&group, "grace", 0), tree));
        if (node_count (&members) == 0)
            continue;
        node_set (tree, &group, "pods", members);
        node_append (tree, &out, group);
    }
    return out;
}

// ---- the file ----

char *
node_shutdown_state_write (int64_t started_ns, int64_t ended_ns)
{
    char started[TIME_TEXT_MAX] = GO_ZERO_TIME, ended[TIME_TEXT_MAX] = GO_ZERO_TIME;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t state = node_map();
    if (started_ns)
        time_text_nano (started_ns, started);
    if (ended_ns)
        time_text_nano (ended_ns, ended);
    node_set_text (tree, &state, "startTime", started);
    node_set_text (tree, &state, "endTime", ended);
    return json_write (&state, JSON_COMPACT, NULL);
}

static int
read_time (const node_t *state, const char *key, int64_t *ns, fault_t *fault)
{
    const char *text = node_get_text (state, key, GO_ZERO_TIME);
    *ns = 0;
    if (strcmp (text, GO_ZERO_TIME) == 0)
        return 0;
    return time_parse (text, ns, fault) < 0 ? fault_wrap (fault, "%s", key) : 0;
}

int
node_shutdown_state_read (const char *text, size_t size, int64_t *started_ns, int64_t *ended_ns,
                          fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = json_read (text, size, fault);
    if (!tree)
        return -1;
    if (read_time (tree_root (tree), "startTime", started_ns, fault) < 0)
        return -1;
    return read_time (tree_root (tree), "endTime", ended_ns, fault);
}
