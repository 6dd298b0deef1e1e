/* object_entry.h - one API object that pods refer to, and how it is followed. For objects.c. */
#pragma once
#include "api_watcher.h"

typedef struct object_entry object_entry_t;

/* The object is known now, has changed, or cannot be read; `is_news` false: it was only read again,
   which somebody may have waited for. Called from the loop; must not free the entry. */
typedef void object_changed_fn (void *context, const object_entry_t *entry, bool is_news);

/* Starts to follow the object of a ref {kind namespace name}. Owned. */
object_entry_t *object_entry_new (watcher_t *watcher, const node_t *ref,
                                  object_changed_fn *on_changed, void *context);
void object_entry_destroy (object_entry_t **self_p);

/* True when there is something to tell: the object, that there is none, or why nobody knows. */
bool object_entry_is_known (const object_entry_t *self);

bool object_entry_is_runtime_class (const object_entry_t *self);

/* The row of OBJECT_STATE, in `tree`. */
node_t object_entry_row (const object_entry_t *self, tree_t *tree);

/* A worker asks (again); `is_new`: it did not refer to the object before. */
void object_entry_refresh (object_entry_t *self, bool is_new);

/* Tries at once what waits after a failure. */
void object_entry_hurry (object_entry_t *self);
