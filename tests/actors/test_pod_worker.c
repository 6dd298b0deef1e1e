/* test_pod_worker.c - the worker of one pod, with everybody it speaks to played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKER "pod-worker/default_web_u1"
#define QUIET_MS 300 // long enough to see that nothing comes
/* Of the runtime's calls: a lost answer is given up after twice this. */
#define REQUEST_TIMEOUT "500"

typedef struct {
    stage_t *stage;
    actor_host_t *worker;
    peer_t *manager, *runtime, *images, *volumes, *resources, *objects, *tokens, *recorder;
    char directory[64];
    char hash[32]; // of the container's last creation
} scene_t;

static tree_t *
json (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", fault.text, text);
    return tree;
}

static void
start_worker (scene_t *scene)
{
    OWNED (free_text)
    char *text = text_format ("{\"node_name\": \"n1\", \"root_dir\": \"%s/root\", "
                              "\"pod_logs_dir\": \"%s/logs\", \"cgroup_driver\": \"cgroupfs\", "
                              "\"is_standalone\": true, \"object_source\": \"manifest-watcher\", "
                              "\"request_timeout_ms\": " REQUEST_TIMEOUT "}",
                              scene->directory, scene->directory);
    OWNED (tree_destroy) tree_t *args = json (text);
    scene->worker = stage_actor (scene->stage, &pod_worker_class, WORKER, tree_root (args));
}

static int
set_up (void **state)
{
    scene_t *scene = memory_new (1, sizeof *scene);
    snprintf (scene->directory, sizeof scene->directory, "/tmp/test-pod-worker-XXXXXX");
    assert_non_null (mkdtemp (scene->directory));
    static const char *const DIRECTORIES[] = { "root", "root/pods", "root/pods/u1", "logs" };
    for (size_t i = 0; i < COUNT_OF (DIRECTORIES); i++) {
        OWNED (free_text) char *path = text_format ("%s/%s", scene->directory, DIRECTORIES[i]);
        assert_int_equal (mkdir (path, 0755), 0);
    }
    scene->stage = stage_new();
    struct {
        peer_t **peer;
        const char *name;
    } peers[] = {
        { &scene->manager, "pod-manager" },        { &scene->runtime, "runtime" },
        { &scene->images, "image-puller" },        { &scene->volumes, "volume-manager" },
        { &scene->resources, "resource-manager" }, { &scene->objects, "manifest-watcher" },
        { &scene->tokens, "token-manager" },       { &scene->recorder, "event-recorder" },
    };
    for (size_t i = 0; i < COUNT_OF (peers); i++)
        *peers[i].peer = stage_peer (scene->stage, peers[i].name);
    start_worker (scene);
    *state = scene;
    return 0;
}

static int
remove_entry (const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void) info, (void) kind, (void) walk;
    return remove (path);
}

static int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    nftw (scene->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free (scene);
    return 0;
}

/* Ends the worker as a crash does, and starts it anew as the supervisor does. */
static void
restart_worker (scene_t *scene)
{
    peer_send (scene->manager, WORKER, MSG_ACTOR_KILL, NULL);
    OWNED (free_text) char *reason = stage_wait_down (scene->worker);
    assert_string_equal (reason, "killed by fault injection");
    start_worker (scene);
}

// ---- what the peers say ----

#define POD(SPEC)                                                                                  \
    "{\"metadata\": {\"name\": \"web\", \"namespace\": \"default\", \"uid\": \"u1\"}, "            \
    "\"spec\": {" SPEC "}}"

#define ONE_CONTAINER                                                                              \
    "\"restartPolicy\": \"Always\", \"enableServiceLinks\": true, "                                \
    "\"terminationGracePeriodSeconds\": 2, "                                                       \
    "\"containers\": [{\"name\": \"main\", \"image\": \"i\", \"imagePullPolicy\": \"Always\"}]"

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

static void
sync_pod (const scene_t *scene, const char *pod, const char *more)
{
    OWNED (free_text) char *text = text_format ("{\"pod\": %s, %s}", pod, more);
    peer_send_json (scene->manager, WORKER, MSG_POD_SYNC, text);
}

#define STAY "\"terminate\": false"
#define GO "\"terminate\": true, \"grace\": 1"

/* Expects a request and answers it; yields the request (owned). */
static received_t *
answer (peer_t *peer, message_id_t type, const char *text)
{
    received_t *request = peer_expect (peer, type);
    peer_reply_json (peer, request, text);
    return request;
}

