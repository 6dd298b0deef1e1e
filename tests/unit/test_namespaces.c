/* test_namespaces.c - which namespaces a pod shares. */
#include "cubelet/namespaces.h"
#include "pod_fixture.h"

#define HANDLERS                                                                                   \
    "[{name: ''}, {name: new, features: {user_namespaces: true, recursive_read_only_mounts: "      \
    "true}}]"
#define NODE_USERS "userns_options: {mode: NODE}"
#define NO_USERNS "can't set `spec.hostUsers: false`, runtime does not support user namespaces"

static void
namespaces_are_the_pods_wishes (void **state)
{
    (void) state;
    static const struct {
        const char *spec, *target, *expected;
    } ROWS[] = {
        { "{}", NULL, "{pid: CONTAINER, " NODE_USERS "}" },
        { "{hostUsers: true}", NULL, "{pid: CONTAINER, " NODE_USERS "}" },
        { "{shareProcessNamespace: false}", NULL, "{pid: CONTAINER, " NODE_USERS "}" },
        { "{shareProcessNamespace: true}", NULL, "{" NODE_USERS "}" },
        { "{hostNetwork: true}", NULL, "{network: NODE, pid: CONTAINER, " NODE_USERS "}" },
        { "{hostIPC: true}", NULL, "{ipc: NODE, pid: CONTAINER, " NODE_USERS "}" },
        { "{hostPID: true, shareProcessNamespace: true}", NULL, "{pid: NODE, " NODE_USERS "}" },
        { "{}", "id1", "{pid: TARGET, target_id: id1, " NODE_USERS "}" },
        { "{shareProcessNamespace: true}", "id1", "{" NODE_USERS "}" },
        { "{hostPID: true}", "id1", "{pid: NODE, " NODE_USERS "}" },
    };
    node_facts_t facts = { 0 };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (namespace_options (&fixture.pod, &facts, NULL, ROWS[i].target,
                                             fixture.tree, &made, &fault),
                          0);
        assert_yaml (ROWS[i].spec, &made, ROWS[i].expected);
    }
}

static void
user_namespaces_need_a_runtime_that_has_them (void **state)
{
    (void) state;
    static const struct {
        const char *handler;
        int64_t host_id, length;
        const char *expected, *fault;
    } ROWS[] = {
        { "new", 131072, 0,
          "{pid: CONTAINER, userns_options: {uids: [{host_id: 131072, length: 65536}],"
          " gids: [{host_id: 131072, length: 65536}]}}",
          "" },
        { "new", 65536, 131072,
          "{pid: CONTAINER, userns_options: {uids: [{host_id: 65536, length: 131072}],"
          " gids: [{host_id: 65536, length: 131072}]}}",
          "" },
        { NULL, 131072, 0, NULL, NO_USERNS },
        { "other", 131072, 0, NULL, NO_USERNS },
        { "new", -1, 0, NULL, "no user ids are allocated to the pod" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod ("{hostUsers: false}");
        node_t handlers = yaml_node (HANDLERS, fixture.tree), made;
        node_facts_t facts = { .runtime_handlers = &handlers, .userns_length = ROWS[i].length };
        pod_facts_t of_pod = { .runtime_handler = ROWS[i].handler,
                               .userns_host_id = { ROWS[i].host_id >= 0, ROWS[i].host_id } };
        fault_t fault = { 0 };
        int rc =
            namespace_options (&fixture.pod, &facts, &of_pod, NULL, fixture.tree, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_yaml (ROWS[i].expected, &made, ROWS[i].expected);
    }
}

static void
features_are_of_the_handler (void **state)
{
    (void) state;
    static const struct {
        const char *handler, *feature;
        bool expected;
    } ROWS[] = {
        { "new", "user_namespaces", true },
        { "new", "recursive_read_only_mounts", true },
        { "new", "nonsense", false },
        { "", "user_namespaces", false },
        { NULL, "recursive_read_only_mounts", false },
        { "zz", "user_namespaces", false },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t handlers = yaml_node (HANDLERS, tree);
    node_facts_t facts = { .runtime_handlers = &handlers }, none = { 0 };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        assert_int_equal (runtime_handler_has (&facts, ROWS[i].handler, ROWS[i].feature),
                          ROWS[i].expected);
        assert_false (runtime_handler_has (&none, ROWS[i].handler, ROWS[i].feature));
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (namespaces_are_the_pods_wishes),
        cmocka_unit_test (user_namespaces_need_a_runtime_that_has_them),
        cmocka_unit_test (features_are_of_the_handler),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
