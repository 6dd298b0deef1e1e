/* test_api_watcher.c - lists and watches against an API server played by the test. */
#include "cubelet/actors.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_api_server.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NODE_LIST "GET /api/v1/nodes?fieldSelector=metadata.name%3Dn1&limit=500&resourceVersion=0"
#define POD_LIST "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1&limit=500&resourceVersion="
#define POD_WATCH                                                                                  \
    "GET /api/v1/pods?allowWatchBookmarks=true&fieldSelector=spec.nodeName%3Dn1&resourceVersion="
#define CONFIG_MAPS "GET /api/v1/namespaces/ns/configmaps?"
#define CONFIG_MAP_LIST CONFIG_MAPS "fieldSelector=metadata.name%3Dcm&limit=500&resourceVersion="
#define CONFIG_MAP_WATCH CONFIG_MAPS "allowWatchBookmarks"
#define WORKER "pod-worker/ns_p_u1"

typedef struct {
    stage_t *stage;
    api_server_t *server;
    peer_t *pods, *node, *status, *worker;
} fixture_t;

/* `more` are further arguments, ", \"key\": value". */
static fixture_t
fixture_with (const char *more)
{
    fixture_t self = { .stage = stage_new(), .server = api_server_new() };
    self.pods = stage_peer (self.stage, "pod-manager");
    self.node = stage_peer (self.stage, "node-reporter");
    self.status = stage_peer (self.stage, "status-reporter");
    self.worker = stage_peer (self.stage, WORKER);
    OWNED (free_text)
    char *json = text_format ("{\"kubeconfig\": \"%s\", \"node_name\": \"n1\"%s}",
                              api_server_kubeconfig (self.server, NULL), more);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *args = json_read (json, strlen (json), &fault);
    stage_actor (self.stage, &api_watcher_class, "api-watcher", tree_root (args));
    return self;
}

static fixture_t
fixture_new (void)
{
    return fixture_with ("");
}

static void
fixture_end (fixture_t *self)
{
    stage_destroy (&self->stage);
    api_server_destroy (&self->server);
}

/* Answers the node's list with no Node, so that the pods are listed. */
static void
let_pods_begin (fixture_t *self)
{
    api_answer (api_expect (self->server, NODE_LIST), 200, NULL,
                "{\"kind\": \"NodeList\", \"metadata\": {\"resourceVersion\": \"7\"},"
                " \"items\": []}");
}

static char *
pod_json (const char *name, const char *uid, const char *version)
{
    return text_format ("{\"metadata\": {\"name\": \"%s\", \"namespace\": \"ns\", \"uid\": \"%s\","
                        " \"resourceVersion\": \"%s\", \"managedFields\": [{\"manager\": \"m\"}],"
                        " \"annotations\": {\"a\": \"b\"}},"
                        " \"spec\": {\"nodeName\": \"n1\", \"containers\": [{\"name\": \"c\"}]}}",
                        name, uid, version);
}

static char *
event_json (const char *type, const char *object)
{
    return text_format ("{\"type\": \"%s\", \"object\": %s}\n", type, object);
}

static char *
list_json (const char *version, const char *more, const char *items)
{
    return text_format ("{\"metadata\": {\"resourceVersion\": \"%s\", \"continue\": \"%s\"},"
                        " \"items\": [%s]}",
                        version, more, items);
}

static void
answer_list (api_request_t *request, const char *version, const char *more, const char *items)
{
    OWNED (free_text) char *list = list_json (version, more, items);
    api_answer (request, 200, NULL, list);
}

static void
send_event (api_request_t *watch, const char *type, const char *object)
{
    OWNED (free_text) char *event = event_json (type, object);
    api_stream_send (watch, event);
}

static const char *
name_of (const node_t *object)
{
    return node_as_text (node_at (object, "metadata", "name", NULL), "");
}

