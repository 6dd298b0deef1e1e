#include "cubelet/empty_dir.h"
#include "cubelet/fs_group.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/mount_table.h"
#include "cubelet/volume_events.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void
a_group_gets_access_by_added_bits (void **state)
{
    (void) state;
    static const struct {
        mode_t mode;
        bool is_directory, is_read_only;
        mode_t result;
    } CASES[] = {
        { 0644, false, false, 0664 },           { 0400, false, true, 0440 },
        { 0777, true, false, 02777 },           { 0700, true, true, 02750 },
        { 01777, true, false, 03777 },          { 0, false, false, 0660 },
        { S_IFREG | 0600, false, false, 0660 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        assert_int_equal (
            fs_group_mode (CASES[i].mode, CASES[i].is_directory, CASES[i].is_read_only),
            CASES[i].result);
}

static void
the_root_tells_whether_all_is_done (void **state)
{
    (void) state;
    static const struct {
        mode_t mode;
        gid_t gid;
        bool is_read_only, is_done;
    } CASES[] = {
        { S_IFDIR | 02770, 2000, false, true },  { S_IFDIR | 02775, 2000, false, true },
        { S_IFDIR | 0770, 2000, false, false },  { S_IFDIR | 02750, 2000, false, false },
        { S_IFDIR | 02750, 2000, true, true },   { S_IFDIR | 02770, 2001, false, false },
        { S_IFREG | 02770, 2000, false, false },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        assert_int_equal (
            fs_group_is_done (CASES[i].mode, CASES[i].gid, 2000, CASES[i].is_read_only),
            CASES[i].is_done);
}

static tree_t *
pod_with_resources (const char *first, const char *second, pod_t *pod)
{
    OWNED (free_text)
    char *json = text_format (
        "{\"metadata\": {\"name\": \"p\"}, \"spec\": {\"containers\": [{\"name\": \"a\","
        " \"resources\": %s}], \"initContainers\": [{\"name\": \"b\", \"resources\": %s}]}}",
        first, second);
    fault_t fault = { 0 };
    tree_t *tree = json_read (json, strlen (json), &fault);
    assert_non_null (tree);
    assert_int_equal (pod_decode (tree_root (tree), tree, pod, &fault), 0);
    return tree;
}

static void
memory_is_bounded_by_the_smallest_limit (void **state)
{
    (void) state;
    static const struct {
        const char *size_limit; // NULL: not set
        const char *resources;
        int64_t allocatable, result;
    } CASES[] = {
        { "8Mi", "{}", 0, 8 << 20 },
        { NULL, "{}", 0, 0 },
        { NULL, "{}", 64 << 20, 64 << 20 },
        { "8Mi", "{}", 64 << 20, 8 << 20 },
        { "128Mi", "{}", 64 << 20, 64 << 20 },
        { "8Mi", "{\"limits\": {\"memory\": \"4Mi\"}}", 64 << 20, 4 << 20 },
        { NULL, "{\"limits\": {\"memory\": \"128Mi\"}}", 64 << 20, 64 << 20 },
        { "0", "{\"limits\": {\"memory\": \"4Mi\"}}", 0, 4 << 20 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        pod_t pod = { 0 };
        fault_t fault = { 0 };
        quantity_t limit = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = pod_with_resources (CASES[i].resources, CASES[i].resources, &pod);
        assert_non_null (tree);
        if (CASES[i].size_limit)
            quantity_parse (CASES[i].size_limit, &limit, &fault);
        node_facts_t facts = { 0 };
        assert_int_equal (empty_dir_size (limit, &pod, &facts, CASES[i].allocatable),
                          CASES[i].result);
    }
}

static void
huge_pages_have_the_size_that_is_requested (void **state)
{
    (void) state;
#define PAGES(size) "{\"requests\": {\"cpu\": \"1\", \"hugepages-" size "\": \"4Mi\"}}"
    static const struct {
        const char *medium, *first, *second;
        const char *result; // the size, or the fault
    } CASES[] = {
        { "HugePages", PAGES ("2Mi"), "{}", "2Mi" },
        { "HugePages", "{}", PAGES ("1Gi"), "1Gi" },
        { "HugePages-2Mi", PAGES ("2Mi"), PAGES ("1Gi"), "2Mi" },
        { "HugePages-2048Ki", PAGES ("2Mi"), "{}", "2Mi" },
        { "HugePages", PAGES ("2Mi"), PAGES ("1Gi"),
          "medium: HugePages can't be used if container requests multiple huge page sizes" },
        { "HugePages", "{}", "{}",
          "medium HugePages: hugePages storage requested, but there is no resource request for "
          "huge pages" },
        { "HugePages-1Gi", PAGES ("2Mi"), "{}",
          "medium HugePages-1Gi: hugePages storage requested, but there is no resource request "
          "for huge pages" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        pod_t pod = { 0 };
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = pod_with_resources (CASES[i].first, CASES[i].second, &pod);
        assert_non_null (tree);
        const char *size = empty_dir_page_size (CASES[i].medium, &pod, &fault);
        assert_string_equal (size ? size : fault.text, CASES[i].result);
    }
}

static void
mounts_below_a_directory_are_found (void **state)
{
    (void) state;
    static const char TEXT[] =
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "30 27 0:27 / /r/pods/u rw shared:1 master:2 - tmpfs tmpfs rw\n"
        "31 27 0:28 / /r/pods/u2/x rw - tmpfs tmpfs rw\n"
        "a broken line\n"
        "32 27 0:29 / /r/pods/u/with\\040space\\134x rw,relatime - hugetlbfs nodev rw\n"
        "33 27 0:29 / /r/pods/u/cut rw,relatime";
    OWNED (tree_destroy) tree_t *tree = tree_new();
    mount_table_t table;
    mount_table_read (TEXT, "/r/pods/u", tree, &table);
    assert_int_equal (table.count, 2);
    assert_string_equal (table.items[0].path, "/r/pods/u");
    assert_string_equal (table.items[0].fs_type, "tmpfs");
    assert_string_equal (table.items[1].path, "/r/pods/u/with space\\x");
    assert_string_equal (table.items[1].fs_type, "hugetlbfs");
    mount_table_read ("", "/r", tree, &table);
    assert_int_equal (table.count, 0);
}

static void
events_say_what_upstreams_say (void **state)
{
    (void) state;
    assert_string_equal (volume_fault_reason ("error making pod data directories: x"), "Failed");
    assert_string_equal (volume_fault_reason ("MapVolume.MapPodDevice failed for volume"),
                         "FailedMapVolume");
    assert_string_equal (volume_fault_reason ("MountVolume.SetUp failed for volume"),
                         "FailedMount");
    OWNED (free_text) char *first = volume_ownership_text ("/r/pods/u/volumes/p/v", "u", -1);
    assert_string_equal (first, "Setting volume ownership for u/volumes/p/v is taking longer than "
                                "expected, consider using OnRootMismatch - "
                                "https://kubernetes.io/docs/tasks/configure-pod-container/"
                                "security-context/#configure-volume-permission-and-ownership-"
                                "change-policy-for-pods");
    OWNED (free_text) char *next = volume_ownership_text ("/elsewhere", "uid", 7);
    assert_string_equal (next, "Setting volume ownership for /elsewhere, processed 7 files.");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_group_gets_access_by_added_bits),
        cmocka_unit_test (the_root_tells_whether_all_is_done),
        cmocka_unit_test (memory_is_bounded_by_the_smallest_limit),
        cmocka_unit_test (huge_pages_have_the_size_that_is_requested),
        cmocka_unit_test (mounts_below_a_directory_are_found),
        cmocka_unit_test (events_say_what_upstreams_say),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
