/* test_probe_step.c - the steps of upstream's probe worker, row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/probe_step.h"
#include <cmocka.h>

#define NOW (1000 * NS_PER_S)

static const probe_t PROBE = {
    .initial_delay_s = 5, .period_s = 10, .success_threshold = 1, .failure_threshold = 3
};

typedef struct {
    const char *about;
    probe_kind_t kind;
    probe_sight_t sight;
    probe_state_t before;
    bool is_run;
    probe_result_t published;
    bool is_over;
} tick_t;

#define STARTED_AGO(seconds) .started_at = NOW - (seconds) *NS_PER_S

static const tick_t TICKS[] = {
    { "a running container is probed",
      PROBE_LIVENESS,
      { STARTED_AGO (20), true, true, false, true },
      { 0 },
      true,
      PROBE_UNKNOWN,
      false },
    { "not on hold",
      PROBE_LIVENESS,
      { STARTED_AGO (20), true, true, false, true },
      { .published = PROBE_FAILURE, .is_on_hold = true },
      false,
      PROBE_FAILURE,
      false },
    { "not after the end",
      PROBE_LIVENESS,
      { STARTED_AGO (20), true, true, false, true },
      { .published = PROBE_SUCCESS, .is_over = true },
      false,
      PROBE_SUCCESS,
      true },
    { "one that does not run has failed",
      PROBE_READINESS,
      { STARTED_AGO (20), false, false, false, true },
      { .published = PROBE_SUCCESS },
      false,
      PROBE_FAILURE,
      false },
    { "and is over when it never runs again",
      PROBE_READINESS,
      { STARTED_AGO (20), false, false, false, false },
      { 0 },
      false,
      PROBE_FAILURE,
      true },
    { "a pod that ends needs no liveness",
      PROBE_LIVENESS,
      { STARTED_AGO (20), true, true, true, true },
      { .published = PROBE_UNKNOWN },
      false,
      PROBE_SUCCESS,
      true },
    { "nor startup",
      PROBE_STARTUP,
      { STARTED_AGO (20), true, false, true, true },
      { 0 },
      false,
      PROBE_SUCCESS,
      true },
    { "but readiness",
      PROBE_READINESS,
      { STARTED_AGO (20), true, true, true, true },
      { 0 },
      true,
      PROBE_UNKNOWN,
      false },
    { "the initial delay is in whole seconds: 4.9 s",
      PROBE_LIVENESS,
      { NOW - 4900 * NS_PER_MS, true, true, false, true },
      { 0 },
      false,
      PROBE_UNKNOWN,
      false },
    { "5 s",
      PROBE_LIVENESS,
      { STARTED_AGO (5), true, true, false, true },
      { 0 },
      true,
      PROBE_UNKNOWN,
      false },
    { "startup gates liveness",
      PROBE_LIVENESS,
      { STARTED_AGO (20), true, false, false, true },
      { 0 },
      false,
      PROBE_UNKNOWN,
      false },
    { "and readiness",
      PROBE_READINESS,
      { STARTED_AGO (20), true, false, false, true },
      { 0 },
      false,
      PROBE_UNKNOWN,
      false },
    { "itself runs until it has succeeded",
      PROBE_STARTUP,
      { STARTED_AGO (20), true, false, false, true },
      { 0 },
      true,
      PROBE_UNKNOWN,
      false },
    { "and not after",
      PROBE_STARTUP,
      { STARTED_AGO (20), true, true, false, true },
      { 0 },
      false,
      PROBE_UNKNOWN,
      false },
};

static void
ticks_follow_the_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (TICKS); i++) {
        const tick_t *row = &TICKS[i];
        probe_state_t after = row->before;
        bool is_run = probe_step_tick (row->kind, &PROBE, &row->sight, NOW, &after);
        if (is_run != row->is_run || after.published != row->published
            || after.is_over != row->is_over)
            fail_msg ("%s: run %d, published %s, over %d", row->about, is_run,
                      probe_result_name (after.published), after.is_over);
    }
}

static char
published_letter (const probe_state_t *state)
{
    static const char LETTERS[][3] = { "-sf", "-SF" };
    return LETTERS[state->is_on_hold][state->published];
}

/* "S" and "F" are results of attempts; below each what is published then ("-", "s", "f"), in
   capitals when the probe is on hold. */
