/* test_container_mounts.c - mounts, block devices and sub paths of a container. */
#include "cubelet/container_mounts.h"
#include "pod_fixture.h"

#define VOLUMES                                                                                    \
    "{e: {host_path: /v/e, kind: emptyDir, selinux_relabel: true},"                                \
    " c: {host_path: /v/c, read_only: true}, b: {host_path: /dev/b, kind: block},"                 \
    " br: {host_path: /dev/br, kind: block, read_only: true}}"
#define HOSTS "{container_path: /etc/hosts, host_path: /var/lib/kubelet/pods/u-1/etc-hosts}"
#define RECURSION "failed to resolve recursive read-only mode: "
#define ASKED "volume \"e\" requested recursive read-only mode, but it is not "

typedef struct {
    const char *mounts;   // volumeMounts
    const char *expected; // the mounts made, without /etc/hosts; NULL: refused
    const char *fault;
} mount_row_t;

static const mount_row_t MOUNTS[] = {
    { "[]", "[]", "" },
    { "[{name: e, mountPath: /e}]", "[{container_path: /e, host_path: /v/e}]", "" },
    { "[{name: e, mountPath: rel/e}]", "[{container_path: /rel/e, host_path: /v/e}]", "" },
    { "[{name: c, mountPath: /c}, {name: e, mountPath: /e, readOnly: true}]",
      "[{container_path: /c, host_path: /v/c, readonly: true},"
      " {container_path: /e, host_path: /v/e, readonly: true}]",
      "" },
    { "[{name: e, mountPath: /e, mountPropagation: None}]",
      "[{container_path: /e, host_path: /v/e}]", "" },
    { "[{name: e, mountPath: /e, mountPropagation: HostToContainer},"
      " {name: e, mountPath: /f, mountPropagation: Bidirectional}]",
      "[{container_path: /e, host_path: /v/e, propagation: PROPAGATION_HOST_TO_CONTAINER},"
      " {container_path: /f, host_path: /v/e, propagation: PROPAGATION_BIDIRECTIONAL}]",
      "" },
    { "[{name: e, mountPath: /e, mountPropagation: Odd}]", NULL,
      "invalid MountPropagation mode: \"Odd\"" },
    { "[{name: zz, mountPath: /e}]", NULL,
      "cannot find volume \"zz\" to mount into container \"m\"" },
    { "[{name: b, mountPath: /e}]", NULL,
      "cannot find volume \"b\" to mount into container \"m\"" },
    // sub paths have been bound before
    { "[{name: c, mountPath: /c}, {name: e, mountPath: /e, subPath: x}]",
      "[{container_path: /c, host_path: /v/c, readonly: true},"
      " {container_path: /e, host_path: /bound/1}]",
      "" },
    { "[{name: e, mountPath: /e, subPath: x}]", NULL,
      "failed to prepare subPath for volumeMount \"e\" of container \"m\"" },
    // recursive read-only mounts
    { "[{name: e, mountPath: /e, readOnly: true, recursiveReadOnly: Disabled}]",
      "[{container_path: /e, host_path: /v/e, readonly: true}]", "" },
    { "[{name: e, mountPath: /e, readOnly: true, recursiveReadOnly: Enabled}]",
      "[{container_path: /e, host_path: /v/e, readonly: true, recursive_read_only: true}]", "" },
    { "[{name: e, mountPath: /e, readOnly: true, recursiveReadOnly: IfPossible}]",
      "[{container_path: /e, host_path: /v/e, readonly: true, recursive_read_only: true}]", "" },
    { "[{name: e, mountPath: /e, recursiveReadOnly: Enabled}]", NULL, RECURSION ASKED "read-only" },
    { "[{name: e, mountPath: /e, readOnly: true, recursiveReadOnly: Enabled,"
      " mountPropagation: HostToContainer}]",
      NULL, RECURSION ASKED "compatible with propagation \"HostToContainer\"" },
    { "[{name: e, mountPath: /e, readOnly: true, recursiveReadOnly: Odd}]", NULL,
      RECURSION "unknown recursive read-only mode \"Odd\"" },
};

static const char *const IPS[] = { "10.0.0.1" };

