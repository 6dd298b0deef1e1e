/* The status-reporter; the test is its API server, pod-manager and supervisor. */
#include "cubelet/actors.h"
#include "cubelet/api_call.h"
#include "cubelet/memory.h"
#include "helper_api_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define REPORTER "status-reporter"

typedef struct {
    stage_t *stage;
    peer_t *api, *manager;
} world_t;

static int
set_up (void **state)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", "lab-node");
    world_t *self = memory_new (1, sizeof *self);
    self->stage = stage_new();
    self->api = stage_peer (self->stage, API_CLIENT);
    self->manager = stage_peer (self->stage, "pod-manager");
    stage_actor (self->stage, &status_reporter_class, REPORTER, &args);
    *state = self;
    return 0;
}

static int
tear_down (void **state)
{
    world_t *self = *state;
    stage_destroy (&self->stage);
    free (self);
    return 0;
}

// ---- what pod-manager says ----

#define STATUS(phase) "{\"phase\": \"" phase "\", \"conditions\": []}"
#define DELETED ", \"deletionTimestamp\": \"2026-11-23T16:22:55Z\""

/* A Pod of the API: uid NAME-uid, with more metadata and this status. */
static char *
pod_json (const char *name, const char *meta, const char *status)
{
    return text_format ("{\"metadata\": {\"namespace\": \"default\", \"name\": \"%s\", \"uid\": "
                        "\"%s-uid\"%s}, \"spec\": {\"restartPolicy\": \"Never\"}, \"status\": %s}",
                        name, name, meta, status);
}

static void
report (world_t *self, const char *pod, const char *status, const char *rest)
{
    OWNED (free_text)
    char *json = text_format ("{\"pod\": %s, \"status\": %s, %s}", pod, status, rest);
    peer_send_json (self->manager, REPORTER, MSG_POD_REPORT, json);
}

#define RUNNING "\"running\": true, \"finished\": false"
#define FINISHED "\"running\": false, \"finished\": true"

static void
report_pod (world_t *self, const char *name, const char *phase)
{
    OWNED (free_text) char *pod = pod_json (name, "", STATUS ("Pending"));
    OWNED (free_text)
    char *status = text_format ("{\"phase\": \"%s\", \"conditions\": []}", phase);
    report (self, pod, status, RUNNING);
}

// ---- what the API server gets and says ----

/* Expects the PATCH of the pod's status to this phase, NULL: leaves the phase alone. */
static received_t *
expect_patch (world_t *self, const char *name, const char *phase)
{
    OWNED (free_text) char *path = text_format ("/api/v1/namespaces/default/pods/%s/status", name);
    OWNED (free_text) char *uid = text_format ("%s-uid", name);
    received_t *call = call_expect (self->api, "PATCH", path);
    const node_t *body = node_get (call->body, "body");
    assert_string_equal (node_get_text (call->body, "content_type", ""), API_STRATEGIC_PATCH);
    assert_string_equal (node_get_text (node_get (body, "metadata"), "uid", ""), uid);
    assert_string_equal (node_get_text (node_get (body, "status"), "phase", ""), phase);
    return call;
}

static void
expect_patch_and_accept (world_t *self, const char *name, const char *phase)
{
    OWNED (free_text)
    char *status = text_format ("{\"phase\": \"%s\", \"conditions\": []}", phase);
    OWNED (free_text) char *pod = pod_json (name, "", status);
    OWNED (received_destroy) received_t *call = expect_patch (self, name, phase);
    call_answer (self->api, call, 200, pod);
}

static void
expect_get (world_t *self, const char *name, const char *phase)
{
    OWNED (free_text) char *path = text_format ("/api/v1/namespaces/default/pods/%s", name);
    OWNED (free_text)
    char *status = text_format ("{\"phase\": \"%s\", \"conditions\": []}", phase);
    OWNED (free_text) char *pod = pod_json (name, "", status);
    call_expect_and_answer (self->api, "GET", path, 200, pod);
}

