/* test_cgroup_path.c - cgroups stand where upstream puts them, with both drivers. */
#include "cubelet/cgroup_path.h"
#include "pod_fixture.h"

static void
paths_of_both_drivers (void **state)
{
    (void) state;
    static const struct {
        cgroup_driver_t driver;
        const char *root, *qos, *uid, *node, *class, *pod;
    } ROWS[] = {
        { CGROUP_DRIVER_CGROUPFS, NULL, "Guaranteed", "a-b-c", "/kubepods", "/kubepods",
          "/kubepods/poda-b-c" },
        { CGROUP_DRIVER_CGROUPFS, "", "Burstable", "a-b", "/kubepods", "/kubepods/burstable",
          "/kubepods/burstable/poda-b" },
        { CGROUP_DRIVER_CGROUPFS, "/", "BestEffort", "a", "/kubepods", "/kubepods/besteffort",
          "/kubepods/besteffort/poda" },
        { CGROUP_DRIVER_CGROUPFS, "/my-root/x/", "BestEffort", "a", "/my-root/x/kubepods",
          "/my-root/x/kubepods/besteffort", "/my-root/x/kubepods/besteffort/poda" },
        { CGROUP_DRIVER_SYSTEMD, NULL, "Guaranteed", "a-b-c", "/kubepods.slice", "/kubepods.slice",
          "/kubepods.slice/kubepods-poda_b_c.slice" },
        { CGROUP_DRIVER_SYSTEMD, NULL, "Burstable", "a-b", "/kubepods.slice",
          "/kubepods.slice/kubepods-burstable.slice",
          "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice" },
        { CGROUP_DRIVER_SYSTEMD, "/", "BestEffort", "0b", "/kubepods.slice",
          "/kubepods.slice/kubepods-besteffort.slice",
          "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0b.slice" },
        { CGROUP_DRIVER_SYSTEMD, "/my-root", "Guaranteed", "a",
          "/my_root.slice/my_root-kubepods.slice", "/my_root.slice/my_root-kubepods.slice",
          "/my_root.slice/my_root-kubepods.slice/my_root-kubepods-poda.slice" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        node_facts_t facts = { .cgroup_driver = ROWS[i].driver,
                               .cgroup_root = ROWS[i].root,
                               .cgroups_per_qos = true };
        OWNED (free_text) char *node = cgroup_node_path (&facts);
        OWNED (free_text) char *class = cgroup_qos_path (&facts, ROWS[i].qos);
        OWNED (free_text) char *pod = cgroup_pod_path (&facts, ROWS[i].qos, ROWS[i].uid);
        assert_string_equal (node, ROWS[i].node);
        assert_string_equal (class, ROWS[i].class);
        assert_string_equal (pod, ROWS[i].pod);
        OWNED (free_text) char *uid = cgroup_pod_uid (pod);
        assert_string_equal (uid, ROWS[i].uid);
    }
}

static void
the_runtimes_word_wins_over_the_configuration (void **state)
{
    (void) state;
    static const struct {
        const char *runtime_state;
        cgroup_driver_t configured;
        bool is_known;
        cgroup_driver_t expected;
    } ROWS[] = {
        { "{up: false}", CGROUP_DRIVER_SYSTEMD, false, CGROUP_DRIVER_CGROUPFS },
        { "{up: false, cgroup_driver: systemd}", CGROUP_DRIVER_CGROUPFS, false,
          CGROUP_DRIVER_CGROUPFS },
        { "{up: true}", CGROUP_DRIVER_SYSTEMD, true, CGROUP_DRIVER_SYSTEMD },
        { "{up: true}", CGROUP_DRIVER_CGROUPFS, true, CGROUP_DRIVER_CGROUPFS },
        { "{up: true, cgroup_driver: cgroupfs}", CGROUP_DRIVER_SYSTEMD, true,
          CGROUP_DRIVER_CGROUPFS },
        { "{up: true, cgroup_driver: systemd}", CGROUP_DRIVER_CGROUPFS, true,
          CGROUP_DRIVER_SYSTEMD },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t state_node = yaml_node (ROWS[i].runtime_state, tree);
        cgroup_driver_t driver = CGROUP_DRIVER_CGROUPFS;
        bool is_known = cgroup_driver_choose (&state_node, ROWS[i].configured, &driver);
        assert_int_equal (is_known, ROWS[i].is_known);
        assert_int_equal (driver, ROWS[i].expected);
    }
}

static void
named_groups_stand_where_their_driver_has_them (void **state)
{
    (void) state;
    static const struct {
        cgroup_driver_t driver;
        const char *name, *path;
    } ROWS[] = {
        { CGROUP_DRIVER_CGROUPFS, "/system.slice", "/system.slice" },
        { CGROUP_DRIVER_CGROUPFS, "kube/own", "/kube/own" },
        { CGROUP_DRIVER_CGROUPFS, "a-b.slice", "/a-b.slice" },
        { CGROUP_DRIVER_SYSTEMD, "system.slice", "/system.slice" },
        { CGROUP_DRIVER_SYSTEMD, "/a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice" },
        { CGROUP_DRIVER_SYSTEMD, "/system.slice/kubelet.service", "/system.slice/kubelet.service" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *path = cgroup_named_path (ROWS[i].driver, ROWS[i].name);
        assert_string_equal (path, ROWS[i].path);
    }
}

static void
the_pods_class_decides (void **state)
{
    (void) state;
    static const struct {
        const char *resources, *expected;
    } ROWS[] = {
        { "{}", "/kubepods/besteffort/podu-1" },
        { "{requests: {cpu: 1}}", "/kubepods/burstable/podu-1" },
        { "{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}", "/kubepods/podu-1" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{resources: %s}]}", ROWS[i].resources);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_facts_t facts = { .cgroups_per_qos = true };
        OWNED (free_text) char *parent = cgroup_parent (&fixture.pod, &facts);
        assert_string_equal (parent, ROWS[i].expected);
        facts.cgroups_per_qos = false;
        OWNED (free_text) char *none = cgroup_parent (&fixture.pod, &facts);
        OWNED (free_text) char *root = cgroup_node_path (&facts);
        assert_string_equal (none, "");
        assert_string_equal (root, "/");
    }
}

static void
other_names_are_no_pods (void **state)
{
    (void) state;
    static const char *const NAMES[] = { "",
                                         "pod",
                                         "burstable",
                                         "kubepods.slice",
                                         "x.slice",
                                         ".slice",
                                         "kubepods-burstable.slice",
                                         "a-pod.slice" };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++)
        assert_null (cgroup_pod_uid (NAMES[i]));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (paths_of_both_drivers),
        cmocka_unit_test (the_runtimes_word_wins_over_the_configuration),
        cmocka_unit_test (named_groups_stand_where_their_driver_has_them),
        cmocka_unit_test (the_pods_class_decides),
        cmocka_unit_test (other_names_are_no_pods),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
