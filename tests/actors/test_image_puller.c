#include "cubelet/actors.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define STATUS_ABSENT "{}"
#define STATUS_PRESENT                                                                             \
    "{\"image\": {\"id\": \"sha256:abc\", \"size\": 2427638, \"uid\": {\"value\": 7}}}"
#define REF "{\"image_ref\": \"sha256:abc\"}"

typedef struct {
    stage_t *stage;
    peer_t *runtime, *recorder, *worker, *other;
} fixture_t;

static fixture_t
fixture_new (const char *args_json)
{
    fixture_t self = { .stage = stage_new() };
    self.runtime = stage_peer (self.stage, "runtime");
    self.recorder = stage_peer (self.stage, "event-recorder");
    self.worker = stage_peer (self.stage, "pod-worker/default_p_u1");
    self.other = stage_peer (self.stage, "pod-worker/default_q_u2");
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *args = json_read (args_json, strlen (args_json), &fault);
    assert_non_null (args);
    stage_actor (self.stage, &image_puller_class, "image-puller", tree_root (args));
    return self;
}

static uint64_t
ask (peer_t *worker, const char *uid, const char *image, const char *policy)
{
    OWNED (free_text)
    char *json = text_format (
        "{\"image\": \"%s\", \"policy\": \"%s\", \"container\": \"main\","
        " \"sandbox_config\": {\"metadata\": {\"name\": \"p\"}},"
        " \"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\": \"default\", \"uid\": \"%s\","
        " \"annotations\": {\"a\": \"b\"}}, \"spec\": {\"containers\": [{\"name\": \"main\"}]}}}",
        image, policy, uid);
    return peer_request_json (worker, "image-puller", MSG_IMAGE_ENSURE, json);
}

static void
expect_event (fixture_t *self, const char *type, const char *reason, const char *message)
{
    OWNED (received_destroy) received_t *event = peer_expect (self->recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "message", ""), message);
    assert_string_equal (node_get_text (event->body, "type", ""), type);
    assert_string_equal (node_get_text (event->body, "reason", ""), reason);
    assert_string_equal (node_get_text (node_get (event->body, "object"), "fieldPath", ""),
                         "spec.containers{main}");
}

static void
expect_fault (peer_t *worker, uint64_t id, const char *text)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (worker, id);
    assert_int_not_equal (reply->envelope.fault_code, FAULT_NONE);
    assert_string_equal (reply->envelope.fault_text, text);
}

static void
expect_image (peer_t *worker, uint64_t id, bool is_pulled)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (worker, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
    assert_string_equal (node_get_text (reply->body, "image_ref", ""), "sha256:abc");
    assert_int_equal (node_get_int (node_get (reply->body, "user"), "uid", -1), 7);
    assert_int_equal (node_get_bool (reply->body, "pulled", !is_pulled), is_pulled);
}

static void
answer (fixture_t *self, message_id_t type, const char *json)
{
    OWNED (received_destroy) received_t *request = peer_expect (self->runtime, type);
    peer_reply_json (self->runtime, request, json);
}

static void
answer_fault (fixture_t *self, message_id_t type, fault_code_t code, const char *text)
{
    OWNED (received_destroy) received_t *request = peer_expect (self->runtime, type);
    peer_reply_fault (self->runtime, request, code, text);
}

static void
an_image_that_is_there_is_not_pulled (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t id = ask (self.worker, "u1", "nginx", "IfNotPresent");
    OWNED (received_destroy) received_t *status = peer_expect (self.runtime, MSG_CRI_IMAGE_STATUS);
    const node_t *image = node_get (status->body, "image");
    assert_string_equal (node_get_text (image, "image", ""), "nginx:latest");
    assert_string_equal (node_get_text (node_get (image, "annotations"), "a", ""), "b");
    peer_reply_json (self.runtime, status, STATUS_PRESENT);
    expect_event (&self, "Normal", "Pulled",
                  "Container image \"nginx\" already present on machine");
    expect_image (self.worker, id, false);
    stage_destroy (&self.stage);
}

