/* test_image_name.c - image names are completed and checked as upstream does. */
#include "cubelet/image_name.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
names_are_completed (void **state)
{
    (void) state;
    static const struct {
        const char *text, *repository, *tag, *digest;
    } ROWS[] = {
        { "nginx", "docker.io/library/nginx", "latest", "" },
        { "nginx:1.2", "docker.io/library/nginx", "1.2", "" },
        { "user/app", "docker.io/user/app", "latest", "" },
        { "registry.k8s.io/pause:3.8", "registry.k8s.io/pause", "3.8", "" },
        { "127.0.0.1:15000/busybox:pull", "127.0.0.1:15000/busybox", "pull", "" },
        { "localhost/a/b__c-d.e", "localhost/a/b__c-d.e", "latest", "" },
        { "[::1]:5000/a", "[::1]:5000/a", "latest", "" },
        { "index.docker.io/nginx", "docker.io/library/nginx", "latest", "" },
        { "a@sha256:" HEX64, "docker.io/library/a", "", "sha256:" HEX64 },
        { "a:t@sha256:" HEX64, "docker.io/library/a", "t", "sha256:" HEX64 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        image_name_t name;
        fault_t fault = { 0 };
        image_name_parse (ROWS[i].text, &name, &fault);
        assert_string_equal (fault.text, "");
        assert_string_equal (name.repository, ROWS[i].repository);
        assert_string_equal (name.tag, ROWS[i].tag);
        assert_string_equal (name.digest, ROWS[i].digest);
    }
}

static void
bad_names_are_refused_in_upstreams_words (void **state)
{
    (void) state;
    static const struct {
        const char *text, *problem;
    } ROWS[] = {
        { "Bad Name:::",
          "invalid reference format: repository name (library/Bad Name) must be lowercase" },
        { "", "invalid reference format" },
        { "a b", "invalid reference format" },
        { "a:", "invalid reference format" },
        { "a:-x", "invalid reference format" },
        { "a//b", "invalid reference format" },
        { "a/b/", "invalid reference format" },
        { "a___b", "invalid reference format" },
        { "a.-b", "invalid reference format" },
        { "-x.y/a", "invalid reference format" },
        { "x.y:port/a", "invalid reference format" },
        { "a@", "invalid reference format" },
        { "a@sha256:0123", "invalid reference format" },
        { "a@md5:" HEX64, "unsupported digest algorithm" },
        { "a@sha256:" HEX64 "00", "invalid checksum digest length" },
        { HEX64,
          "invalid repository name (" HEX64 "), cannot specify 64-byte hexadecimal strings" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        image_name_t name;
        fault_t fault = { 0 };
        char expected[512];
        snprintf (expected, sizeof expected, "couldn't parse image name \"%s\": %s", ROWS[i].text,
                  ROWS[i].problem);
        assert_int_equal (image_name_parse (ROWS[i].text, &name, &fault), -1);
        assert_string_equal (fault.text, expected);
        assert_string_equal (name.repository, "");
    }
}

static void
long_names_are_refused (void **state)
{
    (void) state;
    char text[1024];
    memset (text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    image_name_t name;
    fault_t fault = { 0 };
    assert_int_equal (image_name_parse (text, &name, &fault), -1);
    assert_non_null (strstr (fault.text, "must not be more than 255 characters"));
    text[1] = ':';
    assert_int_equal (image_name_parse (text, &name, &fault), -1);
    assert_int_equal (image_name_parse (NULL, &name, &fault), -1);
}

static void
only_latest_is_pulled_always (void **state)
{
    (void) state;
    assert_string_equal (image_default_pull_policy ("nginx"), "Always");
    assert_string_equal (image_default_pull_policy ("nginx:latest"), "Always");
    assert_string_equal (image_default_pull_policy ("nginx:latest@sha256:" HEX64), "Always");
    assert_string_equal (image_default_pull_policy ("nginx:1"), "IfNotPresent");
    assert_string_equal (image_default_pull_policy ("nginx@sha256:" HEX64), "IfNotPresent");
    assert_string_equal (image_default_pull_policy ("BAD"), "IfNotPresent");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (names_are_completed),
        cmocka_unit_test (bad_names_are_refused_in_upstreams_words),
        cmocka_unit_test (long_names_are_refused),
        cmocka_unit_test (only_latest_is_pulled_always),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
