/* test_sysctls.c - kernel parameters are spelled and admitted as upstream does. */
#include "cubelet/sysctls.h"
#include "pod_fixture.h"

static void
names_get_dots (void **state)
{
    (void) state;
    static const struct {
        const char *name, *expected;
    } ROWS[] = {
        { "", "" },
        { "a", "a" },
        { "kernel.shm_rmid_forced", "kernel.shm_rmid_forced" },
        { "kernel/shm_rmid_forced", "kernel.shm_rmid_forced" },
        { "net.ipv4.conf.eno2/100.rp_filter", "net.ipv4.conf.eno2/100.rp_filter" },
        { "net/ipv4/conf/eno2.100/rp_filter", "net.ipv4.conf.eno2/100.rp_filter" },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        assert_string_equal (sysctl_name (ROWS[i].name, tree), ROWS[i].expected);
}

static void
sandboxes_get_them_with_dots (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod ("{securityContext: {sysctls: [{name: kernel/msgmax,"
                                     " value: '1'}, {name: net.core.somaxconn, value: '2'}]}}");
    node_t made = pod_sysctls (&fixture.pod, fixture.tree);
    assert_yaml ("sysctls", &made, "{kernel.msgmax: '1', net.core.somaxconn: '2'}");
    OWNED (fixture_close) fixture_t none = fixture_pod ("{}");
    made = pod_sysctls (&none.pod, none.tree);
    assert_yaml ("none", &made, "{}");
}

static void
only_what_is_listed_is_admitted (void **state)
{
    (void) state;
    static const struct {
        const char *name, *host;
        int major, minor;
        const char *refusal; // after "forbidden sysctl: "
    } ROWS[] = {
        { "kernel.shm_rmid_forced", "", 3, 0, "" },
        { "kernel/shm_rmid_forced", "", 3, 0, "" },
        { "net.ipv4.ip_unprivileged_port_start", "", 0, 0, "" },
        { "net.ipv4.ip_local_reserved_ports", "", 3, 16, "" },
        { "net.ipv4.ip_local_reserved_ports", "", 3, 15,
          "\"net.ipv4.ip_local_reserved_ports\" not allowlisted" },
        { "net.ipv4.tcp_rmem", "", 4, 15, "" },
        { "net.ipv4.tcp_rmem", "", 5, 0, "" },
        { "net.ipv4.tcp_rmem", "", 4, 14, "\"net.ipv4.tcp_rmem\" not allowlisted" },
        { "net.ipv4.tcp_rmem", "", 0, 0, "\"net.ipv4.tcp_rmem\" not allowlisted" },
        { "net.core.somaxconn", "", 6, 1, "\"net.core.somaxconn\" not allowlisted" },
        { "kernel.msgmax", "", 6, 1, "" }, // kernel.msg*
        { "kernel/msgmax", "", 6, 1, "" },
        { "kernel.sem", "", 6, 1, "" }, // named
        { "kernel.semx", "", 6, 1, "\"kernel.semx\" not allowlisted" },
        { "vm.swappiness", "", 6, 1, "\"vm.swappiness\" not allowlisted" },
        { "net.ipv4.tcp_syncookies", "hostNetwork: true", 6, 1,
          "\"net.ipv4.tcp_syncookies\" not allowed with host net enabled" },
        { "net.ipv4.tcp_syncookies", "hostIPC: true", 6, 1, "" },
        { "kernel.shm_rmid_forced", "hostNetwork: true", 6, 1, "" },
        { "kernel.shm_rmid_forced", "hostIPC: true", 6, 1,
          "\"kernel.shm_rmid_forced\" not allowed with host ipc enabled" },
        { "kernel.sem", "hostIPC: true", 6, 1, "\"kernel.sem\" not allowed with host ipc enabled" },
        { "vm.swappiness", "hostIPC: true", 6, 1, "\"vm.swappiness\" not allowlisted" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{securityContext: {sysctls: [{name: %s, value: '1'}]}%s%s}",
                                  ROWS[i].name, *ROWS[i].host ? ", " : "", ROWS[i].host);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_facts_t facts = { .kernel_major = ROWS[i].major,
                               .kernel_minor = ROWS[i].minor,
                               .allowed_unsafe_sysctls = TEXTS ("kernel.msg*", "kernel/sem") };
        fault_t fault = { 0 };
        int rc = sysctls_admit (&fixture.pod, &facts, &fault);
        if (!*ROWS[i].refusal) {
            assert_string_equal (fault.text, "");
            assert_int_equal (rc, 0);
            continue;
        }
        OWNED (free_text) char *expected = text_format ("forbidden sysctl: %s", ROWS[i].refusal);
        assert_string_equal (fault.text, expected);
        assert_int_equal (fault.code, FAULT_DENIED);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (names_get_dots),
        cmocka_unit_test (sandboxes_get_them_with_dots),
        cmocka_unit_test (only_what_is_listed_is_admitted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
