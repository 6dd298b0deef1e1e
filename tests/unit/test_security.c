/* test_security.c - security contexts of sandboxes and containers, and the check of runAsNonRoot.
 */
#include "cubelet/security.h"
#include "pod_fixture.h"

#define NAMESPACES "namespace_options: {pid: CONTAINER, userns_options: {mode: NODE}}"

static const int64_t VOLUME_GROUPS[] = { 77, 88 };
static const pod_facts_t WITH_GROUPS = { .volume_groups = VOLUME_GROUPS, .volume_group_count = 2 };

static void
sandboxes (void **state)
{
    (void) state;
    static const struct {
        const char *spec;
        const pod_facts_t *facts;
        const char *expected; // without the namespaces and seccomp
    } ROWS[] = {
        { "{}", NULL, "" },
        { "{securityContext: {runAsUser: 0, runAsGroup: 5}}", NULL,
          "run_as_user: {}, run_as_group: {value: 5}" },
        { "{securityContext: {fsGroup: 0, supplementalGroups: [4000, 5000]}}", NULL,
          "supplemental_groups: [0, 4000, 5000]" },
        { "{securityContext: {fsGroup: 1, supplementalGroups: [4000]}}", &WITH_GROUPS,
          "supplemental_groups: [1, 77, 88, 4000]" },
        { "{securityContext: {supplementalGroupsPolicy: Merge}}", NULL, "" },
        { "{securityContext: {supplementalGroupsPolicy: Strict}}", NULL,
          "supplemental_groups_policy: Strict" },
        { "{securityContext: {seLinuxOptions: {user: u, role: r, type: t, level: l}}}", NULL,
          "selinux_options: {user: u, role: r, type: t, level: l}" },
        { "{securityContext: {seLinuxOptions: {level: 's0:c1'}}}", NULL,
          "selinux_options: {level: 's0:c1'}" },
        { "{securityContext: {seccompProfile: {type: Unconfined}}}", NULL, "" },
        { "{containers: [{}, {securityContext: {privileged: true}}]}", NULL, "privileged: true" },
        { "{initContainers: [{securityContext: {privileged: true}}]}", NULL, "privileged: true" },
        { "{ephemeralContainers: [{securityContext: {privileged: true}}]}", NULL,
          "privileged: true" },
        { "{containers: [{securityContext: {privileged: false}}]}", NULL, "" },
    };
    node_facts_t facts = { 0 };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        OWNED (free_text)
        char *expected = text_format ("{" NAMESPACES ", seccomp: {}%s%s}",
                                      *ROWS[i].expected ? ", " : "", ROWS[i].expected);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (
            sandbox_security (&fixture.pod, &facts, ROWS[i].facts, fixture.tree, &made, &fault), 0);
        assert_yaml (ROWS[i].spec, &made, expected);
    }
}

/* The security context of the pod's first container without what all have. */
static int
make (const fixture_t *fixture, const node_facts_t *facts, const pod_facts_t *pod_facts,
      image_user_t user, node_t *out, fault_t *fault)
{
    static const char *const COMMON[] = { "namespace_options", "masked_paths", "readonly_paths" };
    int rc = container_security (&fixture->pod, &fixture->pod.spec.containers.items[0], facts,
                                 pod_facts, user, NULL, fixture->tree, out, fault);
    for (size_t i = 0; rc == 0 && i < COUNT_OF (COMMON); i++)
        node_remove (out, COMMON[i]);
    return rc;
}

typedef struct {
    const char *pod, *container; // securityContext of each
    const char *expected;        // NULL: refused
    const char *fault;
} context_row_t;

#define ROOT "run_as_user: {}"
#define UNCONFINED "seccomp: {profile_type: Unconfined}"
#define PLAIN "{" ROOT ", " UNCONFINED "}"
#define MORE(fields) "{" ROOT ", " UNCONFINED ", " fields "}"

