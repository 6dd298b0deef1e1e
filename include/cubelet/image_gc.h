/* image_gc.h - which images may go to make room. Source: reference/node-and-server.md 6.1.

   Pure: lists from the runtime and the time are arguments. Times are ns of one clock; 0: long ago.
 */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct image_gc image_gc_t;

/* Remembers since when images are there and when they were used last. Owned. */
image_gc_t *image_gc_new (void);
void image_gc_destroy (image_gc_t **self_p);

/* Takes what the runtime lists at `now`: CRI Images, CRI Containers of all states, and the name of
   the sandboxes' own image (NULL: not known), which counts as used. Images of the first listing
   count as there since long ago. */
void image_gc_note (image_gc_t *self, const node_t *images, const node_t *containers,
                    const char *sandbox_image, int64_t now);

/* One that may go; borrowed until the next image_gc_note. */
typedef struct {
    const char *id;
    int64_t size;
    int64_t last_used, first_seen;
} image_victim_t;

/* Fills `out` (room for image_gc_count) with what may go, in order: used longest ago first, then
   there longest. Not those in use, pinned, or there for less than `minimum_age`. As many as it
   takes to free `bytes` (INT64_MAX: all). Returns how many. */
size_t image_gc_choose (const image_gc_t *self, int64_t bytes, int64_t minimum_age, int64_t now,
                        image_victim_t *out);

/* The same for those that were not used for `maximum_age`; none before this has watched for so long
   itself. */
size_t image_gc_choose_old (const image_gc_t *self, int64_t maximum_age, int64_t minimum_age,
                            int64_t now, image_victim_t *out);

size_t image_gc_count (const image_gc_t *self);

/* The bytes to be freed of a file system: none unless `high` percent of it are in use, then until
   only `low` percent are. */
int64_t image_gc_excess (int64_t capacity, int64_t available, int64_t high, int64_t low);
