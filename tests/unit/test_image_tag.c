/* test_image_tag.c - a name without a tag means the tag latest; a wrong name is told as upstream
   tells it. */
#include "cubelet/image_name.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
the_default_tag_is_appended_and_nothing_else (void **state)
{
    (void) state;
    static const struct {
        const char *image, *expected;
    } ROWS[] = {
        { "busybox", "busybox:latest" },
        { "busybox:latest", "busybox:latest" },
        { "busybox:1", "busybox:1" },
        { "a/b", "a/b:latest" },
        { "localhost:5000/b", "localhost:5000/b:latest" },
        { "localhost:5000/b:v1", "localhost:5000/b:v1" },
        { "[::1]:5000/b", "[::1]:5000/b:latest" },
        { "busybox@sha256:" HEX64, "busybox@sha256:" HEX64 },
        { "busybox:1@sha256:" HEX64, "busybox:1@sha256:" HEX64 },
        { "foo_bar.x/baz", "foo_bar.x/baz:latest" }, // no host, so a path
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (free_text) char *name = image_name_with_tag (ROWS[i].image, &fault);
        assert_string_equal (fault.text, "");
        assert_string_equal (name, ROWS[i].expected);
    }
}

static void
wrong_names_are_told_as_upstream_does (void **state)
{
    (void) state;
    static const struct {
        const char *image, *quoted, *why;
    } ROWS[] = {
        { "Bad Name:::", "\"Bad Name:::\"",
          "invalid reference format: repository name (library/Bad Name) must be lowercase" },
        { "a\"b", "\"a\\\"b\"", "invalid reference format" },
        { "", "\"\"", "invalid reference format" },
        { "a@1x:" HEX64, "\"a@1x:" HEX64 "\"", "invalid reference format" },
        { "a@x-y:" HEX64, "\"a@x-y:" HEX64 "\"", "unsupported digest algorithm" },
        { "[1.2]:5000/a", "\"[1.2]:5000/a\"", "invalid reference format" },
        { "foo_bar:1/baz", "\"foo_bar:1/baz\"", "invalid reference format" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (free_text)
        char *expected = text_format ("Failed to apply default image tag %s: couldn't parse image "
                                      "name %s: %s",
                                      ROWS[i].quoted, ROWS[i].quoted, ROWS[i].why);
        assert_null (image_name_with_tag (ROWS[i].image, &fault));
        assert_int_equal (fault.code, FAULT_INVALID);
        assert_string_equal (fault.text, expected);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_default_tag_is_appended_and_nothing_else),
        cmocka_unit_test (wrong_names_are_told_as_upstream_does),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
