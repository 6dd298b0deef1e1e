#include "cubelet/eviction.h"
#include "pod_fixture.h"

#define S 1000000000LL
#define MI (1024LL * 1024)

// ---- thresholds ----

static void
assert_thresholds (const char *hard, const char *soft, const char *grace, bool with_allocatable,
                   const char *expected)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t maps[] = { yaml_node (hard, tree), yaml_node (soft, tree), yaml_node (grace, tree),
                      yaml_node ("{nodefs.available: 1Gi}", tree) };
    eviction_settings_t settings = { &maps[0], &maps[1], &maps[2], &maps[3], with_allocatable };
    eviction_threshold_t found[EVICTION_THRESHOLDS_MAX];
    size_t count = eviction_thresholds (&settings, found);
    OWNED (free_text) char *text = text_copy ("");
    for (size_t i = 0; i < count; i++)
        text_replace (&text, "%s%s%s %s +%s %lld; ", text, found[i].is_soft ? "soft " : "",
                      eviction_signal_name (found[i].signal), found[i].value,
                      found[i].reclaim ? found[i].reclaim : "0",
                      (long long) (found[i].grace_ns / S));
    assert_string_equal (text, expected);
}

static void
thresholds_of_a_configuration (void **state)
{
    (void) state;
    assert_thresholds ("", "", "", true, "");
    assert_thresholds ("{memory.available: 100Mi, nodefs.available: 10%}", "", "", true,
                       "memory.available 100Mi +0 0; allocatableMemory.available 100Mi +0 0; "
                       "nodefs.available 10% +1Gi 0; ");
    assert_thresholds ("{memory.available: 100Mi}", "", "", false, "memory.available 100Mi +0 0; ");
    assert_thresholds ("{pid.available: '1000', imagefs.inodesFree: 5%}",
                       "{pid.available: '2000', memory.available: 1Gi}",
                       "{pid.available: 1m30s, memory.available: 10s}", true,
                       "soft memory.available 1Gi +0 10; imagefs.inodesFree 5% +0 0; "
                       "soft pid.available 2000 +0 90; pid.available 1000 +0 0; ");
    assert_thresholds ("{memory.available: '0', nodefs.available: 0%, nodefs.inodesFree: 100%}", "",
                       "", true, "");
}

// ---- looks at the node ----

typedef struct {
    int64_t at_s, available_mi;
    int act;           // -1: nothing
    bool has_pressure; // of memory
} look_t;

static void
assert_looks (const eviction_threshold_t *thresholds, size_t count, int64_t transition_s,
              const look_t *looks, size_t look_count)
{
    eviction_state_t state = { 0 };
    for (size_t i = 0; i < look_count; i++) {
        eviction_observation_t seen[SIGNAL_COUNT] = { 0 };
        eviction_decision_t decision;
        seen[SIGNAL_MEMORY] = (eviction_observation_t){ true, looks[i].available_mi * MI, 1000 * MI,
                                                        looks[i].at_s * S };
        eviction_step (thresholds, count, seen, transition_s * S, looks[i].at_s * S, &state,
                       &decision);
        if (decision.act != looks[i].act
            || decision.has_pressure[PRESSURE_MEMORY] != looks[i].has_pressure)
            fail_msg ("look %zu: act %d, pressure %d", i, decision.act,
                      decision.has_pressure[PRESSURE_MEMORY]);
        assert_false (decision.has_pressure[PRESSURE_DISK]);
    }
}

static void
a_hard_threshold_is_acted_on_at_once_and_until_it_is_resolved (void **state)
{
    (void) state;
    static const eviction_threshold_t HARD = { SIGNAL_MEMORY, "100Mi", "50Mi", false, 0 };
    static const look_t LOOKS[] = {
        { 10, 100, -1, false }, { 20, 99, 0, true },   { 30, 149, 0, true },
        { 40, 150, -1, true },  { 50, 149, -1, true }, { 89, 200, -1, true },
        { 90, 200, -1, false }, { 100, 99, 0, true },
    };
    assert_looks (&HARD, 1, 60, LOOKS, COUNT_OF (LOOKS));
}

static void
a_soft_threshold_waits_for_its_grace_period (void **state)
{
    (void) state;
    static const eviction_threshold_t SOFT[] = {
        { SIGNAL_MEMORY, "20%", NULL, true, 30 * S },
        { SIGNAL_MEMORY, "5%", NULL, false, 0 },
    };
    static const look_t LOOKS[] = {
        { 10, 199, -1, true }, { 30, 199, -1, true }, { 39, 201, -1, false }, { 50, 100, -1, true },
        { 79, 100, -1, true }, { 80, 100, 0, true },  { 90, 49, 0, true },
    };
    assert_looks (SOFT, 2, 0, LOOKS, COUNT_OF (LOOKS));
    static const look_t SUDDEN[] = { { 10, 40, 1, true } };
    assert_looks (SOFT, 2, 0, SUDDEN, 1);
}

