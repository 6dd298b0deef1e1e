/* test_server.c - what the plain ports serve, byte for byte where clients look at it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "helper_http_server.h"
#include "helper_peer.h"
#include <cmocka.h>

#define ANSWER_MAX_BYTES (1 << 20)
#define CONNECTIONS_MAX 100 // of listener.c
#define SILENCE_MS 100
#define LONG_MS 600000

typedef struct {
    stage_t *stage;
    peer_t *supervisor, *manager;
    int health_port, read_only_port;
    int64_t silence_ms;
} scene_t;

static void
start_server (scene_t *scene)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "healthz_address", "127.0.0.1");
    node_set_int (tree, &args, "healthz_port", scene->health_port);
    node_set_text (tree, &args, "read_only_address", "0.0.0.0");
    node_set_int (tree, &args, "read_only_port", scene->read_only_port);
    node_set_int (tree, &args, "silence_ms", scene->silence_ms);
    stage_actor (scene->stage, &server_class, "server", &args);
}

static int
set_up_ports (void **state)
{
    scene_t *scene = memory_new (1, sizeof *scene);
    scene->stage = stage_new();
    scene->supervisor = stage_peer (scene->stage, "supervisor");
    scene->manager = stage_peer (scene->stage, "pod-manager");
    scene->health_port = unused_port();
    scene->read_only_port = unused_port();
    scene->silence_ms = SILENCE_MS;
    *state = scene;
    return 0;
}

static int
set_up (void **state)
{
    set_up_ports (state);
    start_server (*state);
    return 0;
}

static int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    free (scene);
    return 0;
}

// ---- a client ----

static int
try_to_connect (int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons ((uint16_t) port),
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    close (fd);
    return -1;
}

/* Sends a request with "Connection: close" and leaves the answer to read_answer. */
static int
send_request (int port, const char *method, const char *path)
{
    int fd = try_to_connect (port);
    assert_true (fd >= 0);
    OWNED (free_text)
    char *request =
        text_format ("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    assert_int_equal (send (fd, request, strlen (request), MSG_NOSIGNAL), strlen (request));
    return fd;
}

/* All that comes until the connection closes, without the Date, "\r" left out. Owned. */
static char *
read_answer (int fd)
{
    char *answer = memory_new (1, ANSWER_MAX_BYTES);
    size_t size = 0;
    for (ssize_t got; (got = recv (fd, answer + size, ANSWER_MAX_BYTES - 1 - size, 0)) > 0;)
        size += (size_t) got;
    close (fd);
    char *to = answer;
    for (const char *from = answer; *from;) {
        if (strncmp (from, "Date: ", 6) == 0)
            from = strchr (from, '\n') + 1;
        else if (*from == '\r')
            from++;
        else
            *to++ = *from++;
    }
    *to = '\0';
    return answer;
}

static char *
get (int port, const char *method, const char *path)
{
    return read_answer (send_request (port, method, path));
}

static const char *
body_of (const char *answer)
{
    const char *end = strstr (answer, "\n\n");
    return end ? end + 2 : "";
}

/* Answers the server's question who lives. */
static void
answer_list (const scene_t *scene, const char *state)
{
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->supervisor, MSG_ACTOR_LIST);
    OWNED (free_text)
    char *json = text_format ("{\"actors\": [{\"name\": \"bus\", \"state\": \"up\"}, "
                              "{\"name\": \"pod-manager\", \"state\": \"%s\"}]}",
                              state);
    peer_reply_json (scene->supervisor, request, json);
}

// ---- the health port ----

#define OK_HEADERS "Content-Type: text/plain; charset=utf-8\nContent-Length: 2\nConnection: close\n"
#define NOT_FOUND                                                                                  \
    "HTTP/1.1 404 Not Found\nX-Content-Type-Options: nosniff\nContent-Type: text/plain; "          \
    "charset=utf-8\nContent-Length: 19\nConnection: close\n\n404 page not found\n"

