/* json.h - JSON (jansson) to and from value trees. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stddef.h>

/* Reads exactly one JSON value (any kind). Duplicate keys, trailing text, invalid UTF-8 and
   nesting deeper than TREE_DEPTH_MAX are refused; FAULT_INVALID with "line L column C: ...".
   Numbers without fraction and exponent that fit become integers, others reals. Returns an owned
   tree or NULL. */
tree_t *json_read (const char *bytes, size_t size, fault_t *fault);

#define JSON_COMPACT 0
#define JSON_PRETTY 2 // indented by two

/* Owned, NUL-terminated JSON text (free()); keys in the tree's order; binary data as base64.
 *size_p (may be NULL) is its length. */
char *json_write (const node_t *node, int style, size_t *size_p);
