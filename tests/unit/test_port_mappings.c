/* test_port_mappings.c - the ports that a sandbox is told of. */
#include "cubelet/port_mappings.h"
#include "pod_fixture.h"

static void
ports_of_regular_containers_are_mapped (void **state)
{
    (void) state;
    static const struct {
        const char *spec, *expected;
    } ROWS[] = {
        { "{}", "[]" },
        { "{containers: [{ports: [{containerPort: 80}]}]}", "[{container_port: 80}]" },
        { "{containers: [{ports: [{containerPort: 80, hostPort: 8080, protocol: UDP,"
          " hostIP: 1.2.3.4}]}]}",
          "[{protocol: UDP, container_port: 80, host_port: 8080, host_ip: 1.2.3.4}]" },
        { "{containers: [{ports: [{containerPort: 1, protocol: SCTP},"
          " {containerPort: 2, protocol: TCP}, {containerPort: 3, protocol: quic}]}]}",
          "[{protocol: SCTP, container_port: 1}, {container_port: 2}, {container_port: 3}]" },
        { "{containers: [{ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]}]}",
          "[{container_port: 1}]" },
        { "{containers: [{ports: [{containerPort: 1}, {containerPort: 1}]}]}",
          "[{container_port: 1}]" },
        { "{containers: [{ports: [{containerPort: 1, protocol: TCP},"
          " {containerPort: 1, protocol: UDP}]}]}",
          "[{container_port: 1}, {protocol: UDP, container_port: 1}]" },
        { "{containers: [{ports: [{containerPort: 1, hostIP: 1.1.1.1}, {containerPort: 1,"
          " hostIP: '::1'}, {containerPort: 1, hostIP: '::1', hostPort: 5}]}]}",
          "[{container_port: 1, host_ip: 1.1.1.1}, {container_port: 1, host_ip: '::1'},"
          " {container_port: 1, host_ip: '::1', host_port: 5}]" },
        { "{containers: [{ports: [{containerPort: 1}]}, {ports: [{containerPort: 1}]}]}",
          "[{container_port: 1}, {container_port: 1}]" },
        { "{initContainers: [{restartPolicy: Always, ports: [{containerPort: 1}]}],"
          " ephemeralContainers: [{ports: [{containerPort: 2}]}]}",
          "[]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_t made = port_mappings (&fixture.pod, fixture.tree);
        assert_yaml (ROWS[i].spec, &made, ROWS[i].expected);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (ports_of_regular_containers_are_mapped),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
