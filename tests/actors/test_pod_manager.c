/* test_pod_manager.c - sources, admission, workers, mirrors, deletion, as its peers see them. */
#include "cubelet/actors.h"
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod_resource_state.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NODE                                                                                       \
    "{\"metadata\": {\"name\": \"n\", \"labels\": {\"zone\": \"a\"}}, \"status\": "                \
    "{\"allocatable\": {\"cpu\": \"2\", \"memory\": \"1Gi\", \"pods\": \"5\"}}}"
#define JOINED_ARGS                                                                                \
    "{\"sources\": [\"file\", \"api\"], \"joined\": true, \"worker_args\": {\"kernel_major\": 6}," \
    " \"initial_node\": " NODE "}"
#define STANDALONE_ARGS "{\"sources\": [\"file\"], \"initial_node\": " NODE "}"

/* The manager's peers; each is a part of the agent. */
typedef struct {
    stage_t *stage;
    peer_t *supervisor, *source, *reporter, *recorder;
} scene_t;

static tree_t *
json (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", text, fault.text);
    return tree;
}

static void
scene_close (scene_t *self)
{
    stage_destroy (&self->stage);
}

/* Starts the manager; `workers` (JSON rows) are those that the supervisor says run already. */
static scene_t
scene_open (const char *args, const char *workers)
{
    scene_t self = { .stage = stage_new() };
    OWNED (tree_destroy) tree_t *tree = json (args);
    self.supervisor = stage_peer (self.stage, "supervisor");
    self.source = stage_peer (self.stage, "api-watcher");
    self.reporter = stage_peer (self.stage, "status-reporter");
    self.recorder = stage_peer (self.stage, "event-recorder");
    stage_actor (self.stage, &pod_manager_class, "pod-manager", tree_root (tree));
    OWNED (received_destroy) received_t *asked = peer_expect (self.supervisor, MSG_ACTOR_LIST);
    OWNED (free_text) char *answer = text_format ("{\"actors\": [%s]}", workers);
    peer_reply_json (self.supervisor, asked, answer);
    return self;
}

#define POD(name, uid, meta, spec)                                                                 \
    "{\"metadata\": {\"name\": \"" name "\", \"namespace\": \"ns\", \"uid\": \"" uid "\"" meta     \
    "}, \"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"i\"}]" spec "}}"
#define STATIC_META(hash)                                                                          \
    ", \"annotations\": {\"kubernetes.io/config.source\": \"file\", "                              \
    "\"kubernetes.io/config.hash\": \"" hash "\"}"
#define MIRROR_META(hash) ", \"annotations\": {\"kubernetes.io/config.mirror\": \"" hash "\"}"
#define DELETED_META                                                                               \
    ", \"deletionTimestamp\": \"2026-01-01T00:00:00Z\", \"deletionGracePeriodSeconds\": 7"
#define REQUEST(cpu) ", \"overhead\": {\"cpu\": \"" cpu "\"}"

static void
send_set (scene_t *self, const char *source, const char *pods)
{
    OWNED (free_text)
    char *body = text_format ("{\"source\": \"%s\", \"pods\": [%s]}", source, pods);
    peer_send_json (self->source, "pod-manager", MSG_SOURCE_PODS, body);
}

static void
send_pod (scene_t *self, const char *uid, const char *pod)
{
    OWNED (free_text)
    char *body = text_format ("{\"source\": \"api\", \"uid\": \"%s\"%s%s}", uid,
                              pod ? ", \"pod\": " : "", pod ? pod : "");
    peer_send_json (self->source, "pod-manager", MSG_SOURCE_POD, body);
}

static void
send_status (peer_t *worker, const char *uid, const char *rest)
{
    OWNED (free_text) char *body = text_format ("{\"uid\": \"%s\", %s}", uid, rest);
    peer_send_json (worker, "pod-manager", MSG_POD_STATUS, body);
}

