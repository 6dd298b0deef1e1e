/* The gRPC client against a server that behaves, and one that does not. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/grpc.h"
#include "cubelet/memory.h"
#include "helper_grpc_server.h"
#include "helper_peer.h"
#include <cmocka.h>
#include <nghttp2/nghttp2.h>

/* ---- an actor that makes calls: cri.Version {version: "PATH TIMEOUT_MS"} is answered with what
   the server said, all messages of a stream joined by "|", long ones by their size ---- */

typedef struct {
    actor_t *actor;
    grpc_t *grpc;
} user_t;

typedef struct {
    user_t *user;
    return_address_t *address;
    char *said;
} asked_t;

static void
keep_message (void *context, const uint8_t *bytes, size_t size)
{
    asked_t *asked = context;
    if (size > 100)
        text_replace (&asked->said, "%s%zu bytes|", asked->said, size);
    else
        text_replace (&asked->said, "%s%.*s|", asked->said, (int) size, (const char *) bytes);
}

static void
answer (void *context, const uint8_t *bytes, size_t size, const fault_t *fault)
{
    asked_t *asked = context;
    fault_t told = fault ? *fault : (fault_t){ 0 };
    if (bytes)
        keep_message (asked, bytes, size);
    if (fault && *asked->said)
        fault_wrap (&told, "%s", asked->said);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "version", asked->said);
    actor_answer (asked->user->actor, &asked->address, &body, fault ? &told : NULL);
    free (asked->said);
    free (asked);
}

static int
on_ask (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    user_t *self = state;
    asked_t *asked = memory_new (1, sizeof *asked);
    *asked = (asked_t){ self, return_address_new (message), text_copy ("") };
    OWNED (free_text) char *path = text_copy (node_get_text (message->body, "version", ""));
    char *space = strchr (path, ' ');
    if (space)
        *space = '\0';
    static const grpc_header_t HEADERS[] = { { "x-test", "yes" }, { 0 } };
    grpc_call (self->grpc,
               &(grpc_call_t){
                   .path = path,
                   .bytes = "hello",
                   .size = 5,
                   .timeout_ms = space ? atoi (space + 1) : 0,
                   .headers = HEADERS,
                   .on_message = strncmp (path, "/stream", 7) == 0 ? keep_message : NULL,
                   .on_done = answer,
                   .context = asked,
               });
    return 0;
}

/* cri.Status: makes a call and cancels it; the answer is how many calls are left. */
static int
on_cancel (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    user_t *self = state;
    uint64_t id = grpc_call (self->grpc, &(grpc_call_t){ .path = "/hang", .on_done = answer });
    grpc_cancel (self->grpc, id);
    grpc_cancel (self->grpc, id);
    assert_int_equal (grpc_call_count (self->grpc), 0);
    actor_reply (self->actor, message, NULL);
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_CRI_VERSION, on_ask },
    { MSG_CRI_STATUS, on_cancel },
    { 0 },
};

static void
tell_state (void *context, bool is_connected, const fault_t *why)
{
    user_t *self = context;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_bool (tree, &body, "up", is_connected);
    node_set_text (tree, &body, "reason", why ? why->text : NULL);
    actor_send (self->actor, "test", MSG_RUNTIME_STATE, &body);
}

static void *
user_start (actor_t *actor, const node_t *args, fault_t *fault)
{
    user_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->grpc = grpc_new (actor,
                           &(grpc_options_t){
                               .endpoint = node_get_text (args, "endpoint", ""),
                               .user_agent = node_get_text (args, "user_agent", NULL),
                               .authority = node_get_text (args, "authority", NULL),
                               .keep_connected = node_get_bool (args, "keep", false),
                               .calls_max = (size_t) node_get_int (args, "calls_max", 0),
                               .on_state = node_get_bool (args, "keep", false) ? tell_state : NULL,
                               .context = self,
                           },
                           fault);
    if (self->grpc)
        return self;
    free (self);
    return NULL;
}

static void
user_stop (void **self_p)
{
    user_t *self = *self_p;
    grpc_destroy (&self->grpc);
    free (self);
    *self_p = NULL;
}

static const actor_class_t USER = {
    .name = "user", .handlers = HANDLERS, .start = user_start, .stop = user_stop
};

/* ---- the server's manners, one path each ---- */

static int served; // requests, in the server's thread

static void
fail_later (server_call_t *call, size_t message_bytes, const char *status)
{
    OWNED (free_text) char *message = memory_new (1, message_bytes + 1);
    server_open (call);
    server_message (call, message, message_bytes);
    server_close (call, status);
}

