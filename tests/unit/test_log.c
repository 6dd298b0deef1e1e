#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int real_stderr = -1;
static FILE *caught; // what goes to standard error between catch_lines and caught_text

static void
catch_lines (void)
{
    caught = tmpfile();
    assert_non_null (caught);
    fflush (stderr);
    real_stderr = dup (STDERR_FILENO);
    dup2 (fileno (caught), STDERR_FILENO);
}

/* Ends the catching; `out` gets what was written. */
static void
caught_text (char *out, size_t room)
{
    dup2 (real_stderr, STDERR_FILENO);
    close (real_stderr);
    rewind (caught);
    size_t size = fread (out, 1, room - 1, caught);
    out[size] = '\0';
    fclose (caught);
}

/* The text behind the head of a line: "I1123 16:49:18.557384    4711 test_log.c:120] ". */
static const char *
behind_head (const char *line)
{
    const char *end = strstr (line, "] ");
    return end ? end + 2 : line;
}

static void
a_line_has_klogs_head (void **state)
{
    (void) state;
    char out[1024];
    unsetenv ("JOURNAL_STREAM");
    catch_lines();
    log_write (LOG_LEVEL_WARNING, "/some/where/pod_manager.c", 120, "Pod added pod=%s/%s", "a",
               "b");
    caught_text (out, sizeof out);
    int month, pid, line, used = 0;
    char clock[16], file[32];
    int fields = sscanf (out, "W%4d %15s %d %31[^:]:%d] Pod added pod=a/b%n", &month, clock, &pid,
                         file, &line, &used);
    assert_int_equal (fields, 5);
    assert_string_equal (out + used, "\n");
    assert_int_equal (strlen (clock), strlen ("16:49:18.557384"));
    assert_int_equal (pid, getpid());
    assert_string_equal (file, "pod_manager.c");
    assert_int_equal (line, 120);
}

static void
under_journald_a_line_starts_with_its_priority (void **state)
{
    (void) state;
    char out[1024];
    setenv ("JOURNAL_STREAM", "8:1", 1);
    catch_lines();
    LOG_INFO ("x");
    LOG_WARNING ("x");
    LOG_ERROR ("x");
    caught_text (out, sizeof out);
    unsetenv ("JOURNAL_STREAM");
    assert_int_equal (strncmp (out, "<6>I", 4), 0);
    assert_non_null (strstr (out, "\n<4>W"));
    assert_non_null (strstr (out, "\n<3>E"));
}

static void
control_characters_are_escaped (void **state)
{
    (void) state;
    static const struct {
        const char *text, *line;
    } ROWS[] = {
        { "a\nE1123 forged", "a\\nE1123 forged\n" },
        { "a\tb", "a\\tb\n" },
        { "\x1b[31mred\x7f\r\x01", "\\x1b[31mred\\x7f\\x0d\\x01\n" },
        { "\xc3\xa9 %s", "\xc3\xa9 %s\n" },
        { "", "\n" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        char out[1024];
        catch_lines();
        LOG_INFO ("%s", ROWS[i].text);
        caught_text (out, sizeof out);
        assert_string_equal (behind_head (out), ROWS[i].line);
    }
}

static void
long_lines_are_cut_but_end (void **state)
{
    (void) state;
    char big[10000], out[8192];
    memset (big, '\n', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    catch_lines();
    LOG_INFO ("%s", big);
    caught_text (out, sizeof out);
    assert_true (strlen (out) <= 4096);
    assert_ptr_equal (strchr (out, '\n'), out + strlen (out) - 1);
}

static void
details_are_shown_to_who_asked_for_them (void **state)
{
    (void) state;
    char out[1024];
    log_set_verbosity (2);
    assert_true (log_is_verbose (__FILE__, 0) && log_is_verbose (__FILE__, 2));
    assert_false (log_is_verbose (__FILE__, 3));
    catch_lines();
    LOG_V (2, "seen");
    LOG_V (3, "unseen");
    caught_text (out, sizeof out);
    log_set_verbosity (0);
    assert_string_equal (behind_head (out), "seen\n");
}

static void
a_module_may_say_more_than_the_rest (void **state)
{
    (void) state;
    log_add_module ("pod_*", 4);
    log_add_module ("pod_plan", 9); // the first one counts
    assert_true (log_is_verbose ("../actors/pod_manager.c", 4));
    assert_false (log_is_verbose ("../actors/pod_manager.c", 5));
    assert_false (log_is_verbose ("pod_plan.c", 5));
    assert_false (log_is_verbose ("../pod_x/worker.c", 1));
    log_clear_modules();
    assert_false (log_is_verbose ("../actors/pod_manager.c", 4));
}

static void
a_line_may_be_a_json_object (void **state)
{
    (void) state;
    char out[1024];
    setenv ("JOURNAL_STREAM", "8:1", 1);
    log_set_format (LOG_FORMAT_JSON);
    catch_lines();
    log_write (LOG_LEVEL_INFO, "/some/where/pod_manager.c", 120, "Pod added pod=%s", "a/b");
    caught_text (out, sizeof out);
    log_set_format (LOG_FORMAT_TEXT);
    unsetenv ("JOURNAL_STREAM");
    assert_int_equal (strncmp (out, "{\"ts\":", 6), 0);
    assert_non_null (strstr (out, ",\"caller\":\"pod_manager.c:120\",\"msg\":\"Pod added\","
                                  "\"v\":0,\"pod\":\"a/b\"}\n"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_line_has_klogs_head),
        cmocka_unit_test (under_journald_a_line_starts_with_its_priority),
        cmocka_unit_test (control_characters_are_escaped),
        cmocka_unit_test (long_lines_are_cut_but_end),
        cmocka_unit_test (details_are_shown_to_who_asked_for_them),
        cmocka_unit_test (a_module_may_say_more_than_the_rest),
        cmocka_unit_test (a_line_may_be_a_json_object),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
