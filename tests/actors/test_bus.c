/* Actors, the bus, undeliverable messages, deadlines, kills and restarts of the bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <cmocka.h>

/* An actor that echoes POD_LIST, asks "nobody", and asks "silent" with a short deadline. */
typedef struct {
    actor_t *actor;
} echo_t;

typedef struct {
    return_address_t *address;
} context_t;

static void
forward_fault (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    echo_t *self = state;
    context_t *asked = context;
    assert_null (reply);
    actor_answer (self->actor, &asked->address, NULL, fault);
}

static int
on_list (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    echo_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "items", node_array());
    actor_reply (self->actor, message, &body);
    return 0;
}

static int
on_stats (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    echo_t *self = state;
    context_t context = { return_address_new (message) };
    const char *whom = "nobody";
    actor_request (self->actor, whom, MSG_ACTOR_ALIVE, NULL, 0, forward_fault, &context,
                   sizeof context);
    return 0;
}

static int
on_state (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    echo_t *self = state;
    context_t context = { return_address_new (message) };
    actor_request (self->actor, "silent", MSG_POD_KNOWN, NULL, 50, forward_fault, &context,
                   sizeof context);
    return 0;
}

static const actor_handler_t ECHO_HANDLERS[] = {
    { MSG_POD_LIST, on_list },
    { MSG_BUS_STATS, on_stats },
    { MSG_RUNTIME_STATE_GET, on_state },
    { 0 },
};

static void *
echo_start (actor_t *actor, const node_t *args, fault_t *fault)
{
    if (node_get_bool (args, "fails", false)) {
        fault_set (fault, FAULT_UNAVAILABLE, "no luck");
        return NULL;
    }
    echo_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    return self;
}

