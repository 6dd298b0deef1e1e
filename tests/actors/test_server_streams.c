/* test_server_streams.c - exec, attach, port-forward and logs with the runtime played by the test:
   what it is asked, what passes, and what each side's end does. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "helper_http_server.h"
#include "helper_peer.h"
#include <cmocka.h>

#define TEXT_MAX 65536
#define IDLE_MS 400 // of the tests that wait for it

typedef struct {
    stage_t *stage;
    peer_t *manager, *runtime;
    char *path;    // of the server's socket
    char *place;   // a directory: the agent's own, with one of logs
    int streaming; // listens as the runtime's streaming server
    int streaming_port;
} scene_t;

static void
start_server (scene_t *scene, int64_t idle_ms)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", "node-1");
    node_set_text (tree, &args, "socket_path", scene->path);
    node_set_bool (tree, &args, "debugging_handlers", true);
    node_set_int (tree, &args, "streaming_idle_ms", idle_ms);
    node_set_bool (tree, &args, "checkpoint", true);
    node_set_bool (tree, &args, "system_log_handler", true);
    node_set_text (tree, &args, "root_dir", scene->place);
    OWNED (free_text) char *logs = text_format ("%s/logs", scene->place);
    node_set_text (tree, &args, "system_log_dir", logs);
    stage_actor (scene->stage, &server_class, "server", &args);
}

static int
set_up (void **state)
{
    scene_t *scene = memory_new (1, sizeof *scene);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    scene->stage = stage_new();
    scene->manager = stage_peer (scene->stage, "pod-manager");
    scene->runtime = stage_peer (scene->stage, "runtime");
    char place[] = "/tmp/cubelet-streams-XXXXXX";
    assert_non_null (mkdtemp (place));
    scene->place = text_copy (place);
    scene->path = text_format ("%s/api.sock", place);
    scene->streaming = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (bind (scene->streaming, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal (listen (scene->streaming, 8), 0);
    getsockname (scene->streaming, (struct sockaddr *) &address, &size);
    scene->streaming_port = ntohs (address.sin_port);
    *state = scene;
    return 0;
}

static int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    close (scene->streaming);
    OWNED (free_text) char *remove = text_format ("rm -rf %s", scene->place);
    int rc = system (remove);
    free (scene->path);
    free (scene->place);
    free (scene);
    return rc;
}

// ---- both ends ----

static int
connect_client (const scene_t *scene)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf (address.sun_path, sizeof address.sun_path, "%s", scene->path);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

static void
send_text (int fd, const char *text)
{
    assert_int_equal (send (fd, text, strlen (text), MSG_NOSIGNAL), strlen (text));
}

static bool
is_readable (int fd, int wait_ms)
{
    struct pollfd poll_fd = { fd, POLLIN, 0 };
    return poll (&poll_fd, 1, wait_ms) == 1;
}

/* Reads until the text has come; the test fails when it does not. */
static void
expect_text (int fd, const char *wanted)
{
    char got[TEXT_MAX];
    size_t size = 0;
    while (size < strlen (wanted) && is_readable (fd, PEER_DEADLINE_MS)) {
        ssize_t more = recv (fd, got + size, strlen (wanted) - size, 0);
        if (more <= 0)
            break;
        size += (size_t) more;
    }
    got[size] = '\0';
    assert_string_equal (got, wanted);
}

/* Reads the head of a request or an answer. Owned. */
static char *
read_head (int fd)
{
    char *head = memory_new (1, TEXT_MAX);
    for (size_t size = 0; size < TEXT_MAX - 1 && !strstr (head, "\r\n\r\n"); size++) {
        assert_true (is_readable (fd, PEER_DEADLINE_MS));
        assert_int_equal (recv (fd, head + size, 1, 0), 1);
    }
    return head;
}

