/* test_http_client.c - requests against a server that misbehaves, and the texts of the faults. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/http_client.h"
#include "cubelet/memory.h"
#include "cubelet/tcp_dial.h"
#include "helper_http_server.h"
#include "helper_peer.h"
#include <cmocka.h>

/* An actor that makes the request it is asked for. cri.Exec's body is not checked, so that it can
   carry {url, timeout_ms, limit, redirect, headers, ...}. */
typedef struct {
    actor_t *actor;
    http_client_t *client;
} asker_t;

typedef struct {
    asker_t *asker;
    return_address_t *address;
    size_t streamed;
    size_t stream_limit; // 0: all
    bool destroys;       // the client, in on_done
    tcp_dial_t *dial;
} asked_t;

static void
answer_fault (tree_t *tree, node_t *body, const fault_t *fault)
{
    node_set_int (tree, body, "code", fault ? fault->code : 0);
    node_set_text (tree, body, "text", fault ? fault->text : "");
}

static void
on_done (void *context, const http_response_t *response, const fault_t *fault)
{
    asked_t *asked = context;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    answer_fault (tree, &body, fault);
    node_set_int (tree, &body, "streamed", (int64_t) asked->streamed);
    node_set_bool (tree, &body, "answered", response != NULL);
    if (response) {
        node_set_int (tree, &body, "status", response->status);
        node_set_text (tree, &body, "url", response->url);
        node_set_text (tree, &body, "kind", http_response_header (response, "x-kind"));
        node_set_int (tree, &body, "size", (int64_t) response->body_size);
        node_set_bool (tree, &body, "truncated", response->is_truncated);
        if (response->body_size < 10000)
            node_set_text (tree, &body, "body", response->body);
    }
    if (asked->destroys) {
        http_client_destroy (&asked->asker->client);
        asked->asker->client = http_client_new (asked->asker->actor);
    }
    actor_answer (asked->asker->actor, &asked->address, &body, NULL);
    free (asked);
}

static bool
on_body (void *context, const char *bytes, size_t size)
{
    (void) bytes;
    asked_t *asked = context;
    asked->streamed += size;
    return asked->stream_limit == 0 || asked->streamed < asked->stream_limit;
}

static void
on_dial (void *context, const fault_t *fault)
{
    asked_t *asked = context;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    answer_fault (tree, &body, fault);
    actor_answer (asked->asker->actor, &asked->address, &body, NULL);
    tcp_dial_destroy (&asked->dial);
    free (asked);
}

static asked_t *
asked_new (asker_t *asker, const message_t *message)
{
    asked_t *asked = memory_new (1, sizeof *asked);
    asked->asker = asker;
    asked->address = return_address_new (message);
    asked->destroys = node_get_bool (message->body, "destroys", false);
    asked->stream_limit = (size_t) node_get_int (message->body, "stream_limit", 0);
    return asked;
}

static int
on_request (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    asker_t *self = state;
    const node_t *body = message->body, *headers = node_get (body, "headers");
    http_header_t list[8] = { { NULL, NULL } };
    for (size_t i = 0; i < node_count (headers); i++)
        list[i] = (http_header_t){ node_key_at (headers, i),
                                   node_as_text (node_value_at (headers, i), "") };
    http_request_t request = {
        .method = node_get_text (body, "method", NULL),
        .url = node_get_text (body, "url", ""),
        .headers = list,
        .body = node_get_text (body, "body", NULL),
        .timeout_ms = node_get_int (body, "timeout_ms", 0),
        .body_limit = (size_t) node_get_int (body, "limit", 1000),
        .redirect = node_get_bool (body, "redirect", false) ? http_redirect_same_host : NULL,
        .is_unverified = true,
        .is_single = node_get_bool (body, "single", false),
        .is_connect_only = node_get_bool (body, "connect_only", false),
        .on_body = node_get_bool (body, "stream", false) ? on_body : NULL,
        .on_done = on_done,
        .context = asked_new (self, message),
    };
    request.body_size = request.body ? strlen (request.body) : 0;
    uint64_t id = http_request (self->client, &request);
    if (!node_get_bool (body, "cancels", false))
        return 0;
    http_cancel (self->client, id);
    asked_t *asked = request.context;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t reply = node_map();
    node_set_int (tree, &reply, "left", (int64_t) http_request_count (self->client));
    actor_answer (self->actor, &asked->address, &reply, NULL);
    free (asked);
    return 0;
}

