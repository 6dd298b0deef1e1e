#include "cubelet/user_ranges.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/tree.h"
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK 65536

struct user_ranges {
    int64_t first, length, count;
    int64_t known;  // ranges that `taken` has room for; those behind are free
    uint8_t *taken; // one bit a range
};

user_ranges_t *
user_ranges_new (int64_t first, int64_t total, int64_t length)
{
    user_ranges_t *self = memory_new (1, sizeof *self);
    self->first = first;
    self->length = length;
    self->count = length > 0 && total > 0 ? total / length : 0;
    return self;
}

void
user_ranges_destroy (user_ranges_t **self_p)
{
    user_ranges_t *self = *self_p;
    if (!self)
        return;
    free (self->taken);
    free (self);
    *self_p = NULL;
}

static bool
is_taken (const user_ranges_t *self, int64_t index)
{
    return index < self->known && (self->taken[index / 8] & (1u << (index % 8)));
}

/* Few are ever used: the bits grow with what is taken. */
static void
set_taken (user_ranges_t *self, int64_t index)
{
    if (index >= self->known) {
        int64_t known = (index / 512 + 1) * 512;
        self->taken = memory_grow (self->taken, (size_t) known / 8, 1);
        memset (self->taken + self->known / 8, 0, (size_t) (known - self->known) / 8);
        self->known = known;
    }
    self->taken[index / 8] |= (uint8_t) (1u << (index % 8));
}

int64_t
user_ranges_take (user_ranges_t *self, fault_t *fault)
{
    for (int64_t i = 0; i < self->count; i++)
        if (!is_taken (self, i)) {
            set_taken (self, i);
            return self->first + i * self->length;
        }
    return fault_set (fault, FAULT_EXHAUSTED,
                      "could not find an empty slot to allocate a user namespace");
}

/* The number of the range that begins with `id`, or -1. */
static int64_t
index_of (const user_ranges_t *self, int64_t id)
{
    int64_t offset = id - self->first;
    bool is_one = self->count > 0 && offset >= 0 && offset % self->length == 0
                  && offset / self->length < self->count;
    return is_one ? offset / self->length : -1;
}

int
user_ranges_mark (user_ranges_t *self, int64_t id, fault_t *fault)
{
    int64_t index = index_of (self, id);
    if (index < 0)
        return fault_set (fault, FAULT_INVALID, "no range begins with the host id %" PRId64, id);
    if (is_taken (self, index))
        return fault_set (fault, FAULT_ALREADY_EXISTS,
                          "the host ids from %" PRId64 " on belong to another pod", id);
    set_taken (self, index);
    return 0;
}

void
user_ranges_release (user_ranges_t *self, int64_t id)
{
    int64_t index = index_of (self, id);
    if (index >= 0 && index < self->known)
        self->taken[index / 8] &= (uint8_t) ~(1u << (index % 8));
}

// ---- the file of a pod ----

static const char *const LISTS[] = { "uidMappings", "gidMappings" };

char *
user_mapping_write (int64_t id, int64_t length)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t mapping = node_map(), file = node_map();
    node_set_int (tree, &mapping, "hostId", id);
    node_set_int (tree, &mapping, "containerId", 0);
    node_set_int (tree, &mapping, "length", length);
    for (size_t i = 0; i < COUNT_OF (LISTS); i++) {
        node_t list = node_array();
        node_append (tree, &list, node_copy (tree, &mapping));
        node_set (tree, &file, LISTS[i], list);
    }
    return json_write (&file, JSON_COMPACT, NULL);
}

int
user_mapping_read (const char *bytes, size_t size, int64_t length, int64_t *id, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *file = json_read (bytes, size, fault);
    int64_t ids[COUNT_OF (LISTS)] = { 0 };
    if (!file)
        return -1;
    for (size_t i = 0; i < COUNT_OF (LISTS); i++) {
        const node_t *list = node_get (tree_root (file), LISTS[i]);
        const node_t *mapping = node_item (list, 0);
        ids[i] = node_get_int (mapping, "hostId", 0);
        if (node_count (list) != 1 || ids[i] <= 0 || node_get_int (mapping, "containerId", -1) != 0
            || node_get_int (mapping, "length", 0) != length)
            return fault_set (fault, FAULT_INVALID, "%s: must be one range of %" PRId64 " ids",
                              LISTS[i], length);
    }
    if (ids[0] != ids[1])
        return fault_set (fault, FAULT_INVALID, "users and groups have different ids");
    *id = ids[0];
    return 0;
}

// ---- getsubids ----

int
subids_read (const char *text, int64_t *first, int64_t *total, fault_t *fault)
{
    int used = 0;
    if (sscanf (text, "0: %*s %" SCNd64 " %" SCNd64 " %n", first, total, &used) != 2 || text[used])
        return fault_set (fault, FAULT_INVALID, "must be one range of ids");
    if (*first < BLOCK || *first % BLOCK != 0 || *total < BLOCK || *total % BLOCK != 0
        || *first > UINT32_MAX || *total > UINT32_MAX)
        return fault_set (fault, FAULT_INVALID,
                          "must begin with a multiple of %d above 0 and have a multiple of %d ids",
                          BLOCK, BLOCK);
    return 0;
}
