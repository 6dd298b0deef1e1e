/* container_labels.h - the labels and annotations of sandboxes and containers.
   Source: reference/pod-to-cri.md 4. */
#pragma once
#include "cubelet/pod.h"

#define LABEL_POD_NAME "io.kubernetes.pod.name"
#define LABEL_POD_NAMESPACE "io.kubernetes.pod.namespace"
#define LABEL_POD_UID "io.kubernetes.pod.uid"
#define LABEL_CONTAINER_NAME "io.kubernetes.container.name"

#define ANNOTATION_HASH "io.kubernetes.container.hash"
#define ANNOTATION_RESTARTS "io.kubernetes.container.restartCount"
#define ANNOTATION_MESSAGE_PATH "io.kubernetes.container.terminationMessagePath"
#define ANNOTATION_MESSAGE_POLICY "io.kubernetes.container.terminationMessagePolicy"
#define ANNOTATION_PRE_STOP "io.kubernetes.container.preStopHandler"
#define ANNOTATION_PORTS "io.kubernetes.container.ports"
#define ANNOTATION_TERMINATION_GRACE "io.kubernetes.pod.terminationGracePeriod"
#define ANNOTATION_DELETION_GRACE "io.kubernetes.pod.deletionGracePeriod"

/* Maps of texts in `tree`: all labels of the pod and the three that name it; the four that name a
   container. */
node_t sandbox_labels (const pod_t *pod, tree_t *tree);
node_t container_labels (const pod_t *pod, const container_t *container, tree_t *tree);

/* What a restarted agent needs to stop a container whose pod is gone: a map of texts in `tree`.
   `hash` is container_hash (). */
node_t container_annotations (const pod_t *pod, const container_t *container, uint32_t hash,
                              int64_t restarts, tree_t *tree);

/* The same read back from a CRI Container or ContainerStatus. Texts are borrowed from the map,
   the handler is decoded into `tree` (nil when there is none or it is not JSON). */
typedef struct {
    const char *pod_name;
    const char *pod_namespace;
    const char *pod_uid;
    const char *container_name;
    opt_int_t hash;
    int64_t restarts;
    const char *message_path;
    const char *message_policy;
    opt_int_t termination_grace_s;
    opt_int_t deletion_grace_s;
    node_t pre_stop; // LifecycleHandler
    node_t ports;    // list of ContainerPort
} container_identity_t;

/* Missing texts read "", missing numbers are not set or 0. */
void container_identity (const node_t *labels, const node_t *annotations, tree_t *tree,
                         container_identity_t *out);
