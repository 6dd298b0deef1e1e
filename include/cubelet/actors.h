/* actors.h - every actor class; one row of the picture in docs/architecture.md each. */
#pragma once
#include "cubelet/actor.h"

extern const actor_class_t manifest_watcher_class;
extern const actor_class_t url_watcher_class;
extern const actor_class_t pod_manager_class;
extern const actor_class_t pod_worker_class;
extern const actor_class_t runtime_class;
extern const actor_class_t runtime_watcher_class;
extern const actor_class_t image_puller_class;
extern const actor_class_t volume_manager_class;
extern const actor_class_t probe_manager_class;
extern const actor_class_t event_recorder_class;
extern const actor_class_t resource_manager_class;
extern const actor_class_t eviction_manager_class;
extern const actor_class_t image_gc_class;
extern const actor_class_t oom_watcher_class;
extern const actor_class_t server_class;
extern const actor_class_t status_reporter_class;
extern const actor_class_t api_client_class;
extern const actor_class_t stats_provider_class;
extern const actor_class_t lease_keeper_class;
extern const actor_class_t log_rotator_class;
extern const actor_class_t garbage_collector_class;
extern const actor_class_t api_watcher_class;
extern const actor_class_t token_manager_class;
extern const actor_class_t node_reporter_class;
extern const actor_class_t certificate_manager_class;
extern const actor_class_t csi_manager_class;
extern const actor_class_t shutdown_manager_class;
