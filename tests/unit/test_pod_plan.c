/* Sandboxes, starts and backoff: reference/pod-lifecycle.md 6.1, 6.2, 6.6. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define POD(spec) "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{" spec "}}"
#define ONE "'containers':[{'name':'main','image':'busybox'}]"
#define TWO "'containers':[{'name':'a','image':'i'},{'name':'b','image':'j'}]"
#define WITH_INIT ONE ",'initContainers':[{'name':'init','image':'i'}]"

static const char NEVER[] = POD ("'restartPolicy':'Never'," ONE);
static const char ON_FAILURE[] = POD ("'restartPolicy':'OnFailure'," TWO);
static const char TWO_CONTAINERS[] = POD (TWO);
static const char INIT[] = POD (WITH_INIT);
static const char HOST_NETWORK[] = POD ("'hostNetwork':true," ONE);
static const char POST_START[] =
    POD ("'containers':[{'name':'a','image':'i','lifecycle':{'postStart':{'exec':{'command':["
         "'x']}}}},{'name':'b','image':'j'}]");
static const char DEADLINE[] = POD ("'activeDeadlineSeconds':60," ONE);

// ---- 6.1 ----

static const world_row_t SANDBOX[] = {
    { "without a sandbox one is made; images are not looked for yet", NULL, "",
      "create-sandbox(0)" },
    { "nothing begins before the pod is prepared", NULL, "unprepared", "" },
    { "one that is on its way is not made again", NULL, "creating-sandbox; step main image", "" },
    { "a healthy pod that runs is left alone", NULL, "sandbox s ready; main m running", "" },
    { "a healthy pod that runs is left alone while volumes are set up again", NULL,
      "unprepared; sandbox s ready; main m running", "" },
    { "one that is not ready is stopped first", NULL, "sandbox s notready attempt 2; image main",
      "event(SandboxChanged) stop-sandbox(s)" },
    { "the change is said once", NULL,
      "sandbox s notready attempt 2; image main; stopped-sandbox s",
      "event(SandboxChanged) create-sandbox(3)" },
    { "what still runs in it is killed before", NULL, "sandbox s notready; main m running",
      "event(SandboxChanged) kill(m 30: Stopping container main) stop(m 30)" },
    { "of several ready ones all go", NULL,
      "sandbox s ready attempt 1; sandbox t ready attempt 0; image main",
      "event(SandboxChanged) stop-sandbox(s) stop-sandbox(t)" },
    { "after several ready ones the attempt goes on from the newest", NULL,
      "sandbox s notready attempt 1; sandbox t notready attempt 0; image main;"
      "stopped-sandbox s; stopped-sandbox t",
      "event(SandboxChanged) create-sandbox(2) remove-sandbox(t)" },
    { "a sandbox of the other network mode goes", HOST_NETWORK, "sandbox s ready; image main",
      "event(SandboxChanged) stop-sandbox(s)" },
    { "a sandbox of the host network needs no address", HOST_NETWORK,
      "sandbox s ready host; main m running", "" },
    { "one without an address goes", NULL, "sandbox s ready no-ip; image main",
      "event(SandboxChanged) stop-sandbox(s)" },
    { "a failed creation is tried again later", NULL, "sandbox-retry 110; image main", "wake 110" },
    { "a failed creation is tried again then", NULL, "now 110; sandbox-retry 110; image main",
      "create-sandbox(0)" },
    { "Never: no second sandbox once a container was there", NEVER,
      "sandbox s notready; main m exited code 1", "stop-sandbox(s)" },
    { "Never: another sandbox when none was there", NEVER,
      "sandbox s notready; stopped-sandbox s; image main",
      "event(SandboxChanged) create-sandbox(1)" },
    { "OnFailure: no second sandbox when all succeeded", ON_FAILURE,
      "sandbox s notready; stopped-sandbox s; a a0 exited; b b0 exited", "" },
    { "OnFailure: another sandbox for what failed", ON_FAILURE,
      "sandbox s notready; stopped-sandbox s; a a0 exited; b b0 exited code 1",
      "event(SandboxChanged) create-sandbox(1)" },
    { "OnFailure: only what failed comes into it", ON_FAILURE,
      "sandbox s notready; stopped-sandbox s; a a0 exited; b b0 exited code 1;"
      "sandbox t ready attempt 1",
      "ensure-image(b)" },
    { "with init containers the first of them begins anew", INIT,
      "sandbox s notready; stopped-sandbox s; init i0 exited; main m exited",
      "event(SandboxChanged) remove(i0) create-sandbox(1)" },
    { "init containers of the old sandbox do not count in the new one", INIT,
      "sandbox s notready; init i0 exited; main m exited; sandbox t ready attempt 1;"
      "stopped-sandbox s; image init",
      "start(init 1) remove(i0)" },
};

static void
sandboxes_follow_the_decision_table (void **state)
{
    (void) state;
    world_check_plans (SANDBOX, COUNT_OF (SANDBOX));
}

// ---- 6.2 ----

static const world_row_t STARTS[] = {
    { "with sandbox and image the container starts", NULL, "sandbox s ready; image main",
      "start(main -1)" },
    { "no container starts before its image is there", NULL, "sandbox s ready",
      "ensure-image(main)" },
    { "what is in flight is not begun again: image", NULL, "sandbox s ready; step main image", "" },
    { "what is in flight is not begun again: create", NULL, "sandbox s ready; step main create",
      "" },
    { "what is in flight is not begun again: start", NULL,
      "sandbox s ready; main m created; step main start", "" },
    { "what is in flight is not begun again: hook", NULL,
      "sandbox s ready; main m running; step main post-start", "" },
    { "images run ahead, starts take turns", TWO_CONTAINERS, "sandbox s ready; image a",
      "start(a -1) ensure-image(b)" },
    { "a later container waits for the earlier one's image", TWO_CONTAINERS,
      "sandbox s ready; step a image; image b", "" },
    { "a later container waits for the earlier one's start", TWO_CONTAINERS,
      "sandbox s ready; step a create; image b", "" },
    { "a later container waits for the earlier one's postStart hook", POST_START,
      "sandbox s ready; a a0 running; step a post-start; image b", "" },
    { "a later container starts when the earlier one runs", TWO_CONTAINERS,
      "sandbox s ready; a a0 running; image b", "start(b -1)" },
    { "a later container does not wait for one that failed", TWO_CONTAINERS,
      "sandbox s ready; failed a ErrImagePull no retry 110; image b", "start(b -1) wake 101" },
    { "a failed start is tried again when its time has come", TWO_CONTAINERS,
      "now 110; sandbox s ready; failed a ErrImagePull no retry 110; b b0 running",
      "ensure-image(a)" },
    { "a created container without a start is made again", NULL,
      "sandbox s ready; main m created; image main", "start(main 1)" },
    { "nothing starts in a sandbox that is being stopped", NULL,
      "sandbox s ready; stop-sandbox s; image main", "" },
};

static void
starts_are_sequential_and_only_images_run_ahead (void **state)
{
    (void) state;
    world_check_plans (STARTS, COUNT_OF (STARTS));
}

// ---- 6.6 ----

/* Plays a container that crashes after a second, always; notes when it is started. */
static void
crash_and_note_starts (world_t *world, int64_t until_s, int64_t *starts_s, size_t room,
                       size_t *count_p)
{
    size_t count = 0;
    for (int64_t now_s = 100; now_s < until_s && count < room;) {
        world->now = world_time (now_s);
        OWNED (pod_plan_destroy)
        pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, NULL, world->now);
        for (size_t i = 0; i < plan->action_count; i++) {
            const pod_action_t *action = &plan->actions[i];
            pod_local_began (world->local, action, world->now);
            if (action->kind == POD_ENSURE_IMAGE)
                world_run (world, "image main");
            else if (action->kind == POD_START_CONTAINER) {
                OWNED (free_text)
                char *script = text_format (
                    "main m%zu exited code 1 restarts %zu created %lld finished %lld; ok main",
                    count, count, (long long) now_s, (long long) now_s + 1);
                starts_s[count++] = now_s;
                world_run (world, script);
                now_s++;
            }
            else if (action->kind == POD_REMOVE_CONTAINER)
                pod_seen_remove_container (world->seen, action->id);
        }
        if (plan->action_count == 0)
            now_s = (plan->next_wake + NS_PER_S - 1) / NS_PER_S - WORLD_T0;
    }
    *count_p = count;
}

