#include "object_entry.h"
#include "cubelet/memory.h"
#include "object_read.h"

/* A pod must not wait for the usual 0.8 s: the node authorizer often learns a moment after us that
   the pod is ours, and forbids until then. Watches last as long as upstream's for such objects. */
#define FIRST_WAIT_MS 100
#define WATCH_MIN_S 1800

#define KNOWN_AFTER_MS 1000

typedef struct {
    const char *kind;
    const char *api_version;
    const char *group;    // the path up to the namespace
    const char *resource; // in paths and in upstream's texts
    const char *singular;
    enum { BY_WATCH, BY_GET, FROM_ALL } way;
} kind_t;

static const kind_t KINDS[] = {
    { "ConfigMap", "v1", "/api/v1", "configmaps", "configmap", BY_WATCH },
    { "Secret", "v1", "/api/v1", "secrets", "secret", BY_WATCH },
    { "PersistentVolumeClaim", "v1", "/api/v1", "persistentvolumeclaims", "persistentvolumeclaim",
      BY_GET },
    { "RuntimeClass", "node.k8s.io/v1", "/apis/node.k8s.io/v1", "runtimeclasses", "runtimeclass",
      FROM_ALL },
};

struct object_entry {
    watcher_t *watcher;
    const kind_t *kind; // NULL: nobody knows such a kind
    char *kind_name, *ns, *name;
    object_changed_fn *on_changed;
    void *context;

    object_read_t *read; // claims, and all but RuntimeClasses with Cache and Get
    list_watch_t *watch; // the others of them
    uint64_t late_timer;
    bool is_late; // nothing came in time
    char *error;  // why, if anybody said
};

static const kind_t *
find_kind (const char *name)
{
    for (size_t i = 0; i < COUNT_OF (KINDS); i++)
        if (streq (KINDS[i].kind, name))
            return &KINDS[i];
    return NULL;
}

static char *
object_key (const object_entry_t *self)
{
    return text_format ("%s/%s", self->ns, self->name);
}

static void
changed (object_entry_t *self)
{
    self->on_changed (self->context, self, true);
}

static list_watch_t *
watch_of (const object_entry_t *self)
{
    bool is_of_all = self->kind && self->kind->way == FROM_ALL;
    return is_of_all ? self->watcher->runtime_classes : self->watch;
}

// ---- by list and watch ----

/* What does not change any more need not be watched. */
static void
pause_if_immutable (object_entry_t *self, const stored_t *stored)
{
    OWNED (tree_destroy) tree_t *object = stored_object (stored);
    if (node_get_bool (tree_root (object), "immutable", false))
        list_watch_pause (self->watch);
}

static void
on_synced (void *context)
{
    object_entry_t *self = context;
    const stored_t *stored = list_watch_first (self->watch);
    free_text (&self->error);
    actor_timer_cancel (self->watcher->actor, &self->late_timer);
    if (stored && !list_watch_is_assumed (self->watch))
        pause_if_immutable (self, stored);
    changed (self);
}

static void
on_watch_changed (void *context, const stored_t *before, const stored_t *now)
{
    (void) before;
    if (now)
        pause_if_immutable (context, now);
    changed (context);
}

static void
on_failed (void *context, int code, const char *text)
{
    (void) code;
    object_entry_t *self = context;
    bool is_news = !self->error || !streq (self->error, text);
    text_replace (&self->error, "%s", text);
    if (self->is_late && is_news && !list_watch_is_synced (self->watch))
        changed (self);
}

static void
late (void *state, void *context)
{
    (void) state;
    object_entry_t *self = context;
    self->late_timer = 0;
    self->is_late = true;
    changed (self);
}

static const list_watch_calls_t CALLS = { .on_synced = on_synced,
                                          .on_changed = on_watch_changed,
                                          .on_failed = on_failed };

static void
start_watch (object_entry_t *self)
{
    OWNED (free_text)
    char *path =
        text_format ("%s/namespaces/%s/%s", self->kind->group, self->ns, self->kind->resource);
    OWNED (free_text) char *selector = text_format ("metadata.name=%s", self->name);
    OWNED (free_text) char *key = object_key (self);
    list_watch_options_t options = {
        .actor = self->watcher->actor,
        .connection = self->watcher->connection,
        .path = path,
        .selector = selector,
        .limits = { .first_wait_ms = FIRST_WAIT_MS,
                    .watch_min_s = WATCH_MIN_S,
                    .streams = self->watcher->streams },
        .calls = &CALLS,
        .context = self,
        .keeper = self->watcher->keeper,
        .kept_kind = self->kind->kind,
        .kept_key = key,
    };
    self->watch = list_watch_new (&options);
}

// ---- read when pods are synced ----

static void
on_read (void *context, bool is_news)
{
    object_entry_t *self = context;
    self->on_changed (self->context, self, is_news);
}