static const struct {
    const char *method, *path, *answer;
} HEALTH[] = {
    { "GET", "/healthz", "HTTP/1.1 200 OK\nX-Content-Type-Options: nosniff\n" OK_HEADERS "\nok" },
    { "GET", "/healthz/ping", "HTTP/1.1 200 OK\n" OK_HEADERS "\nok" },
    { "GET", "/", NOT_FOUND },
    { "GET", "/pods", NOT_FOUND },
    { "GET", "/healthz/syncloop", NOT_FOUND },
    { "GET", "/healthz/", NOT_FOUND },
    { "POST", "/nope", NOT_FOUND },
};

static void
the_health_port_serves_healthz_and_nothing_else (void **state)
{
    scene_t *scene = *state;
    for (size_t i = 0; i < COUNT_OF (HEALTH); i++) {
        OWNED (free_text)
        char *answer = get (scene->health_port, HEALTH[i].method, HEALTH[i].path);
        assert_string_equal (answer, HEALTH[i].answer);
    }
}

static const struct {
    const char *path, *body;
} VERBOSE[] = {
    { "/healthz?verbose", "[+]ping ok\nhealthz check passed\n" },
    { "/healthz?verbose=&exclude=ping", "[+]ping excluded: ok\nhealthz check passed\n" },
    { "/healthz?exclude=x%22&exclude=y&verbose",
      "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"x\\\"\",\"y\"\n"
      "healthz check passed\n" },
};

static void
verbose_lists_the_checks (void **state)
{
    scene_t *scene = *state;
    for (size_t i = 0; i < COUNT_OF (VERBOSE); i++) {
        OWNED (free_text) char *answer = get (scene->health_port, "GET", VERBOSE[i].path);
        assert_string_equal (body_of (answer), VERBOSE[i].body);
    }
}

// ---- the read-only port ----

static const struct {
    const char *path, *state, *status, *body;
} SYNCLOOP[] = {
    { "/healthz", "up", "HTTP/1.1 200 OK\n", "ok" },
    { "/healthz?verbose", "up", "HTTP/1.1 200 OK\n",
      "[+]ping ok\n[+]log ok\n[+]syncloop ok\n[+]device-plugin ok\nhealthz check passed\n" },
    { "/healthz", "down", "HTTP/1.1 500 Internal Server Error\n",
      "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\n[+]device-plugin ok\n"
      "healthz check failed\n" },
    { "/healthz?exclude=syncloop", "down", "HTTP/1.1 200 OK\n", "ok" },
    { "/healthz/syncloop", "up", "HTTP/1.1 200 OK\n", "ok" },
    { "/healthz/syncloop", "down", "HTTP/1.1 500 Internal Server Error\n",
      "internal server error: sync Loop took longer than expected\n" },
};

static void
health_needs_the_main_loop (void **state)
{
    scene_t *scene = *state;
    for (size_t i = 0; i < COUNT_OF (SYNCLOOP); i++) {
        int fd = send_request (scene->read_only_port, "GET", SYNCLOOP[i].path);
        answer_list (scene, SYNCLOOP[i].state);
        OWNED (free_text) char *answer = read_answer (fd);
        assert_int_equal (strncmp (answer, SYNCLOOP[i].status, strlen (SYNCLOOP[i].status)), 0);
        assert_string_equal (body_of (answer), SYNCLOOP[i].body);
    }
}

static void
health_fails_when_the_supervisor_says_nothing (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *answer = get (scene->read_only_port, "GET", "/healthz/syncloop");
    assert_non_null (strstr (answer, "HTTP/1.1 500"));
}

static void
pods_are_a_list_as_upstream_writes_it (void **state)
{
    scene_t *scene = *state;
    int fd = send_request (scene->read_only_port, "GET", "/pods");
    OWNED (received_destroy) received_t *request = peer_expect (scene->manager, MSG_POD_LIST);
    peer_reply_json (scene->manager, request, "{\"items\": [{\"metadata\": {\"name\": \"a\"}}]}");
    OWNED (free_text) char *answer = read_answer (fd);
    static const char BODY[] = "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},"
                               "\"items\":[{\"metadata\":{\"name\":\"a\"}}]}\n";
    OWNED (free_text)
    char *wanted = text_format ("HTTP/1.1 200 OK\nContent-Type: application/json\n"
                                "Content-Length: %zu\nConnection: close\n\n%s",
                                strlen (BODY), BODY);
    assert_string_equal (answer, wanted);
}