static void
restarts_of_a_crashing_container_come_at_growing_distances (void **state)
{
    (void) state;
    static const int64_t WAITS_S[] = { 0, 10, 20, 40, 80, 160, 300, 300 };
    int64_t starts_s[COUNT_OF (WAITS_S) + 1];
    size_t count = 0;
    OWNED (world_destroy) world_t *world = world_new (NULL, "sandbox s ready");
    crash_and_note_starts (world, 100000, starts_s, COUNT_OF (starts_s), &count);
    assert_int_equal (count, COUNT_OF (starts_s));
    for (size_t i = 0; i < COUNT_OF (WAITS_S); i++)
        assert_int_equal (starts_s[i + 1] - starts_s[i], WAITS_S[i] + 1);
}

static void
perform_start (world_t *world)
{
    OWNED (pod_plan_destroy)
    pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, NULL, world->now);
    assert_int_equal (plan->action_count, 1);
    assert_int_equal (plan->actions[0].kind, POD_START_CONTAINER);
    pod_local_began (world->local, &plan->actions[0], world->now);
}

/* A pod whose container was restarted once at 100 s and crashed again at 103 s. */
static world_t *
crash_loop (void)
{
    world_t *world =
        world_new (NULL, "sandbox s ready; main m0 exited code 1 finished 99; image main");
    perform_start (world);
    world_run (world, "ok main; main m1 exited code 1 restarts 1 created 100 finished 103; now 104;"
                      "gone m0");
    return world;
}

