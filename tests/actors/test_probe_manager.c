/* test_probe_manager.c - probes and hooks with the runtime, a worker and the recorder played. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "health.pb-c.h"
#include "helper_grpc_server.h"
#include "helper_http_server.h"
#include "helper_peer.h"
#include "helper_tcp_bridge.h"
#include <cmocka.h>

#define WORKER "pod-worker/default_web_u1"
#define QUIET_MS 300 // long enough to see that nothing comes

typedef struct {
    stage_t *stage;
    peer_t *runtime, *worker, *recorder;
    http_server_t *server;
} scene_t;

static int
set_up (void **state)
{
    scene_t *scene = memory_new (1, sizeof *scene);
    scene->server = http_server_new();
    scene->stage = stage_new();
    scene->runtime = stage_peer (scene->stage, "runtime");
    scene->worker = stage_peer (scene->stage, WORKER);
    scene->recorder = stage_peer (scene->stage, "event-recorder");
    stage_actor (scene->stage, &probe_manager_class, "probe-manager", NULL);
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

// ---- what the worker says ----

/* A pod with one container "main" that has `more` members; owned JSON. */
static char *
pod_json (const char *more)
{
    return text_format ("{\"metadata\": {\"name\": \"web\", \"namespace\": \"default\", "
                        "\"uid\": \"u1\"}, \"spec\": {\"restartPolicy\": \"Always\", "
                        "\"containers\": [{\"name\": \"main\", \"image\": \"i\", %s}]}}",
                        more);
}

/* One member: `"livenessProbe": {HANDLER, numbers}`. Owned. */
static char *
probe_json (const char *kind, int period_s, int threshold, const char *handler)
{
    return text_format ("\"%sProbe\": {\"periodSeconds\": %d, \"timeoutSeconds\": 1, "
                        "\"successThreshold\": 1, \"failureThreshold\": %d, %s}",
                        kind, period_s, threshold, handler);
}

/* Sends a PROBE_SET; the container has run for `age_s`. */
static void
set_probes (const scene_t *scene, const char *members, const char *id, int age_s, bool is_started,
            bool is_ending)
{
    OWNED (free_text) char *pod = pod_json (members);
    OWNED (free_text)
    char *json = text_format (
        "{\"pod_uid\": \"u1\", \"pod\": %s, \"pod_ip\": \"127.0.0.1\", \"terminating\": %s, "
        "\"containers\": [{\"name\": \"main\", \"id\": \"%s\", \"started_at\": %lld, "
        "\"started\": %s, \"running\": true}]}",
        pod, is_ending ? "true" : "false", id, (long long) (clock_now_ns() - age_s * NS_PER_S),
        is_started ? "true" : "false");
    peer_send_json (scene->worker, "probe-manager", MSG_PROBE_SET, json);
}

#define EXEC "\"exec\": {\"command\": [\"test\", \"-f\", \"x\"]}"
#define LONG_AGO 60

/* Expects an ExecSync and answers it. */
static void
answer_exec (const scene_t *scene, const char *response)
{
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    peer_reply_json (scene->runtime, request, response);
}

static void
expect_result (const scene_t *scene, const char *probe, const char *id, const char *result)
{
    OWNED (received_destroy) received_t *got = peer_expect (scene->worker, MSG_PROBE_RESULT);
    assert_string_equal (node_get_text (got->body, "probe", ""), probe);
    assert_string_equal (node_get_text (got->body, "id", ""), id);
    assert_string_equal (node_get_text (got->body, "result", ""), result);
    assert_string_equal (node_get_text (got->body, "container", ""), "main");
}

static void
expect_event (const scene_t *scene, const char *reason, const char *message)
{
    OWNED (received_destroy) received_t *got = peer_expect (scene->recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (got->body, "message", ""), message);
    assert_string_equal (node_get_text (got->body, "reason", ""), reason);
    assert_string_equal (node_get_text (got->body, "type", ""), "Warning");
}

static void
expect_quiet (peer_t *peer)
{
    OWNED (received_destroy) received_t *got = peer_next (peer, QUIET_MS);
    if (got)
        fail_msg ("unexpected %s", got->envelope.type);
}

// ---- probes ----

