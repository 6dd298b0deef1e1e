#include "list_watch.h"
#include "cubelet/chance.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/watch_stream.h"
#include <czmq.h>
#include <string.h>

#define LIST_TIMEOUT_MS (60 * 1000)
#define LIST_MAX_BYTES (64 * 1024 * 1024)
#define ERROR_MAX_BYTES (64 * 1024)
/* So long a first list is waited for; then the checkpoint counts, if there is one. */
#define ASSUME_AFTER_MS 10000
/* Changes of what is kept as a whole are written together. */
#define WHOLE_PAUSE_MS 2000
#define WATCH_LEEWAY_MS 30000 // the server ends a watch itself; this ends one that it forgot

struct list_watch {
    list_watch_options_t options;
    char *path, *selector;
    reflector_t reflector;
    zhashx_t *items;    // stored_t by key
    zhashx_t *incoming; // of a list under way, NULL: none
    bool is_listing;    // the watch under way is a stream whose list is not complete yet
    char *more;         // the continue token
    bool is_synced;
    bool is_assumed; // what is kept in the checkpoint counts for now
    bool is_paused;
    char *kept_key;
    uint64_t assume_timer, whole_timer, late_timer;

    uint64_t exchange; // under way, 0: none
    uint64_t timer;    // waits for `next`
    reflector_what_t next;
    watch_stream_t stream;
    reflector_end_t end; // of the watch under way
    char end_reason[64]; // behind end.reason
    int64_t started_ms;  // the watch
    char *last_error;    // logged already
};

// ---- what is kept ----

static void
stored_destroy (void **self_p)
{
    stored_t *self = *self_p;
    free (self->key);
    free (self->uid);
    free (self->version);
    free (self->bytes);
    free (self);
    *self_p = NULL;
}

static zhashx_t *
new_items (void)
{
    zhashx_t *items = zhashx_new();
    zhashx_set_destructor (items, stored_destroy);
    return items;
}

tree_t *
stored_object (const stored_t *self)
{
    fault_t fault = { 0 };
    tree_t *tree = tree_unpack (self->bytes, self->size, &fault);
    return tree ? tree : tree_new(); // we packed it ourselves
}

static char *
key_of (const node_t *object)
{
    const node_t *metadata = node_get (object, "metadata");
    return text_format ("%s/%s", node_get_text (metadata, "namespace", ""),
                        node_get_text (metadata, "name", ""));
}

static stored_t *
stored_new (list_watch_t *self, tree_t *tree, node_t *object)
{
    node_t *metadata = node_get_mutable (object, "metadata");
    if (node_is_map (metadata))
        node_remove (metadata, "managedFields");
    stored_t *stored = memory_new (1, sizeof *stored);
    stored->key = key_of (object);
    stored->uid = text_copy (node_get_text (metadata, "uid", ""));
    stored->version = text_copy (node_get_text (metadata, "resourceVersion", ""));
    if (self->options.calls->trim)
        self->options.calls->trim (tree, object);
    stored->bytes = node_pack (object, &stored->size);
    const stored_t *old = zhashx_lookup (self->items, stored->key);
    bool is_known = old && streq (old->uid, stored->uid);
    stored->first_ns = is_known ? old->first_ns : clock_now_ns();
    return stored;
}

bool
list_watch_is_synced (const list_watch_t *self)
{
    return self->is_synced || self->is_assumed;
}

bool
list_watch_is_assumed (const list_watch_t *self)
{
    return self->is_assumed;
}

const stored_t *
list_watch_get (const list_watch_t *self, const char *key)
{
    return zhashx_lookup (self->items, key);
}

const stored_t *
list_watch_first (list_watch_t *self)
{
    return zhashx_first (self->items);
}

const stored_t *
list_watch_next (list_watch_t *self)
{
    return zhashx_next (self->items);
}

// ---- the checkpoint ----

static bool
is_kept (const list_watch_t *self)
{
    return self->options.keeper && self->options.kept_kind;
}

