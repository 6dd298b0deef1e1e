/* protobuf_decode.c - protobuf's wire format to value trees, read directly: protobuf-c's own
   reader would take a second copy of everything, recurses without a limit and loses fields when
   it merges messages. Every message is walked twice, first to count. */
#include "cubelet/memory.h"
#include "cubelet/pairs.h"
#include "cubelet/protobuf.h"
#include "cubelet/protobuf_wire.h"
#include "cubelet/utf8.h"
#include <string.h>

typedef ProtobufCMessageDescriptor proto_type_t;
typedef ProtobufCFieldDescriptor proto_field_t;

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} input_t;

typedef struct {
    tree_t *tree;
    fault_t *fault;
} decoder_t;

/* Decodes what is left of `in` to a map. `depth` is the number of maps and lists that the message
   and what it stands in make up. */
static int decode_message (const decoder_t *decoder, const proto_type_t *type, input_t in,
                           int depth, node_t *out);

// ---- the wire ----

/* One field as it stands on the wire. */
typedef struct {
    uint32_t id;
    ProtobufCWireType wire;
    uint64_t number; // unless it is length-prefixed
    input_t bytes;   // if it is
} wire_field_t;

static size_t
left (const input_t *in)
{
    return (size_t) (in->end - in->at);
}

static bool
read_varint (input_t *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 70 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        *out |= (uint64_t) (byte & 0x7f) << (shift < 64 ? shift : 0);
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool
read_fixed (input_t *in, size_t size, uint64_t *out)
{
    if (left (in) < size)
        return false;
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out |= (uint64_t) *in->at++ << (8 * i);
    return true;
}

static bool
read_bytes (input_t *in, input_t *out)
{
    uint64_t size;
    if (!read_varint (in, &size) || size > left (in))
        return false;
    *out = (input_t){ in->at, in->at + size };
    in->at += size;
    return true;
}

static bool
read_number (input_t *in, ProtobufCWireType wire, uint64_t *out)
{
    switch (wire) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: return read_varint (in, out);
    case PROTOBUF_C_WIRE_TYPE_32BIT: return read_fixed (in, 4, out);
    case PROTOBUF_C_WIRE_TYPE_64BIT: return read_fixed (in, 8, out);
    default: return false;
    }
}

