/* test_pod_admission.c - the node takes and refuses pods as upstream does, in its order and with
   its words. */
#include "cubelet/pod_admission.h"
#include "pod_fixture.h"

#define NODE                                                                                       \
    "{metadata: {name: n1, labels: {kubernetes.io/os: linux, zone: a, cores: '8'}},"               \
    " spec: {taints: [{key: gpu, value: 'yes', effect: NoSchedule},"                               \
    "                 {key: drain, value: 'now', effect: NoExecute}]},"                            \
    " status: {allocatable: {cpu: '2', memory: 1Gi, ephemeral-storage: 10Gi, pods: '3',"           \
    "          hugepages-2Mi: 4Mi, example.com/gpu: '1'}}}"
#define TOLERANT "tolerations: [{operator: Exists}]"

typedef struct {
    const char *name;
    const char *meta; // of the pod
    const char *spec;
    const char *others[4]; // specs
    const char *reason;    // "": admitted
    const char *message;
} row_t;

typedef struct {
    tree_t *tree;
    pod_demand_t *demands;
    const pod_demand_t **list;
    size_t count;
} others_t;

static others_t
others_of (const char *const *specs, size_t room, tree_t *tree)
{
    others_t out = { .tree = tree };
    out.demands = tree_alloc (tree, room * sizeof *out.demands);
    out.list = tree_alloc (tree, room * sizeof *out.list);
    for (; out.count < room && specs[out.count]; out.count++) {
        OWNED (fixture_close) fixture_t other = fixture_pod (specs[out.count]);
        pod_demand_read (&other.pod, tree, &out.demands[out.count]);
        out.list[out.count] = &out.demands[out.count];
    }
    return out;
}

static admission_node_t
node_in (tree_t *tree)
{
    static const char *ALLOWED[] = { "kernel.msg*" };
    static const node_facts_t FACTS = { .kernel_major = 6,
                                        .kernel_minor = 1,
                                        .allowed_unsafe_sysctls = { ALLOWED, 1 } };
    node_t *node = tree_alloc (tree, sizeof *node);
    *node = yaml_node (NODE, tree);
    return (admission_node_t){ .node = node, .facts = &FACTS };
}

static void
check (const row_t *row, const admission_node_t *node, tree_t *tree)
{
    OWNED (fixture_close) fixture_t fixture = fixture_with (row->meta, row->spec);
    others_t others = others_of (row->others, COUNT_OF (row->others), tree);
    pod_demand_t demand;
    pod_demand_read (&fixture.pod, tree, &demand);
    admission_t out;
    pod_admit (&fixture.pod, &demand, others.list, others.count, node, tree, &out);
    if (strcmp (out.reason ? out.reason : "", row->reason) != 0
        || (out.reason && strcmp (out.message, row->message) != 0))
        fail_msg ("%s: %s: %s", row->name, out.reason ? out.reason : "admitted",
                  out.message ? out.message : "");
}

#define CPU(amount)                                                                                \
    "{containers: [{name: a, resources: {requests: {cpu: " amount "}}}], " TOLERANT "}"
#define REQUEST(list) "{containers: [{name: a, resources: {requests: {" list "}}}], " TOLERANT "}"
#define PORT(port) "{containers: [{name: a, ports: [" port "]}], " TOLERANT "}"
#define ANY "{containers: [{name: a}], " TOLERANT "}"
#define LACKS "Node didn't have enough resource: "
#define NO_MATCH "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
#define NO_PORT                                                                                    \
    "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
#define NO_NAME "Predicate NodeName failed: node(s) didn't match the requested node name"
#define TAINTED "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"

