/* test_probe_output.c - what users read of probes, word for word. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/go_text.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/probe_output.h"
#include <cmocka.h>

/* Takes the outcome and compares its event; `event` NULL: none. */
static void
check_event (probe_outcome_t outcome, const char *reason, const char *event)
{
    OWNED (free_text) char *message = NULL;
    const char *actual = probe_outcome_event (&outcome, PROBE_READINESS, &message);
    if (!reason)
        assert_null (actual);
    else {
        assert_string_equal (actual, reason);
        assert_string_equal (message, event);
    }
    probe_outcome_clear (&outcome);
}

static tree_t *
parse (const char *json)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (json, strlen (json), &fault);
    assert_non_null (tree);
    return tree;
}

static const struct {
    const char *response, *reason, *event;
} EXECS[] = {
    { "{}", NULL, NULL },
    { "{\"stdout\": \"fine\"}", NULL, NULL },
    { "{\"exit_code\": 1}", "Unhealthy", "Readiness probe failed: " },
    { "{\"exit_code\": 2, \"stdout\": \"a\\n\", \"stderr\": \"b\"}", "Unhealthy",
      "Readiness probe failed: a\nb" },
};

static void
exec_probes_show_their_output (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (EXECS); i++) {
        OWNED (tree_destroy) tree_t *response = parse (EXECS[i].response);
        check_event (probe_outcome_exec (tree_root (response)), EXECS[i].reason, EXECS[i].event);
    }
}

static const struct {
    fault_t fault;
    int64_t timeout_s;
    const char *event;
} EXEC_FAULTS[] = {
    { { FAULT_DEADLINE, "whatever" },
      1,
      "Readiness probe failed: command timed out: \"sh -c \\\"x\\\"\" timed out after 1s" },
    { { FAULT_DEADLINE, "whatever" },
      90,
      "Readiness probe failed: command timed out: \"sh -c \\\"x\\\"\" timed out after 1m30s" },
    { { FAULT_NOT_FOUND, "failed to exec in container: failed to load task: not found" },
      1,
      "Readiness probe errored and resulted in unknown state: rpc error: code = NotFound desc = "
      "failed to exec in container: failed to load task: not found" },
};

static void
exec_faults_are_timeouts_or_unknown (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *command = parse ("[\"sh\", \"-c\", \"\\\"x\\\"\"]");
    for (size_t i = 0; i < COUNT_OF (EXEC_FAULTS); i++)
        check_event (probe_outcome_exec_fault (&EXEC_FAULTS[i].fault, tree_root (command),
                                               EXEC_FAULTS[i].timeout_s),
                     "Unhealthy", EXEC_FAULTS[i].event);
}

static void
output_is_limited_and_valid_text (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    static const char BYTES[] = "ab\xff\0c";
    node_t response = node_map();
    node_set (tree, &response, "stdout", node_bytes (tree, BYTES, sizeof BYTES - 1));
    node_set_text (tree, &response, "stderr", "0123456789");
    OWNED (free_text) char *cut = exec_output (&response, 8);
    assert_string_equal (cut, "ab\xef\xbf\xbd\xef\xbf\xbd"
                              "c012");
    OWNED (free_text) char *first = exec_output (&response, 1);
    assert_string_equal (first, "a");
}

