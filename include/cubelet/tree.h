/* tree.h - the value tree: one shape for JSON, YAML, protobuf and messages.

   A node is a msgpack_object. Nodes live in a tree, which owns their memory (a msgpack zone);
   destroying the tree frees all of them at once. Two promises that plain msgpack does not make:
     - every string and key is followed by a NUL, so node->via.str.ptr is a C string;
     - every map and array made here has room up to the next power of two, so it grows in place.
   Trees are built bottom-up: finish a child, then node_set or node_append it into its parent,
   which copies the (24 byte) node. A child changed after that does not change the parent's copy
   when it had to grow.
   A tree belongs to one thread. */
#pragma once
#include "cubelet/fault.h"
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef msgpack_object node_t;
typedef struct tree tree_t;

/* ---- trees ---- */

/* An empty tree whose root is nil. Owned by the caller. */
tree_t *tree_new (void);

/* A new tree holding a deep copy of `node` (NULL: nil), in one block of the size that it takes.
   Owned by the caller. */
tree_t *tree_copy (const node_t *node);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void tree_destroy (tree_t **self_p);

/* The root, to read or to assign: *tree_root (tree) = node_map (). NULL tree gives NULL. */
node_t *tree_root (tree_t *self);

/* Zeroed memory that lives as long as the tree, for records decoded from it. Never NULL. */
void *tree_alloc (tree_t *self, size_t size);

/* Copies `size` bytes of text into the tree, NUL added. */
char *tree_text (tree_t *self, const char *text, size_t size);

/* ---- msgpack bytes ---- */

/* Packs `node` to owned bytes (free()); *size_p is their number. */
char *node_pack (const node_t *node, size_t *size_p);

/* Reads one msgpack value; bytes are copied. NULL with FAULT_INVALID when they are not exactly
   one value, or nested deeper than TREE_UNPACK_DEPTH_MAX. */
tree_t *tree_unpack (const void *bytes, size_t size, fault_t *fault);

/* The same, into `tree`: returns 0 and *out, or -1 with FAULT_INVALID. */
int node_unpack (tree_t *tree, const void *bytes, size_t size, node_t *out, fault_t *fault);

/* No converter builds or accepts deeper nesting: recursion stays bounded on hostile input, and a
   document still fits into a message (msgpack-c itself stops reading at 32). */
#define TREE_DEPTH_MAX 24
#define TREE_UNPACK_DEPTH_MAX 31

/* ---- making nodes ---- */

node_t node_nil (void);
node_t node_bool (bool value);
node_t node_int (int64_t value);
node_t node_real (double value);
node_t node_map (void);
node_t node_array (void);

/* Copies the text into `tree`; NULL gives nil. */
node_t node_text (tree_t *tree, const char *text);
node_t node_text_sized (tree_t *tree, const char *text, size_t size);
node_t
node_text_format (tree_t *tree, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* Binary data (msgpack bin). Copies. */
node_t node_bytes (tree_t *tree, const void *bytes, size_t size);

/* A map or array of `count` pairs or items, which the caller fills in (they are nil): for readers
   that know the number, and need no search for equal keys. Keys are text nodes, all different. */
node_t node_map_sized (tree_t *tree, size_t count);
node_t node_array_sized (tree_t *tree, size_t count);

/* Deep copy of `node` into `tree`; NULL gives nil. */
node_t node_copy (tree_t *tree, const node_t *node);

/* Sets map[key]: replaces the value in place or appends the pair, and returns where it now
   stands (valid until the map grows). `map` must be a map node made in `tree`. */
node_t *node_set (tree_t *tree, node_t *map, const char *key, node_t value);

/* node_set of a text; does nothing when `text` is NULL. */
void node_set_text (tree_t *tree, node_t *map, const char *key, const char *text);
void node_set_int (tree_t *tree, node_t *map, const char *key, int64_t value);
void node_set_bool (tree_t *tree, node_t *map, const char *key, bool value);

/* Sets every pair of `map` in the root map of *self_p (NULL: a new tree), and frees what was there
   before. For trees that are kept: what node_set replaces stays in the tree's memory. */
void tree_merge (tree_t **self_p, const node_t *map);

/* Takes the pair with `key` out; true when there was one. */
bool node_remove (node_t *map, const char *key);

/* Appends to an array made in `tree`; returns where the item stands (valid until it grows). */
node_t *node_append (tree_t *tree, node_t *array, node_t value);

/* ---- reading nodes: every function takes NULL, and yields NULL or the default for it ---- */

/* The value of `key`, or NULL when `map` is no map, has no such key, or holds nil there. */
const node_t *node_get (const node_t *map, const char *key);
node_t *node_get_mutable (node_t *map, const char *key);

/* Walks keys: node_at (pod, "spec", "securityContext", NULL). Ends with NULL. */
const node_t *node_at (const node_t *map, ...) __attribute__ ((sentinel));

/* Item `index` of an array, or NULL. */
const node_t *node_item (const node_t *array, size_t index);

/* Items of an array or pairs of a map; 0 for anything else. */
size_t node_count (const node_t *node);

/* The pair at `index` of a map. */
const char *node_key_at (const node_t *map, size_t index);
const node_t *node_value_at (const node_t *map, size_t index);

bool node_is_map (const node_t *node);
bool node_is_array (const node_t *node);
bool node_is_text (const node_t *node);
bool node_is_int (const node_t *node);
bool node_is_nil (const node_t *node); // NULL counts as nil

/* The node's own value, or the default when it is NULL or of another type. node_as_int takes
   integers of either sign that fit int64_t. Texts are borrowed from the tree. */
const char *node_as_text (const node_t *node, const char *otherwise);
int64_t node_as_int (const node_t *node, int64_t otherwise);
bool node_as_bool (const node_t *node, bool otherwise);

/* The bytes of a text or of binary data; "" and size 0 for anything else. */
const char *node_as_bytes (const node_t *node, size_t *size_p);

/* The same for map[key]. */
const char *node_get_text (const node_t *map, const char *key, const char *otherwise);
int64_t node_get_int (const node_t *map, const char *key, int64_t otherwise);
bool node_get_bool (const node_t *map, const char *key, bool otherwise);

/* Deep equality; the order of map keys does not count, nil equals an absent key's NULL. */
bool node_equal (const node_t *a, const node_t *b);

/* Walks an array: `NODE_EACH (containers, container) { ... }`; anything else has no items. */
#define NODE_EACH(array, item)                                                                     \
    for (size_t item##_i_ = 0, item##_n_ = node_is_array (array) ? node_count (array) : 0;         \
         item##_i_ < item##_n_; item##_i_ = item##_n_ + 1)                                         \
        for (const node_t *item; item##_i_ < item##_n_ && (item = node_item (array, item##_i_));   \
             item##_i_++)
