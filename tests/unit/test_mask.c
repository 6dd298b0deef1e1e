/* test_mask.c - what a tap may see of secrets: that they are there. */
#include "cubelet/mask.h"
#include "pod_fixture.h"

#define MASK "'" MASKED_TEXT "'"

static void
values_of_secrets_are_masked (void **state)
{
    (void) state;
    static const struct {
        const char *body, *shown;
    } CASES[] = {
        { "{kind: Secret, data: {a: eA==}, stringData: {b: x}}",
          "{kind: Secret, data: {a: " MASK "}, stringData: {b: " MASK "}}" },
        { "{kind: ConfigMap, data: {a: x}}", "{kind: ConfigMap, data: {a: x}}" },
        // object.state, whose objects need not say what they are
        { "objects: [{kind: Secret, name: s, object: {metadata: {name: s}, data: {a: x}}}]",
          "objects: [{kind: Secret, name: s, object: {metadata: {name: s}, data: {a: " MASK
          "}}}]" },
        { "objects: [{kind: ConfigMap, name: c, object: {data: {a: x}}}]",
          "objects: [{kind: ConfigMap, name: c, object: {data: {a: x}}}]" },
        // image.ensure
        { "secrets: [{metadata: {name: s}, data: {a: x}, type: t}]",
          "secrets: [{metadata: {name: s}, data: {a: " MASK "}, type: t}]" },
        // volume.setup, token.get
        { "tokens: [{audience: a, token: x}]", "tokens: [{audience: a, token: " MASK "}]" },
        // api.request: TokenReview and its like, the answer to a TokenRequest, a Secret
        { "{path: /x, body: {kind: TokenReview, spec: {token: x}}}",
          "{path: /x, body: {kind: TokenReview, spec: {token: " MASK "}}}" },
        { "{code: 201, body: {status: {token: x, expirationTimestamp: t}}}",
          "{code: 201, body: {status: {token: " MASK ", expirationTimestamp: t}}}" },
        { "{code: 200, body: {kind: Secret, data: {a: x}}}",
          "{code: 200, body: {kind: Secret, data: {a: " MASK "}}}" },
        // cri.Exec's answer
        { "url: 'http://127.0.0.1:1/exec/TOKEN'", "url: " MASK },
        { "auth: {username: u, password: p}", "auth: {username: " MASK ", password: " MASK "}" },
        { "env: [{name: A, value: x}]", "env: [{name: A, value: " MASK "}]" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = yaml_node (CASES[i].body, tree);
        node_t masked = mask_secrets (tree, &body);
        assert_yaml (CASES[i].body, &masked, CASES[i].shown);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (values_of_secrets_are_masked),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
