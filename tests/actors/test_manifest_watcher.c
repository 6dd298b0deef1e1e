/* test_manifest_watcher.c - what lies in the manifest directory is what the pod manager hears. */
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define SEEN "kubernetes.io/config.seen"

/* A directory, the watcher on it, and the pod manager played by the test. */
typedef struct {
    char *place;
    char *manifests; // in `place`
    stage_t *stage;
    peer_t *manager;
} scene_t;

// ---- files ----

static int
remove_entry (const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void) status, (void) type, (void) walk;
    return remove (path);
}

static void
put_text (const scene_t *scene, const char *name, const char *text)
{
    OWNED (free_text) char *path = text_format ("%s/%s", scene->manifests, name);
    OWNED (free_text) char *temporary = text_format ("%s/.%s.tmp", scene->manifests, name);
    {
        OWNED (close_file) FILE *file = fopen (temporary, "we");
        assert_non_null (file);
        fputs (text, file);
    }
    assert_int_equal (rename (temporary, path), 0);
}

static void
put_pod (const scene_t *scene, const char *file, const char *name, const char *image)
{
    OWNED (free_text)
    char *text = text_format ("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"
                              "spec: {containers: [{name: c, image: '%s'}]}\n",
                              name, image);
    put_text (scene, file, text);
}

static void
drop (const scene_t *scene, const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/%s", scene->manifests, name);
    assert_int_equal (remove (path), 0);
}

// ---- the scene ----

static void
scene_destroy (scene_t *scene)
{
    stage_destroy (&scene->stage);
    nftw (scene->place, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free (scene->place);
    free (scene->manifests);
}

// A place with an empty directory of manifests; nobody watches it yet.
static scene_t
scene_new (void)
{
    scene_t scene = { .place = text_copy ("/tmp/test_manifests_XXXXXX") };
    assert_non_null (mkdtemp (scene.place));
    scene.manifests = text_format ("%s/manifests", scene.place);
    assert_int_equal (mkdir (scene.manifests, 0700), 0);
    scene.stage = stage_new();
    scene.manager = stage_peer (scene.stage, "pod-manager");
    return scene;
}

static void
watch (scene_t *scene, const char *path, int64_t check_ms)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "path", path);
    node_set_text (tree, &args, "node_name", "lab-node");
    node_set_int (tree, &args, "check_frequency_ms", check_ms);
    node_set_bool (tree, &args, "serves_objects", true);
    stage_actor (scene->stage, &manifest_watcher_class, "manifest-watcher", &args);
}

// "a=i:1 b=i:2": names without the node's and images of the pods in a message. Owned.
static char *
describe (const received_t *message)
{
    char *text = text_copy ("");
    NODE_EACH (node_get (message->body, "pods"), pod)
    {
        const char *name = node_get_text (node_get (pod, "metadata"), "name", "");
        const node_t *container = node_item (node_at (pod, "spec", "containers", NULL), 0);
        text_replace (&text, "%s%s%.*s=%s", text, *text ? " " : "",
                      (int) (strlen (name) - strlen ("-lab-node")), name,
                      node_get_text (container, "image", ""));
    }
    return text;
}

// Waits for the message in which the pods are those; earlier ones may show steps on the way.
static received_t *
expect_pods (scene_t *scene, const char *expected)
{
    for (;;) {
        received_t *message = peer_expect (scene->manager, MSG_SOURCE_PODS);
        OWNED (free_text) char *pods = describe (message);
        if (strcmp (pods, expected) == 0) {
            assert_string_equal (node_get_text (message->body, "source", ""), "file");
            return message;
        }
        received_destroy (&message);
    }
}

static void
check_pods (scene_t *scene, const char *expected)
{
    received_t *message = expect_pods (scene, expected);
    received_destroy (&message);
}

static void
files_are_read_in_the_order_of_their_names (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_pod (&scene, "b.json", "second", "i:2"); // YAML is no JSON, but nobody minds
    put_pod (&scene, "a.yaml", "third", "i:3");
    put_pod (&scene, "c.yml", "first", "i:1");
    put_pod (&scene, "d.txt", "ignored", "i:4");
    put_pod (&scene, ".e.yaml", "hidden", "i:5");
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "third=i:3 second=i:2 first=i:1");
}

static void
changes_are_told_at_once (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "");
    put_pod (&scene, "a.yaml", "a", "i:1");
    check_pods (&scene, "a=i:1");
    put_pod (&scene, "b.yaml", "b", "i:1");
    check_pods (&scene, "a=i:1 b=i:1");
    put_pod (&scene, "a.yaml", "a", "i:2");
    check_pods (&scene, "a=i:2 b=i:1");
    drop (&scene, "a.yaml");
    check_pods (&scene, "b=i:1");
}

