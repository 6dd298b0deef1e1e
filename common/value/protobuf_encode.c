/* protobuf_encode.c - value trees to protobuf's wire format (protobuf.dev, "Encoding"), written
   directly: filling protobuf-c's structs first would take a second copy of everything. */
#include "cubelet/memory.h"
#include "cubelet/path.h"
#include "cubelet/protobuf.h"
#include "cubelet/protobuf_wire.h"
#include "cubelet/utf8.h"
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define VARINT_SIZE_MAX 10

typedef struct {
    uint8_t *bytes;
    size_t size;
    size_t room;
    fault_t *fault;
} encoder_t;

/* `depth` is the number of maps and lists that the node and what it stands in make up. */
static int encode_message (encoder_t *encoder, const ProtobufCMessageDescriptor *type,
                           const node_t *node, int depth, const path_t *path);

// ---- bytes ----

static void
put (encoder_t *encoder, const void *bytes, size_t size)
{
    if (encoder->size + size > encoder->room) {
        encoder->room = (encoder->size + size) * 2;
        encoder->bytes = memory_grow (encoder->bytes, encoder->room, 1);
    }
    if (size)
        memcpy (encoder->bytes + encoder->size, bytes, size);
    encoder->size += size;
}

static size_t
write_varint (uint64_t value, uint8_t out[static VARINT_SIZE_MAX])
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t) (value | 0x80);
    out[size++] = (uint8_t) value;
    return size;
}

static void
put_varint (encoder_t *encoder, uint64_t value)
{
    uint8_t bytes[VARINT_SIZE_MAX];
    put (encoder, bytes, write_varint (value, bytes));
}

static void
put_fixed (encoder_t *encoder, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t) (value >> (8 * i));
    put (encoder, bytes, size);
}

/* Puts the length of what was written since `start` before it. */
static void
insert_length (encoder_t *encoder, size_t start)
{
    size_t length = encoder->size - start;
    uint8_t prefix[VARINT_SIZE_MAX];
    size_t size = write_varint (length, prefix);
    put (encoder, prefix, size); // makes room
    memmove (encoder->bytes + start + size, encoder->bytes + start, length);
    memcpy (encoder->bytes + start, prefix, size);
}

