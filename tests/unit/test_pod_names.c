/* test_pod_names.c - names and paths made from a pod's identity. */
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
a_worker_is_named_after_its_pod (void **state)
{
    (void) state;
    char name[ACTOR_NAME_MAX];
    pod_worker_name ("default", "nginx", "u-1", name);
    assert_string_equal (name, "pod-worker/default_nginx_u-1");
    assert_string_equal (pod_worker_uid (name), "u-1");
    pod_worker_name (NULL, NULL, NULL, name);
    assert_string_equal (name, "pod-worker/__");
}

static void
a_long_name_loses_its_end_but_not_the_uid (void **state)
{
    (void) state;
    char ns[64], pod[254], uid[37], name[ACTOR_NAME_MAX];
    memset (ns, 'n', sizeof ns);
    memset (pod, 'p', sizeof pod);
    memset (uid, 'u', sizeof uid);
    ns[63] = pod[253] = uid[36] = '\0';
    pod_worker_name (ns, pod, uid, name);
    assert_int_equal (strlen (name), ACTOR_NAME_MAX - 1);
    assert_string_equal (pod_worker_uid (name), uid);

    char endless[400];
    memset (endless, 'x', sizeof endless);
    endless[399] = '\0';
    pod_worker_name (endless, "p", endless, name); // cannot fit, must not overflow
    assert_int_equal (strlen (name), ACTOR_NAME_MAX - 1);
}

static void
paths_are_where_upstream_has_them (void **state)
{
    (void) state;
    const struct {
        char *text;
        const char *expected;
    } ROWS[] = {
        { pod_full_name ("ns", "p", "u"), "p_ns(u)" },
        { pod_log_directory ("/var/log/pods", "ns", "p", "u"), "/var/log/pods/ns_p_u" },
        { container_log_path ("c", 3), "c/3.log" },
        { container_log_link ("/var/log/containers", "ns", "p", "c", "0123"),
          "/var/log/containers/p_ns_c-0123.log" },
        { pod_directory ("/r", "u"), "/r/pods/u" },
        { pod_container_directory ("/r", "u", "c"), "/r/pods/u/containers/c" },
        { pod_hosts_path ("/r", "u"), "/r/pods/u/etc-hosts" },
        { pod_volumes_directory ("/r", "u"), "/r/pods/u/volumes" },
        { pod_subpaths_directory ("/r", "u"), "/r/pods/u/volume-subpaths" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        assert_string_equal (ROWS[i].text, ROWS[i].expected);
        free (ROWS[i].text);
    }
    assert_string_equal (pod_log_directory_uid ("/var/log/pods/ns_p_u-2"), "u-2");
    assert_string_equal (pod_log_directory_uid ("/a_b/c"), "");
}

static void
a_log_link_fits_into_a_file_name (void **state)
{
    (void) state;
    char pod[254];
    memset (pod, 'p', sizeof pod);
    pod[253] = '\0';
    OWNED (free_text) char *link = container_log_link ("/l", "ns", pod, "c", "0123456789");
    assert_int_equal (strlen (link), strlen ("/l/") + 255);
    assert_string_equal (link + strlen (link) - 4, ".log");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_worker_is_named_after_its_pod),
        cmocka_unit_test (a_long_name_loses_its_end_but_not_the_uid),
        cmocka_unit_test (paths_are_where_upstream_has_them),
        cmocka_unit_test (a_log_link_fits_into_a_file_name),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
