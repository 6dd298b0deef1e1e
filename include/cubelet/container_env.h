/* container_env.h - the environment of a container.
   Source: reference/pod-to-cri.md 5.2 (upstream: Kubelet.makeEnvironmentVariables). */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* The objects that variables come from, as the API server has them (borrowed for the call).
   In config_maps and secrets a missing name means the object does not exist; a text instead of an
   object is the error that hinders reading it, and becomes the fault. */
typedef struct {
    const node_t *config_maps; // map: name -> ConfigMap, of the pod's namespace
    const node_t *secrets;     // map: name -> Secret (data in base64), of the pod's namespace
    const node_t *services;    // list of Services; NULL: none
    bool services_known;       // the first list has come; static pods do not wait for it
    bool has_api;              // false when standalone: ConfigMaps and Secrets cannot be had
} env_sources_t;

/* The environment in CRI's form, an array of {key, value}: envFrom first, then env, each in
   declared order (a later one of the same name replaces the value in place), then the service
   variables that are not defined yet. `pod_ips` may be empty while the pod has none.
   Returns 0, or -1 with a fault whose text is the container's waiting message:
   FAULT_NOT_FOUND `configmap "NAME" not found`, `secret "NAME" not found`,
   `couldn't find key K in ConfigMap NS/NAME`, `couldn't find key K in Secret NS/NAME`;
   FAULT_UNAVAILABLE for errors of reading and for services not known yet;
   FAULT_INVALID for field references that are wrong. */
int container_environment (const pod_t *pod, const container_t *container,
                           const env_sources_t *sources, const node_facts_t *facts,
                           text_list_t pod_ips, tree_t *tree, node_t *out, fault_t *fault);

/* The ConfigMaps and Secrets a container's environment refers to: calls `found` for each name,
   optional ones too, twice when it is named twice. For a worker that has to fetch them first. */
typedef void env_reference_fn (void *context, bool is_secret, const char *name);
void
container_env_references (const container_t *container, env_reference_fn *found, void *context);