static void
an_absent_image_is_pulled_with_its_sandbox_config (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t id = ask (self.worker, "u1", "r/i:1", "IfNotPresent");
    answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_ABSENT);
    expect_event (&self, "Normal", "Pulling", "Pulling image \"r/i:1\"");
    OWNED (received_destroy) received_t *pull = peer_expect (self.runtime, MSG_CRI_PULL_IMAGE);
    assert_string_equal (node_get_text (node_get (pull->body, "image"), "image", ""), "r/i:1");
    assert_non_null (node_at (pull->body, "sandbox_config", "metadata", NULL));
    peer_reply_json (self.runtime, pull, REF);
    answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_PRESENT);
    OWNED (received_destroy) received_t *event = peer_expect (self.recorder, MSG_EVENT_RECORD);
    assert_non_null (strstr (node_get_text (event->body, "message", ""),
                             "Successfully pulled image \"r/i:1\" in "));
    assert_non_null (strstr (node_get_text (event->body, "message", ""),
                             "including waiting). Image size: 2427638 bytes."));
    expect_image (self.worker, id, true);
    stage_destroy (&self.stage);
}

static void
faults_read_as_the_recordings (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t id = ask (self.worker, "u1", "Bad Name:::", "IfNotPresent");
#define BAD_NAME                                                                                   \
    "Failed to apply default image tag \"Bad Name:::\": couldn't parse image name "                \
    "\"Bad Name:::\": invalid reference format: repository name (library/Bad Name) must be "       \
    "lowercase"
    expect_event (&self, "Warning", "InspectFailed", BAD_NAME);
    expect_event (&self, "Warning", "Failed", "Error: InvalidImageName");
    expect_fault (self.worker, id, "InvalidImageName: " BAD_NAME);

    id = ask (self.worker, "u1", "nope.local/missing:1", "Never");
    answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_ABSENT);
#define NEVER "Container image \"nope.local/missing:1\" is not present with pull policy of Never"
    expect_event (&self, "Warning", "ErrImageNeverPull", NEVER);
    expect_event (&self, "Warning", "Failed", "Error: ErrImageNeverPull");
    expect_fault (self.worker, id, "ErrImageNeverPull: " NEVER);

    id = ask (self.worker, "u1", "r/i:1", "IfNotPresent");
    answer_fault (&self, MSG_CRI_IMAGE_STATUS, FAULT_UNAVAILABLE, "down");
#define INSPECT "Failed to inspect image \"\": rpc error: code = Unavailable desc = down"
    expect_event (&self, "Warning", "InspectFailed", INSPECT);
    expect_event (&self, "Warning", "Failed", "Error: ImageInspectError");
    expect_fault (self.worker, id, "ImageInspectError: " INSPECT);
    stage_destroy (&self.stage);
}

static void
a_failed_pull_holds_the_same_pod_back (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t id = ask (self.worker, "u1", "r/i:1", "Always");
    answer_fault (&self, MSG_CRI_PULL_IMAGE, FAULT_NOT_FOUND, "r/i:1: not found");
#define NOT_FOUND "rpc error: code = NotFound desc = r/i:1: not found"
    expect_event (&self, "Normal", "Pulling", "Pulling image \"r/i:1\"");
    expect_event (&self, "Warning", "Failed", "Failed to pull image \"r/i:1\": " NOT_FOUND);
    expect_event (&self, "Warning", "Failed", "Error: ErrImagePull");
    expect_fault (self.worker, id, "ErrImagePull: " NOT_FOUND);

    id = ask (self.worker, "u1", "r/i:1", "Always");
    expect_event (&self, "Normal", "BackOff", "Back-off pulling image \"r/i:1\"");
    expect_event (&self, "Warning", "Failed", "Error: ImagePullBackOff");
    expect_fault (self.worker, id,
                  "ImagePullBackOff: Back-off pulling image \"r/i:1\": ErrImagePull: " NOT_FOUND);

    // another pod may try at once
    ask (self.other, "u2", "r/i:1", "Always");
    expect_event (&self, "Normal", "Pulling", "Pulling image \"r/i:1\"");
    answer_fault (&self, MSG_CRI_PULL_IMAGE, FAULT_UNKNOWN, "RegistryUnavailable: tea");
    expect_event (&self, "Warning", "Failed",
                  "Failed to pull image \"r/i:1\": RegistryUnavailable: tea");
    expect_event (&self, "Warning", "Failed", "Error: RegistryUnavailable");
    stage_destroy (&self.stage);
}

static void
askers_of_one_image_share_one_pull (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{\"serialize_pulls\": false}");
    uint64_t first = ask (self.worker, "u1", "r/i:1", "Always");
    uint64_t second = ask (self.other, "u2", "r/i:1", "Always");
    expect_event (&self, "Normal", "Pulling", "Pulling image \"r/i:1\"");
    expect_event (&self, "Normal", "Pulling", "Pulling image \"r/i:1\"");
    answer (&self, MSG_CRI_PULL_IMAGE, REF);
    answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_PRESENT);
    expect_image (self.worker, first, true);
    expect_image (self.other, second, true);
    assert_null (peer_next (self.runtime, 50));
    stage_destroy (&self.stage);
}