static void
expect_end (int fd)
{
    char byte;
    assert_true (is_readable (fd, PEER_DEADLINE_MS));
    ssize_t got = recv (fd, &byte, 1, 0);
    assert_true (got == 0 || (got < 0 && errno == ECONNRESET));
}

static int
accept_runtime (const scene_t *scene)
{
    assert_true (is_readable (scene->streaming, PEER_DEADLINE_MS));
    return accept4 (scene->streaming, NULL, NULL, SOCK_CLOEXEC);
}

// ---- the peers ----

#define POD                                                                                        \
    "{\"pod\": {\"spec\": {\"containers\": [{\"name\": \"main\", \"tty\": true}]}, \"status\": "   \
    "{\"containerStatuses\": [{\"name\": \"main\", \"containerID\": \"x://c1\", \"state\": "       \
    "{\"running\": {}}}]}}, \"uid\": \"u1\"}"

static void
answer_pod (const scene_t *scene)
{
    OWNED (received_destroy) received_t *request = peer_expect (scene->manager, MSG_POD_GET);
    assert_string_equal (node_get_text (request->body, "namespace", ""), "default");
    assert_string_equal (node_get_text (request->body, "name", ""), "web");
    peer_reply_json (scene->manager, request, POD);
}

static void
answer_containers (const scene_t *scene, const char *json)
{
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_LIST_CONTAINERS);
    peer_reply_json (scene->runtime, request, json);
}

#define RUNNING "{\"containers\": [{\"id\": \"c1\", \"created_at\": 1}]}"

/* Answers the streaming call; its body is left to the caller. Owned. */
static received_t *
answer_url (const scene_t *scene, message_id_t type, int port)
{
    received_t *request = peer_expect (scene->runtime, type);
    OWNED (free_text)
    char *json = text_format ("{\"url\": \"http://127.0.0.1:%d/exec/TOKEN?x=1\"}", port);
    peer_reply_json (scene->runtime, request, json);
    return request;
}

#define UPGRADE "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nAuthorization: Bearer secret\r\n"
#define AGREED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n"

/* An exec whose two ends are joined. */
static void
open_exec (const scene_t *scene, int *client, int *runtime)
{
    *client = connect_client (scene);
    send_text (*client, "POST /exec/default/web/main?command=ls&command=-l&output=1 HTTP/1.1\r\n"
                        "Host: x\r\nContent-Length: 0\r\nX-Kept: yes\r\n" UPGRADE "\r\n");
    answer_pod (scene);
    answer_containers (scene, RUNNING);
    OWNED (received_destroy)
    received_t *call = answer_url (scene, MSG_CRI_EXEC, scene->streaming_port);
    assert_string_equal (node_as_text (node_item (node_get (call->body, "cmd"), 1), ""), "-l");
    *runtime = accept_runtime (scene);
    OWNED (free_text) char *head = read_head (*runtime);
    assert_int_equal (strncmp (head, "POST /exec/TOKEN?x=1 HTTP/1.1\r\n", 31), 0);
    assert_non_null (strstr (head, "Upgrade: SPDY/3.1\r\n"));
    assert_non_null (strstr (head, "X-Kept: yes\r\n"));
    assert_null (strstr (head, "secret"));
    assert_null (strstr (head, "Host: x\r\n"));
    // it would take the first bytes of the stream for the body
    assert_null (strcasestr (head, "Content-Length"));
    send_text (*runtime, AGREED "first");
    expect_text (*client, AGREED "first");
}

// ---- streams ----

static void
bytes_pass_both_ways (void **state)
{
    scene_t *scene = *state;
    int client, runtime;
    start_server (scene, 0);
    open_exec (scene, &client, &runtime);
    for (int i = 0; i < 3; i++) {
        send_text (client, "to the runtime");
        expect_text (runtime, "to the runtime");
        send_text (runtime, "to the client");
        expect_text (client, "to the client");
    }
    close (client);
    close (runtime);
}

