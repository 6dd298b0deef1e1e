/* test_dns_config.c - resolver files are read, and pods told of resolvers, as upstream does. */
#include "cubelet/dns_config.h"
#include "pod_fixture.h"

static void
resolver_files_are_read (void **state)
{
    (void) state;
    static const struct {
        const char *file, *expected; // NULL: refused
    } ROWS[] = {
        { "", "{servers: [], searches: [], options: []}" },
        { " ", "{servers: [], searches: [], options: []}" },
        { "\n\n#nameserver 1.1.1.1\n", "{servers: [], searches: [], options: []}" },
        { "nameserver 1.2.3.4", "{servers: [1.2.3.4], searches: [], options: []}" },
        { "  nameserver \t 1.2.3.4   junk\r\n", "{servers: [1.2.3.4], searches: [], options: []}" },
        { "nameserver 1.2.3.4\nnameserver fe80::1%lo",
          "{servers: [1.2.3.4, 'fe80::1%lo'], searches: [], options: []}" },
        { "search a b\nsearch c", "{servers: [], searches: [c], options: []}" },
        { "search a. . b.c. a", "{servers: [], searches: [a, b.c, a], options: []}" },
        { "search", "{servers: [], searches: [], options: []}" },
        { "search a\nsearch", "{servers: [], searches: [], options: []}" },
        { "options ndots:5 debug\noptions ndots:3 rotate debug",
          "{servers: [], searches: [], options: ['ndots:3', debug, rotate]}" },
        { "domain x\nfoo\nnameserver 1.1.1.1 #c",
          "{servers: [1.1.1.1], searches: [], options: []}" },
        { "nameserver", NULL },
        { "nameserver\nnameserver 1.1.1.1", NULL },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t made;
        fault_t fault = { 0 };
        int rc = resolv_conf_parse (ROWS[i].file, strlen (ROWS[i].file), tree, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].expected ? "" : "nameserver list is empty ");
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_yaml (ROWS[i].file, &made, ROWS[i].expected);
    }
}

static node_facts_t
lab (void)
{
    static const char *HOST_IPS[] = { "192.0.2.2" }, *CLUSTER_DNS[] = { "10.96.0.10" };
    static const char FILE[] = "nameserver 9.9.9.9\nsearch host.test\noptions rotate\n";
    return (node_facts_t){
        .host_ips = { HOST_IPS, 1 },
        .cluster_dns = { CLUSTER_DNS, 1 },
        .cluster_domain = "cluster.local",
        .resolv_conf_path = "/etc/resolv.conf",
        .resolv_conf = FILE,
        .resolv_conf_size = sizeof FILE - 1,
    };
}

static void
policies_choose_the_resolver (void **state)
{
    (void) state;
#define CLUSTER_SEARCHES "[shop.svc.cluster.local, svc.cluster.local, cluster.local, host.test]"
#define CLUSTER "{servers: [10.96.0.10], searches: " CLUSTER_SEARCHES ", options: ['ndots:5']}"
#define HOST "{servers: [9.9.9.9], searches: [host.test], options: [rotate]}"
    static const struct {
        const char *spec, *expected;
    } ROWS[] = {
        { "{dnsPolicy: ClusterFirst}", CLUSTER },
        { "{}", CLUSTER },
        { "{dnsPolicy: Nonsense}", CLUSTER },
        { "{dnsPolicy: ClusterFirst, hostNetwork: true}", HOST },
        { "{dnsPolicy: ClusterFirstWithHostNet, hostNetwork: true}", CLUSTER },
        { "{dnsPolicy: Default}", HOST },
        { "{dnsPolicy: None}", "{}" },
        { "{dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1], searches: [a, b],"
          " options: [{name: ndots, value: '2'}, {name: debug}]}}",
          "{servers: [1.1.1.1], searches: [a, b], options: ['ndots:2', debug]}" },
        { "{dnsPolicy: ClusterFirst, dnsConfig: {nameservers: [10.96.0.10, 1.1.1.1],"
          " searches: [x, cluster.local], options: [{name: ndots, value: '3'},"
          " {name: edns0, value: ''}]}}",
          "{servers: [10.96.0.10, 1.1.1.1],"
          " searches: [shop.svc.cluster.local, svc.cluster.local, cluster.local, host.test, x],"
          " options: ['ndots:3', edns0]}" },
        { "{dnsPolicy: Default, dnsConfig: {options: [{name: rotate, value: x}]}}",
          "{servers: [9.9.9.9], searches: [host.test], options: ['rotate:x']}" },
    };
    node_facts_t facts = lab();
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (ROWS[i].spec);
        node_t made, events = node_array();
        fault_t fault = { 0 };
        assert_int_equal (dns_config (&fixture.pod, &facts, fixture.tree, &made, &events, &fault),
                          0);
        assert_yaml (ROWS[i].spec, &made, ROWS[i].expected);
        assert_int_equal (node_count (&events), 0);
    }
}

