/* protobuf_types.h - a protobuf message with a field of every type, for test_protobuf.c. The
   descriptors are written by hand since CRI has no such message; protoc-c would make them from

     message All {
         int32 a_int32 = 1;   sint32 b_sint32 = 2;  sfixed32 c_sfixed32 = 3;
         int64 d_int64 = 4;   sint64 e_sint64 = 5;  sfixed64 f_sfixed64 = 6;
         uint32 g_uint32 = 7; fixed32 h_fixed32 = 8;
         uint64 i_uint64 = 9; fixed64 j_fixed64 = 10;
         float k_float = 11;  double l_double = 12; bool m_bool = 13;
         Color n_enum = 14;   string o_string = 15; bytes p_bytes = 16; All q_message = 17;
         oneof one { int32 r_one = 18; string s_two = 19; }
         repeated int32 t_int32s = 20;   repeated Color u_enums = 21;  repeated bool v_bools = 22;
         repeated string w_strings = 23; repeated bytes x_bytes = 24;  repeated All y_messages = 25;
         map<string, All> z_map = 26;
     }

   Fields have names in the order of their numbers, so that one order serves for both. */
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

typedef struct all all_t;

typedef struct {
    ProtobufCMessage base;
    char *key;
    all_t *value;
} all_entry_t;

struct all {
    ProtobufCMessage base;
    int32_t a_int32, b_sint32, c_sfixed32;
    int64_t d_int64, e_sint64, f_sfixed64;
    uint32_t g_uint32, h_fixed32;
    uint64_t i_uint64, j_fixed64;
    float k_float;
    double l_double;
    protobuf_c_boolean m_bool;
    int n_enum;
    char *o_string;
    ProtobufCBinaryData p_bytes;
    all_t *q_message;
    uint32_t one_case;
    union {
        int32_t r_one;
        char *s_two;
    };
    size_t n_t_int32s, n_u_enums, n_v_bools, n_w_strings, n_x_bytes, n_y_messages, n_z_map;
    int32_t *t_int32s;
    int *u_enums;
    protobuf_c_boolean *v_bools;
    char **w_strings;
    ProtobufCBinaryData *x_bytes;
    all_t **y_messages;
    all_entry_t **z_map;
};

static const ProtobufCMessageDescriptor ALL;

static const ProtobufCEnumValue COLOR_VALUES[] = { { "BLUE", "BLUE", -2 },
                                                   { "RED", "RED", 0 },
                                                   { "GREEN", "GREEN", 1 } };
static const ProtobufCEnumValueIndex COLOR_NAMES[] = { { "BLUE", 0 },
                                                       { "GREEN", 2 },
                                                       { "RED", 1 } };
static const ProtobufCIntRange COLOR_RANGES[] = { { -2, 0 }, { 0, 1 }, { 0, 3 } };
static const ProtobufCEnumDescriptor COLOR = {
    .magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
    .name = "test.Color",
    .short_name = "Color",
    .n_values = 3,
    .values = COLOR_VALUES,
    .n_value_names = 3,
    .values_by_name = COLOR_NAMES,
    .n_value_ranges = 2,
    .value_ranges = COLOR_RANGES,
};

#define SINGLE(id_, name_, type_, descriptor_)                                                     \
    {                                                                                              \
        .name = #name_, .id = id_, .label = PROTOBUF_C_LABEL_NONE,                                 \
        .type = PROTOBUF_C_TYPE_##type_, .offset = offsetof (all_t, name_),                        \
        .descriptor = descriptor_                                                                  \
    }
#define ONE_OF(id_, name_, type_)                                                                  \
    {                                                                                              \
        .name = #name_, .id = id_, .label = PROTOBUF_C_LABEL_NONE,                                 \
        .type = PROTOBUF_C_TYPE_##type_, .quantifier_offset = offsetof (all_t, one_case),          \
        .offset = offsetof (all_t, name_), .flags = PROTOBUF_C_FIELD_FLAG_ONEOF                    \
    }
