#include "cubelet/memory.h"
#include "cubelet/packed.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* {"name": NAME, "list": [1, 2]} */
static node_t
value_of (tree_t *tree, const char *name)
{
    node_t list = node_array(), map = node_map();
    node_append (tree, &list, node_int (1));
    node_append (tree, &list, node_int (2));
    node_set_text (tree, &map, "name", name);
    node_set (tree, &map, "list", list);
    return map;
}

static void
what_is_set_is_read_again (void **state)
{
    (void) state;
    packed_t packed = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t value = value_of (tree, "a");
    packed_set (&packed, &value);
    node_t read = packed_node (&packed, tree);
    assert_true (node_equal (&read, &value));
    OWNED (tree_destroy) tree_t *own = packed_tree (&packed);
    packed_clear (&packed);
    assert_string_equal (node_get_text (tree_root (own), "name", ""), "a");
    assert_int_equal (node_as_int (node_item (node_get (&read, "list"), 1), 0), 2);
}

static void
nothing_is_nil (void **state)
{
    (void) state;
    packed_t packed = { 0 };
    node_t nil = node_nil();
    for (int round = 0; round < 3; round++) {
        OWNED (tree_destroy) tree_t *tree = packed_tree (&packed);
        assert_null (packed.bytes);
        assert_true (node_is_nil (tree_root (tree)));
        assert_true (packed_equal (&packed, NULL) && packed_equal (&packed, &nil));
        assert_int_equal (packed_hash (&packed), 0);
        node_t value = value_of (tree, "a");
        packed_set (&packed, &value);
        if (round == 0)
            packed_set (&packed, NULL);
        else if (round == 1)
            packed_set (&packed, &nil);
        else
            packed_clear (&packed);
    }
}

static void
equal_values_are_found_equal (void **state)
{
    (void) state;
    packed_t a = { 0 }, b = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t value = value_of (tree, "a"), other = value_of (tree, "b"), turned = node_map();
    node_set (tree, &turned, "list", *node_get (&value, "list"));
    node_set_text (tree, &turned, "name", "a");
    packed_set (&a, &value);
    packed_set (&b, &value);
    assert_true (packed_equal (&a, &value) && packed_equal (&a, &turned));
    assert_false (packed_equal (&a, &other) || packed_equal (&a, NULL));
    assert_true (packed_hash (&a) == packed_hash (&b));
    packed_set (&b, &other);
    assert_true (packed_hash (&b) && packed_hash (&a) != packed_hash (&b));
    packed_clear (&a);
    packed_clear (&b);
}

/* Pods are kept so, hundreds of them: the bytes are all that there is. */
static void
it_keeps_no_room (void **state)
{
    (void) state;
    packed_t packed = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t value = value_of (tree, "a");
    packed_set (&packed, &value);
    assert_true (malloc_usable_size (packed.bytes) < 2 * packed.size + 64);
    packed_clear (&packed);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_is_set_is_read_again),
        cmocka_unit_test (nothing_is_nil),
        cmocka_unit_test (equal_values_are_found_equal),
        cmocka_unit_test (it_keeps_no_room),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