static const context_row_t CONTEXTS[] = {
    { "{}", "{}", PLAIN, "" },
    { "{runAsUser: 1, runAsGroup: 2}", "{}",
      "{run_as_user: {value: 1}, run_as_group: {value: 2}, " UNCONFINED "}", "" },
    { "{runAsUser: 1, runAsGroup: 2}", "{runAsUser: 0, runAsGroup: 0}",
      "{" ROOT ", run_as_group: {}, " UNCONFINED "}", "" },
    { "{}", "{privileged: true}", MORE ("privileged: true"), "" },
    { "{}", "{privileged: false}", PLAIN, "" },
    { "{}", "{readOnlyRootFilesystem: true}", MORE ("readonly_rootfs: true"), "" },
    { "{}", "{allowPrivilegeEscalation: false}", MORE ("no_new_privs: true"), "" },
    { "{}", "{allowPrivilegeEscalation: true}", PLAIN, "" },
    { "{}", "{capabilities: {}}", MORE ("capabilities: {}"), "" },
    { "{}", "{capabilities: {add: [NET_ADMIN, CAP_X], drop: [ALL]}}",
      MORE ("capabilities: {add_capabilities: [NET_ADMIN, CAP_X], drop_capabilities: [ALL]}"), "" },
    { "{seLinuxOptions: {level: l1}}", "{}", MORE ("selinux_options: {level: l1}"), "" },
    { "{seLinuxOptions: {level: l1}}", "{seLinuxOptions: {type: t2}}",
      MORE ("selinux_options: {type: t2}"), "" },
    { "{fsGroup: 1, supplementalGroups: [3, 2]}", "{}", MORE ("supplemental_groups: [1, 3, 2]"),
      "" },
    { "{supplementalGroupsPolicy: Strict}", "{}", MORE ("supplemental_groups_policy: Strict"), "" },
    { "{supplementalGroupsPolicy: Odd}", "{}", NULL, "unsupported supplementalGroupsPolicy: Odd" },
    // seccomp
    { "{seccompProfile: {type: RuntimeDefault}}", "{}", "{" ROOT ", seccomp: {}}", "" },
    { "{seccompProfile: {type: RuntimeDefault}}", "{seccompProfile: {type: Unconfined}}", PLAIN,
      "" },
    { "{}", "{seccompProfile: {type: Localhost, localhostProfile: a/b.json}}",
      "{" ROOT ", seccomp: {profile_type: Localhost,"
      " localhost_ref: /var/lib/kubelet/seccomp/a/b.json}}",
      "" },
    { "{}", "{seccompProfile: {type: Localhost, localhostProfile: ../x//./y}}",
      "{" ROOT ", seccomp: {profile_type: Localhost, localhost_ref: /var/lib/kubelet/x/y}}", "" },
    { "{}", "{seccompProfile: {type: Localhost, localhostProfile: ../../../../../../x}}",
      "{" ROOT ", seccomp: {profile_type: Localhost, localhost_ref: /x}}", "" },
    { "{}", "{seccompProfile: {type: Localhost}}", NULL,
      "localhostProfile must be set if seccompProfile type is Localhost." },
    // AppArmor
    { "{appArmorProfile: {type: RuntimeDefault}}", "{}",
      MORE ("apparmor: {}, apparmor_profile: runtime/default"), "" },
    { "{appArmorProfile: {type: RuntimeDefault}}", "{appArmorProfile: {type: Unconfined}}",
      MORE ("apparmor: {profile_type: Unconfined}, apparmor_profile: unconfined"), "" },
    { "{}", "{appArmorProfile: {type: Localhost, localhostProfile: p1}}",
      MORE ("apparmor: {profile_type: Localhost, localhost_ref: p1},"
            " apparmor_profile: localhost/p1"),
      "" },
    { "{}", "{appArmorProfile: {type: Localhost}}", NULL,
      "missing localhost apparmor profile name" },
    { "{}", "{appArmorProfile: {type: Odd}}", NULL, "unknown apparmor profile type: \"Odd\"" },
};