static void
serve_large (server_call_t *call, size_t size)
{
    fail_later (call, size, "0");
}

static void
serve_echo (server_call_t *call)
{
    char text[512];
    size_t size = 0;
    const uint8_t *body = server_call_body (call, &size);
    int length =
        snprintf (text, sizeof text, "%.*s %s %s %s %s %s", (int) size, (const char *) body,
                  server_call_header (call, ":authority"), server_call_header (call, "user-agent"),
                  server_call_header (call, "te"), server_call_header (call, "x-test"),
                  server_call_header (call, "grpc-timeout"));
    server_reply (call, text, (size_t) length);
}

/* Headers, then what stands in `body`, then trailers unless status is NULL. */
static void
serve_bytes (server_call_t *call, const void *body, size_t size, const char *status)
{
    server_open (call);
    server_bytes (call, body, size);
    server_close (call, status);
}

static void
serve_error_page (server_call_t *call, const char *http_status)
{
    server_headers (
        call, false,
        (const char *const[]){ ":status", http_status, "content-type", "text/html", NULL });
    server_bytes (call, "<html>", 6);
    server_close (call, NULL);
}

static void
serve_stream (server_call_t *call, const char *status)
{
    server_open (call);
    server_message (call, "one", 3);
    server_message (call, "two", 3);
    server_message (call, "three", 5);
    server_close (call, status);
}

/* Says that it has not seen the first call; the second connection answers. */
static void
serve_goaway (server_call_t *call)
{
    if (served == 1) {
        served++;
        server_go_away (call, 0);
    }
    else
        server_reply (call, "again", 5);
}

static void
serve_refused_once (server_call_t *call)
{
    if (served++ == 1)
        server_reset (call, NGHTTP2_REFUSED_STREAM);
    else
        server_reply (call, "twice", 5);
}

static void
serve_mid_message (server_call_t *call)
{
    server_open (call);
    server_bytes (call, "\0\0\0\0\7abc", 8);
    server_hang_up (call);
}

static void
serve (void *context, server_call_t *call)
{
    (void) context;
    const char *path = server_call_path (call);
    if (!served)
        served = 1;
    if (strcmp (path, "/echo") == 0)
        serve_echo (call);
    else if (strcmp (path, "/empty") == 0)
        server_reply (call, "", 0);
    else if (strcmp (path, "/trailers-only") == 0)
        server_fail (call, "5", "no such thing: 100%25 gone %E2%98%83");
    else if (strcmp (path, "/late-failure") == 0)
        fail_later (call, 3, "13");
    else if (strcmp (path, "/strange-status") == 0)
        server_fail (call, "99", "odd");
    else if (strcmp (path, "/bad-percent") == 0)
        server_fail (call, "2", "50% of %zz and %2");
    else if (strcmp (path, "/no-trailers") == 0)
        serve_bytes (call, "\0\0\0\0\2ok", 7, NULL);
    else if (strcmp (path, "/no-message") == 0)
        serve_bytes (call, "", 0, "0");
    else if (strcmp (path, "/two-messages") == 0)
        serve_bytes (call, "\0\0\0\0\1a\0\0\0\0\1b", 12, "0");
    else if (strcmp (path, "/half-message") == 0)
        serve_bytes (call, "\0\0\0\0\11abc", 8, "0");
    else if (strcmp (path, "/compressed") == 0)
        serve_bytes (call, "\1\0\0\0\1a", 6, "0");
    else if (strcmp (path, "/oversized") == 0)
        serve_bytes (call, "\0\1\0\0\1", 5, "0");
    else if (strcmp (path, "/large") == 0)
        serve_large (call, GRPC_RECEIVE_LIMIT_BYTES);
    else if (strcmp (path, "/too-large") == 0)
        serve_large (call, GRPC_RECEIVE_LIMIT_BYTES + 1);
    else if (strncmp (path, "/http/", 6) == 0)
        serve_error_page (call, path + 6);
    else if (strncmp (path, "/reset/", 7) == 0)
        server_reset (call, (uint32_t) atoi (path + 7));
    else if (strcmp (path, "/stream/good") == 0)
        serve_stream (call, "0");
    else if (strcmp (path, "/stream/bad") == 0)
        serve_stream (call, "14");
    else if (strcmp (path, "/goaway") == 0)
        serve_goaway (call);
    else if (strcmp (path, "/refused-once") == 0)
        serve_refused_once (call);
    else if (strcmp (path, "/hang-up") == 0)
        server_hang_up (call);
    else if (strcmp (path, "/mid-message") == 0)
        serve_mid_message (call);
    // any other path: no answer at all
}

