/* The garbage-collector, with everybody it asks played by the test. */
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char place[64];
    stage_t *stage;
    peer_t *cgroups, *runtime, *pods, *volumes, *recorder;
} room_t;

static void
shell (const room_t *self, const char *command)
{
    OWNED (free_text) char *line = text_format ("cd %s && %s", self->place, command);
    assert_int_equal (system (line), 0);
}

static bool
is_there (const room_t *self, const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/%s", self->place, name);
    return access (path, F_OK) == 0;
}

static room_t *
room_new (void)
{
    room_t *self = memory_new (1, sizeof *self);
    strcpy (self->place, "/tmp/test_garbage.XXXXXX");
    assert_non_null (mkdtemp (self->place));
    shell (self, "mkdir -p root/pods/known root/pods/lost root/pods/shown logs/ns_p_known/main "
                 "logs/ns_q_lost/main logs/ns_q_lost/side && touch root/pods/file logs/file "
                 "logs/ns_q_lost/main/0.log logs/ns_q_lost/main/0.log.1.gz logs/ns_q_lost/x && "
                 "ln -s / logs/ns_q_lost/main/link");
    self->stage = stage_new();
    self->cgroups = stage_peer (self->stage, "resource-manager");
    self->runtime = stage_peer (self->stage, "runtime");
    self->pods = stage_peer (self->stage, "pod-manager");
    self->recorder = stage_peer (self->stage, "event-recorder");
    self->volumes = stage_peer (self->stage, "volume-manager");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *root = text_format ("%s/root", self->place);
    OWNED (free_text) char *logs = text_format ("%s/logs", self->place);
    node_t args = node_map();
    node_set_text (tree, &args, "root_dir", root);
    node_set_text (tree, &args, "pod_logs_dir", logs);
    node_set_int (tree, &args, "interval_ms", 50);
    node_set_text (tree, &args, "node_name", "n1");
    node_set_int (tree, &args, "dead_containers_max", 1);
    stage_actor (self->stage, &garbage_collector_class, "garbage-collector", &args);
    return self;
}

static void
room_destroy (room_t **self_p)
{
    room_t *self = *self_p;
    stage_destroy (&self->stage);
    shell (self, "rm -r root logs && rmdir $PWD");
    free (self);
    *self_p = NULL;
}

static void
answer (peer_t *peer, message_id_t type, const char *json)
{
    OWNED (received_destroy) received_t *asked = peer_expect (peer, type);
    peer_reply_json (peer, asked, json);
}

static void
answer_until_pods (room_t *self)
{
    answer (self->cgroups, MSG_CGROUP_LIST, "{\"uids\":[\"known\",\"stray\"]}");
    answer (self->runtime, MSG_CRI_LIST_POD_SANDBOX,
            "{\"items\":[{\"labels\":{\"io.kubernetes.pod.uid\":\"shown\"}}]}");
    answer (self->runtime, MSG_CRI_LIST_CONTAINERS, "{}");
}

static void
expect_removal (peer_t *peer, message_id_t type, const char *uid)
{
    OWNED (received_destroy) received_t *asked = peer_expect (peer, type);
    assert_string_equal (node_get_text (asked->body, "pod_uid", ""), uid);
    peer_reply (peer, asked, NULL);
}

static void
what_nobody_knows_is_removed_and_nothing_else (void **state)
{
    (void) state;
    OWNED (room_destroy) room_t *room = room_new();
    answer_until_pods (room);
    answer (room->pods, MSG_POD_KNOWN, "{\"ready\":true,\"uids\":[\"known\"]}");
    expect_removal (room->volumes, MSG_VOLUME_TEARDOWN, "lost");
    expect_removal (room->cgroups, MSG_CGROUP_REMOVE, "stray");
    // The next collection begins when this one has ended.
    OWNED (received_destroy) received_t *next = peer_expect (room->cgroups, MSG_CGROUP_LIST);
    assert_false (is_there (room, "logs/ns_q_lost"));
    assert_true (is_there (room, "logs/ns_p_known/main"));
    assert_true (is_there (room, "logs/file"));
    assert_null (peer_next (room->volumes, 0));
}

static void
nothing_is_removed_before_all_sources_are_known (void **state)
{
    (void) state;
    OWNED (room_destroy) room_t *room = room_new();
    answer_until_pods (room);
    answer (room->pods, MSG_POD_KNOWN, "{\"ready\":false,\"uids\":[]}");
    OWNED (received_destroy) received_t *next = peer_expect (room->cgroups, MSG_CGROUP_LIST);
    assert_true (is_there (room, "logs/ns_q_lost/main/0.log"));
    assert_null (peer_next (room->volumes, 0));
}

static void
nothing_is_removed_when_somebody_does_not_answer (void **state)
{
    (void) state;
    OWNED (room_destroy) room_t *room = room_new();
    answer (room->cgroups, MSG_CGROUP_LIST, "{\"uids\":[]}");
    OWNED (received_destroy)
    received_t *asked = peer_expect (room->runtime, MSG_CRI_LIST_POD_SANDBOX);
    peer_reply_fault (room->runtime, asked, FAULT_UNAVAILABLE, "down");
    OWNED (received_destroy) received_t *event = peer_expect (room->recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "ContainerGCFailed");
    assert_string_equal (node_get_text (event->body, "message", ""),
                         "rpc error: code = Unavailable desc = down");
    const node_t *object = node_get (event->body, "object");
    assert_string_equal (node_get_text (object, "name", ""), "n1");
    OWNED (received_destroy) received_t *next = peer_expect (room->cgroups, MSG_CGROUP_LIST);
    assert_true (is_there (room, "logs/ns_q_lost/main/0.log"));
}

#define DEAD(ID, ATTEMPT)                                                                          \
    "{\"id\":\"" ID "\",\"state\":\"CONTAINER_EXITED\",\"created_at\":" ATTEMPT                    \
    ",\"metadata\":{\"attempt\":" ATTEMPT "},\"labels\":{\"io.kubernetes.pod.uid\":\"known\","     \
    "\"io.kubernetes.pod.name\":\"p\",\"io.kubernetes.pod.namespace\":\"ns\","                     \
    "\"io.kubernetes.container.name\":\"main\"}}"

static void
too_many_dead_containers_go_with_their_logs (void **state)
{
    (void) state;
    OWNED (room_destroy) room_t *room = room_new();
    shell (room, "touch logs/ns_p_known/main/1.log logs/ns_p_known/main/1.log.gz "
                 "logs/ns_p_known/main/2.log");
    answer (room->cgroups, MSG_CGROUP_LIST, "{\"uids\":[]}");
    answer (room->runtime, MSG_CRI_LIST_POD_SANDBOX, "{}");
    answer (room->runtime, MSG_CRI_LIST_CONTAINERS,
            "{\"containers\":[" DEAD ("c1", "1") "," DEAD ("c2", "2") "]}");
    OWNED (received_destroy)
    received_t *removed = peer_expect (room->runtime, MSG_CRI_REMOVE_CONTAINER);
    assert_string_equal (node_get_text (removed->body, "container_id", ""), "c1");
    assert_false (is_there (room, "logs/ns_p_known/main/1.log"));
    assert_false (is_there (room, "logs/ns_p_known/main/1.log.gz"));
    assert_true (is_there (room, "logs/ns_p_known/main/2.log"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_nobody_knows_is_removed_and_nothing_else),
        cmocka_unit_test (nothing_is_removed_before_all_sources_are_known),
        cmocka_unit_test (too_many_dead_containers_go_with_their_logs),
        cmocka_unit_test (nothing_is_removed_when_somebody_does_not_answer),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
