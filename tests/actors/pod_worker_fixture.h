/* pod_worker_fixture.h - a pod's worker on a stage, with everybody it speaks to played. */
#pragma once
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
    peer_t *manager, *runtime, *watcher, *images, *volumes, *resources, *objects, *tokens,
        *recorder;
    char directory[64];
    char hash[32];  // of the container's last creation
    bool is_joined; // the next worker is one of a node of a cluster
    bool rereads_objects;
} scene_t;

static inline tree_t *
json (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", fault.text, text);
    return tree;
}

static inline void
start_worker (scene_t *scene)
{
    OWNED (free_text)
    char *text =
        text_format ("{\"node_name\": \"n1\", \"root_dir\": \"%s/root\", "
                     "\"pod_logs_dir\": \"%s/logs\", \"cgroup_driver\": \"cgroupfs\", "
                     "\"is_standalone\": %s, \"object_source\": \"manifest-watcher\", "
                     "\"rereads_objects\": %s, \"request_timeout_ms\": " REQUEST_TIMEOUT "}",
                     scene->directory, scene->directory, scene->is_joined ? "false" : "true",
                     scene->rereads_objects ? "true" : "false");
    OWNED (tree_destroy) tree_t *args = json (text);
    scene->worker = stage_actor (scene->stage, &pod_worker_class, WORKER, tree_root (args));
}

static inline int
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
        { &scene->watcher, "runtime-watcher" },
    };
    for (size_t i = 0; i < COUNT_OF (peers); i++)
        *peers[i].peer = stage_peer (scene->stage, peers[i].name);
    start_worker (scene);
    *state = scene;
    return 0;
}

static inline int
remove_entry (const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void) info, (void) kind, (void) walk;
    return remove (path);
}

static inline int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    nftw (scene->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free (scene);
    return 0;
}

/* Ends the worker as a crash does, and starts it anew as the supervisor does. */
static inline void
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

static inline void
sync_pod (const scene_t *scene, const char *pod, const char *more)
{
    OWNED (free_text) char *text = text_format ("{\"pod\": %s, %s}", pod, more);
    peer_send_json (scene->manager, WORKER, MSG_POD_SYNC, text);
}

#define STAY "\"terminate\": false"
#define GO "\"terminate\": true, \"grace\": 1"

/* Expects a request and answers it; yields the request (owned). */
static inline received_t *
answer (peer_t *peer, message_id_t type, const char *text)
{
    received_t *request = peer_expect (peer, type);
    peer_reply_json (peer, request, text);
    return request;
}

/* The same when nobody wants to look at the request. */
static inline void
serve (peer_t *peer, message_id_t type, const char *text)
{
    OWNED (received_destroy) received_t *request = answer (peer, type, text);
    (void) request;
}

/* Expects a request and lets its answer get lost. */
static inline void
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
#define KILLED(reason) ", \"finished_at\": 4000, \"exit_code\": 137, \"reason\": \"" reason "\""
#define ENDED ", \"finished_at\": 4000, \"exit_code\": 3, \"reason\": \"Error\""

/* Expects CreateContainer and answers with this id; yields the request (owned). */
static inline received_t *
serve_create (scene_t *scene, const char *id)
{
    OWNED (free_text) char *text = text_format ("{\"container_id\": \"%s\"}", id);
    received_t *request = answer (scene->runtime, MSG_CRI_CREATE_CONTAINER, text);
    const node_t *annotations = node_at (request->body, "config", "annotations", NULL);
    snprintf (scene->hash, sizeof scene->hash, "%s",
              node_get_text (annotations, "io.kubernetes.container.hash", ""));
    return request;
}

static inline void
create (scene_t *scene)
{
    OWNED (received_destroy) received_t *request = serve_create (scene, "c1");
    assert_string_not_equal (scene->hash, "");
}

/* Answers the next question for the container: in this state (CONTAINER_...), with `more`. */
static inline void
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

