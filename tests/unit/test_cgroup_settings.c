#include "cubelet/cgroup_settings.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char *
as_text (const pod_cgroup_t *values, int64_t pids_limit, int version)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    cgroup_settings_t settings;
    cgroup_pod_settings (values, pids_limit, version, tree, &settings);
    char *text = text_copy ("");
    for (size_t i = 0; i < settings.count; i++)
        text_replace (&text, "%s%s %s=%s; ", text, settings.items[i].controller,
                      settings.items[i].file, settings.items[i].text);
    return text;
}

static void
numbers_become_files (void **state)
{
    (void) state;
    static const struct {
        pod_cgroup_t values;
        int64_t pids_limit;
        const char *v1, *v2;
    } CASES[] = {
        { { .cpu_shares = 2 }, -1, "cpu cpu.shares=2; ", "cpu cpu.weight=1; " },
        { { .cpu_shares = 1024,
            .cpu_quota_us = { true, 50000 },
            .cpu_period_us = { true, 100000 },
            .memory_limit = { true, 33554432 } },
          100,
          "cpu cpu.shares=1024; cpu cpu.cfs_period_us=100000; cpu cpu.cfs_quota_us=50000; "
          "memory memory.limit_in_bytes=33554432; pids pids.max=100; ",
          "cpu cpu.weight=39; cpu cpu.max=50000 100000; memory memory.max=33554432; "
          "pids pids.max=100; " },
        { { .cpu_shares = 262144, .cpu_quota_us = { true, -1 } },
          0,
          "cpu cpu.shares=262144; cpu cpu.cfs_period_us=100000; cpu cpu.cfs_quota_us=-1; ",
          "cpu cpu.weight=10000; cpu cpu.max=max 100000; " },
        { { .cpu_shares = 2, .cpu_quota_us = { true, 0 }, .memory_limit = { true, 0 } },
          0,
          "cpu cpu.shares=2; cpu cpu.cfs_period_us=100000; cpu cpu.cfs_quota_us=-1; ",
          "cpu cpu.weight=1; cpu cpu.max=max 100000; " },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *v1 = as_text (&CASES[i].values, CASES[i].pids_limit, 1);
        assert_string_equal (v1, CASES[i].v1);
        OWNED (free_text) char *v2 = as_text (&CASES[i].values, CASES[i].pids_limit, 2);
        assert_string_equal (v2, CASES[i].v2);
    }
}

static void
huge_pages_are_limited_by_size (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    pod_cgroup_t values = { .cpu_shares = 2 };
    values.hugepages.items = tree_alloc (tree, sizeof *values.hugepages.items);
    values.hugepages.items[0].page_size = "2MB";
    values.hugepages.items[0].limit = 4194304;
    values.hugepages.count = 1;
    OWNED (free_text) char *v1 = as_text (&values, 0, 1);
    assert_string_equal (v1, "cpu cpu.shares=2; hugetlb hugetlb.2MB.limit_in_bytes=4194304; ");
    OWNED (free_text) char *v2 = as_text (&values, 0, 2);
    assert_string_equal (v2, "cpu cpu.weight=1; hugetlb hugetlb.2MB.max=4194304; ");
}

static void
shares_tell_what_was_requested (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int version;
        int64_t milli;
    } CASES[] = {
        { "2", 1, 0 },       { "102", 1, 100 },    { "1024", 1, 1000 },
        { "512\n", 1, 500 }, { "garbage", 1, -1 }, { "", 1, -1 },
        { "-5", 1, -1 },     { "1", 2, 0 },        { "39", 2, 975 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        assert_int_equal (cgroup_shares_milli (CASES[i].text, CASES[i].version), CASES[i].milli);
}

static void
messages_name_groups_as_upstream (void **state)
{
    (void) state;
    static const struct {
        const char *qos, *name;
    } CASES[] = {
        { "Guaranteed", "[kubepods podu-1]" },
        { "Burstable", "[kubepods burstable podu-1]" },
        { "BestEffort", "[kubepods besteffort podu-1]" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *name = cgroup_display_name (CASES[i].qos, "u-1");
        assert_string_equal (name, CASES[i].name);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (numbers_become_files),
        cmocka_unit_test (huge_pages_are_limited_by_size),
        cmocka_unit_test (shares_tell_what_was_requested),
        cmocka_unit_test (messages_name_groups_as_upstream),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
