/* test_api_client.c - single requests against an API server played by the test. */
#include "cubelet/actors.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_api_server.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

typedef struct {
    stage_t *stage;
    api_server_t *server;
    peer_t *asker;
} fixture_t;

static fixture_t
fixture_new (const char *user, const char *more_args)
{
    fixture_t self = { .stage = stage_new(), .server = api_server_new() };
    self.asker = stage_peer (self.stage, "status-reporter");
    OWNED (free_text)
    char *json = text_format ("{\"kubeconfig\": \"%s\"%s}",
                              api_server_kubeconfig (self.server, user), more_args);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *args = json_read (json, strlen (json), &fault);
    stage_actor (self.stage, &api_client_class, "api-client", tree_root (args));
    return self;
}

static void
fixture_end (fixture_t *self)
{
    stage_destroy (&self->stage);
    api_server_destroy (&self->server);
}

static uint64_t
ask (fixture_t *self, const char *json)
{
    return peer_request_json (self->asker, "api-client", MSG_API_REQUEST, json);
}

static void
expect_code (fixture_t *self, uint64_t id, int code)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->asker, id);
    assert_string_equal (reply->envelope.fault_text ? reply->envelope.fault_text : "", "");
    assert_int_equal (node_get_int (reply->body, "code", 0), code);
}

static void
expect_fault (fixture_t *self, uint64_t id, fault_code_t code, const char *text)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->asker, id);
    assert_int_equal (reply->envelope.fault_code, code);
    if (!strstr (reply->envelope.fault_text, text))
        fail_msg ("\"%s\" is not in \"%s\"", text, reply->envelope.fault_text);
}

static void
a_request_carries_body_and_credentials_and_brings_back_json (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("token: abc", "");
    uint64_t id = ask (&self, "{\"method\": \"PATCH\", \"path\": \"/api/v1/nodes/n/status\","
                              " \"query\": \"fieldManager=kubelet\","
                              " \"content_type\": \"application/strategic-merge-patch+json\","
                              " \"body\": {\"status\": {\"phase\": null}}}");
    api_request_t *request =
        api_expect (self.server, "PATCH /api/v1/nodes/n/status?fieldManager=kubelet");
    assert_string_equal (request->body, "{\"status\":{\"phase\":null}}");
    assert_string_equal (api_header (request, "Content-Type"),
                         "application/strategic-merge-patch+json");
    assert_string_equal (api_header (request, "Authorization"), "Bearer abc");
    assert_string_equal (api_header (request, "Accept"), "application/json");
    assert_int_equal (strncmp (api_header (request, "User-Agent"), "kubelet/v1.34.0 (linux/", 23),
                      0);
    api_answer (request, 200, NULL, "{\"kind\": \"Node\"}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.asker, id);
    assert_int_equal (node_get_int (reply->body, "code", 0), 200);
    assert_string_equal (node_get_text (node_get (reply->body, "body"), "kind", ""), "Node");
    fixture_end (&self);
}

static void
a_delete_may_have_a_body (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("username: me, password: pass", "");
    uint64_t id = ask (&self, "{\"method\": \"DELETE\", \"path\": \"/api/v1/pods/p\","
                              " \"body\": {\"gracePeriodSeconds\": 0}}");
    api_request_t *request = api_expect (self.server, "DELETE /api/v1/pods/p");
    assert_string_equal (request->body, "{\"gracePeriodSeconds\":0}");
    assert_string_equal (api_header (request, "Content-Type"), "application/json");
    assert_string_equal (api_header (request, "Authorization"), "Basic bWU6cGFzcw==");
    api_answer (request, 409, NULL, "{\"kind\": \"Status\", \"code\": 409}");
    expect_code (&self, id, 409);
    fixture_end (&self);
}

static void
a_body_that_is_no_json_comes_as_text (void **state)
{
    (void) state;
    fixture_t self = fixture_new (NULL, "");
    uint64_t id = ask (&self, "{\"method\": \"GET\", \"path\": \"/healthz\"}");
    api_answer (api_expect (self.server, "GET /healthz"), 502, NULL, "<html>");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.asker, id);
    assert_int_equal (node_get_int (reply->body, "code", 0), 502);
    assert_string_equal (node_get_text (reply->body, "body", ""), "<html>");
    id = ask (&self, "{\"method\": \"GET\", \"path\": \"/healthz\"}");
    api_answer (api_expect (self.server, "GET /healthz"), 200, NULL, "");
    expect_code (&self, id, 200);
    fixture_end (&self);
}

