/* shutdown_manager.h - what the files of this actor share. Private to actors/shutdown_manager/.

     shutdown_manager.c  the class: what logind says, who is told of it, the state file
     ending.c            ending the pods, one group after the other */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/logind.h"
#include "cubelet/node_shutdown.h"

typedef struct {
    actor_t *actor;
    tree_t *args; // texts are borrowed from it
    const char *node_name;
    const node_t *periods; // node_shutdown_periods
    logind_t *logind;
    bool is_shutting_down;
    int64_t started_ns; // of the last shutdown; 0: none
    int64_t ended_ns;

    // ---- ending.c ----
    tree_t *plan;       // node_shutdown_plan; NULL: the pods are not known yet
    size_t group;       // which of it ends
    bool is_unmounting; // its pods have stopped, their volumes go
    size_t waiting;     // answers to come
    int64_t round;      // of questions; answers to older ones count for nothing
    uint64_t timer;     // the group's end, or the next try
} shutdown_manager_t;

/* All is done that could be: the node may go down. */
void shutdown_over (shutdown_manager_t *self);

// ---- ending.c ----

/* Begins with the pods that there are. */
void ending_start (shutdown_manager_t *self);

/* Stops where it is: the node does not go down after all. */
void ending_stop (shutdown_manager_t *self);

/* The pod manager is new: the pods that are being ended are named to it again. */
void ending_again (shutdown_manager_t *self);