static void
each_side_may_end_alone (void **state)
{
    scene_t *scene = *state;
    int client, runtime;
    start_server (scene, 0);
    for (int turn = 0; turn < 2; turn++) {
        open_exec (scene, &client, &runtime);
        int first = turn ? client : runtime, second = turn ? runtime : client;
        send_text (first, "last words");
        shutdown (first, SHUT_WR);
        expect_text (second, "last words");
        expect_end (second);
        send_text (second, "an answer");
        expect_text (first, "an answer");
        shutdown (second, SHUT_WR);
        expect_end (first);
        close (client);
        close (runtime);
    }
}

static void
a_client_that_vanishes_ends_the_runtimes_side (void **state)
{
    scene_t *scene = *state;
    int client, runtime;
    start_server (scene, 0);
    open_exec (scene, &client, &runtime);
    close (client);
    expect_end (runtime);
    close (runtime);
}

static void
silence_ends_a_stream (void **state)
{
    scene_t *scene = *state;
    int client, runtime;
    start_server (scene, IDLE_MS);
    open_exec (scene, &client, &runtime);
    expect_end (client);
    expect_end (runtime);
    close (client);
    close (runtime);
}

/* How much can be sent before the other one has to read. */
static size_t
fill (int fd)
{
    static char block[TEXT_MAX];
    size_t sent = 0;
    struct pollfd poll_fd = { fd, POLLOUT, 0 };
    while (poll (&poll_fd, 1, 300) == 1) {
        ssize_t size = send (fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0)
            break;
        sent += (size_t) size;
    }
    return sent;
}

static void
who_does_not_read_holds_the_sender (void **state)
{
    scene_t *scene = *state;
    int client, runtime;
    start_server (scene, 0);
    open_exec (scene, &client, &runtime);
    int ends[2] = { runtime, client };
    for (int i = 0; i < 2; i++) {
        size_t sent = fill (ends[i]);
        assert_true (sent < (size_t) 64 << 20);
        static char block[TEXT_MAX];
        while (sent && is_readable (ends[1 - i], PEER_DEADLINE_MS)) {
            ssize_t got = recv (ends[1 - i], block, sizeof block, 0);
            assert_true (got > 0);
            sent -= (size_t) got;
        }
        assert_int_equal (sent, 0);
    }
    close (client);
    close (runtime);
}

// ---- what is refused ----

static void
a_refusal_of_the_runtime_passes (void **state)
{
    scene_t *scene = *state;
    start_server (scene, 0);
    int client = connect_client (scene);
    send_text (client,
               "GET /attach/default/web/u1/main?output=1&error=1 HTTP/1.1\r\n" UPGRADE "\r\n");
    answer_pod (scene);
    answer_containers (scene, RUNNING);
    OWNED (received_destroy)
    received_t *call = answer_url (scene, MSG_CRI_ATTACH, scene->streaming_port);
    assert_true (node_get_bool (call->body, "tty", false)); // as the container has it
    assert_false (node_get_bool (call->body, "stderr", false));
    int runtime = accept_runtime (scene);
    OWNED (free_text) char *head = read_head (runtime);
    send_text (runtime, "HTTP/1.1 403 Forbidden\r\nContent-Type: text/x\r\nContent-Length: 4\r\n"
                        "\r\nno");
    send_text (runtime, "pe");
    OWNED (free_text) char *answer = read_head (client);
    assert_int_equal (strncmp (answer, "HTTP/1.1 403", 12), 0);
    assert_non_null (strstr (answer, "Content-Type: text/x"));
    expect_text (client, "nope");
    close (runtime);
    close (client);
}

static void
a_runtime_that_cannot_be_reached_is_an_error (void **state)
{
    scene_t *scene = *state;
    start_server (scene, 0);
    int client = connect_client (scene);
    send_text (client, "POST /exec/default/web/main?output=1 HTTP/1.1\r\n" UPGRADE "\r\n");
    answer_pod (scene);
    answer_containers (scene, RUNNING);
    OWNED (received_destroy) received_t *call = answer_url (scene, MSG_CRI_EXEC, unused_port());
    OWNED (free_text) char *answer = read_head (client);
    assert_int_equal (strncmp (answer, "HTTP/1.1 500", 12), 0);
    close (client);
}

