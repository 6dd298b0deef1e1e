/* What the API server gets of a pod's status; the patches against those of an upstream kubelet. */
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod_status_merge.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW (1000 * NS_PER_S) // 1970-01-01T00:16:40Z

static tree_t *
parsed (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", text, fault.text);
    return tree;
}

/* The status of the Pod that a line's answer shows. */
static const node_t *
status_after (tree_t *line)
{
    return node_at (tree_root (line), "response", "status", NULL);
}

/* One pod from creation to its end: lines of the conversation whose answers hold the whole Pod,
   each the state before the next one's patch. */
static void
patches_are_those_of_upstream (void **state)
{
    (void) state;
    static const int LINES[] = { 35, 38, 58, 82, 84 };
    for (size_t i = 1; i < COUNT_OF (LINES); i++) {
        OWNED (tree_destroy) tree_t *before = sample_request (LINES[i - 1]);
        OWNED (tree_destroy) tree_t *after = sample_request (LINES[i]);
        const node_t *request = node_get (tree_root (after), "request");
        OWNED (tree_destroy)
        tree_t *merged = pod_status_merge (status_after (after), status_after (before), false, NOW);
        OWNED (tree_destroy) tree_t *tree = tree_new();
        bool is_empty = true;
        node_t patch =
            pod_status_patch (tree, node_get_text (node_get (request, "metadata"), "uid", ""),
                              status_after (before), tree_root (merged), &is_empty);
        print_message ("line %d\n", LINES[i]);
        assert_false (is_empty);
        assert_same_json (&patch, request);
    }
}

static void
a_status_that_is_there_needs_no_patch (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *line = sample_request (58);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (tree_destroy)
    tree_t *merged = pod_status_merge (status_after (line), status_after (line), false, NOW);
    bool is_empty = false;
    node_t patch = pod_status_patch (tree, "u", status_after (line), tree_root (merged), &is_empty);
    assert_true (is_empty);
    assert_json (&patch, "{\"metadata\": {\"uid\": \"u\"}}");
}

static const struct {
    const char *what, *status, *api, *merged;
    bool is_running;
} MERGES[] = {
    { "conditions and fields of others stay, ours are replaced",
      "{\"phase\": \"Running\", \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}, "
      "{\"type\": \"gate\", \"status\": \"Stale\"}]}",
      "{\"phase\": \"Running\", \"resourceClaimStatuses\": [{\"name\": \"c\"}], "
      "\"nominatedNodeName\": \"n\", \"reason\": \"Old\", \"conditions\": [{\"type\": \"Ready\", "
      "\"status\": \"False\"}, {\"type\": \"gate\", \"status\": \"True\"}]}",
      "{\"phase\": \"Running\", \"resourceClaimStatuses\": [{\"name\": \"c\"}], "
      "\"nominatedNodeName\": \"n\", \"conditions\": [{\"type\": \"gate\", \"status\": \"True\"}, "
      "{\"type\": \"Ready\", \"status\": \"True\"}]}",
      true },
    { "the end is withheld while containers may run",
      "{\"phase\": \"Failed\", \"reason\": \"Evicted\", \"message\": \"m\", \"conditions\": "
      "[{\"type\": \"DisruptionTarget\", \"status\": \"True\"}]}",
      "{\"phase\": \"Running\"}", "{\"phase\": \"Running\", \"conditions\": []}", true },
    { "and said afterwards, with the reason of the disruption",
      "{\"phase\": \"Failed\", \"reason\": \"Evicted\", \"message\": \"m\", \"conditions\": "
      "[{\"type\": \"DisruptionTarget\", \"status\": \"True\"}]}",
      "{\"phase\": \"Running\"}",
      "{\"phase\": \"Failed\", \"reason\": \"Evicted\", \"message\": \"m\", \"conditions\": "
      "[{\"type\": \"DisruptionTarget\", \"status\": \"True\"}]}",
      false },
    { "a DisruptionTarget of somebody else stays until then",
      "{\"phase\": \"Running\", \"conditions\": []}",
      "{\"phase\": \"Running\", \"conditions\": [{\"type\": \"DisruptionTarget\", \"reason\": "
      "\"Preemption\"}]}",
      "{\"phase\": \"Running\", \"conditions\": [{\"type\": \"DisruptionTarget\", \"reason\": "
      "\"Preemption\"}]}",
      true },
    { "a pod that has ended is not ready",
      "{\"phase\": \"Succeeded\", \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}",
      "{}",
      "{\"phase\": \"Succeeded\", \"conditions\": [{\"type\": \"Ready\", \"status\": \"False\", "
      "\"reason\": \"PodCompleted\", \"lastTransitionTime\": \"1970-01-01T00:16:40Z\"}]}",
      false },
    { "the generation that was seen never decreases",
      "{\"phase\": \"Running\", \"observedGeneration\": 2}", "{\"observedGeneration\": 3}",
      "{\"phase\": \"Running\", \"observedGeneration\": 3, \"conditions\": []}", true },
};

