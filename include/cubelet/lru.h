/* lru.h - a bounded map from text to plain values that forgets what was not used for longest.
   For one thread. */
#pragma once
#include <stddef.h>

typedef struct lru lru_t;

/* A map of at most `limit` (1 or more) values of `value_size` bytes, which own nothing unless
   lru_set_forget frees it. Owned by the caller. */
lru_t *lru_new (size_t limit, size_t value_size);

/* Calls `forget` with each value before it goes, for values that own something after all. */
typedef void lru_forget_fn (void *value);
void lru_set_forget (lru_t *self, lru_forget_fn *forget);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void lru_destroy (lru_t **self_p);

/* The value of `key`, which becomes the one used last; or NULL. Valid until the next lru_put. */
void *lru_get (lru_t *self, const char *key);

/* The same, but makes a zeroed value when there is none; the one unused for longest goes when
   the map is full. Never NULL. */
void *lru_put (lru_t *self, const char *key);

/* Forgets `key`; does nothing when it is not there. */
void lru_remove (lru_t *self, const char *key);

size_t lru_count (const lru_t *self);
