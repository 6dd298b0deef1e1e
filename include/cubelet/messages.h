/* messages.h - the catalogue: every type of message between actors, in one table.

   docs/messages.md is generated from it (messages-doc), and debug and sanitizer builds check
   every message against it. A body is a map; its fields are written "name:kind", a "?" behind
   for optional ones, kinds text int bool map list any. "=NAME" means the fields of the CRI
   message NAME (reference/cri.md). "" is an empty body, and no reply for the reply column "-".
   Columns: symbol, type, sender, receiver, body, reply, what it is for. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>

// clang-format off
#define MESSAGE_CATALOGUE(M) \
M(ACTOR_START, "actor.start", "pod-manager", "supervisor", "class:text name:text args:map?", "", "start an actor (nothing happens when it runs)") \
M(ACTOR_STOP, "actor.stop", "pod-manager", "supervisor", "name:text", "", "stop an actor for good") \
M(ACTOR_LIST, "actor.list", "*", "supervisor", "", "actors:list", "who runs: {name class state restarts silent_ms}") \
M(ACTOR_UP, "actor.up", "supervisor", "*", "name:text class:text restarts:int", "-", "a peer has (re)started and knows nothing yet") \
M(ACTOR_DOWN, "actor.down", "supervisor", "*", "name:text at:int", "-", "an actor ended at that monotonic ms: what it was asked before is not answered, and ends as Unavailable") \
M(ACTOR_ALIVE, "actor.alive", "*", "supervisor", "", "-", "heartbeat") \
M(ACTOR_KILL, "actor.kill", "bus", "*", "", "-", "fault injection: end at once, forget everything") \
M(ACTOR_HANG, "actor.hang", "bus", "*", "ms:int", "-", "fault injection: do nothing for so long") \
M(REQUEST_CANCEL, "request.cancel", "*", "*", "id:int", "-", "the sender no longer waits for the answer of its request") \
M(BUS_UNDELIVERABLE, "bus.undeliverable", "bus", "*", "to:text type:text reason:text", "-", "a message reached nobody; answers requests as a fault") \
M(BUS_CLOSE, "bus.close", "supervisor", "bus", "name:text", "at:int", "that actor ended, though its socket may take messages for a while: deliver nothing to it any more, and say since which monotonic ms") \
M(BUS_OPEN, "bus.open", "supervisor", "bus", "name:text", "-", "that name may be delivered to again") \
M(BUS_STATS, "bus.stats", "*", "bus", "", "messages:list tapped:int", "counters: per type {type count bytes undeliverable full}; how many messages taps were shown") \
M(SOURCE_PODS, "source.pods", "manifest-watcher url-watcher api-watcher", "pod-manager", "source:text pods:list assumed:bool?", "-", "the full set of pods of one source: admitted nowhere yet, defaulted and validated; assumed: those of a checkpoint, while the source cannot be reached (docs/offline.md)") \
M(SOURCE_POD, "source.pod", "api-watcher", "pod-manager", "source:text uid:text pod:map?", "-", "one pod of a source changed or is new; without pod: it is gone from the source") \
M(POD_SYNC, "pod.sync", "pod-manager", "pod-worker/*", "pod:map terminate:bool grace:int? reason:text? message:text? runtime_only:bool? status:map? resize:map? actuated:map?", "-", "the pod as it should be, with the resources it has been given; resize: why it does not get those it asks for {reason message}; actuated: what its containers had got before the agent was restarted, as in pod.actuated; terminate: stop it, at most `grace` seconds; status: the last one known") \
M(POD_STATUS, "pod.status", "pod-worker/*", "pod-manager", "uid:text status:map? finished:bool running:bool? pod:map? pulls_ns:int?", "-", "the status as it is; pulls_ns: how long the pod's images took to pull; running: false when no container of a pod that is over runs any more; finished: the pod was to go and nothing of it is left on the node; pod: for a manager that starts anew") \
M(POD_ACTUATED, "pod.actuated", "pod-worker/*", "pod-manager", "uid:text resources:map", "-", "what the containers of the pod have got: name -> {requests limits}, all of them, after each change") \
M(POD_LIST, "pod.list", "*", "pod-manager", "", "items:list", "all pods with their status, as GET /pods shows them") \
M(POD_GET, "pod.get", "*", "pod-manager", "namespace:text name:text uid:text?", "pod:map uid:text", "one pod with its status, found by name (a mirror pod's UID means its static pod); uid: the one on this node") \
M(POD_EVICT, "pod.evict", "eviction-manager shutdown-manager", "pod-manager", "uid:text reason:text message:text grace:int?", "", "fail this pod with reason and message (Evicted, Preempting, Terminated); answered when its containers have stopped") \
M(POD_REPORT, "pod.report", "pod-manager", "status-reporter", "pod:map status:map? finished:bool running:bool terminating:bool? mirror:map?", "-", "a pod as the API server should have it: status: ours; running: containers may still run; finished: nothing is left on the node; terminating: its source has it no more (a static one gets no mirror); mirror: a static pod's mirror, as the API server has it") \
M(POD_FORGET, "pod.forget", "pod-manager", "status-reporter", "uid:text", "-", "the pod is gone from its source: nothing is reported of it any more") \
M(MIRROR_ORPHAN, "mirror.orphan", "pod-manager", "status-reporter", "namespace:text name:text uid:text", "-", "a mirror pod without a static pod: delete it") \
M(POD_KNOWN, "pod.known", "garbage-collector", "pod-manager", "", "ready:bool uids:list", "every pod that is not wholly gone; ready: all sources have said what they have") \
M(POD_ORPHAN, "pod.orphan", "runtime-watcher", "pod-manager", "uid:text namespace:text name:text", "-", "the runtime has a pod whose worker does not exist") \
M(POD_RELIST, "pod.relist", "pod-worker/*", "runtime-watcher", "", "-", "a call failed, and what it made is not known: tell me what a listing shows that begins from now on") \
M(POD_RUNTIME, "pod.runtime", "runtime-watcher", "pod-worker/*", "listed_at:int sandboxes:list containers:list", "-", "what the runtime lists of the pod (CRI PodSandbox and Container), after a change") \
M(RUNTIME_STATE, "runtime.state", "runtime", "*", "up:bool ready:bool? network_ready:bool? reason:text? name:text? version:text? cgroup_driver:text? streams_events:bool? handlers:list? features:map?", "-", "the runtime came, went or changed its conditions") \
M(RUNTIME_STATE_GET, "runtime.state.get", "*", "runtime", "", "up:bool ready:bool? network_ready:bool? reason:text? name:text? version:text? cgroup_driver:text? streams_events:bool? handlers:list? features:map?", "the same, on demand") \
M(RUNTIME_EVENT, "runtime.event", "runtime", "runtime-watcher", "container_id:text pod_uid:text? kind:text", "-", "a streamed runtime event: something changed; kind created started stopped deleted oom") \
M(API_REQUEST, "api.request", "*", "api-client", "method:text path:text query:text? content_type:text? body:any? timeout_ms:int?", "code:int body:any?", "one request to the API server, JSON both ways; code is the HTTP status, whatever it is; a fault means that no answer came") \
M(OBJECT_WATCH, "object.watch", "pod-worker/*", "*", "uid:text refs:list", "-", "all API objects that the pod of this UID uses, {kind namespace name}; replaces what it said before; an empty list ends it") \
M(OBJECT_STATE, "object.state", "*", "pod-worker/*", "objects:list", "-", "what is known of them: {kind namespace name found:bool object:map? volume:map? error:text?}, all of them, again after each change; volume: the PersistentVolume of a bound claim") \
M(SERVICE_LIST, "service.list", "pod-worker/*", "api-watcher", "namespace:text", "services:list", "the Services whose variables a pod of this namespace gets; Unavailable when they have not been read once within 5 s") \
M(TOKEN_GET, "token.get", "*", "token-manager", "namespace:text service_account:text pod_name:text pod_uid:text audience:text? expiration_seconds:int?", "token:text expires_at:int", "a service account token bound to the pod, from the cache while it is fresh; expires_at: seconds since 1970") \
M(NODE_OBJECT, "node.object", "api-watcher", "*", "node:map?", "-", "this node's Node as the API server has it; without: there is none") \
M(NODE_PRESSURE, "node.pressure", "eviction-manager", "*", "memory:bool disk:bool pid:bool", "-", "the node's pressure conditions") \
M(NODE_SHUTDOWN, "node.shutdown", "shutdown-manager", "pod-manager node-reporter", "active:bool", "-", "the machine goes down, or does not: no pod is admitted then, and the node is not Ready") \
M(NODE_VOLUMES, "node.volumes", "csi-manager", "node-reporter", "in_use:list", "-", "the unique names of all volumes that drivers have, or may have, on this node") \
M(STATS_SUMMARY, "stats.summary", "*", "stats-provider", "only_cpu_and_memory:bool? pods:list? max_age_ms:int?", "summary:map", "the Summary of /stats/summary; pods: UIDs, only these; max_age_ms: of what is known of disks, and not a cached Summary") \
M(METRICS_GET, "metrics.get", "*", "stats-provider", "page:text", "text:text", "a page of metrics as Prometheus reads it: metrics, cadvisor, resource, probes") \
M(IMAGE_ENSURE, "image.ensure", "pod-worker/*", "image-puller", "image:text policy:text pod:map container:text sandbox_config:map? secrets:list?", "image_ref:text user:map? pulled:bool", "make the image present by its policy; secrets: the pod's imagePullSecrets; faults carry `reason: message`") \
M(IMAGE_GC, "image.gc", "eviction-manager", "image-gc", "", "freed:int", "remove all images that nothing uses and nothing pins; freed: bytes") \
M(VOLUME_SETUP, "volume.setup", "pod-worker/*", "volume-manager", "pod:map objects:list? tokens:list? refresh:bool?", "volumes:map userns_host_id:int?", "mount the pod's volumes: name -> {host_path read_only kind}; userns_host_id: the first host id of its user namespace; objects as in object.state; tokens: {audience expiration_seconds token|error}; refresh: only those whose content changes by itself") \
M(VOLUME_SUBPATH, "volume.subpath", "pod-worker/*", "volume-manager", "pod_uid:text container:text index:int volume:text host_path:text sub_path:text read_only:bool?", "host_path:text", "bind one subPath, safely") \
M(VOLUME_TEARDOWN, "volume.teardown", "*", "volume-manager", "pod_uid:text keep_directory:bool?", "", "unmount and delete all of a pod's volumes, and its directory unless that is to stay") \
M(VOLUME_LIST, "volume.list", "stats-provider", "volume-manager", "", "volumes:list", "the volumes of all pods: {pod_uid volume name directory? plugin claim? mounted}; volume: the pod's name for it; name: that of its directory below ROOT/pods/UID/volumes/DIRECTORY; plugin: as metrics call it; what was set up before the volume-manager started comes with the next set-up") \
M(CSI_MOUNT, "csi.mount", "volume-manager", "csi-manager", "pod_uid:text pod_name:text pod_namespace:text service_account:text? fs_group:int? volume:text source:map pv:map? claim:map? read_only:bool? refresh:bool?", "path:text read_only:bool wants_group:bool", "let a CSI driver mount a volume for a pod; volume: the PersistentVolume's name, or the pod's own name of an inline one; source: its `csi`; claim: {namespace name uid status} of the claim that it is bound to; refresh: containers use it already; wants_group: the pod's fsGroup is still to be applied") \
M(CSI_STATS, "csi.stats", "stats-provider", "csi-manager", "max_age_ms:int?", "volumes:list", "what drivers say of the volumes that pods have: {pod_uid name usage:list}, name as in csi.mount, usage: VolumeUsage of NodeGetVolumeStats; numbers of that age are good enough") \
M(CSI_UNMOUNT, "csi.unmount", "volume-manager", "csi-manager", "pod_uid:text", "", "unpublish all CSI volumes of a pod; what no pod uses is unstaged later") \
M(CGROUP_ENSURE, "cgroup.ensure", "pod-worker/*", "resource-manager", "pod:map resize:bool?", "", "make the pod's cgroup with its limits; one that is there keeps its own, unless it is to be resized") \
M(CGROUP_LIST, "cgroup.list", "garbage-collector", "resource-manager", "", "uids:list", "the uids of all pods that have a cgroup") \
M(CGROUP_REMOVE, "cgroup.remove", "*", "resource-manager", "pod_uid:text", "", "kill what is left in the pod's cgroup and remove it") \
M(PROBE_SET, "probe.set", "pod-worker/*", "probe-manager", "pod_uid:text pod:map pod_ip:text? containers:list terminating:bool?", "-", "all that is to be probed of a pod: {name id started_at started} of its running containers; replaces what was") \
M(PROBE_RESULT, "probe.result", "probe-manager", "pod-worker/*", "container:text id:text probe:text result:text message:text?", "-", "a probe's published result changed: liveness readiness startup; success failure") \
M(HOOK_RUN, "hook.run", "pod-worker/*", "probe-manager", "pod:map pod_ip:text? container:text id:text handler:map", "", "run a lifecycle handler; a failure comes back as a fault") \
M(EVENT_RECORD, "event.record", "*", "event-recorder", "object:map type:text reason:text message:text", "-", "an Event: object is an ObjectReference") \
M(CRI_VERSION, "cri.Version", "*", "runtime", "=VersionRequest", "=VersionResponse", "CRI") \
M(CRI_RUN_POD_SANDBOX, "cri.RunPodSandbox", "*", "runtime", "=RunPodSandboxRequest", "=RunPodSandboxResponse", "CRI") \
M(CRI_STOP_POD_SANDBOX, "cri.StopPodSandbox", "*", "runtime", "=StopPodSandboxRequest", "=StopPodSandboxResponse", "CRI") \
M(CRI_REMOVE_POD_SANDBOX, "cri.RemovePodSandbox", "*", "runtime", "=RemovePodSandboxRequest", "=RemovePodSandboxResponse", "CRI") \
M(CRI_POD_SANDBOX_STATUS, "cri.PodSandboxStatus", "*", "runtime", "=PodSandboxStatusRequest", "=PodSandboxStatusResponse", "CRI") \
M(CRI_LIST_POD_SANDBOX, "cri.ListPodSandbox", "*", "runtime", "=ListPodSandboxRequest", "=ListPodSandboxResponse", "CRI") \
M(CRI_CREATE_CONTAINER, "cri.CreateContainer", "*", "runtime", "=CreateContainerRequest", "=CreateContainerResponse", "CRI") \
M(CRI_START_CONTAINER, "cri.StartContainer", "*", "runtime", "=StartContainerRequest", "=StartContainerResponse", "CRI") \
M(CRI_STOP_CONTAINER, "cri.StopContainer", "*", "runtime", "=StopContainerRequest", "=StopContainerResponse", "CRI") \
M(CRI_REMOVE_CONTAINER, "cri.RemoveContainer", "*", "runtime", "=RemoveContainerRequest", "=RemoveContainerResponse", "CRI") \
M(CRI_LIST_CONTAINERS, "cri.ListContainers", "*", "runtime", "=ListContainersRequest", "=ListContainersResponse", "CRI") \
M(CRI_CONTAINER_STATUS, "cri.ContainerStatus", "*", "runtime", "=ContainerStatusRequest", "=ContainerStatusResponse", "CRI") \
M(CRI_UPDATE_CONTAINER_RESOURCES, "cri.UpdateContainerResources", "*", "runtime", "=UpdateContainerResourcesRequest", "=UpdateContainerResourcesResponse", "CRI") \
M(CRI_REOPEN_CONTAINER_LOG, "cri.ReopenContainerLog", "*", "runtime", "=ReopenContainerLogRequest", "=ReopenContainerLogResponse", "CRI") \
M(CRI_EXEC_SYNC, "cri.ExecSync", "*", "runtime", "=ExecSyncRequest", "=ExecSyncResponse", "CRI") \
M(CRI_EXEC, "cri.Exec", "*", "runtime", "=ExecRequest", "=ExecResponse", "CRI") \
M(CRI_ATTACH, "cri.Attach", "*", "runtime", "=AttachRequest", "=AttachResponse", "CRI") \
M(CRI_PORT_FORWARD, "cri.PortForward", "*", "runtime", "=PortForwardRequest", "=PortForwardResponse", "CRI") \
M(CRI_CONTAINER_STATS, "cri.ContainerStats", "*", "runtime", "=ContainerStatsRequest", "=ContainerStatsResponse", "CRI") \
M(CRI_LIST_CONTAINER_STATS, "cri.ListContainerStats", "*", "runtime", "=ListContainerStatsRequest", "=ListContainerStatsResponse", "CRI") \
M(CRI_POD_SANDBOX_STATS, "cri.PodSandboxStats", "*", "runtime", "=PodSandboxStatsRequest", "=PodSandboxStatsResponse", "CRI") \
M(CRI_LIST_POD_SANDBOX_STATS, "cri.ListPodSandboxStats", "*", "runtime", "=ListPodSandboxStatsRequest", "=ListPodSandboxStatsResponse", "CRI") \
M(CRI_UPDATE_RUNTIME_CONFIG, "cri.UpdateRuntimeConfig", "*", "runtime", "=UpdateRuntimeConfigRequest", "=UpdateRuntimeConfigResponse", "CRI") \
M(CRI_STATUS, "cri.Status", "*", "runtime", "=StatusRequest", "=StatusResponse", "CRI") \
M(CRI_CHECKPOINT_CONTAINER, "cri.CheckpointContainer", "*", "runtime", "=CheckpointContainerRequest", "=CheckpointContainerResponse", "CRI") \
M(CRI_LIST_METRIC_DESCRIPTORS, "cri.ListMetricDescriptors", "*", "runtime", "=ListMetricDescriptorsRequest", "=ListMetricDescriptorsResponse", "CRI") \
M(CRI_LIST_POD_SANDBOX_METRICS, "cri.ListPodSandboxMetrics", "*", "runtime", "=ListPodSandboxMetricsRequest", "=ListPodSandboxMetricsResponse", "CRI") \
M(CRI_RUNTIME_CONFIG, "cri.RuntimeConfig", "*", "runtime", "=RuntimeConfigRequest", "=RuntimeConfigResponse", "CRI") \
M(CRI_UPDATE_POD_SANDBOX_RESOURCES, "cri.UpdatePodSandboxResources", "*", "runtime", "=UpdatePodSandboxResourcesRequest", "=UpdatePodSandboxResourcesResponse", "CRI") \
M(CRI_LIST_IMAGES, "cri.ListImages", "*", "runtime", "=ListImagesRequest", "=ListImagesResponse", "CRI") \
M(CRI_IMAGE_STATUS, "cri.ImageStatus", "*", "runtime", "=ImageStatusRequest", "=ImageStatusResponse", "CRI") \
M(CRI_PULL_IMAGE, "cri.PullImage", "*", "runtime", "=PullImageRequest", "=PullImageResponse", "CRI") \
M(CRI_REMOVE_IMAGE, "cri.RemoveImage", "*", "runtime", "=RemoveImageRequest", "=RemoveImageResponse", "CRI") \
M(CRI_IMAGE_FS_INFO, "cri.ImageFsInfo", "*", "runtime", "=ImageFsInfoRequest", "=ImageFsInfoResponse", "CRI")
// clang-format on

#define MESSAGE_ENUM(symbol, ...) MSG_##symbol,
typedef enum { MESSAGE_CATALOGUE (MESSAGE_ENUM) MESSAGE_COUNT } message_id_t;
#undef MESSAGE_ENUM

typedef struct {
    const char *type;
    const char *from; // actor classes, or *
    const char *to;
    const char *body;
    const char *reply;
    const char *about;
} message_info_t;

/* The row of a message; static. */
const message_info_t *message_info (message_id_t id);

/* The type's text, as it stands in envelopes ("pod.sync"). */
const char *message_name (message_id_t id);

/* The reverse; MESSAGE_COUNT when there is no such type. */
message_id_t message_find (const char *type);

/* Checks a body against its row (`is_reply`: the reply's fields): missing and unknown fields,
   wrong kinds. Returns 0, or -1 with FAULT_INVALID "pod.sync: terminate is missing". "=" rows are
   checked by the protobuf converter instead, so they pass here. */
int message_check (message_id_t id, bool is_reply, const node_t *body, fault_t *fault);
