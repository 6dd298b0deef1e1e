/* timer_heap.h - timers by their time; adding and firing cost log n. For one thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void timer_fire_fn (void *owner, void *context);

typedef struct {
    int64_t at_ms; // clock_monotonic_ms
    uint64_t id;
    timer_fire_fn *fire;
    void *context;
} heap_timer_t;

typedef struct {
    heap_timer_t *items;
    size_t count;
    size_t room;
    uint64_t last_id;
} timer_heap_t;

/* Adds a timer and returns its id, never 0 and never used twice. */
uint64_t timer_heap_add (timer_heap_t *self, int64_t at_ms, timer_fire_fn *fire, void *context);

/* Takes a timer out; false when it has fired or never was. */
bool timer_heap_remove (timer_heap_t *self, uint64_t id);

/* Takes the next timer that is due at `now_ms` into *out; false when none is. */
bool timer_heap_pop_due (timer_heap_t *self, int64_t now_ms, heap_timer_t *out);

/* The time of the next timer, or -1 when there is none. */
int64_t timer_heap_next (const timer_heap_t *self);

/* Frees the items; the heap is empty then. */
void timer_heap_clear (timer_heap_t *self);
