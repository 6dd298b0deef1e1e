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
    peer_t *runtime, *eviction, *events;
} fixture_t;

static fixture_t
fixture_new (const char *json)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *args = json_read (json, strlen (json), &fault);
    assert_non_null (args);
    fixture_t self = { .stage = stage_new() };
    self.runtime = stage_peer (self.stage, "runtime");
    self.eviction = stage_peer (self.stage, "eviction-manager");
    self.events = stage_peer (self.stage, "event-recorder");
    stage_actor (self.stage, &image_gc_class, "image-gc", tree_root (args));
    return self;
}

/* Answers the four questions of a round, in whatever order they come. */
static void
tell_runtime (fixture_t *self, const char *images, const char *containers)
{
    for (int i = 0; i < 4; i++) {
        OWNED (received_destroy) received_t *request = peer_next (self->runtime, PEER_DEADLINE_MS);
        assert_non_null (request);
        OWNED (free_text) char *reply = NULL;
        if (request->type == MSG_CRI_LIST_IMAGES)
            reply = text_format ("{\"images\": [%s]}", images);
        else if (request->type == MSG_CRI_LIST_CONTAINERS)
            reply = text_format ("{\"containers\": [%s]}", containers);
        else if (request->type == MSG_CRI_IMAGE_FS_INFO)
            reply = text_copy ("{\"image_filesystems\": [{\"fs_id\": {\"mountpoint\": \"/\"}}]}");
        else {
            assert_int_equal (request->type, MSG_CRI_STATUS);
            assert_true (node_get_bool (request->body, "verbose", false));
            reply =
                text_copy ("{\"info\": {\"config\": \"{\\\"sandboxImage\\\": \\\"pause:1\\\"}\"}}");
        }
        peer_reply_json (self->runtime, request, reply);
    }
}

#define IMAGES                                                                                     \
    "{\"id\": \"used\", \"size\": 1}, {\"id\": \"p\", \"repo_tags\": [\"pause:1\"], \"size\": "    \
    "2}, "                                                                                         \
    "{\"id\": \"idle\", \"size\": 5}"

static void
what_nothing_uses_goes_when_somebody_needs_room (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{\"minimum_age_ms\": 0, \"high_percent\": 100}");
    tell_runtime (&self, IMAGES, "{\"image_ref\": \"used\"}");
    uint64_t id = peer_request (self.eviction, "image-gc", MSG_IMAGE_GC, NULL);
    tell_runtime (&self, IMAGES, "{\"image_ref\": \"used\"}");
    OWNED (received_destroy) received_t *removal = peer_expect (self.runtime, MSG_CRI_REMOVE_IMAGE);
    assert_string_equal (node_get_text (node_get (removal->body, "image"), "image", ""), "idle");
    peer_reply_json (self.runtime, removal, "{}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.eviction, id);
    assert_int_equal (node_get_int (reply->body, "freed", 0), 5);
    stage_destroy (&self.stage);
}

static void
a_disk_that_cannot_be_freed_is_an_event (void **state)
{
    (void) state;
    fixture_t self =
        fixture_new ("{\"minimum_age_ms\": 0, \"high_percent\": 0, \"low_percent\": 0}");
    tell_runtime (&self, IMAGES, "{\"image_ref\": \"used\"}");
    OWNED (received_destroy) received_t *removal = peer_expect (self.runtime, MSG_CRI_REMOVE_IMAGE);
    peer_reply_fault (self.runtime, removal, FAULT_UNKNOWN, "in use");
    OWNED (received_destroy) received_t *event = peer_expect (self.events, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "FreeDiskSpaceFailed");
    assert_non_null (strstr (node_get_text (event->body, "message", ""),
                             "but only found 0 bytes eligible to free."));
    stage_destroy (&self.stage);
}

static void
the_second_failure_is_an_event (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{\"round_ms\": 50}");
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 4; i++) {
            OWNED (received_destroy)
            received_t *request = peer_next (self.runtime, PEER_DEADLINE_MS);
            assert_non_null (request);
            peer_reply_fault (self.runtime, request, FAULT_UNAVAILABLE, "gone");
        }
    OWNED (received_destroy) received_t *event = peer_expect (self.events, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "ImageGCFailed");
    stage_destroy (&self.stage);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_nothing_uses_goes_when_somebody_needs_room),
        cmocka_unit_test (a_disk_that_cannot_be_freed_is_an_event),
        cmocka_unit_test (the_second_failure_is_an_event),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
