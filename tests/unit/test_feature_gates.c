#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/feature_gates.h"
#include "cubelet/memory.h"
#include <cmocka.h>

static void
a_gate_that_is_not_set_has_its_default (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t set = node_map();
    assert_true (feature_gate_is_on (NULL, GATE_GRACEFUL_NODE_SHUTDOWN));
    assert_false (feature_gate_is_on (&set, GATE_WATCH_LIST_CLIENT));
    node_set_bool (tree, &set, "GracefulNodeShutdown", false);
    node_set_bool (tree, &set, "WatchListClient", true);
    assert_false (feature_gate_is_on (&set, GATE_GRACEFUL_NODE_SHUTDOWN));
    assert_true (feature_gate_is_on (&set, GATE_WATCH_LIST_CLIENT));
}

/* They are listed in the order of their names. */
static void
names_are_in_order_and_stages_are_upstreams (void **state)
{
    (void) state;
    for (feature_gate_t gate = 0; gate < FEATURE_GATE_COUNT; gate++) {
        assert_true (gate == 0
                     || strcmp (feature_gate_name (gate - 1), feature_gate_name (gate)) < 0);
        assert_true (strcmp (feature_gate_stage (gate), "ALPHA") == 0
                     || strcmp (feature_gate_stage (gate), "BETA") == 0);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_gate_that_is_not_set_has_its_default),
        cmocka_unit_test (names_are_in_order_and_stages_are_upstreams),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