static int
on_connect (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    asker_t *self = state;
    asked_t *asked = asked_new (self, message);
    asked->dial = tcp_dial_new (self->actor, node_get_text (message->body, "host", ""),
                                (int) node_get_int (message->body, "port", 0),
                                node_get_int (message->body, "timeout_ms", 5000), on_dial, asked);
    return 0;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) args, (void) fault;
    asker_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->client = http_client_new (actor);
    return self;
}

static void
stop (void **self_p)
{
    asker_t *self = *self_p;
    http_client_destroy (&self->client);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = { { MSG_CRI_EXEC, on_request },
                                            { MSG_CRI_ATTACH, on_connect },
                                            { 0 } };

static const actor_class_t ASKER = {
    .name = "asker", .handlers = HANDLERS, .start = start, .stop = stop
};

// ---- the stage ----

typedef struct {
    stage_t *stage;
    peer_t *peer;
    http_server_t *server;
} scene_t;

static int
set_up (void **state)
{
    scene_t *scene = memory_new (1, sizeof *scene);
    scene->server = http_server_new();
    scene->stage = stage_new();
    stage_actor (scene->stage, &ASKER, "asker", NULL);
    scene->peer = stage_peer (scene->stage, "peer");
    *state = scene;
    return 0;
}

static int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    http_server_destroy (&scene->server);
    free (scene);
    return 0;
}

/* Asks for a path of the server; `more` are further members of the request's JSON. Owned. */
static received_t *
ask (const scene_t *scene, const char *path, const char *more)
{
    OWNED (free_text)
    char *json = text_format ("{\"url\": \"http://127.0.0.1:%d%s\"%s%s}",
                              http_server_port (scene->server), path, more[0] ? ", " : "", more);
    uint64_t id = peer_request_json (scene->peer, "asker", MSG_CRI_EXEC, json);
    return peer_expect_reply (scene->peer, id);
}

static void
check_text (const received_t *reply, const char *format, int port)
{
    const char *rest = strstr (format, "PORT");
    OWNED (free_text) char *wanted = text_copy (format);
    while (rest) {
        OWNED (free_text) char *tail = text_copy (strstr (wanted, "PORT") + 4);
        wanted[strlen (wanted) - strlen (tail) - 4] = '\0';
        text_replace (&wanted, "%s%d%s", wanted, port, tail);
        rest = strstr (wanted, "PORT");
    }
    assert_string_equal (node_get_text (reply->body, "text", "?"), wanted);
}

// ---- tests ----

static void
an_answer_comes_with_status_body_and_headers (void **state)
{
    OWNED (received_destroy) received_t *reply = ask (*state, "/ok", "");
    assert_string_equal (node_get_text (reply->body, "text", "?"), "");
    assert_int_equal (node_get_int (reply->body, "status", 0), 200);
    assert_string_equal (node_get_text (reply->body, "body", ""), "hello");
    assert_string_equal (node_get_text (reply->body, "kind", ""), "fine");
    assert_false (node_get_bool (reply->body, "truncated", true));
}

static void
headers_are_sent_as_given_and_no_others (void **state)
{
    scene_t *scene = *state;
    OWNED (received_destroy)
    received_t *reply = ask (scene, "/echo?a=1&b",
                             "\"headers\": {\"Host\": \"me.example\", "
                             "\"X-One\": \" 1 \", \"X-Empty\": \"\"}");
    assert_string_equal (node_get_text (reply->body, "body", ""),
                         "GET /echo?a=1&b HTTP/1.1\r\nHost: me.example\r\nX-One: 1\r\n"
                         "X-Empty:\r\n\r\n");
}

static void
a_body_is_sent_with_its_method (void **state)
{
    OWNED (received_destroy)
    received_t *reply = ask (*state, "/echo",
                             "\"method\": \"PATCH\", \"body\": \"{}\", "
                             "\"headers\": {\"Content-Type\": \"a/b\"}");
    const char *head = node_get_text (reply->body, "body", "");
    assert_non_null (strstr (head, "PATCH /echo HTTP/1.1\r\n"));
    assert_non_null (strstr (head, "Content-Length: 2\r\n"));
    assert_non_null (strstr (head, "Content-Type: a/b\r\n"));
}

