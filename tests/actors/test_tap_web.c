/* The tap's page: messages as JSON, and a page that does not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
// cmocka wants these before it
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/sanitizer.h"
#include "web.h"
#include <arpa/inet.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define DEADLINE_S 30
#define BURST 20000
#define BODY_BYTES 700

static tree_t *
read_json (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", fault.text, text);
    return tree;
}

// ---- messages ----

static void
a_message_is_json_that_a_page_can_read (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *body = read_json ("{\"config\":{\"metadata\":{\"name\":\"main\"}},\"size\":1}");
    shown_t message = { .from = "a",
                        .to = "b",
                        .type = "cri.CreateContainer",
                        .outcome = "delivered",
                        .id = UINT64_C (1795715646258183483),
                        .sent_ns = INT64_C (1795715892707978800),
                        .body = tree_root (body) };
    OWNED (free_text) char *text = web_message_json (&message);
    OWNED (tree_destroy) tree_t *json = read_json (text);
    const node_t *root = tree_root (json);
    assert_string_equal (node_get_text (root, "id", ""), "1795715646258183483");
    assert_null (node_get (root, "re"));
    assert_null (node_get (root, "fault"));
    assert_non_null (strstr (text, "\"sent\":1795715892707.97"));
    assert_string_equal (node_as_text (node_at (root, "facts", "container", NULL), ""), "main");
    assert_string_equal (node_get_text (root, "body", ""),
                         "{\"config\":{\"metadata\":{\"name\":\"main\"}},\"size\":1}");
}

static void
a_fault_says_its_code_and_an_answer_has_its_own_facts (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *body = read_json ("{\"container_id\":\"abc\",\"config\":3}");
    shown_t message = { .from = "a",
                        .to = "b",
                        .type = "cri.CreateContainer",
                        .outcome = "failed",
                        .id = 2,
                        .re = 1,
                        .fault = FAULT_UNAVAILABLE,
                        .fault_text = "no network",
                        .body = tree_root (body) };
    OWNED (free_text) char *text = web_message_json (&message);
    OWNED (tree_destroy) tree_t *json = read_json (text);
    const node_t *root = tree_root (json);
    assert_string_equal (node_get_text (root, "re", ""), "1");
    assert_string_equal (node_get_text (root, "fault", ""), "Unavailable");
    assert_string_equal (node_get_text (root, "fault_text", ""), "no network");
    assert_string_equal (node_as_text (node_at (root, "facts", "id", NULL), ""), "abc");
    assert_null (node_at (root, "facts", "container", NULL));
}

static void
a_long_body_is_cut_between_letters (void **state)
{
    (void) state;
    for (size_t shift = 0; shift < 3; shift++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        OWNED (free_text) char *text = memory_new (3001, 1);
        memset (text, 'a', shift);
        for (size_t i = 0; i < 900; i++)
            memcpy (text + shift + 3 * i, "\xe2\x82\xac", 3); // a euro sign
        node_t body = node_map();
        node_set_text (tree, &body, "text", text);
        shown_t message = { .from = "a", .to = "b", .type = "t", .outcome = "", .body = &body };
        OWNED (free_text) char *shown = web_message_json (&message);
        OWNED (tree_destroy) tree_t *json = read_json (shown); // refuses half a letter
        const char *cut = node_get_text (tree_root (json), "body", "");
        assert_in_range (strlen (cut), 796, 803);
        assert_string_equal (cut + strlen (cut) - 3, "...");
    }
}

// ---- a page that does not read ----

typedef struct {
    web_t *web;
    zsock_t *tap, *monitor;
    node_t body;
    atomic_int count; // messages it was given
} server_t;

static void
take_one (void *context)
{
    server_t *self = context;
    OWNED (free_text) char *text = zstr_recv (self->tap);
    shown_t message = {
        .from = "a", .to = "b", .type = "t", .outcome = "delivered", .id = 1, .body = &self->body
    };
    web_add (self->web, &message);
    atomic_fetch_add (&self->count, 1);
}

static void
take_event (void *context)
{
    OWNED (free_text) char *text = zstr_recv (((server_t *) context)->monitor);
}

static void
serve (zsock_t *pipe, void *context)
{
    SANITIZER_ACQUIRE();
    server_t *self = context;
    zsock_signal (pipe, 0);
    web_sources_t sources = { .tap = self->tap,
                              .monitor = self->monitor,
                              .read_tap = take_one,
                              .read_monitor = take_event,
                              .context = self };
    web_run (self->web, &sources, 0);
    SANITIZER_RELEASE();
}

/* Connects as a page that has asked for events. */
static FILE *
open_events (const char *url)
{
    int port = 0;
    char token[64];
    assert_int_equal (sscanf (url, "http://127.0.0.1:%d/%63[0-9a-f]/", &port, token), 2);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons ((uint16_t) port),
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    struct timeval deadline = { .tv_sec = DEADLINE_S };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline), 0);
    assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
    OWNED (free_text)
    char *request =
        text_format ("GET /%s/events HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n", token, port);
    assert_int_equal (write (fd, request, strlen (request)), strlen (request));
    return fdopen (fd, "r");
}

