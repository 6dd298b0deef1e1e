#include "cubelet/tree.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

// Most trees are messages of a few fields; a pod takes a few of the later blocks.
#define FIRST_BLOCK_BYTES 256
#define BLOCK_BYTES 1024
#define FIRST_ROOM 2

// What malloc gives, since records may hold anything (quantities have 128 bits); a zone by itself
// aligns to pointers.
#define ALIGNMENT _Alignof(max_align_t)

struct tree {
    msgpack_zone *zone;
    node_t root;
};

static tree_t *
new_with_block (size_t bytes)
{
    tree_t *self = memory_new (1, sizeof *self);
    self->zone = msgpack_zone_new (bytes);
    if (!self->zone)
        abort();
    self->zone->chunk_size = BLOCK_BYTES; // of the blocks to come
    return self;
}

tree_t *
tree_new (void)
{
    return new_with_block (FIRST_BLOCK_BYTES);
}

void
tree_destroy (tree_t **self_p)
{
    if (!*self_p)
        return;
    msgpack_zone_free ((*self_p)->zone);
    free (*self_p);
    *self_p = NULL;
}

node_t *
tree_root (tree_t *self)
{
    return self ? &self->root : NULL;
}

void *
tree_alloc (tree_t *self, size_t size)
{
    char *memory = msgpack_zone_malloc (self->zone, size + ALIGNMENT - sizeof (void *));
    if (!memory)
        abort();
    memory += -(uintptr_t) memory % ALIGNMENT;
    memset (memory, 0, size);
    return memory;
}

char *
tree_text (tree_t *self, const char *text, size_t size)
{
    char *copy = msgpack_zone_malloc_no_align (self->zone, size + 1);
    if (!copy)
        abort();
    if (size)
        memcpy (copy, text, size);
    copy[size] = '\0';
    return copy;
}

// ---- msgpack bytes ----

char *
node_pack (const node_t *node, size_t *size_p)
{
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init (&buffer);
    msgpack_packer packer;
    msgpack_packer_init (&packer, &buffer, msgpack_sbuffer_write);
    if (msgpack_pack_object (&packer, node ? *node : node_nil()) != 0)
        abort(); // only memory can run out here
    *size_p = buffer.size;
    char *bytes = msgpack_sbuffer_release (&buffer);
    return memory_grow (bytes, *size_p, 1); // the buffer had room for more
}

// ---- making nodes ----

node_t
node_nil (void)
{
    return (node_t){ .type = MSGPACK_OBJECT_NIL };
}

node_t
node_bool (bool value)
{
    return (node_t){ .type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = value };
}

node_t
node_int (int64_t value)
{
    if (value < 0)
        return (node_t){ .type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = value };
    return (node_t){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t) value };
}

node_t
node_real (double value)
{
    return (node_t){ .type = MSGPACK_OBJECT_FLOAT64, .via.f64 = value };
}

node_t
node_map (void)
{
    return (node_t){ .type = MSGPACK_OBJECT_MAP };
}

node_t
node_array (void)
{
    return (node_t){ .type = MSGPACK_OBJECT_ARRAY };
}

node_t
node_text_sized (tree_t *tree, const char *text, size_t size)
{
    node_t node = { .type = MSGPACK_OBJECT_STR };
    node.via.str.ptr = tree_text (tree, text, size);
    node.via.str.size = (uint32_t) size;
    return node;
}

node_t
node_text (tree_t *tree, const char *text)
{
    return text ? node_text_sized (tree, text, strlen (text)) : node_nil();
}

node_t
node_text_format (tree_t *tree, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    OWNED (free_text) char *text = NULL;
    if (vasprintf (&text, format, args) < 0)
        abort();
    va_end (args);
    return node_text (tree, text);
}

node_t
node_bytes (tree_t *tree, const void *bytes, size_t size)
{
    node_t node = { .type = MSGPACK_OBJECT_BIN };
    node.via.bin.ptr = tree_text (tree, bytes, size);
    node.via.bin.size = (uint32_t) size;
    return node;
}

static bool
is_full (uint32_t count)
{
    return count == 0 || (count >= FIRST_ROOM && (count & (count - 1)) == 0);
}

static uint32_t
room_for (uint32_t count)
{
    uint32_t room = FIRST_ROOM;
    while (room < count)
        room *= 2;
    return room;
}

/* Room for one more item behind `items`, which holds `count` of `size` bytes. */
static void *
make_room (tree_t *tree, void *items, uint32_t count, size_t size)
{
    if (!is_full (count))
        return items;
    void *grown = tree_alloc (tree, room_for (count + 1) * size);
    if (count)
        memcpy (grown, items, count * size);
    return grown;
}

node_t
node_map_sized (tree_t *tree, size_t count)
{
    node_t map = node_map();
    if (!count)
        return map;
    map.via.map.size = (uint32_t) count;
    map.via.map.ptr = tree_alloc (tree, room_for ((uint32_t) count) * sizeof *map.via.map.ptr);
    return map;
}