static bool
read_field (input_t *in, wire_field_t *out)
{
    uint64_t tag;
    if (!read_varint (in, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return false;
    *out = (wire_field_t){ .id = (uint32_t) (tag >> 3), .wire = (ProtobufCWireType) (tag & 7) };
    if (out->wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return read_bytes (in, &out->bytes);
    return read_number (in, out->wire, &out->number);
}

// ---- scalars ----

/* Names of fields and enum values are part of the program and outlive every tree. */
static node_t
static_text (const char *text)
{
    node_t node = { .type = MSGPACK_OBJECT_STR };
    node.via.str.ptr = text;
    node.via.str.size = (uint32_t) strlen (text);
    return node;
}

static node_t
node_unsigned (uint64_t value)
{
    return (node_t){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = value };
}

/* The name of the value, or the number when this side does not know it. */
static node_t
node_enum (const ProtobufCEnumDescriptor *type, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value (type, number);
    return value ? static_text (value->name) : node_int (number);
}

static int64_t
unzigzag (uint64_t value)
{
    return (int64_t) ((value >> 1) ^ (value & 1 ? UINT64_MAX : 0));
}

static node_t
node_float (uint32_t bits)
{
    float value;
    memcpy (&value, &bits, sizeof value);
    return node_real ((double) value);
}

static node_t
node_double (uint64_t bits)
{
    double value;
    memcpy (&value, &bits, sizeof value);
    return node_real (value);
}

static node_t
node_of_number (const proto_field_t *field, uint64_t number)
{
    switch ((int) field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SFIXED32: return node_int ((int32_t) number);
    case PROTOBUF_C_TYPE_SINT32: return node_int (unzigzag ((uint32_t) number));
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64: return node_int ((int64_t) number);
    case PROTOBUF_C_TYPE_SINT64: return node_int (unzigzag (number));
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: return node_unsigned ((uint32_t) number);
    case PROTOBUF_C_TYPE_FLOAT: return node_float ((uint32_t) number);
    case PROTOBUF_C_TYPE_DOUBLE: return node_double (number);
    case PROTOBUF_C_TYPE_BOOL: return node_bool (number != 0);
    case PROTOBUF_C_TYPE_ENUM: return node_enum (field->descriptor, (int32_t) number);
    default: return node_unsigned (number);
    }
}

/* Bytes are text when they can be: most are output of commands. */
static node_t
node_of_bytes (tree_t *tree, const proto_field_t *field, const input_t *bytes)
{
    const char *text = (const char *) bytes->at;
    size_t size = left (bytes);
    bool is_text = field->type == PROTOBUF_C_TYPE_STRING || size == 0
                   || (!memchr (text, '\0', size) && utf8_is_valid (text, size));
    return is_text ? node_text_sized (tree, text, size) : node_bytes (tree, text, size);
}

/* Is this what a scalar without presence holds when it is absent? */
static bool
is_zero (const proto_field_t *field, const wire_field_t *found)
{
    if (found->wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return left (&found->bytes) == 0;
    node_t zero = node_of_number (field, 0);
    node_t value = node_of_number (field, found->number);
    return field->type == PROTOBUF_C_TYPE_FLOAT || field->type == PROTOBUF_C_TYPE_DOUBLE
               ? found->number == 0 // -0.0 is something
               : node_equal (&zero, &value);
}

// ---- fields ----

/* What is known of one of a message's fields while it is read. */
typedef struct {
    size_t count;   // items of a list or map, or how often a single value is there
    size_t size;    // bytes of all occurrences
    node_t *value;  // where it goes
    size_t used;    // items already there
    uint8_t *bytes; // of a single message that comes in parts, put together
} slot_t;

static void
free_slots (slot_t **slots_p)
{
    free (*slots_p);
}

static bool
is_repeated (const proto_field_t *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED;
}

static bool
is_packed (const proto_field_t *field, const wire_field_t *found)
{
    return is_repeated (field) && found->wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED
           && protobuf_wire_of (field->type) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
}

/* How many numbers are packed here? */
static bool
count_packed (ProtobufCWireType wire, input_t in, size_t *count)
{
    *count = 0;
    uint64_t ignored;
    for (; in.at < in.end; ++*count)
        if (!read_number (&in, wire, &ignored))
            return false;
    return true;
}

/* Adds the field found to its slot; false when it cannot be a value of its type. */
static bool
count_field (const proto_field_t *field, const wire_field_t *found, slot_t *slot)
{
    ProtobufCWireType wire = protobuf_wire_of (field->type);
    size_t count = 1;
    if (is_packed (field, found)) {
        if (!count_packed (wire, found->bytes, &count))
            return false;
    }
    else if (found->wire != wire)
        return false;
    slot->count += count;
    slot->size += left (&found->bytes);
    return true;
}

/* Reads one value that is not packed. */
static int
decode_value (const decoder_t *decoder, const proto_field_t *field, const wire_field_t *found,
              int depth, node_t *out)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return decode_message (decoder, field->descriptor, found->bytes, depth, out);
    *out = found->wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED
               ? node_of_bytes (decoder->tree, field, &found->bytes)
               : node_of_number (field, found->number);
    return 0;
}

static int
refuse (const decoder_t *decoder, const proto_type_t *type)
{
    return fault_set (decoder->fault, FAULT_INVALID, "the bytes are no %s message", type->name);
}

/* Reads one pair of a map: a message {key = 1, value = 2}. */
static int
decode_entry (const decoder_t *decoder, const proto_type_t *type, input_t in, int depth,
              msgpack_object_kv *out)
{
    const proto_field_t *value = &type->fields[1];
    wire_field_t absent = { .wire = protobuf_wire_of (value->type) };
    out->key = static_text ("");
    if (decode_value (decoder, value, &absent, depth, &out->val) < 0)
        return -1;
    while (in.at < in.end) {
        wire_field_t found;
        if (!read_field (&in, &found))
            return refuse (decoder, type);
        if (found.id > 2)
            continue;
        const proto_field_t *field = &type->fields[found.id - 1];
        if (found.wire != protobuf_wire_of (field->type))
            return refuse (decoder, type);
        node_t *to = found.id == 1 ? &out->key : &out->val;
        if (decode_value (decoder, field, &found, depth, to) < 0)
            return -1;
    }
    return 0;
}

static int
decode_repeated (const decoder_t *decoder, const proto_field_t *field, wire_field_t *found,
                 int depth, slot_t *slot)
{
    if (protobuf_is_map (field))
        return decode_entry (decoder, field->descriptor, found->bytes, depth + 2,
                             &slot->value->via.map.ptr[slot->used++]);
    node_t *items = slot->value->via.array.ptr;
    if (!is_packed (field, found))
        return decode_value (decoder, field, found, depth + 2, &items[slot->used++]);
    uint64_t number;
    while (found->bytes.at < found->bytes.end
           && read_number (&found->bytes, protobuf_wire_of (field->type), &number))
        items[slot->used++] = node_of_number (field, number);
    return 0;
}

/* Reads a single value; of several the last counts, but messages are merged, which is the same as
   reading all their bytes as one. */
static int
decode_single (const decoder_t *decoder, const proto_field_t *field, wire_field_t *found, int depth,
               slot_t *slot)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (slot->count > 1) {
            if (!slot->bytes)
                slot->bytes = tree_alloc (decoder->tree, slot->size);
            size_t size = left (&found->bytes);
            if (size)
                memcpy (slot->bytes + slot->used, found->bytes.at, size);
            slot->used += size;
            found->bytes = (input_t){ slot->bytes, slot->bytes + slot->used };
            if (slot->used < slot->size)
                return 0; // the last part has them all
        }
        return decode_value (decoder, field, found, depth + 1, slot->value);
    }
    bool has_presence =
        field->label == PROTOBUF_C_LABEL_OPTIONAL || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
    *slot->value = node_nil();
    if (!has_presence && is_zero (field, found))
        return 0;
    return decode_value (decoder, field, found, depth + 1, slot->value);
}

// ---- messages ----

/* The first walk: what is there, and how much of it? */
static int
count_fields (const decoder_t *decoder, const proto_type_t *type, input_t in, slot_t *slots)
{
    while (in.at < in.end) {
        wire_field_t found;
        if (!read_field (&in, &found))
            return refuse (decoder, type);
        const proto_field_t *field = protobuf_c_message_descriptor_get_field (type, found.id);
        if (field && !count_field (field, &found, &slots[field - type->fields]))
            return refuse (decoder, type);
    }
    return 0;
}

/* Makes room for what was counted, in the order of the field numbers. */
static node_t
prepare_map (const decoder_t *decoder, const proto_type_t *type, slot_t *slots)
{
    size_t count = 0;
    for (unsigned i = 0; i < type->n_fields; i++)
        count += slots[i].count > 0;
    node_t map = node_map_sized (decoder->tree, count);
    msgpack_object_kv *pair = map.via.map.ptr;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const proto_field_t *field = &type->fields[i];
        if (!slots[i].count)
            continue;
        pair->key = static_text (field->name);
        if (protobuf_is_map (field))
            pair->val = node_map_sized (decoder->tree, slots[i].count);
        else if (is_repeated (field))
            pair->val = node_array_sized (decoder->tree, slots[i].count);
        slots[i].value = &pair->val;
        pair++;
    }
    return map;
}