/* Waits until the manager wants a worker; joins in under its name and gets its first sync. */
static peer_t *
expect_worker (scene_t *self, const char *name)
{
    OWNED (received_destroy) received_t *start = peer_expect (self->supervisor, MSG_ACTOR_START);
    assert_string_equal (node_get_text (start->body, "name", ""), name);
    peer_t *worker = stage_peer (self->stage, name);
    peer_reply (self->supervisor, start, NULL);
    OWNED (free_text)
    char *up = text_format ("{\"name\": \"%s\", \"class\": \"pod-worker\", \"restarts\": 0}", name);
    peer_send_json (self->supervisor, "pod-manager", MSG_ACTOR_UP, up);
    // once this is answered the worker has been told its pod
    OWNED (received_destroy)
    received_t *list = peer_expect_reply (
        self->supervisor, peer_request (self->supervisor, "pod-manager", MSG_POD_LIST, NULL));
    return worker;
}

/* Waits until the worker is told to stop its pod. */
static received_t *
expect_terminate (peer_t *worker)
{
    for (;;) {
        received_t *sync = peer_expect (worker, MSG_POD_SYNC);
        if (node_get_bool (sync->body, "terminate", false))
            return sync;
        received_destroy (&sync);
    }
}

static const node_t *
report_meta (const received_t *report)
{
    return node_at (report->body, "pod", "metadata", NULL);
}

/* The next report about this pod that says `key` as wanted. */
static received_t *
expect_report (scene_t *self, const char *uid, const char *key, bool wanted)
{
    for (;;) {
        received_t *report = peer_expect (self->reporter, MSG_POD_REPORT);
        if (strcmp (node_get_text (report_meta (report), "uid", ""), uid) == 0
            && node_get_bool (report->body, key, false) == wanted)
            return report;
        received_destroy (&report);
    }
}

static received_t *
ask_list (scene_t *self)
{
    return peer_expect_reply (self->source,
                              peer_request (self->source, "pod-manager", MSG_POD_LIST, NULL));
}

static void
assert_count (scene_t *self, size_t expected)
{
    OWNED (received_destroy) received_t *list = ask_list (self);
    assert_int_equal (node_count (node_get (list->body, "items")), expected);
}

// ---- admission ----

static void
a_pod_that_does_not_fit_fails (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("big", "u1", "", REQUEST ("3")));
    OWNED (received_destroy) received_t *event = peer_expect (scene.recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "OutOfcpu");
    assert_string_equal (node_get_text (event->body, "message", ""),
                         "Node didn't have enough resource: cpu, requested: 3000, used: 0, "
                         "capacity: 2000");
    OWNED (received_destroy) received_t *report = expect_report (&scene, "u1", "finished", true);
    const node_t *status = node_get (report->body, "status");
    assert_string_equal (node_get_text (status, "phase", ""), "Failed");
    assert_string_equal (node_get_text (status, "reason", ""), "OutOfcpu");
    assert_false (node_get_bool (report->body, "running", true));
    assert_count (&scene, 1);
    // deleted, it is reported again, so that it can be removed from the API server
    send_pod (&scene, "u1", POD ("big", "u1", DELETED_META, REQUEST ("3")));
    OWNED (received_destroy) received_t *again = expect_report (&scene, "u1", "finished", true);
    assert_non_null (node_get (report_meta (again), "deletionTimestamp"));
    send_pod (&scene, "u1", NULL);
    OWNED (received_destroy) received_t *forget = peer_expect (scene.reporter, MSG_POD_FORGET);
    assert_string_equal (node_get_text (forget->body, "uid", ""), "u1");
    assert_count (&scene, 0);
}

static void
the_oldest_pod_gets_the_room (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_set (&scene, "api",
              POD ("young", "u2", ", \"creationTimestamp\": \"2026-01-02T00:00:00Z\"",
                   REQUEST ("1500m")) ", " POD ("old", "u1",
                                                ", \"creationTimestamp\": \"2026-01-01T00:00:00Z\"",
                                                REQUEST ("1500m")));
    expect_worker (&scene, "pod-worker/ns_old_u1");
    OWNED (received_destroy) received_t *event = peer_expect (scene.recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (node_get (event->body, "object"), "name", ""), "young");
    assert_string_equal (node_get_text (event->body, "reason", ""), "OutOfcpu");
}

