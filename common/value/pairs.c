#include "cubelet/pairs.h"
#include "cubelet/memory.h"
#include <string.h>

typedef struct {
    const char *key;
    size_t size;
    size_t index;
} entry_t;

static int
compare_keys (const entry_t *a, const entry_t *b)
{
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->size ? memcmp (a->key, b->key, a->size) : 0;
}

static int
compare_entries (const void *a, const void *b)
{
    const entry_t *x = a, *y = b;
    int order = compare_keys (x, y);
    if (order != 0)
        return order;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void
free_entries (entry_t **entries_p)
{
    free (*entries_p);
}

static void
free_indexes (size_t **indexes_p)
{
    free (*indexes_p);
}

void
pairs_find_earlier (const msgpack_object_kv *pairs, size_t count, size_t *earlier)
{
    OWNED (free_entries) entry_t *entries = memory_new (count, sizeof *entries);
    for (size_t i = 0; i < count; i++)
        entries[i] = (entry_t){ pairs[i].key.via.str.ptr, pairs[i].key.via.str.size, i };
    qsort (entries, count, sizeof *entries, compare_entries);
    for (size_t i = 0; i < count; i++) {
        bool is_same = i > 0 && compare_keys (&entries[i - 1], &entries[i]) == 0;
        earlier[entries[i].index] = is_same ? entries[i - 1].index : PAIR_NONE;
    }
}

size_t
pairs_unite (msgpack_object_kv *pairs, size_t count)
{
    // earlier[i] becomes where the value of pair i goes: pairs are walked in order, so what an
    // earlier pair says is settled by then.
    OWNED (free_indexes) size_t *earlier = memory_new (count, sizeof *earlier);
    pairs_find_earlier (pairs, count, earlier);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_first = earlier[i] == PAIR_NONE;
        size_t to = is_first ? kept++ : earlier[earlier[i]];
        if (is_first)
            pairs[to].key = pairs[i].key;
        pairs[to].val = pairs[i].val;
        earlier[i] = to;
    }
    return kept;
}