static void
echo_stop (void **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

static const actor_class_t ECHO = {
    .name = "echo", .handlers = ECHO_HANDLERS, .start = echo_start, .stop = echo_stop
};

static void
a_request_is_answered (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    uint64_t id = peer_request (peer, "echo", MSG_POD_LIST, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    assert_non_null (node_get (reply->body, "items"));
    assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
}

static void
a_request_that_no_handler_takes_is_a_fault (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    uint64_t id = peer_request (peer, "echo", MSG_POD_KNOWN, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_UNIMPLEMENTED);
}

static void
a_message_to_nobody_comes_back (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    peer_t *peer = stage_peer (stage, "peer");
    peer_send (peer, "nobody", MSG_ACTOR_ALIVE, NULL);
    OWNED (received_destroy) received_t *back = peer_expect (peer, MSG_BUS_UNDELIVERABLE);
    assert_string_equal (node_get_text (back->body, "to", ""), "nobody");
    assert_string_equal (node_get_text (back->body, "type", ""), "actor.alive");
}

static void
an_event_waits_for_a_receiver_that_is_being_started (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    peer_t *peer = stage_peer (stage, "peer");
    peer_send_json (peer, "event-recorder", MSG_EVENT_RECORD, "{\"reason\": \"Pulled\"}");
    assert_null (peer_next (peer, 100)); // not undeliverable
    peer_t *recorder = stage_peer (stage, "event-recorder");
    OWNED (received_destroy) received_t *event = peer_expect (recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "Pulled");
}

static void
a_request_to_nobody_ends_as_unavailable (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    uint64_t id = peer_request (peer, "echo", MSG_BUS_STATS, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_UNAVAILABLE);
    assert_non_null (strstr (reply->envelope.fault_text, "nobody"));
}

static void
a_request_without_answer_ends_at_its_deadline_and_is_cancelled (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    peer_t *silent = stage_peer (stage, "silent");
    // A message from it first, or the bus may not know the peer yet.
    peer_send (silent, "peer", MSG_ACTOR_ALIVE, NULL);
    OWNED (received_destroy) received_t *hello = peer_expect (peer, MSG_ACTOR_ALIVE);
    assert_non_null (hello);
    uint64_t id = peer_request (peer, "echo", MSG_RUNTIME_STATE_GET, NULL);
    OWNED (received_destroy) received_t *asked = peer_expect (silent, MSG_POD_KNOWN);
    OWNED (received_destroy) received_t *cancel = peer_expect (silent, MSG_REQUEST_CANCEL);
    assert_int_equal (node_get_int (cancel->body, "id", 0), asked->envelope.id);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_DEADLINE);
}

static void
a_killed_actor_ends_and_says_why (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    actor_host_t *echo = stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    peer_send (peer, "echo", MSG_ACTOR_KILL, NULL);
    OWNED (free_text) char *reason = stage_wait_down (echo);
    assert_string_equal (reason, "killed by fault injection");
}

static void
an_actor_that_cannot_start_says_why (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_bool (tree, &args, "fails", true);
    actor_host_t *echo = actor_host_new (&ECHO, "echo", &args, "inproc://stage-none", 0);
    OWNED (free_text) char *reason = stage_wait_down (echo);
    assert_string_equal (reason, "no luck");
    actor_host_destroy (&echo);
}

static void
an_actor_that_takes_a_name_over_gets_its_messages (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_int (tree, &body, "ms", PEER_DEADLINE_MS);
    peer_send (peer, "echo", MSG_ACTOR_HANG, &body);
    // The bus's answer says that it has handed that on, to the older one.
    uint64_t stats = peer_request (peer, "bus", MSG_BUS_STATS, NULL);
    OWNED (received_destroy) received_t *routed = peer_expect_reply (peer, stats);
    assert_non_null (routed);
    actor_host_t *newer = stage_actor (stage, &ECHO, "echo", NULL);
    assert_non_null (newer);
    uint64_t id = peer_request (peer, "echo", MSG_POD_LIST, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
}

static void
the_bus_counts_and_shows_nothing_without_a_tap (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    peer_t *peer = stage_peer (stage, "peer");
    peer_send (peer, "nobody", MSG_ACTOR_ALIVE, NULL);
    uint64_t id = peer_request (peer, "bus", MSG_BUS_STATS, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    const node_t *row = node_item (node_get (reply->body, "messages"), 0);
    assert_int_equal (node_count (node_get (reply->body, "messages")), 2);
    assert_non_null (row);
    assert_int_equal (node_get_int (reply->body, "tapped", -1), 0);
}

static void
tell_down (peer_t *peer, const char *name, int64_t at_ms)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", name);
    node_set_int (tree, &body, "at", at_ms);
    peer_send (peer, "echo", MSG_ACTOR_DOWN, &body);
}

static void
a_request_to_an_actor_that_ended_is_unavailable (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    peer_t *nobody = stage_peer (stage, "nobody"); // who is asked, and does not answer
    int64_t before_ms = clock_monotonic_ms() - 1;
    uint64_t id = peer_request (peer, "echo", MSG_BUS_STATS, NULL);
    OWNED (received_destroy) received_t *asked = peer_expect (nobody, MSG_ACTOR_ALIVE);
    tell_down (peer, "nobody", before_ms); // an earlier one of that name
    tell_down (peer, "another", INT64_MAX);
    uint64_t other = peer_request (peer, "echo", MSG_POD_LIST, NULL);
    OWNED (received_destroy) received_t *first = peer_expect_reply (peer, other);
    assert_int_equal (first->envelope.fault_code, FAULT_NONE); // the other is still waited for
    tell_down (peer, "nobody", clock_monotonic_ms());
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_UNAVAILABLE);
    assert_string_equal (reply->envelope.fault_text, "nobody ended before it answered");
}

static uint64_t
name_to_bus (peer_t *peer, message_id_t type, const char *name)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "name", name);
    if (type == MSG_BUS_CLOSE)
        return peer_request (peer, "bus", type, &body);
    peer_send (peer, "bus", type, &body);
    return 0;
}

