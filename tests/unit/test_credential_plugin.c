#include "cubelet/clock.h"
#include "cubelet/credential_plugin.h"
#include "cubelet/image_credentials.h"
#include "pod_fixture.h"

#define V1 "credentialprovider.kubelet.k8s.io/v1"
#define CONFIG(PROVIDER)                                                                           \
    "{apiVersion: kubelet.config.k8s.io/v1, kind: CredentialProviderConfig, providers: [" PROVIDER \
    "]}"

static void
mistakes_of_a_configuration_are_all_named (void **state)
{
    (void) state;
    static const struct {
        const char *config, *fault; // NULL: none
    } CASES[] = {
        { CONFIG ("{name: p, matchImages: ['*.io'], defaultCacheDuration: 10m, apiVersion: " V1
                  "}"),
          NULL },
        { "{apiVersion: v1, kind: CredentialProviderConfig}",
          "is no CredentialProviderConfig of kubelet.config.k8s.io/v1" },
        { CONFIG (""), "providers: Required value: at least 1 item in plugins is required" },
        { CONFIG ("{name: a/b, apiVersion: x, defaultCacheDuration: soon}"),
          "[providers[0].name: Invalid value: \"a/b\": provider name cannot be '.' or '..' or "
          "contain '/' or spaces, providers[0].apiVersion: Unsupported value: \"x\", "
          "providers[0].matchImages: Required value: at least 1 item must be specified for "
          "matchImages, providers[0].defaultCacheDuration: Invalid value: \"soon\": must be a "
          "duration]" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t config = yaml_node (CASES[i].config, tree);
        credential_provider_list_t providers;
        fault_t fault = { 0 };
        int result = credential_providers_read (&config, tree, &providers, &fault);
        assert_int_equal (result, CASES[i].fault ? -1 : 0);
        assert_string_equal (fault.text, CASES[i].fault ? CASES[i].fault : "");
    }
}

static credential_provider_t
a_provider (tree_t *tree)
{
    node_t config = yaml_node (CONFIG ("{name: p, matchImages: ['*.io', 'r.example/x'],"
                                       " defaultCacheDuration: 10m, apiVersion: " V1
                                       ", args: [get], env: [{name: A, value: b}]}"),
                               tree);
    credential_provider_list_t providers;
    fault_t fault = { 0 };
    assert_int_equal (credential_providers_read (&config, tree, &providers, &fault), 0);
    return providers.items[0];
}

static void
a_provider_is_asked_for_its_images (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    credential_provider_t provider = a_provider (tree);
    assert_true (credential_provider_matches (&provider, "r.io/a"));
    assert_true (credential_provider_matches (&provider, "r.example/x/y"));
    assert_false (credential_provider_matches (&provider, "r.example/y"));
    assert_string_equal (provider.env.items[0], "A=b");
    assert_string_equal (provider.args.items[0], "get");
    OWNED (free_text) char *request = credential_request (&provider, "r.io/a");
    assert_string_equal (request, "{\"kind\":\"CredentialProviderRequest\",\"apiVersion\":\"" V1
                                  "\",\"image\":\"r.io/a\"}");
}

#define ANSWER(REST)                                                                               \
    "{\"kind\": \"CredentialProviderResponse\", \"apiVersion\": \"" V1 "\"" REST "}"

static void
answers_say_how_long_and_for_what_they_hold (void **state)
{
    (void) state;
    static const struct {
        const char *answer, *key; // or the fault
        int64_t seconds;
    } CASES[] = {
        { ANSWER (", \"cacheKeyType\": \"Image\""), "p image r.io/a", 600 },
        { ANSWER (", \"cacheKeyType\": \"Registry\", \"cacheDuration\": \"5s\""), "p registry r.io",
          5 },
        { ANSWER (", \"cacheKeyType\": \"Global\", \"cacheDuration\": \"0s\""), "p", 0 },
        { ANSWER (", \"cacheKeyType\": \"Never\""), "its answer has no cacheKeyType that is known",
          -1 },
        { ANSWER (", \"cacheKeyType\": \"Image\", \"cacheDuration\": \"hush\""),
          "cacheDuration is no duration", -1 },
        { "hush", "its answer is not JSON", -1 },
        { "{\"kind\": \"CredentialProviderResponse\"}",
          "its answer is no CredentialProviderResponse of " V1, -1 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        credential_provider_t provider = a_provider (tree);
        credential_response_t response;
        fault_t fault = { 0 };
        int result = credential_response_read (&provider, "r.io/a", CASES[i].answer,
                                               strlen (CASES[i].answer), tree, &response, &fault);
        assert_int_equal (result, CASES[i].seconds < 0 ? -1 : 0);
        assert_string_equal (result < 0 ? fault.text : response.cache_key, CASES[i].key);
        if (result == 0)
            assert_int_equal (response.cache_ns, CASES[i].seconds * NS_PER_S);
        free_text (&response.cache_key);
    }
}

static void
an_answer_is_a_keyring (void **state)
{
    (void) state;
    static const char BYTES[] =
        ANSWER (", \"cacheKeyType\": \"Image\", \"auth\": {\"*.io\": {\"username\": \"u\","
                " \"password\": \"p\"}, \"other.org\": {\"username\": \"v\"}}");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    credential_provider_t provider = a_provider (tree);
    credential_response_t response;
    fault_t fault = { 0 };
    assert_int_equal (credential_response_read (&provider, "r.io/a", BYTES, strlen (BYTES), tree,
                                                &response, &fault),
                      0);
    node_t found = node_array();
    keyring_lookup (&response.keyring, "r.io/a", tree, &found);
    assert_yaml ("found", &found, "[{username: u, password: p}]");
    free_text (&response.cache_key);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (mistakes_of_a_configuration_are_all_named),
        cmocka_unit_test (a_provider_is_asked_for_its_images),
        cmocka_unit_test (answers_say_how_long_and_for_what_they_hold),
        cmocka_unit_test (an_answer_is_a_keyring),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
