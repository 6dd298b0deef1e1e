#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The documents of `yaml` as owned JSON text, or the fault's text after "!". */
static char *
as_json (const char *yaml, size_t size)
{
    OWNED (free_text) char *exact = memory_new (size, 1); // lets the sanitizer see an overrun
    memcpy (exact, yaml, size);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = yaml_read (exact, size, &fault);
    if (tree)
        return json_write (tree_root (tree), JSON_COMPACT, NULL);
    assert_int_equal (fault.code, FAULT_INVALID);
    return text_format ("!%s", fault.text);
}

static void
check (const char *yaml, const char *expected)
{
    OWNED (free_text) char *json = as_json (yaml, strlen (yaml));
    if (strcmp (json, expected) != 0)
        fail_msg ("%s became %s, not %s", yaml, json, expected);
}

typedef struct {
    const char *yaml, *json;
} row_t;

static void
check_values (const row_t *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        OWNED (free_text) char *yaml = text_format ("v: %s\n", rows[i].yaml);
        OWNED (free_text) char *json = text_format ("[{\"v\":%s}]", rows[i].json);
        check (yaml, json);
    }
}

static void
check_fault (const char *yaml, const char *expected)
{
    OWNED (free_text) char *result = as_json (yaml, strlen (yaml));
    if (result[0] != '!' || !strstr (result, expected))
        fail_msg ("%s: %s, not %s", yaml, result, expected);
}

// ---- scalars ----

static void
words_of_yaml_1_1_are_booleans_and_nil (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "y", "true" },
        { "Y", "true" },
        { "yes", "true" },
        { "Yes", "true" },
        { "YES", "true" },
        { "yEs", "\"yEs\"" },
        { "true", "true" },
        { "True", "true" },
        { "TRUE", "true" },
        { "tRUE", "\"tRUE\"" },
        { "on", "true" },
        { "On", "true" },
        { "ON", "true" },
        { "oN", "\"oN\"" },
        { "n", "false" },
        { "N", "false" },
        { "no", "false" },
        { "No", "false" },
        { "NO", "false" },
        { "nO", "\"nO\"" },
        { "false", "false" },
        { "False", "false" },
        { "FALSE", "false" },
        { "off", "false" },
        { "Off", "false" },
        { "OFF", "false" },
        { "t", "\"t\"" },
        { "f", "\"f\"" },
        { "yes no", "\"yes no\"" },
        { "~", "null" },
        { "null", "null" },
        { "Null", "null" },
        { "NULL", "null" },
        { "nULL", "\"nULL\"" },
        { "nil", "\"nil\"" },
        { "none", "\"none\"" },
        { "", "null" },
        { "# comment", "null" },
        { "~x", "\"~x\"" },
    };
    check_values (ROWS, COUNT_OF (ROWS));
}

static void
integers_have_gos_notations (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "0", "0" },
        { "1", "1" },
        { "-1", "-1" },
        { "+1", "1" },
        { "-0", "0" },
        { "+685_230", "685230" },
        { "1_000", "1000" },
        { "1__0", "10" },
        { "1_", "1" },
        { "02472256", "685230" },
        { "017", "15" },
        { "-017", "-15" },
        { "0o17", "15" },
        { "0O17", "15" },
        { "0x10", "16" },
        { "0X1f", "31" },
        { "0x_0A_74_AE", "685230" },
        { "-0xff", "-255" },
        { "+0x10", "16" },
        { "0b101", "5" },
        { "0b1010_0111_0100_1010_1110", "685230" },
        { "-0b101010", "-42" },
        { "00", "0" },
        { "9223372036854775807", "9223372036854775807" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "9223372036854775808", "9223372036854775808" },
        { "18446744073709551615", "18446744073709551615" },
        { "0xFFFFFFFFFFFFFFFF", "18446744073709551615" },
        { "0b1111111111111111111111111111111111111111111111111111111111111111",
          "18446744073709551615" },
        { "4294967296", "4294967296" },
        // no integers
        { "0x", "\"0x\"" },
        { "0b", "\"0b\"" },
        { "0b2", "\"0b2\"" },
        { "0o8", "\"0o8\"" },
        { "0xg", "\"0xg\"" },
        { "--1", "\"--1\"" },
        { "+", "\"+\"" },
        { "-b_c", "\"-b_c\"" },
        { "+b_c", "\"+b_c\"" },
        { "_1", "\"_1\"" },
        { "1 2", "\"1 2\"" },
        { "1Gi", "\"1Gi\"" },
        { "50cent_of_dollar", "\"50cent_of_dollar\"" },
        { "1:30", "\"1:30\"" },
        { "190:20:30", "\"190:20:30\"" },
        { "0x1FFFFFFFFFFFFFFFFF", "\"0x1FFFFFFFFFFFFFFFFF\"" },
    };
    check_values (ROWS, COUNT_OF (ROWS));
}

