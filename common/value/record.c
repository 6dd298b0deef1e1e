#include "cubelet/record.h"
#include "cubelet/duration.h"
#include "cubelet/path.h"
#include "cubelet/real.h"
#include <inttypes.h>
#include <string.h>

/* What stays the same for a whole decode. */
typedef struct {
    tree_t *tree;
    record_mode_t mode;
    fault_t *fault;
} decoder_t;

/* A list as it lies in a record, whatever LIST_OF calls its items' type. */
typedef struct {
    void *items;
    size_t count;
} any_list_t;

static int decode_record (const decoder_t *decoder, const record_type_t *type, const node_t *node,
                          const path_t *path, void *out);

// ---- faults ----

static const char *
kind_of (const node_t *node)
{
    switch ((int) node->type) {
    case MSGPACK_OBJECT_NIL: return "null";
    case MSGPACK_OBJECT_BOOLEAN: return "a boolean";
    case MSGPACK_OBJECT_STR: return "a text";
    case MSGPACK_OBJECT_MAP: return "an object";
    case MSGPACK_OBJECT_ARRAY: return "a list";
    case MSGPACK_OBJECT_BIN: return "binary data";
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return "a real number";
    default: return "a number";
    }
}

static int
refuse (const decoder_t *decoder, const path_t *path, const char *expected, const node_t *found)
{
    return path_fault (path, decoder->fault, "is not %s (found %s)", expected, kind_of (found));
}

// ---- one value: each reads `node`, which is not nil, to `at` ----

typedef int read_fn (const decoder_t *decoder, const field_t *field, const node_t *node,
                     const path_t *path, void *at);

/* "Always", "Never" */
static void
list_allowed (const char *const *one_of, char *out, size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (; *one_of && used < room; one_of++) {
        int added = snprintf (out + used, room - used, "%s\"%s\"", used ? ", " : "", *one_of);
        used += added > 0 ? (size_t) added : 0;
    }
}

static int
check_text (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path)
{
    if (!node_is_text (node))
        return refuse (decoder, path, "text", node);
    const char *text = node->via.str.ptr;
    if (strlen (text) != node->via.str.size)
        return path_fault (path, decoder->fault, "must not contain a NUL character");
    if (!field->one_of)
        return 0;
    for (const char *const *allowed = field->one_of; *allowed; allowed++)
        if (strcmp (*allowed, text) == 0)
            return 0;
    char allowed[512];
    list_allowed (field->one_of, allowed, sizeof allowed);
    return path_fault (path, decoder->fault, "Unsupported value: \"%s\": supported values: %s",
                       text, allowed);
}

static int
read_text (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
           void *at)
{
    if (check_text (decoder, field, node, path) < 0)
        return -1;
    *(const char **) at = node->via.str.ptr;
    return 0;
}

static int
read_bool (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
           void *at)
{
    (void) field;
    if (node->type != MSGPACK_OBJECT_BOOLEAN)
        return refuse (decoder, path, "a boolean", node);
    *(bool *) at = node->via.boolean;
    return 0;
}

static int
read_opt_bool (const decoder_t *decoder, const field_t *field, const node_t *node,
               const path_t *path, void *at)
{
    opt_bool_t *out = at;
    out->set = true;
    return read_bool (decoder, field, node, path, &out->value);
}

static int
check_range (const decoder_t *decoder, const field_t *field, int64_t value, const path_t *path)
{
    if (field->low >= field->high || (value >= field->low && value <= field->high))
        return 0;
    return path_fault (path, decoder->fault,
                       "must be between %" PRId64 " and %" PRId64 ", inclusive (found %" PRId64 ")",
                       field->low, field->high, value);
}

static int
read_int (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
          void *at)
{
    // A real is refused even when it is whole: so does encoding/json. YAML's 1e3 is an integer
    // by the time it gets here.
    if (!node_is_int (node))
        return refuse (decoder, path, "an integer", node);
    int64_t value = node_as_int (node, 0);
    if (check_range (decoder, field, value, path) < 0)
        return -1;
    *(int64_t *) at = value;
    return 0;
}

static int
read_opt_int (const decoder_t *decoder, const field_t *field, const node_t *node,
              const path_t *path, void *at)
{
    opt_int_t *out = at;
    out->set = true;
    return read_int (decoder, field, node, path, &out->value);
}