/* Of the members of a oneof only the last one found stays. */
static void
clear_others (const proto_type_t *type, const proto_field_t *field, slot_t *slots)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const proto_field_t *other = &type->fields[i];
        if (other != field && (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            && other->quantifier_offset == field->quantifier_offset && slots[i].value)
            *slots[i].value = node_nil();
    }
}

/* The second walk: fills in the values. */
static int
fill_fields (const decoder_t *decoder, const proto_type_t *type, input_t in, int depth,
             slot_t *slots)
{
    while (in.at < in.end) {
        wire_field_t found;
        if (!read_field (&in, &found))
            return refuse (decoder, type);
        const proto_field_t *field = protobuf_c_message_descriptor_get_field (type, found.id);
        slot_t *slot = field ? &slots[field - type->fields] : NULL;
        if (!slot || slot->count == 0) // a packed list may be there and empty
            continue;
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            clear_others (type, field, slots);
        int result = is_repeated (field) ? decode_repeated (decoder, field, &found, depth, slot)
                                         : decode_single (decoder, field, &found, depth, slot);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* Takes out what turned out to be absent, and lets the last of equal keys of maps count. */
static void
finish_map (const proto_type_t *type, slot_t *slots, node_t *map)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        node_t *value = slots[i].value;
        if (value && protobuf_is_map (&type->fields[i]))
            value->via.map.size = (uint32_t) pairs_unite (value->via.map.ptr, value->via.map.size);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (!node_is_nil (&map->via.map.ptr[i].val))
            map->via.map.ptr[kept++] = map->via.map.ptr[i];
    map->via.map.size = kept;
}

static int
decode_message (const decoder_t *decoder, const proto_type_t *type, input_t in, int depth,
                node_t *out)
{
    if (depth > TREE_DEPTH_MAX)
        return fault_set (decoder->fault, FAULT_INVALID, "%s: nested deeper than %d", type->name,
                          TREE_DEPTH_MAX);
    OWNED (free_slots) slot_t *slots = memory_new (type->n_fields, sizeof *slots);
    if (count_fields (decoder, type, in, slots) < 0)
        return -1;
    *out = prepare_map (decoder, type, slots);
    if (fill_fields (decoder, type, in, depth, slots) < 0)
        return -1;
    finish_map (type, slots, out);
    return 0;
}

tree_t *
protobuf_decode (const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                 fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    decoder_t decoder = { .tree = tree, .fault = fault };
    static const uint8_t NOTHING[1];
    input_t in = { size ? bytes : NOTHING, size ? bytes + size : NOTHING };
    if (decode_message (&decoder, type, in, 1, tree_root (tree)) < 0)
        return NULL;
    return STEAL (tree);
}
