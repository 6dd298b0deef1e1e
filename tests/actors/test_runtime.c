/* The runtime actor against a fake CRI server: handshake, calls, the start window, events, and a
   runtime that goes and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "containerd_events.pb-c.h"
#include "cri.pb-c.h"
#include "cubelet/actors.h"
#include "cubelet/cri.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include "helper_grpc_server.h"
#include "helper_peer.h"
#include <cmocka.h>
#include <stdatomic.h>

#define SOCKET "/tmp/cubelet-test-runtime.sock"
#define IMAGE_SOCKET "/tmp/cubelet-test-image.sock"
#define HELD_MAX 32

/* ---- the fake runtime ---- */

typedef struct {
    _Atomic (const char *) name;       // runtime_name
    _Atomic (const char *) conditions; // of Status, JSON
    _Atomic (const char *) driver;     // RuntimeConfig's answer, JSON; NULL: UNIMPLEMENTED
    atomic_bool has_events;            // GetContainerEvents
    atomic_bool holds_starts;          // Run, Create, Start wait for release ()
    server_call_t *held[HELD_MAX];     // the server's thread, and run by it
    size_t held_count;
    server_call_t *stream; // of events
    bool is_stream_containerd;
    char order[256]; // which held calls came, one letter each
} fake_t;

static fake_t fake;

#define GOOD_CONDITIONS                                                                            \
    "{\"type\":\"RuntimeReady\",\"status\":true},{\"type\":\"NetworkReady\",\"status\":true}"

static void
serve_stream (server_call_t *call, bool is_containerd)
{
    if (!is_containerd && !fake.has_events) {
        server_fail (call, "12", "unknown method GetContainerEvents");
        return;
    }
    fake.stream = call;
    fake.is_stream_containerd = is_containerd;
    server_open (call);
}

static void
serve_start (server_call_t *call, const cri_method_t *method, const char *reply)
{
    size_t size = strlen (fake.order);
    if (!fake.holds_starts) {
        server_reply_json (call, method->reply, reply);
        return;
    }
    snprintf (fake.order + size, sizeof fake.order - size, "%c", method->name[0]);
    assert_true (fake.held_count < HELD_MAX);
    fake.held[fake.held_count++] = call;
}

static void
serve (void *context, server_call_t *call)
{
    (void) context;
    const cri_method_t *method = cri_method_find (server_call_path (call));
    if (!method) {
        assert_string_equal (server_call_path (call),
                             "/containerd.services.events.v1.Events/Subscribe");
        assert_string_equal (server_call_header (call, "containerd-namespace"), "k8s.io");
        serve_stream (call, true);
        return;
    }
    OWNED (free_text) char *json = NULL;
    switch (method->message) {
    case MSG_CRI_VERSION:
        json = text_format ("{\"version\":\"0.1.0\",\"runtime_name\":\"%s\",\"runtime_version\":"
                            "\"9\",\"runtime_api_version\":\"v1\"}",
                            fake.name);
        break;
    case MSG_CRI_STATUS:
        json = text_format ("{\"status\":{\"conditions\":[%s]},\"runtime_handlers\":[{\"name\":"
                            "\"h\"}]}",
                            fake.conditions);
        break;
    case MSG_CRI_RUNTIME_CONFIG:
        if (!fake.driver) {
            server_fail (call, "12", "unknown method RuntimeConfig");
            return;
        }
        json = text_copy (fake.driver);
        break;
    case MSG_CRI_RUN_POD_SANDBOX: serve_start (call, method, "{\"pod_sandbox_id\":\"s\"}"); return;
    case MSG_CRI_CREATE_CONTAINER: serve_start (call, method, "{\"container_id\":\"c\"}"); return;
    case MSG_CRI_START_CONTAINER: serve_start (call, method, "{}"); return;
    case MSG_CRI_STOP_CONTAINER: return; // hangs
    case MSG_CRI_CONTAINER_STATUS: server_fail (call, "5", "no container \"x\""); return;
    case MSG_CRI_REMOVE_CONTAINER: server_reply (call, "\xff\xff", 2); return;
    case MSG_CRI_EXEC: json = text_copy ("{}"); break;
    case MESSAGE_COUNT: serve_stream (call, false); return;
    default: json = text_copy ("{}");
    }
    server_reply_json (call, method->reply, json);
}

