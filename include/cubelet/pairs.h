/* pairs.h - pairs of a map on its way in: which of several with the same key counts? Sorted, so
   that a hostile map of a million keys takes no longer than it should. */
#pragma once
#include "cubelet/tree.h"
#include <stddef.h>

#define PAIR_NONE ((size_t) -1)

/* Sets earlier[i] to the index of the last pair before pairs[i] that has the same key, or to
   PAIR_NONE. `earlier` has room for `count`. Keys are text nodes. */
void pairs_find_earlier (const msgpack_object_kv *pairs, size_t count, size_t *earlier);

/* Lets the value of a later pair replace that of the first with the same key, and closes the gaps.
   Returns how many pairs are left. */
size_t pairs_unite (msgpack_object_kv *pairs, size_t count);