static void
resources_are_counted (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "all of it", "{}", CPU ("'2'"), { 0 }, "", "" },
        { "too much",
          "{}",
          CPU ("'64'"),
          { CPU ("350m") },
          "OutOfcpu",
          LACKS "cpu, requested: 64000, used: 350, capacity: 2000" },
        { "others' share",
          "{}",
          CPU ("1500m"),
          { CPU ("500m"), CPU ("1m") },
          "OutOfcpu",
          LACKS "cpu, requested: 1500, used: 501, capacity: 2000" },
        { "memory in bytes",
          "{}",
          REQUEST ("memory: 2Gi"),
          { REQUEST ("memory: 1Mi") },
          "OutOfmemory",
          LACKS "memory, requested: 2147483648, used: 1048576, capacity: 1073741824" },
        { "disk",
          "{}",
          REQUEST ("ephemeral-storage: 11Gi"),
          { 0 },
          "OutOfephemeral-storage",
          LACKS "ephemeral-storage, requested: 11811160064, used: 0, capacity: 10737418240" },
        { "huge pages",
          "{}",
          REQUEST ("hugepages-2Mi: 6Mi"),
          { 0 },
          "OutOfhugepages-2Mi",
          LACKS "hugepages-2Mi, requested: 6291456, used: 0, capacity: 4194304" },
        { "huge pages of a size that is not there",
          "{}",
          REQUEST ("hugepages-1Gi: 1Gi"),
          { 0 },
          "OutOfhugepages-1Gi",
          LACKS "hugepages-1Gi, requested: 1073741824, used: 0, capacity: 0" },
        { "devices",
          "{}",
          REQUEST ("example.com/gpu: '1'"),
          { REQUEST ("example.com/gpu: '1'") },
          "OutOfexample.com/gpu",
          LACKS "example.com/gpu, requested: 1, used: 1, capacity: 1" },
        { "unknown devices", "{}", REQUEST ("example.com/fpga: '1'"), { 0 }, "", "" },
        { "the number of pods comes first",
          "{}",
          CPU ("'9'"),
          { ANY, ANY, ANY },
          "OutOfpods",
          LACKS "pods, requested: 1, used: 3, capacity: 3" },
        { "cpu before memory",
          "{}",
          REQUEST ("memory: 2Gi, cpu: '9'"),
          { 0 },
          "OutOfcpu",
          LACKS "cpu, requested: 9000, used: 0, capacity: 2000" },
        { "an init container counts alone",
          "{}",
          "{initContainers: [{name: i, resources: {requests: {cpu: '3'}}}], containers: [{name: a,"
          " resources: {requests: {cpu: '1'}}}]}",
          { 0 },
          "OutOfcpu",
          LACKS "cpu, requested: 3000, used: 0, capacity: 2000" },
        { "a sidecar counts with the others",
          "{}",
          "{initContainers: [{name: i, restartPolicy: Always, resources: {requests: {cpu: '1'}}}],"
          " containers: [{name: a, resources: {requests: {cpu: 1500m}}}]}",
          { 0 },
          "OutOfcpu",
          LACKS "cpu, requested: 2500, used: 0, capacity: 2000" },
        { "overhead",
          "{}",
          "{containers: [{name: a}], overhead: {cpu: '3'}}",
          { 0 },
          "OutOfcpu",
          LACKS "cpu, requested: 3000, used: 0, capacity: 2000" },
        { "resources before all else",
          "{}",
          "{nodeName: n2, nodeSelector: {no: label}, containers: [{name: a, resources: {requests:"
          " {cpu: '3'}}}]}",
          { 0 },
          "OutOfcpu",
          LACKS "cpu, requested: 3000, used: 0, capacity: 2000" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        admission_node_t node = node_in (tree);
        check (&ROWS[i], &node, tree);
    }
}

