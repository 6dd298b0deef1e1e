/* test_certificate_manager.c - certificates from an API server and a signer played by the test. */
#include "cubelet/actors.h"
#include "cubelet/base64.h"
#include "cubelet/certificate_keys.h"
#include "cubelet/clock.h"
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/json.h"
#include "cubelet/kubeconfig.h"
#include "cubelet/memory.h"
#include "helper_api_server.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <czmq.h>

#define REQUESTS "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define PATH_MAX_BYTES 100000

typedef struct {
    stage_t *stage;
    api_server_t *server;
    peer_t *watcher;
    char directory[32];
    char *kubeconfig; // of the node
} fixture_t;

static fixture_t
fixture_new (void)
{
    fixture_t self = { .stage = stage_new(), .server = api_server_new() };
    strcpy (self.directory, "/tmp/cubelet-pki-XXXXXX");
    assert_non_null (mkdtemp (self.directory));
    self.kubeconfig = text_format ("%s/kubelet.conf", self.directory);
    self.watcher = stage_peer (self.stage, "api-watcher");
    return self;
}

/* Runs a shell command; "DIR" stands for the test's directory. */
static void
shell (fixture_t *self, const char *command)
{
    OWNED (free_text)
    char *line = text_format ("cd %s && (%s) >/dev/null 2>&1", self->directory, command);
    assert_int_equal (system (line), 0);
}

static void
fixture_end (fixture_t *self)
{
    stage_destroy (&self->stage);
    api_server_destroy (&self->server);
    shell (self, "rm -rf ./* .[a-z]*");
    rmdir (self->directory);
    free (self->kubeconfig);
}

static void
start (fixture_t *self, const char *more)
{
    OWNED (free_text)
    char *json = text_format ("{\"node_name\": \"n1\", \"directory\": \"%s\","
                              " \"kubeconfig\": \"%s\"%s}",
                              self->directory, self->kubeconfig, more);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *args = json_read (json, strlen (json), &fault);
    stage_actor (self->stage, &certificate_manager_class, "certificate-manager", tree_root (args));
}

static void
start_bootstrap (fixture_t *self, bool rotates)
{
    OWNED (free_text)
    char *more = text_format (", \"bootstrap\": \"%s\", \"rotates_client\": %s",
                              api_server_kubeconfig (self->server, "token: boot"),
                              rotates ? "true" : "false");
    start (self, more);
}

/* The certificate for a posted request that lives for `seconds`, as base64. Owned. */
static char *
sign (fixture_t *self, const api_request_t *request, const char *validity)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = json_read (request->body, strlen (request->body), &fault);
    const node_t *encoded = node_at (tree_root (tree), "spec", "request", NULL);
    size_t size = 0;
    OWNED (free_text) char *pem = base64_decode (node_as_text (encoded, ""), &size);
    OWNED (free_text) char *path = text_format ("%s/csr.pem", self->directory);
    assert_int_equal (file_write (path, pem, size, 0600, &fault), 0);
    shell (self, "test -f ca.pem || openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key"
                 " -out ca.pem -subj /CN=ca -days 30");
    OWNED (free_text)
    char *command = text_format ("openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key"
                                 " -copy_extensions copyall -set_serial 7 %s -out crt.pem",
                                 validity);
    shell (self, command);
    OWNED (free_text) char *issued = text_format ("%s/crt.pem", self->directory);
    OWNED (free_text) char *bytes = file_read (issued, PATH_MAX_BYTES, &size, &fault);
    assert_non_null (bytes);
    char *text = memory_new ((size + 2) / 3 * 4 + 1, 1);
    base64_encode (bytes, size, text);
    return text;
}

static char *
object (const char *status)
{
    return text_format ("{\"metadata\": {\"name\": \"csr-1\", \"resourceVersion\": \"5\"},"
                        " \"status\": {%s}}",
                        status);
}

static char *
issued_object (const char *certificate)
{
    OWNED (free_text)
    char *status = text_format ("\"certificate\": \"%s\", \"conditions\": [{\"type\":"
                                " \"Approved\", \"status\": \"True\"}]",
                                certificate);
    return object (status);
}

