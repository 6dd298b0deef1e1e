/* What becomes of a log's parts (reference/node-and-server.md 5.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/log_rotation.h"
#include "cubelet/memory.h"
#include <cmocka.h>
#include <string.h>

#define NAMES_MAX 10

/* The words of a plan: "-removed" and "+compressed". */
static char *
plan_text (const char *names, int64_t max_files)
{
    const char *list[NAMES_MAX];
    size_t count = 0;
    OWNED (free_text) char *copy = text_copy (names);
    char *rest = copy;
    for (char *name; (name = strsep (&rest, " "));)
        list[count++] = name;
    log_rotation_t plan;
    log_rotation_plan ("0.log", list, count, max_files, &plan);
    char *text = text_copy ("");
    for (size_t i = 0; i < plan.remove_count; i++)
        text_replace (&text, "%s-%s ", text, plan.removes[i]);
    for (size_t i = 0; i < plan.compression_count; i++)
        text_replace (&text, "%s+%s ", text, plan.compressions[i]);
    log_rotation_clear (&plan);
    return text;
}

static void
parts_are_compressed_and_the_oldest_go (void **state)
{
    (void) state;
    static const struct {
        const char *what, *names;
        int64_t max_files;
        const char *plan;
    } ROWS[] = {
        { "nothing was rotated", "0.log . ..", 5, "" },
        { "the last part is compressed", "0.log 0.log.20260101-000000", 5,
          "+0.log.20260101-000000 " },
        { "with two files no part is kept", "0.log 0.log.20260101-000000", 2,
          "-0.log.20260101-000000 " },
        { "with three one is", "0.log 0.log.20260102-000000 0.log.20260101-000000.gz", 3,
          "-0.log.20260101-000000.gz +0.log.20260102-000000 " },
        { "a compression was cut off", "0.log 0.log.20260101-000000 0.log.20260101-000000.gz.tmp",
          5, "-0.log.20260101-000000.gz.tmp +0.log.20260101-000000 " },
        { "its input was not removed", "0.log 0.log.20260101-000000 0.log.20260101-000000.gz", 5,
          "-0.log.20260101-000000 " },
        { "other logs are left alone", "0.log 1.log 1.log.20260101-000000 10.log", 2, "" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *plan = plan_text (ROWS[i].names, ROWS[i].max_files);
        if (strcmp (plan, ROWS[i].plan) != 0)
            fail_msg ("%s: expected \"%s\", got \"%s\"", ROWS[i].what, ROWS[i].plan, plan);
    }
}

static void
a_part_is_named_after_the_time_of_its_rotation (void **state)
{
    (void) state;
    OWNED (free_text) char *name = log_rotation_name ("3.log", 1700000000 * NS_PER_S);
    assert_string_equal (name, "3.log.20231114-221320");
}

static void
a_log_is_rotated_when_it_has_reached_the_size (void **state)
{
    (void) state;
    assert_false (log_rotation_is_due (99, 100));
    assert_true (log_rotation_is_due (100, 100));
    assert_false (log_rotation_is_due (1 << 30, 0));
    assert_false (log_rotation_is_due (1 << 30, -1));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (parts_are_compressed_and_the_oldest_go),
        cmocka_unit_test (a_part_is_named_after_the_time_of_its_rotation),
        cmocka_unit_test (a_log_is_rotated_when_it_has_reached_the_size),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
