/* Doing something about it, one step after the other: pods over their own limits; what the node can
   do itself; the worst pod. Each question is a request; whatever fails ends the work, and the next
   look begins anew. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include "eviction_manager.h"
#include <string.h>

#define STATS_DEADLINE_MS 20000
#define LIST_DEADLINE_MS 10000
#define RECLAIM_DEADLINE_MS (5 * 60 * 1000)

/* Upstream waits as long for a pod to be gone before it looks again. */
#define EVICT_DEADLINE_MS 30000

/* Measured disks may be that old when pods are judged by them. */
#define DISK_AGE_MS 5000

static const eviction_threshold_t *
threshold_of (const manager_t *self)
{
    return &self->thresholds[self->act];
}

/* The work is over; the next look is `delay_ms` away at most. */
static void
end_work (manager_t *self, int64_t delay_ms)
{
    self->is_working = false;
    tree_destroy (&self->listed);
    look_in (self, delay_ms);
}

static void
fail_work (manager_t *self, const char *what, const fault_t *fault)
{
    LOG_WARNING ("Eviction has to wait: %s err=%s", what, fault->text);
    end_work (self, LOOK_MS);
}

static void
record_event (manager_t *self, const node_t *pod, const char *reason, const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object",
              pod ? object_reference_pod (tree, pod, NULL)
                  : object_reference_node (tree, self->node_name));
    node_set_text (tree, &body, "type", "Warning");
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

// ---- one pod goes ----

static void
on_evicted (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply, (void) context;
    manager_t *self = state;
    self->has_new_pods = true; // one less
    if (fault)
        fail_work (self, "the pod has not stopped", fault);
    else
        end_work (self, 0);
}

static void
evict (manager_t *self, const pod_t *pod, const char *message, int64_t grace_s, const char *signal)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    LOG_INFO ("Evicting pod=%s/%s uid=%s signal=%s message=%s", pod->metadata.namespace,
              pod->metadata.name, pod->metadata.uid, signal, message);
    metric_count (METRIC_EVICTIONS, LABELS (signal));
    record_event (self, pod->node, "Evicted", message);
    node_set_text (tree, &body, "uid", pod->metadata.uid);
    node_set_text (tree, &body, "reason", "Evicted");
    node_set_text (tree, &body, "message", message);
    node_set_int (tree, &body, "grace", grace_s);
    actor_request (self->actor, "pod-manager", MSG_POD_EVICT, &body, EVICT_DEADLINE_MS, on_evicted,
                   NULL, 0);
}

// ---- the pods, with what they use ----

static const node_t *
stats_of (const node_t *summary, const char *uid)
{
    NODE_EACH (node_get (summary, "pods"), pod)
    if (strcmp (node_get_text (node_get (pod, "podRef"), "uid", ""), uid) == 0)
        return pod;
    return NULL;
}

static bool
has_ended (const node_t *pod)
{
    const char *phase = node_get_text (node_get (pod, "status"), "phase", "");
    return strcmp (phase, "Succeeded") == 0 || strcmp (phase, "Failed") == 0;
}

/* Decodes the listed pods that may go; `pods` and `candidates` have room for all. */
static size_t
read_candidates (manager_t *self, const node_t *summary, pod_t *pods,
                 eviction_candidate_t *candidates)
{
    size_t count = 0;
    NODE_EACH (tree_root (self->listed), node)
    {
        fault_t ignored = { 0 }; // the pod manager has decoded it before
        pods[count] = (pod_t){ 0 };
        if (has_ended (node) || pod_decode (node, self->listed, &pods[count], &ignored) < 0
            || pod_is_critical (&pods[count]))
            continue;
        candidates[count] = (eviction_candidate_t){
            .pod = &pods[count],
            .stats = stats_of (summary, pods[count].metadata.uid),
        };
        count++;
    }
    return count;
}

/* Evicts the pod that is over a limit of its own; false: none is. */
static bool
evict_over_limit (manager_t *self, const eviction_candidate_t *candidates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *signal = NULL;
        OWNED (free_text)
        char *message = eviction_over_limit (candidates[i].pod, candidates[i].stats, &signal);
        if (!message)
            continue;
        evict (self, candidates[i].pod, message, 1, signal);
        return true;
    }
    return false;
}