/* Waits for a file that satisfies; the deadline is that of all tests. Owned. */
static char *
wait_for_file (fixture_t *self, const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/%s", self->directory, name);
    int64_t until = clock_monotonic_ms() + PEER_DEADLINE_MS;
    while (clock_monotonic_ms() < until) {
        fault_t fault = { 0 };
        char *bytes = file_read (path, PATH_MAX_BYTES, NULL, &fault);
        if (bytes)
            return bytes;
        zclock_sleep (10);
    }
    fail_msg ("no file %s", path);
    return NULL;
}

static void
a_first_certificate_is_asked_for_with_the_bootstraps_credentials (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    start_bootstrap (&self, false);
    api_request_t *post = api_expect (self.server, "POST " REQUESTS);
    assert_string_equal (api_header (post, "Authorization"), "Bearer boot");
    assert_non_null (strstr (post->body, "\"name\":\"node-csr-"));
    assert_non_null (strstr (post->body, "kube-apiserver-client-kubelet"));
    OWNED (free_text) char *certificate = sign (&self, post, "-days 1");
    OWNED (free_text) char *pending = object ("");
    api_answer (post, 201, NULL, pending);
    api_request_t *watch = api_expect (self.server, "GET " REQUESTS "?allowWatchBookmarks=true&"
                                                    "fieldSelector=metadata.name%3Dnode-csr-");
    api_stream_begin (watch);
    OWNED (free_text) char *issued = issued_object (certificate);
    OWNED (free_text)
    char *event = text_format ("{\"type\": \"MODIFIED\", \"object\": %s}\n", issued);
    api_stream_send (watch, event);
    OWNED (free_text) char *text = wait_for_file (&self, "kubelet.conf");
    kubeconfig_t config;
    fault_t fault = { 0 };
    OWNED (tree_destroy)
    tree_t *tree = kubeconfig_read (text, strlen (text), self.kubeconfig, &config, &fault);
    assert_string_equal (fault.text, "");
    OWNED (free_text) char *pem = file_read (config.certificate_file, PATH_MAX_BYTES, NULL, &fault);
    assert_non_null (pem);
    certificate_facts_t facts;
    assert_int_equal (certificate_inspect (pem, NULL, &facts, &fault), 0);
    assert_string_equal (facts.common_name, "system:node:n1");
    fixture_end (&self);
}

static void
a_request_made_before_is_found_again (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    OWNED (free_text) char *path = text_format ("%s/kubelet-client.key.tmp", self.directory);
    fault_t fault = { 0 };
    OWNED (free_text) char *key = certificate_key_make (&fault);
    assert_int_equal (file_write (path, key, strlen (key), 0600, &fault), 0);
    OWNED (free_text) char *name = certificate_request_name (key, "system:node:n1", &fault);
    start_bootstrap (&self, false);
    api_request_t *post = api_expect (self.server, "POST " REQUESTS);
    assert_non_null (strstr (post->body, name));
    OWNED (free_text) char *certificate = sign (&self, post, "-days 1");
    api_answer (post, 409, NULL, "{\"reason\": \"AlreadyExists\"}");
    OWNED (free_text) char *get = text_format ("GET " REQUESTS "/%s", name);
    OWNED (free_text) char *issued = issued_object (certificate);
    api_answer (api_expect (self.server, get), 200, NULL, issued);
    OWNED (free_text) char *text = wait_for_file (&self, "kubelet.conf");
    fixture_end (&self);
}

static void
a_denied_request_is_made_anew_with_another_key (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    start_bootstrap (&self, false);
    api_request_t *first = api_expect (self.server, "POST " REQUESTS);
    OWNED (free_text)
    char *denied = object ("\"conditions\": [{\"type\": \"Denied\", \"status\": \"True\"}]");
    api_answer (first, 201, NULL, denied);
    api_request_t *second = api_expect (self.server, "POST " REQUESTS);
    assert_string_not_equal (first->body, second->body);
    api_answer (second, 500, NULL, "{\"message\": \"no\"}");
    api_request_t *third = api_expect (self.server, "POST " REQUESTS);
    const char *name = strstr (second->body, "node-csr-");
    assert_non_null (name);
    assert_int_equal (strncmp (name, strstr (third->body, "node-csr-"), 52), 0);
    fixture_end (&self);
}

