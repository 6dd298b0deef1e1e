/* background.h - work that may hang in the kernel (a stat on a file server that is dead), done one
   after the other on a thread beside the actor's. Belongs to the actor's thread.

   The thread is there only while there is work. Should it hang, nobody waits for it: not who
   forgets the queue, nor the actor's end. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/fault.h"

typedef struct background background_t;

typedef struct {
    /* Does the work, on the other thread, with nothing but `data`. Returns 0 or -1 with a fault. */
    int (*run) (void *data, fault_t *fault);
    void *data;                   // memory of its own
    void (*destroy) (void *data); // frees it, on either thread
    /* The end, on the actor's loop; `fault` is NULL when it went well. */
    void (*done) (void *context, const fault_t *fault);
    void *context;
} background_work_t;

/* A queue without work. NULL with FAULT_UNAVAILABLE. Owned. */
background_t *background_new (actor_t *actor, fault_t *fault);

/* Adds work, takes its data. `done` is called once, later; not when the queue is destroyed before.
 */
void background_add (background_t *self, const background_work_t *work);

/* Forgets the queue, sets *self_p to NULL; work that has not begun is not done any more. From
   within `done` too. */
void background_destroy (background_t **self_p);
