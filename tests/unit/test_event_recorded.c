/* Events as the API server gets them, against those of an upstream kubelet. */
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/event_object.h"
#include "cubelet/memory.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t
time_of (const node_t *event, const char *key)
{
    fault_t fault = { 0 };
    int64_t ns = 0;
    assert_int_equal (time_parse (node_get_text (event, key, ""), &ns, &fault), 0);
    return ns;
}

/* Our Event for what a recorded one says. */
static node_t
ours (tree_t *tree, const node_t *recorded)
{
    const char *name = node_get_text (node_get (recorded, "metadata"), "name", "");
    event_t event = {
        .object = node_get (recorded, "involvedObject"),
        .type = node_get_text (recorded, "type", ""),
        .reason = node_get_text (recorded, "reason", ""),
        .message = node_get_text (recorded, "message", ""),
    };
    event_verdict_t verdict = {
        .count = node_get_int (recorded, "count", 0),
        .first_ns = time_of (recorded, "firstTimestamp"),
        .name_ns = (int64_t) strtoull (strrchr (name, '.') + 1, NULL, 16),
    };
    return event_object (tree, &event, &verdict, "lab-node", time_of (recorded, "lastTimestamp"));
}

static void
new_events_are_those_of_upstream (void **state)
{
    (void) state;
    static const int LINES[] = { 5, 8, 16, 40, 55 };
    for (size_t i = 0; i < COUNT_OF (LINES); i++) {
        OWNED (tree_destroy) tree_t *line = sample_request (LINES[i]);
        OWNED (tree_destroy) tree_t *tree = tree_new();
        const node_t *recorded = node_get (tree_root (line), "request");
        node_t event = ours (tree, recorded);
        assert_same_json (&event, recorded);
    }
}

static void
repeated_events_change_what_upstream_changes (void **state)
{
    (void) state;
    static const int LINES[] = { 19, 23, 70 };
    for (size_t i = 0; i < COUNT_OF (LINES); i++) {
        OWNED (tree_destroy) tree_t *line = sample_request (LINES[i]);
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t event = ours (tree, node_get (tree_root (line), "response"));
        node_t patch = event_patch (tree, &event);
        assert_same_json (&patch, node_get (tree_root (line), "request"));
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (new_events_are_those_of_upstream),
        cmocka_unit_test (repeated_events_change_what_upstream_changes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