/* ---- the tests ---- */

#define SOCKET "/tmp/cubelet-test-grpc.sock"

typedef struct {
    stage_t *stage;
    peer_t *peer;
    grpc_server_t *server;
} test_t;

static test_t
begin (const char *args)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    node_set_text (tree, &map, "endpoint", "unix://" SOCKET);
    node_set_bool (tree, &map, "keep", strstr (args, "keep") != NULL);
    if (strstr (args, "named")) {
        node_set_text (tree, &map, "user_agent", "tester/1");
        node_set_text (tree, &map, "authority", "pod");
    }
    if (strstr (args, "few"))
        node_set_int (tree, &map, "calls_max", 2);
    served = 0;
    test_t test = { .stage = stage_new() };
    if (!strstr (args, "absent"))
        test.server = grpc_server_new (SOCKET, serve, NULL);
    if (strstr (args, "garbage"))
        grpc_server_greet_with (test.server, "HTTP/1.1 400 Bad Request\r\n\r\n");
    if (strstr (args, "dead"))
        grpc_server_play_dead (test.server, true);
    if (strstr (args, "drip"))
        grpc_server_drip (test.server, 3);
    test.peer = stage_peer (test.stage, "test");
    stage_actor (test.stage, &USER, "user", &map);
    return test;
}

static void
end (test_t *test)
{
    stage_destroy (&test->stage);
    grpc_server_destroy (&test->server);
}

static uint64_t
ask (test_t *test, const char *what)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "version", what);
    return peer_request (test->peer, "user", MSG_CRI_VERSION, &body);
}

/* The answer to a call as "CODE: TEXT", or the text alone. Owned. */
static char *
answer_of (test_t *test, uint64_t id)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (test->peer, id);
    if (reply->envelope.fault_code)
        return text_format ("%s: %s", fault_code_name (reply->envelope.fault_code),
                            reply->envelope.fault_text);
    return text_copy (node_get_text (reply->body, "version", ""));
}

static void
expect (test_t *test, const char *what, const char *wanted)
{
    OWNED (free_text) char *got = answer_of (test, ask (test, what));
    if (strcmp (got, wanted) != 0)
        fail_msg ("%s: \"%s\" instead of \"%s\"", what, got, wanted);
}

static void
a_reply_and_its_faults_arrive_as_the_server_meant_them (void **state)
{
    (void) state;
    static const struct {
        const char *path, *wanted;
    } ROWS[] = {
        { "/echo", "hello localhost " GRPC_USER_AGENT " trailers yes |" },
        { "/empty", "|" },
        { "/trailers-only", "NotFound: no such thing: 100% gone \u2603" },
        { "/late-failure", "Internal: " },
        { "/strange-status", "Unknown: odd" },
        { "/bad-percent", "Unknown: 50% of %zz and %2" },
        { "/no-trailers", "Internal: server closed the stream without sending trailers" },
        { "/no-message", "Internal: cardinality violation: received no response message" },
        { "/half-message", "Internal: cardinality violation: received no response message" },
        { "/two-messages", "Internal: cardinality violation: received more than one response"
                           " message" },
        { "/compressed", "Internal: grpc: compressed flag set with identity or empty encoding" },
        { "/oversized", "ResourceExhausted: grpc: received message larger than max (16777217 vs."
                        " 16777216)" },
        { "/large", "16777216 bytes|" },
        { "/too-large", "ResourceExhausted: grpc: received message larger than max (16777217 vs."
                        " 16777216)" },
        { "/http/400", "Internal: unexpected HTTP status code received from server: 400" },
        { "/http/401", "Unauthenticated: unexpected HTTP status code received from server: 401" },
        { "/http/403", "PermissionDenied: unexpected HTTP status code received from server: 403" },
        { "/http/404", "Unimplemented: unexpected HTTP status code received from server: 404" },
        { "/http/429", "Unavailable: unexpected HTTP status code received from server: 429" },
        { "/http/500", "Unknown: unexpected HTTP status code received from server: 500" },
        { "/http/503", "Unavailable: unexpected HTTP status code received from server: 503" },
        { "/http/200", "Unknown: transport: received unexpected content-type \"text/html\"" },
        { "/reset/0", "Internal: server closed the stream without sending trailers" },
        { "/reset/1", "Internal: stream terminated by RST_STREAM with error code: PROTOCOL_ERROR" },
        { "/reset/2", "Internal: stream terminated by RST_STREAM with error code: INTERNAL_ERROR" },
        { "/reset/7", "Unavailable: the server refused the stream" },
        { "/reset/8", "Canceled: stream terminated by RST_STREAM with error code: CANCEL" },
        { "/reset/11", "ResourceExhausted: stream terminated by RST_STREAM with error code:"
                       " ENHANCE_YOUR_CALM" },
        { "/stream/good", "one|two|three|" },
        { "/stream/bad", "Unavailable: one|two|three|: " },
        { "/refused-once", "twice|" },
    };
    test_t test = begin ("");
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        expect (&test, ROWS[i].path, ROWS[i].wanted);
    assert_int_equal (grpc_server_connections (test.server), 1);
    end (&test);
}

