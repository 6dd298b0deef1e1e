/* test_resource_math.c - requests and limits become what upstream makes of them. */
#include "cubelet/resource_math.h"
#include "pod_fixture.h"

#define GIBI (INT64_C (1) << 30)

static void
millicores_become_shares_quota_and_weight (void **state)
{
    (void) state;
    static const struct {
        int64_t milli, shares, quota, weight;
    } ROWS[] = {
        { 0, 2, 0, 1 },
        { 1, 2, 1000, 1 },
        { 2, 2, 1000, 1 },
        { 3, 3, 1000, 1 },
        { 9, 9, 1000, 1 },
        { 10, 10, 1000, 1 },
        { 15, 15, 1500, 1 },
        { 100, 102, 10000, 4 },
        { 250, 256, 25000, 10 },
        { 1000, 1024, 100000, 39 },
        { 1500, 1536, 150000, 59 },
        { 256000, 262144, 25600000, 10000 },
        { 1000000, 262144, 100000000, 10000 },
        { INT64_MAX, 262144, INT64_MAX, 10000 },
        { -5, 2, 1000, 1 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        assert_int_equal (cpu_shares (ROWS[i].milli), ROWS[i].shares);
        assert_int_equal (cpu_quota_us (ROWS[i].milli, 100000), ROWS[i].quota);
        assert_int_equal (cpu_weight (ROWS[i].shares), ROWS[i].weight);
    }
    assert_int_equal (cpu_quota_us (500, 20000), 10000);
}

static void
a_pod_needs_what_its_containers_need_together (void **state)
{
    (void) state;
#define C(cpu) "{resources: {requests: {cpu: " #cpu "}}}"
#define INIT(cpu) "{resources: {requests: {cpu: " #cpu "}}}"
#define SIDECAR(cpu) "{restartPolicy: Always, resources: {requests: {cpu: " #cpu "}}}"
    static const struct {
        const char *spec;
        int64_t milli, without_overhead; // -1: not set
    } ROWS[] = {
        { "{containers: [{}]}", -1, -1 },
        { "{containers: [" C (1) ", " C (500m) ", {}]}", 1500, 1500 },
        { "{containers: [" C (1) "], initContainers: [" INIT (3) ", " INIT (2) "]}", 3000, 3000 },
        { "{containers: [" C (1) "], initContainers: [" INIT (500m) "]}", 1000, 1000 },
        { "{containers: [" C (1) "], initContainers: [" SIDECAR (1) "]}", 2000, 2000 },
        { "{containers: [" C (1) "], initContainers: [" SIDECAR (1) ", " INIT (5) "]}", 6000,
          6000 },
        { "{containers: [" C (1) "], initContainers: [" INIT (5) ", " SIDECAR (1) "]}", 5000,
          5000 },
        { "{containers: [{}], initContainers: [" SIDECAR (1) ", " SIDECAR (2) "]}", 3000, 3000 },
        { "{containers: [" C (1) "], overhead: {cpu: 250m}}", 1250, 1000 },
        { "{containers: [{}], overhead: {cpu: 250m}}", 250, -1 },
        { "{containers: [" C (1) "], resources: {requests: {cpu: 4}}}", 4000, 4000 },
        { "{containers: [" C (1) "], resources: {requests: {cpu: 4}}, overhead: {cpu: 1}}", 5000,
          4000 },
        { "{containers: [{}], ephemeralContainers: [" C (9) "]}", -1, -1 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        quantity_t all = pod_resource (&fixture.pod, RESOURCE_REQUESTS, "cpu", true);
        quantity_t own = pod_resource (&fixture.pod, RESOURCE_REQUESTS, "cpu", false);
        if ((all.set ? quantity_milli (all) : -1) != ROWS[i].milli
            || (own.set ? quantity_milli (own) : -1) != ROWS[i].without_overhead)
            fail_msg ("%s", ROWS[i].spec);
        assert_false (pod_resource (&fixture.pod, RESOURCE_LIMITS, "cpu", true).set);
    }
}

static void
overhead_is_added_to_limits_that_exist (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod ("{containers: [{resources: {limits: {memory: 1Gi}}}],"
                                     " overhead: {memory: 1Gi, cpu: 1}}");
    assert_int_equal (quantity_value (pod_resource (&fixture.pod, RESOURCE_LIMITS, "memory", true)),
                      2 * GIBI);
    assert_false (pod_resource (&fixture.pod, RESOURCE_LIMITS, "cpu", true).set);
    assert_true (pod_resource (&fixture.pod, RESOURCE_REQUESTS, "cpu", true).set);
}

static void
extended_resources_cannot_be_set_for_the_pod (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod ("{containers: [{resources: {requests: {gpu: 1}}}],"
                                     " resources: {requests: {gpu: 4, hugepages-2Mi: 4Mi}}}");
    assert_int_equal (quantity_value (pod_resource (&fixture.pod, RESOURCE_REQUESTS, "gpu", true)),
                      1);
    assert_int_equal (
        quantity_value (pod_resource (&fixture.pod, RESOURCE_REQUESTS, "hugepages-2Mi", true)),
        4 << 20);
}

// ---- the pod's cgroup ----

#define NONE INT64_MIN

static void
cgroups_of_pods_follow_their_class (void **state)
{
    (void) state;
    static const struct {
        const char *spec;
        bool enforce;
        int64_t shares, quota, memory;
    } ROWS[] = {
        { "{containers: [{}]}", true, 2, NONE, NONE },
        { "{containers: [{resources: {requests: {cpu: 1}}}]}", true, 1024, NONE, NONE },
        { "{containers: [{resources: {requests: {cpu: 1}, limits: {cpu: 2}}}]}", true, 1024, 200000,
          NONE },
        { "{containers: [{resources: {requests: {cpu: 1}, limits: {cpu: 2}}}]}", false, 1024, -1,
          NONE },
        { "{containers: [{resources: {requests: {cpu: 1}, limits: {cpu: 2, memory: 1Gi}}}, {}]}",
          true, 1024, NONE, NONE },
        { "{containers: [{resources: {requests: {cpu: 1}, limits: {cpu: 2, memory: 1Gi}}}],"
          " initContainers: [{}]}",
          true, 1024, NONE, NONE },
        { "{containers: [{resources: {requests: {memory: 1}, limits: {memory: 1Gi}}}]}", true, 2,
          NONE, GIBI },
        { "{containers: [{resources: {requests: {cpu: 1, memory: 1Gi},"
          " limits: {cpu: 1, memory: 1Gi}}}]}",
          true, 1024, 100000, GIBI },
        { "{containers: [{resources: {requests: {cpu: 1, memory: 1Gi},"
          " limits: {cpu: 1, memory: 1Gi}}}], overhead: {cpu: 1, memory: 1Gi}}",
          true, 2048, 200000, 2 * GIBI },
        { "{containers: [{}], resources: {requests: {cpu: 1}, limits: {cpu: 2, memory: 1Gi}}}",
          true, 1024, 200000, GIBI },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_facts_t facts = { .cpu_cfs_quota = ROWS[i].enforce, .cpu_cfs_period_us = 100000 };
        pod_cgroup_t made;
        pod_cgroup_values (&fixture.pod, &facts, fixture.tree, &made);
        if (made.cpu_shares != ROWS[i].shares
            || (made.cpu_quota_us.set ? made.cpu_quota_us.value : NONE) != ROWS[i].quota
            || (made.memory_limit.set ? made.memory_limit.value : NONE) != ROWS[i].memory)
            fail_msg ("%s", ROWS[i].spec);
        assert_int_equal (made.cpu_period_us.set, made.cpu_quota_us.set);
        assert_int_equal (made.hugepages.count, 0);
    }
}

static void
every_huge_page_size_is_limited (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod (
        "{containers: [{resources: {requests: {hugepages-2Mi: 4Mi}, limits: {hugepages-2Mi: 4Mi}}},"
        " {resources: {requests: {hugepages-2Mi: 2Mi}}}]}");
    node_facts_t facts = { .hugepage_sizes = TEXTS ("2MB", "1GB", "64KB") };
    pod_cgroup_t made;
    pod_cgroup_values (&fixture.pod, &facts, fixture.tree, &made);
    assert_int_equal (made.hugepages.count, 3);
    assert_string_equal (made.hugepages.items[0].page_size, "2MB");
    assert_int_equal (made.hugepages.items[0].limit, 6 << 20);
    assert_int_equal (made.hugepages.items[1].limit, 0);
    static const char *const NAMES[] = { "hugepages-2Mi", "hugepages-1Gi", "hugepages-64Ki" };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++) {
        OWNED (free_text) char *name = hugepage_resource (facts.hugepage_sizes.items[i]);
        assert_string_equal (name, NAMES[i]);
    }
}

// ---- oom_score_adj ----

static void
scores_of_containers (void **state)
{
    (void) state;
#define MEMORY(request) "{name: c, resources: {requests: {memory: " #request "}}}"
#define BIG "{name: d, resources: {requests: {memory: 8Gi}}}"
    static const struct {
        const char *spec;
        int64_t expected; // of the container c, of 10 GiB
    } ROWS[] = {
        { "{containers: [{name: c}]}", 1000 },
        { "{containers: [" MEMORY (1Gi) "]}", 900 },
        { "{containers: [" MEMORY (5Gi) "]}", 500 },
        { "{containers: [" MEMORY (1) "]}", 999 },
        { "{containers: [" MEMORY (10Mi) "]}", 999 },
        { "{containers: [" MEMORY (11Mi) "]}", 999 },
        { "{containers: [" MEMORY (10Gi) "]}", 3 },
        { "{containers: [" MEMORY (100Gi) "]}", 3 },
        { "{containers: [{name: c, resources: {requests: {cpu: 1}}}]}", 999 },
        { "{containers: [{name: c, resources: {requests: {cpu: 1, memory: 1Gi},"
          " limits: {cpu: 1, memory: 1Gi}}}]}",
          -997 },
        { "{priority: 2000001000, priorityClassName: system-node-critical,"
          " containers: [{name: c}]}",
          -997 },
        { "{priority: 2000000000, priorityClassName: system-cluster-critical,"
          " containers: [{name: c}]}",
          1000 },
        { "{priority: 1, priorityClassName: system-node-critical, containers: [{name: c}]}", 1000 },
        // a sidecar is worth what the smallest container it serves is
        { "{initContainers: [{name: c, restartPolicy: Always}], containers: [" BIG "]}", 200 },
        { "{initContainers: [{name: c, restartPolicy: Always}], containers: [" BIG ", {name: e}]}",
          999 },
        { "{initContainers: [{name: c, restartPolicy: Always, resources: {requests: {memory:"
          " 9Gi}}}], containers: [" BIG "]}",
          100 },
        { "{initContainers: [{name: c}], containers: [" BIG "]}", 999 },
        // what the pod requests beyond its containers is shared among them
        { "{resources: {requests: {memory: 4Gi}}, containers: [{name: c}, {name: d}]}", 800 },
        { "{resources: {requests: {memory: 4Gi}}, containers: [" MEMORY (2Gi) ", {name: d}]}",
          700 },
        { "{resources: {requests: {memory: 4Gi}}, initContainers: [{name: c, restartPolicy:"
          " Always}], containers: [{name: d, resources: {requests: {memory: 2Gi}}}]}",
          700 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        int64_t made = oom_score_adj (&fixture.pod, pod_container (&fixture.pod, "c"), 10 * GIBI);
        if (made != ROWS[i].expected)
            fail_msg ("%s: %d", ROWS[i].spec, (int) made);
    }
}

static void
an_unknown_capacity_is_no_crash (void **state)
{
    (void) state;
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{containers: [" MEMORY (1Gi) "]}");
    assert_int_equal (oom_score_adj (&fixture.pod, pod_container (&fixture.pod, "c"), 0), 999);
}

// ---- CRI ----

static void
containers_get_linux_resources (void **state)
{
    (void) state;
#define PAGES "hugepage_limits: [{page_size: 2MB}]"
    static const struct {
        const char *spec, *expected; // of container c on cgroup v1
    } ROWS[] = {
        { "{containers: [{name: c}]}",
          "{cpu_shares: 2, cpu_period: 100000, oom_score_adj: 1000, " PAGES "}" },
        { "{containers: [{name: c, resources: {limits: {cpu: 500m}}}]}",
          "{cpu_shares: 512, cpu_quota: 50000, cpu_period: 100000, oom_score_adj: 999, " PAGES
          "}" },
        { "{containers: [{name: c, resources: {limits: {cpu: 500m}, requests: {cpu: 0}}}]}",
          "{cpu_shares: 2, cpu_quota: 50000, cpu_period: 100000, oom_score_adj: 999, " PAGES "}" },
        { "{containers: [{name: c, resources: {limits: {memory: 64Mi, hugepages-2Mi: 4Mi}}}]}",
          "{cpu_shares: 2, cpu_period: 100000, memory_limit_in_bytes: 67108864,"
          " memory_swap_limit_in_bytes: 67108864, oom_score_adj: 999,"
          " hugepage_limits: [{page_size: 2MB, limit: 4194304}]}" },
        { "{containers: [{name: c}], resources: {limits: {cpu: 1, memory: 1Ki,"
          " hugepages-2Mi: 2Mi}}}",
          "{cpu_shares: 1024, cpu_quota: 100000, cpu_period: 100000, memory_limit_in_bytes: 1024,"
          " memory_swap_limit_in_bytes: 1024, oom_score_adj: 999,"
          " hugepage_limits: [{page_size: 2MB, limit: 2097152}]}" },
    };
    node_facts_t facts = { .cgroup_version = 1,
                           .cpu_cfs_quota = true,
                           .cpu_cfs_period_us = 100000,
                           .memory_capacity = 10 * GIBI,
                           .has_swap_controller = true,
                           .hugepage_sizes = TEXTS ("2MB") };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_t made = container_resources (&fixture.pod, pod_container (&fixture.pod, "c"), &facts,
                                           fixture.tree);
        assert_yaml (ROWS[i].spec, &made, ROWS[i].expected);
    }
}

static void
cgroup_v2_has_unified_settings (void **state)
{
    (void) state;
#define BURSTABLE                                                                                  \
    "{containers: [{name: c, resources: {requests: {memory: 1Gi}, limits: {memory: 2Gi}}}]}"
#define ALL "memory.oom.group: '1'"
    static const struct {
        const char *spec;
        bool single, has_swap, limited;
        const char *expected; // "unified"
    } ROWS[] = {
        { "{containers: [{name: c}]}", false, false, false, "{" ALL "}" },
        { "{containers: [{name: c}]}", true, false, false, "" },
        { "{containers: [{name: c}]}", true, true, false, "{memory.swap.max: '0'}" },
        { "{containers: [{name: c}]}", false, true, true, "{" ALL ", memory.swap.max: '0'}" },
        { BURSTABLE, false, true, false, "{" ALL ", memory.swap.max: '0'}" },
        { BURSTABLE, true, true, true, "{memory.swap.max: '429496729'}" },
        { BURSTABLE, true, false, true, "" },
        { "{containers: [{name: c, resources: {requests: {memory: 1Gi}, limits: {memory: 1Gi}}}]}",
          true, true, true, "{memory.swap.max: '0'}" },
        { "{containers: [{name: c, resources: {requests: {cpu: 1}}}]}", true, true, true,
          "{memory.swap.max: '0'}" },
        { "{containers: [{name: c, resources: {requests: {memory: 20Gi}}}]}", true, true, true,
          "{memory.swap.max: '0'}" },
        { "{priority: 2000000000, containers: [{name: c, resources: {requests: {memory: 1Gi}}}]}",
          true, true, true, "{memory.swap.max: '0'}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_facts_t facts = { .cgroup_version = 2,
                               .memory_capacity = 10 * GIBI,
                               .swap_capacity = 4 * GIBI,
                               .single_process_oom_kill = ROWS[i].single,
                               .has_swap_controller = ROWS[i].has_swap,
                               .limited_swap = ROWS[i].limited };
        node_t made = container_resources (&fixture.pod, pod_container (&fixture.pod, "c"), &facts,
                                           fixture.tree);
        assert_yaml (ROWS[i].spec, node_get (&made, "unified"), ROWS[i].expected);
        assert_null (node_get (&made, "memory_swap_limit_in_bytes"));
        assert_null (node_get (&made, "cpu_period")); // no CFS quota here
    }
}

static void
sandboxes_get_the_sum_and_the_overhead (void **state)
{
    (void) state;
    static const struct {
        const char *spec, *resources, *overhead;
    } ROWS[] = {
        { "{containers: [{}]}", "{cpu_shares: 2, cpu_period: 100000}", "{}" },
        { "{containers: [{resources: {requests: {cpu: 100m}, limits: {cpu: 200m, memory: 1Mi}}},"
          " {resources: {limits: {memory: 1Mi}}}], overhead: {cpu: 250m, memory: 2Mi}}",
          "{cpu_shares: 102, cpu_period: 100000, cpu_quota: 20000,"
          " memory_limit_in_bytes: 2097152}",
          "{cpu_shares: 256, cpu_period: 100000, cpu_quota: 25000,"
          " memory_limit_in_bytes: 2097152}" },
        { "{containers: [{}], overhead: {memory: 1Mi}}", "{cpu_shares: 2, cpu_period: 100000}",
          "{cpu_shares: 2, cpu_period: 100000, memory_limit_in_bytes: 1048576}" },
        { "{containers: [{}], resources: {limits: {cpu: 1}}}",
          "{cpu_shares: 1024, cpu_period: 100000, cpu_quota: 100000}", "{}" },
    };
    node_facts_t facts = { .cgroup_version = 1,
                           .cpu_cfs_quota = true,
                           .cpu_cfs_period_us = 100000 };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_t resources = sandbox_resources (&fixture.pod, &facts, fixture.tree);
        node_t overhead = sandbox_overhead (&fixture.pod, &facts, fixture.tree);
        assert_yaml (ROWS[i].spec, &resources, ROWS[i].resources);
        assert_yaml (ROWS[i].spec, &overhead, ROWS[i].overhead);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (millicores_become_shares_quota_and_weight),
        cmocka_unit_test (a_pod_needs_what_its_containers_need_together),
        cmocka_unit_test (overhead_is_added_to_limits_that_exist),
        cmocka_unit_test (extended_resources_cannot_be_set_for_the_pod),
        cmocka_unit_test (cgroups_of_pods_follow_their_class),
        cmocka_unit_test (every_huge_page_size_is_limited),
        cmocka_unit_test (scores_of_containers),
        cmocka_unit_test (an_unknown_capacity_is_no_crash),
        cmocka_unit_test (containers_get_linux_resources),
        cmocka_unit_test (cgroup_v2_has_unified_settings),
        cmocka_unit_test (sandboxes_get_the_sum_and_the_overhead),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
