/* record_encode.c - typed structs back to value trees, for showing. */
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "cubelet/record.h"
#include <string.h>

/* A list as it lies in a record, whatever LIST_OF calls its items' type. */
typedef struct {
    const void *items;
    size_t count;
} any_list_t;

/* The value at `at` as a node; nil when it holds nothing. */
typedef node_t write_fn (const field_t *field, const void *at, tree_t *tree);

static node_t
write_text (const field_t *field, const void *at, tree_t *tree)
{
    (void) field;
    return node_text (tree, *(const char *const *) at);
}

static node_t
write_bool (const field_t *field, const void *at, tree_t *tree)
{
    (void) field, (void) tree;
    return node_bool (*(const bool *) at);
}

static node_t
write_opt_bool (const field_t *field, const void *at, tree_t *tree)
{
    (void) field, (void) tree;
    const opt_bool_t *value = at;
    return value->set ? node_bool (value->value) : node_nil();
}

static node_t
write_int (const field_t *field, const void *at, tree_t *tree)
{
    (void) field, (void) tree;
    return node_int (*(const int64_t *) at);
}

static node_t
write_opt_int (const field_t *field, const void *at, tree_t *tree)
{
    (void) field, (void) tree;
    const opt_int_t *value = at;
    return value->set ? node_int (value->value) : node_nil();
}

static node_t
write_real (const field_t *field, const void *at, tree_t *tree)
{
    (void) field, (void) tree;
    return node_real (*(const double *) at);
}

static node_t
write_int_or_text (const field_t *field, const void *at, tree_t *tree)
{
    (void) field;
    const int_or_text_t *value = at;
    if (!value->set)
        return node_nil();
    return value->text ? node_text (tree, value->text) : node_int (value->value);
}

static node_t
write_quantity (const field_t *field, const void *at, tree_t *tree)
{
    (void) field;
    quantity_t value = *(const quantity_t *) at;
    if (!value.set)
        return node_nil();
    OWNED (free_text) char *text = quantity_text (value, NULL);
    return node_text (tree, text);
}

static node_t
write_duration (const field_t *field, const void *at, tree_t *tree)
{
    (void) field;
    char text[DURATION_TEXT_MAX];
    return node_text (tree, duration_text (*(const int64_t *) at, text));
}

static node_t
write_time (const field_t *field, const void *at, tree_t *tree)
{
    (void) field;
    int64_t ns = *(const int64_t *) at;
    char text[TIME_TEXT_MAX];
    return ns ? node_text (tree, time_text_nano (ns, text)) : node_nil();
}

static node_t
write_node (const field_t *field, const void *at, tree_t *tree)
{
    (void) field;
    return node_copy (tree, *(const node_t *const *) at);
}

static node_t
write_text_list (const field_t *field, const void *at, tree_t *tree)
{
    (void) field;
    const text_list_t *list = at;
    if (!list->count)
        return node_nil();
    node_t array = node_array_sized (tree, list->count);
    for (size_t i = 0; i < list->count; i++)
        array.via.array.ptr[i] = node_text (tree, list->items[i]);
    return array;
}

static node_t
write_record (const field_t *field, const void *at, tree_t *tree)
{
    node_t map = record_encode (field->of, at, tree);
    return node_count (&map) ? map : node_nil();
}

static node_t
write_opt_record (const field_t *field, const void *at, tree_t *tree)
{
    const void *record;
    memcpy (&record, at, sizeof record);
    return record ? record_encode (field->of, record, tree) : node_nil();
}

static node_t
write_list (const field_t *field, const void *at, tree_t *tree)
{
    any_list_t list;
    memcpy (&list, at, sizeof list);
    if (!list.count)
        return node_nil();
    node_t array = node_array_sized (tree, list.count);
    for (size_t i = 0; i < list.count; i++)
        array.via.array.ptr[i] =
            record_encode (field->of, (const char *) list.items + i * field->of->size, tree);
    return array;
}

static write_fn *const WRITERS[] = {
    [FIELD_TEXT] = write_text,
    [FIELD_BOOL] = write_bool,
    [FIELD_OPT_BOOL] = write_opt_bool,
    [FIELD_INT] = write_int,
    [FIELD_OPT_INT] = write_opt_int,
    [FIELD_REAL] = write_real,
    [FIELD_INT_OR_TEXT] = write_int_or_text,
    [FIELD_QUANTITY] = write_quantity,
    [FIELD_DURATION] = write_duration,
    [FIELD_TIME] = write_time,
    [FIELD_NODE] = write_node,
    [FIELD_TEXT_MAP] = write_node,
    [FIELD_TEXT_LIST] = write_text_list,
    [FIELD_RECORD] = write_record,
    [FIELD_OPT_RECORD] = write_opt_record,
    [FIELD_LIST] = write_list,
};
_Static_assert(sizeof WRITERS / sizeof *WRITERS == FIELD_LIST + 1, "a writer for every kind");

node_t
record_encode (const record_type_t *type, const void *in, tree_t *tree)
{
    node_t map = node_map();
    for (const field_t *field = type->fields; field->name; field++) {
        node_t value = WRITERS[field->kind](field, (const char *) in + field->offset, tree);
        if (!node_is_nil (&value))
            node_set (tree, &map, field->name, value);
    }
    return map;
}