/* Nothing is under way: the next request is about the pod "probe". */
static void
expect_silence (world_t *self)
{
    report_pod (self, "probe", "Running");
    expect_get (self, "probe", "Pending");
    expect_patch_and_accept (self, "probe", "Running");
    peer_send_json (self->manager, REPORTER, MSG_POD_FORGET, "{\"uid\": \"probe-uid\"}");
}

// ---- statuses ----

static void
a_status_is_patched_once (void **state)
{
    world_t *self = *state;
    report_pod (self, "a", "Running");
    expect_get (self, "a", "Pending");
    expect_patch_and_accept (self, "a", "Running");
    OWNED (free_text) char *pod = pod_json ("a", "", STATUS ("Running"));
    report (self, pod, STATUS ("Running"), RUNNING);
    expect_silence (self);
}

static void
what_the_api_server_has_already_is_not_sent (void **state)
{
    world_t *self = *state;
    OWNED (free_text) char *pod = pod_json ("a", "", STATUS ("Running"));
    report (self, pod, STATUS ("Running"), RUNNING);
    expect_silence (self);
    // we were told of an old object: a look, but no patch
    report_pod (self, "b", "Running");
    expect_get (self, "b", "Running");
    expect_silence (self);
}

static void
while_a_request_is_under_way_only_the_newest_status_counts (void **state)
{
    world_t *self = *state;
    report_pod (self, "a", "Running");
    OWNED (received_destroy)
    received_t *get = call_expect (self->api, "GET", "/api/v1/namespaces/default/pods/a");
    OWNED (free_text) char *pod = pod_json ("a", "", STATUS ("Pending"));
    call_answer (self->api, get, 200, pod);
    OWNED (received_destroy) received_t *patch = expect_patch (self, "a", "Running");
    OWNED (free_text)
    char *unknown = text_format ("{\"phase\": \"Running\", \"podIP\": \"1\", \"conditions\": []}");
    report (self, pod, unknown, RUNNING);
    OWNED (free_text)
    char *newest = text_format ("{\"phase\": \"Running\", \"podIP\": \"2\", \"conditions\": []}");
    report (self, pod, newest, RUNNING);
    expect_silence (self); // of this pod: it waits for its answer
    OWNED (free_text) char *running = pod_json ("a", "", STATUS ("Running"));
    call_answer (self->api, patch, 200, running);
    expect_get (self, "a", "Running");
    OWNED (received_destroy) received_t *second = expect_patch (self, "a", "");
    const node_t *body = node_get (second->body, "body");
    assert_string_equal (node_get_text (node_get (body, "status"), "podIP", ""), "2");
}

static void
a_status_is_sent_until_it_is_accepted (void **state)
{
    world_t *self = *state;
    report_pod (self, "a", "Running");
    OWNED (received_destroy)
    received_t *lost = call_expect (self->api, "GET", "/api/v1/namespaces/default/pods/a");
    peer_reply_fault (self->api, lost, FAULT_UNAVAILABLE, "the api-client was restarted");
    expect_get (self, "a", "Pending");
    static const int CODES[] = { 409, 500 };
    for (size_t i = 0; i < COUNT_OF (CODES); i++) {
        OWNED (received_destroy) received_t *patch = expect_patch (self, "a", "Running");
        call_answer (self->api, patch, CODES[i], "{\"message\": \"no\"}");
        expect_get (self, "a", "Pending");
    }
    expect_patch_and_accept (self, "a", "Running");
    expect_silence (self);
}

/* Without that, the waits of so many failures would last longer than the test may. */
static void
a_new_api_client_is_asked_at_once (void **state)
{
    world_t *self = *state;
    report_pod (self, "a", "Running");
    for (int i = 0; i < 25; i++) {
        call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 503, "{}");
        peer_send_json (self->api, REPORTER, MSG_ACTOR_UP,
                        "{\"name\": \"api-client\", \"class\": \"api-client\", \"restarts\": 1}");
    }
    expect_get (self, "a", "Running");
}