static void
an_exec_probe_asks_the_runtime_and_fails_at_its_threshold (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 2, EXEC);
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    OWNED (received_destroy)
    received_t *first = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    assert_string_equal (node_get_text (first->body, "container_id", ""), "c1");
    assert_int_equal (node_get_int (first->body, "timeout", 0), 1);
    OWNED (free_text)
    char *command = json_write (node_get (first->body, "cmd"), JSON_COMPACT, NULL);
    assert_string_equal (command, "[\"test\",\"-f\",\"x\"]");
    peer_reply_json (scene->runtime, first, "{\"exit_code\": 1}");
    expect_event (scene, "Unhealthy", "Liveness probe failed: ");
    answer_exec (scene, "{\"exit_code\": 1, \"stdout\": \"no\"}");
    expect_event (scene, "Unhealthy", "Liveness probe failed: no");
    expect_result (scene, "liveness", "c1", "failure");
}

static void
events_are_about_the_container (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, EXEC);
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    answer_exec (scene, "{\"exit_code\": 1}");
    OWNED (received_destroy) received_t *got = peer_expect (scene->recorder, MSG_EVENT_RECORD);
    const node_t *object = node_get (got->body, "object");
    assert_string_equal (node_get_text (object, "fieldPath", ""), "spec.containers{main}");
    assert_string_equal (node_get_text (object, "name", ""), "web");
    assert_string_equal (node_get_text (object, "uid", ""), "u1");
}

static void
after_a_liveness_failure_only_another_container_is_probed (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, EXEC);
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    answer_exec (scene, "{\"exit_code\": 1}");
    expect_result (scene, "liveness", "c1", "failure");
    OWNED (received_destroy) received_t *none = peer_next (scene->runtime, 1300);
    assert_null (none);
    set_probes (scene, liveness, "c2", 0, true, false);
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    assert_string_equal (node_get_text (request->body, "container_id", ""), "c2");
    peer_reply_json (scene->runtime, request, "{}");
    expect_result (scene, "liveness", "c2", "success");
}

static void
an_internal_error_is_tried_three_times_and_counts_for_nothing (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, EXEC);
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    for (int i = 0; i < 3; i++) {
        OWNED (received_destroy)
        received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
        peer_reply_fault (scene->runtime, request, FAULT_NOT_FOUND, "no running task found");
    }
    expect_event (scene, "Unhealthy",
                  "Liveness probe errored and resulted in unknown state: rpc error: code = "
                  "NotFound desc = no running task found");
    expect_quiet (scene->worker);
}

static void
a_timeout_of_the_runtime_is_a_failure (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, EXEC);
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    peer_reply_fault (scene->runtime, request, FAULT_DEADLINE, "context deadline exceeded");
    expect_event (scene, "Unhealthy",
                  "Liveness probe failed: command timed out: \"test -f x\" timed out after 1s");
    expect_result (scene, "liveness", "c1", "failure");
}

static char *
http_json (const scene_t *scene, const char *path, const char *more)
{
    return text_format ("\"httpGet\": {\"path\": \"%s\", \"port\": %d%s}", path,
                        http_server_port (scene->server), more);
}

static void
readiness_is_tried_as_soon_as_the_container_runs (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *handler = http_json (scene, "/ok", "");
    OWNED (free_text) char *readiness = probe_json ("readiness", 3600, 1, handler);
    set_probes (scene, readiness, "c1", 0, true, false);
    expect_result (scene, "readiness", "c1", "success");
}

static void
early_failures_of_readiness_are_not_told (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *handler = http_json (scene, "/status/500", "");
    OWNED (free_text) char *readiness = probe_json ("readiness", 1, 1, handler);
    int64_t begin_ms = clock_monotonic_ms();
    set_probes (scene, readiness, "c1", 0, true, false);
    expect_event (scene, "Unhealthy",
                  "Readiness probe failed: HTTP probe failed with statuscode: 500");
    assert_true (clock_monotonic_ms() - begin_ms >= 900);
    assert_true (http_server_count (scene->server) >= 3);
    expect_result (scene, "readiness", "c1", "failure");
}

