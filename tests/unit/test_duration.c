#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define US 1000LL
#define MS 1000000LL
#define S 1000000000LL
#define M (60 * S)
#define H (60 * M)

static void
go_durations_are_read (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t ns;
    } ROWS[] = {
        { "0", 0 },
        { "5s", 5 * S },
        { "30s", 30 * S },
        { "1478s", 1478 * S },
        { "-5s", -5 * S },
        { "+5s", 5 * S },
        { "-0", 0 },
        { "+0", 0 },
        { "5.0s", 5 * S },
        { "5.6s", 5600 * MS },
        { "5.s", 5 * S },
        { ".5s", 500 * MS },
        { "1.004s", 1004 * MS },
        { "1.0040s", 1004 * MS },
        { "100.00100s", 100001 * MS },
        { "10ns", 10 },
        { "11us", 11 * US },
        { "12\302\265s", 12 * US },
        { "12\316\274s", 12 * US },
        { "13ms", 13 * MS },
        { "14s", 14 * S },
        { "15m", 15 * M },
        { "16h", 16 * H },
        { "3h30m", 3 * H + 30 * M },
        { "10.5s4m", 4 * M + 10500 * MS },
        { "-2m3.4s", -(2 * M + 3400 * MS) },
        { "1h2m3s4ms5us6ns", H + 2 * M + 3 * S + 4 * MS + 5 * US + 6 },
        { "1m30s", 90 * S },
        { "0.3333333333333333333h", 20 * M },
        { "9007199254740993ns", 9007199254740993 },
        { "9223372036854775807ns", INT64_MAX },
        { "-9223372036854775808ns", INT64_MIN },
        { "9223372036s854ms775us807ns", INT64_MAX },
        { "0.100000000000000000000h", 6 * M },
        { "0.830103483285477580700h", 2988372539827 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        int64_t ns = -1;
        fault_t fault = { 0 };
        if (duration_parse (ROWS[i].text, &ns, &fault) < 0)
            fail_msg ("%s: %s", ROWS[i].text, fault.text);
        if (ns != ROWS[i].ns)
            fail_msg ("%s is %lld", ROWS[i].text, (long long) ns);
    }
}

