#include "cubelet/cgroup_stats.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NONE INT64_MIN
#define AT(MEMBER) offsetof (cgroup_stats_t, MEMBER)

typedef struct {
    const char *file, *text;
    size_t place;
    int64_t value; // NONE: not set
} case_t;

static void
check (int version, const case_t *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cgroup_stats_t stats = { 0 };
        cgroup_stats_take (&stats, version, cases[i].file, cases[i].text);
        cgroup_stats_finish (&stats, version);
        const opt_int_t *got = (const opt_int_t *) ((const char *) &stats + cases[i].place);
        int64_t value = got->set ? got->value : NONE;
        if (value != cases[i].value)
            fail_msg ("v%d %s \"%s\": %lld, not %lld", version, cases[i].file, cases[i].text,
                      (long long) value, (long long) cases[i].value);
    }
}

static void
files_of_v1 (void **state)
{
    (void) state;
    static const case_t CASES[] = {
        { "cpuacct.usage", "35390849\n", AT (cpu_ns), 35390849 },
        { "cpuacct.usage", "", AT (cpu_ns), NONE },
        { "cpuacct.usage", "99999999999999999999\n", AT (cpu_ns), NONE },
        { "cpuacct.stat", "user 3\nsystem 7\n", AT (cpu_user_ns), 30000000 },
        { "cpuacct.stat", "user 3\nsystem 7\n", AT (cpu_system_ns), 70000000 },
        { "memory.usage_in_bytes", "2879488\n", AT (memory_usage), 2879488 },
        { "memory.stat", "rss 1\ntotal_rss 5\n", AT (rss), 5 },
        { "memory.stat", "rss 1\n", AT (rss), NONE },
        { "memory.stat", "inactive_file 9\ntotal_inactive_file 4096", AT (inactive_file), 4096 },
        { "memory.stat", "pgfault 10\ntotal_pgfault 12\n", AT (page_faults), 10 },
        { "memory.stat", "pgfault 10\ntotal_pgfault 12\n", AT (page_faults_below), 12 },
        { "memory.limit_in_bytes", "134217728\n", AT (memory_limit), 134217728 },
        { "memory.limit_in_bytes", "9223372036854771712\n", AT (memory_limit), NONE },
        { "cpu.cfs_quota_us", "-1\n", AT (cpu_quota_us), NONE },
        { "cpu.cfs_quota_us", "50000\n", AT (cpu_quota_us), 50000 },
        { "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", AT (oom_kills),
          2 },
        { "pids.max", "max\n", AT (threads_max), NONE },
        { "pids.current", "3\n", AT (threads), 3 },
        { "memory.stat", "no newline, no number", AT (rss), NONE },
    };
    check (1, CASES, COUNT_OF (CASES));
}

static void
files_of_v2 (void **state)
{
    (void) state;
    static const case_t CASES[] = {
        { "cpu.stat", "usage_usec 12\nuser_usec 5\nsystem_usec 7\n", AT (cpu_ns), 12000 },
        { "cpu.stat", "usage_usec 12\nuser_usec 5\nsystem_usec 7\n", AT (cpu_system_ns), 7000 },
        { "cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_usec 9\n", AT (cpu_throttled_ns),
          9000 },
        { "memory.current", "4096\n", AT (memory_usage), 4096 },
        { "memory.stat", "anon 10\nfile 20\nkernel 3\n", AT (rss), 10 },
        { "memory.stat", "anon 10\nfile 20\nkernel 3\n", AT (cache), 20 },
        { "memory.stat", "anon 10\nfile 20\nkernel 3\n", AT (kernel_memory), 3 },
        { "memory.max", "max\n", AT (memory_limit), NONE },
        { "memory.max", "65536\n", AT (memory_limit), 65536 },
        { "cpu.max", "max 100000\n", AT (cpu_quota_us), NONE },
        { "cpu.max", "50000 100000\n", AT (cpu_quota_us), 50000 },
        { "cpu.max", "max 100000\n", AT (cpu_period_us), 100000 },
        { "cpu.weight", "1\n", AT (cpu_shares), 2 },
        { "cpu.weight", "10000\n", AT (cpu_shares), 262144 },
        { "memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n", AT (memory_fail_count), 3 },
        { "memory.events", "oom 5\noom_kill 1\n", AT (oom_kills), 1 },
        { "memory.swap.current", "7\n", AT (swap_usage), 7 },
    };
    check (2, CASES, COUNT_OF (CASES));
}

