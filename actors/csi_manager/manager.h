/* manager.h - the state of the CSI manager, shared by its files.

   csi_manager.c  the class, messages
   registry.c     which sockets are in plugins_registry/
   plugin.c       registration of the plugin behind a socket
   node_object.c  CSINode and Node as a registered driver wants them
   link.c         gRPC calls to a plugin
   operation.c    one operation at a time for a volume
   mount.c        MSG_CSI_MOUNT: stage and publish
   unmount.c      MSG_CSI_UNMOUNT: unpublish, and unstaging of what nobody uses
   in_use.c       the Node's volumesInUse
   volume_data.c  vol_data.json, which tells a new incarnation what is there */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/backoff.h"
#include "cubelet/csi.h"
#include "cubelet/file_read.h"
#include <czmq.h>

#define CSI_TIMEOUT_MS 120000 // upstream's of every call

typedef struct plugin plugin_t;
typedef struct link link_t;

typedef struct {
    actor_t *actor;
    char *root_dir;
    char *node_name;
    char *registry; // ROOT/plugins_registry
    int inotify;
    uint64_t scan_timer, sweep_timer;
    zhashx_t *plugins;    // plugin_t by the path of its socket
    zhashx_t *drivers;    // plugin_t by driver name, borrowed: those that can be used
    zlistx_t *operations; // operation_t
    link_t *links;        // all, also those that only wait for their last call
    bool is_stopping;     // nobody is answered any more
} manager_t;

// ---- registry.c ----

/* Begins to watch the directory; what is there already is found. Returns 0 or -1. */
int registry_start (manager_t *self, fault_t *fault);
void registry_stop (manager_t *self);

// ---- plugin.c ----

/* The table of plugins; zhashx_destroy closes them all. */
zhashx_t *plugins_new (void);

/* The socket is there, in this state; or it is gone (all zero). */
void plugin_seen (manager_t *self, const char *socket, const file_stamp_t *stamp);

struct plugin {
    manager_t *manager;
    char *socket;
    file_stamp_t seen;       // all zero: the socket is gone
    file_stamp_t registered; // the state that is registered; all zero: none
    file_stamp_t trying;     // the state that is being registered
    bool is_busy;            // a step is under way
    bool is_removing;        // ... of the end
    bool is_in_api;          // CSINode may name the driver because of this plugin
    backoff_t backoff;
    uint64_t timer;
    link_t *registrar, *link;
    char *name; // of the driver
    unsigned abilities;
    tree_t *info, *node; // NodeGetInfoResponse, the Node object
};

/* The driver of that name that can be used, or NULL with a fault
   "driver name X not found in the list of registered CSI drivers". */
plugin_t *driver_find (manager_t *self, const char *name, fault_t *fault);

// ---- node_object.c ----

typedef void node_object_fn (plugin_t *plugin, const fault_t *fault);

/* Brings CSINode and Node up to date with the plugin's info, or without it when the plugin is being
   removed, and calls `done`. One at a time for a plugin. */
void node_object_update (plugin_t *plugin, node_object_fn *done);

// ---- link.c ----

typedef enum {
    CALL_GET_INFO,
    CALL_NOTIFY,
    CALL_NODE_INFO,
    CALL_NODE_ABILITIES,
    CALL_STAGE,
    CALL_UNSTAGE,
    CALL_PUBLISH,
    CALL_UNPUBLISH,
    CALL_EXPAND,
} call_kind_t;

/* The answer, or a fault whose text is "rpc error: code = ... desc = ...". */
typedef void link_done_fn (void *context, const node_t *reply, const fault_t *fault);

/* Connects when first needed. `endpoint` as grpc_options_t's. Owned; NULL with a fault. */
link_t *link_new (manager_t *manager, const char *endpoint, fault_t *fault);

/* Calls; `done` comes later, exactly once, also when the link is closed meanwhile. */
void link_call (link_t *self, call_kind_t kind, const node_t *request, link_done_fn *done,
                void *context);

/* Frees it when its last call has ended, and sets *self_p to NULL. */
void link_close (link_t **self_p);

/* At the end of the actor: frees all of them now, and nothing is called any more. */
void links_destroy (manager_t *manager);

// ---- operation.c ----

/* What is done with one volume of one driver; operations on the same volume wait for each other.
   The first member of what is really there. */
typedef struct operation operation_t;
struct operation {
    manager_t *manager;
    char *key; // "DRIVER^HANDLE"
    bool is_begun;
    void (*begin) (operation_t *self);
    void (*destroy) (operation_t *self); // frees all but the key
};

/* The table; zlistx_destroy gives all up. */
zlistx_t *operations_new (void);

/* Begins it when no other operation on the volume is under way, else when these have ended. Takes
   it; the key is made here. */
void operation_add (operation_t *self, const char *driver, const char *handle);

/* Ends and frees it, and begins the next one on the volume. */
void operation_end (operation_t *self);

/* True when another operation on the same volume exists. */
bool operation_has_others (const operation_t *self);

// ---- mount.c, unmount.c ----

actor_handle_fn on_csi_mount, on_csi_unmount;

/* Unstages every volume that is staged and that no pod on this node uses, and tries again while
   there is one that cannot be unstaged. */
void unstage_unused (manager_t *self);

/* The same for one volume. */
void unstage_if_unused (manager_t *self, const char *driver, const char *handle);

// ---- in_use.c ----

/* Tells the node-reporter which volumes drivers have, or may have, on this node. */
void in_use_tell (manager_t *self);

// ---- volume_data.c ----

/* A vol_data.json; texts live in the tree it was read into. */
typedef struct {
    const char *directory; // where it is
    const char *name;      // the last part of that
    const char *driver, *handle;
    bool is_persistent; // of a PersistentVolume
} volume_data_t;

/* Notes the volume in its pod's directory, or its driver and handle in the staging directory.
   Returns 0 or -1. */
int volume_data_write_pod (const char *directory, const csi_volume_t *volume, bool is_attached,
                           const char *node_name, fault_t *fault);
int volume_data_write_stage (const char *directory, const csi_volume_t *volume, fault_t *fault);

/* Forgets the volume: the note, and the directory with its empty sub-directory `inner`. Returns 0,
   or -1 with a fault when something is still in there or mounted. */
int volume_data_remove (const char *directory, const char *inner, fault_t *fault);

/* Calls `each` for the notes in all directories below `directory`; `levels` of directories lie
   above a note. What cannot be read is passed over with a line in the log. */
typedef void volume_data_fn (void *context, const volume_data_t *data);
void volume_data_each (const char *directory, int levels, volume_data_fn *each, void *context);

/* The same for the volumes of one pod, or of all pods when `uid` is NULL. */
void
volume_data_each_of_pods (const char *root, const char *uid, volume_data_fn *each, void *context);
