/* The node-reporter; the test is its API server, runtime, api-watcher and event-recorder. */
#include "cubelet/actors.h"
#include "cubelet/api_call.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_api_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define REPORTER "node-reporter"
#define NODE "/api/v1/nodes/lab-node"
#define STATUS NODE "/status"

#define UP                                                                                         \
    "{\"up\": true, \"ready\": true, \"network_ready\": true, \"name\": \"r\", "                   \
    "\"version\": \"1\"}"
#define NO_NETWORK                                                                                 \
    "{\"up\": true, \"ready\": true, \"network_ready\": false, \"reason\": \"no network\", "       \
    "\"name\": \"r\", \"version\": \"1\"}"

typedef struct {
    stage_t *stage;
    peer_t *api, *runtime, *watcher, *events;
    const char *runtime_state;
} world_t;

static world_t *
world_new (const char *more_args)
{
    fault_t fault = { 0 };
    OWNED (free_text)
    char *json = text_format (
        "{\"node_name\": \"lab-node\", \"node\": {\"kind\": \"Node\", \"metadata\": {\"name\": "
        "\"lab-node\", \"labels\": {\"kubernetes.io/os\": \"linux\", \"a\": \"b\"}}}, \"ips\": "
        "[\"192.0.2.2\"], \"capacity\": {\"cpu\": \"2\", \"memory\": \"1Gi\", \"pods\": \"110\", "
        "\"ephemeral-storage\": \"1Gi\"}, \"allocatable\": {\"cpu\": \"2\"}, \"info\": "
        "{\"bootID\": \"boot\"}, \"port\": 10250, \"max_images\": 50, \"cgroup_version\": 1, "
        "\"launched_ms\": %lld%s}",
        (long long) clock_monotonic_ms(), more_args);
    OWNED (tree_destroy) tree_t *args = json_read (json, strlen (json), &fault);
    assert_non_null (args);
    world_t *self = memory_new (1, sizeof *self);
    self->stage = stage_new();
    self->api = stage_peer (self->stage, API_CLIENT);
    self->runtime = stage_peer (self->stage, "runtime");
    self->watcher = stage_peer (self->stage, "api-watcher");
    self->events = stage_peer (self->stage, "event-recorder");
    self->runtime_state = UP;
    stage_actor (self->stage, &node_reporter_class, REPORTER, tree_root (args));
    return self;
}

static void
world_destroy (world_t **self_p)
{
    stage_destroy (&(*self_p)->stage);
    free (*self_p);
    *self_p = NULL;
}

/* Plays the runtime until the actor asks the API server something. */
static received_t *
next_call (world_t *self)
{
    for (int64_t end = clock_monotonic_ms() + PEER_DEADLINE_MS; clock_monotonic_ms() < end;) {
        received_t *call = peer_next (self->api, 10);
        if (call && call->type == MSG_API_REQUEST)
            return call;
        received_destroy (&call);
        OWNED (received_destroy) received_t *asked = peer_next (self->runtime, 10);
        if (asked && asked->type == MSG_RUNTIME_STATE_GET)
            peer_reply_json (self->runtime, asked, self->runtime_state);
        else if (asked && asked->type == MSG_CRI_LIST_IMAGES)
            peer_reply_json (
                self->runtime, asked,
                "{\"images\": [{\"id\": \"i\", \"repo_tags\": [\"t\"], \"size\": 7}]}");
    }
    fail_msg ("the API server was asked nothing");
    return NULL;
}

static received_t *
expect_call (world_t *self, const char *method, const char *path)
{
    received_t *call = next_call (self);
    call_check (call, method, path);
    return call;
}

static void
expect_and_answer (world_t *self, const char *method, const char *path, int code, const char *body)
{
    OWNED (received_destroy) received_t *call = expect_call (self, method, path);
    call_answer (self->api, call, code, body);
}

