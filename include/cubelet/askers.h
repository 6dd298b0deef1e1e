/* askers.h - everybody who waits for one and the same answer, such as the end of a removal. */
#pragma once
#include "cubelet/actor.h"

typedef struct askers askers_t;

/* Nobody yet. Owned. */
askers_t *askers_new (void);

/* Frees *self_p and sets it to NULL; who still waits gets no answer from here. */
void askers_destroy (askers_t **self_p);

/* Notes who sent the request. */
void askers_add (askers_t *self, const message_t *request);

/* Answers all, in the order they asked, and forgets them; `body` and `fault` as actor_answer's. */
void askers_answer (askers_t *self, actor_t *actor, const node_t *body, const fault_t *fault);
