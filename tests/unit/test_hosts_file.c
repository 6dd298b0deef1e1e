/* test_hosts_file.c - the hosts file a pod gets, and which containers get it. */
#include "cubelet/hosts_file.h"
#include "pod_fixture.h"

#define HEAD                                                                                       \
    "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost "        \
    "ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\n"       \
    "fe00::2\tip6-allrouters\n"
#define ALIASES "{hostAliases: [{ip: 1.2.3.4, hostnames: [a, b.c]}, {ip: '::5', hostnames: [d]}]}"
#define ALIAS_LINES "\n# Entries added by HostAliases.\n1.2.3.4\ta\tb.c\n::5\td\n"

static void
files_are_upstreams (void **state)
{
    (void) state;
    const struct {
        const char *spec;
        pod_hostname_t hostname;
        text_list_t ips;
        const char *node_hosts, *expected;
    } ROWS[] = {
        { "{}", { "web", "" }, TEXTS ("10.0.0.1"), NULL, HEAD "10.0.0.1\tweb\n" },
        { "{}",
          { "web", "s.ns.svc.c" },
          TEXTS ("10.0.0.1", "fd00::1"),
          NULL,
          HEAD "10.0.0.1\tweb.s.ns.svc.c\tweb\nfd00::1\tweb.s.ns.svc.c\tweb\n" },
        { "{}", { "web", "" }, { NULL, 0 }, NULL, HEAD },
        { ALIASES, { "web", "" }, TEXTS ("10.0.0.1"), NULL, HEAD "10.0.0.1\tweb\n" ALIAS_LINES },
        { "{hostNetwork: true}",
          { "web", "" },
          TEXTS ("10.0.0.1"),
          "127.0.0.1 me\n",
          "# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n" },
        { "{hostNetwork: true}",
          { "web", "" },
          { NULL, 0 },
          NULL,
          "# Kubernetes-managed hosts file (host network).\n" },
        { "{hostNetwork: true, hostAliases: [{ip: 1.1.1.1, hostnames: []}]}",
          { "web", "" },
          { NULL, 0 },
          "x\n",
          "# Kubernetes-managed hosts file (host network).\nx\n\n# Entries added by "
          "HostAliases.\n1.1.1.1\t\n" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        OWNED (free_text)
        char *made = hosts_file (&fixture.pod, &ROWS[i].hostname, ROWS[i].ips, ROWS[i].node_hosts);
        assert_string_equal (made, ROWS[i].expected);
    }
}

static void
it_is_mounted_unless_the_container_has_its_own (void **state)
{
    (void) state;
    static const struct {
        const char *spec;
        size_t ip_count;
        bool expected;
    } ROWS[] = {
        { "{containers: [{}]}", 1, true },
        { "{containers: [{}]}", 0, false },
        { "{hostNetwork: true, containers: [{}]}", 0, true },
        { "{containers: [{volumeMounts: [{name: v, mountPath: /etc/hosts}]}]}", 1, false },
        { "{containers: [{volumeMounts: [{name: v, mountPath: /etc}, {name: w}]}]}", 1, true },
    };
    text_list_t ips = TEXTS ("10.0.0.1");
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        ips.count = ROWS[i].ip_count;
        assert_int_equal (
            hosts_file_is_mounted (&fixture.pod, &fixture.pod.spec.containers.items[0], ips),
            ROWS[i].expected);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (files_are_upstreams),
        cmocka_unit_test (it_is_mounted_unless_the_container_has_its_own),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