static void
the_cluster_domain_may_be_missing (void **state)
{
    (void) state;
    node_facts_t facts = lab();
    facts.cluster_domain = NULL;
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{dnsPolicy: ClusterFirst}");
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (dns_config (&fixture.pod, &facts, fixture.tree, &made, NULL, &fault), 0);
    assert_yaml ("no domain", &made,
                 "{servers: [10.96.0.10], searches: [host.test], options: ['ndots:5']}");
}

static void
without_cluster_dns_the_host_is_used_and_that_is_told (void **state)
{
    (void) state;
#define TOLD                                                                                       \
    "kubelet does not have ClusterDNS IP configured and cannot create Pod using \\\"ClusterFirst"  \
    "\\\" policy. Falling back to \\\"Default\\\" policy."
    node_facts_t facts = lab();
    facts.cluster_dns = (text_list_t){ 0 };
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{dnsPolicy: ClusterFirst}");
    node_t made, events = node_array();
    fault_t fault = { 0 };
    assert_int_equal (dns_config (&fixture.pod, &facts, fixture.tree, &made, &events, &fault), 0);
    assert_yaml ("fallback", &made, HOST);
    assert_yaml ("events", &events,
                 "[{object: node, type: Warning, reason: MissingClusterDNS, message: \"" TOLD "\"},"
                 " {object: pod, type: Warning, reason: MissingClusterDNS,"
                 " message: \"pod: \\\"web_shop(u-1)\\\". " TOLD "\"}]");
}

static void
without_a_resolver_file_there_is_no_resolver (void **state)
{
    (void) state;
    const struct {
        text_list_t ips;
        const char *expected;
    } ROWS[] = {
        { TEXTS ("192.0.2.2"), "{servers: [127.0.0.1], searches: [.]}" },
        { TEXTS ("192.0.2.2", "fd00::1"), "{servers: [127.0.0.1, '::1'], searches: [.]}" },
        { { NULL, 0 }, "{servers: [127.0.0.1], searches: [.]}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        node_facts_t facts = { .host_ips = ROWS[i].ips, .resolv_conf_path = "" };
        OWNED (fixture_close) fixture_t fixture = fixture_pod ("{dnsPolicy: Default}");
        node_t made;
        fault_t fault = { 0 };
        assert_int_equal (dns_config (&fixture.pod, &facts, fixture.tree, &made, NULL, &fault), 0);
        assert_yaml (ROWS[i].expected, &made, ROWS[i].expected);
    }
}

static void
a_resolver_file_that_cannot_be_read_is_a_fault (void **state)
{
    (void) state;
    node_facts_t facts = lab();
    facts.resolv_conf = NULL;
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{dnsPolicy: None}");
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (dns_config (&fixture.pod, &facts, fixture.tree, &made, NULL, &fault), -1);
    assert_string_equal (fault.text, "open /etc/resolv.conf: no such file or directory");
    OWNED (free_text) char *told = resolv_conf_check (&facts);
    assert_string_equal (told, fault.text);
}

/* "{dnsPolicy: None, dnsConfig: {LIST: [x0, x1, ...]}}", each item padded to `length`. */
static char *
long_spec (const char *list, int count, int length)
{
    char *spec = text_format ("{dnsPolicy: None, dnsConfig: {%s: [", list);
    for (int i = 0; i < count; i++)
        text_replace (&spec, "%sx%0*d, ", spec, length - 1, i);
    text_replace (&spec, "%s]}}", spec);
    return spec;
}

static void
what_is_too_much_is_cut_and_told (void **state)
{
    (void) state;
    static const struct {
        const char *list, *field;
        int count, length;
        size_t kept;
        const char *told; // start of the message; NULL: none
    } ROWS[] = {
        { "nameservers", "servers", 3, 4, 3, NULL },
        { "nameservers", "servers", 4, 4, 3,
          "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
          "nameserver line is: x000 x001 x002" },
        { "searches", "searches", 32, 4, 32, NULL },
        { "searches", "searches", 33, 4, 32,
          "Search Line limits were exceeded, some search paths have been omitted, the applied "
          "search line is: x000 x001 " },
        { "searches", "searches", 100, 4, 32, "Search Line limits were exceeded" },
        { "searches", "searches", 1, 253, 1, NULL },
        { "searches", "searches", 1, 254, 0,
          "Search Line limits were exceeded, some search paths have been omitted, the applied "
          "search line is: " },
        { "searches", "searches", 8, 253, 8, NULL }, // 2031 characters
        { "searches", "searches", 9, 253, 8, "Search Line limits were exceeded" },
        { "searches", "searches", 32, 63, 32, NULL }, // 2047
        { "searches", "searches", 32, 64, 31, "Search Line limits were exceeded" },
    };
    node_facts_t facts = lab();
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *spec = long_spec (ROWS[i].list, ROWS[i].count, ROWS[i].length);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t made, events = node_array();
        fault_t fault = { 0 };
        assert_int_equal (dns_config (&fixture.pod, &facts, fixture.tree, &made, &events, &fault),
                          0);
        assert_int_equal (node_count (node_get (&made, ROWS[i].field)), ROWS[i].kept);
        assert_int_equal (node_count (&events), ROWS[i].told ? 1 : 0);
        if (!ROWS[i].told)
            continue;
        const node_t *event = node_item (&events, 0);
        const char *message = node_get_text (event, "message", "");
        assert_string_equal (node_get_text (event, "reason", ""), "DNSConfigForming");
        assert_string_equal (node_get_text (event, "object", ""), "pod");
        if (strncmp (message, ROWS[i].told, strlen (ROWS[i].told)) != 0)
            fail_msg ("told: %s", message);
    }
}

