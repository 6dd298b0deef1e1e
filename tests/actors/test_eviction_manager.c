#include "cubelet/actors.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    stage_t *stage;
    peer_t *pods, *stats, *runtime, *gc, *events, *node;
} fixture_t;

/* A manager that looks every 100 ms; `json` are its arguments besides that. */
static fixture_t
fixture_new (const char *json)
{
    fault_t fault = { 0 };
    OWNED (free_text)
    char *text = text_format ("{\"node_name\": \"lab\", \"root_dir\": \"/\", \"look_ms\": 100%s%s}",
                              *json ? ", " : "", json);
    OWNED (tree_destroy) tree_t *args = json_read (text, strlen (text), &fault);
    assert_non_null (args);
    fixture_t self = { .stage = stage_new() };
    self.pods = stage_peer (self.stage, "pod-manager");
    self.stats = stage_peer (self.stage, "stats-provider");
    self.runtime = stage_peer (self.stage, "runtime");
    self.gc = stage_peer (self.stage, "image-gc");
    self.events = stage_peer (self.stage, "event-recorder");
    self.node = stage_peer (self.stage, "node-reporter");
    stage_actor (self.stage, &eviction_manager_class, "eviction-manager", tree_root (args));
    return self;
}

static void
fixture_close (fixture_t *self)
{
    stage_destroy (&self->stage);
}

#define POD(UID, SPEC)                                                                             \
    "{\"metadata\": {\"name\": \"p-" UID "\", \"namespace\": \"n\", \"uid\": \"" UID               \
    "\"}, \"status\": {\"phase\": \"Running\"}, \"spec\": " SPEC "}"
#define CONTAINER "\"containers\": [{\"name\": \"c\", \"image\": \"i\"}]"
#define LIMITED                                                                                    \
    "{" CONTAINER ", \"volumes\": [{\"name\": \"v\", \"emptyDir\": {\"sizeLimit\": \"1Mi\"}}]}"

/* Answers the next pod.list. */
static void
tell_pods (fixture_t *self, const char *items)
{
    OWNED (received_destroy) received_t *request = peer_expect (self->pods, MSG_POD_LIST);
    OWNED (free_text) char *reply = text_format ("{\"items\": [%s]}", items);
    peer_reply_json (self->pods, request, reply);
}

/* Answers the next stats.summary; returns what was asked (owned). */
static received_t *
tell_stats (fixture_t *self, const char *pods)
{
    received_t *request = peer_expect (self->stats, MSG_STATS_SUMMARY);
    OWNED (free_text) char *reply = text_format ("{\"summary\": {\"pods\": [%s]}}", pods);
    peer_reply_json (self->stats, request, reply);
    return request;
}

static void
pressure_is_told_to_those_who_use_it (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("\"eviction_hard\": {\"pid.available\": \"1%\"}");
    OWNED (received_destroy) received_t *node = peer_expect (self.node, MSG_NODE_PRESSURE);
    OWNED (received_destroy) received_t *pods = peer_expect (self.pods, MSG_NODE_PRESSURE);
    assert_false (node_get_bool (node->body, "pid", true));
    assert_false (node_get_bool (pods->body, "memory", true));
    fixture_close (&self);
}