static const struct {
    int status;
    const char *reason, *event;
} STATUSES[] = {
    { 200, NULL, NULL },
    { 299, NULL, NULL },
    { 302, "ProbeWarning",
      "Readiness probe warning: Probe terminated redirects, Response body: <moved>" },
    { 399, "ProbeWarning",
      "Readiness probe warning: Probe terminated redirects, Response body: <moved>" },
    { 400, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 400" },
    { 500, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500" },
    { 199, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 199" },
};

static void
http_probes_judge_the_status (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (STATUSES); i++)
        check_event (probe_outcome_http (STATUSES[i].status, "<moved>", 7), STATUSES[i].reason,
                     STATUSES[i].event);
    fault_t fault = { FAULT_UNAVAILABLE, "unexpected EOF" };
    check_event (probe_outcome_http_fault (&fault, true), "Unhealthy",
                 "Readiness probe errored and resulted in failure state: unexpected EOF");
    check_event (probe_outcome_http_fault (&fault, false), "Unhealthy",
                 "Readiness probe failed: unexpected EOF");
}

static const struct {
    const char *response, *event; // NULL: success
} HEALTHS[] = {
    { "{\"status\": \"SERVING\"}", NULL },
    { "{\"status\": \"NOT_SERVING\"}",
      "Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")" },
    { "{}", "Readiness probe failed: service unhealthy (responded with \"UNKNOWN\")" },
    { "{\"status\": 7}", "Readiness probe failed: service unhealthy (responded with \"7\")" },
};

static const struct {
    fault_t fault;
    const char *event;
} GRPC_FAULTS[] = {
    { { FAULT_UNIMPLEMENTED, "unknown service" },
      "Readiness probe failed: error: this server does not implement the grpc health protocol "
      "(grpc.health.v1.Health): unknown service" },
    { { FAULT_DEADLINE, "context deadline exceeded" },
      "Readiness probe failed: timeout: health rpc did not complete within 1s" },
    { { FAULT_NOT_FOUND, "unknown service" },
      "Readiness probe failed: error: health rpc probe failed: rpc error: code = NotFound desc = "
      "unknown service" },
};

static void
grpc_probes_tell_what_went_wrong (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (HEALTHS); i++) {
        OWNED (tree_destroy) tree_t *response = parse (HEALTHS[i].response);
        check_event (probe_outcome_grpc (tree_root (response)),
                     HEALTHS[i].event ? "Unhealthy" : NULL, HEALTHS[i].event);
    }
    for (size_t i = 0; i < COUNT_OF (GRPC_FAULTS); i++)
        check_event (probe_outcome_grpc_fault (&GRPC_FAULTS[i].fault, 1), "Unhealthy",
                     GRPC_FAULTS[i].event);
    check_event (probe_outcome_grpc_unreached ("10.0.0.5:80", 1), "Unhealthy",
                 "Readiness probe failed: timeout: failed to connect service \"10.0.0.5:80\" "
                 "within 1s: context deadline exceeded");
}

static void
tcp_probes_repeat_the_dial_error (void **state)
{
    (void) state;
    fault_t fault = { FAULT_UNAVAILABLE, "dial tcp 10.88.1.88:81: connect: connection refused" };
    check_event (probe_outcome_tcp (NULL), NULL, NULL);
    check_event (probe_outcome_tcp (&fault), "Unhealthy",
                 "Readiness probe failed: dial tcp 10.88.1.88:81: connect: connection refused");
}

static void
texts_are_those_of_go (void **state)
{
    (void) state;
    char text[GO_ERRNO_MAX];
    assert_string_equal (go_errno (ECONNREFUSED, text), "connection refused");
    assert_string_equal (go_errno (EHOSTUNREACH, text), "no route to host");
    assert_string_equal (go_errno (99999, text), "errno 99999");
    static const char *const ITEMS[] = { "sh", "-c", NULL, "a b" };
    OWNED (free_text) char *list = go_list (ITEMS, COUNT_OF (ITEMS));
    assert_string_equal (list, "[sh -c  a b]");
    OWNED (free_text) char *none = go_list (NULL, 0);
    assert_string_equal (none, "[]");
    OWNED (free_text) char *v4 = go_host_port ("10.0.0.5", 80);
    assert_string_equal (v4, "10.0.0.5:80");
    OWNED (free_text) char *v6 = go_host_port ("fd00::1", 80);
    assert_string_equal (v6, "[fd00::1]:80");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (exec_probes_show_their_output),
        cmocka_unit_test (exec_faults_are_timeouts_or_unknown),
        cmocka_unit_test (output_is_limited_and_valid_text),
        cmocka_unit_test (http_probes_judge_the_status),
        cmocka_unit_test (grpc_probes_tell_what_went_wrong),
        cmocka_unit_test (tcp_probes_repeat_the_dial_error),
        cmocka_unit_test (texts_are_those_of_go),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
