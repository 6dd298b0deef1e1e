#include "name_table.h"
#include "cubelet/memory.h"
#include <string.h>

#define SLOTS_FIRST 64 // a power of two

void
name_table_init (name_table_t *self, tree_t *tree)
{
    *self = (name_table_t){ .tree = tree, .pairs = node_array(), .slot_count = SLOTS_FIRST };
    self->slots = memory_new (SLOTS_FIRST, sizeof *self->slots);
}

void
name_table_clear (name_table_t *self)
{
    free (self->slots);
    self->slots = NULL;
    self->slot_count = 0;
}

static uint64_t
hash (const char *text)
{
    uint64_t value = 0xcbf29ce484222325; // FNV-1a
    for (; *text; text++)
        value = (value ^ (unsigned char) *text) * 0x100000001b3;
    return value;
}

static node_t *
pair_at (const name_table_t *self, size_t index)
{
    return &self->pairs.via.array.ptr[index];
}

/* The slot of the name, or the free one where it belongs. */
static size_t *
find_slot (const name_table_t *self, const char *name)
{
    for (uint64_t at = hash (name);; at++) {
        size_t *slot = &self->slots[at & (self->slot_count - 1)];
        if (*slot == 0 || strcmp (node_get_text (pair_at (self, *slot - 1), "key", ""), name) == 0)
            return slot;
    }
}

const node_t *
name_table_get (const name_table_t *self, const char *name)
{
    size_t slot = *find_slot (self, name);
    return slot ? node_get (pair_at (self, slot - 1), "value") : NULL;
}

static void
grow (name_table_t *self)
{
    free (self->slots);
    self->slot_count *= 2;
    self->slots = memory_new (self->slot_count, sizeof *self->slots);
    for (size_t i = 0; i < node_count (&self->pairs); i++)
        *find_slot (self, node_get_text (pair_at (self, i), "key", "")) = i + 1;
}

void
name_table_set (name_table_t *self, const char *name, node_t value)
{
    size_t *slot = find_slot (self, name);
    if (*slot) {
        node_set (self->tree, pair_at (self, *slot - 1), "value", value);
        return;
    }
    node_t pair = node_map();
    node_set_text (self->tree, &pair, "key", name);
    node_set (self->tree, &pair, "value", value);
    node_append (self->tree, &self->pairs, pair);
    *slot = node_count (&self->pairs);
    if (*slot * 2 > self->slot_count)
        grow (self);
}
