/* The kernel's settings that protectKernelDefaults insists on. */
#include "cubelet/kernel_defaults.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
shell (const char *place, const char *command)
{
    OWNED (free_text) char *line = text_format ("cd %s && %s", place, command);
    assert_int_equal (system (line), 0);
}

static void
what_differs_is_named (void **state)
{
    (void) state;
    char place[] = "/tmp/test_kernel_defaults.XXXXXX";
    assert_non_null (mkdtemp (place));
    shell (place, "mkdir -p vm kernel/keys && echo 1 > vm/overcommit_memory && "
                  "echo 0 > vm/panic_on_oom && echo 10 > kernel/panic && "
                  "echo 1 > kernel/panic_on_oops && echo 1000000 > kernel/keys/root_maxkeys && "
                  "echo 25000000 > kernel/keys/root_maxbytes");
    fault_t fault = { 0 };
    assert_int_equal (kernel_defaults_check (place, &fault), 0);
    shell (place, "echo 2 > vm/overcommit_memory && rm kernel/panic");
    assert_int_equal (kernel_defaults_check (place, &fault), -1);
    assert_int_equal (fault.code, FAULT_PRECONDITION);
    assert_non_null (strstr (fault.text, "[invalid kernel flag: vm/overcommit_memory, expected "
                                         "value: 1, actual value: 2, cannot read "));
    assert_non_null (strstr (fault.text, "kernel/panic: "));
    shell (place, "rm -r vm kernel && rmdir $PWD");
}

int
main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (what_differs_is_named) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