/* In the server's thread: answers the first held call. */
static void
release (void *context)
{
    (void) context;
    assert_true (fake.held_count > 0);
    server_call_t *call = fake.held[0];
    const cri_method_t *method = cri_method_find (server_call_path (call));
    memmove (fake.held, fake.held + 1, --fake.held_count * sizeof *fake.held);
    server_reply_json (call, method->reply,
                       method->message == MSG_CRI_RUN_POD_SANDBOX    ? "{\"pod_sandbox_id\":\"s\"}"
                       : method->message == MSG_CRI_CREATE_CONTAINER ? "{\"container_id\":\"c\"}"
                                                                     : "{}");
}

static void
drop_first (void *context)
{
    (void) context;
    memmove (fake.held, fake.held + 1, --fake.held_count * sizeof *fake.held);
}

static void
count_held (void *context)
{
    *(size_t *) context = fake.held_count;
}

/* ---- the tests ---- */

typedef struct {
    stage_t *stage;
    peer_t *worker;  // makes calls
    peer_t *watcher; // is told
    grpc_server_t *server;
} test_t;

static void
begin_without_server (test_t *test, const char *more_args)
{
    static const char FORMAT[] = "{\"runtime_endpoint\":\"unix://" SOCKET "\"%s}";
    fault_t fault = { 0 };
    OWNED (free_text) char *json = text_format (FORMAT, more_args);
    OWNED (tree_destroy) tree_t *args = json_read (json, strlen (json), &fault);
    assert_non_null (args);
    test->stage = stage_new();
    test->worker = stage_peer (test->stage, "worker");
    test->watcher = stage_peer (test->stage, "runtime-watcher");
    stage_actor (test->stage, &runtime_class, "runtime", tree_root (args));
}

static test_t
begin (const char *more_args)
{
    test_t test = { 0 };
    memset (&fake, 0, sizeof fake);
    fake.name = "fake";
    fake.conditions = GOOD_CONDITIONS;
    test.server = grpc_server_new (SOCKET, serve, NULL);
    begin_without_server (&test, more_args);
    return test;
}

static void
end (test_t *test)
{
    stage_destroy (&test->stage);
    grpc_server_destroy (&test->server);
}

/* The next MSG_RUNTIME_STATE where `key` has that value. Owned. */
static received_t *
expect_state (test_t *test, const char *key, bool value)
{
    for (;;) {
        received_t *state = peer_expect (test->watcher, MSG_RUNTIME_STATE);
        const node_t *node = node_get (state->body, key);
        if (node && node_as_bool (node, !value) == value)
            return state;
        received_destroy (&state);
    }
}

static void
expect_fault (test_t *test, message_id_t call, const char *body, fault_code_t code,
              const char *text)
{
    uint64_t id = peer_request_json (test->worker, "runtime", call, body);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (test->worker, id);
    assert_int_equal (reply->envelope.fault_code, code);
    assert_string_equal (reply->envelope.fault_text, text);
}

static void
after_the_handshake_all_who_want_it_know_the_runtime (void **state)
{
    (void) state;
    test_t test = begin ("");
    OWNED (received_destroy) received_t *told = expect_state (&test, "up", true);
    assert_true (node_get_bool (told->body, "ready", false));
    assert_true (node_get_bool (told->body, "network_ready", false));
    assert_string_equal (node_get_text (told->body, "name", ""), "fake");
    assert_string_equal (node_get_text (told->body, "version", ""), "9");
    assert_null (node_get (told->body, "reason"));
    assert_null (node_get (told->body, "cgroup_driver"));
    assert_string_equal (
        node_get_text (node_item (node_get (told->body, "handlers"), 0), "name", ""), "h");
    uint64_t id = peer_request (test.worker, "runtime", MSG_RUNTIME_STATE_GET, NULL);
    OWNED (received_destroy) received_t *asked = peer_expect_reply (test.worker, id);
    assert_true (node_get_bool (asked->body, "up", false));
    end (&test);
}

