/* test_offline.c - --offline-autonomy as the actors' peers see it: what the api-watcher and the
   token-manager keep, when they believe it, and what the pod-manager makes of pods that are
   assumed. */
#include "cubelet/actors.h"
#include "cubelet/checkpoint.h"
#include "cubelet/checkpoint_dir.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_api_server.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODE_LIST "GET /api/v1/nodes?fieldSelector="
#define POD_LIST "GET /api/v1/pods?fieldSelector="
#define SECRET_LIST "GET /api/v1/namespaces/ns/secrets?fieldSelector="
#define SECRET_GET "GET /api/v1/namespaces/ns/secrets/s"
#define WORKER "pod-worker/ns_p_u1"

typedef struct {
    char place[64];
    char *path, *key;
    api_server_t *server;
    stage_t *stage;
    peer_t *pods, *node, *worker, *client;
} fixture_t;

static fixture_t
fixture_new (void)
{
    fixture_t self = { .place = "/tmp/cubelet-offline-XXXXXX", .server = api_server_new() };
    assert_non_null (mkdtemp (self.place));
    self.path = text_format ("%s/offline", self.place);
    self.key = text_format ("%s/key", self.place);
    return self;
}

/* Starts one of the two actors that keep something, with its peers; `more` are further arguments,
   ", \"key\": value". */
static void
begin_with (fixture_t *self, const actor_class_t *class, const char *more)
{
    fault_t fault = { 0 };
    self->stage = stage_new();
    self->pods = stage_peer (self->stage, "pod-manager");
    self->node = stage_peer (self->stage, "node-reporter");
    self->worker = stage_peer (self->stage, WORKER);
    self->client = stage_peer (self->stage, "api-client");
    OWNED (free_text)
    char *json =
        text_format ("{\"kubeconfig\": \"%s\", \"node_name\": \"n1\", \"checkpoints\":"
                     " \"%s\", \"key_file\": \"%s\"%s}",
                     api_server_kubeconfig (self->server, NULL), self->path, self->key, more);
    OWNED (tree_destroy) tree_t *args = json_read (json, strlen (json), &fault);
    stage_actor (self->stage, class, class->name, tree_root (args));
}

static void
begin (fixture_t *self, const actor_class_t *class)
{
    begin_with (self, class, "");
}

static void
fixture_end (fixture_t *self)
{
    fault_t fault = { 0 };
    stage_destroy (&self->stage);
    api_server_destroy (&self->server);
    assert_int_equal (checkpoint_dir_delete (self->path, &fault), 0);
    unlink (self->key);
    assert_int_equal (rmdir (self->place), 0);
    free (self->path);
    free (self->key);
}

/* True when the file of that object is there. */
static bool
is_kept (const fixture_t *self, const char *kind, const char *ns, const char *name)
{
    OWNED (free_text) char *file = checkpoint_file (kind, ns, name, "u1");
    OWNED (free_text) char *path = text_format ("%s/%s", self->path, file);
    return access (path, F_OK) == 0;
}

static void
wait_kept (const fixture_t *self, const char *kind, const char *ns, const char *name, bool wanted)
{
    int64_t end = clock_monotonic_ms() + PEER_DEADLINE_MS;
    while (is_kept (self, kind, ns, name) != wanted) {
        if (clock_monotonic_ms() > end)
            fail_msg ("%s %s/%s is %skept", kind, ns, name, wanted ? "not " : "");
        usleep (5000);
    }
}

#define POD_SPEC                                                                                   \
    "\"spec\": {\"nodeName\": \"n1\", \"containers\": [{\"name\": \"c\"}], \"volumes\":"           \
    " [{\"name\": \"v\", \"secret\": {\"secretName\": \"s\"}}]}"
#define POD(name, uid, version)                                                                    \
    "{\"metadata\": {\"name\": \"" name "\", \"namespace\": \"ns\", \"uid\": \"" uid               \
    "\", \"resourceVersion\": \"" version "\"}, " POD_SPEC "}"
#define SECRET(word)                                                                               \
    "{\"metadata\": {\"name\": \"s\", \"namespace\": \"ns\", \"uid\": \"s1\","                     \
    " \"resourceVersion\": \"2\"}, \"data\": {\"word\": \"" word "\"}}"