/* A kubeconfig of the node with a certificate for `name` that begins and ends then. */
static void
write_current (fixture_t *self, const char *name, const char *days)
{
    OWNED (free_text)
    char *command = text_format (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem"
        " -out c.pem -subj '/O=system:nodes/CN=%s' -days %s && cat c.pem k.pem > old.pem &&"
        " ln -sf old.pem kubelet-client-current.pem",
        name, days);
    shell (self, command);
    fault_t fault = { 0 };
    OWNED (free_text)
    char *text =
        text_format ("{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],"
                     " clusters: [{name: k, cluster: {server: 'http://127.0.0.1:%d'}}],"
                     " users: [{name: u, user: {client-certificate: kubelet-client-current.pem,"
                     " client-key: kubelet-client-current.pem}}]}",
                     api_server_port (self->server));
    assert_int_equal (file_write (self->kubeconfig, text, strlen (text), 0600, &fault), 0);
}

static void
a_certificate_that_is_good_is_left_alone (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    write_current (&self, "system:node:n1", "30");
    start_bootstrap (&self, true);
    assert_null (api_next (self.server, "POST", 300));
    fixture_end (&self);
}

static void
a_certificate_of_another_name_is_replaced (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    write_current (&self, "system:node:other", "30");
    start (&self, ", \"rotates_client\": true");
    api_request_t *post = api_expect (self.server, "POST " REQUESTS);
    assert_non_null (strstr (post->body, "\"generateName\":\"csr-\""));
    OWNED (free_text) char *certificate = sign (&self, post, "-days 1");
    OWNED (free_text) char *issued = issued_object (certificate);
    api_answer (post, 201, NULL, issued);
    certificate_facts_t facts = { 0 };
    do {
        fault_t fault = { 0 };
        OWNED (free_text) char *pem = wait_for_file (&self, "kubelet-client-current.pem");
        assert_int_equal (certificate_inspect (pem, NULL, &facts, &fault), 0);
    } while (strcmp (facts.common_name, "system:node:n1") != 0);
    assert_null (api_next (self.server, "POST", 300));
    fixture_end (&self);
}

static void
a_serving_certificate_names_the_node_and_follows_its_addresses (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    write_current (&self, "system:node:n1", "30");
    start (&self, ", \"has_serving\": true");
    assert_null (api_next (self.server, "POST", 200)); // no addresses yet
    peer_send_json (self.watcher, "certificate-manager", MSG_NODE_OBJECT,
                    "{\"node\": {\"status\": {\"addresses\": [{\"type\": \"InternalIP\","
                    " \"address\": \"10.0.0.1\"}]}}}");
    api_request_t *post = api_expect (self.server, "POST " REQUESTS);
    assert_non_null (strstr (post->body, "kubelet-serving"));
    OWNED (free_text) char *certificate = sign (&self, post, "-days 1");
    OWNED (free_text) char *issued = issued_object (certificate);
    api_answer (post, 201, NULL, issued);
    OWNED (free_text) char *pem = wait_for_file (&self, "kubelet-server-current.pem");
    fault_t fault = { 0 };
    static const char NAMES[] = "{\"dns\": [], \"ips\": [\"10.0.0.1\"]}";
    OWNED (tree_destroy) tree_t *names = json_read (NAMES, strlen (NAMES), &fault);
    certificate_facts_t facts;
    assert_int_equal (certificate_inspect (pem, tree_root (names), &facts, &fault), 0);
    assert_true (facts.has_names);
    assert_null (api_next (self.server, "POST", 200));
    peer_send_json (self.watcher, "certificate-manager", MSG_NODE_OBJECT,
                    "{\"node\": {\"status\": {\"addresses\": [{\"type\": \"Hostname\","
                    " \"address\": \"n1\"}]}}}");
    api_expect (self.server, "POST " REQUESTS);
    fixture_end (&self);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_first_certificate_is_asked_for_with_the_bootstraps_credentials),
        cmocka_unit_test (a_request_made_before_is_found_again),
        cmocka_unit_test (a_denied_request_is_made_anew_with_another_key),
        cmocka_unit_test (a_certificate_that_is_good_is_left_alone),
        cmocka_unit_test (a_certificate_of_another_name_is_replaced),
        cmocka_unit_test (a_serving_certificate_names_the_node_and_follows_its_addresses),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
