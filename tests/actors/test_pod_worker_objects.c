/* test_pod_worker_objects.c - what a pod's worker does about objects and tokens that the pod needs.
 */
#include "pod_worker_fixture.h"

#define ENV_OF(KIND)                                                                               \
    "\"restartPolicy\": \"Always\", \"enableServiceLinks\": true, "                                \
    "\"terminationGracePeriodSeconds\": 2, \"containers\": "                                       \
    "[{\"name\": \"main\", \"image\": \"i\", \"env\": [{\"name\": \"COLOR\", \"valueFrom\": "      \
    "{\"" KIND "\": {\"name\": \"settings\", \"key\": \"color\"}}}]}]"

#define WITH_TOKEN                                                                                 \
    "\"restartPolicy\": \"Always\", \"enableServiceLinks\": true, \"serviceAccountName\": "        \
    "\"robot\", \"containers\": [{"                                                                \
    "\"name\": \"main\", \"image\": \"i\", \"volumeMounts\": [{\"name\": \"t\", \"mountPath\": "   \
    "\"/t\"}]}], \"volumes\": [{\"name\": \"t\", \"projected\": {\"sources\": ["                   \
    "{\"serviceAccountToken\": {\"path\": \"token\", \"audience\": \"vault\", "                    \
    "\"expirationSeconds\": 600}}]}}]"

#define SETTINGS(MORE)                                                                             \
    "{\"objects\": [{\"kind\": \"ConfigMap\", \"namespace\": \"default\", \"name\": "              \
    "\"settings\", " MORE "}]}"

/* From the pod's arrival to the question for its ConfigMap. */
static void
begin_with_objects (const scene_t *scene)
{
    sync_pod (scene, POD (ENV_OF ("configMapKeyRef")), STAY);
    OWNED (received_destroy) received_t *watch = peer_expect (scene->objects, MSG_OBJECT_WATCH);
    const node_t *ref = node_item (node_get (watch->body, "refs"), 0);
    assert_string_equal (node_get_text (ref, "kind", ""), "ConfigMap");
    assert_string_equal (node_get_text (ref, "name", ""), "settings");
    serve_empty_listing (scene);
    serve (scene->resources, MSG_CGROUP_ENSURE, "{}");
}

static void
a_pod_waits_for_its_objects (void **state)
{
    scene_t *scene = *state;
    begin_with_objects (scene);
    expect_quiet (scene->volumes);
    peer_send_json (scene->objects, WORKER, MSG_OBJECT_STATE,
                    SETTINGS ("\"found\": true, \"object\": {\"data\": {\"color\": \"red\"}}"));
    serve (scene->volumes, MSG_VOLUME_SETUP, "{\"volumes\": {}}");
    serve_sandbox (scene);
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    OWNED (received_destroy)
    received_t *created = serve_create (scene, "c1");
    OWNED (free_text)
    char *envs = json_write (node_at (created->body, "config", "envs", NULL), JSON_COMPACT, NULL);
    assert_non_null (strstr (envs, "\"key\":\"COLOR\",\"value\":\"red\""));
}

static void
a_container_waits_for_an_object_that_does_not_exist (void **state)
{
    scene_t *scene = *state;
    begin_with_objects (scene);
    peer_send_json (scene->objects, WORKER, MSG_OBJECT_STATE, SETTINGS ("\"found\": false"));
    serve (scene->volumes, MSG_VOLUME_SETUP, "{\"volumes\": {}}");
    serve_sandbox (scene);
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    expect_waiting (scene, "CreateContainerConfigError", "configmap \"settings\" not found");
    expect_quiet (scene->runtime);
}

static void
a_new_object_source_is_asked_again (void **state)
{
    scene_t *scene = *state;
    begin_with_objects (scene);
    peer_send_json (scene->objects, WORKER, MSG_ACTOR_UP,
                    "{\"name\": \"manifest-watcher\", \"class\": \"manifest-watcher\"}");
    ignore (scene->objects, MSG_OBJECT_WATCH);
}

static void
objects_that_are_not_watched_are_asked_for_with_news_of_the_runtime (void **state)
{
    scene_t *scene = *state;
    scene->rereads_objects = true;
    restart_worker (scene);
    begin_with_objects (scene);
    peer_send_json (scene->objects, WORKER, MSG_OBJECT_STATE,
                    SETTINGS ("\"found\": true, \"object\": {\"data\": {\"color\": \"red\"}}"));
    serve (scene->volumes, MSG_VOLUME_SETUP, "{\"volumes\": {}}"); // all is known
    peer_send_json (scene->watcher, WORKER, MSG_POD_RUNTIME,
                    "{\"sandboxes\": [], \"containers\": []}");
    ignore (scene->objects, MSG_OBJECT_WATCH);
}

static void
a_pod_that_is_gone_needs_its_objects_no_more (void **state)
{
    scene_t *scene = *state;
    begin_with_objects (scene);
    sync_pod (scene, POD (ENV_OF ("configMapKeyRef")), GO);
    serve (scene->resources, MSG_CGROUP_REMOVE, "{}");
    serve (scene->volumes, MSG_VOLUME_TEARDOWN, "{}");
    expect_finished (scene);
    ignore (scene->objects, MSG_OBJECT_WATCH); // each sync says it again
    OWNED (received_destroy) received_t *watch = peer_expect (scene->objects, MSG_OBJECT_WATCH);
    assert_int_equal (node_count (node_get (watch->body, "refs")), 0);
}

static void
tokens_are_asked_for_and_given_to_the_volumes (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (WITH_TOKEN), STAY);
    serve_empty_listing (scene);
    OWNED (received_destroy)
    received_t *asked = answer (scene->tokens, MSG_TOKEN_GET, "{\"token\": \"secret\"}");
    assert_string_equal (node_get_text (asked->body, "service_account", ""), "robot");
    assert_string_equal (node_get_text (asked->body, "pod_uid", ""), "u1");
    assert_string_equal (node_get_text (asked->body, "audience", ""), "vault");
    assert_int_equal (node_get_int (asked->body, "expiration_seconds", 0), 600);
    OWNED (received_destroy)
    received_t *setup = peer_expect (scene->volumes, MSG_VOLUME_SETUP);
    const node_t *token = node_item (node_get (setup->body, "tokens"), 0);
    assert_string_equal (node_get_text (token, "token", ""), "secret");
}

static void
a_token_that_cannot_be_had_is_for_the_volumes_to_say (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (WITH_TOKEN), STAY);
    serve_empty_listing (scene);
    OWNED (received_destroy) received_t *asked = peer_expect (scene->tokens, MSG_TOKEN_GET);
    peer_reply_fault (scene->tokens, asked, FAULT_DENIED, "forbidden");
    OWNED (received_destroy) received_t *setup = peer_expect (scene->volumes, MSG_VOLUME_SETUP);
    const node_t *token = node_item (node_get (setup->body, "tokens"), 0);
    assert_string_equal (node_get_text (token, "error", ""), "forbidden");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_pod_waits_for_its_objects),
        TEST (a_container_waits_for_an_object_that_does_not_exist),
        TEST (a_new_object_source_is_asked_again),
        TEST (objects_that_are_not_watched_are_asked_for_with_news_of_the_runtime),
        TEST (a_pod_that_is_gone_needs_its_objects_no_more),
        TEST (tokens_are_asked_for_and_given_to_the_volumes),
        TEST (a_token_that_cannot_be_had_is_for_the_volumes_to_say),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
