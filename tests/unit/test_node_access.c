/* test_node_access.c - users, subresources and reviews of the node's own API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/node_access.h"
#include "cubelet/tls_server.h"
#include <cmocka.h>

static const struct {
    const char *path;
    bool fine;
    const char *names[SUBRESOURCES_MAX + 1];
} PATHS[] = {
    { "/stats/summary", true, { "stats" } },
    { "/stats", true, { "stats" } },
    { "/statsx", true, { "proxy" } },
    { "/metrics/cadvisor", true, { "metrics" } },
    { "/logs/", true, { "log" } },
    { "/checkpoint/a/b/c", true, { "checkpoint" } },
    { "/statusz", true, { "statusz" } },
    { "/flagz", true, { "configz" } },
    { "/pods", true, { "pods", "proxy" } },
    { "/runningpods/", true, { "pods", "proxy" } },
    { "/healthz/ping", true, { "healthz", "proxy" } },
    { "/configz", true, { "configz", "proxy" } },
    { "/pods", false, { "proxy" } },
    { "/configz", false, { "proxy" } },
    { "/exec/a/b/c", true, { "proxy" } },
    { "/containerLogs/a/b/c", true, { "proxy" } },
    { "/", true, { "proxy" } },
    { "", true, { "proxy" } },
};

static void
paths_have_subresources (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (PATHS); i++) {
        subresources_t found = access_subresources (PATHS[i].path, PATHS[i].fine);
        for (size_t n = 0; n < found.count; n++)
            assert_string_equal (found.names[n], PATHS[i].names[n]);
        assert_null (PATHS[i].names[found.count]);
    }
}

static const struct {
    const char *method, *verb;
} VERBS[] = {
    { "GET", "get" },       { "POST", "create" }, { "PUT", "update" }, { "PATCH", "patch" },
    { "DELETE", "delete" }, { "HEAD", "" },       { "", "" },
};

static void
methods_have_verbs (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (VERBS); i++)
        assert_string_equal (access_verb (VERBS[i].method), VERBS[i].verb);
}

static const struct {
    char *(*read) (const char *);
    const char *text, *token;
} TOKENS[] = {
    { bearer_token, "Bearer abc.def", "abc.def" },
    { bearer_token, "bEARER  abc  ", "abc" },
    { bearer_token, "Bearer", NULL },
    { bearer_token, "Bearer ", NULL },
    { bearer_token, "Basic abc", NULL },
    { bearer_token, "", NULL },
    { websocket_token, "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj", "abc" },
    { websocket_token, "base64url.bearer.authorization.k8s.io.YWJjZA,x", "abcd" },
    { websocket_token, "base64url.bearer.authorization.k8s.io._-8_", "\xff\xef?" },
    { websocket_token, "base64url.bearer.authorization.k8s.io.!!", NULL },
    { websocket_token, "base64url.bearer.authorization.k8s.io.", NULL },
    { websocket_token, "base64url.bearer.authorization.k8s.io.AAAA", NULL },
    { websocket_token, "v4.channel.k8s.io", NULL },
};

static void
tokens_are_found (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (TOKENS); i++) {
        OWNED (free_text) char *token = TOKENS[i].read (TOKENS[i].text);
        if (!TOKENS[i].token)
            assert_null (token);
        else
            assert_string_equal (token, TOKENS[i].token);
    }
}

static void
a_token_does_not_travel_on (void **state)
{
    (void) state;
    OWNED (free_text)
    char *list = websocket_protocols_without_token (
        "v5.channel.k8s.io , base64url.bearer.authorization.k8s.io.YWJj,v4.channel.k8s.io");
    assert_string_equal (list, "v5.channel.k8s.io, v4.channel.k8s.io");
}

// ---- reviews ----

static const struct {
    int64_t code;
    const char *answer;
    const char *user; // JSON; NULL: a fault
    fault_code_t fault;
} TOKEN_REVIEWS[] = {
    { 201,
      "{\"status\": {\"authenticated\": true, \"user\": {\"username\": \"jane\", \"uid\": \"7\", "
      "\"groups\": [\"dev\"], \"extra\": {\"k\": [\"v\"]}}}}",
      "{\"username\":\"jane\",\"groups\":[\"dev\",\"system:authenticated\"],\"uid\":\"7\","
      "\"extra\":{\"k\":[\"v\"]}}",
      FAULT_NONE },
    { 201,
      "{\"status\": {\"authenticated\": true, \"user\": {\"username\": \"x\", \"groups\": "
      "[\"system:authenticated\"]}}}",
      "{\"username\":\"x\",\"groups\":[\"system:authenticated\"]}", FAULT_NONE },
    { 201, "{\"status\": {\"error\": \"expired\"}}", NULL, FAULT_UNAUTHENTICATED },
    { 201, "{\"status\": {\"authenticated\": true, \"user\": {}}}", NULL, FAULT_UNAUTHENTICATED },
    { 201, "{\"status\": {\"authenticated\": \"true\"}}", NULL, FAULT_UNAUTHENTICATED },
    { 403, "{\"message\": \"no\", \"status\": \"Failure\"}", NULL, FAULT_UNAVAILABLE },
    { 500, "[]", NULL, FAULT_UNAVAILABLE },
};

static void
token_reviews_are_read (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (TOKEN_REVIEWS); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *answer =
            json_read (TOKEN_REVIEWS[i].answer, strlen (TOKEN_REVIEWS[i].answer), &fault);
        OWNED (tree_destroy)
        tree_t *user = token_review_user (TOKEN_REVIEWS[i].code, tree_root (answer), &fault);
        assert_int_equal (fault.code, TOKEN_REVIEWS[i].fault);
        assert_int_equal (!user, !TOKEN_REVIEWS[i].user);
        if (!user)
            continue;
        OWNED (free_text) char *json = json_write (tree_root (user), JSON_COMPACT, NULL);
        assert_string_equal (json, TOKEN_REVIEWS[i].user);
    }
}

static void
reviews_are_written_as_the_api_wants_them (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t groups = node_array();
    node_append (tree, &groups, node_text (tree, "system:masters"));
    OWNED (tree_destroy) tree_t *user = user_new ("kube-apiserver", &groups, "X509SHA256=00");
    node_t review = access_review (tree, user, "create", "node-1", "proxy");
    OWNED (free_text) char *json = json_write (&review, JSON_COMPACT, NULL);
    assert_string_equal (
        json,
        "{\"kind\":\"SubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\",\"spec\":{"
        "\"resourceAttributes\":{\"verb\":\"create\",\"version\":\"v1\",\"resource\":\"nodes\","
        "\"subresource\":\"proxy\",\"name\":\"node-1\"},\"user\":\"kube-apiserver\","
        "\"groups\":[\"system:masters\",\"system:authenticated\"],\"extra\":{"
        "\"authentication.kubernetes.io/credential-id\":[\"X509SHA256=00\"]}}}");
    node_t token = token_review (tree, "abc");
    OWNED (free_text) char *token_json = json_write (&token, JSON_COMPACT, NULL);
    assert_string_equal (token_json,
                         "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\","
                         "\"spec\":{\"token\":\"abc\"}}");
    char a[ACCESS_DIGEST_MAX], b[ACCESS_DIGEST_MAX];
    node_t other = access_review (tree, user, "create", "node-1", "stats");
    assert_string_not_equal (access_review_digest (&review, a), access_review_digest (&other, b));
    assert_string_equal (access_digest ("abc", a),
                         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static const struct {
    int64_t code;
    const char *answer;
    int rc;
    bool is_allowed;
} ACCESS_REVIEWS[] = {
    { 201, "{\"status\": {\"allowed\": true}}", 0, true },
    { 201, "{\"status\": {\"allowed\": false}}", 0, false },
    { 201, "{\"status\": {\"allowed\": true, \"denied\": true}}", 0, false },
    { 201, "{\"status\": {}}", 0, false },
    { 201, "{}", -1, false },
    { 403, "{\"message\": \"no\"}", -1, false },
};

static void
access_reviews_are_read (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ACCESS_REVIEWS); i++) {
        fault_t fault = { 0 };
        bool is_allowed = false;
        const char *json = ACCESS_REVIEWS[i].answer;
        OWNED (tree_destroy) tree_t *answer = json_read (json, strlen (json), &fault);
        assert_int_equal (
            access_review_allowed (ACCESS_REVIEWS[i].code, tree_root (answer), &is_allowed, &fault),
            ACCESS_REVIEWS[i].rc);
        assert_int_equal (is_allowed, ACCESS_REVIEWS[i].is_allowed);
    }
}

static void
refusals_read_as_upstreams (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *user = user_anonymous();
    subresources_t pods = access_subresources ("/pods", true);
    OWNED (free_text) char *denied = access_denied_text (user, "get", &pods);
    assert_string_equal (denied, "Forbidden (user=system:anonymous, verb=get, resource=nodes, "
                                 "subresource(s)=[pods proxy])");
    OWNED (free_text) char *failed = access_error_text (user, "get", &pods);
    assert_string_equal (failed, "Authorization error (user=system:anonymous, verb=get, "
                                 "resource=nodes, subresource(s)=[pods proxy])");
}

static void
cipher_suites_have_names (void **state)
{
    (void) state;
    assert_string_equal (tls_cipher_name ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
                         "ECDHE-RSA-AES128-GCM-SHA256");
    assert_string_equal (tls_cipher_name ("TLS_AES_128_GCM_SHA256"), "");
    assert_null (tls_cipher_name ("TLS_RSA_WITH_3DES_EDE_CBC_SHA"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (paths_have_subresources),
        cmocka_unit_test (methods_have_verbs),
        cmocka_unit_test (tokens_are_found),
        cmocka_unit_test (a_token_does_not_travel_on),
        cmocka_unit_test (token_reviews_are_read),
        cmocka_unit_test (reviews_are_written_as_the_api_wants_them),
        cmocka_unit_test (access_reviews_are_read),
        cmocka_unit_test (refusals_read_as_upstreams),
        cmocka_unit_test (cipher_suites_have_names),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