static void
answer_list (fixture_t *self, const char *start, const char *items)
{
    OWNED (free_text)
    char *list =
        text_format ("{\"metadata\": {\"resourceVersion\": \"9\"}, \"items\": [%s]}", items);
    api_answer (api_expect (self->server, start), 200, NULL, list);
}

static void
watch_secret (fixture_t *self)
{
    peer_send_json (self->worker, "api-watcher", MSG_OBJECT_WATCH,
                    "{\"uid\": \"u1\", \"refs\": [{\"kind\": \"Secret\", \"namespace\": \"ns\","
                    " \"name\": \"s\"}]}");
}

/* The next word about the Secret that says it is found. */
static void
expect_secret (fixture_t *self, const char *word)
{
    for (;;) {
        OWNED (received_destroy) received_t *state = peer_expect (self->worker, MSG_OBJECT_STATE);
        const node_t *row = node_item (node_get (state->body, "objects"), 0);
        if (!node_get_bool (row, "found", false))
            continue; // not read within a second
        assert_string_equal (node_as_text (node_at (row, "object", "data", "word", NULL), ""),
                             word);
        return;
    }
}

/* The next full set has this one pod. */
static void
expect_set (fixture_t *self, const char *name, bool is_assumed)
{
    OWNED (received_destroy) received_t *set = peer_expect (self->pods, MSG_SOURCE_PODS);
    const node_t *pods = node_get (set->body, "pods");
    assert_int_equal (node_count (pods), 1);
    assert_string_equal (node_as_text (node_at (node_item (pods, 0), "metadata", "name", NULL), ""),
                         name);
    assert_int_equal (node_get_bool (set->body, "assumed", false), is_assumed);
}

/* An agent that has heard the API server once. */
static void
hear_once (fixture_t *self)
{
    begin (self, &api_watcher_class);
    answer_list (self, NODE_LIST, "{\"metadata\": {\"name\": \"n1\", \"resourceVersion\": \"1\"}}");
    answer_list (self, POD_LIST, POD ("p", "u1", "3"));
    expect_set (self, "p", false);
    watch_secret (self);
    answer_list (self, SECRET_LIST, SECRET ("old"));
    expect_secret (self, "old");
    stage_destroy (&self->stage); // what waits is written then
    assert_true (is_kept (self, "Node", "", "n1"));
    assert_true (is_kept (self, "Pod", "ns", "p"));
    assert_true (is_kept (self, "Secret", "ns", "s"));
}

static void
what_was_known_counts_while_the_api_server_is_away (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    hear_once (&self);
    begin (&self, &api_watcher_class);
    api_answer (api_expect (self.server, NODE_LIST), 503, NULL, "{}");
    OWNED (received_destroy) received_t *node = peer_expect (self.pods, MSG_NODE_OBJECT);
    assert_non_null (node_get (node->body, "node"));
    expect_set (&self, "p", true);
    watch_secret (&self);
    expect_secret (&self, "old");
    // who tells the API server something hears nothing that is assumed
    assert_null (peer_next (self.node, 50));
    // it answers: another Secret, another pod
    answer_list (&self, SECRET_LIST, SECRET ("new"));
    expect_secret (&self, "new");
    answer_list (&self, POD_LIST, POD ("q", "u2", "5"));
    expect_set (&self, "q", false);
    wait_kept (&self, "Pod", "ns", "p", false);
    wait_kept (&self, "Pod", "ns", "q", true);
    fixture_end (&self);
}

static void
what_is_read_at_each_sync_is_kept_too_and_does_not_wait_for_a_server_that_hangs (void **state)
{
    (void) state;
    static const char GET[] = ", \"detection\": \"Get\"";
    fixture_t self = fixture_new();
    begin_with (&self, &api_watcher_class, GET);
    answer_list (&self, NODE_LIST,
                 "{\"metadata\": {\"name\": \"n1\", \"resourceVersion\": \"1\"}}");
    answer_list (&self, POD_LIST, POD ("p", "u1", "3"));
    expect_set (&self, "p", false);
    watch_secret (&self);
    api_answer (api_expect (self.server, SECRET_GET), 200, NULL, SECRET ("old"));
    expect_secret (&self, "old");
    stage_destroy (&self.stage);
    assert_true (is_kept (&self, "Secret", "ns", "s"));

    begin_with (&self, &api_watcher_class, GET);
    api_answer (api_expect (self.server, NODE_LIST), 503, NULL, "{}");
    expect_set (&self, "p", true);
    watch_secret (&self);
    api_request_t *get = api_expect (self.server, SECRET_GET);
    expect_secret (&self, "old");
    api_answer (get, 200, NULL, SECRET ("new"));
    expect_secret (&self, "new");
    fixture_end (&self);
}

