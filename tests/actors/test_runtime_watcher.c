/* The runtime watcher between a runtime, workers and a pod manager played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <cmocka.h>

#define WORKER "pod-worker/n_p_1"
#define SANDBOX                                                                                    \
    "{\"items\":[{\"id\":\"s\",\"metadata\":{\"uid\":\"1\",\"namespace\":\"n\",\"name\":\"p\"}}]}"
#define NO_SANDBOX "{}"
#define CONTAINER(state)                                                                           \
    "{\"containers\":[{\"id\":\"c\",\"state\":\"" state "\",\"labels\":{"                          \
    "\"io.kubernetes.pod.uid\":\"1\",\"io.kubernetes.pod.namespace\":\"n\","                       \
    "\"io.kubernetes.pod.name\":\"p\"}}]}"
#define NO_CONTAINER "{}"
#define STREAMS "{\"up\":true,\"streams_events\":true}"
#define WORKER_UP(restarts)                                                                        \
    "{\"name\":\"" WORKER "\",\"class\":\"pod-worker\",\"restarts\":" #restarts "}"

typedef struct {
    stage_t *stage;
    peer_t *runtime, *worker, *manager;
} test_t;

static test_t
begin (bool has_worker)
{
    test_t test = { .stage = stage_new() };
    test.runtime = stage_peer (test.stage, "runtime");
    test.manager = stage_peer (test.stage, "pod-manager");
    if (has_worker)
        test.worker = stage_peer (test.stage, WORKER);
    stage_actor (test.stage, &runtime_watcher_class, "runtime-watcher", NULL);
    return test;
}

static void
tell (test_t *test, message_id_t type, const char *json)
{
    peer_send_json (test->runtime, "runtime-watcher", type, json);
}

/* Answers one listing; a question for the state that comes with it is left alone. */
static void
answer_listing (test_t *test, const char *sandboxes, const char *containers)
{
    received_t *request = peer_expect (test->runtime, MSG_CRI_LIST_POD_SANDBOX);
    peer_reply_json (test->runtime, request, sandboxes);
    received_destroy (&request);
    request = peer_expect (test->runtime, MSG_CRI_LIST_CONTAINERS);
    peer_reply_json (test->runtime, request, containers);
    received_destroy (&request);
}

/* What the worker is told: how many sandboxes, and the state of the first container ("" without
   one). */
static void
expect_told (test_t *test, size_t sandboxes, const char *state)
{
    OWNED (received_destroy) received_t *told = peer_expect (test->worker, MSG_POD_RUNTIME);
    assert_int_equal (node_count (node_get (told->body, "sandboxes")), sandboxes);
    assert_string_equal (
        node_get_text (node_item (node_get (told->body, "containers"), 0), "state", ""), state);
    assert_true (node_get_int (told->body, "listed_at", 0) > 0);
}

static void
a_worker_is_told_what_is_there_and_what_changes (void **state)
{
    (void) state;
    test_t test = begin (true);
    int64_t before = clock_now_ns();
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    OWNED (received_destroy) received_t *told = peer_expect (test.worker, MSG_POD_RUNTIME);
    assert_true (node_get_int (told->body, "listed_at", 0) < clock_now_ns());
    assert_true (node_get_int (told->body, "listed_at", 0) > before - NS_PER_S);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING")); // nothing new: not told
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_EXITED"));
    expect_told (&test, 1, "CONTAINER_EXITED");
    answer_listing (&test, NO_SANDBOX, NO_CONTAINER);
    expect_told (&test, 0, "");
    stage_destroy (&test.stage);
}

static void
an_event_leads_to_a_listing_and_again_until_it_shows (void **state)
{
    (void) state;
    test_t test = begin (true);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    expect_told (&test, 1, "CONTAINER_RUNNING");
    tell (&test, MSG_RUNTIME_STATE, STREAMS);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    int64_t began = clock_monotonic_ms();
    tell (&test, MSG_RUNTIME_EVENT, "{\"container_id\":\"c\",\"kind\":\"stopped\"}");
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING")); // lags behind
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_EXITED"));
    expect_told (&test, 1, "CONTAINER_EXITED");
    assert_true (clock_monotonic_ms() - began < 10000);
    stage_destroy (&test.stage);
}

static void
a_new_worker_is_told_at_once_a_replaced_one_after_a_new_listing (void **state)
{
    (void) state;
    test_t test = begin (true);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    expect_told (&test, 1, "CONTAINER_RUNNING");
    tell (&test, MSG_RUNTIME_STATE, STREAMS);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    tell (&test, MSG_ACTOR_UP, WORKER_UP (0));
    expect_told (&test, 1, "CONTAINER_RUNNING");
    tell (&test, MSG_ACTOR_UP, WORKER_UP (1));
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    expect_told (&test, 1, "CONTAINER_RUNNING");
    stage_destroy (&test.stage);
}