static void
containers (void **state)
{
    (void) state;
    node_facts_t facts = { .root_dir = "/var/lib/kubelet" };
    for (size_t i = 0; i < COUNT_OF (CONTEXTS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{securityContext: %s, containers: [{name: c,"
                                  " securityContext: %s}]}",
                                  CONTEXTS[i].pod, CONTEXTS[i].container);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t made;
        fault_t fault = { 0 };
        int rc = make (&fixture, &facts, NULL, (image_user_t){ 0 }, &made, &fault);
        assert_string_equal (fault.text, CONTEXTS[i].fault);
        assert_int_equal (rc, CONTEXTS[i].expected ? 0 : -1);
        if (CONTEXTS[i].expected)
            assert_yaml (spec, &made, CONTEXTS[i].expected);
    }
}

static void
the_node_may_default_seccomp (void **state)
{
    (void) state;
    node_facts_t facts = { .seccomp_default = true };
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{containers: [{}]}");
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (make (&fixture, &facts, NULL, (image_user_t){ 0 }, &made, &fault), 0);
    assert_yaml ("default", &made, "{" ROOT ", seccomp: {}}");
}

static void
groups_of_volumes_come_last_in_containers (void **state)
{
    (void) state;
    node_facts_t facts = { 0 };
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod ("{securityContext: {fsGroup: 1, supplementalGroups: [4]},"
                                     " containers: [{}]}");
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (make (&fixture, &facts, &WITH_GROUPS, (image_user_t){ 0 }, &made, &fault), 0);
    assert_yaml ("groups", node_get (&made, "supplemental_groups"), "[1, 4, 77, 88]");
}

static void
annotations_of_old_ask_for_apparmor (void **state)
{
    (void) state;
    static const struct {
        const char *value, *pod, *expected; // apparmor_profile; NULL: none
    } ROWS[] = {
        { "runtime/default", "{}", "runtime/default" },
        { "unconfined", "{}", "unconfined" },
        { "localhost/p", "{appArmorProfile: {type: Unconfined}}", "localhost/p" },
        { "nonsense", "{}", NULL },
        { "nonsense", "{appArmorProfile: {type: Unconfined}}", "unconfined" },
    };
    node_facts_t facts = { 0 };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *metadata = text_format (
            "{annotations: {container.apparmor.security.beta.kubernetes.io/c: %s}}", ROWS[i].value);
        OWNED (free_text)
        char *spec = text_format ("{securityContext: %s, containers: [{name: c}]}", ROWS[i].pod);
        OWNED (fixture_close) fixture_t fixture = fixture_with (metadata, spec);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (make (&fixture, &facts, NULL, (image_user_t){ 0 }, &made, &fault), 0);
        const char *profile = node_get_text (&made, "apparmor_profile", NULL);
        assert_int_equal (!profile, !ROWS[i].expected);
        if (profile)
            assert_string_equal (profile, ROWS[i].expected);
    }
}

static void
the_image_names_the_user (void **state)
{
    (void) state;
    static const struct {
        const char *image, *context, *expected;
    } ROWS[] = {
        { "{}", "{}", "{" ROOT ", " UNCONFINED "}" },
        { "{username: ''}", "{}", "{" ROOT ", " UNCONFINED "}" },
        { "{uid: {}}", "{}", "{" ROOT ", " UNCONFINED "}" },
        { "{uid: {value: 7}}", "{}", "{run_as_user: {value: 7}, " UNCONFINED "}" },
        { "{uid: {value: 7}, username: x}", "{}", "{run_as_user: {value: 7}, " UNCONFINED "}" },
        { "{uid: 7}", "{}", "{run_as_user: {value: 7}, " UNCONFINED "}" },
        { "{username: www}", "{}", "{run_as_username: www, " UNCONFINED "}" },
        { "{username: www}", "{runAsUser: 0}", "{" ROOT ", " UNCONFINED "}" },
        { "{username: www}", "{runAsGroup: 4}",
          "{run_as_username: www, run_as_group: {value: 4}, " UNCONFINED "}" },
    };
    node_facts_t facts = { 0 };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{securityContext: %s}]}", ROWS[i].context);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t image = yaml_node (ROWS[i].image, fixture.tree), made;
        fault_t fault = { 0 };
        assert_int_equal (make (&fixture, &facts, NULL, image_user (&image), &made, &fault), 0);
        assert_yaml (ROWS[i].image, &made, ROWS[i].expected);
    }
}