static void
a_bad_file_disturbs_no_other_and_keeps_what_it_said (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_pod (&scene, "a.yaml", "a", "i:1");
    put_text (&scene, "bad.yaml", "apiVersion: v1\nkind: Pod\n\tbroken");
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "a=i:1");
    put_text (&scene, "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}\n");
    put_pod (&scene, "b.yaml", "b", "i:1");
    check_pods (&scene, "a=i:1 b=i:1");
    put_pod (&scene, "a.yaml", "a", "i:2"); // mended
    check_pods (&scene, "a=i:2 b=i:1");
    put_pod (&scene, "bad.yaml", "c", "i:1");
    check_pods (&scene, "a=i:2 b=i:1 c=i:1");
}

static void
what_is_no_file_is_passed_over (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    const struct {
        const char *name, *target;
    } LINKS[] = { { "dangling.yaml", "/nowhere" },
                  { "loop.yaml", "loop.yaml" },
                  { "endless.yaml", "/dev/zero" } };
    for (size_t i = 0; i < COUNT_OF (LINKS); i++) {
        OWNED (free_text) char *path = text_format ("%s/%s", scene.manifests, LINKS[i].name);
        assert_int_equal (symlink (LINKS[i].target, path), 0);
    }
    OWNED (free_text) char *fifo = text_format ("%s/fifo.yaml", scene.manifests);
    OWNED (free_text) char *directory = text_format ("%s/directory.yaml", scene.manifests);
    assert_int_equal (mkfifo (fifo, 0600), 0);
    assert_int_equal (mkdir (directory, 0700), 0);
    put_pod (&scene, "good.yaml", "good", "i:1");
    OWNED (free_text) char *link = text_format ("%s/link.yaml", scene.manifests);
    OWNED (free_text) char *elsewhere = text_format ("%s/elsewhere", scene.place);
    put_pod (&scene, "linked.tmp", "linked", "i:1");
    OWNED (free_text) char *linked = text_format ("%s/linked.tmp", scene.manifests);
    assert_int_equal (rename (linked, elsewhere), 0);
    assert_int_equal (symlink (elsewhere, link), 0);
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "good=i:1 linked=i:1");
}

static void
a_missing_directory_is_an_empty_one_until_it_appears (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    assert_int_equal (rmdir (scene.manifests), 0);
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "");
    assert_int_equal (mkdir (scene.manifests, 0700), 0);
    put_pod (&scene, "a.yaml", "a", "i:1");
    check_pods (&scene, "a=i:1");
    drop (&scene, "a.yaml");
    assert_int_equal (rmdir (scene.manifests), 0);
    check_pods (&scene, "");
    assert_int_equal (mkdir (scene.manifests, 0700), 0);
    put_pod (&scene, "b.yaml", "b", "i:1");
    check_pods (&scene, "b=i:1");
}

static void
a_rescan_finds_what_was_missed (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    // Nothing tells of a change behind a link.
    OWNED (free_text) char *link = text_format ("%s/a.yaml", scene.manifests);
    OWNED (free_text) char *target = text_format ("%s/target", scene.place);
    OWNED (free_text) char *staged = text_format ("%s/staged", scene.manifests);
    put_pod (&scene, "staged", "a", "i:1");
    assert_int_equal (rename (staged, target), 0);
    assert_int_equal (symlink (target, link), 0);
    watch (&scene, scene.manifests, 100);
    check_pods (&scene, "a=i:1");
    put_pod (&scene, "staged", "a", "i:2");
    assert_int_equal (rename (staged, target), 0);
    check_pods (&scene, "a=i:2");
}

static void
a_single_file_may_be_watched_under_any_name (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_pod (&scene, "pod", "a", "i:1");
    OWNED (free_text) char *path = text_format ("%s/pod", scene.manifests);
    watch (&scene, path, 60000);
    check_pods (&scene, "a=i:1");
    put_pod (&scene, "pod", "a", "i:2");
    check_pods (&scene, "a=i:2");
    drop (&scene, "pod");
    check_pods (&scene, "");
}

static void
every_document_of_a_file_counts (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_text (&scene, "all.yaml",
              "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
              "spec: {containers: [{name: c, image: 'i:1'}]}\n---\n---\n"
              "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n"
              "spec: {containers: [{name: c, image: 'i:2'}]}\n");
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "a=i:1 b=i:2");
}

static void
of_two_pods_with_one_name_the_first_file_counts (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_pod (&scene, "b.yaml", "twin", "i:2");
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "twin=i:2");
    put_pod (&scene, "c.yaml", "twin", "i:3");
    put_pod (&scene, "d.yaml", "other", "i:4");
    check_pods (&scene, "twin=i:2 other=i:4");
    drop (&scene, "b.yaml");
    check_pods (&scene, "twin=i:3 other=i:4");
}

