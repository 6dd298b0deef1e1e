/* node_lease.h - the Lease by which the control plane sees that the node lives.
   Source: reference/node-and-server.md 2.3; samples/lease.json. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

#define LEASE_NAMESPACE "kube-node-lease"

/* The Lease to write at `now`: `base`, the one the API server has, renewed; or a new one when it is
   NULL. A Lease without an owner gets the Node of this UID as its owner, unless that is NULL. A map
   in `tree`. */
node_t node_lease (tree_t *tree, const node_t *base, const char *node_name, const char *node_uid,
                   int64_t duration_s, int64_t now);

/* True when the Lease (NULL: a new one) lacks its owner. */
bool node_lease_needs_owner (const node_t *lease);

/* How long after a renewal the next one comes: 25 % of the duration, up to 4 % later as `part`
   (0 to 1) says. Milliseconds. */
int64_t node_lease_renew_ms (int64_t duration_s, double part);
