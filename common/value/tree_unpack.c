/* tree_unpack.c - msgpack bytes to value trees, in one pass and with one copy. msgpack-c would
   first make objects of its own, and trusts the number of items an array claims to have: six bytes
   make it ask for 100 GB. The format: github.com/msgpack/msgpack/blob/master/spec.md. */
#include "cubelet/memory.h"
#include "cubelet/tree.h"
#include <string.h>

typedef struct {
    tree_t *tree;
    const uint8_t *at;
    const uint8_t *end;
} reader_t;

typedef enum {
    HEAD_NEVER, // is never used
    HEAD_NIL,
    HEAD_FALSE,
    HEAD_TRUE,
    HEAD_BYTES,
    HEAD_EXTENSION,
    HEAD_REAL,
    HEAD_UNSIGNED,
    HEAD_SIGNED,
    HEAD_TEXT,
    HEAD_ARRAY,
    HEAD_MAP,
} head_kind_t;

typedef struct {
    head_kind_t kind;
    uint8_t size;  // bytes of the number that follows: the value itself, or how much there is
    uint8_t fixed; // how much there is, when no number follows
} head_t;

/* What the first bytes c0 to df announce. */
static const head_t HEADS[32] = {
    { HEAD_NIL, 0, 0 },        { HEAD_NEVER, 0, 0 },     { HEAD_FALSE, 0, 0 },
    { HEAD_TRUE, 0, 0 },       { HEAD_BYTES, 1, 0 },     { HEAD_BYTES, 2, 0 },
    { HEAD_BYTES, 4, 0 },      { HEAD_EXTENSION, 1, 0 }, { HEAD_EXTENSION, 2, 0 },
    { HEAD_EXTENSION, 4, 0 },  { HEAD_REAL, 4, 0 },      { HEAD_REAL, 8, 0 },
    { HEAD_UNSIGNED, 1, 0 },   { HEAD_UNSIGNED, 2, 0 },  { HEAD_UNSIGNED, 4, 0 },
    { HEAD_UNSIGNED, 8, 0 },   { HEAD_SIGNED, 1, 0 },    { HEAD_SIGNED, 2, 0 },
    { HEAD_SIGNED, 4, 0 },     { HEAD_SIGNED, 8, 0 },    { HEAD_EXTENSION, 0, 1 },
    { HEAD_EXTENSION, 0, 2 },  { HEAD_EXTENSION, 0, 4 }, { HEAD_EXTENSION, 0, 8 },
    { HEAD_EXTENSION, 0, 16 }, { HEAD_TEXT, 1, 0 },      { HEAD_TEXT, 2, 0 },
    { HEAD_TEXT, 4, 0 },       { HEAD_ARRAY, 2, 0 },     { HEAD_ARRAY, 4, 0 },
    { HEAD_MAP, 2, 0 },        { HEAD_MAP, 4, 0 },
};

/* Reads one value; `depth` is the number of maps and arrays it stands in. */
static bool read_node (reader_t *reader, int depth, node_t *out);

static size_t
left (const reader_t *reader)
{
    return (size_t) (reader->end - reader->at);
}

/* What the byte announces; small numbers and sizes are part of it. */
static head_t
head_of (uint8_t byte)
{
    if (byte < 0x80)
        return (head_t){ HEAD_UNSIGNED, 0, byte };
    if (byte < 0x90)
        return (head_t){ HEAD_MAP, 0, byte & 0x0f };
    if (byte < 0xa0)
        return (head_t){ HEAD_ARRAY, 0, byte & 0x0f };
    if (byte < 0xc0)
        return (head_t){ HEAD_TEXT, 0, byte & 0x1f };
    if (byte < 0xe0)
        return HEADS[byte - 0xc0];
    return (head_t){ HEAD_SIGNED, 0, byte };
}

/* Reads the head of a value and the number in it or behind it. */
static bool
read_head (reader_t *reader, head_t *head, uint64_t *number)
{
    if (left (reader) == 0)
        return false;
    *head = head_of (*reader->at++);
    *number = head->fixed;
    if (left (reader) < head->size)
        return false;
    for (uint8_t i = 0; i < head->size; i++)
        *number = *number << 8 | *reader->at++;
    return true;
}

