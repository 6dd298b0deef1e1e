/* test_pod_hostname.c - what a pod is called. */
#include "cubelet/pod_hostname.h"
#include "pod_fixture.h"

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define NO_LABEL                                                                                   \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "     \
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

static void
names_and_domains (void **state)
{
    (void) state;
    static const struct {
        const char *pod, *spec, *name, *domain, *kernel, *fault;
    } ROWS[] = {
        { "web", "{}", "web", "", "web", "" },
        { "web", "{hostname: h}", "h", "", "h", "" },
        { "web", "{hostname: ''}", "web", "", "web", "" },
        { "web", "{subdomain: s}", "web", "s.shop.svc.c.local", "web", "" },
        { "web", "{hostname: h, subdomain: s, setHostnameAsFQDN: true}", "h", "s.shop.svc.c.local",
          "h.s.shop.svc.c.local", "" },
        { "web", "{hostname: h, setHostnameAsFQDN: true}", "h", "", "h", "" },
        { "web", "{hostname: h, subdomain: s, setHostnameAsFQDN: false}", "h", "s.shop.svc.c.local",
          "h", "" },
        { "web", "{hostNetwork: true, hostname: h}", "h", "", "", "" },
        { A60 "bcd", "{}", A60 "bcd", "", A60 "bcd", "" },
        { A60 "bcde", "{}", A60 "bcd", "", A60 "bcd", "" },
        { A60 "bc.e", "{}", A60 "bc", "", A60 "bc", "" },
        { A60 "--.e", "{}", A60, "", A60, "" },
        { "a.b", "{}", "a.b", "", "a.b", "" }, // names of pods may hold dots
        { "web", "{hostname: A}", NULL, NULL, NULL,
          "pod Hostname \"A\" is not a valid DNS label: " NO_LABEL },
        { "web", "{subdomain: a.b}", NULL, NULL, NULL,
          "pod Subdomain \"a.b\" is not a valid DNS label: " NO_LABEL },
        { "web", "{hostname: " A60 "bcde}", NULL, NULL, NULL,
          "pod Hostname \"" A60 "bcde\" is not a valid DNS label: must be no more than 63 "
          "bytes" },
        { "web", "{hostname: " A60 ", subdomain: s, setHostnameAsFQDN: true}", A60,
          "s.shop.svc.c.local", NULL,
          "failed to construct FQDN from pod hostname and cluster domain, FQDN " A60
          ".s.shop.svc.c.local is too long (64 characters is the max, 79 characters requested)" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *metadata = text_format ("{name: %s}", ROWS[i].pod);
        OWNED (fixture_close) fixture_t fixture = fixture_with (metadata, ROWS[i].spec);
        pod_hostname_t made;
        const char *kernel = NULL;
        fault_t fault = { 0 };
        int rc = pod_hostname (&fixture.pod, "c.local", fixture.tree, &made, &fault);
        assert_int_equal (rc, ROWS[i].name ? 0 : -1);
        if (ROWS[i].name) {
            assert_string_equal (made.name, ROWS[i].name);
            assert_string_equal (made.domain, ROWS[i].domain);
        }
        rc = pod_kernel_hostname (&fixture.pod, "c.local", fixture.tree, &kernel, &fault);
        assert_int_equal (rc, ROWS[i].kernel ? 0 : -1);
        assert_string_equal (fault.text, ROWS[i].fault);
        if (ROWS[i].kernel)
            assert_string_equal (kernel, ROWS[i].kernel);
    }
}

static void
a_name_of_hyphens_only_is_refused (void **state)
{
    (void) state;
    char metadata[128] = "{name: '";
    memset (metadata + strlen (metadata), '-', 70);
    strcat (metadata, "'}");
    OWNED (fixture_close) fixture_t fixture = fixture_with (metadata, "{}");
    pod_hostname_t made;
    fault_t fault = { 0 };
    assert_int_equal (pod_hostname (&fixture.pod, NULL, fixture.tree, &made, &fault), -1);
    assert_non_null (strstr (fault.text, "was invalid: \"---"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (names_and_domains),
        cmocka_unit_test (a_name_of_hyphens_only_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