static void
a_pod_that_is_gone_is_forgotten (void **state)
{
    world_t *self = *state;
    report_pod (self, "a", "Running");
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 404, "{}");
    report_pod (self, "b", "Running");
    OWNED (free_text) char *other = pod_json ("other", "", STATUS ("Pending"));
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/b", 200, other);
    expect_silence (self);
}

static void
only_some_pods_are_under_way_at_once (void **state)
{
    enum { PODS = 40, BUSY_MAX = 16 };
    world_t *self = *state;
    received_t *calls[PODS];
    for (int i = 0; i < PODS; i++) {
        OWNED (free_text) char *name = text_format ("p%d", i);
        report_pod (self, name, "Running");
    }
    for (int i = 0; i < BUSY_MAX; i++)
        calls[i] = peer_expect (self->api, MSG_API_REQUEST);
    assert_null (peer_next (self->api, 200));
    for (int i = 0; i < PODS; i++) {
        if (i >= BUSY_MAX)
            calls[i] = peer_expect (self->api, MSG_API_REQUEST);
        call_answer (self->api, calls[i], 404, "{}");
        received_destroy (&calls[i]);
    }
    expect_silence (self);
}

// ---- the end ----

static void
a_pod_is_deleted_when_nothing_of_it_is_left (void **state)
{
    world_t *self = *state;
    OWNED (free_text) char *running = pod_json ("a", DELETED, STATUS ("Running"));
    OWNED (free_text) char *ended = pod_json ("a", DELETED, STATUS ("Succeeded"));
    // containers may still run: the end is not told
    report (self, running, STATUS ("Succeeded"), RUNNING);
    // they have ended, volumes are still there: told, but not deleted
    report (self, running, STATUS ("Succeeded"), "\"running\": false, \"finished\": false");
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 200, running);
    {
        OWNED (received_destroy) received_t *patch = expect_patch (self, "a", "Succeeded");
        call_answer (self->api, patch, 200, ended);
    }
    expect_silence (self);
    report (self, ended, STATUS ("Succeeded"), FINISHED);
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 200, ended);
    OWNED (received_destroy)
    received_t *call = call_expect (self->api, "DELETE", "/api/v1/namespaces/default/pods/a");
    const node_t *options = node_get (call->body, "body");
    assert_int_equal (node_get_int (options, "gracePeriodSeconds", -1), 0);
    assert_string_equal (node_get_text (node_get (options, "preconditions"), "uid", ""), "a-uid");
    call_answer (self->api, call, 200, ended);
    report (self, ended, STATUS ("Succeeded"), FINISHED); // we are told late that it is gone
    expect_silence (self);
}

static void
a_deletion_is_tried_until_it_is_done (void **state)
{
    world_t *self = *state;
    OWNED (free_text) char *ended = pod_json ("a", DELETED, STATUS ("Failed"));
    report (self, ended, STATUS ("Failed"), FINISHED);
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 200, ended);
    call_expect_and_answer (self->api, "DELETE", "/api/v1/namespaces/default/pods/a", 500, "{}");
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 200, ended);
    // a conflict: is it another pod by now? not yet
    call_expect_and_answer (self->api, "DELETE", "/api/v1/namespaces/default/pods/a", 409, "{}");
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 200, ended);
    call_expect_and_answer (self->api, "DELETE", "/api/v1/namespaces/default/pods/a", 409, "{}");
    OWNED (free_text) char *other = pod_json ("other", "", STATUS ("Pending"));
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/a", 200, other);
    expect_silence (self);
}

// ---- mirror pods ----

#define NODE "{\"node\": {\"metadata\": {\"name\": \"lab-node\", \"uid\": \"node-uid\"}}}"

