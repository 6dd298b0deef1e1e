#include "cubelet/timer_heap.h"
#include "cubelet/memory.h"

/* Timers of one instant fire in the order they were added. */
static bool
is_before (const heap_timer_t *a, const heap_timer_t *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->id < b->id;
}

static void
swap (heap_timer_t *a, heap_timer_t *b)
{
    heap_timer_t kept = *a;
    *a = *b;
    *b = kept;
}

static void
sift_up (timer_heap_t *self, size_t at)
{
    while (at > 0 && is_before (&self->items[at], &self->items[(at - 1) / 2])) {
        swap (&self->items[at], &self->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void
sift_down (timer_heap_t *self, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < self->count; child++)
            if (is_before (&self->items[child], &self->items[least]))
                least = child;
        if (least == at)
            return;
        swap (&self->items[at], &self->items[least]);
        at = least;
    }
}

uint64_t
timer_heap_add (timer_heap_t *self, int64_t at_ms, timer_fire_fn *fire, void *context)
{
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 8;
        self->items = memory_grow (self->items, self->room, sizeof *self->items);
    }
    self->items[self->count++] = (heap_timer_t){ at_ms, ++self->last_id, fire, context };
    sift_up (self, self->count - 1);
    return self->last_id;
}

static void
remove_at (timer_heap_t *self, size_t at)
{
    self->items[at] = self->items[--self->count];
    if (at < self->count) {
        sift_down (self, at);
        sift_up (self, at);
    }
}

bool
timer_heap_remove (timer_heap_t *self, uint64_t id)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->items[i].id == id) {
            remove_at (self, i);
            return true;
        }
    }
    return false;
}

bool
timer_heap_pop_due (timer_heap_t *self, int64_t now_ms, heap_timer_t *out)
{
    if (!self->count || self->items[0].at_ms > now_ms)
        return false;
    *out = self->items[0];
    remove_at (self, 0);
    return true;
}

int64_t
timer_heap_next (const timer_heap_t *self)
{
    return self->count ? self->items[0].at_ms : -1;
}

void
timer_heap_clear (timer_heap_t *self)
{
    free (self->items);
    *self = (timer_heap_t){ .last_id = self->last_id };
}