static void
a_long_body_is_cut_off (void **state)
{
    OWNED (received_destroy) received_t *reply = ask (*state, "/big", "\"limit\": 10240");
    assert_string_equal (node_get_text (reply->body, "text", "?"), "");
    assert_int_equal (node_get_int (reply->body, "size", 0), 10240);
    assert_true (node_get_bool (reply->body, "truncated", false));
}

static void
a_body_is_streamed_until_it_is_not_wanted (void **state)
{
    OWNED (received_destroy) received_t *all = ask (*state, "/big", "\"stream\": true");
    assert_int_equal (node_get_int (all->body, "streamed", 0), BIG_BYTES);
    assert_int_equal (node_get_int (all->body, "code", -1), FAULT_NONE);
    OWNED (received_destroy)
    received_t *part = ask (*state, "/big", "\"stream\": true, \"stream_limit\": 1");
    assert_int_equal (node_get_int (part->body, "code", -1), FAULT_CANCELLED);
    assert_true (node_get_int (part->body, "streamed", 0) < BIG_BYTES);
}

static const struct {
    const char *path, *more;
    int64_t status;
    const char *text, *body;
} REDIRECTS[] = {
    { "/redirect/2", "\"redirect\": true", 200, "", "hello" },
    { "/redirect/2", "\"redirect\": false", 302, "", "moved" },
    { "/redirect/9", "\"redirect\": true", 200, "", "hello" },
    { "/redirect/10", "\"redirect\": true", 0, "Get \"/redirect/0\": stopped after 10 redirects",
      NULL },
    { "/loop", "\"redirect\": true", 0, "Get \"/loop\": stopped after 10 redirects", NULL },
    { "/away", "\"redirect\": true", 302, "", "elsewhere" },
    { "/nowhere", "\"redirect\": true", 302, "", "lost" },
};

static void
redirects_are_followed_on_the_same_host (void **state)
{
    for (size_t i = 0; i < COUNT_OF (REDIRECTS); i++) {
        OWNED (received_destroy)
        received_t *reply = ask (*state, REDIRECTS[i].path, REDIRECTS[i].more);
        assert_string_equal (node_get_text (reply->body, "text", "?"), REDIRECTS[i].text);
        assert_int_equal (node_get_int (reply->body, "status", 0), REDIRECTS[i].status);
        if (REDIRECTS[i].body)
            assert_string_equal (node_get_text (reply->body, "body", ""), REDIRECTS[i].body);
    }
}

static const struct {
    const char *path;
    int64_t code;
    bool is_answered;
    const char *text;
} FAILURES[] = {
    { "/hangup", FAULT_UNAVAILABLE, false, "Get \"http://127.0.0.1:PORT/hangup\": EOF" },
    { "/half", FAULT_UNAVAILABLE, true, "unexpected EOF" },
    { "/silent", FAULT_DEADLINE, false,
      "Get \"http://127.0.0.1:PORT/silent\": context deadline exceeded (Client.Timeout exceeded "
      "while awaiting headers)" },
    { "/stall", FAULT_DEADLINE, true,
      "context deadline exceeded (Client.Timeout or context cancellation while reading body)" },
    { "/garbage", FAULT_INVALID, false,
      "Get \"http://127.0.0.1:PORT/garbage\": net/http: HTTP/1.x transport connection broken: "
      "malformed HTTP response \"SSH-2.0-x\"" },
};

static void
failures_read_as_those_of_go (void **state)
{
    scene_t *scene = *state;
    for (size_t i = 0; i < COUNT_OF (FAILURES); i++) {
        OWNED (received_destroy)
        received_t *reply = ask (scene, FAILURES[i].path, "\"timeout_ms\": 500");
        check_text (reply, FAILURES[i].text, http_server_port (scene->server));
        assert_int_equal (node_get_int (reply->body, "code", -1), FAILURES[i].code);
        assert_int_equal (node_get_bool (reply->body, "answered", false), FAILURES[i].is_answered);
    }
}