static const struct {
    const char *url, *said;
} URLS[] = {
    { "https://127.0.0.1:1/exec/TOKEN", "enable_tls_streaming = false" },
    { "http:///exec/TOKEN", "is not http://ADDRESS:PORT/" },
    { "http://some.name:1/exec/TOKEN", "is not http://ADDRESS:PORT/" },
    { "TOKEN", "is not http://ADDRESS:PORT/" },
};

static void
urls_that_cannot_be_used_are_told_without_their_secret (void **state)
{
    scene_t *scene = *state;
    start_server (scene, 0);
    for (size_t i = 0; i < COUNT_OF (URLS); i++) {
        int client = connect_client (scene);
        send_text (client, "POST /exec/default/web/main?output=1 HTTP/1.1\r\nHost: x\r\n"
                           "Upgrade: SPDY/3.1\r\nConnection: Upgrade, close\r\n\r\n");
        answer_pod (scene);
        answer_containers (scene, RUNNING);
        OWNED (received_destroy) received_t *call = peer_expect (scene->runtime, MSG_CRI_EXEC);
        OWNED (free_text) char *json = text_format ("{\"url\": \"%s\"}", URLS[i].url);
        peer_reply_json (scene->runtime, call, json);
        OWNED (free_text) char *head = read_head (client);
        assert_int_equal (strncmp (head, "HTTP/1.1 500", 12), 0);
        char body[TEXT_MAX] = "";
        assert_true (is_readable (client, PEER_DEADLINE_MS));
        assert_true (recv (client, body, sizeof body - 1, 0) > 0);
        assert_non_null (strstr (body, URLS[i].said));
        assert_null (strstr (body, "TOKEN"));
        close (client);
    }
}

static const struct {
    fault_code_t code;
    const char *status;
} FAULTS[] = {
    { FAULT_NOT_FOUND, "HTTP/1.1 404" },
    { FAULT_EXHAUSTED, "HTTP/1.1 429" },
    { FAULT_UNKNOWN, "HTTP/1.1 500" },
};

static void
faults_of_the_runtime_have_a_status (void **state)
{
    scene_t *scene = *state;
    start_server (scene, 0);
    for (size_t i = 0; i < COUNT_OF (FAULTS); i++) {
        int client = connect_client (scene);
        send_text (client, "POST /exec/default/web/main?output=1 HTTP/1.1\r\n" UPGRADE "\r\n");
        answer_pod (scene);
        answer_containers (scene, RUNNING);
        OWNED (received_destroy) received_t *call = peer_expect (scene->runtime, MSG_CRI_EXEC);
        peer_reply_fault (scene->runtime, call, FAULTS[i].code, "because");
        OWNED (free_text) char *answer = read_head (client);
        assert_int_equal (strncmp (answer, FAULTS[i].status, 12), 0);
        expect_text (client, "because");
        close (client);
    }
}

static void
the_newest_sandbox_is_forwarded_to (void **state)
{
    scene_t *scene = *state;
    start_server (scene, 0);
    int client = connect_client (scene);
    send_text (client, "GET /portForward/default/web?port=80,81 HTTP/1.1\r\nConnection: upgrade\r\n"
                       "Upgrade: websocket\r\n\r\n");
    answer_pod (scene);
    OWNED (received_destroy)
    received_t *list = peer_expect (scene->runtime, MSG_CRI_LIST_POD_SANDBOX);
    peer_reply_json (scene->runtime, list,
                     "{\"items\": [{\"id\": \"s1\", \"created_at\": 1}, {\"id\": \"s3\", "
                     "\"created_at\": 3}, {\"id\": \"s2\", \"created_at\": 2}]}");
    OWNED (received_destroy)
    received_t *call = answer_url (scene, MSG_CRI_PORT_FORWARD, scene->streaming_port);
    assert_string_equal (node_get_text (call->body, "pod_sandbox_id", ""), "s3");
    assert_int_equal (node_as_int (node_item (node_get (call->body, "port"), 1), 0), 81);
    close (client);
}