/* The same when nobody wants to look at the request. */
static void
serve (peer_t *peer, message_id_t type, const char *text)
{
    OWNED (received_destroy) received_t *request = answer (peer, type, text);
    (void) request;
}

/* Expects a request and lets its answer get lost. */
static void
ignore (peer_t *peer, message_id_t type)
{
    OWNED (received_destroy) received_t *request = peer_expect (peer, type);
    (void) request;
}

#define RUNTIME_UP "{\"up\": true, \"ready\": true, \"network_ready\": true, \"name\": \"fake\"}"
#define SANDBOX_READY_STATUS                                                                       \
    "{\"status\": {\"id\": \"s1\", \"created_at\": 1000, \"network\": {\"ip\": \"10.1.2.3\"}}}"
#define SANDBOX_STOPPED_STATUS                                                                     \
    "{\"status\": {\"id\": \"s1\", \"created_at\": 1000, \"state\": \"SANDBOX_NOTREADY\"}}"
/* Its end, as the runtime says it. */
#define ENDED ", \"finished_at\": 4000, \"exit_code\": 3, \"reason\": \"Error\""

/* Expects CreateContainer and answers with this id; yields the request (owned). */
static received_t *
serve_create (scene_t *scene, const char *id)
{
    OWNED (free_text) char *text = text_format ("{\"container_id\": \"%s\"}", id);
    received_t *request = answer (scene->runtime, MSG_CRI_CREATE_CONTAINER, text);
    const node_t *annotations = node_at (request->body, "config", "annotations", NULL);
    snprintf (scene->hash, sizeof scene->hash, "%s",
              node_get_text (annotations, "io.kubernetes.container.hash", ""));
    return request;
}

static void
create (scene_t *scene)
{
    OWNED (received_destroy) received_t *request = serve_create (scene, "c1");
    assert_string_not_equal (scene->hash, "");
}

/* Answers the next question for the container: in this state (CONTAINER_...), with `more`. */
static void
serve_status (const scene_t *scene, const char *state, const char *more)
{
    OWNED (free_text)
    char *text = text_format ("{\"status\": {\"id\": \"c1\", \"metadata\": {\"name\": \"main\"}, "
                              "\"state\": \"CONTAINER_%s\", \"created_at\": 2000, "
                              "\"started_at\": 3000, \"annotations\": "
                              "{\"io.kubernetes.container.hash\": \"%s\"}%s}}",
                              state, scene->hash, more);
    serve (scene->runtime, MSG_CRI_CONTAINER_STATUS, text);
}

static void
serve_empty_listing (const scene_t *scene)
{
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    OWNED (received_destroy)
    received_t *asked = answer (scene->runtime, MSG_CRI_LIST_POD_SANDBOX, "{\"items\": []}");
    const node_t *labels = node_at (asked->body, "filter", "label_selector", NULL);
    assert_string_equal (node_get_text (labels, "io.kubernetes.pod.uid", ""), "u1");
    serve (scene->runtime, MSG_CRI_LIST_CONTAINERS, "{\"containers\": []}");
}

static void
serve_preparations (const scene_t *scene)
{
    serve (scene->resources, MSG_CGROUP_ENSURE, "{}");
    serve (scene->volumes, MSG_VOLUME_SETUP, "{\"volumes\": {}}");
}

static void
serve_sandbox (const scene_t *scene)
{
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    serve (scene->runtime, MSG_CRI_RUN_POD_SANDBOX, "{\"pod_sandbox_id\": \"s1\"}");
    serve (scene->runtime, MSG_CRI_POD_SANDBOX_STATUS, SANDBOX_READY_STATUS);
}

static void
serve_start (scene_t *scene)
{
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\", \"pulled\": true}");
    create (scene);
    serve (scene->runtime, MSG_CRI_START_CONTAINER, "{}");
    serve_status (scene, "RUNNING", "");
}

/* From nothing to a running container. */
static void
bring_up (scene_t *scene)
{
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
    serve_start (scene);
}

