/* objects.c - the API objects that pods refer to, each followed for as long as a pod refers to it.

   ConfigMaps and Secrets are listed and watched one by one, as upstream's strategy Watch does; the
   watch of an immutable one is ended. With Cache and Get they are read at an OBJECT_WATCH, which
   comes with every sync of a pod (object_cache.h). RuntimeClasses come from the list of all. Claims
   and their volumes are read at each OBJECT_WATCH.

   A worker is told when everything it refers to is known. Known is also what could not be read
   within a second: upstream's sync of a pod waits that long for its ConfigMaps and Secrets. */
#include "api_watcher.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "object_entry.h"

/* A worker that ended and has not come back by then is gone for good. */
#define RELEASE_MS (60 * 1000)

/* A worker and what its pod refers to. */
typedef struct {
    objects_t *owner;
    char *uid, *worker;
    zlistx_t *entries; // object_entry_t, borrowed, in the order of the refs
    bool is_waiting;   // not told since it asked
    uint64_t release_timer;
} user_t;

struct objects {
    watcher_t *watcher;
    zhashx_t *entries; // object_entry_t by key
    zhashx_t *users;   // user_t by the pod's UID
};

// ---- telling ----

static bool
knows_all (user_t *user)
{
    for (object_entry_t *entry = zlistx_first (user->entries); entry;
         entry = zlistx_next (user->entries))
        if (!object_entry_is_known (entry))
            return false;
    return true;
}

static void
tell (user_t *user)
{
    if (zlistx_size (user->entries) == 0 || !knows_all (user))
        return;
    user->is_waiting = false;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t rows = node_array(), body = node_map();
    for (object_entry_t *entry = zlistx_first (user->entries); entry;
         entry = zlistx_next (user->entries))
        node_append (tree, &rows, object_entry_row (entry, tree));
    node_set (tree, &body, "objects", rows);
    actor_send (user->owner->watcher->actor, user->worker, MSG_OBJECT_STATE, &body);
}

/* What is no news is told to those who wait for it. */
static void
on_entry_changed (void *context, const object_entry_t *entry, bool is_news)
{
    objects_t *self = context;
    for (user_t *user = zhashx_first (self->users); user; user = zhashx_next (self->users))
        if ((is_news || user->is_waiting) && zlistx_find (user->entries, (void *) entry))
            tell (user);
}

void
objects_runtime_classes_changed (objects_t *self)
{
    for (object_entry_t *entry = zhashx_first (self->entries); entry;
         entry = zhashx_next (self->entries))
        if (object_entry_is_runtime_class (entry))
            on_entry_changed (self, entry, true);
}

// ---- who refers to what ----

static char *
key_of (const node_t *ref)
{
    return text_format ("%s/%s/%s", node_get_text (ref, "kind", ""),
                        node_get_text (ref, "namespace", ""), node_get_text (ref, "name", ""));
}

static void
destroy_user (void **self_p)
{
    user_t *self = *self_p;
    actor_timer_cancel (self->owner->watcher->actor, &self->release_timer);
    zlistx_destroy (&self->entries);
    free (self->uid);
    free (self->worker);
    free (self);
    *self_p = NULL;
}

static void
destroy_entry (void **self_p)
{
    object_entry_t *entry = *self_p;
    object_entry_destroy (&entry);
    *self_p = NULL;
}

static bool
is_used (objects_t *self, const object_entry_t *entry)
{
    for (user_t *user = zhashx_first (self->users); user; user = zhashx_next (self->users))
        if (zlistx_find (user->entries, (void *) entry))
            return true;
    return false;
}

/* Stops following what no pod refers to any more. */
static void
drop_unused (objects_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *keys = zhashx_keys (self->entries);
    for (const char *key = zlistx_first (keys); key; key = zlistx_next (keys))
        if (!is_used (self, zhashx_lookup (self->entries, key)))
            zhashx_delete (self->entries, key);
}

static void
release (objects_t *self, const char *uid)
{
    zhashx_delete (self->users, uid);
    drop_unused (self);
}

static object_entry_t *
entry_of (objects_t *self, const node_t *ref)
{
    OWNED (free_text) char *key = key_of (ref);
    object_entry_t *entry = zhashx_lookup (self->entries, key);
    if (!entry) {
        entry = object_entry_new (self->watcher, ref, on_entry_changed, self);
        zhashx_insert (self->entries, key, entry);
    }
    return entry;
}

static user_t *
user_of (objects_t *self, const char *uid)
{
    user_t *user = zhashx_lookup (self->users, uid);
    if (!user) {
        user = memory_new (1, sizeof *user);
        user->owner = self;
        user->uid = text_copy (uid);
        user->entries = zlistx_new();
        zhashx_insert (self->users, uid, user);
    }
    return user;
}

/* Makes `refs` what the user refers to. */
static void
set_refs (objects_t *self, user_t *user, const node_t *refs)
{
    OWNED (zlistx_destroy) zlistx_t *before = user->entries;
    user->entries = zlistx_new();
    NODE_EACH (refs, ref)
    {
        object_entry_t *entry = entry_of (self, ref);
        if (zlistx_find (user->entries, entry))
            continue;
        zlistx_add_end (user->entries, entry);
        object_entry_refresh (entry, zlistx_find (before, entry) == NULL);
    }
    drop_unused (self);
}

int
objects_on_watch (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    objects_t *self = ((watcher_t *) state)->objects;
    const char *uid = node_get_text (message->body, "uid", "");
    const node_t *refs = node_get (message->body, "refs");
    if (node_count (refs) == 0) {
        release (self, uid);
        return 0;
    }
    user_t *user = user_of (self, uid);
    text_replace (&user->worker, "%s", message->from);
    actor_timer_cancel (self->watcher->actor, &user->release_timer);
    user->is_waiting = true;
    set_refs (self, user, refs);
    tell (user);
    return 0;
}

static void
release_due (void *state, void *context)
{
    user_t *user = context;
    OWNED (free_text) char *uid = text_copy (user->uid);
    user->release_timer = 0;
    release (((watcher_t *) state)->objects, uid);
}

/* A worker that was started anew asks again at once. */
int
objects_on_actor_down (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    objects_t *self = ((watcher_t *) state)->objects;
    const char *name = node_get_text (message->body, "name", "");
    for (user_t *user = zhashx_first (self->users); user; user = zhashx_next (self->users))
        if (streq (user->worker, name) && !user->release_timer)
            user->release_timer = actor_timer (self->watcher->actor, RELEASE_MS, release_due, user);
    return 0;
}

void
objects_hurry (objects_t *self)
{
    for (object_entry_t *entry = zhashx_first (self->entries); entry;
         entry = zhashx_next (self->entries))
        object_entry_hurry (entry);
}

// ---- life ----

objects_t *
objects_new (watcher_t *watcher)
{
    objects_t *self = memory_new (1, sizeof *self);
    self->watcher = watcher;
    self->entries = zhashx_new();
    zhashx_set_destructor (self->entries, destroy_entry);
    self->users = zhashx_new();
    zhashx_set_destructor (self->users, destroy_user);
    return self;
}

void
objects_destroy (objects_t **self_p)
{
    objects_t *self = *self_p;
    if (!self)
        return;
    zhashx_destroy (&self->users);
    zhashx_destroy (&self->entries);
    free (self);
    *self_p = NULL;
}
