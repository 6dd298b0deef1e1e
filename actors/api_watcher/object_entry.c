#include "object_entry.h"
#include "cubelet/checkpoint.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"

/* A pod must not wait for the usual 0.8 s: the node authorizer often learns a moment after us that
   the pod is ours, and forbids until then. Watches last as long as upstream's for such objects. */
#define FIRST_WAIT_MS 100
#define WATCH_MIN_S 1800

#define KNOWN_AFTER_MS 1000
#define GET_TIMEOUT_MS 30000
#define OBJECT_MAX_BYTES (8 * 1024 * 1024)

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

    list_watch_t *watch; // BY_WATCH
    uint64_t late_timer;
    bool is_late; // nothing came in time
    char *error;  // why, if anybody said

    uint64_t exchange; // BY_GET, under way
    bool is_read;
    tree_t *incoming;        // the claim while its volume is read
    tree_t *object, *volume; // NULL: there is none
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
    self->on_changed (self->context, self);
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

// ---- by GET: a claim, and the volume that it is bound to ----

static void get (object_entry_t *self, const char *path, http_done_fn *on_done);

/* Takes over what was read, and tells it when it is news. */
static void
take (object_entry_t *self, tree_t *object, tree_t *volume, const char *error)
{
    const char *old_error = self->error ? self->error : "", *new_error = error ? error : "";
    bool is_same = self->is_read && streq (old_error, new_error)
                   && node_equal (tree_root (self->object), tree_root (object))
                   && node_equal (tree_root (self->volume), tree_root (volume));
    tree_destroy (&self->object);
    tree_destroy (&self->volume);
    free_text (&self->error);
    self->object = object;
    self->volume = volume;
    self->error = text_copy (error);
    self->is_read = true;
    if (!is_same)
        changed (self);
}

