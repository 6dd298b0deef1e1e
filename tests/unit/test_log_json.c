/* Log lines as JSON objects. */
#include "cubelet/log_json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define HEAD "{\"ts\":1700000000123.456789,\"caller\":\"a.c:7\","

static const struct {
    log_level_t level;
    const char *text, *expected;
} ROWS[] = {
    { LOG_LEVEL_INFO, "Pod added", HEAD "\"msg\":\"Pod added\",\"v\":0}" },
    { LOG_LEVEL_WARNING, "", HEAD "\"msg\":\"\",\"v\":0}" },
    { LOG_LEVEL_INFO, "Pod added pod=a/b n=1",
      HEAD "\"msg\":\"Pod added\",\"v\":0,\"pod\":\"a/b\",\"n\":\"1\"}" },
    { LOG_LEVEL_ERROR, "Failed pod=a/b err=x y=z",
      HEAD "\"msg\":\"Failed\",\"pod\":\"a/b\",\"err\":\"x y=z\"}" },
    { LOG_LEVEL_INFO, "Killing reason=a b c grace=2",
      HEAD "\"msg\":\"Killing\",\"v\":0,\"reason\":\"a b c\",\"grace\":\"2\"}" },
    { LOG_LEVEL_INFO, "a == b, 1=2 and x= y",
      HEAD "\"msg\":\"a == b, 1=2 and\",\"v\":0,\"x\":\" y\"}" },
    { LOG_LEVEL_INFO, "say \"hi\"\\\n\x7f",
      HEAD "\"msg\":\"say \\\"hi\\\"\\\\\\u000a\\u007f\",\"v\":0}" },
    { LOG_LEVEL_INFO, "gr\xc3\xbc\xff.", HEAD "\"msg\":\"gr\xc3\xbc\\ufffd.\",\"v\":0}" },
};

static void
a_line_becomes_an_object (void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char out[512];
        log_line_t line = { ROWS[i].level, 1700000000123456789, "a.c", 7 };
        size_t size = log_json (&line, ROWS[i].text, out, sizeof out - 1);
        out[size] = '\0';
        assert_string_equal (out, ROWS[i].expected);
    }
}

static void
what_does_not_fit_is_cut_and_the_object_stays_whole (void **state)
{
    (void) state;
    static const char FILL[] = { 'a', '\n', '"', '=', ' ', '\xff' };
    for (size_t kind = 0; kind < sizeof FILL; kind++)
        for (size_t length = 150; length < 400; length++) {
            char text[512], out[256];
            memset (text, FILL[kind], length);
            memcpy (text + length, " k=v err=x", sizeof " k=v err=x");
            log_line_t line = { LOG_LEVEL_INFO, 1, "a.c", 7 };
            size_t size = log_json (&line, text, out, sizeof out);
            assert_true (size <= sizeof out);
            fault_t fault = { 0 };
            OWNED (tree_destroy) tree_t *tree = json_read (out, size, &fault);
            if (!tree)
                fail_msg ("%s: %.*s", fault.text, (int) size, out);
        }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_line_becomes_an_object),
        cmocka_unit_test (what_does_not_fit_is_cut_and_the_object_stays_whole),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
