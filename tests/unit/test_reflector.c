#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/reflector.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const reflector_limits_t LIMITS = { .first_wait_ms = 800, .watch_min_s = 300 };

static const reflector_limits_t STREAMED = { .first_wait_ms = 800,
                                             .watch_min_s = 300,
                                             .streams = true };

static void
assert_step (reflector_step_t step, reflector_what_t what, int64_t wait_ms)
{
    assert_int_equal (step.what, what);
    assert_int_equal (step.wait_ms, wait_ms);
}

static void
a_list_is_followed_by_a_watch_from_its_version (void **state)
{
    (void) state;
    reflector_t self = { 0 };
    OWNED (free_text) char *first = reflector_list_query (&self, "metadata.name=n", NULL);
    assert_string_equal (first, "fieldSelector=metadata.name%3Dn&limit=500&resourceVersion=0");
    OWNED (free_text) char *page = reflector_list_query (&self, NULL, "a/b");
    assert_string_equal (page, "continue=a%2Fb&limit=500");
    assert_step (reflector_listed (&self, "12"), REFLECTOR_WATCH, 0);
    OWNED (free_text) char *watch = reflector_watch_query (&self, "spec.clusterIP!=None", 414);
    assert_string_equal (watch, "allowWatchBookmarks=true&fieldSelector=spec.clusterIP%21%3DNone&"
                                "resourceVersion=12&timeoutSeconds=414&watch=true");
    reflector_saw (&self, "15");
    reflector_saw (&self, "");
    reflector_saw (&self, NULL);
    OWNED (free_text) char *again = reflector_list_query (&self, NULL, NULL);
    assert_string_equal (again, "limit=500&resourceVersion=15");
}

static void
a_watch_lasts_between_once_and_twice_the_least (void **state)
{
    (void) state;
    assert_int_equal (reflector_watch_s (&LIMITS, 0), 300);
    assert_int_equal (reflector_watch_s (&LIMITS, 0.5), 450);
    assert_int_equal (reflector_watch_s (&LIMITS, 0.999), 599);
}

static void
how_a_watch_ends_says_what_comes_next (void **state)
{
    (void) state;
    static const struct {
        reflector_end_t end;
        reflector_what_t what;
        int64_t wait_ms;
    } CASES[] = {
        { { 200, NULL, 3, 300000 }, REFLECTOR_WATCH, 0 }, // its time was over
        { { 200, NULL, 0, 300000 }, REFLECTOR_WATCH, 0 },
        { { 200, NULL, 1, 10 }, REFLECTOR_WATCH, 0 },
        { { 200, NULL, 0, 10 }, REFLECTOR_LIST, 800 }, // very short
        { { 0, NULL, 5, 100 }, REFLECTOR_WATCH, 0 },   // broken after events
        { { 0, NULL, 0, 100 }, REFLECTOR_WATCH, 800 }, // no server
        { { 429, NULL, 0, 1 }, REFLECTOR_WATCH, 800 },
        { { 500, "InternalError", 0, 1 }, REFLECTOR_WATCH, 800 },
        { { 410, "Expired", 9, 1 }, REFLECTOR_LIST, 0 },
        { { 410, NULL, 0, 1 }, REFLECTOR_LIST, 0 },
        { { 403, "Forbidden", 0, 1 }, REFLECTOR_LIST, 800 },
        { { -1, NULL, 4, 1 }, REFLECTOR_LIST, 800 }, // garbage
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        reflector_t self = { 0 };
        assert_step (reflector_watch_ended (&self, &LIMITS, &CASES[i].end, 0, 0), CASES[i].what,
                     CASES[i].wait_ms);
    }
}

static void
failures_wait_longer_and_longer_until_there_were_none_for_a_while (void **state)
{
    (void) state;
    static const struct {
        int64_t now_ms;
        double chance;
        int64_t wait_ms;
    } CASES[] = {
        { 1000, 0, 800 },      { 2000, 0.5, 2400 },  { 5000, 0, 3200 },
        { 9000, 0, 6400 },     { 16000, 0, 12800 },  { 30000, 0.5, 30000 },
        { 60000, 0.9, 30000 }, { 180000, 0, 30000 }, { 300001, 0, 800 },
    };
    static const reflector_end_t END = { .code = 500 };
    reflector_t self = { 0 };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        assert_step (reflector_list_failed (&self, &LIMITS, &END, CASES[i].chance, CASES[i].now_ms),
                     REFLECTOR_LIST, CASES[i].wait_ms);
}

static void
a_version_that_the_server_does_not_have_is_given_up_once (void **state)
{
    (void) state;
    static const reflector_end_t ENDS[] = { { .code = 410, .reason = "Expired" },
                                            { .code = 504, .reason = "Timeout" } };
    for (size_t i = 0; i < COUNT_OF (ENDS); i++) {
        reflector_t self = { .version = "99" };
        assert_step (reflector_list_failed (&self, &LIMITS, &ENDS[i], 0, 0), REFLECTOR_LIST, 0);
        OWNED (free_text) char *query = reflector_list_query (&self, NULL, NULL);
        assert_string_equal (query, "limit=500");
        assert_step (reflector_list_failed (&self, &LIMITS, &ENDS[i], 0, 0), REFLECTOR_LIST, 800);
        reflector_listed (&self, "5");
        OWNED (free_text) char *next = reflector_list_query (&self, NULL, NULL);
        assert_string_equal (next, "limit=500&resourceVersion=5");
    }
}