static void
keep_whole (void *state, void *context)
{
    (void) state;
    list_watch_t *self = context;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t all = node_array();
    self->whole_timer = 0;
    for (const stored_t *stored = zhashx_first (self->items); stored;
         stored = zhashx_next (self->items)) {
        OWNED (tree_destroy) tree_t *object = stored_object (stored);
        node_append (tree, &all, node_copy (tree, tree_root (object)));
    }
    size_t size;
    OWNED (free_text) char *bytes = node_pack (&all, &size);
    keeper_keep (self->options.keeper, self->options.kept_kind, self->kept_key, "", 0, bytes, size);
}

/* What is known is news: an object before and now, either may be NULL. */
static void
keep (list_watch_t *self, const stored_t *before, const stored_t *now)
{
    if (!is_kept (self))
        return;
    bool is_same =
        before && now && streq (before->uid, now->uid) && streq (before->version, now->version);
    if (self->options.is_kept_whole) {
        if (!self->whole_timer)
            self->whole_timer = actor_timer (self->options.actor, WHOLE_PAUSE_MS, keep_whole, self);
    }
    else if (now && !is_same)
        keeper_keep (self->options.keeper, self->options.kept_kind, now->key, now->uid,
                     now->first_ns, now->bytes, now->size);
    else if (before && !now)
        keeper_drop (self->options.keeper, self->options.kept_kind, before->key);
}

/* A list is complete: `items` is what was known before it. */
static void
keep_list (list_watch_t *self, zhashx_t *before)
{
    keeper_heard (self->options.keeper);
    actor_timer_cancel (self->options.actor, &self->assume_timer);
    if (!is_kept (self))
        return;
    if (self->options.is_kept_whole) { // at once: no pod starts without Services
        actor_timer_cancel (self->options.actor, &self->whole_timer);
        keep_whole (NULL, self);
    }
    else if (self->kept_key && zhashx_size (self->items) == 0) // of an agent before this one, too
        keeper_drop (self->options.keeper, self->options.kept_kind, self->kept_key);
    for (const stored_t *now = zhashx_first (self->items); now && !self->options.is_kept_whole;
         now = zhashx_next (self->items))
        keep (self, zhashx_lookup (before, now->key), now);
    for (const stored_t *old = zhashx_first (before); old && !self->options.is_kept_whole;
         old = zhashx_next (before))
        if (!zhashx_lookup (self->items, old->key))
            keep (self, old, NULL);
}

/* Takes over an object of the checkpoint, which has been trimmed already. */
static void
assume_object (list_watch_t *self, const node_t *object, int64_t first_ns)
{
    const node_t *metadata = node_get (object, "metadata");
    if (!node_is_map (metadata))
        return;
    stored_t *stored = memory_new (1, sizeof *stored);
    stored->key = key_of (object);
    stored->uid = text_copy (node_get_text (metadata, "uid", ""));
    stored->version = text_copy (node_get_text (metadata, "resourceVersion", ""));
    stored->first_ns = first_ns;
    stored->bytes = node_pack (object, &stored->size);
    zhashx_update (self->items, stored->key, stored);
}

/* True when there was something of that key. */
static bool
assume_key (list_watch_t *self)
{
    int64_t first_ns = 0;
    OWNED (tree_destroy)
    tree_t *kept =
        keeper_get (self->options.keeper, self->options.kept_kind, self->kept_key, &first_ns);
    if (kept && self->options.is_kept_whole) {
        NODE_EACH (tree_root (kept), object)
        assume_object (self, object, first_ns);
    }
    else if (kept)
        assume_object (self, tree_root (kept), first_ns);
    return kept != NULL;
}

static bool
assume_files (list_watch_t *self)
{
    OWNED (zlistx_destroy)
    zlistx_t *files = keeper_files (self->options.keeper, self->options.kept_kind);
    for (const char *file = zlistx_first (files); file; file = zlistx_next (files)) {
        int64_t first_ns = 0;
        OWNED (tree_destroy) tree_t *kept = keeper_read (self->options.keeper, file, &first_ns);
        if (kept)
            assume_object (self, tree_root (kept), first_ns);
    }
    return zhashx_size (self->items) > 0;
}

