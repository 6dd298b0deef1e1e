/* packed.h - a value kept as msgpack bytes, for what is kept long and read seldom: about a fifth of
   what its tree takes. A packed_t that is all zero holds nothing. */
#pragma once
#include "cubelet/tree.h"

typedef struct {
    char *bytes; // owned; NULL: nothing
    size_t size;
} packed_t;

/* Holds `node` instead of what it held; NULL and nil: nothing. */
void packed_set (packed_t *self, const node_t *node);

/* Holds nothing any more. */
void packed_clear (packed_t *self);

/* The value, in `tree` (nil when it holds nothing) ... */
node_t packed_node (const packed_t *self, tree_t *tree);

/* ... or in a tree of its own; owned, never NULL. */
tree_t *packed_tree (const packed_t *self);

/* True when what it holds equals `node` as node_equal sees it: nothing equals nil and NULL. */
bool packed_equal (const packed_t *self, const node_t *node);

/* A number for the bytes, never 0 when there are some; 0 for nothing. */
uint64_t packed_hash (const packed_t *self);
