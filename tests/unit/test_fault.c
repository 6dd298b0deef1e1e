#include "cubelet/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
a_fault_is_recorded_and_yields_minus_one (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    assert_int_equal (fault_set (&fault, FAULT_NOT_FOUND, "no pod %s/%d", "a", 1), -1);
    assert_int_equal (fault.code, FAULT_NOT_FOUND);
    assert_string_equal (fault.text, "no pod a/1");
    fault_clear (&fault);
    assert_int_equal (fault.code, FAULT_NONE);
    assert_string_equal (fault.text, "");
}

static void
wrapping_adds_context_before_and_keeps_the_code (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    fault_set (&fault, FAULT_DENIED, "no");
    assert_int_equal (fault_wrap (&fault, "file %d", 2), -1);
    assert_int_equal (fault_wrap (&fault, "pod"), -1);
    assert_int_equal (fault.code, FAULT_DENIED);
    assert_string_equal (fault.text, "pod: file 2: no");
}

static void
long_texts_are_cut_and_stay_texts (void **state)
{
    (void) state;
    char big[5000];
    memset (big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    fault_t fault = { 0 };
    fault_set (&fault, FAULT_INVALID, "%s", big);
    assert_int_equal (strlen (fault.text), sizeof fault.text - 1);
    fault_wrap (&fault, "context");
    assert_int_equal (strlen (fault.text), sizeof fault.text - 1);
    assert_int_equal (strncmp (fault.text, "context: xxx", 12), 0);
    fault_wrap (&fault, "%s", big);
    assert_int_equal (strlen (fault.text), sizeof fault.text - 1);
}

static void
every_code_has_the_name_grpc_prints (void **state)
{
    (void) state;
    assert_string_equal (fault_code_name (FAULT_NONE), "OK");
    assert_string_equal (fault_code_name (FAULT_CANCELLED), "Canceled");
    assert_string_equal (fault_code_name (FAULT_DEADLINE), "DeadlineExceeded");
    assert_string_equal (fault_code_name (FAULT_PRECONDITION), "FailedPrecondition");
    assert_string_equal (fault_code_name (FAULT_UNAUTHENTICATED), "Unauthenticated");
    assert_string_equal (fault_code_name ((fault_code_t) 99), "Unknown");
    assert_string_equal (fault_code_name ((fault_code_t) -1), "Unknown");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_fault_is_recorded_and_yields_minus_one),
        cmocka_unit_test (wrapping_adds_context_before_and_keeps_the_code),
        cmocka_unit_test (long_texts_are_cut_and_stay_texts),
        cmocka_unit_test (every_code_has_the_name_grpc_prints),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