/* What a worker that starts anew finds of it. */
static void
serve_listing (const scene_t *scene)
{
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    serve (scene->runtime, MSG_CRI_LIST_POD_SANDBOX,
           "{\"items\": [{\"id\": \"s1\", \"created_at\": 1000}]}");
    serve (scene->runtime, MSG_CRI_LIST_CONTAINERS,
           "{\"containers\": [{\"id\": \"c1\", \"pod_sandbox_id\": \"s1\", \"state\": "
           "\"CONTAINER_RUNNING\"}]}");
    serve (scene->runtime, MSG_CRI_POD_SANDBOX_STATUS, SANDBOX_READY_STATUS);
    serve_status (scene, "RUNNING", "");
}

/* Stops and removes what runs. */
static void
serve_end (const scene_t *scene)
{
    OWNED (received_destroy)
    received_t *stopped = answer (scene->runtime, MSG_CRI_STOP_CONTAINER, "{}");
    assert_string_equal (node_get_text (stopped->body, "container_id", ""), "c1");
    serve_status (scene, "EXITED", ENDED);
    serve (scene->runtime, MSG_CRI_STOP_POD_SANDBOX, "{}");
    serve (scene->runtime, MSG_CRI_POD_SANDBOX_STATUS, SANDBOX_STOPPED_STATUS);
}

static void
serve_removal (const scene_t *scene)
{
    serve (scene->runtime, MSG_CRI_REMOVE_CONTAINER, "{}");
    serve (scene->runtime, MSG_CRI_REMOVE_POD_SANDBOX, "{}");
    serve (scene->resources, MSG_CGROUP_REMOVE, "{}");
    serve (scene->volumes, MSG_VOLUME_TEARDOWN, "{}");
}

// ---- what the worker says ----

/* The first container's state in a status: "running", "waiting", "terminated" or "". */
static const char *
state_of (const node_t *status)
{
    const node_t *state = node_get (node_item (node_get (status, "containerStatuses"), 0), "state");
    return node_count (state) ? node_key_at (state, 0) : "";
}

/* Waits for a POD_STATUS in which the container has this state; owned. */
static received_t *
expect_state (const scene_t *scene, const char *wanted)
{
    for (;;) {
        received_t *got = peer_expect (scene->manager, MSG_POD_STATUS);
        if (strcmp (state_of (node_get (got->body, "status")), wanted) == 0)
            return got;
        received_destroy (&got);
    }
}

/* ... in which it waits for that reason. */
static void
expect_waiting (const scene_t *scene, const char *reason, const char *message)
{
    for (;;) {
        OWNED (received_destroy) received_t *got = expect_state (scene, "waiting");
        const node_t *first =
            node_item (node_at (got->body, "status", "containerStatuses", NULL), 0);
        const node_t *waiting = node_at (first, "state", "waiting", NULL);
        if (strcmp (node_get_text (waiting, "reason", ""), reason) != 0)
            continue;
        assert_string_equal (node_get_text (waiting, "message", ""), message);
        return;
    }
}

static void
expect_finished (const scene_t *scene)
{
    for (bool is_finished = false; !is_finished;) {
        OWNED (received_destroy) received_t *got = peer_expect (scene->manager, MSG_POD_STATUS);
        is_finished = node_get_bool (got->body, "finished", false);
    }
}

static void
expect_event (const scene_t *scene, const char *reason)
{
    for (bool is_found = false; !is_found;) {
        OWNED (received_destroy)
        received_t *got = peer_expect (scene->recorder, MSG_EVENT_RECORD);
        is_found = strcmp (node_get_text (got->body, "reason", ""), reason) == 0;
    }
}

static void
expect_quiet (peer_t *peer)
{
    OWNED (received_destroy) received_t *got = peer_next (peer, QUIET_MS);
    if (got)
        fail_msg ("unexpected %s", got->envelope.type);
}

// ---- a whole life ----

static void
a_pod_starts_and_runs (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    OWNED (received_destroy) received_t *got = expect_state (scene, "running");
    const node_t *status = node_get (got->body, "status");
    assert_string_equal (node_get_text (status, "phase", ""), "Running");
    assert_string_equal (node_get_text (status, "podIP", ""), "10.1.2.3");
    const node_t *container = node_item (node_get (status, "containerStatuses"), 0);
    assert_string_equal (node_get_text (container, "containerID", ""), "fake://c1");
    assert_true (node_get_bool (got->body, "running", false));
    assert_false (node_get_bool (got->body, "finished", true));
    expect_event (scene, "Created");
    expect_event (scene, "Started");
}