node_t
node_array_sized (tree_t *tree, size_t count)
{
    node_t array = node_array();
    if (!count)
        return array;
    array.via.array.size = (uint32_t) count;
    array.via.array.ptr =
        tree_alloc (tree, room_for ((uint32_t) count) * sizeof *array.via.array.ptr);
    return array;
}

static node_t
copy_map (tree_t *tree, const node_t *node)
{
    node_t copy = node_map_sized (tree, node->via.map.size);
    for (uint32_t i = 0; i < copy.via.map.size; i++) {
        copy.via.map.ptr[i].key = node_copy (tree, &node->via.map.ptr[i].key);
        copy.via.map.ptr[i].val = node_copy (tree, &node->via.map.ptr[i].val);
    }
    return copy;
}

static node_t
copy_array (tree_t *tree, const node_t *node)
{
    node_t copy = node_array_sized (tree, node->via.array.size);
    for (uint32_t i = 0; i < copy.via.array.size; i++)
        copy.via.array.ptr[i] = node_copy (tree, &node->via.array.ptr[i]);
    return copy;
}

node_t
node_copy (tree_t *tree, const node_t *node)
{
    if (!node)
        return node_nil();
    switch ((int) node->type) {
    case MSGPACK_OBJECT_STR: return node_text_sized (tree, node->via.str.ptr, node->via.str.size);
    case MSGPACK_OBJECT_BIN: return node_bytes (tree, node->via.bin.ptr, node->via.bin.size);
    case MSGPACK_OBJECT_MAP: return copy_map (tree, node);
    case MSGPACK_OBJECT_ARRAY: return copy_array (tree, node);
    case MSGPACK_OBJECT_EXT: return node_nil(); // no extension types are in use
    default: return *node;
    }
}

/* What node_copy takes of a tree's memory for `node`, at most. */
static size_t
copied_bytes (const node_t *node)
{
    size_t count = node_count (node), bytes = 0;
    if (node_is_text (node))
        return node->via.str.size + 1;
    if (node->type == MSGPACK_OBJECT_BIN)
        return node->via.bin.size + 1;
    for (size_t i = 0; i < count; i++) {
        if (node_is_map (node))
            bytes +=
                copied_bytes (&node->via.map.ptr[i].key) + copied_bytes (&node->via.map.ptr[i].val);
        else
            bytes += copied_bytes (&node->via.array.ptr[i]);
    }
    size_t item = node_is_map (node) ? sizeof *node->via.map.ptr : sizeof *node->via.array.ptr;
    return count ? bytes + room_for ((uint32_t) count) * item + ALIGNMENT : bytes;
}

tree_t *
tree_copy (const node_t *node)
{
    size_t bytes = node ? copied_bytes (node) : 0;
    tree_t *self = new_with_block (bytes ? bytes : 1);
    self->root = node_copy (self, node);
    return self;
}

static msgpack_object_kv *
find_pair (const node_t *map, const char *key)
{
    if (!node_is_map (map))
        return NULL;
    size_t size = strlen (key);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.via.str.size == size && memcmp (pair->key.via.str.ptr, key, size) == 0)
            return pair;
    }
    return NULL;
}

node_t *
node_set (tree_t *tree, node_t *map, const char *key, node_t value)
{
    msgpack_object_kv *pair = find_pair (map, key);
    if (!pair) {
        uint32_t count = map->via.map.size;
        map->via.map.ptr = make_room (tree, map->via.map.ptr, count, sizeof *map->via.map.ptr);
        pair = &map->via.map.ptr[count];
        pair->key = node_text (tree, key);
        map->via.map.size = count + 1;
    }
    pair->val = value;
    return &pair->val;
}

void
node_set_text (tree_t *tree, node_t *map, const char *key, const char *text)
{
    if (text)
        node_set (tree, map, key, node_text (tree, text));
}

void
node_set_int (tree_t *tree, node_t *map, const char *key, int64_t value)
{
    node_set (tree, map, key, node_int (value));
}

void
node_set_bool (tree_t *tree, node_t *map, const char *key, bool value)
{
    node_set (tree, map, key, node_bool (value));
}

void
tree_merge (tree_t **self_p, const node_t *map)
{
    OWNED (tree_destroy) tree_t *merged = tree_new();
    node_t root = node_map(); // its values are borrowed until it is copied
    const node_t *const maps[] = { tree_root (*self_p), map };
    for (size_t i = 0; i < COUNT_OF (maps); i++)
        for (size_t k = 0; node_is_map (maps[i]) && k < node_count (maps[i]); k++)
            node_set (merged, &root, node_key_at (maps[i], k), *node_value_at (maps[i], k));
    tree_t *kept = tree_copy (&root);
    tree_destroy (self_p);
    *self_p = kept;
}

bool
node_remove (node_t *map, const char *key)
{
    msgpack_object_kv *pair = find_pair (map, key);
    if (!pair)
        return false;
    msgpack_object_kv *end = map->via.map.ptr + map->via.map.size;
    memmove (pair, pair + 1, (size_t) (end - pair - 1) * sizeof *pair);
    map->via.map.size--;
    // A size that looks full again is only reallocated early, never overrun.
    return true;
}

