/* test_service_env.c - services become variables as upstream makes them. */
#include "cubelet/service_env.h"
#include "pod_fixture.h"

#define KUBERNETES                                                                                 \
    "{metadata: {name: kubernetes, namespace: default},"                                           \
    " spec: {clusterIP: 10.0.0.1, ports: [{name: https, port: 443, protocol: TCP}]}}"

#define KUBERNETES_HOST "{key: KUBERNETES_SERVICE_HOST, value: 10.0.0.1}"

static void
services_become_variables (void **state)
{
    (void) state;
    static const struct {
        const char *services, *ns;
        bool links;
        const char *expected;
    } ROWS[] = {
        { "[]", "shop", true, "[]" },
        { "[{metadata: {name: my-db, namespace: shop}, spec: {clusterIP: 10.0.0.7,"
          " ports: [{port: 5432}, {name: admin-ui, port: 80, protocol: UDP}]}}]",
          "shop", true,
          "[{key: MY_DB_SERVICE_HOST, value: 10.0.0.7}, {key: MY_DB_SERVICE_PORT, value: '5432'},"
          " {key: MY_DB_SERVICE_PORT_ADMIN_UI, value: '80'},"
          " {key: MY_DB_PORT, value: 'tcp://10.0.0.7:5432'},"
          " {key: MY_DB_PORT_5432_TCP, value: 'tcp://10.0.0.7:5432'},"
          " {key: MY_DB_PORT_5432_TCP_PROTO, value: tcp},"
          " {key: MY_DB_PORT_5432_TCP_PORT, value: '5432'},"
          " {key: MY_DB_PORT_5432_TCP_ADDR, value: 10.0.0.7},"
          " {key: MY_DB_PORT_80_UDP, value: 'udp://10.0.0.7:80'},"
          " {key: MY_DB_PORT_80_UDP_PROTO, value: udp},"
          " {key: MY_DB_PORT_80_UDP_PORT, value: '80'},"
          " {key: MY_DB_PORT_80_UDP_ADDR, value: 10.0.0.7}]" },
        { "[{metadata: {name: six, namespace: shop}, spec: {clusterIP: 'fd00::1',"
          " ports: [{port: 1, protocol: SCTP}]}}]",
          "shop", true,
          "[{key: SIX_SERVICE_HOST, value: 'fd00::1'}, {key: SIX_SERVICE_PORT, value: '1'},"
          " {key: SIX_PORT, value: 'sctp://[fd00::1]:1'},"
          " {key: SIX_PORT_1_SCTP, value: 'sctp://[fd00::1]:1'},"
          " {key: SIX_PORT_1_SCTP_PROTO, value: sctp}, {key: SIX_PORT_1_SCTP_PORT, value: '1'},"
          " {key: SIX_PORT_1_SCTP_ADDR, value: 'fd00::1'}]" },
        { "[{metadata: {name: a, namespace: shop}, spec: {clusterIP: None, ports: [{port: 1}]}},"
          " {metadata: {name: b, namespace: shop}, spec: {clusterIP: '', ports: [{port: 1}]}},"
          " {metadata: {name: c, namespace: shop}, spec: {clusterIP: 10.0.0.1, ports: []}},"
          " {metadata: {name: d, namespace: shop}, spec: {}}, {metadata: {}}, 1]",
          "shop", true, "[]" },
        { "[{metadata: {name: a, namespace: other}, spec: {clusterIP: 1.1.1.1, ports: [{port: "
          "1}]}}]",
          "shop", true, "[]" },
        { "[{metadata: {name: a, namespace: shop}, spec: {clusterIP: 1.1.1.1, ports: [{port: "
          "1}]}}]",
          "shop", false, "[]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t services = yaml_node (ROWS[i].services, tree), made = node_array();
        service_env (&services, ROWS[i].ns, ROWS[i].links, tree, &made);
        assert_yaml (ROWS[i].services, &made, ROWS[i].expected);
    }
}

static void
the_api_server_is_always_named (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t services = yaml_node ("[" KUBERNETES "]", tree), made = node_array();
    service_env (&services, "shop", false, tree, &made);
    assert_int_equal (node_count (&made), 8);
    assert_yaml ("first", node_item (&made, 0), KUBERNETES_HOST);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (services_become_variables),
        cmocka_unit_test (the_api_server_is_always_named),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