static const char STATIC_POD[] =
    "{\"metadata\": {\"namespace\": \"default\", \"name\": \"s\", \"uid\": \"hash\", "
    "\"annotations\": {\"kubernetes.io/config.source\": \"file\", \"kubernetes.io/config.hash\": "
    "\"hash\"}}, \"spec\": {\"restartPolicy\": \"Always\"}}";

static char *
mirror_json (const char *uid, const char *hash, const char *meta)
{
    return text_format (
        "{\"metadata\": {\"namespace\": \"default\", \"name\": \"s\", \"uid\": \"%s\", "
        "\"annotations\": {\"kubernetes.io/config.mirror\": \"%s\"}%s}, \"status\": {\"phase\": "
        "\"Pending\", \"conditions\": []}}",
        uid, hash, meta);
}

static void
report_static (world_t *self, const char *mirror, const char *rest)
{
    OWNED (free_text)
    char *more = text_format ("%s%s%s", rest, mirror ? ", \"mirror\": " : "", mirror ? mirror : "");
    report (self, STATIC_POD, STATUS ("Running"), more);
}

static void
expect_mirror (world_t *self, const char *uid)
{
    OWNED (received_destroy)
    received_t *call = call_expect (self->api, "POST", "/api/v1/namespaces/default/pods");
    const node_t *metadata = node_at (call->body, "body", "metadata", NULL);
    const node_t *owner = node_item (node_get (metadata, "ownerReferences"), 0);
    assert_string_equal (node_get_text (owner, "uid", ""), "node-uid");
    assert_string_equal (
        node_get_text (node_get (metadata, "annotations"), "kubernetes.io/config.mirror", ""),
        "hash");
    OWNED (free_text) char *mirror = mirror_json (uid, "hash", "");
    call_answer (self->api, call, 201, mirror);
}

static void
expect_mirror_status (world_t *self, const char *uid)
{
    OWNED (free_text) char *mirror = mirror_json (uid, "hash", "");
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/s", 200, mirror);
    OWNED (received_destroy)
    received_t *call = call_expect (self->api, "PATCH", "/api/v1/namespaces/default/pods/s/status");
    assert_string_equal (node_get_text (node_at (call->body, "body", "metadata", NULL), "uid", ""),
                         uid);
    call_answer (self->api, call, 200, mirror);
}

static void
a_static_pod_gets_a_mirror_when_the_node_is_there (void **state)
{
    world_t *self = *state;
    report_static (self, NULL, RUNNING);
    expect_silence (self);
    peer_send_json (self->manager, REPORTER, MSG_NODE_OBJECT, NODE);
    expect_mirror (self, "m1");
    expect_mirror_status (self, "m1");
    expect_silence (self);
}

static void
a_wrong_mirror_is_replaced (void **state)
{
    static const struct {
        const char *hash, *meta;
    } WRONG[] = { { "old", "" }, { "hash", DELETED } };
    world_t *self = *state;
    peer_send_json (self->manager, REPORTER, MSG_NODE_OBJECT, NODE);
    for (size_t i = 0; i < COUNT_OF (WRONG); i++) {
        OWNED (free_text) char *wrong = mirror_json ("m1", WRONG[i].hash, WRONG[i].meta);
        report_static (self, wrong, RUNNING);
        {
            OWNED (received_destroy)
            received_t *call =
                call_expect (self->api, "DELETE", "/api/v1/namespaces/default/pods/s");
            const node_t *options = node_get (call->body, "body");
            assert_string_equal (node_get_text (node_get (options, "preconditions"), "uid", ""),
                                 "m1");
            call_answer (self->api, call, 200, "{}");
        }
        expect_mirror (self, "m2");
        expect_mirror_status (self, "m2");
    }
    expect_silence (self);
}