/* The next full set of pods has that many. Owned. */
static received_t *
expect_pods (fixture_t *self, size_t count)
{
    received_t *message = peer_expect (self->pods, MSG_SOURCE_PODS);
    assert_string_equal (node_get_text (message->body, "source", ""), "api");
    assert_int_equal (node_count (node_get (message->body, "pods")), count);
    return message;
}

/* The next change is of that UID; `has_pod`: not gone. */
static void
expect_change (fixture_t *self, const char *uid, bool has_pod)
{
    OWNED (received_destroy) received_t *message = peer_expect (self->pods, MSG_SOURCE_POD);
    assert_string_equal (node_get_text (message->body, "uid", ""), uid);
    assert_int_equal (node_get (message->body, "pod") != NULL, has_pod);
}

static void
pods_are_listed_in_pages_and_told_at_once_without_what_nobody_needs (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    assert_null (api_next (self.server, POD_LIST, 50)); // the Node comes first
    let_pods_begin (&self);
    OWNED (free_text) char *one = pod_json ("p1", "u1", "3");
    OWNED (free_text) char *two = pod_json ("p2", "u2", "4");
    answer_list (api_expect (self.server, POD_LIST "0"), "9", "to&ken", one);
    answer_list (api_expect (self.server, "GET /api/v1/pods?continue=to%26ken&fieldSelector="), "9",
                 "", two);
    OWNED (received_destroy) received_t *message = expect_pods (&self, 2);
    const node_t *pod = node_item (node_get (message->body, "pods"), 0);
    const node_t *annotations = node_at (pod, "metadata", "annotations", NULL);
    assert_null (node_at (pod, "metadata", "managedFields", NULL));
    assert_string_equal (node_get_text (annotations, "a", ""), "b");
    assert_string_equal (node_get_text (annotations, "kubernetes.io/config.source", ""), "api");
    assert_non_null (node_get_text (annotations, "kubernetes.io/config.seen", NULL));
    api_request_t *watch = api_expect (self.server, POD_WATCH "9&timeoutSeconds=");
    assert_non_null (strstr (watch->target, "&watch=true"));
    fixture_end (&self);
}

/* Lists one pod, p1 of UID u1, and returns the watch. */
static api_request_t *
reach_watch (fixture_t *self)
{
    let_pods_begin (self);
    OWNED (free_text) char *pod = pod_json ("p1", "u1", "3");
    answer_list (api_expect (self->server, POD_LIST "0"), "9", "", pod);
    OWNED (received_destroy) received_t *message = expect_pods (self, 1);
    api_request_t *watch = api_expect (self->server, POD_WATCH "9&");
    api_stream_begin (watch);
    return watch;
}

static void
events_are_told_one_by_one_in_whatever_pieces_they_come (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    api_request_t *watch = reach_watch (&self);
    OWNED (free_text) char *two = pod_json ("p2", "u2", "10");
    OWNED (free_text) char *event = event_json ("ADDED", two);
    for (const char *c = event; *c; c++)
        api_stream_send (watch, (char[]){ *c, '\0' });
    expect_change (&self, "u2", true);
    OWNED (free_text) char *again = pod_json ("p1", "u3", "11"); // another pod of that name
    send_event (watch, "MODIFIED", again);
    expect_change (&self, "u1", false);
    expect_change (&self, "u3", true);
    send_event (watch, "DELETED", two);
    expect_change (&self, "u2", false);
    // a pod-manager that starts anew is told all
    peer_send_json (self.node, "api-watcher", MSG_ACTOR_UP,
                    "{\"name\": \"pod-manager\", \"class\": \"pod-manager\", \"restarts\": 1}");
    OWNED (received_destroy) received_t *message = expect_pods (&self, 1);
    assert_string_equal (name_of (node_item (node_get (message->body, "pods"), 0)), "p1");
    fixture_end (&self);
}

// ---- streamed lists ----