static void
a_node_object_replaces_the_initial_one (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    peer_send_json (scene.source, "pod-manager", MSG_NODE_OBJECT,
                    "{\"node\": {\"metadata\": {\"name\": \"n\", \"labels\": {\"zone\": \"b\"}}, "
                    "\"status\": {\"allocatable\": {\"cpu\": \"8\", \"pods\": \"5\"}}}}");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("big", "u1", "", REQUEST ("3")));
    expect_worker (&scene, "pod-worker/ns_big_u1");
}

static void
pressure_keeps_pods_out (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    peer_send_json (scene.source, "pod-manager", MSG_NODE_PRESSURE,
                    "{\"memory\": false, \"disk\": true, \"pid\": false}");
    send_set (&scene, "api", POD ("p", "u1", "", ""));
    OWNED (received_destroy) received_t *event = peer_expect (scene.recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "Evicted");
    assert_string_equal (node_get_text (event->body, "message", ""),
                         "The node had condition: [DiskPressure]. ");
}

static void
what_ran_before_is_not_admitted_again (void **state)
{
    (void) state;
    OWNED (scene_close)
    scene_t scene =
        scene_open (JOINED_ARGS, "{\"name\": \"pod-worker/ns_big_u1\", \"class\": \"pod-worker\"}");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("big", "u1", "", REQUEST ("3")));
    expect_worker (&scene, "pod-worker/ns_big_u1");
}

static void
a_critical_pod_waits_for_its_room (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("small", "u1", "", REQUEST ("1")));
    peer_t *victim = expect_worker (&scene, "pod-worker/ns_small_u1");
    send_set (&scene, "file", POD ("vital", "s1", STATIC_META ("h1"), REQUEST ("2")));
    OWNED (received_destroy) received_t *event = peer_expect (scene.recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "Preempting");
    OWNED (received_destroy) received_t *sync = expect_terminate (victim);
    assert_string_equal (node_get_text (sync->body, "reason", ""), "Preempting");
    send_status (victim, "u1",
                 "\"status\": {\"phase\": \"Failed\"}, \"finished\": false, \"running\": false");
    expect_worker (&scene, "pod-worker/ns_vital_s1");
}

static void
a_node_that_shuts_down_takes_no_pods (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    peer_send_json (scene.source, "pod-manager", MSG_NODE_SHUTDOWN, "{\"active\": true}");
    send_pod (&scene, "u1", POD ("p", "u1", "", ""));
    OWNED (received_destroy) received_t *report = expect_report (&scene, "u1", "running", false);
    const node_t *status = node_get (report->body, "status");
    assert_string_equal (node_get_text (status, "phase", ""), "Failed");
    assert_string_equal (node_get_text (status, "reason", ""), "NodeShutdown");
    assert_string_equal (node_get_text (status, "message", ""),
                         "Pod was rejected: Pod was rejected as the node is shutting down.");
    peer_send_json (scene.source, "pod-manager", MSG_NODE_SHUTDOWN, "{\"active\": false}");
    send_pod (&scene, "u2", POD ("q", "u2", "", ""));
    expect_worker (&scene, "pod-worker/ns_q_u2");
}

// ---- resize ----

#define SIZED(uid, cpu)                                                                            \
    "{\"metadata\": {\"name\": \"" uid "\", \"namespace\": \"ns\", \"uid\": \"" uid                \
    "\"}, \"spec\": "                                                                              \
    "{\"containers\": [{\"name\": \"c\", \"image\": \"i\", \"resources\": {\"requests\": "         \
    "{\"cpu\": \"" cpu "\"}}}]}}"

/* The next sync that has this much CPU, whose pending reason is `reason` ("": none). */
static void
expect_sized (peer_t *worker, const char *cpu, const char *reason)
{
    for (bool is_found = false; !is_found;) {
        OWNED (received_destroy) received_t *sync = peer_expect (worker, MSG_POD_SYNC);
        const node_t *container =
            node_item (node_at (sync->body, "pod", "spec", "containers", NULL), 0);
        const char *given =
            node_as_text (node_at (container, "resources", "requests", "cpu", NULL), "");
        const char *pending = node_as_text (node_at (sync->body, "resize", "reason", NULL), "");
        is_found = strcmp (given, cpu) == 0 && strcmp (pending, reason) == 0;
    }
}

