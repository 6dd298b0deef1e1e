#include "cubelet/memory.h"
#include "cubelet/oom_report.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
records (void **state)
{
    (void) state;
    static const struct {
        const char *record;
        bool is_report;
        const char *task;
        int64_t pid;
        bool is_system;
    } CASES[] = {
        { "6,1,2,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,"
          "global_oom,task_memcg=/,task=hog,pid=4242,uid=0",
          true, "hog", 4242, true },
        { "6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,"
          "oom_memcg=/kubepods/pod1/c1,task_memcg=/kubepods/pod1/c1,task=java,pid=7,uid=1000",
          true, "java", 7, false },
        { "6;oom-kill:constraint=CONSTRAINT_NONE,task_memcg=/system.slice/x,task=x,pid=9,uid=0",
          true, "x", 9, false },
        { "6;oom-kill:constraint=CONSTRAINT_NONE,task_memcg=/,task=a,pid=1,pid=55,uid=0", true,
          "a,pid=1", 55, true },
        { "6;oom-kill:constraint=CONSTRAINT_NONE,task_memcg=/,task=hog", false },
        { "6;oom-kill:constraint=CONSTRAINT_NONE,task_memcg=/,task=hog,pid=x", false },
        { "6;Out of memory: Killed process 4242 (hog) total-vm:1kB", false },
        { "", false },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        oom_report_t report;
        assert_int_equal (oom_report_parse (CASES[i].record, &report), CASES[i].is_report);
        if (!CASES[i].is_report)
            continue;
        assert_string_equal (report.task, CASES[i].task);
        assert_int_equal (report.pid, CASES[i].pid);
        assert_int_equal (report.is_system, CASES[i].is_system);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (records) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