static bool
is_real (const node_t *node)
{
    return node->type == MSGPACK_OBJECT_FLOAT32 || node->type == MSGPACK_OBJECT_FLOAT64;
}

static int
read_real (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
           void *at)
{
    double value;
    if (is_real (node))
        value = node->via.f64;
    else if (node->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        value = (double) node->via.u64;
    else if (node->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        value = (double) node->via.i64;
    else
        return refuse (decoder, path, "a number", node);
    // Written so that "not a number" is outside as well.
    if (field->low < field->high
        && !(value >= (double) field->low && value <= (double) field->high))
        return path_fault (path, decoder->fault,
                           "must be between %" PRId64 " and %" PRId64 ", inclusive (found %g)",
                           field->low, field->high, value);
    *(double *) at = value;
    return 0;
}

static int
read_int_or_text (const decoder_t *decoder, const field_t *field, const node_t *node,
                  const path_t *path, void *at)
{
    int_or_text_t *out = at;
    out->set = true;
    if (node_is_text (node))
        return read_text (decoder, field, node, path, &out->text);
    if (!node_is_int (node))
        return refuse (decoder, path, "an integer or text", node);
    return read_int (decoder, field, node, path, &out->value);
}

/* Copies a quantity's text without the blanks around it, which upstream forgives. */
static int
trim (const char *text, char *out, size_t room)
{
    static const char BLANKS[] = " \t\n\v\f\r";
    text += strspn (text, BLANKS);
    size_t size = strlen (text);
    while (size > 0 && strchr (BLANKS, text[size - 1]))
        size--;
    if (size >= room)
        return -1;
    memcpy (out, text, size);
    out[size] = '\0';
    return 0;
}

static int
read_quantity (const decoder_t *decoder, const field_t *field, const node_t *node,
               const path_t *path, void *at)
{
    (void) field;
    char text[128];
    if (is_real (node))
        real_text (node->via.f64, text);
    else if (node_is_int (node))
        snprintf (text, sizeof text, "%" PRId64, node_as_int (node, 0));
    else if (!node_is_text (node))
        return refuse (decoder, path, "a quantity", node);
    else if (trim (node->via.str.ptr, text, sizeof text) < 0)
        return path_fault (path, decoder->fault, "is too long for a quantity");
    if (quantity_parse (text, at, decoder->fault) < 0)
        return path_wrap (path, decoder->fault);
    return 0;
}

static int
read_duration (const decoder_t *decoder, const field_t *field, const node_t *node,
               const path_t *path, void *at)
{
    int64_t ns;
    if (!node_is_text (node))
        return refuse (decoder, path, "a duration such as \"1m30s\"", node);
    if (duration_parse (node->via.str.ptr, &ns, decoder->fault) < 0)
        return path_wrap (path, decoder->fault);
    if (check_range (decoder, field, ns, path) < 0)
        return -1;
    *(int64_t *) at = ns;
    return 0;
}

static int
read_time (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
           void *at)
{
    (void) field;
    if (!node_is_text (node))
        return refuse (decoder, path, "a time such as \"2006-01-02T15:04:05Z\"", node);
    if (time_parse (node->via.str.ptr, at, decoder->fault) < 0)
        return path_wrap (path, decoder->fault);
    return 0;
}

// ---- nodes, lists, nested records ----

static int
read_node (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
           void *at)
{
    (void) decoder, (void) field, (void) path;
    *(const node_t **) at = node;
    return 0;
}

static int
read_text_map (const decoder_t *decoder, const field_t *field, const node_t *node,
               const path_t *path, void *at)
{
    (void) field;
    if (!node_is_map (node))
        return refuse (decoder, path, "an object", node);
    for (size_t i = 0; i < node_count (node); i++) {
        const node_t *value = node_value_at (node, i);
        path_t step = { .parent = path, .name = node_key_at (node, i), .kind = PATH_KEY };
        if (!node_is_text (value) && !node_is_nil (value)) // null reads as "", as in Go
            return refuse (decoder, &step, "text", value);
    }
    *(const node_t **) at = node;
    return 0;
}

static int
read_text_list (const decoder_t *decoder, const field_t *field, const node_t *node,
                const path_t *path, void *at)
{
    if (!node_is_array (node))
        return refuse (decoder, path, "a list", node);
    text_list_t *out = at;
    out->count = node_count (node);
    out->items = tree_alloc (decoder->tree, out->count * sizeof *out->items);
    for (size_t i = 0; i < out->count; i++) {
        const node_t *item = node_item (node, i);
        path_t step = { .parent = path, .index = i };
        if (!node_is_nil (item) && check_text (decoder, field, item, &step) < 0)
            return -1;
        out->items[i] = node_as_text (item, ""); // null reads as "", as in Go
    }
    return 0;
}

static int
read_record (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
             void *at)
{
    return decode_record (decoder, field->of, node, path, at);
}

static int
read_opt_record (const decoder_t *decoder, const field_t *field, const node_t *node,
                 const path_t *path, void *at)
{
    void *record = tree_alloc (decoder->tree, field->of->size);
    memcpy (at, &record, sizeof record);
    return decode_record (decoder, field->of, node, path, record);
}

static int
read_list (const decoder_t *decoder, const field_t *field, const node_t *node, const path_t *path,
           void *at)
{
    if (!node_is_array (node))
        return refuse (decoder, path, "a list", node);
    any_list_t list = { .count = node_count (node) };
    list.items = tree_alloc (decoder->tree, list.count * field->of->size);
    memcpy (at, &list, sizeof list);
    for (size_t i = 0; i < list.count; i++) {
        path_t step = { .parent = path, .index = i };
        char *item = (char *) list.items + i * field->of->size;
        if (decode_record (decoder, field->of, node_item (node, i), &step, item) < 0)
            return -1;
    }
    return 0;
}

static read_fn *const READERS[] = {
    [FIELD_TEXT] = read_text,
    [FIELD_BOOL] = read_bool,
    [FIELD_OPT_BOOL] = read_opt_bool,
    [FIELD_INT] = read_int,
    [FIELD_OPT_INT] = read_opt_int,
    [FIELD_REAL] = read_real,
    [FIELD_INT_OR_TEXT] = read_int_or_text,
    [FIELD_QUANTITY] = read_quantity,
    [FIELD_DURATION] = read_duration,
    [FIELD_TIME] = read_time,
    [FIELD_NODE] = read_node,
    [FIELD_TEXT_MAP] = read_text_map,
    [FIELD_TEXT_LIST] = read_text_list,
    [FIELD_RECORD] = read_record,
    [FIELD_OPT_RECORD] = read_opt_record,
    [FIELD_LIST] = read_list,
};
_Static_assert(sizeof READERS / sizeof *READERS == FIELD_LIST + 1, "a reader for every kind");

// ---- records ----

static bool
has_field (const record_type_t *type, const char *name)
{
    for (const field_t *field = type->fields; field->name; field++)
        if (strcmp (field->name, name) == 0)
            return true;
    return false;
}

static int
refuse_unknown (const decoder_t *decoder, const record_type_t *type, const node_t *node,
                const path_t *path)
{
    for (size_t i = 0; i < node_count (node); i++) {
        path_t step = { .parent = path, .name = node_key_at (node, i) };
        if (!has_field (type, step.name))
            return path_fault (&step, decoder->fault, "unknown field");
    }
    return 0;
}

static int
decode_record (const decoder_t *decoder, const record_type_t *type, const node_t *node,
               const path_t *path, void *out)
{
    if (!node_is_map (node) && !node_is_nil (node)) // null reads as an empty object, as in Go
        return refuse (decoder, path, "an object", node);
    if (decoder->mode == RECORD_STRICT && refuse_unknown (decoder, type, node, path) < 0)
        return -1;
    for (const field_t *field = type->fields; field->name; field++) {
        path_t step = { .parent = path, .name = field->name };
        const node_t *value = node_get (node, field->name);
        if (!value && field->required)
            return path_fault (&step, decoder->fault, "Required value");
        if (value
            && READERS[field->kind](decoder, field, value, &step, (char *) out + field->offset) < 0)
            return -1;
    }
    return 0;
}

int
record_decode (const record_type_t *type, const node_t *node, tree_t *tree, record_mode_t mode,
               void *out, fault_t *fault)
{
    decoder_t decoder = { .tree = tree, .mode = mode, .fault = fault };
    node_t nil = node_nil();
    return decode_record (&decoder, type, node ? node : &nil, NULL, out);
}
