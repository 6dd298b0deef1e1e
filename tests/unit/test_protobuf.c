#include "cri.pb-c.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include "protobuf_types.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void
free_bytes (uint8_t **bytes_p)
{
    free (*bytes_p);
}

static tree_t *
from_json (const char *json)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (json, strlen (json), &fault);
    if (!tree)
        fail_msg ("%s: %s", json, fault.text);
    return tree;
}

/* Encodes and decodes the JSON as a `type`; the result is owned JSON. */
static char *
through (const ProtobufCMessageDescriptor *type, const char *json)
{
    OWNED (tree_destroy) tree_t *tree = from_json (json);
    OWNED (free_bytes) uint8_t *bytes = NULL;
    size_t size;
    fault_t fault = { 0 };
    if (protobuf_encode (type, tree_root (tree), &bytes, &size, &fault) < 0)
        fail_msg ("%s: %s", json, fault.text);
    OWNED (tree_destroy) tree_t *back = protobuf_decode (type, bytes, size, &fault);
    if (!back)
        fail_msg ("%s: %s", json, fault.text);
    return json_write (tree_root (back), JSON_COMPACT, NULL);
}

static void
check_round_trip (const ProtobufCMessageDescriptor *type, const char *in, const char *expected)
{
    OWNED (free_text) char *out = through (type, in);
    if (strcmp (out, expected) != 0)
        fail_msg ("%s became %s, not %s", in, out, expected);
}

/* Hex digits of what the JSON is on the wire; owned. */
static char *
wire (const char *json)
{
    OWNED (tree_destroy) tree_t *tree = from_json (json);
    OWNED (free_bytes) uint8_t *bytes = NULL;
    size_t size;
    fault_t fault = { 0 };
    if (protobuf_encode (&ALL, tree_root (tree), &bytes, &size, &fault) < 0)
        fail_msg ("%s: %s", json, fault.text);
    char *hex = memory_new (size * 2 + 1, 1);
    for (size_t i = 0; i < size; i++)
        snprintf (hex + 2 * i, 3, "%02x", bytes[i]);
    return hex;
}

// ---- every type ----

