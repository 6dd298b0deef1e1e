/* Removing what is dead: reference/pod-lifecycle.md 12. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <cmocka.h>

static const char INIT[] = "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{"
                           "'initContainers':[{'name':'init','image':'i'}],"
                           "'containers':[{'name':'main','image':'busybox'}]}}";

#define RUNS "sandbox s ready attempt 1; main n running restarts 9;"

static const world_row_t ROWS[] = {
    { "the newest dead one of a name is kept", NULL, RUNS "main m exited", "" },
    { "older dead ones go", NULL, RUNS "main m exited restarts 2; main l exited restarts 1",
      "remove(l)" },
    { "all older dead ones go", NULL,
      RUNS "main m exited restarts 3; main l exited restarts 2; main k exited restarts 1",
      "remove(l) remove(k)" },
    { "when the newest is dead the one before it goes", NULL,
      "sandbox s ready; image main; main m exited restarts 1; main l exited restarts 0",
      "start(main 2) remove(l)" },
    { "of a name that the pod no longer has one is kept", NULL,
      RUNS "gone n; main n running; old o exited", "" },
    { "an older created one goes", NULL, RUNS "main m exited restarts 2; main l created restarts 1",
      "remove(l)" },
    { "one that is just being started stays", NULL,
      "sandbox s ready; main m exited; main n created restarts 1; step main start", "" },
    { "what is being removed is not removed again", NULL,
      RUNS "main m exited restarts 2; main l exited restarts 1; removing l", "" },
    { "init containers are kept like others", INIT, RUNS "init j exited restarts 1; init i exited",
      "remove(i)" },
    { "an older sandbox goes: it is stopped", NULL, RUNS "sandbox r notready", "stop-sandbox(r)" },
    { "an older sandbox goes: it is removed", NULL, RUNS "sandbox r notready; stopped-sandbox r",
      "remove-sandbox(r)" },
    { "an older sandbox stays while it has containers", NULL,
      RUNS "sandbox r notready; main m exited sandbox r", "" },
    { "the newest sandbox stays", NULL,
      "sandbox s notready; stopped-sandbox s; main m exited; status {'phase':'Failed'}",
      "terminating stopped finished" },
    { "a finished pod keeps its sandboxes that have containers", NULL,
      "sandbox s notready attempt 1; sandbox r notready; stopped-sandbox s; stopped-sandbox r;"
      "main m exited sandbox r; status {'phase':'Failed'}",
      "terminating stopped finished" },
    { "a finished pod is not finished before the rest is removed", NULL,
      "sandbox s notready; stopped-sandbox s; main m exited restarts 1; main l exited;"
      "status {'phase':'Failed'}",
      "remove(l) terminating stopped" },
};

static void
one_dead_container_of_each_name_and_the_newest_sandbox_are_kept (void **state)
{
    (void) state;
    world_check_plans (ROWS, COUNT_OF (ROWS));
}

/* --maximum-dead-containers-per-container and --minimum-container-ttl-duration. */
static void
how_many_are_kept_and_for_how_long_is_configured (void **state)
{
    (void) state;
    static const struct {
        int64_t kept, least_s;
        const char *plan;
    } LIMITS[] = {
        { 0, 0, "remove(m) remove(l) remove(k)" },
        { 2, 0, "remove(k)" },
        { 3, 0, "" },
        { -1, 0, "" },
        { 0, 60, "remove(k) wake 110" },
    };
    for (size_t i = 0; i < COUNT_OF (LIMITS); i++) {
        OWNED (world_destroy)
        world_t *world = world_new (NULL, "sandbox s ready; main n running restarts 4 created 95;"
                                          "main m exited restarts 3 created 90;"
                                          "main l exited restarts 2 created 50;"
                                          "main k exited restarts 1 created 10");
        world->local->dead_kept = LIMITS[i].kept;
        world->local->dead_least_ns = LIMITS[i].least_s * NS_PER_S;
        OWNED (free_text) char *plan = world_plan (world);
        world_check ("limits", LIMITS[i].plan, plan);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (one_dead_container_of_each_name_and_the_newest_sandbox_are_kept),
        cmocka_unit_test (how_many_are_kept_and_for_how_long_is_configured),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