static void
a_streamed_list_is_asked_for_in_one_watch (void **state)
{
    (void) state;
    reflector_t self = { 0 };
    assert_step (reflector_begin (&self, &LIMITS), REFLECTOR_LIST, 0);
    assert_step (reflector_begin (&self, &STREAMED), REFLECTOR_STREAM, 0);
    OWNED (free_text) char *first = reflector_stream_query (&self, "metadata.name=n", 300);
    assert_string_equal (first, "allowWatchBookmarks=true&fieldSelector=metadata.name%3Dn&"
                                "resourceVersionMatch=NotOlderThan&sendInitialEvents=true&"
                                "timeoutSeconds=300&watch=true");
    reflector_listed (&self, "7");
    static const reflector_end_t EXPIRED = { .code = 410 };
    assert_step (reflector_watch_ended (&self, &STREAMED, &EXPIRED, 0, 0), REFLECTOR_STREAM, 0);
    OWNED (free_text) char *again = reflector_stream_query (&self, NULL, 300);
    assert_string_equal (again, "allowWatchBookmarks=true&resourceVersion=7&"
                                "resourceVersionMatch=NotOlderThan&sendInitialEvents=true&"
                                "timeoutSeconds=300&watch=true");
    assert_step (reflector_stream_failed (&self, &STREAMED, &EXPIRED, 0, 0), REFLECTOR_STREAM, 0);
    OWNED (free_text) char *fresh = reflector_stream_query (&self, NULL, 300);
    assert_null (strstr (fresh, "resourceVersion="));
    assert_step (reflector_stream_failed (&self, &STREAMED, &EXPIRED, 0, 0), REFLECTOR_LIST, 0);
}

static void
a_stream_that_fails_is_tried_again_or_read_in_pages (void **state)
{
    (void) state;
    static const struct {
        reflector_end_t end;
        reflector_what_t what;
        int64_t wait_ms;
    } CASES[] = {
        { { 422, "Invalid", 0, 5 }, REFLECTOR_LIST, 0 }, // the gate WatchList is off
        { { 400, "BadRequest", 0, 5 }, REFLECTOR_LIST, 0 },
        { { 403, "Forbidden", 0, 5 }, REFLECTOR_LIST, 0 },
        { { 405, NULL, 0, 5 }, REFLECTOR_LIST, 0 },
        { { -1, NULL, 3, 60000 }, REFLECTOR_LIST, 0 }, // garbage, or no end of the list
        { { 200, NULL, 0, 5 }, REFLECTOR_LIST, 0 },    // very short
        { { 200, NULL, 3, 5 }, REFLECTOR_STREAM, 800 },
        { { 0, NULL, 0, 5 }, REFLECTOR_STREAM, 800 }, // no server
        { { 429, NULL, 0, 5 }, REFLECTOR_STREAM, 800 },
        { { 500, "InternalError", 0, 5 }, REFLECTOR_STREAM, 800 },
        { { 504, "Timeout", 0, 5 }, REFLECTOR_STREAM, 0 }, // our version is ahead
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        reflector_t self = { .version = "5" };
        assert_step (reflector_stream_failed (&self, &STREAMED, &CASES[i].end, 0, 0), CASES[i].what,
                     CASES[i].wait_ms);
    }
}

static void
a_refused_stream_is_asked_for_again_with_the_next_list (void **state)
{
    (void) state;
    static const reflector_end_t REFUSED = { .code = 422 }, BROKEN = { .code = 500 },
                                 EXPIRED = { .code = 410 };
    reflector_t self = { 0 };
    assert_step (reflector_stream_failed (&self, &STREAMED, &REFUSED, 0, 0), REFLECTOR_LIST, 0);
    reflector_listed (&self, "7");
    assert_step (reflector_watch_ended (&self, &STREAMED, &EXPIRED, 0, 0), REFLECTOR_STREAM, 0);
    assert_step (reflector_stream_failed (&self, &STREAMED, &REFUSED, 0, 0), REFLECTOR_LIST, 0);
    assert_step (reflector_list_failed (&self, &STREAMED, &BROKEN, 0, 0), REFLECTOR_STREAM, 800);
}

static void
only_the_bookmark_with_the_annotation_ends_a_list (void **state)
{
    (void) state;
    static const struct {
        const char *json;
        bool is_end;
    } CASES[] = {
        { "{\"metadata\": {\"annotations\": {\"k8s.io/initial-events-end\": \"true\"}}}", true },
        { "{\"metadata\": {\"annotations\": {\"k8s.io/initial-events-end\": \"false\"}}}", false },
        { "{\"metadata\": {\"annotations\": null}}", false },
        { "{\"metadata\": {\"resourceVersion\": \"7\"}}", false },
        { "{}", false },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = json_read (CASES[i].json, strlen (CASES[i].json), &fault);
        assert_int_equal (reflector_is_list_end (tree_root (tree)), CASES[i].is_end);
    }
}

static void
a_version_without_end_counts_as_none (void **state)
{
    (void) state;
    char version[2 * REFLECTOR_VERSION_MAX];
    memset (version, '1', sizeof version);
    version[sizeof version - 1] = '\0';
    reflector_t self = { 0 };
    reflector_listed (&self, version);
    assert_string_equal (self.version, "");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_list_is_followed_by_a_watch_from_its_version),
        cmocka_unit_test (a_watch_lasts_between_once_and_twice_the_least),
        cmocka_unit_test (how_a_watch_ends_says_what_comes_next),
        cmocka_unit_test (failures_wait_longer_and_longer_until_there_were_none_for_a_while),
        cmocka_unit_test (a_version_that_the_server_does_not_have_is_given_up_once),
        cmocka_unit_test (a_streamed_list_is_asked_for_in_one_watch),
        cmocka_unit_test (a_stream_that_fails_is_tried_again_or_read_in_pages),
        cmocka_unit_test (a_refused_stream_is_asked_for_again_with_the_next_list),
        cmocka_unit_test (only_the_bookmark_with_the_annotation_ends_a_list),
        cmocka_unit_test (a_version_without_end_counts_as_none),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