static void
reals_become_what_gos_json_prints (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "1.5", "1.5" },
        { "-1.5", "-1.5" },
        { "+1.5", "1.5" },
        { ".5", "0.5" },
        { "-.5", "-0.5" },
        { "1.", "1" },
        { "1.0", "1" },
        { "1e3", "1000" },
        { "1E3", "1000" },
        { "123456e1", "1234560" },
        { "1e-3", "0.001" },
        { "6.8523e+5", "685230" },
        { "685.230_15e+03", "685230.15" },
        { "685_230.15", "685230.15" },
        { ".5_0", "0.5" },
        { "08", "8" },
        { "09.5", "9.5" },
        { "1e20", "100000000000000000000" },
        { "1e21", "1e+21" },
        { "1e-7", "1e-7" },
        { "18446744073709551616", "18446744073709552000" },
        { "-9223372036854775809", "-9223372036854776000" },
        { "100000000000000000000000000000000000000", "1e+38" },
        { "1e-999", "0" },
        // no reals
        { "1e999", "\"1e999\"" },
        { ".", "\".\"" },
        { "..5", "\"..5\"" },
        { ".e3", "\".e3\"" },
        { "1.2.3", "\"1.2.3\"" },
        { "1.2.3.4", "\"1.2.3.4\"" },
        { "1e", "\"1e\"" },
        { "1e+", "\"1e+\"" },
        { "._5", "\"._5\"" },
        { ".5_", "\".5_\"" },
        { "0x1p-2", "\"0x1p-2\"" },
        { "inf", "\"inf\"" },
        { "nan", "\"nan\"" },
        { "Infinity", "\"Infinity\"" },
        { ".iNF", "\".iNF\"" },
    };
    check_values (ROWS, COUNT_OF (ROWS));
}

static void
whole_reals_are_integers_for_records (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    static const char TEXT[] = "[1e3, 1.0, 08, 1.5, 1e21]";
    OWNED (tree_destroy) tree_t *tree = yaml_read (TEXT, strlen (TEXT), &fault);
    const node_t *list = node_item (tree_root (tree), 0);
    for (size_t i = 0; i < 3; i++)
        assert_true (node_is_int (node_item (list, i)));
    for (size_t i = 3; i < 5; i++)
        assert_int_equal (node_item (list, i)->type, MSGPACK_OBJECT_FLOAT64);
}

static void
what_json_cannot_hold_is_refused (void **state)
{
    (void) state;
    static const char *const ROWS[] = { ".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf", "+.INF",
                                        "-.inf", "-.Inf", "-.INF", ".nan",  ".NaN",  ".NAN" };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *yaml = text_format ("a: 1\nv: %s\n", ROWS[i]);
        check_fault (yaml, "!line 2: JSON has no infinity");
    }
}

static void
times_and_quoted_scalars_stay_text (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "2015-01-01", "\"2015-01-01\"" },
        { "2015-02-24T18:19:39.12Z", "\"2015-02-24T18:19:39.12Z\"" },
        { "2015-2-3T3:4:5Z", "\"2015-2-3T3:4:5Z\"" },
        { "2015-02-24 18:19:39", "\"2015-02-24 18:19:39\"" },
        { "'true'", "\"true\"" },
        { "\"1\"", "\"1\"" },
        { "'~'", "\"~\"" },
        { "''", "\"\"" },
        { "\"\"", "\"\"" },
        { "\"a\\tb\\u00e9\\x41\\0\"", "\"a\\tb\xc3\xa9"
                                      "A\\u0000\"" },
        { "'it''s'", "\"it's\"" },
        { "|\n  yes\n", "\"yes\\n\"" },
        { ">-\n  1\n  2\n", "\"1 2\"" },
        { "https://x/y?z#w", "\"https://x/y?z#w\"" },
        { "{b: https://x}", "{\"b\":\"https://x\"}" },
        { "<foo>", "\"<foo>\"" },
        { "<<", "\"<<\"" },
    };
    check_values (ROWS, COUNT_OF (ROWS));
}