// ---- checkpoints ----

static void
a_checkpoint_names_its_file (void **state)
{
    scene_t *scene = *state;
    start_server (scene, 0);
    int client = connect_client (scene);
    send_text (client, "POST /checkpoint/default/web/main?timeout=7 HTTP/1.0\r\n\r\n");
    answer_pod (scene);
    answer_containers (scene, RUNNING);
    OWNED (received_destroy)
    received_t *call = peer_expect (scene->runtime, MSG_CRI_CHECKPOINT_CONTAINER);
    assert_string_equal (node_get_text (call->body, "container_id", ""), "c1");
    assert_int_equal (node_get_int (call->body, "timeout", 0), 7);
    const char *file = node_get_text (call->body, "location", "");
    OWNED (free_text)
    char *start = text_format ("%s/checkpoints/checkpoint-web_default-main-20", scene->place);
    assert_int_equal (strncmp (file, start, strlen (start)), 0);
    assert_string_equal (file + strlen (file) - strlen ("Z.tar"), "Z.tar");
    OWNED (free_text) char *directory = text_format ("%s/checkpoints", scene->place);
    struct stat found;
    assert_int_equal (stat (directory, &found), 0);
    assert_int_equal (found.st_mode & 0777, 0700); // memory of containers will lie there
    peer_reply_json (scene->runtime, call, "{}");
    OWNED (free_text) char *head = read_head (client);
    assert_int_equal (strncmp (head, "HTTP/1.0 200", 12), 0);
    assert_non_null (strstr (head, "Content-Type: application/json\r\n"));
    OWNED (free_text) char *body = text_format ("{\"items\":[\"%s\"]}", file);
    expect_text (client, body);
    expect_end (client);
    close (client);
}

// ---- files of the node ----

static void
in_place (const scene_t *scene, const char *command)
{
    OWNED (free_text) char *line = text_format ("cd %s && %s", scene->place, command);
    assert_int_equal (system (line), 0);
}

static const struct {
    const char *path, *status, *body;
} SYSTEM_LOGS[] = {
    { "/logs/sub/plain", "200", "inside\n" },
    { "/logs/link-inside", "200", "inside\n" },
    { "/logs/link-outside", "404", "404 page not found\n" },
    { "/logs/link-beside", "404", "404 page not found\n" },
    { "/logs/outside-dir/secret", "404", "404 page not found\n" },
    { "/logs/../secret", "400", "invalid URL path\n" },
    { "/logs/sub/%2e%2e/%2e%2e/secret", "400", "invalid URL path\n" },
};

/* The directory of logs is a link itself, as /var/log is on some systems. */
static void
logs_are_followed_within_their_directory_only (void **state)
{
    scene_t *scene = *state;
    in_place (scene, "mkdir -p real/sub real-too outside && ln -s real logs && "
                     "echo inside > real/sub/plain && echo secret > secret && "
                     "echo secret > outside/secret && echo secret > real-too/secret && "
                     "ln -s sub/plain real/link-inside && ln -s ../secret real/link-outside && "
                     "ln -s ../real-too/secret real/link-beside && "
                     "ln -s ../outside real/outside-dir");
    start_server (scene, 0);
    for (size_t i = 0; i < COUNT_OF (SYSTEM_LOGS); i++) {
        int client = connect_client (scene);
        OWNED (free_text)
        char *request = text_format ("GET %s HTTP/1.0\r\n\r\n", SYSTEM_LOGS[i].path);
        send_text (client, request);
        OWNED (free_text) char *head = read_head (client);
        if (strncmp (head + strlen ("HTTP/1.x "), SYSTEM_LOGS[i].status, 3) != 0)
            fail_msg ("%s: %s", SYSTEM_LOGS[i].path, head);
        expect_text (client, SYSTEM_LOGS[i].body);
        expect_end (client);
        close (client);
    }
}