/* Checks why the last start failed, as the status shows it. */
static void
check_shown (const world_t *world, const char *expected)
{
    const char *reason = NULL, *message = NULL;
    pod_local_failure (pod_local_container (world->local, "main"), world->now, &reason, &message);
    if (expected)
        assert_string_equal (reason, expected);
    else
        assert_null (reason);
}

/* Upstream's recordings show a container's end for one more sync (restart-always-crash). */
static void
a_crash_loop_is_shown_from_the_next_sync_on (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = crash_loop();
    OWNED (pod_plan_destroy)
    pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, NULL, world->now);
    pod_local_began (world->local, &plan->actions[0], world->now);
    check_shown (world, NULL);
    world_run (world, "now 112");
    check_shown (world, NULL);
    world_run (world, "now 113");
    check_shown (world, "CrashLoopBackOff");
    world_run (world, "now 105");
    pod_local_synced (world->local);
    check_shown (world, "CrashLoopBackOff");
}

/* ... and a failed start its reason (command-not-found). */
static void
a_failed_start_keeps_its_reason_until_the_next_sync (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = crash_loop();
    world_run (world, "failed main RunContainerError no_such_file");
    OWNED (pod_plan_destroy)
    pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, NULL, world->now);
    pod_local_began (world->local, &plan->actions[0], world->now);
    check_shown (world, "RunContainerError");
    world_run (world, "now 113");
    check_shown (world, "CrashLoopBackOff");
}

/* A failed pull and one that is held back take turns (image-not-found). */
static void
each_sync_shows_what_the_one_before_it_found (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world = world_new (NULL, "sandbox s ready; failed main ErrImagePull no retry 112");
    check_shown (world, "ErrImagePull");
    assert_int_equal (pod_local_container (world->local, "main")->retry_at, world_time (101));
    world_run (world, "now 101; failed main ImagePullBackOff no retry 112");
    check_shown (world, "ErrImagePull");
    world_run (world, "now 112");
    check_shown (world, "ImagePullBackOff");
    world_run (world, "failed main ErrImagePull no retry 125");
    check_shown (world, "ImagePullBackOff");
    world_run (world, "now 125");
    check_shown (world, "ErrImagePull");
    world_run (world, "ok main");
    check_shown (world, NULL);
}

/* One that was killed by its own sync shows the wait with its end (liveness-http). */
static void
a_crash_loop_of_a_killed_container_is_shown_at_once (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = crash_loop();
    world_run (world, "main m2 exited code 137 restarts 2 created 104 finished 105; now 106;"
                      "killing m2 105 30 restart");
    OWNED (pod_plan_destroy)
    pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, NULL, world->now);
    assert_string_equal (plan->actions[0].reason, "BackOff");
    pod_local_began (world->local, &plan->actions[0], world->now);
    check_shown (world, "CrashLoopBackOff");
}

