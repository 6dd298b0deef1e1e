#include "object_read.h"
#include "cubelet/checkpoint.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"

#define GET_TIMEOUT_MS 30000
#define OBJECT_MAX_BYTES (8 * 1024 * 1024)

/* The node authorizer often learns a moment after us that a pod is ours, and forbids until then. */
#define FORBIDDEN_WAIT_MS 100
#define FORBIDDEN_FOR_MS 1000

/* What a pod lacks is looked for again as often as upstream repeats a sync that failed. */
#define RETRY_MS 10000

struct object_read {
    object_read_options_t options;
    char *key, *path;

    uint64_t exchange; // under way
    bool is_awaited;   // a pod waits for its end
    uint64_t retry_timer, kept_timer;
    int64_t asked_ms; // first, monotonic

    object_known_t known;
    bool is_told;            // something is known, if only an error
    tree_t *incoming;        // the claim while its volume is read
    tree_t *object, *volume; // NULL: there is none
    char *error;             // why it could not be read
};

static void start_reading (object_read_t *self, bool is_cached);

// ---- the checkpoint ----

static void
keep (const object_read_t *self)
{
    keeper_t *keeper = self->options.watcher->keeper;
    if (!keeper)
        return;
    if (!self->object) {
        keeper_drop (keeper, self->options.kind, self->key);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t kept = *tree_root (self->object); // lives until it is packed
    size_t size;
    if (self->options.has_volume) {
        kept = node_map();
        node_set (tree, &kept, "claim", *tree_root (self->object));
        if (self->volume)
            node_set (tree, &kept, "volume", *tree_root (self->volume));
    }
    char *bytes = node_pack (&kept, &size);
    keeper_keep (keeper, self->options.kind, self->key, "", 0, bytes, size);
    explicit_bzero (bytes, size); // it may be a Secret
    free (bytes);
}

// ---- what is known ----

/* Takes over what is known from now on; trees are owned from here. */
static void
take (object_read_t *self, tree_t *object, tree_t *volume, const char *error)
{
    const char *old_error = self->error ? self->error : "", *new_error = error ? error : "";
    bool is_same = self->is_told && streq (old_error, new_error)
                   && node_equal (tree_root (self->object), tree_root (object))
                   && node_equal (tree_root (self->volume), tree_root (volume));
    tree_destroy (&self->object);
    tree_destroy (&self->volume);
    free_text (&self->error);
    self->object = object;
    self->volume = volume;
    self->error = text_copy (error);
    self->is_told = true;
    self->is_awaited = false;
    self->options.on_read (self->options.context, !is_same);
}

/* Nothing has changed, as far as anybody can tell. */
static void
take_no_news (object_read_t *self)
{
    self->is_awaited = false;
    self->options.on_read (self->options.context, false);
}

/* The API server has answered: this is so, unless its cache lags behind what is known. */
static void
take_answer (object_read_t *self, tree_t *object, tree_t *volume)
{
    if (object_is_older (tree_root (object), tree_root (self->object))) {
        tree_destroy (&object);
        tree_destroy (&volume);
        take_no_news (self);
        return;
    }
    self->known = (object_known_t){ true, object != NULL, clock_monotonic_ms() };
    take (self, object, volume, NULL);
    keep (self);
}

/* The API server is away: what the checkpoint has is told. False: nothing. */
static bool
take_kept (object_read_t *self)
{
    OWNED (tree_destroy)
    tree_t *kept = keeper_get (self->options.watcher->keeper, self->options.kind, self->key, NULL);
    if (!kept)
        return false;
    if (!self->options.has_volume) {
        take (self, STEAL (kept), NULL, NULL);
        return true;
    }
    const node_t *claim = node_get (tree_root (kept), "claim");
    const node_t *volume = node_get (tree_root (kept), "volume");
    if (claim)
        take (self, tree_copy (claim), volume ? tree_copy (volume) : NULL, NULL);
    return claim != NULL;
}

/* The API server is known to be away: one that hangs would be waited for until the deadline. */
static void
kept_due (void *state, void *context)
{
    (void) state;
    object_read_t *self = context;
    self->kept_timer = 0;
    if (!self->is_told)
        (void) take_kept (self); // nothing is kept: the reading's end tells
}

// ---- trying again ----

static void
retry_due (void *state, void *context)
{
    (void) state;
    object_read_t *self = context;
    self->retry_timer = 0;
    if (!self->exchange)
        start_reading (self, false);
}

static void
retry_after (object_read_t *self, int64_t wait_ms)
{
    actor_timer_cancel (self->options.watcher->actor, &self->retry_timer);
    self->retry_timer = actor_timer (self->options.watcher->actor, wait_ms, retry_due, self);
}

/* Of a claim the worker asks again when its volume cannot be mounted. */
static void
retry_if_missing (object_read_t *self)
{
    if (!self->options.has_volume && (!self->object || self->error))
        retry_after (self, RETRY_MS);
}

// ---- reading ----

/* How a GET ended. */
typedef struct {
    tree_t *object; // owned; NULL with no error: there is no such object
    char *error;    // owned
    int code;       // 0: no answer
} answer_t;

static void
answer_clear (answer_t *self)
{
    tree_destroy (&self->object);
    free_text (&self->error);
}

static void
take_object (answer_t *answer, tree_t **tree_p)
{
    node_t *metadata = node_get_mutable (tree_root (*tree_p), "metadata");
    if (node_is_map (metadata))
        node_remove (metadata, "managedFields");
    answer->object = STEAL (*tree_p);
}

static answer_t
read_answer (const http_response_t *response, const fault_t *fault)
{
    answer_t answer = { .code = fault ? 0 : response->status };
    fault_t syntax = { 0 };
    if (fault) {
        answer.error = text_copy (fault->text);
        return answer;
    }
    OWNED (tree_destroy) tree_t *tree = json_read (response->body, response->body_size, &syntax);
    if (response->status == 200 && tree && node_is_map (tree_root (tree))
        && !response->is_truncated)
        take_object (&answer, &tree);
    else if (response->status == 200)
        answer.error = text_copy (syntax.text[0] ? syntax.text : "the answer is no object");
    else if (response->status != 404) {
        const char *message = node_get_text (tree_root (tree), "message", NULL);
        answer.error =
            message ? text_copy (message) : text_format ("HTTP status %d", response->status);
    }
    return answer;
}

/* It could not be read. What is known stays while the API server is away, and with Cache whatever
   it says. */
static void
fail (object_read_t *self, const answer_t *answer)
{
    bool is_away = checkpoint_counts_after (answer->code);
    bool is_known = self->is_told && !self->error;
    int64_t now_ms = clock_monotonic_ms();
    if (is_known && (is_away || self->options.detection == DETECT_BY_CACHE))
        take_no_news (self);
    else if (!self->is_told && answer->code == 403 && now_ms - self->asked_ms < FORBIDDEN_FOR_MS) {
        retry_after (self, FORBIDDEN_WAIT_MS);
        return;
    }
    else if (!is_away || !take_kept (self))
        take (self, NULL, NULL, answer->error);
    retry_if_missing (self);
}

static void
get (object_read_t *self, const char *path, http_done_fn *on_done)
{
    api_exchange_t exchange = {
        .path = path,
        .timeout_ms = GET_TIMEOUT_MS,
        .body_limit = OBJECT_MAX_BYTES,
        .on_done = on_done,
        .context = self,
    };
    self->exchange = api_exchange (self->options.watcher->connection, &exchange);
}

static void
on_volume (void *context, const http_response_t *response, const fault_t *fault)
{
    object_read_t *self = context;
    self->exchange = 0;
    OWNED (answer_clear) answer_t answer = read_answer (response, fault);
    OWNED (tree_destroy) tree_t *claim = STEAL (self->incoming);
    if (!answer.error)
        take_answer (self, STEAL (claim), STEAL (answer.object));
    else if (self->is_told && !self->error && checkpoint_counts_after (answer.code))
        take_no_news (self);
    else
        take (self, STEAL (claim), NULL, answer.error);
}

static void
on_object (void *context, const http_response_t *response, const fault_t *fault)
{
    object_read_t *self = context;
    self->exchange = 0;
    OWNED (answer_clear) answer_t answer = read_answer (response, fault);
    if (answer.error) {
        fail (self, &answer);
        return;
    }
    const node_t *volume = node_at (tree_root (answer.object), "spec", "volumeName", NULL);
    const char *volume_name = self->options.has_volume ? node_as_text (volume, "") : "";
    if (volume_name[0]) {
        OWNED (free_text) char *name = query_escape (volume_name);
        OWNED (free_text) char *path = text_format ("/api/v1/persistentvolumes/%s", name);
        self->incoming = STEAL (answer.object);
        get (self, path, on_volume);
        return;
    }
    take_answer (self, STEAL (answer.object), NULL);
    retry_if_missing (self);
}

static void
start_reading (object_read_t *self, bool is_cached)
{
    OWNED (free_text)
    char *path = text_format ("%s%s", self->path, is_cached ? "?resourceVersion=0" : "");
    actor_timer_cancel (self->options.watcher->actor, &self->retry_timer);
    if (self->asked_ms == 0)
        self->asked_ms = clock_monotonic_ms();
    if (!self->is_told && !self->kept_timer && keeper_counts (self->options.watcher->keeper))
        self->kept_timer = actor_timer (self->options.watcher->actor, 0, kept_due, self);
    get (self, path, on_object);
}

// ---- public ----

object_read_t *
object_read_new (const object_read_options_t *options)
{
    object_read_t *self = memory_new (1, sizeof *self);
    self->options = *options;
    self->key = text_copy (options->key);
    self->path = text_copy (options->path);
    return self;
}

void
object_read_destroy (object_read_t **self_p)
{
    object_read_t *self = *self_p;
    if (!self)
        return;
    api_exchange_cancel (self->options.watcher->connection, self->exchange);
    actor_timer_cancel (self->options.watcher->actor, &self->retry_timer);
    actor_timer_cancel (self->options.watcher->actor, &self->kept_timer);
    tree_destroy (&self->incoming);
    tree_destroy (&self->object);
    tree_destroy (&self->volume);
    free (self->error);
    free (self->key);
    free (self->path);
    free (self);
    *self_p = NULL;
}

void
object_read_refresh (object_read_t *self, bool is_new)
{
    change_detection_t detection = self->options.detection;
    int64_t ttl_ms =
        detection == DETECT_BY_CACHE ? cluster_object_ttl_ms (self->options.watcher) : 0;
    if (!object_must_be_read (detection, &self->known, is_new, ttl_ms, clock_monotonic_ms()))
        return;
    self->is_awaited = true;
    if (!self->exchange)
        start_reading (self, object_may_be_cached (detection, &self->known, is_new));
}

bool
object_read_is_known (const object_read_t *self)
{
    return self->is_told && !self->is_awaited;
}

const node_t *
object_read_object (const object_read_t *self)
{
    return self->object ? tree_root (self->object) : NULL;
}

const node_t *
object_read_volume (const object_read_t *self)
{
    return self->volume ? tree_root (self->volume) : NULL;
}

const char *
object_read_error (const object_read_t *self)
{
    return self->error;
}