#define STREAM(resource) "GET /api/v1/" resource "?allowWatchBookmarks=true&fieldSelector="
#define LIST_END                                                                                   \
    "{\"kind\": \"Pod\", \"metadata\": {\"resourceVersion\": \"20\","                              \
    " \"annotations\": {\"k8s.io/initial-events-end\": \"true\"}}}"

/* The stream of the pods; the Node's is answered with none. */
static api_request_t *
reach_stream (fixture_t *self)
{
    api_request_t *node = api_expect (self->server, STREAM ("nodes"));
    api_stream_begin (node);
    send_event (node, "BOOKMARK", LIST_END);
    api_request_t *pods = api_expect (self->server, STREAM ("pods"));
    assert_non_null (strstr (pods->target, "&resourceVersionMatch=NotOlderThan"
                                           "&sendInitialEvents=true&timeoutSeconds="));
    return pods;
}

static void
a_streamed_list_is_told_as_a_whole_and_goes_on_as_a_watch (void **state)
{
    (void) state;
    fixture_t self = fixture_with (", \"streams_lists\": true");
    api_request_t *stream = reach_stream (&self);
    OWNED (free_text) char *one = pod_json ("p1", "u1", "3");
    OWNED (free_text) char *two = pod_json ("p2", "u2", "4");
    OWNED (free_text) char *three = pod_json ("p3", "u3", "21");
    api_stream_begin (stream);
    send_event (stream, "ADDED", one);
    send_event (stream, "ADDED", two);
    send_event (stream, "BOOKMARK", "{\"metadata\": {\"resourceVersion\": \"5\"}}"); // not yet
    send_event (stream, "DELETED", one);
    send_event (stream, "BOOKMARK", LIST_END);
    OWNED (received_destroy) received_t *all = expect_pods (&self, 1);
    send_event (stream, "ADDED", three);
    expect_change (&self, "u3", true);
    api_stream_end (stream);
    api_expect (self.server, POD_WATCH "21&timeoutSeconds="); // no second list
    fixture_end (&self);
}

static void
a_server_that_refuses_to_stream_is_asked_for_pages (void **state)
{
    (void) state;
    fixture_t self = fixture_with (", \"streams_lists\": true");
    api_request_t *stream = reach_stream (&self);
    OWNED (free_text) char *one = pod_json ("p1", "u1", "3");
    OWNED (free_text) char *two = pod_json ("p2", "u2", "4");
    api_answer (stream, 422, NULL, "{\"code\": 422, \"reason\": \"Invalid\"}");
    answer_list (api_expect (self.server, POD_LIST "0"), "9", "more", one);
    answer_list (api_expect (self.server, "GET /api/v1/pods?continue=more&"), "9", "", two);
    OWNED (received_destroy) received_t *all = expect_pods (&self, 2);
    api_answer (api_expect (self.server, POD_WATCH "9&"), 410, NULL, "{}");
    // the next list is asked for as a stream again, from where we are
    stream = api_expect (self.server, POD_WATCH "9&resourceVersionMatch=NotOlderThan&");
    api_stream_begin (stream);
    send_event (stream, "ADDED", two);
    send_event (stream, "BOOKMARK", LIST_END);
    OWNED (received_destroy) received_t *again = expect_pods (&self, 1);
    fixture_end (&self);
}

static void
a_stream_that_breaks_before_its_end_counts_for_nothing (void **state)
{
    (void) state;
    fixture_t self = fixture_with (", \"streams_lists\": true");
    api_request_t *stream = reach_stream (&self);
    OWNED (free_text) char *one = pod_json ("p1", "u1", "3");
    OWNED (free_text) char *two = pod_json ("p2", "u2", "4");
    api_stream_begin (stream);
    send_event (stream, "ADDED", one);
    api_hang_up (stream, true);
    stream = api_expect (self.server, STREAM ("pods"));
    assert_non_null (strstr (stream->target, "sendInitialEvents=true"));
    api_stream_begin (stream);
    send_event (stream, "ADDED", two);
    send_event (stream, "BOOKMARK", LIST_END);
    OWNED (received_destroy) received_t *all = expect_pods (&self, 1);
    const node_t *pod = node_item (node_get (all->body, "pods"), 0);
    assert_string_equal (name_of (pod), "p2");
    fixture_end (&self);
}

