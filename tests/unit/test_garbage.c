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

/* Containers newest last. */
typedef struct {
    const char *uid, *name, *id, *state;
} listed_t;

static const listed_t LISTED[] = {
    { "u1", "a", "a1", "EXITED" },  { "u1", "a", "a2", "EXITED" }, { "u1", "b", "b1", "EXITED" },
    { "u1", "a", "a3", "EXITED" },  { "u2", "a", "c1", "EXITED" }, { "u2", "a", "c2", "RUNNING" },
    { "u2", "b", "d1", "UNKNOWN" },
};

static const struct {
    int64_t limit, made_before;
    const char *gone;
} LIMITS[] = {
    { -1, 100, "" },
    { 5, 100, "" },
    { 4, 100, "a2 a1 " },
    { 3, 100, "a2 a1 " },
    { 6, 100, "" },
    { 1, 100, "a3 b1 a2 a1 " },
    { 0, 100, "c1 a3 b1 a2 a1 " },
    { 2, 2, "" },
    { 1, 2, "a1 " },
};

static void
the_oldest_of_too_many_dead_containers_go (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (LIMITS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t items = node_array();
        for (size_t k = 0; k < COUNT_OF (LISTED); k++) {
            OWNED (free_text) char *full = text_format ("CONTAINER_%s", LISTED[k].state);
            node_t labels = node_map(), item = node_map();
            node_set_text (tree, &labels, "io.kubernetes.pod.uid", LISTED[k].uid);
            node_set_text (tree, &labels, "io.kubernetes.container.name", LISTED[k].name);
            node_set_text (tree, &item, "id", LISTED[k].id);
            node_set_text (tree, &item, "state", full);
            node_set_int (tree, &item, "created_at", (int64_t) k + 1);
            node_set (tree, &item, "labels", labels);
            node_append (tree, &items, item);
        }
        const node_t **dead = NULL;
        size_t count =
            garbage_containers (&items, LIMITS[i].limit, LIMITS[i].made_before, tree, &dead);
        OWNED (free_text) char *gone = text_copy ("");
        for (size_t k = 0; k < count; k++) {
            OWNED (free_text) char *before = text_copy (gone);
            text_replace (&gone, "%s%s ", before, node_get_text (dead[k], "id", ""));
        }
        assert_string_equal (gone, LIMITS[i].gone);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_nobody_knows_is_garbage),
        cmocka_unit_test (the_oldest_of_too_many_dead_containers_go),
        cmocka_unit_test (pods_of_the_runtime_are_found_by_their_label),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