/* The API server is away: what was known of it counts until it answers. */
static void
assume (list_watch_t *self)
{
    if (!is_kept (self) || self->is_synced || self->is_assumed)
        return;
    actor_timer_cancel (self->options.actor, &self->assume_timer);
    self->is_assumed = self->kept_key ? assume_key (self) : assume_files (self);
    if (!self->is_assumed)
        return;
    LOG_INFO ("API server is away, the checkpoint counts for now kind=%s objects=%zu",
              self->options.kept_kind, zhashx_size (self->items));
    if (self->options.calls->on_synced)
        self->options.calls->on_synced (self->options.context);
}

static void
assume_due (void *state, void *context)
{
    (void) state;
    list_watch_t *self = context;
    self->assume_timer = 0;
    keeper_missed (self->options.keeper, 0);
    assume (self);
}

static void
prepare_to_assume (list_watch_t *self)
{
    int64_t wait_ms = keeper_counts (self->options.keeper) ? 0 : ASSUME_AFTER_MS;
    if (is_kept (self))
        self->assume_timer = actor_timer (self->options.actor, wait_ms, assume_due, self);
}

// ---- steps ----

static void start_list (list_watch_t *self);
static void start_watch (list_watch_t *self, bool is_stream);

static void
step_due (void *state, void *context)
{
    (void) state;
    list_watch_t *self = context;
    self->timer = 0;
    if (self->next == REFLECTOR_LIST)
        start_list (self);
    else
        start_watch (self, self->next == REFLECTOR_STREAM);
}

static void
take_step (list_watch_t *self, reflector_step_t step)
{
    actor_timer_cancel (self->options.actor, &self->timer);
    self->next = step.what;
    if (!self->is_paused)
        self->timer = actor_timer (self->options.actor, step.wait_ms, step_due, self);
}

/* What went wrong, as one text: the fault's, or the Status that the server sent. `end` gets code
   and reason. Owned. */
static char *
describe_failure (list_watch_t *self, const http_response_t *response, const fault_t *fault)
{
    self->end.code = 0;
    self->end.reason = NULL;
    if (fault)
        return text_copy (fault->text);
    self->end.code = response->status;
    fault_t syntax = { 0 };
    OWNED (tree_destroy)
    tree_t *status = json_read (response->body, response->body_size, &syntax);
    const node_t *body = status ? tree_root (status) : NULL;
    snprintf (self->end_reason, sizeof self->end_reason, "%s", node_get_text (body, "reason", ""));
    self->end.reason = self->end_reason;
    const char *message = node_get_text (body, "message", NULL);
    return message ? text_copy (message) : text_format ("HTTP status %d", response->status);
}

/* The same error every half minute is no news, and a version that is too old is in order. */
static void
log_once (list_watch_t *self, const char *verb, const char *text)
{
    if (self->end.code == 410)
        return;
    if (self->last_error && streq (self->last_error, text))
        return;
    text_replace (&self->last_error, "%s", text);
    const char *selector = self->selector ? self->selector : "";
    LOG_WARNING ("Failed to %s path=%s selector=%s err=%s", verb, self->path, selector, text);
}

// ---- list ----

static void
forget_incoming (list_watch_t *self)
{
    zhashx_destroy (&self->incoming);
    free_text (&self->more);
    actor_timer_cancel (self->options.actor, &self->late_timer);
    self->is_listing = false;
}

/* A list of either kind failed, and is tried again after a while. */
static void
tell_failure (list_watch_t *self, const char *text)
{
    log_once (self, "list", text);
    if (self->options.calls->on_failed)
        self->options.calls->on_failed (self->options.context, self->end.code, text);
    keeper_missed (self->options.keeper, self->end.code);
    if (keeper_counts (self->options.keeper))
        assume (self);
}

static void
fail_list (list_watch_t *self, const char *text)
{
    forget_incoming (self);
    take_step (self, reflector_list_failed (&self->reflector, &self->options.limits, &self->end,
                                            chance(), clock_monotonic_ms()));
    tell_failure (self, text);
}