static void
every_listed_file_is_understood (void **state)
{
    (void) state;
    for (int version = 1; version <= 2; version++) {
        size_t basic = 0, all = 0;
        while (cgroup_stats_file (version, CGROUP_BASIC, basic))
            basic++;
        for (; cgroup_stats_file (version, CGROUP_ALL, all); all++) {
            cgroup_stats_t stats = { 0 }, zero = { 0 };
            const char *file = cgroup_stats_file (version, CGROUP_ALL, all)->file;
            cgroup_stats_take (&stats, version, file,
                               "7 8\nuser 7\nnr_periods 7\ntotal_rss 7\nanon 7\noom_kill 7\n"
                               "some avg10=1.00 avg60=0.00 avg300=0.00 total=3\n");
            if (memcmp (&stats, &zero, sizeof zero) == 0)
                fail_msg ("v%d: nothing is taken of %s", version, file);
        }
        assert_true (all > basic);
    }
}

static void
v1_counts_memory_and_swap_together (void **state)
{
    (void) state;
    cgroup_stats_t stats = { .memory_usage = { true, 100 },
                             .swap_usage = { true, 130 },
                             .memory_limit = { true, 1000 },
                             .swap_limit = { true, 1500 } };
    cgroup_stats_finish (&stats, 1);
    assert_int_equal (stats.swap_usage.value, 30);
    assert_int_equal (stats.swap_limit.value, 500);
    stats.swap_usage.value = 90; // read a moment apart
    cgroup_stats_finish (&stats, 1);
    assert_int_equal (stats.swap_usage.value, 0);
}

static void
the_working_set_is_never_negative (void **state)
{
    (void) state;
    cgroup_stats_t stats = { 0 };
    assert_false (cgroup_working_set (&stats).set);
    stats.memory_usage = (opt_int_t){ true, 100 };
    assert_int_equal (cgroup_working_set (&stats).value, 100);
    stats.inactive_file = (opt_int_t){ true, 30 };
    assert_int_equal (cgroup_working_set (&stats).value, 70);
    stats.inactive_file.value = 130;
    assert_int_equal (cgroup_working_set (&stats).value, 0);
}

static void
a_rate_needs_two_samples_in_order (void **state)
{
    (void) state;
    static const struct {
        cpu_sample_t before, now;
        int64_t rate;
    } CASES[] = {
        { { 0, 0 }, { 1000000000, 500000000 }, 500000000 },
        { { 1000000000, 100 }, { 3000000000, 4000000100 }, 2000000000 },
        { { 5, 0 }, { 5, 10 }, NONE },
        { { 0, 100 }, { 1000000000, 50 }, NONE },
        { { 0, 0 }, { 4000000000000000000, 8000000000000000000 }, 2000000000 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        opt_int_t rate = cpu_rate (CASES[i].before, CASES[i].now);
        assert_int_equal (rate.set ? rate.value : NONE, CASES[i].rate);
    }
}

static void
pressure (void **state)
{
    (void) state;
    psi_t psi = { 0 };
    assert_true (psi_parse ("some avg10=44.91 avg60=35.08 avg300=24.77 total=294361603\n"
                            "full avg10=0.50 avg60=0.00 avg300=0.00 total=12\n",
                            &psi));
    assert_true (psi.some.avg10 > 44.90 && psi.some.avg10 < 44.92);
    assert_int_equal (psi.some.total, 294361603000);
    assert_true (psi.full.avg10 > 0.49 && psi.full.avg10 < 0.51);
    assert_int_equal (psi.full.total, 12000);
    assert_false (psi_parse ("", &psi));
    assert_false (psi_parse ("something else\n", &psi));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (files_of_v1),
        cmocka_unit_test (files_of_v2),
        cmocka_unit_test (every_listed_file_is_understood),
        cmocka_unit_test (v1_counts_memory_and_swap_together),
        cmocka_unit_test (the_working_set_is_never_negative),
        cmocka_unit_test (a_rate_needs_two_samples_in_order),
        cmocka_unit_test (pressure),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
