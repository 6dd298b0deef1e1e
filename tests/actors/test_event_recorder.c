#include "cubelet/actors.h"
#include "cubelet/api_call.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "helper_api_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OBJECT "{\"kind\": \"Pod\", \"namespace\": \"default\", \"name\": \"p\", \"uid\": \"u\"}"

static void
record (peer_t *peer, const char *object, const char *reason, const char *message)
{
    OWNED (free_text)
    char *json =
        text_format ("{\"object\": %s, \"type\": \"Normal\", \"reason\": \"%s\", \"message\": "
                     "\"%s\"}",
                     object, reason, message);
    peer_send_json (peer, "event-recorder", MSG_EVENT_RECORD, json);
}

/* What was recorded before has arrived: the actor refuses this request after it. */
static void
wait_until_heard (peer_t *peer)
{
    received_t *reply =
        peer_expect_reply (peer, peer_request (peer, "event-recorder", MSG_POD_LIST, NULL));
    received_destroy (&reply);
}

#define EVENTS "/api/v1/namespaces/default/events"

/* Starts the recorder; `left` by the one before, or NULL. */
static actor_host_t *
start_recorder (stage_t *stage, int64_t qps, int64_t burst, const node_t *left)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", "lab-node");
    node_set_bool (tree, &args, "has_api_server", true);
    node_set_int (tree, &args, "qps", qps);
    node_set_int (tree, &args, "burst", burst);
    if (left)
        node_set (tree, &args, "left", node_copy (tree, left));
    return stage_actor (stage, &event_recorder_class, "event-recorder", &args);
}

static stage_t *
new_stage (peer_t **tester_p, peer_t **api_p, int64_t qps, int64_t burst)
{
    stage_t *stage = stage_new();
    *api_p = stage_peer (stage, API_CLIENT);
    start_recorder (stage, qps, burst, NULL);
    *tester_p = stage_peer (stage, "tester");
    return stage;
}

static received_t *
expect_event (peer_t *api, const char *method, const char *message)
{
    received_t *call = peer_expect (api, MSG_API_REQUEST);
    assert_string_equal (node_get_text (call->body, "method", ""), method);
    assert_string_equal (node_get_text (node_get (call->body, "body"), "message", ""), message);
    return call;
}

static void
expect_event_and_answer (peer_t *api, const char *method, const char *message, int code)
{
    OWNED (received_destroy) received_t *call = expect_event (api, method, message);
    call_answer (api, call, code, "{}");
}

static void
come_back (peer_t *api)
{
    peer_send_json (api, "event-recorder", MSG_ACTOR_UP,
                    "{\"name\": \"api-client\", \"class\": \"api-client\", \"restarts\": 1}");
}

static void
events_are_sent_in_order_and_counted (void **state)
{
    (void) state;
    peer_t *peer, *api;
    OWNED (stage_destroy) stage_t *stage = new_stage (&peer, &api, 0, 1);
    record (peer, OBJECT, "Pulling", "a");
    record (peer, "{\"kind\": \"Pod\", \"fieldPath\": \"implicitly required container infra\"}",
            "Pulled", "never shown");
    record (peer, OBJECT, "Pulled", "b");
    OWNED (free_text) char *name = NULL;
    {
        OWNED (received_destroy) received_t *call = expect_event (api, "POST", "a");
        const node_t *event = node_get (call->body, "body");
        assert_string_equal (node_get_text (call->body, "path", ""), EVENTS);
        name = text_copy (node_get_text (node_get (event, "metadata"), "name", ""));
        assert_int_equal (strncmp (name, "p.", 2), 0);
        assert_string_equal (node_get_text (node_get (event, "source"), "host", ""), "lab-node");
        assert_null (peer_next (api, 100)); // one at a time
        call_answer (api, call, 201, "{}");
    }
    expect_event_and_answer (api, "POST", "b", 201);
    record (peer, OBJECT, "Pulling", "a");
    OWNED (received_destroy) received_t *call = expect_event (api, "PATCH", "a");
    OWNED (free_text) char *path = text_format (EVENTS "/%s", name);
    assert_string_equal (node_get_text (call->body, "path", ""), path);
    assert_string_equal (node_get_text (call->body, "content_type", ""), API_STRATEGIC_PATCH);
    assert_int_equal (node_get_int (node_get (call->body, "body"), "count", 0), 2);
    call_answer (api, call, 404, "{}"); // it has expired there
    expect_event_and_answer (api, "POST", "a", 201);
}

