/* test_log_reader.c - log files become what a client gets, however they are cut into pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/duration.h"
#include "cubelet/log_reader.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define T1 "2024-05-01T10:00:01.5Z"
#define T2 "2024-05-01T10:00:02.123456789Z"
#define T3 "2024-05-01T12:00:03+02:00"
#define TWO T1 " stdout F one\n" T2 " stderr F two\n"
#define JSON                                                                                       \
    "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"" T1 "\"}\n"                               \
    "{\"log\":\"b\",\"stream\":\"stderr\",\"time\":\"" T2 "\"}\n"                                  \
    "{\"log\":\"c\\n\",\"stream\":\"stderr\",\"time\":\"" T2 "\"}\n"

static const struct {
    const char *query, *file, *out;
    bool is_done;
} FILES[] = {
    { "", "", "", false },
    { "", TWO, "one\ntwo\n", false },
    { "", T1 " stdout P on\n" T1 " stdout F e\n", "one\n", false },
    { "", T1 " stdout P:x on\n" T1 " stdout F:P e\n", "one\n", false },
    { "", T1 " stdout F \n", "\n", false },
    { "", T1 " stdout F   a b \n", "  a b \n", false },
    { "", T1 " stdout F cut", "cut", false },
    { "", T1 " stdout", "", false },
    // lines that cannot be read are left out, but not the first
    { "", TWO "garbage\n" T1 " stdout F on\n", "one\ntwo\non\n", false },
    { "", TWO T1 " stdin F no\n" T1 " stdout F on\n", "one\ntwo\non\n", false },
    { "", TWO "yesterday stdout F no\n" T1 " stdout F on\n", "one\ntwo\non\n", false },
    { "", TWO "\n" T1 " stdout F on\n", "one\ntwo\non\n", false },
    // timestamps: at the start of a line, nine digits, in the zone of the file
    { "timestamps=true", TWO,
      "2024-05-01T10:00:01.500000000Z one\n2024-05-01T10:00:02.123456789Z two\n", false },
    { "timestamps=1", T3 " stdout P on\n" T1 " stdout F e\n",
      "2024-05-01T12:00:03.000000000+02:00 one\n", false },
    { "timestamps=", "2024-05-01T10:00:01-07:30 stdout F x\n",
      "2024-05-01T10:00:01.000000000-07:30 x\n", false },
    { "timestamps=x", "2024-05-01T10:00:01.1234567891+00:00 stdout F x\n",
      "2024-05-01T10:00:01.123456789Z x\n", false },
    { "timestamps=false", TWO, "one\ntwo\n", false },
    { "timestamps=0", TWO, "one\ntwo\n", false },
    // since
    { "sinceTime=2024-05-01T10:00:02Z", TWO, "two\n", false },
    { "sinceTime=2024-05-01T10:00:02.123456789Z", TWO, "two\n", false },
    { "sinceTime=2024-05-01T10:00:03Z", TWO, "", false },
    { "sinceTime=2024-05-01T10:00:02.9Z&timestamps=true", TWO T3 " stdout F three\n",
      "2024-05-01T12:00:03.000000000+02:00 three\n", false },
    { "sinceTime=null", TWO, "one\ntwo\n", false },
    // limits
    { "limitBytes=5", TWO, "one\nt", true },
    { "limitBytes=4", TWO, "one\n", true },
    { "limitBytes=8", TWO, "one\ntwo\n", true },
    { "limitBytes=9", TWO, "one\ntwo\n", false },
    { "limitBytes=33&timestamps=true", TWO, "2024-05-01T10:00:01.500000000Z on", true },
    { "limitBytes=10&timestamps=true", TWO, "2024-05-01", true },
    { "tailLines=1", TWO, "one\n", true },
    { "tailLines=2", TWO TWO, "one\ntwo\n", true },
    { "tailLines=1", "", "", false },
    { "tailLines=0", TWO, "", true },
    { "tailLines=1&follow=true", TWO, "one\ntwo\n", false },
    { "tailLines=2", T1 " stdout P a\n" T1 " stdout F b\n" TWO, "ab\n", true },
    { "tail=1", TWO, "one\n", true },
    { "tail=all&tailLines=1", TWO, "one\ntwo\n", false },
    // streams
    { "stream=Stdout", TWO, "one\n", false },
    { "stream=Stderr", TWO, "two\n", false },
    { "stream=All", TWO, "one\ntwo\n", false },
    // Docker's
    { "", JSON, "a\nbc\n", false },
    { "timestamps=true", JSON,
      "2024-05-01T10:00:01.500000000Z a\n2024-05-01T10:00:02.123456789Z bc\n", false },
    { "stream=Stdout", JSON "{}\n[1]\n{\"log\": 1}\nx\n", "a\n", false },
    { "", JSON "{\"log\":\"\\u0041\\n\",\"stream\":\"stdout\",\"time\":\"" T1 "\"}", "a\nbc\nA\n",
      false },
};

typedef struct {
    char text[4096];
    size_t size;
} output_t;

static void
take (void *context, const char *bytes, size_t size)
{
    output_t *output = context;
    assert_true (output->size + size < sizeof output->text);
    memcpy (output->text + output->size, bytes, size);
    output->size += size;
}

static log_options_t
options_of (const char *query)
{
    log_options_t options = { 0 };
    fault_t fault = { 0 };
    OWNED (url_query_destroy) url_query_t *read = url_query_new (query);
    assert_int_equal (log_options_read (read, true, 0, &options, &fault), 0);
    return options;
}

/* Reads a file in pieces of that size. */
static log_reader_state_t
read_file (const char *query, const char *file, size_t piece, output_t *output, fault_t *fault)
{
    log_options_t options = options_of (query);
    OWNED (log_reader_destroy) log_reader_t *reader = log_reader_new (&options, take, output);
    size_t size = strlen (file);
    for (size_t i = 0; i < size; i += piece) {
        size_t now = size - i < piece ? size - i : piece;
        log_reader_state_t state = log_reader_feed (reader, file + i, now, fault);
        if (state != LOG_READER_GOES_ON)
            return state;
    }
    return log_reader_end (reader, fault);
}