static void
a_pod_over_its_limit_goes (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("");
    tell_pods (&self, POD ("a", LIMITED) ", " POD ("b", "{" CONTAINER "}"));
    tell_pods (&self, POD ("a", LIMITED) ", " POD ("b", "{" CONTAINER "}"));
    OWNED (received_destroy)
    received_t *asked =
        tell_stats (&self, "{\"podRef\": {\"uid\": \"a\"}, \"volume\": [{\"name\": \"v\", "
                           "\"usedBytes\": 1048577}]}");
    const node_t *only = node_get (asked->body, "pods");
    assert_int_equal (node_count (only), 1);
    assert_string_equal (node_as_text (node_item (only, 0), ""), "a");
    OWNED (received_destroy) received_t *event = peer_expect (self.events, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "Evicted");
    OWNED (received_destroy) received_t *evict = peer_expect (self.pods, MSG_POD_EVICT);
    assert_string_equal (node_get_text (evict->body, "uid", ""), "a");
    assert_string_equal (node_get_text (evict->body, "reason", ""), "Evicted");
    assert_string_equal (node_get_text (evict->body, "message", ""),
                         "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
    assert_int_equal (node_get_int (evict->body, "grace", 0), 1);
    peer_reply_json (self.pods, evict, "{}");
    fixture_close (&self);
}

static void
nobody_is_measured_while_no_pod_has_a_limit (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("");
    tell_pods (&self, POD ("b", "{" CONTAINER "}"));
    assert_null (peer_next (self.stats, 500));
    assert_null (peer_next (self.events, 1));
    fixture_close (&self);
}

/* All of the machine's memory is wanted: it is always short. */
#define SHORT "\"eviction_hard\": {\"memory.available\": \"99.9%\"}, \"enforces_pods\": false"

static void
the_worst_pod_goes_when_memory_is_short (void **state)
{
    (void) state;
    fixture_t self = fixture_new (SHORT ", \"isolates_storage\": false");
    OWNED (received_destroy) received_t *pressure = peer_expect (self.node, MSG_NODE_PRESSURE);
    assert_true (node_get_bool (pressure->body, "memory", false));
    OWNED (received_destroy) received_t *event = peer_expect (self.events, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "EvictionThresholdMet");
    assert_string_equal (node_get_text (event->body, "message", ""),
                         "Attempting to reclaim memory");
    assert_string_equal (node_get_text (node_get (event->body, "object"), "kind", ""), "Node");
    tell_pods (&self, POD ("a", "{" CONTAINER "}") ", " POD (
                          "b", "{" CONTAINER
                               ", \"priority\": 2000000000}") ", " POD ("c", "{" CONTAINER "}"));
    OWNED (received_destroy)
    received_t *asked = tell_stats (
        &self, "{\"podRef\": {\"uid\": \"a\"}, \"memory\": {\"workingSetBytes\": 1000}}, "
               "{\"podRef\": {\"uid\": \"b\"}, \"memory\": {\"workingSetBytes\": 9000}}, "
               "{\"podRef\": {\"uid\": \"c\"}, \"memory\": {\"workingSetBytes\": 2000}}");
    assert_null (node_get (asked->body, "pods"));
    OWNED (received_destroy) received_t *evict = peer_expect (self.pods, MSG_POD_EVICT);
    assert_string_equal (node_get_text (evict->body, "uid", ""), "c");
    assert_ptr_equal (strstr (node_get_text (evict->body, "message", ""),
                              "The node was low on resource: memory. "),
                      node_get_text (evict->body, "message", ""));
    fixture_close (&self);
}

static void
unused_images_go_before_pods_when_a_disk_is_short (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("\"eviction_hard\": {\"nodefs.available\": \"99.99%\"}, "
                                  "\"isolates_storage\": false");
    OWNED (received_destroy) received_t *gc = peer_expect (self.gc, MSG_IMAGE_GC);
    peer_reply_json (self.gc, gc, "{\"freed\": 0}");
    tell_pods (&self, POD ("a", "{" CONTAINER "}"));
    OWNED (received_destroy)
    received_t *asked =
        tell_stats (&self, "{\"podRef\": {\"uid\": \"a\"}, \"ephemeral-storage\": {\"usedBytes\": "
                           "1000}}");
    OWNED (received_destroy) received_t *evict = peer_expect (self.pods, MSG_POD_EVICT);
    assert_string_equal (node_get_text (evict->body, "uid", ""), "a");
    // the next look only comes after the answer
    assert_null (peer_next (self.gc, 300));
    peer_reply_json (self.pods, evict, "{}");
    OWNED (received_destroy) received_t *again = peer_expect (self.gc, MSG_IMAGE_GC);
    assert_non_null (again);
    fixture_close (&self);
}

static void
a_failed_question_is_asked_again (void **state)
{
    (void) state;
    fixture_t self = fixture_new (SHORT ", \"isolates_storage\": false");
    OWNED (received_destroy) received_t *list = peer_expect (self.pods, MSG_POD_LIST);
    peer_reply_fault (self.pods, list, FAULT_UNAVAILABLE, "not yet");
    OWNED (received_destroy) received_t *again = peer_expect (self.pods, MSG_POD_LIST);
    assert_non_null (again);
    fixture_close (&self);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (pressure_is_told_to_those_who_use_it),
        cmocka_unit_test (a_pod_over_its_limit_goes),
        cmocka_unit_test (nobody_is_measured_while_no_pod_has_a_limit),
        cmocka_unit_test (the_worst_pod_goes_when_memory_is_short),
        cmocka_unit_test (unused_images_go_before_pods_when_a_disk_is_short),
        cmocka_unit_test (a_failed_question_is_asked_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
