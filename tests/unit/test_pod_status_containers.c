/* Container statuses: reference/pod-lifecycle.md 10.1, 10.5. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define META "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{"
#define PROBE "{'exec':{'command':['x']}}"

static const char PROBED[] =
    META "'containers':[{'name':'main','image':'busybox','startupProbe':" PROBE
         ",'readinessProbe':" PROBE "}]}}";
static const char INIT[] = META "'initContainers':[{'name':'init','image':'i'}],"
                                "'containers':[{'name':'main','image':'busybox'}]}}";
static const char NEVER[] =
    META "'restartPolicy':'Never','containers':[{'name':'main','image':'busybox'}]}}";
static const char HOOK[] = META "'containers':[{'name':'main','image':'busybox','lifecycle':{"
                                "'postStart':" PROBE "}}]}}";

typedef struct {
    const char *what, *pod, *script;
    const char *list;     // containerStatuses by default
    const char *expected; // "state lastState ready started restartCount", as JSON
} row_t;

#define UP "sandbox s ready;"
#define RUNNING "{'running':{'startedAt':'2023-11-14T22:13:30Z'}}"
#define RAN(code, reason)                                                                          \
    "{'terminated':{'exitCode':" #code ",'reason':'" reason                                        \
    "','startedAt':'2023-11-14T22:13:30Z','finishedAt':'2023-11-14T22:13:31Z',"                    \
    "'containerID':'containerd://m'}}"
#define LOST(message)                                                                              \
    "{'terminated':{'exitCode':137,'reason':'ContainerStatusUnknown','message':'" message          \
    "','startedAt':null,'finishedAt':null}}"
#define LOST_BEFORE                                                                                \
    LOST ("The container could not be located when the pod was deleted.  The container used to "   \
          "be Running")
#define LOST_AT_END LOST ("The container could not be located when the pod was terminated")
#define OLD(state)                                                                                 \
    "status {'phase':'Running','containerStatuses':[{'name':'main','state':" state                 \
    ",'lastState':{},'ready':true,'started':true,'restartCount':3,'image':'i','imageID':'j',"      \
    "'containerID':'containerd://m'}]};"
#define OLD_RUNNING OLD ("{'running':{'startedAt':'2023-11-14T22:13:30Z'}}")

static const row_t STATES[] = {
    { "no container", NULL, "", NULL,
      "{'waiting':{'reason':'ContainerCreating'}} {} false false 0" },
    { "no container, with init containers", INIT, "", NULL,
      "{'waiting':{'reason':'PodInitializing'}} {} false false 0" },
    { "created", NULL, UP "main m created", NULL, "{'waiting':{}} {} false false 0" },
    { "running", NULL, UP "main m running", NULL, RUNNING " {} true true 0" },
    { "exited 0", NULL, UP "main m exited", NULL, RAN (0, "Completed") " {} false false 0" },
    { "exited 1", NULL, UP "main m exited code 1", NULL, RAN (1, "Error") " {} false false 0" },
    { "restarted", NULL, UP "main m exited code 1; main n running restarts 1 started 10", NULL,
      RUNNING " " RAN (1, "Error") " true true 1" },
    { "unknown, never seen to run", NULL, UP "main m unknown", NULL,
      "{'waiting':{}} {} false false 0" },
    { "unknown, was running", NULL, UP OLD_RUNNING "main m unknown restarts 3", NULL,
      LOST_AT_END " {} false false 4" },
    { "gone, had ended", NULL, UP OLD (RAN (1, "Error")), NULL,
      RAN (1, "Error") " {} true false 3" },
    { "gone, was running", NULL, UP OLD_RUNNING, NULL,
      "{'waiting':{'reason':'ContainerCreating'}} " LOST_BEFORE " false false 4" },
    { "gone, was running, pod being deleted", NULL, UP OLD_RUNNING "delete 5", NULL,
      "{'waiting':{'reason':'ContainerCreating'}} " LOST_BEFORE " false false 3" },
    { "being created: not shown", NULL, UP "main m created; step main start", NULL,
      "{'waiting':{'reason':'ContainerCreating'}} {} false false 0" },
    { "in its postStart hook: not shown", HOOK, UP "main m running; step main post-start", NULL,
      "{'waiting':{'reason':'ContainerCreating'}} {} false false 0" },
    { "restarting: the end before is shown", HOOK,
      UP "main m exited code 1; main n running restarts 1; step main post-start", NULL,
      RAN (1, "Error") " {} false false 0" },
    { "a start failed", NULL, UP "failed main ErrImagePull no_such_image", NULL,
      "{'waiting':{'reason':'ErrImagePull','message':'no such image'}} {} false false 0" },
    { "crash loop", NULL, UP "main m exited code 1; failed main CrashLoopBackOff wait", NULL,
      "{'waiting':{'reason':'CrashLoopBackOff','message':'wait'}} " RAN (
          1, "Error") " false false 0" },
    { "a good start forgets the failure", NULL,
      UP "main m exited code 1; failed main CrashLoopBackOff wait; ok main", NULL,
      RAN (1, "Error") " {} false false 0" },
    { "a failure of what is not to be started is not shown", NEVER,
      UP "main m exited code 1; failed main CrashLoopBackOff wait", NULL,
      RAN (1, "Error") " {} false false 0" },
    { "a pod that is being deleted shows no failures", NULL,
      UP "delete 5; failed main ErrImagePull no", NULL,
      "{'waiting':{'reason':'ContainerCreating'}} {} false false 0" },
    { "a running container shows no failure", NULL, UP "main m running; failed main X no", NULL,
      RUNNING " {} true true 0" },
    { "init: exited 0 is ready", INIT, UP "init m exited", "initContainerStatuses",
      RAN (0, "Completed") " {} true false 0" },
    { "init: running is started, not ready", INIT, UP "init m running", "initContainerStatuses",
      RUNNING " {} false true 0" },
    { "init: a failure after success is not shown", INIT, UP "init m exited; failed init X no",
      "initContainerStatuses", RAN (0, "Completed") " {} true false 0" },
    { "a termination message", NULL, UP "main m exited; left m bye", NULL,
      "{'terminated':{'exitCode':0,'reason':'Completed','message':'bye',"
      "'startedAt':'2023-11-14T22:13:30Z','finishedAt':'2023-11-14T22:13:31Z',"
      "'containerID':'containerd://m'}} {} false false 0" },
    { "a termination message behind the runtime's", NULL, UP "main m exited message no; left m bye",
      NULL,
      "{'terminated':{'exitCode':0,'reason':'Completed','message':'no: bye',"
      "'startedAt':'2023-11-14T22:13:30Z','finishedAt':'2023-11-14T22:13:31Z',"
      "'containerID':'containerd://m'}} {} false false 0" },
    { "the last word: it was never there", NULL, "terminate; terminating; finishing", NULL,
      LOST_AT_END " {} false false 0" },
    { "the last word: no regular container was to start yet", INIT,
      "terminate; terminating; finishing", NULL,
      "{'waiting':{'reason':'PodInitializing'}} {} false false 0" },
    { "the last word: the first init container at least", INIT, "terminate; terminating; finishing",
      "initContainerStatuses", LOST_AT_END " {} false false 0" },
    { "the last word: init was done", INIT,
      "sandbox s notready; init i exited; terminate; terminating; finishing", NULL,
      LOST_AT_END " {} false false 0" },
    { "not started before the startup probe says so", PROBED, UP "main m running", NULL,
      RUNNING " {} false false 0" },
    { "started, not ready before the readiness probe says so", PROBED,
      UP "main m running; probe m startup success", NULL, RUNNING " {} false true 0" },
    { "ready when both say so", PROBED,
      UP "main m running; probe m startup success; probe m readiness success", NULL,
      RUNNING " {} true true 0" },
    { "not ready when the probe fails", PROBED,
      UP OLD_RUNNING "main m running; probe m startup success; probe m readiness failure", NULL,
      RUNNING " {} false true 0" },
    { "after a restart of the agent it is what it was", PROBED, UP OLD_RUNNING "main m running",
      NULL, RUNNING " {} true true 0" },
    { "another container of that name is not", PROBED, UP OLD_RUNNING "main n running", NULL,
      RUNNING " {} false false 0" },
};

static char *
summary (const node_t *status)
{
    OWNED (free_text) char *state = json_write (node_get (status, "state"), JSON_COMPACT, NULL);
    OWNED (free_text) char *last = json_write (node_get (status, "lastState"), JSON_COMPACT, NULL);
    return text_format ("%s %s %s %s %lld", state, last,
                        node_get_bool (status, "ready", false) ? "true" : "false",
                        node_get_bool (status, "started", false) ? "true" : "false",
                        (long long) node_get_int (status, "restartCount", -1));
}

static void
states_follow_the_runtime_and_what_was_known_before (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (STATES); i++) {
        OWNED (world_destroy) world_t *world = world_new (STATES[i].pod, STATES[i].script);
        const char *list = STATES[i].list ? STATES[i].list : "containerStatuses";
        OWNED (free_text)
        char *actual = summary (node_item (node_get (world_status (world), list), 0));
        OWNED (free_text) char *expected = text_copy (STATES[i].expected);
        for (char *c = expected; *c; c++)
            if (*c == '\'')
                *c = '"';
        world_check (STATES[i].what, expected, actual);
    }
}

static void
check_status (const char *what, const char *pod, const char *script, const char *list,
              const char *expected)
{
    OWNED (world_destroy) world_t *world = world_new (pod, script);
    OWNED (free_text)
    char *actual = json_write (node_get (world_status (world), list), JSON_COMPACT, NULL);
    OWNED (free_text) char *wanted = text_copy (expected);
    for (char *c = wanted; *c; c++)
        if (*c == '\'')
            *c = '"';
    world_check (what, wanted, actual);
}

static void
regular_and_ephemeral_ones_are_sorted_by_name_init_ones_are_not (void **state)
{
    (void) state;
    static const char POD[] =
        META "'containers':[{'name':'b','image':'i'},{'name':'a','image':'i'}],"
             "'initContainers':[{'name':'d','image':'i'},{'name':'c','image':'i'}],"
             "'ephemeralContainers':[{'name':'f','image':'i'},{'name':'e','image':'i'}]}}";
    static const struct {
        const char *list, *names;
    } LISTS[] = { { "containerStatuses", "ab" },
                  { "initContainerStatuses", "dc" },
                  { "ephemeralContainerStatuses", "ef" } };
    OWNED (world_destroy) world_t *world = world_new (POD, "");
    const node_t *status = world_status (world);
    for (size_t i = 0; i < COUNT_OF (LISTS); i++) {
        const node_t *list = node_get (status, LISTS[i].list);
        assert_int_equal (node_count (list), 2);
        for (size_t k = 0; k < 2; k++)
            assert_int_equal (node_get_text (node_item (list, k), "name", "?")[0],
                              LISTS[i].names[k]);
    }
}

static void
an_ephemeral_container_is_never_ready_and_has_no_started (void **state)
{
    (void) state;
    check_status ("ephemeral",
                  META "'containers':[{'name':'main','image':'i'}],"
                       "'ephemeralContainers':[{'name':'e','image':'i'}]}}",
                  UP "e m running", "ephemeralContainerStatuses",
                  "[{'name':'e','state':" RUNNING
                  ",'lastState':{},'ready':false,'restartCount':0,'image':'docker.io/i',"
                  "'imageID':'sha256:1','containerID':'containerd://m','resources':{}}]");
}

static void
volume_mounts_come_from_the_spec (void **state)
{
    (void) state;
    static const char POD[] =
        META "'containers':[{'name':'main','image':'i','volumeMounts':["
             "{'name':'v','mountPath':'/v'},{'name':'r','mountPath':'/r','readOnly':true,"
             "'recursiveReadOnly':'IfPossible'}]}]}}";
    check_status ("mounts", POD, "", "containerStatuses",
                  "[{'name':'main','state':{'waiting':{'reason':'ContainerCreating'}},"
                  "'lastState':{},'ready':false,'restartCount':0,'image':'i','imageID':'',"
                  "'started':false,'volumeMounts':[{'name':'v','mountPath':'/v'},"
                  "{'name':'r','mountPath':'/r','readOnly':true,'recursiveReadOnly':"
                  "'Disabled'}]}]");
    OWNED (world_destroy) world_t *world = world_new (POD, "");
    world->node.has_recursive_read_only = true;
    const node_t *list = node_get (world_status (world), "containerStatuses");
    const node_t *mount = node_item (node_get (node_item (list, 0), "volumeMounts"), 1);
    assert_string_equal (node_get_text (mount, "recursiveReadOnly", ""), "Enabled");
}

/* A running container with these CRI fields besides the usual ones. */
static void
show_running (world_t *world, const char *more)
{
    fault_t fault = { 0 };
    OWNED (free_text)
    char *text = text_format (
        "{'id':'m','metadata':{'name':'main'},'state':'CONTAINER_RUNNING','created_at':1,%s}",
        more);
    OWNED (tree_destroy) tree_t *tree = world_json (text);
    assert_int_equal (pod_seen_set_container (world->seen, tree_root (tree), "s", &fault), 0);
}