static void
a_resize_waits_for_room (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_pod (&scene, "u1", SIZED ("u1", "1"));
    peer_t *first = expect_worker (&scene, "pod-worker/ns_u1_u1");
    send_pod (&scene, "u2", SIZED ("u2", "1"));
    peer_t *second = expect_worker (&scene, "pod-worker/ns_u2_u2");
    send_pod (&scene, "u1", SIZED ("u1", "9"));
    expect_sized (first, "1", "Infeasible");
    send_pod (&scene, "u1", SIZED ("u1", "1500m"));
    expect_sized (first, "1", "Deferred");
    // who is new is judged by what the others have, not by what they ask for
    send_pod (&scene, "u2", SIZED ("u2", "500m"));
    expect_sized (second, "500m", "");
    expect_sized (first, "1500m", "");
}

static void
put_state (const char *directory, const char *name, const char *pods)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (tree_destroy) tree_t *tree = json (pods);
    OWNED (free_text) char *text = pod_resource_state_write (tree_root (tree), &size);
    OWNED (free_text) char *path = text_format ("%s/%s", directory, name);
    assert_int_equal (file_write (path, text, size, 0600, &fault), 0);
}

/* What the file says of this container's CPU; "" for nothing. Owned. */
static char *
cpu_in_state (const char *directory, const char *name, const char *uid)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text) char *path = text_format ("%s/%s", directory, name);
    OWNED (free_text) char *text = file_read (path, 1 << 20, &size, &fault);
    OWNED (tree_destroy) tree_t *pods = text ? pod_resource_state_read (text, size, &fault) : NULL;
    return text_copy (
        node_as_text (node_at (tree_root (pods), uid, "c", "requests", "cpu", NULL), ""));
}

static void
what_pods_were_given_and_have_got_survives_a_restart (void **state)
{
    (void) state;
    char directory[] = "/tmp/test-pod-manager-XXXXXX";
    assert_non_null (mkdtemp (directory));
    put_state (directory, "allocated_pods_state",
               "{\"u1\": {\"c\": {\"requests\": {\"cpu\": \"1\"}}}}");
    put_state (directory, "actuated_pods_state",
               "{\"u1\": {\"c\": {\"requests\": {\"cpu\": \"500m\"}}}}");
    OWNED (free_text)
    char *args = text_format ("{\"sources\": [\"api\"], \"joined\": true, \"worker_args\": "
                              "{\"root_dir\": \"%s\"}, \"initial_node\": " NODE "}",
                              directory);
    scene_t scene = scene_open (args, "");
    send_set (&scene, "api", SIZED ("u1", "9"));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_u1_u1");
    expect_sized (worker, "1", "Infeasible"); // as before, though it asks for more
    send_pod (&scene, "u1", SIZED ("u1", "1500m"));
    expect_sized (worker, "1500m", "");
    OWNED (free_text) char *given = cpu_in_state (directory, "allocated_pods_state", "u1");
    assert_string_equal (given, "1500m"); // before the worker may begin
    OWNED (free_text) char *has = cpu_in_state (directory, "actuated_pods_state", "u1");
    assert_string_equal (has, "500m");
    peer_send_json (
        worker, "pod-manager", MSG_POD_ACTUATED,
        "{\"uid\": \"u1\", \"resources\": {\"c\": {\"requests\": {\"cpu\": \"1500m\"}}}}");
    uint64_t id = peer_request (worker, "pod-manager", MSG_POD_LIST, NULL);
    OWNED (received_destroy) received_t *listed = peer_expect_reply (worker, id); // it was taken
    assert_non_null (listed);
    scene_close (&scene); // writes what is still to be written
    OWNED (free_text) char *got = cpu_in_state (directory, "actuated_pods_state", "u1");
    assert_string_equal (got, "1500m");
    OWNED (free_text) char *command = text_format ("rm -r %s", directory);
    assert_int_equal (system (command), 0);
}