static void
a_reset_names_both_ends (void **state)
{
    OWNED (received_destroy) received_t *reply = ask (*state, "/reset", "");
    const char *text = node_get_text (reply->body, "text", "");
    assert_non_null (strstr (text, "/reset\": read tcp 127.0.0.1:"));
    assert_non_null (strstr (text, ": read: connection reset by peer"));
}

static received_t *
ask_url (const scene_t *scene, const char *format, int port, const char *more)
{
    OWNED (free_text) char *json = NULL;
    const char *at = strstr (format, "PORT");
    json = text_format ("{\"url\": \"%.*s%d%s\"%s%s}", (int) (at - format), format, port, at + 4,
                        more[0] ? ", " : "", more);
    return peer_expect_reply (scene->peer,
                              peer_request_json (scene->peer, "asker", MSG_CRI_EXEC, json));
}

static void
a_port_without_a_listener_is_refused (void **state)
{
    int port = unused_port();
    OWNED (received_destroy)
    received_t *reply = ask_url (*state, "http://127.0.0.1:PORT/", port, "");
    check_text (reply,
                "Get \"http://127.0.0.1:PORT/\": dial tcp 127.0.0.1:PORT: connect: connection "
                "refused",
                port);
    assert_int_equal (node_get_int (reply->body, "code", -1), FAULT_UNAVAILABLE);
}

static void
a_name_that_nobody_has_is_told (void **state)
{
    OWNED (received_destroy)
    received_t *reply =
        ask_url (*state, "http://no-such-host.invalid:PORT/", 80, "\"timeout_ms\": 10000");
    const char *text = node_get_text (reply->body, "text", "");
    // where there is no name server, looking up takes longer than the test has
    if (!strstr (text, "Client.Timeout"))
        assert_non_null (strstr (text, "dial tcp: lookup no-such-host.invalid: no such host"));
}

static void
http_where_https_is_expected_is_told (void **state)
{
    scene_t *scene = *state;
    OWNED (received_destroy)
    received_t *reply =
        ask_url (scene, "https://127.0.0.1:PORT/ok", http_server_port (scene->server), "");
    check_text (
        reply, "Get \"https://127.0.0.1:PORT/ok\": http: server gave HTTP response to HTTPS client",
        http_server_port (scene->server));
}

static const struct {
    const char *headers, *text;
} BAD_HEADERS[] = {
    { "\"headers\": {\"X-A\": \"1\\r\\nX-B: 2\"}",
      "Get \"http://127.0.0.1:PORT/ok\": net/http: invalid header field value for \"X-A\"" },
    { "\"headers\": {\"X A\": \"1\"}",
      "Get \"http://127.0.0.1:PORT/ok\": net/http: invalid header field name \"X A\"" },
};

static void
headers_cannot_smuggle_others_in (void **state)
{
    scene_t *scene = *state;
    for (size_t i = 0; i < COUNT_OF (BAD_HEADERS); i++) {
        OWNED (received_destroy) received_t *reply = ask (scene, "/ok", BAD_HEADERS[i].headers);
        check_text (reply, BAD_HEADERS[i].text, http_server_port (scene->server));
    }
    assert_int_equal (http_server_count (scene->server), 0);
}

static void
a_cancelled_request_is_forgotten (void **state)
{
    OWNED (received_destroy) received_t *cancelled = ask (*state, "/silent", "\"cancels\": true");
    assert_int_equal (node_get_int (cancelled->body, "left", -1), 0);
    OWNED (received_destroy) received_t *reply = ask (*state, "/ok", "");
    assert_int_equal (node_get_int (reply->body, "status", 0), 200);
}

static void
a_client_may_be_destroyed_when_a_request_ends (void **state)
{
    OWNED (received_destroy) received_t *last = ask (*state, "/ok", "\"destroys\": true");
    assert_int_equal (node_get_int (last->body, "status", 0), 200);
    OWNED (received_destroy)
    received_t *refused = ask (*state, "/ok", "\"destroys\": true, \"headers\": {\"A B\": \"\"}");
    assert_int_equal (node_get_int (refused->body, "code", 0), FAULT_INVALID);
    OWNED (received_destroy) received_t *reply = ask (*state, "/ok", "");
    assert_int_equal (node_get_int (reply->body, "status", 0), 200);
}