static void
resources_are_the_spec_s_and_what_the_runtime_says_of_them (void **state)
{
    (void) state;
    static const char POD[] =
        META "'containers':[{'name':'main','image':'i','resources':{'limits':{'cpu':'0.5',"
             "'memory':'64Mi','example.com/x':1},'requests':{'cpu':'250m','memory':'32Mi'}}}]}}";
    static const struct {
        const char *actual, *limits_cpu, *limits_memory, *requests_cpu;
    } ROWS[] = {
        { "'exit_code':0", "500m", "64Mi", "250m" },
        { "'resources':{'linux':{'cpu_period':100000,'cpu_quota':80000,'cpu_shares':512,"
          "'memory_limit_in_bytes':134217728}}",
          "800m", "128Mi", "500m" },
        { "'resources':{'linux':{'cpu_period':0,'cpu_quota':80000,'cpu_shares':2}}", "500m", "64Mi",
          "250m" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (world_destroy) world_t *world = world_new (POD, UP);
        show_running (world, ROWS[i].actual);
        const node_t *list = node_get (world_status (world), "containerStatuses");
        const node_t *status = node_item (list, 0);
        const node_t *limits = node_at (status, "resources", "limits", NULL);
        const node_t *requests = node_at (status, "resources", "requests", NULL);
        assert_string_equal (node_get_text (limits, "cpu", ""), ROWS[i].limits_cpu);
        assert_string_equal (node_get_text (limits, "memory", ""), ROWS[i].limits_memory);
        assert_string_equal (node_get_text (limits, "example.com/x", ""), "1");
        assert_string_equal (node_get_text (requests, "cpu", ""), ROWS[i].requests_cpu);
        assert_string_equal (node_get_text (node_get (status, "allocatedResources"), "cpu", ""),
                             "250m");
    }
}

static void
the_user_is_the_runtime_s (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = world_new (NULL, UP);
    show_running (world, "'user':{'linux':{'gid':7,'supplemental_groups':[7,8]}}");
    const node_t *list = node_get (world_status (world), "containerStatuses");
    OWNED (free_text)
    char *user = json_write (node_get (node_item (list, 0), "user"), JSON_COMPACT, NULL);
    assert_string_equal (user, "{\"linux\":{\"uid\":0,\"gid\":7,\"supplementalGroups\":[7,8]}}");
}

static void
termination_messages_share_twelve_kilobytes_and_stay_whole_characters (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world =
        world_new (META "'containers':[{'name':'main','image':'i'},{'name':'b','image':'i'},"
                        "{'name':'c','image':'i'}]}}",
                   UP "main m exited code 1");
    OWNED (free_text) char *text = memory_new (6001, 1);
    for (size_t i = 0; i < 6000; i += 3)
        memcpy (text + i, "\xe2\x82\xac", 3); // a character of three bytes
    pod_local_set_termination_message (world->local, "m", text);
    const node_t *list = node_get (world_status (world), "containerStatuses");
    const char *message = "";
    NODE_EACH (list, status)
    if (strcmp (node_get_text (status, "name", ""), "main") == 0)
        message = node_get_text (node_at (status, "state", "terminated", NULL), "message", "");
    assert_int_equal (strlen (message), 4095); // 12288 / 3 is 4096
    assert_memory_equal (message, text, 4095);
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (states_follow_the_runtime_and_what_was_known_before),
        cmocka_unit_test (regular_and_ephemeral_ones_are_sorted_by_name_init_ones_are_not),
        cmocka_unit_test (an_ephemeral_container_is_never_ready_and_has_no_started),
        cmocka_unit_test (volume_mounts_come_from_the_spec),
        cmocka_unit_test (resources_are_the_spec_s_and_what_the_runtime_says_of_them),
        cmocka_unit_test (the_user_is_the_runtime_s),
        cmocka_unit_test (termination_messages_share_twelve_kilobytes_and_stay_whole_characters),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