static void
tags_override_the_look (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "!!str 1", "\"1\"" },
        { "!!str true", "\"true\"" },
        { "!!str", "\"\"" },
        { "!!str 2015-01-01", "\"2015-01-01\"" },
        { "!!timestamp \"2015-01-01\"", "\"2015-01-01\"" },
        { "!!int '1'", "1" },
        { "!!float '1.1'", "1.1" },
        { "!!float 0", "0" },
        { "!!float -1", "-1" },
        { "!!bool 'yes'", "true" },
        { "!!null ''", "null" },
        { "!!null ~", "null" },
        { "! test", "\"test\"" },
        { "!custom 12", "\"12\"" },
    };
    check_values (ROWS, COUNT_OF (ROWS));
    check ("%TAG !y! tag:yaml.org,2002:\n---\nv: !y!int '1'\n", "[{\"v\":1}]");
    check_fault ("v: !!int foo", "!line 1: the scalar is no int");
    check_fault ("v: !!int 1.5", "!line 1: the scalar is no int");
    check_fault ("v: !!float x", "!line 1: the scalar is no float");
    check_fault ("v: !!bool 1", "!line 1: the scalar is no bool");
    check_fault ("v: !!null 0", "!line 1: the scalar is no null");
    check_fault ("v: !!binary gIGC", "!line 1: !!binary is not supported");
}

static void
keys_become_text (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "a: 0", "{\"a\":0}" },
        { "true: 0", "{\"true\":0}" },
        { "yes: 0", "{\"true\":0}" },
        { "off: 0", "{\"false\":0}" },
        { "'yes': 0", "{\"yes\":0}" },
        { "1: 0", "{\"1\":0}" },
        { "0x10: 0", "{\"16\":0}" },
        { "-5: 0", "{\"-5\":0}" },
        { "1.50: 0", "{\"1.5\":0}" },
        { "1e3: 0", "{\"1000\":0}" },
        { "1000000.0: 0", "{\"1e+06\":0}" },
        { "1e+36: 0", "{\"1e+36\":0}" },
        { "1000000000000000000000000000000000000: 0", "{\"1e+36\":0}" },
        { ".inf: 0", "{\".inf\":0}" },
        { "2015-01-01: 0", "{\"2015-01-01\":0}" },
        { "? a\n: 0", "{\"a\":0}" },
        { "? a", "{\"a\":null}" },
        { "'': 0", "{\"\":0}" },
        { "{a, b}", "{\"a\":null,\"b\":null}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *json = text_format ("[%s]", ROWS[i].json);
        check (ROWS[i].yaml, json);
    }
    check_fault ("a: 1\n~: 0", "!line 2: a map key is null");
    check_fault ("[a]: 0", "!line 1: a map key is no scalar");
    check_fault ("{a: 1}: 0", "!line 1: a map key is no scalar");
    check_fault ("\"a\\0b\": 0", "!line 1: a map key contains a NUL character");
}

// ---- structure ----