static void
a_watch_that_ends_or_breaks_goes_on_where_it_was (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    api_request_t *watch = reach_watch (&self);
    send_event (watch, "BOOKMARK",
                "{\"kind\": \"Pod\", \"metadata\": {\"resourceVersion\": \"15\"}}");
    api_stream_end (watch);
    watch = api_expect (self.server, POD_WATCH "15&");
    api_stream_begin (watch);
    OWNED (free_text) char *two = pod_json ("p2", "u2", "16");
    send_event (watch, "ADDED", two);
    expect_change (&self, "u2", true);
    api_hang_up (watch, true);
    watch = api_expect (self.server, POD_WATCH "16&");
    api_answer (watch, 429, NULL, "{}");
    watch = api_expect (self.server, POD_WATCH "16&");
    api_hang_up (watch, false);
    api_expect (self.server, POD_WATCH "16&");
    fixture_end (&self);
}

static void
a_version_that_is_too_old_means_a_new_list (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    api_request_t *watch = reach_watch (&self);
    send_event (watch, "ERROR", "{\"kind\": \"Status\", \"code\": 410, \"reason\": \"Expired\"}");
    api_request_t *list = api_expect (self.server, POD_LIST "9");
    api_answer (list, 410, NULL, "{\"code\": 410, \"reason\": \"Expired\"}");
    list = api_expect (self.server, "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1&limit=500");
    assert_null (strstr (list->target, "resourceVersion"));
    answer_list (list, "99", "", "");
    OWNED (received_destroy) received_t *message = expect_pods (&self, 0);
    watch = api_expect (self.server, POD_WATCH "99&");
    api_answer (watch, 410, NULL, "{}");
    api_expect (self.server, POD_LIST "99");
    fixture_end (&self);
}

static void
garbage_on_a_watch_means_a_new_list (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    api_request_t *watch = reach_watch (&self);
    api_stream_send (watch, "{\"type\": \"ADDED\"\n");
    api_expect (self.server, POD_LIST "9");
    fixture_end (&self);
}

static void
a_list_that_fails_is_tried_again (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    let_pods_begin (&self);
    api_answer (api_expect (self.server, POD_LIST "0"), 500, NULL, "{\"message\": \"no\"}");
    api_hang_up (api_expect (self.server, POD_LIST "0"), true);
    answer_list (api_expect (self.server, POD_LIST "0"), "9", "", "");
    OWNED (received_destroy) received_t *message = expect_pods (&self, 0);
    fixture_end (&self);
}

static void
a_pod_that_nobody_understands_is_left_out (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    let_pods_begin (&self);
    OWNED (free_text) char *good = pod_json ("p1", "u1", "3");
    OWNED (free_text)
    char *items = text_format ("%s, {\"metadata\": {\"name\": \"bad\"}, \"spec\": 7}, {}, 5", good);
    answer_list (api_expect (self.server, POD_LIST "0"), "9", "", items);
    OWNED (received_destroy) received_t *message = expect_pods (&self, 1);
    fixture_end (&self);
}

static void
the_node_is_told_to_who_needs_it (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    let_pods_begin (&self);
    OWNED (received_destroy) received_t *none = peer_expect (self.node, MSG_NODE_OBJECT);
    assert_null (node_get (none->body, "node"));
    api_request_t *watch = api_expect (self.server, "GET /api/v1/nodes?allowWatchBookmarks");
    api_stream_begin (watch);
    send_event (watch, "ADDED", "{\"metadata\": {\"name\": \"n1\", \"resourceVersion\": \"8\"}}");
    OWNED (received_destroy) received_t *one = peer_expect (self.node, MSG_NODE_OBJECT);
    assert_string_equal (name_of (node_get (one->body, "node")), "n1");
    received_t *message = peer_expect (self.status, MSG_NODE_OBJECT);
    received_destroy (&message);
    message = peer_expect (self.pods, MSG_NODE_OBJECT);
    received_destroy (&message);
    fixture_end (&self);
}