static void
every_type_survives_a_round_trip (void **state)
{
    (void) state;
    static const char *const ROWS[] = {
        "{}",
        "{\"a_int32\":1}",
        "{\"a_int32\":-2147483648,\"b_sint32\":-2147483648,\"c_sfixed32\":-2147483648}",
        "{\"a_int32\":2147483647,\"b_sint32\":2147483647,\"c_sfixed32\":2147483647}",
        "{\"d_int64\":-9223372036854775808,\"e_sint64\":-9223372036854775808,"
        "\"f_sfixed64\":-9223372036854775808}",
        "{\"d_int64\":9223372036854775807,\"e_sint64\":9223372036854775807,"
        "\"f_sfixed64\":9223372036854775807}",
        "{\"g_uint32\":4294967295,\"h_fixed32\":4294967295}",
        "{\"i_uint64\":9223372036854775807,\"j_fixed64\":1}",
        "{\"k_float\":1.5,\"l_double\":0.1}",
        "{\"m_bool\":true}",
        "{\"n_enum\":\"GREEN\"}",
        "{\"n_enum\":\"BLUE\"}",
        "{\"n_enum\":77}",
        "{\"o_string\":\"a\xe2\x82\xac\"}",
        "{\"p_bytes\":\"text\"}",
        "{\"q_message\":{}}",
        "{\"q_message\":{\"q_message\":{\"a_int32\":1}}}",
        "{\"r_one\":0}",
        "{\"r_one\":5}",
        "{\"s_two\":\"\"}",
        "{\"s_two\":\"x\"}",
        "{\"t_int32s\":[0,1,-1]}",
        "{\"u_enums\":[\"RED\",\"BLUE\",9]}",
        "{\"v_bools\":[false,true]}",
        "{\"w_strings\":[\"\",\"a\"]}",
        "{\"x_bytes\":[\"\",\"a\"]}",
        "{\"y_messages\":[{},{\"a_int32\":1},{\"y_messages\":[{}]}]}",
        "{\"z_map\":{\"\":{},\"a\":{\"a_int32\":1},\"b\":{\"z_map\":{\"c\":{}}}}}",
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check_round_trip (&ALL, ROWS[i], ROWS[i]);
}

static void
zero_values_are_absent (void **state)
{
    (void) state;
    static const struct {
        const char *in, *out;
    } ROWS[] = {
        { "{\"a_int32\":0,\"b_sint32\":0,\"c_sfixed32\":0,\"d_int64\":0,\"e_sint64\":0}", "{}" },
        { "{\"f_sfixed64\":0,\"g_uint32\":0,\"h_fixed32\":0,\"i_uint64\":0,\"j_fixed64\":0}",
          "{}" },
        { "{\"k_float\":0,\"l_double\":0.0,\"m_bool\":false,\"o_string\":\"\",\"p_bytes\":\"\"}",
          "{}" },
        { "{\"n_enum\":\"RED\"}", "{}" },
        { "{\"n_enum\":0}", "{}" },
        { "{\"n_enum\":1}", "{\"n_enum\":\"GREEN\"}" },
        { "{\"t_int32s\":[],\"w_strings\":[],\"y_messages\":[],\"z_map\":{}}", "{}" },
        { "{\"a_int32\":null,\"q_message\":null,\"t_int32s\":null,\"z_map\":null}", "{}" },
        { "{\"z_map\":{\"a\":null}}", "{\"z_map\":{\"a\":{}}}" },
        { "{\"y_messages\":[null]}", "{\"y_messages\":[{}]}" },
        { "null", "{}" },
        { "{\"l_double\":3}", "{\"l_double\":3}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check_round_trip (&ALL, ROWS[i].in, ROWS[i].out);
    OWNED (free_bytes) uint8_t *bytes = NULL;
    size_t size = 1;
    fault_t fault = { 0 };
    assert_int_equal (protobuf_encode (&ALL, NULL, &bytes, &size, &fault), 0);
    assert_int_equal (size, 0);
    assert_non_null (bytes);
    OWNED (tree_destroy) tree_t *empty = protobuf_decode (&ALL, NULL, 0, &fault);
    assert_true (node_is_map (tree_root (empty)));
}

/* Expected bytes are protoc --encode's. */
static void
the_wire_format_is_protocs (void **state)
{
    (void) state;
    static const struct {
        const char *json, *hex;
    } ROWS[] = {
        { "{\"a_int32\":150}", "089601" },
        { "{\"a_int32\":-1}", "08ffffffffffffffffff01" },
        { "{\"b_sint32\":-1}", "1001" },
        { "{\"c_sfixed32\":-2}", "1dfeffffff" },
        { "{\"e_sint64\":2147483647}", "28feffffff0f" },
        { "{\"f_sfixed64\":1}", "310100000000000000" },
        { "{\"h_fixed32\":1}", "4501000000" },
        { "{\"k_float\":1.5}", "5d0000c03f" },
        { "{\"l_double\":-2}", "6100000000000000c0" },
        { "{\"m_bool\":true}", "6801" },
        { "{\"n_enum\":\"BLUE\"}", "70feffffffffffffffff01" },
        { "{\"o_string\":\"hi\"}", "7a026869" },
        { "{\"p_bytes\":\"\\u0000\"}", "82010100" },
        { "{\"q_message\":{\"a_int32\":1}}", "8a01020801" },
        { "{\"t_int32s\":[1,300]}", "a2010301ac02" },
        { "{\"w_strings\":[\"a\",\"b\"]}", "ba010161ba010162" },
        { "{\"z_map\":{\"k\":{\"a_int32\":1}}}", "d201070a016b12020801" },
        { "{\"z_map\":{\"\":{}}}", "d201021200" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *hex = wire (ROWS[i].json);
        if (strcmp (hex, ROWS[i].hex) != 0)
            fail_msg ("%s became %s, not %s", ROWS[i].json, hex, ROWS[i].hex);
    }
}

static void
messages_longer_than_one_length_byte_keep_their_order (void **state)
{
    (void) state;
    OWNED (free_text) char *filler = memory_new (20001, 1);
    memset (filler, 'x', 20000);
    OWNED (free_text)
    char *json =
        text_format ("{\"q_message\":{\"o_string\":\"%s\",\"q_message\":{\"o_string\":\"%.200s\"},"
                     "\"w_strings\":[\"%.127s\",\"%.128s\"]}}",
                     filler, filler, filler, filler);
    check_round_trip (&ALL, json, json);
}

static void
numbers_beyond_int64_are_kept (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t *root = tree_root (tree);
    *root = node_map();
    node_t most = { .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_MAX };
    node_set (tree, root, "i_uint64", most);
    node_set (tree, root, "j_fixed64", most);
    OWNED (free_bytes) uint8_t *bytes = NULL;
    size_t size;
    fault_t fault = { 0 };
    assert_int_equal (protobuf_encode (&ALL, root, &bytes, &size, &fault), 0);
    OWNED (tree_destroy) tree_t *back = protobuf_decode (&ALL, bytes, size, &fault);
    assert_true (node_equal (root, tree_root (back)));
}

static void
bytes_are_text_only_when_they_can_be (void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size;
        bool is_text;
    } ROWS[] = { { "out\n", 4, true }, { "\xe2\x82\xac", 3, true }, { "a\0b", 3, false },
                 { "\xff", 1, false }, { "\xe2\x82", 2, false },    { "\x1b[0m\x01", 5, true } };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t *root = tree_root (tree);
        *root = node_map();
        node_set (tree, root, "stdout", node_bytes (tree, ROWS[i].bytes, ROWS[i].size));
        OWNED (free_bytes) uint8_t *bytes = NULL;
        size_t size;
        fault_t fault = { 0 };
        const ProtobufCMessageDescriptor *type = &runtime__v1__exec_sync_response__descriptor;
        assert_int_equal (protobuf_encode (type, root, &bytes, &size, &fault), 0);
        OWNED (tree_destroy) tree_t *back = protobuf_decode (type, bytes, size, &fault);
        const node_t *out = node_get (tree_root (back), "stdout");
        assert_int_equal (out->type, ROWS[i].is_text ? MSGPACK_OBJECT_STR : MSGPACK_OBJECT_BIN);
        assert_int_equal (out->via.bin.size, ROWS[i].size);
        assert_memory_equal (out->via.bin.ptr, ROWS[i].bytes, ROWS[i].size);
    }
}

// ---- what is refused ----

static void
a_wrong_value_is_refused_with_its_path (void **state)
{
    (void) state;
    static const struct {
        const char *json, *fault;
    } ROWS[] = {
        { "1", "is not a map" },
        { "[]", "is not a map" },
        { "{\"none\":1}", "none: unknown field of All" },
        { "{\"none\":null}", "none: unknown field of All" },
        { "{\"A_int32\":1}", "A_int32: unknown field of All" },
        { "{\"a_int32\":\"1\"}", "a_int32: is not an integer" },
        { "{\"a_int32\":1.0}", "a_int32: is not an integer" },
        { "{\"a_int32\":true}", "a_int32: is not an integer" },
        { "{\"a_int32\":2147483648}", "a_int32: is out of range" },
        { "{\"b_sint32\":-2147483649}", "b_sint32: is out of range" },
        { "{\"c_sfixed32\":4294967295}", "c_sfixed32: is out of range" },
        { "{\"d_int64\":{}}", "d_int64: is not an integer" },
        { "{\"g_uint32\":-1}", "g_uint32: is out of range" },
        { "{\"g_uint32\":4294967296}", "g_uint32: is out of range" },
        { "{\"h_fixed32\":\"\"}", "h_fixed32: is not an integer" },
        { "{\"i_uint64\":-1}", "i_uint64: is out of range" },
        { "{\"l_double\":\"1\"}", "l_double: is not a number" },
        { "{\"m_bool\":1}", "m_bool: is not a boolean" },
        { "{\"n_enum\":\"PINK\"}", "n_enum: \"PINK\" is not a Color" },
        { "{\"n_enum\":true}", "n_enum: is not an integer" },
        { "{\"n_enum\":2147483648}", "n_enum: is out of range" },
        { "{\"o_string\":1}", "o_string: is not text" },
        { "{\"p_bytes\":1}", "p_bytes: is neither text nor binary" },
        { "{\"q_message\":1}", "q_message: is not a map" },
        { "{\"q_message\":{\"q_message\":{\"a_int32\":\"\"}}}",
          "q_message.q_message.a_int32: is not an integer" },
        { "{\"t_int32s\":1}", "t_int32s: is not a list" },
        { "{\"t_int32s\":[1,\"\"]}", "t_int32s[1]: is not an integer" },
        { "{\"w_strings\":[null]}", "w_strings[0]: is not text" },
        { "{\"y_messages\":[{},{\"m_bool\":0}]}", "y_messages[1].m_bool: is not a boolean" },
        { "{\"z_map\":[]}", "z_map: is not a map" },
        { "{\"z_map\":{\"a.b\":{\"m_bool\":0}}}", "z_map[a.b].m_bool: is not a boolean" },
        { "{\"z_map\":{\"a\":1}}", "z_map[a]: is not a map" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = from_json (ROWS[i].json);
        uint8_t *bytes = NULL;
        size_t size;
        fault_t fault = { 0 };
        if (protobuf_encode (&ALL, tree_root (tree), &bytes, &size, &fault) == 0)
            fail_msg ("%s is accepted", ROWS[i].json);
        assert_null (bytes);
        assert_int_equal (fault.code, FAULT_INVALID);
        if (strcmp (fault.text, ROWS[i].fault) != 0)
            fail_msg ("%s: %s", ROWS[i].json, fault.text);
    }
}

static void
strings_must_be_utf_8 (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t *root = tree_root (tree);
    *root = node_map();
    node_set (tree, root, "o_string", node_text (tree, "\xff"));
    uint8_t *bytes = NULL;
    size_t size;
    fault_t fault = { 0 };
    assert_int_equal (protobuf_encode (&ALL, root, &bytes, &size, &fault), -1);
    assert_string_equal (fault.text, "o_string: is not valid UTF-8");
}

/* `depth` messages, one in the other, on the wire. Owned. */
static uint8_t *
nested (size_t depth, size_t *size_p)
{
    uint8_t *bytes = memory_new (depth * 8, 1);
    uint8_t *at = bytes + depth * 8; // built from the inside
    for (size_t i = 0, size = 0; i < depth; i++) {
        uint8_t head[8] = { 0x8a, 0x01 };
        size_t used = 2;
        for (size_t rest = size; used == 2 || rest; rest >>= 7)
            head[used++] = (uint8_t) ((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        at -= used;
        memcpy (at, head, used);
        size += used;
        *size_p = size;
    }
    memmove (bytes, at, *size_p);
    return bytes;
}

static void
nesting_is_bounded (void **state)
{
    (void) state;
    for (size_t depth = 1; depth < 40; depth++) {
        size_t size;
        OWNED (free_bytes) uint8_t *bytes = nested (depth, &size);
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *tree = protobuf_decode (&ALL, bytes, size, &fault);
        assert_int_equal (tree != NULL, depth + 1 <= TREE_DEPTH_MAX);
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t node = node_map();
    for (size_t depth = 1; depth < 40; depth++) {
        uint8_t *bytes = NULL;
        size_t size;
        fault_t fault = { 0 };
        int result = protobuf_encode (&ALL, &node, &bytes, &size, &fault);
        assert_int_equal (result, depth <= TREE_DEPTH_MAX ? 0 : -1);
        free (bytes);
        node_t outer = node_map();
        node_set (tree, &outer, "q_message", node);
        node = outer;
    }
}

static void
malformed_bytes_are_refused (void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size;
    } ROWS[] = {
        { "\x08", 1 },                                                  // a tag without a value
        { "\x08\x80", 2 },                                              // a varint without an end
        { "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 13 }, // one too long
        { "\x7a\x05"
          "abc",
          5 },                                                  // a text shorter than it says
        { "\x7a\xff\xff\xff\xff\x0f", 6 },                      // 4 GiB of text
        { "\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 }, // 2^64 of it
        { "\x1d\x01\x02", 3 },                                  // half a fixed32
        { "\x31\x01", 2 },                                      // half a fixed64
        { "\x8a\x01\x02\x08", 4 },                              // a message cut in two
        { "\x8a\x01\x01\x08", 4 },                              // a message with a cut field
        { "\x0b\x0c", 2 },                                      // groups
        { "\x00\x01", 2 },                                      // field number 0
        { "\x7d\x01\x02\x03\x04", 5 },                          // a text of the wrong wire type
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_bytes) uint8_t *exact = memory_new (ROWS[i].size, 1);
        memcpy (exact, ROWS[i].bytes, ROWS[i].size);
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *tree = protobuf_decode (&ALL, exact, ROWS[i].size, &fault);
        if (tree)
            fail_msg ("row %zu is accepted", i);
        assert_int_equal (fault.code, FAULT_INVALID);
    }
}

static void
unknown_fields_are_skipped_and_the_last_value_counts (void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *json;
    } ROWS[] = {
        { "\xf8\x3f\x05\x08\x01", 5, "{\"a_int32\":1}" },             // 1023: varint
        { "\xfa\x3f\x02zz\x08\x01", 7, "{\"a_int32\":1}" },           // 1023: bytes
        { "\xfd\x3f\x01\x02\x03\x04\x08\x01", 8, "{\"a_int32\":1}" }, // 1023: 32 bits
        { "\x08\x01\x08\x02", 4, "{\"a_int32\":2}" },
        { "\x90\x01\x05\x9a\x01\x01x", 7, "{\"s_two\":\"x\"}" }, // the later of a oneof
        { "\xa0\x01\x01\xa2\x01\x02\x02\x03\xa0\x01\x04", 11, "{\"t_int32s\":[1,2,3,4]}" },
        { "\x8a\x01\x02\x08\x01\x8a\x01\x02\x10\x02", 10,
          "{\"q_message\":{\"a_int32\":1,\"b_sint32\":1}}" }, // messages are merged
        { "\xd2\x01\x07\x0a\x01k\x12\x02\x08\x01\xd2\x01\x07\x0a\x01k\x12\x02\x08\x02", 20,
          "{\"z_map\":{\"k\":{\"a_int32\":2}}}" },
        { "\xd2\x01\x00", 3, "{\"z_map\":{\"\":{}}}" },
        { "\xa2\x01\x00", 3, "{}" }, // an empty packed list
        { "\xa2\x01\x00\xa0\x01\x05", 6, "{\"t_int32s\":[5]}" },
        { "\x08\x01\x08\x00", 4, "{}" },
        { "\x90\x01\x05\x9a\x01\x00\x90\x01\x00", 9, "{\"r_one\":0}" },
        { "\xd2\x01\x07\x12\x02\x08\x01\x0a\x01k", 10, "{\"z_map\":{\"k\":{\"a_int32\":1}}}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *tree =
            protobuf_decode (&ALL, (const uint8_t *) ROWS[i].bytes, ROWS[i].size, &fault);
        if (!tree)
            fail_msg ("row %zu: %s", i, fault.text);
        OWNED (free_text) char *json = json_write (tree_root (tree), JSON_COMPACT, NULL);
        if (strcmp (json, ROWS[i].json) != 0)
            fail_msg ("row %zu became %s", i, json);
    }
}

static void
a_map_of_many_keys_takes_no_hostile_time (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    size_t count = 200000;
    node_t labels = node_map_sized (tree, count);
    for (size_t i = 0; i < count; i++) {
        labels.via.map.ptr[i].key = node_text_format (tree, "key-%zu", i % (count / 2));
        labels.via.map.ptr[i].val = node_text_format (tree, "%zu", i);
    }
    node_t config = node_map();
    node_set (tree, &config, "labels", labels);
    OWNED (free_bytes) uint8_t *bytes = NULL;
    size_t size;
    fault_t fault = { 0 };
    clock_t start = clock();
    const ProtobufCMessageDescriptor *type = &runtime__v1__pod_sandbox_config__descriptor;
    assert_int_equal (protobuf_encode (type, &config, &bytes, &size, &fault), 0);
    OWNED (tree_destroy) tree_t *back = protobuf_decode (type, bytes, size, &fault);
    double took_s = (double) (clock() - start) / CLOCKS_PER_SEC;
    print_message ("%zu bytes in %.3f s\n", size, took_s);
    const node_t *read = node_get (tree_root (back), "labels");
    assert_int_equal (node_count (read), count / 2);
    assert_string_equal (node_get_text (read, "key-0", ""), "100000");
    assert_true (took_s < 5);
}

// ---- CRI ----

static void
cri_requests_survive_a_round_trip (void **state)
{
    (void) state;
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *json;
    } ROWS[] = {
        { &runtime__v1__run_pod_sandbox_request__descriptor,
          "{\"config\":{\"metadata\":{\"name\":\"nginx\",\"uid\":\"u\",\"namespace\":\"default\","
          "\"attempt\":1},\"hostname\":\"nginx\",\"log_directory\":\"/var/log/pods/x\","
          "\"dns_config\":{\"servers\":[\"10.96.0.10\"],\"searches\":[\"a\",\"b\"]},"
          "\"port_mappings\":[{\"protocol\":\"UDP\",\"container_port\":53}],"
          "\"labels\":{\"io.kubernetes.pod.name\":\"nginx\",\"app\":\"\"},"
          "\"linux\":{\"cgroup_parent\":\"/kubepods/x\",\"security_context\":{"
          "\"namespace_options\":{\"pid\":\"CONTAINER\",\"ipc\":\"NODE\"}}}}}" },
        { &runtime__v1__container_config__descriptor,
          "{\"metadata\":{\"name\":\"c\"},\"image\":{\"image\":\"sha256:1\"},\"command\":[\"sh\"],"
          "\"envs\":[{\"key\":\"A\",\"value\":\"b\"},{\"key\":\"EMPTY\"}],\"tty\":true}" },
        { &runtime__v1__uint64_value__descriptor, "{\"value\":9223372036854775807}" },
        { &runtime__v1__version_request__descriptor, "{}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check_round_trip (ROWS[i].type, ROWS[i].json, ROWS[i].json);
}

static void
every_prefix_of_a_message_is_refused_or_read_without_harm (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *tree = from_json (
        "{\"a_int32\":1,\"f_sfixed64\":5,\"l_double\":1.5,\"n_enum\":\"BLUE\",\"o_string\":"
        "\"text\","
        "\"p_bytes\":\"bytes\",\"q_message\":{\"s_two\":\"x\"},\"t_int32s\":[1,2,300],"
        "\"w_strings\":[\"a\",\"b\"],\"y_messages\":[{\"a_int32\":7},{}],\"z_map\":{\"k\":{}}}");
    OWNED (free_bytes) uint8_t *bytes = NULL;
    size_t size;
    fault_t fault = { 0 };
    assert_int_equal (protobuf_encode (&ALL, tree_root (tree), &bytes, &size, &fault), 0);
    for (size_t part = 0; part <= size; part++) {
        OWNED (free_bytes) uint8_t *exact = memory_new (part, 1);
        memcpy (exact, bytes, part);
        OWNED (tree_destroy) tree_t *back = protobuf_decode (&ALL, exact, part, &fault);
        if (part == size)
            assert_true (node_equal (tree_root (tree), tree_root (back)));
    }
    for (size_t at = 0; at < size; at++) // and so is every byte turned over
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t) (1 << bit);
            OWNED (tree_destroy) tree_t *back = protobuf_decode (&ALL, bytes, size, &fault);
            bytes[at] ^= (uint8_t) (1 << bit);
            assert_true (!back || node_is_map (tree_root (back)));
        }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_type_survives_a_round_trip),
        cmocka_unit_test (zero_values_are_absent),
        cmocka_unit_test (the_wire_format_is_protocs),
        cmocka_unit_test (messages_longer_than_one_length_byte_keep_their_order),
        cmocka_unit_test (numbers_beyond_int64_are_kept),
        cmocka_unit_test (bytes_are_text_only_when_they_can_be),
        cmocka_unit_test (a_wrong_value_is_refused_with_its_path),
        cmocka_unit_test (strings_must_be_utf_8),
        cmocka_unit_test (nesting_is_bounded),
        cmocka_unit_test (malformed_bytes_are_refused),
        cmocka_unit_test (unknown_fields_are_skipped_and_the_last_value_counts),
        cmocka_unit_test (a_map_of_many_keys_takes_no_hostile_time),
        cmocka_unit_test (cri_requests_survive_a_round_trip),
        cmocka_unit_test (every_prefix_of_a_message_is_refused_or_read_without_harm),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