static const struct {
    const char *path, *more;
    const char *result, *reason, *event; // PORT stands for the server's
} HTTP[] = {
    { "/ok", "", "success", NULL, NULL },
    { "/redirect/3", "", "success", NULL, NULL },
    { "/away", "", "success", "ProbeWarning",
      "Liveness probe warning: Probe terminated redirects, Response body: elsewhere" },
    { "/big", "", "success", NULL, NULL },
    { "/hangup", "", "failure", "Unhealthy",
      "Liveness probe failed: Get \"http://127.0.0.1:PORT/hangup\": EOF" },
    { "/silent", "", "failure", "Unhealthy",
      "Liveness probe failed: Get \"http://127.0.0.1:PORT/silent\": context deadline exceeded "
      "(Client.Timeout exceeded while awaiting headers)" },
    { "/ok", ", \"scheme\": \"HTTPS\"", "failure", "Unhealthy",
      "Liveness probe failed: Get \"https://127.0.0.1:PORT/ok\": http: server gave HTTP response "
      "to HTTPS client" },
    { "/half", "", NULL, "Unhealthy",
      "Liveness probe errored and resulted in failure state: unexpected EOF" },
};

static char *
with_port (const char *text, int port)
{
    const char *at = strstr (text, "PORT");
    return at ? text_format ("%.*s%d%s", (int) (at - text), text, port, at + 4) : text_copy (text);
}

static void
http_probes_judge_what_comes_back (void **state)
{
    scene_t *scene = *state;
    for (size_t i = 0; i < COUNT_OF (HTTP); i++) {
        OWNED (free_text) char *id = text_format ("c%zu", i);
        OWNED (free_text) char *handler = http_json (scene, HTTP[i].path, HTTP[i].more);
        OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, handler);
        peer_send_json (scene->worker, "probe-manager", MSG_PROBE_SET,
                        "{\"pod_uid\": \"u1\", \"pod\": {}, \"containers\": []}");
        set_probes (scene, liveness, id, LONG_AGO, true, false);
        if (HTTP[i].result)
            expect_result (scene, "liveness", id, HTTP[i].result);
        if (HTTP[i].event) {
            OWNED (free_text)
            char *event = with_port (HTTP[i].event, http_server_port (scene->server));
            expect_event (scene, HTTP[i].reason, event);
        }
    }
}

static void
tcp_probes_connect (void **state)
{
    scene_t *scene = *state;
    int shut_port = unused_port();
    OWNED (free_text)
    char *open = text_format ("\"tcpSocket\": {\"port\": %d}", http_server_port (scene->server));
    OWNED (free_text)
    char *named = text_format ("\"tcpSocket\": {\"host\": \"localhost\", \"port\": %d}",
                               http_server_port (scene->server));
    OWNED (free_text) char *shut = text_format ("\"tcpSocket\": {\"port\": %d}", shut_port);
    OWNED (free_text) char *readiness = probe_json ("readiness", 3600, 1, open);
    OWNED (free_text) char *startup = probe_json ("startup", 1, 1, named);
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, shut);
    set_probes (scene, readiness, "c1", 0, true, false);
    expect_result (scene, "readiness", "c1", "success");
    set_probes (scene, startup, "c2", LONG_AGO, false, false);
    expect_result (scene, "startup", "c2", "success");
    set_probes (scene, liveness, "c3", LONG_AGO, true, false);
    expect_result (scene, "liveness", "c3", "failure");
    OWNED (free_text)
    char *event = text_format ("Liveness probe failed: dial tcp 127.0.0.1:%d: connect: connection "
                               "refused",
                               shut_port);
    expect_event (scene, "Unhealthy", event);
}

static void
a_grpc_probe_of_nobody_times_out (void **state)
{
    scene_t *scene = *state;
    int port = unused_port();
    OWNED (free_text) char *handler = text_format ("\"grpc\": {\"port\": %d}", port);
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, handler);
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    OWNED (free_text)
    char *event = text_format ("Liveness probe failed: timeout: failed to connect service "
                               "\"127.0.0.1:%d\" within 1s: context deadline exceeded",
                               port);
    expect_event (scene, "Unhealthy", event);
    expect_result (scene, "liveness", "c1", "failure");
}

/* Answers for services by their name: "bad" is not serving, "none" is not there, "old" has no such
   protocol. */
static void
serve_health (void *context, server_call_t *call)
{
    (void) context;
    size_t size = 0;
    const uint8_t *body = server_call_body (call, &size);
    OWNED (free_text) char *service = size > 2 ? strndup ((const char *) body + 2, size - 2) : NULL;
    if (strncmp (server_call_header (call, "user-agent"), "kube-probe/1.34 ", 16) != 0)
        server_fail (call, "3", "wrong user agent");
    else if (strcmp (server_call_path (call), "/grpc.health.v1.Health/Check") != 0)
        server_fail (call, "3", "wrong path");
    else if (service && strcmp (service, "none") == 0)
        server_fail (call, "5", "unknown service");
    else if (service && strcmp (service, "old") == 0)
        server_fail (call, "12", "unknown method Check");
    else
        server_reply_json (call, &grpc__health__v1__health_check_response__descriptor,
                           service ? "{\"status\": \"NOT_SERVING\"}" : "{\"status\": \"SERVING\"}");
}

