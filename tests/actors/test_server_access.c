/* test_server_access.c - the secure port: certificates, tokens, and who may do what. curl is the
   client, openssl makes the certificates. */
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "helper_http_server.h"
#include "helper_peer.h"
#include <cmocka.h>

typedef struct {
    stage_t *stage;
    peer_t *api, *manager;
    int port;
    char *place; // of the files, below /tmp
    bool anonymous, always_allow, is_standalone;
} scene_t;

static scene_t *current; // for the shell's commands

/* Runs a command in the directory of the files; it must succeed. */
static void
shell (const char *command)
{
    OWNED (free_text)
    char *line = text_format ("cd %s && { %s; } >shell.log 2>&1", current->place, command);
    if (system (line) != 0)
        fail_msg ("%s", line);
}

#define KEY "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
#define SIGN "openssl x509 -req -CAcreateserial -extfile ext"

/* ca and other: two authorities; jane, old and strange: good, expired, of the other authority;
   server: one that only servers may use. */
static void
make_certificates (void)
{
    shell ("echo extendedKeyUsage=clientAuth > ext; echo extendedKeyUsage=serverAuth > server-ext");
    shell ("for ca in ca other; do openssl req -x509 " KEY
           " -keyout $ca.key -out $ca.crt -days 2 -subj /CN=$ca; done");
    shell ("for who in jane old strange server; do openssl req -new " KEY
           " -keyout $who.key -out $who.csr -subj /O=dev/O=ops/CN=$who; done");
    shell (SIGN " -CA ca.crt -CAkey ca.key -in jane.csr -out jane.crt -days 2");
    shell (SIGN " -CA other.crt -CAkey other.key -in strange.csr -out strange.crt -days 2");
    shell ("openssl x509 -req -CAcreateserial -extfile server-ext -CA ca.crt -CAkey ca.key "
           "-in server.csr -out server.crt -days 2");
    shell ("touch index; echo 01 > serial; printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=index\\n"
           "serial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\n[p]\\ncommonName="
           "supplied\\norganizationName=optional\\n' > ca.cnf; openssl ca -batch -config ca.cnf "
           "-cert ca.crt -keyfile ca.key -in old.csr -out old.crt -extfile ext "
           "-startdate 20200101000000Z -enddate 20200102000000Z");
}

static void
start_server (scene_t *scene)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    OWNED (free_text) char *certificate = text_format ("%s/pki/kubelet.crt", scene->place);
    OWNED (free_text) char *key = text_format ("%s/pki/kubelet.key", scene->place);
    OWNED (free_text) char *ca = text_format ("%s/ca.crt", scene->place);
    node_set_text (tree, &args, "node_name", "node-1");
    node_set_text (tree, &args, "secure_address", "127.0.0.1");
    node_set_int (tree, &args, "secure_port", scene->port);
    node_set_text (tree, &args, "tls_certificate_file", certificate);
    node_set_text (tree, &args, "tls_key_file", key);
    node_set_text (tree, &args, "client_ca_file", ca);
    node_set_bool (tree, &args, "make_certificate", true);
    node_set_bool (tree, &args, "has_api_server", !scene->is_standalone);
    node_set_bool (tree, &args, "anonymous", scene->anonymous);
    node_set_bool (tree, &args, "webhook_authentication", true);
    node_set_bool (tree, &args, "webhook_authorization", !scene->always_allow);
    node_set_bool (tree, &args, "fine_grained_authorization", true);
    node_set_bool (tree, &args, "debugging_handlers", true);
    node_set_int (tree, &args, "token_ttl_ms", 120000);
    node_set_int (tree, &args, "allowed_ttl_ms", 300000);
    node_set_int (tree, &args, "denied_ttl_ms", 30000);
    node_set_int (tree, &args, "silence_ms", 100);
    stage_actor (scene->stage, &server_class, "server", &args);
}

static int
set_up (void **state)
{
    scene_t *scene = current = memory_new (1, sizeof *scene);
    char place[] = "/tmp/cubelet-access-XXXXXX";
    assert_non_null (mkdtemp (place));
    scene->place = text_copy (place);
    scene->stage = stage_new();
    scene->api = stage_peer (scene->stage, "api-client");
    scene->manager = stage_peer (scene->stage, "pod-manager");
    scene->port = unused_port();
    make_certificates();
    *state = scene;
    return 0;
}

