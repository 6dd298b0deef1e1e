#include "cubelet/start_window.h"
#include "cubelet/memory.h"
#include <string.h>

typedef struct {
    int priority;
    void *item;
} waiter_t;

struct start_window {
    size_t places;
    size_t taken;
    waiter_t *waiters; // the next one first
    size_t count;
    size_t room;
    size_t waiting_max;
};

start_window_t *
start_window_new (size_t places, size_t waiting_max)
{
    start_window_t *self = memory_new (1, sizeof *self);
    self->places = places ? places : 1;
    self->waiting_max = waiting_max;
    return self;
}

void
start_window_destroy (start_window_t **self_p)
{
    if (*self_p)
        free ((*self_p)->waiters);
    free (*self_p);
    *self_p = NULL;
}

window_answer_t
start_window_enter (start_window_t *self, int priority, void *item)
{
    if (self->taken < self->places) {
        self->taken++;
        return WINDOW_ENTERED;
    }
    if (self->count == self->waiting_max)
        return WINDOW_FULL;
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->waiters = memory_grow (self->waiters, self->room, sizeof (waiter_t));
    }
    size_t at = self->count;
    while (at > 0 && self->waiters[at - 1].priority < priority)
        at--;
    memmove (&self->waiters[at + 1], &self->waiters[at], (self->count - at) * sizeof (waiter_t));
    self->waiters[at] = (waiter_t){ priority, item };
    self->count++;
    return WINDOW_WAITS;
}

static void *
take_out (start_window_t *self, size_t at)
{
    void *item = self->waiters[at].item;
    self->count--;
    memmove (&self->waiters[at], &self->waiters[at + 1], (self->count - at) * sizeof (waiter_t));
    return item;
}

void *
start_window_leave (start_window_t *self)
{
    if (self->count > 0)
        return take_out (self, 0); // the place goes from one to the next
    if (self->taken > 0)
        self->taken--;
    return NULL;
}

bool
start_window_forget (start_window_t *self, const void *item)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->waiters[i].item == item) {
            take_out (self, i);
            return true;
        }
    }
    return false;
}

size_t
start_window_in_flight (const start_window_t *self)
{
    return self->taken;
}

size_t
start_window_waiting (const start_window_t *self)
{
    return self->count;
}