static void
a_request_may_want_a_connection_of_its_own (void **state)
{
    scene_t *scene = *state;
    for (int i = 0; i < 3; i++) {
        OWNED (received_destroy) received_t *reply = ask (scene, "/ok", "\"single\": true");
        assert_int_equal (node_get_int (reply->body, "status", 0), 200);
    }
    assert_int_equal (http_server_count (scene->server), 3);
}

static void
many_requests_run_at_once (void **state)
{
    scene_t *scene = *state;
    uint64_t ids[200];
    OWNED (free_text)
    char *json = text_format ("{\"url\": \"http://127.0.0.1:%d/ok\", \"single\": true}",
                              http_server_port (scene->server));
    for (size_t i = 0; i < COUNT_OF (ids); i++)
        ids[i] = peer_request_json (scene->peer, "asker", MSG_CRI_EXEC, json);
    for (size_t i = 0; i < COUNT_OF (ids); i++) {
        OWNED (received_destroy) received_t *reply = peer_next (scene->peer, PEER_DEADLINE_MS);
        assert_non_null (reply);
        assert_int_equal (node_get_int (reply->body, "status", 0), 200);
    }
}

static void
a_connection_alone_can_be_asked_for (void **state)
{
    scene_t *scene = *state;
    OWNED (received_destroy) received_t *open = ask (scene, "/", "\"connect_only\": true");
    assert_string_equal (node_get_text (open->body, "text", "?"), "");
    int port = unused_port();
    OWNED (received_destroy)
    received_t *shut = ask_url (scene, "http://127.0.0.1:PORT/", port, "\"connect_only\": true");
    check_text (shut, "dial tcp 127.0.0.1:PORT: connect: connection refused", port);
}

static received_t *
dial (const scene_t *scene, const char *host, int port, int timeout_ms)
{
    OWNED (free_text)
    char *json = text_format ("{\"host\": \"%s\", \"port\": %d, \"timeout_ms\": %d}", host, port,
                              timeout_ms);
    uint64_t id = peer_request_json (scene->peer, "asker", MSG_CRI_ATTACH, json);
    return peer_expect_reply (scene->peer, id);
}

static void
dialling_tells_who_listens (void **state)
{
    scene_t *scene = *state;
    int port = http_server_port (scene->server), shut_port = unused_port();
    OWNED (received_destroy) received_t *open = dial (scene, "127.0.0.1", port, 5000);
    assert_string_equal (node_get_text (open->body, "text", "?"), "");
    OWNED (received_destroy) received_t *shut = dial (scene, "127.0.0.1", shut_port, 5000);
    check_text (shut, "dial tcp 127.0.0.1:PORT: connect: connection refused", shut_port);
    OWNED (received_destroy) received_t *no_address = dial (scene, "localhost", port, 5000);
    assert_int_equal (node_get_int (no_address->body, "code", -1), FAULT_INVALID);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST (an_answer_comes_with_status_body_and_headers),
        TEST (headers_are_sent_as_given_and_no_others),
        TEST (a_body_is_sent_with_its_method),
        TEST (a_long_body_is_cut_off),
        TEST (a_body_is_streamed_until_it_is_not_wanted),
        TEST (redirects_are_followed_on_the_same_host),
        TEST (failures_read_as_those_of_go),
        TEST (a_reset_names_both_ends),
        TEST (a_port_without_a_listener_is_refused),
        TEST (a_name_that_nobody_has_is_told),
        TEST (http_where_https_is_expected_is_told),
        TEST (headers_cannot_smuggle_others_in),
        TEST (a_cancelled_request_is_forgotten),
        TEST (a_client_may_be_destroyed_when_a_request_ends),
        TEST (a_request_may_want_a_connection_of_its_own),
        TEST (many_requests_run_at_once),
        TEST (a_connection_alone_can_be_asked_for),
        TEST (dialling_tells_who_listens),
    };
    signal (SIGPIPE, SIG_IGN); // the supervisor's work
    return cmocka_run_group_tests (tests, NULL, NULL);
}