static void
expect_event (world_t *self, const char *reason)
{
    OWNED (received_destroy) received_t *event = peer_expect (self->events, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), reason);
    assert_string_equal (node_get_text (node_get (event->body, "object"), "kind", ""), "Node");
}

static void
expect_first_events (world_t *self)
{
    expect_event (self, "Starting");
    expect_event (self, "CgroupV1");
    expect_event (self, "NodeHasSufficientMemory");
    expect_event (self, "NodeHasNoDiskPressure");
    expect_event (self, "NodeHasSufficientPID");
}

/* The Node as the API server would have it after a POST of `call`, or a PATCH that gave it all of
   its conditions. */
static char *
node_json (const char *version, const char *ready, const char *rest)
{
    return text_format (
        "{\"metadata\": {\"name\": \"lab-node\", \"uid\": \"u\", \"resourceVersion\": \"%s\", "
        "\"labels\": {\"kubernetes.io/os\": \"linux\"}}, \"spec\": {%s}, \"status\": "
        "{\"conditions\": [{\"type\": \"MemoryPressure\", \"status\": \"False\"}, {\"type\": "
        "\"DiskPressure\", \"status\": \"False\"}, {\"type\": \"PIDPressure\", \"status\": "
        "\"False\"}, {\"type\": \"Ready\", \"status\": \"%s\"}]}}",
        version, rest, ready);
}

static const node_t *
condition (const node_t *object, const char *type)
{
    NODE_EACH (node_at (object, "status", "conditions", NULL), item)
    if (strcmp (node_get_text (item, "type", ""), type) == 0)
        return item;
    return NULL;
}

static void
a_node_is_registered_with_its_status (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *self = world_new ("");
    OWNED (received_destroy) received_t *call = expect_call (self, "POST", "/api/v1/nodes");
    const node_t *node = node_get (call->body, "body");
    assert_string_equal (node_get_text (condition (node, "Ready"), "status", ""), "True");
    assert_string_equal (
        node_get_text (node_at (node, "status", "nodeInfo", NULL), "containerRuntimeVersion", ""),
        "r://1");
    assert_int_equal (node_count (node_at (node, "status", "images", NULL)), 1);
    assert_string_equal (node_get_text (node_at (node, "metadata", "labels", NULL), "a", ""), "b");
    expect_first_events (self);
}

static void
registration_is_tried_until_it_succeeds (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *self = world_new (", \"update_ms\": 50");
    {
        OWNED (received_destroy) received_t *lost = expect_call (self, "POST", "/api/v1/nodes");
        peer_reply_fault (self->api, lost, FAULT_UNAVAILABLE, "the api-client was restarted");
    }
    expect_and_answer (self, "POST", "/api/v1/nodes", 500, "{}");
    expect_and_answer (self, "POST", "/api/v1/nodes", 409, "{\"reason\": \"AlreadyExists\"}");
    expect_and_answer (self, "GET", NODE, 503, "{}");
    expect_and_answer (self, "POST", "/api/v1/nodes", 403, "{}");
    expect_and_answer (self, "GET", NODE, 200,
                       "{\"metadata\": {\"uid\": \"u\", \"labels\": {\"x\": \"y\"}}}");
    {
        OWNED (received_destroy) received_t *call = expect_call (self, "PATCH", STATUS);
        const node_t *labels = node_at (call->body, "body", "metadata", "labels", NULL);
        assert_string_equal (node_get_text (labels, "kubernetes.io/os", ""), "linux");
        assert_null (node_get (labels, "a")); // only default labels are set right
        call_answer (
            self->api, call, 200,
            "{\"metadata\": {\"uid\": \"u\", \"labels\": {\"kubernetes.io/os\": \"linux\"}}}");
    }
    // and the status follows at once
    OWNED (received_destroy) received_t *call = expect_call (self, "PATCH", STATUS);
    const node_t *body = node_get (call->body, "body");
    assert_string_equal (node_get_text (call->body, "query", ""), "timeout=10s");
    assert_string_equal (node_get_text (condition (body, "Ready"), "status", ""), "True");
    expect_first_events (self); // once, however often it was tried
}

