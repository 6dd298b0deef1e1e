/* Init containers, sidecars and ephemeral containers: reference/pod-lifecycle.md 6.3, 6.4. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include <cmocka.h>

#define POD(spec)                                                                                  \
    "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{'terminationGracePeriodSeconds'"  \
    ":30," spec "}}"
#define MAIN "'containers':[{'name':'main','image':'m'}]"
#define TWO_INIT "'initContainers':[{'name':'a','image':'a'},{'name':'b','image':'b'}]," MAIN
#define SIDECAR(name, more)                                                                        \
    "{'name':'" name "','image':'" name "','restartPolicy':'Always'" more "}"
#define PROBE "{'exec':{'command':['x']}}"

static const char INIT[] = POD (TWO_INIT);
static const char INIT_NEVER[] = POD ("'restartPolicy':'Never'," TWO_INIT);
static const char SIDE_INIT[] =
    POD ("'initContainers':[" SIDECAR ("side", "") ",{'name':'init','image':'i'}]," MAIN);
static const char GATED[] = POD ("'initContainers':[" SIDECAR (
    "side",
    ",'startupProbe':" PROBE ",'livenessProbe':" PROBE) ",{'name':'init','image':'i'}]," MAIN);
static const char GATED_LAST[] =
    POD ("'initContainers':[" SIDECAR ("side", ",'startupProbe':" PROBE) "]," MAIN);
static const char SIDE_NEVER[] =
    POD ("'restartPolicy':'Never','initContainers':[" SIDECAR ("side", "") "]," MAIN);
static const char TWO_SIDES_NEVER[] = POD (
    "'restartPolicy':'Never','initContainers':[" SIDECAR ("x", "") "," SIDECAR ("y", "") "]," MAIN);
static const char TWO_SIDES[] =
    POD ("'initContainers':[" SIDECAR ("x", "") "," SIDECAR ("y", "") "]," MAIN);
static const char EPHEMERAL[] = POD ("'initContainers':[{'name':'a','image':'a'}],'"
                                     "ephemeralContainers':[{'name':'e','image':'e'}]," MAIN);
static const char INIT_RULES[] =
    POD ("'restartPolicy':'Never','initContainers':[{'name':'a','image':'a','restartPolicyRules':["
         "{'action':'Restart','exitCodes':{'operator':'In','values':[42]}}]}]," MAIN);

#define READY "sandbox s ready;"
#define IMAGES                                                                                     \
    READY "image a; image b; image main; image side; image init; image x; image y; image e;"

static const world_row_t REGULAR_INIT[] = {
    { "none has a status: the first starts", INIT, IMAGES, "start(a -1)" },
    { "only the next one's image is looked for", INIT, READY, "ensure-image(a)" },
    { "one that runs is waited for", INIT, IMAGES "a a0 running", "" },
    { "one that is being started is waited for", INIT, IMAGES "a a0 created; step a start", "" },
    { "created without a start: again", INIT, IMAGES "a a0 created", "start(a 1)" },
    { "succeeded: the next", INIT, IMAGES "a a0 exited", "start(b -1)" },
    { "the last one succeeded: regular containers", INIT, IMAGES "a a0 exited; b b0 exited",
      "start(main -1)" },
    { "the last one tells, removed ones before it do not matter", INIT, IMAGES "b b0 exited",
      "start(main -1)" },
    { "failed: again", INIT, IMAGES "a a0 exited code 1", "start(a 1)" },
    { "killed for memory is failed, whatever the code", INIT,
      IMAGES "a a0 exited code 0 reason OOMKilled", "start(a 1)" },
    { "failed under Never: the pod is over", INIT_NEVER, IMAGES "a a0 exited code 1",
      "stop-sandbox(s)" },
    { "a rule restarts even under Never", INIT_RULES, IMAGES "a a0 exited code 42", "start(a 1)" },
    { "a rule for other codes does not", INIT_RULES, IMAGES "a a0 exited code 41",
      "stop-sandbox(s)" },
    { "unknown: killed, then again", INIT, IMAGES "a a0 unknown",
      "kill(a0 30 restart: Init container is in \"unknown\" state, try killing it before "
      "restart) stop(a0 30)" },
    { "unknown and stopped: again", INIT, IMAGES "a a0 unknown; stopped a0", "start(a 1)" },
    { "unknown under Never: the pod is over", INIT_NEVER, IMAGES "a a0 unknown",
      "kill(a0 30: Stopping container a) stop(a0 30)" },
    { "once initialized they are not looked at", INIT, IMAGES "a a0 exited code 1; main m running",
      "" },
    { "a regular container on its way means initialized", INIT,
      IMAGES "b b0 exited code 1; step main create", "" },
    { "after a reboot exited regular containers mean nothing", INIT,
      IMAGES "main m exited sandbox old", "start(a -1)" },
    { "one whose start failed holds all others back", INIT,
      IMAGES "failed a CreateContainerError no retry 110", "wake 101" },
};

static void
init_containers_run_one_after_the_other (void **state)
{
    (void) state;
    world_check_plans (REGULAR_INIT, COUNT_OF (REGULAR_INIT));
}

static const world_row_t SIDECARS[] = {
    { "a sidecar that runs lets the next start", SIDE_INIT, IMAGES "side s0 running",
      "start(init -1)" },
    { "a sidecar that is being started does not", SIDE_INIT,
      IMAGES "side s0 running; step side post-start", "" },
    { "a sidecar with a startup probe has to pass it first", GATED, IMAGES "side s0 running", "" },
    { "a sidecar that passed lets the next start", GATED,
      IMAGES "side s0 running; probe s0 startup success", "start(init -1)" },
    { "a sidecar that failed its startup probe is killed and started again", GATED,
      IMAGES "side s0 running; probe s0 startup failure",
      "kill(s0 30 restart: Init container side failed startup probe) stop(s0 30)" },
    { "a sidecar that failed its liveness probe is killed; the next does not wait", GATED,
      IMAGES "side s0 running; probe s0 startup success; probe s0 liveness failure",
      "kill(s0 30 restart: Init container side failed liveness probe) stop(s0 30) "
      "start(init -1)" },
    { "a sidecar's resize may need a restart", SIDE_INIT,
      IMAGES "side s0 running; needs-restart s0",
      "kill(s0 30 restart: Init container side resize requires restart) stop(s0 30) start(init "
      "-1)" },
    { "a sidecar of another definition is killed", SIDE_INIT,
      IMAGES "side s0 running hash 1; init i0 running",
      "kill(s0 30 restart: Init container side definition changed) stop(s0 30)" },
    { "a sidecar that is being killed is not killed again", SIDE_INIT,
      IMAGES "side s0 running; killing s0 30 99 restart; stopping s0; init i0 running", "" },
    { "a sidecar that ended is started again while a later init container runs", SIDE_INIT,
      IMAGES "side s0 exited; init i0 running", "start(side 1)" },
    { "a sidecar that ended is started again while the pod runs", SIDE_INIT,
      IMAGES "side s0 exited code 1; init i0 exited; main m running", "start(side 1)" },
    { "a sidecar without a status is started in an initialized pod", SIDE_INIT,
      IMAGES "init i0 exited; main m running", "start(side -1)" },
    { "a sidecar starts again under Never", SIDE_NEVER, IMAGES "side s0 exited; main m running",
      "start(side 1)" },
    { "a sidecar in an unknown state is killed first", SIDE_NEVER,
      IMAGES "side s0 unknown; main m running",
      "kill(s0 30 restart: Init container is in \"unknown\" state, try killing it before "
      "restart) stop(s0 30)" },
    { "a last sidecar that waits for its probe holds the regular ones", GATED_LAST,
      IMAGES "side s0 running", "" },
    { "a last sidecar that passed its probe lets them start", GATED_LAST,
      IMAGES "side s0 running; probe s0 startup success", "start(main -1)" },
    { "sidecars start in order", TWO_SIDES, IMAGES "x x0 running", "start(y -1)" },
    { "a failing sidecar does not hold a later init container back", SIDE_INIT,
      IMAGES "side s0 exited code 1; failed side CreateContainerError no retry 110; init i0 exited"
             "; main m running",
      "wake 101" },
    { "all done: sidecars do not keep the pod alive", SIDE_NEVER,
      IMAGES "side s0 running; main m exited", "kill(s0 30: Stopping container side) stop(s0 30)" },
    { "all done: a sidecar that was stopped first is not started again", TWO_SIDES_NEVER,
      IMAGES "x x0 running; y y0 exited; main m exited; killing x0 30 99 pod", "stop(x0 29)" },
    { "all done: nor while the last one is being stopped", TWO_SIDES_NEVER,
      IMAGES "x x0 running; y y0 exited; main m exited; killing x0 30 99 pod; stopping x0", "" },
    { "a failed postStart hook of a sidecar kills it", SIDE_INIT,
      IMAGES "side s0 running; hook-failed s0; init i0 running",
      "kill(s0 30 restart: FailedPostStartHook) stop(s0 30)" },
};

static void
sidecars_start_in_order_and_are_kept_running (void **state)
{
    (void) state;
    world_check_plans (SIDECARS, COUNT_OF (SIDECARS));
}

static const world_row_t EPHEMERALS[] = {
    { "started once, even during initialization", EPHEMERAL, IMAGES "a a0 running", "start(e -1)" },
    { "never started again", EPHEMERAL, IMAGES "a a0 running; e e0 exited code 1", "" },
    { "not begun twice", EPHEMERAL, IMAGES "a a0 running; step e create", "" },
};

static void
ephemeral_containers_start_once (void **state)
{
    (void) state;
    world_check_plans (EPHEMERALS, COUNT_OF (EPHEMERALS));
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (init_containers_run_one_after_the_other),
        cmocka_unit_test (sidecars_start_in_order_and_are_kept_running),
        cmocka_unit_test (ephemeral_containers_start_once),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
