/* test_pod_worker.c - the life of a pod in the hands of its worker. */
#include "cubelet/metrics.h"
#include "pod_worker_fixture.h"

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
    bring_up_sandbox (scene);
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
    metrics_t *shared = metrics_shared();
    OWNED (free_text) char *page = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    assert_non_null (strstr (page, "\nkubelet_pod_worker_duration_seconds_count{"
                                   "operation_type=\"terminated\"} "));
    assert_non_null (strstr (page, "\nkubelet_started_containers_total{"
                                   "container_type=\"container\"} "));
    assert_non_null (strstr (page, "\nkubelet_run_podsandbox_duration_seconds_count{"
                                   "runtime_handler=\"\"} "));
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
list_an_end (const scene_t *scene)
{
    OWNED (free_text)
    char *listing = text_format (
        "{\"listed_at\": %lld, \"sandboxes\": [{\"id\": \"s1\", \"created_at\": 1000}], "
        "\"containers\": [{\"id\": \"c1\", \"pod_sandbox_id\": \"s1\", \"state\": "
        "\"CONTAINER_EXITED\"}]}",
        (long long) clock_now_ns() + 1);
    peer_send_json (scene->manager, WORKER, MSG_POD_RUNTIME, listing);
}

static void
tell_of_an_end (const scene_t *scene)
{
    list_an_end (scene);
    serve_status (scene, "EXITED", ENDED);
}

