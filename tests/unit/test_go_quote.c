#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
// cmocka needs these before it
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
quotes_as_go_does (void **state)
{
    (void) state;
    static const struct {
        const char *text, *quoted;
    } CASES[] = {
        { "", "\"\"" },
        { NULL, "\"\"" },
        { "nginx:latest", "\"nginx:latest\"" },
        { "a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"" },
        { "line1\nline2\t\r\a\b\f\v", "\"line1\\nline2\\t\\r\\a\\b\\f\\v\"" },
        { "\x01\x7f", "\"\\x01\\x7f\"" },
        { "'single'", "\"'single'\"" },
        { "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80",
          "\"gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80\"" },
        { "\xc2\xa0\xe2\x80\x8b\xef\xbb\xbf", "\"\\u00a0\\u200b\\ufeff\"" },
        { "\xf3\xa0\x81\x81", "\"\\U000e0041\"" },
        { "bad \xff\xc3 end", "\"bad \\xff\\xc3 end\"" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *quoted = go_quote (CASES[i].text);
        assert_string_equal (quoted, CASES[i].quoted);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (quotes_as_go_does),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
