/* test_env_expand.c - $(VAR) is replaced as upstream replaces it. */
#include "cubelet/env_expand.h"
#include "pod_fixture.h"

#define ENVIRONMENT                                                                                \
    "[{key: VAR_A, value: A}, {key: VAR_B, value: B}, {key: VAR_C, value: C},"                     \
    " {key: VAR_REF, value: $(VAR_A)}, {key: VAR_EMPTY, value: ''}]"

static void
references_are_replaced_once (void **state)
{
    (void) state;
    static const struct {
        const char *text, *expected;
    } ROWS[] = {
        { "", "" },
        { "plain", "plain" },
        { "$(VAR_A)", "A" },
        { "___$(VAR_B)___", "___B___" },
        { "$(VAR_A)-$(VAR_B)$(VAR_C)", "A-BC" },
        { "$(VAR_EMPTY)", "" },
        { "foo$(VAR_EMPTY)bar", "foobar" },
        { "$(VAR_REF)", "$(VAR_A)" }, // not expanded again
        { "$$(VAR_A)", "$(VAR_A)" },
        { "$$$(VAR_A)", "$A" },
        { "$$$$(VAR_A)", "$$(VAR_A)" },
        { "$$$$$(VAR_A)", "$$A" },
        { "$$$$$$(BIG_MONEY)", "$$$(BIG_MONEY)" },
        { "$(VAR_X)", "$(VAR_X)" },
        { "$()", "$()" },
        { "$($(VAR_A))", "$($(VAR_A))" }, // the name "$(VAR_A", and a ")"
        { "$(VAR_A$(VAR_B)", "$(VAR_A$(VAR_B)" },
        { "$(VAR_A", "$(VAR_A" },
        { "$(VAR_A)$(VAR_B", "A$(VAR_B" },
        { "$VAR_A", "$VAR_A" },
        { "${VAR_A}", "${VAR_A}" },
        { "foo$", "foo$" },
        { "foo$$", "foo$" },
        { "$", "$" },
        { "f000-$", "f000-$" },
        { "foo\\$(VAR_A)", "foo\\A" },
        { "$?$(VAR_A)", "$?A" },
        { "(VAR_A)", "(VAR_A)" },
        { "\n$(VAR_A)\n", "\nA\n" },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t environment = yaml_node (ENVIRONMENT, tree);
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        node_t made = env_expand_with (ROWS[i].text, &environment, tree);
        if (strcmp (node_as_text (&made, "?"), ROWS[i].expected) != 0)
            fail_msg ("%s became %s", ROWS[i].text, node_as_text (&made, "?"));
    }
}

static void
values_that_are_no_text_make_it_binary (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t environment = yaml_node ("[{key: RAW, value: x}]", tree);
    node_t bytes = node_bytes (tree, "\0\377", 2);
    node_set (tree, &environment.via.array.ptr[0], "value", bytes);
    node_t made = env_expand_with ("a$(RAW)b", &environment, tree);
    assert_int_equal (made.type, MSGPACK_OBJECT_BIN);
    assert_int_equal (made.via.bin.size, 4);
    assert_memory_equal (made.via.bin.ptr, "a\0\377b", 4);
}

static void
many_unfinished_references_take_no_time (void **state)
{
    (void) state;
    size_t size = 2000000;
    OWNED (free_text) char *text = memory_new (size + 1, 1);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 2 ? '(' : '$';
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t environment = node_array();
    node_t made = env_expand_with (text, &environment, tree);
    assert_string_equal (node_as_text (&made, ""), text);
}

static void
sub_paths_need_every_variable (void **state)
{
    (void) state;
    static const struct {
        const char *text, *expected, *fault;
    } ROWS[] = {
        { "$(VAR_A)/x", "A/x", "" },
        { "plain", "plain", "" },
        { "$(NOPE)", NULL, "missing value for NOPE" },
        { "$(VAR_EMPTY)", NULL, "missing value for VAR_EMPTY" },
        { "$(Z)$(VAR_EMPTY)$(A)$(Z)", NULL, "missing value for A, VAR_EMPTY, Z" },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t environment = yaml_node (ENVIRONMENT, tree);
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        const char *made = NULL;
        fault_t fault = { 0 };
        int rc = env_expand_strict (ROWS[i].text, &environment, tree, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_string_equal (made, ROWS[i].expected);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (references_are_replaced_once),
        cmocka_unit_test (values_that_are_no_text_make_it_binary),
        cmocka_unit_test (many_unfinished_references_take_no_time),
        cmocka_unit_test (sub_paths_need_every_variable),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