static void
a_node_that_gets_ready_says_so_at_once (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *self = world_new ("");
    self->runtime_state = NO_NETWORK;
    {
        OWNED (received_destroy) received_t *call = expect_call (self, "POST", "/api/v1/nodes");
        const node_t *ready = condition (node_get (call->body, "body"), "Ready");
        assert_string_equal (node_get_text (ready, "message", ""), "no network");
        // what was posted, with a version
        OWNED (tree_destroy) tree_t *tree = tree_copy (node_get (call->body, "body"));
        node_t *metadata = node_get_mutable (tree_root (tree), "metadata");
        node_set_text (tree, metadata, "uid", "u");
        OWNED (free_text) char *json = json_write (tree_root (tree), JSON_COMPACT, NULL);
        call_answer (self->api, call, 201, json);
    }
    expect_first_events (self);
    self->runtime_state = UP; // long before the 10 s of a round
    OWNED (received_destroy) received_t *call = expect_call (self, "PATCH", STATUS);
    const node_t *body = node_get (call->body, "body");
    const node_t *conditions = node_at (body, "status", "conditions", NULL);
    assert_string_equal (node_get_text (condition (body, "Ready"), "reason", ""), "KubeletReady");
    assert_true (node_count (conditions) > 0);
    OWNED (free_text) char *node = node_json ("2", "True", "");
    call_answer (self->api, call, 200, node);
    expect_event (self, "NodeReady");
}

/* A node that was registered and is ready; the API server has said version 1 of it. */
static world_t *
ready_world (const char *more_args, const char *rest)
{
    world_t *self = world_new (more_args);
    OWNED (free_text) char *node = node_json ("1", "True", rest);
    expect_and_answer (self, "POST", "/api/v1/nodes", 201, node);
    expect_first_events (self);
    return self;
}

#define OFTEN ", \"update_ms\": 50"

static void
statuses_are_tried_again_with_the_newest_node (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *self = ready_world (OFTEN, "");
    expect_and_answer (self, "PATCH", STATUS, 409, "{}");
    OWNED (free_text) char *node = node_json ("2", "False", "");
    expect_and_answer (self, "GET", NODE, 200, node);
    {
        OWNED (received_destroy) received_t *call = expect_call (self, "PATCH", STATUS);
        const node_t *ready = condition (node_get (call->body, "body"), "Ready");
        assert_string_equal (node_get_text (ready, "status", ""), "True");
        peer_reply_fault (self->api, call, FAULT_UNAVAILABLE, "connection refused");
    }
    OWNED (free_text) char *ready = node_json ("3", "True", "");
    expect_and_answer (self, "PATCH", STATUS, 200, ready);
    expect_event (self, "NodeReady");
}

static void
pressure_is_reported_at_once_and_foreign_conditions_stay (void **state)
{
    (void) state;
    // the next round by itself would come too late
    OWNED (world_destroy) world_t *self = ready_world (", \"update_ms\": 1000000", "");
    peer_send_json (self->watcher, REPORTER, MSG_NODE_OBJECT,
                    "{\"node\": {\"metadata\": {\"uid\": \"u\", \"resourceVersion\": \"3\"}, "
                    "\"status\": {\"conditions\": [{\"type\": \"MemoryPressure\", \"status\": "
                    "\"False\"}, {\"type\": \"Gate\", \"status\": \"True\"}]}}}");
    peer_send_json (self->watcher, REPORTER, MSG_NODE_PRESSURE,
                    "{\"memory\": true, \"disk\": false, \"pid\": false}");
    OWNED (received_destroy) received_t *call = expect_call (self, "PATCH", STATUS);
    const node_t *body = node_get (call->body, "body");
    assert_string_equal (node_get_text (condition (body, "MemoryPressure"), "reason", ""),
                         "KubeletHasInsufficientMemory");
    assert_null (condition (body, "Gate"));
    OWNED (free_text) char *node = node_json ("4", "True", "");
    call_answer (self->api, call, 200, node);
    expect_event (self, "NodeHasInsufficientMemory");
}