static void
every_document_of_a_stream_is_read (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "", "[]" },
        { "\n# nothing\n", "[]" },
        { "---\n", "[]" },
        { "---\n---\n...\n", "[]" },
        { "~", "[]" },
        { "a: 1\n", "[{\"a\":1}]" },
        { "---\na: 1\n---\nb: 2\n", "[{\"a\":1},{\"b\":2}]" },
        { "---\n---\na: 1\n---\nnull\n---\n# x\n---\n- 2\n", "[{\"a\":1},[2]]" },
        { "text", "[\"text\"]" },
        { "0", "[0]" },
        { "{}", "[{}]" },
        { "[]", "[[]]" },
        { "\xef\xbb\xbf"
          "a: 1",
          "[{\"a\":1}]" },
        { "a:\n  b:\n  - c\n  - d: [1, {e: f}]\n",
          "[{\"a\":{\"b\":[\"c\",{\"d\":[1,{\"e\":\"f\"}]}]}}]" },
        { "a:\n- 1\n- 2\n", "[{\"a\":[1,2]}]" },
        { "a: 1\r\nb: 2\r\n", "[{\"a\":1,\"b\":2}]" },
        { "z: 1\na: 2\nm: 3\n", "[{\"z\":1,\"a\":2,\"m\":3}]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check (ROWS[i].yaml, ROWS[i].json);
    static const char UTF_16[] = "\xff\xfe"
                                 "a\0:\0 \0\xe9\0\n\0";
    OWNED (free_text) char *json = as_json (UTF_16, sizeof UTF_16 - 1);
    assert_string_equal (json, "[{\"a\":\"\xc3\xa9\"}]");
}

static void
json_is_read_by_jsons_rules (void **state)
{
    (void) state;
    check (" {\"a\":\"\\ud83d\\ude00\",\n\t\"b\":[1,\"yes\"]}",
           "[{\"a\":\"\xf0\x9f\x98\x80\",\"b\":[1,\"yes\"]}]");
    check ("[\"a\", 1, null]", "[[\"a\",1,null]]");
    check ("{\"a\": 1}\n---\n{\"b\": 2}", "[{\"a\":1},{\"b\":2}]");
    check ("{a: yes}", "[{\"a\":true}]");
    check_fault ("{\"a\":1,\"a\":2}", "!line 1: key \"a\" already set in map");
    // 1e3 is no integer in JSON, but one in YAML.
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *json = yaml_read ("{\"a\":1e3}", 9, &fault);
    assert_false (node_is_int (node_get (node_item (tree_root (json), 0), "a")));
    OWNED (tree_destroy) tree_t *yaml = yaml_read ("a: 1e3", 6, &fault);
    assert_true (node_is_int (node_get (node_item (tree_root (yaml), 0), "a")));
}

static void
aliases_stand_for_what_their_anchor_holds (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "a: &x 1\nb: *x\n", "[{\"a\":1,\"b\":1}]" },
        { "a: &x {c: [1]}\nb: *x\n", "[{\"a\":{\"c\":[1]},\"b\":{\"c\":[1]}}]" },
        { "a: &x Foo\nb: *x\nc: &x Bar\nd: *x\n",
          "[{\"a\":\"Foo\",\"b\":\"Foo\",\"c\":\"Bar\",\"d\":\"Bar\"}]" },
        { "&k key: 1\nb: *k\n", "[{\"key\":1,\"b\":\"key\"}]" },
        { "a: &k key\n*k : 1\n", "[{\"a\":\"key\",\"key\":1}]" },
        { "- &a [1]\n- &b [*a, *a]\n- [*b]\n", "[[[1],[[1],[1]],[[[1],[1]]]]]" },
        { "--- &x 1\n--- 2\n", "[1,2]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check (ROWS[i].yaml, ROWS[i].json);
    check_fault ("a: 1\nb: *x\n", "!line 2: unknown anchor 'x' referenced");
    check_fault ("--- &x 1\n--- *x\n", "!line 2: unknown anchor 'x' referenced");
    check_fault ("a: &x {b: *x}", "!line 1: anchor 'x' value contains itself");
    check_fault ("&x [1, *x]", "!line 1: anchor 'x' value contains itself");
    check_fault ("? &x [1]\n: 1", "!line 1: a map key is no scalar");
}

static void
an_aliased_map_may_be_changed_alone (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    static const char TEXT[] = "a: &x {c: 1}\nb: *x\n";
    OWNED (tree_destroy) tree_t *tree = yaml_read (TEXT, strlen (TEXT), &fault);
    node_t *document = &tree_root (tree)->via.array.ptr[0];
    node_set_int (tree, node_get_mutable (document, "b"), "c", 2);
    assert_int_equal (node_get_int (node_get (document, "a"), "c", 0), 1);
}