static void
files_are_read_in_pieces_of_any_size (void **state)
{
    (void) state;
    static const size_t PIECES[] = { 1, 2, 3, 7, 30, 4096 };
    for (size_t i = 0; i < COUNT_OF (FILES); i++) {
        for (size_t piece = 0; piece < COUNT_OF (PIECES); piece++) {
            output_t output = { 0 };
            fault_t fault = { 0 };
            log_reader_state_t end =
                read_file (FILES[i].query, FILES[i].file, PIECES[piece], &output, &fault);
            assert_string_equal (output.text, FILES[i].out);
            bool is_last = FILES[i].is_done && strcmp (FILES[i].query, "tailLines=0") == 0;
            if (!is_last)
                assert_int_equal (end == LOG_READER_DONE, FILES[i].is_done);
        }
    }
}

static void
a_file_of_no_known_format_is_a_fault (void **state)
{
    (void) state;
    static const char *const STRANGE[] = { "hello world\n", "\n", "{\n", "{\"a\":1}\n",
                                           "a b c d\n" };
    for (size_t i = 0; i < COUNT_OF (STRANGE); i++) {
        output_t output = { 0 };
        fault_t fault = { 0 };
        assert_int_equal (read_file ("", STRANGE[i], 3, &output, &fault), LOG_READER_FAILED);
        assert_non_null (strstr (fault.text, "unsupported log format: \""));
        assert_int_equal (output.size, 0);
    }
}

static size_t counted;

static void
count (void *context, const char *bytes, size_t size)
{
    (void) context, (void) bytes;
    counted += size;
}

static void
a_line_may_be_longer_than_any_buffer (void **state)
{
    (void) state;
    log_options_t options = { 0 };
    fault_t fault = { 0 };
    counted = 0;
    OWNED (log_reader_destroy) log_reader_t *reader = log_reader_new (&options, count, NULL);
    OWNED (free_text) char *piece = memory_new (1 << 16, 1);
    memset (piece, 'x', 1 << 16);
    log_reader_feed (reader, T1 " stdout F ", strlen (T1 " stdout F "), &fault);
    for (int i = 0; i < 64; i++)
        log_reader_feed (reader, piece, 1 << 16, &fault);
    assert_int_equal (log_reader_feed (reader, "\n", 1, &fault), LOG_READER_GOES_ON);
    assert_int_equal (counted, 64 * (1 << 16) + 1);
    // without a header it is no line, and what follows it is one again
    for (int i = 0; i < 64; i++)
        log_reader_feed (reader, piece, 1 << 16, &fault);
    assert_int_equal (log_reader_feed (reader, "\n" TWO, 1 + strlen (TWO), &fault),
                      LOG_READER_GOES_ON);
    assert_int_equal (counted, 64 * (1 << 16) + 1 + 8);
}

