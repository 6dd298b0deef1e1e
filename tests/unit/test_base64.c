/* test_base64.c - base64 is read as Go reads it. */
#include "cubelet/base64.h"
#include "pod_fixture.h"

static void
texts_are_decoded (void **state)
{
    (void) state;
    static const struct {
        const char *text, *bytes; // NULL: refused
    } ROWS[] = {
        { "", "" },
        { "Zg==", "f" },
        { "Zm8=", "fo" },
        { "Zm9v", "foo" },
        { "Zm9v\n", "foo" },
        { "Zm\r\n9v", "foo" },
        { "Zm9vYg==", "foob" },
        { "+/+/", "\373\377\277" },
        { "Z", NULL },
        { "Zg", NULL },
        { "Zg=", NULL },
        { "=", NULL },
        { "Z===", NULL },
        { "Zg==Zg==", NULL },
        { "Zg=a", NULL },
        { "Zm9v ", NULL },
        { "Zm9v=", NULL },
        { "-_-_", NULL },
        { "Zg==x", NULL },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        size_t size = 99;
        OWNED (free_text) char *bytes = base64_decode (ROWS[i].text, &size);
        if (!bytes != !ROWS[i].bytes)
            fail_msg ("%s: %s", ROWS[i].text, bytes ? bytes : "refused");
        if (!bytes)
            continue;
        assert_int_equal (size, strlen (ROWS[i].bytes));
        assert_string_equal (bytes, ROWS[i].bytes);
    }
}

static void
zero_bytes_pass (void **state)
{
    (void) state;
    size_t size = 0;
    OWNED (free_text) char *bytes = base64_decode ("AABB", &size);
    assert_int_equal (size, 3);
    assert_memory_equal (bytes, "\0\0A", 3);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (texts_are_decoded),
        cmocka_unit_test (zero_bytes_pass),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