/* The mounts of a pod's only container m. */
static int
make (const fixture_t *fixture, node_facts_t facts, const pod_facts_t *pod_facts,
      const char *termination_log, node_t *out, fault_t *fault)
{
    node_t volumes = yaml_node (VOLUMES, fixture->tree);
    node_t subpaths = yaml_node ("{'1': /bound/1}", fixture->tree);
    container_inputs_t inputs = { .volumes = &volumes,
                                  .subpaths = &subpaths,
                                  .pod_ips = { (const char **) IPS, 1 },
                                  .termination_log_path = termination_log };
    facts.root_dir = "/var/lib/kubelet";
    return container_mounts (&fixture->pod, &fixture->pod.spec.containers.items[0], &inputs, &facts,
                             pod_facts, fixture->tree, out, fault);
}

static void
volumes_are_mounted_in_order (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (MOUNTS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{name: m, volumeMounts: %s}]}", MOUNTS[i].mounts);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t handlers =
            yaml_node ("[{name: '', features: {recursive_read_only_mounts: true}}]", fixture.tree);
        node_facts_t facts = { .runtime_handlers = &handlers };
        node_t made;
        fault_t fault = { 0 };
        int rc = make (&fixture, facts, NULL, NULL, &made, &fault);
        assert_string_equal (fault.text, MOUNTS[i].fault);
        assert_int_equal (rc, MOUNTS[i].expected ? 0 : -1);
        if (!MOUNTS[i].expected)
            continue;
        const node_t *hosts = node_item (&made, node_count (&made) - 1);
        assert_yaml (spec, hosts, HOSTS);
        made.via.array.size--;
        assert_yaml (spec, &made, MOUNTS[i].expected);
    }
}

