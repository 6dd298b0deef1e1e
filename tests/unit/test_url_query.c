/* test_url_query.c - queries and paths as Go's net/url reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include "cubelet/url_query.h"
#include <cmocka.h>

static const struct {
    const char *query, *name;
    size_t index;
    const char *value;
} VALUES[] = {
    { "a=1&b=2", "a", 0, "1" },
    { "a=1&b=2", "b", 0, "2" },
    { "a=1&b=2", "c", 0, NULL },
    { "command=ls&command=-l", "command", 0, "ls" },
    { "command=ls&command=-l", "command", 1, "-l" },
    { "command=ls&command=-l", "command", 2, NULL },
    { "follow", "follow", 0, "" },
    { "follow=", "follow", 0, "" },
    { "=x&a=1", "a", 0, "1" },
    { "&&a=1&&", "a", 0, "1" },
    { "a=b=c", "a", 0, "b=c" },
    { "a%20b=c+d%2Be", "a b", 0, "c d+e" },
    { "a=%e2%82%AC", "a", 0, "\xe2\x82\xac" },
    { "a=%zz&b=1", "a", 0, NULL },
    { "a=%zz&b=1", "b", 0, "1" },
    { "a=%4", "a", 0, NULL },
    { "a=%", "a", 0, NULL },
    { "a=x%00y", "a", 0, NULL },
    { "a=1;b=2", "a", 0, NULL },
    { "", "a", 0, NULL },
};

static void
finds_the_values_of_a_name (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (VALUES); i++) {
        OWNED (url_query_destroy) url_query_t *query = url_query_new (VALUES[i].query);
        const char *value = url_query_get_at (query, VALUES[i].name, VALUES[i].index);
        if (!VALUES[i].value)
            assert_null (value);
        else
            assert_string_equal (value, VALUES[i].value);
    }
    OWNED (url_query_destroy) url_query_t *none = url_query_new (NULL);
    assert_null (url_query_get (none, "a"));
}

static const struct {
    const char *path;
    int count; // -1: refused
    const char *parts[4];
} PATHS[] = {
    { "/exec/default/web/main", 3, { "default", "web", "main" } },
    { "/exec/default/web/", 3, { "default", "web", "" } },
    { "/exec/", 1, { "" } },
    { "/exec/a%2Fb/+", 2, { "a/b", "+" } },
    { "/exec/a%00b", -1, { NULL } },
    { "/exec/a%xx", -1, { NULL } },
    { "/exec/1/2/3/4/5/6/7/8/9", -1, { NULL } },
    { "/run/a", -1, { NULL } },
};

static void
splits_paths (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (PATHS); i++) {
        OWNED (url_parts_clear) url_parts_t parts = { 0 };
        int rc = url_parts_read (PATHS[i].path, "/exec/", &parts);
        assert_int_equal (rc, PATHS[i].count < 0 ? -1 : 0);
        if (rc < 0)
            continue;
        assert_int_equal (parts.count, PATHS[i].count);
        for (size_t part = 0; part < parts.count; part++)
            assert_string_equal (parts.parts[part], PATHS[i].parts[part]);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (finds_the_values_of_a_name),
        cmocka_unit_test (splits_paths),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
