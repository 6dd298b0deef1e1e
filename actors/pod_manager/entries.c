/* The pods that the manager knows. */
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/pod_start.h"
#include "cubelet/pod_status.h"
#include "manager.h"
#include <string.h>

static void
managed_free (managed_pod_t *self)
{
    free (self->uid);
    free (self->full_name);
    free (self->source);
    free (self->fail_reason);
    free (self->fail_message);
    packed_clear (&self->pod);
    packed_clear (&self->status);
    packed_clear (&self->allocation);
    packed_clear (&self->actuated);
    tree_destroy (&self->demand_lists);
    free (self->resize_reason);
    free (self->resize_message);
    askers_destroy (&self->evictors);
    zlistx_destroy (&self->victims);
    free (self);
}

void
managed_destroy (void **self_p)
{
    managed_free (*self_p);
    *self_p = NULL;
}

void
mirror_destroy (void **self_p)
{
    mirror_t *self = *self_p;
    free (self->uid);
    free (self->full_name);
    packed_clear (&self->pod);
    free (self);
    *self_p = NULL;
}

const char *
pod_uid_of (const node_t *pod)
{
    return node_as_text (node_at (pod, "metadata", "uid", NULL), "");
}

int
managed_set_pod (managed_pod_t *entry, const node_t *pod, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    pod_t decoded;
    node_t given = allocation_apply (entry, pod, scratch);
    if (pod_decode (&given, scratch, &decoded, fault) < 0)
        return fault_wrap (fault, "the pod");
    tree_destroy (&entry->demand_lists);
    entry->demand_lists = tree_new();
    pod_demand_read (&decoded, entry->demand_lists, &entry->demand);
    entry->is_static = pod_is_static (&decoded);
    entry->is_deleted = node_at (pod, "metadata", "deletionTimestamp", NULL) != NULL;
    entry->is_terminal_in_api = pod_status_is_terminal (node_get (pod, "status"));
    packed_set (&entry->pod, pod);
    return 0;
}

managed_pod_t *
managed_add (manager_t *self, const node_t *pod, const char *source, fault_t *fault)
{
    const node_t *meta = node_get (pod, "metadata");
    const char *namespace = node_get_text (meta, "namespace", "");
    const char *name = node_get_text (meta, "name", "");
    managed_pod_t *entry = memory_new (1, sizeof *entry);
    entry->uid = text_copy (pod_uid_of (pod));
    entry->full_name = text_format ("%s/%s", namespace, name);
    entry->source = text_copy (source);
    entry->seen_ms = clock_monotonic_ms();
    pod_worker_name (namespace, name, entry->uid, entry->worker);
    if (managed_set_pod (entry, pod, fault) < 0) {
        managed_free (entry);
        return NULL;
    }
    entry->is_start_old = pod_start_is_late (node_get (pod, "status"));
    zlistx_add_end (self->pods, entry);
    return entry;
}

static bool
is_running (const node_t *status)
{
    return strcmp (node_get_text (status, "phase", ""), "Running") == 0;
}

void
managed_set_status (managed_pod_t *entry, const node_t *status)
{
    // Only of pods whose start this manager has seen: after a restart it knows of no beginning.
    if (is_running (status) && entry->status.bytes && !entry->is_running_on_node)
        metric_observe (METRIC_POD_START_DURATION_SECONDS,
                        (double) (clock_monotonic_ms() - entry->seen_ms) / 1000, NO_LABELS);
    entry->is_running_on_node = is_running (status);
    entry->is_terminal_on_node = pod_status_is_terminal (status);
    packed_set (&entry->status, status);
}

node_t
managed_object (const managed_pod_t *entry, tree_t *tree)
{
    node_t pod = packed_node (&entry->pod, tree);
    if (entry->status.bytes)
        node_set (tree, &pod, "status", packed_node (&entry->status, tree));
    return pod;
}

void
managed_count_worker (managed_pod_t *entry)
{
    if (!entry->is_begun && !entry->is_orphan)
        metric_observe (METRIC_POD_WORKER_START_DURATION_SECONDS,
                        (double) (clock_monotonic_ms() - entry->seen_ms) / 1000, NO_LABELS);
    entry->is_begun = true;
}

/* Static pods are no part of the SLI: nobody has asked the API server for them. */
void
managed_count_start (manager_t *self, managed_pod_t *entry)
{
    if (entry->is_start_old || entry->is_static)
        return;
    OWNED (tree_destroy) tree_t *tree = packed_tree (&entry->pod);
    const node_t *pod = tree_root (tree);
    pod_start_t start;
    if (!pod_has_started (node_get (pod, "status")))
        return;
    entry->is_start_old = true;
    if (!pod_start_measure (pod, entry->pulls_ns, clock_now_ns(), &start))
        return;
    double sli_s = (double) start.sli_ns / NS_PER_S;
    metric_observe (METRIC_POD_START_SLI_DURATION_SECONDS, sli_s, NO_LABELS);
    metric_observe (METRIC_POD_START_TOTAL_DURATION_SECONDS, (double) start.total_ns / NS_PER_S,
                    NO_LABELS);
    if (self->has_network_start || node_get_bool (node_get (pod, "spec"), "hostNetwork", false))
        return;
    self->has_network_start = true;
    metric_set (metrics_shared(), METRIC_FIRST_NETWORK_POD_START_SLI_DURATION_SECONDS, sli_s,
                NO_LABELS);
}

void
managed_forget (manager_t *self, managed_pod_t *entry)
{
    zlistx_delete (self->pods, zlistx_find (self->pods, entry));
}

managed_pod_t *
find_uid (manager_t *self, const char *uid)
{
    MANAGER_EACH (self, entry)
    if (streq (entry->uid, uid))
        return entry;
    return NULL;
}

managed_pod_t *
find_worker (manager_t *self, const char *worker)
{
    MANAGER_EACH (self, entry)
    if (streq (entry->worker, worker))
        return entry;
    return NULL;
}

managed_pod_t *
find_active (manager_t *self, const char *full_name)
{
    MANAGER_EACH (self, entry)
    if (entry->state == POD_ACTIVE && streq (entry->full_name, full_name))
        return entry;
    return NULL;
}

managed_pod_t *
find_static (manager_t *self, const char *full_name)
{
    managed_pod_t *found = NULL;
    MANAGER_EACH (self, entry)
    if (entry->is_static && streq (entry->full_name, full_name)
        && (!found || (found->is_removed && !entry->is_removed)))
        found = entry;
    return found;
}

bool
managed_is_terminal (const managed_pod_t *entry)
{
    return entry->is_terminal_on_node || entry->is_terminal_in_api;
}

bool
sources_are_ready (const manager_t *self)
{
    return zlistx_size (self->pending) == 0;
}
