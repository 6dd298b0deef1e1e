#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "view.h"
#include <czmq.h>
#include <string.h>

/* Requests whose answer is awaited; more are forgotten, oldest first. */
#define WAITING_MAX 4096

typedef struct {
    char type[64];
    int64_t count, seen; // seen: the count at the last print
    int64_t faults;
    int64_t answered, latency_sum_us, latency_max_us;
} type_stats_t;

typedef struct {
    uint64_t id;
    int64_t sent_ns;
} waiting_t;

struct view_stats {
    zhashx_t *types; // type_stats_t
    waiting_t waiting[WAITING_MAX];
    size_t next;
    int64_t printed_ns;
};

static void
free_item (void **item_p)
{
    free (*item_p);
    *item_p = NULL;
}

view_stats_t *
view_stats_new (void)
{
    view_stats_t *self = memory_new (1, sizeof *self);
    self->types = zhashx_new();
    zhashx_set_destructor (self->types, free_item);
    self->printed_ns = clock_now_ns();
    return self;
}

void
view_stats_destroy (view_stats_t **self_p)
{
    if (!*self_p)
        return;
    zhashx_destroy (&(*self_p)->types);
    free (*self_p);
    *self_p = NULL;
}

static type_stats_t *
stats_of (view_stats_t *self, const char *type)
{
    type_stats_t *stats = zhashx_lookup (self->types, type);
    if (!stats) {
        stats = memory_new (1, sizeof *stats);
        snprintf (stats->type, sizeof stats->type, "%s", type);
        zhashx_insert (self->types, type, stats);
    }
    return stats;
}

static void
add_latency (view_stats_t *self, type_stats_t *stats, const shown_t *reply)
{
    // Ids start at a clock's nanoseconds in every actor, so one number is enough to match.
    for (size_t i = 0; i < WAITING_MAX; i++) {
        if (self->waiting[i].id != reply->re)
            continue;
        int64_t us = (reply->now_ns - self->waiting[i].sent_ns) / 1000;
        self->waiting[i].id = 0;
        stats->answered++;
        stats->latency_sum_us += us;
        if (us > stats->latency_max_us)
            stats->latency_max_us = us;
        return;
    }
}

void
view_stats_add (view_stats_t *self, const shown_t *message)
{
    type_stats_t *stats = stats_of (self, message->type);
    if (message->re) {
        stats->faults += message->fault != FAULT_NONE;
        add_latency (self, stats, message);
        return;
    }
    stats->count++;
    self->waiting[self->next++ % WAITING_MAX] = (waiting_t){ message->id, message->sent_ns };
}

static int
by_count (const void *a, const void *b)
{
    const type_stats_t *left = *(type_stats_t *const *) a, *right = *(type_stats_t *const *) b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return strcmp (left->type, right->type);
}

void
view_stats_print (view_stats_t *self, const view_options_t *options)
{
    int64_t now_ns = clock_now_ns();
    double seconds = (double) (now_ns - self->printed_ns) / (double) NS_PER_S;
    self->printed_ns = now_ns;
    size_t count = 0;
    OWNED (free_text) char *memory = memory_new (zhashx_size (self->types), sizeof (void *));
    type_stats_t **rows = (void *) memory;
    for (type_stats_t *row = zhashx_first (self->types); row; row = zhashx_next (self->types))
        rows[count++] = row;
    qsort (rows, count, sizeof *rows, by_count);
    if (options->is_terminal)
        fputs ("\033[H\033[J", stdout);
    printf ("%-32s %9s %9s %7s %12s %12s\n", "type", "messages", "per s", "faults", "mean ms",
            "max ms");
    for (size_t i = 0; i < count; i++) {
        type_stats_t *row = rows[i];
        printf ("%-32s %9lld %9.1f %7lld", row->type, (long long) row->count,
                seconds > 0 ? (double) (row->count - row->seen) / seconds : 0.0,
                (long long) row->faults);
        if (row->answered)
            printf (" %12.3f %12.3f",
                    (double) row->latency_sum_us / (double) row->answered / 1000.0,
                    (double) row->latency_max_us / 1000.0);
        putchar ('\n');
        row->seen = row->count;
    }
    fflush (stdout);
}
