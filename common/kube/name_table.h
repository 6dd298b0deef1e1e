/* name_table.h - values by name, in the order in which the names first came. For lists that grow
   with what users write: thousands of services make thousands of variables. */
#pragma once
#include "cubelet/tree.h"

typedef struct {
    tree_t *tree;
    node_t pairs;  // array of {key, value}: the result
    size_t *slots; // index into pairs plus one, 0: free
    size_t slot_count;
} name_table_t;

/* An empty table; `tree` provides the memory of its pairs. To be cleared. */
void name_table_init (name_table_t *self, tree_t *tree);

/* Frees what is not the tree's; the pairs stay. */
void name_table_clear (name_table_t *self);

/* The value of a name, or NULL; valid until the next name_table_set. */
const node_t *name_table_get (const name_table_t *self, const char *name);

/* Adds a name or replaces its value in place; the name is copied. */
void name_table_set (name_table_t *self, const char *name, node_t value);
