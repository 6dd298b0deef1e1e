/* Regular containers and restart policies: reference/pod-lifecycle.md 6.5. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include <cmocka.h>

#define POD(policy, containers)                                                                    \
    "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{'terminationGracePeriodSeconds'"  \
    ":30,'restartPolicy':'" policy "','containers':[" containers "]}}"
#define ONE "{'name':'main','image':'m'}"
#define TWO ONE ",{'name':'other','image':'o'}"
#define PROBED                                                                                     \
    "{'name':'main','image':'m','livenessProbe':{'exec':{'command':['x']},"                        \
    "'terminationGracePeriodSeconds':7},'startupProbe':{'exec':{'command':['x']},"                 \
    "'terminationGracePeriodSeconds':9}}"
#define RULED                                                                                      \
    "{'name':'main','image':'m','restartPolicy':'Never','restartPolicyRules':[{'action':"          \
    "'Restart','exitCodes':{'operator':'NotIn','values':[0,1]}}]}"

static const char ALWAYS[] = POD ("Always", ONE);
static const char ON_FAILURE[] = POD ("OnFailure", ONE);
static const char NEVER[] = POD ("Never", ONE);
static const char NEVER_TWO[] = POD ("Never", TWO);
static const char ALWAYS_TWO[] = POD ("Always", TWO);
static const char PROBED_ALWAYS[] = POD ("Always", PROBED);
static const char PROBED_NEVER[] = POD ("Never", PROBED);
static const char PROBED_NEVER_TWO[] = POD ("Never", PROBED ",{'name':'other','image':'o'}");
static const char OWN_POLICY[] =
    POD ("Never", ONE ",{'name':'other','image':'o','restartPolicy':'OnFailure'}");
static const char RULES[] = POD ("Always", RULED ",{'name':'other','image':'o'}");

#define UP "sandbox s ready; image main; image other;"

static const world_row_t RESTARTS[] = {
    { "Always: after success", ALWAYS, UP "main m exited", "start(main 1)" },
    { "Always: after failure", ALWAYS, UP "main m exited code 1", "start(main 1)" },
    { "Always: restarts are counted on", ALWAYS, UP "main m exited restarts 6", "start(main 7)" },
    { "OnFailure: after failure", ON_FAILURE, UP "main m exited code 1", "start(main 1)" },
    { "OnFailure: not after success, the pod is over", ON_FAILURE, UP "main m exited",
      "stop-sandbox(s)" },
    { "Never: not after failure", NEVER, UP "main m exited code 1", "stop-sandbox(s)" },
    { "Never: not while another one runs", NEVER_TWO, UP "main m exited code 1; other o running",
      "" },
    { "no policy is Always", "{'metadata':{'name':'p'},'spec':{'containers':[" ONE "]}}",
      UP "main m exited", "start(main 1)" },
    { "a container's own policy wins", OWN_POLICY, UP "main m exited code 1; other o exited code 1",
      "start(other 1)" },
    { "a rule that matches restarts", RULES, UP "main m exited code 2; other o running",
      "start(main 1)" },
    { "a rule that does not match leaves it to the policy", RULES,
      UP "main m exited code 1; other o running", "" },
    { "created: again, even under Never", NEVER, UP "main m created", "start(main 1)" },
    { "unknown: stopped first", ALWAYS, UP "main m unknown",
      "kill(m 30 restart: Container is in \"unknown\" state, try killing it before restart) "
      "stop(m 30)" },
    { "unknown and stopped: again, even under Never", NEVER, UP "main m unknown; stopped m",
      "start(main 1)" },
    { "a pod that is being deleted restarts nothing", ALWAYS, UP "main m exited; delete 5",
      "stop-sandbox(s) terminating" },
};

static void
ended_containers_restart_by_policy (void **state)
{
    (void) state;
    world_check_plans (RESTARTS, COUNT_OF (RESTARTS));
}

/* A start that failed twice: the second one waits. */
#define FAILED "sandbox s ready; failed main X no; failed main X no retry 110;"

static const world_row_t CHANGES[] = {
    { "a start that failed waits", NULL, FAILED, "wake 110" },
    { "with a changed pod it is tried at once", NULL, FAILED "changed", "ensure-image(main)" },
    { "an image that is there is not asked for again", NULL, UP "changed", "start(main -1)" },
    { "another image is", NULL, UP "changed old", "ensure-image(main)" },
    { "a sandbox that failed waits", NULL, "sandbox-retry 110", "wake 110" },
    { "with a changed pod it is tried at once as well", NULL, "sandbox-retry 110; changed",
      "create-sandbox(0)" },
};

