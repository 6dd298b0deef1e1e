/* list_watch.h - a picture of some objects of the API server, kept true by list and watch: the
   requests around the rules of reflector.h, and the objects themselves. For api_watcher. */
#pragma once
#include "cubelet/api_connection.h"
#include "cubelet/reflector.h"
#include "cubelet/tree.h"
#include "keeper.h"

/* An object as it is kept: packed, since most are only looked at when they change. */
typedef struct {
    char *key; // "NAMESPACE/NAME", or "/NAME"
    char *uid, *version;
    int64_t first_ns; // when this UID was first seen, since 1970
    char *bytes;      // msgpack
    size_t size;
} stored_t;

/* The object; owned. */
tree_t *stored_object (const stored_t *self);

typedef struct list_watch list_watch_t;

/* Called from the actor's loop, never from within a function here. They must not call
   list_watch_destroy and list_watch_resume. */
typedef struct {
    /* A list is complete, the first or a later one, or it is assumed: every object may have
       changed. */
    void (*on_synced) (void *context);

    /* An event: what was kept before (NULL: nothing), what is kept now (NULL: it is deleted). */
    void (*on_changed) (void *context, const stored_t *before, const stored_t *now);

    /* It could not be listed; it is tried again. `code` is the HTTP status, 0: no answer. */
    void (*on_failed) (void *context, int code, const char *text);

    /* Changes the object before it is kept: takes out what nobody needs. May be NULL. */
    void (*trim) (tree_t *tree, node_t *object);
} list_watch_calls_t;

typedef struct {
    actor_t *actor;
    api_connection_t *connection;
    const char *path;     // "/api/v1/pods"; copied
    const char *selector; // a field selector, or NULL; copied
    reflector_limits_t limits;
    const list_watch_calls_t *calls; // static; each function may be NULL
    keeper_t *keeper;                // of the checkpoint; NULL: none
    const char *kept_kind;           // static; NULL: nothing of this is kept
    const char *kept_key;            // copied: the only object, or the one file that has all
    bool is_kept_whole;              // ... which it is
    void *context;
} list_watch_options_t;

/* Starts at once. Owned. */
list_watch_t *list_watch_new (const list_watch_options_t *options);
void list_watch_destroy (list_watch_t **self_p);

/* True once a list was complete, or while the checkpoint stands in for the API server. */
bool list_watch_is_synced (const list_watch_t *self);

/* True while what is known is the checkpoint's: no list has been complete yet. */
bool list_watch_is_assumed (const list_watch_t *self);

const stored_t *list_watch_get (const list_watch_t *self, const char *key);

/* Walks what is kept, in no order; NULL at the end. One walk at a time. */
const stored_t *list_watch_first (list_watch_t *self);
const stored_t *list_watch_next (list_watch_t *self);

/* Tries at once what waits after a failure. */
void list_watch_hurry (list_watch_t *self);

/* Stops asking, what is kept stays; and begins anew with a list. */
void list_watch_pause (list_watch_t *self);
void list_watch_resume (list_watch_t *self);
bool list_watch_is_paused (const list_watch_t *self);
