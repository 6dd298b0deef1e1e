/* Conditions, addresses and the other fields: reference/pod-lifecycle.md 10.3, 10.4, 9. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define META "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{"
#define TWO "'containers':[{'name':'a','image':'i'},{'name':'b','image':'i'}]"

static const char REGULAR[] = META TWO "}}";
static const char NEVER[] = META "'restartPolicy':'Never'," TWO "}}";
static const char INIT[] =
    META "'initContainers':[{'name':'i','image':'i'},{'name':'s','image':'i',"
         "'restartPolicy':'Always'}]," TWO "}}";
static const char GATED[] = META
    "'readinessGates':[{'conditionType':'x/a'},{'conditionType':'x/b'}]," TWO "},"
    "'status':{'conditions':[{'type':'x/b','status':'False'},{'type':'x/c','status':'True'}]}}";
static const char OPEN[] = META "'readinessGates':[{'conditionType':'x/a'}]," TWO "},"
                                "'status':{'conditions':[{'type':'x/a','status':'True'}]}}";
static const char HOST[] = META "'hostNetwork':true," TWO "}}";

typedef struct {
    const char *what, *pod, *script;
    const char *conditions; // "TYPE" or "!TYPE(REASON: MESSAGE)" each; PodScheduled left out
} row_t;

#define UP "sandbox s ready;"
#define UNREADY "(ContainersNotReady: containers with unready status: [a b])"

static const row_t ROWS[] = {
    { "nothing yet", REGULAR, "",
      "!PodReadyToStartContainers Initialized !Ready" UNREADY " !ContainersReady" UNREADY },
    { "a sandbox without an address is not enough", REGULAR, "sandbox s ready no-ip",
      "!PodReadyToStartContainers Initialized !Ready" UNREADY " !ContainersReady" UNREADY },
    { "a sandbox", REGULAR, UP,
      "PodReadyToStartContainers Initialized !Ready" UNREADY " !ContainersReady" UNREADY },
    { "one runs", REGULAR, UP "a x running",
      "PodReadyToStartContainers Initialized "
      "!Ready(ContainersNotReady: containers with unready status: [b]) "
      "!ContainersReady(ContainersNotReady: containers with unready status: [b])" },
    { "all run", REGULAR, UP "a x running; b y running",
      "PodReadyToStartContainers Initialized Ready ContainersReady" },
    { "init and sidecar not done", INIT, UP,
      "PodReadyToStartContainers "
      "!Initialized(ContainersNotInitialized: containers with incomplete status: [i s]) "
      "!Ready(ContainersNotReady: containers with unready status: [s a b]) "
      "!ContainersReady(ContainersNotReady: containers with unready status: [s a b])" },
    { "init done, sidecar not started", INIT, UP "i x exited",
      "PodReadyToStartContainers "
      "!Initialized(ContainersNotInitialized: containers with incomplete status: [s]) "
      "!Ready(ContainersNotReady: containers with unready status: [s a b]) "
      "!ContainersReady(ContainersNotReady: containers with unready status: [s a b])" },
    { "initialized once is initialized, also when a sidecar restarts", INIT,
      UP "i x exited; s z exited code 1; a x running; b y running",
      "PodReadyToStartContainers Initialized "
      "!Ready(ContainersNotReady: containers with unready status: [s]) "
      "!ContainersReady(ContainersNotReady: containers with unready status: [s])" },
    { "succeeded", NEVER, "sandbox s notready; a x exited; b y exited",
      "!PodReadyToStartContainers Initialized(PodCompleted) !Ready(PodCompleted) "
      "!ContainersReady(PodCompleted)" },
    { "failed", NEVER, "sandbox s notready; a x exited; b y exited code 1",
      "!PodReadyToStartContainers Initialized !Ready(PodFailed) !ContainersReady(PodFailed)" },
    { "gates", GATED, UP "a x running; b y running",
      "x/b x/c PodReadyToStartContainers Initialized "
      "!Ready(ReadinessGatesNotReady: corresponding condition of pod readiness gate \"x/a\" does "
      "not exist., the status of pod readiness gate \"x/b\" is not \"True\", but False) "
      "ContainersReady" },
    { "gates do not matter before", GATED, UP "a x running",
      "x/b x/c PodReadyToStartContainers Initialized "
      "!Ready(ContainersNotReady: containers with unready status: [b]) "
      "!ContainersReady(ContainersNotReady: containers with unready status: [b])" },
    { "open gates", OPEN, UP "a x running; b y running",
      "x/a PodReadyToStartContainers Initialized Ready ContainersReady" },
    { "evicted", REGULAR, UP "a x running; b y running; terminate reason Evicted message too_much",
      "DisruptionTarget(TerminationByKubelet: too much) PodReadyToStartContainers Initialized "
      "!Ready(PodFailed) !ContainersReady(PodFailed)" },
    { "preempted", REGULAR, "terminate reason Preempting message m",
      "DisruptionTarget(TerminationByKubelet: Pod was preempted by Kubelet to accommodate a "
      "critical pod.) !PodReadyToStartContainers Initialized !Ready(PodFailed) "
      "!ContainersReady(PodFailed)" },
    { "shut down", REGULAR, "terminate reason Terminated message m",
      "DisruptionTarget(TerminationByKubelet: Pod was terminated in response to imminent node "
      "shutdown.) !PodReadyToStartContainers Initialized !Ready(PodFailed) "
      "!ContainersReady(PodFailed)" },
    { "a resize that waits", REGULAR,
      UP "a x running; b y running; resize-pending Deferred no_room",
      "PodResizePending(Deferred: no room) PodReadyToStartContainers Initialized Ready "
      "ContainersReady" },
    { "a resize under way comes before a disruption", REGULAR,
      UP "a x running; b y running; resizing; status {'conditions':[{'type':'DisruptionTarget',"
         "'status':'True','reason':'R'}]}",
      "PodResizeInProgress DisruptionTarget(R) PodReadyToStartContainers Initialized Ready "
      "ContainersReady" },
    { "a resize that fails", REGULAR, UP "a x running; b y running; resizing error too_low",
      "PodResizeInProgress(Error: too low) PodReadyToStartContainers Initialized Ready "
      "ContainersReady" },
    { "a disruption that was there stays", REGULAR,
      UP "a x running; b y running; status {'conditions':[{'type':'DisruptionTarget','status':"
         "'True','reason':'R'}]}",
      "DisruptionTarget(R) PodReadyToStartContainers Initialized Ready ContainersReady" },
};

static char *
summary (const node_t *conditions)
{
    char *text = text_copy ("");
    NODE_EACH (conditions, condition)
    {
        const char *type = node_get_text (condition, "type", "");
        const char *reason = node_get_text (condition, "reason", "");
        const char *message = node_get_text (condition, "message", "");
        bool is_true = strcmp (node_get_text (condition, "status", ""), "True") == 0;
        bool is_foreign = strchr (type, '/') != NULL;
        if (strcmp (type, "PodScheduled") == 0)
            continue;
        text_replace (&text, "%s%s%s%s%s%s%s%s%s", text, *text ? " " : "",
                      is_true || is_foreign ? "" : "!", type, *reason ? "(" : "", reason,
                      *message ? ": " : "", message, *reason ? ")" : "");
    }
    return text;
}

static void
conditions_follow_phase_and_containers_in_upstream_s_order (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (world_destroy) world_t *world = world_new (ROWS[i].pod, ROWS[i].script);
        const node_t *conditions = node_get (world_status (world), "conditions");
        OWNED (free_text) char *actual = summary (conditions);
        world_check (ROWS[i].what, ROWS[i].conditions, actual);
        const node_t *last = node_item (conditions, node_count (conditions) - 1);
        assert_string_equal (node_get_text (last, "type", ""), "PodScheduled");
    }
}

static const char *
transition (const node_t *status, const char *type)
{
    NODE_EACH (node_get (status, "conditions"), condition)
    if (strcmp (node_get_text (condition, "type", ""), type) == 0)
        return node_get_text (condition, "lastTransitionTime", "");
    return "";
}

static void
a_transition_time_changes_with_the_status_only (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = world_new (REGULAR, UP);
    const node_t *status = world_status (world);
    assert_string_equal (transition (status, "Ready"), "2023-11-14T22:15:00Z");
    world_run (world, "now 110; a x running"); // another message, the same status
    assert_string_equal (transition (world_status (world), "Ready"), "2023-11-14T22:15:00Z");
    world_run (world, "now 120; b y running");
    status = world_status (world);
    assert_string_equal (transition (status, "Ready"), "2023-11-14T22:15:20Z");
    assert_string_equal (transition (status, "Initialized"), "2023-11-14T22:15:00Z");
    world_run (world, "now 130; b y exited");
    assert_string_equal (transition (world_status (world), "Ready"), "2023-11-14T22:15:30Z");
}

static void
a_time_that_the_api_has_is_kept (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world =
        world_new (META TWO "},'status':{'startTime':'2020-01-01T00:00:00Z','conditions':[{'type':"
                            "'PodScheduled','status':'True','lastTransitionTime':"
                            "'2020-01-02T00:00:00Z'}]}}",
                   "");
    const node_t *status = world_status (world);
    assert_string_equal (transition (status, "PodScheduled"), "2020-01-02T00:00:00Z");
    assert_string_equal (node_get_text (status, "startTime", ""), "2020-01-01T00:00:00Z");
}

static void
the_start_time_is_set_once (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = world_new (REGULAR, "");
    assert_string_equal (node_get_text (world_status (world), "startTime", ""),
                         "2023-11-14T22:15:00Z");
    world_run (world, "now 200");
    assert_string_equal (node_get_text (world_status (world), "startTime", ""),
                         "2023-11-14T22:15:00Z");
}

// ---- addresses ----

static const struct {
    const char *what, *pod, *script;
    const char *host_ips[2];
    const char *expected; // hostIPs podIPs
} ADDRESSES[] = {
    { "no sandbox", REGULAR, "", { NULL, NULL }, "null null" },
    { "a sandbox", REGULAR, UP, { "192.0.2.2", NULL }, "[{'ip':'192.0.2.2'}] [{'ip':'10.0.0.1'}]" },
    { "after the end the address stays",
      REGULAR,
      "sandbox s notready; status {'podIP':'10.0.0.9','podIPs':[{'ip':'10.0.0.9'}]}",
      { NULL, NULL },
      "null [{'ip':'10.0.0.9'}]" },
    { "a new sandbox has a new one",
      REGULAR,
      UP "status {'podIP':'10.0.0.9','podIPs':[{'ip':'10.0.0.9'}]}",
      { NULL, NULL },
      "null [{'ip':'10.0.0.1'}]" },
    { "what is no address is none",
      REGULAR,
      "sandbox s ready ip nonsense",
      { NULL, NULL },
      "null null" },
    { "the host network has the node's",
      HOST,
      "",
      { "192.0.2.2", "fd00::2" },
      "[{'ip':'192.0.2.2'},{'ip':'fd00::2'}] [{'ip':'192.0.2.2'},{'ip':'fd00::2'}]" },
    { "the host network's is set once",
      HOST,
      "status {'podIP':'192.0.2.1','podIPs':[{'ip':'192.0.2.1'}]}",
      { "192.0.2.2", NULL },
      "[{'ip':'192.0.2.2'}] [{'ip':'192.0.2.1'}]" },
};

static void
addresses_come_from_sandbox_and_node (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ADDRESSES); i++) {
        OWNED (world_destroy) world_t *world = world_new (ADDRESSES[i].pod, ADDRESSES[i].script);
        for (; world->node.host_ips.count < 2; world->node.host_ips.count++) {
            const char *ip = ADDRESSES[i].host_ips[world->node.host_ips.count];
            if (!ip)
                break;
            world->host_ips[world->node.host_ips.count] = ip;
        }
        const node_t *status = world_status (world);
        OWNED (free_text) char *hosts = json_write (node_get (status, "hostIPs"), 0, NULL);
        OWNED (free_text) char *pods = json_write (node_get (status, "podIPs"), 0, NULL);
        OWNED (free_text) char *actual = text_format ("%s %s", hosts, pods);
        for (char *c = actual; *c; c++)
            if (*c == '"')
                *c = '\'';
        world_check (ADDRESSES[i].what, ADDRESSES[i].expected, actual);
    }
}

static void
the_pod_s_addresses_begin_with_the_node_s_family (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (world_destroy) world_t *world = world_new (REGULAR, "");
    OWNED (tree_destroy)
    tree_t *sandbox =
        world_json ("{'id':'s','network':{'ip':'10.0.0.1','additional_ips':[{'ip':'10.0.0.2'},"
                    "{'ip':'fd00::5'},{'ip':'fd00::6'}]}}");
    pod_seen_set_sandbox (world->seen, tree_root (sandbox), &fault);
    world->host_ips[0] = "fd00::1";
    world->node.host_ips.count = 1;
    const node_t *status = world_status (world);
    assert_string_equal (node_get_text (status, "podIP", ""), "fd00::5");
    OWNED (free_text) char *ips = json_write (node_get (status, "podIPs"), 0, NULL);
    assert_string_equal (ips, "[{\"ip\":\"fd00::5\"},{\"ip\":\"10.0.0.1\"}]");
}

// ---- generation, foreign fields ----

static void
the_observed_generation_never_goes_back (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = world_new (REGULAR, "");
    assert_null (node_get (world_status (world), "observedGeneration"));
    world->pod.metadata.generation = 3;
    const node_t *status = world_status (world);
    assert_int_equal (node_get_int (status, "observedGeneration", 0), 3);
    assert_int_equal (
        node_get_int (node_item (node_get (status, "conditions"), 0), "observedGeneration", 0), 3);
    world->pod.metadata.generation = 2;
    assert_int_equal (node_get_int (world_status (world), "observedGeneration", 0), 3);
}

static void
what_others_wrote_is_carried_along (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world =
        world_new (META TWO "},'status':{'nominatedNodeName':'n','resourceClaimStatuses':[{'name':"
                            "'c'}]}}",
                   "");
    const node_t *status = world_status (world);
    assert_string_equal (node_get_text (status, "nominatedNodeName", ""), "n");
    assert_int_equal (node_count (node_get (status, "resourceClaimStatuses")), 1);
}

// ---- refusals and what is withheld (9) ----

static void
a_refused_pod_has_failed_and_says_why (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = world_new (REGULAR, "");
    world->pod.metadata.generation = 1;
    OWNED (tree_destroy)
    tree_t *status =
        pod_status_rejected (&world->pod, NULL, "OutOfcpu", "Node didn't have enough", world->now);
    OWNED (free_text) char *text = json_write (tree_root (status), 0, NULL);
    assert_string_equal (text,
                         "{\"observedGeneration\":1,\"phase\":\"Failed\",\"message\":\"Pod was "
                         "rejected: Node didn't have enough\",\"reason\":\"OutOfcpu\","
                         "\"startTime\":\"2023-11-14T22:15:00Z\",\"qosClass\":\"BestEffort\"}");
}

static const struct {
    const char *what, *status, *api;
    bool is_running;
    const char *expected;
} WITHHELD[] = {
    { "the end is not told while something may run",
      "{'phase':'Failed','reason':'R','message':'m'}", "{'phase':'Running'}", true,
      "{'phase':'Running'}" },
    { "it is told when nothing runs", "{'phase':'Failed','reason':'R'}", "{'phase':'Running'}",
      false, "{'phase':'Failed','reason':'R'}" },
    { "what was told is told again", "{'phase':'Failed'}", "{'phase':'Failed'}", true,
      "{'phase':'Failed'}" },
    { "other phases are told", "{'phase':'Running'}", "{'phase':'Pending'}", true,
      "{'phase':'Running'}" },
    { "an old reason comes back", "{'phase':'Failed','reason':'R'}",
      "{'phase':'Running','reason':'Q'}", true, "{'phase':'Running','reason':'Q'}" },
    { "a new disruption is withheld as well",
      "{'phase':'Failed','conditions':[{'type':'DisruptionTarget'},{'type':'Ready'}]}",
      "{'phase':'Running'}", true, "{'phase':'Running','conditions':[{'type':'Ready'}]}" },
    { "one that the API has is not",
      "{'phase':'Failed','conditions':[{'type':'DisruptionTarget'}]}",
      "{'phase':'Running','conditions':[{'type':'DisruptionTarget'}]}", true,
      "{'phase':'Running','conditions':[{'type':'DisruptionTarget'}]}" },
    { "without a status in the API", "{'phase':'Failed'}", "{}", true, "{}" },
};

static void
the_end_is_withheld_while_containers_may_run (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (WITHHELD); i++) {
        OWNED (tree_destroy) tree_t *status = world_json (WITHHELD[i].status);
        OWNED (tree_destroy) tree_t *api = world_json (WITHHELD[i].api);
        OWNED (tree_destroy) tree_t *expected = world_json (WITHHELD[i].expected);
        OWNED (tree_destroy)
        tree_t *actual =
            pod_status_withheld (tree_root (status), tree_root (api), WITHHELD[i].is_running);
        if (!node_equal (tree_root (expected), tree_root (actual)))
            fail_msg ("%s", WITHHELD[i].what);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (conditions_follow_phase_and_containers_in_upstream_s_order),
        cmocka_unit_test (a_transition_time_changes_with_the_status_only),
        cmocka_unit_test (a_time_that_the_api_has_is_kept),
        cmocka_unit_test (the_start_time_is_set_once),
        cmocka_unit_test (addresses_come_from_sandbox_and_node),
        cmocka_unit_test (the_pod_s_addresses_begin_with_the_node_s_family),
        cmocka_unit_test (the_observed_generation_never_goes_back),
        cmocka_unit_test (what_others_wrote_is_carried_along),
        cmocka_unit_test (a_refused_pod_has_failed_and_says_why),
        cmocka_unit_test (the_end_is_withheld_while_containers_may_run),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