static void
many_calls_share_one_connection (void **state)
{
    (void) state;
    enum { CALLS = 500 };
    uint64_t ids[CALLS];
    test_t test = begin ("");
    for (size_t i = 0; i < CALLS; i++)
        ids[i] = ask (&test, i % 5 ? "/echo" : "/stream/good");
    for (size_t i = 0; i < CALLS; i++) {
        OWNED (free_text) char *got = answer_of (&test, ids[i]);
        assert_true (strncmp (got, i % 5 ? "hello" : "one|two|", 5) == 0);
    }
    assert_int_equal (grpc_server_connections (test.server), 1);
    end (&test);
}

static void
frames_may_arrive_byte_by_byte (void **state)
{
    (void) state;
    test_t test = begin ("drip");
    expect (&test, "/stream/good", "one|two|three|");
    expect (&test, "/trailers-only", "NotFound: no such thing: 100% gone \u2603");
    end (&test);
}

static void
authority_and_user_agent_can_be_chosen (void **state)
{
    (void) state;
    test_t test = begin ("named");
    expect (&test, "/echo", "hello pod tester/1 trailers yes |");
    end (&test);
}

static void
a_call_that_hangs_ends_at_its_deadline_and_is_reset (void **state)
{
    (void) state;
    test_t test = begin ("");
    // on a machine that is busy a short deadline is over before the server has heard of the call
    for (int wait_ms = 60; wait_ms < 10000 && !grpc_server_resets (test.server); wait_ms *= 2) {
        OWNED (free_text) char *hang = text_format ("/hang %d", wait_ms);
        expect (&test, hang, "DeadlineExceeded: context deadline exceeded");
        for (int i = 0; i < 50 && !grpc_server_resets (test.server); i++)
            poll (NULL, 0, 10);
    }
    grpc_server_wait_resets (test.server, 1);
    expect (&test, "/echo -1", "DeadlineExceeded: context deadline exceeded");
    OWNED (free_text) char *got = answer_of (&test, ask (&test, "/echo 100000000"));
    assert_string_equal (got, "hello localhost " GRPC_USER_AGENT " trailers yes 100000S|");
    end (&test);
}

static void
a_server_that_never_speaks_is_a_deadline_too (void **state)
{
    (void) state;
    test_t test = begin ("dead");
    expect (&test, "/echo 60", "DeadlineExceeded: context deadline exceeded");
    end (&test);
}

static void
a_cancelled_call_is_reset_and_forgotten (void **state)
{
    (void) state;
    test_t test = begin ("");
    expect (&test, "/empty", "|");
    received_t *reply =
        peer_expect_reply (test.peer, peer_request (test.peer, "user", MSG_CRI_STATUS, NULL));
    assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
    received_destroy (&reply);
    expect (&test, "/empty", "|");
    end (&test);
}

static void
calls_beyond_the_limit_are_refused (void **state)
{
    (void) state;
    test_t test = begin ("few");
    uint64_t first = ask (&test, "/hang 300"), second = ask (&test, "/hang 300");
    expect (&test, "/echo", "ResourceExhausted: more than 2 calls wait for unix " SOCKET);
    free (answer_of (&test, first));
    free (answer_of (&test, second));
    expect (&test, "/empty", "|");
    end (&test);
}

static void
after_goaway_unseen_calls_go_over_a_new_connection (void **state)
{
    (void) state;
    test_t test = begin ("");
    expect (&test, "/goaway", "again|");
    assert_int_equal (grpc_server_connections (test.server), 2);
    expect (&test, "/empty", "|");
    end (&test);
}