static int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    OWNED (free_text) char *remove = text_format ("rm -rf %s", scene->place);
    int rc = system (remove);
    free (scene->place);
    free (scene);
    return rc;
}

// ---- a client ----

/* Starts curl; its output ends with the status. */
static FILE *
start_curl (const scene_t *scene, const char *words, const char *path)
{
    OWNED (free_text)
    char *command =
        text_format ("cd %s && exec curl -sk -m 60 -w ' %%{http_code}' %s https://127.0.0.1:%d%s",
                     scene->place, words, scene->port, path);
    FILE *output = popen (command, "re");
    assert_non_null (output);
    return output;
}

static void
expect_answer (FILE *output, const char *wanted)
{
    char text[4096];
    size_t size = fread (text, 1, sizeof text - 1, output);
    text[size] = '\0';
    pclose (output);
    assert_string_equal (text, wanted);
}

#define JANE "--cert jane.crt --key jane.key"
#define TOKEN "-H 'Authorization: Bearer abc'"

/* Answers one review; it has to be of that path and to hold that text. */
static void
answer_review (const scene_t *scene, const char *path, const char *subresource, const char *json)
{
    OWNED (received_destroy) received_t *request = peer_expect (scene->api, MSG_API_REQUEST);
    assert_string_equal (node_get_text (request->body, "path", ""), path);
    assert_string_equal (node_get_text (request->body, "method", ""), "POST");
    const node_t *spec = node_at (request->body, "body", "spec", NULL);
    if (subresource)
        assert_string_equal (
            node_as_text (node_at (spec, "resourceAttributes", "subresource", NULL), ""),
            subresource);
    else
        assert_string_equal (node_get_text (spec, "token", ""), "abc");
    peer_reply_json (scene->api, request, json);
}

#define TOKEN_REVIEWS "/apis/authentication.k8s.io/v1/tokenreviews"
#define ACCESS_REVIEWS "/apis/authorization.k8s.io/v1/subjectaccessreviews"
#define ALLOWED "{\"code\": 201, \"body\": {\"status\": {\"allowed\": true}}}"
#define NOT_ALLOWED "{\"code\": 201, \"body\": {\"status\": {\"allowed\": false}}}"

// ---- who it is ----

static const struct {
    const char *words;
    bool anonymous;
    const char *answer;
} CREDENTIALS[] = {
    { "", false, "Unauthorized 401" },
    { "", true, "ok 200" },
    { JANE, false, "ok 200" },
    { JANE, true, "ok 200" },
    { "--cert old.crt --key old.key", false, "Unauthorized 401" },
    { "--cert old.crt --key old.key", true, "Unauthorized 401" },
    { "--cert strange.crt --key strange.key", false, "Unauthorized 401" },
    { "--cert strange.crt --key strange.key", true, "Unauthorized 401" },
    { "--cert server.crt --key server.key", true, "Unauthorized 401" },
    { "-H 'Authorization: Basic abc'", false, "Unauthorized 401" },
    { "-H 'Authorization: Basic abc'", true, "ok 200" },
};

static void
credentials_count (void **state)
{
    scene_t *scene = *state;
    scene->always_allow = true;
    for (int anonymous = 0; anonymous < 2; anonymous++) {
        scene->anonymous = anonymous;
        start_server (scene);
        for (size_t i = 0; i < COUNT_OF (CREDENTIALS); i++)
            if (CREDENTIALS[i].anonymous == scene->anonymous)
                expect_answer (start_curl (scene, CREDENTIALS[i].words, "/healthz/ping"),
                               CREDENTIALS[i].answer);
        stage_destroy (&scene->stage);
        scene->stage = stage_new();
        scene->port = unused_port();
    }
}

static void
unknown_paths_need_credentials_too (void **state)
{
    scene_t *scene = *state;
    scene->always_allow = true;
    start_server (scene);
    expect_answer (start_curl (scene, "", "/nope"), "Unauthorized 401");
    expect_answer (start_curl (scene, JANE, "/nope"), "404 page not found\n 404");
}

