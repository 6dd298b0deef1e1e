/* manager.h - the state of the volume manager, shared by its files.

   volume_manager.c  the class, sub paths
   plugins.c         the kinds of volumes; each has a file
   setup.c           VOLUME_SETUP: all volumes of a pod, of which any may take its time
   known.c           which volumes pods have, for stats and metrics
   removal.c         VOLUME_TEARDOWN: unmounting, and deleting in slices */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/askers.h"
#include "users.h"
#include "volume_plugin.h"
#include <czmq.h>

typedef struct {
    actor_t *actor;
    volume_host_t host;
    char *real_root;    // root_dir without links, as mountinfo shows it
    tree_t *args;       // the facts borrow from it
    users_t *users;     // host ids of pods with a user namespace
    zhashx_t *setups;   // setup_t by pod uid, those under way
    zhashx_t *removals; // removal_t by pod uid
    zhashx_t *known;    // known.c
} manager_t;

/* FAULT_UNAVAILABLE while the pod's directory is on its way out, FAULT_INVALID for a bad uid. */
int check_not_removing (manager_t *self, const char *uid, fault_t *fault);

// ---- setup.c ----

actor_handle_fn on_volume_setup;

/* The table of set-ups under way; zhashx_destroy gives them all up. */
zhashx_t *volume_setups_new (void);

// ---- known.c ----

zhashx_t *known_volumes_new (void);

/* A job has ended, well or not. */
void known_volume_ended (manager_t *self, const volume_job_t *job, bool has_failed);

/* The removal of a pod's volumes that began then has ended. */
void known_volumes_removed (manager_t *self, const char *uid, int64_t began_ns, bool has_failed);

actor_handle_fn on_volume_list;

// ---- removal.c ----

actor_handle_fn on_volume_teardown;

/* Begins a removal that waited for the end of the pod's set-up; does nothing without one. */
void volume_removal_continue (manager_t *self, const char *uid);

zhashx_t *volume_removals_new (void);
