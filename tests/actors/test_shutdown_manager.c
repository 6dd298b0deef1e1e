/* test_shutdown_manager.c - what the agent does when the machine goes down, on a private D-Bus with
   a logind of the tests'. */
#include "cubelet/actors.h"
#include "cubelet/file_read.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_logind.h"
#include "helper_peer.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MANAGER "shutdown-manager"
#define MESSAGE "Pod was terminated in response to imminent node shutdown."
#define PERIODS "[{\"priority\": 0, \"grace\": 20}, {\"priority\": 2000000000, \"grace\": 10}]"

typedef struct {
    char directory[64];
    char *conf_dir, *conf;
    int64_t delay_s; // logind's at the start
    pid_t bus;
    int orders[2], news[2];
    pthread_t logind;
    bool has_logind;
    stage_t *stage;
    actor_host_t *actor;
    peer_t *pods, *volumes, *reporter, *recorder;
} scene_t;

// ---- logind ----

static void *
run_logind (void *context)
{
    scene_t *scene = context;
    fake_logind_run (scene->conf, scene->delay_s, scene->orders[0], scene->news[1]);
    return NULL;
}

/* Waits for this piece of news; others before it are passed over. */
static void
expect_news (const scene_t *scene, const char *wanted)
{
    for (;;) {
        char line[256];
        size_t size = 0;
        do {
            struct pollfd fd = { .fd = scene->news[0], .events = POLLIN };
            if (poll (&fd, 1, PEER_DEADLINE_MS) != 1 || read (fd.fd, line + size, 1) != 1)
                fail_msg ("logind did not say: %s", wanted);
        } while (line[size++] != '\n' && size < sizeof line);
        line[size - 1] = '\0';
        if (strcmp (line, wanted) == 0)
            return;
    }
}

#define INHIBITED "inhibited shutdown kubelet Kubelet needs time to handle node shutdown delay"

static void
start_logind (scene_t *scene)
{
    assert_int_equal (pthread_create (&scene->logind, NULL, run_logind, scene), 0);
    scene->has_logind = true;
    expect_news (scene, "ready");
}

static void
order (const scene_t *scene, char what)
{
    assert_int_equal (write (scene->orders[1], &what, 1), 1);
}

// ---- the scene ----

static int
set_up (void **state)
{
    scene_t *scene = memory_new (1, sizeof *scene);
    strcpy (scene->directory, "/tmp/test-shutdown-XXXXXX");
    assert_non_null (mkdtemp (scene->directory));
    scene->conf_dir = text_format ("%s/logind.conf.d", scene->directory);
    scene->conf = text_format ("%s/99-kubelet.conf", scene->conf_dir);
    scene->delay_s = 5;
    assert_int_equal (pipe2 (scene->orders, O_CLOEXEC), 0);
    assert_int_equal (pipe2 (scene->news, O_CLOEXEC), 0);
    scene->bus = private_bus_start (scene->directory);
    assert_true (scene->bus > 0);
    scene->stage = stage_new();
    scene->pods = stage_peer (scene->stage, "pod-manager");
    scene->volumes = stage_peer (scene->stage, "volume-manager");
    scene->reporter = stage_peer (scene->stage, "node-reporter");
    scene->recorder = stage_peer (scene->stage, "event-recorder");
    *state = scene;
    return 0;
}

static int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    close (scene->orders[1]);
    if (scene->has_logind)
        pthread_join (scene->logind, NULL);
    close (scene->orders[0]);
    close (scene->news[0]);
    close (scene->news[1]);
    private_bus_stop (scene->bus);
    OWNED (free_text) char *command = text_format ("rm -rf %s", scene->directory);
    assert_int_equal (system (command), 0);
    free (scene->conf_dir);
    free (scene->conf);
    free (scene);
    return 0;
}

static void
start_manager (scene_t *scene, const char *periods)
{
    fault_t fault = { 0 };
    OWNED (free_text)
    char *text = text_format ("{\"node_name\": \"n1\", \"root_dir\": \"%s\", \"periods\": %s, "
                              "\"logind_conf_dir\": \"%s\"}",
                              scene->directory, periods, scene->conf_dir);
    OWNED (tree_destroy) tree_t *args = json_read (text, strlen (text), &fault);
    assert_non_null (args);
    scene->actor = stage_actor (scene->stage, &shutdown_manager_class, MANAGER, tree_root (args));
}