static void
what_the_runtime_is_told_fits_together (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
    OWNED (received_destroy)
    received_t *image = answer (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    assert_string_equal (node_get_text (image->body, "image", ""), "i");
    assert_string_equal (node_get_text (image->body, "policy", ""), "Always");
    OWNED (received_destroy)
    received_t *created = serve_create (scene, "c1");
    assert_string_equal (node_get_text (created->body, "pod_sandbox_id", ""), "s1");
    const node_t *asked = node_at (created->body, "config", "image", NULL);
    assert_string_equal (node_get_text (asked, "image", ""), "sha256:1");
    OWNED (received_destroy)
    received_t *started = answer (scene->runtime, MSG_CRI_START_CONTAINER, "{}");
    assert_string_equal (node_get_text (started->body, "container_id", ""), "c1");
}

static void
a_pod_that_goes_is_stopped_and_removed (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    sync_pod (scene, POD (ONE_CONTAINER), GO);
    serve_end (scene);
    serve_removal (scene);
    expect_event (scene, "Killing");
    expect_finished (scene);
    OWNED (free_text) char *logs = text_format ("%s/logs/default_web_u1", scene->directory);
    assert_int_equal (access (logs, F_OK), -1);
}

static void
who_is_asked_again_says_again_that_it_is_finished (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    sync_pod (scene, POD (ONE_CONTAINER), GO);
    serve_end (scene);
    serve_removal (scene);
    expect_finished (scene);
    sync_pod (scene, POD (ONE_CONTAINER), GO);
    expect_finished (scene);
    expect_quiet (scene->runtime);
}

static void
a_new_manager_is_told_the_pod_and_its_status (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    received_t *before = expect_state (scene, "running");
    received_destroy (&before);
    peer_send_json (scene->manager, WORKER, MSG_ACTOR_UP,
                    "{\"name\": \"pod-manager\", \"class\": \"pod-manager\"}");
    OWNED (received_destroy) received_t *got = expect_state (scene, "running");
    const node_t *metadata = node_at (got->body, "pod", "metadata", NULL);
    assert_string_equal (node_get_text (metadata, "name", ""), "web");
}

/* What the watcher sends when a container has ended. */
static void
tell_of_an_end (const scene_t *scene)
{
    OWNED (free_text)
    char *listing = text_format (
        "{\"listed_at\": %lld, \"sandboxes\": [{\"id\": \"s1\", \"created_at\": 1000}], "
        "\"containers\": [{\"id\": \"c1\", \"pod_sandbox_id\": \"s1\", \"state\": "
        "\"CONTAINER_EXITED\"}]}",
        (long long) clock_now_ns() + 1);
    peer_send_json (scene->manager, WORKER, MSG_POD_RUNTIME, listing);
    serve_status (scene, "EXITED", ENDED);
}

static void
a_container_that_ends_is_started_again (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    received_t *before = expect_state (scene, "running");
    received_destroy (&before);
    tell_of_an_end (scene);
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    OWNED (received_destroy)
    received_t *created = serve_create (scene, "c2");
    const node_t *metadata = node_at (created->body, "config", "metadata", NULL);
    assert_int_equal (node_get_int (metadata, "attempt", 0), 1);
}

/* An old listing does not know of what was made since. */
static void
a_listing_from_before_our_own_change_counts_for_nothing (void **state)
{
    scene_t *scene = *state;
    int64_t before = clock_now_ns();
    bring_up (scene);
    received_t *up = expect_state (scene, "running");
    received_destroy (&up);
    OWNED (free_text)
    char *listing = text_format ("{\"listed_at\": %lld, \"sandboxes\": [], \"containers\": []}",
                                 (long long) before);
    peer_send_json (scene->manager, WORKER, MSG_POD_RUNTIME, listing);
    expect_quiet (scene->runtime);
}

// ---- what goes wrong ----

static void
a_runtime_that_is_down_is_asked_again (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, "{\"up\": false}");
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
}

/* Without it a container that runs would be started once more. */
static void
nothing_is_planned_before_the_listing_is_whole (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    OWNED (received_destroy)
    received_t *listed = peer_expect (scene->runtime, MSG_CRI_LIST_POD_SANDBOX);
    expect_quiet (scene->resources);
    peer_reply_fault (scene->runtime, listed, FAULT_UNAVAILABLE, "gone");
    serve_empty_listing (scene);
    serve_preparations (scene);
}