static char *
seen_of (const received_t *message, size_t index)
{
    const node_t *pod = node_item (node_get (message->body, "pods"), index);
    return text_copy (node_get_text (node_at (pod, "metadata", "annotations", NULL), SEEN, ""));
}

static void
the_time_of_first_sight_stays_while_the_content_does (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_pod (&scene, "a.yaml", "a", "i:1");
    watch (&scene, scene.manifests, 60000);
    OWNED (received_destroy) received_t *first = expect_pods (&scene, "a=i:1");
    put_pod (&scene, "a.yaml", "a", "i:1");
    put_pod (&scene, "b.yaml", "b", "i:1");
    OWNED (received_destroy) received_t *second = expect_pods (&scene, "a=i:1 b=i:1");
    put_pod (&scene, "a.yaml", "a", "i:2");
    OWNED (received_destroy) received_t *third = expect_pods (&scene, "a=i:2 b=i:1");
    OWNED (free_text) char *at_first = seen_of (first, 0);
    OWNED (free_text) char *later = seen_of (second, 0);
    OWNED (free_text) char *changed = seen_of (third, 0);
    assert_string_equal (at_first, later);
    assert_string_not_equal (at_first, changed);
}

static void
who_has_just_started_is_told_again (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_pod (&scene, "a.yaml", "a", "i:1");
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "a=i:1");
    peer_t *supervisor = stage_peer (scene.stage, "supervisor");
    peer_send_json (supervisor, "manifest-watcher", MSG_ACTOR_UP,
                    "{\"name\": \"pod-manager\", \"class\": \"pod-manager\", \"restarts\": 1}");
    check_pods (&scene, "a=i:1");
}

static void
pods_are_complete_and_bound_to_the_node (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_pod (&scene, "a.yaml", "a", "i:1");
    watch (&scene, scene.manifests, 60000);
    OWNED (received_destroy) received_t *message = expect_pods (&scene, "a=i:1");
    const node_t *pod = node_item (node_get (message->body, "pods"), 0);
    assert_string_equal (node_get_text (node_get (pod, "spec"), "nodeName", ""), "lab-node");
    assert_string_equal (node_get_text (node_get (pod, "spec"), "restartPolicy", ""), "Always");
    assert_string_equal (node_get_text (node_get (pod, "metadata"), "namespace", ""), "default");
    const node_t *annotations = node_at (pod, "metadata", "annotations", NULL);
    assert_string_equal (node_get_text (annotations, "kubernetes.io/config.hash", ""),
                         node_get_text (node_get (pod, "metadata"), "uid", "?"));
}

// ---- objects ----

static void
put_config_map (const scene_t *scene, const char *file, const char *name, const char *value)
{
    OWNED (free_text)
    char *text = text_format ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
                              "data: {k: '%s'}\n",
                              name, value);
    put_text (scene, file, text);
}

/* "ConfigMap/c=1 Secret/s=-": kind, name and the value of k of every row. Owned. */
static char *
expect_objects (peer_t *worker)
{
    OWNED (received_destroy) received_t *message = peer_expect (worker, MSG_OBJECT_STATE);
    char *text = text_copy ("");
    NODE_EACH (node_get (message->body, "objects"), row)
    text_replace (&text, "%s%s%s/%s=%s", text, *text ? " " : "", node_get_text (row, "kind", ""),
                  node_get_text (row, "name", ""),
                  node_get_bool (row, "found", false)
                      ? node_as_text (node_at (row, "object", "data", "k", NULL), "?")
                      : "-");
    return text;
}

static void
check_objects (peer_t *worker, const char *expected)
{
    OWNED (free_text) char *found = expect_objects (worker);
    assert_string_equal (found, expected);
}

#define REFS                                                                                       \
    "{\"uid\": \"u\", \"refs\": [{\"kind\": \"ConfigMap\", \"namespace\": \"default\", "           \
    "\"name\": \"c\"}, {\"kind\": \"Secret\", \"namespace\": \"default\", \"name\": \"s\"}]}"

static void
workers_hear_of_the_objects_their_pods_use (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_config_map (&scene, "c.yaml", "c", "1");
    peer_t *worker = stage_peer (scene.stage, "pod-worker/a");
    watch (&scene, scene.manifests, 60000);
    peer_send_json (worker, "manifest-watcher", MSG_OBJECT_WATCH, REFS);
    check_objects (worker, "ConfigMap/c=1 Secret/s=-");
    put_config_map (&scene, "c.yaml", "c", "2");
    check_objects (worker, "ConfigMap/c=2 Secret/s=-");
    put_config_map (&scene, "other.yaml", "other", "1"); // nothing to this worker
    put_text (&scene, "s.yaml",
              "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: x}}");
    check_objects (worker, "ConfigMap/c=2 Secret/s=eA==");
    drop (&scene, "c.yaml");
    check_objects (worker, "ConfigMap/c=- Secret/s=eA==");
    // asked again it answers again
    peer_send_json (worker, "manifest-watcher", MSG_OBJECT_WATCH, REFS);
    check_objects (worker, "ConfigMap/c=- Secret/s=eA==");
    // and not any more when nothing is used
    peer_send_json (worker, "manifest-watcher", MSG_OBJECT_WATCH, "{\"uid\": \"u\", \"refs\": []}");
    put_config_map (&scene, "c.yaml", "c", "3");
    put_pod (&scene, "p.yaml", "p", "i:1");
    check_pods (&scene, "p=i:1");
    OWNED (received_destroy) received_t *none = peer_next (worker, 0);
    assert_null (none);
}

