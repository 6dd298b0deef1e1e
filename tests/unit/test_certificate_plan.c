#include "cubelet/certificate_keys.h"
#include "cubelet/certificate_plan.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tree_t *
read_json (const char *json)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (json, strlen (json), &fault);
    assert_string_equal (fault.text, "");
    return tree;
}

static void
a_certificate_is_replaced_after_seven_to_nine_tenths_of_its_life (void **state)
{
    (void) state;
    assert_in_range (certificate_replaced_at (1000, 2000, 0), 1699, 1700);
    assert_in_range (certificate_replaced_at (1000, 2000, 0.5), 1799, 1800);
    assert_in_range (certificate_replaced_at (1000, 2000, 0.9999), 1899, 1900);
}

static void
failures_wait_longer_and_longer (void **state)
{
    (void) state;
    static const int64_t WAITS[] = { 2000, 4000, 8000, 16000, 32000, 32000, 32000 };
    for (unsigned i = 0; i < COUNT_OF (WAITS); i++)
        assert_int_equal (certificate_retry_ms (i + 1, 0), WAITS[i]);
    assert_int_equal (certificate_retry_ms (1, 0.5), 2100);
    assert_int_equal (certificate_retry_ms (0, 0), 2000);
    assert_int_equal (certificate_retry_ms (4000000000u, 0), 32000);
}

static void
a_request_is_what_the_signers_want (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t client = certificate_request_node (tree, CERTIFICATE_CLIENT, "node-csr-x", "PEM");
    OWNED (free_text) char *text = json_write (&client, JSON_COMPACT, NULL);
    assert_string_equal (text,
                         "{\"kind\":\"CertificateSigningRequest\","
                         "\"apiVersion\":\"certificates.k8s.io/v1\","
                         "\"metadata\":{\"name\":\"node-csr-x\"},\"spec\":{\"request\":\"UEVN\","
                         "\"signerName\":\"kubernetes.io/kube-apiserver-client-kubelet\","
                         "\"usages\":[\"digital signature\",\"client auth\"]}}");
    node_t serving = certificate_request_node (tree, CERTIFICATE_SERVING, NULL, "PEM");
    OWNED (free_text) char *other = json_write (&serving, JSON_COMPACT, NULL);
    assert_non_null (strstr (other, "\"metadata\":{\"generateName\":\"csr-\"}"));
    assert_non_null (strstr (other, "\"signerName\":\"kubernetes.io/kubelet-serving\""));
    assert_non_null (strstr (other, "[\"digital signature\",\"server auth\"]"));
}

static void
conditions_say_what_has_become_of_a_request (void **state)
{
    (void) state;
    static const struct {
        const char *json;
        certificate_state_t state;
        const char *text;
    } CASES[] = {
        { "{}", CERTIFICATE_PENDING, NULL },
        { "{\"status\": {\"conditions\": [{\"type\": \"Approved\", \"status\": \"True\"}]}}",
          CERTIFICATE_PENDING, NULL },
        { "{\"status\": {\"certificate\": \"UEVN\"}}", CERTIFICATE_PENDING, NULL },
        { "{\"status\": {\"certificate\": \"UEVN\", \"conditions\": [{\"type\": \"Approved\","
          " \"status\": \"True\"}]}}",
          CERTIFICATE_ISSUED, "PEM" },
        { "{\"status\": {\"certificate\": \"?\", \"conditions\": [{\"type\": \"Approved\"}]}}",
          CERTIFICATE_REFUSED, "the certificate that was issued is not base64" },
        { "{\"status\": {\"conditions\": [{\"type\": \"Denied\", \"status\": \"True\","
          " \"message\": \"no\"}]}}",
          CERTIFICATE_REFUSED, "no" },
        { "{\"status\": {\"conditions\": [{\"type\": \"Approved\"}, {\"type\": \"Failed\"}]}}",
          CERTIFICATE_REFUSED, "Failed" },
        { "{\"status\": {\"conditions\": [{\"type\": \"Denied\", \"status\": \"False\"}]}}",
          CERTIFICATE_PENDING, NULL },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = read_json (CASES[i].json);
        OWNED (free_text) char *pem = NULL;
        const char *reason = NULL;
        assert_int_equal (certificate_request_state (tree_root (tree), &pem, &reason),
                          CASES[i].state);
        const char *text = pem ? pem : reason;
        assert_string_equal (text ? text : "", CASES[i].text ? CASES[i].text : "");
    }
}

