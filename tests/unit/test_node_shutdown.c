/* test_node_shutdown.c - which pods end when, with how much time, before the node goes down. */
#include "cubelet/clock.h"
#include "cubelet/node_shutdown.h"
#include "pod_fixture.h"

#define GATE_OFF "{GracefulNodeShutdown: false}"
#define PRIORITY_GATE_OFF "{GracefulNodeShutdownBasedOnPodPriority: false}"

static void
periods_are_those_of_the_configuration (void **state)
{
    (void) state;
    static priority_grace_t by_priority[] = { { 100000, 10 }, { 0, 60 }, { 10000, 180 } };
    static const struct {
        int64_t total_s, critical_s;
        size_t count; // of by_priority
        const char *gates, *expected;
        int64_t all_s;
    } ROWS[] = {
        { 0, 0, 0, "", "[]", 0 },
        { 30, 10, 0, "", "[{priority: 0, grace: 20}, {priority: 2000000000, grace: 10}]", 30 },
        { 30, 0, 0, "", "[{priority: 0, grace: 30}, {priority: 2000000000, grace: 0}]", 30 },
        { 0, 0, 3, "",
          "[{priority: 0, grace: 60}, {priority: 10000, grace: 180}, "
          "{priority: 100000, grace: 10}]",
          250 },
        { 30, 10, 0, GATE_OFF, "[]", 0 },
        { 0, 0, 3, GATE_OFF, "[]", 0 },
        { 0, 0, 3, PRIORITY_GATE_OFF, "[]", 0 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t gates = yaml_node (ROWS[i].gates, tree);
        kubelet_config_t config = {
            .shutdown_grace_period_ns = ROWS[i].total_s * NS_PER_S,
            .shutdown_grace_period_critical_pods_ns = ROWS[i].critical_s * NS_PER_S,
            .feature_gates = &gates,
        };
        config.shutdown_grace_period_by_pod_priority.items = by_priority;
        config.shutdown_grace_period_by_pod_priority.count = ROWS[i].count;
        node_t periods = node_shutdown_periods (&config, tree);
        assert_yaml ("periods", &periods, ROWS[i].expected);
        assert_int_equal (node_shutdown_total_s (&periods), ROWS[i].all_s);
    }
}

#define PERIODS                                                                                    \
    "[{priority: 100, grace: 20}, {priority: 1000, grace: 0}, {priority: 2000, grace: 5}]"
#define POD(name, spec, phase)                                                                     \
    "{metadata: {uid: u" name ", namespace: n, name: " name "}, spec: {" spec                      \
    "}, status: {phase: " phase "}}"

static void
groups_end_by_rising_priority (void **state)
{
    (void) state;
    static const struct {
        const char *pods, *expected; // "priority: name grace, ...;"
    } ROWS[] = {
        { "[]", "" },
        { "[" POD ("a", "", "Running") "]", "100: a 20;" },
        { "[" POD ("a", "priority: 99", "Running") "]", "100: a 20;" },
        { "[" POD ("a", "priority: 100", "Running") "]", "100: a 20;" },
        { "[" POD ("a", "priority: 1999", "Running") "]", "1000: a 0;" },
        { "[" POD ("a", "priority: 2000001000", "Running") "]", "2000: a 5;" },
        { "[" POD ("c", "priority: 2000", "Running") ", " POD ("a", "", "Pending") ", " POD (
              "b", "priority: 200", "Running") "]",
          "100: a 20, b 20;2000: c 5;" },
        { "[" POD ("a", "terminationGracePeriodSeconds: 3",
                   "Running") ", " POD ("b", "terminationGracePeriodSeconds: 30", "Running") "]",
          "100: a 3, b 20;" },
        { "[" POD ("a", "", "Succeeded") ", " POD ("b", "", "Failed") "]", "" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t periods = yaml_node (PERIODS, tree), pods = yaml_node (ROWS[i].pods, tree);
        node_t plan = node_shutdown_plan (&periods, &pods, tree);
        OWNED (free_text) char *text = text_copy ("");
        NODE_EACH (&plan, group)
        {
            text_replace (&text, "%s%lld: ", text,
                          (long long) node_get_int (group, "priority", -1));
            const char *separator = "";
            NODE_EACH (node_get (group, "pods"), pod)
            {
                text_replace (&text, "%s%s%s %lld", text, separator,
                              node_get_text (pod, "name", ""),
                              (long long) node_get_int (pod, "grace", -1));
                separator = ", ";
            }
            text_replace (&text, "%s;", text);
        }
        assert_string_equal (text, ROWS[i].expected);
    }
}

static void
the_state_is_upstreams_file (void **state)
{
    (void) state;
    static const struct {
        int64_t started, ended;
        const char *text;
    } ROWS[] = {
        { 0, 0, "{\"startTime\":\"0001-01-01T00:00:00Z\",\"endTime\":\"0001-01-01T00:00:00Z\"}" },
        { 1764180361576853001, 0,
          "{\"startTime\":\"2025-11-26T18:06:01.576853001Z\","
          "\"endTime\":\"0001-01-01T00:00:00Z\"}" },
        { 1764180361576853001, 1764180362000000000,
          "{\"startTime\":\"2025-11-26T18:06:01.576853001Z\",\"endTime\":\"2025-11-26T18:06:"
          "02Z\"}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        int64_t started = -1, ended = -1;
        OWNED (free_text) char *text = node_shutdown_state_write (ROWS[i].started, ROWS[i].ended);
        assert_string_equal (text, ROWS[i].text);
        assert_int_equal (node_shutdown_state_read (text, strlen (text), &started, &ended, &fault),
                          0);
        assert_int_equal (started, ROWS[i].started);
        assert_int_equal (ended, ROWS[i].ended);
    }
}

static void
a_damaged_state_is_a_fault (void **state)
{
    (void) state;
    static const char *const ROWS[] = { "", "{\"startTime\":\"yesterday\"}" };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        int64_t started, ended;
        assert_int_equal (
            node_shutdown_state_read (ROWS[i], strlen (ROWS[i]), &started, &ended, &fault), -1);
        assert_int_equal (fault.code, FAULT_INVALID);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (periods_are_those_of_the_configuration),
        cmocka_unit_test (groups_end_by_rising_priority),
        cmocka_unit_test (the_state_is_upstreams_file),
        cmocka_unit_test (a_damaged_state_is_a_fault),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