static const struct {
    const char *about;
    probe_kind_t kind;
    int64_t success_threshold, failure_threshold;
    const char *results, *published;
} ROWS[] = {
    { "readiness fails at the third, comes back at the first", PROBE_READINESS, 1, 3, "FFFSFFSFFF",
      "--fssssssf" },
    { "a success between starts over", PROBE_READINESS, 1, 2, "SFSFSFF", "ssssssf" },
    { "readiness may need several successes", PROBE_READINESS, 3, 1, "SSSFSSS", "--sfffs" },
    { "liveness succeeds on", PROBE_LIVENESS, 1, 2, "SSFSF", "sssss" },
    { "liveness holds after its failure", PROBE_LIVENESS, 1, 2, "SFF", "ssF" },
    { "startup holds after success", PROBE_STARTUP, 1, 3, "FFS", "--S" },
    { "startup holds after failure", PROBE_STARTUP, 1, 3, "FFF", "--F" },
};

static void
results_are_published_at_their_thresholds (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        probe_t probe = { .success_threshold = ROWS[i].success_threshold,
                          .failure_threshold = ROWS[i].failure_threshold };
        probe_state_t now = { .published = PROBE_UNKNOWN };
        char published[16] = "";
        for (const char *c = ROWS[i].results; *c; c++) {
            probe_step_result (ROWS[i].kind, &probe, *c == 'S' ? PROBE_SUCCESS : PROBE_FAILURE,
                               &now);
            published[c - ROWS[i].results] = published_letter (&now);
        }
        if (strcmp (published, ROWS[i].published) != 0)
            fail_msg ("%s: %s", ROWS[i].about, published);
    }
}

static const struct {
    const char *about;
    probe_birth_t birth;
    int64_t wait_ms;
} BIRTHS[] = {
    { "a container that ran before the prober, which is young: somewhere in the period",
      { 10000, 60000, -1, 500, 0.25 },
      2500 },
    { "the same, short period: no jitter", { 1000, 60000, -1, 5000, 0.25 }, 0 },
    { "a new container meets the pod's beat", { 10000, 2000, 3000, 999999, 0.5 }, 7000 },
    { "also after restarts", { 10000, 2000, 123000, 999999, 0.5 }, 7000 },
    { "a young prober has no say in that", { 10000, 2000, 3000, 5000, 0.5 }, 7000 },
    { "the start counts when nothing else is known", { 10000, 2000, -1, 5000, 0.5 }, 8000 },
    { "a clock that was set back does no harm", { 10000, -5000, -1, 5000, 0.5 }, 10000 },
};

static void
the_first_tick_is_in_phase (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (BIRTHS); i++) {
        int64_t wait_ms = probe_first_wait_ms (&BIRTHS[i].birth);
        if (wait_ms != BIRTHS[i].wait_ms)
            fail_msg ("%s: %lld", BIRTHS[i].about, (long long) wait_ms);
    }
}

/* The moments of attempts after the first chance, early ones in parentheses. */
static const struct {
    bool is_costly;
    int64_t period_ms;
    const char *moments;
} EARLY[] = {
    { false, 10000, "(0) (100) (300) (700) 1500 11500" },
    { false, 1000, "(0) (100) (300) (700) 1000 2000" },
    { true, 10000, "(0) 1500 11500" },
    { true, 1000, "(0) 1000 2000" },
};

static void
readiness_is_tried_early (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (EARLY); i++) {
        char moments[128] = "";
        int64_t at = 0;
        unsigned early = 0;
        bool is_early = true;
        for (int regular = 0; regular < 2;) {
            at += is_early ? probe_early_wait_ms (early, EARLY[i].is_costly, EARLY[i].period_ms,
                                                  &is_early)
                           : EARLY[i].period_ms;
            early += is_early;
            regular += !is_early;
            size_t used = strlen (moments);
            snprintf (moments + used, sizeof moments - used, is_early ? "%s(%lld)" : "%s%lld",
                      used ? " " : "", (long long) at);
        }
        assert_string_equal (moments, EARLY[i].moments);
    }
}

static void
the_rest_of_the_initial_delay_is_exact (void **state)
{
    (void) state;
    assert_int_equal (probe_delay_left_ms (&PROBE, NOW, NOW), 5001);
    assert_int_equal (probe_delay_left_ms (&PROBE, NOW - 4900 * NS_PER_MS, NOW), 101);
    assert_int_equal (probe_delay_left_ms (&PROBE, NOW - 5 * NS_PER_S, NOW), 0);
    assert_int_equal (probe_delay_left_ms (&PROBE, NOW - 20 * NS_PER_S, NOW), 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (ticks_follow_the_table),
        cmocka_unit_test (results_are_published_at_their_thresholds),
        cmocka_unit_test (the_first_tick_is_in_phase),
        cmocka_unit_test (readiness_is_tried_early),
        cmocka_unit_test (the_rest_of_the_initial_delay_is_exact),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
