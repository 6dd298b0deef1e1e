/* csi_places.h - where a CSI volume stands on disk, all upstream's places but the notes of devices
   (upstream has none for a pod: a link in its directory says that it uses the device).
   Source: reference/node-and-server.md 7.1; Kubernetes documentation, "Raw Block Volume Support".
 */
#pragma once
#include "cubelet/csi.h"

typedef struct {
    const char *note;       // directory of the pod's vol_data.json
    const char *target;     // what is published: a directory, or a device
    const char *stage_note; // directory of the vol_data.json of what is staged
    const char *stage;      // the staging directory
    // ---- devices only, else NULL ----
    const char *map;  // the device once more, for the whole node: volumeDevices/PV/dev/UID
    const char *link; // what containers are given: pods/UID/volumeDevices/kubernetes.io~csi/PV
} csi_places_t;

/* The places of a volume of which at least pod_uid, name, driver, handle and is_block are set (for
   what concerns the staging only, pod_uid may be ""). Texts are in `tree`. */
void csi_places (const char *root, const csi_volume_t *volume, tree_t *tree, csi_places_t *out);
