#include "cubelet/memory.h"
#include "cubelet/watch_stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Notes events as "TYPE=V " of {"type": ..., "object": {"v": V}}. */
typedef struct {
    char text[256];
    int limit; // events after which it says no; 0: never
} noted_t;

static bool
note (void *context, watch_event_type_t type, node_t *object, tree_t *tree)
{
    (void) tree;
    noted_t *self = context;
    size_t length = strlen (self->text);
    snprintf (self->text + length, sizeof self->text - length, "%d=%d ", (int) type,
              (int) node_get_int (object, "v", 0));
    return --self->limit != 0;
}

#define EVENT(type, v) "{\"type\":\"" type "\",\"object\":{\"v\":" v "}}"
static const char EVENTS[] = EVENT ("ADDED", "1") "\n" EVENT ("MODIFIED", "2") "\r\n\n" EVENT (
    "DELETED", "3") "\n" EVENT ("BOOKMARK", "4") "\n" EVENT ("ERROR", "5") "\n";

static void
events_come_in_pieces_of_any_size (void **state)
{
    (void) state;
    for (size_t piece = 1; piece <= sizeof EVENTS; piece++) {
        watch_stream_t stream = { 0 };
        noted_t noted = { 0 };
        fault_t fault = { 0 };
        for (size_t at = 0; at < sizeof EVENTS - 1; at += piece) {
            size_t left = sizeof EVENTS - 1 - at;
            assert_int_equal (watch_stream_read (&stream, EVENTS + at, left < piece ? left : piece,
                                                 note, &noted, &fault),
                              1);
        }
        assert_string_equal (noted.text, "0=1 1=2 2=3 3=4 4=5 ");
        assert_int_equal (stream.size, 0);
        watch_stream_clear (&stream);
    }
}

static void
reading_ends_when_it_is_told_so (void **state)
{
    (void) state;
    watch_stream_t stream = { 0 };
    noted_t noted = { .limit = 2 };
    fault_t fault = { 0 };
    assert_int_equal (watch_stream_read (&stream, EVENTS, sizeof EVENTS - 1, note, &noted, &fault),
                      0);
    assert_string_equal (noted.text, "0=1 1=2 ");
    watch_stream_clear (&stream);
}

static void
what_is_no_event_is_refused (void **state)
{
    (void) state;
    static const char *const LINES[] = {
        "x\n",
        "{}\n",
        "[]\n",
        "{\"type\": \"ADDED\"}\n",
        "{\"type\": \"ADDED\", \"object\": 7}\n",
        "{\"type\": \"added\", \"object\": {}}\n",
        "{\"type\": 7, \"object\": {}}\n",
        EVENT ("ADDED", "1") EVENT ("ADDED", "1") "\n",
    };
    for (size_t i = 0; i < COUNT_OF (LINES); i++) {
        watch_stream_t stream = { 0 };
        noted_t noted = { 0 };
        fault_t fault = { 0 };
        assert_int_equal (
            watch_stream_read (&stream, LINES[i], strlen (LINES[i]), note, &noted, &fault), -1);
        assert_int_equal (fault.code, FAULT_INVALID);
        assert_string_equal (noted.text, "");
        watch_stream_clear (&stream);
    }
}

static void
a_line_without_end_is_refused (void **state)
{
    (void) state;
    enum { PIECE = 1024 * 1024 };
    OWNED (free_text) char *piece = memory_new (PIECE, 1);
    memset (piece, 'x', PIECE);
    watch_stream_t stream = { 0 };
    noted_t noted = { 0 };
    fault_t fault = { 0 };
    int pieces = 0;
    while (watch_stream_read (&stream, piece, PIECE, note, &noted, &fault) == 1)
        pieces++;
    assert_int_equal (pieces, WATCH_EVENT_MAX_BYTES / PIECE);
    assert_non_null (strstr (fault.text, "larger than 8 MiB"));
    watch_stream_clear (&stream);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (events_come_in_pieces_of_any_size),
        cmocka_unit_test (reading_ends_when_it_is_told_so),
        cmocka_unit_test (what_is_no_event_is_refused),
        cmocka_unit_test (a_line_without_end_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