/* The value of an HTTP family's series of GET on the read-only port; -1: there is none. */
static double
count_of (const char *family, const char *path)
{
    metrics_t *shared = metrics_shared();
    OWNED (free_text) char *page = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    OWNED (free_text)
    char *series = text_format ("\n%s{long_running=\"false\",method=\"GET\",path=\"%s\","
                                "server_type=\"readonly\"} ",
                                family, path);
    const char *at = strstr (page, series);
    return at ? strtod (at + strlen (series), NULL) : -1;
}

static void
requests_are_counted_from_their_beginning_on (void **state)
{
    scene_t *scene = *state;
    double before = count_of ("kubelet_http_requests_total", "pods");
    int fd = send_request (scene->read_only_port, "GET", "/pods");
    OWNED (received_destroy) received_t *request = peer_expect (scene->manager, MSG_POD_LIST);
    assert_true (count_of ("kubelet_http_requests_total", "pods") == (before < 0 ? 0 : before) + 1);
    assert_true (count_of ("kubelet_http_inflight_requests", "pods") == 1);
    peer_reply_json (scene->manager, request, "{\"items\": []}");
    OWNED (free_text) char *answer = read_answer (fd);
    assert_true (count_of ("kubelet_http_inflight_requests", "pods") == 0);
    OWNED (free_text) char *stranger = get (scene->read_only_port, "GET", "/metrics/strange/path");
    assert_true (count_of ("kubelet_http_requests_total", "other") > 0); // no series of its own
    OWNED (free_text) char *refused = get (scene->read_only_port, "GET", "/configz?a=b");
    assert_true (count_of ("kubelet_http_requests_total", "configz") == 1);
}

static void
no_pods_are_null (void **state)
{
    scene_t *scene = *state;
    int fd = send_request (scene->read_only_port, "GET", "/pods");
    OWNED (received_destroy) received_t *request = peer_expect (scene->manager, MSG_POD_LIST);
    peer_reply_json (scene->manager, request, "{\"items\": []}");
    OWNED (free_text) char *answer = read_answer (fd);
    assert_string_equal (body_of (answer), "{\"kind\":\"PodList\",\"apiVersion\":\"v1\","
                                           "\"metadata\":{},\"items\":null}\n");
}

static void
pods_that_cannot_be_listed_are_an_error (void **state)
{
    scene_t *scene = *state;
    int fd = send_request (scene->read_only_port, "GET", "/pods");
    OWNED (received_destroy) received_t *request = peer_expect (scene->manager, MSG_POD_LIST);
    peer_reply_fault (scene->manager, request, FAULT_INTERNAL, "no idea");
    OWNED (free_text) char *answer = read_answer (fd);
    assert_non_null (strstr (answer, "HTTP/1.1 500"));
    assert_string_equal (body_of (answer), "Internal Error: no idea\n");
}

static const struct {
    const char *method, *path, *start, *body;
} REFUSED[] = {
    { "GET", "/nope", "HTTP/1.1 404 Not Found\n", "404 page not found\n" },
    { "POST", "/pods", "HTTP/1.1 405 Method Not Allowed\nAllow: GET\n", "405: Method Not Allowed" },
    { "POST", "/exec/default/web/main", "HTTP/1.1 405 Method Not Allowed\n",
      "Debug endpoints are disabled.\n" },
    { "GET", "/containerLogs/default/web/main", "HTTP/1.1 405 Method Not Allowed\n",
      "Debug endpoints are disabled.\n" },
    { "GET", "/logs?a=b", "HTTP/1.1 301 Moved Permanently\nLocation: /logs/?a=b\n", "" },
    { "GET", "/runningpods", "HTTP/1.1 301 Moved Permanently\nLocation: /runningpods/\n", "" },
};

static void
the_rest_is_refused_as_upstream_does (void **state)
{
    scene_t *scene = *state;
    for (size_t i = 0; i < COUNT_OF (REFUSED); i++) {
        OWNED (free_text)
        char *answer = get (scene->read_only_port, REFUSED[i].method, REFUSED[i].path);
        assert_int_equal (strncmp (answer, REFUSED[i].start, strlen (REFUSED[i].start)), 0);
        assert_string_equal (body_of (answer), REFUSED[i].body);
    }
}

// ---- trouble ----

