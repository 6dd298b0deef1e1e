#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/strategic_patch.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *what, *old, *new, *patch;
} ROWS[] = {
    { "nothing changes", "{\"phase\": \"Running\", \"podIPs\": []}", "{\"phase\": \"Running\"}",
      "{}" },
    { "plain fields: new, changed, gone", "{\"phase\": \"Pending\", \"reason\": \"R\"}",
      "{\"phase\": \"Running\", \"podIP\": \"10.0.0.1\"}",
      "{\"phase\": \"Running\", \"podIP\": \"10.0.0.1\", \"reason\": null}" },
    { "maps field by field", "{\"capacity\": {\"cpu\": \"2\", \"a/b\": \"1\"}}",
      "{\"capacity\": {\"cpu\": \"4\"}}", "{\"capacity\": {\"cpu\": \"4\", \"a/b\": null}}" },
    { "a list without merge key as a whole", "{\"images\": [{\"n\": 1}, {\"n\": 2}]}",
      "{\"images\": [{\"n\": 1}]}", "{\"images\": [{\"n\": 1}]}" },
    { "a list that was empty is given without an order", "{\"conditions\": []}",
      "{\"conditions\": [{\"type\": \"A\", \"lastProbeTime\": null}]}",
      "{\"conditions\": [{\"type\": \"A\", \"lastProbeTime\": null}]}" },
    { "an item is added, one changes, one goes",
      "{\"conditions\": [{\"type\": \"A\", \"status\": \"True\", \"reason\": \"R\"}, "
      "{\"type\": \"B\"}]}",
      "{\"conditions\": [{\"type\": \"C\"}, {\"type\": \"A\", \"status\": \"False\"}]}",
      "{\"$setElementOrder/conditions\": [{\"type\": \"C\"}, {\"type\": \"A\"}], "
      "\"conditions\": [{\"type\": \"C\"}, {\"type\": \"A\", \"status\": \"False\", \"reason\": "
      "null}, {\"$patch\": \"delete\", \"type\": \"B\"}]}" },
    { "only the order changes", "{\"conditions\": [{\"type\": \"A\"}, {\"type\": \"B\"}]}",
      "{\"conditions\": [{\"type\": \"B\"}, {\"type\": \"A\"}]}",
      "{\"$setElementOrder/conditions\": [{\"type\": \"B\"}, {\"type\": \"A\"}]}" },
    { "the list goes", "{\"podIPs\": [{\"ip\": \"10.0.0.1\"}]}", "{\"podIPs\": []}",
      "{\"podIPs\": null}" },
};

static void
patches_say_what_changes_and_nothing_else (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        print_message ("%s\n", ROWS[i].what);
        OWNED (tree_destroy) tree_t *old = json_read (ROWS[i].old, strlen (ROWS[i].old), &fault);
        OWNED (tree_destroy) tree_t *new = json_read (ROWS[i].new, strlen (ROWS[i].new), &fault);
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t patch = strategic_patch (tree, tree_root (old), tree_root (new), POD_STATUS_LISTS);
        assert_json (&patch, ROWS[i].patch);
    }
}

static void
nothing_and_a_map_make_the_map (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *new = json_read ("{\"a\": 1, \"b\": null}", 19, &fault);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t patch = strategic_patch (tree, NULL, tree_root (new), NULL);
    assert_json (&patch, "{\"a\": 1}");
    patch = strategic_patch (tree, NULL, NULL, NULL);
    assert_json (&patch, "{}");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (patches_say_what_changes_and_nothing_else),
        cmocka_unit_test (nothing_and_a_map_make_the_map),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
