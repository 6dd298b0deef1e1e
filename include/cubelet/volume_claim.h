/* volume_claim.h - from a pod's PersistentVolumeClaim to the PersistentVolume that it mounts.
   Source: Kubernetes documentation, "Persistent Volumes"; reference/node-and-server.md 7.2. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/pod.h"

typedef struct {
    const node_t *claim;  // the PersistentVolumeClaim; borrowed from the objects
    const node_t *pv;     // the PersistentVolume; borrowed from the objects
    const char *pv_name;  // of it
    bool is_read_only;    // the pod's volume asks for that
    bool is_block;        // volumeMode Block
    const node_t *source; // the PersistentVolume's spec
} claimed_volume_t;

/* Finds the PersistentVolume of a volume that names a claim (pod_volume_claim), among `objects`
   (pod_objects.h), whose rows of claims have `volume`, the PersistentVolume. `wants_block`: the
   pod's containers ask for a device. Returns 0, or -1 with a fault whose text is upstream's:
   `Unable to attach or mount volumes: unmounted volumes=[V], unattached volumes=[], failed to
   process volumes=[V]: error processing PVC NS/NAME: PVC is not bound` and the like. */
int claim_resolve (const pod_t *pod, const volume_t *volume, const node_t *objects,
                   bool wants_block, tree_t *tree, claimed_volume_t *out, fault_t *fault);

/* The flags of mount(2) and the remaining options ("a,b", in `tree`) that the list mountOptions of
   a PersistentVolume (may be NULL) stands for. */
void
mount_options_read (const node_t *options, tree_t *tree, unsigned long *flags, const char **data);
