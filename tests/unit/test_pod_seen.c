/* What the runtime shows of a pod, kept up to date piece by piece. */
#include "cubelet/pod_seen.h"
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include <cmocka.h>

static void
set_sandbox (pod_seen_t *seen, const char *json)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = world_json (json);
    if (pod_seen_set_sandbox (seen, tree_root (tree), &fault) < 0)
        fail_msg ("%s", fault.text);
}

static void
set_container (pod_seen_t *seen, const char *json, const char *sandbox_id)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = world_json (json);
    if (pod_seen_set_container (seen, tree_root (tree), sandbox_id, &fault) < 0)
        fail_msg ("%s", fault.text);
}

static void
a_sandbox_is_read_with_absent_fields_as_zero (void **state)
{
    (void) state;
    OWNED (pod_seen_destroy) pod_seen_t *seen = pod_seen_new();
    set_sandbox (seen, "{'id':'s'}");
    const sandbox_seen_t *sandbox = pod_seen_sandbox (seen, "s");
    assert_non_null (sandbox);
    assert_int_equal (sandbox->state, SANDBOX_READY);
    assert_int_equal (sandbox->attempt, 0);
    assert_false (sandbox->has_network);
    assert_false (sandbox->is_host_network);
    assert_int_equal (sandbox->ips.count, 0);
    assert_string_equal (sandbox->runtime_handler, "");
    assert_ptr_equal (pod_seen_ready_sandbox (seen), sandbox);
}

static void
a_sandbox_is_read_with_all_its_fields (void **state)
{
    (void) state;
    OWNED (pod_seen_destroy) pod_seen_t *seen = pod_seen_new();
    set_sandbox (seen,
                 "{'id':'s','metadata':{'name':'p','attempt':3},'state':'SANDBOX_NOTREADY',"
                 "'created_at':7,'network':{'ip':'10.0.0.1','additional_ips':[{'ip':'fd00::1'}"
                 ",{'ip':'nonsense'},{}]},'linux':{'namespaces':{'options':{'network':'NODE'}}"
                 "},'runtime_handler':'gvisor'}");
    const sandbox_seen_t *sandbox = pod_seen_sandbox_at (seen, 0);
    assert_int_equal (sandbox->state, SANDBOX_NOTREADY);
    assert_int_equal (sandbox->attempt, 3);
    assert_int_equal (sandbox->created_at, 7);
    assert_true (sandbox->is_host_network);
    assert_int_equal (sandbox->ips.count, 2);
    assert_string_equal (sandbox->ips.items[1], "fd00::1");
    assert_string_equal (sandbox->runtime_handler, "gvisor");
    assert_null (pod_seen_ready_sandbox (seen));
}

static void
a_container_is_read_with_all_its_fields (void **state)
{
    (void) state;
    OWNED (pod_seen_destroy) pod_seen_t *seen = pod_seen_new();
    set_container (
        seen,
        "{'id':'c','metadata':{'name':'meta','attempt':4},'state':'CONTAINER_EXITED','created_at':"
        "1,"
        "'started_at':2,'finished_at':3,'exit_code':137,'image':{'image':'docker.io/i'},"
        "'image_ref':'sha256:r','image_id':'sha256:i','reason':'Error','message':'m',"
        "'log_path':'/var/log/c.log','labels':{'io.kubernetes.container.name':'main'},"
        "'annotations':{'io.kubernetes.container.restartCount':'5',"
        "'io.kubernetes.container.hash':'abc',"
        "'io.kubernetes.container.terminationMessagePath':'/dev/log',"
        "'io.kubernetes.container.terminationMessagePolicy':'File'},'mounts':[{'container_path':"
        "'/x','host_path':'/h'},{'container_path':'/dev/log','host_path':'/pods/t'}],"
        "'resources':{'linux':{'cpu_shares':2}},'user':{'linux':{'uid':1}}}",
        "s");
    const container_seen_t *container = pod_seen_container (seen, "c");
    assert_string_equal (container->name, "main");
    assert_string_equal (container->sandbox_id, "s");
    assert_int_equal (container->restart_count, 5);
    assert_int_equal (container->state, SEEN_EXITED);
    assert_int_equal (container->created_at, 1);
    assert_int_equal (container->started_at, 2);
    assert_int_equal (container->finished_at, 3);
    assert_int_equal (container->exit_code, 137);
    assert_string_equal (container->image, "docker.io/i");
    assert_string_equal (container->image_ref, "sha256:r");
    assert_string_equal (container->image_id, "sha256:i");
    assert_string_equal (container->reason, "Error");
    assert_string_equal (container->message, "m");
    assert_string_equal (container->log_path, "/var/log/c.log");
    assert_string_equal (container->hash, "abc");
    assert_string_equal (container->termination_message_path, "/dev/log");
    assert_string_equal (container->termination_message_policy, "File");
    assert_string_equal (container->termination_message_host_path, "/pods/t");
    assert_int_equal (node_get_int (container->resources, "cpu_shares", 0), 2);
    assert_non_null (node_get (container->user, "linux"));
}