static void
pulls_wait_for_their_turn (void **state)
{
    (void) state;
    static const struct {
        const char *args;
        int at_once;
    } CASES[] = {
        { "{}", 1 },
        { "{\"serialize_pulls\": true, \"max_parallel_pulls\": 3}", 1 },
        { "{\"serialize_pulls\": false, \"max_parallel_pulls\": 2}", 2 },
        { "{\"serialize_pulls\": false}", 4 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fixture_t self = fixture_new (CASES[i].args);
        for (int image = 0; image < 4; image++) {
            OWNED (free_text) char *name = text_format ("r/i:%d", image);
            ask (self.worker, "u1", name, "Always");
        }
        received_t *pulls[4] = { 0 };
        for (int image = 0; image < CASES[i].at_once; image++)
            pulls[image] = peer_expect (self.runtime, MSG_CRI_PULL_IMAGE);
        assert_null (peer_next (self.runtime, 50));
        // the end of one lets the next in, in the order they were asked for
        peer_reply_fault (self.runtime, pulls[0], FAULT_NOT_FOUND, "no");
        if (CASES[i].at_once < 4) {
            OWNED (free_text) char *next = text_format ("r/i:%d", CASES[i].at_once);
            OWNED (received_destroy)
            received_t *pull = peer_expect (self.runtime, MSG_CRI_PULL_IMAGE);
            assert_string_equal (node_get_text (node_get (pull->body, "image"), "image", ""), next);
        }
        for (int image = 0; image < CASES[i].at_once; image++)
            received_destroy (&pulls[image]);
        stage_destroy (&self.stage);
    }
}

static void
pulls_above_the_rate_fail (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{\"serialize_pulls\": false, \"qps\": 0.001, \"burst\": 1}");
    ask (self.worker, "u1", "r/i:1", "Always");
    expect_event (&self, "Normal", "Pulling", "Pulling image \"r/i:1\"");
    uint64_t id = ask (self.worker, "u1", "r/i:2", "Always");
    expect_event (&self, "Normal", "Pulling", "Pulling image \"r/i:2\"");
    expect_event (&self, "Warning", "Failed", "Failed to pull image \"r/i:2\": pull QPS exceeded");
    expect_event (&self, "Warning", "Failed", "Error: ErrImagePull");
    expect_fault (self.worker, id, "ErrImagePull: pull QPS exceeded");
    stage_destroy (&self.stage);
}

static void
a_pull_ends_when_nobody_waits_for_it (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t first = ask (self.worker, "u1", "r/i:1", "Always");
    ask (self.other, "u2", "r/i:1", "Always");
    OWNED (received_destroy) received_t *pull = peer_expect (self.runtime, MSG_CRI_PULL_IMAGE);
    OWNED (free_text) char *cancel = text_format ("{\"id\": %llu}", (unsigned long long) first);
    peer_send_json (self.worker, "image-puller", MSG_REQUEST_CANCEL, cancel);
    assert_null (peer_next (self.runtime, 50));
    ask (self.worker, "u1", "r/i:2", "Always"); // waits for its place
    // the other asker is started anew
    peer_send_json (self.other, "image-puller", MSG_ACTOR_UP,
                    "{\"name\": \"pod-worker/default_q_u2\", \"class\": \"pod-worker\","
                    " \"restarts\": 1}");
    OWNED (received_destroy) received_t *cancelled = peer_expect (self.runtime, MSG_REQUEST_CANCEL);
    assert_int_equal ((uint64_t) node_get_int (cancelled->body, "id", 0), pull->envelope.id);
    OWNED (received_destroy) received_t *next = peer_expect (self.runtime, MSG_CRI_PULL_IMAGE);
    assert_string_equal (node_get_text (node_get (next->body, "image"), "image", ""), "r/i:2");
    stage_destroy (&self.stage);
}

static void
a_runtime_that_dies_fails_the_pull (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t id = ask (self.worker, "u1", "r/i:1", "Always");
    answer (&self, MSG_CRI_PULL_IMAGE, REF);
    answer_fault (&self, MSG_CRI_IMAGE_STATUS, FAULT_UNAVAILABLE, "gone");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.worker, id);
    assert_string_equal (reply->envelope.fault_text,
                         "ImageInspectError: Failed to inspect image \"sha256:abc\": "
                         "rpc error: code = Unavailable desc = gone");
    stage_destroy (&self.stage);
}

