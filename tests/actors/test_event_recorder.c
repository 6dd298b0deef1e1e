#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
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

static received_t *
list (peer_t *peer)
{
    return peer_expect_reply (peer, peer_request (peer, "event-recorder", MSG_EVENT_LIST, NULL));
}

static stage_t *
new_stage (peer_t **peer_p)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", "lab-node");
    stage_t *stage = stage_new();
    stage_actor (stage, &event_recorder_class, "event-recorder", &args);
    *peer_p = stage_peer (stage, "tester");
    return stage;
}

static void
events_are_merged_and_listed_oldest_first (void **state)
{
    (void) state;
    peer_t *peer;
    OWNED (stage_destroy) stage_t *stage = new_stage (&peer);
    assert_non_null (stage);
    record (peer, OBJECT, "Pulling", "a");
    record (peer, OBJECT, "Pulled", "b");
    record (peer, OBJECT, "Pulling", "a");
    record (peer, "{\"kind\": \"Pod\", \"fieldPath\": \"implicitly required container infra\"}",
            "Pulled", "never shown");
    OWNED (received_destroy) received_t *reply = list (peer);
    const node_t *items = node_get (reply->body, "items");
    assert_int_equal (node_count (items), 2);
    const node_t *first = node_item (items, 0);
    assert_string_equal (node_get_text (first, "reason", ""), "Pulling");
    assert_int_equal (node_get_int (first, "count", 0), 2);
    assert_string_equal (node_get_text (node_get (first, "source"), "host", ""), "lab-node");
    assert_string_equal (node_get_text (node_item (items, 1), "message", ""), "b");
}

static void
the_last_thousand_are_kept (void **state)
{
    (void) state;
    peer_t *peer;
    OWNED (stage_destroy) stage_t *stage = new_stage (&peer);
    assert_non_null (stage);
    for (int i = 0; i < 1003; i++) {
        OWNED (free_text)
        char *object =
            text_format ("{\"kind\": \"Pod\", \"namespace\": \"default\", \"name\": \"p%d\"}", i);
        record (peer, object, "Created", "m");
        // wait now and then: more messages than an actor's queue takes are dropped
        if (i % 500 == 499) {
            received_t *reply = list (peer);
            received_destroy (&reply);
        }
    }
    OWNED (received_destroy) received_t *reply = list (peer);
    const node_t *items = node_get (reply->body, "items");
    assert_int_equal (node_count (items), 1000);
    const node_t *first = node_get (node_item (items, 0), "involvedObject");
    assert_string_equal (node_get_text (first, "name", ""), "p3");
    const node_t *last = node_get (node_item (items, 999), "involvedObject");
    assert_string_equal (node_get_text (last, "name", ""), "p1002");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (events_are_merged_and_listed_oldest_first),
        cmocka_unit_test (the_last_thousand_are_kept),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
