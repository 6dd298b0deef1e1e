/* test_name_table.c - names keep the order in which they came, however many. */
#include "../../common/kube/name_table.h"
#include "pod_fixture.h"

static void
the_last_value_stands_at_the_first_place (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (name_table_clear) name_table_t table;
    name_table_init (&table, tree);
    assert_null (name_table_get (&table, "a"));
    name_table_set (&table, "a", node_int (1));
    name_table_set (&table, "b", node_int (2));
    name_table_set (&table, "", node_int (3));
    name_table_set (&table, "a", node_int (4));
    assert_yaml ("pairs", &table.pairs,
                 "[{key: a, value: 4}, {key: b, value: 2},"
                 " {key: '', value: 3}]");
}

static void
many_names_are_found_again (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (name_table_clear) name_table_t table;
    name_table_init (&table, tree);
    char name[16];
    for (int i = 0; i < 100000; i++) {
        snprintf (name, sizeof name, "n%d", i % 50000);
        name_table_set (&table, name, node_int (i));
    }
    assert_int_equal (node_count (&table.pairs), 50000);
    for (int i = 0; i < 50000; i++) {
        snprintf (name, sizeof name, "n%d", i);
        assert_int_equal (node_as_int (name_table_get (&table, name), -1), i + 50000);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_last_value_stands_at_the_first_place),
        cmocka_unit_test (many_names_are_found_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