static void
runtimes_without_recursion_refuse_or_ignore_it (void **state)
{
    (void) state;
    static const struct {
        const char *mode, *fault;
    } ROWS[] = { { "IfPossible", "" }, { "Enabled", RECURSION ASKED "supported by the runtime" } };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{name: m, volumeMounts: [{name: e, mountPath: /e,"
                                  " readOnly: true, recursiveReadOnly: %s}]}]}",
                                  ROWS[i].mode);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t made;
        fault_t fault = { 0 };
        make (&fixture, (node_facts_t){ 0 }, NULL, NULL, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
    }
}

static void
the_termination_log_comes_last (void **state)
{
    (void) state;
    static const struct {
        const char *spec, *log, *expected;
    } ROWS[] = {
        { "{containers: [{name: m, terminationMessagePath: /dev/t}]}", "/h/t",
          "[" HOSTS ", {container_path: /dev/t, host_path: /h/t}]" },
        { "{containers: [{name: m, terminationMessagePath: rel}]}", "/h/t",
          "[" HOSTS ", {container_path: /rel, host_path: /h/t}]" },
        { "{containers: [{name: m, terminationMessagePath: ''}]}", "/h/t", "[" HOSTS "]" },
        { "{containers: [{name: m, terminationMessagePath: /t}]}", NULL, "[" HOSTS "]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (make (&fixture, (node_facts_t){ 0 }, NULL, ROWS[i].log, &made, &fault),
                          0);
        assert_yaml (ROWS[i].spec, &made, ROWS[i].expected);
    }
}

static void
selinux_relabels_a_volume_once (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture =
        fixture_pod ("{containers: [{name: m, volumeMounts: [{name: e, mountPath:"
                     " /1}, {name: e, mountPath: /2}, {name: c, mountPath: /3}]}]}");
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (
        make (&fixture, (node_facts_t){ .selinux_enabled = true }, NULL, NULL, &made, &fault), 0);
    static const bool EXPECTED[] = { true, false, false, true }; // the last is the hosts file
    for (size_t i = 0; i < COUNT_OF (EXPECTED); i++)
        assert_int_equal (node_get_bool (node_item (&made, i), "selinux_relabel", false),
                          EXPECTED[i]);
}

static void
user_namespaces_map_every_mount (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture =
        fixture_pod ("{hostUsers: false, containers: [{name: m, terminationMessagePath: /t,"
                     " volumeMounts: [{name: e, mountPath: /e}]}]}");
    node_t handlers = yaml_node ("[{name: '', features: {user_namespaces: true}}]", fixture.tree);
    pod_facts_t of_pod = { .userns_host_id = { true, 65536 } };
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (make (&fixture, (node_facts_t){ .runtime_handlers = &handlers }, &of_pod,
                            "/h/t", &made, &fault),
                      0);
    assert_int_equal (node_count (&made), 3);
    for (size_t i = 0; i < 3; i++) {
        const node_t *mount = node_item (&made, i);
        assert_yaml ("uids", node_get (mount, "uidMappings"), "[{host_id: 65536, length: 65536}]");
        assert_yaml ("gids", node_get (mount, "gidMappings"), "[{host_id: 65536, length: 65536}]");
    }
}

static void
block_volumes_are_devices (void **state)
{
    (void) state;
    static const struct {
        const char *devices, *expected, *fault;
    } ROWS[] = {
        { "[]", "[]", "" },
        { "[{name: b, devicePath: /dev/x}, {name: br, devicePath: /dev/y}]",
          "[{container_path: /dev/x, host_path: /dev/b, permissions: mrw},"
          " {container_path: /dev/y, host_path: /dev/br, permissions: r}]",
          "" },
        { "[{name: b, devicePath: dev/x}]", NULL,
          "error DevicePath `dev/x` must be an absolute path" },
        { "[{name: zz, devicePath: /dev/x}]", NULL,
          "cannot find volume \"zz\" to pass into container \"m\"" },
        { "[{name: e, devicePath: /dev/x}]", NULL,
          "cannot find volume \"e\" to pass into container \"m\"" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{name: m, volumeDevices: %s}]}", ROWS[i].devices);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t volumes = yaml_node (VOLUMES, fixture.tree), made;
        fault_t fault = { 0 };
        int rc = container_devices (&fixture.pod.spec.containers.items[0], &volumes, fixture.tree,
                                    &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_yaml (spec, &made, ROWS[i].expected);
    }
}

static void
sub_paths_are_listed (void **state)
{
    (void) state;
    static const struct {
        const char *mounts, *expected, *fault;
    } ROWS[] = {
        { "[{name: e}]", "[]", "" },
        { "[{name: c}, {name: e, subPath: a/b}, {name: e, subPathExpr: $(V)/x}]",
          "[{index: 1, volume: e, host_path: /v/e, sub_path: a/b},"
          " {index: 2, volume: e, host_path: /v/e, sub_path: val/x}]",
          "" },
        { "[{name: e, subPath: a..b/..c/d..}]",
          "[{index: 0, volume: e, host_path: /v/e, sub_path: a..b/..c/d..}]", "" },
        { "[{name: e, subPathExpr: $(NOPE)}]", NULL, "missing value for NOPE" },
        { "[{name: e, subPath: /a}]", NULL, "error SubPath `/a` must not be an absolute path" },
        { "[{name: e, subPath: ..}]", NULL,
          "unable to provision SubPath `..`: must not contain '..'" },
        { "[{name: e, subPath: a/../b}]", NULL,
          "unable to provision SubPath `a/../b`: must not contain '..'" },
        { "[{name: e, subPath: a/..}]", NULL,
          "unable to provision SubPath `a/..`: must not contain '..'" },
        { "[{name: e, subPathExpr: $(UP)/x}]", NULL,
          "unable to provision SubPath `../x`: must not contain '..'" },
        { "[{name: zz, subPath: a}]", NULL,
          "cannot find volume \"zz\" to mount into container \"m\"" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{name: m, volumeMounts: %s}]}", ROWS[i].mounts);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t volumes = yaml_node (VOLUMES, fixture.tree), made;
        node_t environment =
            yaml_node ("[{key: V, value: val}, {key: UP, value: ..}]", fixture.tree);
        fault_t fault = { 0 };
        int rc = container_mount_subpaths (&fixture.pod.spec.containers.items[0], &volumes,
                                           &environment, fixture.tree, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_yaml (spec, &made, ROWS[i].expected);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (volumes_are_mounted_in_order),
        cmocka_unit_test (runtimes_without_recursion_refuse_or_ignore_it),
        cmocka_unit_test (the_termination_log_comes_last),
        cmocka_unit_test (selinux_relabels_a_volume_once),
        cmocka_unit_test (user_namespaces_map_every_mount),
        cmocka_unit_test (block_volumes_are_devices),
        cmocka_unit_test (sub_paths_are_listed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
