#include "cubelet/pod_preemption.h"
#include "cubelet/memory.h"
#include <string.h>

typedef struct {
    const pod_demand_t *const *pods;
    tree_t *tree;
} round_t;

bool
pod_demand_preempts (const pod_demand_t *pod, const pod_demand_t *other)
{
    if (pod->is_critical && !other->is_critical)
        return true;
    return pod->priority.set && other->priority.set && pod->priority.value > other->priority.value;
}

// ---- what is still missing ----

static resource_amounts_t
rest_after (const round_t *self, const resource_amounts_t *lacking, const pod_choice_t *stopped)
{
    resource_amounts_t rest = { tree_alloc (self->tree, lacking->count * sizeof *rest.items), 0 };
    for (size_t i = 0; i < lacking->count; i++) {
        resource_amount_t missing = lacking->items[i];
        for (size_t k = 0; k < stopped->count && missing.amount > 0; k++)
            missing.amount -=
                pod_demand_of (self->pods[stopped->items[k]], lacking->items[i].resource);
        if (missing.amount > 0)
            rest.items[rest.count++] = missing;
    }
    return rest;
}

static pod_choice_t
both (const round_t *self, const pod_choice_t *a, const pod_choice_t *b)
{
    pod_choice_t sum = { tree_alloc (self->tree, (a->count + b->count) * sizeof *sum.items), 0 };
    for (size_t i = 0; i < a->count; i++)
        sum.items[sum.count++] = a->items[i];
    for (size_t i = 0; i < b->count; i++)
        sum.items[sum.count++] = b->items[i];
    return sum;
}

// ---- the nearest pod ----

/* 0: it frees all that is missing; at most one for each resource. */
static double
distance (const pod_demand_t *pod, const resource_amounts_t *lacking)
{
    double sum = 0;
    for (size_t i = 0; i < lacking->count; i++) {
        const resource_amount_t *missing = &lacking->items[i];
        double rest = (double) (missing->amount - pod_demand_of (pod, missing->resource))
                      / (double) missing->amount;
        if (rest > 0)
            sum += rest * rest;
    }
    return sum;
}

static bool
is_smaller (const pod_demand_t *a, const pod_demand_t *b)
{
    static const char *const RESOURCES[] = { "memory", "cpu" };
    for (size_t i = 0; i < COUNT_OF (RESOURCES); i++) {
        int64_t of_a = pod_demand_of (a, RESOURCES[i]), of_b = pod_demand_of (b, RESOURCES[i]);
        if (of_a != of_b)
            return of_a < of_b;
    }
    return true;
}

static size_t
nearest (const round_t *self, const pod_choice_t *pods, const resource_amounts_t *lacking)
{
    size_t best = 0;
    double best_distance = (double) (lacking->count + 1);
    for (size_t i = 0; i < pods->count; i++) {
        const pod_demand_t *pod = self->pods[pods->items[i]];
        double own = distance (pod, lacking);
        bool is_equal = !(own < best_distance) && !(own > best_distance);
        if (own < best_distance || (is_equal && is_smaller (pod, self->pods[pods->items[best]]))) {
            best = i;
            best_distance = own;
        }
    }
    return best;
}

/* Takes pods out of `pods` until nothing is missing; there are enough. */
static pod_choice_t
choose (const round_t *self, pod_choice_t pods, resource_amounts_t lacking)
{
    pod_choice_t chosen = { tree_alloc (self->tree, pods.count * sizeof *chosen.items), 0 };
    while (lacking.count > 0 && pods.count > 0) {
        size_t best = nearest (self, &pods, &lacking);
        pod_choice_t one = { &pods.items[best], 1 };
        lacking = rest_after (self, &lacking, &one);
        chosen.items[chosen.count++] = pods.items[best];
        pods.items[best] = pods.items[--pods.count];
    }
    return chosen;
}

// ---- all of it ----

static pod_choice_t
of_class (const round_t *self, const pod_demand_t *pod, size_t count, const char *qos)
{
    pod_choice_t out = { tree_alloc (self->tree, count * sizeof *out.items), 0 };
    for (size_t i = 0; i < count; i++)
        if (strcmp (self->pods[i]->qos, qos) == 0 && pod_demand_preempts (pod, self->pods[i]))
            out.items[out.count++] = i;
    return out;
}

static int
too_few (const resource_amounts_t *missing, fault_t *fault)
{
    OWNED (free_text) char *list = text_copy ("");
    for (size_t i = 0; i < missing->count; i++)
        text_replace (&list, "%s(res: %s, q: %lld), ", list, missing->items[i].resource,
                      (long long) missing->items[i].amount);
    return fault_set (fault, FAULT_EXHAUSTED,
                      "preemption: error finding a set of pods to preempt: no set of running pods "
                      "found to reclaim resources: [%s]",
                      list);
}

int
pod_preempt (const pod_demand_t *pod, const pod_demand_t *const *others, size_t count,
             const resource_amounts_t *lacking, tree_t *tree, pod_choice_t *out, fault_t *fault)
{
    round_t self = { others, tree };
    pod_choice_t best_effort = of_class (&self, pod, count, "BestEffort");
    pod_choice_t burstable = of_class (&self, pod, count, "Burstable");
    pod_choice_t guaranteed = of_class (&self, pod, count, "Guaranteed");
    pod_choice_t lower = both (&self, &best_effort, &burstable);
    pod_choice_t all = both (&self, &lower, &guaranteed);
    resource_amounts_t missing = rest_after (&self, lacking, &all);
    if (missing.count > 0)
        return too_few (&missing, fault);
    // Each class gives only what the others together cannot.
    pod_choice_t from_guaranteed = choose (&self, guaranteed, rest_after (&self, lacking, &lower));
    pod_choice_t spared = both (&self, &best_effort, &from_guaranteed);
    pod_choice_t from_burstable = choose (&self, burstable, rest_after (&self, lacking, &spared));
    pod_choice_t upper = both (&self, &from_burstable, &from_guaranteed);
    pod_choice_t from_best_effort =
        choose (&self, best_effort, rest_after (&self, lacking, &upper));
    *out = both (&self, &from_best_effort, &upper);
    return 0;
}