static void
merge_keys_bring_in_other_maps (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n  r: 4\n",
          "[{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":3,\"r\":4}}]" },
        { "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y], r: 3}\n",
          "[{\"a\":{\"p\":1},\"b\":{\"p\":2,\"q\":2},\"c\":{\"p\":1,\"q\":2,\"r\":3}}]" },
        { "<<: {a: 1}\nb: 2\n", "[{\"a\":1,\"b\":2}]" },
        // In go-yaml v2 what comes later wins, merged or not.
        { "a: 0\n<<: {a: 1}\n", "[{\"a\":1}]" },
        { "<<: {a: 1}\n<<: {a: 2}\n", "[{\"a\":2}]" },
        { "'<<': {a: 1}\n", "[{\"<<\":{\"a\":1}}]" },
        { "!!merge <<: {a: 1}\n", "[{\"a\":1}]" },
        { "<<: []\n", "[{}]" },
        { "<<: {<<: {a: 1}, b: 2}\n", "[{\"a\":1,\"b\":2}]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check (ROWS[i].yaml, ROWS[i].json);
    check_fault ("<<: 1\n", "map merge requires map or sequence of maps as the value");
    check_fault ("<<: [{a: 1}, 2]\n", "map merge requires map or sequence of maps");
    check_fault ("<<: {a: 1}\nb: 1\nb: 2\n", "!line 3: key \"b\" already set in map");
    check_fault ("b: 1\n<<: {b: 1}\nb: 2\n", "!line 3: key \"b\" already set in map");
}

// ---- what is refused ----