static void
a_restart_count_that_is_none_is_the_attempt (void **state)
{
    (void) state;
    static const char *const ANNOTATIONS[] = { "", "x", "-1", "7x", "99999999999999999999" };
    for (size_t i = 0; i < COUNT_OF (ANNOTATIONS); i++) {
        OWNED (pod_seen_destroy) pod_seen_t *seen = pod_seen_new();
        OWNED (free_text)
        char *json = text_format ("{'id':'c','metadata':{'name':'a','attempt':4},'annotations':{"
                                  "'io.kubernetes.container.restartCount':'%s'}}",
                                  ANNOTATIONS[i]);
        set_container (seen, json, "s");
        assert_int_equal (pod_seen_container_at (seen, 0)->restart_count, 4);
    }
}

static void
a_state_that_nobody_knows_is_unknown (void **state)
{
    (void) state;
    OWNED (pod_seen_destroy) pod_seen_t *seen = pod_seen_new();
    set_container (seen, "{'id':'c','metadata':{'name':'a'},'state':'CONTAINER_PAUSED'}", "s");
    set_sandbox (seen, "{'id':'s','state':'SANDBOX_ODD'}");
    assert_int_equal (pod_seen_container_at (seen, 0)->state, SEEN_UNKNOWN);
    assert_int_equal (pod_seen_sandbox_at (seen, 0)->state, SANDBOX_NOTREADY);
}

static void
what_is_no_status_is_refused_and_changes_nothing (void **state)
{
    (void) state;
    static const char *const BAD[] = { "{}", "{'id':5}", "{'id':'c','created_at':'x'}",
                                       "{'id':'c','metadata':7}" };
    OWNED (pod_seen_destroy) pod_seen_t *seen = pod_seen_new();
    set_container (seen, "{'id':'c','metadata':{'name':'a'}}", "s");
    for (size_t i = 0; i < COUNT_OF (BAD); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *tree = world_json (BAD[i]);
        assert_int_equal (pod_seen_set_container (seen, tree_root (tree), NULL, &fault), -1);
        assert_int_equal (fault.code, FAULT_INVALID);
        assert_int_equal (pod_seen_set_sandbox (seen, tree_root (tree), &fault), -1);
    }
    assert_int_equal (pod_seen_container_count (seen), 1);
    assert_int_equal (pod_seen_sandbox_count (seen), 0);
}

static void
the_newest_come_first_whatever_the_order_of_arrival (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world = world_new (NULL, "sandbox b ready created 20; sandbox c ready created 30;"
                                      "sandbox a ready created 10; main m2 running created 2;"
                                      "main m3 exited created 3; other o running created 9;"
                                      "main m1 exited created 1");
    static const char SANDBOXES[] = "cba";
    for (size_t i = 0; i < 3; i++)
        assert_int_equal (pod_seen_sandbox_at (world->seen, i)->id[0], SANDBOXES[i]);
    assert_null (pod_seen_sandbox_at (world->seen, 3));
    assert_string_equal (pod_seen_newest (world->seen, "main", 0)->id, "m3");
    assert_string_equal (pod_seen_newest (world->seen, "main", 1)->id, "m2");
    assert_string_equal (pod_seen_newest (world->seen, "main", 2)->id, "m1");
    assert_null (pod_seen_newest (world->seen, "main", 3));
    assert_string_equal (pod_seen_newest_exited (world->seen, "main")->id, "m3");
    assert_null (pod_seen_newest_exited (world->seen, "other"));
    assert_true (pod_seen_is_running (world->seen));
}

static void
of_the_same_moment_the_higher_count_is_newer (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world =
        world_new (NULL, "main m1 exited created 1 restarts 1; main m2 exited created 1 restarts 2;"
                         "main m0 exited created 1 restarts 0");
    assert_string_equal (pod_seen_newest (world->seen, "main", 0)->id, "m2");
    assert_string_equal (pod_seen_newest (world->seen, "main", 2)->id, "m0");
}