static void
a_closed_name_gets_nothing_until_it_is_opened_again (void **state)
{
    (void) state;
    OWNED (stage_destroy) stage_t *stage = stage_new();
    stage_actor (stage, &ECHO, "echo", NULL);
    peer_t *peer = stage_peer (stage, "peer");
    int64_t before_ms = clock_monotonic_ms();
    uint64_t closing = name_to_bus (peer, MSG_BUS_CLOSE, "echo");
    OWNED (received_destroy) received_t *closed = peer_expect_reply (peer, closing);
    assert_true (node_get_int (closed->body, "at", -1) >= before_ms);
    // The socket is there and would take it, as that of an actor does that has just ended.
    uint64_t lost = peer_request (peer, "echo", MSG_POD_LIST, NULL);
    OWNED (received_destroy) received_t *returned = peer_expect_reply (peer, lost);
    assert_string_equal (returned->envelope.type, "bus.undeliverable");
    name_to_bus (peer, MSG_BUS_OPEN, "echo");
    uint64_t id = peer_request (peer, "echo", MSG_POD_LIST, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    assert_string_equal (reply->envelope.type, "pod.list");
}

static int64_t
ask_tapped (peer_t *peer)
{
    uint64_t id = peer_request (peer, "bus", MSG_BUS_STATS, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (peer, id);
    return node_get_int (reply->body, "tapped", -1);
}

static int64_t
wait_tapped (peer_t *peer, bool stands_still)
{
    int64_t before = ask_tapped (peer), now = before;
    for (int i = 0; i < PEER_DEADLINE_MS / 10; i++) {
        now = ask_tapped (peer);
        if ((now == before) == stands_still)
            return now;
        before = now;
        zclock_sleep (10);
    }
    fail_msg ("the tap's count %s", stands_still ? "goes on" : "stands still");
    return now;
}

static void
expect_masked (zsock_t *tap, const char *type)
{
    for (;;) {
        OWNED (zmsg_destroy) zmsg_t *shown = zmsg_recv (tap);
        assert_non_null (shown);
        assert_int_equal (zmsg_size (shown), 3);
        OWNED (free_text) char *topic = zmsg_popstr (shown);
        if (!streq (topic, type))
            continue;
        fault_t fault = { 0 };
        zframe_t *body = zmsg_last (shown);
        OWNED (tree_destroy) tree_t *tree = body_unpack (body, &fault);
        assert_non_null (tree);
        const node_t *containers = node_at (tree_root (tree), "pod", "spec", "containers", NULL);
        const node_t *variable = node_item (node_get (node_item (containers, 0), "env"), 0);
        assert_string_equal (node_get_text (variable, "name", ""), "KEY");
        assert_string_equal (node_get_text (variable, "value", ""), "***");
        return;
    }
}

static void
the_bus_shows_masked_messages_while_a_tap_is_attached (void **state)
{
    (void) state;
    char place[] = "/tmp/cubelet-tap-XXXXXX";
    assert_non_null (mkdtemp (place));
    OWNED (free_text) char *path = text_format ("%s/run/tap.sock", place);
    OWNED (free_text) char *endpoint = text_format ("ipc://%s", path);
    {
        OWNED (stage_destroy) stage_t *stage = stage_new_with_tap (endpoint);
        struct stat info;
        assert_int_equal (stat (path, &info), 0);
        assert_int_equal (info.st_mode & 07777, 0600);
        peer_t *peer = stage_peer (stage, "peer");
        peer_t *worker = stage_peer (stage, "worker");
        assert_int_equal (ask_tapped (peer), 0);
        zsock_t *tap = zsock_new_sub (endpoint, "");
        zsock_set_rcvtimeo (tap, PEER_DEADLINE_MS);
        assert_true (wait_tapped (peer, false) > 0);
        peer_send_json (peer, "worker", MSG_POD_SYNC,
                        "{\"terminate\":false,\"pod\":{\"spec\":{\"containers\":[{\"env\":"
                        "[{\"name\":\"KEY\",\"value\":\"topsecret\"}]}]}}}");
        expect_masked (tap, "pod.sync");
        // who it is for gets it whole
        OWNED (received_destroy) received_t *sync = peer_expect (worker, MSG_POD_SYNC);
        const node_t *containers = node_at (sync->body, "pod", "spec", "containers", NULL);
        const node_t *variable = node_item (node_get (node_item (containers, 0), "env"), 0);
        assert_string_equal (node_get_text (variable, "value", ""), "topsecret");
        zsock_destroy (&tap);
        int64_t count = wait_tapped (peer, true);
        assert_int_equal (ask_tapped (peer), count);
    }
    unlink (path);
    *strrchr (path, '/') = '\0';
    rmdir (path);
    rmdir (place);
}

/* Waits for a message of that type on the tap; its body, owned. */
static tree_t *
expect_shown (zsock_t *tap, const char *type, bool is_reply)
{
    for (;;) {
        OWNED (zmsg_destroy) zmsg_t *shown = zmsg_recv (tap);
        assert_non_null (shown);
        OWNED (free_text) char *topic = zmsg_popstr (shown);
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *head = body_unpack (zmsg_first (shown), &fault);
        assert_non_null (head);
        if (streq (topic, type) && (node_get_int (tree_root (head), "re", 0) != 0) == is_reply)
            return body_unpack (zmsg_last (shown), &fault);
    }
}

static void
a_tap_that_subscribes_to_the_list_of_actors_sees_it_each_time (void **state)
{
    (void) state;
    const char *endpoint = "inproc://tap-of-list";
    OWNED (stage_destroy) stage_t *stage = stage_new_with_tap (endpoint);
    peer_t *supervisor = stage_peer (stage, "supervisor");
    assert_int_equal (ask_tapped (supervisor), 0); // the bus knows it now
    OWNED (zsock_destroy) zsock_t *tap = zsock_new_sub (endpoint, "actor.list");
    zsock_set_rcvtimeo (tap, PEER_DEADLINE_MS);
    for (int i = 0; i < 2; i++) {
        OWNED (received_destroy) received_t *asked = peer_expect (supervisor, MSG_ACTOR_LIST);
        peer_reply_json (supervisor, asked, "{\"actors\":[{\"name\":\"runtime\"}]}");
        OWNED (tree_destroy) tree_t *body = expect_shown (tap, "actor.list", true);
        const node_t *actor = node_item (node_get (tree_root (body), "actors"), 0);
        assert_string_equal (node_get_text (actor, "name", ""), "runtime");
        zsock_set_unsubscribe (tap, "actor.list");
        zsock_set_subscribe (tap, "actor.list");
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_request_is_answered),
        cmocka_unit_test (a_request_that_no_handler_takes_is_a_fault),
        cmocka_unit_test (a_message_to_nobody_comes_back),
        cmocka_unit_test (an_event_waits_for_a_receiver_that_is_being_started),
        cmocka_unit_test (a_request_to_nobody_ends_as_unavailable),
        cmocka_unit_test (a_request_without_answer_ends_at_its_deadline_and_is_cancelled),
        cmocka_unit_test (a_killed_actor_ends_and_says_why),
        cmocka_unit_test (an_actor_that_cannot_start_says_why),
        cmocka_unit_test (an_actor_that_takes_a_name_over_gets_its_messages),
        cmocka_unit_test (the_bus_counts_and_shows_nothing_without_a_tap),
        cmocka_unit_test (a_request_to_an_actor_that_ended_is_unavailable),
        cmocka_unit_test (a_closed_name_gets_nothing_until_it_is_opened_again),
        cmocka_unit_test (the_bus_shows_masked_messages_while_a_tap_is_attached),
        cmocka_unit_test (a_tap_that_subscribes_to_the_list_of_actors_sees_it_each_time),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