static uint64_t
ask_services (fixture_t *self)
{
    return peer_request_json (self->worker, "api-watcher", MSG_SERVICE_LIST,
                              "{\"namespace\": \"ns\"}");
}

static void
expect_services (fixture_t *self, uint64_t id)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    const node_t *services = node_get (reply->body, "services");
    const node_t *own = node_item (services, 1);
    assert_int_equal (node_count (services), 2);
    assert_string_equal (name_of (node_item (services, 0)), "kubernetes");
    assert_string_equal (name_of (own), "b");
    assert_string_equal (node_as_text (node_at (own, "spec", "clusterIP", NULL), ""), "10.0.0.2");
}

static void
services_of_a_namespace_are_given_as_soon_as_they_are_known (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t early = ask_services (&self);
    answer_list (
        api_expect (self.server, "GET /api/v1/services?fieldSelector=spec.clusterIP%21%3DNone"),
        "5", "",
        "{\"metadata\": {\"name\": \"b\", \"namespace\": \"ns\", \"labels\": {}},"
        " \"spec\": {\"clusterIP\": \"10.0.0.2\", \"ports\": [{\"port\": 80}]}},"
        "{\"metadata\": {\"name\": \"kubernetes\", \"namespace\": \"default\"}},"
        "{\"metadata\": {\"name\": \"other\", \"namespace\": \"ns2\"}},"
        "{\"metadata\": {\"name\": \"other\", \"namespace\": \"n\"}}");
    expect_services (&self, early);
    expect_services (&self, ask_services (&self));
    fixture_end (&self);
}

static void
services_that_cannot_be_read_in_time_are_a_fault (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = ask_services (&self);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.worker, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_UNAVAILABLE);
    fixture_end (&self);
}

// ---- objects of pods ----

static void
watch_objects (fixture_t *self, const char *refs)
{
    OWNED (free_text) char *json = text_format ("{\"uid\": \"u1\", \"refs\": [%s]}", refs);
    peer_send_json (self->worker, "api-watcher", MSG_OBJECT_WATCH, json);
}

#define CONFIG_MAP_REF "{\"kind\": \"ConfigMap\", \"namespace\": \"ns\", \"name\": \"cm\"}"
#define CONFIG_MAP(version, more)                                                                  \
    "{\"metadata\": {\"name\": \"cm\", \"namespace\": \"ns\", \"resourceVersion\": \"" version     \
    "\"}, \"data\": {\"v\": \"" version "\"}" more "}"

/* The next OBJECT_STATE; its only row has this version, "" for none. */
static void
expect_version (fixture_t *self, const char *version)
{
    OWNED (received_destroy) received_t *message = peer_expect (self->worker, MSG_OBJECT_STATE);
    const node_t *row = node_item (node_get (message->body, "objects"), 0);
    assert_int_equal (node_count (node_get (message->body, "objects")), 1);
    assert_int_equal (node_get_bool (row, "found", version[0] == '\0'), version[0] != '\0');
    assert_string_equal (node_as_text (node_at (row, "object", "data", "v", NULL), ""), version);
    assert_null (node_get (row, "error"));
    if (version[0])
        assert_string_equal (node_as_text (node_at (row, "object", "kind", NULL), ""), "ConfigMap");
}

