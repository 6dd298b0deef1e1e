/* test_pod_source.c - what counts as a change of a pod, and what the node adds to it. */
#include "cubelet/pod_source.h"
#include "pod_fixture.h"

#define META                                                                                       \
    "metadata: {name: p, uid: u, resourceVersion: '1', labels: {a: b}, annotations: {x: y}}"
#define BEFORE                                                                                     \
    "{" META ", spec: {nodeName: n}, status: {phase: Pending, conditions: [{type: Ready, status: " \
    "'False'}]}}"

static void
changes_are_told_apart (void **state)
{
    (void) state;
    static const struct {
        const char *after;
        pod_change_t expected;
    } ROWS[] = {
        { BEFORE, POD_SAME },
        { "{metadata: {name: p, uid: u, resourceVersion: '2', labels: {a: b}, annotations: {x: y,"
          " kubernetes.io/config.seen: now, kubernetes.io/config.mirror: h}}, spec: {nodeName: n},"
          " status: {phase: Pending, conditions: [{type: Ready, status: 'False'}]}}",
          POD_SAME },
        { "{" META ", spec: {nodeName: n}, status: {phase: Running, conditions: [{type: Ready,"
          " status: 'True'}]}}",
          POD_STATUS },
        { "{" META ", spec: {nodeName: n}, status: {phase: Pending, conditions: [{type: Ready,"
          " status: 'False'}, {type: gate, status: 'True'}]}}",
          POD_FOREIGN },
        { "{" META ", spec: {nodeName: n}, status: {phase: Failed, conditions: [{type: Ready,"
          " status: 'False'}]}}",
          POD_FOREIGN },
        { "{" META ", spec: {nodeName: n, activeDeadlineSeconds: 1}, status: {}}", POD_CHANGED },
        { "{metadata: {name: p, uid: u, labels: {a: c}, annotations: {x: y}}, spec: {nodeName: n}}",
          POD_CHANGED },
        { "{metadata: {name: p, uid: u, labels: {a: b}}, spec: {nodeName: n}}", POD_CHANGED },
        { "{metadata: {name: p, uid: u, labels: {a: b}, annotations: {x: y}, deletionTimestamp:"
          " '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30}, spec: {nodeName: n}}",
          POD_DELETING },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t before = yaml_node (BEFORE, tree);
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        node_t after = yaml_node (ROWS[i].after, tree);
        if (pod_change_of (&before, &after) != ROWS[i].expected)
            fail_msg ("%s: %d", ROWS[i].after, (int) pod_change_of (&before, &after));
    }
}

static void
a_shorter_grace_is_news (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t before =
        yaml_node ("{metadata: {deletionTimestamp: a, deletionGracePeriodSeconds: 30}}", tree);
    node_t after =
        yaml_node ("{metadata: {deletionTimestamp: a, deletionGracePeriodSeconds: 1}}", tree);
    assert_int_equal (pod_change_of (&before, &after), POD_DELETING);
}

static void
pods_of_the_api_say_where_they_came_from (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pod = yaml_node ("{metadata: {name: p, managedFields: [{manager: m}]}, spec: {}}", tree);
    node_t made = pod_of_api (tree, &pod, NULL, 1700000000000000001);
    assert_yaml (
        "first seen", &made,
        "{metadata: {name: p, annotations: {kubernetes.io/config.seen:"
        " '2023-11-14T22:13:20.000000001Z', kubernetes.io/config.source: api}}, spec: {}}");
    node_t again = pod_of_api (tree, &pod, &made, 1800000000000000000);
    assert_true (node_equal (&made, &again));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (changes_are_told_apart),
        cmocka_unit_test (a_shorter_grace_is_news),
        cmocka_unit_test (pods_of_the_api_say_where_they_came_from),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