static void
a_peer_that_comes_up_is_told (void **state)
{
    (void) state;
    test_t test = begin ("");
    received_t *told = expect_state (&test, "up", true);
    received_destroy (&told);
    peer_t *puller = stage_peer (test.stage, "image-puller");
    peer_send_json (puller, "runtime", MSG_ACTOR_UP,
                    "{\"name\":\"image-puller\",\"class\":\"image-puller\",\"restarts\":1}");
    told = peer_expect (puller, MSG_RUNTIME_STATE);
    assert_true (node_get_bool (told->body, "up", false));
    received_destroy (&told);
    end (&test);
}

static void
the_runtimes_cgroup_driver_is_passed_on (void **state)
{
    (void) state;
    static const struct {
        const char *reply, *driver;
    } ROWS[] = {
        { "{\"linux\":{}}", "systemd" },
        { "{\"linux\":{\"cgroup_driver\":\"CGROUPFS\"}}", "cgroupfs" },
        { "{\"linux\":{\"cgroup_driver\":7}}", NULL }, // not known here: as if it said nothing
        { "{}", NULL },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        test_t test = begin ("");
        stage_destroy (&test.stage);
        fake.driver = ROWS[i].reply;
        begin_without_server (&test, "");
        OWNED (received_destroy) received_t *told = expect_state (&test, "up", true);
        const char *driver = node_get_text (told->body, "cgroup_driver", NULL);
        if (ROWS[i].driver)
            assert_string_equal (driver, ROWS[i].driver);
        else
            assert_null (driver);
        end (&test);
    }
}

static void
conditions_that_are_false_are_explained_as_the_kubelet_does (void **state)
{
    (void) state;
    test_t test = begin ("");
    stage_destroy (&test.stage);
    fake.conditions = "{\"type\":\"RuntimeReady\",\"status\":true},{\"type\":\"NetworkReady\","
                      "\"reason\":\"NetworkPluginNotReady\",\"message\":\"no cni\"}";
    begin_without_server (&test, "");
    OWNED (received_destroy) received_t *told = expect_state (&test, "up", true);
    assert_false (node_get_bool (told->body, "network_ready", true));
    assert_string_equal (node_get_text (told->body, "reason", ""),
                         "container runtime network not ready: NetworkReady=false"
                         " reason:NetworkPluginNotReady message:no cni");
    end (&test);
}

