/* test_url_watcher.c - what a URL says is what the pod manager hears. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "helper_api_server.h"
#include "helper_peer.h"
#include <cmocka.h>

#define POD(NAME)                                                                                  \
    "{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"" NAME                 \
    "\"}, \"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"i\"}]}}"
#define LIST(ITEMS) "{\"kind\": \"PodList\", \"apiVersion\": \"v1\", \"items\": [" ITEMS "]}"

typedef struct {
    api_server_t *server;
    stage_t *stage;
    peer_t *manager;
} scene_t;

static int
set_up (void **state)
{
    scene_t *scene = memory_new (1, sizeof *scene);
    scene->server = api_server_new();
    scene->stage = stage_new();
    scene->manager = stage_peer (scene->stage, "pod-manager");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text)
    char *url = text_format ("http://127.0.0.1:%d/pods?x=1", api_server_port (scene->server));
    node_t args = node_map(), headers = node_map(), values = node_array();
    node_append (tree, &values, node_text (tree, "one"));
    node_set (tree, &headers, "X-Node", values);
    node_set (tree, &args, "headers", headers);
    node_set_text (tree, &args, "url", url);
    node_set_text (tree, &args, "node_name", "n1");
    node_set_int (tree, &args, "check_ms", 20);
    stage_actor (scene->stage, &url_watcher_class, "url-watcher", &args);
    *state = scene;
    return 0;
}

static int
tear_down (void **state)
{
    scene_t *scene = *state;
    stage_destroy (&scene->stage);
    api_server_destroy (&scene->server);
    free (scene);
    return 0;
}

/* Answers the next question with this. */
static void
answer (const scene_t *scene, int status, const char *body)
{
    api_request_t *request = api_expect (scene->server, "GET /pods?x=1");
    assert_string_equal (api_header (request, "X-Node"), "one");
    api_answer (request, status, NULL, body);
}

/* The names of the pods of the next message are these: "a b ". */
static void
expect_pods (const scene_t *scene, const char *wanted)
{
    OWNED (received_destroy) received_t *got = peer_expect (scene->manager, MSG_SOURCE_PODS);
    assert_string_equal (node_get_text (got->body, "source", ""), "http");
    char names[256] = "";
    NODE_EACH (node_get (got->body, "pods"), pod)
    {
        const node_t *metadata = node_get (pod, "metadata");
        strcat (strcat (names, node_get_text (metadata, "name", "")), " ");
        const node_t *annotations = node_get (metadata, "annotations");
        assert_string_equal (node_get_text (annotations, "kubernetes.io/config.source", ""),
                             "http");
    }
    assert_string_equal (names, wanted);
}

static void
a_pod_comes_with_the_nodes_name (void **state)
{
    answer (*state, 200, POD ("web"));
    expect_pods (*state, "web-n1 ");
}

static void
a_list_comes_whole_and_changes (void **state)
{
    answer (*state, 200, LIST (POD ("a") "," POD ("b")));
    expect_pods (*state, "a-n1 b-n1 ");
    answer (*state, 200, LIST (POD ("b")));
    expect_pods (*state, "b-n1 ");
    answer (*state, 200, LIST (""));
    expect_pods (*state, "");
}

static const struct {
    int status;
    const char *body;
} WRONG[] = {
    { 500, POD ("x") },
    { 200, "" },
    { 200, "{" },
    { 200, "kind: Service" },
    { 200, POD ("x") "\n---\n" POD ("y") },
    { 200, LIST (POD ("x") ", {\"metadata\": {\"name\": \"y\"}}") },
};

static void
what_was_said_stays_while_the_url_says_something_wrong (void **state)
{
    answer (*state, 200, POD ("web"));
    expect_pods (*state, "web-n1 ");
    for (size_t i = 0; i < COUNT_OF (WRONG); i++) {
        answer (*state, WRONG[i].status, WRONG[i].body);
        expect_pods (*state, "web-n1 ");
    }
}

static void
nothing_is_said_before_the_url_has_spoken (void **state)
{
    scene_t *scene = *state;
    answer (scene, 404, "");
    api_hang_up (api_expect (scene->server, "GET /pods"), true);
    OWNED (received_destroy) received_t *none = peer_next (scene->manager, 100);
    assert_null (none);
}

static void
a_first_answer_without_a_word_counts_as_no_pods (void **state)
{
    answer (*state, 200, "");
    expect_pods (*state, "");
}

static void
a_new_manager_is_told_at_once (void **state)
{
    scene_t *scene = *state;
    answer (scene, 200, POD ("web"));
    expect_pods (scene, "web-n1 ");
    api_request_t *pending = api_expect (scene->server, "GET /pods");
    assert_non_null (pending); // not answered
    peer_send_json (scene->manager, "url-watcher", MSG_ACTOR_UP,
                    "{\"name\": \"pod-manager\", \"class\": \"pod-manager\"}");
    expect_pods (scene, "web-n1 ");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown (NAME, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_pod_comes_with_the_nodes_name),
        TEST (a_list_comes_whole_and_changes),
        TEST (what_was_said_stays_while_the_url_says_something_wrong),
        TEST (nothing_is_said_before_the_url_has_spoken),
        TEST (a_first_answer_without_a_word_counts_as_no_pods),
        TEST (a_new_manager_is_told_at_once),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