static void
nobody_acts_twice_on_one_observation (void **state)
{
    (void) state;
    static const eviction_threshold_t HARD = { SIGNAL_MEMORY, "100Mi", NULL, false, 0 };
    eviction_state_t kept = { 0 };
    eviction_decision_t decision;
    eviction_observation_t seen[SIGNAL_COUNT] = { 0 };
    eviction_step (&HARD, 1, seen, 0, 5 * S, &kept, &decision);
    assert_int_equal (decision.act, -1); // nothing is known
    seen[SIGNAL_MEMORY] = (eviction_observation_t){ true, 1, 1000 * MI, 10 * S };
    eviction_step (&HARD, 1, seen, 0, 10 * S, &kept, &decision);
    assert_int_equal (decision.act, 0);
    eviction_step (&HARD, 1, seen, 0, 11 * S, &kept, &decision);
    assert_int_equal (decision.act, -1);
    assert_true (decision.has_pressure[PRESSURE_MEMORY]);
}

// ---- who goes ----

typedef struct {
    const char *name, *spec, *stats;
} pod_case_t;

#define MEMORY_OF(BYTES) "{memory: {workingSetBytes: " #BYTES "}}"
#define REQUESTS(MEMORY) "{containers: [{name: c, resources: {requests: {memory: " MEMORY "}}}]}"
#define PRIORITY(NUMBER, MEMORY)                                                                   \
    "{priority: " #NUMBER ", containers: [{name: c, resources: {requests: {memory: " MEMORY "}}}]" \
    "}"

static void
assert_order (eviction_signal_t signal, bool is_split, const pod_case_t *cases, size_t count,
              const char *expected)
{
    fixture_t fixtures[8];
    node_t stats[8];
    eviction_candidate_t candidates[8];
    OWNED (tree_destroy) tree_t *tree = tree_new();
    for (size_t i = 0; i < count; i++) {
        OWNED (free_text) char *meta = text_format ("{name: %s}", cases[i].name);
        fixtures[i] = fixture_with (meta, cases[i].spec);
        stats[i] = yaml_node (cases[i].stats, tree);
        candidates[i] = (eviction_candidate_t){ .pod = &fixtures[i].pod,
                                                .stats = *cases[i].stats ? &stats[i] : NULL };
    }
    eviction_rank (signal, is_split, candidates, count);
    OWNED (free_text) char *text = text_copy ("");
    for (size_t i = 0; i < count; i++)
        text_replace (&text, "%s%s%s", text, i ? " " : "", candidates[i].pod->metadata.name);
    assert_string_equal (text, expected);
    for (size_t i = 0; i < count; i++)
        fixture_close (&fixtures[i]);
}

static void
memory_goes_by_excess_priority_and_difference (void **state)
{
    (void) state;
    static const pod_case_t CASES[] = {
        { "within", PRIORITY (0, "'100'"), MEMORY_OF (90) },
        { "over", PRIORITY (5, "'100'"), MEMORY_OF (110) },
        { "far-over", PRIORITY (5, "'100'"), MEMORY_OF (300) },
        { "low", PRIORITY (1, "'100'"), MEMORY_OF (101) },
        { "unknown", PRIORITY (9, "'100'"), "" },
        { "exact", PRIORITY (0, "'100'"), MEMORY_OF (100) },
    };
    assert_order (SIGNAL_MEMORY, false, CASES, COUNT_OF (CASES),
                  "unknown low far-over over exact within");
}

static void
disks_and_pids (void **state)
{
    (void) state;
#define DISK(ALL, ROOT)                                                                            \
    "{ephemeral-storage: {usedBytes: " #ALL ", inodesUsed: " #ROOT "}, containers: [{rootfs: "     \
    "{usedBytes: " #ROOT "}}], process_stats: {process_count: " #ROOT "}}"
    static const pod_case_t CASES[] = {
        { "root", REQUESTS ("'1'"), DISK (100, 90) },
        { "volumes", REQUESTS ("'1'"), DISK (200, 10) },
    };
    assert_order (SIGNAL_NODEFS, false, CASES, COUNT_OF (CASES), "volumes root");
    assert_order (SIGNAL_IMAGEFS, false, CASES, COUNT_OF (CASES), "volumes root");
    assert_order (SIGNAL_IMAGEFS, true, CASES, COUNT_OF (CASES), "root volumes");
    assert_order (SIGNAL_NODEFS, true, CASES, COUNT_OF (CASES), "volumes root");
    assert_order (SIGNAL_NODEFS_INODES, false, CASES, COUNT_OF (CASES), "root volumes");
    assert_order (SIGNAL_PID, false, CASES, COUNT_OF (CASES), "root volumes");
}

