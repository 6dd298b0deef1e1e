/* node_registration.h - how a node enters a cluster: the Node it makes, and what it sets right in
   one that is there already. Source: reference/node-and-server.md 1; samples/api-requests.jsonl. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>

/* What a new Node has beyond initial_node (initial_node.h). All borrowed, NULL: none. */
typedef struct {
    bool has_controller_attach_detach; // enableControllerAttachDetach
    const char *provider_id;
    bool has_external_cloud; // --cloud-provider=external
    const char *node_ip;     // --node-ip
} node_registration_t;

/* The Node to create, but for its status. A map in `tree`. */
node_t node_registration_object (tree_t *tree, const node_t *initial,
                                 const node_registration_t *registration);

/* The Node that is there as it should be after a registration of `initial` (with its status):
   default labels, the attach-detach annotation, huge pages; extended resources, whose devices must
   be announced anew, are 0. Other labels and the taints of a Node are not changed, as upstream
   does not. A map in `tree`. */
node_t node_reconcile (tree_t *tree, const node_t *initial, const node_t *existing);

/* The Node with the labels of its system, which are put back whenever they are wrong. A map in
   `tree`. */
node_t node_with_system_labels (tree_t *tree, const node_t *node, const node_t *initial);
