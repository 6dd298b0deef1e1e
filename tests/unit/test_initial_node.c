/* test_initial_node.c - what a node is before an API server knows it. */
#include "cubelet/initial_node.h"
#include "pod_fixture.h"

static void
labels_taints_and_resources_are_there (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t allocatable = yaml_node ("{cpu: '2', pods: '110'}", tree);
    node_t labels = yaml_node ("{zone: a, kubernetes.io/os: plan9}", tree);
    taint_t taint = { .key = "gpu", .value = "yes", .effect = "NoSchedule" };
    kubelet_config_t config = { .register_with_taints = { &taint, 1 } };
    node_facts_t facts = { .node_name = "n1", .allocatable = &allocatable };
    node_t node = initial_node (tree, &facts, &config, &labels, "x86_64");
    assert_yaml ("node", &node,
                 "{metadata: {name: n1, labels: {zone: a, kubernetes.io/os: linux,"
                 " beta.kubernetes.io/os: linux, kubernetes.io/arch: amd64,"
                 " beta.kubernetes.io/arch: amd64, kubernetes.io/hostname: n1}},"
                 " spec: {taints: [{key: gpu, value: 'yes', effect: NoSchedule}]},"
                 " status: {allocatable: {cpu: '2', pods: '110'}}}");
}

static void
machines_have_go_s_names (void **state)
{
    (void) state;
    assert_string_equal (go_architecture ("x86_64"), "amd64");
    assert_string_equal (go_architecture ("aarch64"), "arm64");
    assert_string_equal (go_architecture ("riscv64"), "riscv64");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (labels_taints_and_resources_are_there),
        cmocka_unit_test (machines_have_go_s_names),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