static void
the_node_must_be_the_right_one (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "selector", "{}", "{nodeSelector: {zone: a}, " TOLERANT "}", { 0 }, "", "" },
        { "other selector",
          "{}",
          "{nodeSelector: {zone: b}, " TOLERANT "}",
          { 0 },
          "NodeAffinity",
          NO_MATCH },
        { "affinity before name",
          "{}",
          "{nodeSelector: {zone: b}, nodeName: n2, " TOLERANT "}",
          { 0 },
          "NodeAffinity",
          NO_MATCH },
        { "name", "{}", "{nodeName: n2, " TOLERANT "}", { 0 }, "NodeName", NO_NAME },
        { "its own name", "{}", "{nodeName: n1, " TOLERANT "}", { 0 }, "", "" },
        { "taint", "{}", "{}", { 0 }, "TaintToleration", TAINTED },
        { "tolerated by key",
          "{}",
          "{tolerations: [{key: drain, operator: Exists}]}",
          { 0 },
          "",
          "" },
        { "tolerated by value",
          "{}",
          "{tolerations: [{key: drain, value: now, effect: NoExecute}]}",
          { 0 },
          "",
          "" },
        { "other value",
          "{}",
          "{tolerations: [{key: drain, value: later}]}",
          { 0 },
          "TaintToleration",
          TAINTED },
        { "other effect",
          "{}",
          "{tolerations: [{key: drain, operator: Exists, effect: NoSchedule}]}",
          { 0 },
          "TaintToleration",
          TAINTED },
        { "static pods do not care",
          "{annotations: {kubernetes.io/config.source: file}}",
          "{}",
          { 0 },
          "",
          "" },
        { "os label",
          "{labels: {kubernetes.io/os: windows}}",
          ANY,
          { 0 },
          "PodOSSelectorNodeLabelDoesNotMatch",
          "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label" },
        { "os field",
          "{}",
          "{os: {name: windows}, " TOLERANT "}",
          { 0 },
          "PodOSNotSupported",
          "Failed to admit pod as the OS field doesn't match node OS" },
        { "groups",
          "{}",
          "{securityContext: {supplementalGroupsPolicy: Strict}, " TOLERANT "}",
          { 0 },
          "SupplementalGroupsPolicyNotSupported",
          "SupplementalGroupsPolicy=Strict is not supported in this node" },
        { "sysctl",
          "{}",
          "{securityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}]}, " TOLERANT "}",
          { 0 },
          "SysctlForbidden",
          "forbidden sysctl: \"net.core.somaxconn\" not allowlisted" },
        { "allowed sysctl",
          "{}",
          "{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}, " TOLERANT "}",
          { 0 },
          "",
          "" },
        { "AppArmor",
          "{}",
          "{securityContext: {appArmorProfile: {type: RuntimeDefault}}, " TOLERANT "}",
          { 0 },
          "AppArmor",
          "Cannot enforce AppArmor: AppArmor is not enabled on the host" },
        { "no AppArmor",
          "{}",
          "{securityContext: {appArmorProfile: {type: Unconfined}}, " TOLERANT "}",
          { 0 },
          "",
          "" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        admission_node_t node = node_in (tree);
        check (&ROWS[i], &node, tree);
    }
}