static void
malformed_durations_are_refused_in_gos_words (void **state)
{
    (void) state;
    static const struct {
        const char *text, *fault;
    } ROWS[] = {
        { "", "time: invalid duration \"\"" },
        { "3", "time: missing unit in duration \"3\"" },
        { "3000", "time: missing unit in duration \"3000\"" },
        { "-", "time: invalid duration \"-\"" },
        { "s", "time: invalid duration \"s\"" },
        { ".", "time: invalid duration \".\"" },
        { ".s", "time: invalid duration \".s\"" },
        { "-.", "time: invalid duration \"-.\"" },
        { "+.s", "time: invalid duration \"+.s\"" },
        { "1d", "time: unknown unit \"d\" in duration \"1d\"" },
        { "1 s", "time: unknown unit \" s\" in duration \"1 s\"" },
        { " 1s", "time: invalid duration \" 1s\"" },
        { "1s ", "time: unknown unit \"s \" in duration \"1s \"" },
        { "1S", "time: unknown unit \"S\" in duration \"1S\"" },
        { "1m-30s", "time: unknown unit \"m-\" in duration \"1m-30s\"" },
        { "00", "time: missing unit in duration \"00\"" },
        { "9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\"" },
        { "-9223372036854775809ns", "time: invalid duration \"-9223372036854775809ns\"" },
        { "9223372036854ms775us808ns", "time: invalid duration" },
        { "3000000h", "time: invalid duration \"3000000h\"" },
        { "99999999999999999999999999s", "time: invalid duration" },
        { "5000000000s5000000000s", "time: invalid duration" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        int64_t ns = 42;
        fault_t fault = { 0 };
        if (duration_parse (ROWS[i].text, &ns, &fault) == 0)
            fail_msg ("\"%s\" is accepted", ROWS[i].text);
        assert_int_equal (fault.code, FAULT_INVALID);
        if (!strstr (fault.text, ROWS[i].fault))
            fail_msg ("\"%s\": %s", ROWS[i].text, fault.text);
        assert_int_equal (ns, 42);
    }
}

static void
durations_are_written_as_go_does (void **state)
{
    (void) state;
    static const struct {
        int64_t ns;
        const char *text;
    } ROWS[] = {
        { 0, "0s" },
        { 1, "1ns" },
        { 1100, "1.1\302\265s" },
        { 2200 * US, "2.2ms" },
        { 3300 * MS, "3.3s" },
        { 4 * M + 5 * S, "4m5s" },
        { 4 * M + 5001 * MS, "4m5.001s" },
        { 5 * H + 6 * M + 7001 * MS, "5h6m7.001s" },
        { 8 * M + 1, "8m0.000000001s" },
        { 80 * S, "1m20s" },
        { 5 * M, "5m0s" },
        { H, "1h0m0s" },
        { 1500 * MS, "1.5s" },
        { -S, "-1s" },
        { -1, "-1ns" },
        { 999, "999ns" },
        { 999999999, "999.999999ms" },
        { INT64_MAX, "2562047h47m16.854775807s" },
        { INT64_MIN, "-2562047h47m16.854775808s" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        char text[DURATION_TEXT_MAX];
        assert_string_equal (duration_text (ROWS[i].ns, text), ROWS[i].text);
        int64_t ns;
        fault_t fault = { 0 };
        assert_int_equal (duration_parse (text, &ns, &fault), 0);
        assert_int_equal (ns, ROWS[i].ns);
    }
}

static void
rfc_3339_times_are_read (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t ns;
    } ROWS[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2006-01-02T15:04:05Z", 1136214245 * S },
        { "2006-01-02T15:04:05.999999999Z", 1136214245 * S + 999999999 },
        { "2006-01-02T15:04:05.1234567899Z", 1136214245 * S + 123456789 },
        { "2006-01-02T15:04:05.5Z", 1136214245 * S + 500 * MS },
        { "2006-01-02T15:04:05,5Z", 1136214245 * S + 500 * MS },
        { "2006-01-02T15:04:05+07:00", (1136214245 - 7 * 3600) * S },
        { "2006-01-02T15:04:05-07:30", (1136214245 + 7 * 3600 + 1800) * S },
        { "2000-02-29T00:00:00Z", 951782400 * S },
        { "2024-02-29T23:59:59Z", 1709251199 * S },
        { "1969-12-31T23:59:59.25Z", -750 * MS },
        { "1900-03-01T00:00:00Z", -2203891200 * S },
        { "0001-01-01T00:00:00Z", INT64_MIN },
        { "9999-12-31T23:59:59Z", INT64_MAX },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        int64_t ns = -1;
        fault_t fault = { 0 };
        if (time_parse (ROWS[i].text, &ns, &fault) < 0)
            fail_msg ("%s", fault.text);
        if (ns != ROWS[i].ns)
            fail_msg ("%s is %lld", ROWS[i].text, (long long) ns);
    }
}

static void
malformed_times_are_refused (void **state)
{
    (void) state;
    static const char *const ROWS[] = {
        "",
        "2006",
        "2006-01-02",
        "2006-01-02T15:04:05",
        "2006-01-02 15:04:05Z",
        "2006-01-02t15:04:05Z",
        "2006-01-02T15:04:05z",
        "2006-13-02T15:04:05Z",
        "2006-00-02T15:04:05Z",
        "2006-02-29T15:04:05Z",
        "1900-02-29T15:04:05Z",
        "2006-04-31T15:04:05Z",
        "2006-01-02T24:00:00Z",
        "2006-01-02T15:60:05Z",
        "2006-01-02T15:04:60Z",
        "2006-01-02T15:04:05.Z",
        "2006-01-02T15:04:05Z ",
        " 2006-01-02T15:04:05Z",
        "2006-1-2T15:04:05Z",
        "2006-01-02T15:04:05+0700",
        "2006-01-02T15:04:05+24:00",
        "2006-01-02T15:04:05+07:60",
        "-006-01-02T15:04:05Z",
        "20060-01-02T15:04:05Z",
        "2006-01-02T15:04:05.123",
        "2006-01-02T15:04:05ZZ",
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        int64_t ns;
        fault_t fault = { 0 };
        if (time_parse (ROWS[i], &ns, &fault) == 0)
            fail_msg ("\"%s\" is accepted", ROWS[i]);
        assert_int_equal (fault.code, FAULT_INVALID);
        assert_non_null (strstr (fault.text, ROWS[i]));
    }
}

static void
times_are_written_in_the_three_forms_of_the_api (void **state)
{
    (void) state;
    static const struct {
        int64_t ns;
        const char *seconds, *nano, *micro;
    } ROWS[] = {
        { 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z" },
        { 1136214245 * S + 120000000, "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.12Z",
          "2006-01-02T15:04:05.120000Z" },
        { 1136214245 * S + 1, "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.000000001Z",
          "2006-01-02T15:04:05.000000Z" },
        { 1136214245 * S + 999999999, "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.999999999Z",
          "2006-01-02T15:04:05.999999Z" },
        { -1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999999Z",
          "1969-12-31T23:59:59.999999Z" },
        { INT64_MAX, "2262-04-11T23:47:16Z", "2262-04-11T23:47:16.854775807Z",
          "2262-04-11T23:47:16.854775Z" },
        { INT64_MIN, "1677-09-21T00:12:43Z", "1677-09-21T00:12:43.145224192Z",
          "1677-09-21T00:12:43.145224Z" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        char text[TIME_TEXT_MAX];
        assert_string_equal (time_text (ROWS[i].ns, text), ROWS[i].seconds);
        assert_string_equal (time_text_micro (ROWS[i].ns, text), ROWS[i].micro);
        assert_string_equal (time_text_nano (ROWS[i].ns, text), ROWS[i].nano);
        int64_t ns;
        fault_t fault = { 0 };
        assert_int_equal (time_parse (text, &ns, &fault), 0);
        assert_int_equal (ns, ROWS[i].ns);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (go_durations_are_read),
        cmocka_unit_test (malformed_durations_are_refused_in_gos_words),
        cmocka_unit_test (durations_are_written_as_go_does),
        cmocka_unit_test (rfc_3339_times_are_read),
        cmocka_unit_test (malformed_times_are_refused),
        cmocka_unit_test (times_are_written_in_the_three_forms_of_the_api),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