#define REPEATED(id_, name_, type_, descriptor_)                                                   \
    {                                                                                              \
        .name = #name_, .id = id_, .label = PROTOBUF_C_LABEL_REPEATED,                             \
        .type = PROTOBUF_C_TYPE_##type_, .quantifier_offset = offsetof (all_t, n_##name_),         \
        .offset = offsetof (all_t, name_), .descriptor = descriptor_                               \
    }

static const unsigned ENTRY_BY_NAME[] = { 0, 1 };
static const ProtobufCIntRange ENTRY_RANGES[] = { { 1, 0 }, { 0, 2 } };
static const ProtobufCFieldDescriptor ENTRY_FIELDS[] = {
    { .name = "key",
      .id = 1,
      .label = PROTOBUF_C_LABEL_NONE,
      .type = PROTOBUF_C_TYPE_STRING,
      .offset = offsetof (all_entry_t, key),
      .default_value = &protobuf_c_empty_string },
    { .name = "value",
      .id = 2,
      .label = PROTOBUF_C_LABEL_NONE,
      .type = PROTOBUF_C_TYPE_MESSAGE,
      .offset = offsetof (all_entry_t, value),
      .descriptor = &ALL },
};
static const ProtobufCMessageDescriptor ENTRY = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.All.ZMapEntry",
    .short_name = "ZMapEntry",
    .sizeof_message = sizeof (all_entry_t),
    .n_fields = 2,
    .fields = ENTRY_FIELDS,
    .fields_sorted_by_name = ENTRY_BY_NAME,
    .n_field_ranges = 1,
    .field_ranges = ENTRY_RANGES,
};

static const unsigned ALL_BY_NAME[] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                        13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25 };
static const ProtobufCIntRange ALL_RANGES[] = { { 1, 0 }, { 0, 26 } };
static const ProtobufCFieldDescriptor ALL_FIELDS[] = {
    SINGLE (1, a_int32, INT32, NULL),
    SINGLE (2, b_sint32, SINT32, NULL),
    SINGLE (3, c_sfixed32, SFIXED32, NULL),
    SINGLE (4, d_int64, INT64, NULL),
    SINGLE (5, e_sint64, SINT64, NULL),
    SINGLE (6, f_sfixed64, SFIXED64, NULL),
    SINGLE (7, g_uint32, UINT32, NULL),
    SINGLE (8, h_fixed32, FIXED32, NULL),
    SINGLE (9, i_uint64, UINT64, NULL),
    SINGLE (10, j_fixed64, FIXED64, NULL),
    SINGLE (11, k_float, FLOAT, NULL),
    SINGLE (12, l_double, DOUBLE, NULL),
    SINGLE (13, m_bool, BOOL, NULL),
    SINGLE (14, n_enum, ENUM, &COLOR),
    SINGLE (15, o_string, STRING, NULL),
    SINGLE (16, p_bytes, BYTES, NULL),
    SINGLE (17, q_message, MESSAGE, &ALL),
    ONE_OF (18, r_one, INT32),
    ONE_OF (19, s_two, STRING),
    REPEATED (20, t_int32s, INT32, NULL),
    REPEATED (21, u_enums, ENUM, &COLOR),
    REPEATED (22, v_bools, BOOL, NULL),
    REPEATED (23, w_strings, STRING, NULL),
    REPEATED (24, x_bytes, BYTES, NULL),
    REPEATED (25, y_messages, MESSAGE, &ALL),
    REPEATED (26, z_map, MESSAGE, &ENTRY),
};
static const ProtobufCMessageDescriptor ALL = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.All",
    .short_name = "All",
    .sizeof_message = sizeof (all_t),
    .n_fields = 26,
    .fields = ALL_FIELDS,
    .fields_sorted_by_name = ALL_BY_NAME,
    .n_field_ranges = 1,
    .field_ranges = ALL_RANGES,
};
