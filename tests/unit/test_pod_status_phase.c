/* The phase of a pod: reference/pod-lifecycle.md 10.2, 8.1 and 9. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include <cmocka.h>

#define POD(policy, spec)                                                                          \
    "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{'restartPolicy':'" policy         \
    "'," spec "}}"
#define TWO "'containers':[{'name':'a','image':'i'},{'name':'b','image':'i'}]"
#define INIT "'initContainers':[{'name':'init','image':'i'}]," TWO
#define SIDE "'initContainers':[{'name':'side','image':'i','restartPolicy':'Always'}]," TWO
#define GATED                                                                                      \
    "'initContainers':[{'name':'side','image':'i','restartPolicy':'Always','startupProbe':"        \
    "{'exec':{'command':['x']}}}]," TWO

static const char ALWAYS[] = POD ("Always", TWO);
static const char ON_FAILURE[] = POD ("OnFailure", TWO);
static const char NEVER[] = POD ("Never", TWO);
static const char INIT_ALWAYS[] = POD ("Always", INIT);
static const char INIT_NEVER[] = POD ("Never", INIT);
static const char SIDE_ALWAYS[] = POD ("Always", SIDE);
static const char SIDE_NEVER[] = POD ("Never", SIDE);
static const char GATED_ALWAYS[] = POD ("Always", GATED);
static const char STATIC_ALWAYS[] =
    "{'metadata':{'name':'p','namespace':'ns','uid':'u','annotations':{"
    "'kubernetes.io/config.source':'file'}},'spec':{" TWO "}}";
static const char REPORTED[] = "{'metadata':{'name':'p'},'spec':{" TWO
                               "},'status':{'phase':'Failed','reason':'Evicted','message':'m'}}";
static const char DEADLINE[] = POD ("Always", "'activeDeadlineSeconds':60," TWO);

typedef struct {
    const char *what, *pod, *script, *phase, *reason;
} row_t;

#define UP "sandbox s ready;"

static const row_t ROWS[] = {
    { "nothing yet", ALWAYS, "", "Pending", NULL },
    { "one of two not started", ALWAYS, UP "a a0 running", "Pending", NULL },
    { "a created container waits", ALWAYS, UP "a a0 running; b b0 created", "Pending", NULL },
    { "all run", ALWAYS, UP "a a0 running; b b0 running", "Running", NULL },
    { "one ended, one runs", NEVER, UP "a a0 exited code 1; b b0 running", "Running", NULL },
    { "Always: all ended", ALWAYS, UP "a a0 exited; b b0 exited code 1", "Running", NULL },
    { "OnFailure: all succeeded", ON_FAILURE, UP "a a0 exited; b b0 exited", "Succeeded", NULL },
    { "OnFailure: one failed", ON_FAILURE, UP "a a0 exited; b b0 exited code 1", "Running", NULL },
    { "Never: all succeeded", NEVER, UP "a a0 exited; b b0 exited", "Succeeded", NULL },
    { "Never: one failed", NEVER, UP "a a0 exited; b b0 exited code 1", "Failed", NULL },
    { "a crash loop counts as stopped", ALWAYS,
      UP "a a0 exited code 1; b b0 exited; failed a CrashLoopBackOff no; failed b X no", "Running",
      NULL },
    { "a start that fails at first counts as waiting", ALWAYS,
      UP "a a0 running; failed b ErrImagePull no", "Pending", NULL },
    { "an unknown container waits", ALWAYS, UP "a a0 running; b b0 unknown", "Pending", NULL },
    { "init runs", INIT_ALWAYS, UP "init i0 running", "Pending", NULL },
    { "init done, others to come", INIT_ALWAYS, UP "init i0 exited", "Pending", NULL },
    { "init failed", INIT_ALWAYS, UP "init i0 exited code 1", "Pending", NULL },
    { "init failed for good", INIT_NEVER, UP "init i0 exited code 1", "Failed", NULL },
    { "init failed and waits", INIT_ALWAYS,
      UP "init i0 exited code 1; failed init CrashLoopBackOff no", "Pending", NULL },
    { "init done, all run", INIT_ALWAYS, UP "init i0 exited; a a0 running; b b0 running", "Running",
      NULL },
    { "a sidecar alone does not make it run", SIDE_ALWAYS, UP "side s0 running", "Pending", NULL },
    { "a sidecar that is not started holds it", GATED_ALWAYS, UP "side s0 running", "Pending",
      NULL },
    { "a sidecar that restarts does not take a pod back", GATED_ALWAYS,
      UP "side s0 running; a a0 running; b b0 running", "Running", NULL },
    { "an ended sidecar does not count", SIDE_ALWAYS,
      UP "side s0 exited code 1; a a0 running; b b0 running", "Running", NULL },
    { "a sidecar that still runs keeps the pod running", SIDE_NEVER,
      UP "side s0 running; a a0 exited; b b0 exited", "Running", NULL },
    { "an ended sidecar does not fail a pod", SIDE_NEVER,
      UP "side s0 exited code 1; a a0 exited; b b0 exited", "Succeeded", NULL },
    { "a stopped pod: all succeeded", ALWAYS,
      "sandbox s notready; terminate; a a0 exited; b b0 exited", "Succeeded", NULL },
    { "a stopped pod: one failed", ALWAYS,
      "sandbox s notready; terminate; a a0 exited; b b0 exited code 137", "Failed", NULL },
    { "a pod is not over before its sandbox is", ALWAYS,
      UP "terminate; a a0 exited; b b0 exited code 137", "Running", NULL },
    { "a stopped static pod", STATIC_ALWAYS,
      "sandbox s notready; terminate; a a0 exited; b b0 exited", "Running", NULL },
    { "Succeeded stays", ALWAYS, UP "status {'phase':'Succeeded'}; a a0 running; b b0 running",
      "Succeeded", NULL },
    { "Failed stays, with its reason", ALWAYS,
      UP "status {'phase':'Failed','reason':'Evicted'}; a a0 exited; b b0 exited", "Failed",
      "Evicted" },
    { "the API's terminal phase stays", REPORTED,
      UP "status {'phase':'Running'}; a a0 running; b b0 running", "Failed", "Evicted" },
    { "the API's terminal phase stays after a restart of the agent", REPORTED, "", "Failed",
      "Evicted" },
    { "a reason stays while the phase does", ALWAYS,
      UP "status {'phase':'Running','reason':'R'}; a a0 running; b b0 running", "Running", "R" },
    { "a reason goes when the phase changes", ALWAYS,
      UP "status {'phase':'Pending','reason':'R'}; a a0 running; b b0 running", "Running", NULL },
    { "an evicted pod", ALWAYS, UP "a a0 running; b b0 running; terminate reason Evicted message m",
      "Failed", "Evicted" },
    { "before the deadline", DEADLINE,
      UP
      "status {'phase':'Running','startTime':'2023-11-14T22:14:01Z'}; a a0 running; b b0 running",
      "Running", NULL },
    { "at the deadline", DEADLINE,
      UP
      "status {'phase':'Running','startTime':'2023-11-14T22:14:00Z'}; a a0 running; b b0 running",
      "Failed", "DeadlineExceeded" },
    { "a pod that is over has no deadline", DEADLINE,
      UP "status {'phase':'Succeeded','startTime':'2023-11-14T22:14:00Z'}", "Succeeded", NULL },
    { "the last word on a pod that never ran", ALWAYS, "terminate; terminating; finishing",
      "Failed", NULL },
    { "the last word on a static pod leaves its phase", STATIC_ALWAYS,
      "terminate; terminating; finishing", "Pending", NULL },
};

static void
the_phase_follows_the_containers (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (world_destroy) world_t *world = world_new (ROWS[i].pod, ROWS[i].script);
        const node_t *status = world_status (world);
        const char *reason = node_get_text (status, "reason", NULL);
        world_check (ROWS[i].what, ROWS[i].phase, node_get_text (status, "phase", "none"));
        world_check (ROWS[i].what, ROWS[i].reason ? ROWS[i].reason : "", reason ? reason : "");
    }
}

static void
only_succeeded_and_failed_are_terminal (void **state)
{
    (void) state;
    static const struct {
        const char *status;
        bool is_terminal;
    } STATUSES[] = {
        { "{'phase':'Succeeded'}", true },
        { "{'phase':'Failed'}", true },
        { "{'phase':'Running'}", false },
        { "{'phase':'Pending'}", false },
        { "{}", false },
    };
    assert_false (pod_status_is_terminal (NULL));
    for (size_t i = 0; i < COUNT_OF (STATUSES); i++) {
        OWNED (tree_destroy) tree_t *tree = world_json (STATUSES[i].status);
        assert_int_equal (pod_status_is_terminal (tree_root (tree)), STATUSES[i].is_terminal);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (the_phase_follows_the_containers),
        cmocka_unit_test (only_succeeded_and_failed_are_terminal),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