/* Takes the items of one page. */
static void
take_items (list_watch_t *self, tree_t *tree)
{
    node_t *items = node_get_mutable (tree_root (tree), "items");
    if (!self->incoming)
        self->incoming = new_items();
    for (size_t i = 0; node_is_array (items) && i < node_count (items); i++) {
        node_t *object = &items->via.array.ptr[i];
        if (!node_is_map (object))
            continue;
        stored_t *stored = stored_new (self, tree, object);
        zhashx_update (self->incoming, stored->key, stored);
    }
}

/* What came in is all there is, at this version. A streamed list is followed by its own watch. */
static void
end_list (list_watch_t *self, const char *version)
{
    OWNED (zhashx_destroy) zhashx_t *before = self->items;
    self->items = STEAL (self->incoming);
    self->is_synced = true;
    self->is_assumed = false;
    keep_list (self, before);
    free_text (&self->last_error);
    reflector_step_t step = reflector_listed (&self->reflector, version);
    if (!self->is_listing)
        take_step (self, step);
    forget_incoming (self);
    if (self->options.calls->on_synced)
        self->options.calls->on_synced (self->options.context);
}

static void
take_page (list_watch_t *self, tree_t *tree)
{
    take_items (self, tree);
    const node_t *metadata = node_get (tree_root (tree), "metadata");
    const char *more = node_get_text (metadata, "continue", "");
    free_text (&self->more);
    if (more[0]) {
        self->more = text_copy (more);
        start_list (self);
    }
    else
        end_list (self, node_get_text (metadata, "resourceVersion", ""));
}

static void
on_listed (void *context, const http_response_t *response, const fault_t *fault)
{
    list_watch_t *self = context;
    self->exchange = 0;
    if (fault || response->status != 200) {
        OWNED (free_text) char *text = describe_failure (self, response, fault);
        fail_list (self, text);
        return;
    }
    fault_t failure = { 0 };
    OWNED (tree_destroy) tree_t *tree = NULL;
    if (response->is_truncated)
        fault_set (&failure, FAULT_INVALID, "the list is larger than %d MiB", LIST_MAX_BYTES >> 20);
    else
        tree = json_read (response->body, response->body_size, &failure);
    if (tree && !node_is_map (tree_root (tree))) {
        fault_set (&failure, FAULT_INVALID, "the answer is no list");
        tree_destroy (&tree);
    }
    if (tree)
        take_page (self, tree);
    else {
        self->end = (reflector_end_t){ .code = -1 };
        fail_list (self, failure.text);
    }
}

static void
start_list (list_watch_t *self)
{
    OWNED (free_text)
    char *query = reflector_list_query (&self->reflector, self->selector, self->more);
    OWNED (free_text) char *path = text_format ("%s?%s", self->path, query);
    api_exchange_t exchange = {
        .path = path,
        .timeout_ms = LIST_TIMEOUT_MS,
        .body_limit = LIST_MAX_BYTES,
        .on_done = on_listed,
        .context = self,
    };
    self->exchange = api_exchange (self->options.connection, &exchange);
}

// ---- watch ----

static void
tell_change (list_watch_t *self, const stored_t *before, const stored_t *now)
{
    keep (self, before, now);
    if (self->options.calls->on_changed)
        self->options.calls->on_changed (self->options.context, before, now);
}

static void
take_deleted (list_watch_t *self, const node_t *object)
{
    OWNED (free_text) char *key = key_of (object);
    stored_t *before = zhashx_lookup (self->items, key);
    if (!before)
        return;
    zhashx_set_destructor (self->items, NULL);
    zhashx_delete (self->items, key);
    zhashx_set_destructor (self->items, stored_destroy);
    tell_change (self, before, NULL);
    void *gone = before;
    stored_destroy (&gone);
}

static void
take_changed (list_watch_t *self, tree_t *tree, node_t *object)
{
    stored_t *now = stored_new (self, tree, object);
    stored_t *before = zhashx_lookup (self->items, now->key);
    zhashx_set_destructor (self->items, NULL);
    zhashx_update (self->items, now->key, now);
    zhashx_set_destructor (self->items, stored_destroy);
    tell_change (self, before, now);
    void *gone = before;
    if (before)
        stored_destroy (&gone);
}