static void
faults_of_the_runtime_come_back_with_code_and_message (void **state)
{
    (void) state;
    test_t test = begin (",\"request_timeout_ms\":100");
    expect_fault (&test, MSG_CRI_CONTAINER_STATUS, "{\"container_id\":\"x\"}", FAULT_NOT_FOUND,
                  "no container \"x\"");
    expect_fault (&test, MSG_CRI_RUN_POD_SANDBOX, "{\"config\":{\"bogus\":1}}", FAULT_INVALID,
                  "RunPodSandbox: config.bogus: unknown field of PodSandboxConfig");
    expect_fault (&test, MSG_CRI_EXEC, "{}", FAULT_INTERNAL, "Exec: the reply has no url");
    expect_fault (&test, MSG_CRI_STOP_CONTAINER, "{\"container_id\":\"x\"}", FAULT_DEADLINE,
                  "context deadline exceeded");
    uint64_t id = peer_request_json (test.worker, "runtime", MSG_CRI_REMOVE_CONTAINER, "{}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (test.worker, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_INTERNAL);
    assert_non_null (strstr (reply->envelope.fault_text, "RemoveContainer: malformed reply: "));
    end (&test);
}

static size_t
held (test_t *test)
{
    size_t count = 0;
    grpc_server_run (test->server, count_held, &count);
    return count;
}

/* A call that passes at once: whatever was sent before it has been handled. */
static void
settle (test_t *test)
{
    received_t *reply = peer_expect_reply (
        test->worker, peer_request_json (test->worker, "runtime", MSG_CRI_VERSION, "{}"));
    received_destroy (&reply);
}

static void
starts_pass_through_the_window_the_last_step_first (void **state)
{
    (void) state;
    static const message_id_t CALLS[] = {
        MSG_CRI_RUN_POD_SANDBOX,  MSG_CRI_RUN_POD_SANDBOX, MSG_CRI_RUN_POD_SANDBOX,
        MSG_CRI_CREATE_CONTAINER, MSG_CRI_START_CONTAINER, MSG_CRI_CREATE_CONTAINER,
    };
    test_t test = begin (",\"start_window\":2");
    fake.holds_starts = true;
    for (size_t i = 0; i < COUNT_OF (CALLS); i++)
        peer_request (test.worker, "runtime", CALLS[i], NULL);
    settle (&test);
    assert_int_equal (held (&test), 2);
    for (size_t i = 0; i < COUNT_OF (CALLS); i++) {
        grpc_server_run (test.server, release, NULL);
        OWNED (received_destroy) received_t *reply = peer_next (test.worker, PEER_DEADLINE_MS);
        assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
        settle (&test);
        size_t left = COUNT_OF (CALLS) - 1 - i;
        assert_int_equal (held (&test), left < 2 ? left : 2);
    }
    assert_string_equal (fake.order, "RRSCCR");
    end (&test);
}

static void
a_cancelled_start_gives_its_place_up (void **state)
{
    (void) state;
    test_t test = begin (",\"start_window\":1");
    fake.holds_starts = true;
    uint64_t ids[3];
    for (size_t i = 0; i < COUNT_OF (ids); i++)
        ids[i] = peer_request (test.worker, "runtime",
                               i < 2 ? MSG_CRI_RUN_POD_SANDBOX : MSG_CRI_CREATE_CONTAINER, NULL);
    settle (&test);
    for (size_t i = 0; i < 2; i++) { // the one under way, and one that waits
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = node_map();
        node_set_int (tree, &body, "id", (int64_t) ids[i]);
        peer_send (test.worker, "runtime", MSG_REQUEST_CANCEL, &body);
    }
    grpc_server_wait_resets (test.server, 1);
    settle (&test);
    grpc_server_run (test.server, drop_first, NULL); // its stream is gone
    assert_string_equal (fake.order, "RC");
    grpc_server_run (test.server, release, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (test.worker, ids[2]);
    assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
    end (&test);
}

static void
say_cri_event (void *context)
{
    server_message_json (fake.stream, cri_method_events()->reply, context);
}

static void
expect_event (test_t *test, const char *id, const char *kind, const char *uid)
{
    OWNED (received_destroy) received_t *event = peer_expect (test->watcher, MSG_RUNTIME_EVENT);
    assert_string_equal (node_get_text (event->body, "container_id", ""), id);
    assert_string_equal (node_get_text (event->body, "kind", ""), kind);
    assert_string_equal (node_get_text (event->body, "pod_uid", ""), uid);
}

static void
events_of_cri_reach_the_watcher (void **state)
{
    (void) state;
    test_t test = begin ("");
    stage_destroy (&test.stage);
    fake.has_events = true;
    begin_without_server (&test, "");
    received_t *told = expect_state (&test, "streams_events", true);
    received_destroy (&told);
    grpc_server_run (test.server, say_cri_event,
                     (void *) "{\"container_id\":\"a\",\"container_event_type\":"
                              "\"CONTAINER_STOPPED_EVENT\",\"pod_sandbox_status\":{\"metadata\":"
                              "{\"uid\":\"u\"}}}");
    expect_event (&test, "a", "stopped", "u");
    grpc_server_run (test.server, say_cri_event, (void *) "{\"container_id\":\"b\"}");
    expect_event (&test, "b", "created", "");
    end (&test);
}

static void
end_stream (void *context)
{
    (void) context;
    server_close (fake.stream, "0");
}

static void
a_stream_that_ends_is_subscribed_anew (void **state)
{
    (void) state;
    test_t test = begin ("");
    stage_destroy (&test.stage);
    fake.has_events = true;
    begin_without_server (&test, "");
    received_t *told = expect_state (&test, "streams_events", true);
    received_destroy (&told);
    grpc_server_run (test.server, end_stream, NULL);
    told = expect_state (&test, "streams_events", false);
    received_destroy (&told);
    told = expect_state (&test, "streams_events", true);
    received_destroy (&told);
    end (&test);
}

static void
say_containerd_event (void *context)
{
    const char *const *event = context; // topic, container id, exec id
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t exit = node_map(), any = node_map(), envelope = node_map();
    uint8_t *bytes = NULL;
    size_t size = 0;
    node_set_text (tree, &exit, "container_id", event[1]);
    node_set_text (tree, &exit, "id", event[2]);
    assert_int_equal (protobuf_encode (&containerd__services__events__v1__task_exit__descriptor,
                                       &exit, &bytes, &size, &fault),
                      0);
    node_set (tree, &any, "value", node_bytes (tree, bytes, size));
    free (bytes);
    node_set_text (tree, &envelope, "topic", event[0]);
    node_set (tree, &envelope, "event", any);
    assert_int_equal (protobuf_encode (&containerd__services__events__v1__envelope__descriptor,
                                       &envelope, &bytes, &size, &fault),
                      0);
    server_message (fake.stream, bytes, size);
    free (bytes);
}

static void
containerds_own_events_serve_where_cri_has_none (void **state)
{
    (void) state;
    static const char *const EVENTS[][3] = {
        { "/tasks/exit", "a", "some-exec" }, // a probe ended, not the container
        { "/snapshot/prepare", "a", NULL },  { "/tasks/exit", "a", "a" },
        { "/tasks/oom", "b", NULL },         { "/containers/delete", "c", NULL },
    };
    test_t test = begin ("");
    stage_destroy (&test.stage);
    fake.name = "containerd";
    begin_without_server (&test, "");
    received_t *told = expect_state (&test, "streams_events", true);
    received_destroy (&told);
    assert_true (fake.is_stream_containerd);
    for (size_t i = 0; i < COUNT_OF (EVENTS); i++)
        grpc_server_run (test.server, say_containerd_event, (void *) EVENTS[i]);
    expect_event (&test, "a", "stopped", "");
    expect_event (&test, "b", "oom", "");
    expect_event (&test, "c", "deleted", "");
    end (&test);
}

static void
a_runtime_that_goes_and_returns_is_told_of_and_calls_fail_meanwhile (void **state)
{
    (void) state;
    test_t test = begin ("");
    received_t *told = expect_state (&test, "up", true);
    received_destroy (&told);
    uint64_t hanging = peer_request_json (test.worker, "runtime", MSG_CRI_STOP_CONTAINER, "{}");
    settle (&test);
    grpc_server_destroy (&test.server);
    received_t *reply = peer_expect_reply (test.worker, hanging);
    assert_int_equal (reply->envelope.fault_code, FAULT_UNAVAILABLE);
    received_destroy (&reply);
    told = expect_state (&test, "up", false);
    assert_string_equal (node_get_text (told->body, "reason", ""), "container runtime is down");
    received_destroy (&told);
    expect_fault (&test, MSG_CRI_LIST_IMAGES, "{}", FAULT_UNAVAILABLE,
                  "connection error: desc = \"transport: Error while dialing: dial unix " SOCKET
                  ": connect: no such file or directory\"");
    test.server = grpc_server_new (SOCKET, serve, NULL);
    told = expect_state (&test, "up", true);
    received_destroy (&told);
    settle (&test);
    end (&test);
}

static void
an_image_service_of_its_own_gets_the_image_calls (void **state)
{
    (void) state;
    test_t test = begin ("");
    stage_destroy (&test.stage);
    grpc_server_t *images = grpc_server_new (IMAGE_SOCKET, serve, NULL);
    begin_without_server (&test, ",\"image_endpoint\":\"unix://" IMAGE_SOCKET "\"");
    received_t *told = expect_state (&test, "up", true);
    received_destroy (&told);
    assert_int_equal (grpc_server_connections (images), 1);
    end (&test);
    grpc_server_destroy (&images);
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (after_the_handshake_all_who_want_it_know_the_runtime),
        cmocka_unit_test (a_peer_that_comes_up_is_told),
        cmocka_unit_test (the_runtimes_cgroup_driver_is_passed_on),
        cmocka_unit_test (conditions_that_are_false_are_explained_as_the_kubelet_does),
        cmocka_unit_test (faults_of_the_runtime_come_back_with_code_and_message),
        cmocka_unit_test (starts_pass_through_the_window_the_last_step_first),
        cmocka_unit_test (a_cancelled_start_gives_its_place_up),
        cmocka_unit_test (events_of_cri_reach_the_watcher),
        cmocka_unit_test (a_stream_that_ends_is_subscribed_anew),
        cmocka_unit_test (containerds_own_events_serve_where_cri_has_none),
        cmocka_unit_test (a_runtime_that_goes_and_returns_is_told_of_and_calls_fail_meanwhile),
        cmocka_unit_test (an_image_service_of_its_own_gets_the_image_calls),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