static const struct {
    const char *service; // the member, or nothing
    const char *event;   // NULL: success
} GRPC[] = {
    { "", NULL },
    { ", \"service\": \"bad\"",
      "Liveness probe failed: service unhealthy (responded with \"NOT_SERVING\")" },
    { ", \"service\": \"none\"",
      "Liveness probe failed: error: health rpc probe failed: rpc error: code = NotFound desc = "
      "unknown service" },
    { ", \"service\": \"old\"",
      "Liveness probe failed: error: this server does not implement the grpc health protocol "
      "(grpc.health.v1.Health): unknown method Check" },
};

static void
grpc_probes_ask_for_health (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *path = text_format ("/tmp/test-probe-manager-%d.sock", (int) getpid());
    OWNED (grpc_server_destroy)
    grpc_server_t *server = grpc_server_new (path, serve_health, NULL);
    OWNED (tcp_bridge_destroy) tcp_bridge_t *bridge = tcp_bridge_new (path);
    assert_non_null (server);
    for (size_t i = 0; i < COUNT_OF (GRPC); i++) {
        OWNED (free_text) char *id = text_format ("c%zu", i);
        OWNED (free_text)
        char *handler =
            text_format ("\"grpc\": {\"port\": %d%s}", tcp_bridge_port (bridge), GRPC[i].service);
        OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, handler);
        set_probes (scene, liveness, id, LONG_AGO, true, false);
        expect_result (scene, "liveness", id, GRPC[i].event ? "failure" : "success");
        if (GRPC[i].event)
            expect_event (scene, "Unhealthy", GRPC[i].event);
    }
}

static void
startup_gates_the_others (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *startup = probe_json ("startup", 1, 3, EXEC);
    OWNED (free_text) char *handler = http_json (scene, "/ok", "");
    OWNED (free_text) char *readiness = probe_json ("readiness", 3600, 1, handler);
    OWNED (free_text) char *both = text_format ("%s, %s", startup, readiness);
    set_probes (scene, both, "c1", LONG_AGO, false, false);
    answer_exec (scene, "{\"exit_code\": 1}");
    expect_event (scene, "Unhealthy", "Startup probe failed: ");
    assert_int_equal (http_server_count (scene->server), 0);
    answer_exec (scene, "{}");
    expect_result (scene, "startup", "c1", "success");
    set_probes (scene, both, "c1", LONG_AGO, true, false);
    expect_result (scene, "startup", "c1", "success"); // told again
    expect_result (scene, "readiness", "c1", "success");
}

static void
an_empty_set_ends_probing (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, EXEC);
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    peer_send_json (scene->worker, "probe-manager", MSG_PROBE_SET,
                    "{\"pod_uid\": \"u1\", \"pod\": {}, \"containers\": []}");
    OWNED (received_destroy)
    received_t *cancel = peer_expect (scene->runtime, MSG_REQUEST_CANCEL);
    assert_int_equal (node_get_int (cancel->body, "id", 0), request->envelope.id);
    OWNED (received_destroy) received_t *none = peer_next (scene->runtime, 1300);
    assert_null (none);
    expect_quiet (scene->worker);
}

static void
results_are_told_again_to_a_worker_that_forgot (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 3600, 1, EXEC);
    OWNED (free_text) char *handler = http_json (scene, "/ok", "");
    OWNED (free_text) char *readiness = probe_json ("readiness", 3600, 1, handler);
    OWNED (free_text) char *both = text_format ("%s, %s", liveness, readiness);
    set_probes (scene, both, "c1", 0, true, false);
    expect_result (scene, "readiness", "c1", "success");
    set_probes (scene, both, "c1", 0, true, false);
    expect_result (scene, "readiness", "c1", "success");
    peer_send_json (scene->worker, "probe-manager", MSG_ACTOR_UP,
                    "{\"name\": \"" WORKER "\", \"class\": \"pod-worker\", \"restarts\": 1}");
    expect_result (scene, "readiness", "c1", "success");
    peer_send_json (scene->worker, "probe-manager", MSG_ACTOR_UP,
                    "{\"name\": \"pod-worker/other_web_u1\", \"class\": \"pod-worker\", "
                    "\"restarts\": 1}");
    expect_quiet (scene->worker);
    assert_int_equal (http_server_count (scene->server), 1);
}