static void
take_error (list_watch_t *self, const node_t *status)
{
    self->end.code = (int) node_get_int (status, "code", 500);
    snprintf (self->end_reason, sizeof self->end_reason, "%s",
              node_get_text (status, "reason", ""));
    self->end.reason = self->end_reason;
    LOG_V (2, "Watch ended with an error path=%s code=%d message=%s", self->path, self->end.code,
           node_get_text (status, "message", ""));
}

/* An event of a streamed list that is not complete. Its bookmark makes it so. */
static void
take_streamed (list_watch_t *self, watch_event_type_t type, tree_t *tree, node_t *object,
               const char *version)
{
    OWNED (free_text) char *key = key_of (object);
    if (type == WATCH_DELETED)
        zhashx_delete (self->incoming, key);
    else if (type != WATCH_BOOKMARK)
        zhashx_update (self->incoming, key, stored_new (self, tree, object));
    else if (reflector_is_list_end (object))
        end_list (self, version);
}

static bool
on_event (void *context, watch_event_type_t type, node_t *object, tree_t *tree)
{
    list_watch_t *self = context;
    if (type == WATCH_ERROR) {
        take_error (self, object);
        return false;
    }
    const node_t *metadata = node_get (object, "metadata");
    OWNED (free_text) char *version = text_copy (node_get_text (metadata, "resourceVersion", ""));
    self->end.events++;
    if (self->is_listing) { // until it is complete our version is that of what is known
        take_streamed (self, type, tree, object, version);
        return !self->is_paused;
    }
    keeper_heard (self->options.keeper);
    if (type == WATCH_DELETED)
        take_deleted (self, object);
    else if (type != WATCH_BOOKMARK)
        take_changed (self, tree, object);
    reflector_saw (&self->reflector, version);
    return !self->is_paused;
}

static bool
on_body (void *context, const char *bytes, size_t size)
{
    list_watch_t *self = context;
    fault_t fault = { 0 };
    int rc = watch_stream_read (&self->stream, bytes, size, on_event, self, &fault);
    if (rc < 0) {
        self->end.code = -1;
        log_once (self, "watch", fault.text);
    }
    return rc == 1;
}

/* Completes `end`; what went wrong as a text, or NULL when nothing did or it was told. Owned. */
static char *
describe_end (list_watch_t *self, const http_response_t *response, const fault_t *fault)
{
    self->end.lasted_ms = clock_monotonic_ms() - self->started_ms;
    if (self->end.code != 0) // by an ERROR event, or garbage
        return NULL;
    if (fault && fault->code == FAULT_DEADLINE)
        self->end.code = 200; // the server should have ended it
    else if (!fault && response->status == 200)
        self->end.code = 200;
    else
        return describe_failure (self, response, fault);
    return NULL;
}

/* A list that was to be streamed did not come to its end. */
static void
fail_stream (list_watch_t *self, const char *text)
{
    forget_incoming (self);
    reflector_step_t step = reflector_stream_failed (&self->reflector, &self->options.limits,
                                                     &self->end, chance(), clock_monotonic_ms());
    take_step (self, step);
    if (step.what == REFLECTOR_LIST)
        LOG_V (2, "List is not streamed, it is read in pages path=%s err=%s", self->path, text);
    else if (step.wait_ms > 0)
        tell_failure (self, text);
}

/* A server that does not know of streamed lists sends the objects, but nothing behind the last. */
static void
stream_is_late (void *state, void *context)
{
    (void) state;
    list_watch_t *self = context;
    self->late_timer = 0;
    api_exchange_cancel (self->options.connection, self->exchange);
    self->exchange = 0;
    watch_stream_clear (&self->stream);
    self->end = (reflector_end_t){ .code = -1 };
    fail_stream (self, "the list did not come to its end in time");
}

