/* feature_gates.h - the feature gates that this agent looks at: upstream's names, stages and
   defaults of 1.34 (reference/configuration.md; kubernetes.io, "Feature Gates"). A gate that is not
   here may be set, and changes nothing. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>

// clang-format off
#define FEATURE_GATES(G) \
    G (COMPONENT_FLAGZ,                    "ComponentFlagz",                         "ALPHA", false) \
    G (COMPONENT_STATUSZ,                  "ComponentStatusz",                       "ALPHA", false) \
    G (CONTAINER_CHECKPOINT,               "ContainerCheckpoint",                    "BETA",  true) \
    G (CUSTOM_CPU_CFS_QUOTA_PERIOD,        "CustomCPUCFSQuotaPeriod",                "ALPHA", false) \
    G (GRACEFUL_NODE_SHUTDOWN,             "GracefulNodeShutdown",                   "BETA",  true) \
    G (GRACEFUL_NODE_SHUTDOWN_BY_PRIORITY, "GracefulNodeShutdownBasedOnPodPriority", "BETA",  true) \
    G (KUBELET_CRASH_LOOP_BACK_OFF_MAX,    "KubeletCrashLoopBackOffMax",             "ALPHA", false) \
    G (KUBELET_FINE_GRAINED_AUTHZ,         "KubeletFineGrainedAuthz",                "BETA",  true) \
    G (POD_LOGS_QUERY_SPLIT_STREAMS,       "PodLogsQuerySplitStreams",               "ALPHA", false) \
    G (REDUCE_DEFAULT_CRASH_LOOP_DECAY,    "ReduceDefaultCrashLoopBackOffDecay",     "ALPHA", false) \
    G (WATCH_LIST_CLIENT,                  "WatchListClient",                        "BETA",  false)
// clang-format on

typedef enum {
#define GATE_ID(id, name, stage, is_on) GATE_##id,
    FEATURE_GATES (GATE_ID)
#undef GATE_ID
        FEATURE_GATE_COUNT
} feature_gate_t;

/* Upstream's name and stage ("ALPHA", "BETA") of a gate. Static. */
const char *feature_gate_name (feature_gate_t gate);
const char *feature_gate_stage (feature_gate_t gate);

/* What `set` (the configuration's featureGates, name -> bool, or NULL) says of the gate, or else
   its default. */
bool feature_gate_is_on (const node_t *set, feature_gate_t gate);
