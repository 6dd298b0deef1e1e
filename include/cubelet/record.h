/* record.h - typed structs filled from value trees by one decoder that walks a field table.

   Adding an API field is one line in a table. Absent and zero differ in the API (`runAsUser: 0`
   is root), so optional scalars carry a `set` flag. Decoded texts, lists and nodes are borrowed
   from the tree or allocated in it: a record needs no freeing and lives as long as its tree. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/quantity.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    bool set;
    int64_t value;
} opt_int_t;

typedef struct {
    bool set;
    bool value;
} opt_bool_t;

/* Kubernetes' IntOrString: a number, or a text when `text` is not NULL. */
typedef struct {
    bool set;
    int64_t value;
    const char *text;
} int_or_text_t;

typedef struct {
    const char **items;
    size_t count;
} text_list_t;

/* A list of records: LIST_OF (container_t) containers; */
#define LIST_OF(type)                                                                              \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count;                                                                              \
    }

typedef enum {
    FIELD_TEXT,        // const char *; absent: NULL
    FIELD_BOOL,        // bool; absent: left as it is
    FIELD_OPT_BOOL,    // opt_bool_t
    FIELD_INT,         // int64_t; absent: left as it is
    FIELD_OPT_INT,     // opt_int_t
    FIELD_REAL,        // double; absent: left as it is
    FIELD_INT_OR_TEXT, // int_or_text_t
    FIELD_QUANTITY,    // quantity_t; absent: not set
    FIELD_DURATION,    // int64_t nanoseconds from Go duration text ("1m30s"); absent: left
    FIELD_TIME,        // int64_t nanoseconds since 1970 from RFC 3339 text; absent: left
    FIELD_NODE,        // const node_t *, any shape; absent: NULL
    FIELD_TEXT_MAP,    // const node_t *, checked to be a map of texts; absent: NULL
    FIELD_TEXT_LIST,   // text_list_t
    FIELD_RECORD,      // a nested struct in place; absent: left as it is
    FIELD_OPT_RECORD,  // pointer to a struct allocated in the tree; absent: NULL
    FIELD_LIST,        // LIST_OF (struct)
} field_kind_t;

typedef struct record_type record_type_t;

typedef struct {
    const char *name; // as spelled in the API
    field_kind_t kind;
    size_t offset;
    bool required;             // absent is a fault ("PATH: Required value")
    const record_type_t *of;   // FIELD_RECORD, FIELD_OPT_RECORD, FIELD_LIST
    int64_t low, high;         // numbers: the range allowed, when low < high
    const char *const *one_of; // texts: the values allowed, ends with NULL; NULL: any
} field_t;

struct record_type {
    const field_t *fields; // ends with a row whose name is NULL
    size_t size;
};

typedef enum {
    RECORD_LENIENT, // unknown keys are left alone, as the API asks of clients
    RECORD_STRICT,  // an unknown key is a fault ("PATH: unknown field")
} record_mode_t;

/* Fills `out` (type->size bytes, preset with defaults or zeros) from a map node. `tree` is the
   node's tree; it provides the memory of lists. Returns 0, or -1 with FAULT_INVALID and a text
   "PATH: what is wrong", PATH like `spec.containers[0].image`; `out` may then be half filled and
   is good for nothing. Integers given as texts and the like are refused, as upstream does. */
int record_decode (const record_type_t *type, const node_t *node, tree_t *tree, record_mode_t mode,
                   void *out, fault_t *fault);

/* The reverse, for showing: a map node in `tree` with the fields that hold something (set
   options, non-NULL texts, non-empty lists, every plain bool and number). Durations are Go
   duration texts, times RFC 3339. */
node_t record_encode (const record_type_t *type, const void *in, tree_t *tree);