static void
pods_addresses_are_told_to_the_runtime (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *self = ready_world (OFTEN, "\"podCIDRs\": [\"10.0.0.0/24\", \"fd00::/64\"]");
    for (int i = 0; i < 2; i++) { // the first time it fails
        OWNED (received_destroy) received_t *call = NULL;
        while (!call) {
            OWNED (received_destroy) received_t *patch = peer_next (self->api, 10);
            if (patch && patch->type == MSG_API_REQUEST)
                call_answer (self->api, patch, 500, "{}");
            received_t *asked = peer_next (self->runtime, 10);
            if (asked && asked->type == MSG_CRI_UPDATE_RUNTIME_CONFIG) {
                call = asked;
                continue;
            }
            if (asked && asked->type == MSG_RUNTIME_STATE_GET)
                peer_reply_json (self->runtime, asked, UP);
            received_destroy (&asked);
        }
        const node_t *network = node_at (call->body, "runtime_config", "network_config", NULL);
        assert_string_equal (node_get_text (network, "pod_cidr", ""), "10.0.0.0/24,fd00::/64");
        peer_reply_fault (self->runtime, call, FAULT_UNAVAILABLE, "not now");
    }
}

static void
a_deleted_node_does_not_come_back_by_itself (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *self = ready_world (OFTEN, "");
    expect_and_answer (self, "PATCH", STATUS, 404, "{}");
    expect_and_answer (self, "GET", NODE, 404, "{}");
    expect_and_answer (self, "GET", NODE, 404, "{}");
    OWNED (free_text) char *node = node_json ("9", "Unknown", ""); // somebody made it again
    expect_and_answer (self, "GET", NODE, 200, node);
    OWNED (received_destroy) received_t *call = expect_call (self, "PATCH", STATUS);
}

static void
a_node_that_others_register_is_only_kept_up_to_date (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *self = world_new (OFTEN ", \"registers\": false");
    expect_and_answer (self, "GET", NODE, 404, "{}");
    OWNED (free_text) char *node = node_json ("1", "Unknown", "");
    expect_and_answer (self, "GET", NODE, 200, node);
    OWNED (received_destroy) received_t *call = expect_call (self, "PATCH", STATUS);
}

static void
cordoning_is_an_event (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *self = ready_world ("", "");
    OWNED (free_text) char *node = node_json ("5", "True", "\"unschedulable\": true");
    OWNED (free_text) char *body = text_format ("{\"node\": %s}", node);
    peer_send_json (self->watcher, REPORTER, MSG_NODE_OBJECT, body);
    expect_event (self, "NodeNotSchedulable");
    OWNED (free_text) char *old = node_json ("4", "True", "");
    OWNED (free_text) char *old_body = text_format ("{\"node\": %s}", old);
    peer_send_json (self->watcher, REPORTER, MSG_NODE_OBJECT, old_body); // came late
    OWNED (free_text) char *new = node_json ("6", "True", "");
    OWNED (free_text) char *new_body = text_format ("{\"node\": %s}", new);
    peer_send_json (self->watcher, REPORTER, MSG_NODE_OBJECT, new_body);
    expect_event (self, "NodeSchedulable");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_node_is_registered_with_its_status),
        cmocka_unit_test (registration_is_tried_until_it_succeeds),
        cmocka_unit_test (a_node_that_gets_ready_says_so_at_once),
        cmocka_unit_test (statuses_are_tried_again_with_the_newest_node),
        cmocka_unit_test (pressure_is_reported_at_once_and_foreign_conditions_stay),
        cmocka_unit_test (pods_addresses_are_told_to_the_runtime),
        cmocka_unit_test (a_deleted_node_does_not_come_back_by_itself),
        cmocka_unit_test (a_node_that_others_register_is_only_kept_up_to_date),
        cmocka_unit_test (cordoning_is_an_event),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