static void
start_read (object_entry_t *self)
{
    OWNED (free_text) char *name = query_escape (self->name);
    OWNED (free_text)
    char *path = text_format ("%s/namespaces/%s/%s/%s", self->kind->group, self->ns,
                              self->kind->resource, name);
    OWNED (free_text) char *key = object_key (self);
    bool is_claim = self->kind->way == BY_GET;
    object_read_options_t options = {
        .watcher = self->watcher,
        .kind = self->kind->kind,
        .key = key,
        .path = path,
        .detection = is_claim ? DETECT_BY_GET : self->watcher->detection,
        .has_volume = is_claim,
        .on_read = on_read,
        .context = self,
    };
    self->read = object_read_new (&options);
}

// ---- public ----

object_entry_t *
object_entry_new (watcher_t *watcher, const node_t *ref, object_changed_fn *on_changed,
                  void *context)
{
    object_entry_t *self = memory_new (1, sizeof *self);
    self->watcher = watcher;
    self->kind_name = text_copy (node_get_text (ref, "kind", ""));
    self->kind = find_kind (self->kind_name);
    self->ns = text_copy (node_get_text (ref, "namespace", ""));
    self->name = text_copy (node_get_text (ref, "name", ""));
    self->on_changed = on_changed;
    self->context = context;
    bool is_read = self->kind && self->kind->way != FROM_ALL
                   && (self->kind->way == BY_GET || watcher->detection != DETECT_BY_WATCH);
    if (is_read)
        start_read (self);
    else if (self->kind && self->kind->way == BY_WATCH)
        start_watch (self);
    if (self->kind && !is_read)
        self->late_timer = actor_timer (watcher->actor, KNOWN_AFTER_MS, late, self);
    return self;
}

void
object_entry_destroy (object_entry_t **self_p)
{
    object_entry_t *self = *self_p;
    if (!self)
        return;
    object_read_destroy (&self->read);
    list_watch_destroy (&self->watch);
    actor_timer_cancel (self->watcher->actor, &self->late_timer);
    free (self->error);
    free (self->kind_name);
    free (self->ns);
    free (self->name);
    free (self);
    *self_p = NULL;
}

bool
object_entry_is_runtime_class (const object_entry_t *self)
{
    return self->kind && self->kind->way == FROM_ALL;
}

bool
object_entry_is_known (const object_entry_t *self)
{
    if (!self->kind)
        return true;
    if (self->read)
        return object_read_is_known (self->read);
    return list_watch_is_synced (watch_of (self)) || self->is_late;
}

/* Upstream's words for an object that it could not read in time; ours tell the reason too. */
static void
set_late_error (const object_entry_t *self, tree_t *tree, node_t *row)
{
    OWNED (free_text)
    char *text =
        text_format ("failed to sync %s cache: timed out waiting for the condition%s%s",
                     self->kind->singular, self->error ? ": " : "", self->error ? self->error : "");
    node_set_text (tree, row, "error", text);
}

/* An object with its kind, which items of a list do not have. */
static void
set_object (const object_entry_t *self, tree_t *tree, node_t *row, const node_t *object)
{
    node_t copy = node_copy (tree, object);
    node_set_text (tree, &copy, "kind", self->kind->kind);
    node_set_text (tree, &copy, "apiVersion", self->kind->api_version);
    node_set (tree, row, "object", copy);
}

static void
set_watched (const object_entry_t *self, tree_t *tree, node_t *row)
{
    OWNED (free_text) char *key = object_key (self);
    const stored_t *stored = list_watch_get (watch_of (self), key);
    node_set_bool (tree, row, "found", stored != NULL);
    if (!stored && !list_watch_is_synced (watch_of (self)))
        set_late_error (self, tree, row);
    if (!stored)
        return;
    OWNED (tree_destroy) tree_t *object = stored_object (stored);
    set_object (self, tree, row, tree_root (object));
}

static void
set_read (const object_entry_t *self, tree_t *tree, node_t *row)
{
    const node_t *object = object_read_object (self->read);
    const node_t *volume = object_read_volume (self->read);
    node_set_bool (tree, row, "found", object != NULL);
    if (object)
        set_object (self, tree, row, object);
    if (object && volume)
        node_set (tree, row, "volume", node_copy (tree, volume));
    node_set_text (tree, row, "error", object_read_error (self->read));
}

node_t
object_entry_row (const object_entry_t *self, tree_t *tree)
{
    node_t row = node_map();
    node_set_text (tree, &row, "kind", self->kind_name);
    node_set_text (tree, &row, "namespace", self->ns);
    node_set_text (tree, &row, "name", self->name);
    if (!self->kind) {
        node_set_bool (tree, &row, "found", false);
        node_set_text (tree, &row, "error", "objects of this kind are not read");
    }
    else if (self->read)
        set_read (self, tree, &row);
    else
        set_watched (self, tree, &row);
    return row;
}

void
object_entry_refresh (object_entry_t *self, bool is_new)
{
    if (self->read)
        object_read_refresh (self->read, is_new);
    if (self->watch && is_new && list_watch_is_paused (self->watch))
        list_watch_resume (self->watch); // it may have been deleted and made anew
}

void
object_entry_hurry (object_entry_t *self)
{
    if (self->watch)
        list_watch_hurry (self->watch);
}