// ---- credentials ----

/* {auths: {"r.io": a:1, "r.io/x": b:2}} in base64. */
#define PULL_SECRET                                                                                \
    "\"secrets\": [{\"type\": \"kubernetes.io/dockercfg\", \"data\": {\".dockercfg\":"             \
    " \"eyJyLmlvIjogeyJhdXRoIjogIllUb3gifSwgInIuaW8veCI6IHsiYXV0aCI6ICJZam95In19\"}}]"

static uint64_t
ask_with (peer_t *worker, const char *uid, const char *image, const char *secrets)
{
    OWNED (free_text)
    char *json = text_format ("{\"image\": \"%s\", \"policy\": \"Always\", \"container\": \"main\","
                              " %s, \"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\":"
                              " \"default\", \"uid\": \"%s\"}}}",
                              image, secrets, uid);
    return peer_request_json (worker, "image-puller", MSG_IMAGE_ENSURE, json);
}

/* The next PullImage, which must carry this user; "": none. */
static received_t *
expect_pull_as (fixture_t *self, const char *user, const char *password)
{
    received_t *pull = peer_expect (self->runtime, MSG_CRI_PULL_IMAGE);
    const node_t *auth = node_get (pull->body, "auth");
    assert_string_equal (node_get_text (auth, "username", ""), user);
    assert_string_equal (node_get_text (auth, "password", ""), password);
    return pull;
}

static void
credentials_are_tried_one_after_the_other (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t id = ask_with (self.worker, "u1", "r.io/x/i:1", PULL_SECRET);
    OWNED (received_destroy) received_t *first = expect_pull_as (&self, "b", "2");
    peer_reply_fault (self.runtime, first, FAULT_DENIED, "no");
    OWNED (received_destroy) received_t *second = expect_pull_as (&self, "a", "1");
    peer_reply_json (self.runtime, second, REF);
    answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_PRESENT);
    expect_image (self.worker, id, true);
    // none of them is any good: all faults are told
    id = ask_with (self.worker, "u1", "r.io/x/i:2", PULL_SECRET);
    OWNED (received_destroy) received_t *third = expect_pull_as (&self, "b", "2");
    peer_reply_fault (self.runtime, third, FAULT_UNKNOWN, "no");
    OWNED (received_destroy) received_t *fourth = expect_pull_as (&self, "a", "1");
    peer_reply_fault (self.runtime, fourth, FAULT_UNKNOWN, "never");
    expect_fault (self.worker, id, "ErrImagePull: [no, never]");
    stage_destroy (&self.stage);
}

static void
pods_with_other_secrets_pull_for_themselves (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{\"serialize_pulls\": false}");
    uint64_t with = ask_with (self.worker, "u1", "r.io/i:1", PULL_SECRET);
    OWNED (received_destroy) received_t *first = expect_pull_as (&self, "a", "1");
    uint64_t without = ask_with (self.other, "u2", "r.io/i:1", "\"secrets\": []");
    OWNED (received_destroy) received_t *second = expect_pull_as (&self, "", "");
    peer_reply_fault (self.runtime, second, FAULT_UNKNOWN, "who are you");
    expect_fault (self.other, without, "ErrImagePull: who are you");
    peer_reply_json (self.runtime, first, REF);
    answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_PRESENT);
    expect_image (self.worker, with, true);
    stage_destroy (&self.stage);
}

static void
a_secret_that_cannot_be_read_fails_the_pull (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("{}");
    uint64_t id = ask_with (self.worker, "u1", "r.io/i:1",
                            "\"secrets\": [{\"type\": \"kubernetes.io/dockercfg\", \"metadata\":"
                            " {\"name\": \"s\"}, \"data\": {\".dockercfg\": \"eA==\"}}]");
    expect_fault (self.worker, id, "ErrImagePull: secret s: .dockercfg is not JSON");
    stage_destroy (&self.stage);
}

/* Makes a directory with the plugin "p", a shell script, and config.json of the node; the actor's
   arguments for both. Owned. */
