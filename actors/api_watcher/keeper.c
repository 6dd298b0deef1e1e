/* keeper.c - writes checkpoints, one every now and then so that no crowd of them holds up the
   actor, and forgets those that no pod needs. */
#include "keeper.h"
#include "cubelet/checkpoint_dir.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <string.h>
#include <unistd.h>

/* Between two writes, each with its fsync. */
#define WRITE_PAUSE_MS 20
/* After a failure, most often a full disk. */
#define RETRY_MS 10000

/* One object that is to be written. */
typedef struct {
    char *kind, *namespace, *name, *uid;
    int64_t first_ns;
    char *bytes;
    size_t size;
} pending_t;

struct keeper {
    actor_t *actor;
    checkpoint_dir_t *directory;
    zhashx_t *pending; // pending_t by "KIND/KEY"
    uint64_t timer;
    bool counts;
    bool is_failing; // logged already
};

static void
pending_destroy (void **self_p)
{
    pending_t *self = *self_p;
    explicit_bzero (self->bytes, self->size); // it may be a Secret
    free (self->bytes);
    free (self->kind);
    free (self->namespace);
    free (self->name);
    free (self->uid);
    free (self);
    *self_p = NULL;
}

// ---- whether it counts ----

void
keeper_heard (keeper_t *self)
{
    if (self && self->counts)
        LOG_INFO ("API server answers again, its word counts instead of the checkpoint");
    if (self)
        self->counts = false;
}

void
keeper_missed (keeper_t *self, int code)
{
    if (self && checkpoint_counts_after (code))
        self->counts = true;
}

bool
keeper_counts (const keeper_t *self)
{
    return self && self->counts;
}

// ---- writing ----

static int
write_one (keeper_t *self, const pending_t *pending)
{
    fault_t fault = { 0 };
    checkpoint_t record = {
        .kind = pending->kind,
        .namespace = pending->namespace,
        .name = pending->name,
        .uid = pending->uid,
        .first_ns = pending->first_ns,
        .bytes = pending->bytes,
        .size = pending->size,
    };
    int rc = checkpoint_dir_put (self->directory, &record, &fault);
    if (rc < 0 && !self->is_failing)
        LOG_WARNING ("Checkpoint is not written kind=%s object=%s/%s err=%s", record.kind,
                     record.namespace, record.name, fault.text);
    self->is_failing = rc < 0;
    return rc;
}

static void
write_due (void *state, void *context)
{
    (void) state;
    keeper_t *self = context;
    self->timer = 0;
    const pending_t *pending = zhashx_first (self->pending);
    if (!pending)
        return;
    int rc = write_one (self, pending);
    if (rc == 0) {
        OWNED (free_text) char *key = text_copy (zhashx_cursor (self->pending));
        zhashx_delete (self->pending, key);
    }
    if (zhashx_size (self->pending) > 0)
        self->timer =
            actor_timer (self->actor, rc < 0 ? RETRY_MS : WRITE_PAUSE_MS, write_due, self);
}

void
keeper_keep (keeper_t *self, const char *kind, const char *key, const char *uid, int64_t first_ns,
             const char *bytes, size_t size)
{
    if (!self)
        return;
    const char *slash = strchr (key, '/');
    pending_t *pending = memory_new (1, sizeof *pending);
    pending->kind = text_copy (kind);
    pending->namespace = text_format ("%.*s", slash ? (int) (slash - key) : 0, key);
    pending->name = text_copy (slash ? slash + 1 : key);
    pending->uid = text_copy (uid);
    pending->first_ns = first_ns;
    pending->bytes = memory_new (1, size + 1);
    pending->size = size;
    memcpy (pending->bytes, bytes, size);
    OWNED (free_text) char *place = text_format ("%s/%s", kind, key);
    zhashx_update (self->pending, place, pending);
    if (!self->timer)
        self->timer = actor_timer (self->actor, WRITE_PAUSE_MS, write_due, self);
}

static char *
file_of (const char *kind, const char *key)
{
    const char *slash = strchr (key, '/');
    OWNED (free_text)
    char *namespace = text_format ("%.*s", slash ? (int) (slash - key) : 0, key);
    return checkpoint_file (kind, namespace, slash ? slash + 1 : key, "");
}

void
keeper_drop (keeper_t *self, const char *kind, const char *key)
{
    if (!self)
        return;
    OWNED (free_text) char *place = text_format ("%s/%s", kind, key);
    OWNED (free_text) char *file = file_of (kind, key);
    zhashx_delete (self->pending, place);
    if (file)
        checkpoint_dir_remove (self->directory, file);
}

// ---- reading ----

tree_t *
keeper_get (keeper_t *self, const char *kind, const char *key, int64_t *first_ns_p)
{
    OWNED (free_text) char *file = self ? file_of (kind, key) : NULL;
    return file ? checkpoint_dir_read (self->directory, file, first_ns_p) : NULL;
}

zlistx_t *
keeper_files (const keeper_t *self, const char *kind)
{
    return self ? checkpoint_dir_files (self->directory, kind) : NULL;
}

tree_t *
keeper_read (keeper_t *self, const char *file, int64_t *first_ns_p)
{
    return checkpoint_dir_read (self->directory, file, first_ns_p);
}

// ---- what nobody needs ----

/* What somebody in this process is writing just now. */
static bool
is_being_written (const char *file)
{
    OWNED (free_text) char *ending = text_format (".tmp-%d", (int) getpid());
    const char *found = strstr (file, ".tmp-");
    return found && streq (found, ending);
}

static void
sweep_pending (keeper_t *self, const node_t *wanted)
{
    OWNED (zlistx_destroy) zlistx_t *places = zhashx_keys (self->pending);
    for (const char *place = zlistx_first (places); place; place = zlistx_next (places)) {
        const pending_t *pending = zhashx_lookup (self->pending, place);
        OWNED (free_text)
        char *file =
            checkpoint_file (pending->kind, pending->namespace, pending->name, pending->uid);
        if (!file || !checkpoint_is_wanted (wanted, file))
            zhashx_delete (self->pending, place);
    }
}

void
keeper_sweep (keeper_t *self, const node_t *pods)
{
    if (!self)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t wanted = checkpoint_wanted (pods, tree);
    sweep_pending (self, &wanted);
    OWNED (zlistx_destroy) zlistx_t *files = checkpoint_dir_files (self->directory, NULL);
    for (const char *file = zlistx_first (files); file; file = zlistx_next (files))
        if (!checkpoint_is_wanted (&wanted, file) && !is_being_written (file))
            checkpoint_dir_remove (self->directory, file);
}

// ---- life ----

keeper_t *
keeper_new (actor_t *actor, const char *directory, const char *key_file, fault_t *fault)
{
    checkpoint_dir_t *opened = checkpoint_dir_new (directory, key_file, fault);
    if (!opened)
        return NULL;
    keeper_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->directory = opened;
    self->pending = zhashx_new();
    zhashx_set_destructor (self->pending, pending_destroy);
    return self;
}

void
keeper_destroy (keeper_t **self_p)
{
    keeper_t *self = *self_p;
    if (!self)
        return;
    actor_timer_cancel (self->actor, &self->timer);
    int rc = 0;
    for (const pending_t *pending = zhashx_first (self->pending); pending && rc == 0;
         pending = zhashx_next (self->pending))
        rc = write_one (self, pending);
    zhashx_destroy (&self->pending);
    checkpoint_dir_destroy (&self->directory);
    free (self);
    *self_p = NULL;
}