static inline void
serve_empty_listing (const scene_t *scene)
{
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    OWNED (received_destroy)
    received_t *asked = answer (scene->runtime, MSG_CRI_LIST_POD_SANDBOX, "{\"items\": []}");
    const node_t *labels = node_at (asked->body, "filter", "label_selector", NULL);
    assert_string_equal (node_get_text (labels, "io.kubernetes.pod.uid", ""), "u1");
    serve (scene->runtime, MSG_CRI_LIST_CONTAINERS, "{\"containers\": []}");
}

static inline void
serve_preparations (const scene_t *scene)
{
    serve (scene->resources, MSG_CGROUP_ENSURE, "{}");
    serve (scene->volumes, MSG_VOLUME_SETUP, "{\"volumes\": {}}");
}

static inline void
serve_sandbox (const scene_t *scene)
{
    serve (scene->runtime, MSG_RUNTIME_STATE_GET, RUNTIME_UP);
    serve (scene->runtime, MSG_CRI_RUN_POD_SANDBOX, "{\"pod_sandbox_id\": \"s1\"}");
    serve (scene->runtime, MSG_CRI_POD_SANDBOX_STATUS, SANDBOX_READY_STATUS);
}

static inline void
serve_start (scene_t *scene)
{
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\", \"pulled\": true}");
    create (scene);
    serve (scene->runtime, MSG_CRI_START_CONTAINER, "{}");
    serve_status (scene, "RUNNING", "");
}

/* From nothing to a sandbox in which the container is about to start. */
static inline void
bring_up_sandbox (scene_t *scene)
{
    sync_pod (scene, POD (ONE_CONTAINER), STAY);
    serve_empty_listing (scene);
    serve_preparations (scene);
    serve_sandbox (scene);
}

/* ... to a running container. */
static inline void
bring_up (scene_t *scene)
{
    bring_up_sandbox (scene);
    serve_start (scene);
}

/* What a worker that starts anew finds of it. */
static inline void
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
static inline void
serve_end (const scene_t *scene)
{
    OWNED (received_destroy)
    received_t *stopped = answer (scene->runtime, MSG_CRI_STOP_CONTAINER, "{}");
    assert_string_equal (node_get_text (stopped->body, "container_id", ""), "c1");
    serve_status (scene, "EXITED", ENDED);
    serve (scene->runtime, MSG_CRI_STOP_POD_SANDBOX, "{}");
    serve (scene->runtime, MSG_CRI_POD_SANDBOX_STATUS, SANDBOX_STOPPED_STATUS);
}

static inline void
serve_removal (const scene_t *scene)
{
    serve (scene->runtime, MSG_CRI_REMOVE_CONTAINER, "{}");
    serve (scene->runtime, MSG_CRI_REMOVE_POD_SANDBOX, "{}");
    serve (scene->resources, MSG_CGROUP_REMOVE, "{}");
    serve (scene->volumes, MSG_VOLUME_TEARDOWN, "{}");
}

// ---- what the worker says ----

/* The first container's state in a status: "running", "waiting", "terminated" or "". */
static inline const char *
state_of (const node_t *status)
{
    const node_t *state = node_get (node_item (node_get (status, "containerStatuses"), 0), "state");
    return node_count (state) ? node_key_at (state, 0) : "";
}

/* Waits for a POD_STATUS in which the container has this state; owned. */
static inline received_t *
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
static inline void
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

static inline void
expect_finished (const scene_t *scene)
{
    for (bool is_finished = false; !is_finished;) {
        OWNED (received_destroy) received_t *got = peer_expect (scene->manager, MSG_POD_STATUS);
        is_finished = node_get_bool (got->body, "finished", false);
    }
}

static inline void
expect_event (const scene_t *scene, const char *reason)
{
    for (bool is_found = false; !is_found;) {
        OWNED (received_destroy)
        received_t *got = peer_expect (scene->recorder, MSG_EVENT_RECORD);
        is_found = strcmp (node_get_text (got->body, "reason", ""), reason) == 0;
    }
}

static inline void
expect_quiet (peer_t *peer)
{
    OWNED (received_destroy) received_t *got = peer_next (peer, QUIET_MS);
    if (got)
        fail_msg ("unexpected %s", got->envelope.type);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown (NAME, set_up, tear_down)
