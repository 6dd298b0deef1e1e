/* container_config.h - the ContainerConfig of a container (reference/pod-to-cri.md 5 to 7).

   A worker fills container_inputs_t, asks container_subpaths () which sub paths have to be bound
   first, puts the answers into .subpaths and then calls container_config (). */
#pragma once
#include "cubelet/container_env.h"
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"
#include "cubelet/security.h"

/* What is known by the time a container is created; everything is borrowed for the call. */
typedef struct {
    const char *image_ref; // what IMAGE_ENSURE answered
    image_user_t image_user;
    uint32_t attempt; // restart count
    uint32_t hash;    // container_hash ()
    text_list_t pod_ips;
    env_sources_t env;
    const node_t *volumes;  // VOLUME_SETUP's answer: name -> {host_path read_only kind
                            // selinux_relabel?}; kind "block": a device, host_path its link
    const node_t *subpaths; // volumeMounts index as text ("3") -> host path; NULL: none
    const char *termination_log_path; // host file, made by the worker; NULL: not mounted
    const char *target_id;            // container id of targetContainerName; NULL: none
} container_inputs_t;

/* CRI ContainerConfig. Returns 0 and a map in `tree`, or -1 with a fault whose text is the
   container's waiting message under the reason CreateContainerConfigError. The faults come in
   upstream's order: environment, mounts, runAsNonRoot, security. */
int container_config (const pod_t *pod, const container_t *container,
                      const container_inputs_t *inputs, const node_facts_t *facts,
                      const pod_facts_t *pod_facts, tree_t *tree, node_t *out, fault_t *fault);

/* The sub paths among the container's mounts: an array in `tree` of
   {index, volume, host_path, sub_path}, fields of VOLUME_SUBPATH, with subPathExpr expanded; empty
   for most containers. Faults as container_config. */
int container_subpaths (const pod_t *pod, const container_t *container,
                        const container_inputs_t *inputs, const node_facts_t *facts, tree_t *tree,
                        node_t *out, fault_t *fault);