// ---- logs ----

#define ENTRY "2024-05-01T10:00:01Z stdout F "

static void
append (const char *path, const char *text)
{
    FILE *file = fopen (path, "ae");
    assert_non_null (file);
    fputs (text, file);
    fclose (file);
}

static void
a_log_is_followed_until_its_container_ends (void **state)
{
    scene_t *scene = *state;
    char path[] = "/tmp/cubelet-log-XXXXXX";
    int fd = mkstemp (path);
    assert_true (fd >= 0);
    close (fd);
    append (path, ENTRY "one\n");
    start_server (scene, 0);
    int client = connect_client (scene);
    send_text (client, "GET /containerLogs/default/web/main?follow=true HTTP/1.1\r\n\r\n");
    answer_pod (scene);
    OWNED (received_destroy)
    received_t *status = peer_expect (scene->runtime, MSG_CRI_CONTAINER_STATUS);
    assert_string_equal (node_get_text (status->body, "container_id", ""), "c1");
    OWNED (free_text) char *json = text_format ("{\"status\": {\"log_path\": \"%s\"}}", path);
    peer_reply_json (scene->runtime, status, json);
    OWNED (free_text) char *head = read_head (client);
    assert_non_null (strstr (head, "Transfer-Encoding: chunked\r\n"));
    expect_text (client, "4\r\none\n\r\n");
    answer_containers (scene, RUNNING);
    append (path, ENTRY "two\n");
    expect_text (client, "4\r\ntwo\n\r\n");
    append (path, ENTRY "three\n");
    answer_containers (scene, "{\"containers\": []}");
    expect_text (client, "6\r\nthree\n\r\n0\r\n\r\n");
    expect_end (client);
    close (client);
    unlink (path);
}

static void
a_log_that_is_gone_says_so (void **state)
{
    scene_t *scene = *state;
    start_server (scene, 0);
    int client = connect_client (scene);
    send_text (client, "GET /containerLogs/default/web/main HTTP/1.0\r\n\r\n");
    answer_pod (scene);
    OWNED (received_destroy)
    received_t *status = peer_expect (scene->runtime, MSG_CRI_CONTAINER_STATUS);
    peer_reply_json (scene->runtime, status, "{\"status\": {\"log_path\": \"/tmp/no/such.log\"}}");
    OWNED (free_text) char *head = read_head (client);
    assert_int_equal (strncmp (head, "HTTP/1.1 200", 12), 0);
    expect_text (client, "failed to try resolving symlinks in path \"/tmp/no/such.log\": lstat "
                         "/tmp/no/such.log: no such file or directory");
    expect_end (client);
    close (client);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST (bytes_pass_both_ways),
        TEST (each_side_may_end_alone),
        TEST (a_client_that_vanishes_ends_the_runtimes_side),
        TEST (silence_ends_a_stream),
        TEST (who_does_not_read_holds_the_sender),
        TEST (a_refusal_of_the_runtime_passes),
        TEST (a_runtime_that_cannot_be_reached_is_an_error),
        TEST (urls_that_cannot_be_used_are_told_without_their_secret),
        TEST (faults_of_the_runtime_have_a_status),
        TEST (the_newest_sandbox_is_forwarded_to),
        TEST (a_checkpoint_names_its_file),
        TEST (logs_are_followed_within_their_directory_only),
        TEST (a_log_is_followed_until_its_container_ends),
        TEST (a_log_that_is_gone_says_so),
    };
    signal (SIGPIPE, SIG_IGN); // the supervisor's work
    return cmocka_run_group_tests (tests, NULL, NULL);
}