/* The runtime hears that the process ended before it hears why. */
static void
a_container_killed_for_memory_is_never_said_to_have_just_failed (void **state)
{
    scene_t *scene = *state;
    bring_up (scene);
    received_t *before = expect_state (scene, "running");
    received_destroy (&before);
    list_an_end (scene);
    serve_status (scene, "EXITED", KILLED ("Error"));
    serve_status (scene, "EXITED", KILLED ("OOMKilled"));
    for (const node_t *ended = NULL; !ended;) {
        OWNED (received_destroy) received_t *got = peer_expect (scene->manager, MSG_POD_STATUS);
        const node_t *first =
            node_item (node_at (got->body, "status", "containerStatuses", NULL), 0);
        ended = node_at (first, "state", "terminated", NULL);
        if (!ended)
            ended = node_at (first, "lastState", "terminated", NULL);
        if (ended)
            assert_string_equal (node_get_text (ended, "reason", ""), "OOMKilled");
    }
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
    bring_up_sandbox (scene);
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
    bring_up_sandbox (scene);
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

/* CreateContainer's answer was lost, but it did create: unseen it would be in the way of the next.
 */
static void
after_a_lost_answer_the_worker_has_the_runtime_listed (void **state)
{
    scene_t *scene = *state;
    bring_up_sandbox (scene);
    serve (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:1\"}");
    OWNED (received_destroy)
    received_t *created = peer_expect (scene->runtime, MSG_CRI_CREATE_CONTAINER);
    peer_reply_fault (scene->runtime, created, FAULT_UNAVAILABLE, "connection reset");
    OWNED (received_destroy) received_t *wish = peer_expect (scene->watcher, MSG_POD_RELIST);
    assert_string_equal (wish->envelope.from, WORKER);
    OWNED (free_text)
    char *listing = text_format (
        "{\"listed_at\": %lld, \"sandboxes\": [{\"id\": \"s1\", \"state\": \"SANDBOX_READY\"}], "
        "\"containers\": [{\"id\": \"c1\", \"pod_sandbox_id\": \"s1\", "
        "\"state\": \"CONTAINER_CREATED\"}]}",
        (long long) clock_now_ns());
    peer_send_json (scene->watcher, WORKER, MSG_POD_RUNTIME, listing);
    OWNED (received_destroy) received_t *next = next_call (scene->runtime);
    assert_int_equal (next->type, MSG_CRI_CONTAINER_STATUS);
    assert_string_equal (node_get_text (next->body, "container_id", ""), "c1");
}

static void
a_container_that_cannot_be_created_waits (void **state)
{
    scene_t *scene = *state;
    bring_up_sandbox (scene);
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
    bring_up_sandbox (scene);
    OWNED (received_destroy) received_t *asked = peer_expect (scene->images, MSG_IMAGE_ENSURE);
    peer_reply_fault (scene->images, asked, FAULT_UNKNOWN, "ErrImagePull: not found");
    expect_waiting (scene, "ErrImagePull", "not found");
}

#define OTHER_IMAGE                                                                                \
    "\"enableServiceLinks\": true, "                                                               \
    "\"containers\": [{\"name\": \"main\", \"image\": \"j\", \"imagePullPolicy\": \"Always\"}]"

static void
an_image_that_came_for_an_older_pod_is_not_used (void **state)
{
    scene_t *scene = *state;
    bring_up_sandbox (scene);
    OWNED (received_destroy) received_t *old = peer_expect (scene->images, MSG_IMAGE_ENSURE);
    // From the same peer as the answer: so it comes first.
    peer_send_json (scene->images, WORKER, MSG_POD_SYNC, "{\"pod\": " POD (OTHER_IMAGE) "}");
    peer_reply_json (scene->images, old, "{\"image_ref\": \"sha256:1\"}");
    OWNED (received_destroy)
    received_t *image = answer (scene->images, MSG_IMAGE_ENSURE, "{\"image_ref\": \"sha256:2\"}");
    assert_string_equal (node_get_text (image->body, "image", ""), "j");
    OWNED (received_destroy)
    received_t *created = serve_create (scene, "c1");
    const node_t *asked = node_at (created->body, "config", "image", NULL);
    assert_string_equal (node_get_text (asked, "image", ""), "sha256:2");
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

#define SIZED                                                                                      \
    "\"containers\": [{\"name\": \"main\", \"image\": \"i\", \"resources\": {\"requests\": "       \
    "{\"cpu\": \"100m\"}, \"limits\": {\"cpu\": \"200m\"}}}]"

/* A worker of a cluster's node finds the running container. */
static void
adopt_sized (scene_t *scene, const char *more)
{
    bring_up (scene);
    scene->is_joined = true;
    restart_worker (scene);
    sync_pod (scene, POD (SIZED), more);
    serve_listing (scene);
    serve_preparations (scene);
}

static const node_t *
requests_in (const received_t *got)
{
    return node_at (got->body, "resources", "main", "requests", NULL);
}

static void
a_worker_that_knows_what_a_container_had_gets_on_with_the_resize (void **state)
{
    scene_t *scene = *state;
    adopt_sized (scene, STAY ", \"actuated\": {\"main\": {\"requests\": {\"cpu\": \"50m\"}, "
                             "\"limits\": {\"cpu\": \"200m\"}}}");
    received_t *got = peer_expect (scene->manager, MSG_POD_ACTUATED);
    assert_string_equal (node_get_text (requests_in (got), "cpu", ""), "50m");
    received_destroy (&got);
    serve (scene->resources, MSG_CGROUP_ENSURE, "{}");
    OWNED (received_destroy)
    received_t *update = answer (scene->runtime, MSG_CRI_UPDATE_CONTAINER_RESOURCES, "{}");
    assert_int_equal (node_get_int (node_get (update->body, "linux"), "cpu_shares", 0), 102);
    serve_status (scene, "RUNNING", "");
    got = peer_expect (scene->manager, MSG_POD_ACTUATED);
    assert_string_equal (node_get_text (requests_in (got), "cpu", ""), "100m");
    received_destroy (&got);
    expect_event (scene, "ResizeCompleted");
}

static void
an_adopted_container_that_has_what_it_is_to_have_is_left_alone (void **state)
{
    scene_t *scene = *state;
    adopt_sized (scene, STAY ", \"actuated\": {\"main\": {\"requests\": {\"cpu\": \"0.1\"}, "
                             "\"limits\": {\"cpu\": \"0.2\"}}}");
    OWNED (received_destroy) received_t *got = peer_expect (scene->manager, MSG_POD_ACTUATED);
    assert_non_null (requests_in (got));
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

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_pod_starts_and_runs),
        TEST (what_the_runtime_is_told_fits_together),
        TEST (a_pod_that_goes_is_stopped_and_removed),
        TEST (who_is_asked_again_says_again_that_it_is_finished),
        TEST (a_new_manager_is_told_the_pod_and_its_status),
        TEST (a_container_killed_for_memory_is_never_said_to_have_just_failed),
        TEST (a_container_that_ends_is_started_again),
        TEST (a_listing_from_before_our_own_change_counts_for_nothing),
        TEST (a_runtime_that_is_down_is_asked_again),
        TEST (nothing_is_planned_before_the_listing_is_whole),
        TEST (a_lost_status_of_the_sandbox_is_asked_again),
        TEST (a_lost_status_of_a_started_container_is_asked_again),
        TEST (a_container_whose_start_failed_and_runs_is_not_started_twice),
        TEST (after_a_lost_answer_the_worker_has_the_runtime_listed),
        TEST (a_container_that_cannot_be_created_waits),
        TEST (an_image_that_cannot_be_pulled_waits_with_the_pullers_reason),
        TEST (an_image_that_came_for_an_older_pod_is_not_used),
        TEST (volumes_that_fail_are_tried_again),
        TEST (a_stop_that_fails_for_a_moment_is_tried_again),
        TEST (a_pod_told_to_go_before_anything_started_makes_nothing),
        TEST (a_worker_killed_while_the_pod_runs_adopts_it),
        TEST (a_worker_that_knows_what_a_container_had_gets_on_with_the_resize),
        TEST (an_adopted_container_that_has_what_it_is_to_have_is_left_alone),
        TEST (a_worker_killed_while_it_made_the_sandbox_goes_on_with_it),
        TEST (a_worker_killed_while_it_stops_the_pod_stops_it_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