node_t *
node_append (tree_t *tree, node_t *array, node_t value)
{
    uint32_t count = array->via.array.size;
    array->via.array.ptr =
        make_room (tree, array->via.array.ptr, count, sizeof *array->via.array.ptr);
    array->via.array.ptr[count] = value;
    array->via.array.size = count + 1;
    return &array->via.array.ptr[count];
}

// ---- reading nodes ----

node_t *
node_get_mutable (node_t *map, const char *key)
{
    msgpack_object_kv *pair = find_pair (map, key);
    return pair && pair->val.type != MSGPACK_OBJECT_NIL ? &pair->val : NULL;
}

const node_t *
node_get (const node_t *map, const char *key)
{
    const msgpack_object_kv *pair = find_pair (map, key);
    return pair && pair->val.type != MSGPACK_OBJECT_NIL ? &pair->val : NULL;
}

const node_t *
node_at (const node_t *map, ...)
{
    va_list keys;
    va_start (keys, map);
    for (const char *key; map && (key = va_arg (keys, const char *));)
        map = node_get (map, key);
    va_end (keys);
    return map;
}

const node_t *
node_item (const node_t *array, size_t index)
{
    if (!node_is_array (array) || index >= array->via.array.size)
        return NULL;
    return &array->via.array.ptr[index];
}

size_t
node_count (const node_t *node)
{
    if (node_is_map (node))
        return node->via.map.size;
    return node_is_array (node) ? node->via.array.size : 0;
}

const char *
node_key_at (const node_t *map, size_t index)
{
    if (!node_is_map (map) || index >= map->via.map.size)
        return NULL;
    return map->via.map.ptr[index].key.via.str.ptr;
}

const node_t *
node_value_at (const node_t *map, size_t index)
{
    if (!node_is_map (map) || index >= map->via.map.size)
        return NULL;
    return &map->via.map.ptr[index].val;
}

bool
node_is_map (const node_t *node)
{
    return node && node->type == MSGPACK_OBJECT_MAP;
}

bool
node_is_array (const node_t *node)
{
    return node && node->type == MSGPACK_OBJECT_ARRAY;
}

bool
node_is_text (const node_t *node)
{
    return node && node->type == MSGPACK_OBJECT_STR;
}

bool
node_is_int (const node_t *node)
{
    return node
           && (node->type == MSGPACK_OBJECT_NEGATIVE_INTEGER
               || (node->type == MSGPACK_OBJECT_POSITIVE_INTEGER && node->via.u64 <= INT64_MAX));
}

bool
node_is_nil (const node_t *node)
{
    return !node || node->type == MSGPACK_OBJECT_NIL;
}

const char *
node_as_text (const node_t *node, const char *otherwise)
{
    return node_is_text (node) ? node->via.str.ptr : otherwise;
}

int64_t
node_as_int (const node_t *node, int64_t otherwise)
{
    if (!node_is_int (node))
        return otherwise;
    return node->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? node->via.i64 : (int64_t) node->via.u64;
}

bool
node_as_bool (const node_t *node, bool otherwise)
{
    return node && node->type == MSGPACK_OBJECT_BOOLEAN ? node->via.boolean : otherwise;
}

const char *
node_as_bytes (const node_t *node, size_t *size_p)
{
    bool is_binary = node && node->type == MSGPACK_OBJECT_BIN;
    *size_p = 0;
    if (!is_binary && !node_is_text (node))
        return "";
    *size_p = is_binary ? node->via.bin.size : node->via.str.size;
    return is_binary ? node->via.bin.ptr : node->via.str.ptr;
}

const char *
node_get_text (const node_t *map, const char *key, const char *otherwise)
{
    return node_as_text (node_get (map, key), otherwise);
}

int64_t
node_get_int (const node_t *map, const char *key, int64_t otherwise)
{
    return node_as_int (node_get (map, key), otherwise);
}

bool
node_get_bool (const node_t *map, const char *key, bool otherwise)
{
    return node_as_bool (node_get (map, key), otherwise);
}

static bool
is_submap (const node_t *a, const node_t *b)
{
    for (size_t i = 0; i < node_count (a); i++)
        if (!node_equal (node_value_at (a, i), node_get (b, node_key_at (a, i))))
            return false;
    return true;
}

bool
node_equal (const node_t *a, const node_t *b)
{
    if (node_is_nil (a) || node_is_nil (b))
        return node_is_nil (a) && node_is_nil (b);
    if (node_is_map (a) && node_is_map (b))
        return is_submap (a, b) && is_submap (b, a);
    if (node_is_array (a) && node_is_array (b)) {
        if (node_count (a) != node_count (b))
            return false;
        for (size_t i = 0; i < node_count (a); i++)
            if (!node_equal (node_item (a, i), node_item (b, i)))
                return false;
        return true;
    }
    return msgpack_object_equal (*a, *b);
}
