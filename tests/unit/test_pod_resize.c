/* test_pod_resize.c - allocations, the decision about a resize, and the order of its steps. */
#include "cubelet/pod_resize.h"
#include "pod_fixture.h"

#define POD(resources) "{spec: {containers: [{name: a, resources: " resources "}, {name: b}]}}"

static void
the_allocation_takes_the_place_of_the_spec (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t before =
        yaml_node (POD ("{requests: {cpu: 1, example.com/x: 1}, limits: {memory: 1Gi}}"), tree);
    node_t allocation = pod_allocation (&before, tree);
    assert_yaml ("allocation", &allocation,
                 "{a: {requests: {cpu: 1, example.com/x: 1}, limits: {memory: 1Gi}}, "
                 "b: {requests: {}, limits: {}}}");
    node_t after = yaml_node (
        POD ("{requests: {cpu: 2, memory: 1, example.com/x: 1}, limits: {memory: 2Gi}}"), tree);
    assert_true (pod_allocation_is_desired (&before, &allocation));
    assert_false (pod_allocation_is_desired (&after, &allocation));
    node_t same = yaml_node (
        POD ("{requests: {cpu: 1000m, example.com/x: 1}, limits: {memory: 1024Mi}}"), tree);
    assert_true (pod_allocation_is_desired (&same, &allocation));
    node_t held = pod_with_allocation (&after, &allocation, tree);
    assert_yaml ("held back", &held,
                 "{spec: {containers: [{name: a, resources: {requests: {cpu: 1, example.com/x: 1},"
                 " limits: {memory: 1Gi}}}, {name: b, resources: {}}]}}");
}

static void
a_resize_fits_now_later_or_never (void **state)
{
    (void) state;
    static const struct {
        const char *request, *other, *reason, *message;
    } ROWS[] = {
        { "cpu: 1500m", "cpu: 500m", "", "" },
        { "cpu: 1600m", "cpu: 500m", "Deferred",
          "Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000" },
        { "cpu: 2500m", "cpu: 500m", "Infeasible",
          "Node didn't have enough capacity: cpu, requested: 2500, capacity: 2000" },
        { "cpu: 2500m, memory: 2Gi", "cpu: 500m", "Infeasible",
          "Node didn't have enough capacity: memory, requested: 2147483648, capacity: 1073741824" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t node = yaml_node (
            "{metadata: {name: n}, status: {allocatable: {cpu: 2, memory: 1Gi, pods: 9}}}", tree);
        node_facts_t facts = { 0 };
        admission_node_t on = { .node = &node, .facts = &facts };
        OWNED (free_text)
        char *spec =
            text_format ("{containers: [{name: a, resources: {requests: {%s}}}]}", ROWS[i].request);
        OWNED (free_text)
        char *other_spec =
            text_format ("{containers: [{name: a, resources: {requests: {%s}}}]}", ROWS[i].other);
        OWNED (fixture_close) fixture_t pod = fixture_pod (spec);
        OWNED (fixture_close) fixture_t other = fixture_pod (other_spec);
        pod_demand_t demand, others;
        pod_demand_read (&pod.pod, tree, &demand);
        pod_demand_read (&other.pod, tree, &others);
        const pod_demand_t *list[] = { &others };
        resize_decision_t out;
        pod_resize_decide (&pod.pod, &demand, list, 1, &on, tree, &out);
        assert_string_equal (out.reason ? out.reason : "", ROWS[i].reason);
        assert_string_equal (out.reason ? out.message : "", ROWS[i].message);
    }
}

static void
what_shrinks_comes_first (void **state)
{
    (void) state;
    static const struct {
        const char *has, *wants, *steps;
    } ROWS[] = {
        { "{cpu_shares: 2}", "{cpu_shares: 2}", "[]" },
        { "{cpu_shares: 2}", "{cpu_shares: 4}",
          "[{kind: cgroup}, {kind: update, container: a, id: i, resources: {cpu_shares: 4}}]" },
        { "{cpu_shares: 4}", "{cpu_shares: 2}",
          "[{kind: update, container: a, id: i, resources: {cpu_shares: 2}}, {kind: cgroup}]" },
        { "{cpu_shares: 4, memory_limit_in_bytes: 10}",
          "{cpu_shares: 2, memory_limit_in_bytes: 20}",
          "[{kind: update, container: a, id: i, resources: {cpu_shares: 2, memory_limit_in_bytes:"
          " 10}}, {kind: cgroup}, {kind: update, container: a, id: i, resources: {cpu_shares: 2,"
          " memory_limit_in_bytes: 20}}]" },
        { "{memory_limit_in_bytes: 20}", "{memory_limit_in_bytes: 10}",
          "[{kind: check, container: a, id: i, limit: 10}, {kind: update, container: a, id: i,"
          " resources: {memory_limit_in_bytes: 10}}, {kind: cgroup}]" },
        { "{}", "{memory_limit_in_bytes: 10}",
          "[{kind: check, container: a, id: i, limit: 10}, {kind: update, container: a, id: i,"
          " resources: {memory_limit_in_bytes: 10}}, {kind: cgroup}]" },
        { "", "{cpu_shares: 2}",
          "[{kind: cgroup}, {kind: update, container: a, id: i, resources: {cpu_shares: 2}}]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t has = yaml_node (*ROWS[i].has ? ROWS[i].has : "{}", tree);
        node_t wants = yaml_node (ROWS[i].wants, tree);
        resize_item_t item = { "a", "i", *ROWS[i].has ? &has : NULL, &wants };
        node_t steps = pod_resize_steps (&item, 1, tree);
        assert_yaml (ROWS[i].wants, &steps, ROWS[i].steps);
    }
}

static void
policies_ask_for_restarts (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod (
        "{containers: [{name: a, resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired},"
        " {resourceName: memory, restartPolicy: RestartContainer}]}]}");
    const container_t *container = &fixture.pod.spec.containers.items[0];
    node_t before = yaml_node ("{requests: {cpu: 1}, limits: {memory: 1}}", fixture.tree);
    node_t cpu = yaml_node ("{requests: {cpu: 2}, limits: {memory: 1}}", fixture.tree);
    node_t memory = yaml_node ("{requests: {cpu: 1}, limits: {memory: 2}}", fixture.tree);
    assert_false (resize_needs_restart (container, &before, &cpu));
    assert_true (resize_needs_restart (container, &before, &memory));
}

static void
the_event_names_what_can_be_resized (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t node = yaml_node (
        "{metadata: {name: p, generation: 3}, spec: {initContainers: [{name: i}, {name: s,"
        " restartPolicy: Always}], containers: [{name: a, resources: {requests: {cpu: 1},"
        " limits: {cpu: 2}}}]}}",
        tree);
    pod_t pod = { 0 };
    fault_t fault = { 0 };
    assert_int_equal (pod_decode (&node, tree, &pod, &fault), 0);
    node_t summary = pod_resize_summary (&pod, tree);
    assert_yaml ("summary", &summary,
                 "{initContainers: [{name: s, resources: {}}], containers: [{name: a, resources:"
                 " {limits: {cpu: 2}, requests: {cpu: 1}}}], generation: 3}");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_allocation_takes_the_place_of_the_spec),
        cmocka_unit_test (a_resize_fits_now_later_or_never),
        cmocka_unit_test (what_shrinks_comes_first),
        cmocka_unit_test (policies_ask_for_restarts),
        cmocka_unit_test (the_event_names_what_can_be_resized),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
