/* start_window.h - a bounded number of starts at a time, and who is next.

   The runtime is bound by its CPU: more than about two starts per core in flight only make each one
   slower, so that all pods come late instead of one after the other (docs/architecture.md,
   Budgets). Items are the caller's pointers. */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct start_window start_window_t;

/* A window of `places` (0: one); at most `waiting_max` items wait. Owned. */
start_window_t *start_window_new (size_t places, size_t waiting_max);

/* Frees *self_p and sets it to NULL; the items are the caller's. */
void start_window_destroy (start_window_t **self_p);

typedef enum { WINDOW_ENTERED, WINDOW_WAITS, WINDOW_FULL } window_answer_t;

/* Asks for a place. Among those that wait the higher `priority` is first, then who came first. */
window_answer_t start_window_enter (start_window_t *self, int priority, void *item);

/* Gives a place back. Returns the item that has it now, or NULL when none waits. */
void *start_window_leave (start_window_t *self);

/* Takes out an item that waits; false when it does not. */
bool start_window_forget (start_window_t *self, const void *item);

/* Places taken, and items that wait. */
size_t start_window_in_flight (const start_window_t *self);
size_t start_window_waiting (const start_window_t *self);