static void
setting_again_replaces_and_keeps_the_sandbox (void **state)
{
    (void) state;
    OWNED (pod_seen_destroy) pod_seen_t *seen = pod_seen_new();
    set_container (seen, "{'id':'c','metadata':{'name':'a'}}", "s");
    set_container (seen, "{'id':'c','metadata':{'name':'a'},'state':'CONTAINER_RUNNING'}", NULL);
    assert_int_equal (pod_seen_container_count (seen), 1);
    assert_int_equal (pod_seen_container_at (seen, 0)->state, SEEN_RUNNING);
    assert_string_equal (pod_seen_container_at (seen, 0)->sandbox_id, "s");
}

static void
removing_says_whether_it_was_there (void **state)
{
    (void) state;
    OWNED (world_destroy) world_t *world = world_new (NULL, "sandbox s ready; main m running");
    assert_true (pod_seen_remove_container (world->seen, "m"));
    assert_false (pod_seen_remove_container (world->seen, "m"));
    assert_true (pod_seen_remove_sandbox (world->seen, "s"));
    assert_false (pod_seen_remove_sandbox (world->seen, "s"));
    assert_false (pod_seen_is_running (world->seen));
}

static void
note_id (void *context, const char *id, const char *sandbox_id)
{
    char **text_p = context;
    text_replace (text_p, "%s%s/%s ", *text_p, id, sandbox_id ? sandbox_id : "-");
}

static void
a_listing_forgets_what_is_gone_and_names_what_changed (void **state)
{
    (void) state;
    OWNED (world_destroy)
    world_t *world =
        world_new (NULL, "sandbox s ready; sandbox t notready; main m running; main n exited");
    OWNED (tree_destroy)
    tree_t *sandboxes =
        world_json ("{'list':[{'id':'s','state':'SANDBOX_NOTREADY'},{'id':'u'},{'x':1}]}");
    OWNED (tree_destroy)
    tree_t *containers =
        world_json ("{'list':[{'id':'m','state':'CONTAINER_RUNNING','pod_sandbox_id':'s'},"
                    "{'id':'o','pod_sandbox_id':'u'}]}");
    OWNED (free_text) char *changed = text_copy ("");
    pod_seen_compare (world->seen, node_get (tree_root (sandboxes), "list"),
                      node_get (tree_root (containers), "list"), note_id, note_id, &changed);
    assert_string_equal (changed, "s/- u/- o/u ");
    assert_null (pod_seen_sandbox (world->seen, "t"));
    assert_null (pod_seen_container (world->seen, "n"));
    assert_non_null (pod_seen_container (world->seen, "m"));
}

static void
only_a_sigkill_without_a_reason_may_be_one_for_memory (void **state)
{
    (void) state;
    static const struct {
        const char *status;
        bool wanted;
    } ROWS[] = {
        { "{'state':'CONTAINER_EXITED','exit_code':137,'reason':'Error'}", true },
        { "{'state':'CONTAINER_EXITED','exit_code':137}", true },
        { "{'state':'CONTAINER_EXITED','exit_code':137,'reason':'OOMKilled'}", false },
        { "{'state':'CONTAINER_EXITED','exit_code':143,'reason':'Error'}", false },
        { "{'state':'CONTAINER_RUNNING'}", false },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *status = world_json (ROWS[i].status);
        assert_int_equal (pod_seen_may_be_oom_killed (tree_root (status)), ROWS[i].wanted);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (a_sandbox_is_read_with_absent_fields_as_zero),
        cmocka_unit_test (a_sandbox_is_read_with_all_its_fields),
        cmocka_unit_test (a_container_is_read_with_all_its_fields),
        cmocka_unit_test (a_restart_count_that_is_none_is_the_attempt),
        cmocka_unit_test (a_state_that_nobody_knows_is_unknown),
        cmocka_unit_test (what_is_no_status_is_refused_and_changes_nothing),
        cmocka_unit_test (the_newest_come_first_whatever_the_order_of_arrival),
        cmocka_unit_test (of_the_same_moment_the_higher_count_is_newer),
        cmocka_unit_test (setting_again_replaces_and_keeps_the_sandbox),
        cmocka_unit_test (removing_says_whether_it_was_there),
        cmocka_unit_test (only_a_sigkill_without_a_reason_may_be_one_for_memory),
        cmocka_unit_test (a_listing_forgets_what_is_gone_and_names_what_changed),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
