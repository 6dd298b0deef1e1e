/* pod_demand.h - what a pod takes of its node, reduced to what admission compares: so the pods
   that are there already need not be read again for every new one.
   Source: reference/pod-lifecycle.md 4; Kubernetes documentation, "Pod Overhead", "Resource
   sharing within containers" (the sums are resource_math.h's). */
#pragma once
#include "cubelet/pod.h"

/* An amount as admission messages print it: cpu in thousandths, everything else in whole units
   (bytes, pieces), rounded up. */
typedef struct {
    const char *resource;
    int64_t amount;
} resource_amount_t;

typedef struct {
    const char *protocol; // TCP, UDP, SCTP
    const char *ip;       // "0.0.0.0" for all addresses
    int64_t port;
} host_port_t;

typedef struct {
    LIST_OF (resource_amount_t) requests; // those above zero; "pods" is not among them
    LIST_OF (host_port_t) ports;
    const char *qos; // static text
    bool is_critical;
    opt_int_t priority;
} pod_demand_t;

/* Fills `out`; lists and texts are allocated in `tree`, nothing of the pod is kept. */
void pod_demand_read (const pod_t *pod, tree_t *tree, pod_demand_t *out);

/* What is requested of `resource`; 1 of "pods", 0 of what is not named. */
int64_t pod_demand_of (const pod_demand_t *self, const char *resource);

/* A quantity of a resource in the same unit. */
int64_t resource_amount (const char *resource, quantity_t quantity);

/* The first port of `a` that `b` has as well: the same number and protocol on the same address,
   or one of them on all addresses; NULL when there is none. */
const host_port_t *pod_demand_port_conflict (const pod_demand_t *a, const pod_demand_t *b);