/* What a peer is told next, other than what it heard before. */
static void
expect_told (peer_t *peer, bool is_active)
{
    for (;;) {
        OWNED (received_destroy) received_t *got = peer_expect (peer, MSG_NODE_SHUTDOWN);
        if (node_get_bool (got->body, "active", !is_active) == is_active)
            return;
    }
}

#define POD(name, spec)                                                                            \
    "{\"metadata\": {\"uid\": \"u-" name "\", \"namespace\": \"ns\", \"name\": \"" name            \
    "\"}, \"spec\": {" spec "}, \"status\": {\"phase\": \"Running\"}}"
#define CRITICAL "\"priority\": 2000001000, \"terminationGracePeriodSeconds\": 30"
#define TWO_PODS                                                                                   \
    "{\"items\": [" POD ("dns", CRITICAL) ", " POD ("web",                                         \
                                                    "\"terminationGracePeriodSeconds\": 7") "]}"

static void
serve_pods (const scene_t *scene, const char *items)
{
    OWNED (received_destroy) received_t *asked = peer_expect (scene->pods, MSG_POD_LIST);
    peer_reply_json (scene->pods, asked, items);
}

/* The next pod that is to be ended; owned. */
static received_t *
expect_evict (const scene_t *scene, const char *uid, int64_t grace_s)
{
    received_t *got = peer_expect (scene->pods, MSG_POD_EVICT);
    assert_string_equal (node_get_text (got->body, "uid", ""), uid);
    assert_string_equal (node_get_text (got->body, "reason", ""), "Terminated");
    assert_string_equal (node_get_text (got->body, "message", ""), MESSAGE);
    assert_int_equal (node_get_int (got->body, "grace", -1), grace_s);
    return got;
}

static void
serve_unmount (const scene_t *scene, const char *uid)
{
    OWNED (received_destroy) received_t *got = peer_expect (scene->volumes, MSG_VOLUME_TEARDOWN);
    assert_string_equal (node_get_text (got->body, "pod_uid", ""), uid);
    assert_true (node_get_bool (got->body, "keep_directory", false));
    peer_reply (scene->volumes, got, NULL);
}

static void
expect_event (const scene_t *scene, const char *message)
{
    OWNED (received_destroy) received_t *got = peer_expect (scene->recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (got->body, "reason", ""), "NodeShutdown");
    assert_string_equal (node_get_text (got->body, "type", ""), "Normal");
    assert_string_equal (node_get_text (got->body, "message", ""), message);
}

/* What the state file says of the end: true when there is one. */
static bool
has_end (const scene_t *scene)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text)
    char *path = text_format ("%s/graceful_node_shutdown_state", scene->directory);
    OWNED (free_text) char *text = file_read (path, 4096, &size, &fault);
    assert_non_null (text);
    assert_null (strstr (text, "\"startTime\":\"0001"));
    return !strstr (text, "\"endTime\":\"0001");
}

// ---- tests ----

static void
the_machine_goes_down_when_all_pods_have_ended_critical_ones_last (void **state)
{
    scene_t *scene = *state;
    start_logind (scene);
    start_manager (scene, PERIODS);
    expect_news (scene, "reloaded"); // it would not have waited for 30 s
    expect_news (scene, INHIBITED);
    order (scene, 't');
    expect_told (scene->reporter, true);
    expect_told (scene->pods, true);
    expect_event (scene, "Shutdown manager detected shutdown event");
    serve_pods (scene, TWO_PODS);
    received_t *web = expect_evict (scene, "u-web", 7);
    assert_false (has_end (scene));
    peer_reply (scene->pods, web, NULL);
    received_destroy (&web);
    serve_unmount (scene, "u-web");
    received_t *dns = expect_evict (scene, "u-dns", 10);
    peer_reply (scene->pods, dns, NULL);
    received_destroy (&dns);
    serve_unmount (scene, "u-dns");
    expect_news (scene, "released");
    assert_true (has_end (scene));
}