static void
a_server_that_is_busy_is_asked_again_when_it_says (void **state)
{
    (void) state;
    fixture_t self = fixture_new (NULL, "");
    uint64_t id = ask (&self, "{\"method\": \"POST\", \"path\": \"/x\", \"body\": {}}");
    api_answer (api_expect (self.server, "POST /x"), 429, "Retry-After: 0\r\n", "{}");
    api_answer (api_expect (self.server, "POST /x"), 503, "Retry-After: 1\r\n", "{}");
    api_answer (api_expect (self.server, "POST /x"), 201, NULL, "{}");
    expect_code (&self, id, 201);
    id = ask (&self, "{\"method\": \"POST\", \"path\": \"/x\", \"body\": {}}");
    api_answer (api_expect (self.server, "POST /x"), 500, NULL, "{}");
    expect_code (&self, id, 500);
    fixture_end (&self);
}

static void
no_answer_is_a_fault_that_names_method_url_and_cause (void **state)
{
    (void) state;
    fixture_t self = fixture_new (NULL, "");
    uint64_t id = ask (&self, "{\"method\": \"POST\", \"path\": \"/x\", \"body\": {}}");
    api_hang_up (api_expect (self.server, "POST /x"), true);
    OWNED (free_text)
    char *url = text_format ("Post \"http://127.0.0.1:%d/x\": ", api_server_port (self.server));
    expect_fault (&self, id, FAULT_UNAVAILABLE, url);
    id = ask (&self, "{\"method\": \"POST\", \"path\": \"/x\", \"timeout_ms\": 200}");
    api_expect (self.server, "POST /x");
    expect_fault (&self, id, FAULT_DEADLINE, "Client.Timeout exceeded");
    id = ask (&self, "{\"method\": \"GET\", \"path\": \"/g\"}");
    api_request_t *request = api_expect (self.server, "GET /g");
    api_send_raw (request, "SSH-2.0-x\r\n");
    expect_fault (&self, id, FAULT_INVALID, "malformed HTTP response");
    id = ask (&self, "{\"method\": \"GET\", \"path\": \"x\"}");
    expect_fault (&self, id, FAULT_INVALID, "path");
    fixture_end (&self);
}

static void
a_read_whose_connection_broke_is_made_again (void **state)
{
    (void) state;
    fixture_t self = fixture_new (NULL, "");
    uint64_t id = ask (&self, "{\"method\": \"GET\", \"path\": \"/x\"}");
    api_hang_up (api_expect (self.server, "GET /x"), false);
    api_answer (api_expect (self.server, "GET /x"), 200, NULL, "{}");
    expect_code (&self, id, 200);
    fixture_end (&self);
}

static void
a_kubeconfig_may_come_later_and_change (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("token: abc", "");
    OWNED (free_text) char *path = text_copy (api_server_kubeconfig (self.server, "token: abc"));
    assert_int_equal (unlink (path), 0);
    uint64_t id = ask (&self, "{\"method\": \"GET\", \"path\": \"/x\"}");
    expect_fault (&self, id, FAULT_UNAVAILABLE, "No such file or directory");
    api_server_kubeconfig (self.server, "token: one");
    api_request_t *request = NULL;
    while (!request) { // it is looked at once a second
        id = ask (&self, "{\"method\": \"GET\", \"path\": \"/x\"}");
        request = api_next (self.server, "GET /x", 200);
    }
    assert_string_equal (api_header (request, "Authorization"), "Bearer one");
    // a token that the server refuses is read again at once
    api_server_kubeconfig (self.server, "token: two");
    api_answer (request, 401, NULL, "{}");
    request = api_expect (self.server, "GET /x");
    assert_string_equal (api_header (request, "Authorization"), "Bearer two");
    api_answer (request, 401, NULL, "{}");
    expect_code (&self, id, 401);
    fixture_end (&self);
}