static void
a_worker_that_asks_is_told_by_a_listing_that_begins_after_that (void **state)
{
    (void) state;
    test_t test = begin (true);
    answer_listing (&test, SANDBOX, NO_CONTAINER);
    expect_told (&test, 1, "");
    tell (&test, MSG_RUNTIME_STATE, STREAMS);
    OWNED (received_destroy)
    received_t *begun = peer_expect (test.runtime, MSG_CRI_LIST_POD_SANDBOX);
    peer_send_json (test.worker, "runtime-watcher", MSG_POD_RELIST, "{}");
    uint64_t asked = peer_request (test.worker, "runtime-watcher", MSG_ACTOR_LIST, NULL);
    OWNED (received_destroy) received_t *heard = peer_expect_reply (test.worker, asked);
    assert_int_equal (heard->envelope.fault_code, FAULT_UNIMPLEMENTED); // so it has both by now
    peer_reply_json (test.runtime, begun, SANDBOX);
    OWNED (received_destroy) received_t *rest = peer_expect (test.runtime, MSG_CRI_LIST_CONTAINERS);
    peer_reply_json (test.runtime, rest, CONTAINER ("CONTAINER_CREATED"));
    expect_told (&test, 1, "CONTAINER_CREATED"); // since it is a change
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_CREATED"));
    expect_told (&test, 1, "CONTAINER_CREATED"); // since it asked
    stage_destroy (&test.stage);
}

static void
a_worker_of_which_the_runtime_has_nothing_is_told_so (void **state)
{
    (void) state;
    test_t test = begin (true);
    tell (&test, MSG_ACTOR_UP, WORKER_UP (0)); // before the first listing, or after it
    answer_listing (&test, NO_SANDBOX, NO_CONTAINER);
    expect_told (&test, 0, "");
    stage_destroy (&test.stage);
}

static void
pods_without_a_worker_are_reported_as_orphans_again_and_again (void **state)
{
    (void) state;
    test_t test = begin (false);
    for (int i = 0; i < 3; i++) {
        answer_listing (&test, SANDBOX, NO_CONTAINER);
        OWNED (received_destroy) received_t *orphan = peer_expect (test.manager, MSG_POD_ORPHAN);
        assert_string_equal (node_get_text (orphan->body, "uid", ""), "1");
        assert_string_equal (node_get_text (orphan->body, "namespace", ""), "n");
        assert_string_equal (node_get_text (orphan->body, "name", ""), "p");
    }
    stage_destroy (&test.stage);
}

static void
a_new_pod_manager_hears_of_orphans_again (void **state)
{
    (void) state;
    test_t test = begin (false);
    answer_listing (&test, SANDBOX, NO_CONTAINER);
    received_t *orphan = peer_expect (test.manager, MSG_POD_ORPHAN);
    received_destroy (&orphan);
    tell (&test, MSG_RUNTIME_STATE, STREAMS);
    answer_listing (&test, SANDBOX, NO_CONTAINER);
    tell (&test, MSG_ACTOR_UP,
          "{\"name\":\"pod-manager\",\"class\":\"pod-manager\",\"restarts\":1}");
    answer_listing (&test, SANDBOX, NO_CONTAINER);
    orphan = peer_expect (test.manager, MSG_POD_ORPHAN);
    received_destroy (&orphan);
    stage_destroy (&test.stage);
}

static void
a_failed_listing_is_tried_again (void **state)
{
    (void) state;
    test_t test = begin (true);
    received_t *request = peer_expect (test.runtime, MSG_CRI_LIST_CONTAINERS);
    peer_reply_fault (test.runtime, request, FAULT_UNKNOWN, "no luck");
    received_destroy (&request);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    expect_told (&test, 1, "CONTAINER_RUNNING");
    stage_destroy (&test.stage);
}

static void
a_runtime_that_is_down_is_left_alone_until_it_is_back (void **state)
{
    (void) state;
    test_t test = begin (true);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_RUNNING"));
    expect_told (&test, 1, "CONTAINER_RUNNING");
    tell (&test, MSG_RUNTIME_STATE, "{\"up\":false}");
    tell (&test, MSG_RUNTIME_EVENT, "{\"container_id\":\"c\",\"kind\":\"stopped\"}");
    for (received_t *more; (more = peer_next (test.runtime, 1500)); received_destroy (&more))
        assert_int_equal (more->type, MSG_RUNTIME_STATE_GET);
    tell (&test, MSG_RUNTIME_STATE, STREAMS);
    answer_listing (&test, SANDBOX, CONTAINER ("CONTAINER_EXITED"));
    expect_told (&test, 1, "CONTAINER_EXITED");
    stage_destroy (&test.stage);
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (a_worker_is_told_what_is_there_and_what_changes),
        cmocka_unit_test (an_event_leads_to_a_listing_and_again_until_it_shows),
        cmocka_unit_test (a_new_worker_is_told_at_once_a_replaced_one_after_a_new_listing),
        cmocka_unit_test (a_worker_that_asks_is_told_by_a_listing_that_begins_after_that),
        cmocka_unit_test (a_worker_of_which_the_runtime_has_nothing_is_told_so),
        cmocka_unit_test (pods_without_a_worker_are_reported_as_orphans_again_and_again),
        cmocka_unit_test (a_new_pod_manager_hears_of_orphans_again),
        cmocka_unit_test (a_failed_listing_is_tried_again),
        cmocka_unit_test (a_runtime_that_is_down_is_left_alone_until_it_is_back),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