static void
a_delay_that_is_long_enough_is_left_alone (void **state)
{
    scene_t *scene = *state;
    scene->delay_s = 30;
    start_logind (scene);
    start_manager (scene, PERIODS);
    expect_news (scene, INHIBITED);
    assert_int_equal (access (scene->conf, F_OK), -1);
}

static void
pods_that_do_not_end_in_time_hold_nobody_up (void **state)
{
    scene_t *scene = *state;
    start_logind (scene);
    start_manager (scene, "[{\"priority\": 0, \"grace\": 1}, {\"priority\": 1000, \"grace\": 0}]");
    expect_news (scene, INHIBITED);
    order (scene, 't');
    serve_pods (scene, TWO_PODS);
    OWNED (received_destroy) received_t *web = expect_evict (scene, "u-web", 1);
    OWNED (received_destroy) received_t *dns = expect_evict (scene, "u-dns", 0);
    expect_news (scene, "released");
}

static void
a_shutdown_that_is_called_off_ends_no_more_pods (void **state)
{
    scene_t *scene = *state;
    start_logind (scene);
    start_manager (scene, PERIODS);
    expect_news (scene, INHIBITED);
    order (scene, 't');
    serve_pods (scene, TWO_PODS);
    OWNED (received_destroy) received_t *web = expect_evict (scene, "u-web", 7);
    order (scene, 'f');
    expect_told (scene->reporter, true);
    expect_told (scene->reporter, false);
    expect_news (scene, INHIBITED);
    peer_reply (scene->pods, web, NULL);
    order (scene, 't'); // the next one begins anew
    OWNED (received_destroy) received_t *next = NULL;
    while (!next || next->type == MSG_NODE_SHUTDOWN) {
        received_destroy (&next);
        next = peer_next (scene->pods, PEER_DEADLINE_MS);
        assert_non_null (next);
    }
    assert_int_equal (next->type, MSG_POD_LIST);
}

static void
a_new_pod_manager_is_told_everything_again (void **state)
{
    scene_t *scene = *state;
    start_logind (scene);
    start_manager (scene, PERIODS);
    expect_news (scene, INHIBITED);
    order (scene, 't');
    serve_pods (scene, TWO_PODS);
    received_t *web = expect_evict (scene, "u-web", 7);
    received_destroy (&web);
    peer_send_json (scene->pods, MANAGER, MSG_ACTOR_UP,
                    "{\"name\": \"pod-manager\", \"class\": \"pod-manager\", \"restarts\": 1}");
    expect_told (scene->pods, true);
    web = expect_evict (scene, "u-web", 7);
    peer_reply (scene->pods, web, NULL);
    received_destroy (&web);
    serve_unmount (scene, "u-web");
    OWNED (received_destroy) received_t *dns = expect_evict (scene, "u-dns", 10);
}

static void
a_manager_that_starts_in_the_middle_of_a_shutdown_finds_out (void **state)
{
    scene_t *scene = *state;
    start_logind (scene);
    order (scene, 't');
    start_manager (scene, PERIODS);
    expect_told (scene->pods, true);
    serve_pods (scene, TWO_PODS);
    OWNED (received_destroy) received_t *web = expect_evict (scene, "u-web", 7);
}

static void
a_logind_that_comes_later_is_found (void **state)
{
    scene_t *scene = *state;
    start_manager (scene, PERIODS);
    start_logind (scene);
    expect_news (scene, INHIBITED);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown (NAME, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (the_machine_goes_down_when_all_pods_have_ended_critical_ones_last),
        TEST (a_delay_that_is_long_enough_is_left_alone),
        TEST (pods_that_do_not_end_in_time_hold_nobody_up),
        TEST (a_shutdown_that_is_called_off_ends_no_more_pods),
        TEST (a_new_pod_manager_is_told_everything_again),
        TEST (a_manager_that_starts_in_the_middle_of_a_shutdown_finds_out),
        TEST (a_logind_that_comes_later_is_found),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