/* Writes the claim and its volume to the checkpoint, or takes them away from there. */
static void
keep_claim (const object_entry_t *self)
{
    OWNED (free_text) char *key = object_key (self);
    if (!self->object) {
        keeper_drop (self->watcher->keeper, self->kind->kind, key);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t kept = node_map();
    size_t size;
    node_set (tree, &kept, "claim", node_copy (tree, tree_root (self->object)));
    if (self->volume)
        node_set (tree, &kept, "volume", node_copy (tree, tree_root (self->volume)));
    OWNED (free_text) char *bytes = node_pack (&kept, &size);
    keeper_keep (self->watcher->keeper, self->kind->kind, key, "", 0, bytes, size);
}

/* The API server is away: what the checkpoint has is told. False: nothing. */
static bool
take_kept (object_entry_t *self)
{
    OWNED (free_text) char *key = object_key (self);
    OWNED (tree_destroy)
    tree_t *kept = keeper_get (self->watcher->keeper, self->kind->kind, key, NULL);
    const node_t *claim = node_get (tree_root (kept), "claim");
    const node_t *volume = node_get (tree_root (kept), "volume");
    if (claim)
        take (self, tree_copy (claim), volume ? tree_copy (volume) : NULL, NULL);
    return claim != NULL;
}

/* The object of an answer without its managedFields; NULL with the error (owned), or with no error
   when there is no such object. */
static tree_t *
read_answer (const http_response_t *response, const fault_t *fault, char **error_p)
{
    fault_t syntax = { 0 };
    tree_t *tree = NULL;
    if (!fault)
        tree = json_read (response->body, response->body_size, &syntax);
    if (fault || response->is_truncated || (!tree && response->status == 200)) {
        *error_p = text_copy (fault ? fault->text : syntax.text);
        tree_destroy (&tree);
        return NULL;
    }
    if (response->status == 200) {
        node_t *metadata = node_get_mutable (tree_root (tree), "metadata");
        if (node_is_map (metadata))
            node_remove (metadata, "managedFields");
        return tree;
    }
    if (response->status != 404) {
        const char *message = node_get_text (tree_root (tree), "message", NULL);
        *error_p = message ? text_copy (message) : text_format ("HTTP status %d", response->status);
    }
    tree_destroy (&tree);
    return NULL;
}

static void
on_volume (void *context, const http_response_t *response, const fault_t *fault)
{
    object_entry_t *self = context;
    self->exchange = 0;
    OWNED (free_text) char *error = NULL;
    tree_t *volume = read_answer (response, fault, &error);
    take (self, STEAL (self->incoming), volume, error);
    if (!error)
        keep_claim (self);
}

static void
on_claim (void *context, const http_response_t *response, const fault_t *fault)
{
    object_entry_t *self = context;
    self->exchange = 0;
    if (fault && self->is_read && !self->error)
        return; // what is known stays
    bool is_away = checkpoint_counts_after (fault ? 0 : response->status);
    if (is_away && (!self->is_read || self->error) && take_kept (self))
        return;
    OWNED (free_text) char *error = NULL;
    OWNED (tree_destroy) tree_t *claim = read_answer (response, fault, &error);
    const node_t *volume = node_at (tree_root (claim), "spec", "volumeName", NULL);
    if (!claim || !node_as_text (volume, "")[0]) {
        take (self, STEAL (claim), NULL, error);
        if (!error)
            keep_claim (self);
        return;
    }
    OWNED (free_text) char *name = query_escape (node_as_text (volume, ""));
    OWNED (free_text) char *path = text_format ("/api/v1/persistentvolumes/%s", name);
    self->incoming = STEAL (claim);
    get (self, path, on_volume);
}

static void
get (object_entry_t *self, const char *path, http_done_fn *on_done)
{
    api_exchange_t exchange = {
        .path = path,
        .timeout_ms = GET_TIMEOUT_MS,
        .body_limit = OBJECT_MAX_BYTES,
        .on_done = on_done,
        .context = self,
    };
    self->exchange = api_exchange (self->watcher->connection, &exchange);
}

static void
get_claim (object_entry_t *self)
{
    if (self->exchange)
        return;
    OWNED (free_text) char *name = query_escape (self->name);
    OWNED (free_text)
    char *path = text_format ("%s/namespaces/%s/%s/%s", self->kind->group, self->ns,
                              self->kind->resource, name);
    get (self, path, on_claim);
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
    if (self->kind && self->kind->way == BY_WATCH)
        start_watch (self);
    if (self->kind && self->kind->way != BY_GET)
        self->late_timer = actor_timer (watcher->actor, KNOWN_AFTER_MS, late, self);
    return self;
}

void
object_entry_destroy (object_entry_t **self_p)
{
    object_entry_t *self = *self_p;
    if (!self)
        return;
    list_watch_destroy (&self->watch);
    api_exchange_cancel (self->watcher->connection, self->exchange);
    actor_timer_cancel (self->watcher->actor, &self->late_timer);
    tree_destroy (&self->incoming);
    tree_destroy (&self->object);
    tree_destroy (&self->volume);
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
    if (self->kind->way == BY_GET)
        return self->is_read;
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
    node_set_bool (tree, row, "found", self->object != NULL);
    if (self->object)
        set_object (self, tree, row, tree_root (self->object));
    if (self->object && self->volume)
        node_set (tree, row, "volume", node_copy (tree, tree_root (self->volume)));
    node_set_text (tree, row, "error", self->error);
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
    else if (self->kind->way == BY_GET)
        set_read (self, tree, &row);
    else
        set_watched (self, tree, &row);
    return row;
}

void
object_entry_refresh (object_entry_t *self, bool is_new)
{
    if (self->kind && self->kind->way == BY_GET)
        get_claim (self);
    if (self->watch && is_new && list_watch_is_paused (self->watch))
        list_watch_resume (self->watch); // it may have been deleted and made anew
}

void
object_entry_hurry (object_entry_t *self)
{
    if (self->watch)
        list_watch_hurry (self->watch);
}
