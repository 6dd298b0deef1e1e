/* Waits double, end, and start over (reference/pod-lifecycle.md 6.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants these before it
#include "cubelet/backoff.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define S(seconds) ((seconds) *NS_PER_S)

static void
the_first_restart_is_immediate_then_waits_double_up_to_five_minutes (void **state)
{
    (void) state;
    static const int64_t WAITS_S[] = { 10, 20, 40, 80, 160, 300, 300, 300 };
    backoff_t backoff = { 0 };
    int64_t ended_at = S (1000);
    assert_false (backoff_holds_since (&backoff, &BACKOFF_CONTAINER, ended_at, ended_at));
    for (size_t i = 0; i < COUNT_OF (WAITS_S); i++) {
        backoff_next (&backoff, &BACKOFF_CONTAINER, ended_at, ended_at);
        assert_int_equal (backoff.wait_ns, S (WAITS_S[i]));
        ended_at += S (1);
        int64_t wait_ends_at = ended_at + S (WAITS_S[i]);
        assert_true (
            backoff_holds_since (&backoff, &BACKOFF_CONTAINER, ended_at, wait_ends_at - 1));
        assert_false (backoff_holds_since (&backoff, &BACKOFF_CONTAINER, ended_at, wait_ends_at));
        ended_at = wait_ends_at;
    }
}

static void
a_run_that_ended_over_ten_minutes_after_the_last_restart_starts_over (void **state)
{
    (void) state;
    static const struct {
        int64_t ran_s;
        bool starts_over;
    } ROWS[] = { { 0, false }, { 300, false }, { 600, false }, { 601, true }, { 86400, true } };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        backoff_t backoff = { .wait_ns = S (40), .updated_at = S (1000) };
        int64_t ended_at = S (1000 + ROWS[i].ran_s);
        assert_int_equal (backoff_holds_since (&backoff, &BACKOFF_CONTAINER, ended_at, ended_at),
                          !ROWS[i].starts_over);
        backoff_next (&backoff, &BACKOFF_CONTAINER, ended_at, ended_at);
        assert_int_equal (backoff.wait_ns, ROWS[i].starts_over ? S (10) : S (80));
    }
}

static void
an_image_waits_since_its_last_failure (void **state)
{
    (void) state;
    backoff_t backoff = { 0 };
    assert_false (backoff_holds (&backoff, &BACKOFF_IMAGE, S (50)));
    backoff_next (&backoff, &BACKOFF_IMAGE, S (50), S (50));
    assert_true (backoff_holds (&backoff, &BACKOFF_IMAGE, S (59)));
    assert_false (backoff_holds (&backoff, &BACKOFF_IMAGE, S (60)));
    backoff_next (&backoff, &BACKOFF_IMAGE, S (60), S (60));
    assert_true (backoff_holds (&backoff, &BACKOFF_IMAGE, S (79)));
    assert_false (backoff_holds (&backoff, &BACKOFF_IMAGE, S (80)));
}

static void
a_clock_that_went_back_does_not_make_waits_endless (void **state)
{
    (void) state;
    backoff_t backoff = { .wait_ns = S (10), .updated_at = S (5000) };
    backoff_next (&backoff, &BACKOFF_CONTAINER, S (1000), S (1000));
    assert_int_equal (backoff.wait_ns, S (20));
    assert_int_equal (backoff.updated_at, S (1000));
}

static void
the_nodes_configuration_changes_how_long_containers_wait (void **state)
{
    (void) state;
    static const struct {
        bool is_reduced;
        int most_s, first_s, limit_s;
    } ROWS[] = {
        { false, 0, 10, 300 }, { true, 0, 1, 60 },    { false, 20, 10, 20 },
        { false, 3, 3, 3 },    { true, 300, 1, 300 }, { true, 1, 1, 1 },
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        backoff_limits_t limits = backoff_container_limits (ROWS[i].is_reduced, S (ROWS[i].most_s));
        assert_int_equal (limits.first_ns, S (ROWS[i].first_s));
        assert_int_equal (limits.limit_ns, S (ROWS[i].limit_s));
        assert_int_equal (limits.forget_ns, S (600));
    }
}

static void
a_short_limit_forgets_no_sooner (void **state)
{
    (void) state;
    backoff_limits_t limits = backoff_container_limits (false, S (3));
    backoff_t backoff = { .wait_ns = S (3), .updated_at = S (1000) };
    assert_true (backoff_holds_since (&backoff, &limits, S (1600), S (1601)));
    assert_false (backoff_holds_since (&backoff, &limits, S (1601), S (1601)));
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (the_first_restart_is_immediate_then_waits_double_up_to_five_minutes),
        cmocka_unit_test (a_run_that_ended_over_ten_minutes_after_the_last_restart_starts_over),
        cmocka_unit_test (an_image_waits_since_its_last_failure),
        cmocka_unit_test (the_nodes_configuration_changes_how_long_containers_wait),
        cmocka_unit_test (a_short_limit_forgets_no_sooner),
        cmocka_unit_test (a_clock_that_went_back_does_not_make_waits_endless),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
