/* object_read.h - one API object that is read when pods are synced, instead of being watched: a
   claim with the volume that it is bound to, and with the change detection Cache or Get each
   ConfigMap and Secret. For object_entry.c. */
#pragma once
#include "api_watcher.h"

typedef struct object_read object_read_t;

typedef struct {
    watcher_t *watcher;
    const char *kind;             // static; also in the checkpoint
    const char *key;              // "NAMESPACE/NAME"
    const char *path;             // of the object
    change_detection_t detection; // how long what was read counts
    bool has_volume;              // its PersistentVolume is read, too

    /* A reading that somebody waited for has ended. Called from the loop; must not free. */
    void (*on_read) (void *context, bool is_news);
    void *context;
} object_read_options_t;

/* Reads nothing yet. Owned; texts are copied. */
object_read_t *object_read_new (const object_read_options_t *options);
void object_read_destroy (object_read_t **self_p);

/* A pod that refers to it is synced; `is_new`: it did not refer to it before. */
void object_read_refresh (object_read_t *self, bool is_new);

/* True when what is known counts: it was read, and is not being read for somebody who waits. */
bool object_read_is_known (const object_read_t *self);

/* NULL: there is none. Borrowed. */
const node_t *object_read_object (const object_read_t *self);
const node_t *object_read_volume (const object_read_t *self);

/* Why it could not be read; NULL: it could. */
const char *object_read_error (const object_read_t *self);
