/* csi_registration.h - plugins that introduce themselves in plugins_registry/, and what the API
   objects CSINode and Node say of the CSI drivers among them.
   Source: Kubernetes documentation, "Device Plugins" and "CSI node-driver-registrar"; API reference
   of CSINode (storage.k8s.io/v1). */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"

/* Checks what a plugin answered to GetInfo (PluginInfo): only CSI drivers with a version 1.x are
   taken. Returns 0, or -1 with the text that the plugin is told. `socket` is named in it. */
int plugin_info_check (const node_t *info, const char *socket, fault_t *fault);

/* What a node has before any driver: makes the CSINode of `node` (the Node object) when `old` is
   NULL, else a copy of it, with the annotation that names the in-tree plugins whose volumes are CSI
   drivers' by now. Controllers and the scheduler look for it. Returns true when that is a change.
 */
bool csi_node_begin (const node_t *old, const node_t *node, tree_t *tree, node_t *out);

/* Makes the CSINode of `node` (the Node object) when `old` is NULL, else a copy of it, where the
   driver's entry is as `info` (NodeGetInfoResponse) says, or gone when `info` is NULL. Returns true
   when that is a change, with the object in *out. */
bool csi_node_change (const node_t *old, const node_t *node, const char *driver, const node_t *info,
                      tree_t *tree, node_t *out);

/* Makes the strategic merge patch of the Node that notes the driver's name of it in the annotation
   csi.volume.kubernetes.io/nodeid and its topology in labels; without `info` takes the note away.
   Returns 1 with the patch in *out, 0 when there is nothing to change, or -1 with a fault: a label
   has another value already. */
int csi_node_patch (const node_t *node, const char *driver, const node_t *info, tree_t *tree,
                    node_t *out, fault_t *fault);
