/* pod_admission_fit.c - what the scheduler has checked as well: resources, affinity, name, ports,
   taints; and preemption for critical pods. */
#include "cubelet/memory.h"
#include "cubelet/node_affinity.h"
#include "cubelet/taints.h"
#include "pod_admission_internal.h"
#include <string.h>

// ---- resources ----

/* Those that are compared first, in this order. */
static const char *const FIRST[] = { "pods", "cpu", "memory", "ephemeral-storage" };

/* Extended resources have a domain that is not Kubernetes' own. */
static bool
is_extended (const char *resource)
{
    return strchr (resource, '/') && !strstr (resource, "kubernetes.io/");
}

static int64_t
used_of (const admission_check_t *self, const char *resource)
{
    int64_t used = 0;
    for (size_t i = 0; i < self->other_count; i++)
        if (__builtin_add_overflow (used, pod_demand_of (self->others[i], resource), &used))
            return INT64_MAX;
    return used;
}

/* Adds what is missing of the resource to `lacking`; the first one gives reason and message. */
static void
compare (admission_check_t *self, const char *resource, resource_amounts_t *lacking)
{
    const node_t *allocatable = node_at (self->node->node, "status", "allocatable", NULL);
    int64_t requested = pod_demand_of (self->demand, resource);
    quantity_t there = resource_quantity (allocatable, resource);
    int64_t capacity = resource_amount (resource, there), used = used_of (self, resource);
    if (requested <= 0 || requested <= capacity - used || (!there.set && is_extended (resource)))
        return;
    OWNED (free_text)
    char *message =
        text_format ("Node didn't have enough resource: %s, requested: %lld, used: "
                     "%lld, capacity: %lld",
                     resource, (long long) requested, (long long) used, (long long) capacity);
    OWNED (free_text) char *reason = text_format ("OutOf%s", resource);
    if (lacking->count == 0)
        admission_refuse (self, reason, message);
    lacking->items[lacking->count++] =
        (resource_amount_t){ resource, requested - (capacity - used) };
}

static bool
is_first (const char *resource)
{
    for (size_t i = 0; i < COUNT_OF (FIRST); i++)
        if (strcmp (FIRST[i], resource) == 0)
            return true;
    return false;
}

static resource_amounts_t
compare_all (admission_check_t *self)
{
    const pod_demand_t *demand = self->demand;
    size_t room = COUNT_OF (FIRST) + demand->requests.count;
    resource_amounts_t lacking = { tree_alloc (self->tree, room * sizeof *lacking.items), 0 };
    for (size_t i = 0; i < COUNT_OF (FIRST); i++)
        compare (self, FIRST[i], &lacking);
    for (size_t i = 0; i < demand->requests.count; i++)
        if (!is_first (demand->requests.items[i].resource))
            compare (self, demand->requests.items[i].resource, &lacking);
    return lacking;
}

// ---- the other predicates ----

static bool
fits_affinity (const admission_check_t *self)
{
    return pod_matches_node (self->pod, self->node->node);
}

static bool
fits_name (const admission_check_t *self)
{
    const char *name = node_as_text (node_at (self->node->node, "metadata", "name", NULL), "");
    const char *wanted = self->pod->spec.node_name;
    return !wanted || !*wanted || strcmp (wanted, name) == 0;
}

static bool
fits_ports (const admission_check_t *self)
{
    for (size_t i = 0; i < self->other_count; i++)
        if (pod_demand_port_conflict (self->demand, self->others[i]))
            return false;
    return true;
}

static bool
fits_taints (const admission_check_t *self)
{
    const node_t *taints = node_at (self->node->node, "spec", "taints", NULL);
    return pod_is_static (self->pod)
           || !taint_find_untolerated (taints, self->pod->spec.tolerations, "NoExecute");
}

static const struct {
    const char *name;
    bool (*fits) (const admission_check_t *self);
    const char *text;
} PREDICATES[] = {
    { "NodeAffinity", fits_affinity, "node(s) didn't match Pod's node affinity/selector" },
    { "NodeName", fits_name, "node(s) didn't match the requested node name" },
    { "NodePorts", fits_ports, "node(s) didn't have free ports for the requested pod ports" },
    { "TaintToleration", fits_taints, "node(s) had taints that the pod didn't tolerate" },
};

/* True when all hold; else the first that does not gives the reason. */
static bool
check_predicates (admission_check_t *self)
{
    for (size_t i = 0; i < COUNT_OF (PREDICATES); i++) {
        if (PREDICATES[i].fits (self))
            continue;
        OWNED (free_text)
        char *message =
            text_format ("Predicate %s failed: %s", PREDICATES[i].name, PREDICATES[i].text);
        return admission_refuse (self, PREDICATES[i].name, message);
    }
    return true;
}

// ---- together ----

static bool
preempt (admission_check_t *self, const resource_amounts_t *lacking)
{
    fault_t fault = { 0 };
    if (pod_preempt (self->demand, self->others, self->other_count, lacking, self->tree,
                     &self->out->victims, &fault)
        == 0) {
        self->out->reason = self->out->message = NULL;
        self->out->lacking = lacking->items[0].resource;
        return true;
    }
    OWNED (free_text)
    char *message = text_format ("Unexpected error while attempting to recover from admission "
                                 "failure: %s",
                                 fault.text);
    return admission_refuse (self, "UnexpectedAdmissionError", message);
}

bool
admission_check_fit (admission_check_t *self)
{
    resource_amounts_t lacking = compare_all (self);
    if (lacking.count > 0 && !self->demand->is_critical)
        return false;
    return check_predicates (self) && (lacking.count == 0 || preempt (self, &lacking));
}
