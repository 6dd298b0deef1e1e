#include "cubelet/duration.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod_start.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define S 1000000000LL

static tree_t *
read_json (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    assert_non_null (tree);
    return tree;
}

#define RUNNING "{\"state\":{\"running\":{\"startedAt\":\"2026-01-01T00:00:09Z\"}}}"
#define WAITING "{\"state\":{\"waiting\":{\"reason\":\"ContainerCreating\"}}}"
#define ENDED "{\"state\":{\"terminated\":{\"exitCode\":1}}}"

static void
a_pod_has_started_when_all_its_containers_run (void **state)
{
    (void) state;
    static const struct {
        const char *status;
        bool has_started, is_late;
    } CASES[] = {
        { "{}", false, false },
        { "{\"containerStatuses\":[]}", false, false },
        { "{\"containerStatuses\":[" WAITING "]}", false, false },
        { "{\"containerStatuses\":[" RUNNING "," WAITING "]}", false, true },
        { "{\"containerStatuses\":[" RUNNING "," RUNNING "]}", true, true },
        { "{\"containerStatuses\":[" RUNNING "," ENDED "]}", false, true },
        { "{\"containerStatuses\":[{\"restartCount\":1,\"state\":{\"waiting\":{}}}]}", false,
          true },
        { "{\"phase\":\"Failed\"}", false, true },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = read_json (CASES[i].status);
        assert_int_equal (pod_has_started (tree_root (tree)), CASES[i].has_started);
        assert_int_equal (pod_start_is_late (tree_root (tree)), CASES[i].is_late);
    }
}

static void
pulls_and_init_containers_do_not_count_for_the_sli (void **state)
{
    (void) state;
    static const char INIT[] =
        "\"initContainerStatuses\":["
        "{\"state\":{\"terminated\":{\"startedAt\":\"2026-01-01T00:00:02Z\","
        "\"finishedAt\":\"2026-01-01T00:00:05Z\"}}},{\"state\":{\"running\":{}}}]";
    static const struct {
        bool has_init;
        int64_t pulls_ns, now_s;
        int64_t total_s, sli_s;
    } CASES[] = {
        { false, 0, 10, 10, 10 },     { false, 4 * S, 10, 10, 6 }, { true, 4 * S, 10, 10, 3 },
        { false, 40 * S, 10, 10, 0 }, { false, 0, -5, 0, 0 }, // a clock that was set
    };
    fault_t fault = { 0 };
    int64_t created = 0;
    assert_int_equal (time_parse ("2026-01-01T00:00:00Z", &created, &fault), 0);
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        pod_start_t start = { 0 };
        OWNED (free_text)
        char *text = text_format ("{\"metadata\":{\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},"
                                  "\"status\":{%s}}",
                                  CASES[i].has_init ? INIT : "");
        OWNED (tree_destroy) tree_t *tree = read_json (text);
        assert_true (pod_start_measure (tree_root (tree), CASES[i].pulls_ns,
                                        created + CASES[i].now_s * S, &start));
        assert_int_equal (start.total_ns, CASES[i].total_s * S);
        assert_int_equal (start.sli_ns, CASES[i].sli_s * S);
    }
    pod_start_t start = { 0 };
    OWNED (tree_destroy) tree_t *none = read_json ("{\"metadata\":{}}");
    assert_false (pod_start_measure (tree_root (none), 0, created, &start));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_pod_has_started_when_all_its_containers_run),
        cmocka_unit_test (pulls_and_init_containers_do_not_count_for_the_sli),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