static uint64_t
zigzag (int64_t value)
{
    return ((uint64_t) value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

// ---- scalars: each appends the value of a field, without its tag ----

typedef int put_fn (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
                    const path_t *path);

static int
read_signed (const encoder_t *encoder, const node_t *node, int64_t low, int64_t high,
             int64_t *value, const path_t *path)
{
    if (node->type != MSGPACK_OBJECT_POSITIVE_INTEGER
        && node->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return path_fault (path, encoder->fault, "is not an integer");
    *value = node_as_int (node, 0);
    if (!node_is_int (node) || *value < low || *value > high)
        return path_fault (path, encoder->fault, "is out of range");
    return 0;
}

static int
read_unsigned (const encoder_t *encoder, const node_t *node, uint64_t high, uint64_t *value,
               const path_t *path)
{
    if (node->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return path_fault (path, encoder->fault, "is out of range");
    if (node->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return path_fault (path, encoder->fault, "is not an integer");
    *value = node->via.u64;
    return *value > high ? path_fault (path, encoder->fault, "is out of range") : 0;
}

/* int32, sint32, sfixed32 and the same with 64 bits. */
static int
put_signed (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
            const path_t *path)
{
    bool is_32 = field->type == PROTOBUF_C_TYPE_INT32 || field->type == PROTOBUF_C_TYPE_SINT32
                 || field->type == PROTOBUF_C_TYPE_SFIXED32;
    int64_t value = 0;
    if (read_signed (encoder, node, is_32 ? INT32_MIN : INT64_MIN, is_32 ? INT32_MAX : INT64_MAX,
                     &value, path)
        < 0)
        return -1;
    switch ((int) field->type) {
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SINT64: put_varint (encoder, zigzag (value)); break;
    case PROTOBUF_C_TYPE_SFIXED32: put_fixed (encoder, (uint64_t) value, 4); break;
    case PROTOBUF_C_TYPE_SFIXED64: put_fixed (encoder, (uint64_t) value, 8); break;
    default: put_varint (encoder, (uint64_t) value); break;
    }
    return 0;
}

static int
put_unsigned (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
              const path_t *path)
{
    bool is_32 = field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_FIXED32;
    uint64_t value = 0;
    if (read_unsigned (encoder, node, is_32 ? UINT32_MAX : UINT64_MAX, &value, path) < 0)
        return -1;
    if (field->type == PROTOBUF_C_TYPE_FIXED32)
        put_fixed (encoder, value, 4);
    else if (field->type == PROTOBUF_C_TYPE_FIXED64)
        put_fixed (encoder, value, 8);
    else
        put_varint (encoder, value);
    return 0;
}

static int
put_real (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
          const path_t *path)
{
    double value;
    if (node->type == MSGPACK_OBJECT_FLOAT64 || node->type == MSGPACK_OBJECT_FLOAT32)
        value = node->via.f64;
    else if (node_is_int (node))
        value = (double) node_as_int (node, 0);
    else
        return path_fault (path, encoder->fault, "is not a number");
    uint64_t bits = 0;
    if (field->type == PROTOBUF_C_TYPE_FLOAT) {
        float single = (float) value;
        uint32_t bits32;
        memcpy (&bits32, &single, sizeof bits32);
        put_fixed (encoder, bits32, 4);
    }
    else {
        memcpy (&bits, &value, sizeof bits);
        put_fixed (encoder, bits, 8);
    }
    return 0;
}

static int
put_bool (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
          const path_t *path)
{
    (void) field;
    if (node->type != MSGPACK_OBJECT_BOOLEAN)
        return path_fault (path, encoder->fault, "is not a boolean");
    put_varint (encoder, node->via.boolean);
    return 0;
}

static int
put_enum (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
          const path_t *path)
{
    const ProtobufCEnumDescriptor *type = field->descriptor;
    int64_t number = 0;
    if (node_is_text (node)) {
        const ProtobufCEnumValue *value =
            protobuf_c_enum_descriptor_get_value_by_name (type, node->via.str.ptr);
        if (!value)
            return path_fault (path, encoder->fault, "\"%s\" is not a %s", node->via.str.ptr,
                               type->short_name);
        number = value->value;
    }
    else if (read_signed (encoder, node, INT32_MIN, INT32_MAX, &number, path) < 0)
        return -1;
    put_varint (encoder, (uint64_t) number);
    return 0;
}

static int
put_string (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
            const path_t *path)
{
    (void) field;
    if (!node_is_text (node))
        return path_fault (path, encoder->fault, "is not text");
    // The other side would refuse the whole message and name no field.
    if (!utf8_is_valid (node->via.str.ptr, node->via.str.size))
        return path_fault (path, encoder->fault, "is not valid UTF-8");
    put_varint (encoder, node->via.str.size);
    put (encoder, node->via.str.ptr, node->via.str.size);
    return 0;
}

static int
put_bytes (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
           const path_t *path)
{
    (void) field;
    if (!node_is_text (node) && node->type != MSGPACK_OBJECT_BIN)
        return path_fault (path, encoder->fault, "is neither text nor binary");
    bool is_text = node_is_text (node);
    uint32_t size = is_text ? node->via.str.size : node->via.bin.size;
    put_varint (encoder, size);
    put (encoder, is_text ? node->via.str.ptr : node->via.bin.ptr, size);
    return 0;
}

static put_fn *const WRITERS[] = {
    [PROTOBUF_C_TYPE_INT32] = put_signed,    [PROTOBUF_C_TYPE_SINT32] = put_signed,
    [PROTOBUF_C_TYPE_SFIXED32] = put_signed, [PROTOBUF_C_TYPE_INT64] = put_signed,
    [PROTOBUF_C_TYPE_SINT64] = put_signed,   [PROTOBUF_C_TYPE_SFIXED64] = put_signed,
    [PROTOBUF_C_TYPE_UINT32] = put_unsigned, [PROTOBUF_C_TYPE_FIXED32] = put_unsigned,
    [PROTOBUF_C_TYPE_UINT64] = put_unsigned, [PROTOBUF_C_TYPE_FIXED64] = put_unsigned,
    [PROTOBUF_C_TYPE_FLOAT] = put_real,      [PROTOBUF_C_TYPE_DOUBLE] = put_real,
    [PROTOBUF_C_TYPE_BOOL] = put_bool,       [PROTOBUF_C_TYPE_ENUM] = put_enum,
    [PROTOBUF_C_TYPE_STRING] = put_string,   [PROTOBUF_C_TYPE_BYTES] = put_bytes,
};

// ---- fields ----

static void
put_tag (encoder_t *encoder, uint32_t id, ProtobufCWireType wire)
{
    put_varint (encoder, ((uint64_t) id << 3) | (unsigned) wire);
}

/* Appends one value of the field, without its tag. */
static int
encode_value (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
              int depth, const path_t *path)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return WRITERS[field->type](encoder, field, node, path);
    size_t start = encoder->size;
    if (encode_message (encoder, field->descriptor, node, depth, path) < 0)
        return -1;
    insert_length (encoder, start);
    return 0;
}

static bool
is_all_zero (const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

static int
encode_single (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
               int depth, const path_t *path)
{
    size_t start = encoder->size;
    put_tag (encoder, field->id, protobuf_wire_of (field->type));
    size_t value = encoder->size;
    if (encode_value (encoder, field, node, depth, path) < 0)
        return -1;
    // The zero of every scalar type, the empty string and empty bytes are zeros on the wire too;
    // without presence they are left out.
    bool has_presence = field->type == PROTOBUF_C_TYPE_MESSAGE
                        || field->label == PROTOBUF_C_LABEL_OPTIONAL
                        || field->label == PROTOBUF_C_LABEL_REQUIRED
                        || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
    if (!has_presence && is_all_zero (encoder->bytes + value, encoder->size - value))
        encoder->size = start;
    return 0;
}

/* Numbers are packed, as proto3 has it; readers take both forms. */
static int
encode_packed (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *array,
               const path_t *path)
{
    if (node_count (array) == 0)
        return 0;
    put_tag (encoder, field->id, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    size_t start = encoder->size;
    for (size_t i = 0; i < node_count (array); i++) {
        path_t step = { .parent = path, .index = i };
        if (encode_value (encoder, field, node_item (array, i), 0, &step) < 0)
            return -1;
    }
    insert_length (encoder, start);
    return 0;
}

static int
encode_repeated (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *array,
                 int depth, const path_t *path)
{
    if (!node_is_array (array))
        return path_fault (path, encoder->fault, "is not a list");
    if (protobuf_wire_of (field->type) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return encode_packed (encoder, field, array, path);
    for (size_t i = 0; i < node_count (array); i++) {
        path_t step = { .parent = path, .index = i };
        put_tag (encoder, field->id, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
        if (encode_value (encoder, field, node_item (array, i), depth, &step) < 0)
            return -1;
    }
    return 0;
}

/* A map is a list of messages {key = 1, value = 2}. */
static int
encode_map (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *map, int depth,
            const path_t *path)
{
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    if (!node_is_map (map))
        return path_fault (path, encoder->fault, "is not a map");
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        path_t step = { .parent = path, .name = pair->key.via.str.ptr, .kind = PATH_KEY };
        put_tag (encoder, field->id, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
        size_t start = encoder->size;
        if (encode_single (encoder, &entry->fields[0], &pair->key, depth, &step) < 0)
            return -1;
        if (!node_is_nil (&pair->val)
            && encode_single (encoder, &entry->fields[1], &pair->val, depth, &step) < 0)
            return -1;
        insert_length (encoder, start);
    }
    return 0;
}

static int
encode_field (encoder_t *encoder, const ProtobufCFieldDescriptor *field, const node_t *node,
              int depth, const path_t *path)
{
    if (protobuf_is_map (field))
        return encode_map (encoder, field, node, depth + 1, path);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return encode_repeated (encoder, field, node, depth + 1, path);
    return encode_single (encoder, field, node, depth, path);
}

static int
encode_message (encoder_t *encoder, const ProtobufCMessageDescriptor *type, const node_t *node,
                int depth, const path_t *path)
{
    if (depth > TREE_DEPTH_MAX)
        return path_fault (path, encoder->fault, "is nested deeper than %d", TREE_DEPTH_MAX);
    if (!node_is_map (node) && !node_is_nil (node))
        return path_fault (path, encoder->fault, "is not a map");
    for (size_t i = 0; i < node_count (node); i++) {
        const char *name = node_key_at (node, i);
        const node_t *value = node_value_at (node, i);
        path_t step = { .parent = path, .name = name };
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name (type, name);
        if (!field)
            return path_fault (&step, encoder->fault, "unknown field of %s", type->short_name);
        if (!node_is_nil (value) && encode_field (encoder, field, value, depth + 1, &step) < 0)
            return -1;
    }
    return 0;
}

int
protobuf_encode (const ProtobufCMessageDescriptor *type, const node_t *node, uint8_t **bytes_p,
                 size_t *size_p, fault_t *fault)
{
    // Never NULL: an empty message has bytes to free as well.
    encoder_t encoder = { .bytes = memory_new (64, 1), .room = 64, .fault = fault };
    if (encode_message (&encoder, type, node, 1, NULL) < 0) {
        free (encoder.bytes);
        return -1;
    }
    *bytes_p = encoder.bytes;
    *size_p = encoder.size;
    return 0;
}
