#include "cubelet/memory.h"
#include "cubelet/pairs.h"
#include "cubelet/tree.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
a_new_tree_is_nil (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    assert_true (node_is_nil (tree_root (tree)));
    tree_t *none = NULL;
    tree_destroy (&none);
    assert_null (tree_root (NULL));
}

static void
maps_and_arrays_grow_in_any_number (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    node_t array = node_array();
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf (key, sizeof key, "key%d", i);
        node_set_int (tree, &map, key, i);
        node_append (tree, &array, node_int (i));
        assert_int_equal (node_count (&map), i + 1);
        assert_int_equal (node_count (&array), i + 1);
    }
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf (key, sizeof key, "key%d", i);
        assert_int_equal (node_get_int (&map, key, -1), i);
        assert_int_equal (node_as_int (node_item (&array, (size_t) i), -1), i);
        assert_string_equal (node_key_at (&map, (size_t) i), key);
    }
}

static void
sized_nodes_are_nil_inside_and_grow (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    for (size_t size = 0; size < 70; size++) {
        node_t array = node_array_sized (tree, size);
        node_t map = node_map_sized (tree, size);
        assert_int_equal (node_count (&array), size);
        assert_int_equal (node_count (&map), size);
        for (size_t i = 0; i < size; i++) {
            assert_true (node_is_nil (node_item (&array, i)));
            map.via.map.ptr[i].key = node_text_format (tree, "%zu", i);
        }
        for (int i = 0; i < 70; i++)
            node_append (tree, &array, node_int (i));
        node_set_bool (tree, &map, "more", true);
        assert_int_equal (node_count (&array), size + 70);
        assert_int_equal (node_as_int (node_item (&array, size), -1), 0);
        assert_true (node_get_bool (&map, "more", false));
    }
}

static void
setting_a_key_again_replaces_its_value (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    node_set_text (tree, &map, "a", "1");
    node_set_text (tree, &map, "b", "2");
    node_set_text (tree, &map, "a", "3");
    node_set_text (tree, &map, "c", NULL);
    assert_int_equal (node_count (&map), 2);
    assert_string_equal (node_get_text (&map, "a", ""), "3");
    assert_null (node_get (&map, "c"));
}

static void
removing_closes_the_gap_and_leaves_room (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    for (int i = 0; i < 9; i++)
        node_set (tree, &map, (char[]){ (char) ('a' + i), '\0' }, node_int (i));
    assert_true (node_remove (&map, "a"));
    assert_true (node_remove (&map, "i"));
    assert_true (node_remove (&map, "e"));
    assert_false (node_remove (&map, "e"));
    assert_false (node_remove (NULL, "e"));
    assert_int_equal (node_count (&map), 6);
    for (int i = 0; i < 20; i++)
        node_set (tree, &map, (char[]){ (char) ('A' + i), '\0' }, node_int (i));
    assert_int_equal (node_count (&map), 26);
    assert_int_equal (node_get_int (&map, "h", -1), 7);
    assert_int_equal (node_get_int (&map, "T", -1), 19);
}

static void
reading_what_is_not_there_yields_the_default (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    node_set (tree, &map, "nil", node_nil());
    node_set_text (tree, &map, "text", "x");
    node_t huge = { .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_MAX };
    node_set (tree, &map, "huge", huge);
    assert_null (node_get (&map, "nil"));
    assert_null (node_get (&map, "none"));
    assert_null (node_get (NULL, "none"));
    assert_null (node_get (node_get (&map, "text"), "none"));
    assert_null (node_get_mutable (NULL, "none"));
    assert_null (node_at (&map, "text", "deeper", NULL));
    assert_null (node_item (&map, 0));
    assert_null (node_item (NULL, 0));
    assert_null (node_key_at (NULL, 0));
    assert_null (node_value_at (&map, 3));
    assert_int_equal (node_count (NULL), 0);
    assert_int_equal (node_count (node_get (&map, "text")), 0);
    assert_int_equal (node_get_int (&map, "text", 7), 7);
    assert_int_equal (node_get_int (&map, "huge", 7), 7);
    assert_false (node_is_int (&huge));
    assert_true (node_get_bool (&map, "text", true));
    assert_string_equal (node_get_text (&map, "none", "otherwise"), "otherwise");
    assert_true (node_is_nil (NULL));
    assert_false (node_is_map (NULL) || node_is_array (NULL) || node_is_text (NULL));
    size_t walked = 0;
    NODE_EACH (&map, item)
    walked += item != NULL;
    NODE_EACH (NULL, item)
    walked += item != NULL;
    assert_int_equal (walked, 0);
}