static void
a_pod_that_ends_keeps_readiness_only (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *liveness = probe_json ("liveness", 1, 1, EXEC);
    OWNED (free_text) char *handler = http_json (scene, "/ok", "");
    OWNED (free_text) char *readiness = probe_json ("readiness", 1, 1, handler);
    OWNED (free_text) char *both = text_format ("%s, %s", liveness, readiness);
    set_probes (scene, both, "c1", 0, true, true);
    expect_result (scene, "readiness", "c1", "success");
    expect_result (scene, "liveness", "c1", "success"); // whatever it was: no kill any more
    OWNED (received_destroy) received_t *none = peer_next (scene->runtime, 1300);
    assert_null (none);
    assert_true (http_server_count (scene->server) >= 2);
}

static void
a_probe_that_cannot_be_tried_is_told (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text)
    char *liveness = probe_json ("liveness", 1, 1, "\"tcpSocket\": {\"port\": \"nope\"}");
    set_probes (scene, liveness, "c1", LONG_AGO, true, false);
    expect_event (scene, "Unhealthy",
                  "Liveness probe errored and resulted in unknown state: strconv.Atoi: parsing "
                  "\"nope\": invalid syntax");
}

// ---- hooks ----

/* Asks for a run of `handler` as the container's preStop. */
static uint64_t
run_hook (const scene_t *scene, const char *handler)
{
    OWNED (free_text) char *lifecycle = text_format ("\"lifecycle\": {\"preStop\": %s}", handler);
    OWNED (free_text) char *pod = pod_json (lifecycle);
    OWNED (free_text)
    char *json = text_format ("{\"pod\": %s, \"pod_ip\": \"127.0.0.1\", \"container\": \"main\", "
                              "\"id\": \"c1\", \"handler\": %s}",
                              pod, handler);
    return peer_request_json (scene->worker, "probe-manager", MSG_HOOK_RUN, json);
}

static void
expect_hook (const scene_t *scene, uint64_t id, const char *text)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (scene->worker, id);
    const char *actual = reply->envelope.fault_text;
    assert_string_equal (actual ? actual : "", text);
}

static void
an_exec_hook_runs_without_timeout (void **state)
{
    scene_t *scene = *state;
    uint64_t id = run_hook (scene, "{\"exec\": {\"command\": [\"sh\", \"-c\", \"$(X)\"]}}");
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    assert_null (node_get (request->body, "timeout"));
    OWNED (free_text)
    char *command = json_write (node_get (request->body, "cmd"), JSON_COMPACT, NULL);
    assert_string_equal (command, "[\"sh\",\"-c\",\"$(X)\"]");
    peer_reply_json (scene->runtime, request, "{}");
    expect_hook (scene, id, "");
}

static void
a_failed_exec_hook_has_upstreams_message (void **state)
{
    scene_t *scene = *state;
    uint64_t id = run_hook (scene, "{\"exec\": {\"command\": [\"sh\", \"-c\", \"exit 3\"]}}");
    answer_exec (scene, "{\"exit_code\": 3, \"stdout\": \"out\\n\", \"stderr\": \"err\"}");
    expect_hook (scene, id,
                 "Exec lifecycle hook ([sh -c exit 3]) for Container \"main\" in Pod "
                 "\"web_default(u1)\" failed - error: command 'sh -c exit 3' exited with 3: err, "
                 "message: \"out\\nerr\"");
    id = run_hook (scene, "{\"exec\": {\"command\": [\"x\"]}}");
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    peer_reply_fault (scene->runtime, request, FAULT_NOT_FOUND, "gone");
    expect_hook (scene, id,
                 "Exec lifecycle hook ([x]) for Container \"main\" in Pod \"web_default(u1)\" "
                 "failed - error: rpc error: code = NotFound desc = gone, message: \"\"");
}

static void
an_http_hook_takes_any_status (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text) char *handler = http_json (scene, "/status/500", "");
    OWNED (free_text) char *hook = text_format ("{%s}", handler);
    expect_hook (scene, run_hook (scene, hook), "");
}

