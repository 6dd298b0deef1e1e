#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/object_cache.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
strategies_have_upstreams_names_and_watch_is_the_default (void **state)
{
    (void) state;
    assert_int_equal (change_detection_of ("Watch"), DETECT_BY_WATCH);
    assert_int_equal (change_detection_of ("Cache"), DETECT_BY_CACHE);
    assert_int_equal (change_detection_of ("Get"), DETECT_BY_GET);
    assert_int_equal (change_detection_of (NULL), DETECT_BY_WATCH);
}

static void
an_object_is_read_when_its_time_is_over_or_nothing_is_known (void **state)
{
    (void) state;
    static const object_known_t NONE = { 0 }, MISSING = { true, false, 1000 },
                                FOUND = { true, true, 1000 };
    static const struct {
        change_detection_t detection;
        const object_known_t *known;
        bool is_new;
        int64_t now_ms;
        bool must_be_read, may_be_cached;
    } CASES[] = {
        { DETECT_BY_GET, &NONE, true, 1001, true, false },
        { DETECT_BY_GET, &FOUND, false, 1001, true, false },
        { DETECT_BY_CACHE, &NONE, true, 1001, true, false },
        { DETECT_BY_CACHE, &FOUND, false, 1001, false, true },
        { DETECT_BY_CACHE, &FOUND, false, 60999, false, true },
        { DETECT_BY_CACHE, &FOUND, false, 61000, true, true },
        { DETECT_BY_CACHE, &FOUND, true, 1001, true, false },    // a pod begins to use it
        { DETECT_BY_CACHE, &MISSING, false, 1001, true, false }, // it may be there by now
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        assert_int_equal (object_must_be_read (CASES[i].detection, CASES[i].known, CASES[i].is_new,
                                               60000, CASES[i].now_ms),
                          CASES[i].must_be_read);
        assert_int_equal (
            object_may_be_cached (CASES[i].detection, CASES[i].known, CASES[i].is_new),
            CASES[i].may_be_cached);
    }
    assert_true (object_must_be_read (DETECT_BY_CACHE, &FOUND, false, 0, 1000)); // ttl 0
}

static tree_t *
tree_of (const char *json)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (json, strlen (json), &fault);
    assert_non_null (tree);
    return tree;
}

static void
the_nodes_annotation_says_how_long_an_object_counts (void **state)
{
    (void) state;
    static const struct {
        const char *value;
        int64_t ttl_ms;
    } CASES[] = {
        { "\"0\"", 0 },    { "\"15\"", 15000 },  { "\"300\"", 300000 },
        { "\"\"", 60000 }, { "\"15s\"", 60000 }, { "\"99999999999999999999\"", 60000 },
        { "15", 60000 },   { "null", 60000 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text)
        char *json = text_format (
            "{\"metadata\": {\"annotations\": {\"node.alpha.kubernetes.io/ttl\": %s}}}",
            CASES[i].value);
        OWNED (tree_destroy) tree_t *node = tree_of (json);
        assert_int_equal (object_ttl_ms (tree_root (node)), CASES[i].ttl_ms);
    }
    assert_int_equal (object_ttl_ms (NULL), 60000);
}

static void
an_answer_of_a_cache_that_lags_behind_is_older (void **state)
{
    (void) state;
    static const struct {
        const char *read, *known;
        bool is_older;
    } CASES[] = {
        { "9", "10", true }, { "10", "9", false }, { "10", "10", false },
        { "", "10", false }, { "a", "10", false }, { "9", "", false },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text)
        char *read_json =
            text_format ("{\"metadata\": {\"resourceVersion\": \"%s\"}}", CASES[i].read);
        OWNED (free_text)
        char *known_json =
            text_format ("{\"metadata\": {\"resourceVersion\": \"%s\"}}", CASES[i].known);
        OWNED (tree_destroy) tree_t *read = tree_of (read_json);
        OWNED (tree_destroy) tree_t *known = tree_of (known_json);
        assert_int_equal (object_is_older (tree_root (read), tree_root (known)), CASES[i].is_older);
        assert_false (object_is_older (tree_root (read), NULL));
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (strategies_have_upstreams_names_and_watch_is_the_default),
        cmocka_unit_test (an_object_is_read_when_its_time_is_over_or_nothing_is_known),
        cmocka_unit_test (the_nodes_annotation_says_how_long_an_object_counts),
        cmocka_unit_test (an_answer_of_a_cache_that_lags_behind_is_older),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
