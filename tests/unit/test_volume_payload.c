#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/volume_payload.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
paths_stay_in_the_volume (void **state)
{
    (void) state;
    static const struct {
        const char *path;
        const char *result; // clean path, or the fault
        bool is_good;
    } CASES[] = {
        { "a", "a", true },
        { "a/b/c", "a/b/c", true },
        { "./a//b/.", "a/b", true },
        { "a/..b", "a/..b", true },
        { "...", "invalid path: must not start with '..': ...", false },
        { "..data", "invalid path: must not start with '..': ..data", false },
        { "./..data", "invalid path: must not start with '..': ..data", false },
        { "a/../b", "invalid path: must not contain '..': a/../b", false },
        { "..", "invalid path: must not contain '..': ..", false },
        { "/etc", "invalid path: must be relative path: /etc", false },
        { "", "invalid path: must not be empty: \"\"", false },
        { ".", "invalid path: must not be empty: \"\"", false },
        { NULL, "invalid path: must not be empty: \"\"", false },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        fault_t fault = { 0 };
        payload_t payload = { 0 };
        payload_file_t file = { .path = CASES[i].path, .bytes = "x", .size = 1, .mode = 0644 };
        assert_int_equal (payload_put (&payload, tree, &file, &fault), CASES[i].is_good ? 0 : -1);
        assert_string_equal (CASES[i].is_good ? payload.items[0].path : fault.text,
                             CASES[i].result);
    }
}

static void
a_path_is_there_once_and_the_last_wins (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    payload_t payload = { 0 };
    static const char *const PATHS[] = { "a", "b", "s/1", "s/2", "./a" };
    for (size_t i = 0; i < COUNT_OF (PATHS); i++)
        payload_put (&payload, tree, &(payload_file_t){ PATHS[i], PATHS[i], 1, 07755 }, &fault);
    assert_int_equal (payload.count, 4);
    assert_string_equal (payload_find (&payload, "a")->bytes, "./a");
    assert_int_equal (payload_find (&payload, "a")->mode, 0755);
    assert_null (payload_find (&payload, "s"));
    size_t size;
    assert_string_equal (payload_root_name (&payload.items[3], &size), "s/2");
    assert_int_equal (size, 1);
}

static void
too_long_names_are_refused (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    payload_t payload = { 0 };
    char path[5000];
    memset (path, 'a', sizeof path);
    path[256] = '\0';
    assert_int_equal (payload_put (&payload, tree, &(payload_file_t){ path, "", 0, 0 }, &fault),
                      -1);
    assert_string_equal (fault.text,
                         "invalid path: filenames must be less than or equal to 255 characters");
    path[256] = '/';
    path[4097] = '\0';
    assert_int_equal (payload_put (&payload, tree, &(payload_file_t){ path, "", 0, 0 }, &fault),
                      -1);
    assert_string_equal (fault.text, "invalid path: must be less than or equal to 4096 characters");
}

static const char POD[] =
    "{\"metadata\": {\"name\": \"p\", \"namespace\": \"n\", \"uid\": \"u\","
    " \"labels\": {\"b\": \"2\", \"a\": \"1\"}, \"annotations\": {\"note\": \"x\\n\\\"y\\\"\"}},"
    " \"spec\": {\"containers\": [{\"name\": \"main\", \"resources\":"
    " {\"limits\": {\"cpu\": \"100m\"}}}]}}";

static void
downward_items_become_files (void **state)
{
    (void) state;
    static const struct {
        const char *item;
        const char *result; // "PATH MODE BYTES", or the fault
    } CASES[] = {
        { "{\"path\": \"labels\", \"fieldRef\": {\"fieldPath\": \"metadata.labels\"}}",
          "labels 644 a=\"1\"\nb=\"2\"" },
        { "{\"path\": \"x/notes\", \"fieldRef\": {\"fieldPath\": \"metadata.annotations\"},"
          " \"mode\": 256}",
          "x/notes 400 note=\"x\\n\\\"y\\\"\"" },
        { "{\"path\": \"name\", \"fieldRef\": {\"fieldPath\": \"metadata.name\"}}", "name 644 p" },
        { "{\"path\": \"cpu\", \"resourceFieldRef\": {\"containerName\": \"main\","
          " \"resource\": \"limits.cpu\", \"divisor\": \"1m\"}}",
          "cpu 644 100" },
        { "{\"path\": \"cpu\", \"resourceFieldRef\": {\"containerName\": \"gone\","
          " \"resource\": \"limits.cpu\"}}",
          "container gone not found" },
        { "{\"path\": \"../x\", \"fieldRef\": {\"fieldPath\": \"metadata.name\"}}",
          "invalid path: must not contain '..': ../x" },
    };
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = json_read (POD, strlen (POD), &fault);
    pod_t pod = { 0 };
    assert_int_equal (pod_decode (tree_root (tree), tree, &pod, &fault), 0);
    node_facts_t facts = { 0 };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *json = text_format ("[%s]", CASES[i].item);
        OWNED (tree_destroy) tree_t *items = json_read (json, strlen (json), &fault);
        assert_non_null (items);
        payload_t payload = { 0 };
        fault_t bad = { 0 };
        char text[sizeof bad.text];
        if (payload_put_downward (&payload, items, &pod, &facts, tree_root (items), 0644, &bad) < 0)
            snprintf (text, sizeof text, "%s", bad.text);
        else
            snprintf (text, sizeof text, "%s %o %.*s", payload.items[0].path,
                      (unsigned) payload.items[0].mode, (int) payload.items[0].size,
                      payload.items[0].bytes);
        assert_string_equal (text, CASES[i].result);
    }
}

static void
faults_come_together (void **state)
{
    (void) state;
    fault_list_t list = { 0 };
    fault_t result = { 0 };
    assert_int_equal (fault_list_report (&list, &result), 0);
    fault_list_add (&list, &(fault_t){ FAULT_NOT_FOUND, "a" });
    assert_int_equal (fault_list_report (&list, &result), -1);
    assert_string_equal (result.text, "a");
    list = (fault_list_t){ 0 };
    fault_list_add (&list, &(fault_t){ FAULT_NOT_FOUND, "a" });
    fault_list_add (&list, &(fault_t){ FAULT_INVALID, "100% b" });
    assert_int_equal (fault_list_report (&list, &result), -1);
    assert_string_equal (result.text, "[a, 100% b]");
    assert_int_equal (result.code, FAULT_NOT_FOUND);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (paths_stay_in_the_volume),
        cmocka_unit_test (a_path_is_there_once_and_the_last_wins),
        cmocka_unit_test (too_long_names_are_refused),
        cmocka_unit_test (downward_items_become_files),
        cmocka_unit_test (faults_come_together),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