static void
bad_input_is_refused_with_its_line (void **state)
{
    (void) state;
    static const struct {
        const char *yaml, *fault;
    } ROWS[] = {
        { "a: 1\nb: 2\na: 3\n", "!line 3: key \"a\" already set in map" },
        { "true: 1\nyes: 2\n", "!line 2: key \"true\" already set in map" },
        { "1: 1\n'1': 2\n", "!line 2: key \"1\" already set in map" },
        { "a:\n  b: {c: 1, d: 2, c: 3}\n", "!line 2: key \"c\" already set in map" },
        { "a: b: c\n", "!line 1: mapping values are not allowed in this context" },
        { "a: 1\n b: 2\n", "!line 2: mapping values are not allowed" },
        { "a:\n\t- b\n", "!line 2: found character that cannot start any token" },
        { "a: @x\n", "!line 1: found character that cannot start any token" },
        { "a: [1, 2\n", "!line 2: did not find expected ',' or ']'" },
        { "a: {b: 1\n", "!line 2: did not find expected ',' or '}'" },
        { "a: \"b\n", "!line 2: found unexpected end of stream" },
        { "a: 'b\n", "!line 2: found unexpected end of stream" },
        { "a: 1\n}\n", "!line 2: " },
        { "- a\nb: 1\n", "!line 2: " },
        { "a: \"\\q\"\n", "!line 1: found unknown escape character" },
        { "a: &x\n  &y b\n", "!line 2: " },
        { "a: !<x", "!line 1: " },
        { "a: !u!x y\n", "!line 1: found undefined tag handle" },
        { "%YAML 3.0\n---\na: 1\n", "!line 1: found incompatible YAML document" },
        { "a: 1\nb: \xff\n", "!line 2: invalid leading UTF-8 octet" },
        { "a: 1\nb: 2\nc: \xc3\n", "!line 3: invalid trailing UTF-8 octet" },
        { "a: \xc0\xaf\n", "!line 1: invalid length of a UTF-8 sequence" },
        { "a: \xed\xa0\x80\n", "!line 1: invalid Unicode character" },
        { "a: 1\nb: \x01\n", "!line 2: control characters are not allowed" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check_fault (ROWS[i].yaml, ROWS[i].fault);
    OWNED (free_text) char *nul = as_json ("a: \0", 4);
    assert_non_null (strstr (nul, "!line 1: control characters are not allowed"));
}

static void
billion_laughs_are_cut_short (void **state)
{
    (void) state;
    OWNED (free_text)
    char *lists = text_copy ("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n");
    OWNED (free_text) char *maps = text_copy ("a0: &a0 {a: lol, b: lol, c: lol, d: lol}\n");
    for (int i = 1; i < 12; i++) {
        text_replace (&lists, "%sa%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n",
                      lists, i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        text_replace (&maps, "%sa%d: &a%d {a: *a%d, b: *a%d, c: *a%d, d: *a%d}\n", maps, i, i,
                      i - 1, i - 1, i - 1, i - 1);
    }
    check_fault (lists, "the stream has more than 1,000,000 nodes");
    check_fault (maps, "the stream has more than 1,000,000 nodes");
}

static void
aliases_of_a_long_text_share_it (void **state)
{
    (void) state;
    // 100,000 aliases of 1 MB of text would be 100 GB as copies.
    size_t long_size = 1000000, count = 100000;
    OWNED (free_text) char *yaml = memory_new (long_size + count * 5 + 100, 1);
    char *to = stpcpy (yaml, "- &x ");
    memset (to, 'a', long_size);
    to = stpcpy (to + long_size, "\n");
    for (size_t i = 0; i < count; i++)
        to = stpcpy (to, "- *x\n");
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = yaml_read (yaml, (size_t) (to - yaml), &fault);
    assert_int_equal (node_count (node_item (tree_root (tree), 0)), count + 1);
}

static void
nesting_is_bounded (void **state)
{
    (void) state;
    static const struct {
        const char *open;
        size_t levels; // per repetition
    } ROWS[] = { { "[", 1 }, { "{a: ", 1 }, { "- ", 1 }, { "? ", 1 }, { "[{a: ", 2 } };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        size_t step = strlen (ROWS[i].open);
        OWNED (free_text) char *yaml = memory_new (100000 * step + 1, 1);
        for (size_t j = 0; j < 100000; j++)
            memcpy (yaml + j * step, ROWS[i].open, step);
        OWNED (free_text) char *json = as_json (yaml, 100000 * step);
        assert_int_equal (json[0], '!');
    }
    OWNED (free_text) char *deepest = text_copy ("1");
    for (int i = 0; i < TREE_DEPTH_MAX; i++)
        text_replace (&deepest, "[%s]", deepest);
    OWNED (free_text) char *json = text_format ("[%s]", deepest);
    check (deepest, json);
    text_replace (&deepest, "[%s]", deepest);
    check_fault (deepest, "!line 1: nested deeper than 24");
    // Neither can aliases go deeper.
    OWNED (free_text) char *aliases = text_copy ("- &a0 []\n");
    for (int i = 1; i <= TREE_DEPTH_MAX; i++)
        text_replace (&aliases, "%s- &a%d [*a%d]\n", aliases, i, i - 1);
    check_fault (aliases, "nested deeper than 24");
}

static void
large_hostile_input_takes_no_hostile_time (void **state)
{
    (void) state;
    clock_t start = clock();
    size_t room = 16 * 200000;
    OWNED (free_text) char *yaml = memory_new (room, 1);
    char *to = yaml;
    for (int i = 0; i < 150000; i++) // a map of as many keys, the last one doubled
        to += snprintf (to, room - (size_t) (to - yaml), "k%d:\n", i);
    strcpy (to, "k7:\n");
    check_fault (yaml, "!line 150001: key \"k7\" already set in map");
    to = yaml;
    for (int i = 0; i < 150000; i++)
        to += snprintf (to, room - (size_t) (to - yaml), "- &a%d\n", i);
    check_fault (yaml, "!line 1001: the document has more than 1,000 anchors");
    double took_s = (double) (clock() - start) / CLOCKS_PER_SEC;
    print_message ("took %.3f s\n", took_s);
    assert_true (took_s < 5);
}

static void
every_prefix_of_a_manifest_is_refused_or_read_without_harm (void **state)
{
    (void) state;
    static const char TEXT[] = "apiVersion: v1\n"
                               "kind: Pod # comment\n"
                               "metadata: &m {name: \"n\\u00e9\", labels: {'a': b}}\n"
                               "spec:\n"
                               "  <<: *m\n"
                               "  containers:\n"
                               "  - name: c\n"
                               "    args: [--x, !!str 1, |\n"
                               "      literal]\n"
                               "    image: >-\n"
                               "      folded\n"
                               "---\n"
                               "{\"a\": [1, 2.5e3, null, \"\xe2\x82\xac\"]}\n";
    for (size_t size = 0; size < sizeof TEXT; size++)
        free (as_json (TEXT, size));
}

// ---- lines ----

static void
the_line_of_a_value_is_found (void **state)
{
    (void) state;
    static const char TEXT[] = "# head\n"               // 1
                               "apiVersion: v1\n"       // 2
                               "spec:\n"                // 3
                               "  containers:\n"        // 4
                               "  - name: a\n"          // 5
                               "    image: i\n"         // 6
                               "  - name: b\n"          // 7
                               "    args:\n"            // 8
                               "    - x\n"              // 9
                               "    - y\n"              // 10
                               "  labels: {a.b/c: 1,\n" // 11
                               "    d: 2}\n"            // 12
                               "---\n"                  // 13
                               "---\n"                  // 14
                               "kind: Pod\n"            // 15
                               "other: 1\n";            // 16
    static const struct {
        size_t document;
        const char *path;
        size_t line;
    } ROWS[] = {
        { 0, "", 2 },
        { 0, "apiVersion", 2 },
        { 0, "spec", 4 },
        { 0, "spec.containers", 5 },
        { 0, "spec.containers[0]", 5 },
        { 0, "spec.containers[0].image", 6 },
        { 0, "spec.containers[1].name", 7 },
        { 0, "spec.containers[1].args[1]", 10 },
        { 0, "spec.labels[a.b/c]", 11 },
        { 0, "spec.labels[d]", 12 },
        { 0, "spec.labels.d", 12 },
        // nearest parents of what is not there
        { 0, "status.phase", 2 },
        { 0, "spec.containers[7].image", 5 },
        { 0, "spec.containers[1].image", 7 },
        { 0, "spec.containers[x]", 5 },
        { 0, "spec.containers[99999999999999999999]", 5 },
        { 0, "apiVersion.x.y", 2 },
        { 0, "spec..x", 4 },
        { 0, "spec.containers[1", 7 },
        { 0, "[", 2 },
        // the empty document is not counted
        { 1, "kind", 15 },
        { 1, "other", 16 },
        { 2, "kind", 0 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        size_t line = yaml_line_of (TEXT, strlen (TEXT), ROWS[i].document, ROWS[i].path);
        if (line != ROWS[i].line)
            fail_msg ("%s is on line %zu, not %zu", ROWS[i].path, line, ROWS[i].line);
    }
    assert_int_equal (yaml_line_of ("a: [", 4, 0, "a"), 0);
    assert_int_equal (yaml_line_of ("", 0, 0, "a"), 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (words_of_yaml_1_1_are_booleans_and_nil),
        cmocka_unit_test (integers_have_gos_notations),
        cmocka_unit_test (reals_become_what_gos_json_prints),
        cmocka_unit_test (whole_reals_are_integers_for_records),
        cmocka_unit_test (what_json_cannot_hold_is_refused),
        cmocka_unit_test (times_and_quoted_scalars_stay_text),
        cmocka_unit_test (tags_override_the_look),
        cmocka_unit_test (keys_become_text),
        cmocka_unit_test (every_document_of_a_stream_is_read),
        cmocka_unit_test (json_is_read_by_jsons_rules),
        cmocka_unit_test (aliases_stand_for_what_their_anchor_holds),
        cmocka_unit_test (an_aliased_map_may_be_changed_alone),
        cmocka_unit_test (merge_keys_bring_in_other_maps),
        cmocka_unit_test (bad_input_is_refused_with_its_line),
        cmocka_unit_test (billion_laughs_are_cut_short),
        cmocka_unit_test (aliases_of_a_long_text_share_it),
        cmocka_unit_test (nesting_is_bounded),
        cmocka_unit_test (large_hostile_input_takes_no_hostile_time),
        cmocka_unit_test (every_prefix_of_a_manifest_is_refused_or_read_without_harm),
        cmocka_unit_test (the_line_of_a_value_is_found),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
