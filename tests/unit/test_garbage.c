#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants these before it
#include "cubelet/garbage.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <cmocka.h>

static void
what_nobody_knows_is_garbage (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    const char *found_items[] = { "a", "b", "", "c", "b", "d" };
    const char *pods_items[] = { "a" };
    const char *runtime_items[] = { "d", "x" };
    text_list_t found = { found_items, 6 };
    text_list_t known[] = { { pods_items, 1 }, { runtime_items, 2 } };
    text_list_t garbage = garbage_uids (found, known, 2, tree);
    assert_int_equal (garbage.count, 2);
    assert_string_equal (garbage.items[0], "b");
    assert_string_equal (garbage.items[1], "c");
    assert_int_equal (garbage_uids ((text_list_t){ 0 }, known, 2, tree).count, 0);
}

static void
pods_of_the_runtime_are_found_by_their_label (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    static const char ITEMS[] = "[{\"labels\":{\"io.kubernetes.pod.uid\":\"u1\"}},{\"id\":\"x\"},"
                                "{\"labels\":{\"io.kubernetes.pod.uid\":\"u2\"}},"
                                "{\"labels\":{\"io.kubernetes.pod.uid\":\"u1\"}}]";
    OWNED (tree_destroy) tree_t *items = json_read (ITEMS, sizeof ITEMS - 1, &fault);
    text_list_t uids = { 0 };
    garbage_runtime_uids (tree_root (items), tree, &uids);
    assert_int_equal (uids.count, 2);
    assert_string_equal (uids.items[0], "u1");
    assert_string_equal (uids.items[1], "u2");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_nobody_knows_is_garbage),
        cmocka_unit_test (pods_of_the_runtime_are_found_by_their_label),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
