#include "cubelet/memory.h"
#include "cubelet/user_ranges.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
every_pod_has_ids_of_its_own (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (user_ranges_destroy)
    user_ranges_t *ranges = user_ranges_new (65536, 3 * 65536 + 1, 65536);
    assert_int_equal (user_ranges_mark (ranges, 131072, &fault), 0); // a pod from before
    assert_int_equal (user_ranges_take (ranges, &fault), 65536);
    assert_int_equal (user_ranges_take (ranges, &fault), 196608);
    assert_int_equal (user_ranges_take (ranges, &fault), -1);
    assert_int_equal (fault.code, FAULT_EXHAUSTED);
    user_ranges_release (ranges, 131072);
    assert_int_equal (user_ranges_take (ranges, &fault), 131072);
}

static void
only_free_ranges_can_be_marked (void **state)
{
    (void) state;
    static const struct {
        int64_t id;
        fault_code_t code;
    } CASES[] = {
        { 65536, FAULT_NONE },
        { 65536, FAULT_ALREADY_EXISTS },
        { 65537, FAULT_INVALID },
        { 0, FAULT_INVALID },
        { INT64_C (1) << 32, FAULT_INVALID },
        { (INT64_C (1) << 32) - 65536, FAULT_NONE },
    };
    OWNED (user_ranges_destroy)
    user_ranges_t *ranges = user_ranges_new (USER_RANGES_FIRST, USER_RANGES_TOTAL, 65536);
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 };
        user_ranges_mark (ranges, CASES[i].id, &fault);
        assert_int_equal (fault.code, CASES[i].code);
    }
    user_ranges_release (ranges, 12345); // none of ours
}

static void
no_ids_are_no_ranges (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (user_ranges_destroy) user_ranges_t *none = user_ranges_new (65536, 65535, 65536);
    assert_int_equal (user_ranges_take (none, &fault), -1);
    assert_int_equal (user_ranges_mark (none, 65536, &fault), -1);
}

static void
a_pods_file_is_read_back (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    int64_t id = 0;
    OWNED (free_text) char *text = user_mapping_write (131072, 65536);
    assert_string_equal (text, "{\"uidMappings\":[{\"hostId\":131072,\"containerId\":0,\"length\":"
                               "65536}],\"gidMappings\":[{\"hostId\":131072,\"containerId\":0,"
                               "\"length\":65536}]}");
    assert_int_equal (user_mapping_read (text, strlen (text), 65536, &id, &fault), 0);
    assert_int_equal (id, 131072);
    // another configuration, or nonsense
    static const char *const BAD[] = { "", "{}", "[]",
                                       ("{\"uidMappings\": [{\"hostId\": 65536,"
                                        " \"containerId\": 0, \"length\": 65536}]}") };
    for (size_t i = 0; i < COUNT_OF (BAD); i++)
        assert_int_equal (user_mapping_read (BAD[i], strlen (BAD[i]), 65536, &id, &fault), -1);
    assert_int_equal (user_mapping_read (text, strlen (text), 131072, &id, &fault), -1);
}

static void
subordinate_ids_are_one_range (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t first, total; // 0: refused
    } CASES[] = {
        { "0: kubelet 65536 7208960\n", 65536, 7208960 },
        { "0: kubelet 65536 7208960", 65536, 7208960 },
        { "0: kubelet 65536 65536\n1: kubelet 1310720 65536\n", 0, 0 },
        { "0: kubelet 100000 65536\n", 0, 0 },
        { "0: kubelet 65536 1000\n", 0, 0 },
        { "0: kubelet 0 65536\n", 0, 0 },
        { "Error fetching ranges\n", 0, 0 },
        { "", 0, 0 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 };
        int64_t first = 0, total = 0;
        int result = subids_read (CASES[i].text, &first, &total, &fault);
        assert_int_equal (result, CASES[i].total ? 0 : -1);
        if (result == 0) {
            assert_int_equal (first, CASES[i].first);
            assert_int_equal (total, CASES[i].total);
        }
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_pod_has_ids_of_its_own),
        cmocka_unit_test (only_free_ranges_can_be_marked),
        cmocka_unit_test (no_ids_are_no_ranges),
        cmocka_unit_test (a_pods_file_is_read_back),
        cmocka_unit_test (subordinate_ids_are_one_range),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
