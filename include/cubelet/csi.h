/* csi.h - what a CSI node driver is asked for a volume, and where the volume stands on disk.

   Everything here is a decision: the calls themselves are actors/csi_manager. Source: the CSI
   specification v1 (Node service); Kubernetes CSI developer documentation ("CSIDriver Object", "Pod
   Info on Mount", "Token Requests", "CSI Driver fsGroup Support"); reference/node-and-server.md
   7.1. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* Optional abilities of a driver (NodeGetCapabilities), a set. */
typedef enum {
    CSI_STAGES = 1,           // STAGE_UNSTAGE_VOLUME
    CSI_HAS_STATS = 2,        // GET_VOLUME_STATS
    CSI_EXPANDS = 4,          // EXPAND_VOLUME
    CSI_TELLS_WRITERS = 8,    // SINGLE_NODE_MULTI_WRITER
    CSI_GIVES_TO_GROUP = 16,  // VOLUME_MOUNT_GROUP
    CSI_TELLS_CONDITION = 32, // VOLUME_CONDITION
} csi_ability_t;

/* The set that a NodeGetCapabilitiesResponse names; others are passed over. */
unsigned csi_abilities_read (const node_t *reply);

/* What a CSIDriver object says; without one the API's defaults for drivers without. */
typedef struct {
    bool exists;
    bool is_attached; // attachRequired: a controller attaches, a VolumeAttachment tells of it
    bool wants_pod;   // podInfoOnMount
    bool republishes; // requiresRepublish
    bool is_persistent, is_ephemeral; // volumeLifecycleModes
    const char *fs_group_policy;      // "ReadWriteOnceWithFSType", "File", "None"
    const node_t *token_requests;     // list of {audience expirationSeconds}, or NULL
} csi_driver_spec_t;

/* Reads the object (NULL: there is none); `out` borrows from it. */
void csi_driver_spec_read (const node_t *object, csi_driver_spec_t *out);

/* One volume of one pod, as MSG_CSI_MOUNT names it. Texts are never NULL. */
typedef struct {
    const char *pod_uid, *pod_name, *pod_namespace, *service_account;
    const char *name;   // of the PersistentVolume, or of the pod's volume
    const char *driver; // "hostpath.csi.k8s.io"
    const char *handle; // the driver's name of the volume
    const char *fs_type;
    const node_t *pv;     // the PersistentVolume; NULL: an inline (ephemeral) volume
    const node_t *source; // the `csi` of either
    bool is_block;        // volumeMode Block: published as a device
    bool is_read_only;
    int64_t fs_group; // -1: none
} csi_volume_t;

/* Reads a request {pod_uid pod_name pod_namespace service_account? volume source pv? read_only?
   fs_group?}; memory is the tree's. A PersistentVolume's own `readOnly` is about attaching it, as
   upstream has it. Returns 0, or -1 with FAULT_INVALID for names that cannot be directories, and
   other nonsense. */
int csi_volume_read (const node_t *request, tree_t *tree, csi_volume_t *out, fault_t *fault);

/* Checks that the driver's volumeLifecycleModes allow the volume: -1 with upstream's
   `volume mode "Ephemeral" not supported by driver D (no CSIDriver object)`. */
int csi_mode_check (const csi_driver_spec_t *spec, const csi_volume_t *volume, fault_t *fault);

/* What a pod's fsGroup means for the volume. */
typedef enum {
    CSI_GROUP_NONE,   // nothing
    CSI_GROUP_DRIVER, // the driver does it: volume_mount_group
    CSI_GROUP_AGENT,  // we change owners and permissions
} csi_group_t;

csi_group_t
csi_group (const csi_driver_spec_t *spec, unsigned abilities, const csi_volume_t *volume);

// ---- requests ----

/* What is found out before a driver is called; any may be NULL. */
typedef struct {
    const node_t *publish_context; // attachmentMetadata of the VolumeAttachment
    const node_t *stage_secrets, *publish_secrets, *expand_secrets; // Secret objects
    const char *tokens;                                             // as csi_tokens_text
    const char *stage_path; // NULL: the driver does not stage
    const char *target_path;
} csi_context_t;

node_t csi_stage_request (const csi_volume_t *volume, const csi_driver_spec_t *spec,
                          unsigned abilities, const csi_context_t *context, tree_t *tree);
node_t csi_publish_request (const csi_volume_t *volume, const csi_driver_spec_t *spec,
                            unsigned abilities, const csi_context_t *context, tree_t *tree);

/* NodeExpandVolume to `bytes`; the volume is published, or only staged (`target_path` NULL). */
node_t
csi_expand_request (const csi_volume_t *volume, const csi_driver_spec_t *spec, unsigned abilities,
                    const csi_context_t *context, int64_t bytes, tree_t *tree);

/* True when after this fault of stage or publish the volume is certainly not there; after others
   (no answer in time...) it may be. */
bool csi_fault_is_final (const fault_t *fault);

/* "rpc error: code = Internal desc = TEXT", as Go's clients show a server's fault. */
void csi_fault_show (fault_t *fault);

// ---- names ----

/* "csi-<sha256>", the VolumeAttachment's name. Owned. */
char *csi_attachment_name (const char *handle, const char *driver, const char *node);

/* ROOT/plugins/kubernetes.io/csi/DRIVER/<sha256 of the handle>: holds globalmount/ and
   vol_data.json. Owned. */
char *csi_stage_directory (const char *root, const char *driver, const char *handle);

/* ROOT/plugins/kubernetes.io/csi/volumeDevices: holds what is staged and published as devices.
   Owned. */
char *csi_devices_directory (const char *root);

/* "kubernetes.io/csi/DRIVER^HANDLE", the volume in the Node's volumesInUse. Owned. */
char *csi_unique_name (const csi_volume_t *volume);

/* ROOT/pods/UID/volumes/kubernetes.io~csi/NAME: holds mount and vol_data.json. Owned. */
char *csi_pod_directory (const char *root, const char *uid, const char *name);
