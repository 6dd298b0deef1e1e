/* objects.h - the ConfigMaps, Secrets and RuntimeClasses of the manifests, and the workers whose
   pods use them. */
#pragma once
#include "cubelet/actor.h"

typedef struct manifest_objects manifest_objects_t;

/* None, and nobody who wants any. Owned. */
manifest_objects_t *manifest_objects_new (actor_t *actor);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void manifest_objects_destroy (manifest_objects_t **self_p);

/* Takes the objects of all manifests, a list; who uses one that has changed, came or went gets
   OBJECT_STATE. */
void manifest_objects_set (manifest_objects_t *self, tree_t *objects);

/* A worker's OBJECT_WATCH: answers at once, and from now on after every change. */
void manifest_objects_watch (manifest_objects_t *self, const char *worker, const node_t *refs);

/* The worker of that name is not told any more; unknown names do nothing. */
void manifest_objects_forget (manifest_objects_t *self, const char *worker);
