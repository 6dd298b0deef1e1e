#include "cubelet/kubeconfig.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A kubeconfig of one cluster, user and context, of these fields. */
static char *
kubeconfig_of (const char *cluster, const char *user)
{
    return text_format ("apiVersion: v1\n"
                        "kind: Config\n"
                        "current-context: there\n"
                        "contexts:\n"
                        "- {name: other, context: {cluster: none, user: none}}\n"
                        "- {name: there, context: {cluster: k, user: u}}\n"
                        "clusters: [{name: k, cluster: {%s}}]\n"
                        "users: [{name: u, user: {%s}}]\n",
                        cluster, user);
}

#define SERVER "server: 'https://10.0.0.1:6443'"
#define PEM "LS0tLS1CRUdJTiBYLS0tLS0K" // -----BEGIN X-----

static void
the_current_context_is_what_counts (void **state)
{
    (void) state;
    OWNED (free_text)
    char *text = kubeconfig_of ("server: 'https://api/prefix/', certificate-authority: ca.crt,"
                                " tls-server-name: kubernetes, proxy-url: 'http://proxy:1'",
                                "client-certificate-data: " PEM ", client-key: /k.pem,"
                                " token: abc, tokenFile: ../token");
    kubeconfig_t config;
    fault_t fault = { 0 };
    OWNED (tree_destroy)
    tree_t *tree = kubeconfig_read (text, strlen (text), "/etc/k/kubelet.conf", &config, &fault);
    assert_string_equal (fault.text, "");
    assert_non_null (tree);
    assert_string_equal (config.server, "https://api/prefix");
    assert_string_equal (config.ca_file, "/etc/k/ca.crt");
    assert_null (config.ca.bytes);
    assert_string_equal (config.tls_server_name, "kubernetes");
    assert_string_equal (config.proxy_url, "http://proxy:1");
    assert_string_equal (config.certificate.bytes, "-----BEGIN X-----\n");
    assert_int_equal (config.certificate.size, 18);
    assert_null (config.certificate_file);
    assert_string_equal (config.key_file, "/k.pem");
    assert_string_equal (config.token, "abc");
    assert_string_equal (config.token_file, "/etc/k/../token");
    assert_null (config.exec);
}

static void
inline_data_counts_before_a_file (void **state)
{
    (void) state;
    OWNED (free_text)
    char *text = kubeconfig_of (SERVER ", certificate-authority: ca.crt,"
                                       " certificate-authority-data: " PEM,
                                "username: me, password: pass");
    kubeconfig_t config;
    fault_t fault = { 0 };
    OWNED (tree_destroy)
    tree_t *tree = kubeconfig_read (text, strlen (text), "kubelet.conf", &config, &fault);
    assert_non_null (tree);
    assert_null (config.ca_file);
    assert_non_null (config.ca.bytes);
    assert_string_equal (config.username, "me");
    assert_string_equal (config.password, "pass");
}

static void
a_plugin_is_found_beside_the_file_or_in_the_path (void **state)
{
    (void) state;
    static const struct {
        const char *command, *found;
    } CASES[] = { { "./bin/plugin", "/etc/./bin/plugin" },
                  { "/bin/plugin", "/bin/plugin" },
                  { "plugin", "plugin" } };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text)
        char *user = text_format ("exec: {apiVersion: client.authentication.k8s.io/v1beta1,"
                                  " command: %s, args: [a, b], env: [{name: A, value: b}]}",
                                  CASES[i].command);
        OWNED (free_text) char *text = kubeconfig_of (SERVER, user);
        kubeconfig_t config;
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = kubeconfig_read (text, strlen (text), "/etc/x.conf", &config, &fault);
        assert_string_equal (fault.text, "");
        assert_string_equal (config.exec->command, CASES[i].found);
        assert_int_equal (config.exec->args.count, 2);
        assert_string_equal (config.exec->env.items[0].value, "b");
    }
}

static void
mistakes_are_named_with_line_and_field (void **state)
{
    (void) state;
    static const struct {
        const char *cluster, *user, *text;
    } CASES[] = {
        { "", "", "c: line 7: clusters[0].cluster.server: Required value" },
        { "server: 10.0.0.1", "", "line 7: clusters[0].cluster.server: must begin with https" },
        { "server: 7", "", "line 7: clusters[0].cluster.server: is not text" },
        { SERVER ", certificate-authority-data: '?'", "",
          "clusters[0].cluster.certificate-authority-data: is not base64" },
        { SERVER ", certificate-authority-data: aGVsbG8=", "",
          "clusters[0].cluster.certificate-authority-data: is not PEM" },
        { SERVER ", insecure-skip-tls-verify: true, certificate-authority: x", "",
          "clusters[0].cluster.insecure-skip-tls-verify: " },
        { SERVER, "client-certificate: x", "line 8: users[0].user.client-key: Required value" },
        { SERVER, "client-key-data: " PEM, "users[0].user.client-certificate: Required value" },
        { SERVER, "token: a, username: b", "users[0].user.username: token and username" },
        { SERVER, "auth-provider: {name: gcp}", "users[0].user.auth-provider: is not supported" },
        { SERVER, "exec: {command: x}", "users[0].user.exec: apiVersion: Required value" },
        { SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1}",
          "users[0].user.exec: command: Required value" },
        { SERVER, "exec: {command: x, apiVersion: v1}", "users[0].user.exec.apiVersion: Unsupp" },
        { SERVER,
          "exec: {command: x, apiVersion: client.authentication.k8s.io/v1,"
          " interactiveMode: Always}",
          "users[0].user.exec: interactiveMode: Always cannot be had" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *text = kubeconfig_of (CASES[i].cluster, CASES[i].user);
        kubeconfig_t config;
        fault_t fault = { 0 };
        assert_null (kubeconfig_read (text, strlen (text), "c", &config, &fault));
        assert_int_equal (fault.code, FAULT_INVALID);
        if (!strstr (fault.text, CASES[i].text))
            fail_msg ("\"%s\" is not in \"%s\"", CASES[i].text, fault.text);
    }
}

