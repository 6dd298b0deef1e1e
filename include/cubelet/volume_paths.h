/* volume_paths.h - where a pod's volumes stand under the kubelet's root directory.
   Source: reference/node-and-server.md 7.1, reference/pod-to-cri.md 1. */
#pragma once
#include "cubelet/pod.h"
#include <stdbool.h>
#include <stdint.h>

/* "ROOT/pods/UID/volumes/PLUGIN/NAME", the volume; `plugin` as in "kubernetes.io~empty-dir".
   Owned. */
char *volume_directory (const char *root, const char *uid, const char *plugin, const char *name);

/* "ROOT/pods/UID/plugins/PLUGIN/NAME", what a plugin notes about the volume. Owned. */
char *
volume_notes_directory (const char *root, const char *uid, const char *plugin, const char *name);

/* "ROOT/pods/UID/volume-subpaths/VOLUME/CONTAINER/INDEX", where a subPath is bound. Owned. */
char *volume_subpath_target (const char *root, const char *uid, const char *volume,
                             const char *container, int64_t index);

/* What a mount point in a pod's directory belongs to. */
typedef enum {
    POD_MOUNT_FOREIGN, // nothing of ours
    POD_MOUNT_VOLUME,  // volumes/PLUGIN/NAME, or volumes/kubernetes.io~csi/NAME/mount
    POD_MOUNT_SUBPATH, // volume-subpaths/VOLUME/CONTAINER/INDEX
} pod_mount_t;

/* Tells by the path below the pod's directory ("volumes/PLUGIN/NAME"). */
pod_mount_t pod_mount_kind (const char *path);

/* True when a container of the pod mounts or maps the volume; upstream leaves others alone. */
bool volume_is_used (const pod_t *pod, const char *name);

/* True when a container of the pod maps the volume as a device (volumeDevices). */
bool volume_is_device (const pod_t *pod, const char *name);

/* True when the pod has a volume whose content follows something else while containers run, and so
   is set up again at every sync: configMap, secret, downwardAPI, projected; or claims and CSI
   volumes, which may grow or want to be published anew. */
bool pod_has_live_volumes (const pod_t *pod);

/* The places below the volume where containers mount other volumes, as paths relative to it, which
   have to exist in a volume that containers cannot write to. Allocated in `tree`. Returns 0, or -1
   with FAULT_INVALID "invalid container mount point PATH". */
int volume_nested_mounts (const pod_t *pod, const char *name, tree_t *tree, text_list_t *out,
                          fault_t *fault);