/* What is reported while a removal is under way counts when that is over. */
static void
a_report_comes_while_a_wrong_mirror_is_removed (void **state)
{
    static const struct {
        const char *mirror; // of the report
        bool is_made;       // one afterwards
    } REPORTS[] = { { NULL, true }, { "m2", false } };
    world_t *self = *state;
    OWNED (free_text) char *wrong = mirror_json ("m1", "old", "");
    OWNED (free_text) char *right = mirror_json ("m2", "hash", "");
    peer_send_json (self->manager, REPORTER, MSG_NODE_OBJECT, NODE);
    for (size_t i = 0; i < COUNT_OF (REPORTS); i++) {
        report_static (self, wrong, RUNNING);
        OWNED (received_destroy)
        received_t *call = call_expect (self->api, "DELETE", "/api/v1/namespaces/default/pods/s");
        report_static (self, REPORTS[i].mirror ? right : NULL, RUNNING);
        expect_silence (self); // it has been heard
        call_answer (self->api, call, 409, "{}");
        call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/s", 200, right);
        if (REPORTS[i].is_made)
            expect_mirror (self, "m2");
        expect_mirror_status (self, "m2");
    }
    expect_silence (self);
}

static void
a_mirror_that_somebody_deletes_comes_back_unless_the_pod_stops (void **state)
{
    world_t *self = *state;
    OWNED (free_text) char *mirror = mirror_json ("m1", "hash", "");
    peer_send_json (self->manager, REPORTER, MSG_NODE_OBJECT, NODE);
    report_static (self, mirror, RUNNING);
    expect_mirror_status (self, "m1");
    report_static (self, NULL, RUNNING);
    expect_mirror (self, "m2");
    expect_mirror_status (self, "m2");
    report_static (self, NULL, RUNNING ", \"terminating\": true");
    expect_silence (self);
}

static void
a_mirror_without_a_static_pod_is_deleted (void **state)
{
    world_t *self = *state;
    peer_send_json (self->manager, REPORTER, MSG_MIRROR_ORPHAN,
                    "{\"namespace\": \"default\", \"name\": \"s\", \"uid\": \"m1\"}");
    call_expect_and_answer (self->api, "DELETE", "/api/v1/namespaces/default/pods/s", 503, "{}");
    // a conflict, but not with another pod
    call_expect_and_answer (self->api, "DELETE", "/api/v1/namespaces/default/pods/s", 409, "{}");
    OWNED (free_text) char *mirror = mirror_json ("m1", "hash", "");
    call_expect_and_answer (self->api, "GET", "/api/v1/namespaces/default/pods/s", 200, mirror);
    OWNED (received_destroy)
    received_t *call = call_expect (self->api, "DELETE", "/api/v1/namespaces/default/pods/s");
    const node_t *options = node_get (call->body, "body");
    assert_int_equal (node_get_int (options, "gracePeriodSeconds", -1), 0);
    assert_string_equal (node_get_text (node_get (options, "preconditions"), "uid", ""), "m1");
    call_answer (self->api, call, 200, "{}");
    expect_silence (self);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_status_is_patched_once),
        TEST (what_the_api_server_has_already_is_not_sent),
        TEST (while_a_request_is_under_way_only_the_newest_status_counts),
        TEST (a_status_is_sent_until_it_is_accepted),
        TEST (a_new_api_client_is_asked_at_once),
        TEST (a_pod_that_is_gone_is_forgotten),
        TEST (only_some_pods_are_under_way_at_once),
        TEST (a_pod_is_deleted_when_nothing_of_it_is_left),
        TEST (a_deletion_is_tried_until_it_is_done),
        TEST (a_static_pod_gets_a_mirror_when_the_node_is_there),
        TEST (a_wrong_mirror_is_replaced),
        TEST (a_report_comes_while_a_wrong_mirror_is_removed),
        TEST (a_mirror_that_somebody_deletes_comes_back_unless_the_pod_stops),
        TEST (a_mirror_without_a_static_pod_is_deleted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