static void
an_object_is_told_after_every_change_until_nobody_needs_it (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    watch_objects (&self, CONFIG_MAP_REF);
    answer_list (api_expect (self.server, CONFIG_MAP_LIST "0"), "4", "", "");
    expect_version (&self, "");
    api_request_t *watch = api_expect (self.server, CONFIG_MAP_WATCH);
    api_stream_begin (watch);
    send_event (watch, "ADDED", CONFIG_MAP ("5", ""));
    expect_version (&self, "5");
    send_event (watch, "MODIFIED", CONFIG_MAP ("6", ""));
    expect_version (&self, "6");
    watch_objects (&self, CONFIG_MAP_REF); // who asks again is told again
    expect_version (&self, "6");
    send_event (watch, "DELETED", CONFIG_MAP ("7", ""));
    expect_version (&self, "");
    watch_objects (&self, "");
    assert_true (api_is_closed (watch, PEER_DEADLINE_MS));
    fixture_end (&self);
}

static void
an_immutable_object_is_not_watched_and_read_again_for_a_new_pod (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    peer_t *other = stage_peer (self.stage, "pod-worker/ns_q_u2");
    watch_objects (&self, CONFIG_MAP_REF);
    answer_list (api_expect (self.server, CONFIG_MAP_LIST "0"), "4", "",
                 CONFIG_MAP ("3", ", \"immutable\": true"));
    expect_version (&self, "3");
    assert_null (api_next (self.server, CONFIG_MAP_WATCH, 100));
    peer_send_json (other, "api-watcher", MSG_OBJECT_WATCH,
                    "{\"uid\": \"u2\", \"refs\": [" CONFIG_MAP_REF "]}");
    received_t *message = peer_expect (other, MSG_OBJECT_STATE);
    received_destroy (&message);
    answer_list (api_expect (self.server, CONFIG_MAP_LIST "4"), "8", "", CONFIG_MAP ("7", ""));
    expect_version (&self, "7");
    api_expect (self.server, CONFIG_MAP_WATCH);
    fixture_end (&self);
}

static void
what_cannot_be_read_is_told_with_its_reason_and_tried_again (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    watch_objects (&self, CONFIG_MAP_REF);
    for (;;) { // until a second has passed
        api_request_t *list = api_next (self.server, CONFIG_MAP_LIST "0", 100);
        if (list)
            api_answer (list, 403, NULL, "{\"code\": 403, \"message\": \"cm is forbidden\"}");
        received_t *message = peer_next (self.worker, 10);
        if (!message)
            continue;
        const node_t *row = node_item (node_get (message->body, "objects"), 0);
        assert_false (node_get_bool (row, "found", true));
        assert_string_equal (node_get_text (row, "error", ""),
                             "failed to sync configmap cache: timed out waiting for the condition"
                             ": cm is forbidden");
        received_destroy (&message);
        break;
    }
    answer_list (api_expect (self.server, CONFIG_MAP_LIST "0"), "4", "", CONFIG_MAP ("3", ""));
    expect_version (&self, "3");
    fixture_end (&self);
}

#define CONFIG_MAP_GET "GET /api/v1/namespaces/ns/configmaps/cm"

static void
with_get_an_object_is_read_at_each_sync_and_told_when_it_was (void **state)
{
    (void) state;
    fixture_t self = fixture_with (", \"detection\": \"Get\"");
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 200, NULL, CONFIG_MAP ("5", ""));
    expect_version (&self, "5");
    watch_objects (&self, CONFIG_MAP_REF); // the next sync
    api_request_t *get = api_expect (self.server, CONFIG_MAP_GET);
    assert_null (strstr (get->target, "?"));
    assert_null (peer_next (self.worker, 100)); // what is known may be old
    api_answer (get, 200, NULL, CONFIG_MAP ("6", ""));
    expect_version (&self, "6");
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 200, NULL, CONFIG_MAP ("6", ""));
    expect_version (&self, "6"); // no news, but the worker waits
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 500, NULL, "{}");
    expect_version (&self, "6"); // the API server is away: what is known stays
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 404, NULL, "{}");
    expect_version (&self, "");
    assert_null (api_next (self.server, CONFIG_MAPS, 0)); // nothing was listed or watched
    fixture_end (&self);
}

