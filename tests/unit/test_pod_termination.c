/* Grace periods, turns and deadlines: reference/pod-lifecycle.md 5 and 8. */
#include "cubelet/pod_termination.h"
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define NONE                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }
#define GIVEN(s)                                                                                   \
    {                                                                                              \
        true, s                                                                                    \
    }

static void
the_effective_grace_is_the_smallest_given (void **state)
{
    (void) state;
    static const struct {
        const char *what;
        opt_int_t deletion, asked, spec;
        int64_t grace_s;
    } ROWS[] = {
        { "the deletion's", GIVEN (5), NONE, GIVEN (30), 5 },
        { "the asked one", NONE, GIVEN (7), GIVEN (30), 7 },
        { "the asked one, also when longer than the spec's", NONE, GIVEN (70), GIVEN (30), 70 },
        { "the smaller of both: asked", GIVEN (10), GIVEN (3), GIVEN (30), 3 },
        { "the smaller of both: deletion", GIVEN (3), GIVEN (10), GIVEN (30), 3 },
        { "the spec's when none is given", NONE, NONE, GIVEN (30), 30 },
        { "one second at least: deletion", GIVEN (0), NONE, GIVEN (30), 1 },
        { "one second at least: asked", NONE, GIVEN (-5), GIVEN (30), 1 },
        { "one second at least: spec", NONE, NONE, GIVEN (0), 1 },
        { "one second when nobody says anything", NONE, NONE, NONE, 1 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        pod_t pod = { .metadata.deletion_grace_s = ROWS[i].deletion,
                      .spec.termination_grace_s = ROWS[i].spec };
        int64_t grace_s = pod_termination_grace (&pod, ROWS[i].asked);
        if (grace_s != ROWS[i].grace_s)
            fail_msg ("%s: %lld", ROWS[i].what, (long long) grace_s);
    }
}

static void
a_container_s_grace_depends_on_why_it_is_killed (void **state)
{
    (void) state;
    static const struct {
        const char *what;
        kill_reason_t reason;
        opt_int_t deletion, spec, liveness, startup, override;
        int64_t grace_s;
    } ROWS[] = {
        { "the spec's", KILL_POD, NONE, GIVEN (30), GIVEN (7), GIVEN (9), NONE, 30 },
        { "the liveness probe's", KILL_LIVENESS, NONE, GIVEN (30), GIVEN (7), GIVEN (9), NONE, 7 },
        { "the startup probe's", KILL_STARTUP, NONE, GIVEN (30), GIVEN (7), GIVEN (9), NONE, 9 },
        { "a probe without one", KILL_LIVENESS, NONE, GIVEN (30), NONE, NONE, NONE, 30 },
        { "other reasons", KILL_OTHER, NONE, GIVEN (30), GIVEN (7), GIVEN (9), NONE, 30 },
        { "the deletion's before the probe's", KILL_LIVENESS, GIVEN (3), GIVEN (30), GIVEN (7),
          NONE, NONE, 3 },
        { "an override before all", KILL_LIVENESS, GIVEN (3), GIVEN (30), GIVEN (7), NONE,
          GIVEN (1), 1 },
        { "two seconds by default", KILL_POD, NONE, NONE, GIVEN (7), NONE, NONE, 2 },
        { "a probe's needs the spec's", KILL_LIVENESS, NONE, NONE, GIVEN (7), NONE, NONE, 2 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        pod_t pod = { .metadata.deletion_grace_s = ROWS[i].deletion,
                      .spec.termination_grace_s = ROWS[i].spec };
        probe_t liveness = { .termination_grace_s = ROWS[i].liveness };
        probe_t startup = { .termination_grace_s = ROWS[i].startup };
        container_t container = { .liveness_probe = &liveness, .startup_probe = &startup };
        int64_t grace_s =
            container_termination_grace (&pod, &container, ROWS[i].reason, ROWS[i].override);
        if (grace_s != ROWS[i].grace_s)
            fail_msg ("%s: %lld", ROWS[i].what, (long long) grace_s);
    }
}

static void
a_container_that_the_spec_no_longer_has_gets_the_pod_s_grace (void **state)
{
    (void) state;
    pod_t pod = { .spec.termination_grace_s = GIVEN (30) };
    opt_int_t none = NONE;
    assert_int_equal (container_termination_grace (&pod, NULL, KILL_LIVENESS, none), 30);
}

static void
sidecars_have_their_turn_after_what_depends_on_them (void **state)
{
    (void) state;
    static const char POD[] =
        "{'metadata':{'name':'p'},'spec':{'initContainers':["
        "{'name':'x','image':'i','restartPolicy':'Always'},{'name':'init','image':'i'},"
        "{'name':'y','image':'i','restartPolicy':'Always'}],"
        "'containers':[{'name':'main','image':'i'}]}}";
    static const struct {
        const char *running, *name;
        bool has_turn;
    } ROWS[] = {
        { "main m running", "main", true },
        { "main m running", "init", true },
        { "main m running; y y0 running", "y", false },
        { "main m exited; y y0 running", "y", true },
        { "main m exited; y y0 running; x x0 running", "x", false },
        { "main m exited; y y0 exited; x x0 running", "x", true },
        { "y y0 exited; init i running; x x0 running", "x", true },
        { "main m running; y y0 exited; x x0 running", "x", false },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (world_destroy) world_t *world = world_new (POD, ROWS[i].running);
        const container_t *container = pod_container (&world->pod, ROWS[i].name);
        if (container_termination_has_turn (&world->pod, container, world->seen)
            != ROWS[i].has_turn)
            fail_msg ("%s: %s", ROWS[i].running, ROWS[i].name);
    }
}

static void
a_pod_terminates_when_asked_deleted_or_over (void **state)
{
    (void) state;
    static const struct {
        const char *script;
        bool is_terminating;
    } ROWS[] = {
        { "", false },
        { "status {'phase':'Running'}", false },
        { "status {'phase':'Succeeded'}", true },
        { "status {'phase':'Failed'}", true },
        { "delete 3", true },
        { "terminate", true },
        { "terminating", true },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (world_destroy) world_t *world = world_new (NULL, ROWS[i].script);
        if (pod_is_terminating (&world->pod, world->local, tree_root (world->status))
            != ROWS[i].is_terminating)
            fail_msg ("%s", ROWS[i].script);
    }
}

static void
a_deadline_counts_from_the_start (void **state)
{
    (void) state;
    static const struct {
        opt_int_t deadline;
        int64_t started_at, expected;
    } ROWS[] = {
        { NONE, 5 * NS_PER_S, 0 },
        { GIVEN (60), 0, 0 },
        { GIVEN (60), 5 * NS_PER_S, 65 * NS_PER_S },
        { GIVEN (INT64_MAX), 5 * NS_PER_S, 0 },
        { GIVEN (INT64_MAX / NS_PER_S), INT64_MAX / 2, 0 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        pod_t pod = { .spec.active_deadline_s = ROWS[i].deadline };
        assert_int_equal (pod_deadline (&pod, ROWS[i].started_at), ROWS[i].expected);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (the_effective_grace_is_the_smallest_given),
        cmocka_unit_test (a_container_s_grace_depends_on_why_it_is_killed),
        cmocka_unit_test (a_container_that_the_spec_no_longer_has_gets_the_pod_s_grace),
        cmocka_unit_test (sidecars_have_their_turn_after_what_depends_on_them),
        cmocka_unit_test (a_pod_terminates_when_asked_deleted_or_over),
        cmocka_unit_test (a_deadline_counts_from_the_start),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
