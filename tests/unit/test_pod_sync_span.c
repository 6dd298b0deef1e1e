/* When a status may be shown (pod_sync_span.h). */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/json.h"
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

/* A status with two containers: `ready` is that of the first, `id` its ID, and of the pod. */
static tree_t *
status_of (const char *id, const char *state, bool is_ready, bool is_other_ready, bool is_pod_ready)
{
    OWNED (free_text)
    char *text = text_format (
        "{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Initialized\",\"status\":\"True\"},"
        "{\"type\":\"Ready\",\"status\":\"%s\"}],\"containerStatuses\":[{\"name\":\"a\","
        "\"containerID\":"
        "\"%s\",\"ready\":%s,\"state\":{\"%s\":{}}},{\"name\":\"b\",\"containerID\":\"b1\","
        "\"ready\":%s,"
        "\"state\":{\"running\":{}}}]}",
        is_pod_ready ? "True" : "False", id, is_ready ? "true" : "false", state,
        is_other_ready ? "true" : "false");
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    assert_non_null (tree);
    return tree;
}

static void
what_probes_find_shows_within_a_sync (void **state)
{
    (void) state;
    static const struct {
        const char *what, *id, *state;
        bool is_ready, is_other_ready, is_pod_ready; // now
        bool was_ready, is_news;
    } ROWS[] = {
        { "nothing changed", "a1", "running", true, true, true, true, false },
        { "it is no longer ready", "a1", "running", false, true, false, true, true },
        { "it is ready", "a1", "running", true, true, true, false, true },
        { "it has ended: not a probe's finding", "a1", "terminated", false, true, false, true,
          false },
        { "another instance runs", "a2", "running", false, true, false, true, false },
        { "Ready before all are", "a1", "running", false, true, true, true, false },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        bool was = ROWS[i].was_ready;
        OWNED (tree_destroy) tree_t *shown = status_of ("a1", "running", was, true, was);
        OWNED (tree_destroy)
        tree_t *current = status_of (ROWS[i].id, ROWS[i].state, ROWS[i].is_ready,
                                     ROWS[i].is_other_ready, ROWS[i].is_pod_ready);
        OWNED (tree_destroy)
        tree_t *news = pod_sync_readiness (tree_root (shown), tree_root (current));
        if (ROWS[i].is_news ? !news || !node_equal (tree_root (news), tree_root (current)) : !!news)
            fail_msg ("%s", ROWS[i].what);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (a_status_is_held_back_within_one_sync),
        cmocka_unit_test (what_is_likely_to_end_at_once_settles_first),
        cmocka_unit_test (what_probes_find_shows_within_a_sync),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