static void
no_event_is_lost_in_an_outage_and_rejected_ones_are_not_repeated (void **state)
{
    (void) state;
    peer_t *peer, *api;
    OWNED (stage_destroy) stage_t *stage = new_stage (&peer, &api, 50, 100);
    record (peer, OBJECT, "Pulling", "a");
    {
        OWNED (received_destroy) received_t *call = expect_event (api, "POST", "a");
        record (peer, OBJECT, "Pulled", "b");
        for (int i = 0; i < 3; i++)
            record (peer, OBJECT, "BackOff", "c");
        wait_until_heard (peer);
        peer_reply_fault (api, call, FAULT_UNAVAILABLE, "connection refused");
    }
    come_back (api);
    expect_event_and_answer (api, "POST", "a", 503);
    come_back (api);
    expect_event_and_answer (api, "POST", "a", 201);
    expect_event_and_answer (api, "POST", "b", 403); // rejected
    OWNED (received_destroy) received_t *call = expect_event (api, "POST", "c");
    // what came while it waited is in it
    assert_int_equal (node_get_int (node_get (call->body, "body"), "count", 0), 3);
    call_answer (api, call, 201, "{}");
}

static void
events_keep_to_their_rate (void **state)
{
    (void) state;
    peer_t *peer, *api;
    OWNED (stage_destroy) stage_t *stage = new_stage (&peer, &api, 1, 2);
    int64_t start_ms = clock_monotonic_ms();
    record (peer, OBJECT, "Pulling", "a");
    record (peer, OBJECT, "Pulled", "b");
    record (peer, OBJECT, "Created", "c");
    expect_event_and_answer (api, "POST", "a", 201);
    expect_event_and_answer (api, "POST", "b", 201);
    expect_event_and_answer (api, "POST", "c", 201); // for which a token had to come back
    assert_true (clock_monotonic_ms() - start_ms >= 900);
}

static void
what_waits_is_left_to_the_next_recorder (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    peer_t *api = stage_peer (stage, API_CLIENT);
    peer_t *peer = stage_peer (stage, "tester");
    actor_host_t *first = start_recorder (stage, 50, 100, NULL);
    record (peer, OBJECT, "Pulling", "a");
    expect_event_and_answer (api, "POST", "a", 201);
    record (peer, OBJECT, "Pulled", "b");
    received_t *call = expect_event (api, "POST", "b"); // nobody answers any more
    received_destroy (&call);
    record (peer, OBJECT, "Pulling", "a"); // once more: the one that was sent changes
    record (peer, OBJECT, "Created", "c");
    wait_until_heard (peer);
    peer_send_json (peer, "event-recorder", MSG_ACTOR_KILL, "{}");
    OWNED (tree_destroy) tree_t *left = NULL;
    OWNED (free_text) char *reason = stage_wait_left (first, &left);
    stage_end_actor (stage, first);
    start_recorder (stage, 50, 100, tree_root (left));
    expect_event_and_answer (api, "POST", "b", 201);
    expect_event_and_answer (api, "PATCH", "a", 200);
    expect_event_and_answer (api, "POST", "c", 201);
}

static void
after_twelve_tries_an_event_gives_way (void **state)
{
    (void) state;
    peer_t *peer, *api;
    OWNED (stage_destroy) stage_t *stage = new_stage (&peer, &api, 0, 1);
    record (peer, OBJECT, "Pulling", "a");
    record (peer, OBJECT, "Pulled", "b");
    for (int i = 0; i < 12; i++) {
        expect_event_and_answer (api, "POST", "a", 503);
        come_back (api);
    }
    expect_event_and_answer (api, "POST", "b", 201);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (events_are_sent_in_order_and_counted),
        cmocka_unit_test (no_event_is_lost_in_an_outage_and_rejected_ones_are_not_repeated),
        cmocka_unit_test (events_keep_to_their_rate),
        cmocka_unit_test (what_waits_is_left_to_the_next_recorder),
        cmocka_unit_test (after_twelve_tries_an_event_gives_way),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
