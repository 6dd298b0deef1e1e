/* security.h - security contexts of sandboxes and containers.
   Source: reference/pod-to-cri.md 2.4 and 7 (upstream: pkg/kubelet/kuberuntime,
   pkg/securitycontext, pkg/security/apparmor). */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* The user an image runs as: CRI Image.uid when set, else Image.username ("" or NULL: root). */
typedef struct {
    opt_int_t uid;
    const char *username;
} image_user_t;

/* The image's user from a CRI Image map (`{uid: {value}, username}`), or from the `user` map that
   IMAGE_ENSURE answers with, which has the same fields; NULL gives root. */
image_user_t image_user (const node_t *image);

/* CRI LinuxSandboxSecurityContext. Returns 0 and a map in `tree`, or -1 with FAULT_INVALID. */
int sandbox_security (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
                      tree_t *tree, node_t *out, fault_t *fault);

/* CRI LinuxContainerSecurityContext; `target_id` as in namespace_options. Returns 0 and a map in
   `tree`, or -1 with FAULT_INVALID whose text is the container's waiting message. */
int container_security (const pod_t *pod, const container_t *container, const node_facts_t *facts,
                        const pod_facts_t *pod_facts, image_user_t user, const char *target_id,
                        tree_t *tree, node_t *out, fault_t *fault);

/* The check of runAsNonRoot before a container is created (7.1): 0, or -1 with FAULT_INVALID and
   upstream's message. */
int run_as_non_root_check (const pod_t *pod, const container_t *container, image_user_t user,
                           fault_t *fault);

/* The AppArmor profile a container asks for: its own field, else the old annotation, else the
   pod's field; {0} when it asks for none. Texts are borrowed from the pod. For admission too. */
security_profile_t apparmor_profile (const pod_t *pod, const container_t *container);