static void
what_is_no_news_is_told_only_to_who_waits_for_it (void **state)
{
    (void) state;
    fixture_t self = fixture_with (", \"detection\": \"Get\"");
    peer_t *other = stage_peer (self.stage, "pod-worker/ns_q_u2");
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 200, NULL, CONFIG_MAP ("5", ""));
    expect_version (&self, "5");
    peer_send_json (other, "api-watcher", MSG_OBJECT_WATCH,
                    "{\"uid\": \"u2\", \"refs\": [" CONFIG_MAP_REF "]}");
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 200, NULL, CONFIG_MAP ("5", ""));
    received_t *message = peer_expect (other, MSG_OBJECT_STATE);
    received_destroy (&message);
    assert_null (peer_next (self.worker, 100));
    fixture_end (&self);
}

static void
with_cache_an_object_counts_as_long_as_the_nodes_annotation_says (void **state)
{
    (void) state;
    fixture_t self = fixture_with (", \"detection\": \"Cache\"");
    peer_t *other = stage_peer (self.stage, "pod-worker/ns_q_u2");
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 200, NULL, CONFIG_MAP ("5", ""));
    expect_version (&self, "5");
    watch_objects (&self, CONFIG_MAP_REF); // a minute, if the Node says nothing
    expect_version (&self, "5");
    // a pod that is new gets what is there now, and others hear of it
    peer_send_json (other, "api-watcher", MSG_OBJECT_WATCH,
                    "{\"uid\": \"u2\", \"refs\": [" CONFIG_MAP_REF "]}");
    api_request_t *get = api_expect (self.server, CONFIG_MAP_GET);
    assert_null (strstr (get->target, "?"));
    api_answer (get, 200, NULL, CONFIG_MAP ("6", ""));
    expect_version (&self, "6");
    answer_list (api_expect (self.server, NODE_LIST), "9", "",
                 "{\"metadata\": {\"name\": \"n1\", \"annotations\":"
                 " {\"node.alpha.kubernetes.io/ttl\": \"0\"}}}");
    received_t *message = peer_expect (self.node, MSG_NODE_OBJECT);
    received_destroy (&message);
    watch_objects (&self, CONFIG_MAP_REF);
    get = api_expect (self.server, CONFIG_MAP_GET "?resourceVersion=0");
    api_answer (get, 200, NULL, CONFIG_MAP ("4", "")); // of a cache that lags behind
    expect_version (&self, "6");
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 403, NULL, "{}");
    expect_version (&self, "6");
    fixture_end (&self);
}

static void
an_object_that_is_forbidden_at_first_is_asked_for_again (void **state)
{
    (void) state;
    fixture_t self = fixture_with (", \"detection\": \"Get\"");
    watch_objects (&self, CONFIG_MAP_REF);
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 403, NULL, "{}");
    api_answer (api_expect (self.server, CONFIG_MAP_GET), 200, NULL, CONFIG_MAP ("5", ""));
    for (bool is_found = false;
         !is_found;) { // a machine that takes a second for that is told of it
        OWNED (received_destroy) received_t *message = peer_expect (self.worker, MSG_OBJECT_STATE);
        const node_t *row = node_item (node_get (message->body, "objects"), 0);
        is_found = node_get_bool (row, "found", false);
    }
    fixture_end (&self);
}

static void
a_claim_comes_with_its_volume (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    watch_objects (&self, "{\"kind\": \"PersistentVolumeClaim\", \"namespace\": \"ns\","
                          " \"name\": \"c\"}");
    api_answer (api_expect (self.server, "GET /api/v1/namespaces/ns/persistentvolumeclaims/c"), 200,
                NULL, "{\"metadata\": {\"name\": \"c\"}, \"spec\": {\"volumeName\": \"v\"}}");
    api_answer (api_expect (self.server, "GET /api/v1/persistentvolumes/v"), 200, NULL,
                "{\"metadata\": {\"name\": \"v\"}}");
    OWNED (received_destroy) received_t *message = peer_expect (self.worker, MSG_OBJECT_STATE);
    const node_t *row = node_item (node_get (message->body, "objects"), 0);
    assert_string_equal (name_of (node_get (row, "object")), "c");
    assert_string_equal (name_of (node_get (row, "volume")), "v");
    fixture_end (&self);
}