static char *
node_with_plugin (const char *place, const char *script)
{
    OWNED (free_text) char *plugin = text_format ("%s/p", place);
    OWNED (free_text) char *config = text_format ("%s/config.json", place);
    {
        OWNED (close_file) FILE *file = fopen (plugin, "we");
        assert_non_null (file);
        fprintf (file, "#!/bin/sh\n%s\n", script);
        assert_int_equal (fchmod (fileno (file), 0755), 0);
    }
    OWNED (close_file) FILE *file = fopen (config, "we");
    fprintf (file, "{\"auths\": {\"r.io\": {\"username\": \"node\", \"password\": \"3\"}}}");
    return text_format (
        "{\"root_dir\": \"%s\", \"credential_provider_bin_dir\": \"%s\", \"credential_providers\":"
        " {\"apiVersion\": \"kubelet.config.k8s.io/v1\", \"kind\": \"CredentialProviderConfig\","
        " \"providers\": [{\"name\": \"p\", \"matchImages\": [\"*.io\"], \"defaultCacheDuration\":"
        " \"1h\", \"apiVersion\": \"credentialprovider.kubelet.k8s.io/v1\", \"args\": [\"give\"],"
        " \"env\": [{\"name\": \"WHO\", \"value\": \"plugin\"}]}]}}",
        place, place);
}

static void
the_node_and_its_plugins_have_credentials (void **state)
{
    (void) state;
    char place[] = "/tmp/test_puller_XXXXXX";
    assert_non_null (mkdtemp (place));
    OWNED (free_text)
    char *args = node_with_plugin (
        place, "read request; echo \"$request\" >> \"${0%/*}/asked\"\n"
               "echo '{\"kind\": \"CredentialProviderResponse\", \"apiVersion\":"
               " \"credentialprovider.kubelet.k8s.io/v1\", \"cacheKeyType\": \"Registry\","
               " \"auth\": {\"r.io\": {\"username\": \"'$WHO'\", \"password\": \"'$1'\"}}}'");
    fixture_t self = fixture_new (args);
    for (int i = 0; i < 2; i++) { // the second time the plugin's answer is known
        OWNED (free_text) char *image = text_format ("r.io/i:%d", i);
        uint64_t id = ask_with (self.worker, "u1", image, "\"secrets\": []");
        OWNED (received_destroy) received_t *first = expect_pull_as (&self, "node", "3");
        peer_reply_fault (self.runtime, first, FAULT_UNKNOWN, "no");
        OWNED (received_destroy) received_t *second = expect_pull_as (&self, "plugin", "give");
        peer_reply_json (self.runtime, second, REF);
        answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_PRESENT);
        expect_image (self.worker, id, true);
    }
    stage_destroy (&self.stage);
    OWNED (free_text)
    char *command =
        text_format ("test \"$(cat %s/asked)\" = '{\"kind\":\"CredentialProviderRequest\","
                     "\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\","
                     "\"image\":\"r.io/i\"}' && rm -r %s",
                     place, place);
    assert_int_equal (system (command), 0);
}

static void
a_plugin_that_fails_is_passed_over (void **state)
{
    (void) state;
    char place[] = "/tmp/test_puller_XXXXXX";
    assert_non_null (mkdtemp (place));
    OWNED (free_text) char *args = node_with_plugin (place, "echo sorry >&2; exit 1");
    fixture_t self = fixture_new (args);
    uint64_t id = ask_with (self.worker, "u1", "q.io/i:1", "\"secrets\": []");
    OWNED (received_destroy) received_t *pull = expect_pull_as (&self, "", "");
    peer_reply_json (self.runtime, pull, REF);
    answer (&self, MSG_CRI_IMAGE_STATUS, STATUS_PRESENT);
    expect_image (self.worker, id, true);
    stage_destroy (&self.stage);
    OWNED (free_text) char *command = text_format ("rm -r %s", place);
    assert_int_equal (system (command), 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_image_that_is_there_is_not_pulled),
        cmocka_unit_test (an_absent_image_is_pulled_with_its_sandbox_config),
        cmocka_unit_test (faults_read_as_the_recordings),
        cmocka_unit_test (a_failed_pull_holds_the_same_pod_back),
        cmocka_unit_test (askers_of_one_image_share_one_pull),
        cmocka_unit_test (pulls_wait_for_their_turn),
        cmocka_unit_test (pulls_above_the_rate_fail),
        cmocka_unit_test (a_pull_ends_when_nobody_waits_for_it),
        cmocka_unit_test (a_runtime_that_dies_fails_the_pull),
        cmocka_unit_test (credentials_are_tried_one_after_the_other),
        cmocka_unit_test (pods_with_other_secrets_pull_for_themselves),
        cmocka_unit_test (a_secret_that_cannot_be_read_fails_the_pull),
        cmocka_unit_test (the_node_and_its_plugins_have_credentials),
        cmocka_unit_test (a_plugin_that_fails_is_passed_over),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