/* The supervisor's word of a worker's start and the worker's own first message race. */
static void
a_start_heard_of_late_ends_no_watch_an_end_does (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    peer_t *worker = stage_peer (scene.stage, "pod-worker/a");
    peer_t *supervisor = stage_peer (scene.stage, "supervisor");
    watch (&scene, scene.manifests, 60000);
    peer_send_json (worker, "manifest-watcher", MSG_OBJECT_WATCH, REFS);
    check_objects (worker, "ConfigMap/c=- Secret/s=-");
    peer_send_json (supervisor, "manifest-watcher", MSG_ACTOR_UP,
                    "{\"name\": \"pod-worker/a\", \"class\": \"pod-worker\", \"restarts\": 0}");
    check_pods (&scene, ""); // so it is heard
    put_config_map (&scene, "c.yaml", "c", "1");
    check_objects (worker, "ConfigMap/c=1 Secret/s=-");
    peer_send_json (supervisor, "manifest-watcher", MSG_ACTOR_DOWN,
                    "{\"name\": \"pod-worker/a\", \"at\": 1}");
    peer_send_json (supervisor, "manifest-watcher", MSG_ACTOR_UP,
                    "{\"name\": \"pod-manager\", \"class\": \"pod-manager\", \"restarts\": 1}");
    put_config_map (&scene, "c.yaml", "c", "2");
    put_pod (&scene, "p.yaml", "p", "i:1");
    check_pods (&scene, "p=i:1");
    OWNED (received_destroy) received_t *none = peer_next (worker, 0);
    assert_null (none);
}

static void
a_bad_object_keeps_what_it_said (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_config_map (&scene, "c.yaml", "c", "1");
    peer_t *worker = stage_peer (scene.stage, "pod-worker/a");
    watch (&scene, scene.manifests, 60000);
    put_text (&scene, "c.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: 7}");
    put_pod (&scene, "d.yaml", "d", "i:1");
    check_pods (&scene, "d=i:1"); // so both files are read
    peer_send_json (worker, "manifest-watcher", MSG_OBJECT_WATCH, REFS);
    check_objects (worker, "ConfigMap/c=1 Secret/s=-");
}

static void
pods_and_objects_may_stand_in_one_file (void **state)
{
    (void) state;
    OWNED (scene_destroy) scene_t scene = scene_new();
    put_text (&scene, "all.yaml",
              "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {k: a}}\n---\n"
              "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
              "  containers: [{name: c, image: 'i:1', envFrom: [{configMapRef: {name: c}}]}]\n"
              "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {k: b}}\n");
    peer_t *worker = stage_peer (scene.stage, "pod-worker/a");
    watch (&scene, scene.manifests, 60000);
    check_pods (&scene, "p=i:1");
    peer_send_json (worker, "manifest-watcher", MSG_OBJECT_WATCH, REFS);
    check_objects (worker, "ConfigMap/c=a Secret/s=-"); // the first of two counts
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (files_are_read_in_the_order_of_their_names),
        cmocka_unit_test (changes_are_told_at_once),
        cmocka_unit_test (a_bad_file_disturbs_no_other_and_keeps_what_it_said),
        cmocka_unit_test (what_is_no_file_is_passed_over),
        cmocka_unit_test (a_missing_directory_is_an_empty_one_until_it_appears),
        cmocka_unit_test (a_rescan_finds_what_was_missed),
        cmocka_unit_test (a_single_file_may_be_watched_under_any_name),
        cmocka_unit_test (every_document_of_a_file_counts),
        cmocka_unit_test (of_two_pods_with_one_name_the_first_file_counts),
        cmocka_unit_test (the_time_of_first_sight_stays_while_the_content_does),
        cmocka_unit_test (who_has_just_started_is_told_again),
        cmocka_unit_test (pods_are_complete_and_bound_to_the_node),
        cmocka_unit_test (workers_hear_of_the_objects_their_pods_use),
        cmocka_unit_test (a_start_heard_of_late_ends_no_watch_an_end_does),
        cmocka_unit_test (a_bad_object_keeps_what_it_said),
        cmocka_unit_test (pods_and_objects_may_stand_in_one_file),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
