/* The log-rotator, with a runtime played by the test. */
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include <cmocka.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char place[64];
    char *log;
    stage_t *stage;
    peer_t *runtime;
} room_t;

static void
write_log (const char *path, size_t size)
{
    OWNED (close_file) FILE *file = fopen (path, "ae");
    assert_non_null (file);
    for (size_t i = 0; i < size; i++)
        fputc ('x', file);
}

static room_t *
room_new (int max_files)
{
    room_t *self = memory_new (1, sizeof *self);
    strcpy (self->place, "/tmp/test_log_rotator.XXXXXX");
    assert_non_null (mkdtemp (self->place));
    self->log = text_format ("%s/0.log", self->place);
    self->stage = stage_new();
    self->runtime = stage_peer (self->stage, "runtime");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_int (tree, &args, "max_size", 100);
    node_set_int (tree, &args, "max_files", max_files);
    node_set_int (tree, &args, "max_workers", 1);
    node_set_int (tree, &args, "interval_ms", 50);
    stage_actor (self->stage, &log_rotator_class, "log-rotator", &args);
    return self;
}

static void
room_destroy (room_t **self_p)
{
    room_t *self = *self_p;
    stage_destroy (&self->stage);
    OWNED (free_text) char *command = text_format ("rm -r %s", self->place);
    assert_int_equal (system (command), 0);
    free (self->log);
    free (self);
    *self_p = NULL;
}

/* Answers listings with one container, and its status, until the rotator asks for a reopening. */
static received_t *
serve_until_reopen (room_t *self)
{
    for (;;) {
        OWNED (received_destroy) received_t *asked = peer_next (self->runtime, PEER_DEADLINE_MS);
        assert_non_null (asked);
        if (asked->type == MSG_CRI_LIST_CONTAINERS)
            peer_reply_json (self->runtime, asked, "{\"containers\":[{\"id\":\"c1\"}]}");
        else if (asked->type == MSG_CRI_CONTAINER_STATUS) {
            OWNED (free_text)
            char *body =
                text_format ("{\"status\":{\"id\":\"c1\",\"log_path\":\"%s\"}}", self->log);
            peer_reply_json (self->runtime, asked, body);
        }
        else if (asked->type == MSG_CRI_REOPEN_CONTAINER_LOG)
            return STEAL (asked);
    }
}

static size_t
count_files (const room_t *self, const char *pattern)
{
    glob_t found;
    OWNED (free_text) char *all = text_format ("%s/%s", self->place, pattern);
    size_t count = glob (all, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree (&found);
    return count;
}

static void
a_log_that_is_too_large_is_renamed_and_reopened (void **state)
{
    (void) state;
    OWNED (room_destroy) room_t *room = room_new (5);
    OWNED (free_text) char *old = text_format ("%s/0.log.20200101-000000", room->place);
    write_log (room->log, 100);
    write_log (old, 10);
    OWNED (received_destroy) received_t *asked = serve_until_reopen (room);
    assert_string_equal (node_get_text (asked->body, "container_id", ""), "c1");
    assert_int_equal (access (room->log, F_OK), -1);
    assert_int_equal (count_files (room, "0.log.*"), 2);
    assert_int_equal (count_files (room, "0.log.20200101-000000.gz"), 1);
}

static void
a_refused_reopening_gives_the_log_its_name_back (void **state)
{
    (void) state;
    OWNED (room_destroy) room_t *room = room_new (5);
    write_log (room->log, 100);
    OWNED (received_destroy) received_t *first = serve_until_reopen (room);
    peer_reply_fault (room->runtime, first, FAULT_UNKNOWN, "no");
    // with the next interval, not at once and for ever: first the containers are listed again
    OWNED (received_destroy) received_t *next = peer_next (room->runtime, PEER_DEADLINE_MS);
    assert_non_null (next);
    assert_int_equal (next->type, MSG_CRI_LIST_CONTAINERS);
    peer_reply_json (room->runtime, next, "{\"containers\":[{\"id\":\"c1\"}]}");
    OWNED (received_destroy) received_t *again = serve_until_reopen (room);
    assert_int_equal (count_files (room, "0.log*"), 1); // renamed once more, nothing was lost
}

static void
a_log_that_is_missing_is_reopened (void **state)
{
    (void) state;
    OWNED (room_destroy) room_t *room = room_new (5);
    OWNED (received_destroy) received_t *asked = serve_until_reopen (room);
    assert_int_equal (count_files (room, "*"), 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_log_that_is_too_large_is_renamed_and_reopened),
        cmocka_unit_test (a_refused_reopening_gives_the_log_its_name_back),
        cmocka_unit_test (a_log_that_is_missing_is_reopened),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
