/* metric_table.h - every family of metrics that this agent shows, in one table; each page of
   /metrics lists its own in this order. Names, labels and help texts are upstream's (samples/
   metrics*.txt, where a text begins with the family's stability), except those of cubelet_...

   Columns: symbol, name, type, page, buckets (of histograms, metrics.c), labels, help. Labels stand
   in the order in which values are given. */
#pragma once

// clang-format off
#define METRIC_TABLE(M) \
M(CLIENT_CERTIFICATE_EXPIRATION_SECONDS, "apiserver_client_certificate_expiration_seconds", HISTOGRAM, METRICS, EXPIRATION, "", "[ALPHA] Distribution of the remaining lifetime on the certificate used to authenticate a request.") \
M(DELEGATED_AUTHN_REQUEST_DURATION_SECONDS, "apiserver_delegated_authn_request_duration_seconds", HISTOGRAM, METRICS, DELEGATED, "code", "[ALPHA] Request latency in seconds. Broken down by status code.") \
M(DELEGATED_AUTHN_REQUEST_TOTAL, "apiserver_delegated_authn_request_total", COUNTER, METRICS, NONE, "code", "[ALPHA] Number of HTTP requests partitioned by status code.") \
M(DELEGATED_AUTHZ_REQUEST_DURATION_SECONDS, "apiserver_delegated_authz_request_duration_seconds", HISTOGRAM, METRICS, DELEGATED, "code", "[ALPHA] Request latency in seconds. Broken down by status code.") \
M(DELEGATED_AUTHZ_REQUEST_TOTAL, "apiserver_delegated_authz_request_total", COUNTER, METRICS, NONE, "code", "[ALPHA] Number of HTTP requests partitioned by status code.") \
M(CSI_OPERATIONS_SECONDS, "csi_operations_seconds", HISTOGRAM, METRICS, STORAGE, "driver_name grpc_status_code method_name migrated", "[ALPHA] Container Storage Interface operation duration with gRPC error code status total") \
M(CUBELET_ACTOR_RESTARTS_TOTAL, "cubelet_actor_restarts_total", COUNTER, METRICS, NONE, "actor", "Restarts of an actor after it failed or hung.") \
M(CUBELET_ACTORS, "cubelet_actors", GAUGE, METRICS, NONE, "state", "Actors by state.") \
M(CUBELET_MESSAGE_BYTES_TOTAL, "cubelet_message_bytes_total", COUNTER, METRICS, NONE, "type", "Bytes of the bodies of those messages.") \
M(CUBELET_MESSAGE_HANDLING_SECONDS, "cubelet_message_handling_seconds", HISTOGRAM, METRICS, FINE, "actor", "Time that handling a message took, by the class of the actor.") \
M(CUBELET_MESSAGE_WAIT_SECONDS, "cubelet_message_wait_seconds", HISTOGRAM, METRICS, FINE, "actor", "Time from sending a message to the beginning of its handling, by the class of the receiving actor.") \
M(CUBELET_MESSAGES_DROPPED_TOTAL, "cubelet_messages_dropped_total", COUNTER, METRICS, NONE, "type", "Messages whose receiver had no room in its queue.") \
M(CUBELET_MESSAGES_TOTAL, "cubelet_messages_total", COUNTER, METRICS, NONE, "type", "Messages that the bus has routed, by type.") \
M(CUBELET_MESSAGES_UNDELIVERABLE_TOTAL, "cubelet_messages_undeliverable_total", COUNTER, METRICS, NONE, "type", "Messages whose receiver did not exist.") \
M(CUBELET_METRIC_SERIES_DROPPED_TOTAL, "cubelet_metric_series_dropped_total", COUNTER, METRICS, NONE, "", "Series that were not kept because their family has too many.") \
M(ACTIVE_PODS, "kubelet_active_pods", GAUGE, METRICS, NONE, "static", "[ALPHA] The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.") \
M(ADMISSION_REJECTIONS_TOTAL, "kubelet_admission_rejections_total", COUNTER, METRICS, NONE, "reason", "[ALPHA] Cumulative number pod admission rejections by the Kubelet.") \
M(CERTIFICATE_MANAGER_CLIENT_EXPIRATION_RENEW_ERRORS, "kubelet_certificate_manager_client_expiration_renew_errors", COUNTER, METRICS, NONE, "", "[ALPHA] Counter of certificate renewal errors.") \
M(CERTIFICATE_MANAGER_CLIENT_TTL_SECONDS, "kubelet_certificate_manager_client_ttl_seconds", GAUGE, METRICS, NONE, "", "[ALPHA] Gauge of the TTL (time-to-live) of the Kubelet's client certificate. The value is in seconds until certificate expiry (negative if already expired). If client certificate is invalid or unused, the value will be +INF.") \
M(CERTIFICATE_MANAGER_SERVER_ROTATION_SECONDS, "kubelet_certificate_manager_server_rotation_seconds", HISTOGRAM, METRICS, ROTATION, "", "[ALPHA] Histogram of the number of seconds the previous certificate lived before being rotated.") \
M(CERTIFICATE_MANAGER_SERVER_TTL_SECONDS, "kubelet_certificate_manager_server_ttl_seconds", GAUGE, METRICS, NONE, "", "[ALPHA] Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in seconds until certificate expiry (negative if already expired). If serving certificate is invalid or unused, the value will be +INF.") \
M(CGROUP_MANAGER_DURATION_SECONDS, "kubelet_cgroup_manager_duration_seconds", HISTOGRAM, METRICS, DEFAULT, "operation_type", "[ALPHA] Duration in seconds for cgroup manager operations. Broken down by method.") \
M(CGROUP_VERSION, "kubelet_cgroup_version", GAUGE, METRICS, NONE, "", "[ALPHA] cgroup version on the hosts.") \
M(CONTAINER_LOG_FILESYSTEM_USED_BYTES, "kubelet_container_log_filesystem_used_bytes", GAUGE, METRICS, NONE, "container namespace pod uid", "[ALPHA] Bytes used by the container's logs on the filesystem.") \
M(CONTAINERS_PER_POD_COUNT, "kubelet_containers_per_pod_count", HISTOGRAM, METRICS, COUNT, "", "[ALPHA] The number of containers per pod.") \
M(CREDENTIAL_PROVIDER_PLUGIN_DURATION, "kubelet_credential_provider_plugin_duration", HISTOGRAM, METRICS, DEFAULT, "plugin_name", "[ALPHA] Duration of execution in seconds for credential provider plugin") \
M(CREDENTIAL_PROVIDER_PLUGIN_ERRORS_TOTAL, "kubelet_credential_provider_plugin_errors_total", COUNTER, METRICS, NONE, "plugin_name", "[ALPHA] Number of errors from credential provider plugin") \
M(DESIRED_PODS, "kubelet_desired_pods", GAUGE, METRICS, NONE, "static", "[ALPHA] The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.") \
M(EVENTED_PLEG_CONNECTION_ERROR_COUNT, "kubelet_evented_pleg_connection_error_count", COUNTER, METRICS, NONE, "", "[ALPHA] The number of errors encountered during the establishment of streaming connection with the CRI runtime.") \
M(EVENTED_PLEG_CONNECTION_LATENCY_SECONDS, "kubelet_evented_pleg_connection_latency_seconds", HISTOGRAM, METRICS, DEFAULT, "", "[ALPHA] The latency of streaming connection with the CRI runtime, measured in seconds.") \
M(EVENTED_PLEG_CONNECTION_SUCCESS_COUNT, "kubelet_evented_pleg_connection_success_count", COUNTER, METRICS, NONE, "", "[ALPHA] The number of times a streaming client was obtained to receive CRI Events.") \
M(EVICTION_STATS_AGE_SECONDS, "kubelet_eviction_stats_age_seconds", HISTOGRAM, METRICS, DEFAULT, "eviction_signal", "[ALPHA] Time between when stats are collected, and when pod is evicted based on those stats by eviction signal") \
M(EVICTIONS, "kubelet_evictions", COUNTER, METRICS, NONE, "eviction_signal", "[ALPHA] Cumulative number of pod evictions by eviction signal") \
M(FIRST_NETWORK_POD_START_SLI_DURATION_SECONDS, "kubelet_first_network_pod_start_sli_duration_seconds", GAUGE, METRICS, NONE, "", "[INTERNAL] Duration in seconds to start the first network pod, excluding time to pull images and run init containers, measured from pod creation timestamp to when all its containers are reported as started and observed via watch") \
M(GRACEFUL_SHUTDOWN_END_TIME_SECONDS, "kubelet_graceful_shutdown_end_time_seconds", GAUGE, METRICS, NONE, "", "[ALPHA] Last graceful shutdown end time since unix epoch in seconds") \
M(GRACEFUL_SHUTDOWN_START_TIME_SECONDS, "kubelet_graceful_shutdown_start_time_seconds", GAUGE, METRICS, NONE, "", "[ALPHA] Last graceful shutdown start time since unix epoch in seconds") \
M(HTTP_INFLIGHT_REQUESTS, "kubelet_http_inflight_requests", GAUGE, METRICS, NONE, "long_running method path server_type", "[ALPHA] Number of the inflight http requests") \
M(HTTP_REQUESTS_DURATION_SECONDS, "kubelet_http_requests_duration_seconds", HISTOGRAM, METRICS, DEFAULT, "long_running method path server_type", "[ALPHA] Duration in seconds to serve http requests") \
M(HTTP_REQUESTS_TOTAL, "kubelet_http_requests_total", COUNTER, METRICS, NONE, "long_running method path server_type", "[ALPHA] Number of the http requests received since the server started") \
M(IMAGE_GARBAGE_COLLECTED_TOTAL, "kubelet_image_garbage_collected_total", COUNTER, METRICS, NONE, "reason", "[ALPHA] Total number of images garbage collected by the kubelet, whether through disk usage or image age.") \
M(IMAGE_PULL_DURATION_SECONDS, "kubelet_image_pull_duration_seconds", HISTOGRAM, METRICS, PULL, "image_size_in_bytes", "[ALPHA] Duration in seconds to pull an image.") \
M(LIFECYCLE_HANDLER_HTTP_FALLBACKS_TOTAL, "kubelet_lifecycle_handler_http_fallbacks_total", COUNTER, METRICS, NONE, "", "[ALPHA] The number of times lifecycle handlers successfully fell back to http from https.") \
M(MANAGED_EPHEMERAL_CONTAINERS, "kubelet_managed_ephemeral_containers", GAUGE, METRICS, NONE, "", "[ALPHA] Current number of ephemeral containers in pods managed by this kubelet.") \
M(MIRROR_PODS, "kubelet_mirror_pods", GAUGE, METRICS, NONE, "", "[ALPHA] The number of mirror pods the kubelet will try to create (one per admitted static pod)") \
M(NODE_NAME, "kubelet_node_name", GAUGE, METRICS, NONE, "node", "[ALPHA] The node's name. The count is always 1.") \
M(ORPHAN_POD_CLEANED_VOLUMES, "kubelet_orphan_pod_cleaned_volumes", GAUGE, METRICS, NONE, "", "[ALPHA] The total number of orphaned Pods whose volumes were cleaned in the last periodic sweep.") \
M(ORPHAN_POD_CLEANED_VOLUMES_ERRORS, "kubelet_orphan_pod_cleaned_volumes_errors", GAUGE, METRICS, NONE, "", "[ALPHA] The number of orphaned Pods whose volumes failed to be cleaned in the last periodic sweep.") \
M(ORPHANED_RUNTIME_PODS_TOTAL, "kubelet_orphaned_runtime_pods_total", COUNTER, METRICS, NONE, "", "[ALPHA] Number of pods that have been detected in the container runtime without being already known to the pod worker. This typically indicates the kubelet was restarted while a pod was force deleted in the API or in the local configuration, which is unusual.") \
M(PLEG_LAST_SEEN_SECONDS, "kubelet_pleg_last_seen_seconds", GAUGE, METRICS, NONE, "", "[ALPHA] Timestamp in seconds when PLEG was last seen active.") \
M(PLEG_RELIST_DURATION_SECONDS, "kubelet_pleg_relist_duration_seconds", HISTOGRAM, METRICS, DEFAULT, "", "[ALPHA] Duration in seconds for relisting pods in PLEG.") \
M(PLEG_RELIST_INTERVAL_SECONDS, "kubelet_pleg_relist_interval_seconds", HISTOGRAM, METRICS, DEFAULT, "", "[ALPHA] Interval in seconds between relisting in PLEG.") \
M(POD_IN_PROGRESS_RESIZES, "kubelet_pod_in_progress_resizes", GAUGE, METRICS, NONE, "", "[ALPHA] Number of in-progress resizes for pods.") \
M(POD_PENDING_RESIZES, "kubelet_pod_pending_resizes", GAUGE, METRICS, NONE, "reason", "[ALPHA] Number of pending resizes for pods.") \
M(POD_START_DURATION_SECONDS, "kubelet_pod_start_duration_seconds", HISTOGRAM, METRICS, POD_START, "", "[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run") \
M(POD_START_SLI_DURATION_SECONDS, "kubelet_pod_start_sli_duration_seconds", HISTOGRAM, METRICS, POD_START, "", "[ALPHA] Duration in seconds to start a pod, excluding time to pull images and run init containers, measured from pod creation timestamp to when all its containers are reported as started and observed via watch") \
M(POD_START_TOTAL_DURATION_SECONDS, "kubelet_pod_start_total_duration_seconds", HISTOGRAM, METRICS, POD_START, "", "[ALPHA] Duration in seconds to start a pod since creation, including time to pull images and run init containers, measured from pod creation timestamp to when all its containers are reported as started and observed via watch") \
M(POD_STATUS_SYNC_DURATION_SECONDS, "kubelet_pod_status_sync_duration_seconds", HISTOGRAM, METRICS, STATUS_SYNC, "", "[ALPHA] Duration in seconds to sync a pod status update. Measures time from detection of a change to pod status until the API is successfully updated for that pod, even if multiple intevening changes to pod status occur.") \
M(POD_WORKER_DURATION_SECONDS, "kubelet_pod_worker_duration_seconds", HISTOGRAM, METRICS, DEFAULT, "operation_type", "[ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync") \
M(POD_WORKER_START_DURATION_SECONDS, "kubelet_pod_worker_start_duration_seconds", HISTOGRAM, METRICS, DEFAULT, "", "[ALPHA] Duration in seconds from kubelet seeing a pod to starting a worker.") \
M(PREEMPTIONS, "kubelet_preemptions", COUNTER, METRICS, NONE, "preemption_signal", "[ALPHA] Cumulative number of pod preemptions by preemption resource") \
M(RESTARTED_PODS_TOTAL, "kubelet_restarted_pods_total", COUNTER, METRICS, NONE, "static", "[ALPHA] Number of pods that have been restarted because they were deleted and recreated with the same UID while the kubelet was watching them (common for static pods, extremely uncommon for API pods)") \
M(RUN_PODSANDBOX_DURATION_SECONDS, "kubelet_run_podsandbox_duration_seconds", HISTOGRAM, METRICS, DEFAULT, "runtime_handler", "[ALPHA] Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.") \
M(RUN_PODSANDBOX_ERRORS_TOTAL, "kubelet_run_podsandbox_errors_total", COUNTER, METRICS, NONE, "runtime_handler", "[ALPHA] Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.") \
M(RUNNING_CONTAINERS, "kubelet_running_containers", GAUGE, METRICS, NONE, "container_state", "[ALPHA] Number of containers currently running") \
M(RUNNING_PODS, "kubelet_running_pods", GAUGE, METRICS, NONE, "", "[ALPHA] Number of pods that have a running pod sandbox") \
M(RUNTIME_OPERATIONS_DURATION_SECONDS, "kubelet_runtime_operations_duration_seconds", HISTOGRAM, METRICS, RUNTIME, "operation_type", "[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.") \
M(RUNTIME_OPERATIONS_ERRORS_TOTAL, "kubelet_runtime_operations_errors_total", COUNTER, METRICS, NONE, "operation_type", "[ALPHA] Cumulative number of runtime operation errors by operation type.") \
M(RUNTIME_OPERATIONS_TOTAL, "kubelet_runtime_operations_total", COUNTER, METRICS, NONE, "operation_type", "[ALPHA] Cumulative number of runtime operations by operation type.") \
M(SERVER_EXPIRATION_RENEW_ERRORS, "kubelet_server_expiration_renew_errors", COUNTER, METRICS, NONE, "", "[ALPHA] Counter of certificate renewal errors.") \
M(SLEEP_ACTION_TERMINATED_EARLY_TOTAL, "kubelet_sleep_action_terminated_early_total", COUNTER, METRICS, NONE, "", "[ALPHA] The number of times lifecycle sleep handler got terminated before it finishes") \
M(STARTED_CONTAINERS_ERRORS_TOTAL, "kubelet_started_containers_errors_total", COUNTER, METRICS, NONE, "code container_type", "[ALPHA] Cumulative number of errors when starting containers") \
M(STARTED_CONTAINERS_TOTAL, "kubelet_started_containers_total", COUNTER, METRICS, NONE, "container_type", "[ALPHA] Cumulative number of containers started") \
M(STARTED_PODS_ERRORS_TOTAL, "kubelet_started_pods_errors_total", COUNTER, METRICS, NONE, "", "[ALPHA] Cumulative number of errors when starting pods") \
M(STARTED_PODS_TOTAL, "kubelet_started_pods_total", COUNTER, METRICS, NONE, "", "[ALPHA] Cumulative number of pods started") \
M(STARTED_USER_NAMESPACED_PODS_ERRORS_TOTAL, "kubelet_started_user_namespaced_pods_errors_total", COUNTER, METRICS, NONE, "", "[ALPHA] Cumulative number of errors when starting pods with user namespaces. This metric will only be collected on Linux.") \
M(STARTED_USER_NAMESPACED_PODS_TOTAL, "kubelet_started_user_namespaced_pods_total", COUNTER, METRICS, NONE, "", "[ALPHA] Cumulative number of pods with user namespaces started. This metric will only be collected on Linux.") \
M(VOLUME_METRIC_COLLECTION_DURATION_SECONDS, "kubelet_volume_metric_collection_duration_seconds", HISTOGRAM, METRICS, DEFAULT, "metric_source", "[ALPHA] Duration in seconds to calculate volume stats") \
M(VOLUME_STATS_AVAILABLE_BYTES, "kubelet_volume_stats_available_bytes", GAUGE, METRICS, NONE, "namespace persistentvolumeclaim", "[ALPHA] Number of available bytes in the volume") \
M(VOLUME_STATS_CAPACITY_BYTES, "kubelet_volume_stats_capacity_bytes", GAUGE, METRICS, NONE, "namespace persistentvolumeclaim", "[ALPHA] Capacity in bytes of the volume") \
M(VOLUME_STATS_INODES, "kubelet_volume_stats_inodes", GAUGE, METRICS, NONE, "namespace persistentvolumeclaim", "[ALPHA] Maximum number of inodes in the volume") \
M(VOLUME_STATS_INODES_FREE, "kubelet_volume_stats_inodes_free", GAUGE, METRICS, NONE, "namespace persistentvolumeclaim", "[ALPHA] Number of free inodes in the volume") \
M(VOLUME_STATS_INODES_USED, "kubelet_volume_stats_inodes_used", GAUGE, METRICS, NONE, "namespace persistentvolumeclaim", "[ALPHA] Number of used inodes in the volume") \
M(VOLUME_STATS_USED_BYTES, "kubelet_volume_stats_used_bytes", GAUGE, METRICS, NONE, "namespace persistentvolumeclaim", "[ALPHA] Number of used bytes in the volume") \
M(WORKING_PODS, "kubelet_working_pods", GAUGE, METRICS, NONE, "config lifecycle static", "[ALPHA] Number of pods the kubelet is actually running, broken down by lifecycle phase, whether the pod is desired, orphaned, or runtime only (also orphaned), and whether the pod is static. An orphaned pod has been removed from local configuration or force deleted in the API and consumes resources that are not otherwise visible.") \
M(KUBERNETES_BUILD_INFO, "kubernetes_build_info", GAUGE, METRICS, NONE, "build_date compiler git_commit git_tree_state git_version go_version major minor platform", "[ALPHA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.") \
M(KUBERNETES_FEATURE_ENABLED, "kubernetes_feature_enabled", GAUGE, METRICS, NONE, "name stage", "[BETA] This metric records the data about the stage and enablement of a k8s feature.") \
M(PLUGIN_MANAGER_TOTAL_PLUGINS, "plugin_manager_total_plugins", GAUGE, METRICS, NONE, "socket_path state", "[ALPHA] Number of plugins in Plugin Manager") \
M(PROCESS_CPU_SECONDS_TOTAL, "process_cpu_seconds_total", COUNTER, METRICS, NONE, "", "Total user and system CPU time spent in seconds.") \
M(PROCESS_MAX_FDS, "process_max_fds", GAUGE, METRICS, NONE, "", "Maximum number of open file descriptors.") \
M(PROCESS_NETWORK_RECEIVE_BYTES_TOTAL, "process_network_receive_bytes_total", COUNTER, METRICS, NONE, "", "Number of bytes received by the process over the network.") \
M(PROCESS_NETWORK_TRANSMIT_BYTES_TOTAL, "process_network_transmit_bytes_total", COUNTER, METRICS, NONE, "", "Number of bytes sent by the process over the network.") \
M(PROCESS_OPEN_FDS, "process_open_fds", GAUGE, METRICS, NONE, "", "Number of open file descriptors.") \
M(PROCESS_RESIDENT_MEMORY_BYTES, "process_resident_memory_bytes", GAUGE, METRICS, NONE, "", "Resident memory size in bytes.") \
M(PROCESS_START_TIME_SECONDS, "process_start_time_seconds", GAUGE, METRICS, NONE, "", "Start time of the process since unix epoch in seconds.") \
M(PROCESS_VIRTUAL_MEMORY_BYTES, "process_virtual_memory_bytes", GAUGE, METRICS, NONE, "", "Virtual memory size in bytes.") \
M(PROCESS_VIRTUAL_MEMORY_MAX_BYTES, "process_virtual_memory_max_bytes", GAUGE, METRICS, NONE, "", "Maximum amount of virtual memory available in bytes.") \
M(REST_CLIENT_RATE_LIMITER_DURATION_SECONDS, "rest_client_rate_limiter_duration_seconds", HISTOGRAM, METRICS, REST, "host verb", "[ALPHA] Client side rate limiter latency in seconds. Broken down by verb, and host.") \
M(REST_CLIENT_REQUEST_DURATION_SECONDS, "rest_client_request_duration_seconds", HISTOGRAM, METRICS, REST, "host verb", "[ALPHA] Request latency in seconds. Broken down by verb, and host.") \
M(REST_CLIENT_REQUEST_SIZE_BYTES, "rest_client_request_size_bytes", HISTOGRAM, METRICS, SIZE, "host verb", "[ALPHA] Request size in bytes. Broken down by verb and host.") \
M(REST_CLIENT_REQUESTS_TOTAL, "rest_client_requests_total", COUNTER, METRICS, NONE, "code host method", "[ALPHA] Number of HTTP requests, partitioned by status code, method, and host.") \
M(REST_CLIENT_RESPONSE_SIZE_BYTES, "rest_client_response_size_bytes", HISTOGRAM, METRICS, SIZE, "host verb", "[ALPHA] Response size in bytes. Broken down by verb and host.") \
M(STORAGE_OPERATION_DURATION_SECONDS, "storage_operation_duration_seconds", HISTOGRAM, METRICS, STORAGE, "migrated operation_name status volume_plugin", "[ALPHA] Storage operation duration") \
M(VOLUME_MANAGER_TOTAL_VOLUMES, "volume_manager_total_volumes", GAUGE, METRICS, NONE, "plugin_name state", "[ALPHA] Number of volumes in Volume Manager") \
M(VOLUME_OPERATION_TOTAL_SECONDS, "volume_operation_total_seconds", HISTOGRAM, METRICS, STORAGE, "operation_name plugin_name", "[ALPHA] Storage operation end to end duration in seconds") \
M(CADVISOR_VERSION_INFO, "cadvisor_version_info", GAUGE, CADVISOR, NONE, "cadvisorRevision cadvisorVersion dockerVersion kernelVersion osVersion", "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.") \
M(CONTAINER_BLKIO_DEVICE_USAGE_TOTAL, "container_blkio_device_usage_total", COUNTER, CADVISOR, NONE, "container device id image major minor name namespace operation pod", "Blkio Device bytes usage") \
M(CONTAINER_CPU_CFS_PERIODS_TOTAL, "container_cpu_cfs_periods_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Number of elapsed enforcement period intervals.") \
M(CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL, "container_cpu_cfs_throttled_periods_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Number of throttled period intervals.") \
M(CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL, "container_cpu_cfs_throttled_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Total time duration the container has been throttled.") \
M(CONTAINER_CPU_SYSTEM_SECONDS_TOTAL, "container_cpu_system_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Cumulative system cpu time consumed in seconds.") \
M(CONTAINER_CPU_USAGE_SECONDS_TOTAL, "container_cpu_usage_seconds_total", COUNTER, CADVISOR, NONE, "container cpu id image name namespace pod", "Cumulative cpu time consumed in seconds.") \
M(CONTAINER_CPU_USER_SECONDS_TOTAL, "container_cpu_user_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Cumulative user cpu time consumed in seconds.") \
M(CONTAINER_FILE_DESCRIPTORS, "container_file_descriptors", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Number of open file descriptors for the container.") \
M(CONTAINER_FS_INODES_FREE, "container_fs_inodes_free", GAUGE, CADVISOR, NONE, "container device id image name namespace pod", "Number of available Inodes") \
M(CONTAINER_FS_INODES_TOTAL, "container_fs_inodes_total", GAUGE, CADVISOR, NONE, "container device id image name namespace pod", "Number of Inodes") \
M(CONTAINER_FS_IO_CURRENT, "container_fs_io_current", GAUGE, CADVISOR, NONE, "container device id image name namespace pod", "Number of I/Os currently in progress") \
M(CONTAINER_FS_IO_TIME_SECONDS_TOTAL, "container_fs_io_time_seconds_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of seconds spent doing I/Os") \
M(CONTAINER_FS_IO_TIME_WEIGHTED_SECONDS_TOTAL, "container_fs_io_time_weighted_seconds_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative weighted I/O time in seconds") \
M(CONTAINER_FS_LIMIT_BYTES, "container_fs_limit_bytes", GAUGE, CADVISOR, NONE, "container device id image name namespace pod", "Number of bytes that can be consumed by the container on this filesystem.") \
M(CONTAINER_FS_READ_SECONDS_TOTAL, "container_fs_read_seconds_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of seconds spent reading") \
M(CONTAINER_FS_READS_BYTES_TOTAL, "container_fs_reads_bytes_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of bytes read") \
M(CONTAINER_FS_READS_MERGED_TOTAL, "container_fs_reads_merged_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of reads merged") \
M(CONTAINER_FS_READS_TOTAL, "container_fs_reads_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of reads completed") \
M(CONTAINER_FS_SECTOR_READS_TOTAL, "container_fs_sector_reads_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of sector reads completed") \
M(CONTAINER_FS_SECTOR_WRITES_TOTAL, "container_fs_sector_writes_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of sector writes completed") \
M(CONTAINER_FS_USAGE_BYTES, "container_fs_usage_bytes", GAUGE, CADVISOR, NONE, "container device id image name namespace pod", "Number of bytes that are consumed by the container on this filesystem.") \
M(CONTAINER_FS_WRITE_SECONDS_TOTAL, "container_fs_write_seconds_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of seconds spent writing") \
M(CONTAINER_FS_WRITES_BYTES_TOTAL, "container_fs_writes_bytes_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of bytes written") \
M(CONTAINER_FS_WRITES_MERGED_TOTAL, "container_fs_writes_merged_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of writes merged") \
M(CONTAINER_FS_WRITES_TOTAL, "container_fs_writes_total", COUNTER, CADVISOR, NONE, "container device id image name namespace pod", "Cumulative count of writes completed") \
M(CONTAINER_LAST_SEEN, "container_last_seen", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Last time a container was seen by the exporter") \
M(CONTAINER_MEMORY_CACHE, "container_memory_cache", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Number of bytes of page cache memory.") \
M(CONTAINER_MEMORY_FAILCNT, "container_memory_failcnt", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Number of memory usage hits limits") \
M(CONTAINER_MEMORY_FAILURES_TOTAL, "container_memory_failures_total", COUNTER, CADVISOR, NONE, "container failure_type id image name namespace pod scope", "Cumulative count of memory allocation failures.") \
M(CONTAINER_MEMORY_KERNEL_USAGE, "container_memory_kernel_usage", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Size of kernel memory allocated in bytes.") \
M(CONTAINER_MEMORY_MAPPED_FILE, "container_memory_mapped_file", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Size of memory mapped files in bytes.") \
M(CONTAINER_MEMORY_MAX_USAGE_BYTES, "container_memory_max_usage_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Maximum memory usage recorded in bytes") \
M(CONTAINER_MEMORY_RSS, "container_memory_rss", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Size of RSS in bytes.") \
M(CONTAINER_MEMORY_SWAP, "container_memory_swap", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Container swap usage in bytes.") \
M(CONTAINER_MEMORY_TOTAL_ACTIVE_FILE_BYTES, "container_memory_total_active_file_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Current total active file in bytes.") \
M(CONTAINER_MEMORY_TOTAL_INACTIVE_FILE_BYTES, "container_memory_total_inactive_file_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Current total inactive file in bytes.") \
M(CONTAINER_MEMORY_USAGE_BYTES, "container_memory_usage_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Current memory usage in bytes, including all memory regardless of when it was accessed") \
M(CONTAINER_MEMORY_WORKING_SET_BYTES, "container_memory_working_set_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Current working set in bytes.") \
M(CONTAINER_NETWORK_RECEIVE_BYTES_TOTAL, "container_network_receive_bytes_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of bytes received") \
M(CONTAINER_NETWORK_RECEIVE_ERRORS_TOTAL, "container_network_receive_errors_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of errors encountered while receiving") \
M(CONTAINER_NETWORK_RECEIVE_PACKETS_DROPPED_TOTAL, "container_network_receive_packets_dropped_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of packets dropped while receiving") \
M(CONTAINER_NETWORK_RECEIVE_PACKETS_TOTAL, "container_network_receive_packets_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of packets received") \
M(CONTAINER_NETWORK_TRANSMIT_BYTES_TOTAL, "container_network_transmit_bytes_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of bytes transmitted") \
M(CONTAINER_NETWORK_TRANSMIT_ERRORS_TOTAL, "container_network_transmit_errors_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of errors encountered while transmitting") \
M(CONTAINER_NETWORK_TRANSMIT_PACKETS_DROPPED_TOTAL, "container_network_transmit_packets_dropped_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of packets dropped while transmitting") \
M(CONTAINER_NETWORK_TRANSMIT_PACKETS_TOTAL, "container_network_transmit_packets_total", COUNTER, CADVISOR, NONE, "container id image interface name namespace pod", "Cumulative count of packets transmitted") \
M(CONTAINER_OOM_EVENTS_TOTAL, "container_oom_events_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Count of out of memory events observed for the container") \
M(CONTAINER_PRESSURE_CPU_STALLED_SECONDS_TOTAL, "container_pressure_cpu_stalled_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Total time duration no tasks in the container could make progress due to CPU congestion.") \
M(CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL, "container_pressure_cpu_waiting_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Total time duration tasks in the container have waited due to CPU congestion.") \
M(CONTAINER_PRESSURE_IO_STALLED_SECONDS_TOTAL, "container_pressure_io_stalled_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Total time duration no tasks in the container could make progress due to IO congestion.") \
M(CONTAINER_PRESSURE_IO_WAITING_SECONDS_TOTAL, "container_pressure_io_waiting_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Total time duration tasks in the container have waited due to IO congestion.") \
M(CONTAINER_PRESSURE_MEMORY_STALLED_SECONDS_TOTAL, "container_pressure_memory_stalled_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Total time duration no tasks in the container could make progress due to memory congestion.") \
M(CONTAINER_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL, "container_pressure_memory_waiting_seconds_total", COUNTER, CADVISOR, NONE, "container id image name namespace pod", "Total time duration tasks in the container have waited due to memory congestion.") \
M(CONTAINER_PROCESSES, "container_processes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Number of processes running inside the container.") \
M(CONTAINER_SCRAPE_ERROR, "container_scrape_error", GAUGE, CADVISOR, NONE, "", "1 if there was an error while getting container metrics, 0 otherwise") \
M(CONTAINER_SOCKETS, "container_sockets", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Number of open sockets for the container.") \
M(CONTAINER_SPEC_CPU_PERIOD, "container_spec_cpu_period", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "CPU period of the container.") \
M(CONTAINER_SPEC_CPU_QUOTA, "container_spec_cpu_quota", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "CPU quota of the container.") \
M(CONTAINER_SPEC_CPU_SHARES, "container_spec_cpu_shares", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "CPU share of the container.") \
M(CONTAINER_SPEC_MEMORY_LIMIT_BYTES, "container_spec_memory_limit_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Memory limit for the container.") \
M(CONTAINER_SPEC_MEMORY_RESERVATION_LIMIT_BYTES, "container_spec_memory_reservation_limit_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Memory reservation limit for the container.") \
M(CONTAINER_SPEC_MEMORY_SWAP_LIMIT_BYTES, "container_spec_memory_swap_limit_bytes", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Memory swap limit for the container.") \
M(CONTAINER_START_TIME_SECONDS, "container_start_time_seconds", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Start time of the container since unix epoch in seconds.") \
M(CONTAINER_THREADS, "container_threads", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Number of threads running inside the container") \
M(CONTAINER_THREADS_MAX, "container_threads_max", GAUGE, CADVISOR, NONE, "container id image name namespace pod", "Maximum number of threads allowed inside the container, infinity if value is zero") \
M(CONTAINER_ULIMITS_SOFT, "container_ulimits_soft", GAUGE, CADVISOR, NONE, "container id image name namespace pod ulimit", "Soft ulimit values for the container root process. Unlimited if -1, except priority and nice") \
M(MACHINE_CPU_CORES, "machine_cpu_cores", GAUGE, CADVISOR, NONE, "boot_id machine_id system_uuid", "Number of logical CPU cores.") \
M(MACHINE_CPU_PHYSICAL_CORES, "machine_cpu_physical_cores", GAUGE, CADVISOR, NONE, "boot_id machine_id system_uuid", "Number of physical CPU cores.") \
M(MACHINE_CPU_SOCKETS, "machine_cpu_sockets", GAUGE, CADVISOR, NONE, "boot_id machine_id system_uuid", "Number of CPU sockets.") \
M(MACHINE_MEMORY_BYTES, "machine_memory_bytes", GAUGE, CADVISOR, NONE, "boot_id machine_id system_uuid", "Amount of memory installed on the machine.") \
M(MACHINE_SCRAPE_ERROR, "machine_scrape_error", GAUGE, CADVISOR, NONE, "", "1 if there was an error while getting machine metrics, 0 otherwise.") \
M(MACHINE_SWAP_BYTES, "machine_swap_bytes", GAUGE, CADVISOR, NONE, "boot_id machine_id system_uuid", "Amount of swap memory available on the machine.") \
M(RESOURCE_CONTAINER_CPU_USAGE_SECONDS_TOTAL, "container_cpu_usage_seconds_total", COUNTER, RESOURCE, NONE, "container namespace pod", "[STABLE] Cumulative cpu time consumed by the container in core-seconds") \
M(RESOURCE_CONTAINER_MEMORY_WORKING_SET_BYTES, "container_memory_working_set_bytes", GAUGE, RESOURCE, NONE, "container namespace pod", "[STABLE] Current working set of the container in bytes") \
M(RESOURCE_CONTAINER_START_TIME_SECONDS, "container_start_time_seconds", GAUGE, RESOURCE, NONE, "container namespace pod", "[STABLE] Start time of the container since unix epoch in seconds") \
M(RESOURCE_CONTAINER_SWAP_LIMIT_BYTES, "container_swap_limit_bytes", GAUGE, RESOURCE, NONE, "container namespace pod", "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems") \
M(RESOURCE_CONTAINER_SWAP_USAGE_BYTES, "container_swap_usage_bytes", GAUGE, RESOURCE, NONE, "container namespace pod", "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems") \
M(RESOURCE_NODE_CPU_USAGE_SECONDS_TOTAL, "node_cpu_usage_seconds_total", COUNTER, RESOURCE, NONE, "", "[STABLE] Cumulative cpu time consumed by the node in core-seconds") \
M(RESOURCE_NODE_MEMORY_WORKING_SET_BYTES, "node_memory_working_set_bytes", GAUGE, RESOURCE, NONE, "", "[STABLE] Current working set of the node in bytes") \
M(RESOURCE_NODE_SWAP_USAGE_BYTES, "node_swap_usage_bytes", GAUGE, RESOURCE, NONE, "", "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems") \
M(RESOURCE_POD_CPU_USAGE_SECONDS_TOTAL, "pod_cpu_usage_seconds_total", COUNTER, RESOURCE, NONE, "namespace pod", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds") \
M(RESOURCE_POD_MEMORY_WORKING_SET_BYTES, "pod_memory_working_set_bytes", GAUGE, RESOURCE, NONE, "namespace pod", "[STABLE] Current working set of the pod in bytes") \
M(RESOURCE_POD_SWAP_USAGE_BYTES, "pod_swap_usage_bytes", GAUGE, RESOURCE, NONE, "namespace pod", "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems") \
M(RESOURCE_RESOURCE_SCRAPE_ERROR, "resource_scrape_error", GAUGE, RESOURCE, NONE, "", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise") \
M(RESOURCE_SCRAPE_ERROR, "scrape_error", GAUGE, RESOURCE, NONE, "", "[ALPHA] 1 if there was an error while getting container metrics, 0 otherwise") \
M(PROBER_PROBE_DURATION_SECONDS, "prober_probe_duration_seconds", HISTOGRAM, PROBES, DEFAULT, "container namespace pod probe_type", "[ALPHA] Duration in seconds for a probe response.") \
M(PROBER_PROBE_TOTAL, "prober_probe_total", COUNTER, PROBES, NONE, "container namespace pod pod_uid probe_type result", "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.") \
M(PROBES_PROCESS_START_TIME_SECONDS, "process_start_time_seconds", GAUGE, PROBES, NONE, "", "[ALPHA] Start time of the process since unix epoch in seconds.") \
M(KUBERNETES_HEALTHCHECK, "kubernetes_healthcheck", GAUGE, SLIS, NONE, "name type", "[STABLE] This metric records the result of a single healthcheck.") \
M(KUBERNETES_HEALTHCHECKS_TOTAL, "kubernetes_healthchecks_total", COUNTER, SLIS, NONE, "name status type", "[STABLE] This metric records the results of all healthcheck.")
// clang-format on
