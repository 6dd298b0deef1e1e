/* What volumes take of disks. One directory at a time is walked, a slice a turn of the actor's
   loop, and what was found is remembered until somebody wants it fresher. */
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "stats_provider.h"

#define SLICE_ENTRIES 500

/* What nobody has asked for that long is forgotten: its pod is gone. */
#define FORGET_MS (10 * 60 * 1000)

typedef struct {
    disk_fact_t fact;
    bool is_known;
    bool is_queued;
    int64_t wanted_ms; // monotonic; when it was asked for last
} entry_t;

typedef struct {
    disks_done_fn *done;
    void *context;
} waiter_t;

struct disks {
    actor_t *actor;
    zhashx_t *entries; // entry_t by path
    zlistx_t *queue;   // paths to walk
    zlistx_t *waiters;
    disk_walk_t *walk; // of the first in the queue; NULL: none
    int64_t began_ms;  // monotonic; the walk
    uint64_t timer;
};

static void
free_item (void **item_p)
{
    free (*item_p);
    *item_p = NULL;
}

disks_t *
disks_new (actor_t *actor)
{
    disks_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->entries = zhashx_new();
    zhashx_set_destructor (self->entries, free_item);
    self->queue = zlistx_new();
    zlistx_set_destructor (self->queue, free_item);
    self->waiters = zlistx_new();
    zlistx_set_destructor (self->waiters, free_item);
    return self;
}

void
disks_destroy (disks_t **self_p)
{
    disks_t *self = *self_p;
    if (!self)
        return;
    actor_timer_cancel (self->actor, &self->timer);
    disk_walk_destroy (&self->walk);
    zlistx_destroy (&self->waiters);
    zlistx_destroy (&self->queue);
    zhashx_destroy (&self->entries);
    free (self);
    *self_p = NULL;
}

static void work (void *state, void *context);

static void
work_soon (disks_t *self)
{
    if (!self->timer)
        self->timer = actor_timer (self->actor, 0, work, self);
}

void
disks_want (disks_t *self, const char *path, int64_t max_age_ms)
{
    int64_t now = clock_monotonic_ms();
    entry_t *entry = zhashx_lookup (self->entries, path);
    if (!entry) {
        entry = memory_new (1, sizeof *entry);
        zhashx_insert (self->entries, path, entry);
    }
    entry->wanted_ms = now;
    if (entry->is_queued || (entry->is_known && now - entry->fact.at_ms <= max_age_ms))
        return;
    entry->is_queued = true;
    zlistx_add_end (self->queue, text_copy (path));
    work_soon (self);
}

/* A walk has ended: what it found is known. */
static void
note_walk (disks_t *self)
{
    OWNED (free_text) char *path = zlistx_detach (self->queue, NULL);
    entry_t *entry = zhashx_lookup (self->entries, path);
    if (entry) {
        entry->fact.usage = disk_walk_usage (self->walk);
        entry->fact.at_ms = clock_monotonic_ms();
        entry->is_known = true;
        entry->is_queued = false;
        metric_observe (METRIC_VOLUME_METRIC_COLLECTION_DURATION_SECONDS,
                        (double) (entry->fact.at_ms - self->began_ms) / 1000, LABELS ("du"));
    }
    disk_walk_destroy (&self->walk);
}

static void
forget_old (disks_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *paths = zhashx_keys (self->entries);
    for (const char *path = zlistx_first (paths); path; path = zlistx_next (paths)) {
        const entry_t *entry = zhashx_lookup (self->entries, path);
        if (!entry->is_queued && clock_monotonic_ms() - entry->wanted_ms > FORGET_MS)
            zhashx_delete (self->entries, path);
    }
}

static void
begin_walk (disks_t *self, const char *path)
{
    self->walk = disk_walk_new (path);
    self->began_ms = clock_monotonic_ms();
}

static void
work (void *state, void *context)
{
    (void) state;
    disks_t *self = context;
    self->timer = 0;
    const char *path = zlistx_first (self->queue);
    if (path && !self->walk)
        begin_walk (self, path);
    if (path && disk_walk_step (self->walk, SLICE_ENTRIES))
        note_walk (self);
    if (zlistx_size (self->queue) > 0) {
        work_soon (self);
        return;
    }
    forget_old (self);
    for (waiter_t *waiter; (waiter = zlistx_detach (self->waiters, NULL));) {
        waiter_t copy = *waiter;
        free (waiter);
        copy.done (copy.context);
    }
}

void
disks_wait (disks_t *self, disks_done_fn *done, void *context)
{
    if (zlistx_size (self->queue) == 0) {
        done (context);
        return;
    }
    waiter_t *waiter = memory_new (1, sizeof *waiter);
    *waiter = (waiter_t){ done, context };
    zlistx_add_end (self->waiters, waiter);
}

void
disks_forget (disks_t *self, const void *context)
{
    for (waiter_t *waiter = zlistx_first (self->waiters); waiter;) {
        if (waiter->context == context) {
            zlistx_delete (self->waiters, zlistx_cursor (self->waiters));
            waiter = zlistx_first (self->waiters);
        }
        else
            waiter = zlistx_next (self->waiters);
    }
}

const disk_fact_t *
disks_look (disks_t *self, const char *path)
{
    const entry_t *entry = zhashx_lookup (self->entries, path);
    return entry && entry->is_known ? &entry->fact : NULL;
}