static void
integers_of_either_sign_keep_their_value (void **state)
{
    (void) state;
    static const int64_t ROWS[] = { 0, 1, -1, INT64_MAX, INT64_MIN, 4294967296 };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        node_t node = node_int (ROWS[i]);
        assert_true (node_is_int (&node));
        assert_int_equal (node_as_int (&node, 42), ROWS[i]);
    }
}

static void
walking_an_array_sees_every_item_and_can_stop (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t array = node_array();
    for (int i = 0; i < 5; i++)
        node_append (tree, &array, node_int (i));
    int64_t sum = 0;
    NODE_EACH (&array, item)
    sum += node_as_int (item, 0);
    assert_int_equal (sum, 10);
    sum = 0;
    NODE_EACH (&array, item)
    {
        if (node_as_int (item, 0) == 3)
            break;
        sum += node_as_int (item, 0);
    }
    assert_int_equal (sum, 3);
}

/* What node_set replaces stays in the tree: kept trees that change have to be merged instead. */
static void
merging_for_ever_takes_no_more_memory (void **state)
{
    (void) state;
    tree_t *kept = NULL;
    tree_merge (&kept, NULL);
    assert_int_equal (node_count (tree_root (kept)), 0);
    size_t before = 0;
    for (int i = 0; i < 10000; i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t map = node_map();
        node_set (tree, &map, i % 2 ? "odd" : "even", node_text_format (tree, "a text %d", i));
        tree_merge (&kept, &map);
        if (i == 10)
            before = mallinfo2().uordblks; // 0 with a sanitizer
    }
    assert_true (mallinfo2().uordblks <= before + 10000);
    assert_int_equal (node_count (tree_root (kept)), 2);
    assert_string_equal (node_get_text (tree_root (kept), "odd", ""), "a text 9999");
    assert_string_equal (node_get_text (tree_root (kept), "even", ""), "a text 9998");
    tree_destroy (&kept);
}

/* {"list": [1, -2, 2.5, "x\0y", true, nil, <bytes>], "empty": {}} */
static tree_t *
sample (void)
{
    tree_t *tree = tree_new();
    node_t list = node_array();
    node_append (tree, &list, node_int (1));
    node_append (tree, &list, node_int (-2));
    node_append (tree, &list, node_real (2.5));
    node_append (tree, &list, node_text_sized (tree, "x\0y", 3));
    node_append (tree, &list, node_bool (true));
    node_append (tree, &list, node_nil());
    node_append (tree, &list, node_bytes (tree, "\xff\0", 2));
    node_t *root = tree_root (tree);
    *root = node_map();
    node_set (tree, root, "list", list);
    node_set (tree, root, "empty", node_map());
    return tree;
}

static void
packed_bytes_are_unpacked_to_the_same (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = sample();
    size_t size;
    OWNED (free_text) char *bytes = node_pack (tree_root (tree), &size);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *back = tree_unpack (bytes, size, &fault);
    assert_non_null (back);
    memset (bytes, 0xff, size); // the tree must not point into it
    assert_true (node_equal (tree_root (tree), tree_root (back)));
    // Promised: a NUL behind every text and key.
    assert_string_equal (node_key_at (tree_root (back), 1), "empty");
    const node_t *text = node_item (node_get (tree_root (back), "list"), 3);
    assert_int_equal (text->via.str.size, 3);
    assert_int_equal (text->via.str.ptr[3], '\0');
    OWNED (free_text) char *nil = node_pack (NULL, &size);
    assert_int_equal (size, 1);
    assert_int_equal ((unsigned char) *nil, 0xc0);
}