static void
a_refusal_is_an_answer (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    hear_once (&self);
    begin (&self, &api_watcher_class);
    api_answer (api_expect (self.server, NODE_LIST), 401, NULL, "{}");
    answer_list (&self, NODE_LIST, "");
    api_answer (api_expect (self.server, POD_LIST), 403, NULL, "{}");
    answer_list (&self, POD_LIST, POD ("q", "u2", "5"));
    expect_set (&self, "q", false); // the first that was told
    wait_kept (&self, "Node", "", "n1", false);
    fixture_end (&self);
}

static void
what_no_pod_needs_goes (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    hear_once (&self);
    begin (&self, &api_watcher_class);
    answer_list (&self, NODE_LIST, "");
    answer_list (&self, POD_LIST, "");
    wait_kept (&self, "Pod", "ns", "p", false);
    wait_kept (&self, "Secret", "ns", "s", false);
    fixture_end (&self);
}

// ---- tokens ----

static uint64_t
ask_token (fixture_t *self)
{
    return peer_request_json (self->worker, "token-manager", MSG_TOKEN_GET,
                              "{\"namespace\": \"ns\", \"service_account\": \"sa\", \"pod_name\":"
                              " \"p\", \"pod_uid\": \"u1\"}");
}

static void
expect_token (fixture_t *self, uint64_t id, const char *token)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    assert_string_equal (node_get_text (reply->body, "token", ""), token);
}

/* A token that expired ten seconds ago, so that it has to be replaced. */
static void
get_token (fixture_t *self)
{
    char expires[TIME_TEXT_MAX];
    uint64_t id = ask_token (self);
    OWNED (received_destroy) received_t *request = peer_expect (self->client, MSG_API_REQUEST);
    OWNED (free_text)
    char *json =
        text_format ("{\"code\": 201, \"body\": {\"spec\": {\"expirationSeconds\": 600},"
                     " \"status\": {\"token\": \"one\", \"expirationTimestamp\": \"%s\"}}}",
                     time_text (clock_now_ns() - 10 * NS_PER_S, expires));
    peer_reply_json (self->client, request, json);
    expect_token (self, id, "one");
}

static void
a_pod_gets_the_token_that_it_had (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    begin (&self, &token_manager_class);
    get_token (&self);
    stage_destroy (&self.stage);
    begin (&self, &token_manager_class);
    uint64_t id = ask_token (&self);
    OWNED (received_destroy) received_t *request = peer_expect (self.client, MSG_API_REQUEST);
    peer_reply_fault (self.client, request, FAULT_UNAVAILABLE, "connection refused");
    expect_token (&self, id, "one");
    fixture_end (&self);
}

static void
a_refused_token_is_not_replaced_by_an_old_one (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    begin (&self, &token_manager_class);
    get_token (&self);
    stage_destroy (&self.stage);
    begin (&self, &token_manager_class);
    uint64_t id = ask_token (&self);
    OWNED (received_destroy) received_t *request = peer_expect (self.client, MSG_API_REQUEST);
    peer_reply_json (self.client, request, "{\"code\": 403}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.worker, id);
    assert_non_null (reply->envelope.fault_text);
    fixture_end (&self);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_was_known_counts_while_the_api_server_is_away),
        cmocka_unit_test (
            what_is_read_at_each_sync_is_kept_too_and_does_not_wait_for_a_server_that_hangs),
        cmocka_unit_test (a_refusal_is_an_answer),
        cmocka_unit_test (what_no_pod_needs_goes),
        cmocka_unit_test (a_pod_gets_the_token_that_it_had),
        cmocka_unit_test (a_refused_token_is_not_replaced_by_an_old_one),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