static void
a_plugin_makes_the_token_and_is_asked_again_when_it_is_refused (void **state)
{
    (void) state;
    char directory[] = "/tmp/cubelet-plugin-XXXXXX";
    assert_non_null (mkdtemp (directory));
    OWNED (free_text) char *plugin = text_format ("%s/plugin", directory);
    OWNED (free_text) char *counter = text_format ("%s/count", directory);
    FILE *file = fopen (plugin, "we");
    fprintf (file, "#!/bin/sh\necho x >> $COUNTER\n"
                   "case $KUBERNETES_EXEC_INFO in *'\"interactive\":false'*) ;; *) exit 3;; esac\n"
                   "echo '{\"kind\": \"ExecCredential\", \"apiVersion\": "
                   "\"client.authentication.k8s.io/v1\",'\n"
                   "echo '\"status\": {\"token\": \"'$1-$(wc -l < $COUNTER)'\"}}'\n");
    fclose (file);
    chmod (plugin, 0755);
    OWNED (free_text)
    char *user = text_format ("exec: {apiVersion: client.authentication.k8s.io/v1, command: '%s',"
                              " args: [t], env: [{name: COUNTER, value: '%s'}],"
                              " interactiveMode: Never}",
                              plugin, counter);
    fixture_t self = fixture_new (user, "");
    uint64_t id = ask (&self, "{\"method\": \"GET\", \"path\": \"/x\"}");
    api_request_t *request = api_expect (self.server, "GET /x");
    assert_string_equal (api_header (request, "Authorization"), "Bearer t-1");
    api_answer (request, 200, NULL, "{}");
    expect_code (&self, id, 200);
    id = ask (&self, "{\"method\": \"GET\", \"path\": \"/y\"}");
    request = api_expect (self.server, "GET /y");
    assert_string_equal (api_header (request, "Authorization"), "Bearer t-1");
    api_answer (request, 401, NULL, "{}");
    request = api_expect (self.server, "GET /y");
    assert_string_equal (api_header (request, "Authorization"), "Bearer t-2");
    api_answer (request, 200, NULL, "{}");
    expect_code (&self, id, 200);
    fixture_end (&self);
    unlink (plugin);
    unlink (counter);
    rmdir (directory);
}

static void
a_plugin_that_fails_is_named_with_its_reason (void **state)
{
    (void) state;
    fixture_t self = fixture_new ("exec: {apiVersion: client.authentication.k8s.io/v1beta1,"
                                  " command: sh, args: ['-c', 'echo no such key >&2; exit 7']}",
                                  "");
    uint64_t id = ask (&self, "{\"method\": \"GET\", \"path\": \"/x\"}");
    expect_fault (&self, id, FAULT_UNAVAILABLE, "exec plugin sh: sh: exit status 7: no such key");
    fixture_end (&self);
}

static void
calls_are_limited_but_those_that_keep_the_node_alive (void **state)
{
    (void) state;
    fixture_t self = fixture_new (NULL, ", \"qps\": 1, \"burst\": 2");
    for (int i = 0; i < 3; i++)
        ask (&self, "{\"method\": \"GET\", \"path\": \"/x\"}");
    ask (&self, "{\"method\": \"GET\", \"path\": \"/api/v1/nodes/n\"}");
    api_expect (self.server, "GET /api/v1/nodes/n");
    api_expect (self.server, "GET /x");
    api_expect (self.server, "GET /x");
    api_request_t *third = api_expect (self.server, "GET /x");
    assert_int_equal (third->number, 3); // after the urgent one
    fixture_end (&self);
}

static void
a_request_that_nobody_waits_for_is_broken_off (void **state)
{
    (void) state;
    fixture_t self = fixture_new (NULL, "");
    uint64_t id = ask (&self, "{\"method\": \"GET\", \"path\": \"/x\"}");
    api_request_t *request = api_expect (self.server, "GET /x");
    OWNED (free_text) char *json = text_format ("{\"id\": %llu}", (unsigned long long) id);
    peer_send_json (self.asker, "api-client", MSG_REQUEST_CANCEL, json);
    assert_true (api_is_closed (request, PEER_DEADLINE_MS));
    fixture_end (&self);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_request_carries_body_and_credentials_and_brings_back_json),
        cmocka_unit_test (a_delete_may_have_a_body),
        cmocka_unit_test (a_body_that_is_no_json_comes_as_text),
        cmocka_unit_test (a_server_that_is_busy_is_asked_again_when_it_says),
        cmocka_unit_test (no_answer_is_a_fault_that_names_method_url_and_cause),
        cmocka_unit_test (a_read_whose_connection_broke_is_made_again),
        cmocka_unit_test (a_kubeconfig_may_come_later_and_change),
        cmocka_unit_test (a_plugin_makes_the_token_and_is_asked_again_when_it_is_refused),
        cmocka_unit_test (a_plugin_that_fails_is_named_with_its_reason),
        cmocka_unit_test (calls_are_limited_but_those_that_keep_the_node_alive),
        cmocka_unit_test (a_request_that_nobody_waits_for_is_broken_off),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