static void
every_form_of_msgpack_is_unpacked (void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size;
        int64_t value;
    } INTEGERS[] = {
        { "\x00", 1, 0 },
        { "\x7f", 1, 127 },
        { "\xff", 1, -1 },
        { "\xe0", 1, -32 },
        { "\xcc\xff", 2, 255 },
        { "\xcd\xff\xfe", 3, 65534 },
        { "\xce\xff\xff\xff\xff", 5, 4294967295 },
        { "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, INT64_MAX },
        { "\xd0\x80", 2, -128 },
        { "\xd0\x05", 2, 5 },
        { "\xd1\x80\x00", 3, -32768 },
        { "\xd2\x80\x00\x00\x00", 5, INT32_MIN },
        { "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, INT64_MIN },
    };
    fault_t fault = { 0 };
    for (size_t i = 0; i < COUNT_OF (INTEGERS); i++) {
        OWNED (tree_destroy)
        tree_t *tree = tree_unpack (INTEGERS[i].bytes, INTEGERS[i].size, &fault);
        assert_int_equal (node_as_int (tree_root (tree), 42), INTEGERS[i].value);
    }
    static const struct {
        const char *bytes;
        size_t size;
        msgpack_object_type type;
    } OTHERS[] = {
        { "\xc0", 1, MSGPACK_OBJECT_NIL },
        { "\xc3", 1, MSGPACK_OBJECT_BOOLEAN },
        { "\xca\x3f\xc0\x00\x00", 5, MSGPACK_OBJECT_FLOAT64 },
        { "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 9, MSGPACK_OBJECT_FLOAT64 },
        { "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, MSGPACK_OBJECT_POSITIVE_INTEGER },
        { "\xa1x", 2, MSGPACK_OBJECT_STR },
        { "\xd9\x01x", 3, MSGPACK_OBJECT_STR },
        { "\xda\x00\x01x", 4, MSGPACK_OBJECT_STR },
        { "\xdb\x00\x00\x00\x01x", 6, MSGPACK_OBJECT_STR },
        { "\xc4\x01x", 3, MSGPACK_OBJECT_BIN },
        { "\xc5\x00\x01x", 4, MSGPACK_OBJECT_BIN },
        { "\xc6\x00\x00\x00\x01x", 6, MSGPACK_OBJECT_BIN },
        { "\x91\xc0", 2, MSGPACK_OBJECT_ARRAY },
        { "\xdc\x00\x01\xc0", 4, MSGPACK_OBJECT_ARRAY },
        { "\xdd\x00\x00\x00\x00", 5, MSGPACK_OBJECT_ARRAY },
        { "\x81\xa1k\xc0", 4, MSGPACK_OBJECT_MAP },
        { "\xde\x00\x01\xa1k\xc0", 6, MSGPACK_OBJECT_MAP },
        { "\xdf\x00\x00\x00\x00", 5, MSGPACK_OBJECT_MAP },
        { "\xd4\x01x", 3, MSGPACK_OBJECT_NIL }, // extensions say nothing
        { "\xd6\x01xxxx", 6, MSGPACK_OBJECT_NIL },
        { "\xc7\x02\x01xx", 5, MSGPACK_OBJECT_NIL },
    };
    for (size_t i = 0; i < COUNT_OF (OTHERS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_unpack (OTHERS[i].bytes, OTHERS[i].size, &fault);
        if (!tree || tree_root (tree)->type != OTHERS[i].type)
            fail_msg ("row %zu is something else", i);
        if (OTHERS[i].type == MSGPACK_OBJECT_FLOAT64)
            assert_true (tree_root (tree)->via.f64 == 1.5);
    }
}

static void
damaged_bytes_are_refused (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = sample();
    size_t size;
    OWNED (free_text) char *bytes = node_pack (tree_root (tree), &size);
    for (size_t part = 0; part < size; part++) {
        OWNED (free_text) char *exact = memory_new (part, 1);
        memcpy (exact, bytes, part);
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *back = tree_unpack (exact, part, &fault);
        assert_null (back);
        assert_int_equal (fault.code, FAULT_INVALID);
    }
    static const struct {
        const char *bytes;
        size_t size;
    } ROWS[] = {
        { "", 0 },                         // nothing
        { "\xc0\xc0", 2 },                 // two values
        { "\xc1", 1 },                     // never used in msgpack
        { "\x81\x01\x02", 3 },             // a map key that is a number
        { "\x81\xc0\xc0", 3 },             // a nil key
        { "\xdf\xff\xff\xff\xff", 5 },     // a map of 4 Gi pairs
        { "\xdd\xff\xff\xff\xff\xc0", 6 }, // an array of 4 Gi items
        { "\xdb\xff\xff\xff\xff\x61", 6 }, // a text of 4 GiB
        { "\xdd\x00\x10\x00\x00\xc0", 6 }, // an array of 1 Mi items
        { "\xc7\x02\x01x", 4 },            // half an extension
        { "\xd4\x01", 2 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *back = tree_unpack (ROWS[i].bytes, ROWS[i].size, &fault);
        if (back)
            fail_msg ("row %zu is accepted", i);
    }
}

static void
nesting_is_bounded (void **state)
{
    (void) state;
    for (size_t depth = 1; depth < 100; depth++) {
        char bytes[101];
        memset (bytes, '\x91', depth); // arrays of one
        bytes[depth] = '\xc0';
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *tree = tree_unpack (bytes, depth + 1, &fault);
        assert_int_equal (tree != NULL, depth <= TREE_UNPACK_DEPTH_MAX);
    }
    OWNED (free_text) char *hostile = memory_new (1000000, 1);
    memset (hostile, '\x91', 1000000);
    fault_t fault = { 0 };
    assert_null (tree_unpack (hostile, 1000000, &fault));
}

static void
a_copy_shares_nothing (void **state)
{
    (void) state;
    tree_t *tree = sample();
    OWNED (tree_destroy) tree_t *copy = tree_copy (tree_root (tree));
    assert_true (node_equal (tree_root (tree), tree_root (copy)));
    node_set_int (tree, tree_root (tree), "empty", 1);
    assert_false (node_equal (tree_root (tree), tree_root (copy)));
    tree_destroy (&tree);
    assert_null (tree);
    assert_string_equal (node_key_at (tree_root (copy), 0), "list");
    OWNED (tree_destroy) tree_t *nothing = tree_copy (NULL);
    assert_true (node_is_nil (tree_root (nothing)));
}

static void
equality_ignores_the_order_of_keys_and_nil_members (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t a = node_map(), b = node_map();
    node_set_int (tree, &a, "x", 1);
    node_set_int (tree, &a, "y", 2);
    node_set_int (tree, &b, "y", 2);
    node_set (tree, &b, "nil", node_nil());
    assert_false (node_equal (&a, &b));
    node_set_int (tree, &b, "x", 1);
    assert_true (node_equal (&a, &b));
    assert_true (node_equal (&b, &a));
    assert_true (node_equal (NULL, NULL));
    assert_false (node_equal (&a, NULL));
    node_t nil = node_nil();
    assert_true (node_equal (&nil, NULL));
    node_t one = node_array(), two = node_array();
    node_append (tree, &one, node_int (1));
    assert_false (node_equal (&one, &two));
    node_append (tree, &two, node_text (tree, "1"));
    assert_false (node_equal (&one, &two));
    assert_false (node_equal (&one, &a));
}

static node_t
map_of (tree_t *tree, const char *keys)
{
    node_t map = node_map_sized (tree, strlen (keys));
    for (size_t i = 0; keys[i]; i++) {
        map.via.map.ptr[i].key = node_text_sized (tree, keys + i, 1);
        map.via.map.ptr[i].val = node_int ((int64_t) i);
    }
    return map;
}

static void
of_pairs_with_one_key_the_last_value_stays_at_the_first_place (void **state)
{
    (void) state;
    static const struct {
        const char *keys, *left;
        int values[5];
    } ROWS[] = {
        { "", "", { 0 } },          { "a", "a", { 0 } },
        { "aa", "a", { 1 } },       { "abc", "abc", { 0, 1, 2 } },
        { "abab", "ab", { 2, 3 } }, { "zbazcza", "zbac", { 5, 1, 6, 4 } },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        node_t map = map_of (tree, ROWS[i].keys);
        size_t left = pairs_unite (map.via.map.ptr, strlen (ROWS[i].keys));
        assert_int_equal (left, strlen (ROWS[i].left));
        for (size_t j = 0; j < left; j++) {
            assert_int_equal (*map.via.map.ptr[j].key.via.str.ptr, ROWS[i].left[j]);
            assert_int_equal (node_as_int (&map.via.map.ptr[j].val, -1), ROWS[i].values[j]);
        }
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_new_tree_is_nil),
        cmocka_unit_test (maps_and_arrays_grow_in_any_number),
        cmocka_unit_test (sized_nodes_are_nil_inside_and_grow),
        cmocka_unit_test (setting_a_key_again_replaces_its_value),
        cmocka_unit_test (merging_for_ever_takes_no_more_memory),
        cmocka_unit_test (removing_closes_the_gap_and_leaves_room),
        cmocka_unit_test (reading_what_is_not_there_yields_the_default),
        cmocka_unit_test (integers_of_either_sign_keep_their_value),
        cmocka_unit_test (walking_an_array_sees_every_item_and_can_stop),
        cmocka_unit_test (packed_bytes_are_unpacked_to_the_same),
        cmocka_unit_test (every_form_of_msgpack_is_unpacked),
        cmocka_unit_test (damaged_bytes_are_refused),
        cmocka_unit_test (nesting_is_bounded),
        cmocka_unit_test (a_copy_shares_nothing),
        cmocka_unit_test (equality_ignores_the_order_of_keys_and_nil_members),
        cmocka_unit_test (of_pairs_with_one_key_the_last_value_stays_at_the_first_place),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