static void
a_wait_is_named_and_its_event_sent_once (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = crash_loop();
    OWNED (free_text) char *first = world_plan (world);
    world_check ("first", "event(BackOff main) waiting(main CrashLoopBackOff) wake 113", first);
    OWNED (pod_plan_destroy)
    pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, NULL, world->now);
    assert_string_equal (plan->actions[0].message,
                         "Back-off restarting failed container main in pod p_ns(u)");
    assert_string_equal (plan->waiting[0].message,
                         "back-off 10s restarting failed container=main pod=p_ns(u)");
    pod_local_began (world->local, &plan->actions[0], world->now);
    OWNED (free_text) char *second = world_plan (world);
    world_check ("second", "waiting(main CrashLoopBackOff) wake 113", second);
    check_shown (world, NULL);
    world_run (world, "now 113");
    OWNED (free_text) char *third = world_plan (world);
    world_check ("third", "ensure-image(main)", third);
}

static void
a_new_image_starts_the_backoff_over (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = crash_loop();
    world->pod.spec.containers.items[0].image = "other";
    OWNED (free_text) char *plan = world_plan (world);
    world_check ("plan", "ensure-image(main)", plan);
}

static void
a_healthy_run_starts_the_backoff_over (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = crash_loop();
    world_run (world, "main m1 exited code 1 restarts 1 created 100 finished 701; now 702");
    OWNED (free_text) char *plan = world_plan (world);
    world_check ("plan", "ensure-image(main)", plan);
}

// ---- 8.1 ----

static const world_row_t DEADLINES[] = {
    { "a deadline to come is a reason to wake", DEADLINE,
      "sandbox s ready; main m running;"
      "status {'phase':'Running','startTime':'2023-11-14T22:14:10Z'}",
      "wake 110" },
    { "before its start a pod has no deadline", DEADLINE,
      "sandbox s ready; main m running; status {'phase':'Pending'}", "" },
    { "a pod past its deadline is stopped with the normal grace", DEADLINE,
      "now 110; sandbox s ready; main m running;"
      "status {'phase':'Failed','reason':'DeadlineExceeded',"
      "'startTime':'2023-11-14T22:14:10Z'}",
      "event(DeadlineExceeded) kill(m 2: Stopping container main) stop(m 2) terminating" },
    { "a start time that is none is no deadline", DEADLINE,
      "sandbox s ready; main m running; status {'phase':'Running','startTime':'x'}", "" },
};

static void
deadlines_end_a_pod (void **state)
{
    (void) state;
    world_check_plans (DEADLINES, COUNT_OF (DEADLINES));
}

static void
actions_outlive_what_they_speak_of (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = world_new (NULL, "sandbox s notready; main m running");
    OWNED (pod_plan_destroy)
    pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, NULL, world->now);
    pod_seen_remove_container (world->seen, "m");
    pod_seen_remove_sandbox (world->seen, "s");
    OWNED (free_text) char *text = world_plan_text (plan);
    assert_non_null (strstr (text, "stop(m 30)"));
}

static void
every_action_has_a_name (void **state)
{
    (void) state;
    for (int kind = 0; kind < POD_ACTION_KIND_COUNT; kind++)
        assert_non_null (pod_action_name ((pod_action_kind_t) kind));
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (sandboxes_follow_the_decision_table),
        cmocka_unit_test (starts_are_sequential_and_only_images_run_ahead),
        cmocka_unit_test (restarts_of_a_crashing_container_come_at_growing_distances),
        cmocka_unit_test (a_crash_loop_is_shown_from_the_next_sync_on),
        cmocka_unit_test (each_sync_shows_what_the_one_before_it_found),
        cmocka_unit_test (a_crash_loop_of_a_killed_container_is_shown_at_once),
        cmocka_unit_test (a_failed_start_keeps_its_reason_until_the_next_sync),
        cmocka_unit_test (a_wait_is_named_and_its_event_sent_once),
        cmocka_unit_test (a_new_image_starts_the_backoff_over),
        cmocka_unit_test (a_healthy_run_starts_the_backoff_over),
        cmocka_unit_test (deadlines_end_a_pod),
        cmocka_unit_test (actions_outlive_what_they_speak_of),
        cmocka_unit_test (every_action_has_a_name),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