static void
on_watch_done (void *context, const http_response_t *response, const fault_t *fault)
{
    list_watch_t *self = context;
    self->exchange = 0;
    watch_stream_clear (&self->stream);
    OWNED (free_text) char *text = describe_end (self, response, fault);
    if (self->is_listing) {
        fail_stream (self, text ? text : "the stream ended before the list was complete");
        return;
    }
    if (text && self->end.code != 0)
        log_once (self, "watch", text);
    else if (text) // all watches at once; who makes requests says that the server is away
        LOG_V (2, "Watch broke off path=%s err=%s", self->path, text);
    if (self->end.events > 0)
        free_text (&self->last_error);
    take_step (self, reflector_watch_ended (&self->reflector, &self->options.limits, &self->end,
                                            chance(), clock_monotonic_ms()));
}

static void
start_watch (list_watch_t *self, bool is_stream)
{
    int64_t timeout_s = reflector_watch_s (&self->options.limits, chance());
    OWNED (free_text)
    char *query = is_stream ? reflector_stream_query (&self->reflector, self->selector, timeout_s)
                            : reflector_watch_query (&self->reflector, self->selector, timeout_s);
    OWNED (free_text) char *path = text_format ("%s?%s", self->path, query);
    api_exchange_t exchange = {
        .path = path,
        .timeout_ms = timeout_s * 1000 + WATCH_LEEWAY_MS,
        .body_limit = ERROR_MAX_BYTES,
        .on_body = on_body,
        .on_done = on_watch_done,
        .context = self,
    };
    self->is_listing = is_stream;
    if (is_stream) {
        self->incoming = new_items();
        self->late_timer = actor_timer (self->options.actor, LIST_TIMEOUT_MS, stream_is_late, self);
    }
    self->end = (reflector_end_t){ 0 };
    self->started_ms = clock_monotonic_ms();
    self->exchange = api_exchange (self->options.connection, &exchange);
}

// ---- life ----

list_watch_t *
list_watch_new (const list_watch_options_t *options)
{
    list_watch_t *self = memory_new (1, sizeof *self);
    self->options = *options;
    self->path = text_copy (options->path);
    self->selector = text_copy (options->selector);
    self->kept_key = text_copy (options->kept_key);
    self->items = new_items();
    prepare_to_assume (self);
    take_step (self, reflector_begin (&self->reflector, &self->options.limits));
    return self;
}

static void
stop_asking (list_watch_t *self)
{
    api_exchange_cancel (self->options.connection, self->exchange);
    self->exchange = 0;
    actor_timer_cancel (self->options.actor, &self->timer);
    forget_incoming (self);
}

void
list_watch_destroy (list_watch_t **self_p)
{
    list_watch_t *self = *self_p;
    if (!self)
        return;
    stop_asking (self);
    actor_timer_cancel (self->options.actor, &self->assume_timer);
    if (self->whole_timer)
        keep_whole (NULL, self);
    actor_timer_cancel (self->options.actor, &self->whole_timer);
    watch_stream_clear (&self->stream);
    zhashx_destroy (&self->items);
    free (self->kept_key);
    free (self->path);
    free (self->selector);
    free (self->last_error);
    free (self);
    *self_p = NULL;
}

void
list_watch_hurry (list_watch_t *self)
{
    if (self->timer && !self->is_paused)
        take_step (self, (reflector_step_t){ self->next, 0 });
}

static void
pause_due (void *state, void *context)
{
    (void) state;
    list_watch_t *self = context;
    self->timer = 0;
    stop_asking (self);
}

/* It may be called from an event of the watch that is to end, so the end comes from the loop. */
void
list_watch_pause (list_watch_t *self)
{
    self->is_paused = true;
    actor_timer_cancel (self->options.actor, &self->timer);
    self->timer = actor_timer (self->options.actor, 0, pause_due, self);
}

void
list_watch_resume (list_watch_t *self)
{
    self->is_paused = false;
    stop_asking (self);
    watch_stream_clear (&self->stream);
    take_step (self, reflector_begin (&self->reflector, &self->options.limits));
}

bool
list_watch_is_paused (const list_watch_t *self)
{
    return self->is_paused;
}
