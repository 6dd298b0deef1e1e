/* test_sandbox_config.c - what the recordings do not show of a sandbox's configuration; what they
   show is checked by test_cri_recordings. */
#include "cubelet/sandbox_config.h"
#include "pod_fixture.h"

static node_facts_t
plain_facts (void)
{
    static const char *CLUSTER_DNS[] = { "10.96.0.10" };
    return (node_facts_t){ .cluster_dns = { CLUSTER_DNS, 1 },
                           .cluster_domain = "c.local",
                           .root_dir = "/var/lib/kubelet",
                           .pod_logs_dir = "/logs",
                           .cgroups_per_qos = true,
                           .cgroup_version = 2,
                           .single_process_oom_kill = true };
}

#define DNS                                                                                        \
    "dns_config: {servers: [10.96.0.10], searches: [shop.svc.c.local, svc.c.local, c.local],"      \
    " options: ['ndots:5']}"
#define SECURITY                                                                                   \
    "security_context: {namespace_options: {pid: CONTAINER, userns_options: {mode: NODE}},"        \
    " seccomp: {}}"
#define LABELS                                                                                     \
    "labels: {io.kubernetes.pod.name: web, io.kubernetes.pod.namespace: shop,"                     \
    " io.kubernetes.pod.uid: u-1}"

static void
everything_has_its_place (void **state)
{
    (void) state;
    static const struct {
        const char *metadata, *spec;
        uint32_t attempt;
        const char *expected;
    } ROWS[] = {
        { "{}", "{containers: [{}]}", 0,
          "{metadata: {name: web, uid: u-1, namespace: shop}, hostname: web,"
          " log_directory: /logs/shop_web_u-1, " DNS ", " LABELS ","
          " linux: {cgroup_parent: /kubepods/besteffort/podu-1, " SECURITY ", overhead: {},"
          " resources: {cpu_shares: 2}}}" },
        { "{annotations: {a: b}}",
          "{hostNetwork: true, dnsPolicy: None, containers: [{ports: [{containerPort: 80,"
          " hostPort: 80}]}], securityContext: {sysctls: [{name: kernel/shm_rmid_forced,"
          " value: '1'}]}}",
          2,
          "{metadata: {name: web, uid: u-1, namespace: shop, attempt: 2},"
          " log_directory: /logs/shop_web_u-1, dns_config: {},"
          " port_mappings: [{container_port: 80, host_port: 80}], " LABELS ", annotations: {a: b},"
          " linux: {cgroup_parent: /kubepods/besteffort/podu-1, security_context:"
          " {namespace_options: {network: NODE, pid: CONTAINER, userns_options: {mode: NODE}},"
          " seccomp: {}}, sysctls: {kernel.shm_rmid_forced: '1'}, overhead: {},"
          " resources: {cpu_shares: 2}}}" },
    };
    node_facts_t facts = plain_facts();
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_with (ROWS[i].metadata, ROWS[i].spec);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (sandbox_config (&fixture.pod, &facts, NULL, ROWS[i].attempt, fixture.tree,
                                          &made, NULL, &fault),
                          0);
        assert_yaml (ROWS[i].spec, &made, ROWS[i].expected);
    }
}

static void
what_cannot_be_made_is_told (void **state)
{
    (void) state;
    static const struct {
        const char *spec, *fault; // start of it
    } ROWS[] = {
        { "{subdomain: A, containers: [{}]}", "pod Subdomain \"A\" is not a valid DNS label" },
        { "{hostUsers: false, containers: [{}]}", "can't set `spec.hostUsers: false`" },
        { "{securityContext: {supplementalGroupsPolicy: X}, containers: [{}]}",
          "unsupported supplementalGroupsPolicy: X" },
    };
    node_facts_t facts = plain_facts();
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (
            sandbox_config (&fixture.pod, &facts, NULL, 0, fixture.tree, &made, NULL, &fault), -1);
        assert_memory_equal (fault.text, ROWS[i].fault, strlen (ROWS[i].fault));
    }
}

static void
events_are_handed_out (void **state)
{
    (void) state;
    node_facts_t facts = plain_facts();
    facts.cluster_dns.count = 0;
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{containers: [{}]}");
    node_t made, events = node_array();
    fault_t fault = { 0 };
    assert_int_equal (
        sandbox_config (&fixture.pod, &facts, NULL, 0, fixture.tree, &made, &events, &fault), 0);
    assert_int_equal (node_count (&events), 2);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (everything_has_its_place),
        cmocka_unit_test (what_cannot_be_made_is_told),
        cmocka_unit_test (events_are_handed_out),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