/* The next request, whatever it is; that the lost one is waited for no more is told before. */
static received_t *
next_call (peer_t *peer)
{
    received_t *next = peer_next (peer, PEER_DEADLINE_MS);
    while (next && next->type == MSG_REQUEST_CANCEL) {
        received_destroy (&next);
        next = peer_next (peer, PEER_DEADLINE_MS);
    }
    assert_non_null (next);
    return next;
}

static void
a_lost_status_of_the_sandbox_is_asked_again (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    serve (scene->runtime, MSG_CRI_RUN_POD_SANDBOX, "{\"pod_sandbox_id\": \"s1\"}");
    ignore (scene->runtime, MSG_CRI_POD_SANDBOX_STATUS);
    // Not another sandbox: the next thing is the same question.
    OWNED (received_destroy) received_t *next = next_call (scene->runtime);
    assert_int_equal (next->type, MSG_CRI_POD_SANDBOX_STATUS);
    peer_reply_json (scene->runtime, next, SANDBOX_READY_STATUS);
    serve_start (scene);
}

static void
a_lost_status_of_a_started_container_is_asked_again (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    create (scene);
    serve (scene->runtime, MSG_CRI_START_CONTAINER, "{}");
    ignore (scene->runtime, MSG_CRI_CONTAINER_STATUS);
    OWNED (received_destroy) received_t *next = next_call (scene->runtime);
    assert_int_equal (next->type, MSG_CRI_CONTAINER_STATUS);
    peer_reply_fault (scene->runtime, next, FAULT_UNAVAILABLE, "and now it fails");
    serve_status (scene, "RUNNING", "");
    OWNED (received_destroy) received_t *got = expect_state (scene, "running");
    assert_non_null (got);
}

/* StartContainer's answer was lost, but it did start. */
static void
a_container_whose_start_failed_and_runs_is_not_started_twice (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    create (scene);
    OWNED (received_destroy)
    received_t *started = peer_expect (scene->runtime, MSG_CRI_START_CONTAINER);
    peer_reply_fault (scene->runtime, started, FAULT_UNAVAILABLE, "connection reset");
    serve_status (scene, "RUNNING", "");
    OWNED (received_destroy) received_t *got = expect_state (scene, "running");
    assert_non_null (got);
    expect_quiet (scene->runtime);
}

static void
a_container_that_cannot_be_created_waits (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    OWNED (received_destroy)
    received_t *created = peer_expect (scene->runtime, MSG_CRI_CREATE_CONTAINER);
    peer_reply_fault (scene->runtime, created, FAULT_UNKNOWN, "no room");
    expect_waiting (scene, "CreateContainerError", "no room");
    expect_event (scene, "Failed");
}

static void
an_image_that_cannot_be_pulled_waits_with_the_pullers_reason (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
    OWNED (received_destroy) received_t *asked = peer_expect (scene->images, MSG_IMAGE_ENSURE);
    peer_reply_fault (scene->images, asked, FAULT_UNKNOWN, "ErrImagePull: not found");
    expect_waiting (scene, "ErrImagePull", "not found");
}

static void
volumes_that_fail_are_tried_again (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve (scene->resources, MSG_CGROUP_ENSURE, "{}");
    OWNED (received_destroy) received_t *asked = peer_expect (scene->volumes, MSG_VOLUME_SETUP);
    peer_reply_fault (scene->volumes, asked, FAULT_UNKNOWN, "MountVolume.SetUp failed");
    expect_event (scene, "FailedMount");
    serve (scene->volumes, MSG_VOLUME_SETUP, "{\"volumes\": {}}");
    serve_sandbox (scene);
}

static void
a_stop_that_fails_for_a_moment_is_tried_again (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    sync_pod (scene, POD (ONE_CONTAINER), GO);
    OWNED (received_destroy)
    received_t *stopped = peer_expect (scene->runtime, MSG_CRI_STOP_CONTAINER);
    peer_reply_fault (scene->runtime, stopped, FAULT_UNAVAILABLE, "the runtime restarts");
    serve_end (scene);
    serve_removal (scene);
    expect_finished (scene);
}

static void
a_pod_told_to_go_before_anything_started_makes_nothing (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), GO);
    serve_empty_listing (scene);
    serve (scene->resources, MSG_CGROUP_REMOVE, "{}");
    serve (scene->volumes, MSG_VOLUME_TEARDOWN, "{}");
    expect_finished (scene);
    expect_quiet (scene->runtime);
}