static void
a_client_that_leaves_does_no_harm (void **state)
{
    scene_t *scene = *state;
    close (send_request (scene->read_only_port, "GET", "/pods"));
    OWNED (received_destroy) received_t *request = peer_expect (scene->manager, MSG_POD_LIST);
    peer_reply_json (scene->manager, request, "{\"items\": []}");
    OWNED (free_text) char *answer = get (scene->health_port, "GET", "/healthz");
    assert_string_equal (body_of (answer), "ok");
}

static void
a_request_that_waits_may_be_cut_off_by_the_end (void **state)
{
    scene_t *scene = *state;
    int fd = send_request (scene->read_only_port, "GET", "/pods");
    OWNED (received_destroy) received_t *request = peer_expect (scene->manager, MSG_POD_LIST);
    assert_true (request->envelope.wants_reply);
    stage_destroy (&scene->stage);
    OWNED (free_text) char *answer = read_answer (fd);
    assert_string_equal (answer, "");
    scene->stage = stage_new();
}

static void
headers_without_end_are_refused (void **state)
{
    scene_t *scene = *state;
    int fd = try_to_connect (scene->health_port);
    static const char LINE[] = "X-Long: 0123456789012345678901234567890123456789\r\n";
    send (fd, "GET /healthz HTTP/1.1\r\n", 23, MSG_NOSIGNAL);
    for (int i = 0; i < 10000; i++)
        if (send (fd, LINE, strlen (LINE), MSG_NOSIGNAL) < 0)
            break;
    OWNED (free_text) char *answer = read_answer (fd);
    assert_null (strstr (answer, "200 OK"));
    OWNED (free_text) char *health = get (scene->health_port, "GET", "/healthz");
    assert_string_equal (body_of (health), "ok");
}