static void
tokens_are_reviewed_once (void **state)
{
    scene_t *scene = *state;
    scene->always_allow = true;
    scene->anonymous = true;
    start_server (scene);
    FILE *curl = start_curl (scene, TOKEN, "/healthz/ping");
    answer_review (scene, TOKEN_REVIEWS, NULL,
                   "{\"code\": 201, \"body\": {\"status\": {\"error\": \"expired\"}}}");
    expect_answer (curl, "Unauthorized 401");
    expect_answer (start_curl (scene, TOKEN, "/healthz/ping"), "Unauthorized 401");
    assert_null (peer_next (scene->api, 0));
}

/* The page of metrics counts an answer of the API server, "<error>" when there was none. */
static void
assert_counted (const char *family, const char *code)
{
    metrics_t *shared = metrics_shared();
    OWNED (free_text) char *page = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    OWNED (free_text) char *series = text_format ("\n%s{code=\"%s\"} ", family, code);
    assert_non_null (strstr (page, series));
}

/* ... and how long a client's certificate is still good. */
static void
assert_counted_certificate (void)
{
    metrics_t *shared = metrics_shared();
    OWNED (free_text) char *page = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    static const char SERIES[] = "\napiserver_client_certificate_expiration_seconds_sum ";
    const char *sum = strstr (page, SERIES);
    assert_non_null (sum);
    assert_true (strtod (sum + strlen (SERIES), NULL) > 0);
}

static void
a_good_token_is_a_user (void **state)
{
    scene_t *scene = *state;
    start_server (scene);
    FILE *curl = start_curl (scene, TOKEN, "/healthz/ping");
    answer_review (scene, TOKEN_REVIEWS, NULL,
                   "{\"code\": 201, \"body\": {\"status\": {\"authenticated\": true, \"user\": "
                   "{\"username\": \"prometheus\"}}}}");
    answer_review (scene, ACCESS_REVIEWS, "healthz", NOT_ALLOWED);
    answer_review (scene, ACCESS_REVIEWS, "proxy", NOT_ALLOWED);
    expect_answer (curl, "Forbidden (user=prometheus, verb=get, resource=nodes, "
                         "subresource(s)=[healthz proxy]) 403");
    assert_counted ("apiserver_delegated_authn_request_total", "201");
    assert_counted ("apiserver_delegated_authz_request_total", "201");
}

static void
a_token_that_cannot_be_reviewed_is_refused_and_asked_again (void **state)
{
    scene_t *scene = *state;
    scene->always_allow = true;
    start_server (scene);
    for (int i = 0; i < 2; i++) {
        FILE *curl = start_curl (scene, TOKEN, "/healthz/ping");
        OWNED (received_destroy) received_t *request = peer_expect (scene->api, MSG_API_REQUEST);
        peer_reply_fault (scene->api, request, FAULT_UNAVAILABLE, "no connection");
        expect_answer (curl, "Unauthorized 401");
    }
}

// ---- everywhere ----

/* Every path of routes.c, and some that are none. */
static const char *const PATHS[] = {
    "/healthz",
    "/healthz/ping",
    "/healthz/log",
    "/healthz/syncloop",
    "/pods",
    "/stats/summary",
    "/metrics",
    "/metrics/cadvisor",
    "/metrics/probes",
    "/metrics/resource",
    "/containerLogs/a/b/c",
    "/exec/a/b/c",
    "/attach/a/b/c",
    "/portForward/a/b",
    "/run/a/b/c",
    "/runningpods/",
    "/runningpods",
    "/checkpoint/a/b/c",
    "/logs/",
    "/logs",
    "/configz",
    "/statusz",
    "/flagz",
    "/debug/flags/v",
    "/debug/pprof/",
    "/debug/pprof/heap",
    "/",
    "/nope",
};

/* All of them, one after the other, by one curl. */
static FILE *
ask_everything (const scene_t *scene, const char *words)
{
    OWNED (free_text) char *urls = text_copy (PATHS[0]);
    for (size_t i = 1; i < COUNT_OF (PATHS); i++)
        text_replace (&urls, "%s https://127.0.0.1:%d%s", urls, scene->port, PATHS[i]);
    return start_curl (scene, words, urls);
}