static void
an_http_hook_to_nobody_fails (void **state)
{
    scene_t *scene = *state;
    int port = unused_port();
    OWNED (free_text)
    char *hook = text_format ("{\"httpGet\": {\"path\": \"/x\", \"port\": %d}}", port);
    OWNED (free_text)
    char *text = text_format ("HTTP lifecycle hook (/x) for Container \"main\" in Pod "
                              "\"web_default(u1)\" failed - error: Get \"http://127.0.0.1:%d/x\": "
                              "dial tcp 127.0.0.1:%d: connect: connection refused",
                              port, port);
    expect_hook (scene, run_hook (scene, hook), text);
}

static void
an_https_hook_falls_back_to_http (void **state)
{
    scene_t *scene = *state;
    OWNED (free_text)
    char *handler = http_json (scene, "/ok", ", \"scheme\": \"HTTPS\"");
    OWNED (free_text) char *hook = text_format ("{%s}", handler);
    uint64_t id = run_hook (scene, hook);
    OWNED (free_text)
    char *event = text_format ("request to HTTPS lifecycle hook 127.0.0.1:%d got HTTP response, "
                               "retry with HTTP succeeded",
                               http_server_port (scene->server));
    expect_event (scene, "LifecycleHTTPFallback", event);
    expect_hook (scene, id, "");
}

static void
a_sleep_ends_by_itself_or_when_it_is_cancelled (void **state)
{
    scene_t *scene = *state;
    expect_hook (scene, run_hook (scene, "{\"sleep\": {\"seconds\": 0}}"), "");
    uint64_t id = run_hook (scene, "{\"sleep\": {\"seconds\": 1}}");
    OWNED (free_text) char *cancel = text_format ("{\"id\": %llu}", (unsigned long long) id);
    peer_send_json (scene->worker, "probe-manager", MSG_REQUEST_CANCEL, cancel);
    OWNED (received_destroy) received_t *none = peer_next (scene->worker, 1300);
    assert_null (none);
}

static void
a_cancelled_exec_hook_cancels_the_runtime (void **state)
{
    scene_t *scene = *state;
    uint64_t id = run_hook (scene, "{\"exec\": {\"command\": [\"x\"]}}");
    OWNED (received_destroy)
    received_t *request = peer_expect (scene->runtime, MSG_CRI_EXEC_SYNC);
    OWNED (free_text) char *cancel = text_format ("{\"id\": %llu}", (unsigned long long) id);
    peer_send_json (scene->worker, "probe-manager", MSG_REQUEST_CANCEL, cancel);
    OWNED (received_destroy)
    received_t *passed_on = peer_expect (scene->runtime, MSG_REQUEST_CANCEL);
    assert_int_equal (node_get_int (passed_on->body, "id", 0), request->envelope.id);
}

static void
a_tcp_hook_is_no_handler (void **state)
{
    scene_t *scene = *state;
    expect_hook (scene, run_hook (scene, "{\"tcpSocket\": {\"port\": 80}}"),
                 "Cannot run handler: invalid handler");
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST (an_exec_probe_asks_the_runtime_and_fails_at_its_threshold),
        TEST (events_are_about_the_container),
        TEST (after_a_liveness_failure_only_another_container_is_probed),
        TEST (an_internal_error_is_tried_three_times_and_counts_for_nothing),
        TEST (a_timeout_of_the_runtime_is_a_failure),
        TEST (readiness_is_tried_as_soon_as_the_container_runs),
        TEST (early_failures_of_readiness_are_not_told),
        TEST (http_probes_judge_what_comes_back),
        TEST (tcp_probes_connect),
        TEST (a_grpc_probe_of_nobody_times_out),
        TEST (grpc_probes_ask_for_health),
        TEST (startup_gates_the_others),
        TEST (an_empty_set_ends_probing),
        TEST (results_are_told_again_to_a_worker_that_forgot),
        TEST (a_pod_that_ends_keeps_readiness_only),
        TEST (a_probe_that_cannot_be_tried_is_told),
        TEST (an_exec_hook_runs_without_timeout),
        TEST (a_failed_exec_hook_has_upstreams_message),
        TEST (an_http_hook_takes_any_status),
        TEST (an_http_hook_to_nobody_fails),
        TEST (an_https_hook_falls_back_to_http),
        TEST (a_sleep_ends_by_itself_or_when_it_is_cancelled),
        TEST (a_cancelled_exec_hook_cancels_the_runtime),
        TEST (a_tcp_hook_is_no_handler),
    };
    signal (SIGPIPE, SIG_IGN); // the supervisor's work
    return cmocka_run_group_tests (tests, NULL, NULL);
}
