#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/real.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static tree_t *
read_text (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", text, fault.text);
    return tree;
}

static void
check_round_trip (const char *in, const char *expected)
{
    OWNED (tree_destroy) tree_t *tree = read_text (in);
    size_t size;
    OWNED (free_text) char *out = json_write (tree_root (tree), JSON_COMPACT, &size);
    assert_int_equal (size, strlen (out));
    if (strcmp (out, expected) != 0)
        fail_msg ("%s became %s, not %s", in, out, expected);
}

static void
what_is_read_is_written_again (void **state)
{
    (void) state;
    static const char *const ROWS[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "\"\"",
        "\"a b\"",
        "[]",
        "{}",
        "[1,[2,[3]],{}]",
        "{\"z\":1,\"a\":{\"y\":[],\"b\":null}}",
        "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\"a\\u0000b\"",
        "{\"\":\"\"}",
        "0.1",
        "-2.5",
        "1e+21",
        "1e-7",
        "0.000001",
        "3.141592653589793",
        "1.7976931348623157e+308",
        "5e-324",
        "[9007199254740993,0.30000000000000004]",
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check_round_trip (ROWS[i], ROWS[i]);
}

static void
other_spellings_are_normalised (void **state)
{
    (void) state;
    static const struct {
        const char *in, *out;
    } ROWS[] = {
        { " [ 1 ,\t2\n] ", "[1,2]" },
        { "\"\\u0041\\/\\ud83d\\ude00\"", "\"A/\xf0\x9f\x98\x80\"" },
        { "1.0", "1" },
        { "1e3", "1000" },
        { "100000000000000000000", "100000000000000000000" },
        { "-0", "0" },
        { "9223372036854775808", "9223372036854776000" },
        { "[18446744073709551615,1,-9223372036854775809]",
          "[18446744073709552000,1,-9223372036854776000]" },
        { "{\"99999999999999999999\":99999999999999999999}",
          "{\"99999999999999999999\":100000000000000000000}" },
        { "1e-400", "0" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check_round_trip (ROWS[i].in, ROWS[i].out);
}

static void
integers_and_reals_stay_apart (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = read_text ("[1,1.0,1e3,9223372036854775808,-5]");
    const node_t *root = tree_root (tree);
    static const msgpack_object_type TYPES[] = { MSGPACK_OBJECT_POSITIVE_INTEGER,
                                                 MSGPACK_OBJECT_FLOAT64, MSGPACK_OBJECT_FLOAT64,
                                                 MSGPACK_OBJECT_FLOAT64,
                                                 MSGPACK_OBJECT_NEGATIVE_INTEGER };
    for (size_t i = 0; i < COUNT_OF (TYPES); i++)
        assert_int_equal (node_item (root, i)->type, TYPES[i]);
}

static void
bad_input_is_refused_with_its_place (void **state)
{
    (void) state;
    static const struct {
        const char *text, *fault;
    } ROWS[] = {
        { "", "line 1 column 0: " },
        { " ", "line 1 column 1: " },
        { "{", "line 1 column 1: " },
        { "[1,2", "line 1 column 4: " },
        { "{\"a\":\n  tru}", "line 2 column 5: " },
        { "{\"a\":1,\"a\":2}", "duplicate object key" },
        { "[1,]", "line 1" },
        { "{\"a\":1,}", "line 1" },
        { "1 2", "end of file expected" },
        { "{} x", "end of file expected" },
        { "\"abc", "line 1" },
        { "\"a\nb\"", "line 1" },
        { "\"\xff\"", "line 1 column 1" },
        { "\"\xc3\"", "line 1" },
        { "\"\xed\xa0\x80\"", "line 1" },
        { "\"\xc0\xaf\"", "line 1" },
        { "\"\\ud800\"", "line 1" },
        { "\"\\x\"", "line 1" },
        { "{\"a\\u0000b\":1}", "line 1" },
        { "{a:1}", "line 1" },
        { "{'a':1}", "line 1" },
        { "01", "line 1" },
        { "+1", "line 1" },
        { ".5", "line 1" },
        { "1.", "line 1" },
        { "1e", "line 1" },
        { "--1", "line 1" },
        { "NaN", "line 1" },
        { "Infinity", "line 1" },
        { "1e999", "line 1" },
        { "// x\n1", "line 1" },
        { "\xef\xbb\xbf{}", "line 1" },
        { "]", "line 1" },
        { "99999999999999999999x", "line 1" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        if (json_read (ROWS[i].text, strlen (ROWS[i].text), &fault))
            fail_msg ("%s is accepted", ROWS[i].text);
        assert_int_equal (fault.code, FAULT_INVALID);
        if (!strstr (fault.text, ROWS[i].fault))
            fail_msg ("%s: %s", ROWS[i].text, fault.text);
    }
}

static void
a_fault_does_not_quote_the_input (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    static const char TEXT[] = "{\"password\": hunter2}";
    assert_null (json_read (TEXT, strlen (TEXT), &fault));
    assert_null (strstr (fault.text, "hunter2"));
}

static void
a_nul_byte_outside_a_string_is_refused (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    assert_null (json_read ("1\0", 2, &fault));
    assert_null (json_read ("\"a\0\"", 4, &fault));
}

/* `depth` opening brackets and as many closing ones. */
static char *
nested (size_t depth, const char *open, const char *close)
{
    size_t step = strlen (open);
    char *text = memory_new (depth * (step + strlen (close)) + 2, 1);
    char *to = text;
    for (size_t i = 0; i < depth; i++, to += step)
        memcpy (to, open, step);
    *to++ = '1';
    for (size_t i = 0; i < depth; i++)
        *to++ = *close;
    return text;
}

static void
nesting_is_bounded (void **state)
{
    (void) state;
    static const struct {
        const char *open, *close;
    } ROWS[] = { { "[", "]" }, { "{\"a\":", "}" } };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (free_text) char *deepest = nested (TREE_DEPTH_MAX, ROWS[i].open, ROWS[i].close);
        OWNED (tree_destroy) tree_t *tree = json_read (deepest, strlen (deepest), &fault);
        assert_non_null (tree);
        size_t size;
        OWNED (free_text) char *packed = node_pack (tree_root (tree), &size);
        OWNED (tree_destroy) tree_t *back = tree_unpack (packed, size, &fault);
        assert_non_null (back);

        OWNED (free_text) char *deep = nested (TREE_DEPTH_MAX + 1, ROWS[i].open, ROWS[i].close);
        assert_null (json_read (deep, strlen (deep), &fault));
        assert_non_null (strstr (fault.text, "nested deeper than 24"));
        OWNED (free_text) char *hostile = nested (1000000, ROWS[i].open, ROWS[i].close);
        assert_null (json_read (hostile, strlen (hostile), &fault));
    }
    // Brackets in strings are no nesting.
    OWNED (tree_destroy) tree_t *tree = read_text ("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"");
    assert_true (node_is_text (tree_root (tree)));
}

static void
every_prefix_of_a_document_is_refused_or_read_without_harm (void **state)
{
    (void) state;
    static const char TEXT[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\\n\",{\"b\":null},true,"
                               "99999999999999999999],\"c\":\"\xe2\x82\xac\"}";
    for (size_t size = 0; size < strlen (TEXT); size++) {
        OWNED (free_text) char *exact = memory_new (size, 1); // lets the sanitizer see an overrun
        memcpy (exact, TEXT, size);
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *tree = json_read (exact, size, &fault);
        assert_null (tree);
    }
}

static void
pretty_text_is_indented_by_two (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = read_text ("{\"a\":[1,{\"b\":[]}],\"c\":{}}");
    OWNED (free_text) char *out = json_write (tree_root (tree), JSON_PRETTY, NULL);
    assert_string_equal (out, "{\n"
                              "  \"a\": [\n"
                              "    1,\n"
                              "    {\n"
                              "      \"b\": []\n"
                              "    }\n"
                              "  ],\n"
                              "  \"c\": {}\n"
                              "}");
}

static void
binary_data_is_written_as_base64 (void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *out;
    } ROWS[] = {
        { "", 0, "\"\"" },
        { "\xff", 1, "\"/w==\"" },
        { "\0\1", 2, "\"AAE=\"" },
        { "abc", 3, "\"YWJj\"" },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        node_t node = node_bytes (tree, ROWS[i].bytes, ROWS[i].size);
        OWNED (free_text) char *out = json_write (&node, JSON_COMPACT, NULL);
        assert_string_equal (out, ROWS[i].out);
    }
    OWNED (free_text) char *zeros = memory_new (100000, 1);
    node_t node = node_bytes (tree, zeros, 100000);
    size_t size;
    OWNED (free_text) char *out = json_write (&node, JSON_COMPACT, &size);
    assert_int_equal (size, 2 + (100000 + 2) / 3 * 4);
    assert_int_equal (strspn (out + 1, "A"), size - 2 - 2); // 100,000 leaves one byte: AA==
}

static void
what_is_no_json_is_written_as_json_all_the_same (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t array = node_array();
    node_append (tree, &array, node_text_sized (tree, "a\xff\xc3z\xed\xa0\x80", 7));
    node_append (tree, &array, node_real (1.0 / 0.0));
    node_append (tree, &array, node_real (0.0 / 0.0));
    node_append (tree, &array, (node_t){ .type = MSGPACK_OBJECT_EXT });
    node_append (tree, &array,
                 (node_t){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_MAX });
    OWNED (free_text) char *out = json_write (&array, JSON_COMPACT, NULL);
    assert_string_equal (out, "[\"a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                              "null,null,null,18446744073709551615]");
    OWNED (free_text) char *nothing = json_write (NULL, JSON_COMPACT, NULL);
    assert_string_equal (nothing, "null");
}

static void
reals_are_written_as_go_does (void **state)
{
    (void) state;
    static const struct {
        double value;
        const char *text, *key;
    } ROWS[] = {
        { 0, "0", "0" },
        { 1, "1", "1" },
        { -1.5, "-1.5", "-1.5" },
        { 1000, "1000", "1000" },
        { 123456, "123456", "123456" },
        { 1e6, "1000000", "1e+06" },
        { 1234567, "1234567", "1.234567e+06" },
        { 1e20, "100000000000000000000", "1e+20" },
        { 1e21, "1e+21", "1e+21" },
        { 1.5e21, "1.5e+21", "1.5e+21" },
        { 1e36, "1e+36", "1e+36" },
        { 0.0001, "0.0001", "0.0001" },
        { 0.00001, "0.00001", "1e-05" },
        { 1e-6, "0.000001", "1e-06" },
        { 9.5e-7, "9.5e-7", "9.5e-07" },
        { 0.1, "0.1", "0.1" },
        { 1.0 / 3, "0.3333333333333333", "0.33333334" },
        { 5e-324, "5e-324", "0" },
        { 1.7976931348623157e308, "1.7976931348623157e+308", ".inf" },
        { -1.0 / 0.0, "null", "-.inf" },
        { 0.0 / 0.0, "null", ".nan" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        char text[REAL_TEXT_MAX];
        assert_string_equal (real_text (ROWS[i].value, text), ROWS[i].text);
        assert_string_equal (real_key (ROWS[i].value, text), ROWS[i].key);
    }
}

static void
a_list_of_several_mebibytes_is_read_quickly (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t *list = tree_root (tree);
    *list = node_array();
    for (int i = 0; i < 2000; i++) {
        node_t object = node_map();
        for (int j = 0; j < 50; j++) {
            char key[32];
            snprintf (key, sizeof key, "field-%d", j);
            node_set (tree, &object, key, node_text_format (tree, "the value of number %d", i));
        }
        node_append (tree, list, object);
    }
    size_t size;
    OWNED (free_text) char *text = json_write (list, JSON_COMPACT, &size);
    assert_true (size > 3 << 20);
    clock_t start = clock();
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *back = json_read (text, size, &fault);
    double took_s = (double) (clock() - start) / CLOCKS_PER_SEC;
    print_message ("%zu bytes in %.3f s\n", size, took_s);
    assert_true (node_equal (tree_root (back), list));
    assert_true (took_s < 2); // about 0.05 s; sanitizers take their time
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_is_read_is_written_again),
        cmocka_unit_test (other_spellings_are_normalised),
        cmocka_unit_test (integers_and_reals_stay_apart),
        cmocka_unit_test (bad_input_is_refused_with_its_place),
        cmocka_unit_test (a_fault_does_not_quote_the_input),
        cmocka_unit_test (a_nul_byte_outside_a_string_is_refused),
        cmocka_unit_test (nesting_is_bounded),
        cmocka_unit_test (every_prefix_of_a_document_is_refused_or_read_without_harm),
        cmocka_unit_test (pretty_text_is_indented_by_two),
        cmocka_unit_test (binary_data_is_written_as_base64),
        cmocka_unit_test (what_is_no_json_is_written_as_json_all_the_same),
        cmocka_unit_test (reals_are_written_as_go_does),
        cmocka_unit_test (a_list_of_several_mebibytes_is_read_quickly),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