static void
the_kubeconfig_that_is_written_can_be_read (void **state)
{
    (void) state;
    kubeconfig_t bootstrap = { .server = "https://api:6443",
                               .ca = { "-----BEGIN X-----", 17 },
                               .tls_server_name = "kubernetes" };
    OWNED (free_text) char *text = certificate_kubeconfig (&bootstrap, "/pki/current.pem");
    kubeconfig_t config;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = kubeconfig_read (text, strlen (text), "c", &config, &fault);
    assert_string_equal (fault.text, "");
    assert_string_equal (config.server, "https://api:6443");
    assert_string_equal (config.ca.bytes, "-----BEGIN X-----");
    assert_string_equal (config.tls_server_name, "kubernetes");
    assert_string_equal (config.certificate_file, "/pki/current.pem");
    assert_string_equal (config.key_file, "/pki/current.pem");
    assert_non_null (strstr (text, "default-context"));
}

static void
a_serving_certificate_names_the_nodes_addresses (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *node = read_json ("{\"status\": {\"addresses\": ["
                              "{\"type\": \"InternalIP\", \"address\": \"10.0.0.2\"},"
                              "{\"type\": \"InternalIP\", \"address\": \"10.0.0.1\"},"
                              "{\"type\": \"ExternalIP\", \"address\": \"fd00::1\"},"
                              "{\"type\": \"ExternalIP\", \"address\": \"10.0.0.1\"},"
                              "{\"type\": \"InternalDNS\", \"address\": \"node.example\"},"
                              "{\"type\": \"Hostname\", \"address\": \"node\"},"
                              "{\"type\": \"Hostname\", \"address\": \"10.0.0.3\"}]}}");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t names = certificate_names_of_node (tree, tree_root (node));
    OWNED (free_text) char *text = json_write (&names, JSON_COMPACT, NULL);
    assert_string_equal (text, "{\"dns\":[\"node\",\"node.example\"],"
                               "\"ips\":[\"10.0.0.1\",\"10.0.0.2\",\"10.0.0.3\",\"fd00::1\"]}");
}

static void
who_asks_again_with_the_same_key_asks_for_the_same_request (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (free_text) char *key = certificate_key_make (&fault);
    OWNED (free_text) char *other = certificate_key_make (&fault);
    assert_non_null (key);
    OWNED (free_text) char *one = certificate_request_name (key, "system:node:a", &fault);
    OWNED (free_text) char *same = certificate_request_name (key, "system:node:a", &fault);
    OWNED (free_text) char *name = certificate_request_name (key, "system:node:b", &fault);
    OWNED (free_text) char *foreign = certificate_request_name (other, "system:node:a", &fault);
    assert_string_equal (one, same);
    assert_string_not_equal (one, name);
    assert_string_not_equal (one, foreign);
    assert_int_equal (strncmp (one, "node-csr-", 9), 0);
    assert_int_equal (strlen (one), 9 + 43);
    assert_null (certificate_request_name ("no key", "system:node:a", &fault));
    assert_int_equal (fault.code, FAULT_INVALID);
}

static void
a_request_is_made_and_what_is_no_certificate_is_refused (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (free_text) char *key = certificate_key_make (&fault);
    OWNED (tree_destroy)
    tree_t *names = read_json ("{\"dns\": [\"node\"], \"ips\": [\"10.0.0.1\", \"fd00::1\"]}");
    OWNED (free_text)
    char *request =
        certificate_request_make (key, "system:nodes", "system:node:a", tree_root (names), &fault);
    assert_non_null (request);
    assert_int_equal (strncmp (request, "-----BEGIN CERTIFICATE REQUEST-----", 35), 0);
    certificate_facts_t facts;
    static const char *const PEMS[] = { "", "x", "-----BEGIN CERTIFICATE-----\nx\n" };
    for (size_t i = 0; i < COUNT_OF (PEMS); i++) {
        fault_t why = { 0 };
        assert_int_equal (certificate_inspect (PEMS[i], NULL, &facts, &why), -1);
        assert_int_equal (why.code, FAULT_INVALID);
    }
    assert_int_equal (certificate_inspect (key, NULL, &facts, &fault), -1);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_certificate_is_replaced_after_seven_to_nine_tenths_of_its_life),
        cmocka_unit_test (failures_wait_longer_and_longer),
        cmocka_unit_test (a_request_is_what_the_signers_want),
        cmocka_unit_test (conditions_say_what_has_become_of_a_request),
        cmocka_unit_test (the_kubeconfig_that_is_written_can_be_read),
        cmocka_unit_test (a_serving_certificate_names_the_nodes_addresses),
        cmocka_unit_test (who_asks_again_with_the_same_key_asks_for_the_same_request),
        cmocka_unit_test (a_request_is_made_and_what_is_no_certificate_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