static void
host_ports_are_taken_once (void **state)
{
    (void) state;
#define TAKEN PORT ("{hostPort: 80, containerPort: 80, protocol: TCP}")
#define TAKEN_HERE PORT ("{hostPort: 80, containerPort: 80, protocol: TCP, hostIP: 10.0.0.1}")
    static const row_t ROWS[] = {
        { "the same", "{}", TAKEN, { TAKEN }, "NodePorts", NO_PORT },
        { "another number", "{}", PORT ("{hostPort: 81, containerPort: 80}"), { TAKEN }, "", "" },
        { "another protocol", "{}", PORT ("{hostPort: 80, protocol: UDP}"), { TAKEN }, "", "" },
        { "one address of all", "{}", TAKEN_HERE, { TAKEN }, "NodePorts", NO_PORT },
        { "all with one taken", "{}", TAKEN, { TAKEN_HERE }, "NodePorts", NO_PORT },
        { "the same address", "{}", TAKEN_HERE, { TAKEN_HERE }, "NodePorts", NO_PORT },
        { "another address",
          "{}",
          PORT ("{hostPort: 80, hostIP: 10.0.0.2}"),
          { TAKEN_HERE },
          "",
          "" },
        { "no host port", "{}", PORT ("{containerPort: 80}"), { TAKEN }, "", "" },
        { "a sidecar's",
          "{}",
          "{initContainers: [{name: i, restartPolicy: Always, ports: [{hostPort: 80}]}], " TOLERANT
          "}",
          { ANY, TAKEN },
          "NodePorts",
          NO_PORT },
        { "an init container's",
          "{}",
          "{initContainers: [{name: i, ports: [{hostPort: 80}]}], " TOLERANT "}",
          { TAKEN },
          "",
          "" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        admission_node_t node = node_in (tree);
        check (&ROWS[i], &node, tree);
    }
}

static void
a_node_under_pressure_refuses (void **state)
{
    (void) state;
    static const struct {
        row_t row;
        bool memory, disk;
    } ROWS[] = {
        { { "best effort", "{}", ANY, { 0 }, "", "" }, true, false }, // tolerates everything
        { { "best effort",
            "{}",
            "{containers: [{name: a}], tolerations: [{key: drain, operator:"
            " Exists}]}",
            { 0 },
            "Evicted",
            "The node had condition: [MemoryPressure]. " },
          true,
          false },
        { { "burstable", "{}", CPU ("1m"), { 0 }, "", "" }, true, false },
        { { "disk",
            "{}",
            CPU ("1m"),
            { 0 },
            "Evicted",
            "The node had condition: [DiskPressure]. " },
          false,
          true },
        { { "both",
            "{}",
            CPU ("1m"),
            { 0 },
            "Evicted",
            "The node had condition: [MemoryPressure DiskPressure]. " },
          true,
          true },
        { { "critical", "{annotations: {kubernetes.io/config.source: file}}", ANY, { 0 }, "", "" },
          true,
          true },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        admission_node_t node = node_in (tree);
        node.memory_pressure = ROWS[i].memory;
        node.disk_pressure = ROWS[i].disk;
        check (&ROWS[i].row, &node, tree);
    }
}

// ---- critical pods ----

#define GUARANTEED(cpu)                                                                            \
    "{containers: [{name: a, resources: {limits: {cpu: " cpu                                       \
    ", memory: 1Mi}, requests: {cpu: " cpu ", memory: 1Mi}}}]}"

static void
critical_pods_make_room (void **state)
{
    (void) state;
    static const struct {
        const char *name, *spec;
        const char *others[4];
        const char *victims; // indexes
        const char *message; // of the refusal
    } ROWS[] = {
        { "fits", CPU ("'1'"), { CPU ("'1'") }, "", "" },
        { "the one that is there", CPU ("'1'"), { CPU ("1500m") }, "0", "" },
        { "burstable before guaranteed",
          CPU ("'1'"),
          { GUARANTEED ("'1'"), CPU ("'1'") },
          "1",
          "" },
        { "the nearest", CPU ("'1'"), { CPU ("100m"), CPU ("900m"), CPU ("500m") }, "2", "" },
        { "of equals the first small one", CPU ("'1'"), { CPU ("'1'"), CPU ("'1'") }, "1", "" },
        { "a place", ANY, { CPU ("1m"), ANY, GUARANTEED ("1m") }, "1", "" },
        { "critical ones stay",
          CPU ("'1'"),
          { "{priority: 2000000000, containers: [{name: a, resources: {requests: {cpu: '2'}}}]}" },
          "",
          "Unexpected error while attempting to recover from admission failure: preemption: error "
          "finding a set of pods to preempt: no set of running pods found to reclaim resources: "
          "[(res: cpu, q: 1000), ]" },
        { "in vain on the wrong node",
          "{nodeName: n2, containers: [{name: a, resources: {requests: {cpu: '2'}}}]}",
          { CPU ("1500m") },
          "",
          NO_NAME },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        admission_node_t node = node_in (tree);
        OWNED (fixture_close)
        fixture_t fixture =
            fixture_with ("{annotations: {kubernetes.io/config.source: file}}", ROWS[i].spec);
        others_t others = others_of (ROWS[i].others, COUNT_OF (ROWS[i].others), tree);
        pod_demand_t demand;
        pod_demand_read (&fixture.pod, tree, &demand);
        admission_t out;
        pod_admit (&fixture.pod, &demand, others.list, others.count, &node, tree, &out);
        OWNED (free_text) char *victims = text_copy ("");
        for (size_t k = 0; k < out.victims.count; k++)
            text_replace (&victims, "%s%zu", victims, out.victims.items[k]);
        if (strcmp (victims, ROWS[i].victims) != 0
            || strcmp (out.message ? out.message : "", ROWS[i].message) != 0)
            fail_msg ("%s: victims %s, %s", ROWS[i].name, victims, out.message);
    }
}

static void
priority_decides_among_critical_pods (void **state)
{
    (void) state;
    const pod_demand_t critical = { .is_critical = true, .priority = { true, 2000000001 } };
    const pod_demand_t lower = { .is_critical = true, .priority = { true, 2000000000 } };
    const pod_demand_t none = { .is_critical = true };
    const pod_demand_t plain = { .priority = { true, 5 } };
    assert_true (pod_demand_preempts (&critical, &lower));
    assert_false (pod_demand_preempts (&lower, &critical));
    assert_false (pod_demand_preempts (&critical, &none));
    assert_true (pod_demand_preempts (&none, &plain));
    assert_false (pod_demand_preempts (&plain, &none));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (resources_are_counted),
        cmocka_unit_test (the_node_must_be_the_right_one),
        cmocka_unit_test (host_ports_are_taken_once),
        cmocka_unit_test (a_node_under_pressure_refuses),
        cmocka_unit_test (critical_pods_make_room),
        cmocka_unit_test (priority_decides_among_critical_pods),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