static char *
search_line (int count, int length)
{
    char *line = text_copy ("search");
    for (int i = 0; i < count; i++)
        text_replace (&line, "%s x%0*d", line, length - 1, i);
    return line;
}

static void
the_hosts_own_file_is_checked (void **state)
{
    (void) state;
    static const struct {
        const char *domain;
        int count, length;
        const char *told; // NULL: fine
    } ROWS[] = {
        { "cluster.local", 29, 4, NULL },
        { "cluster.local", 30, 4,
          "Resolv.conf file '/etc/resolv.conf' contains search line consisting of more than 29 "
          "domains!" },
        { "", 32, 4, NULL },
        { "", 33, 4,
          "Resolv.conf file '/etc/resolv.conf' contains search line consisting of more than 32 "
          "domains!" },
        { "", 1, 254,
          "Resolv.conf file \"/etc/resolv.conf\" contains a search path which length is more than "
          "allowed 253 chars!" },
        { "", 9, 253,
          "Resolv.conf file '/etc/resolv.conf' contains search line which length is more than "
          "allowed 2048 chars!" },
        { "", 8, 253, NULL },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *line = search_line (ROWS[i].count, ROWS[i].length);
        node_facts_t facts = lab();
        facts.cluster_domain = ROWS[i].domain;
        facts.resolv_conf = line;
        facts.resolv_conf_size = strlen (line);
        OWNED (free_text) char *told = resolv_conf_check (&facts);
        if (!told != !ROWS[i].told)
            fail_msg ("row %zu: %s", i, told ? told : "fine");
        if (told)
            assert_string_equal (told, ROWS[i].told);
    }
    node_facts_t none = { 0 };
    assert_null (resolv_conf_check (&none));
}

static void
a_hostile_resolver_file_takes_no_time (void **state)
{
    (void) state;
    OWNED (free_text) char *line = memory_new (4000100, 1);
    char *end = stpcpy (line, "search");
    for (int i = 0; i < 400000; i++)
        end += sprintf (end, " x%06d", i);
    node_facts_t facts = lab();
    facts.resolv_conf = line;
    facts.resolv_conf_size = strlen (line);
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{dnsPolicy: ClusterFirst}");
    node_t made, events = node_array();
    fault_t fault = { 0 };
    assert_int_equal (dns_config (&fixture.pod, &facts, fixture.tree, &made, &events, &fault), 0);
    assert_int_equal (node_count (node_get (&made, "searches")), 32);
    assert_int_equal (node_count (&events), 1);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (resolver_files_are_read),
        cmocka_unit_test (policies_choose_the_resolver),
        cmocka_unit_test (the_cluster_domain_may_be_missing),
        cmocka_unit_test (without_cluster_dns_the_host_is_used_and_that_is_told),
        cmocka_unit_test (without_a_resolver_file_there_is_no_resolver),
        cmocka_unit_test (a_resolver_file_that_cannot_be_read_is_a_fault),
        cmocka_unit_test (what_is_too_much_is_cut_and_told),
        cmocka_unit_test (the_hosts_own_file_is_checked),
        cmocka_unit_test (a_hostile_resolver_file_takes_no_time),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