static void
the_message_names_who_uses_more_than_it_requests (void **state)
{
    (void) state;
    fixture_t fixture =
        fixture_with ("{}", "{containers: [{name: big, resources: {requests: {memory: 50Mi}}},"
                            " {name: none}, {name: fine, resources: {requests: {memory: 1Gi}}}]}");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t stats = yaml_node ("{containers: [{name: big, memory: {workingSetBytes: 209715200}},"
                              " {name: none, memory: {workingSetBytes: 1000}},"
                              " {name: fine, memory: {workingSetBytes: 1048576}}]}",
                              tree);
    eviction_threshold_t threshold = { SIGNAL_MEMORY, "100Mi", NULL, false, 0 };
    eviction_observation_t seen = { true, 88 * MI, 1000 * MI, 1 };
    eviction_candidate_t candidate = { .pod = &fixture.pod, .stats = &stats };
    OWNED (free_text) char *message = eviction_message (&threshold, &seen, &candidate);
    assert_string_equal (
        message,
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 88Mi. "
        "Container big was using 200Mi, request is 50Mi, has larger consumption of memory. "
        "Container none was using 1k, request is 0, has larger consumption of memory. ");
    fixture_close (&fixture);
}

static void
grace_periods (void **state)
{
    (void) state;
    fixture_t fixture = fixture_with ("{}", "{terminationGracePeriodSeconds: 30, containers: []}");
    assert_int_equal (eviction_grace_s (false, 60, &fixture.pod), 1);
    assert_int_equal (eviction_grace_s (true, 60, &fixture.pod), 30);
    assert_int_equal (eviction_grace_s (true, 10, &fixture.pod), 10);
    assert_int_equal (eviction_grace_s (true, 0, &fixture.pod), 1);
    fixture_close (&fixture);
}

// ---- limits ----

static void
local_storage_has_limits (void **state)
{
    (void) state;
#define VOLUME(LIMIT)                                                                              \
    "{containers: [{name: c}], volumes: [{name: v, emptyDir: {sizeLimit: " LIMIT "}}]}"
#define LIMITED(LIMIT)                                                                             \
    "{containers: [{name: c, resources: {limits: {ephemeral-storage: " LIMIT "}}}, {name: d}]}"
    static const struct {
        const char *spec, *stats, *message, *signal; // message NULL: none
    } CASES[] = {
        { VOLUME ("1Mi"), "{volume: [{name: v, usedBytes: 1048577}]}",
          "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ", "emptydirfs.limit" },
        { VOLUME ("1Mi"), "{volume: [{name: v, usedBytes: 1048576}]}", NULL, NULL },
        { VOLUME ("1Mi"), "{volume: [{name: w, usedBytes: 1048577}]}", NULL, NULL },
        { VOLUME ("'0'"), "{volume: [{name: v, usedBytes: 1048577}]}", NULL, NULL },
        { VOLUME ("1Mi"), "", NULL, NULL },
        { LIMITED ("1Gi"), "{ephemeral-storage: {usedBytes: 1073741825}}",
          "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
          "ephemeralpodfs.limit" },
        { LIMITED ("1Gi"),
          "{ephemeral-storage: {usedBytes: 10}, containers: [{name: c, rootfs: {usedBytes: "
          "1073741824}, logs: {usedBytes: 1}}, {name: d, rootfs: {usedBytes: 99999999999}}]}",
          "Container c exceeded its local ephemeral storage limit \"1Gi\". ",
          "ephemeralcontainerfs.limit" },
        { LIMITED ("1Gi"), "{ephemeral-storage: {usedBytes: 1073741824}}", NULL, NULL },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        const char *signal = NULL;
        fixture_t fixture = fixture_with ("{}", CASES[i].spec);
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t stats = yaml_node (CASES[i].stats, tree);
        OWNED (free_text)
        char *message =
            eviction_over_limit (&fixture.pod, *CASES[i].stats ? &stats : NULL, &signal);
        if (CASES[i].message) {
            assert_non_null (message);
            assert_string_equal (message, CASES[i].message);
            assert_string_equal (signal, CASES[i].signal);
            assert_true (eviction_has_limits (&fixture.pod));
        }
        else
            assert_null (message);
        fixture_close (&fixture);
    }
    fixture_t none =
        fixture_with ("{}", "{containers: [{name: c}], volumes: [{name: v, emptyDir: {}}]}");
    assert_false (eviction_has_limits (&none.pod));
    fixture_close (&none);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (thresholds_of_a_configuration),
        cmocka_unit_test (a_hard_threshold_is_acted_on_at_once_and_until_it_is_resolved),
        cmocka_unit_test (a_soft_threshold_waits_for_its_grace_period),
        cmocka_unit_test (nobody_acts_twice_on_one_observation),
        cmocka_unit_test (memory_goes_by_excess_priority_and_difference),
        cmocka_unit_test (disks_and_pids),
        cmocka_unit_test (the_message_names_who_uses_more_than_it_requests),
        cmocka_unit_test (grace_periods),
        cmocka_unit_test (local_storage_has_limits),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
