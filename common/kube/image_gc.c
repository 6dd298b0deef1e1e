#include "cubelet/image_gc.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <string.h>

typedef struct {
    char *id;
    int64_t size;
    int64_t first_seen;
    int64_t last_used; // 0: never since we look
    bool is_pinned;
    bool is_used;
    bool is_there; // while a listing is taken
} record_t;

struct image_gc {
    zhashx_t *records; // record_t by id
    int64_t began;     // the first listing; 0: none yet
};

static void
record_destroy (void **self_p)
{
    record_t *self = *self_p;
    free (self->id);
    free (self);
    *self_p = NULL;
}

image_gc_t *
image_gc_new (void)
{
    image_gc_t *self = memory_new (1, sizeof *self);
    self->records = zhashx_new();
    zhashx_set_destructor (self->records, record_destroy);
    return self;
}

void
image_gc_destroy (image_gc_t **self_p)
{
    image_gc_t *self = *self_p;
    if (!self)
        return;
    zhashx_destroy (&self->records);
    free (self);
    *self_p = NULL;
}

size_t
image_gc_count (const image_gc_t *self)
{
    return zhashx_size (self->records);
}

// ---- listings ----

static bool
lists (const node_t *list, const char *text)
{
    NODE_EACH (list, item)
    if (strcmp (node_as_text (item, ""), text) == 0)
        return true;
    return false;
}

/* True when a container or sandbox that names its image so has this one. */
static bool
is_called (const node_t *image, const char *name)
{
    return name && *name
           && (strcmp (node_get_text (image, "id", ""), name) == 0
               || lists (node_get (image, "repo_tags"), name)
               || lists (node_get (image, "repo_digests"), name));
}

static bool
is_used (const node_t *image, const node_t *containers, const char *sandbox_image)
{
    if (is_called (image, sandbox_image))
        return true;
    NODE_EACH (containers, container)
    if (is_called (image, node_get_text (container, "image_ref", NULL))
        || is_called (image, node_get_text (node_get (container, "image"), "image", NULL)))
        return true;
    return false;
}

static void
note_image (image_gc_t *self, const node_t *image, bool is_in_use, int64_t now)
{
    const char *id = node_get_text (image, "id", "");
    record_t *record = zhashx_lookup (self->records, id);
    if (!record) {
        record = memory_new (1, sizeof *record);
        record->id = text_copy (id);
        record->first_seen = self->began ? now : 0;
        zhashx_insert (self->records, id, record);
    }
    record->is_there = true;
    record->is_used = is_in_use;
    record->is_pinned = node_get_bool (image, "pinned", false);
    record->size = node_get_int (image, "size", 0);
    if (is_in_use)
        record->last_used = now;
}

void
image_gc_note (image_gc_t *self, const node_t *images, const node_t *containers,
               const char *sandbox_image, int64_t now)
{
    for (record_t *record = zhashx_first (self->records); record;
         record = zhashx_next (self->records))
        record->is_there = false;
    NODE_EACH (images, image)
    note_image (self, image, is_used (image, containers, sandbox_image), now);
    OWNED (zlistx_destroy) zlistx_t *ids = zhashx_keys (self->records);
    for (const char *id = zlistx_first (ids); id; id = zlistx_next (ids)) {
        const record_t *record = zhashx_lookup (self->records, id);
        if (!record->is_there)
            zhashx_delete (self->records, id);
    }
    if (!self->began)
        self->began = now;
}

// ---- choosing ----

static int
order (int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
compare (const void *left, const void *right)
{
    const image_victim_t *a = left, *b = right;
    int result = order (a->last_used, b->last_used);
    return result ? result : order (a->first_seen, b->first_seen);
}

/* All that may go, in order. */
static size_t
candidates (const image_gc_t *self, int64_t minimum_age, int64_t now, image_victim_t *out)
{
    size_t count = 0;
    for (const record_t *record = zhashx_first (self->records); record;
         record = zhashx_next (self->records))
        if (!record->is_used && !record->is_pinned && now - record->first_seen >= minimum_age)
            out[count++] =
                (image_victim_t){ record->id, record->size, record->last_used, record->first_seen };
    if (count > 0)
        qsort (out, count, sizeof *out, compare);
    return count;
}

size_t
image_gc_choose (const image_gc_t *self, int64_t bytes, int64_t minimum_age, int64_t now,
                 image_victim_t *out)
{
    size_t all = candidates (self, minimum_age, now, out), count = 0;
    for (int64_t freed = 0; count < all && freed < bytes; count++)
        freed += out[count].size;
    return count;
}

size_t
image_gc_choose_old (const image_gc_t *self, int64_t maximum_age, int64_t minimum_age, int64_t now,
                     image_victim_t *out)
{
    if (maximum_age <= 0 || !self->began || now - self->began <= maximum_age)
        return 0;
    size_t all = candidates (self, minimum_age, now, out), count = 0;
    while (count < all && now - out[count].last_used > maximum_age)
        count++;
    return count;
}

int64_t
image_gc_excess (int64_t capacity, int64_t available, int64_t high, int64_t low)
{
    if (high >= 100 || capacity <= 0)
        return 0;
    int64_t used_percent = 100 - available * 100 / capacity;
    int64_t excess = capacity * (100 - low) / 100 - available;
    return used_percent >= high && excess > 0 ? excess : 0;
}