static void
a_changed_pod_does_not_wait (void **state)
{
    (void) state;
    world_check_plans (CHANGES, COUNT_OF (CHANGES));
}

static const world_row_t KILLS[] = {
    { "another image: killed and restarted", ALWAYS, UP "main m running hash 1",
      "kill(m 30 restart: Container main definition changed, will be restarted) stop(m 30)" },
    { "another image: restarted under Never as well", NEVER, UP "main m running hash 1",
      "kill(m 30 restart: Container main definition changed, will be restarted) stop(m 30)" },
    { "another image restarts only that container", ALWAYS_TWO,
      UP "main m running; other o running hash 1",
      "kill(o 30 restart: Container other definition changed, will be restarted) stop(o 30)" },
    { "the promise is kept after the stop", NEVER,
      UP "main m exited hash 1; killing m 30 90 restart; stopped m", "start(main 1)" },
    { "an ended container of another image is not restarted for it", NEVER,
      UP "main m exited hash 1", "stop-sandbox(s)" },
    { "a resize that needs a restart, even under Never", NEVER,
      UP "main m running; needs-restart m",
      "kill(m 30 restart: Container main resize requires restart) stop(m 30)" },
    { "liveness: with the probe's own grace", PROBED_ALWAYS,
      UP "main m running; probe m liveness failure",
      "kill(m 7 restart: Container main failed liveness probe, will be restarted) stop(m 7)" },
    { "startup: with the probe's own grace", PROBED_ALWAYS,
      UP "main m running; probe m startup failure",
      "kill(m 9 restart: Container main failed startup probe, will be restarted) stop(m 9)" },
    { "a changed definition comes before a failed probe", PROBED_ALWAYS,
      UP "main m running hash 1; probe m liveness failure",
      "kill(m 30 restart: Container main definition changed, will be restarted) stop(m 30)" },
    { "liveness under Never: not restarted", PROBED_NEVER_TWO,
      UP "main m running; probe m liveness failure; other o running",
      "kill(m 7: Container main failed liveness probe) stop(m 7)" },
    { "liveness under Never: the last one takes the pod with it", PROBED_NEVER,
      UP "main m running; probe m liveness failure",
      "kill(m 30: Stopping container main) stop(m 30)" },
    { "liveness under OnFailure: restarted even when it ends well", ON_FAILURE,
      UP "main m exited code 0; killing m 30 90 restart; stopped m", "start(main 1)" },
    { "a passed probe kills nothing", PROBED_ALWAYS,
      UP "main m running; probe m liveness success; probe m startup success", "" },
    { "a readiness probe never kills", ALWAYS, UP "main m running; probe m readiness failure", "" },
    { "a failed postStart hook kills, without a promise", ALWAYS,
      UP "main m running; hook-failed m", "kill(m 30: FailedPostStartHook) stop(m 30)" },
    { "what is being killed is not killed again", PROBED_ALWAYS,
      UP "main m running; probe m liveness failure; killing m 7 99 restart; stopping m", "" },
    { "what was stopped is waited for to be seen dead", ALWAYS,
      UP "main m running hash 1; killing m 30 90 restart; stopping m; stopped m", "" },
    { "a failed stop is tried again later", ALWAYS,
      UP "main m running hash 1; killing m 30 99 restart; stopping m; stop-retry m 105",
      "wake 105" },
    { "a failed stop is tried again then", ALWAYS,
      UP "now 105; main m running hash 1; killing m 30 99 restart; stopping m; stop-retry m 105",
      "stop(m 30)" },
    { "a failed stop of one does not keep another from starting", ALWAYS_TWO,
      UP "main m running hash 1; killing m 30 99 restart; stopping m; stop-retry m 105",
      "start(other -1) wake 105" },
    { "an older one that still runs beside a newer one is killed", ALWAYS,
      UP "main m running created 10; main n running created 20",
      "kill(m 30: Stopping container main) stop(m 30)" },
    { "an older one in an unknown state is killed before it can be removed", ALWAYS,
      UP "main m unknown created 10; main n running created 20",
      "kill(m 30: Container is in unknown state, try killing it before removal) stop(m 30)" },
};

static void
running_containers_are_killed_for_a_reason_only (void **state)
{
    (void) state;
    world_check_plans (KILLS, COUNT_OF (KILLS));
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (ended_containers_restart_by_policy),
        cmocka_unit_test (a_changed_pod_does_not_wait),
        cmocka_unit_test (running_containers_are_killed_for_a_reason_only),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
