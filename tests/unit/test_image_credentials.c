#include "cubelet/base64.h"
#include "cubelet/image_credentials.h"
#include "pod_fixture.h"

static void
registries_match_label_by_label (void **state)
{
    (void) state;
    static const struct {
        const char *glob, *image;
        bool matches;
    } CASES[] = {
        { "registry.io", "registry.io/a/b", true },
        { "registry.io/a", "registry.io/a/b", true },
        { "registry.io/a", "registry.io/abc", true }, // a prefix of the path, as upstream
        { "registry.io/c", "registry.io/a/b", false },
        { "registry.io", "registry.io:5000/a", false },
        { "registry.io:5000", "registry.io:5000/a", true },
        { "registry.io:50", "registry.io:5000/a", false },
        { "*.io", "registry.io/a", true },
        { "*.io", "eu.registry.io/a", false },
        { "*.*.io", "eu.registry.io/a", true },
        { "reg*.io", "registry.io/a", true },
        { "registry.*", "registry.io/a", true },
        { "*", "localhost/a", true },
        { "127.0.0.1:15000", "127.0.0.1:15000/busybox", true },
        { "registry.io", "registry.io.evil/a", false },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        if (registry_matches (CASES[i].glob, CASES[i].image) != CASES[i].matches)
            fail_msg ("%s %s", CASES[i].glob, CASES[i].image);
}

/* "USER:PASSWORD USER:PASSWORD" of what is found. Owned. */
static char *
found_for (const node_t *keyring, const char *repository, tree_t *tree)
{
    node_t found = node_array();
    char *text = text_copy ("");
    keyring_lookup (keyring, repository, tree, &found);
    NODE_EACH (&found, pair)
    text_replace (&text, "%s%s%s:%s", text, *text ? " " : "", node_get_text (pair, "username", ""),
                  node_get_text (pair, "password", ""));
    return text;
}

static void
the_longest_path_is_tried_first (void **state)
{
    (void) state;
    static const struct {
        const char *auths, *repository, *found;
    } CASES[] = {
        { "{registry.io: {username: u, password: p}}", "registry.io/a", "u:p" },
        { "{registry.io: {auth: dTpwOnE=}}", "registry.io/a", "u:p:q" },
        { "{registry.io: {auth: dTpw}}", "registry.io/a", "u:p" },
        { "{registry.io: {auth: dTpwcXI}}", "registry.io/a", "u:pqr" }, // not padded
        { "{'https://registry.io/v2/': {username: u, password: p}}", "registry.io/a", "u:p" },
        { "{registry.io: {username: a}, registry.io/x: {username: b}, '*.io': {username: c}}",
          "registry.io/x/y", "b: a: c:" },
        { "{registry.io: {username: a}}", "other.io/x", "" },
        { "{'https://index.docker.io/v1/': {username: u, password: p}}",
          "docker.io/library/busybox", "u:p" },
        { "{'https://index.docker.io/v1/': {username: u, password: p}}", "registry.io/busybox",
          "" },
        { "{docker.io: {username: a}, index.docker.io: {username: b}}", "docker.io/library/busybox",
          "a:" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t auths = yaml_node (CASES[i].auths, tree), keyring = node_array();
        node_t config = node_map();
        fault_t fault = { 0 };
        node_set (tree, &config, "auths", auths);
        assert_int_equal (keyring_add_config (tree, &keyring, &config, false, &fault), 0);
        OWNED (free_text) char *found = found_for (&keyring, CASES[i].repository, tree);
        if (strcmp (found, CASES[i].found) != 0)
            fail_msg ("%s: %s, not %s", CASES[i].auths, found, CASES[i].found);
    }
}

static node_t
secret_of (const char *type, const char *key, const char *content, tree_t *tree)
{
    node_t secret = yaml_node ("metadata: {name: pull}", tree), data = node_map();
    OWNED (free_text) char *encoded = memory_new ((strlen (content) + 2) / 3 * 4 + 1, 1);
    base64_encode (content, strlen (content), encoded);
    node_set_text (tree, &data, key, encoded);
    node_set_text (tree, &secret, "type", type);
    node_set (tree, &secret, "data", data);
    return secret;
}

static void
secrets_of_both_types_are_read (void **state)
{
    (void) state;
    static const struct {
        const char *type, *key, *content, *found; // or the fault
    } CASES[] = {
        { "kubernetes.io/dockerconfigjson", ".dockerconfigjson",
          "{\"auths\": {\"r.io\": {\"auth\": \"dTpw\"}}}", "u:p" },
        { "kubernetes.io/dockercfg", ".dockercfg", "{\"r.io\": {\"auth\": \"dTpw\"}}", "u:p" },
        { "Opaque", ".dockerconfigjson", "{\"auths\": {\"r.io\": {\"auth\": \"dTpw\"}}}", "" },
        { "kubernetes.io/dockerconfigjson", ".dockerconfigjson", "{}", "" },
        { "kubernetes.io/dockerconfigjson", ".dockerconfigjson", "hush",
          "secret pull: .dockerconfigjson is not JSON" },
        { "kubernetes.io/dockercfg", ".dockercfg", "{\"r.io\": {\"auth\": \"aHVzaA==\"}}",
          "secret pull: .dockercfg: r.io: unable to parse auth field, must be formatted as "
          "base64(username:password)" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t secret = secret_of (CASES[i].type, CASES[i].key, CASES[i].content, tree);
        node_t keyring = node_array();
        fault_t fault = { 0 };
        int result = keyring_add_secret (tree, &keyring, &secret, &fault);
        OWNED (free_text) char *found = found_for (&keyring, "r.io/a", tree);
        assert_string_equal (result < 0 ? fault.text : found, CASES[i].found);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (registries_match_label_by_label),
        cmocka_unit_test (the_longest_path_is_tried_first),
        cmocka_unit_test (secrets_of_both_types_are_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
