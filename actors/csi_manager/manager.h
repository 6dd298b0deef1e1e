/* manager.h - the state of the CSI manager, shared by its files.

   csi_manager.c  the class, messages
   registry.c     which sockets are in plugins_registry/
   plugin.c       registration of the plugin behind a socket
   node_object.c  CSINode and Node as a registered driver wants them
   link.c         gRPC calls to a plugin
   operation.c    one operation at a time for a volume
   mount.c        MSG_CSI_MOUNT: stage and publish
   expand.c       ... and grow
   stats.c        MSG_CSI_STATS: what drivers say of their volumes
   device.c       what is published as a device, mapped for the pod
   unmount.c      MSG_CSI_UNMOUNT: unpublish, and unstaging of what nobody uses
   in_use.c       the Node's volumesInUse
   volume_data.c  vol_data.json, which tells a new incarnation what is there */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/askers.h"
#include "cubelet/backoff.h"
#include "cubelet/csi_places.h"
#include "cubelet/file_read.h"
#include <czmq.h>

#define CSI_TIMEOUT_MS 120000 // upstream's of every call

typedef struct plugin plugin_t;
typedef struct link link_t;

typedef struct manager manager_t;

/* What CSINode and Node are to say of a driver on this node. */
typedef struct node_entry node_entry_t;
typedef void node_entry_fn (void *context, const fault_t *fault);
struct node_entry {
    manager_t *manager;
    const char *driver; // NULL: only that there is a CSINode
    const node_t *info; // NodeGetInfoResponse; NULL: nothing any more
    node_entry_fn *done;
    void *context;
    tree_t *node; // the Node object
};

struct manager {
    actor_t *actor;
    char *root_dir;
    char *node_name;
    char *boot_id;  // of the machine
    char *registry; // ROOT/plugins_registry
    int inotify;
    uint64_t scan_timer, sweep_timer;
    zhashx_t *plugins;    // plugin_t by the path of its socket
    zhashx_t *drivers;    // plugin_t by driver name, borrowed: those that can be used
    zlistx_t *operations; // operation_t
    node_entry_t begun;   // the CSINode before any driver
    backoff_t begun_backoff;
    uint64_t begun_timer;
    zhashx_t *sizes; // int64_t bytes that a volume is known to have here, by operation_t's key
    zhashx_t *stats; // known_t of stats.c
    askers_t *stats_askers;
    uint64_t stats_timer;
    link_t *links;    // all, also those that only wait for their last call
    bool is_stopping; // nobody is answered any more
};

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
    bool is_in_api;          // CSINode may name the driver because of this plugin
    backoff_t backoff;
    uint64_t timer;
    link_t *registrar, *link;
    char *name; // of the driver
    unsigned abilities;
    tree_t *info; // NodeGetInfoResponse
    node_entry_t entry;
};

/* The driver of that name that can be used, or NULL with a fault
   "driver name X not found in the list of registered CSI drivers". */
plugin_t *driver_find (manager_t *self, const char *name, fault_t *fault);

// ---- node_object.c ----

/* Brings CSINode and Node up to date, and calls `done`. One at a time for an entry, which is the
   caller's and stays where it is meanwhile. */
void node_entry_update (node_entry_t *self);

/* Sees to it that there is a CSINode, and tries until there is. */
void csi_node_make (manager_t *self);

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
    CALL_STATS,
} call_kind_t;

/* The answer, or a fault whose text is "rpc error: code = ... desc = ...". */
typedef void link_done_fn (void *context, const node_t *reply, const fault_t *fault);

/* Connects when first needed. `endpoint` as grpc_options_t's; `driver` (NULL: none) is whose calls
   are counted. Owned; NULL with a fault. */
link_t *link_new (manager_t *manager, const char *endpoint, const char *driver, fault_t *fault);

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
    char *key;          // "DRIVER^HANDLE"
    const char *in_use; // name of a volume that is to be attached for it; NULL: none
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

/* The same for one volume, of which driver, handle, name and is_block are needed. */
void unstage_if_unused (manager_t *self, const csi_volume_t *volume);

/* True when a pod's note names the volume. */
bool volume_has_users (manager_t *manager, const csi_volume_t *volume);

/* Removes what stands on disk of a volume that is not staged, and its note. Returns 0 or -1. */
int stage_forget (manager_t *manager, const csi_volume_t *volume, fault_t *fault);

// ---- device.c ----

/* Maps a device that is published: a bind mount of it that is locked by a loop device, so that no
   other device takes its place while containers use it, and the link that containers are given.
   Doing it again changes nothing. Returns 0, or -1 with a fault. */
int device_map (const csi_places_t *places, fault_t *fault);

/* Takes away what device_map has made; the device itself is the driver's. */
int device_unmap (const csi_places_t *places, fault_t *fault);

/* Removes the directories of a PersistentVolume of which nothing is published or staged any more;
   its note has been removed. */
int device_forget (const char *root, const char *name, fault_t *fault);

// ---- stats.c ----

actor_handle_fn on_csi_stats;

/* The table of what is known; zhashx_destroy forgets it. */
zhashx_t *stats_new (void);

// ---- in_use.c ----

/* Tells the node-reporter which volumes drivers have, or may have, on this node. */
void in_use_tell (manager_t *self);

// ---- volume_data.c ----

/* How far a volume has come, as its note says. */
typedef enum {
    VOLUME_UNKNOWN, // the driver was asked, and nobody knows how that ended
    VOLUME_ABSENT,  // it has certainly not been published, or staged
    VOLUME_DONE,    // it has, in this boot of the machine
} volume_state_t;

/* A vol_data.json. */
typedef struct {
    csi_volume_t
        volume; // pod_uid ("" when it is the one of the staging), name, driver, handle, is_block
    bool is_persistent; // of a PersistentVolume
    bool is_attached;   // a controller has attached it
    volume_state_t state;
} volume_data_t;

/* Notes the volume in `directory`, of csi_places. Returns 0 or -1. */
int volume_data_write (const manager_t *manager, const char *directory, const csi_volume_t *volume,
                       bool is_attached, volume_state_t state, fault_t *fault);

/* Reads a note; texts are in `tree`. Returns 0, or -1 with FAULT_NOT_FOUND without one. */
int volume_data_read (const manager_t *manager, const char *directory, tree_t *tree,
                      volume_data_t *out, fault_t *fault);

/* Forgets the volume: what is at `inner`, an empty directory or a file; the note; and the note's
   directory. Returns 0, or -1 with a fault when something is still in there or mounted. */
int volume_data_remove (const char *directory, const char *inner, fault_t *fault);

/* Calls `each` for all notes of one pod, of all pods, or of the staging. What cannot be read is
   passed over with a line in the log. */
typedef void volume_data_fn (void *context, const volume_data_t *data);
void volume_data_each_of_pod (const manager_t *manager, const char *uid, volume_data_fn *each,
                              void *context);
void volume_data_each_of_pods (const manager_t *manager, volume_data_fn *each, void *context);
void volume_data_each_staged (const manager_t *manager, volume_data_fn *each, void *context);