/* Every answer has to begin and to end so. */
static void
expect_everywhere (FILE *output, const char *begin, const char *end)
{
    char text[16384];
    size_t size = fread (text, 1, sizeof text - 1, output);
    text[size] = '\0';
    pclose (output);
    const char *at = text;
    for (size_t i = 0; i < COUNT_OF (PATHS); i++) {
        const char *next = strstr (at, end);
        if (strncmp (at, begin, strlen (begin)) != 0 || !next)
            fail_msg ("%s: %s", PATHS[i], at);
        at = next + strlen (end);
    }
    assert_string_equal (at, "");
}

static void
no_endpoint_is_for_strangers (void **state)
{
    scene_t *scene = *state;
    static const char *const STRANGERS[] = { "", "--cert old.crt --key old.key",
                                             "--cert strange.crt --key strange.key",
                                             "-H 'Authorization: Basic abc'" };
    start_server (scene);
    for (size_t i = 0; i < COUNT_OF (STRANGERS); i++)
        expect_everywhere (ask_everything (scene, STRANGERS[i]), "Unauthorized", " 401");
    FILE *curl = ask_everything (scene, TOKEN);
    answer_review (scene, TOKEN_REVIEWS, NULL, "{\"code\": 201, \"body\": {\"status\": {}}}");
    expect_everywhere (curl, "Unauthorized", " 401");
    assert_null (peer_next (scene->api, 0));
}

static void
no_endpoint_is_for_who_may_not (void **state)
{
    scene_t *scene = *state;
    start_server (scene);
    FILE *curl = ask_everything (scene, JANE);
    struct pollfd is_through = { fileno (curl), 0, 0 }; // POLLHUP comes unasked
    while (poll (&is_through, 1, 0) == 0) {
        OWNED (received_destroy) received_t *request = peer_next (scene->api, 20);
        if (request)
            peer_reply_json (scene->api, request, NOT_ALLOWED);
    }
    expect_everywhere (curl, "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[",
                       "]) 403");
}

// ---- may they? ----

static void
any_subresource_will_do_and_is_remembered (void **state)
{
    scene_t *scene = *state;
    start_server (scene);
    FILE *curl = start_curl (scene, JANE, "/pods");
    OWNED (received_destroy) received_t *request = peer_expect (scene->api, MSG_API_REQUEST);
    const node_t *spec = node_at (request->body, "body", "spec", NULL);
    assert_string_equal (node_get_text (spec, "user", ""), "jane");
    assert_string_equal (node_as_text (node_item (node_get (spec, "groups"), 1), ""), "ops");
    assert_string_equal (node_as_text (node_item (node_get (spec, "groups"), 2), ""),
                         "system:authenticated");
    assert_string_equal (node_as_text (node_at (spec, "resourceAttributes", "name", NULL), ""),
                         "node-1");
    peer_reply_json (scene->api, request, NOT_ALLOWED);
    answer_review (scene, ACCESS_REVIEWS, "proxy", ALLOWED);
    OWNED (received_destroy) received_t *list = peer_expect (scene->manager, MSG_POD_LIST);
    peer_reply_json (scene->manager, list, "{\"items\": []}");
    pclose (curl);
    expect_answer (start_curl (scene, JANE, "/exec/a/b/c"),
                   "you must specify at least 1 of stdin, stdout, stderr 400");
    assert_null (peer_next (scene->api, 0));
    curl = start_curl (scene, JANE " -XPOST", "/exec/a/b/c"); // another verb
    answer_review (scene, ACCESS_REVIEWS, "proxy", NOT_ALLOWED);
    expect_answer (curl, "Forbidden (user=jane, verb=create, resource=nodes, "
                         "subresource(s)=[proxy]) 403");
}

static void
no_answer_is_an_error (void **state)
{
    scene_t *scene = *state;
    start_server (scene);
    FILE *curl = start_curl (scene, JANE, "/metrics");
    OWNED (received_destroy) received_t *request = peer_expect (scene->api, MSG_API_REQUEST);
    peer_reply_fault (scene->api, request, FAULT_UNAVAILABLE, "no connection");
    expect_answer (curl, "Authorization error (user=jane, verb=get, resource=nodes, "
                         "subresource(s)=[metrics]) 500");
    assert_counted ("apiserver_delegated_authz_request_total", "<error>");
    assert_counted ("apiserver_delegated_authz_request_duration_seconds_count", "<error>");
    assert_counted_certificate();
}