// ---- killed and started anew ----

static void
a_worker_killed_while_the_pod_runs_adopts_it (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    received_t *before = expect_state (scene, "running");
    received_destroy (&before);
    restart_worker (scene);
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_listing (scene);
    serve_preparations (scene);
    OWNED (received_destroy) received_t *got = expect_state (scene, "running");
    const node_t *first = node_item (node_at (got->body, "status", "containerStatuses", NULL), 0);
    assert_int_equal (node_get_int (first, "restartCount", -1), 0);
    expect_quiet (scene->runtime);
}

static void
a_worker_killed_while_it_made_the_sandbox_goes_on_with_it (void **state)
{
    scene_t *scene = *state;
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    ignore (scene->runtime, MSG_CRI_RUN_POD_SANDBOX);
    ignore (scene->images, MSG_IMAGE_ENSURE); // asked for meanwhile
    restart_worker (scene);
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    serve (scene->runtime, MSG_CRI_LIST_POD_SANDBOX,
           "{\"items\": [{\"id\": \"s1\", \"created_at\": 1000}]}");
    serve (scene->runtime, MSG_CRI_LIST_CONTAINERS, "{\"containers\": []}");
    serve (scene->runtime, MSG_CRI_POD_SANDBOX_STATUS, SANDBOX_READY_STATUS);
    serve_preparations (scene);
    serve_start (scene);
    OWNED (received_destroy) received_t *got = expect_state (scene, "running");
    assert_non_null (got);
}

static void
a_worker_killed_while_it_stops_the_pod_stops_it_again (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    sync_pod (scene, POD (ONE_CONTAINER), GO);
    ignore (scene->runtime, MSG_CRI_STOP_CONTAINER);
    restart_worker (scene);
    sync_pod (scene, POD (ONE_CONTAINER), GO);
    serve_listing (scene);
    serve_end (scene);
    serve_removal (scene);
    expect_finished (scene);
}

// ---- objects and tokens ----

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
a_pod_that_is_gone_needs_its_objects_no_more (void **state)
{
    scene_t *scene = *state;
    begin_with_objects (scene);
    sync_pod (scene, POD (ENV_OF ("configMapKeyRef")), GO);
    serve (scene->resources, MSG_CGROUP_REMOVE, "{}");
    serve (scene->volumes, MSG_VOLUME_TEARDOWN, "{}");
    expect_finished (scene);
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

#define TEST(NAME) cmocka_unit_test_setup_teardown (NAME, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_pod_starts_and_runs),
        TEST (what_the_runtime_is_told_fits_together),
        TEST (a_pod_that_goes_is_stopped_and_removed),
        TEST (who_is_asked_again_says_again_that_it_is_finished),
        TEST (a_new_manager_is_told_the_pod_and_its_status),
        TEST (a_container_that_ends_is_started_again),
        TEST (a_listing_from_before_our_own_change_counts_for_nothing),
        TEST (a_runtime_that_is_down_is_asked_again),
        TEST (nothing_is_planned_before_the_listing_is_whole),
        TEST (a_lost_status_of_the_sandbox_is_asked_again),
        TEST (a_lost_status_of_a_started_container_is_asked_again),
        TEST (a_container_whose_start_failed_and_runs_is_not_started_twice),
        TEST (a_container_that_cannot_be_created_waits),
        TEST (an_image_that_cannot_be_pulled_waits_with_the_pullers_reason),
        TEST (volumes_that_fail_are_tried_again),
        TEST (a_stop_that_fails_for_a_moment_is_tried_again),
        TEST (a_pod_told_to_go_before_anything_started_makes_nothing),
        TEST (a_worker_killed_while_the_pod_runs_adopts_it),
        TEST (a_worker_killed_while_it_made_the_sandbox_goes_on_with_it),
        TEST (a_worker_killed_while_it_stops_the_pod_stops_it_again),
        TEST (a_pod_waits_for_its_objects),
        TEST (a_container_waits_for_an_object_that_does_not_exist),
        TEST (a_new_object_source_is_asked_again),
        TEST (a_pod_that_is_gone_needs_its_objects_no_more),
        TEST (tokens_are_asked_for_and_given_to_the_volumes),
        TEST (a_token_that_cannot_be_had_is_for_the_volumes_to_say),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
