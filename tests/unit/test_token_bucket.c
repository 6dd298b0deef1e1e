#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/token_bucket.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
lets_a_burst_pass_and_then_the_rate (void **state)
{
    (void) state;
    static const struct {
        int64_t at_s;
        bool passes;
    } STEPS[] = { { 100, true }, { 100, true }, { 100, false }, { 101, true },  { 101, false },
                  { 103, true }, { 103, true }, { 103, false }, { 50, false },  { 50, false },
                  { 51, true },  { 51, false }, { 1000, true }, { 1000, true }, { 1000, false } };
    static const token_rate_t RATE = { .per_s = 1, .burst = 2 };
    token_bucket_t bucket = { 0 };
    for (size_t i = 0; i < COUNT_OF (STEPS); i++)
        assert_int_equal (token_bucket_take (&bucket, &RATE, STEPS[i].at_s * NS_PER_S),
                          STEPS[i].passes);
}

static void
no_rate_is_no_limit (void **state)
{
    (void) state;
    static const token_rate_t RATE = { .per_s = 0, .burst = 1 };
    token_bucket_t bucket = { 0 };
    for (int i = 0; i < 100; i++)
        assert_true (token_bucket_take (&bucket, &RATE, 1));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (lets_a_burst_pass_and_then_the_rate),
        cmocka_unit_test (no_rate_is_no_limit),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
