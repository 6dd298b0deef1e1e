/* Who is admitted; who is refused, and how that shows; who makes room for critical pods
   (reference/pod-lifecycle.md 4). */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/pod_status.h"
#include "manager.h"

#define PREEMPTING "Preempting"
#define PREEMPTING_MESSAGE "Preempted in order to admit critical pod"

/* Takes part of the node's resources. */
static bool
is_counted (const managed_pod_t *entry)
{
    bool may_run = entry->state == POD_WAITING || (entry->state == POD_ACTIVE && entry->may_run);
    return may_run && !entry->is_orphan && !entry->is_removed && !entry->is_terminal_in_api;
}

/* The other pods; `entries` and `demands` have room for all. Returns how many. */
static size_t
collect_others (manager_t *self, const managed_pod_t *pod, managed_pod_t **entries,
                const pod_demand_t **demands)
{
    size_t count = 0;
    MANAGER_EACH (self, entry)
    {
        if (entry == pod || !is_counted (entry))
            continue;
        entries[count] = entry;
        demands[count++] = &entry->demand;
    }
    return count;
}

static admission_node_t
node_of (const manager_t *self)
{
    return (admission_node_t){
        .node =
            self->node ? tree_root (self->node) : node_get (tree_root (self->args), "initial_node"),
        .facts = &self->facts,
        .memory_pressure = self->memory_pressure,
        .disk_pressure = self->disk_pressure,
        .pid_pressure = self->pid_pressure,
        .has_app_armor = self->has_app_armor,
        .is_shutting_down = self->is_shutting_down,
    };
}

static void
reject (manager_t *self, managed_pod_t *entry, const pod_t *pod, const admission_t *decision)
{
    LOG_WARNING ("Pod is refused pod=%s uid=%s reason=%s message=%s", entry->full_name, entry->uid,
                 decision->reason, decision->message);
    metric_count (METRIC_ADMISSION_REJECTIONS_TOTAL, LABELS (decision->reason));
    entry->state = POD_REJECTED;
    entry->may_run = false;
    OWNED (tree_destroy)
    tree_t *status =
        pod_status_rejected (pod, NULL, decision->reason, decision->message, clock_now_ns());
    managed_set_status (entry, tree_root (status));
    warn_of_pod (self, entry, decision->reason, decision->message);
    report_pod (self, entry);
}

static void
preempt (manager_t *self, managed_pod_t *entry, managed_pod_t *victim, const char *lacking)
{
    LOG_INFO ("Pod makes room for a critical one pod=%s uid=%s critical=%s", victim->full_name,
              victim->uid, entry->full_name);
    metric_count (METRIC_PREEMPTIONS, LABELS (lacking));
    warn_of_pod (self, victim, PREEMPTING, PREEMPTING_MESSAGE);
    pod_fail (self, victim, PREEMPTING, PREEMPTING_MESSAGE, (opt_int_t){ 0 });
    zlistx_add_end (entry->victims, text_copy (victim->uid));
}

static void
free_name (void **name_p)
{
    free (*name_p);
    *name_p = NULL;
}

/* The pod as it is decided about, and those that count beside it; all of it in `tree`. */
typedef struct {
    pod_t pod;
    pod_demand_t demand;
    admission_node_t node;
    managed_pod_t **entries;
    const pod_demand_t **demands;
    size_t count;
} question_t;

static int
ask (manager_t *self, managed_pod_t *entry, const node_t *pod, tree_t *tree, question_t *out,
     fault_t *fault)
{
    size_t room = zlistx_size (self->pods);
    out->entries = tree_alloc (tree, room * sizeof (*out->entries));
    out->demands = tree_alloc (tree, room * sizeof (*out->demands));
    out->count = collect_others (self, entry, out->entries, out->demands);
    out->node = node_of (self);
    if (pod_decode (pod, tree, &out->pod, fault) < 0)
        return -1;
    pod_demand_read (&out->pod, tree, &out->demand);
    return 0;
}

bool
admission_decide (manager_t *self, managed_pod_t *entry)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    question_t question = { 0 };
    node_t pod = packed_node (&entry->pod, tree);
    node_t given = allocation_apply (entry, &pod, tree);
    admission_t decision = { .reason = "UnexpectedAdmissionError", .message = fault.text };
    if (ask (self, entry, &given, tree, &question, &fault) == 0)
        pod_admit (&question.pod, &question.demand, question.demands, question.count,
                   &question.node, tree, &decision);
    if (decision.reason) {
        reject (self, entry, &question.pod, &decision);
        return false;
    }
    metric_observe (METRIC_CONTAINERS_PER_POD_COUNT, (double) question.pod.spec.containers.count,
                    NO_LABELS);
    if (decision.victims.count > 0 && !entry->victims) {
        entry->victims = zlistx_new();
        zlistx_set_destructor (entry->victims, free_name);
    }
    for (size_t i = 0; i < decision.victims.count; i++)
        preempt (self, entry, question.entries[decision.victims.items[i]], decision.lacking);
    return true;
}

bool
admission_decide_resize (manager_t *self, managed_pod_t *entry, tree_t *tree,
                         resize_decision_t *out)
{
    fault_t fault = { 0 };
    question_t question = { 0 };
    node_t pod = packed_node (&entry->pod, tree);
    if (ask (self, entry, &pod, tree, &question, &fault) < 0) {
        LOG_WARNING ("Pod not understood pod=%s err=%s", entry->full_name, fault.text);
        return false;
    }
    pod_resize_decide (&question.pod, &question.demand, question.demands, question.count,
                       &question.node, tree, out);
    return true;
}

bool
admission_has_room (manager_t *self, const managed_pod_t *entry)
{
    if (!entry->victims)
        return true;
    for (char *uid = zlistx_first (entry->victims); uid; uid = zlistx_next (entry->victims)) {
        const managed_pod_t *victim = find_uid (self, uid);
        if (victim && victim->state == POD_ACTIVE && victim->may_run && !victim->is_overdue)
            return false;
    }
    return true;
}