// ---- deletion ----

static void
a_deleted_pod_is_reported_until_it_is_gone (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("p", "u1", "", ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_p_u1");
    send_status (worker, "u1",
                 "\"status\": {\"phase\": \"Running\"}, \"finished\": false, \"running\": true");
    OWNED (received_destroy) received_t *running = expect_report (&scene, "u1", "running", true);
    assert_string_equal (node_get_text (report_meta (running), "name", ""), "p");
    send_pod (&scene, "u1", POD ("p", "u1", DELETED_META, ""));
    for (bool is_told = false; !is_told;) {
        OWNED (received_destroy) received_t *sync = peer_expect (worker, MSG_POD_SYNC);
        is_told = node_at (sync->body, "pod", "metadata", "deletionTimestamp", NULL) != NULL;
    }
    send_status (worker, "u1",
                 "\"status\": {\"phase\": \"Failed\"}, \"finished\": false, \"running\": false");
    OWNED (received_destroy) received_t *stopped = expect_report (&scene, "u1", "running", false);
    assert_false (node_get_bool (stopped->body, "finished", true));
    send_status (worker, "u1",
                 "\"status\": {\"phase\": \"Failed\"}, \"finished\": true, \"running\": false");
    OWNED (received_destroy) received_t *end = expect_report (&scene, "u1", "finished", true);
    assert_string_equal (node_get_text (node_get (end->body, "status"), "phase", ""), "Failed");
    OWNED (received_destroy) received_t *stop = peer_expect (scene.supervisor, MSG_ACTOR_STOP);
    assert_string_equal (node_get_text (stop->body, "name", ""), "pod-worker/ns_p_u1");
    assert_count (&scene, 1); // in the list until the API server has it no more
    send_pod (&scene, "u1", NULL);
    OWNED (received_destroy) received_t *forget = peer_expect (scene.reporter, MSG_POD_FORGET);
    assert_count (&scene, 0);
    assert_non_null (forget);
}

static void
a_pod_that_vanishes_is_stopped (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("p", "u1", "", ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_p_u1");
    send_pod (&scene, "u1", NULL);
    OWNED (received_destroy) received_t *sync = expect_terminate (worker);
    assert_null (node_get (sync->body, "grace"));
    assert_count (&scene, 0);
    send_status (worker, "u1", "\"finished\": true, \"running\": false");
    OWNED (received_destroy) received_t *forget = peer_expect (scene.reporter, MSG_POD_FORGET);
    assert_string_equal (node_get_text (forget->body, "uid", ""), "u1");
}

static void
its_own_status_coming_back_is_no_news_for_the_worker (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("p", "u1", "", ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_p_u1");
    send_pod (&scene, "u1",
              "{\"metadata\": {\"name\": \"p\", \"namespace\": \"ns\", \"uid\": \"u1\", "
              "\"resourceVersion\": \"9\"}, \"spec\": {\"containers\": [{\"name\": \"c\", "
              "\"image\": \"i\"}]}, \"status\": {\"phase\": \"Running\"}}");
    OWNED (received_destroy) received_t *list = ask_list (&scene);
    const node_t *shown = node_item (node_get (list->body, "items"), 0);
    assert_string_equal (node_get_text (node_get (shown, "metadata"), "resourceVersion", ""), "9");
    // a gate's condition of somebody else is news
    send_pod (&scene, "u1",
              "{\"metadata\": {\"name\": \"p\", \"namespace\": \"ns\", \"uid\": \"u1\"}, "
              "\"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"i\"}]}, \"status\": "
              "{\"conditions\": [{\"type\": \"gate\", \"status\": \"True\"}]}}");
    for (size_t syncs = 0;; syncs++) {
        OWNED (received_destroy) received_t *sync = peer_expect (worker, MSG_POD_SYNC);
        const node_t *status = node_at (sync->body, "pod", "status", NULL);
        assert_null (node_get (status, "phase"));
        if (node_get (status, "conditions"))
            break;
        assert_true (syncs < 3);
    }
}

// ---- mirrors ----

static void
a_mirror_belongs_to_its_static_pod (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", POD ("s", "s1", STATIC_META ("h1"), ""));
    expect_worker (&scene, "pod-worker/ns_s_s1"); // without waiting for the API server
    OWNED (received_destroy) received_t *first = expect_report (&scene, "s1", "running", true);
    assert_null (node_get (first->body, "mirror"));
    send_set (&scene, "api", POD ("s", "m1", MIRROR_META ("h1"), ""));
    OWNED (received_destroy) received_t *second = expect_report (&scene, "s1", "running", true);
    assert_string_equal (
        node_as_text (node_at (second->body, "mirror", "metadata", "uid", NULL), ""), "m1");
    assert_count (&scene, 1);
    OWNED (received_destroy)
    received_t *got = peer_expect_reply (
        scene.source, peer_request_json (scene.source, "pod-manager", MSG_POD_GET,
                                         "{\"namespace\": \"ns\", \"name\": \"s\", \"uid\": "
                                         "\"m1\"}"));
    assert_string_equal (node_get_text (got->body, "uid", ""), "s1");
    send_pod (&scene, "m1", NULL); // deleted by somebody: the static pod runs on
    OWNED (received_destroy) received_t *third = expect_report (&scene, "s1", "running", true);
    assert_null (node_get (third->body, "mirror"));
}

static void
a_mirror_without_a_static_pod_is_an_orphan (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "api", POD ("s", "m1", MIRROR_META ("h1"), ""));
    assert_count (&scene, 0); // not before the files are known
    send_set (&scene, "file", "");
    OWNED (received_destroy) received_t *orphan = peer_expect (scene.reporter, MSG_MIRROR_ORPHAN);
    assert_string_equal (node_get_text (orphan->body, "uid", ""), "m1");
    assert_string_equal (node_get_text (orphan->body, "name", ""), "s");
}

static void
a_static_pod_s_mirror_goes_after_it (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", POD ("s", "s1", STATIC_META ("h1"), ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_s_s1");
    send_set (&scene, "api", POD ("s", "m1", MIRROR_META ("h1"), ""));
    send_set (&scene, "file", "");
    OWNED (received_destroy) received_t *sync = expect_terminate (worker);
    assert_non_null (sync);
    send_status (worker, "s1", "\"finished\": true, \"running\": false");
    OWNED (received_destroy) received_t *forget = peer_expect (scene.reporter, MSG_POD_FORGET);
    assert_string_equal (node_get_text (forget->body, "uid", ""), "s1");
    OWNED (received_destroy) received_t *orphan = peer_expect (scene.reporter, MSG_MIRROR_ORPHAN);
    assert_string_equal (node_get_text (orphan->body, "uid", ""), "m1");
}

// ---- static pods ----

static void
a_changed_manifest_waits_for_the_old_pod (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (STANDALONE_ARGS, "");
    send_set (&scene, "file", POD ("s", "s1", STATIC_META ("h1"), ""));
    peer_t *old = expect_worker (&scene, "pod-worker/ns_s_s1");
    send_set (&scene, "file", POD ("s", "s2", STATIC_META ("h2"), ""));
    OWNED (received_destroy) received_t *sync = expect_terminate (old);
    assert_non_null (sync);
    assert_count (&scene, 1);
    send_status (old, "s1", "\"finished\": true, \"running\": false");
    expect_worker (&scene, "pod-worker/ns_s_s2");
}

static void
a_manifest_that_comes_back_starts_anew (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (STANDALONE_ARGS, "");
    send_set (&scene, "file", POD ("s", "s1", STATIC_META ("h1"), ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_s_s1");
    send_set (&scene, "file", "");
    OWNED (received_destroy) received_t *told = expect_terminate (worker);
    send_set (&scene, "file", POD ("s", "s1", STATIC_META ("h1"), ""));
    assert_count (&scene, 1);
    send_status (worker, "s1",
                 "\"status\": {\"phase\": \"Failed\"}, \"finished\": true, \"running\": false");
    OWNED (received_destroy) received_t *stop = peer_expect (scene.supervisor, MSG_ACTOR_STOP);
    assert_string_equal (node_get_text (stop->body, "name", ""), "pod-worker/ns_s_s1");
    // said again by the old one, which knows nothing of that
    send_status (worker, "s1",
                 "\"status\": {\"phase\": \"Failed\"}, \"finished\": true, \"running\": false");
    OWNED (received_destroy) received_t *start = peer_expect (scene.supervisor, MSG_ACTOR_START);
    assert_string_equal (node_get_text (start->body, "name", ""), "pod-worker/ns_s_s1");
    for (bool is_fresh = false; !is_fresh;) {
        OWNED (received_destroy) received_t *sync = peer_expect (worker, MSG_POD_SYNC);
        is_fresh =
            !node_get_bool (sync->body, "terminate", true) && !node_get (sync->body, "status");
    }
}

static void
what_only_the_runtime_has_is_stopped (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (STANDALONE_ARGS, "");
#define ORPHAN "{\"uid\": \"o1\", \"namespace\": \"ns\", \"name\": \"o\"}"
    peer_send_json (scene.source, "pod-manager", MSG_POD_ORPHAN, ORPHAN); // may be a file's
    assert_count (&scene, 0);
    send_set (&scene, "file", "");
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_o_o1");
    OWNED (received_destroy) received_t *sync = peer_expect (worker, MSG_POD_SYNC);
    assert_true (node_get_bool (sync->body, "terminate", false));
    assert_int_equal (node_get_int (sync->body, "grace", 0), 1);
    assert_count (&scene, 0);
}

/* A set of the API server's pods that the checkpoint has. */
static void
send_assumed (scene_t *self, const char *pods)
{
    OWNED (free_text)
    char *body = text_format ("{\"source\": \"api\", \"assumed\": true, \"pods\": [%s]}", pods);
    peer_send_json (self->source, "pod-manager", MSG_SOURCE_PODS, body);
}

static void
assumed_pods_are_started_and_nothing_is_stopped_for_them (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    peer_send_json (scene.source, "pod-manager", MSG_POD_ORPHAN, ORPHAN);
    send_assumed (&scene, POD ("p", "u1", "", "") ", " POD ("m", "m1", MIRROR_META ("h"), ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_p_u1");
    assert_count (&scene, 1); // neither the mirror nor the stranger
    send_assumed (&scene, POD ("q", "u2", "", ""));
    peer_t *second = expect_worker (&scene, "pod-worker/ns_q_u2");
    assert_count (&scene, 2); // p is not gone
    // the API server's own word: q is gone, the stranger too
    send_set (&scene, "api", POD ("p", "u1", "", ""));
    OWNED (received_destroy) received_t *stop = expect_terminate (second);
    peer_t *stranger = expect_worker (&scene, "pod-worker/ns_o_o1");
    OWNED (received_destroy) received_t *end = expect_terminate (stranger);
    assert_count (&scene, 1);
    OWNED (received_destroy) received_t *sync = peer_expect (worker, MSG_POD_SYNC);
    assert_false (node_get_bool (sync->body, "terminate", true));
}

static void
a_stranger_that_a_source_has_after_all_starts_anew (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (STANDALONE_ARGS, "");
    send_set (&scene, "file", "");
    peer_send_json (scene.source, "pod-manager", MSG_POD_ORPHAN, ORPHAN);
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_o_o1");
    send_set (&scene, "file", POD ("o", "o1", STATIC_META ("h1"), ""));
    assert_count (&scene, 0); // what runs is stopped first
    send_status (worker, "o1", "\"finished\": true, \"running\": false");
    OWNED (received_destroy) received_t *start = peer_expect (scene.supervisor, MSG_ACTOR_START);
    assert_string_equal (node_get_text (start->body, "name", ""), "pod-worker/ns_o_o1");
    assert_count (&scene, 1);
}

static void
a_worker_that_was_told_to_stop_before_a_restart_is_replaced (void **state)
{
    (void) state;
    OWNED (scene_close)
    scene_t scene = scene_open (STANDALONE_ARGS,
                                "{\"name\": \"pod-worker/ns_s_s1\", \"class\": \"pod-worker\"}");
    send_set (&scene, "file", POD ("s", "s1", STATIC_META ("h1"), ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_s_s1");
    send_status (worker, "s1", "\"finished\": true, \"running\": false");
    OWNED (received_destroy) received_t *stop = peer_expect (scene.supervisor, MSG_ACTOR_STOP);
    OWNED (received_destroy) received_t *start = peer_expect (scene.supervisor, MSG_ACTOR_START);
    assert_string_equal (node_get_text (stop->body, "name", ""), "pod-worker/ns_s_s1");
    assert_string_equal (node_get_text (start->body, "name", ""), "pod-worker/ns_s_s1");
}

// ---- eviction ----

static void
an_eviction_is_answered_when_nothing_runs (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (JOINED_ARGS, "");
    send_set (&scene, "file", "");
    send_set (&scene, "api", POD ("p", "u1", "", ""));
    peer_t *worker = expect_worker (&scene, "pod-worker/ns_p_u1");
    uint64_t id = peer_request_json (scene.recorder, "pod-manager", MSG_POD_EVICT,
                                     "{\"uid\": \"u1\", \"reason\": \"Evicted\", \"message\": "
                                     "\"low on disk\", \"grace\": 3}");
    OWNED (received_destroy) received_t *sync = expect_terminate (worker);
    assert_string_equal (node_get_text (sync->body, "message", ""), "low on disk");
    assert_int_equal (node_get_int (sync->body, "grace", 0), 3);
    send_status (worker, "u1",
                 "\"status\": {\"phase\": \"Failed\"}, \"finished\": false, \"running\": false");
    OWNED (received_destroy) received_t *answer = peer_expect_reply (scene.recorder, id);
    assert_false (answer->envelope.fault_code);
    assert_count (&scene, 1);
}

static void
nobody_is_evicted_by_a_wrong_uid (void **state)
{
    (void) state;
    OWNED (scene_close) scene_t scene = scene_open (STANDALONE_ARGS, "");
    OWNED (received_destroy)
    received_t *answer = peer_expect_reply (
        scene.source, peer_request_json (scene.source, "pod-manager", MSG_POD_EVICT,
                                         "{\"uid\": \"x\", \"reason\": \"r\", \"message\": \"\"}"));
    assert_int_equal (answer->envelope.fault_code, FAULT_NOT_FOUND);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_pod_that_does_not_fit_fails),
        cmocka_unit_test (the_oldest_pod_gets_the_room),
        cmocka_unit_test (a_node_object_replaces_the_initial_one),
        cmocka_unit_test (pressure_keeps_pods_out),
        cmocka_unit_test (what_ran_before_is_not_admitted_again),
        cmocka_unit_test (a_critical_pod_waits_for_its_room),
        cmocka_unit_test (a_node_that_shuts_down_takes_no_pods),
        cmocka_unit_test (a_resize_waits_for_room),
        cmocka_unit_test (what_pods_were_given_and_have_got_survives_a_restart),
        cmocka_unit_test (a_deleted_pod_is_reported_until_it_is_gone),
        cmocka_unit_test (a_pod_that_vanishes_is_stopped),
        cmocka_unit_test (its_own_status_coming_back_is_no_news_for_the_worker),
        cmocka_unit_test (a_mirror_belongs_to_its_static_pod),
        cmocka_unit_test (a_mirror_without_a_static_pod_is_an_orphan),
        cmocka_unit_test (a_static_pod_s_mirror_goes_after_it),
        cmocka_unit_test (a_changed_manifest_waits_for_the_old_pod),
        cmocka_unit_test (a_manifest_that_comes_back_starts_anew),
        cmocka_unit_test (what_only_the_runtime_has_is_stopped),
        cmocka_unit_test (a_stranger_that_a_source_has_after_all_starts_anew),
        cmocka_unit_test (assumed_pods_are_started_and_nothing_is_stopped_for_them),
        cmocka_unit_test (a_worker_that_was_told_to_stop_before_a_restart_is_replaced),
        cmocka_unit_test (an_eviction_is_answered_when_nothing_runs),
        cmocka_unit_test (nobody_is_evicted_by_a_wrong_uid),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
