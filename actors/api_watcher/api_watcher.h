/* api_watcher.h - what the files of the api-watcher share. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/api_connection.h"
#include "cubelet/object_cache.h"
#include "list_watch.h"
#include <czmq.h>

typedef struct watcher watcher_t;
typedef struct objects objects_t;

struct watcher {
    actor_t *actor;
    api_connection_t *connection;
    char *node_name;
    bool streams; // lists come as streams where the server has them
    change_detection_t detection;
    list_watch_t *node;
    list_watch_t *pods; // NULL until the Node has been read once
    list_watch_t *services;
    zlistx_t *service_askers; // who asked before they were known
    list_watch_t *runtime_classes;
    objects_t *objects;
    keeper_t *keeper; // NULL: nothing is kept on disk
    uint64_t repeat_timer, sweep_timer;
};

// ---- pods.c ----

/* Starts to follow the pods of this node; does nothing when it is done already. */
void pods_start (watcher_t *self);

/* Tells the pod-manager all pods, as soon as they are known. */
void pods_send_all (watcher_t *self);

/* Forgets on disk what none of the pods needs, if it is the API server's word that counts. */
void pods_sweep (watcher_t *self);

// ---- cluster.c: the Node, Services and RuntimeClasses ----

void cluster_start (watcher_t *self);
void cluster_stop (watcher_t *self);

/* Tells `to` (NULL: everybody who needs it) what the API server has as our Node. */
void node_send (watcher_t *self, const char *to);

/* How long a ConfigMap or Secret that was read counts (object_ttl_ms). */
int64_t cluster_object_ttl_ms (watcher_t *self);

actor_handle_fn cluster_on_service_list;

// ---- objects.c: the objects that pods refer to ----

objects_t *objects_new (watcher_t *watcher);
void objects_destroy (objects_t **self_p);

actor_handle_fn objects_on_watch, objects_on_actor_down;

/* The RuntimeClasses have changed. */
void objects_runtime_classes_changed (objects_t *self);

/* Credentials have changed: what waits after a failure is tried at once. */
void objects_hurry (objects_t *self);