static void
a_runtime_class_comes_from_the_list_of_all (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    watch_objects (&self, "{\"kind\": \"RuntimeClass\", \"name\": \"rc\"},"
                          "{\"kind\": \"RuntimeClass\", \"namespace\": \"\", \"name\": \"none\"}");
    answer_list (api_expect (self.server, "GET /apis/node.k8s.io/v1/runtimeclasses?limit=500"), "4",
                 "", "{\"metadata\": {\"name\": \"rc\"}, \"handler\": \"h\"}");
    OWNED (received_destroy) received_t *message = peer_expect (self.worker, MSG_OBJECT_STATE);
    const node_t *rows = node_get (message->body, "objects");
    assert_string_equal (
        node_as_text (node_at (node_item (rows, 0), "object", "handler", NULL), ""), "h");
    assert_false (node_get_bool (node_item (rows, 1), "found", true));
    fixture_end (&self);
}

static void
new_credentials_bring_new_connections (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    let_pods_begin (&self);
    api_server_kubeconfig (self.server, "token: other");
    api_request_t *list = api_expect (self.server, POD_LIST "0");
    answer_list (list, "9", "", "");
    api_request_t *watch = api_expect (self.server, POD_WATCH "9&");
    api_stream_begin (watch);
    // the file is looked at every ten seconds, or when something is asked
    watch = api_expect (self.server, POD_WATCH "9&");
    assert_string_equal (api_header (watch, "Authorization"), "Bearer other");
    fixture_end (&self);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (pods_are_listed_in_pages_and_told_at_once_without_what_nobody_needs),
        cmocka_unit_test (events_are_told_one_by_one_in_whatever_pieces_they_come),
        cmocka_unit_test (a_streamed_list_is_told_as_a_whole_and_goes_on_as_a_watch),
        cmocka_unit_test (a_server_that_refuses_to_stream_is_asked_for_pages),
        cmocka_unit_test (a_stream_that_breaks_before_its_end_counts_for_nothing),
        cmocka_unit_test (a_watch_that_ends_or_breaks_goes_on_where_it_was),
        cmocka_unit_test (a_version_that_is_too_old_means_a_new_list),
        cmocka_unit_test (garbage_on_a_watch_means_a_new_list),
        cmocka_unit_test (a_list_that_fails_is_tried_again),
        cmocka_unit_test (a_pod_that_nobody_understands_is_left_out),
        cmocka_unit_test (the_node_is_told_to_who_needs_it),
        cmocka_unit_test (services_of_a_namespace_are_given_as_soon_as_they_are_known),
        cmocka_unit_test (services_that_cannot_be_read_in_time_are_a_fault),
        cmocka_unit_test (an_object_is_told_after_every_change_until_nobody_needs_it),
        cmocka_unit_test (an_immutable_object_is_not_watched_and_read_again_for_a_new_pod),
        cmocka_unit_test (what_cannot_be_read_is_told_with_its_reason_and_tried_again),
        cmocka_unit_test (with_get_an_object_is_read_at_each_sync_and_told_when_it_was),
        cmocka_unit_test (what_is_no_news_is_told_only_to_who_waits_for_it),
        cmocka_unit_test (with_cache_an_object_counts_as_long_as_the_nodes_annotation_says),
        cmocka_unit_test (an_object_that_is_forbidden_at_first_is_asked_for_again),
        cmocka_unit_test (a_claim_comes_with_its_volume),
        cmocka_unit_test (a_runtime_class_comes_from_the_list_of_all),
        cmocka_unit_test (new_credentials_bring_new_connections),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