static node_t
signed_node (const head_t *head, uint64_t number)
{
    switch (head->size) {
    case 2: return node_int ((int16_t) number);
    case 4: return node_int ((int32_t) number);
    case 8: return node_int ((int64_t) number);
    default: return node_int ((int8_t) number);
    }
}

static node_t
real_node (const head_t *head, uint64_t number)
{
    double value;
    float single;
    uint32_t bits = (uint32_t) number;
    memcpy (&value, &number, sizeof value);
    memcpy (&single, &bits, sizeof single);
    return node_real (head->size == 4 ? (double) single : value);
}

/* Reads `size` bytes of text, binary data, or of an extension, of which none is in use. */
static bool
read_bytes (reader_t *reader, head_kind_t kind, uint64_t size, node_t *out)
{
    const char *bytes = (const char *) reader->at;
    bool has_type = kind == HEAD_EXTENSION;
    if (size + has_type > left (reader))
        return false;
    reader->at += size + has_type;
    if (kind == HEAD_TEXT)
        *out = node_text_sized (reader->tree, bytes, size);
    else if (kind == HEAD_BYTES)
        *out = node_bytes (reader->tree, bytes, size);
    else
        *out = node_nil();
    return true;
}

static bool
read_array (reader_t *reader, uint64_t count, int depth, node_t *out)
{
    if (depth >= TREE_UNPACK_DEPTH_MAX || count > left (reader)) // an item has a byte at least
        return false;
    *out = node_array_sized (reader->tree, count);
    for (uint64_t i = 0; i < count; i++)
        if (!read_node (reader, depth + 1, &out->via.array.ptr[i]))
            return false;
    return true;
}

static bool
read_map (reader_t *reader, uint64_t count, int depth, node_t *out)
{
    if (depth >= TREE_UNPACK_DEPTH_MAX || count > left (reader) / 2)
        return false;
    *out = node_map_sized (reader->tree, count);
    for (uint64_t i = 0; i < count; i++) {
        msgpack_object_kv *pair = &out->via.map.ptr[i];
        if (!read_node (reader, depth + 1, &pair->key) || !node_is_text (&pair->key)
            || !read_node (reader, depth + 1, &pair->val))
            return false;
    }
    return true;
}

static bool
read_node (reader_t *reader, int depth, node_t *out)
{
    head_t head;
    uint64_t number;
    if (!read_head (reader, &head, &number))
        return false;
    switch (head.kind) {
    case HEAD_NIL: *out = node_nil(); return true;
    case HEAD_FALSE:
    case HEAD_TRUE: *out = node_bool (head.kind == HEAD_TRUE); return true;
    case HEAD_UNSIGNED:
        *out = (node_t){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = number };
        return true;
    case HEAD_SIGNED: *out = signed_node (&head, number); return true;
    case HEAD_REAL: *out = real_node (&head, number); return true;
    case HEAD_TEXT:
    case HEAD_BYTES:
    case HEAD_EXTENSION: return read_bytes (reader, head.kind, number, out);
    case HEAD_ARRAY: return read_array (reader, number, depth, out);
    case HEAD_MAP: return read_map (reader, number, depth, out);
    case HEAD_NEVER: break;
    }
    return false;
}

int
node_unpack (tree_t *tree, const void *bytes, size_t size, node_t *out, fault_t *fault)
{
    static const uint8_t NOTHING[1];
    const uint8_t *start = size ? bytes : NOTHING;
    reader_t reader = { .tree = tree, .at = start, .end = start + size };
    node_t node;
    if (!read_node (&reader, 0, &node) || left (&reader) > 0)
        return fault_set (fault, FAULT_INVALID, "not one whole msgpack value (%zu bytes)", size);
    *out = node;
    return 0;
}

tree_t *
tree_unpack (const void *bytes, size_t size, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (node_unpack (tree, bytes, size, tree_root (tree), fault) < 0)
        return NULL;
    return STEAL (tree);
}
