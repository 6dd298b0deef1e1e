/* test_name_rules.c - names and keys are accepted as the API accepts them. */
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *(*rule) (const char *text);
    const char *text;
    bool is_accepted;
} ROWS[] = {
    { name_rule_dns_label, "a", true },
    { name_rule_dns_label, "a-1", true },
    { name_rule_dns_label, A63, true },
    { name_rule_dns_label, A63 "a", false },
    { name_rule_dns_label, "", false },
    { name_rule_dns_label, "-a", false },
    { name_rule_dns_label, "a-", false },
    { name_rule_dns_label, "a.b", false },
    { name_rule_dns_label, "A", false },
    { name_rule_dns_label, "\xc3\xa4", false },
    { name_rule_dns_subdomain, "a.b-c.1", true },
    { name_rule_dns_subdomain, "a..b", false },
    { name_rule_dns_subdomain, "a.", false },
    { name_rule_dns_subdomain, A63 "." A63 "." A63 "." A63, false },
    { name_rule_search_domain, "_sip._tcp.a.b", true },
    { name_rule_search_domain, "a_b", false },
    { name_rule_qualified_name, "a.B_c-1", true },
    { name_rule_qualified_name, "example.com/a", true },
    { name_rule_qualified_name, "/a", false },
    { name_rule_qualified_name, "a/", false },
    { name_rule_qualified_name, "a/b/c", false },
    { name_rule_qualified_name, "A.b/c", false },
    { name_rule_qualified_name, A63 "a", false },
    { name_rule_qualified_name, "", false },
    { name_rule_label_value, "", true },
    { name_rule_label_value, "A.b_c-1", true },
    { name_rule_label_value, "a ", false },
    { name_rule_env_name, "my.NAME-1 x", true },
    { name_rule_env_name, "a=b", false },
    { name_rule_env_name, "a\tb", false },
    { name_rule_env_name, "\xc3\xa4", false },
    { name_rule_env_name, "", false },
    { name_rule_port_name, "web-1", true },
    { name_rule_port_name, "80", false },
    { name_rule_port_name, "a--b", false },
    { name_rule_port_name, "a-", false },
    { name_rule_port_name, "abcdefghijklmnop", false },
    { name_rule_port_name, "", false },
    { name_rule_config_key, "a.b_C-1", true },
    { name_rule_config_key, ".hidden", true },
    { name_rule_config_key, ".", false },
    { name_rule_config_key, "..", false },
    { name_rule_config_key, "..a", false },
    { name_rule_config_key, "a/b", false },
    { name_rule_config_key, "", false },
    { name_rule_http_header, "X-Probe", true },
    { name_rule_http_header, "X Probe", false },
    { name_rule_http_header, "", false },
    { name_rule_ip, "192.0.2.1", true },
    { name_rule_ip, "2001:db8::1", true },
    { name_rule_ip, "192.0.2", false },
    { name_rule_ip, "192.0.2.01", false },
    { name_rule_ip, "fe80::1%eth0", false },
    { name_rule_sysctl, "net.ipv4.tcp_syncookies", true },
    { name_rule_sysctl, "net/ipv4/tcp_syncookies", true },
    { name_rule_sysctl, "net..ipv4", false },
    { name_rule_sysctl, "Net.ipv4", false },
    { name_rule_sysctl, "", false },
};

static void
names_are_accepted_or_refused_with_a_reason (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        const char *reason = ROWS[i].rule (ROWS[i].text);
        if ((reason == NULL) != ROWS[i].is_accepted)
            fail_msg ("row %zu \"%s\": %s", i, ROWS[i].text, reason ? reason : "accepted");
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (names_are_accepted_or_refused_with_a_reason),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