/* A connection from another address of this machine. */
static int
connect_from (const char *from, int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (inet_pton (AF_INET, from, &address.sin_addr), 1);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    address.sin_port = htons ((uint16_t) port);
    assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

static bool
has_ended (int fd)
{
    char byte;
    return recv (fd, &byte, 1, MSG_DONTWAIT) >= 0;
}

/* How many of them the server has closed. */
static size_t
count_ended (const int *fds, size_t count)
{
    size_t ended = 0;
    for (size_t i = 0; i < count; i++)
        ended += has_ended (fds[i]);
    return ended;
}

static const char REQUEST[] = "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";

/* 300 connections that send nothing, on a port for 100: all others are served, and one that was
   there first and is silent too is not the one to go. */
static void
silent_connections_make_room (void **state)
{
    scene_t *scene = *state;
    int quiet = try_to_connect (scene->health_port), fds[3 * CONNECTIONS_MAX];
    for (size_t i = 0; i < COUNT_OF (fds); i++) {
        fds[i] = connect_from ("127.0.0.2", scene->health_port);
        if (i % 50 != 49)
            continue;
        OWNED (free_text) char *answer = get (scene->health_port, "GET", "/healthz");
        assert_string_equal (body_of (answer), "ok");
    }
    send (quiet, REQUEST, strlen (REQUEST), MSG_NOSIGNAL);
    OWNED (free_text) char *answer = read_answer (quiet);
    assert_string_equal (body_of (answer), "ok");
    int64_t end_ms = clock_monotonic_ms() + PEER_DEADLINE_MS;
    size_t ended = 0;
    while ((ended = count_ended (fds, COUNT_OF (fds))) < 2 * CONNECTIONS_MAX
           && clock_monotonic_ms() < end_ms)
        poll (NULL, 0, 20);
    // who was served had places
    assert_in_range (ended, 2 * CONNECTIONS_MAX, 2 * CONNECTIONS_MAX + 2);
    assert_true (has_ended (fds[0])); // the oldest first
    assert_false (has_ended (fds[COUNT_OF (fds) - 1]));
    for (size_t i = 0; i < COUNT_OF (fds); i++)
        close (fds[i]);
}

/* A burst of good clients: more than fit, and all of them slow. None is cut off. */
static void
a_burst_waits_for_its_turn (void **state)
{
    scene_t *scene = *state;
    int fds[3 * CONNECTIONS_MAX];
    scene->silence_ms = LONG_MS;
    start_server (scene);
    for (size_t i = 0; i < COUNT_OF (fds); i++)
        fds[i] = try_to_connect (scene->health_port);
    for (size_t i = 0; i < COUNT_OF (fds); i++) {
        send (fds[i], REQUEST, strlen (REQUEST), MSG_NOSIGNAL);
        OWNED (free_text) char *answer = read_answer (fds[i]);
        assert_string_equal (body_of (answer), "ok");
    }
}

/* Connections whose requests are being answered make no room; the next one waits for an end. */
static void
busy_connections_stay (void **state)
{
    scene_t *scene = *state;
    int fds[CONNECTIONS_MAX];
    received_t *requests[CONNECTIONS_MAX];
    for (size_t i = 0; i < COUNT_OF (fds); i++) {
        fds[i] = send_request (scene->read_only_port, "GET", "/pods");
        requests[i] = peer_expect (scene->manager, MSG_POD_LIST);
    }
    int waiting = send_request (scene->read_only_port, "GET", "/healthz/ping");
    struct pollfd poll_fd = { waiting, POLLIN, 0 };
    assert_int_equal (poll (&poll_fd, 1, 300), 0);
    for (size_t i = 0; i < COUNT_OF (fds); i++) {
        peer_reply_json (scene->manager, requests[i], "{\"items\": []}");
        OWNED (free_text) char *answer = read_answer (fds[i]);
        assert_non_null (strstr (answer, "200 OK"));
        received_destroy (&requests[i]);
    }
    OWNED (free_text) char *answer = read_answer (waiting);
    assert_string_equal (body_of (answer), "ok");
    for (int i = 0; i < 2 * CONNECTIONS_MAX; i++) {
        OWNED (free_text) char *again = get (scene->health_port, "GET", "/healthz");
        assert_string_equal (body_of (again), "ok");
    }
}

static void
a_port_that_is_taken_is_served_once_it_is_free (void **state)
{
    scene_t *scene = *state;
    http_server_t *other = http_server_new();
    scene->health_port = http_server_port (other);
    start_server (scene);
    int fd = send_request (scene->read_only_port, "GET", "/healthz/ping"); // the rest goes on
    OWNED (free_text) char *answer = read_answer (fd);
    assert_string_equal (body_of (answer), "ok");
    http_server_destroy (&other);
    int64_t end_ms = clock_monotonic_ms() + PEER_DEADLINE_MS;
    int health = -1;
    while ((health = try_to_connect (scene->health_port)) < 0 && clock_monotonic_ms() < end_ms)
        poll (NULL, 0, 20);
    assert_true (health >= 0);
    close (health);
}

static void
a_port_of_0_is_not_served (void **state)
{
    scene_t *scene = *state;
    int port = scene->read_only_port;
    scene->read_only_port = 0;
    start_server (scene);
    OWNED (free_text) char *answer = get (scene->health_port, "GET", "/healthz");
    assert_string_equal (body_of (answer), "ok");
    assert_int_equal (try_to_connect (port), -1);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)
#define TEST_OF_START(name) cmocka_unit_test_setup_teardown (name, set_up_ports, tear_down)
    const struct CMUnitTest tests[] = {
        TEST (the_health_port_serves_healthz_and_nothing_else),
        TEST (verbose_lists_the_checks),
        TEST (health_needs_the_main_loop),
        TEST (health_fails_when_the_supervisor_says_nothing),
        TEST (pods_are_a_list_as_upstream_writes_it),
        TEST (requests_are_counted_from_their_beginning_on),
        TEST (no_pods_are_null),
        TEST (pods_that_cannot_be_listed_are_an_error),
        TEST (the_rest_is_refused_as_upstream_does),
        TEST (a_client_that_leaves_does_no_harm),
        TEST (a_request_that_waits_may_be_cut_off_by_the_end),
        TEST (headers_without_end_are_refused),
        TEST (silent_connections_make_room),
        TEST (busy_connections_stay),
        TEST_OF_START (a_burst_waits_for_its_turn),
        TEST_OF_START (a_port_that_is_taken_is_served_once_it_is_free),
        TEST_OF_START (a_port_of_0_is_not_served),
    };
    signal (SIGPIPE, SIG_IGN); // the supervisor's work
    return cmocka_run_group_tests (tests, NULL, NULL);
}
