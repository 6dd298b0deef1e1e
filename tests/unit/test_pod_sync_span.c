/* When a status may be shown (pod_sync_span.h). */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/pod_sync_span.h"
#include <cmocka.h>

#define UP "sandbox s ready;"

static void
a_status_is_held_back_within_one_sync (void **state)
{
    (void) state;
    static const struct {
        const char *what, *script;
        bool is_open;
    } ROWS[] = {
        { "nothing is under way", UP "main m running", false },
        { "the sandbox is being made", "creating-sandbox", true },
        { "a container is being started", UP "step main create", true },
        { "its hook runs", UP "main m running; step main post-start", true },
        { "its hook failed and it still runs", UP "main m running; hook-failed m", true },
        { "... until it is killed", UP "main m exited; hook-failed m", false },
        { "it is being restarted", UP "main m running; killing m 100 30 restart", true },
        { "its successor has to wait",
          UP "main m exited code 137; killing m 100 30 restart; failed main CrashLoopBackOff x",
          false },
        { "the pod is being killed", UP "main m running; killing m 100 30 pod", true },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (world_destroy) world_t *world = world_new (NULL, ROWS[i].script);
        if (pod_sync_is_open (&world->pod, world->seen, world->local) != ROWS[i].is_open)
            fail_msg ("%s: expected %s", ROWS[i].what, ROWS[i].is_open ? "open" : "closed");
    }
}

static void
what_is_likely_to_end_at_once_settles_first (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world = world_new (NULL, UP "main m running restarts 1 started 100; now 100");
    int64_t settles_at = pod_sync_settles_at (&world->pod, world->seen, world->now);
    assert_int_equal (settles_at, world_time (100) + RUN_SETTLES_MS * NS_PER_MS);
    assert_int_equal (pod_sync_settles_at (&world->pod, world->seen, settles_at), 0);
    OWNED (world_destroy)
    world_t *first = world_new (NULL, UP "main m running started 100; now 100");
    assert_int_equal (pod_sync_settles_at (&first->pod, first->seen, first->now), 0);
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (a_status_is_held_back_within_one_sync),
        cmocka_unit_test (what_is_likely_to_end_at_once_settles_first),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