static void
evict_worst (manager_t *self, eviction_candidate_t *candidates, size_t count)
{
    const eviction_threshold_t *threshold = threshold_of (self);
    const char *signal = eviction_signal_name (threshold->signal);
    if (count == 0) {
        LOG_WARNING ("No pod can be evicted signal=%s", signal);
        end_work (self, LOOK_MS);
        return;
    }
    eviction_rank (threshold->signal, has_split_disks (self), candidates, count);
    OWNED (free_text)
    char *message =
        eviction_message (threshold, &self->observations[threshold->signal], &candidates[0]);
    metric_observe (METRIC_EVICTION_STATS_AGE_SECONDS,
                    (double) (clock_monotonic_ms() - self->measured_ms) / 1000, LABELS (signal));
    evict (self, candidates[0].pod, message,
           eviction_grace_s (threshold->is_soft, self->max_grace_s, candidates[0].pod), signal);
}

static void reclaim (manager_t *self);

static void
on_stats (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    manager_t *self = state;
    if (fault) {
        fail_work (self, "the pods' use is not known", fault);
        return;
    }
    size_t room = node_count (tree_root (self->listed)) + 1;
    pod_t *pods = tree_alloc (self->listed, room * sizeof *pods);
    eviction_candidate_t *candidates = tree_alloc (self->listed, room * sizeof *candidates);
    size_t count = read_candidates (self, node_get (reply->body, "summary"), pods, candidates);
    if (self->is_after_limits)
        evict_worst (self, candidates, count);
    else if (!evict_over_limit (self, candidates, count))
        reclaim (self);
}

static void
on_list (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    manager_t *self = state;
    if (fault) {
        fail_work (self, "the pods are not known", fault);
        return;
    }
    tree_destroy (&self->listed);
    self->listed = tree_copy (node_get (reply->body, "items"));
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_int (tree, &body, "max_age_ms", DISK_AGE_MS);
    if (!self->is_after_limits)
        node_set (tree, &body, "pods", node_copy (tree, tree_root (self->limited)));
    self->measured_ms = clock_monotonic_ms();
    actor_request (self->actor, "stats-provider", MSG_STATS_SUMMARY, &body, STATS_DEADLINE_MS,
                   on_stats, NULL, 0);
}

static void
ask_for_pods (manager_t *self, bool is_after_limits)
{
    self->is_after_limits = is_after_limits;
    actor_request (self->actor, "pod-manager", MSG_POD_LIST, NULL, LIST_DEADLINE_MS, on_list, NULL,
                   0);
}

// ---- what the node can do itself ----

static void
on_reclaimed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply, (void) context;
    manager_t *self = state;
    if (fault)
        LOG_WARNING ("Unused images not removed err=%s", fault->text);
    observe (self);
    const eviction_threshold_t *threshold = threshold_of (self);
    if (eviction_is_resolved (threshold, &self->observations[threshold->signal]))
        end_work (self, LOOK_MS);
    else
        ask_for_pods (self, true);
}

static void
reclaim (manager_t *self)
{
    if (self->act < 0) {
        end_work (self, LOOK_MS);
        return;
    }
    const eviction_threshold_t *threshold = threshold_of (self);
    const char *resource = eviction_signal_resource (threshold->signal);
    OWNED (free_text) char *message = text_format ("Attempting to reclaim %s", resource);
    LOG_WARNING ("%s signal=%s threshold=%s available=%lld", message,
                 eviction_signal_name (threshold->signal), threshold->value,
                 (long long) self->observations[threshold->signal].available);
    record_event (self, NULL, "EvictionThresholdMet", message);
    if (eviction_signal_pressure (threshold->signal) == PRESSURE_DISK)
        actor_request (self->actor, "image-gc", MSG_IMAGE_GC, NULL, RECLAIM_DEADLINE_MS,
                       on_reclaimed, NULL, 0);
    else
        ask_for_pods (self, true);
}

void
begin_work (manager_t *self, int act)
{
    self->is_working = true;
    self->act = act;
    if (node_count (tree_root (self->limited)) > 0)
        ask_for_pods (self, false);
    else
        reclaim (self);
}
