/* Stopping a pod: reference/pod-lifecycle.md 5.2 and 8. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include <cmocka.h>

#define POD(spec)                                                                                  \
    "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{'terminationGracePeriodSeconds'"  \
    ":30," spec "}}"
#define HOOK ",'lifecycle':{'preStop':{'exec':{'command':['x']}}}"
#define SIDECAR(name, more)                                                                        \
    "{'name':'" name "','image':'" name "','restartPolicy':'Always'" more "}"

static const char TWO[] = POD ("'containers':[{'name':'a','image':'a'},{'name':'b','image':'b'}]");
static const char HOOKED[] = POD ("'containers':[{'name':'main','image':'m'" HOOK "}]");
static const char SIDES[] = POD ("'initContainers':[" SIDECAR ("x", "") "," SIDECAR (
    "y", "") "],"
             "'containers':[{'name':'main','image':'m'}]");
static const char HOOKED_SIDE[] =
    POD ("'initContainers':[" SIDECAR ("x", HOOK) "],"
                                                  "'containers':[{'name':'main','image':'m'}]");

#define UP "sandbox s ready;"

static const world_row_t POD_KILLS[] = {
    { "all containers at once, with the effective grace", TWO,
      UP "a a0 running; b b0 running created 20; terminate grace 4",
      "kill(b0 4: Stopping container b) stop(b0 4) kill(a0 4: Stopping container a) stop(a0 4) "
      "terminating" },
    { "a deletion's grace", NULL, UP "main m running; delete 5",
      "kill(m 5: Stopping container main) stop(m 5) terminating" },
    { "the smaller of deletion and request", NULL, UP "main m running; delete 5; terminate grace 3",
      "kill(m 3: Stopping container main) stop(m 3) terminating" },
    { "without a number the spec's", NULL, UP "main m running; terminate",
      "kill(m 30: Stopping container main) stop(m 30) terminating" },
    { "an orphan's second becomes the least timeout", NULL, UP "main m running; terminate grace 1",
      "kill(m 1: Stopping container main) stop(m 2) terminating" },
    { "a pod that ended by itself uses each container's own", NULL,
      UP "main m running; status {'phase':'Failed'}",
      "kill(m 30: Stopping container main) stop(m 30) terminating" },
    { "there is no way back", NULL, UP "main m running; terminating",
      "kill(m 30: Stopping container main) stop(m 30) terminating" },
    { "a container that ended is not killed", TWO, UP "a a0 exited; b b0 running; delete 5",
      "kill(b0 5: Stopping container b) stop(b0 5) terminating" },
    { "what is being stopped is waited for", NULL,
      UP "main m running; delete 5; killing m 5 99 pod; stopping m", "terminating" },
    { "a start in flight is waited for", NULL, UP "step main create; delete 5", "terminating" },
    { "an image that is being pulled is not", NULL, UP "step main image; delete 5",
      "stop-sandbox(s) terminating" },
    { "a container in its postStart hook is killed", NULL,
      UP "main m running; step main post-start; delete 5",
      "kill(m 5: Stopping container main) stop(m 5) terminating" },
    { "a liveness kill goes on, no longer than it had", NULL,
      UP "main m running; killing m 7 99 restart; stopping m; terminate", "terminating" },
    { "last the sandbox", NULL, UP "main m exited; delete 5", "stop-sandbox(s) terminating" },
    { "a sandbox that is not ready still has its network", NULL,
      "sandbox s notready; main m exited; terminate", "stop-sandbox(s) terminating" },
    { "a sandbox on its way is waited for", NULL, "creating-sandbox; delete 5", "terminating" },
    { "a pod that never began is finished at once", NULL, "delete 5",
      "terminating stopped finished" },
    { "the rest is kept when the pod ended by itself", NULL,
      "sandbox s notready; stopped-sandbox s; main m exited; status {'phase':'Succeeded'}",
      "terminating stopped finished" },
    { "everything goes when the pod goes: containers", NULL,
      "sandbox s notready; stopped-sandbox s; main m exited; delete 5",
      "remove(m) terminating stopped" },
    { "everything goes when the pod goes: sandbox", NULL,
      "sandbox s notready; stopped-sandbox s; delete 5", "remove-sandbox(s) terminating stopped" },
    { "everything goes when the pod has left its source", NULL,
      "sandbox s notready; stopped-sandbox s; main m exited; terminate gone",
      "remove(m) terminating stopped" },
    { "stopped without being gone leaves its containers", NULL,
      "sandbox s notready; stopped-sandbox s; main m exited; terminate",
      "terminating stopped finished" },
    { "nothing left: finished", NULL, "terminate gone", "terminating stopped finished" },
    { "even a pod that was never prepared stops", NULL, UP "unprepared; main m running; delete 5",
      "kill(m 5: Stopping container main) stop(m 5) terminating" },
};

static void
a_pod_is_stopped_then_its_sandbox_then_removed (void **state)
{
    (void) state;
    world_check_plans (POD_KILLS, COUNT_OF (POD_KILLS));
}

static const world_row_t SHRINKING[] = {
    { "a shorter grace begins anew and stops again", NULL,
      UP "main m running; killing m 30 95 pod; stopping m; terminate grace 4",
      "kill(m 4: Stopping container main) stop(m 4) terminating" },
    { "it only shrinks", NULL,
      UP "main m running; killing m 5 99 pod; stopping m; terminate grace 20", "terminating" },
    { "what is left counts, not what was", NULL,
      UP "main m running; killing m 30 72 pod; stopping m; terminate grace 4", "terminating" },
    { "a longer liveness kill is cut short", NULL,
      UP "main m running; killing m 60 99 restart; stopping m; delete 5",
      "kill(m 5: Stopping container main) stop(m 5) terminating" },
};

static void
a_shorter_grace_period_takes_effect_at_once (void **state)
{
    (void) state;
    world_check_plans (SHRINKING, COUNT_OF (SHRINKING));
}

static const world_row_t HOOKS[] = {
    { "the hook comes first, with the whole grace", HOOKED, UP "main m running; delete 10",
      "kill(m 10: Stopping container main) pre-stop(m 10) wake 110 terminating" },
    { "the stop waits for the hook", HOOKED,
      UP "main m running; delete 10; killing m 10 99 pod; pre-stop m running 99",
      "wake 109 terminating" },
    { "whole seconds of the hook are taken off", HOOKED,
      UP "main m running; delete 10; killing m 10 96 pod; pre-stop m done 99",
      "stop(m 7) terminating" },
    { "two seconds are left at least", HOOKED,
      UP "main m running; delete 10; killing m 10 89 pod; pre-stop m done 99",
      "stop(m 2) terminating" },
    { "a hook that takes too long is left behind", HOOKED,
      UP "main m running; delete 10; killing m 10 90 pod; pre-stop m running 90",
      "stop(m 2) terminating" },
    { "an ended container has no hook any more", HOOKED, UP "main m exited; delete 10",
      "stop-sandbox(s) terminating" },
    { "the hook runs for other kills as well", HOOKED, UP "main m running hash 1",
      "kill(m 30 restart: Container main definition changed, will be restarted) pre-stop(m 30) "
      "wake 130" },
    { "a shorter grace cuts the hook short too", HOOKED,
      UP "main m running; delete 30; killing m 30 99 pod; pre-stop m running 99; terminate grace 3",
      "kill(m 3: Stopping container main) wake 103 terminating" },
};

static void
pre_stop_hooks_live_on_the_grace_period (void **state)
{
    (void) state;
    world_check_plans (HOOKS, COUNT_OF (HOOKS));
}

#define ALL_UP UP "x x0 running created 1; y y0 running created 2; main m running created 3;"

static const world_row_t ORDER[] = {
    { "sidecars are told, but wait for the regular ones", SIDES, ALL_UP "delete 10",
      "kill(m 10: Stopping container main) stop(m 10) kill(y0 10: Stopping container y) "
      "kill(x0 10: Stopping container x) wake 110 terminating" },
    { "the last sidecar goes first", SIDES,
      ALL_UP "main m exited created 3; delete 10; killing m 10 98 pod; killing y0 10 98 pod;"
             "killing x0 10 98 pod",
      "stop(y0 8) wake 108 terminating" },
    { "then the one before", SIDES,
      ALL_UP "main m exited; y y0 exited; delete 10; killing x0 10 95 pod",
      "stop(x0 5) terminating" },
    { "no longer than the grace period", SIDES,
      ALL_UP "delete 10; killing m 10 90 pod; stopping m; killing y0 10 90 pod;"
             "killing x0 10 90 pod",
      "stop(y0 2) stop(x0 2) terminating" },
    { "a sidecar's hook runs at once, before it waits", HOOKED_SIDE,
      UP "x x0 running; main m running; delete 10; killing m 10 100 pod; stopping m",
      "kill(x0 10: Stopping container x) pre-stop(x0 10) wake 110 terminating" },
    { "after its hook it still waits for its turn", HOOKED_SIDE,
      UP "x x0 running; main m running; delete 10; killing m 10 97 pod; stopping m;"
         "killing x0 10 97 pod; pre-stop x0 done 99",
      "wake 107 terminating" },
    { "hook and wait are both taken off", HOOKED_SIDE,
      UP "x x0 running; main m exited; delete 10; killing x0 10 94 pod; pre-stop x0 done 97",
      "stop(x0 4) terminating" },
    { "a single kill has no order", SIDES, ALL_UP "y y0 running hash 1 created 2",
      "kill(y0 30 restart: Init container y definition changed) stop(y0 30)" },
};

static void
sidecars_wait_for_their_turn_in_reverse_order (void **state)
{
    (void) state;
    world_check_plans (ORDER, COUNT_OF (ORDER));
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (a_pod_is_stopped_then_its_sandbox_then_removed),
        cmocka_unit_test (a_shorter_grace_period_takes_effect_at_once),
        cmocka_unit_test (pre_stop_hooks_live_on_the_grace_period),
        cmocka_unit_test (sidecars_wait_for_their_turn_in_reverse_order),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