static void
a_lost_connection_fails_all_its_calls_and_is_made_anew (void **state)
{
    (void) state;
    static const char EOF_TEXT[] =
        "Unavailable: connection error: desc = \"error reading from server: EOF\"";
    test_t test = begin ("");
    uint64_t ids[] = { ask (&test, "/hang"), ask (&test, "/mid-message") };
    for (size_t i = 0; i < COUNT_OF (ids); i++) {
        OWNED (free_text) char *got = answer_of (&test, ids[i]);
        assert_string_equal (got, EOF_TEXT);
    }
    expect (&test, "/empty", "|");
    assert_int_equal (grpc_server_connections (test.server), 2);
    end (&test);
}

static void
without_a_server_calls_fail_at_once_as_gos_do (void **state)
{
    (void) state;
    static const char WANTED[] =
        "Unavailable: connection error: desc = \"transport: Error while dialing: dial unix " SOCKET
        ": connect: no such file or directory\"";
    test_t test = begin ("absent");
    expect (&test, "/echo", WANTED);
    int64_t began = clock_monotonic_ms();
    for (int i = 0; i < 20; i++)
        expect (&test, "/echo", WANTED);
    assert_true (clock_monotonic_ms() - began < 3000); // does not wait out the backoff
    end (&test);
}

static void
a_server_that_comes_later_is_found_without_a_call (void **state)
{
    (void) state;
    test_t test = begin ("absent keep");
    received_t *told = peer_expect (test.peer, MSG_RUNTIME_STATE);
    assert_false (node_get_bool (told->body, "up", true));
    received_destroy (&told);
    test.server = grpc_server_new (SOCKET, serve, NULL);
    told = peer_expect (test.peer, MSG_RUNTIME_STATE);
    assert_true (node_get_bool (told->body, "up", false));
    received_destroy (&told);
    expect (&test, "/empty", "|");
    grpc_server_destroy (&test.server);
    told = peer_expect (test.peer, MSG_RUNTIME_STATE);
    assert_false (node_get_bool (told->body, "up", true));
    assert_string_equal (node_get_text (told->body, "reason", ""),
                         "connection error: desc = \"error reading from server: EOF\"");
    received_destroy (&told);
    end (&test);
}

static void
what_is_not_http2_is_refused (void **state)
{
    (void) state;
    test_t test = begin ("garbage");
    OWNED (free_text) char *got = answer_of (&test, ask (&test, "/echo"));
    assert_true (strncmp (got, "Unavailable: connection error: desc = \"error reading server", 58)
                 == 0);
    end (&test);
}

static void
only_sockets_and_addresses_are_endpoints (void **state)
{
    (void) state;
    static const char *const BAD[] = {
        "",           "relative/path", "unix://relative", "localhost:1", "10.0.0.1", "10.0.0.1:",
        "npipe:///x", ":80",           "10.0.0.1:http"
    };
    for (size_t i = 0; i < COUNT_OF (BAD); i++) {
        fault_t fault = { 0 };
        assert_null (grpc_new (NULL, &(grpc_options_t){ .endpoint = BAD[i] }, &fault));
        assert_int_equal (fault.code, FAULT_INVALID);
    }
    static const char *const GOOD[] = { "unix:///x", "/x", "10.0.0.1:80", "[::1]:80" };
    for (size_t i = 0; i < COUNT_OF (GOOD); i++) {
        fault_t fault = { 0 };
        grpc_t *grpc = grpc_new (NULL, &(grpc_options_t){ .endpoint = GOOD[i] }, &fault);
        assert_non_null (grpc);
        grpc_destroy (&grpc);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (a_reply_and_its_faults_arrive_as_the_server_meant_them),
        cmocka_unit_test (many_calls_share_one_connection),
        cmocka_unit_test (frames_may_arrive_byte_by_byte),
        cmocka_unit_test (authority_and_user_agent_can_be_chosen),
        cmocka_unit_test (a_call_that_hangs_ends_at_its_deadline_and_is_reset),
        cmocka_unit_test (a_server_that_never_speaks_is_a_deadline_too),
        cmocka_unit_test (a_cancelled_call_is_reset_and_forgotten),
        cmocka_unit_test (calls_beyond_the_limit_are_refused),
        cmocka_unit_test (after_goaway_unseen_calls_go_over_a_new_connection),
        cmocka_unit_test (a_lost_connection_fails_all_its_calls_and_is_made_anew),
        cmocka_unit_test (without_a_server_calls_fail_at_once_as_gos_do),
        cmocka_unit_test (a_server_that_comes_later_is_found_without_a_call),
        cmocka_unit_test (what_is_not_http2_is_refused),
        cmocka_unit_test (only_sockets_and_addresses_are_endpoints),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