// ---- the last lines ----

static const struct {
    const char *file;
    int64_t lines;
    int64_t start;
} TAILS[] = {
    { "a\nb\nc\n", 0, 6 },  { "a\nb\nc\n", 1, 4 }, { "a\nb\nc\n", 2, 2 },
    { "a\nb\nc\n", 3, 0 },  { "a\nb\nc\n", 4, 0 }, { "a\nb\nc\n", INT64_MAX, 0 },
    { "a\nb\nc", 0, 4 },    { "a\nb\nc", 1, 2 },   { "a\nb\nc", 2, 0 },
    { "", 1, 0 },           { "", 0, 0 },          { "\n\n\n", 1, 2 },
    { "no newline", 1, 0 },
};

static void
the_last_lines_are_found (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (TAILS); i++) {
        for (size_t room = 1; room < 10; room++) {
            log_tail_t tail;
            int64_t offset = 0;
            size_t size = 0;
            log_tail_start (&tail, (int64_t) strlen (TAILS[i].file), TAILS[i].lines);
            while (log_tail_next (&tail, room, &offset, &size))
                log_tail_take (&tail, TAILS[i].file + offset, size);
            assert_int_equal (tail.start, TAILS[i].start);
        }
    }
}

// ---- options ----

static const struct {
    const char *query;
    bool may_split;
    fault_code_t code;
} OPTIONS[] = {
    { "follow=true&previous=true&tailLines=0&limitBytes=1&sinceSeconds=1", false, FAULT_NONE },
    { "tailLines=9223372036854775807", false, FAULT_NONE },
    { "tailLines=9223372036854775808", false, FAULT_INVALID },
    { "tailLines=x", false, FAULT_INVALID },
    { "tailLines=", false, FAULT_INVALID },
    { "tailLines=1x", false, FAULT_INVALID },
    { "tail=x", false, FAULT_INVALID },
    { "limitBytes=1.5", false, FAULT_INVALID },
    { "sinceSeconds= 1", false, FAULT_INVALID },
    { "sinceTime=yesterday", false, FAULT_INVALID },
    { "tailLines=-1", false, FAULT_OUT_OF_RANGE },
    { "limitBytes=0", false, FAULT_OUT_OF_RANGE },
    { "sinceSeconds=0", false, FAULT_OUT_OF_RANGE },
    { "sinceSeconds=1&sinceTime=2024-05-01T10:00:02Z", false, FAULT_OUT_OF_RANGE },
    { "stream=Stdout", false, FAULT_OUT_OF_RANGE },
    { "stream=All", false, FAULT_OUT_OF_RANGE },
    { "stream=Stdout", true, FAULT_NONE },
    { "stream=stdout", true, FAULT_OUT_OF_RANGE },
    { "stream=Stdout&tailLines=1", true, FAULT_OUT_OF_RANGE },
    { "stream=All&tailLines=1", true, FAULT_NONE },
    { "unknown=1", false, FAULT_NONE },
};

static void
options_are_checked (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (OPTIONS); i++) {
        log_options_t options = { 0 };
        fault_t fault = { 0 };
        OWNED (url_query_destroy) url_query_t *query = url_query_new (OPTIONS[i].query);
        log_options_read (query, OPTIONS[i].may_split, 0, &options, &fault);
        assert_int_equal (fault.code, OPTIONS[i].code);
        if (fault.code == FAULT_INVALID)
            assert_string_equal (fault.text, "{\"message\": \"Unable to decode query.\"}");
        if (fault.code == FAULT_OUT_OF_RANGE)
            assert_string_equal (fault.text, "{\"message\": \"Invalid request.\"}");
    }
}

static void
seconds_count_from_now (void **state)
{
    (void) state;
    log_options_t options = { 0 };
    fault_t fault = { 0 };
    OWNED (url_query_destroy) url_query_t *query = url_query_new ("sinceSeconds=5");
    assert_int_equal (log_options_read (query, false, 7000000000, &options, &fault), 0);
    assert_true (options.since_ns.set);
    assert_int_equal (options.since_ns.value, 2000000000);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (files_are_read_in_pieces_of_any_size),
        cmocka_unit_test (a_file_of_no_known_format_is_a_fault),
        cmocka_unit_test (a_line_may_be_longer_than_any_buffer),
        cmocka_unit_test (the_last_lines_are_found),
        cmocka_unit_test (options_are_checked),
        cmocka_unit_test (seconds_count_from_now),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