static void
what_is_no_kubeconfig_is_refused (void **state)
{
    (void) state;
    static const struct {
        const char *bytes, *text;
    } CASES[] = {
        { "", "c: is empty" },
        { "[]", "c: " },
        { ":\n- {", "c: line " },
        { "kind: Pod", "c: line 1: kind: is not Config" },
        { "apiVersion: v2", "c: line 1: apiVersion: is not v1" },
        { "kind: Config", "c: line 1: current-context: Required value" },
        { "current-context: x", "c: line 1: current-context: there is no context \"x\"" },
        { "contexts: [{}]", "c: line 1: contexts[0].name: Required value" },
        { "current-context: x\ncontexts: [{name: x, context: {cluster: zz}}]",
          "c: line 2: contexts[0].context.cluster: there is no cluster \"zz\"" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        kubeconfig_t config;
        fault_t fault = { 0 };
        const char *bytes = CASES[i].bytes;
        assert_null (kubeconfig_read (bytes, strlen (bytes), "c", &config, &fault));
        if (strncmp (fault.text, CASES[i].text, strlen (CASES[i].text)) != 0)
            fail_msg ("\"%s\" does not begin with \"%s\"", fault.text, CASES[i].text);
    }
}

#define V1 "\"apiVersion\": \"client.authentication.k8s.io/v1\", "
static const exec_plugin_t PLUGIN = { .api_version = "client.authentication.k8s.io/v1" };

static void
a_plugin_says_a_token_or_a_certificate (void **state)
{
    (void) state;
    static const char OUTPUT[] = "{\"kind\": \"ExecCredential\", " V1 "\"status\": {"
                                 "\"expirationTimestamp\": \"2026-01-01T00:00:00Z\","
                                 "\"token\": \"t\", \"clientCertificateData\": \"c\","
                                 "\"clientKeyData\": \"k\"}}";
    exec_credential_t credential;
    fault_t fault = { 0 };
    OWNED (tree_destroy)
    tree_t *tree = exec_credential_read (OUTPUT, strlen (OUTPUT), &PLUGIN, &credential, &fault);
    assert_non_null (tree);
    assert_string_equal (credential.token, "t");
    assert_string_equal (credential.certificate, "c");
    assert_string_equal (credential.key, "k");
    assert_int_equal (credential.expires_ns, 1767225600LL * 1000000000);
}

static void
a_plugin_that_says_nothing_useful_is_refused_without_quoting_it (void **state)
{
    (void) state;
    static const char *const OUTPUTS[] = {
        "",
        "secret",
        "{\"secret\": secret}",
        "{\"kind\": \"secret\"}",
        "{\"kind\": \"ExecCredential\", \"apiVersion\": \"secret\"}",
        "{\"kind\": \"ExecCredential\", " V1 "\"status\": \"secret\"}",
        "{\"kind\": \"ExecCredential\", " V1 "\"status\": {}}",
        "{\"kind\": \"ExecCredential\", " V1 "\"status\": {\"token\": \"\"}}",
        "{\"kind\": \"ExecCredential\", " V1 "\"status\": {\"clientKeyData\": \"secret\"}}",
        "{\"kind\": \"ExecCredential\", " V1 "\"status\": {\"token\": [\"secret\"]}}",
    };
    for (size_t i = 0; i < COUNT_OF (OUTPUTS); i++) {
        exec_credential_t credential;
        fault_t fault = { 0 };
        assert_null (
            exec_credential_read (OUTPUTS[i], strlen (OUTPUTS[i]), &PLUGIN, &credential, &fault));
        assert_int_equal (fault.code, FAULT_INVALID);
        assert_null (strstr (fault.text, "secret"));
    }
}

static void
a_plugin_is_told_the_cluster_when_it_wants (void **state)
{
    (void) state;
    exec_plugin_t plugin = PLUGIN;
    kubeconfig_t config = { .server = "https://api", .exec = &plugin };
    kubeconfig_pem_t ca = { "pem", 3 };
    OWNED (free_text) char *without = exec_credential_request (&config, ca);
    assert_string_equal (without, "{\"kind\":\"ExecCredential\","
                                  "\"apiVersion\":\"client.authentication.k8s.io/v1\","
                                  "\"spec\":{\"interactive\":false}}");
    plugin.provide_cluster_info = true;
    OWNED (free_text) char *with = exec_credential_request (&config, ca);
    assert_non_null (strstr (with, "\"cluster\":{\"server\":\"https://api\","
                                   "\"certificate-authority-data\":\"cGVt\"}"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_current_context_is_what_counts),
        cmocka_unit_test (inline_data_counts_before_a_file),
        cmocka_unit_test (a_plugin_is_found_beside_the_file_or_in_the_path),
        cmocka_unit_test (mistakes_are_named_with_line_and_field),
        cmocka_unit_test (what_is_no_kubeconfig_is_refused),
        cmocka_unit_test (a_plugin_says_a_token_or_a_certificate),
        cmocka_unit_test (a_plugin_that_says_nothing_useful_is_refused_without_quoting_it),
        cmocka_unit_test (a_plugin_is_told_the_cluster_when_it_wants),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
