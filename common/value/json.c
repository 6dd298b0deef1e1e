#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

// ---- what jansson does not do: bounded nesting, and integers beyond 64 bits ----

/* Behind this every integer that does not fit int64_t gets the exponent 0, which changes nothing
   about its value and makes jansson read it as a real instead of refusing it. */
#define NO_EXPONENT "e0"

typedef struct {
    const char *at;
    const char *end;
    size_t line;
    const char *line_start;
    int depth;
    size_t big_integers;
} scan_t;

/* Is the number of `size` bytes an integer beyond int64_t? */
static bool
is_big_integer (const char *number, size_t size)
{
    bool is_negative = *number == '-';
    number += is_negative;
    size -= is_negative;
    for (size_t i = 0; i < size; i++)
        if (number[i] < '0' || number[i] > '9')
            return false; // a real
    if (size != 19)
        return size > 19;
    return memcmp (number, is_negative ? "9223372036854775808" : "9223372036854775807", 19) > 0;
}

static size_t
number_size (const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at && strchr ("+-0123456789.eE", *at))
        at++;
    return (size_t) (at - start);
}

static void
skip_string (scan_t *scan)
{
    for (scan->at++; scan->at < scan->end && *scan->at != '"' && *scan->at != '\n'; scan->at++)
        if (*scan->at == '\\' && scan->at + 1 < scan->end)
            scan->at++;
}

static int
scan_one (scan_t *scan, fault_t *fault)
{
    char c = *scan->at;
    if (c == '"')
        skip_string (scan);
    if (c == '\n') {
        scan->line++;
        scan->line_start = scan->at + 1;
    }
    if (c == '{' || c == '[')
        scan->depth++;
    if (c == '}' || c == ']')
        scan->depth--;
    if (c == '-' || (c >= '0' && c <= '9')) {
        size_t size = number_size (scan->at, scan->end);
        scan->big_integers += is_big_integer (scan->at, size);
        scan->at += size - 1;
    }
    size_t column = (size_t) (scan->at - scan->line_start) + 1;
    if (scan->depth > TREE_DEPTH_MAX)
        return fault_set (fault, FAULT_INVALID, "line %zu column %zu: nested deeper than %d",
                          scan->line, column, TREE_DEPTH_MAX);
    if (c == '\0') // jansson takes it for the end
        return fault_set (fault, FAULT_INVALID, "line %zu column %zu: a NUL byte", scan->line,
                          column);
    if (scan->at < scan->end)
        scan->at++;
    return 0;
}

/* Refuses deep nesting before jansson recurses into it, and NUL bytes; counts the big integers.
   Whatever else is wrong is left to jansson to find. */
static int
scan (const char *bytes, size_t size, size_t *big_integers, fault_t *fault)
{
    scan_t scan = { .at = bytes, .end = bytes + size, .line = 1, .line_start = bytes };
    while (scan.at < scan.end)
        if (scan_one (&scan, fault) < 0)
            return -1;
    *big_integers = scan.big_integers;
    return 0;
}

/* Owned copy of the bytes with NO_EXPONENT behind the `count` big integers. */
static char *
mark_big_integers (const char *bytes, size_t size, size_t count, size_t *copy_size)
{
    char *copy = memory_new (size + count * strlen (NO_EXPONENT) + 1, 1);
    char *to = copy;
    for (const char *at = bytes, *end = bytes + size; at < end;) {
        scan_t one = { .at = at, .end = end, .line_start = at };
        fault_t ignored;
        bool is_number = *at == '-' || (*at >= '0' && *at <= '9');
        scan_one (&one, &ignored); // steps over one token
        size_t step = (size_t) (one.at - at);
        memcpy (to, at, step);
        to += step;
        if (is_number && one.big_integers) {
            memcpy (to, NO_EXPONENT, strlen (NO_EXPONENT));
            to += strlen (NO_EXPONENT);
        }
        at += step;
    }
    *copy_size = (size_t) (to - copy);
    return copy;
}

// ---- jansson's tree to ours ----

static node_t node_from (tree_t *tree, const json_t *json);

static node_t
map_from (tree_t *tree, const json_t *json)
{
    node_t map = node_map_sized (tree, json_object_size (json));
    json_t *object = (json_t *) json; // iterating does not change it
    msgpack_object_kv *pair = map.via.map.ptr;
    for (void *at = json_object_iter (object); at; at = json_object_iter_next (object, at)) {
        pair->key =
            node_text_sized (tree, json_object_iter_key (at), json_object_iter_key_len (at));
        pair->val = node_from (tree, json_object_iter_value (at));
        pair++;
    }
    return map;
}

static node_t
array_from (tree_t *tree, const json_t *json)
{
    node_t array = node_array_sized (tree, json_array_size (json));
    for (uint32_t i = 0; i < array.via.array.size; i++)
        array.via.array.ptr[i] = node_from (tree, json_array_get (json, i));
    return array;
}

static node_t
node_from (tree_t *tree, const json_t *json)
{
    switch (json_typeof (json)) {
    case JSON_OBJECT: return map_from (tree, json);
    case JSON_ARRAY: return array_from (tree, json);
    case JSON_STRING:
        return node_text_sized (tree, json_string_value (json), json_string_length (json));
    case JSON_INTEGER: return node_int (json_integer_value (json));
    case JSON_REAL: return node_real (json_real_value (json));
    case JSON_TRUE: return node_bool (true);
    case JSON_FALSE: return node_bool (false);
    case JSON_NULL: break;
    }
    return node_nil();
}

static void
json_destroy (json_t **json_p)
{
    json_decref (*json_p);
}

tree_t *
json_read (const char *bytes, size_t size, fault_t *fault)
{
    size_t big_integers;
    if (scan (bytes, size, &big_integers, fault) < 0)
        return NULL;
    OWNED (free_text) char *marked = NULL;
    if (big_integers) {
        marked = mark_big_integers (bytes, size, big_integers, &size);
        bytes = marked;
    }
    json_error_t error;
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    OWNED (json_destroy) json_t *json = json_loadb (size ? bytes : "", size, flags, &error);
    if (!json) {
        // What follows "near" is quoted from the input, which may be a secret.
        char *quote = strstr (error.text, " near ");
        if (quote)
            *quote = '\0';
        fault_set (fault, FAULT_INVALID, "line %d column %d: %s", error.line, error.column,
                   error.text);
        return NULL;
    }
    tree_t *tree = tree_new();
    *tree_root (tree) = node_from (tree, json);
    return tree;
}