typedef struct {
    char name[32];
    int64_t count; // of messages in it, or lost
} event_t;

static event_t
read_event (FILE *events)
{
    OWNED (free_text) char *line = NULL;
    size_t room = 0;
    event_t event = { 0 };
    while (getline (&line, &room, events) > 0) {
        if (sscanf (line, "event: %31[a-z]", event.name) == 1 || strncmp (line, "data: ", 6) != 0)
            continue;
        OWNED (tree_destroy) tree_t *data = read_json (line + 6);
        const node_t *root = tree_root (data);
        event.count =
            node_is_array (root) ? (int64_t) node_count (root) : node_get_int (root, "count", 0);
        return event;
    }
    fail_msg ("no event came for %d s", DEADLINE_S);
    return event;
}

static void
a_page_that_does_not_read_is_told_what_it_lost (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *filling = memory_new (BODY_BYTES + 1, 1);
    memset (filling, 'x', BODY_BYTES);
    server_t server = { .web = web_new (0, "/nowhere", &fault), .body = node_map() };
    assert_non_null (server.web);
    node_set_text (tree, &server.body, "text", filling);
    OWNED (zsock_destroy) zsock_t *agent = zsock_new (ZMQ_XPUB);
    zsock_set_sndhwm (agent, 0);
    assert_int_equal (zsock_bind (agent, "inproc://web-tap"), 0);
    server.tap = zsock_new (ZMQ_SUB);
    zsock_set_rcvhwm (server.tap, 0);
    zsock_set_subscribe (server.tap, "");
    assert_int_equal (zsock_connect (server.tap, "inproc://web-tap"), 0);
    server.monitor = zsock_new_pull ("@inproc://web-monitor");
    OWNED (zframe_destroy) zframe_t *subscribed = zframe_recv (agent);
    SANITIZER_RELEASE();
    zactor_t *thread = zactor_new (serve, &server);

    FILE *events = open_events (web_url (server.web));
    assert_string_equal (read_event (events).name, "agent");
    for (int i = 0; i < BURST; i++)
        zstr_send (agent, "message");
    for (int i = 0; i < DEADLINE_S * 100 && atomic_load (&server.count) < BURST; i++)
        zclock_sleep (10);
    assert_int_equal (atomic_load (&server.count), BURST);

    // Each message it reads brings one more: one of them finds room again, and with it comes the
    // word.
    int64_t sent = BURST, seen = 0, lost = 0;
    do {
        event_t event = read_event (events);
        lost += streq (event.name, "lost") ? event.count : 0;
        if (!streq (event.name, "message"))
            continue;
        seen += event.count;
        if (!lost && zstr_send (agent, "one more") == 0)
            sent++;
    } while (!lost || seen + lost < sent);
    assert_int_equal (seen + lost, sent);
    assert_true (seen > 0);

    fclose (events);
    kill (getpid(), SIGTERM); // as Ctrl-C ends kubelet-tap
    zactor_destroy (&thread);
    SANITIZER_ACQUIRE();
    zsock_destroy (&server.tap);
    zsock_destroy (&server.monitor);
    web_destroy (&server.web);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_message_is_json_that_a_page_can_read),
        cmocka_unit_test (a_fault_says_its_code_and_an_answer_has_its_own_facts),
        cmocka_unit_test (a_long_body_is_cut_between_letters),
        cmocka_unit_test (a_page_that_does_not_read_is_told_what_it_lost),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
