/* test_container_config.c - what the recordings do not show of a container's configuration; what
   they show is checked by test_cri_recordings. */
#include "cubelet/container_config.h"
#include "pod_fixture.h"

static int
make (const fixture_t *fixture, const char *container, const char *target, node_t *out,
      fault_t *fault)
{
    node_t volumes =
        yaml_node ("{b: {host_path: /dev/b, kind: block}, e: {host_path: /v/e}}", fixture->tree);
    container_inputs_t inputs = { .image_ref = "sha256:1",
                                  .attempt = 4,
                                  .hash = 0xab,
                                  .env = { .services_known = true, .has_api = true },
                                  .volumes = &volumes,
                                  .target_id = target };
    node_facts_t facts = { .root_dir = "/r", .cgroup_version = 2, .single_process_oom_kill = true };
    return container_config (&fixture->pod, pod_container (&fixture->pod, container), &inputs,
                             &facts, NULL, fixture->tree, out, fault);
}

static void
fields_follow_the_spec (void **state)
{
    (void) state;
    static const struct {
        const char *container, *field, *expected;
    } ROWS[] = {
        { "{name: c, image: img}", "metadata", "{name: c, attempt: 4}" },
        { "{name: c, image: img}", "image", "{image: 'sha256:1', user_specified_image: img}" },
        { "{name: c}", "command", "" },
        { "{name: c}", "envs", "" },
        { "{name: c}", "mounts", "" },
        { "{name: c}", "devices", "" },
        { "{name: c}", "stdin", "" },
        { "{name: c}", "log_path", "c/4.log" },
        { "{name: c, workingDir: /w}", "working_dir", "/w" },
        { "{name: c, stdin: true, stdinOnce: true, tty: true}", "stdin", "true" },
        { "{name: c, stdin: true, stdinOnce: true, tty: true}", "stdin_once", "true" },
        { "{name: c, stdin: true, stdinOnce: true, tty: true}", "tty", "true" },
        { "{name: c, env: [{name: A, value: v}], command: [$(A), $$(A), $(B)], args: [x$(A)]}",
          "command", "[v, $(A), $(B)]" },
        { "{name: c, env: [{name: A, value: v}], command: [$(A), $$(A), $(B)], args: [x$(A)]}",
          "args", "[xv]" },
        { "{name: c, env: [{name: A, value: v}]}", "envs", "[{key: A, value: v}]" },
        { "{name: c, volumeDevices: [{name: b, devicePath: /dev/x}]}", "devices",
          "[{container_path: /dev/x, host_path: /dev/b, permissions: mrw}]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec =
            text_format ("{enableServiceLinks: true, containers: [%s]}", ROWS[i].container);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t made;
        fault_t fault = { 0 };
        if (make (&fixture, "c", NULL, &made, &fault) < 0)
            fail_msg ("%s: %s", spec, fault.text);
        assert_yaml (spec, node_get (&made, ROWS[i].field), ROWS[i].expected);
    }
}

static void
faults_come_in_upstreams_order (void **state)
{
    (void) state;
#define BAD_ENV "env: [{name: A, valueFrom: {configMapKeyRef: {name: none, key: k}}}]"
#define BAD_MOUNT "volumeMounts: [{name: zz, mountPath: /x}]"
#define BAD_DEVICE "volumeDevices: [{name: zz, devicePath: /x}]"
#define BAD_USER "securityContext: {runAsNonRoot: true, seccompProfile: {type: Localhost}}"
#define BAD_SECCOMP "securityContext: {seccompProfile: {type: Localhost}}"
    static const struct {
        const char *container, *fault; // start of it
    } ROWS[] = {
        { "{name: c, " BAD_DEVICE ", " BAD_ENV "}", "cannot find volume \"zz\" to pass into" },
        { "{name: c, " BAD_ENV ", " BAD_MOUNT ", " BAD_USER "}", "configmap \"none\" not found" },
        { "{name: c, " BAD_MOUNT ", " BAD_USER "}", "cannot find volume \"zz\" to mount into" },
        { "{name: c, " BAD_USER "}", "container has runAsNonRoot and image will run as root" },
        { "{name: c, " BAD_SECCOMP "}", "localhostProfile must be set" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec =
            text_format ("{enableServiceLinks: true, containers: [%s]}", ROWS[i].container);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (make (&fixture, "c", NULL, &made, &fault), -1);
        if (strncmp (fault.text, ROWS[i].fault, strlen (ROWS[i].fault)) != 0)
            fail_msg ("%s: %s", spec, fault.text);
    }
}

static void
ephemeral_containers_look_into_their_target (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture =
        fixture_pod ("{enableServiceLinks: true, containers: [{name: c}],"
                     " ephemeralContainers: [{name: d, targetContainerName: c}, {name: e}]}");
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (make (&fixture, "d", NULL, &made, &fault), -1);
    assert_string_equal (fault.text, "unable to find target container c");
    assert_int_equal (make (&fixture, "d", "id-of-c", &made, &fault), 0);
    assert_yaml ("target", node_at (&made, "linux", "security_context", "namespace_options", NULL),
                 "{pid: TARGET, target_id: id-of-c, userns_options: {mode: NODE}}");
    assert_int_equal (make (&fixture, "e", NULL, &made, &fault), 0);
}

static void
sub_paths_are_asked_for_only_where_there_are_some (void **state)
{
    (void) state;
    static const struct {
        const char *mounts, *expected;
    } ROWS[] = {
        // an environment that cannot be made is no matter then
        { "[{name: e, mountPath: /e}]", "[]" },
        { "[{name: e, mountPath: /e, subPath: a}]", NULL },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{name: c, volumeMounts: %s}]}", ROWS[i].mounts);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t volumes = yaml_node ("{e: {host_path: /v/e}}", fixture.tree), made;
        container_inputs_t inputs = { .volumes = &volumes };
        node_facts_t facts = { 0 };
        fault_t fault = { 0 };
        int rc = container_subpaths (&fixture.pod, pod_container (&fixture.pod, "c"), &inputs,
                                     &facts, fixture.tree, &made, &fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_yaml (spec, &made, ROWS[i].expected);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (fields_follow_the_spec),
        cmocka_unit_test (faults_come_in_upstreams_order),
        cmocka_unit_test (ephemeral_containers_look_into_their_target),
        cmocka_unit_test (sub_paths_are_asked_for_only_where_there_are_some),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
