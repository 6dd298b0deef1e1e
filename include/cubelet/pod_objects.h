/* pod_objects.h - the API objects that a pod uses besides itself, and what is known of them.

   A worker names them (OBJECT_WATCH) and gets them (OBJECT_STATE), a list of rows
   {kind namespace name found object? error?}; what uses them looks them up here.
   Source: reference/pod-to-cri.md 5.2, 2; node-and-server.md 7; pod-lifecycle.md 7.1. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/pod.h"

#define KIND_CONFIG_MAP "ConfigMap"
#define KIND_SECRET "Secret"
#define KIND_RUNTIME_CLASS "RuntimeClass"
#define KIND_CLAIM "PersistentVolumeClaim"

/* All objects the pod refers to, optional ones too, each once: an array in `tree` of
   {kind namespace name}. RuntimeClass has the namespace "". ConfigMaps and Secrets of the
   environment, of volumes and of projected sources, imagePullSecrets, claims of
   persistentVolumeClaim and ephemeral volumes. */
node_t pod_object_refs (const pod_t *pod, tree_t *tree);

/* The name of the claim that the volume mounts: claimName, or for an ephemeral volume "POD-VOLUME";
   NULL when it mounts none. Text in `tree`. */
const char *pod_volume_claim (const pod_t *pod, const volume_t *volume, tree_t *tree);

/* The row of `objects` for this reference, or NULL while nothing is known of it. */
const node_t *
object_row (const node_t *objects, const char *kind, const char *namespace, const char *name);

/* True when `objects` has a row for every one of `refs`. */
bool objects_are_known (const node_t *objects, const node_t *refs);

/* The row's object itself. NULL with a fault as upstream words it: FAULT_NOT_FOUND
   `configmap "X" not found`, `secret "X" not found`, `runtimeclass.node.k8s.io "X" not found`,
   `persistentvolumeclaims "X" not found`; FAULT_PRECONDITION with the row's error;
   FAULT_UNAVAILABLE when there is no row. */
const node_t *object_find (const node_t *objects, const char *kind, const char *namespace,
                           const char *name, fault_t *fault);

/* The objects of one kind in that namespace by name, as container_env.h wants them: name -> object,
   or the text of what hinders reading it; those not found are left out. The map is in `tree`, what
   it holds stays borrowed. */
node_t
objects_by_name (const node_t *objects, const char *kind, const char *namespace, tree_t *tree);

/* The Secrets that the pod's imagePullSecrets name and that are there, as an array in `tree`
   (objects borrowed). `missing` gets the names of the others, "a, b"; owned, NULL when none. */
node_t pod_pull_secrets (const pod_t *pod, const node_t *objects, tree_t *tree, char **missing);