static void
proc_is_masked_unless_unmasked (void **state)
{
    (void) state;
    static const struct {
        const char *mount;
        size_t masked, readonly;
    } ROWS[] = { { "{}", 14, 5 },
                 { "{procMount: Default}", 14, 5 },
                 { "{procMount: Unmasked}", 0, 0 },
                 { "{privileged: true}", 14, 5 } };
    node_facts_t facts = { .thermal_throttle_paths =
                               TEXTS ("/sys/devices/system/cpu/cpu0/thermal_throttle",
                                      "/sys/devices/system/cpu/cpu1/thermal_throttle") };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{containers: [{securityContext: %s}]}", ROWS[i].mount);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (container_security (&fixture.pod, &fixture.pod.spec.containers.items[0],
                                              &facts, NULL, (image_user_t){ 0 }, NULL, fixture.tree,
                                              &made, &fault),
                          0);
        const node_t *masked = node_get (&made, "masked_paths");
        assert_int_equal (node_count (masked), ROWS[i].masked);
        assert_int_equal (node_count (node_get (&made, "readonly_paths")), ROWS[i].readonly);
        if (masked)
            assert_string_equal (node_as_text (node_item (masked, 13), ""),
                                 "/sys/devices/system/cpu/cpu1/thermal_throttle");
    }
}

#define WHO "(pod: \"web_shop(u-1)\", container: c)"

static void
non_root_is_checked (void **state)
{
    (void) state;
    static const struct {
        const char *pod, *container, *image, *fault;
    } ROWS[] = {
        { "{}", "{}", "{}", "" },
        { "{runAsNonRoot: false}", "{}", "{}", "" },
        { "{runAsNonRoot: true}", "{runAsNonRoot: false}", "{}", "" },
        { "{}", "{runAsNonRoot: true, runAsUser: 5}", "{}", "" },
        { "{runAsUser: 5}", "{runAsNonRoot: true}", "{}", "" },
        { "{runAsNonRoot: true, runAsUser: 5}", "{runAsUser: 0}", "{}",
          "container's runAsUser breaks non-root policy " WHO },
        { "{runAsNonRoot: true}", "{}", "{uid: {value: 5}}", "" },
        { "{runAsNonRoot: true}", "{}", "{}",
          "container has runAsNonRoot and image will run as root " WHO },
        { "{runAsNonRoot: true}", "{}", "{uid: {}}",
          "container has runAsNonRoot and image will run as root " WHO },
        { "{}", "{runAsNonRoot: true}", "{username: www}",
          "container has runAsNonRoot and image has non-numeric user (www), cannot verify user is "
          "non-root " WHO },
        { "{runAsNonRoot: true}", "{}", "{uid: {value: 2147483648}}",
          "container has runAsNonRoot and image has an invalid user id (2147483648). (Must be "
          "1-(2147483647)): must be between 0 and 2147483647, inclusive " WHO },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{securityContext: %s, containers: [{name: c,"
                                  " securityContext: %s}]}",
                                  ROWS[i].pod, ROWS[i].container);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t image = yaml_node (ROWS[i].image, fixture.tree);
        fault_t fault = { 0 };
        int rc = run_as_non_root_check (&fixture.pod, &fixture.pod.spec.containers.items[0],
                                        image_user (&image), &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, *ROWS[i].fault ? -1 : 0);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (sandboxes),
        cmocka_unit_test (containers),
        cmocka_unit_test (the_node_may_default_seccomp),
        cmocka_unit_test (groups_of_volumes_come_last_in_containers),
        cmocka_unit_test (annotations_of_old_ask_for_apparmor),
        cmocka_unit_test (the_image_names_the_user),
        cmocka_unit_test (proc_is_masked_unless_unmasked),
        cmocka_unit_test (non_root_is_checked),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
