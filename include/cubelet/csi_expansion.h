/* csi_expansion.h - a volume that has grown in the API is to grow on its node: whether, to what
   size, and what the claim's status says meanwhile.
   Source: KEP-1790 (recovery from volume expansion failure); Kubernetes documentation, "Expanding
   Persistent Volumes Claims"; API reference of PersistentVolumeClaimStatus. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t bytes;      // what to ask the driver for; 0: nothing is to do
    bool is_told;       // the claim shows the size already: another node was first
    bool is_marked;     // the claim is to show NodeResizeInProgress meanwhile
    int64_t size_bytes; // what the node is known to have now; 0: not known
} csi_expansion_t;

/* Compares the PersistentVolume's capacity with what this node has: `node_bytes`, 0 when that is
   not known, which is then what the claim's status shows. With a resize controller that notes its
   steps (allocatedResources), only what waits for a node is done. */
csi_expansion_t csi_expansion (const node_t *pv, const node_t *claim, int64_t node_bytes);

/* Strategic merge patches of the claim's status: the node is at work; it is done (the new capacity,
   and none of the conditions that told of growing); it has failed, for good when the driver says
   that such a size cannot be (InvalidArgument, OutOfRange, NotFound). `now_ns`: the condition's
   time. */
node_t csi_expansion_begun_patch (tree_t *tree);
node_t csi_expansion_done_patch (const node_t *pv, const node_t *claim, tree_t *tree);
node_t csi_expansion_failed_patch (const fault_t *fault, int64_t now_ns, tree_t *tree);