static void
what_others_wrote_stays_and_the_end_waits (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (MERGES); i++) {
        print_message ("%s\n", MERGES[i].what);
        OWNED (tree_destroy) tree_t *status = parsed (MERGES[i].status);
        OWNED (tree_destroy) tree_t *api = parsed (MERGES[i].api);
        OWNED (tree_destroy)
        tree_t *merged =
            pod_status_merge (tree_root (status), tree_root (api), MERGES[i].is_running, NOW);
        assert_json (tree_root (merged), MERGES[i].merged);
    }
}

static void
times_change_only_with_what_they_are_about (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *old =
        parsed ("{\"startTime\": \"T0\", \"conditions\": [{\"type\": \"Ready\", "
                "\"status\": \"True\", \"lastTransitionTime\": \"T1\"}, {\"type\": "
                "\"Initialized\", \"status\": \"False\", \"lastTransitionTime\": \"T1\"}]}");
    OWNED (tree_destroy)
    tree_t *new =
        parsed ("{\"startTime\": \"T9\", \"conditions\": [{\"type\": \"Ready\", "
                "\"status\": \"True\", \"lastTransitionTime\": \"T9\"}, {\"type\": "
                "\"Initialized\", \"status\": \"True\", \"lastTransitionTime\": \"T9\"}]}");
    OWNED (tree_destroy) tree_t *carried = pod_status_carry (tree_root (new), tree_root (old));
    assert_json (tree_root (carried),
                 "{\"startTime\": \"T0\", \"conditions\": [{\"type\": \"Ready\", \"status\": "
                 "\"True\", \"lastTransitionTime\": \"T1\"}, {\"type\": \"Initialized\", "
                 "\"status\": \"True\", \"lastTransitionTime\": \"T9\"}]}");
    OWNED (tree_destroy) tree_t *first = pod_status_carry (tree_root (new), NULL);
    assert_same_json (tree_root (first), tree_root (new));
}

#define ENDED(code) "{\"terminated\": {\"exitCode\": " #code "}}"
#define STATUS(list, state) "{\"" list "\": [{\"name\": \"c\", \"state\": " state "}]}"

static const struct {
    const char *spec, *old, *new;
    bool is_legal;
} TRANSITIONS[] = {
    { "{\"restartPolicy\": \"Always\"}", STATUS ("containerStatuses", ENDED (0)),
      STATUS ("containerStatuses", "{\"running\": {}}"), true },
    { "{\"restartPolicy\": \"Never\"}", STATUS ("containerStatuses", ENDED (1)),
      STATUS ("containerStatuses", "{\"running\": {}}"), false },
    { "{\"restartPolicy\": \"Never\"}", STATUS ("containerStatuses", ENDED (1)),
      STATUS ("containerStatuses", ENDED (1)), true },
    { "{\"restartPolicy\": \"Never\"}", STATUS ("containerStatuses", "{\"running\": {}}"),
      STATUS ("containerStatuses", "{\"waiting\": {}}"), true },
    { "{\"restartPolicy\": \"OnFailure\"}", STATUS ("containerStatuses", ENDED (1)),
      STATUS ("containerStatuses", "{\"waiting\": {}}"), true },
    { "{\"restartPolicy\": \"OnFailure\"}", STATUS ("containerStatuses", ENDED (0)),
      STATUS ("containerStatuses", "{\"waiting\": {}}"), false },
    { "{\"restartPolicy\": \"Never\"}", STATUS ("initContainerStatuses", ENDED (0)),
      STATUS ("initContainerStatuses", "{\"running\": {}}"), false },
    { "{\"restartPolicy\": \"Never\", \"initContainers\": [{\"name\": \"c\", \"restartPolicy\": "
      "\"Always\"}]}",
      STATUS ("initContainerStatuses", ENDED (0)),
      STATUS ("initContainerStatuses", "{\"running\": {}}"), true },
};

static void
containers_do_not_come_back_when_they_may_not (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (TRANSITIONS); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *spec = parsed (TRANSITIONS[i].spec);
        OWNED (tree_destroy) tree_t *old = parsed (TRANSITIONS[i].old);
        OWNED (tree_destroy) tree_t *new = parsed (TRANSITIONS[i].new);
        int rc = pod_status_check_transition (tree_root (spec), tree_root (old), tree_root (new),
                                              &fault);
        if ((rc == 0) != TRANSITIONS[i].is_legal)
            fail_msg ("row %zu: %s", i, fault.text);
        if (rc < 0)
            assert_string_equal (fault.text, "terminated container c attempted illegal transition "
                                             "to non-terminated state");
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (patches_are_those_of_upstream),
        cmocka_unit_test (a_status_that_is_there_needs_no_patch),
        cmocka_unit_test (what_others_wrote_stays_and_the_end_waits),
        cmocka_unit_test (times_change_only_with_what_they_are_about),
        cmocka_unit_test (containers_do_not_come_back_when_they_may_not),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