static void
without_an_api_server_nobody_is_asked (void **state)
{
    scene_t *scene = *state;
    scene->is_standalone = true;
    start_server (scene);
    expect_answer (start_curl (scene, TOKEN, "/healthz/ping"), "Unauthorized 401");
    expect_answer (start_curl (scene, JANE, "/logs/"),
                   "Authorization error (user=jane, verb=get, resource=nodes, "
                   "subresource(s)=[log]) 500");
}

// ---- certificates ----

static void
certificates_are_read_again (void **state)
{
    scene_t *scene = *state;
    scene->always_allow = true;
    start_server (scene);
    expect_answer (start_curl (scene, "--cert strange.crt --key strange.key", "/healthz/ping"),
                   "Unauthorized 401");
    shell ("cp other.crt ca.new && mv ca.new ca.crt");
    expect_answer (start_curl (scene, "--cert strange.crt --key strange.key", "/healthz/ping"),
                   "ok 200");
    shell ("openssl req -x509 " KEY
           " -keyout new.key -out new.crt -days 2 -subj /CN=second && mv new.key pki/kubelet.key "
           "&& mv new.crt pki/kubelet.crt");
    OWNED (free_text)
    char *look = text_format ("openssl s_client -connect 127.0.0.1:%d </dev/null | openssl x509 "
                              "-noout -subject | grep second",
                              scene->port);
    shell (look);
    shell ("echo broken > pki/kubelet.crt"); // the last good one stays
    shell (look);
}

static void
a_connection_without_tls_gets_nothing (void **state)
{
    scene_t *scene = *state;
    scene->always_allow = scene->anonymous = true;
    start_server (scene);
    OWNED (free_text)
    char *plain = text_format ("! curl -s -m 10 http://127.0.0.1:%d/healthz/ping", scene->port);
    shell (plain);
    stage_destroy (&scene->stage);
    scene->stage = stage_new();
    scene->port = unused_port();
    shell ("echo broken > pki/kubelet.crt");
    start_server (scene);
    OWNED (free_text)
    char *broken = text_format ("! curl -s -m 10 http://127.0.0.1:%d/healthz/ping", scene->port);
    shell (broken);
}

#define UNPROVEN_MAX 200 // of listener.c
#define SILENT_COUNT (UNPROVEN_MAX + 50)

/* How many the server has closed. */
static size_t
count_ended (const int *fds)
{
    size_t ended = 0;
    for (int i = 0; i < SILENT_COUNT; i++) {
        char byte;
        ended += recv (fds[i], &byte, 1, MSG_DONTWAIT) >= 0;
    }
    return ended;
}

static void
who_never_begins_a_handshake_keeps_nobody_out (void **state)
{
    scene_t *scene = *state;
    int fds[SILENT_COUNT];
    scene->always_allow = true;
    start_server (scene);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons ((uint16_t) scene->port),
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    for (int i = 0; i < SILENT_COUNT; i++) {
        fds[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal (connect (fds[i], (struct sockaddr *) &address, sizeof address), 0);
    }
    expect_answer (start_curl (scene, JANE, "/healthz/ping"), "ok 200");
    size_t ended = count_ended (fds); // all came before curl
    assert_in_range (ended, SILENT_COUNT - UNPROVEN_MAX, SILENT_COUNT - UNPROVEN_MAX + 1);
    for (int i = 0; i < SILENT_COUNT; i++)
        close (fds[i]);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST (credentials_count),
        TEST (unknown_paths_need_credentials_too),
        TEST (tokens_are_reviewed_once),
        TEST (a_good_token_is_a_user),
        TEST (a_token_that_cannot_be_reviewed_is_refused_and_asked_again),
        TEST (no_endpoint_is_for_strangers),
        TEST (no_endpoint_is_for_who_may_not),
        TEST (any_subresource_will_do_and_is_remembered),
        TEST (no_answer_is_an_error),
        TEST (without_an_api_server_nobody_is_asked),
        TEST (certificates_are_read_again),
        TEST (a_connection_without_tls_gets_nothing),
        TEST (who_never_begins_a_handshake_keeps_nobody_out),
    };
    signal (SIGPIPE, SIG_IGN); // the supervisor's work
    return cmocka_run_group_tests (tests, NULL, NULL);
}
